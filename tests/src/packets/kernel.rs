//! The packet program in the kernel as a [`World`], run by `BPF_PROG_TEST_RUN`.
//!
//! One program serves many rows, as loading it takes a while: what a row left behind is cleared.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use aya::programs::Xdp;
use lb_common::{
    net::Ip,
    reason::Reason,
    state::{
        AccessKey, Admission, Audit, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey,
        Service, ServiceKey, Traffic, Tunnel,
    },
    tables::Store,
    time::Tick,
};
use lb_user::{
    access::{AccessList, Prefix, Rule},
    dataplane::{Dataplane as _, Options, Program, StoredSession},
    model::{Limits, Nat},
};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use super::{
    maps::Maps,
    run::try_run,
    table::{Geometry, HEADROOM, IDS, KEY, Ran, Side, World},
};

/// Time that a row may take; a tick must not end in it.
const ROW: Duration = Duration::from_millis(100);

/// Puts the thread on one CPU, so that the program's per-CPU state is always the same.
pub fn pin_to(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a small number");
    sched_setaffinity(Pid::from_raw(0), &set).expect("the CPU is there");
}

/// Now, as the packet program sees it.
pub fn tick() -> Tick {
    Tick::from_nanos(nanos())
}

fn nanos() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("every Linux has it");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// The packet program's clock may be behind ours by a jiffy (see [`Clock`](lb_common::time::Clock)), of 10 ms at most.
const BEHIND: Duration = Duration::from_millis(20);

/// Waits until the packet program, too, has come to the current tick, and at least `time` of that is left.
pub fn settle(time: Duration) {
    let now = nanos();
    let next = (now >> Tick::SHIFT) + 1;
    let is_late = u128::from((next << Tick::SHIFT) - now) < time.as_nanos();
    wait_for(if is_late { next } else { next - 1 });
}

/// Waits for the next tick: where tables are so large or full that to age them is no way.
pub fn next_tick() {
    wait_for((nanos() >> Tick::SHIFT) + 1);
}

fn wait_for(tick: u64) {
    let started = Instant::now();
    let begins = (tick << Tick::SHIFT) + BEHIND.as_nanos() as u64;
    while nanos() < begins {
        assert!(started.elapsed() < Duration::from_secs(10), "the clock stands still");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The packet program, in a network namespace of its own.
///
/// The namespace belongs to the calling thread and goes with it: a test makes its kernel on its own
/// thread and ends there.
#[derive(Debug)]
pub struct Kernel {
    /// The loaded program.
    pub program: Program,
    maps: Maps,
    sides: [u32; 2],
    /// Bytes that are left before frames.
    headroom: usize,
}

impl Kernel {
    /// Loads the program with tables of this size.
    ///
    /// # Panics
    /// Without root, or where the program was not built.
    pub fn new(geometry: Geometry) -> Self {
        Self::with(&limits(geometry), geometry.ports)
    }

    /// The same, with these limits and source ports.
    ///
    /// # Panics
    /// As [`Kernel::new`].
    pub fn with(limits: &Limits, ports: (u16, u16)) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
        let added = Command::new("ip")
            .args(["link", "add", "outside", "type", "veth", "peer", "inside"])
            .status()
            .expect("iproute2 is installed");
        assert!(added.success(), "ip link add: {added}");
        let sides = ["outside", "inside"].map(|name| if_nametoindex(name).expect("just made"));
        let program = load(limits, ports);
        let maps = Maps::of(program.all());
        Self { program, maps, sides, headroom: HEADROOM }
    }

    /// Clears what earlier rows left, and waits for a moment at which no tick ends soon.
    pub fn begin_row(&mut self) {
        self.clear();
        self.headroom = HEADROOM;
        settle(ROW);
    }

    /// Empties all tables: they are as after loading, and everybody is known for a stranger.
    ///
    /// # Panics
    /// If a system call fails.
    pub fn clear(&self) {
        self.maps.clear();
    }

    /// Moves every stamp in the tables by so many ticks: back, and that much time has gone by.
    pub fn shift(&self, now: Tick, by: i32) {
        self.maps.shift(now, by);
    }

    /// Indices of its interfaces: outside, inside.
    pub const fn sides(&self) -> [u32; 2] {
        self.sides
    }

    /// Calls `each` for every stored session.
    ///
    /// # Panics
    /// The kernel refuses to list them.
    pub fn each_session(&self, each: impl FnMut(&StoredSession)) {
        self.program.kernel.sessions.for_each(each).expect("readable");
    }

    /// Every stored session: where, whose, and its backend.
    pub fn sessions(&self) -> Vec<(Store, Ip, BackendId)> {
        let mut sessions = Vec::new();
        let add = |session: &StoredSession| {
            sessions.push((session.store, session.key.client, session.pin.backend));
        };
        self.each_session(add);
        sessions
    }

    /// Runs a frame of which the first `linear` bytes are directly accessible.
    ///
    /// # Panics
    /// As [`test_run`](super::run::test_run), and where [`leaves_less_headroom`](super::run::leaves_less_headroom) does not hold.
    pub fn run_in_parts(&mut self, frame: &[u8], side: Side, linear: usize) -> Ran {
        let (ingress, headroom) = (self.ifindex(side), self.headroom);
        try_run(self.xdp(), frame, ingress, linear, headroom).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The program, for [`test_run`](super::run::test_run) on several threads.
    pub fn xdp(&mut self) -> &Xdp {
        self.program.xdp()
    }
}

fn limits(geometry: Geometry) -> Limits {
    let Geometry { buckets, pins, ports, fragments, new_flows, new_pins } = geometry;
    Limits {
        flows: buckets * 2,
        affinity: 16_384,
        pins,
        services: 48,
        access: 1024,
        backends: IDS - 1,
        slots: 64,
        nat_connections: u32::from(ports.1 - ports.0) + 1,
        fragments: fragments * 2,
        new_flows_per_second: new_flows,
        new_pins_per_second: new_pins,
    }
}

fn load(limits: &Limits, ports: (u16, u16)) -> Program {
    let nat = Nat { source: Vec::new(), ports };
    let mut program = Program::load(&Options { limits, nat: &nat, key: Some(KEY), pins: None })
        .unwrap_or_else(|error| panic!("{error:?}"));
    program.open().unwrap_or_else(|error| panic!("{error:?}"));
    program
}

impl World for Kernel {
    fn set_backend(&mut self, id: BackendId, backend: &Backend) {
        self.program.kernel.set_backend(id, backend).expect("writable");
    }

    fn set_health(&mut self, id: BackendId, health: Health) {
        self.program.kernel.set_health(id, health).expect("writable");
    }

    fn set_slots(&mut self, base: u32, slots: &[u32]) {
        self.program.kernel.set_slots(base, slots).expect("writable");
    }

    fn set_service(&mut self, key: &ServiceKey, service: &Service) {
        self.program.kernel.set_service(key, service).expect("writable");
    }

    fn remove_service(&mut self, key: &ServiceKey) {
        self.program.kernel.remove_service(key).expect("writable");
    }

    fn add_list(&mut self, number: u32, rules: &[(AccessKey, Admission)]) {
        let rule = |(key, admission): &_| Rule { prefix: Prefix::from_key(key), admission: *admission };
        let list = AccessList::new(rules.iter().map(rule).collect());
        self.program.kernel.add_list(number, &list).expect("writable");
    }

    fn set_masks(&mut self, masks: &[(AccessKey, u32)]) {
        self.program.kernel.add_masks(masks).expect("writable");
    }

    fn set_load(&mut self, id: BackendId, sessions: u64, limit: u32, weight: u32) {
        let load = self.program.kernel.load(id).expect("in the table");
        load.set_sessions(sessions);
        load.set_share(limit, weight);
    }

    fn set_member(&mut self, key: &MemberKey, id: BackendId) {
        self.program.kernel.set_member(key, id).expect("writable");
    }

    fn evict(&mut self) {
        let mut evicted = Vec::new();
        self.each_session(|session| {
            evicted.extend((session.store == Store::Affinity).then_some(session.key));
        });
        for key in evicted {
            self.program.kernel.sessions.remove(Store::Affinity, &key).expect("writable");
        }
    }

    fn set_cid_config(&mut self, index: u32, config: &CidConfig) {
        self.program.kernel.set_cid_config(index, config).expect("writable");
    }

    fn set_server(&mut self, key: &ServerKey, home: ServerHome) {
        self.program.kernel.set_server(key, home).expect("writable");
    }

    fn set_sources(&mut self, sources: &[Ip]) {
        self.program.kernel.set_sources(sources).expect("writable");
    }

    fn set_tunnels(&mut self, tunnels: &[Tunnel; 2]) {
        self.program.kernel.set_tunnels(tunnels).expect("writable");
    }

    fn set_headroom(&mut self, bytes: usize) {
        self.headroom = bytes;
    }

    fn ifindex(&self, side: Side) -> u32 {
        match side {
            Side::Outside => self.sides[0],
            Side::Inside => self.sides[1],
        }
    }

    fn generation(&self) -> u32 {
        1
    }

    fn wait(&mut self, ticks: u32) {
        self.shift(tick(), -(ticks as i32));
    }

    fn run(&mut self, frame: &[u8], side: Side) -> Ran {
        self.run_in_parts(frame, side, frame.len())
    }

    fn reasons(&self) -> Vec<(Reason, u64)> {
        self.program.kernel.figures().expect("readable").reasons
    }

    fn audit(&self, service: u32) -> Audit {
        self.program.kernel.audit(service).expect("readable")
    }

    fn traffic(&self, id: BackendId) -> Traffic {
        self.program.kernel.traffic(id).expect("readable")
    }
}
