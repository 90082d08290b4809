//! A line: `PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::{Addresses, Parsed, Peer};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// Bytes of the longest line, with its end.
const LONGEST: usize = 107;
const END: &[u8] = b"\r\n";

/// Nothing is read before the line has ended, as the specification demands: an address could go on.
pub(super) fn parse(buffer: &[u8]) -> Parsed {
    let within = &buffer[..buffer.len().min(LONGEST)];
    let Some(end) = within.windows(END.len()).position(|bytes| bytes == END) else {
        return match within.len() {
            LONGEST => Parsed::Invalid("its line does not end within 107 bytes"),
            _ => Parsed::Incomplete,
        };
    };
    let line = &within[SIGNATURE.len()..end];
    let peer = if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        None
    } else {
        let Some(peer) = str::from_utf8(line).ok().and_then(peer) else {
            return Parsed::Invalid("after PROXY, it has not TCP4 or TCP6, two such addresses and two ports");
        };
        Some(peer)
    };
    Parsed::Header { length: end + END.len(), peer }
}

pub(super) fn write(addresses: Addresses, ports: [u16; 2]) -> Vec<u8> {
    let [from, to] = ports;
    match addresses {
        Addresses::V4([source, destination]) => format!("PROXY TCP4 {source} {destination} {from} {to}\r\n"),
        Addresses::V6([source, destination]) => format!("PROXY TCP6 {source} {destination} {from} {to}\r\n"),
    }
    .into_bytes()
}

fn peer(line: &str) -> Option<Peer> {
    let mut words = line.split(' ');
    let address = match words.next()? {
        "TCP4" => address::<Ipv4Addr>,
        "TCP6" => address::<Ipv6Addr>,
        _ => return None,
    };
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then(|| Peer::new((source, from), (destination, to)))
}

fn address<A: FromStr + Into<IpAddr>>(word: &str) -> Option<IpAddr> {
    word.parse::<A>().ok().map(Into::into)
}

/// Decimal, without a sign or zeros in front.
fn port(word: &str) -> Option<u16> {
    word.parse::<u16>().ok().filter(|port| port.to_string() == word)
}
