//! Services of several ports and of all ports.

use lb_common::{
    net::Be16,
    reason::Reason,
    state::{Forwarding, Service},
};

use super::{
    super::{A, ACK, B, Conn, LIST, Port, Ports, Row, Side, Site},
    sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        for ports in [Ports::List, Ports::ListToOne, Ports::Any] {
            // One port of a server can't tell apart what one port of a client says to two of the service.
            let refused = ports == Ports::ListToOne && site.forwarding != Forwarding::Nat;
            if !refused {
                let site = Site { ports, ..site };
                rows.extend([
                    each_port(site),
                    one_session(site),
                    ports_that_are_not_its(site),
                    taken_away(site),
                ]);
            }
        }
        rows.push(exact_before_all(site));
    }
    rows.push(reused_entry());
    rows.into_iter().map(|row| row.proves("ports")).collect()
}

fn row(site: Site, what: &str) -> Row {
    let ports = match site.ports {
        Ports::One => "one port",
        Ports::List => "several ports",
        Ports::ListToOne => "several ports to one",
        Ports::Any => "any port",
    };
    Row::new(format!("{}, {ports}: {what}", site.name())).at(site)
}

/// A datagram's session is stored at once, a TCP client's when it comes back.
fn on_first(site: Site) -> &'static [Reason] {
    if site.udp { &[Reason::SessionNew] } else { &[] }
}

/// A connection from the usual client's one port to a port of the service.
fn calls(site: Site, taken: usize, port: u16) -> Conn {
    let conn = Site { port, ..site }.conn(taken);
    Conn { port: 40_000, ..conn }
}

/// One client port to all ports of the service: as many connections, each with its own way back.
fn each_port(site: Site) -> Row {
    let conns: Vec<_> = LIST.iter().zip(0..).map(|(&port, taken)| calls(site, taken, port)).collect();
    let mut row = row(site, "each has its own connections");
    for conn in &conns {
        let events = if conn.taken == 0 { on_first(site) } else { &[] };
        row = row.opens(*conn, A, conn.first(), events);
    }
    if site.forwarding.is_direct() {
        return row;
    }
    for conn in &conns {
        row = row.returns(*conn, A, conn.answer(A), &[]);
    }
    row
}

fn one_session(site: Site) -> Row {
    let (first, other) = (calls(site, 0, LIST[0]), calls(site, 1, LIST[1]));
    let row =
        row(site, "a client has one session at all of them").opens(first, A, first.first(), on_first(site));
    let events: &[_] =
        if site.udp { &[Reason::SessionProven] } else { &[Reason::SessionNew, Reason::SessionProven] };
    let row =
        if site.forwarding.is_direct() { row.wait(1) } else { row.returns(first, A, first.answer(A), &[]) };
    let row = row.goes(first, A, first.data(), events);
    // A client without a session would go to B from now on.
    let stranger = Conn { taken: 2, ..other }.by(stranger(site));
    row.slots(site, [B, B]).opens(other, A, other.first(), &[]).opens(
        stranger,
        B,
        stranger.first(),
        on_first(site),
    )
}

fn stranger(site: Site) -> &'static str {
    if site.address().is_ipv4() { "198.51.100.99" } else { "2001:db8:c:1::99" }
}

/// Calls of a port that a list lacks, and answers from a port that nobody called.
fn ports_that_are_not_its(site: Site) -> Row {
    let conn = calls(site, 0, LIST[0]);
    let mut row = row(site, "other ports are not its own").opens(conn, A, conn.first(), on_first(site));
    if site.ports != Ports::Any {
        row = row
            .ends(calls(site, 1, 81).first(), Reason::NotOurs)
            .ends(calls(site, 1, 0).first(), Reason::NotOurs);
    }
    let mut other = conn.answer(A);
    other.source.port = Port::Is(LIST[1]);
    row.ends_with(other, Side::Outside, Reason::NotOurs, &[])
}

/// The configuration drops a port: what is open there goes on, but keeps no session; what is new passes.
fn taken_away(site: Site) -> Row {
    let port = LIST[1];
    let conn = calls(site, 0, port);
    let gone = if site.ports == Ports::Any { 0 } else { port };
    let mut row = row(site, "a port that is taken away keeps what is open")
        .opens(conn, A, conn.first(), on_first(site))
        .change(move |world| world.remove_service(&Site { port: gone, ..site }.key()))
        .wait(1)
        .goes(conn, A, conn.first(), &[])
        .goes(conn, A, conn.says(ACK, b"still here"), &[]);
    if !site.forwarding.is_direct() {
        row = row.returns(conn, A, conn.answer(A), &[]);
    }
    row.ends(Conn { port: 40_001, ..conn }.first(), Reason::NotOurs)
}

fn exact_before_all(site: Site) -> Row {
    let all = Site { ports: Ports::Any, ..site };
    let exact = Site { number: 1, at_first: true, scope: 0xe8ac, port: LIST[1], ..site };
    let (to_all, to_exact) = (calls(all, 0, LIST[0]), calls(exact, 1, LIST[1]));
    let mut row = row(all, "an exact port of another service goes before it")
        .at(exact)
        .opens(to_all, A, to_all.first(), on_first(all))
        .opens(to_exact, A, to_exact.first(), on_first(exact));
    if !site.forwarding.is_direct() {
        row = row.returns(to_all, A, to_all.answer(A), &[]).returns(to_exact, A, to_exact.answer(A), &[]);
    }
    // Sessions are apart.
    let events: &[_] = match (site.forwarding.is_direct(), site.udp) {
        (true, true) => &[],
        (true, false) => &[Reason::SessionNew],
        (false, true) => &[Reason::SessionProven],
        (false, false) => &[Reason::SessionNew, Reason::SessionProven],
    };
    row.goes(to_all, A, to_all.data(), events).goes(to_exact, A, to_exact.data(), events)
}

/// The entries of a hash map may be given to another key while they are read: what is found under a key may say
/// that it is another's.
fn reused_entry() -> Row {
    let site = Site { ports: Ports::List, ..Site::WEB };
    let found = move |change: fn(&mut Service)| {
        move |world: &mut dyn super::super::World| {
            let mut entry = site.entry();
            change(&mut entry);
            world.set_service(&site.key(), &entry);
        }
    };
    let conn = calls(site, 0, site.port);
    row(site, "an entry that is another key's decides nothing")
        .change(found(|entry| entry.port = Be16::new(LIST[1])))
        .ends(conn.first(), Reason::NoBackend)
        .change(found(|entry| entry.tag += 1))
        .ends(conn.first(), Reason::NoBackend)
        .change(found(|_| {}))
        .opens(conn, A, conn.first(), &[])
}
