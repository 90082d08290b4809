//! Binary:
//!
//! ```text
//! 0  signature        12 version and command     14 length of what follows
//!                     13 family and transport    16 addresses, ports, then extensions
//! ```
//! Numbers are big-endian. Extensions are skipped: nothing here is decided by them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Addresses, Parsed, Peer};

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses.
const HEAD: usize = 16;
/// Bytes that may follow: 36 of addresses, and certificates' names and the like. A buffer of 2,064 holds any header.
const LONGEST: usize = 2048;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
/// The last of the families, in the upper half of its byte.
const UNIX: u8 = 3;
/// The last of the transports, in the lower half.
const DATAGRAM: u8 = 2;

/// What is wrong is said as soon as it is seen, and not after bytes that a liar never sends.
pub(super) fn parse(buffer: &[u8]) -> Parsed {
    let after = &buffer[SIGNATURE.len().min(buffer.len())..];
    if !matches!(after.first(), None | Some(&(LOCAL | PROXY))) {
        return Parsed::Invalid("its version is not 2, or its command is neither LOCAL nor PROXY");
    }
    let Some(&[command, family, high, low]) = after.first_chunk() else { return Parsed::Incomplete };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST {
        return Parsed::Invalid("it is longer than 2,064 bytes");
    }
    let Some(body) = buffer.get(HEAD..HEAD + length) else { return Parsed::Incomplete };
    let peer = match (command, family) {
        (LOCAL, _) => None,
        (_, TCP4 | TCP6) => {
            let peer = if family == TCP4 { peer::<Ipv4Addr, 4>(body) } else { peer::<Ipv6Addr, 16>(body) };
            if peer.is_none() {
                return Parsed::Invalid("it is too short for two addresses of its family and two ports");
            }
            peer
        }
        (_, _) if family >> 4 <= UNIX && family & 0xf <= DATAGRAM => None,
        (_, _) => return Parsed::Invalid("its family or transport is none that the protocol has"),
    };
    Parsed::Header { length: HEAD + length, peer }
}

pub(super) fn write(addresses: Addresses, ports: [u16; 2]) -> Vec<u8> {
    let (family, body) = match addresses {
        Addresses::V4(both) => (TCP4, both.map(|address| address.octets()).concat()),
        Addresses::V6(both) => (TCP6, both.map(|address| address.octets()).concat()),
    };
    let ports = ports.map(u16::to_be_bytes).concat();
    let length = (body.len() + ports.len()) as u16;
    [&SIGNATURE[..], &[PROXY, family], &length.to_be_bytes(), &body, &ports].concat()
}

/// Reads two addresses of `N` bytes and two ports.
fn peer<A: From<[u8; N]> + Into<IpAddr>, const N: usize>(body: &[u8]) -> Option<Peer> {
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk()?;
    let (to, _) = rest.split_first_chunk()?;
    let end = |address: &[u8; N], port: &[u8; 2]| (A::from(*address), u16::from_be_bytes(*port));
    Some(Peer::new(end(source, from), end(destination, to)))
}
