//! What may stand around a transport header: VLAN tags, IPv6 extension headers, and only a piece of the packet.

use etherparse::{IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header};

use super::Datagram;

/// A VLAN tag: its type, and priority and number.
pub type Tag = [u16; 2];

/// Which part of a packet a fragment carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Identification; of 16 bits in IPv4.
    pub identification: u32,
    /// Where in the IP payload it begins: a multiple of 8.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// Do others follow?
    pub more: bool,
}

impl Piece {
    /// The header that says so in IPv6.
    fn header(self, next: IpNumber) -> Ipv6FragmentHeader {
        Ipv6FragmentHeader::new(next, self.offset(), self.more, self.identification)
    }

    fn offset(self) -> etherparse::IpFragOffset {
        ((self.at / 8) as u16).try_into().expect("13 bits")
    }
}

impl Datagram {
    /// With these tags, outermost first.
    #[must_use]
    pub fn tagged(mut self, tags: &[Tag]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// With these IPv6 extension headers: the type of each, and all of it behind its first byte.
    #[must_use]
    pub fn extended(mut self, extensions: &[(u8, Vec<u8>)]) -> Self {
        self.extensions = extensions.to_vec();
        self
    }

    /// One piece of it.
    #[must_use]
    pub fn piece(mut self, identification: u32, at: usize, end: usize, more: bool) -> Self {
        self.piece = Some(Piece { identification, at, end, more });
        self
    }

    /// Cut into fragments of at most `bytes` bytes of IP payload, a multiple of 8.
    pub fn cut(&self, identification: u32, bytes: usize) -> Vec<Self> {
        let length = self.build(&[0; 16]).len() - self.padding - self.payload_offset();
        let piece = |at: usize| {
            let end = length.min(at + bytes);
            self.clone().piece(identification, at, end, end < length)
        };
        (0..length).step_by(bytes).map(piece).collect()
    }

    /// Where the IP payload begins behind the extension headers, of which a fragment header is none here.
    fn payload_offset(&self) -> usize {
        self.transport_offset() - if self.is_v4() || self.piece.is_none() { 0 } else { 8 }
    }

    /// Puts everything around a frame that has only what every frame has.
    pub(super) fn wrap(&self, plain: &[u8]) -> Vec<u8> {
        let (ethernet, ip) = plain.split_at(14);
        let mut frame = ethernet[..12].to_vec();
        let types: Vec<u8> = self.tags.iter().flat_map(|tag| tag.map(u16::to_be_bytes).concat()).collect();
        frame.extend([&types, &ethernet[12..]].concat());
        let behind =
            |payload: &[u8]| self.piece.map_or(payload.to_vec(), |it| payload[it.at..it.end].to_vec());
        if self.is_v4() {
            let (mut header, payload) = Ipv4Header::from_slice(ip).expect("just built");
            let payload = behind(payload);
            if let Some(piece) = self.piece {
                header.identification = piece.identification as u16;
                header.dont_fragment = false;
                header.more_fragments = piece.more;
                header.fragment_offset = piece.offset();
            }
            header.set_payload_len(payload.len()).expect("short");
            header.header_checksum = header.calc_header_checksum();
            frame.extend(header.to_bytes());
            frame.extend(payload);
        } else {
            let (mut header, payload) = Ipv6Header::from_slice(ip).expect("just built");
            let mut next = header.next_header;
            let mut payload = behind(payload);
            if let Some(piece) = self.piece {
                payload.splice(0..0, piece.header(next).to_bytes());
                next = IpNumber::IPV6_FRAGMENTATION_HEADER;
            }
            for (number, rest) in self.extensions.iter().rev() {
                payload.splice(0..0, [&[next.0], rest.as_slice()].concat());
                next = IpNumber(*number);
            }
            header.next_header = next;
            header.set_payload_length(payload.len()).expect("short");
            frame.extend(header.to_bytes());
            frame.extend(payload);
        }
        frame
    }
}
