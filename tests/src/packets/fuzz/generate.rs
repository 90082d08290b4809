//! Steps, from a seed and from what came of the earlier ones.

use std::{collections::VecDeque, net::IpAddr};

use lb_common::state::{Forwarding, Health};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::table::{A, ACK, Action, B, FIN, Family, LIST, Ports, RST, Ran, SYN, Side, Site, mac, quic},
    lists,
    mutate::{decorate, mutate},
    pick,
    step::{Change, Step},
    strange,
    wire::{self, Ip},
};

/// Frames that are remembered, to be answered and quoted.
const MEMORY: usize = 64;
/// Ticks that go by at once: around every timeout there is.
const WAITS: [u32; 16] = [1, 1, 1, 1, 2, 3, 4, 5, 60, 61, 112, 113, 170, 171, 1_701, 6_801];

/// Makes the steps of one history.
#[derive(Debug)]
pub struct Generator {
    pub(super) random: StdRng,
    /// The services: each forwarding mode, both families, both protocols, settings drawn from the seed.
    pub sites: Vec<Site>,
    /// What was sent on lately, and where it left.
    sent: VecDeque<(Vec<u8>, Side)>,
    /// Frames under way: the rest of a burst.
    pending: VecDeque<(Vec<u8>, Side)>,
}

impl Generator {
    /// The same steps for the same seed, if the worlds answer the same.
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let sites = sites(&mut random);
        Self { random, sites, sent: VecDeque::new(), pending: VecDeque::new() }
    }

    /// Notes a frame that left.
    pub fn note(&mut self, ran: &Ran, came: Side) {
        let side = if let Action::Redirect(Some(to)) = ran.action { to } else { came };
        if self.sent.len() == MEMORY {
            self.sent.pop_front();
        }
        self.sent.push_back((ran.bytes.clone(), side));
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.random.random_range(0..1_000) {
            0..14 => return Step::Change(self.change()),
            14..16 => return Step::Wait(pick(&mut self.random, &WAITS)),
            _ => {}
        }
        let (mut frame, side) = match self.pending.pop_front() {
            Some(next) if self.random.random_ratio(2, 3) => next,
            next => {
                self.pending.extend(next);
                self.fresh()
            }
        };
        if self.random.random_ratio(1, 5) {
            mutate(&mut self.random, &mut frame);
        }
        // The kernel takes no frames shorter than an Ethernet header.
        frame.resize(frame.len().max(14), 0);
        Step::Packet(frame, side)
    }

    fn fresh(&mut self) -> (Vec<u8>, Side) {
        let (mut frame, side) = match self.random.random_range(0..100) {
            0..40 => self.called(),
            40..60 => self.reply(),
            60..73 => self.error(),
            73..75 => (self.echo(), self.way_in()),
            75..82 => self.fragments(),
            82..91 => self.chained(),
            91..94 => (self.tunnelled(), Side::Outside),
            94..96 => (strange::frame(&mut self.random), Side::Outside),
            _ => self.again(),
        };
        decorate(&mut self.random, &mut frame);
        (frame, side)
    }

    fn change(&mut self) -> Change {
        let site = self.site();
        let random = &mut self.random;
        let which = pick(random, &[A, B]);
        let owners = [[A, A], [A, B], [B, A], [B, B]];
        let states = [Health::Up, Health::Up, Health::Up, Health::Draining, Health::Down, Health::Absent];
        match random.random_range(0..12) {
            0..4 => Change::Health(site, which, pick(random, &states)),
            4..7 => Change::Slots(site, pick(random, &owners)),
            7 => Change::Replace(site, which, random.random_range(0..3)),
            8 => Change::NextHop(site, which, random.random_ratio(2, 3)),
            9 => Change::Service(site, random.random_ratio(9, 10)),
            _ => Change::Access(site, access(random)),
        }
    }

    pub(super) fn site(&mut self) -> Site {
        pick(&mut self.random, &self.sites)
    }

    /// One of a few clients of this family.
    fn client(&mut self, family: Family) -> IpAddr {
        let random = &mut self.random;
        let (net, host) = (random.random_range(0..2), random.random_range(1..5));
        match family {
            Family::V4 => [198, 51, 100 + net, host].into(),
            Family::V6 => [0x2001, 0xdb8, 0xc, net.into(), 0, 0, 0, host.into()].into(),
        }
    }

    /// Where clients come from: now and then by the other way.
    fn way_in(&mut self) -> Side {
        if self.random.random_ratio(1, 8) { Side::Inside } else { Side::Outside }
    }

    fn called(&mut self) -> (Vec<u8>, Side) {
        (self.request(), self.way_in())
    }

    /// A packet of one of a few connections to a service, or nearly to one.
    fn request(&mut self) -> Vec<u8> {
        let site = self.site();
        let client = self.client(site.family);
        let packet = self.between(site, client, site.address(), 1_400);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }

    /// A packet of the site's protocol.
    fn between(&mut self, site: Site, from: IpAddr, to: IpAddr, most: usize) -> Vec<u8> {
        let random = &mut self.random;
        let mut ip = Ip::new(from, to);
        (ip.class, ip.hops, ip.id) = (random.random(), random.random(), random.random());
        if site.family == Family::V4 && random.random_ratio(1, 16) {
            ip.options = vec![1; 4 * random.random_range(1..=10)];
        }
        let first = if random.random() { 2_080 } else { 40_000 };
        let port = first + random.random_range(0..3);
        let called = match random.random_range(0..24) {
            0 => random.random_range(2_000..2_300),
            _ => match site.ports {
                Ports::One => site.port,
                Ports::List | Ports::ListToOne => pick(random, &LIST),
                Ports::Any => pick(random, &[80, 443, 8_443, 2_080, 1]),
            },
        };
        let payload = self.payload(site, most);
        let random = &mut self.random;
        if site.udp {
            return ip.udp((port, called), &payload, random.random_ratio(7, 8));
        }
        let flags =
            [SYN, SYN, SYN, ACK, ACK, ACK, ACK, ACK, ACK | 0x08, SYN | ACK, FIN | ACK, FIN | ACK, RST, 0];
        let flags = pick(random, &flags);
        let options: &[u8] =
            if random.random_ratio(1, 8) { &[1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9] } else { &[] };
        ip.tcp((port, called), flags, options, &payload)
    }

    fn payload(&mut self, site: Site, most: usize) -> Vec<u8> {
        let random = &mut self.random;
        if site.by_connection_id && random.random_ratio(2, 3) {
            let id = quic::id(random.random_range(0..7), pick(random, &[A, B]));
            return match random.random_range(0..4) {
                0 => quic::long(pick(random, &[quic::V1, quic::V2, 0]), &id),
                // Cut anywhere, behind the id mostly.
                1 => quic::short(&id)[..random.random_range(1..=21 + id.len())].to_vec(),
                _ => quic::short(&id),
            };
        }
        if site.udp && random.random_ratio(1, 3) {
            return strange::quic(random);
        }
        let length = match random.random_range(0..50) {
            0..30 => random.random_range(0..32),
            30..48 => random.random_range(0..128),
            48 => random.random_range(0..=most),
            _ if most >= 1_400 => random.random_range(1_400..8_900),
            _ => 0,
        };
        // The corners of one's complement come often.
        let fill = pick(random, &[0x00, 0xff, 0x5a]);
        let mut payload = vec![fill; length];
        for byte in payload.iter_mut().take(4) {
            *byte = random.random();
        }
        payload
    }

    /// The answer to one of the last frames that were sent on, to whichever side.
    fn reply(&mut self) -> (Vec<u8>, Side) {
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
    fn again(&mut self) -> (Vec<u8>, Side) {
        self.remembered().unwrap_or_else(|| (self.request(), Side::Outside))
    }

    /// An ICMP error about something that was sent on, or that nobody sent, from somebody on its way.
    fn error(&mut self) -> (Vec<u8>, Side) {
        let (frame, side) = match self.remembered() {
            Some(known) if self.random.random_ratio(7, 8) => known,
            _ => (self.request(), Side::Outside),
        };
        let packet = &frame[wire::network(&frame).min(frame.len())..];
        let Some((ours, theirs)) = wire::ends(packet) else { return (frame, side) };
        let family = if ours.is_ipv4() { Family::V4 } else { Family::V6 };
        let random = &mut self.random;
        // Of every length from nothing on, mostly around the headers' ends.
        let most = packet.len().min(if random.random() { 80 } else { 1_232 });
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

    /// A ping, or its answer, to a service's address or to our own.
    fn echo(&mut self) -> Vec<u8> {
        let site = self.site();
        let client = self.client(site.family);
        let random = &mut self.random;
        let to = if random.random() { site.address() } else { site.source() };
        let kinds: [u8; 2] = if site.family == Family::V4 { [8, 0] } else { [128, 129] };
        let kind = pick(random, &kinds);
        let length = random.random_range(0..100);
        let empty = random.random_ratio(1, 4);
        let payload: Vec<u8> = (0..length).map(|_| if empty { 0 } else { random.random() }).collect();
        let rest = if empty { [0; 4] } else { random.random() };
        let mut ip = Ip::new(client, to);
        ip.hops = random.random();
        let packet = ip.icmp(kind, 0, rest, &payload);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }

    /// The first of a burst of fragments, in some order; the rest is under way.
    fn fragments(&mut self) -> (Vec<u8>, Side) {
        let (whole, side) = match self.random.random_range(0..24) {
            0..6 => self.reply(),
            6 => (self.echo(), Side::Outside),
            7 => self.error(),
            8..10 => self.chained(),
            _ => {
                let site = self.site();
                let client = self.client(site.family);
                let packet = self.between(site, client, site.address(), 3_000);
                (wire::frame(mac::OURS, mac::ROUTER, &packet), self.way_in())
            }
        };
        let mut parts = strange::fragments(&mut self.random, &whole);
        let first = parts.pop().unwrap_or(whole);
        self.pending.extend(parts.into_iter().map(|part| (part, side)));
        (first, side)
    }

    /// A packet behind extension headers.
    fn chained(&mut self) -> (Vec<u8>, Side) {
        let (mut frame, side) = match self.random.random_range(0..8) {
            0..2 => self.reply(),
            2 => self.error(),
            _ => self.called(),
        };
        strange::chain(&mut self.random, &mut frame);
        (frame, side)
    }

    /// A packet of any kind in a tunnel to a service or to us.
    fn tunnelled(&mut self) -> Vec<u8> {
        let (inner, _) = match self.random.random_range(0..3) {
            0 => self.reply(),
            1 => self.error(),
            _ => (self.request(), Side::Outside),
        };
        let site = self.site();
        let client = self.client(site.family);
        let to = if self.random.random() { site.address() } else { site.source() };
        let inner = &inner[wire::network(&inner).min(inner.len())..];
        let packet = strange::tunnel(&mut self.random, &Ip::new(client, to), inner);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }
}

/// The number of an access list, or none.
fn access(random: &mut StdRng) -> u32 {
    if random.random() { 0 } else { random.random_range(1..=lists::LAST) }
}

/// A site of every kind, with settings drawn by lot.
fn sites(random: &mut StdRng) -> Vec<Site> {
    let mut sites = Vec::new();
    for family in [Family::V4, Family::V6] {
        for udp in [false, true] {
            for forwarding in [Forwarding::Nat, Forwarding::NatPreserve, Forwarding::Dsr] {
                let site = Site::new(family, udp, forwarding);
                let number = sites.len() as u8;
                let part = if family == Family::V4 { 24 } else { 64 };
                let prefix = pick(random, &[None, Some(part), site.prefix, site.prefix]);
                let by_connection_id = udp && random.random_ratio(2, 3);
                sites.push(Site {
                    number,
                    prefix,
                    idle_ticks: pick(random, &[0, 1, 60, 1_700, 1_700]),
                    lifetime_ticks: pick(random, &[0, 0, 0, 3, 100]),
                    scope: if random.random_ratio(1, 4) { 7 } else { 8 + u64::from(number) },
                    // 2080 lies in the range of source ports.
                    port: pick(random, &[80, 80, 443, 2_080]),
                    ports: pick(random, &[Ports::One, Ports::One, Ports::List, Ports::ListToOne, Ports::Any]),
                    access: if random.random_ratio(1, 3) { access(random) } else { 0 },
                    only: prefix.is_some() && !by_connection_id && random.random_ratio(2, 3),
                    echo: random.random(),
                    by_connection_id,
                    ..site
                });
            }
        }
    }
    sites
}
