//! Random packets and changes, for the two worlds to disagree about.

use lb_common::{
    net::Mac,
    state::{Backend, Forwarding, Health},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::table::{
    A, ACK, B, Conn, FIN, Family, Geometry, Port, RST, SYN, Side, Site, Transport, Which, World,
};

/// Small tables, so that they fill up. The source ports are the range that a service and the clients'
/// own ports lie in.
pub const GEOMETRY: Geometry = Geometry { buckets: 16, pins: 8, ports: (2000, 4047) };

/// One step of a random sequence.
#[derive(Debug)]
pub enum Step {
    /// The daemon writes to the tables.
    Change(Change),
    /// A frame comes in.
    Packet(Vec<u8>, Side),
}

/// A change of the tables.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// A backend's state.
    Health(Site, Which, Health),
    /// A service's slots.
    Slots(Site, [Which; 2]),
    /// A backend's index is another server's from now on; the number is added to its generation.
    Replace(Site, Which, u32),
    /// A backend's next hop is lost, or found.
    NextHop(Site, Which, bool),
    /// A service is removed, or put back.
    Service(Site, bool),
}

impl Change {
    /// Makes it.
    pub fn apply(self, world: &mut dyn World) {
        match self {
            Self::Health(site, which, health) => world.set_health(site.id(which), health),
            Self::Slots(site, owners) => {
                world.set_slots(site.slots_base(), &owners.map(|which| site.id(which).0));
            }
            Self::Replace(site, which, more) => {
                let recipe = site.recipe(world, which);
                let recipe = Backend { generation: recipe.generation + more, ..recipe };
                world.set_backend(site.id(which), &recipe);
            }
            Self::NextHop(site, which, found) => {
                let mut recipe = site.recipe(world, which);
                if !found {
                    recipe.target_mac = Mac::default();
                }
                world.set_backend(site.id(which), &recipe);
            }
            Self::Service(site, true) => world.set_service(&site.key(), &site.entry()),
            Self::Service(site, false) => world.remove_service(&site.key()),
        }
    }
}

/// Makes steps, from a seed and from what came of the earlier ones.
#[derive(Debug)]
pub struct Source {
    random: StdRng,
    /// The services: each forwarding mode, both families, both protocols.
    pub sites: Vec<Site>,
    /// The last frames that went to a backend: what there is to answer.
    sent: Vec<Vec<u8>>,
}

impl Source {
    /// The same steps for the same seed, if the worlds answer the same.
    pub fn new(seed: u64) -> Self {
        let site = |number, family, udp, forwarding| Site {
            number,
            scope: u64::from(number) + 7,
            ..Site::new(family, udp, forwarding)
        };
        let sites = vec![
            site(0, Family::V4, false, Forwarding::Nat),
            Site { idle_ticks: 0, ..site(1, Family::V6, true, Forwarding::Nat) },
            site(2, Family::V4, true, Forwarding::NatPreserve),
            site(3, Family::V6, false, Forwarding::NatPreserve),
            Site { prefix: Some(24), ..site(4, Family::V4, false, Forwarding::Dsr) },
            Site { prefix: None, port: 2080, ..site(5, Family::V6, false, Forwarding::Nat) },
            Site { outer: Family::V6, ..site(6, Family::V4, true, Forwarding::Gue) },
        ];
        Self { random: StdRng::seed_from_u64(seed), sites, sent: Vec::new() }
    }

    /// Notes a frame that left for a backend.
    pub fn note(&mut self, out: &[u8]) {
        if self.sent.len() == 64 {
            self.sent.remove(0);
        }
        self.sent.push(out.to_vec());
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        if self.random.random_ratio(1, 20) {
            return Step::Change(self.change());
        }
        let (mut frame, side) = match self.random.random_range(0..10) {
            0..3 if !self.sent.is_empty() => self.reply(),
            _ => (self.request(), Side::Outside),
        };
        if self.random.random_ratio(1, 6) {
            self.spoil(&mut frame);
        }
        Step::Packet(frame, side)
    }

    fn change(&mut self) -> Change {
        let site = *self.sites.choose(&mut self.random).expect("not empty");
        let which = *[A, B].choose(&mut self.random).expect("not empty");
        let owners = [[A, A], [A, B], [B, A], [B, B]];
        let states = [&[Health::Up; 6][..], &[Health::Draining, Health::Down, Health::Absent]].concat();
        match self.random.random_range(0..10) {
            0..4 => Change::Health(site, which, *states.choose(&mut self.random).expect("not empty")),
            4..7 => Change::Slots(site, *owners.choose(&mut self.random).expect("not empty")),
            7 => Change::Replace(site, which, self.random.random_range(0..3)),
            8 => Change::NextHop(site, which, self.random.random_ratio(2, 3)),
            _ => Change::Service(site, self.random.random_ratio(9, 10)),
        }
    }

    /// A packet of one of a few clients to a service, or nearly to one.
    fn request(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let site = *self.sites.choose(random).expect("not empty");
        let last = random.random_range(1..9);
        let client = match site.family {
            Family::V4 => format!("198.51.100.{last}"),
            Family::V6 => format!("2001:db8:c::{last}"),
        };
        let conn = Conn { port: random.random_range(2000..2006), ..site.conn(0).by(&client) };
        let flags =
            *[SYN, SYN, ACK, ACK, ACK, SYN | ACK, FIN | ACK, RST, 0].choose(random).expect("not empty");
        // Now and then one that is too big for a tunnel.
        let most = if site.forwarding.is_tunnel() && random.random_ratio(1, 8) { 2000 } else { 40 };
        let payload: Vec<u8> = (0..random.random_range(0..most)).map(|_| random.random()).collect();
        let mut datagram = conn.says(flags, &payload);
        if site.udp && random.random_ratio(1, 4) {
            datagram.transport = Transport::UdpUnsummed;
        }
        if site.family == Family::V4 && random.random_ratio(1, 8) {
            datagram.ip_options = vec![1; 4 * random.random_range(1..=10)];
        }
        if random.random_ratio(1, 8) {
            datagram.padding = random.random_range(1..20);
        }
        if random.random_ratio(1, 20) {
            datagram.destination.port = Port::Is(random.random_range(2000..4100));
        }
        datagram.build(&[])
    }

    /// The answer to one of the last frames that went to a backend: both ends exchanged, byte by byte.
    fn reply(&mut self) -> (Vec<u8>, Side) {
        let random = &mut self.random;
        let mut frame = self.sent.choose(random).expect("not empty").clone();
        let side = if frame[5] == 0x0a { Side::Outside } else { Side::Inside };
        let (at, size) = if frame[12] == 0x08 { (26, 4) } else { (22, 16) };
        let transport = if frame[12] == 0x08 { 14 + usize::from(frame[14] & 15) * 4 } else { 54 };
        for (from, length) in [(0, 6), (at, size), (transport, 2)] {
            let (first, second) = frame.split_at_mut(from + length);
            first[from..].swap_with_slice(&mut second[..length]);
        }
        let is_tcp = frame[if size == 4 { 23 } else { 20 }] == 6;
        if is_tcp {
            let flags = *[SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST].choose(random).expect("not empty");
            frame[transport + 13] = flags;
        }
        (frame, side)
    }

    /// Cuts, lengthens or changes a frame; at least an Ethernet header is left.
    fn spoil(&mut self, frame: &mut Vec<u8>) {
        let random = &mut self.random;
        match random.random_range(0..5) {
            4 => {
                // The protocol, or the next header.
                let at = if frame[12] == 0x08 { 23 } else { 20 };
                frame[at] = *[0, 1, 4, 6, 17, 43, 44, 51, 58, 59, 60, 135].choose(random).expect("not empty");
            }
            0 => frame.truncate(random.random_range(14..=frame.len())),
            1 => frame.extend((0..random.random_range(1..30)).map(|_| random.random::<u8>())),
            _ => {
                for _ in 0..random.random_range(1..4) {
                    // Most of what matters is in the first 60 bytes.
                    let at = random.random_range(0..frame.len().min(60));
                    frame[at] = random.random();
                }
            }
        }
    }
}
