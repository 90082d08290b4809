//! Steps, from a seed and from what came of the earlier ones.

use std::{collections::VecDeque, iter::repeat_n};

use lb_common::{reason::Reason, state::Health};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::table::{A, Action, B, HEADROOM, Ran, Side, Site, tunnel},
    mutate::{decorate, mutate},
    pick, services,
    step::{Change, Step},
    strange,
};

/// Frames that are remembered, to be answered and quoted.
const MEMORY: usize = 64;
/// Ticks that go by at once: around every timeout there is.
const WAITS: [u32; 16] = [1, 1, 1, 1, 2, 3, 4, 5, 60, 61, 112, 113, 170, 171, 1_701, 6_801];

/// Bytes of the largest outer packet: the least that the configuration takes, and a few others.
const MTUS: [u32; 5] = [1_328, 1_400, tunnel::MTU, tunnel::MTU, 9_000];
/// Bytes before a frame: around what outer headers need.
const HEADROOMS: [usize; 8] = [0, 16, 20, 24, 28, 40, 44, 48];
/// Copies of a packet that is too big: more than a CPU answers in a tick.
const FLOOD: usize = 1_500;
/// One in so many that were answered begins such a flood.
const FLOODS: u32 = 100;

/// Makes the steps of one history.
#[derive(Debug)]
pub struct Generator {
    pub(super) random: StdRng,
    /// The services: each forwarding mode, both families, both protocols, settings drawn from the seed.
    pub sites: Vec<Site>,
    /// Bytes of the largest outer packet.
    pub(super) mtu: u32,
    /// What was sent on lately, and where it left.
    pub(super) sent: VecDeque<(Vec<u8>, Side)>,
    /// Frames under way: the rest of a burst.
    pub(super) pending: VecDeque<(Vec<u8>, Side)>,
}

impl Generator {
    /// The same steps for the same seed, if the worlds answer the same.
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let sites = services::sites(&mut random);
        Self { random, sites, mtu: tunnel::MTU, sent: VecDeque::new(), pending: VecDeque::new() }
    }

    /// Notes a frame that left, and as what it came.
    pub fn note(&mut self, (frame, came): (&[u8], Side), reason: Reason, ran: &Ran) {
        let side = if let Action::Redirect(Some(to)) = ran.action { to } else { came };
        if reason == Reason::TooBigAnswered && self.random.random_ratio(1, FLOODS) {
            self.pending.extend(repeat_n((frame.to_vec(), came), FLOOD));
        }
        // A backend answers what it finds in a tunnel.
        let unwraps = ran.bytes.len() > frame.len() && self.random.random_ratio(3, 4);
        if self.sent.len() == MEMORY {
            self.sent.pop_front();
        }
        self.sent.push_back((if unwraps { frame.to_vec() } else { ran.bytes.clone() }, side));
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.random.random_range(0..1_000) {
            0..14 => return Step::Change(self.change()),
            // A flood is over in one tick.
            14..16 if self.pending.len() < FLOOD / 8 => return Step::Wait(pick(&mut self.random, &WAITS)),
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
        let states = [
            Health::Up,
            Health::Up,
            Health::Up,
            Health::Draining,
            Health::Down,
            Health::Disabled,
            Health::Absent,
        ];
        match random.random_range(0..15) {
            0..4 => Change::Health(site, which, pick(random, &states)),
            4..7 => Change::Slots(site, pick(random, &owners)),
            7 => Change::Replace(site, which, random.random_range(0..3)),
            8 => Change::NextHop(site, which, random.random_ratio(2, 3)),
            9 => Change::Service(site, random.random_ratio(9, 10)),
            10..12 => Change::Access(site, services::access(random)),
            // Most drivers leave more than enough.
            12 => Change::Headroom(if random.random() { HEADROOM } else { pick(random, &HEADROOMS) }),
            13 => Change::Evict,
            _ => {
                self.mtu = pick(random, &MTUS);
                Change::Mtu(self.mtu)
            }
        }
    }

    pub(super) fn site(&mut self) -> Site {
        pick(&mut self.random, &self.sites)
    }
}
