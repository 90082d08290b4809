//! `limpet status`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use comfy_table::Cell;
use lb_common::reason::Reason;

use super::{
    fates, figure, table,
    words::{bytes, count, percent, plural, time},
};
use crate::{
    api::{
        Access, Backend, BackendState, Forwarding, Promises, Requests, RestoredSessions, RuntimeChange,
        Service, Snapshot, Status, Table,
    },
    model::Ports,
};

/// Writes the services and their backends, then what was counted, then how full the tables are.
///
/// # Errors
/// When the text can't be written.
pub fn render(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let interfaces = status.interfaces.iter();
    let interfaces: Vec<_> =
        interfaces.map(|interface| format!("{} ({})", interface.name, interface.mode.name())).collect();
    let attached = if interfaces.is_empty() { "no interface".to_owned() } else { interfaces.join(", ") };
    writeln!(
        out,
        "limpet runs {} as process {} for {}\nattached to {attached}",
        status.config,
        status.pid,
        time(status.uptime_s as f64)
    )?;
    snapshot(&status.snapshot, out)?;
    for service in &status.services {
        service_block(service, out)?;
    }
    counters(status, out)?;
    tables(&status.tables, out)
}

/// What a reboot would leave of the sessions, and what the last one left.
fn snapshot(snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    let Snapshot { interval_s, written, sessions, error, restored, .. } = snapshot;
    let state = match (interval_s, written) {
        (None, _) => "no snapshots of sessions: a reboot would lose them".to_owned(),
        (Some(_), Some(written)) => format!("{} in the snapshot of {written}", plural(*sessions, "session")),
        (Some(every), None) => format!("a snapshot of sessions every {}, none yet", time(*every)),
    };
    writeln!(out, "{state}")?;
    if let Some(error) = error {
        writeln!(out, "  no newer one: {error}")?;
    }
    match restored {
        Some(RestoredSessions { written, sessions, .. }) => {
            writeln!(out, "  {} restored at the start, of {written}", plural(*sessions, "session"))
        }
        None => Ok(()),
    }
}

fn service_block(service: &Service, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{}: {} {}, {}, by {}{}",
        service.name,
        Ports::from(service.ports.clone()).at(service.address),
        service.protocol,
        service.forwarding.name(),
        service.persistence.name(),
        service.group.as_ref().map_or_else(String::new, |group| format!(", group {group}"))
    )?;
    if let Some(requests) = &service.http {
        self::requests(service, requests, out)?;
    } else {
        packets(service, out)?;
    }
    if let Some(Access { allow, deny, others }) = service.access {
        let rest = if others { "allowed" } else { "denied" };
        let prefixes = [(allow, "allowed"), (deny, "denied")].map(|(n, word)| format!("{} {word}", count(n)));
        writeln!(out, "  access: {} by prefix, others {rest}", prefixes.join(", "))?;
    }
    let Promises { kept, broken } = &service.promises;
    let broken: Vec<_> =
        broken.iter().filter(|(_, n)| **n > 0).map(|(why, &n)| format!("{} {why}", count(n))).collect();
    if *kept > 0 || !broken.is_empty() {
        let broken = if broken.is_empty() { "none".to_owned() } else { broken.join(", ") };
        writeln!(out, "  promises: {} kept; broken: {broken}", count(*kept))?;
    }
    let mut table = table();
    let figures = ["weight", "share", "sessions", "flows", "conns", "in", "back"];
    table.set_header(["backend", "address", "state"].map(Cell::new).into_iter().chain(figures.map(figure)));
    for backend in &service.backends {
        table.add_row([
            Cell::new(&backend.name),
            Cell::new(match backend.port {
                0 => backend.address.to_string(),
                port => SocketAddr::new(backend.address, port).to_string(),
            }),
            Cell::new(backend.state.name()),
            figure(backend.weight),
            figure(percent(backend.share)),
            figure(count(backend.sessions)),
            figure(count(backend.flows)),
            figure(count(backend.connections)),
            figure(bytes(backend.bytes)),
            figure(bytes(backend.reply_bytes)),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    let removed = service.removed.iter();
    let removed = removed.map(|name| format!("{name} is not as the file says: removed"));
    let mut remarks =
        service.backends.iter().flat_map(|backend| remarks(backend, service.forwarding)).chain(removed);
    remarks.try_for_each(|remark| writeln!(out, "  {remark}"))
}

fn packets(service: &Service, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "  {}, {}, {}\n  {} ({}) in, {} ({}) back",
        plural(service.sessions, "session"),
        plural(service.flows, "flow"),
        plural(service.connections, "connection"),
        plural(service.packets, "packet"),
        bytes(service.bytes),
        plural(service.reply_packets, "packet"),
        bytes(service.reply_bytes)
    )
}

fn requests(service: &Service, requests: &Requests, out: &mut impl Write) -> io::Result<()> {
    let Requests { tls, connections, statuses, retries, cookies_set, cookies, latency } = requests;
    writeln!(
        out,
        "  {}, {}{}, {} open\n  {} answered, {} in, {} back",
        plural(service.sessions, "stored session"),
        plural(*connections, "connection"),
        if *tls { " over TLS" } else { "" },
        plural(service.flows, "request"),
        plural(service.connections, "request"),
        bytes(service.bytes),
        bytes(service.reply_bytes)
    )?;
    let some = |counts: &BTreeMap<String, u64>| {
        let words: Vec<_> =
            counts.iter().filter(|(_, n)| **n > 0).map(|(what, &n)| format!("{} {what}", count(n))).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    let began = |part| match latency.quantile(part) {
        Some(bound) => format!("within {}", humantime::format_duration(Duration::from_secs_f64(bound))),
        None => "later".to_owned(),
    };
    writeln!(out, "  answers: {}; half of them {}, 99 % {}", some(statuses), began(0.5), began(0.99))?;
    if *retries > 0 {
        writeln!(out, "  {} again at another backend", plural(*retries, "request"))?;
    }
    if cookies.values().sum::<u64>() > 0 {
        writeln!(out, "  cookies: {} set; brought: {}", count(*cookies_set), some(cookies))?;
    }
    Ok(())
}

/// What a look at the figures does not tell.
fn remarks(backend: &Backend, forwarding: Forwarding) -> impl Iterator<Item = String> {
    let Backend { name, state, reason, next_hop, runtime, .. } = backend;
    let health = match state {
        // The kernel finds the way to those that the daemon speaks to.
        BackendState::Up if next_hop.is_none() && forwarding != Forwarding::Proxy => {
            Some(format!("{name} has no next hop: its packets are dropped until its address answers"))
        }
        BackendState::Up | BackendState::Draining | BackendState::Disabled => None,
        state => reason.as_ref().map(|reason| format!("{name} is {}: {reason}", state.name())),
    };
    let change =
        runtime.map(|change| format!("{name} is not as the file says: {}", different(change, backend)));
    health.into_iter().chain(change)
}

/// What an operator changed.
fn different(
    RuntimeChange { state, deadline_left_s, file_weight, added }: RuntimeChange,
    backend: &Backend,
) -> String {
    let mut words = Vec::new();
    words.extend(added.then(|| "added".to_owned()));
    words.extend(state.map(|state| state.name().to_owned()));
    words.extend(deadline_left_s.map(|left| format!("disabled in {}", time(left as f64))));
    words.extend(file_weight.map(|weight| format!("weight {} in place of {weight}", backend.weight)));
    words.join(", ")
}

/// What was counted at all; the reasons that are 0 are in the JSON.
fn counters(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let Status { drops, passes, forwards, events, .. } = status;
    writeln!(out)?;
    fates::render(&[("sent on", forwards), ("passed", passes), ("dropped", drops)], events, meaning, out)
}

/// Empty for a reason that only a newer daemon knows.
fn meaning(name: &str) -> &'static str {
    Reason::ALL.iter().find(|reason| reason.name() == name).map_or("", |reason| reason.help().trim())
}

fn tables(tables: &[Table], out: &mut impl Write) -> io::Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let mut view = table();
    let figures = ["used", "capacity", "full", "memory"];
    view.set_header([Cell::new("table")].into_iter().chain(figures.map(figure)));
    for Table { name, used, capacity, bytes: memory } in tables {
        let full = used.map(|used| percent(used as f64 / (*capacity).max(1) as f64));
        view.add_row([
            Cell::new(name),
            figure(used.map_or("?".to_owned(), count)),
            figure(count(*capacity)),
            figure(full.unwrap_or_default()),
            figure(bytes(*memory)),
        ]);
    }
    writeln!(out, "\n{}", view.trim_fmt())
}
