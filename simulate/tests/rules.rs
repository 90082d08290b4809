//! A short round: what must hold whatever the seed, and that the comparison compares.

use simulate::{
    design::{HashBy, Which},
    ecmp::{By, Kind},
    report::Report,
    scenario, tables,
    tally::Tally,
    world::Settings,
};

const SETTINGS: Settings =
    Settings { seed: 7, sessions: 250, ecmp: (By::Tuple, Kind::Resilient), hash_by: HashBy::Address };
/// Nothing happens to nodes, and nobody floods them.
const POOL_ONLY: [&str; 4] = ["backend-fails", "backend-drained", "backend-added", "weights"];

fn play(settings: Settings, names: &[&str]) -> Report {
    let mut scenarios = scenario::all();
    scenarios.retain(|scenario| names.contains(&scenario.name));
    assert_eq!(scenarios.len(), names.len());
    Report::run(&settings, &scenarios).unwrap()
}

/// Connections and sessions broken, in each scenario.
fn broken(report: &Report, which: Which) -> Vec<(u64, u64)> {
    let tally = |row: &simulate::report::Row| {
        let outcome = row.outcomes.iter().find(|outcome| outcome.design == which).unwrap();
        let Tally { connections, sessions, .. } = outcome.tally;
        assert!(connections.total > 4_000 && sessions.total > 500, "{}: nobody came", row.scenario);
        (connections.broken(), sessions.broken())
    };
    report.rows.iter().map(tally).collect()
}

#[test]
fn where_nothing_happens_nothing_breaks() {
    let report = play(SETTINGS, &["steady"]);
    Which::ALL.into_iter().for_each(|which| assert_eq!(broken(&report, which), [(0, 0)], "{which:?}"));
}

/// A client's connections spread over the nodes: each knows its own, and only a shared store knows all sessions.
#[test]
fn changes_of_the_pool_break_no_connection() {
    let report = play(SETTINGS, &POOL_ONLY);
    assert_eq!(broken(&report, Which::LimpetShared), [(0, 0); 4]);
    assert!(broken(&report, Which::Limpet).iter().all(|(connections, _)| *connections == 0), "{report}");
    for (connections, sessions) in broken(&report, Which::Hash) {
        assert!(connections > 0 && sessions > 0, "{report}");
    }
    for (connections, sessions) in broken(&report, Which::Katran) {
        assert!(connections == 0 && sessions > 0, "{report}");
    }
}

/// All connections of a client come to one node.
#[test]
fn with_clients_on_one_node_changes_of_the_pool_break_no_session() {
    let report = play(Settings { ecmp: (By::Address, Kind::Resilient), ..SETTINGS }, &POOL_ONLY);
    assert_eq!(broken(&report, Which::Limpet), [(0, 0); 4], "{report}");
    assert!(broken(&report, Which::Hash).iter().all(|(_, sessions)| *sessions > 0), "{report}");
}

/// A node that knows nothing decides as the others did, while the pool stays as it is.
#[test]
fn changes_of_nodes_alone_break_nothing() {
    for kind in [Kind::Resilient, Kind::Modulo] {
        let report = play(Settings { ecmp: (By::Tuple, kind), ..SETTINGS }, &["node-dies-steady"]);
        Which::ALL.into_iter().for_each(|which| assert_eq!(broken(&report, which), [(0, 0)], "{which:?}"));
    }
}

#[test]
fn a_seed_gives_the_same_figures() {
    let figures = || {
        let report = play(SETTINGS, &["rolling-reboot"]);
        report.rows[0].outcomes.iter().map(|outcome| outcome.tally).collect::<Vec<_>>()
    };
    assert_eq!(figures(), figures());
}

#[test]
fn slot_tables_move_little_and_spread_evenly() {
    let cases = tables::compare(1);
    for case in cases.iter().filter(|case| !case.about.starts_with("100")) {
        assert!(case.limpet.busiest <= 1.02, "{case}");
        assert!(case.limpet.moved <= 1.05, "{case}");
    }
    for case in &cases {
        assert!(case.limpet.moved < case.maglev.moved, "{case}");
    }
}
