//! What is measured: the tables, and the lines that run on them.

pub(crate) mod cold;
pub(crate) mod flat;
pub(crate) mod flood;
pub(crate) mod known;
pub(crate) mod many;
mod new;

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use crate::{bed::Bed, line::Line};
use new::{Table, new_connections};

/// The default range.
const PORTS: (u16, u16) = (1024, 32_767);
/// Sources that never come again within a bench.
const ENDLESS: u32 = 1 << 30;

/// Tables and the lines that run on them.
pub(crate) struct Group {
    pub(crate) bed: Bed,
    pub(crate) lines: Vec<Line>,
}

/// Groups that are still to be made ready, and are measured in turn: side by side, where they are compared.
pub(crate) struct Plan<'a> {
    pub(crate) name: String,
    prepare: Box<dyn FnOnce() -> Result<Vec<Group>> + 'a>,
}

impl<'a> Plan<'a> {
    fn new(name: impl Into<String>, prepare: impl FnOnce() -> Result<Group> + 'a) -> Self {
        Self::in_turn(name, || Ok(vec![prepare()?]))
    }

    fn in_turn(name: impl Into<String>, prepare: impl FnOnce() -> Result<Vec<Group>> + 'a) -> Self {
        Self { name: name.into(), prepare: Box::new(prepare) }
    }

    /// Loads programs, fills tables, opens connections.
    pub(crate) fn prepare(self) -> Result<Vec<Group>> {
        let Self { name, prepare } = self;
        prepare().with_context(|| format!("cannot prepare {name:?}"))
    }
}

/// Everything.
pub(crate) fn all<'a>(limits: &'a Limits, feeder: &'a Path) -> Vec<Plan<'a>> {
    let mut plans = vec![
        Plan::new("one connection", || known::one_flow(limits, feeder)),
        Plan::new("tunnels", || known::tunnels(limits, feeder)),
    ];
    for size in many::SIZES {
        plans.push(Plan::new(format!("{} flows", size.0), move || many::flows(size, limits, feeder)));
    }
    plans.push(Plan::new("bursts", || cold::bursts(limits, feeder)));
    for (forwarding, name) in [(Forwarding::Dsr, "dsr"), (Forwarding::Nat, "nat")] {
        for (table, state) in [(Table::Free, "free"), (Table::Full, "full")] {
            let name = format!("new connection, {name}, table {state}");
            let what = name.clone();
            plans.push(Plan::new(name, move || new_connections(&what, forwarding, table, feeder, limits)));
        }
    }
    plans.push(Plan::in_turn(flat::SIZES.map(|size| flat::name(flat::KNOWN, size)).join("; "), || {
        flat::SIZES.into_iter().map(|size| flat::known(size, limits, feeder)).collect()
    }));
    plans.push(Plan::in_turn(flat::SIZES.map(|size| flat::name(flat::NEW, size)).join("; "), || {
        flat::SIZES.into_iter().map(|size| flat::new(size, limits, feeder)).collect()
    }));
    plans.push(Plan::in_turn([false, true].map(flood::name).join("; "), || {
        [false, true].into_iter().map(|amid| flood::known(amid, limits, feeder)).collect()
    }));
    plans
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("written here")
}
