//! The parts of any frame, and what a balancer puts around its packet, by etherparse.

use std::net::IpAddr;

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpNumber, LaxNetSlice, LaxSlicedPacket, LinkSlice, PacketBuilder, icmpv4,
};

use super::tunnel::{Entropy, GUE_PORT, own_header};

/// An Ethernet frame with an IP packet in it.
pub struct Parts<'a> {
    /// Receiver and sender.
    macs: [[u8; 6]; 2],
    /// All VLAN tags.
    tags: &'a [u8],
    /// The packet, as long as it says.
    pub packet: &'a [u8],
    /// What follows it.
    padding: &'a [u8],
    /// The packet's sender.
    source: IpAddr,
    /// Its receiver.
    pub destination: IpAddr,
    /// DSCP and ECN.
    class: u8,
}

impl<'a> Parts<'a> {
    /// Takes a frame apart.
    ///
    /// # Errors
    /// There is no whole IP packet in it.
    pub fn of(frame: &'a [u8]) -> Result<Self, String> {
        let sliced = LaxSlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
        let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else {
            return Err(format!("{:?} is no Ethernet", sliced.link));
        };
        let (source, destination, class, bytes): (IpAddr, IpAddr, _, _) = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let ip = ip.header();
                let class = ip.dcp().value() << 2 | ip.ecn().value();
                (ip.source_addr().into(), ip.destination_addr().into(), class, ip.total_len().into())
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let ip = ip.header();
                let bytes = 40 + usize::from(ip.payload_length());
                (ip.source_addr().into(), ip.destination_addr().into(), ip.traffic_class(), bytes)
            }
            other => return Err(format!("{other:?} is no IP packet")),
        };
        let (tags, rest) = frame[12..].split_at(4 * sliced.link_exts.len());
        let (packet, padding) =
            rest[2..].split_at_checked(bytes).ok_or("the packet is longer than its frame")?;
        let macs = [ethernet.destination(), ethernet.source()];
        Ok(Self { macs, tags, packet, padding, source, destination, class })
    }

    /// The frame with these outer Ethernet addresses: receiver and sender.
    #[must_use]
    pub const fn between(self, macs: [[u8; 6]; 2]) -> Self {
        Self { macs, ..self }
    }

    /// The frame in a tunnel to `to`: tags stay before and padding behind the outer packet.
    ///
    /// # Panics
    /// The outer addresses are of two families.
    pub fn wrapped(&self, to: IpAddr, is_gue: bool, entropy: Entropy) -> Vec<u8> {
        let Self { macs: [receiver, sender], packet, .. } = *self;
        let (udp, number) = match self.source {
            _ if is_gue => (8, IpNumber::UDP),
            IpAddr::V4(_) => (0, IpNumber::IPV4),
            IpAddr::V6(_) => (0, IpNumber::IPV6),
        };
        let header = own_header(entropy.source, to, self.class, entropy.label, number, udp + packet.len());
        let network = PacketBuilder::ethernet2(sender, receiver).ip(header);
        let mut frame = Vec::new();
        if is_gue {
            network.udp(entropy.port, GUE_PORT).write(&mut frame, packet).expect("a Vec");
            let at = frame.len() - packet.len() - 2;
            // None: the packet has its own.
            frame[at..at + 2].fill(0);
        } else {
            network.write(&mut frame, number, packet).expect("a Vec");
        }
        frame.extend(self.padding);
        frame.splice(12..12, self.tags.iter().copied());
        frame
    }

    /// What must come back if it is too big where only `room` bytes fit.
    ///
    /// # Panics
    /// It is shorter than what is quoted of it.
    pub fn too_big(&self, room: usize) -> Vec<u8> {
        let Self { macs: [ours, theirs], packet, .. } = *self;
        let (number, quote) = match self.source {
            IpAddr::V4(_) => (IpNumber::ICMP, &packet[..548]),
            IpAddr::V6(_) => (IpNumber::IPV6_ICMP, &packet[..1232]),
        };
        let header = own_header(self.destination, self.source, 0, 0, number, quote.len() + 8);
        let network = PacketBuilder::ethernet2(ours, theirs).ip(header);
        let next_hop_mtu = u16::try_from(room).expect("small");
        let mut frame = Vec::new();
        match self.source {
            IpAddr::V4(_) => {
                let needed = icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu };
                network.icmpv4(Icmpv4Type::DestinationUnreachable(needed)).write(&mut frame, quote)
            }
            IpAddr::V6(_) => {
                network.icmpv6(Icmpv6Type::PacketTooBig { mtu: next_hop_mtu.into() }).write(&mut frame, quote)
            }
        }
        .expect("a Vec");
        frame.splice(12..12, self.tags.iter().copied());
        frame
    }
}
