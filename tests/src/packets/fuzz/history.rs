//! A history: so many steps from one seed, played in both worlds; and what went wrong in it, made small.

use lb_common::reason::{Kind, Reason};

use super::{
    super::table::Site,
    duel::{Duel, Halt},
    generate::Generator,
    step::Step,
};

/// Steps between two looks at the counters: each costs dozens of system calls.
const LOOK: usize = 512;
/// A history is begun again if the machine was held up in it; so many times.
const TRIES: usize = 20;

/// Steps that lead to a disagreement.
#[derive(Debug)]
pub struct Finding {
    /// The services in place.
    pub sites: Vec<Site>,
    /// The steps, the last of which shows it.
    pub steps: Vec<Step>,
    /// What differs.
    pub what: String,
}

/// Plays the history of `seed`; returns how often each reason was counted.
///
/// # Errors
/// A finding, as it came.
///
/// # Panics
/// If the machine is too busy to play it within one tick of its clock.
pub fn play(duel: &mut Duel, seed: u64, length: usize) -> Result<Vec<(Reason, u64)>, Finding> {
    for _ in 0..TRIES {
        let mut generator = Generator::new(seed);
        let sites = generator.sites.clone();
        let mut steps = Vec::with_capacity(length);
        duel.begin(&sites);
        match run(duel, &mut generator, &mut steps, length) {
            Ok(counted) => return Ok(counted),
            Err(Halt::HeldUp) => {}
            Err(Halt::Disagreement(what)) => return Err(Finding { sites, steps, what }),
        }
    }
    panic!("the machine is too busy: no history came to its end in {TRIES} tries");
}

fn run(
    duel: &mut Duel,
    generator: &mut Generator,
    steps: &mut Vec<Step>,
    length: usize,
) -> Result<Vec<(Reason, u64)>, Halt> {
    for number in 1..=length {
        let step = generator.step();
        let result = duel.step(&step);
        if let (Step::Packet(frame, side), Ok(Some((reason, ran)))) = (&step, &result)
            && reason.kind() == Kind::Forward
        {
            generator.note((frame, *side), *reason, ran);
        }
        steps.push(step);
        result?;
        if number % LOOK == 0 {
            duel.compare_counters().map_err(Halt::Disagreement)?;
        }
    }
    duel.compare_sessions().map_err(Halt::Disagreement)?;
    duel.compare_counters().map_err(Halt::Disagreement)
}

/// When to look at counters in a replay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// After each step: says which it was.
    Always,
    /// After the last one only, as is quick.
    AtLast,
}

/// Plays steps again. The number of steps up to the first disagreement, and what it is.
///
/// # Panics
/// As [`play`].
pub fn replay(duel: &mut Duel, sites: &[Site], steps: &[Step], look: Look) -> Option<(usize, String)> {
    for _ in 0..TRIES {
        match again(duel, sites, steps, look) {
            Ok(()) => return None,
            Err((_, Halt::HeldUp)) => {}
            Err((number, Halt::Disagreement(what))) => return Some((number, what)),
        }
    }
    panic!("the machine is too busy: no history came to its end in {TRIES} tries");
}

fn again(duel: &mut Duel, sites: &[Site], steps: &[Step], look: Look) -> Result<(), (usize, Halt)> {
    duel.begin(sites);
    for (number, step) in (1..).zip(steps) {
        duel.step(step).map_err(|halt| (number, halt))?;
        if look == Look::Always || number == steps.len() {
            duel.compare_counters().map_err(|what| (number, Halt::Disagreement(what)))?;
        }
    }
    duel.compare_sessions().map_err(|what| (steps.len(), Halt::Disagreement(what)))
}
