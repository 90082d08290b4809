//! A TCP or UDP packet as plain fields, and its bytes by etherparse.

use std::net::IpAddr;

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6Header, PacketBuilder, TcpHeader,
    TcpOptionElement,
};

use super::wrap::{Piece, Tag};

/// TCP flags.
pub const FIN: u8 = 0x01;
/// See [`FIN`].
pub const SYN: u8 = 0x02;
/// See [`FIN`].
pub const RST: u8 = 0x04;
/// See [`FIN`].
pub const ACK: u8 = 0x10;

/// Both sides' sequence number.
pub const SEQUENCE: u32 = 0x0102_0304;

/// A port, known beforehand or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// This one.
    Is(u16),
    /// The source port that the balancer chose for the row's n-th connection.
    Taken(usize),
}

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: Port,
}

/// What is above IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP with these flags.
    Tcp(u8),
    /// UDP.
    Udp,
    /// UDP without a checksum.
    UdpUnsummed,
}

/// A packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Ethernet source.
    pub from_mac: [u8; 6],
    /// Ethernet destination.
    pub to_mac: [u8; 6],
    /// Sender.
    pub source: End,
    /// Receiver, of the sender's family.
    pub destination: End,
    /// TCP or UDP.
    pub transport: Transport,
    /// TCP acknowledgment number; counts with [`ACK`].
    pub acknowledged: u32,
    /// What the transport carries.
    pub payload: Vec<u8>,
    /// IPv4 options, padded to words.
    pub ip_options: Vec<u8>,
    /// TCP options: timestamps.
    pub timestamps: bool,
    /// Bytes after the IP packet, as on short Ethernet frames.
    pub padding: usize,
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
    /// IPv6 extension headers: the type of each, and all of it behind its first byte.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Only this part of it.
    pub piece: Option<Piece>,
    /// ECN.
    pub ecn: u8,
    /// IPv4 without "don't fragment".
    pub may_fragment: bool,
}

impl Datagram {
    /// The frame, with `taken` for ports that the balancer chose.
    pub fn build(&self, taken: &[u16]) -> Vec<u8> {
        let (source, destination) = (self.source.port.get(taken), self.destination.port.get(taken));
        let builder = PacketBuilder::ethernet2(self.from_mac, self.to_mac).ip(self.ip());
        let mut frame = Vec::new();
        match self.transport {
            Transport::Tcp(flags) => builder
                .tcp_header(self.tcp(source, destination, flags))
                .write(&mut frame, &self.payload)
                .expect("a Vec takes everything"),
            Transport::Udp | Transport::UdpUnsummed => builder
                .udp(source, destination)
                .write(&mut frame, &self.payload)
                .expect("a Vec takes everything"),
        }
        if self.transport == Transport::UdpUnsummed {
            let at = self.plain_offset() + 6;
            frame[at..at + 2].fill(0);
        }
        let mut frame = self.wrap(&frame);
        frame.resize(frame.len() + self.padding, 0xee);
        frame
    }

    /// Bytes of the IP packet.
    pub fn ip_len(&self) -> u64 {
        // Ports don't change the length.
        (self.build(&[0; 16]).len() - self.padding - 14 - 4 * self.tags.len()) as u64
    }

    /// IPv4, or IPv6?
    pub const fn is_v4(&self) -> bool {
        self.source.address.is_ipv4()
    }

    /// Where the transport header begins in the frame; of a later fragment, its payload.
    pub fn transport_offset(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(|(_, rest)| 1 + rest.len()).sum();
        let fragment = if self.is_v4() || self.piece.is_none() { 0 } else { 8 };
        self.plain_offset() + 4 * self.tags.len() + extensions + fragment
    }

    /// The same with nothing else around it.
    fn plain_offset(&self) -> usize {
        14 + if self.is_v4() { 20 + self.ip_options.len() } else { 40 }
    }

    /// Has it a transport header?
    pub fn has_ports(&self) -> bool {
        self.piece.is_none_or(|piece| piece.at == 0)
    }

    /// The transport's checksum, in host order.
    pub fn checksum(&self, taken: &[u16]) -> u16 {
        let at = self.transport_offset() + if matches!(self.transport, Transport::Tcp(_)) { 16 } else { 6 };
        let frame = self.build(taken);
        u16::from_be_bytes([frame[at], frame[at + 1]])
    }

    /// DSCP and ECN.
    pub const fn class(&self) -> u8 {
        0x28 | self.ecn
    }

    /// With other payload.
    #[must_use]
    pub fn carrying(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// With another acknowledgment number.
    #[must_use]
    pub fn acknowledging(self, acknowledged: u32) -> Self {
        Self { acknowledged, ..self }
    }

    // Fields that no rewriting touches have values of their own, so that a slip would show.
    fn ip(&self) -> IpHeaders {
        match (self.source.address, self.destination.address) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = Ipv4Header::new(0, 61, IpNumber::TCP, source.octets(), destination.octets())
                    .expect("short");
                header.identification = 0x1d0f;
                header.dont_fragment = !self.may_fragment;
                header.dscp = (self.class() >> 2).try_into().expect("six bits");
                header.ecn = self.ecn.try_into().expect("two bits");
                header.options = self.ip_options.as_slice().try_into().expect("whole words");
                IpHeaders::Ipv4(header, Ipv4Extensions::default())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => IpHeaders::Ipv6(
                Ipv6Header {
                    traffic_class: self.class(),
                    flow_label: 0xabcde.try_into().expect("20 bits"),
                    hop_limit: 61,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                },
                Ipv6Extensions::default(),
            ),
            mixed => panic!("two families in one packet: {mixed:?}"),
        }
    }

    fn tcp(&self, source: u16, destination: u16, flags: u8) -> TcpHeader {
        let mut header = TcpHeader::new(source, destination, SEQUENCE, 501);
        header.acknowledgment_number = if flags & ACK != 0 { self.acknowledged } else { 0 };
        header.fin = flags & FIN != 0;
        header.syn = flags & SYN != 0;
        header.rst = flags & RST != 0;
        header.ack = flags & ACK != 0;
        if self.timestamps {
            let options = [TcpOptionElement::Noop, TcpOptionElement::Noop, TcpOptionElement::Timestamp(7, 9)];
            header.set_options(&options).expect("they fit");
        }
        header
    }
}

impl Port {
    fn get(self, taken: &[u16]) -> u16 {
        match self {
            Self::Is(port) => port,
            // A fragment without ports may come before its port is known.
            Self::Taken(nth) => taken.get(nth).copied().unwrap_or_default(),
        }
    }
}
