//! An ICMP or ICMPv6 error as plain fields, and its bytes by etherparse.

use std::net::IpAddr;

use etherparse::PacketBuilder;

use super::{Conn, Datagram, Family, Tag, Which, mac};

/// An error about a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IcmpError {
    /// Ethernet source.
    pub from_mac: [u8; 6],
    /// Ethernet destination.
    pub to_mac: [u8; 6],
    /// Who sends it.
    pub source: IpAddr,
    /// Who is told.
    pub destination: IpAddr,
    /// Type and code.
    pub kind: [u8; 2],
    /// The second word of its header, as the next hop's MTU.
    pub word: [u8; 4],
    /// The packet that it is about, as its sender sent it.
    pub about: Datagram,
    /// Bytes of that packet's transport header and payload that are quoted at most.
    pub quoted: usize,
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
}

impl IcmpError {
    /// The frame, with `taken` for ports that the balancer chose.
    pub fn build(&self, taken: &[u16]) -> Vec<u8> {
        let about = self.about.build(taken);
        let end = about.len().min(self.about.transport_offset().saturating_add(self.quoted));
        let quote = &about[14..end];
        let builder = PacketBuilder::ethernet2(self.from_mac, self.to_mac);
        let mut frame = Vec::new();
        let [kind, code] = self.kind;
        match (self.source, self.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => builder
                .ipv4(from.octets(), to.octets(), 63)
                .icmpv4_raw(kind, code, self.word)
                .write(&mut frame, quote),
            (IpAddr::V6(from), IpAddr::V6(to)) => builder
                .ipv6(from.octets(), to.octets(), 63)
                .icmpv6_raw(kind, code, self.word)
                .write(&mut frame, quote),
            mixed => panic!("two families in one packet: {mixed:?}"),
        }
        .expect("a Vec takes everything");
        let tags = self.tags.iter().flat_map(|tag| tag.map(u16::to_be_bytes).concat());
        frame.splice(12..12, tags);
        frame
    }

    /// Bytes of the IP packet.
    pub fn ip_len(&self) -> u64 {
        (self.build(&[0; 16]).len() - 14 - 4 * self.tags.len()) as u64
    }

    /// Of another type.
    #[must_use]
    pub const fn of_kind(mut self, kind: [u8; 2]) -> Self {
        self.kind = kind;
        self
    }

    /// With a shorter or longer quote.
    #[must_use]
    pub const fn quoting(mut self, bytes: usize) -> Self {
        self.quoted = bytes;
        self
    }

    /// With these tags, outermost first.
    #[must_use]
    pub fn tagged(mut self, tags: &[Tag]) -> Self {
        self.tags = tags.to_vec();
        self
    }
}

/// What clients and backends may be told: that a packet is too big for the way.
pub const fn too_big(family: Family) -> [u8; 2] {
    match family {
        Family::V4 => [3, 4],
        Family::V6 => [2, 0],
    }
}

impl Conn {
    /// A router towards the clients says that `about`, a packet to the client, does not get there.
    pub fn complaint_outside(&self, about: Datagram) -> IcmpError {
        let source = match self.site.family {
            Family::V4 => [203, 0, 113, 9].into(),
            Family::V6 => [0x2001, 0xdb8, 9, 0, 0, 0, 0, 9].into(),
        };
        IcmpError {
            from_mac: mac::ROUTER,
            to_mac: mac::OURS,
            source,
            destination: about.source.address,
            kind: too_big(self.site.family),
            word: [0, 0, 0x05, 0x14],
            about,
            quoted: usize::MAX,
            tags: Vec::new(),
        }
    }

    /// A router towards the backends says that `about`, a packet to the backend, does not get there.
    pub fn complaint_inside(&self, which: Which, about: Datagram) -> IcmpError {
        let from_mac = if which == Which::A { mac::A } else { mac::B };
        IcmpError { from_mac, to_mac: mac::OURS_OUT, ..self.complaint_outside(about) }
    }
}
