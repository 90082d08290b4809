//! A packet in a tunnel as plain fields, and its bytes by etherparse.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6Header, NetSlice, SlicedPacket,
    TransportSlice,
};
use lb_common::{
    net::{Be16, Ip},
    state::{Forwarding, Tunnel},
};

use super::{Datagram, Family, Parts, Site};

/// UDP port that GUE goes to.
pub const GUE_PORT: u16 = 6081;
/// Bytes of the largest outer packet, at first.
pub const MTU: u32 = 1500;

/// What every world's tunnels are, by outer family: with outer packets of at most `mtu` bytes. IPv4 has one
/// source address, IPv6 65,536 of them.
pub fn tunnels(mtu: u32) -> [Tunnel; 2] {
    let tunnel = |source: IpAddr, spread: u64| Tunnel {
        source: Ip::from(source),
        spread: spread.to_be(),
        mtu,
        gue_port: Be16::new(GUE_PORT),
        reserved: 0,
    };
    [tunnel(OUTER_V4.into(), 0), tunnel(OUTER_V6.into(), 0xffff)]
}

/// Bytes of the largest packet that fits into a site's tunnel.
pub fn room(site: &Site, mtu: u32) -> usize {
    let outer = if site.outer == Family::V4 { 20 } else { 40 };
    mtu as usize - outer - if site.forwarding == Forwarding::Gue { 8 } else { 0 }
}

const OUTER_V4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const OUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 0);

/// What a flow puts into outer headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entropy {
    /// The sender.
    pub(super) source: IpAddr,
    /// IPv6 flow label; 0 for IPv4.
    pub(super) label: u32,
    /// UDP source port; 0 without UDP.
    pub(super) port: u16,
}

impl Entropy {
    /// That of IPv4 in IPv4.
    pub const NONE: Self = Self { source: IpAddr::V4(OUTER_V4), label: 0, port: 0 };

    /// What a frame has of it.
    ///
    /// # Errors
    /// No flow can have such.
    pub fn of(frame: &[u8]) -> Result<Self, String> {
        let sliced = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
        let (source, label): (IpAddr, u32) = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), 0),
            Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().flow_label().value()),
            other => return Err(format!("{other:?} left")),
        };
        let good = match source {
            IpAddr::V4(v4) => v4 == OUTER_V4,
            IpAddr::V6(v6) => v6.segments()[..7] == OUTER_V6.segments()[..7],
        };
        let is_gue =
            matches!(&sliced.transport, Some(TransportSlice::Udp(udp)) if udp.destination_port() == GUE_PORT);
        let port = match &sliced.transport {
            Some(TransportSlice::Udp(udp)) if is_gue => udp.source_port(),
            _ => 0,
        };
        if !good || is_gue && port < 49152 {
            return Err(format!("the outer source is {source}, port {port}"));
        }
        Ok(Self { source, label, port })
    }
}

/// A packet in a tunnel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrapped {
    /// The packet, with the outer Ethernet addresses.
    pub inner: Datagram,
    /// The backend.
    pub to: IpAddr,
    /// There is a UDP header.
    pub is_gue: bool,
    /// Number of the connection in its row.
    pub flow: usize,
}

impl Wrapped {
    /// The frame.
    pub fn build(&self, entropy: Entropy) -> Vec<u8> {
        let frame = self.inner.build(&[]);
        Parts::of(&frame).expect("just built").wrapped(self.to, self.is_gue, entropy)
    }
}

/// A header that the balancer makes itself.
///
/// # Panics
/// Two families.
pub fn own_header(
    from: IpAddr,
    to: IpAddr,
    class: u8,
    label: u32,
    number: IpNumber,
    payload: usize,
) -> IpHeaders {
    match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header =
                Ipv4Header::new(0, 64, number, source.octets(), destination.octets()).expect("short");
            header.dont_fragment = true;
            header.dscp = (class >> 2).try_into().expect("six bits");
            header.ecn = (class & 3).try_into().expect("two bits");
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: class,
                flow_label: label.try_into().expect("20 bits"),
                payload_length: payload.try_into().expect("short"),
                next_header: number,
                hop_limit: 64,
                source: source.octets(),
                destination: destination.octets(),
            };
            IpHeaders::Ipv6(header, Ipv6Extensions::default())
        }
        mixed => panic!("two families in one header: {mixed:?}"),
    }
}
