//! Is what left well-formed, as right as what came in, and where it belongs? By etherparse and
//! internet-checksum, which know nothing of the packet path.
//!
//! What a checksum covers, it covers before and after; so the *error* of each, which is zero where it is
//! right, must be the same before and after: a right one stays right, and a wrong one is as wrong as it
//! was. Outside of addresses, ports and checksums, a packet that is only rewritten keeps every byte.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use etherparse::{LaxNetSlice, LaxSlicedPacket, err::Layer};
use lb_common::{
    reason::{Kind, Reason},
    state::Forwarding,
};

use super::{
    super::table::{A, Action, B, Ran, Site, mac},
    wire::{proto, pseudo_sum},
};

/// What is known of a packet that is sent.
struct Anatomy {
    /// Ranges of bytes that may be rewritten.
    rewritable: Vec<Range<usize>>,
    /// The name and the error of each checksum.
    errors: Vec<(&'static str, u16)>,
    /// UDP without a checksum.
    unsummed: bool,
    /// UDP at all.
    udp: bool,
    source: SocketAddr,
    destination: SocketAddr,
}

/// Judges what became of a frame.
///
/// # Errors
/// What is wrong, in words.
pub fn judge(sites: &[Site], input: &[u8], reason: Reason, ran: &Ran) -> Result<(), String> {
    match (ran.action, reason.kind()) {
        (Action::Pass, Kind::Pass) | (Action::Drop, Kind::Drop) => {
            if ran.bytes == input {
                Ok(())
            } else {
                Err("passed or dropped, but not as it came".to_owned())
            }
        }
        (Action::Tx | Action::Redirect(_), Kind::Forward) => {
            let (before, after) = (anatomy(input)?, anatomy(&ran.bytes)?);
            rewritten(input, &before, &ran.bytes, &after)?;
            belongs(sites, reason, &ran.bytes, &before, &after)
        }
        (action, kind) => Err(format!("{action:?} for {}, which is a {kind:?}", reason.name())),
    }
}

/// Only what may be rewritten was, and checksums followed.
fn rewritten(input: &[u8], before: &Anatomy, output: &[u8], after: &Anatomy) -> Result<(), String> {
    if before.rewritable != after.rewritable || input.len() != output.len() {
        return Err("what left has another structure than what came".to_owned());
    }
    if before.unsummed != after.unsummed {
        return Err("a UDP checksum of zero came or went".to_owned());
    }
    for (was, is) in before.errors.iter().zip(&after.errors) {
        if was != is {
            return Err(format!("the {} checksum was off by {:#06x} and is by {:#06x}", was.0, was.1, is.1));
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

/// The ends are a service's and one of its own backend's.
fn belongs(
    sites: &[Site],
    reason: Reason,
    output: &[u8],
    before: &Anatomy,
    after: &Anatomy,
) -> Result<(), String> {
    let fits = |site: &Site| {
        let service = SocketAddr::new(site.address(), site.port);
        [A, B].into_iter().any(|which| {
            let (address, port) = site.server(which);
            let server = SocketAddr::new(address, port);
            let server_mac = if which == A { mac::A } else { mac::B };
            if reason == Reason::ToClient {
                return before.source == server && after.source == service;
            }
            let ends = match site.forwarding {
                Forwarding::Nat => after.destination == server && after.source.ip() == site.source(),
                Forwarding::NatPreserve => after.destination == server && after.source == before.source,
                _ => after.destination == service && after.source == before.source,
            };
            before.destination == service
                && ends
                && output[..6] == server_mac
                && output[6..12] == mac::OURS_OUT
        })
    };
    if sites.iter().filter(|site| site.udp == after.udp).any(fits) {
        return Ok(());
    }
    Err(format!(
        "{} from {} to {} left from {} to {}, which is no service's business",
        reason.name(),
        before.source,
        before.destination,
        after.source,
        after.destination
    ))
}

/// Takes a packet apart; whatever is sent must be an IP packet of true lengths.
fn anatomy(frame: &[u8]) -> Result<Anatomy, String> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    match &sliced.stop_err {
        // What a transport header says of its own length is its receiver's to judge.
        None | Some((_, Layer::TcpHeader | Layer::UdpHeader | Layer::UdpPayload)) => {}
        Some((error, layer)) => return Err(format!("sent, though etherparse says of its {layer}: {error}")),
    }
    let at = |part: &[u8]| part.as_ptr() as usize - frame.as_ptr() as usize;
    let mut rewritable = Vec::new();
    // The Ethernet addresses.
    rewritable.push(0..12);
    let mut errors = Vec::new();
    let (payload, source, destination): (_, IpAddr, IpAddr) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let start = at(header.slice());
            rewritable.extend([start + 10..start + 12, start + 12..start + 20]);
            errors.push(("IPv4 header", error(internet_checksum::checksum(header.slice()))));
            (ip.payload(), header.source_addr().into(), header.destination_addr().into())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let start = at(header.slice());
            rewritable.push(start + 8..start + 40);
            (ip.payload(), header.source_addr().into(), header.destination_addr().into())
        }
        other => return Err(format!("what was sent is no IP packet: {other:?}")),
    };
    let (start, bytes, protocol) = (at(payload.payload), payload.payload, payload.ip_number.0);
    let (sum, header) = match protocol {
        proto::TCP => (16, 20),
        proto::UDP => (6, 8),
        other => return Err(format!("a packet of protocol {other} was sent")),
    };
    if payload.incomplete || bytes.len() < header {
        return Err("sent, though it is longer than its frame or ends in its transport header".to_owned());
    }
    rewritable.extend([start..start + 4, start + sum..start + sum + 2]);
    let unsummed = protocol == proto::UDP && bytes[6..8] == [0, 0];
    if !unsummed {
        errors.push(("transport", error(pseudo_sum(source, destination, protocol, bytes))));
    }
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (source, destination) = (SocketAddr::new(source, port(0)), SocketAddr::new(destination, port(2)));
    Ok(Anatomy { rewritable, errors, unsummed, udp: protocol == proto::UDP, source, destination })
}

/// In one's complement, zero has two forms.
fn error(sum: [u8; 2]) -> u16 {
    match u16::from_be_bytes(sum) {
        0xffff => 0,
        sum => sum,
    }
}
