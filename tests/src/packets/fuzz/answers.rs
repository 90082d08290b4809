//! What others say to what was sent on: answers of backends, and errors from the way.

use rand::Rng as _;

use super::{
    super::table::{ACK, FIN, Family, RST, SYN, Side, mac},
    generate::Generator,
    pick,
    wire::{self, Ip},
};

impl Generator {
    /// The answer to one of the last frames that were sent on, to whichever side.
    pub(super) fn reply(&mut self) -> (Vec<u8>, Side) {
        let Some((mut frame, side)) = self.remembered() else { return (self.request(), Side::Outside) };
        let (to, from) = frame.split_at_mut(6);
        to.swap_with_slice(&mut from[..6]);
        let at = wire::network(&frame);
        let packet = &mut frame[at..];
        if wire::turn(packet).is_some() {
            let flags = [SYN | ACK, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST, RST | ACK];
            let fits = self.random.random_ratio(7, 8);
            wire::answer(packet, pick(&mut self.random, &flags), fits);
        }
        (frame, side)
    }

    fn remembered(&mut self) -> Option<(Vec<u8>, Side)> {
        if self.sent.is_empty() {
            return None;
        }
        let at = self.random.random_range(0..self.sent.len());
        self.sent.get(at).cloned()
    }

    /// A frame that was sent on comes back as it is, as in a loop.
    pub(super) fn again(&mut self) -> (Vec<u8>, Side) {
        self.remembered().unwrap_or_else(|| (self.request(), Side::Outside))
    }

    /// An ICMP error about something that was sent on, or that nobody sent, from somebody on its way.
    pub(super) fn error(&mut self) -> (Vec<u8>, Side) {
        let (frame, side) = match self.remembered() {
            Some(known) if self.random.random_ratio(7, 8) => known,
            _ => (self.request(), Side::Outside),
        };
        let packet = &frame[wire::network(&frame).min(frame.len())..];
        let Some((ours, theirs)) = wire::ends(packet) else { return (frame, side) };
        let family = if ours.is_ipv4() { Family::V4 } else { Family::V6 };
        let random = &mut self.random;
        // Of every length from nothing on, mostly around the headers' ends.
        let most = packet.len().min(pick(random, &[80, 80, 1_232, 1_500]));
        let least = if random.random_ratio(1, 4) { 0 } else { most.min(28) };
        let mut quote = packet[..random.random_range(least..=most)].to_vec();
        // What a backend answered directly was never seen here.
        let turned = random.random_ratio(1, 4) && wire::turn(&mut quote).is_some();
        let (ours, theirs) = if turned { (theirs, ours) } else { (ours, theirs) };
        if random.random_ratio(1, 12) {
            let at = random.random_range(0..quote.len().max(1));
            if let Some(byte) = quote.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
        let from = if random.random() { theirs } else { self.client(family) };
        let random = &mut self.random;
        let (kind, code) = match family {
            Family::V4 => {
                pick(random, &[(3, 0), (3, 1), (3, 3), (3, 4), (3, 4), (4, 0), (5, 0), (11, 0), (12, 0)])
            }
            Family::V6 => pick(random, &[(1, 0), (1, 4), (2, 0), (2, 0), (3, 0), (4, 0), (4, 1), (137, 0)]),
        };
        let rest = [0, 0, 5, random.random()];
        let mut ip = Ip::new(from, ours);
        if family == Family::V4 && random.random_ratio(1, 12) {
            ip.options = vec![1; 4 * random.random_range(1..=10)];
        }
        let packet = ip.icmp(kind, code, rest, &quote);
        (wire::frame(mac::OURS, mac::ROUTER, &packet), side)
    }
}
