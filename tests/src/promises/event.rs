//! The language of histories.

use std::fmt;

use proptest::prelude::*;

use super::setup::{Forwarding, NAMES, OnDown, Policy, Setup, Shape};

/// A connection: a client's port, and the service that it calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    pub service: u8,
    pub client: u8,
    pub port: u8,
}

impl fmt::Debug for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} port {} to service {}", self.client, self.port, self.service)
    }
}

/// What a segment says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// Opens.
    Syn,
    /// Carries data.
    Ack,
    /// Ends one direction.
    Fin,
    /// Ends both.
    Rst,
}

/// What an operator says of a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Enable,
    Drain,
    Disable,
}

/// Something that happens. What can't happen at the moment does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A client sends a segment, whether there is such a connection or not.
    Says(Tuple, Flag),
    /// A client opens a connection, and answers what the backend answers.
    Dials(Tuple),
    /// The backend of a connection answers its last segment.
    Answers(Tuple, Flag),
    /// Ticks go by.
    Wait(u32),
    /// A backend's health check passes or fails. If `late`, its slot table is rebuilt with the next change only.
    Check { service: u8, name: u8, up: bool, late: bool },
    /// An operator's order.
    Order { service: u8, name: u8, order: Order },
    /// A backend's weight.
    Weigh { service: u8, name: u8, weight: u32 },
    /// A service is given a server; at another address than the last of this name, if `moved`.
    Add { service: u8, name: u8, moved: bool },
    /// A service loses one.
    Remove { service: u8, name: u8 },
    /// A server has another address from now on.
    Replace { name: u8 },
    /// The file is read again, and says something else.
    Reload(Policy),
    /// The daemon plans again: the file is the same, and what was late is made up for.
    CatchUp,
    /// The daemon ends, and another begins.
    Restart,
    /// The session of a client is evicted, if it is among those of strangers.
    Evict { service: u8, client: u8 },
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Says(tuple, flag) => write!(f, "{tuple:?}: {flag:?}"),
            Self::Dials(tuple) => write!(f, "{tuple:?}: Syn, answer, Ack"),
            Self::Answers(tuple, flag) => write!(f, "the backend of {tuple:?} answers: {flag:?}"),
            Self::Wait(ticks) => write!(f, "{ticks} ticks go by"),
            Self::Check { service, name, up, late } => {
                let state = if up { "up" } else { "down" };
                write!(f, "backend {name} of service {service} is {state}")?;
                f.write_str(if late { ", its slots follow later" } else { "" })
            }
            Self::Order { service, name, order } => {
                write!(f, "backend {name} of service {service}: {order:?}")
            }
            Self::Weigh { service, name, weight } => {
                write!(f, "backend {name} of service {service} weighs {weight}")
            }
            Self::Add { service, name, moved } => {
                write!(f, "service {service} is given backend {name}")?;
                f.write_str(if moved { " at another address" } else { "" })
            }
            Self::Remove { service, name } => write!(f, "service {service} loses backend {name}"),
            Self::Replace { name } => write!(f, "server {name} has another address"),
            Self::Reload(policy) => write!(f, "reload: {policy:?}"),
            Self::CatchUp => f.write_str("reload of the same file"),
            Self::Restart => f.write_str("the daemon is restarted"),
            Self::Evict { service, client } => write!(f, "client {client} of service {service} is evicted"),
        }
    }
}

/// A history.
#[derive(Clone)]
pub struct History {
    pub setup: Setup,
    pub events: Vec<Event>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { shape, forwarding, policy } = self.setup;
        writeln!(f, "{shape:?}, {forwarding:?}, {policy:?}")?;
        (1..).zip(&self.events).try_for_each(|(number, event)| writeln!(f, "{number:>4}. {event:?}"))
    }
}

impl History {
    /// Histories of up to so many events.
    pub fn any(events: usize) -> impl Strategy<Value = Self> {
        (setup(), prop::collection::vec(event(), 1..events))
            .prop_map(|(setup, events)| Self { setup, events })
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let on_down = prop_oneof![
        Just(OnDown::Repin),
        Just(OnDown::Lend),
        Just(OnDown::Refuse),
        prop_oneof![Just(2), Just(5)].prop_map(OnDown::Hold),
    ];
    let idle = prop_oneof![Just(4), Just(1000)];
    let lifetime = prop_oneof![Just(None), Just(Some(7))];
    (prop::bool::weighted(0.9), on_down, any::<bool>(), idle, lifetime).prop_map(
        |(by_client, on_down, moves_on_drain, idle, lifetime)| Policy {
            by_client,
            on_down,
            moves_on_drain,
            idle,
            lifetime,
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let shape = prop_oneof![Just(Shape::One), Just(Shape::Two), Just(Shape::Group)];
    let forwarding = prop_oneof![Just(Forwarding::Nat), Just(Forwarding::Preserve), Just(Forwarding::Dsr)];
    (shape, forwarding, policy()).prop_map(|(shape, forwarding, mut policy)| {
        // A group has sessions.
        policy.by_client |= shape == Shape::Group;
        Setup { shape, forwarding, policy }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let tuple =
        || (0..2u8, 0..3u8, 0..3u8).prop_map(|(service, client, port)| Tuple { service, client, port });
    let backend = || (0..2u8, 0..NAMES);
    let flag = |syn| prop_oneof![syn => Just(Flag::Syn), 8 => Just(Flag::Ack), 1 => Just(Flag::Fin), 1 => Just(Flag::Rst)];
    let answer = prop_oneof![8 => Just(Flag::Ack), 2 => Just(Flag::Fin), 1 => Just(Flag::Rst)];
    let order = prop_oneof![3 => Just(Order::Enable), 2 => Just(Order::Drain), 1 => Just(Order::Disable)];
    let wait = prop_oneof![8 => 1..6u32, 1 => 6..40u32];
    prop_oneof![
        20 => (tuple(), flag(6)).prop_map(|(tuple, flag)| Event::Says(tuple, flag)),
        12 => tuple().prop_map(Event::Dials),
        6 => (tuple(), answer).prop_map(|(tuple, flag)| Event::Answers(tuple, flag)),
        10 => wait.prop_map(Event::Wait),
        10 => (backend(), prop::bool::weighted(0.6), any::<bool>())
            .prop_map(|((service, name), up, late)| Event::Check { service, name, up, late }),
        5 => (backend(), order).prop_map(|((service, name), order)| Event::Order { service, name, order }),
        2 => (backend(), 1..200u32)
            .prop_map(|((service, name), weight)| Event::Weigh { service, name, weight }),
        4 => (backend(), any::<bool>())
            .prop_map(|((service, name), moved)| Event::Add { service, name, moved }),
        3 => backend().prop_map(|(service, name)| Event::Remove { service, name }),
        2 => (0..NAMES).prop_map(|name| Event::Replace { name }),
        2 => policy().prop_map(Event::Reload),
        1 => Just(Event::CatchUp),
        1 => Just(Event::Restart),
        1 => (0..2u8, 0..3u8).prop_map(|(service, client)| Event::Evict { service, client }),
    ]
}
