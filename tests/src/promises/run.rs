//! Many histories, and of one that fails the shortest that does.

use std::{cell::RefCell, env};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::{balancer::Balancer, event::History, play::play, played::Played};

/// Events of a history at most.
const EVENTS: usize = 100;
/// A history is begun again if the balancer's clock went on in it by itself; so many times.
const TRIES: usize = 20;

/// Plays so many histories, or as many as `PROPTEST_CASES` says. `PROPTEST_RNG_SEED` says which; without it, each run plays
/// others.
///
/// # Errors
/// The shortest history found that fails, event by event, and what is wrong at its end.
///
/// # Panics
/// If the machine is too busy to play a history within one tick of its clock.
pub fn run(balancer: impl Balancer, histories: u32) -> Result<Played, String> {
    let cases = match env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => histories,
    };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let (balancer, total) = (RefCell::new(balancer), RefCell::new(Played::default()));
    let result = TestRunner::new(config).run(&History::any(EVENTS), |history| {
        let again = || play(&mut *balancer.borrow_mut(), &history).transpose();
        let played = (0..TRIES).find_map(|_| again()).expect("the machine is too busy for one history");
        total.borrow_mut().add(&played.map_err(TestCaseError::fail)?);
        Ok(())
    });
    match result {
        Ok(()) => Ok(total.into_inner()),
        Err(TestError::Fail(what, history)) => Err(format!("{history:?}{what}")),
        Err(TestError::Abort(why)) => Err(why.to_string()),
    }
}
