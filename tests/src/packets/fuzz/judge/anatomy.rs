//! A frame taken apart by etherparse: where its headers are, what they say, and how wrong its checksums are.
//!
//! Extension headers are followed one by one: etherparse alone goes on behind the header of a later fragment,
//! where the payload begins.

use std::{net::IpAddr, ops::Range};

use etherparse::{
    Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice, SingleVlanHeaderSlice,
};

use super::super::wire::{proto, pseudo_sum};

/// Tags that a frame may have.
const TAGS: usize = 2;
/// Bytes of a transport header that every error quotes.
const LEAST: usize = 8;

/// What is known of a packet that is sent.
pub struct Anatomy {
    /// Ranges of bytes that may be rewritten.
    pub rewritable: Vec<Range<usize>>,
    /// The name and the error of each checksum; none where UDP has none.
    pub errors: Vec<(&'static str, Option<u16>)>,
    /// The IP header.
    pub ip: Ip,
    /// Behind it and its extensions.
    pub body: Body,
}

/// What a packet carries.
pub enum Body {
    /// TCP or UDP, or the first fragment of it.
    Ported(Ports),
    /// A later fragment.
    Piece,
    /// An ICMP error, and what it quotes.
    Error(Ip, Ports),
    /// A ping or its answer, by ICMP's type.
    Echo(u8),
}

/// The ports of a packet.
#[derive(Clone, Copy)]
pub struct Ports {
    /// The sender's.
    pub source: u16,
    /// The receiver's.
    pub destination: u16,
}

/// An IP header with its extensions.
pub struct Ip {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// What follows the last extension header.
    pub protocol: u8,
    /// Where TTL or hop limit is.
    hops_at: usize,
    part: Part,
    body: usize,
    end: usize,
    addresses: Range<usize>,
    /// Where the header's own checksum is, and its error.
    sum: Option<(usize, u16)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    First,
    Later,
}

impl Anatomy {
    /// Takes a frame apart; whatever is sent must be an IP packet of true lengths.
    pub fn of(frame: &[u8]) -> Result<Self, String> {
        let ip = Ip::read(frame, network(frame)?)?;
        if ip.end > frame.len() || ip.body > ip.end {
            return Err("sent, though it is longer than its frame or ends in its headers".to_owned());
        }
        let mut sums = Sums { frame, rewritable: Vec::new(), errors: Vec::new() };
        // The Ethernet addresses.
        sums.rewritable.push(0..12);
        sums.header(&ip, "IP header");
        let body = match (ip.part, ip.protocol) {
            (Part::Later, _) => Body::Piece,
            (_, proto::TCP | proto::UDP) => {
                if ip.end - ip.body < if ip.protocol == proto::TCP { 20 } else { 8 } {
                    return Err("sent, though it ends in its transport header".to_owned());
                }
                Body::Ported(sums.transport(&ip, ip.end, "transport")?)
            }
            (Part::Whole, proto::ICMP) if ip.source.is_ipv4() => sums.control(&ip)?,
            (Part::Whole, proto::ICMP6) if ip.source.is_ipv6() => sums.control(&ip)?,
            (_, other) => return Err(format!("a packet of protocol {other} was sent")),
        };
        Ok(Self { rewritable: sums.rewritable, errors: sums.errors, ip, body })
    }
}

/// What may be rewritten, and the checksums, as they are come across.
struct Sums<'a> {
    frame: &'a [u8],
    rewritable: Vec<Range<usize>>,
    errors: Vec<(&'static str, Option<u16>)>,
}

impl Sums<'_> {
    fn header(&mut self, ip: &Ip, name: &'static str) {
        self.rewritable.push(ip.addresses.clone());
        if let Some((at, error)) = ip.sum {
            self.rewritable.push(at..at + 2);
            self.errors.push((name, Some(error)));
        }
    }

    /// The ports, and the checksum where it is there; all bytes up to `end` are summed. What is missing of a
    /// fragment or a quote is the same before and after, so that the error is.
    fn transport(&mut self, ip: &Ip, end: usize, name: &'static str) -> Result<Ports, String> {
        let bytes = self.frame.get(ip.body..end).filter(|bytes| bytes.len() >= LEAST);
        let bytes = bytes.ok_or_else(|| format!("the {name} header is cut"))?;
        let sum = if ip.protocol == proto::TCP { 16 } else { 6 };
        self.rewritable.push(ip.body..ip.body + 4);
        if let Some(value) = bytes.get(sum..sum + 2) {
            self.rewritable.push(ip.body + sum..ip.body + sum + 2);
            let summed = ip.protocol == proto::TCP || value != [0, 0];
            let off = || error(pseudo_sum(ip.source, ip.destination, ip.protocol, bytes));
            self.errors.push((name, summed.then(off)));
        }
        let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        Ok(Ports { source: port(0), destination: port(2) })
    }

    /// ICMP of either family.
    fn control(&mut self, ip: &Ip) -> Result<Body, String> {
        let bytes = &self.frame[ip.body..ip.end];
        let &[kind, code, _, _, _, _, _, _, ..] = bytes else { return Err("ICMP is cut".to_owned()) };
        let sum = if ip.source.is_ipv4() {
            internet_checksum::checksum(bytes)
        } else {
            pseudo_sum(ip.source, ip.destination, ip.protocol, bytes)
        };
        self.errors.push(("ICMP", Some(error(sum))));
        self.rewritable.push(ip.body + 2..ip.body + 4);
        match (ip.source.is_ipv4(), kind) {
            (true, 3 | 11 | 12) | (false, 1..=4) => {
                let quote = Ip::read(self.frame, ip.body + 8)?;
                if quote.part == Part::Later || !matches!(quote.protocol, proto::TCP | proto::UDP) {
                    return Err("an error was sent that quotes no ports".to_owned());
                }
                self.header(&quote, "quoted IP header");
                let ports = self.transport(&quote, ip.end, "quoted transport")?;
                Ok(Body::Error(quote, ports))
            }
            (true, 0 | 8) | (false, 128 | 129) if code == 0 => {
                self.rewritable.extend([ip.body..ip.body + 1, ip.hops_at..ip.hops_at + 1]);
                Ok(Body::Echo(kind))
            }
            _ => Err(format!("ICMP of type {kind} and code {code} was sent")),
        }
    }
}

/// Where the network header begins: behind at most two tags.
fn network(frame: &[u8]) -> Result<usize, String> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).map_err(|error| error.to_string())?;
    let (mut at, mut kind) = (ethernet.slice().len(), ethernet.ether_type().0);
    for _ in 0..TAGS {
        if matches!(kind, 0x8100 | 0x88a8) {
            let tag = SingleVlanHeaderSlice::from_slice(&frame[at..]).map_err(|error| error.to_string())?;
            (at, kind) = (at + tag.slice().len(), tag.ether_type().0);
        }
    }
    let version = frame.get(at).map(|first| first >> 4);
    match (kind, version) {
        (0x0800, Some(4)) | (0x86dd, Some(6)) => Ok(at),
        _ => Err(format!("sent, with type {kind:#06x} and version {version:?}")),
    }
}

impl Ip {
    fn read(frame: &[u8], at: usize) -> Result<Self, String> {
        let bytes = frame.get(at..).unwrap_or_default();
        if bytes.first().is_some_and(|first| first >> 4 == 6) {
            return Self::v6(bytes, at).map_err(|error| format!("IPv6: {error}"));
        }
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|error| format!("IPv4: {error}"))?;
        let sum = error(internet_checksum::checksum(header.slice()));
        Ok(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            hops: header.ttl(),
            protocol: header.protocol().0,
            hops_at: at + 8,
            part: part(header.fragments_offset().value(), header.more_fragments()),
            body: at + header.slice().len(),
            end: at + usize::from(header.total_len()),
            addresses: at + 12..at + 20,
            sum: Some((at + 10, sum)),
        })
    }

    fn v6(bytes: &[u8], at: usize) -> Result<Self, String> {
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|error| error.to_string())?;
        let (mut next, mut body, mut part) = (header.next_header(), header.slice().len(), Part::Whole);
        while part != Part::Later {
            let rest = &bytes[body..];
            match next {
                IpNumber::IPV6_HEADER_HOP_BY_HOP
                | IpNumber::IPV6_DESTINATION_OPTIONS
                | IpNumber::IPV6_ROUTE_HEADER => {
                    let routing = next == IpNumber::IPV6_ROUTE_HEADER;
                    let header =
                        Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|error| error.to_string())?;
                    if routing && header.payload()[1] != 0 {
                        return Err("a routing header that leads elsewhere".to_owned());
                    }
                    (next, body) = (header.next_header(), body + header.slice().len());
                }
                IpNumber::IPV6_FRAGMENTATION_HEADER if part == Part::Whole => {
                    let header =
                        Ipv6FragmentHeaderSlice::from_slice(rest).map_err(|error| error.to_string())?;
                    part = self::part(header.fragment_offset().value(), header.more_fragments());
                    (next, body) = (header.next_header(), body + header.slice().len());
                }
                _ => break,
            }
        }
        Ok(Self {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            hops: header.hop_limit(),
            protocol: next.0,
            hops_at: at + 7,
            part,
            body: at + body,
            end: at + header.slice().len() + usize::from(header.payload_length()),
            addresses: at + 8..at + 40,
            sum: None,
        })
    }
}

const fn part(offset: u16, more: bool) -> Part {
    match (offset, more) {
        (0, false) => Part::Whole,
        (0, true) => Part::First,
        _ => Part::Later,
    }
}

/// In one's complement, zero has two forms.
fn error(sum: [u8; 2]) -> u16 {
    match u16::from_be_bytes(sum) {
        0xffff => 0,
        sum => sum,
    }
}
