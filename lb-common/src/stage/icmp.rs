//! ICMP and ICMPv6: errors go where the packets that they quote came from, and pings of addresses that no
//! kernel answers for are answered here.

use super::{Step, connect, flow, nat, reply};
use crate::{
    hash,
    net::Address,
    packet::Packet,
    reason::Reason,
    state::{Forwarding, ServiceKey, Target},
    tables::{Cache, Tables},
};

/// The connection that an error is about; `answer` is what an answer to the packet that it quotes would look
/// like, and takes the same way. Nothing is renewed: who sends errors is anybody.
///
/// # Errors
/// [`Reason::IcmpOrphan`] if it is about a service's connection that nothing is known of,
/// [`Reason::OtherProtocol`] if it is not about a service's connection.
#[inline(always)]
pub fn find<A: Address, T: Tables>(answer: &Packet<A>, tables: &T) -> Step<Target> {
    if let Some(target) = reply::target(answer, tables).or_else(|| followed(answer, tables)) {
        return Ok(target);
    }
    // A connection that is not remembered still goes by session or hash, where no port is needed for it.
    let (from, to) = (answer.source, answer.destination);
    let called = ServiceKey::new(to.address.widen(), to.port, answer.protocol);
    let service = tables.service(&called).ok_or(Reason::OtherProtocol)?;
    let hash = hash::of(answer, tables.settings());
    let id =
        connect::expected(tables, &service, &called, from.address.widen(), hash).ok_or(Reason::IcmpOrphan)?;
    let backend = tables.backend(id).ok_or(Reason::IcmpOrphan)?;
    if matches!(backend.forwarding(), Forwarding::Nat | Forwarding::NatPreserve) {
        return Err(Reason::IcmpOrphan);
    }
    Ok(Target::direct(id))
}

/// The target of the answer's flow, if the flow still owns its source port: an error must not reach the
/// connection that has it now.
#[inline(always)]
fn followed<A: Address, T: Tables>(answer: &Packet<A>, tables: &T) -> Option<Target> {
    let settings = tables.settings();
    let (entry, backend) = flow::known(tables, Cache::Flows, hash::of(answer, settings))?;
    let target = entry.target();
    if backend.forwarding() == Forwarding::Dsr {
        return Some(target);
    }
    let client = if target.is_reply() { answer.destination } else { answer.source };
    let ours = nat::source(tables, &backend, target.source());
    let bound = tables.binding(nat::index(settings, ours, &backend, target.port()))?.read()?;
    bound.is_of(target.backend(), client.address.widen(), client.port).then_some(target)
}

/// True if a ping of this address is answered here.
#[inline(always)]
pub fn answers<A: Address, T: Tables>(address: A, tables: &T) -> bool {
    tables.service(&ServiceKey::any_port(address.widen())).is_some_and(|mark| mark.answers_echo())
}
