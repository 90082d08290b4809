//! Floods from invented addresses, against clients that are there already and those that come after.
//!
//! The program as shipped, with maps of their default sizes, in test runs: nothing is attached. 1,000 proven
//! clients have open connections and speak between the parts of the flood, 1,000 have sessions only. Before
//! it begins, all slots are given to another backend: who is found on the old one, is so by a promise kept.

pub mod clients;
pub mod feed;
pub mod live;
pub mod lru;

use std::{collections::BTreeMap, fmt, net::IpAddr, path::Path};

use anyhow::{Result, bail, ensure};
use lb_common::{reason::Reason, state::Forwarding};
use lb_user::model::Limits;

use crate::packets::{
    kernel::{Kernel, next_tick, pin_to},
    table::{A, B, Family, Side, Site, World as _},
};
use clients::Clients;
use feed::{Feed, Kind};

/// Clients with open connections, and as many with sessions only.
pub const CLIENTS: usize = 1_000;
/// The flood comes in this many parts, between which clients speak.
const PARTS: u32 = 20;
/// Or in this many.
const FEW_PARTS: u32 = 4;
/// Ticks that it may take until all clients are proven.
const PATIENCE: u32 = 60;
/// Where everything comes in.
const OUTSIDE: Side = Side::Outside;
/// The default range.
const PORTS: (u16, u16) = (1024, 32_767);
/// What connections of the idle clients after the flood come from.
const NEW_PORT: u16 = 41_000;

/// One kind of packet of a flood.
#[derive(Debug)]
pub struct Phase {
    /// What was sent.
    pub name: &'static str,
    /// How many.
    pub packets: u32,
    /// How long that took.
    pub seconds: f64,
}

/// What a flood did.
#[derive(Debug)]
pub struct Outcome {
    /// What was flooded.
    pub what: String,
    /// In order.
    pub phases: Vec<Phase>,
    /// Clients with open connections that lost their backend at some time.
    pub open_lost: usize,
    /// Idle clients that were not led back to their backend after it.
    pub idle_lost: usize,
    /// New clients after it that were not served by one backend.
    pub new_lost: usize,
    /// Those of them that have proved themselves within two ticks; `None`: nobody came.
    pub new_proven: Option<usize>,
    /// Strangers among the proven sessions.
    pub forged_pins: usize,
    /// What was counted meanwhile.
    pub counted: BTreeMap<&'static str, u64>,
}

impl Outcome {
    fn new(what: String) -> Self {
        Self {
            what,
            phases: Vec::new(),
            open_lost: 0,
            idle_lost: 0,
            new_lost: 0,
            new_proven: None,
            forged_pins: 0,
            counted: BTreeMap::new(),
        }
    }
}

impl Outcome {
    /// True if every client was served as before.
    pub fn nobody_lost(&self) -> bool {
        (self.open_lost, self.idle_lost, self.new_lost) == (0, 0, 0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        for Phase { name, packets, seconds } in &self.phases {
            let each = seconds * 1e9 / f64::from(*packets);
            writeln!(f, "  {packets} packets, {name}: {seconds:.1} s, {each:.0} ns each")?;
        }
        writeln!(f, "  lost: {} of {CLIENTS} with open connections", self.open_lost)?;
        writeln!(f, "        {} of {CLIENTS} idle ones", self.idle_lost)?;
        if let Some(proven) = self.new_proven {
            writeln!(f, "        {} of {CLIENTS} that came afterwards", self.new_lost)?;
            writeln!(f, "  proven of those that came afterwards: {proven}")?;
        }
        writeln!(f, "  forged addresses in PINS: {}", self.forged_pins)?;
        for (name, count) in &self.counted {
            writeln!(f, "  {name:24} {count:>10}")?;
        }
        Ok(())
    }
}

/// A packet for the feeder to change.
fn template() -> Vec<u8> {
    Site::WEB.conn(0).first().build(&[])
}

/// Floods a service that forwards in this way with `packets` SYNs and then as many packets of sources that come
/// again. `object` is the feeder's file.
///
/// # Errors
/// The flood could not be made: the kernel refuses, or the clients were not proven to begin with.
pub fn run(forwarding: Forwarding, limits: &Limits, packets: u32, object: &Path) -> Result<Outcome> {
    pin_to(0);
    let site = Site::new(Family::V4, false, forwarding);
    let mut clients = Clients::new(Kernel::with(limits, PORTS), site);
    let IpAddr::V4(service) = site.address() else { bail!("a site of IPv4") };

    let proven = clients.prove(0..2 * CLIENTS, A);
    // Those that can't be verified are pinned some at a time.
    for _ in 0..PATIENCE {
        if clients.pins() < 2 * CLIENTS {
            next_tick();
            ensure!((0..2 * CLIENTS).all(|number| clients.talks(number, A)), "a client was lost by itself");
        }
    }
    ensure!(proven == 2 * CLIENTS && clients.pins() == proven, "{proven} proven, {} pins", clients.pins());
    for number in CLIENTS..2 * CLIENTS {
        clients.closes(number, A);
    }
    let slots = [site.id(B).0; 2];
    clients.kernel.set_slots(site.slots_base(), &slots);

    let mut outcome = Outcome::new(site.name());
    let before = clients.reasons();
    let mut lost = vec![false; CLIENTS];
    let mut flood = |clients: &mut Clients, name, kinds: &[Kind]| -> Result<()> {
        let mut seconds = 0.0;
        // Those that come in another tick are waited for.
        let parts = if kinds.len() == 1 { PARTS } else { FEW_PARTS };
        let each = packets / parts / kinds.len() as u32;
        let mut feeds: Vec<_> = kinds
            .iter()
            .map(|&kind| Feed::load(object, clients.kernel.xdp().fd()?, kind, service))
            .collect::<Result<_>>()?;
        for at in 0..parts {
            for feed in &mut feeds {
                // Each kind from the same sources.
                feed.seek(at * each)?;
                seconds += feed.run(&template(), each)?;
                if kinds.len() > 1 {
                    next_tick();
                }
            }
            for (number, lost) in lost.iter_mut().enumerate() {
                *lost |= !clients.talks(number, A);
            }
        }
        outcome.phases.push(Phase { name, packets, seconds });
        Ok(())
    };
    flood(&mut clients, "a SYN from each source", &[Kind::Syns])?;
    if forwarding == Forwarding::Dsr {
        let kinds = [Kind::Syns, Kind::Acks, Kind::Acks];
        flood(&mut clients, "a SYN and two ACKs from each source, in different seconds", &kinds)?;
    } else {
        flood(&mut clients, "a SYN, its answer and an ACK for each source", &[Kind::Handshakes])?;
    }
    outcome.open_lost = lost.iter().filter(|lost| **lost).count();
    outcome.forged_pins = clients.pins() - 2 * CLIENTS;

    let after = clients.reasons();
    for ((reason, before), (_, after)) in before.into_iter().zip(after) {
        if after != before {
            outcome.counted.insert(reason.name(), after - before);
        }
    }
    // The flood is over: the next tick has a budget of its own.
    next_tick();
    for number in CLIENTS..2 * CLIENTS {
        outcome.idle_lost += usize::from(!clients.opens(number, NEW_PORT, A));
    }
    let proven = clients.kernel.reasons()[Reason::SessionProven as usize].1;
    let talking = clients.prove(2 * CLIENTS..3 * CLIENTS, B);
    let proven = clients.kernel.reasons()[Reason::SessionProven as usize].1 - proven;
    outcome.new_lost = CLIENTS - talking;
    outcome.new_proven = Some(proven as usize);
    Ok(outcome)
}
