//! ICMP errors about balanced connections: both ways, with the packet that they quote.

use lb_common::{
    reason::Reason::{IcmpError as Event, IcmpOrphan, NoBackend, NotOurs, OtherProtocol},
    state::{Forwarding, Health},
};

use super::{
    super::{
        A, ACK, B, Conn, End, Family, Fate, Geometry, IcmpError, Port, RST, Row, Side, Site, Which, mac,
    },
    opened, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites().filter(|site| !site.forwarding.is_tunnel()) {
        for which in [A, B] {
            rows.push(to_backend(site, which));
            rows.push(to_client(site, which));
        }
        rows.push(unknown(site));
        rows.push(backend_down(site));
        rows.push(others(site));
    }
    rows.push(lost_port());
    rows
}

fn row(site: Site, what: &str) -> Row {
    Row::new(format!("{}: {what}", site.name())).at(site)
}

/// Types and codes that are passed on.
pub(super) const fn kinds(family: Family) -> &'static [[u8; 2]] {
    match family {
        Family::V4 => &[[3, 0], [3, 1], [3, 3], [3, 4], [3, 13], [11, 0], [11, 1], [12, 0]],
        Family::V6 => &[[1, 0], [1, 4], [2, 0], [3, 0], [3, 1], [4, 0]],
    }
}

/// What leaves for a backend: about the packet that it sent.
pub(super) fn told_backend(conn: Conn, which: Which, error: &IcmpError, sent: &IcmpError) -> IcmpError {
    let site = conn.site;
    IcmpError {
        from_mac: mac::OURS_OUT,
        to_mac: if which == A { mac::A } else { mac::B },
        source: if site.forwarding == Forwarding::Nat { site.source() } else { error.source },
        destination: if site.forwarding.is_direct() { site.address() } else { site.server(which).0 },
        about: sent.about.clone(),
        ..error.clone()
    }
}

/// What leaves for a client: about the packet that it sent.
pub(super) fn told_client(conn: Conn, error: &IcmpError, sent: &IcmpError) -> IcmpError {
    IcmpError {
        from_mac: mac::OURS,
        to_mac: mac::ROUTER,
        source: conn.site.address(),
        destination: conn.client,
        about: sent.about.clone(),
        ..error.clone()
    }
}

impl Row {
    /// An error about what left for the client of a packet that the backend sent.
    pub(super) fn tells_backend(self, conn: Conn, which: Which, error: &IcmpError) -> Self {
        let seen = conn.seen_by_client(error.clone());
        let out = told_backend(conn, which, &seen, error).into();
        let fate = Fate::ToBackend { id: conn.site.id(which), opens: false, out, side: which.side() };
        self.comes(Side::Outside, seen, fate, &[Event])
    }

    /// An error about what left for the backend of a packet that the client sent.
    pub(super) fn tells_client(self, conn: Conn, which: Which, error: &IcmpError) -> Self {
        let seen = IcmpError { about: conn.forwarded(which, error.about.clone()), ..error.clone() };
        let seen = IcmpError { destination: seen.about.source.address, ..seen };
        let out = told_client(conn, &seen, error).into();
        let fate = Fate::ToClient { id: conn.site.id(which), out };
        self.comes(which.side(), seen, fate, &[Event])
    }
}

impl Conn {
    /// The error about a packet of a backend, as it comes here: about what the client's side saw of it.
    pub(super) fn seen_by_client(&self, error: IcmpError) -> IcmpError {
        let about = if self.site.forwarding.is_direct() { error.about } else { self.returned(error.about) };
        IcmpError { destination: about.source.address, about, ..error }
    }
}

/// About packets to a client: they come to the service's address, and are for the backend.
fn to_backend(site: Site, which: Which) -> Row {
    let conn = site.conn(0);
    let row = row(site, &format!("errors about packets to a client, for {which:?}"))
        .proves(format!("{}-error", site.family.name()))
        .slots(site, [which; 2]);
    let about = conn.answers(which, ACK, &[0xa5; 1201]);
    let error = conn.complaint_outside(about);
    let row = kinds(site.family).iter().fold(opened(row, conn, which), |row, &kind| {
        row.tells_backend(conn, which, &error.clone().of_kind(kind).quoting(1000))
    });
    row.goes(conn, which, conn.data(), &[])
}

/// About packets to a backend: they come to our own address, and are for the client. Where the client's is kept,
/// they come to that.
fn to_client(site: Site, which: Which) -> Row {
    let conn = site.conn(0);
    let row = row(site, &format!("errors about packets to {which:?}, for the client"))
        .proves(format!("{}-error", site.family.name()))
        .slots(site, [which; 2]);
    let error = conn.complaint_inside(which, conn.says(ACK, &[0x5a; 1201])).quoting(1000);
    let row = opened(row, conn, which);
    if site.forwarding.is_direct() {
        // On the way to a `dsr` backend there is no router; what comes by is for the client.
        let error = IcmpError { destination: conn.client, ..error };
        return row.ends_with(error, which.side(), NotOurs, &[]);
    }
    kinds(site.family)
        .iter()
        .fold(row, |row, &kind| row.tells_client(conn, which, &error.clone().of_kind(kind)))
        .returns(conn, which, conn.answers(which, ACK, b"still here"), &[])
        .goes(conn, which, conn.data(), &[])
}

/// Of a connection that is not known, in `dsr` session and hash say where it is.
fn unknown(site: Site) -> Row {
    let conn = site.conn(0);
    let error = conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 99])));
    let row = row(site, "errors about a connection that is not known").proves("error-unknown");
    // About a packet that our own address has sent, but for no client.
    let mut own = conn.answers(A, ACK, b"");
    own.destination = own.source;
    own.source = End { address: site.source(), port: Port::Is(2000) };
    let row = row.ends(conn.complaint_outside(own), NotOurs);
    if !site.forwarding.is_direct() {
        return row.ends(error, IcmpOrphan);
    }
    let sends = |row: Row, which: Which| {
        let out = told_backend(conn, which, &error, &error).into();
        let fate = Fate::ToBackend { id: site.id(which), opens: false, out, side: which.side() };
        row.comes(Side::Outside, error.clone(), fate, &[Event])
    };
    let row = sends(sends(row, A).slots(site, [B; 2]), B);
    // A session of another connection decides, too.
    let before = Conn { port: 41_000, ..conn };
    let row = sends(opened(row, before, B).slots(site, [A; 2]), B);
    row.health(site, B, Health::Down).health(site, A, Health::Down).ends(error, IcmpOrphan)
}

fn backend_down(site: Site) -> Row {
    let conn = site.conn(0);
    let error = conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 99])));
    let row = opened(row(site, "an error for a backend that is down").proves("error-down"), conn, A)
        .health(site, A, Health::Down)
        .ends(error, NoBackend);
    if site.forwarding.is_direct() {
        return row;
    }
    // What is about packets to it is for the client, as ever.
    row.tells_client(conn, A, &conn.complaint_inside(A, conn.data()))
}

/// What is no error about a connection of the service.
fn others(site: Site) -> Row {
    let conn = site.conn(0);
    let error = conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 99])));
    let name = site.family.name();
    let row = opened(row(site, "messages that are for the kernel"), conn, A)
        .proves(format!("{name}-error-other"))
        .proves(format!("{name}-control"));
    // Source quench, redirect, router advertisement, timestamp; the like of IPv6; unassigned types.
    let kinds: &[[u8; 2]] = match site.family {
        Family::V4 => &[[4, 0], [5, 1], [9, 0], [0, 0], [13, 0], [255, 0]],
        Family::V6 => &[[137, 0], [134, 0], [129, 0], [0, 0], [5, 0], [127, 0]],
    };
    let row = kinds.iter().fold(row, |row, &kind| row.ends(error.clone().of_kind(kind), OtherProtocol));
    let with = |change: &dyn Fn(&mut IcmpError)| {
        let mut error = error.clone();
        change(&mut error);
        error
    };
    let row = row
        // About a port that is no service's.
        .ends(with(&|it| it.about.source.port = Port::Is(site.port + 1)), OtherProtocol)
        // About a packet that somebody else has sent.
        .ends(with(&|it| it.about.source.address = site.server(B).0), OtherProtocol)
        // For somebody else.
        .ends(with(&|it| it.destination = site.server(B).0), NotOurs)
        // Cut short.
        .ends(with(&|it| it.quoted = 7), OtherProtocol)
        .ends(with(&|it| it.quoted = 0), OtherProtocol)
        // About a later fragment, which has no ports.
        .ends(with(&|it| it.about = it.about.clone().piece(1, 16, 40, false)), OtherProtocol);
    // About an ICMP message, and about an error.
    let quoting = |quoted: &[u8]| {
        let whole = error.clone().quoting(0).build(&[0; 4]);
        let mut frame = whole[..whole.len() - if name == "v4" { 20 } else { 40 }].to_vec();
        frame.extend(quoted);
        let total = (frame.len() - 14) as u16;
        if name == "v4" {
            frame[16..18].copy_from_slice(&total.to_be_bytes());
        } else {
            frame[18..20].copy_from_slice(&(total - 40).to_be_bytes());
        }
        frame
    };
    let from_us = IcmpError { source: site.address(), destination: error.source, ..error.clone() };
    row.ends(quoting(&from_us.build(&[0; 4])[14..]), OtherProtocol)
        .ends(quoting(&from_us.of_kind([8, 0]).build(&[0; 4])[14..]), OtherProtocol)
        .ends(quoting(&[0x5a; 60]), OtherProtocol)
}

/// The port of a connection that is over is another's: errors about the first are not about the second.
fn lost_port() -> Row {
    let site = Site::WEB;
    let (first, second) = (site.conn(0), Conn { client: [198, 51, 100, 8].into(), ..site.conn(0) });
    let about = |conn: Conn| conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 99])));
    let row = row(site, "an error about a connection that has lost its source port")
        .proves("error-unknown")
        .sized(Geometry { ports: (2000, 2000), ..Geometry::ROOMY });
    let row = opened(row, first, A).returns(first, A, first.answers(A, RST | ACK, b""), &[]).wait(5).opens(
        second,
        A,
        second.first(),
        &[],
    );
    row.ends(about(first), IcmpOrphan).tells_backend(
        second,
        A,
        &second.complaint_outside(second.answers(A, ACK, &[7; 99])),
    )
}
