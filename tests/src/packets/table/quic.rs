//! A site's connection ids: how they are made, and packets that carry them.

use lb_common::{
    quic::scheme::{Key, Scheme, block},
    state::{ServerHome, ServerKey, quic::ROTATIONS},
};

use super::{A, B, Site, Which, World};

/// Of all configurations but the first.
pub const KEY: Key = Key(*b"sixteen octets!!");

/// Octets of a server id.
pub const SERVER: u8 = 9;

/// Octets of the nonce in each configuration: without a key; one block; halves of whole octets and not, with
/// the server id in the first of them and in both.
pub const NONCES: [u8; 7] = [4, 7, 9, 10, 4, 5, 8];

/// Version 1 (RFC 9000).
pub const V1: u32 = 1;
/// Version 2 (RFC 9369).
pub const V2: u32 = 0x6b33_43cf;

/// The configuration with these rotation bits.
pub fn scheme(rotation: u8) -> Scheme {
    let key = (rotation != 0).then_some(KEY);
    Scheme::new(rotation, SERVER, NONCES[usize::from(rotation)], key).expect("within the bounds")
}

/// A server id: ends differ.
fn server(which: Which, length: usize) -> Vec<u8> {
    let mut id = vec![0xa0 + which as u8; length];
    id[0] = 0x10 + which as u8;
    id
}

/// An id by a scheme.
pub fn id_by(scheme: &Scheme, which: Which) -> Vec<u8> {
    let nonce: Vec<u8> = (0..scheme.nonce_length()).map(|at| 0xc5 ^ at as u8).collect();
    scheme.encode(None, &server(which, scheme.server_length()), &nonce).expect("of the scheme's lengths")
}

/// An id by the configuration with these rotation bits.
pub fn id(rotation: u8, which: Which) -> Vec<u8> {
    id_by(&scheme(rotation), which)
}

/// A packet with a long header (RFC 8999 section 5.1).
pub fn long(version: u32, id: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc3];
    packet.extend(version.to_be_bytes());
    packet.push(id.len() as u8);
    packet.extend(id);
    packet.extend([8, 1, 2, 3, 4, 5, 6, 7, 8]);
    packet.resize(packet.len() + 40, 0x5a);
    packet
}

/// A packet with a short header (RFC 8999 section 5.2), as short as can be.
pub fn short(id: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x43];
    packet.extend(id);
    packet.resize(packet.len() + 20, 0x5a);
    packet
}

/// Has ids of a scheme read.
pub fn set_scheme(world: &mut dyn World, site: Site, scheme: &Scheme) {
    let index = site.quic_number() * ROTATIONS + u32::from(scheme.rotation());
    world.set_cid_config(index, &scheme.entry());
}

/// Names both backends by server ids of this length. `later`: generations after the backends' own.
pub fn set_servers(world: &mut dyn World, site: Site, length: u8, later: u32) {
    let (length, generation) = (length.into(), world.generation() + later);
    for which in [A, B] {
        let key = ServerKey { scope: site.scope, id: block(&server(which, length)) };
        world.set_server(&key, ServerHome { backend: site.id(which), generation });
    }
}

/// Seven configurations, and the backends' server ids.
pub fn install(world: &mut dyn World, site: Site) {
    (0..7).for_each(|rotation| set_scheme(world, site, &scheme(rotation)));
    set_servers(world, site, SERVER, 0);
}
