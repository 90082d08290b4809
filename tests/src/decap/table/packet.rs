//! A wrapped packet as plain fields, and its bytes by etherparse.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header,
    PacketBuilder, SingleVlanHeader, UdpHeader,
};

use super::GUE_PORT;

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// One of two addresses.
    pub fn of(self, v4: &str, v6: &str) -> IpAddr {
        if self == Self::V4 { v4 } else { v6 }.parse().expect("an address")
    }

    fn ether_type(self) -> EtherType {
        if self == Self::V4 { EtherType::IPV4 } else { EtherType::IPV6 }
    }

    fn number(self) -> IpNumber {
        if self == Self::V4 { IpNumber::IPV4 } else { IpNumber::IPV6 }
    }
}

/// Between the outer and the inner header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tunnel {
    /// Nothing.
    Ipip,
    /// A UDP header and these bytes; the port, and the checksum as it is written.
    Gue {
        /// GUE's header; empty for variant 1.
        header: Vec<u8>,
        /// Destination port.
        port: u16,
        /// In the UDP header.
        checksum: u16,
    },
}

impl Tunnel {
    /// GUE with this header.
    pub const fn gue(header: Vec<u8>) -> Self {
        Self::Gue { header, port: GUE_PORT, checksum: 0 }
    }

    /// GUE's variant 0 with a header that says nothing but the inner family.
    pub fn empty_gue(inner: Family) -> Self {
        let IpNumber(number) = inner.number();
        Self::gue(vec![0, number, 0, 0])
    }

    /// The tunnels that are unwrapped, with their names: IPIP, and GUE's two variants for this inner family.
    pub fn all(inner: Family) -> [(&'static str, Self); 3] {
        [("ipip", Self::Ipip), ("gue", Self::gue(Vec::new())), ("gue variant 0", Self::empty_gue(inner))]
    }
}

/// Which fragment a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// None.
    Whole,
    /// The first.
    First,
    /// A later one.
    Later,
}

/// The outer header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outer {
    /// Sender.
    pub source: IpAddr,
    /// Receiver, of the sender's family.
    pub destination: IpAddr,
    /// Congestion mark.
    pub ecn: u8,
    /// Fragment or not.
    pub fragment: Fragment,
    /// IPv4 options, padded to words.
    pub options: Vec<u8>,
}

/// The packet inside: UDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inner {
    /// Sender.
    pub source: IpAddr,
    /// Receiver, of the sender's family.
    pub destination: IpAddr,
    /// Congestion mark.
    pub ecn: u8,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// What UDP carries.
    pub payload: Vec<u8>,
}

/// A wrapped packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// VLAN tags, by their protocol identifiers, outermost first.
    pub tags: Vec<EtherType>,
    /// The outer header.
    pub outer: Outer,
    /// The tunnel.
    pub tunnel: Tunnel,
    /// The inner packet.
    pub inner: Inner,
    /// Bytes after the packet, as on short Ethernet frames.
    pub padding: usize,
}

impl Frame {
    /// A packet of a client, wrapped for this backend by somebody who may.
    pub fn new(outer: Family, inner: Family, tunnel: Tunnel) -> Self {
        Self {
            tags: Vec::new(),
            outer: Outer {
                source: outer.of("10.0.0.2", "2001:db8:b::2"),
                destination: outer.of("10.0.1.5", "2001:db8:5::5"),
                ecn: 0,
                fragment: Fragment::Whole,
                options: Vec::new(),
            },
            tunnel,
            inner: Inner {
                source: inner.of("198.51.100.7", "2001:db8:c::7"),
                destination: inner.of("192.0.2.10", "2001:db8::10"),
                ecn: 0,
                hops: 61,
                payload: b"limpets cling, and odd.".to_vec(),
            },
            padding: 0,
        }
    }

    /// The frame that comes in.
    pub fn build(&self) -> Vec<u8> {
        self.wrap(&self.inner.build())
    }

    /// The same around another inner packet.
    pub fn wrap(&self, inner: &[u8]) -> Vec<u8> {
        let (number, payload) = match &self.tunnel {
            Tunnel::Ipip => (self.inner.family().number(), inner.to_vec()),
            Tunnel::Gue { header, port, checksum } => {
                let mut udp = UdpHeader::without_ipv4_checksum(40_001, *port, header.len() + inner.len())
                    .expect("short");
                udp.checksum = *checksum;
                (IpNumber::UDP, [&udp.to_bytes()[..], header, inner].concat())
            }
        };
        self.frame(self.outer.family(), &[&self.outer.build(number, payload.len()), &payload[..]].concat())
    }

    /// The frame that must come out: the same Ethernet header and tags, and the inner packet with this
    /// congestion mark.
    pub fn unwrapped(&self, ecn: u8) -> Vec<u8> {
        self.frame(self.inner.family(), &Inner { ecn, ..self.inner.clone() }.build())
    }

    /// An IP packet behind the Ethernet header and the tags.
    pub fn frame(&self, family: Family, packet: &[u8]) -> Vec<u8> {
        let mut types = self.tags.clone();
        types.push(family.ether_type());
        let ethernet = Ethernet2Header {
            source: [2, 0, 0, 0, 0, 1],
            destination: [2, 0, 0, 0, 0, 2],
            ether_type: types[0],
        };
        let mut frame = ethernet.to_bytes().to_vec();
        for (number, &ether_type) in types[1..].iter().enumerate() {
            let vlan_id = (100 + number as u16).try_into().expect("twelve bits");
            frame.extend(SingleVlanHeader { vlan_id, ether_type, ..SingleVlanHeader::default() }.to_bytes());
        }
        frame.extend(packet);
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }
}

impl Outer {
    fn family(&self) -> Family {
        if self.source.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The header. Its fields differ from the inner one's, so that a mix-up would show.
    fn build(&self, number: IpNumber, payload: usize) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let mut header =
                    Ipv4Header::new(payload as u16, 64, number, source, destination).expect("short");
                header.ecn = self.ecn.try_into().expect("two bits");
                header.dscp = 46.try_into().expect("six bits");
                header.options = self.options.as_slice().try_into().expect("whole words");
                header.total_len += self.options.len() as u16;
                header.more_fragments = self.fragment == Fragment::First;
                header.fragment_offset = self.offset();
                header.header_checksum = header.calc_header_checksum();
                header.to_bytes().to_vec()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let more = self.fragment == Fragment::First;
                let fragment = Ipv6FragmentHeader::new(number, self.offset(), more, 0x1234_5678);
                let fragment = match self.fragment {
                    Fragment::Whole => Vec::new(),
                    _ => fragment.to_bytes().to_vec(),
                };
                let header = Ipv6Header {
                    traffic_class: 46 << 2 | self.ecn,
                    flow_label: 0x12345.try_into().expect("20 bits"),
                    payload_length: (fragment.len() + payload) as u16,
                    next_header: if fragment.is_empty() {
                        number
                    } else {
                        IpNumber::IPV6_FRAGMENTATION_HEADER
                    },
                    hop_limit: 64,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                [&header.to_bytes()[..], &fragment].concat()
            }
            mixed => panic!("two families in one header: {mixed:?}"),
        }
    }

    fn offset(&self) -> IpFragOffset {
        let offset = if self.fragment == Fragment::Later { 3 } else { 0 };
        offset.try_into().expect("13 bits")
    }
}

impl Inner {
    fn family(&self) -> Family {
        if self.source.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The IP packet.
    pub fn build(&self) -> Vec<u8> {
        let ip: etherparse::IpHeaders = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let mut header =
                    Ipv4Header::new(0, self.hops, IpNumber::UDP, source, destination).expect("short");
                header.ecn = self.ecn.try_into().expect("two bits");
                header.dscp = 10.try_into().expect("six bits");
                header.identification = 0x1d0f;
                etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => etherparse::IpHeaders::Ipv6(
                Ipv6Header {
                    traffic_class: 10 << 2 | self.ecn,
                    flow_label: 0xabcde.try_into().expect("20 bits"),
                    hop_limit: self.hops,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                },
                etherparse::Ipv6Extensions::default(),
            ),
            mixed => panic!("two families in one packet: {mixed:?}"),
        };
        let mut packet = Vec::new();
        PacketBuilder::ip(ip)
            .udp(40_000, 80)
            .write(&mut packet, &self.payload)
            .expect("a Vec takes everything");
        packet
    }
}
