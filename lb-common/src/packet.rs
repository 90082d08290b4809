//! What parsing yields: the small value that the decision works on.

use crate::net::{Address, Be16, Mac};

/// Length of an Ethernet header without tags.
pub const ETHERNET: usize = 14;

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct End<A> {
    /// Address.
    pub address: A,
    /// Port.
    pub port: Be16,
}

/// A TCP or UDP packet. Part of a map's layout ([`crate::state::Handover`]): a change of its fields is one of
/// [`crate::state::LAYOUT_VERSION`], too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Packet<A: Address> {
    /// The sender.
    pub source: End<A>,
    /// The receiver.
    pub destination: End<A>,
    /// Ethernet address of the last hop.
    pub source_mac: Mac,
    /// Ethernet address it was sent to: ours.
    pub destination_mac: Mac,
    /// TCP sequence number as it stands in the header; 0 for UDP.
    pub sequence: u32,
    /// TCP acknowledgment number as it stands in the header; 0 for UDP.
    pub acknowledged: u32,
    /// Bytes from the IP header on, as that header says.
    pub bytes: u32,
    /// Interface it came in by.
    pub ingress: u32,
    /// TCP flags; 0 for UDP.
    pub tcp: TcpFlags,
    /// [`crate::net::protocol::TCP`] or [`crate::net::protocol::UDP`].
    pub protocol: u8,
    /// Offset of the transport header in the frame. A byte, so that its type bounds it: once a pointer to
    /// the packet was handed to another function, the kernel's verifier knows nothing else of it.
    pub transport: u8,
}

impl<A: Address> Packet<A> {
    /// The number that acknowledges a TCP segment in full: SYN, data and FIN count (RFC 9293 section 3.4).
    #[inline(always)]
    pub fn end(&self) -> u32 {
        let header = self.transport as usize - ETHERNET + self.tcp.header();
        u32::from_be(self.sequence)
            .wrapping_add(self.bytes)
            .wrapping_sub(header as u32)
            .wrapping_add(u32::from(self.tcp.0 & TcpFlags::SYN != 0))
            .wrapping_add(u32::from(self.tcp.fin()))
    }
}

/// The word of a TCP header that ends with the flags (RFC 9293 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    const FIN: u16 = 0x01;
    const SYN: u16 = 0x02;
    const RST: u16 = 0x04;
    const ACK: u16 = 0x10;
    const HEADER: u32 = 12;

    /// Bytes of the header, as it says itself.
    #[inline(always)]
    pub const fn header(self) -> usize {
        (self.0 >> Self::HEADER) as usize * 4
    }

    /// The first segment of a connection: SYN without ACK.
    #[inline(always)]
    pub const fn opens(self) -> bool {
        self.0 & (Self::SYN | Self::ACK) == Self::SYN
    }

    /// The sender has no more to say.
    #[inline(always)]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// The connection is no more.
    #[inline(always)]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// FIN or RST: the connection is going away.
    #[inline(always)]
    pub const fn closes(self) -> bool {
        self.0 & (Self::FIN | Self::RST) != 0
    }
}
