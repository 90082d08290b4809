//! QUIC: which server a packet's connection id names, so that a client keeps its server when its
//! address changes (draft-ietf-quic-load-balancers-21).
//!
//! Only what no version of QUIC may change (RFC 8999) is looked at, and the id itself. An id that names
//! no server is no error: a client's first packets carry ids of its own making.

pub mod aes;
mod header;
mod id;
#[cfg(feature = "std")]
pub mod scheme;

use crate::{
    frame::Frame,
    net::Address,
    packet::Packet,
    stage::service,
    state::{BackendId, CidOctets, ServerKey, Service, quic::Block},
    tables::Tables,
};

/// Nobody's id: the service does not ask for connection ids.
pub const UNASKED: BackendId = BackendId(u32::MAX);

/// The backend that made the connection id of a UDP packet; [`BackendId::NONE`] if there is none, [`UNASKED`] if
/// the service does not ask. It need not serve.
// An id and not an `Option`: what is not inlined returns a number. Both look-ups are functions of their own, so
// that their keys don't lie on the stack below the cipher.
#[inline(never)]
pub fn server<A: Address, F: Frame, T: Tables>(frame: &F, packet: &Packet<A>, tables: &T) -> BackendId {
    let Some(service) = asking(packet, tables) else { return UNASKED };
    let mut id = CidOctets::default();
    match header::octets(frame, tables, service.quic, usize::from(packet.transport), &mut id) {
        Some(config) if tables.read_id(config, &mut id) => home(packet, tables, &service, &id.start),
        _ => BackendId::NONE,
    }
}

/// The service of a packet, if it asks for connection ids.
#[inline(never)]
fn asking<'t, A: Address, T: Tables>(packet: &Packet<A>, tables: &'t T) -> Option<T::Ref<'t, Service>> {
    service::find(tables, &mut service::called(packet)).filter(|service| service.quic != 0)
}

/// The backend of a server id.
#[inline(never)]
fn home<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, service: &Service, id: &Block) -> BackendId {
    let home = tables.server(&ServerKey { scope: service.scope, id: *id });
    match home.and_then(|home| Some((home, tables.backend(home.backend)?))) {
        // Entries are replaced one by one: one of another service, or of a backend that left, decides nothing.
        Some((home, backend))
            if backend.generation == home.generation
                && backend.service_tag == service.tag
                && backend.service_address == packet.destination.address.widen() =>
        {
            home.backend
        }
        _ => BackendId::NONE,
    }
}

/// Reads an id by entry `config` of `QUIC`: the server id is then in its `start`. False if there is no such
/// entry.
#[inline(always)]
pub fn read<T: Tables>(tables: &T, config: u32, id: &mut CidOctets) -> bool {
    tables.quic(config).is_some_and(|config| id::read(&config, id))
}

/// True if a packet whose flow leads to `known` and whose connection id names `named` goes there: the client
/// came to this tuple from elsewhere.
#[inline(always)]
pub fn overrules<T: Tables>(tables: &T, named: BackendId, known: BackendId) -> bool {
    !named.is_none() && named != known && tables.health(named).serves()
}
