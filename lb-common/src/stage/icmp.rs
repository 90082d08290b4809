//! ICMP and ICMPv6: errors go where the packets that they quote came from, and pings of addresses that no
//! kernel answers for are answered here.

use super::{Step, access, connect, reply, service};
use crate::{
    hash,
    net::Address,
    packet::Packet,
    reason::Reason,
    state::{Policy, ServiceKey, Target},
    tables::Tables,
};

/// The connection that an error is about; `answer` is what an answer to the packet that it quotes would look
/// like, and takes the same way. Nothing is renewed: who sends errors is anybody.
///
/// # Errors
/// [`Reason::IcmpOrphan`] if it is about a service's connection that nothing is known of,
/// [`Reason::Denied`] if it is about one of a client that is not let in, [`Reason::ToHost`] if the host itself serves,
/// [`Reason::OtherProtocol`] if it is not about a service's connection.
#[inline(always)]
pub fn find<A: Address, T: Tables>(answer: &Packet<A>, tables: &T) -> Step<Target> {
    if let Some(target) = reply::target(answer, tables) {
        return Ok(target);
    }
    // A connection that is not remembered still goes by session or hash, where no port is needed for it.
    let client = answer.source.address.widen();
    let mut called = service::called(answer);
    let service = service::find(tables, &mut called).ok_or(Reason::OtherProtocol)?;
    if !access::admits(tables, &service, client) {
        return Err(Reason::Denied);
    }
    if service.policy.has(Policy::LOCAL) {
        return Err(Reason::ToHost);
    }
    let hash = hash::of(answer, tables.settings());
    let id = connect::expected(tables, &service, client, hash).ok_or(Reason::IcmpOrphan)?;
    let backend = tables.backend(id).ok_or(Reason::IcmpOrphan)?;
    if !backend.is_direct() || !backend.serves(&service, &called) {
        return Err(Reason::IcmpOrphan);
    }
    Ok(Target::direct(id, hash))
}

/// True if a ping of this address is answered here.
#[inline(always)]
pub fn answers<A: Address, T: Tables>(address: A, tables: &T) -> bool {
    tables.service(&ServiceKey::any_port(address.widen())).is_some_and(|mark| mark.policy.has(Policy::ECHO))
}
