//! What else there is on the internet: fragments, extension headers, tunnels, QUIC, other protocols.

use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{
    super::table::mac,
    pick,
    wire::{self, Ip, proto},
};

/// IPv6 extension headers, and two that end a chain (IANA "IPv6 Extension Header Types").
const EXTENSIONS: [u8; 8] = [0, 60, 43, proto::FRAGMENT, proto::AUTHENTICATION, 135, 139, 140];

/// Those that lead to a transport header.
const FOLLOWED: [u8; 5] = [0, 60, 60, 43, proto::FRAGMENT];

/// The longest chain.
const CHAIN: usize = 12;

/// A frame that is neither TCP nor UDP, nor perhaps anything.
pub fn frame(random: &mut StdRng) -> Vec<u8> {
    let mut frame = [mac::OURS, mac::ROUTER].concat();
    match random.random_range(0..4) {
        0 => frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]),
        1 => frame.extend(random.random::<[u8; 2]>()),
        2 => frame.extend([8, 0, 0x45]),
        _ => frame.extend([0x86, 0xdd, 0x60]),
    }
    let length = random.random_range(0..80);
    frame.extend((0..length).map(|_| random.random::<u8>()));
    frame
}

/// The beginning of a QUIC packet (RFC 9000 section 17): long or short, with some connection id.
pub fn quic(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Few ids, so that some come again.
    let id = vec![random.random_range(0..6); random.random_range(0..=20)];
    if random.random() {
        bytes.push(0xc0 | random.random::<u8>());
        let version: u32 = pick(random, &[1, 0x6b33_43cf, 0, 0xff00_001d]);
        bytes.extend(version.to_be_bytes());
        let claimed = if random.random_ratio(1, 10) { random.random() } else { id.len() as u8 };
        bytes.push(claimed);
        bytes.extend(&id);
        bytes.extend([4, 1, 2, 3, 4]);
    } else {
        bytes.push(0x40 | random.random::<u8>() & 0x3f);
        bytes.extend(&id);
    }
    let length = random.random_range(0..40);
    bytes.resize(bytes.len() + length, 0x5a);
    bytes
}

/// A packet in IPIP or GUE between the ends of `outer`; lengths are right, the inside may be anything.
pub fn tunnel(random: &mut StdRng, outer: &Ip, inner: &[u8]) -> Vec<u8> {
    let protocol = if inner.first().is_some_and(|first| first >> 4 == 6) { 41 } else { 4 };
    if random.random() {
        return outer.packet(protocol, inner);
    }
    // The header of draft-ietf-intarea-gue-09 section 3.1, version 0; without one in version 1.
    let header: &[u8] = if random.random_ratio(3, 4) { &[0, protocol, 0, 0] } else { &[] };
    let port = pick(random, &[6_080, 6_081, 80]);
    outer.udp((random.random(), port), &[header, inner].concat(), random.random())
}

/// The packet of a frame in several fragments, in some order; whole if it can't be split.
pub fn fragments(random: &mut StdRng, frame: &[u8]) -> Vec<Vec<u8>> {
    let at = wire::network(frame);
    let layout = frame.get(at..).and_then(wire::layout);
    let Some(layout) = layout.filter(|layout| !layout.later) else { return vec![frame.to_vec()] };
    // Behind the extension headers, as if all were for the routers on the way (RFC 8200 section 4.5), or before
    // them.
    let split = if random.random() || frame[at] >> 4 == 4 { layout.transport } else { 40 };
    let (head, payload) = frame.split_at(at + split);
    // Two parts mostly; eight bytes each at least.
    let size = 8 * (payload.len() / pick(random, &[16, 16, 24, 40, 100])).max(1);
    let id: u32 = random.random_range(0..8);
    let count = payload.len().div_ceil(size);
    let mut parts: Vec<Vec<u8>> = payload
        .chunks(size)
        .take(16)
        .enumerate()
        .map(|(number, part)| {
            let word = (number * size) as u16 | u16::from(number + 1 < count);
            fragment(head, at, part, word, id)
        })
        .collect();
    match random.random_range(0..4) {
        // What comes first is last in the list.
        0 | 1 => parts.reverse(),
        2 => {}
        _ => {
            let twice = parts.choose(random).cloned();
            parts.extend(twice);
            let (one, other) = (random.random_range(0..parts.len()), random.random_range(0..parts.len()));
            parts.swap(one, other);
        }
    }
    parts
}

/// One fragment: the offset in bytes, and in the lowest bit whether more follow.
fn fragment(head: &[u8], at: usize, part: &[u8], word: u16, id: u32) -> Vec<u8> {
    let mut bytes = head.to_vec();
    if head[at] >> 4 == 4 {
        bytes[at + 2..at + 4].copy_from_slice(&((head.len() - at + part.len()) as u16).to_be_bytes());
        bytes[at + 4..at + 6].copy_from_slice(&(id as u16).to_be_bytes());
        let flags = word >> 3 | (word & 1) << 13;
        bytes[at + 6..at + 8].copy_from_slice(&flags.to_be_bytes());
        wire::seal(&mut bytes[at..]);
    } else {
        let length = (head.len() - at - 40 + 8 + part.len()) as u16;
        bytes[at + 4..at + 6].copy_from_slice(&length.to_be_bytes());
        let next = std::mem::replace(&mut bytes[last_next(&head[at..])], proto::FRAGMENT);
        bytes.extend([next, 0]);
        bytes.extend(word.to_be_bytes());
        bytes.extend(id.to_be_bytes());
    }
    bytes.extend(part);
    bytes
}

/// Where the last of an IPv6 packet's headers, all of which are there, says what follows.
fn last_next(headers: &[u8]) -> usize {
    let (mut at, mut next) = (40, 6);
    while at < headers.len() {
        (next, at) = (at, at + 8 + 8 * usize::from(headers[at + 1]));
    }
    next
}

/// Puts a chain of extension headers into an IPv6 frame; an IPv4 frame stays as it is.
pub fn chain(random: &mut StdRng, frame: &mut Vec<u8>) {
    let at = wire::network(frame);
    if frame.len() < at + 40 || frame[at] >> 4 != 6 {
        return;
    }
    let longest = pick(random, &[1, 1, 2, 3, CHAIN]);
    let kinds = if random.random_ratio(2, 3) { &FOLLOWED[..] } else { &EXTENSIONS };
    for _ in 0..random.random_range(1..=longest) {
        let kind = pick(random, kinds);
        let words: u8 = pick(random, &[0, 0, 0, 0, 1, 2, 31]);
        let next = std::mem::replace(&mut frame[at + 6], kind);
        let mut header = vec![next, words];
        match kind {
            // Atomic mostly, else with an offset or more to follow.
            proto::FRAGMENT => {
                let word: u16 = if random.random_ratio(2, 3) { 0 } else { random.random() };
                header[1] = 0;
                header.extend(word.to_be_bytes());
                header.extend([0, 0, 0, random.random_range(0..8)]);
            }
            // In words of four bytes, less two.
            proto::AUTHENTICATION => {
                header[1] = words.max(1);
                header.resize(4 * (usize::from(header[1]) + 2), 1);
            }
            _ => {
                // A routing header's type and segments left; elsewhere the beginning of an option.
                header.extend([random.random_range(0..5), u8::from(random.random_ratio(1, 4))]);
                header.resize(8 * (usize::from(words) + 1), 0);
            }
        }
        frame.splice(at + 40..at + 40, header);
    }
    if random.random_ratio(1, 12) {
        frame[at + 6] = 59;
    }
    let length = (frame.len() - at - 40) as u16;
    frame[at + 4..at + 6].copy_from_slice(&length.to_be_bytes());
}
