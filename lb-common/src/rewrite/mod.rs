//! Route -> bytes: Ethernet addresses, IP addresses, ports and checksums, in place.

mod icmp;

pub use self::icmp::{Echo, echo, error};

use crate::{
    checksum::Delta,
    frame::{Frame, Pair, Wire},
    net::{Address, V4, V6, protocol},
    packet::{ETHERNET, Packet},
    stage::Route,
};
use core::mem::offset_of;
use network_types::{
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
    udp::UdpHdr,
};

/// Where things stand in a family's header.
pub trait Layout: Address + Wire {
    /// Offset of the source address in the frame; the destination follows it directly.
    const SOURCE: usize;
    /// Offset of the header's own checksum in the frame, where the family has one.
    const CHECKSUM: Option<usize>;
}

impl Layout for V4 {
    const SOURCE: usize = ETHERNET + offset_of!(Ipv4Hdr, src_addr);
    const CHECKSUM: Option<usize> = Some(ETHERNET + offset_of!(Ipv4Hdr, check));
}

impl Layout for V6 {
    const SOURCE: usize = ETHERNET + offset_of!(Ipv6Hdr, src_addr);
    const CHECKSUM: Option<usize> = None;
}

/// Writes what the route says. `None` if a header is not wholly accessible; the packet is then as it
/// was.
///
/// The transport checksum covers the addresses through the pseudo-header of either family, and the
/// IPv4 header's own covers them too, so the sum of address changes serves both.
#[inline(always)]
pub fn apply<A: Layout, F: Frame>(frame: &mut F, packet: &Packet<A>, to: &Route<A>) -> Option<()> {
    if !to.rewrites_ends {
        return frame.set_macs(to.target_mac, to.source_mac);
    }
    // The transport checksum lies beyond everything else that is written: with it in reach, nothing
    // below fails halfway.
    let is_tcp = packet.protocol == protocol::TCP;
    let transport = usize::from(packet.transport);
    let at = transport + if is_tcp { offset_of!(TcpHdr, check) } else { offset_of!(UdpHdr, check) };
    let old: u16 = frame.read(at)?;
    let addresses = addresses(frame, packet, to)?;
    let all = addresses
        .word16(packet.source.port.raw(), to.source.port.raw())
        .word16(packet.destination.port.raw(), to.destination.port.raw());
    frame.write(transport, Pair { first: to.source.port, second: to.destination.port })?;
    frame.write(at, if is_tcp { all.apply(old) } else { all.apply_udp(old) })
}

/// As [`apply`], for a fragment without a transport header.
#[inline(always)]
pub fn fragment<A: Layout, F: Frame>(frame: &mut F, packet: &Packet<A>, to: &Route<A>) -> Option<()> {
    if !to.rewrites_ends {
        return frame.set_macs(to.target_mac, to.source_mac);
    }
    addresses(frame, packet, to).map(drop)
}

/// Writes the Ethernet and IP addresses, and returns by how much the latter changed.
#[inline(always)]
fn addresses<A: Layout, F: Frame>(frame: &mut F, packet: &Packet<A>, to: &Route<A>) -> Option<Delta> {
    frame.set_macs(to.target_mac, to.source_mac)?;
    let changed = Delta::NONE
        .address(packet.source.address, to.source.address)
        .address(packet.destination.address, to.destination.address);
    if let Some(header) = A::CHECKSUM {
        let new = changed.apply(frame.read(header)?);
        frame.write(header, new)?;
    }
    frame.write(A::SOURCE, Pair { first: to.source.address, second: to.destination.address })?;
    Some(changed)
}
