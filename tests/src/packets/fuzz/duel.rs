//! Both worlds, side by side: the program in the kernel and the host engine take the same steps, and
//! must agree on everything.

use std::time::Duration;

use lb_common::{
    net::Ip,
    reason::{Kind, Reason},
    state::{BackendId, Traffic},
    tables::Store,
    time::Tick,
};

use super::{
    super::{
        age,
        kernel::{Kernel, settle, tick},
        run::leaves_less_headroom,
        table::{Action, Geometry, Host, IDS, Ran, Side, Site, World},
    },
    judge::{Conditions, judge},
    lists,
    step::{Change, Step},
};

/// Bytes of a frame that are directly accessible; the rest of a longer one lies in further buffers.
const LINEAR: usize = 3_400;
/// No tick of the kernel's clock may end while a frame is in both worlds; its clock goes by jiffies, of
/// 10 ms at most.
const MARGIN: Duration = Duration::from_millis(12);
/// Why a step was not taken to the end.
#[derive(Debug)]
pub enum Halt {
    /// The worlds disagree, or the judge does not like what left.
    Disagreement(String),
    /// The machine was held up and a tick ended in the middle: nothing can be said.
    HeldUp,
}

/// Both worlds.
#[derive(Debug)]
pub struct Duel {
    kernel: Kernel,
    host: Host,
    /// The tick that the kernel's stamps are true for. The host's clock stands still.
    true_for: Tick,
    /// Ticks that may yet go by: stamps can't be moved back beyond the machine's start.
    patience: u32,
    packets: u64,
    sites: Vec<Site>,
    conditions: Conditions,
    /// Can the kernel leave less room before a frame than it usually does?
    pub leaves_less_headroom: bool,
}

impl Duel {
    /// Both worlds with tables of this size; the calling thread should stay on the first CPU.
    pub fn new(geometry: Geometry) -> Self {
        let mut kernel = Kernel::new(geometry);
        let leaves_less_headroom = leaves_less_headroom(kernel.xdp());
        let mut host = Host::new(geometry);
        host.sides = kernel.sides();
        Self {
            kernel,
            host,
            true_for: tick(),
            patience: 0,
            packets: 0,
            sites: Vec::new(),
            conditions: Conditions::AT_FIRST,
            leaves_less_headroom,
        }
    }

    /// Begins a history: empties all tables and puts the sites in place.
    pub fn begin(&mut self, sites: &[Site]) {
        self.kernel.clear();
        self.host.clear();
        self.true_for = tick();
        self.host.tables.now.set(self.true_for);
        self.patience = self.true_for.0 / 2;
        self.packets = 0;
        self.sites = sites.to_vec();
        self.conditions = Conditions::AT_FIRST;
        for world in [&mut self.kernel as &mut dyn World, &mut self.host] {
            world.set_headroom(self.conditions.headroom);
            lists::install(world);
            for site in sites {
                site.install(world);
            }
        }
    }

    /// Takes a step in both worlds. For a frame: its fate and its bytes.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn step(&mut self, step: &Step) -> Result<Option<(Reason, Ran)>, Halt> {
        match step {
            Step::Change(change) => {
                match *change {
                    Change::Mtu(mtu) => self.conditions.mtu = mtu,
                    Change::Headroom(_) if !self.leaves_less_headroom => return Ok(None),
                    Change::Headroom(bytes) => self.conditions.headroom = bytes,
                    _ => {}
                }
                settle(MARGIN);
                self.keep_true();
                change.apply(&mut self.kernel);
                if tick() != self.true_for {
                    return Err(Halt::HeldUp);
                }
                change.apply(&mut self.host);
                Ok(None)
            }
            Step::Wait(ticks) => {
                let ticks = (*ticks).min(self.patience);
                self.patience -= ticks;
                self.keep_true();
                self.kernel.shift(self.true_for, -(ticks as i32));
                age::host(&mut self.host.tables, -(ticks as i32));
                Ok(None)
            }
            Step::Packet(frame, side) => self.packet(frame, *side).map(Some),
        }
    }

    /// Takes back what the kernel's clock has gone on by itself: time goes by in steps only.
    fn keep_true(&mut self) {
        let now = tick();
        if now != self.true_for {
            self.kernel.shift(now, (now.0 - self.true_for.0) as i32);
            self.true_for = now;
        }
    }

    fn packet(&mut self, frame: &[u8], side: Side) -> Result<(Reason, Ran), Halt> {
        settle(MARGIN);
        self.keep_true();
        let there = self.kernel.run_in_parts(frame, side, frame.len().min(LINEAR));
        if tick() != self.true_for {
            return Err(Halt::HeldUp);
        }
        let here = self.host.run(frame, side);
        self.packets += 1;
        let same = same_action(here.action, there.action) && here.bytes == there.bytes;
        if !same {
            return Err(Halt::Disagreement(format!(
                "the host says {:?}, {:?}; the kernel {:?}\n  host   {}\n  kernel {}",
                self.host.last,
                here.action,
                there.action,
                super::hex(&here.bytes),
                super::hex(&there.bytes)
            )));
        }
        judge(&self.sites, self.conditions, frame, self.host.last, &here)
            .map_err(|wrong| Halt::Disagreement(format!("{wrong}\n  left   {}", super::hex(&here.bytes))))?;
        Ok((self.host.last, here))
    }

    /// Compares everything that is counted, and that each packet met one fate.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn compare_counters(&self) -> Result<Vec<(Reason, u64)>, String> {
        let (here, there) = (self.host.reasons(), self.kernel.reasons());
        for ((reason, host), (_, kernel)) in here.iter().zip(&there) {
            if host != kernel {
                return Err(format!("{}: {host} on the host, {kernel} in the kernel", reason.name()));
            }
        }
        let fates = here.iter().filter(|(reason, _)| reason.kind() != Kind::Event);
        let fates: u64 = fates.map(|(_, count)| count).sum();
        if fates != self.packets {
            return Err(format!("{fates} fates were counted for {} packets", self.packets));
        }
        for id in (0..IDS).map(BackendId) {
            let traffic: [Traffic; 2] = [self.host.traffic(id), self.kernel.traffic(id)];
            if traffic[0] != traffic[1] {
                return Err(format!("traffic of {id:?} on the host and in the kernel: {traffic:#?}"));
            }
        }
        Ok(here)
    }

    /// Compares the stored sessions.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_sessions(&self) -> Result<(), String> {
        let stores = [Store::Pins, Store::Affinity].into_iter().zip(&self.host.tables.sessions);
        let mut here = Vec::new();
        for (store, sessions) in stores {
            here.extend(sessions.borrow().iter().map(|(key, pin)| (store, key.client, pin.load().backend)));
        }
        let (here, there) = (sorted(here), sorted(self.kernel.sessions()));
        let only = |ours: &[Stored], theirs: &[Stored]| -> Vec<Stored> {
            ours.iter().filter(|session| !theirs.contains(session)).copied().collect()
        };
        if here == there {
            return Ok(());
        }
        let (host, kernel) = (only(&here, &there), only(&there, &here));
        Err(format!("sessions on the host only: {host:?}; in the kernel only: {kernel:?}"))
    }
}

fn same_action(here: Action, there: Action) -> bool {
    match (here, there) {
        // The kernel's result does not say where to.
        (Action::Redirect(_), Action::Redirect(_)) => true,
        (here, there) => here == there,
    }
}

type Stored = (Store, Ip, BackendId);

fn sorted(mut sessions: Vec<Stored>) -> Vec<Stored> {
    sessions.sort_by_key(|(store, client, id)| (*store == Store::Pins, *client, *id));
    sessions
}
