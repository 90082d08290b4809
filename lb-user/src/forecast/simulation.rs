//! Crowds of simulated clients, and how good the forecast of their end is.

use lb_common::time::Tick;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{Outlook, Watch};

const TIMEOUT: u32 = 300;
/// Clients with a session when the drain begins.
const CROWD: usize = 3_000;
/// When it begins. Clients have come and gone for long by then.
const BEGIN: f64 = 100_000.0;
/// Who still comes back then is not followed any longer.
const END: f64 = 1.5 * BEGIN;

/// Positive random times.
#[derive(Clone, Copy, Debug)]
enum Law {
    /// Of this mean.
    Exponential(f64),
    /// From 0 to this.
    Uniform(f64),
}

impl Law {
    fn draw(self, random: &mut StdRng) -> f64 {
        let part: f64 = random.random();
        match self {
            Self::Exponential(mean) => -mean * (1.0 - part).ln(),
            Self::Uniform(most) => most * part,
        }
    }
}

/// How clients behave.
#[derive(Clone, Copy, Debug)]
struct Habit {
    /// How long one is idle between two visits.
    idle: Law,
    /// How long one goes on coming; forever, until one was idle for too long.
    stay: Option<Law>,
    /// When clients first came, in ticks before the drain.
    span: f64,
}

/// A client's last visit before the drain and all after it; `None` if it has no session then.
fn client(habit: Habit, random: &mut StdRng) -> Option<Vec<f64>> {
    let mut last = BEGIN - habit.span * random.random::<f64>();
    let leaves = habit.stay.map_or(f64::INFINITY, |stay| last + stay.draw(random));
    let mut visits = Vec::new();
    loop {
        if last <= BEGIN {
            visits.clear();
        }
        visits.push(last);
        let next = last + habit.idle.draw(random);
        if next - last > f64::from(TIMEOUT) || next > leaves || next > END {
            return (last + f64::from(TIMEOUT) >= BEGIN).then_some(visits);
        }
        last = next;
    }
}

/// A drain at some moment.
struct Drain {
    at: f64,
    outlook: Outlook,
    /// Ticks until nobody is left.
    truth: f64,
}

/// A drain, counted as often as it should be, when `until` holds.
fn drain(crowd: &[Vec<f64>], until: impl Fn(&Watch, f64) -> bool) -> Drain {
    let mut watch = Watch::new(TIMEOUT, Tick(BEGIN as u32));
    let mut at = vec![0; crowd.len()];
    let mut now = BEGIN;
    loop {
        let mut count = watch.count(Tick(now as u32));
        for (visits, at) in crowd.iter().zip(&mut at) {
            while visits.get(*at + 1).is_some_and(|next| *next <= now) {
                *at += 1;
            }
            count.add(Tick(visits[*at] as u32));
        }
        watch.take(count);
        if until(&watch, now) {
            return Drain { at: now, outlook: watch.outlook(), truth: end(crowd) - now };
        }
        now += f64::from(watch.period());
    }
}

/// When nobody is left.
fn end(crowd: &[Vec<f64>]) -> f64 {
    crowd.iter().flat_map(|visits| visits.last()).fold(0.0, |a: f64, b| a.max(*b)) + f64::from(TIMEOUT)
}

fn a_tenth_has_ended(watch: &Watch, _: f64) -> bool {
    watch.left() <= CROWD as u64 * 9 / 10
}

fn crowd(habit: Habit, seed: u64) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(seed);
    std::iter::from_fn(|| Some(client(habit, &mut random))).flatten().take(CROWD).collect()
}

/// The end of a crowd is its last client's, and so a matter of chance: two crowds of the same habits differ by some
/// 10 % here. The forecast is of the middle.
#[test]
fn the_forecast_is_good_to_a_fifth_once_a_tenth_has_ended() {
    let timeout = f64::from(TIMEOUT);
    let until_idle = |idle, spans| Habit { idle, stay: None, span: spans * timeout };
    let visitors = |idle, stay: f64| Habit {
        idle,
        stay: Some(Law::Exponential(stay * timeout)),
        span: 10.0 * stay * timeout,
    };
    for habit in [
        until_idle(Law::Exponential(3.0 * timeout), 10.0),
        until_idle(Law::Exponential(timeout), 20.0),
        until_idle(Law::Exponential(timeout / 2.0), 40.0),
        until_idle(Law::Uniform(3.0 * timeout), 10.0),
        until_idle(Law::Uniform(2.0 * timeout), 20.0),
        until_idle(Law::Uniform(1.3 * timeout), 40.0),
        visitors(Law::Exponential(timeout / 20.0), 1.0),
        visitors(Law::Uniform(timeout / 5.0), 1.0),
    ] {
        let crowds: Vec<_> = (0..15).map(|seed| crowd(habit, seed)).collect();
        let drains: Vec<_> = crowds[..5].iter().map(|crowd| drain(crowd, a_tenth_has_ended)).collect();
        let mut ends: Vec<_> = crowds.iter().map(|crowd| end(crowd)).collect();
        ends.sort_by(f64::total_cmp);
        let middle = ends[ends.len() / 2];
        for drain in &drains {
            let Outlook::Empty { earliest, likely, latest } = drain.outlook else {
                panic!("{habit:?}: {:?}", drain.outlook)
            };
            let truth = middle - drain.at;
            assert!((likely / truth - 1.0).abs() <= 0.2, "{habit:?}: {likely} of {truth}");
            assert!(earliest <= likely && likely <= latest);
        }
        let within = |drain: &&Drain| match drain.outlook {
            Outlook::Empty { earliest, latest, .. } => (earliest * 0.9..=latest * 1.1).contains(&drain.truth),
            _ => false,
        };
        let count = drains.iter().filter(within).count();
        assert!(count >= 3, "{habit:?}: {count} of 5 ended when they should");
    }
}

#[test]
fn who_does_not_come_back_ends_at_a_known_time() {
    for idle in [Law::Exponential(100.0), Law::Uniform(f64::from(TIMEOUT))] {
        let mut random = StdRng::seed_from_u64(1);
        let ages = std::iter::repeat_with(|| idle.draw(&mut random)).filter(|age| *age <= f64::from(TIMEOUT));
        let crowd: Vec<_> = ages.take(CROWD).map(|age| vec![BEGIN - age]).collect();
        let Drain { outlook: Outlook::Empty { likely, .. }, truth, .. } = drain(&crowd, a_tenth_has_ended)
        else {
            panic!("nothing is known")
        };
        assert!((likely / truth - 1.0).abs() < 0.05, "{likely} of {truth}");
    }
}

#[test]
fn who_always_comes_back_never_ends() {
    let habit = Habit { idle: Law::Uniform(100.0), stay: None, span: 1_000.0 };
    let later = |ticks: f64| move |_: &Watch, now: f64| now > BEGIN + ticks;
    let crowd = crowd(habit, 1);
    assert_eq!(drain(&crowd, later(0.5 * f64::from(TIMEOUT))).outlook, Outlook::Unknown);
    assert_eq!(drain(&crowd, later(1.5 * f64::from(TIMEOUT))).outlook, Outlook::Endless);
}

/// Connections, of which a part is closed each tick, and the others have traffic each tick.
#[test]
fn who_ends_before_the_timeout_is_not_taken_for_one_who_comes_back() {
    let (mut watch, mut left, mut now) = (Watch::new(TIMEOUT, Tick(1_000)), 1_000_000.0, 1_000);
    while watch.left() == 0 || watch.left() > 800_000 {
        let mut count = watch.count(Tick(now));
        (0..left as u32).for_each(|_| count.add(Tick(now)));
        watch.take(count);
        now += watch.period();
        left *= 0.95;
    }
    // 0.95^n of 760,000 is ln 2.
    let truth = f64::from(watch.period()) * (800_000f64 / std::f64::consts::LN_2).ln() / -(0.95f64).ln();
    let Outlook::Empty { likely, .. } = watch.outlook() else { panic!("{:?}", watch.outlook()) };
    assert!((likely / truth - 1.0).abs() < 0.1, "{likely} of {truth}");
}

#[test]
fn nobody_has_ended_already() {
    let mut watch = Watch::new(TIMEOUT, Tick(1_000));
    let mut count = watch.count(Tick(1_000));
    count.add(Tick(1_000 - TIMEOUT - 1));
    watch.take(count);
    assert_eq!((watch.left(), watch.outlook()), (0, Outlook::NOW));
}
