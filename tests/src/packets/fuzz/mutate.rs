//! What goes wrong with frames: tags and padding, which are no fault, and faults.

use rand::{Rng as _, rngs::StdRng};

use super::{pick, wire};

/// Tag types, and one that only looks like it.
const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x8100, 0x9100];
/// Numbers of protocols and of extension headers.
const PROTOCOLS: [u8; 18] = [0, 1, 2, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 135, 139];
/// Types behind the Ethernet addresses.
const TYPES: [u16; 6] = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 46];
/// Most of what matters is in so many bytes.
const HEADERS: usize = 120;

/// Tags and padding for some frames.
pub fn decorate(random: &mut StdRng, frame: &mut Vec<u8>) {
    if random.random_ratio(1, 16) {
        let padding = random.random_range(1..48);
        frame.resize(frame.len() + padding, 0xee);
    }
    if random.random_ratio(1, 10) {
        let most = pick(random, &[1, 1, 2, 4]);
        let tags: Vec<u16> = (0..random.random_range(1..=most)).map(|_| pick(random, &TAGS)).collect();
        wire::tag(frame, &tags);
    }
}

/// Breaks a frame in one to three ways.
pub fn mutate(random: &mut StdRng, frame: &mut Vec<u8>) {
    for _ in 0..pick(random, &[1, 1, 1, 2, 3]) {
        // All faults find their place in what is left.
        if frame.len() < 20 {
            return;
        }
        fault(random, frame);
    }
}

fn fault(random: &mut StdRng, frame: &mut Vec<u8>) {
    let near = frame.len().min(HEADERS);
    let network = wire::network(frame).min(frame.len() - 1);
    let is_v4 = frame[network] >> 4 == 4;
    match random.random_range(0..12) {
        // Truncated at every byte, the first ones more often.
        0 => frame.truncate(random.random_range(14..=near)),
        1 => frame.truncate(random.random_range(14..=frame.len())),
        2 => {
            let length = random.random_range(1..30);
            frame.extend((0..length).map(|_| random.random::<u8>()));
        }
        3 | 4 => frame[random.random_range(0..near)] ^= 1 << random.random_range(0..8),
        5 => frame[random.random_range(0..near)] = random.random(),
        6 => {
            let at = random.random_range(6..near / 2) * 2;
            let any = random.random();
            let word: u16 = pick(random, &[0, 0xffff, 1, 0xfffe, 0x4000, any]);
            put(frame, at, word);
        }
        // A length that lies, by a little or by much.
        7 | 8 => {
            let at = network + if is_v4 { 2 } else { 4 };
            let Some(&[high, low]) = frame.get(at..at + 2) else { return };
            let any = random.random();
            let off = pick(random, &[1, 2, 8, 20, 0xffff, 0xfff8, any]);
            put(frame, at, u16::from_be_bytes([high, low]).wrapping_add(off));
        }
        // The header's own length, or the version.
        9 => frame[network] = random.random(),
        10 => {
            let at = network + if is_v4 { 9 } else { 6 };
            if let Some(byte) = frame.get_mut(at) {
                *byte = pick(random, &PROTOCOLS);
            }
        }
        _ if random.random() => put(frame, 12, pick(random, &TYPES)),
        // Fragment bits.
        _ => put(frame, network + 6, pick(random, &[0x2000, 0x8000, 1, 0x2001, 0x3fff])),
    }
}

fn put(frame: &mut [u8], at: usize, word: u16) {
    if let Some(place) = frame.get_mut(at..at + 2) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}
