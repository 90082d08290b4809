//! Packets from fields, quickly, and the few places in a frame that the generator must find again.
//!
//! Nothing here is checked against the packet path: the judge (see [`super::judge`]) reads frames by
//! etherparse.

use std::net::IpAddr;

use internet_checksum::Checksum;

/// IP protocols, and IPv6 extension headers among them.
pub mod proto {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// The fragment header of IPv6.
    pub const FRAGMENT: u8 = 44;
    /// The authentication header, which counts its length otherwise than the rest.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMP6: u8 = 58;
}

/// What every generated segment acknowledges.
const ACKNOWLEDGED: u32 = 0x0506_0708;

/// The ends of a packet and what its IP header says besides.
#[derive(Clone, Debug)]
pub struct Ip {
    /// Sender.
    pub source: IpAddr,
    /// Receiver, of the same family.
    pub destination: IpAddr,
    /// IPv4 options, whole words.
    pub options: Vec<u8>,
    /// DSCP and ECN.
    pub class: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// IPv4 identification.
    pub id: u16,
}

impl Ip {
    /// Between two ends, without options.
    pub const fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self { source, destination, options: Vec::new(), class: 0, hops: 64, id: 7 }
    }

    /// The IP packet with this payload.
    ///
    /// # Panics
    /// If the families differ.
    pub fn packet(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(60 + payload.len());
        match (self.source, self.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = 20 + self.options.len();
                bytes.extend([0x40 | (header / 4) as u8, self.class]);
                bytes.extend(((header + payload.len()) as u16).to_be_bytes());
                bytes.extend(self.id.to_be_bytes());
                bytes.extend([0x40, 0, self.hops, protocol, 0, 0]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
                bytes.extend(&self.options);
                seal(&mut bytes);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                bytes.extend([0x60 | self.class >> 4, self.class << 4 | 0x0a, 0xbc, 0xde]);
                bytes.extend((payload.len() as u16).to_be_bytes());
                bytes.extend([protocol, self.hops]);
                bytes.extend(from.octets());
                bytes.extend(to.octets());
            }
            mixed => panic!("two families in one packet: {mixed:?}"),
        }
        bytes.extend(payload);
        bytes
    }

    /// TCP; `header` is what follows the ports, up to the options' end.
    pub fn tcp(&self, ports: (u16, u16), flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut segment = Vec::with_capacity(20 + options.len() + payload.len());
        segment.extend(ports.0.to_be_bytes());
        segment.extend(ports.1.to_be_bytes());
        segment.extend([1, 2, 3, 4]);
        segment.extend(ACKNOWLEDGED.to_be_bytes());
        segment.extend([((20 + options.len()) / 4 * 16) as u8, flags, 1, 0xf5, 0, 0, 0, 0]);
        segment.extend(options);
        segment.extend(payload);
        let sum = self.sum(proto::TCP, &segment);
        segment[16..18].copy_from_slice(&sum);
        self.packet(proto::TCP, &segment)
    }

    /// UDP, with or without a checksum.
    pub fn udp(&self, ports: (u16, u16), payload: &[u8], summed: bool) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend(ports.0.to_be_bytes());
        datagram.extend(ports.1.to_be_bytes());
        datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        if summed {
            let sum = self.sum(proto::UDP, &datagram);
            datagram[6..8].copy_from_slice(&if sum == [0, 0] { [0xff, 0xff] } else { sum });
        }
        self.packet(proto::UDP, &datagram)
    }

    /// ICMP of the family: type, code, the four bytes after the checksum, and what follows.
    pub fn icmp(&self, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        message.extend(payload);
        let (protocol, sum) = if self.source.is_ipv4() {
            (proto::ICMP, internet_checksum::checksum(&message))
        } else {
            (proto::ICMP6, self.sum(proto::ICMP6, &message))
        };
        message[2..4].copy_from_slice(&sum);
        self.packet(protocol, &message)
    }

    /// The checksum of a segment between these ends, the pseudo-header included.
    fn sum(&self, protocol: u8, segment: &[u8]) -> [u8; 2] {
        pseudo_sum(self.source, self.destination, protocol, segment)
    }
}

/// The checksum of a transport's bytes with the pseudo-header of RFC 9293 or RFC 8200 section 8.1; zero if
/// they hold a right one already.
pub fn pseudo_sum(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> [u8; 2] {
    let mut sum = Checksum::new();
    for end in [source, destination] {
        match end {
            IpAddr::V4(end) => sum.add_bytes(&end.octets()),
            IpAddr::V6(end) => sum.add_bytes(&end.octets()),
        }
    }
    sum.add_bytes(&(segment.len() as u32).to_be_bytes());
    sum.add_bytes(&[0, protocol]);
    sum.add_bytes(segment);
    sum.checksum()
}

/// Puts the checksum into an IPv4 header that stands alone.
pub fn seal(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = internet_checksum::checksum(header);
    header[10..12].copy_from_slice(&sum);
}

/// A frame around an IP packet, with these tags.
pub fn frame(to_mac: [u8; 6], from_mac: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + packet.len());
    frame.extend(to_mac);
    frame.extend(from_mac);
    frame.extend(if packet.first().is_some_and(|first| first >> 4 == 6) { [0x86, 0xdd] } else { [8, 0] });
    frame.extend(packet);
    frame
}

/// Puts tags of these types before a frame's own type.
pub fn tag(frame: &mut Vec<u8>, tags: &[u16]) {
    let bytes: Vec<u8> = tags.iter().flat_map(|tag| [tag.to_be_bytes(), [0x20, 7]].concat()).collect();
    frame.splice(12..12, bytes);
}

/// Where the network header begins: behind all tags.
pub fn network(frame: &[u8]) -> usize {
    let mut at = 12;
    while let Some([0x81, 0] | [0x88, 0xa8]) = frame.get(at..at + 2) {
        at += 4;
    }
    at + 2
}

/// Where things are in an IP packet.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Where the source address begins; the destination follows it.
    pub addresses: usize,
    /// How long an address is.
    pub size: usize,
    /// What follows the last extension header.
    pub protocol: u8,
    /// Where that begins.
    pub transport: usize,
    /// A later fragment: what is there are no ports.
    pub later: bool,
}

/// The layout of an IP packet that has at least eight bytes behind its headers; `None` for others.
pub fn layout(packet: &[u8]) -> Option<Layout> {
    let mut layout = match packet.first()? >> 4 {
        4 => Layout {
            addresses: 12,
            size: 4,
            protocol: *packet.get(9)?,
            transport: usize::from(packet[0] & 15) * 4,
            later: packet[6] & 0x1f != 0 || packet[7] != 0,
        },
        6 => Layout { addresses: 8, size: 16, protocol: *packet.get(6)?, transport: 40, later: false },
        _ => return None,
    };
    while layout.size == 16 && matches!(layout.protocol, 0 | 43 | 60 | proto::FRAGMENT) && !layout.later {
        let header = packet.get(layout.transport..layout.transport + 4)?;
        let fragment = layout.protocol == proto::FRAGMENT;
        layout.later = fragment && (header[2] != 0 || header[3] & 0xf8 != 0);
        layout.transport += 8 + if fragment { 0 } else { 8 * usize::from(header[1]) };
        layout.protocol = header[0];
    }
    (packet.len() >= layout.transport + 8 && layout.transport >= layout.addresses + 2 * layout.size)
        .then_some(layout)
}

/// The two addresses of an IP packet.
pub fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let Layout { addresses, size, .. } = layout(packet)?;
    let read = |at: usize| -> Option<IpAddr> {
        let bytes = packet.get(at..at + size)?;
        Some(match size {
            4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
            _ => <[u8; 16]>::try_from(bytes).ok()?.into(),
        })
    };
    Some((read(addresses)?, read(addresses + size)?))
}

/// Exchanges the two addresses, and the two ports where there are any.
pub fn turn(packet: &mut [u8]) -> Option<()> {
    let Layout { addresses, size, transport, later, .. } = layout(packet)?;
    let ports = if later { None } else { Some((transport, 2)) };
    for (from, length) in [Some((addresses, size)), ports].into_iter().flatten() {
        let (first, second) = packet.split_at_mut(from + length);
        first[from..].swap_with_slice(&mut second[..length]);
    }
    Some(())
}

/// Makes a TCP segment another: with these flags, and where it `fits`, with the number that the segments of
/// the other side acknowledge, as far as lengths are true.
pub fn answer(packet: &mut [u8], flags: u8, fits: bool) {
    let Some(Layout { protocol, transport, later, .. }) = layout(packet) else { return };
    if protocol != proto::TCP || later || packet.len() < transport + 20 {
        return;
    }
    let header = usize::from(packet[transport + 12] >> 4) * 4;
    let (syn, fin) = (flags >> 1 & 1, flags & 1);
    let length = total(packet).wrapping_sub(transport + header) as u32;
    let counted = length.wrapping_add(u32::from(syn) + u32::from(fin));
    if fits {
        change(packet, transport, 4, ACKNOWLEDGED.wrapping_sub(counted).to_be_bytes());
    }
    change(packet, transport, 12, [packet[transport + 12], flags]);
}

/// The length that an IP header gives its packet.
fn total(packet: &[u8]) -> usize {
    let at = if packet[0] >> 4 == 4 { 2 } else { 4 };
    let length = usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    if packet[0] >> 4 == 4 { length } else { 40 + length }
}

/// Writes bytes into a TCP segment at an even offset, and changes its checksum by as much.
fn change<const N: usize>(packet: &mut [u8], transport: usize, at: usize, new: [u8; N]) {
    let old = &mut packet[transport + at..transport + at + N];
    let before: Vec<u8> = old.to_vec();
    old.copy_from_slice(&new);
    let sum = [packet[transport + 16], packet[transport + 17]];
    let sum = internet_checksum::update(sum, &before, &new);
    packet[transport + 16..transport + 18].copy_from_slice(&sum);
}
