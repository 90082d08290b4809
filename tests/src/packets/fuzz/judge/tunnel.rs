//! Packets to backends behind tunnels: what is put around them, and what is answered to those that don't fit.
//!
//! Nothing of either is in the packet that came, so it is compared with what etherparse makes of that
//! ([`Parts`]), but for what an outer header has of the flow: that may be anything it can be.

use lb_common::{reason::Reason, state::Forwarding};

use super::{
    super::super::table::{
        A, Action, B, Parts, Ran, Site, mac,
        tunnel::{Entropy, room},
    },
    super::hex,
    Conditions,
    anatomy::{Anatomy, Body},
    answers_at, belongs, carries, ends,
};

/// It is in the tunnel of one of its site's backends, as it came, and small enough.
pub fn wrapped(
    sites: &[Site],
    conditions: Conditions,
    input: &[u8],
    before: &Anatomy,
    output: &[u8],
) -> Result<(), String> {
    let site = called(sites, before)?;
    let (parts, outer) = (Parts::of(input)?, Parts::of(output)?);
    let server =
        [(A, mac::A), (B, mac::B)].into_iter().find(|(it, _)| site.server(*it).0 == outer.destination);
    let (which, to_mac) =
        server.ok_or_else(|| format!("a tunnel of {} leads to {}", site.name(), outer.destination))?;
    if outer.packet.len() > conditions.mtu as usize {
        return Err(format!("{} bytes left where the tunnel takes {}", outer.packet.len(), conditions.mtu));
    }
    let gue = site.forwarding == Forwarding::Gue;
    let parts = parts.between([to_mac, mac::OURS_OUT]);
    same(&parts.wrapped(site.server(which).0, gue, Entropy::of(output)?), output)?;
    belongs([site].into_iter(), Reason::ToBackend, output, before, before)
}

/// It has ports, is too big, and its sender is told so.
pub fn answered(
    sites: &[Site],
    conditions: Conditions,
    input: &[u8],
    before: &Anatomy,
    ran: &Ran,
) -> Result<(), String> {
    let site = called(sites, before)?;
    let (parts, room) = (Parts::of(input)?, room(site, conditions.mtu));
    if ran.action != Action::Tx || !matches!(before.body, Body::Ported(_)) || parts.packet.len() <= room {
        return Err(format!("{:?}: told to be too big for {room} bytes", ran.action));
    }
    same(&parts.too_big(room), &ran.bytes)
}

/// It is too big.
pub fn too_big(sites: &[Site], conditions: Conditions, input: &[u8]) -> Result<(), String> {
    let room = room(called(sites, &Anatomy::of(input)?)?, conditions.mtu);
    if Parts::of(input)?.packet.len() > room {
        return Ok(());
    }
    Err(format!("dropped as too big, though there is room for {room} bytes"))
}

/// Its outer headers don't fit before it.
pub fn no_headroom(sites: &[Site], conditions: Conditions, input: &[u8]) -> Result<(), String> {
    let Conditions { mtu, headroom } = conditions;
    let headers = mtu as usize - room(called(sites, &Anatomy::of(input)?)?, mtu);
    if headers > headroom {
        return Ok(());
    }
    Err(format!("dropped, though {headers} bytes fit into {headroom}"))
}

/// The site that a packet is for; it has a tunnel.
fn called<'a>(sites: &'a [Site], before: &Anatomy) -> Result<&'a Site, String> {
    let (_, to) = ends(before).ok_or("a ping came into a tunnel")?;
    let fits = |site: &&Site| site.forwarding.is_tunnel() && carries(site, before) && answers_at(site, to);
    sites.iter().find(fits).ok_or_else(|| format!("no service with a tunnel is at {to:?}"))
}

fn same(expected: &[u8], output: &[u8]) -> Result<(), String> {
    if expected == output {
        return Ok(());
    }
    let at = expected.iter().zip(output).position(|(one, other)| one != other);
    Err(format!("byte {at:?} is not as it should be:\n  should   {}", hex(expected)))
}
