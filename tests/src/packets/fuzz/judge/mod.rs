//! Is what left well-formed, as right as what came in, and where it belongs? By etherparse and
//! internet-checksum, which know nothing of the packet path.
//!
//! What a checksum covers, it covers before and after; so the *error* of each, which is zero where it is
//! right, must be the same before and after: a right one stays right, and a wrong one is as wrong as it
//! was. That is true of fragments and of quotes, too, where a part of what is covered is elsewhere. Outside of
//! addresses, ports and checksums, a packet that is only rewritten keeps every byte.

mod anatomy;
mod tunnel;

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket};
use lb_common::{
    reason::{Kind, Reason},
    state::Forwarding,
};

use self::anatomy::{Anatomy, Body};
use super::{
    super::table::{A, Action, B, HEADROOM, Ran, Site, mac, tunnel::MTU},
    wire::proto,
};

/// TTL and hop limit of packets that are our own.
const HOPS: u8 = 64;

/// What the worlds are like, beside their tables.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Bytes of the largest outer packet.
    pub mtu: u32,
    /// Bytes that drivers leave before a frame.
    pub headroom: usize,
}

impl Conditions {
    /// At the beginning of a history.
    pub const AT_FIRST: Self = Self { mtu: MTU, headroom: HEADROOM };
}

/// Judges what became of a frame.
///
/// # Errors
/// What is wrong, in words.
pub fn judge(
    sites: &[Site],
    conditions: Conditions,
    input: &[u8],
    reason: Reason,
    ran: &Ran,
) -> Result<(), String> {
    at_host(sites, input, reason)?;
    match (ran.action, reason.kind()) {
        (Action::Pass, Kind::Pass) | (Action::Drop, Kind::Drop) => {
            // That there is no room for an answer shows when what it does not quote is cut off already.
            let is_cut = reason == Reason::TooBig && input.starts_with(&ran.bytes);
            if ran.bytes != input && !is_cut {
                return Err("passed or dropped, but not as it came".to_owned());
            }
            match reason {
                Reason::TooBig => tunnel::too_big(sites, conditions, input),
                Reason::NoHeadroom => tunnel::no_headroom(sites, conditions, input),
                _ => Ok(()),
            }
        }
        (Action::Tx | Action::Redirect(_), Kind::Forward) => {
            let before = Anatomy::of(input)?;
            if reason == Reason::TooBigAnswered {
                return tunnel::answered(sites, conditions, input, &before, ran);
            }
            if ran.bytes.len() > input.len() {
                return tunnel::wrapped(sites, conditions, input, &before, &ran.bytes);
            }
            let after = Anatomy::of(&ran.bytes)?;
            rewritten(input, &before, &ran.bytes, &after)?;
            if reason == Reason::EchoReply {
                return answered(sites, input, &before, ran, &after);
            }
            let sites = sites.iter().filter(|site| !site.forwarding.is_tunnel() && !site.is_local());
            belongs(sites, reason, &ran.bytes, &before, &after)
        }
        (action, kind) => Err(format!("{action:?} for {}, which is a {kind:?}", reason.name())),
    }
}

/// Nothing that comes to an address where the host itself serves is kept from it, but for what is wrong with the packet
/// or its client; and nothing else passes for such a service's.
fn at_host(sites: &[Site], input: &[u8], reason: Reason) -> Result<(), String> {
    let to: IpAddr = match LaxSlicedPacket::from_ethernet(input).ok().and_then(|frame| frame.net) {
        Some(LaxNetSlice::Ipv4(ip)) => ip.header().destination_addr().into(),
        Some(LaxNetSlice::Ipv6(ip)) => ip.header().destination_addr().into(),
        // Its header is cut short.
        _ => return Ok(()),
    };
    let is_there = sites.iter().any(|site| site.is_local() && site.address() == to);
    let is_right = match reason {
        Reason::ToHost => is_there,
        Reason::Denied | Reason::Flood | Reason::EchoReply => true,
        Reason::Malformed | Reason::FragmentTiny | Reason::ExtensionHeader => true,
        _ => !is_there || reason.kind() == Kind::Pass,
    };
    if is_right { Ok(()) } else { Err(format!("{} for a packet to {to}", reason.name())) }
}

/// Only what may be rewritten was, and checksums followed.
fn rewritten(input: &[u8], before: &Anatomy, output: &[u8], after: &Anatomy) -> Result<(), String> {
    if before.rewritable != after.rewritable || input.len() != output.len() {
        return Err("what left has another structure than what came".to_owned());
    }
    for (was, is) in before.errors.iter().zip(&after.errors) {
        if was != is {
            return Err(format!("the {} checksum was off by {:x?} and is by {:x?}", was.0, was.1, is.1));
        }
    }
    let (mut kept, mut left) = (input.to_vec(), output.to_vec());
    for range in &before.rewritable {
        kept[range.clone()].fill(0);
        left[range.clone()].fill(0);
    }
    match kept.iter().zip(&left).position(|(was, is)| was != is) {
        Some(at) => Err(format!("byte {at} was changed, which is neither address, port nor checksum")),
        None => Ok(()),
    }
}

/// One end of a connection; a later fragment has no port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct End(IpAddr, Option<u16>);

impl End {
    fn is(self, address: IpAddr, port: u16) -> bool {
        self.0 == address && self.1.is_none_or(|own| own == port)
    }
}

/// Source and destination.
type Ends = (End, End);

/// The ends of a packet; of an error those of an answer to what it quotes, which would take the same way.
fn ends(anatomy: &Anatomy) -> Option<Ends> {
    let ip = &anatomy.ip;
    match &anatomy.body {
        Body::Ported(ports) => {
            Some((End(ip.source, Some(ports.source)), End(ip.destination, Some(ports.destination))))
        }
        Body::Piece => Some((End(ip.source, None), End(ip.destination, None))),
        Body::Error(quote, ports) => {
            Some((End(quote.destination, Some(ports.destination)), End(quote.source, Some(ports.source))))
        }
        Body::Echo(_) => None,
    }
}

/// The ends are a service's and one of its own backend's.
fn belongs<'a>(
    mut sites: impl Iterator<Item = &'a Site>,
    reason: Reason,
    output: &[u8],
    before: &Anatomy,
    after: &Anatomy,
) -> Result<(), String> {
    let (Some(was), Some(is)) = (ends(before), ends(after)) else {
        return Err(format!("a ping was sent as {}", reason.name()));
    };
    if !sites.any(|site| carries(site, before) && fits(site, reason, output, was, is)) {
        return Err(format!("{}: {was:?} left as {is:?}, which is no service's business", reason.name()));
    }
    if let Body::Error(..) = before.body {
        // It comes to whom its quote is from, and leaves so; who sends it shows only where that is no secret.
        let source = if is.0.0 == was.0.0 { before.ip.source } else { is.0.0 };
        let outer = (before.ip.destination, after.ip.destination, after.ip.source);
        if outer != (was.1.0, is.1.0, source) {
            return Err(format!("an error about {was:?} left as {is:?} between {outer:?}"));
        }
    }
    Ok(())
}

/// Is it of this site's protocol? What a later IPv6 fragment carries nobody can tell.
fn carries(site: &Site, packet: &Anatomy) -> bool {
    let carried = match &packet.body {
        Body::Error(quote, _) => quote.protocol,
        Body::Piece if packet.ip.source.is_ipv6() => return true,
        _ => packet.ip.protocol,
    };
    carried == if site.udp { proto::UDP } else { proto::TCP }
}

/// Is it the site's address, and one of its ports?
fn answers_at(site: &Site, end: End) -> bool {
    let numbers = site.ports.numbers(site.port);
    end.0 == site.address() && end.1.is_none_or(|port| numbers.contains(&port) || numbers == [0])
}

/// Is this the way of one of the site's connections?
fn fits(site: &Site, reason: Reason, output: &[u8], was: Ends, is: Ends) -> bool {
    let called = if reason == Reason::ToClient { is.0 } else { was.1 };
    if !answers_at(site, called) {
        return false;
    }
    let one = Site { port: called.1.unwrap_or(site.port), ..*site };
    [A, B].into_iter().any(|which| {
        let (server, port) = one.server(which);
        if reason == Reason::ToClient {
            return was.0.is(server, port);
        }
        let sent_to = match site.forwarding {
            Forwarding::Nat => is.1.is(server, port) && is.0.0 == site.source(),
            Forwarding::NatPreserve => is.1.is(server, port) && is.0 == was.0,
            // In a tunnel, too, it is the same packet that arrives.
            Forwarding::Dsr | Forwarding::Ipip | Forwarding::Gue => is.1 == was.1 && is.0 == was.0,
        };
        let server_mac = if which == A { mac::A } else { mac::B };
        sent_to && output[..6] == server_mac && output[6..12] == mac::OURS_OUT
    })
}

/// A ping of a service's address, as its own answer.
fn answered(
    sites: &[Site],
    input: &[u8],
    before: &Anatomy,
    ran: &Ran,
    after: &Anatomy,
) -> Result<(), String> {
    let kinds = match (&before.body, &after.body) {
        (Body::Echo(request), Body::Echo(reply)) => (*request, *reply),
        _ => return Err("answered, though it is no ping".to_owned()),
    };
    let turned = (before.ip.source, before.ip.destination) == (after.ip.destination, after.ip.source)
        && [&input[6..12], &input[..6]].concat() == ran.bytes[..12];
    let ours = sites.iter().any(|site| site.echo && site.address() == before.ip.destination);
    if matches!(kinds, (8, 0) | (128, 129))
        && turned
        && ours
        && ran.action == Action::Tx
        && after.ip.hops == HOPS
    {
        return Ok(());
    }
    Err(format!(
        "a ping of type {} was answered with one of type {}, to or by the wrong one",
        kinds.0, kinds.1
    ))
}
