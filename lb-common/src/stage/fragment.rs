//! Fragments: the later ones have no ports, and go where the first one went.
//!
//! The first fragment of a packet is decided like a whole packet, and remembered under what all fragments
//! have in common: addresses and identification. A later one that comes before it finds nothing
//! there; where its address has one service of its protocol, and that tells clients by their addresses,
//! it needs no more: session or hash say the same for all fragments. Nothing is remembered of what goes to the
//! host's own stack, which puts fragments together itself: where it serves, it gets those that nobody else does.

use super::{Step, access, connect, flow, reply, table};
use crate::{
    hash,
    net::{Address, Be16, protocol},
    packet::Packet,
    parse::{Datagram, Family},
    reason::Reason,
    state::{Forwarding, Phase, Policy, ServiceKey, Target, flow::Entry},
    tables::{Cache, Tables},
};

/// Hash of what all fragments of a packet have in common. IPv4 tells packets of different protocols apart
/// (RFC 791 section 3.2), IPv6 does not (RFC 8200 section 4.5).
#[inline(always)]
pub fn common<A: Family, T: Tables>(datagram: &Datagram<A>, tables: &T) -> u64 {
    let id = datagram.identification;
    let protocol = if A::ICMP == protocol::ICMP { datagram.protocol } else { 0 };
    let from = (datagram.ip.source, Be16::from_raw(id as u16));
    let to = (datagram.ip.destination, Be16::from_raw((id >> 16) as u16));
    hash::tuple(tables.settings(), from, to, protocol)
}

/// Remembers where a packet went whose first fragment was just sent on; `common` is what [`common`] says of it.
#[inline(never)]
pub fn remember<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, common: u64) {
    if let Some(target) = reply::target(packet, tables) {
        enter(tables, target, common);
    }
}

/// The same where it is known: a connection need not be stored.
#[inline(always)]
pub fn enter<T: Tables>(tables: &T, target: Target, common: u64) {
    let Some(backend) = tables.backend(target.backend()) else { return };
    let entry = Entry::new(target, Phase::New, tables.now());
    table::enter_fragment(tables, common, entry, backend.generation);
}

/// Where a later fragment goes.
///
/// # Errors
/// [`Reason::ToHost`] where the host itself serves, or may be meant; [`Reason::FragmentOrphan`] for another service's
/// address, [`Reason::NotOurs`] otherwise; [`Reason::Denied`].
#[inline(always)]
pub fn find<A: Family, T: Tables>(datagram: &Datagram<A>, tables: &T) -> Step<Target> {
    if let Some((entry, _)) = flow::known(tables, Cache::Fragments, common(datagram, tables))
        && entry.idle(tables.now()) <= table::FRAGMENT_LIVE
    {
        return Ok(entry.target());
    }
    by_client(datagram, tables)
}

/// Where session or hash send a fragment's client.
#[inline(always)]
fn by_client<A: Family, T: Tables>(datagram: &Datagram<A>, tables: &T) -> Step<Target> {
    let address = datagram.ip.destination.widen();
    let mark = tables.service(&ServiceKey::any_port(address)).ok_or(Reason::NotOurs)?;
    // The host drops by itself what it has no first fragment of.
    let orphan = if mark.policy.has(Policy::LOCAL) { Reason::ToHost } else { Reason::FragmentOrphan };
    let service = tables.service(&ServiceKey::only(address, datagram.protocol)).ok_or(orphan)?;
    let client = datagram.ip.source.widen();
    if !access::admits(tables, &service, client) {
        return Err(Reason::Denied);
    }
    if service.policy.has(Policy::LOCAL) {
        return Err(Reason::ToHost);
    }
    let id = connect::expected(tables, &service, client, 0).ok_or(Reason::NoBackend)?;
    let backend = tables.backend(id).ok_or(Reason::NoBackend)?;
    // The entries of a hash map may be given to another key while they are read.
    if backend.service_tag != service.tag || backend.service_address != address {
        return Err(Reason::NoBackend);
    }
    if backend.is_direct() {
        return Ok(Target::direct(id, hash::client(tables.settings(), service.scope, client)));
    }
    // With several sources to choose from, the first fragment's ports decide.
    if backend.forwarding() == Forwarding::Nat && backend.source_count != 1 {
        return Err(Reason::FragmentOrphan);
    }
    Ok(Target::bound(id, backend.source_first, 0))
}
