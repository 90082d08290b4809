//! Services that the host itself serves: what is for them goes to its stack, but for clients that are not let in
//! and floods.

use lb_common::{
    net::Ip,
    reason::Reason::{
        Denied, ExtensionHeader, Flood, FragmentTiny, IcmpOrphan, Malformed, NotOurs, OtherProtocol,
        SessionNew, SessionProven, TcpMidstream, ToHost,
    },
    state::{AccessKey, Admission, Forwarding, Health, Policy},
};

use super::{
    super::{
        A, ACK, B, Conn, Datagram, End, FIN, Family, Geometry, LIST, Port, Ports, RST, Row, SYN, Side, Site,
        Transport,
    },
    FAMILIES,
    errors::kinds,
    opened,
};

const PAYLOAD: usize = 3001;
const PIECE: usize = 1200;
/// One in a second; two in a tick, which lasts a little longer.
const FEW_FLOWS: Geometry = Geometry { new_flows: 1, ..Geometry::ROOMY };

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for family in FAMILIES {
        let site = Site::local(family);
        rows.extend([connection(site), ports(site), denied(site), flood(site), proven(site)]);
        rows.extend([decorated(site), broken(site), errors(site), fragments(site), unported(site)]);
        rows.extend([beside(site), before_all(site), own_connections(site), since(site)]);
    }
    rows
}

fn row(site: Site, what: &str) -> Row {
    Row::new(format!("{}: {what}", site.name())).at(site)
}

/// The row of docs/packets.md on this family.
fn id(site: Site) -> String {
    format!("{}-http", site.family.name())
}

/// As another client does.
fn nth(site: Site, number: usize) -> Conn {
    let client = match site.family {
        Family::V4 => format!("198.51.100.{}", 20 + number),
        Family::V6 => format!("2001:db8:c::{:x}", 20 + number),
    };
    site.conn(number).by(&client)
}

/// A service of the same family that is balanced.
const fn balanced(site: Site) -> Site {
    Site { number: 1, ..Site::new(site.family, false, Forwarding::Nat) }
}

fn to(datagram: Datagram, address: std::net::IpAddr, port: u16) -> Datagram {
    Datagram { destination: End { address, port: Port::Is(port) }, ..datagram }
}

fn big(conn: Conn) -> Datagram {
    conn.says(ACK, &[0x5a; PAYLOAD])
}

impl Row {
    /// Lets everybody but this client use the service.
    fn denying(self, site: Site, conn: Conn) -> Self {
        self.change(move |world| {
            let client = AccessKey::new(1, conn.client.into(), AccessKey::ADDRESS);
            let others = AccessKey::new(1, Ip::default(), 0);
            world.add_list(1, &[(client, Admission::Deny), (others, Admission::Allow)]);
            Site { access: 1, ..site }.open(world);
        })
    }
}

fn connection(site: Site) -> Row {
    let conn = site.conn(0);
    let said = [SYN, SYN, ACK, ACK | 0x08, FIN | ACK, RST | ACK, RST, SYN | ACK, SYN | FIN, 0];
    let row = row(site, "a connection from its first SYN on, and what belongs to none").proves(id(site));
    let row = said.into_iter().fold(row, |row, flags| row.ends(conn.says(flags, b"x"), ToHost));
    // Its backends, their health and the time that goes by don't matter.
    let row = row.health(site, A, Health::Down).health(site, B, Health::Down).wait(3);
    row.ends(conn.data(), ToHost)
        .ends(conn.first(), ToHost)
        .ends(to(conn.first(), site.address(), site.port + 1), NotOurs)
        .ends(to(conn.first(), site.server(B).0, site.port), NotOurs)
        .ends(Datagram { transport: Transport::Udp, ..conn.data() }, NotOurs)
        .change(move |world| site.close(world))
        .ends(conn.first(), NotOurs)
}

fn ports(site: Site) -> Row {
    let row = |row: Row, ports| {
        let site = Site { ports, ..site };
        let conns = LIST.map(|port| Site { port, ..site }.conn(0));
        conns.into_iter().fold(row.at(site), |row, conn| {
            row.ends(conn.first(), ToHost).ends(conn.data(), ToHost).ends(conn.fin(), ToHost)
        })
    };
    let name = format!("{}: several ports, and all", site.name());
    // 5555 is among the source ports, where nobody has it.
    row(row(Row::new(name).proves(id(site)), Ports::List), Ports::Any)
        .ends(to(site.conn(0).first(), site.address(), 5555), ToHost)
}

fn denied(site: Site) -> Row {
    let (conn, other) = (site.conn(0), nth(site, 1));
    let site = Site { only: true, ..site };
    let error = |conn: Conn| conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 99])));
    row(site, "a client that is denied gets nothing, another is served")
        .proves("http-denied")
        .ends(conn.first(), ToHost)
        .denying(site, conn)
        .ends(conn.first(), Denied)
        .ends(conn.data(), Denied)
        .ends(conn.fin(), Denied)
        .ends(big(conn).cut(5, PIECE)[0].clone(), Denied)
        .ends(big(conn).cut(5, PIECE)[1].clone(), Denied)
        .ends(error(conn), Denied)
        .ends(other.first(), ToHost)
        .ends(big(other).cut(5, PIECE)[1].clone(), ToHost)
        .ends(error(other), ToHost)
        .change(move |world| site.open(world))
        .ends(conn.data(), ToHost)
}

fn flood(site: Site) -> Row {
    let (denied, third) = (nth(site, 0), nth(site, 3));
    row(site, "a stranger's SYN beyond the limit is dropped, and nothing else")
        .proves("http-flood")
        .sized(FEW_FLOWS)
        .denying(site, denied)
        .wait(1)
        // Who is not let in spends nothing.
        .ends(denied.first(), Denied)
        .ends(denied.first(), Denied)
        .ends(denied.first(), Denied)
        .ends(nth(site, 1).first(), ToHost)
        .ends(nth(site, 1).data(), ToHost)
        .ends(nth(site, 2).first(), ToHost)
        .ends(third.first(), Flood)
        .ends(third.says(SYN, b"early data"), Flood)
        .ends(nth(site, 1).first(), Flood)
        .ends(nth(site, 1).data(), ToHost)
        .ends(third.says(SYN | ACK, b""), ToHost)
        .ends(third.data(), ToHost)
        .ends(third.fin(), ToHost)
        .wait(1)
        .ends(third.first(), ToHost)
}

/// Proven by way of another service of the group, or by the daemon.
fn proven(site: Site) -> Row {
    let known = balanced(site).conn(0);
    row(site, "beyond the limit proven clients' SYNs pass")
        .proves("http-flood-proven")
        .sized(FEW_FLOWS)
        .at(balanced(site))
        .wait(1)
        .opens(known, A, known.first(), &[])
        .returns(known, A, known.answer(A), &[])
        .goes(known, A, known.data(), &[SessionNew, SessionProven])
        .wait(1)
        .ends(nth(site, 1).first(), ToHost)
        .ends(nth(site, 2).first(), ToHost)
        .ends(nth(site, 3).first(), Flood)
        .ends(site.conn(5).first(), ToHost)
        .ends(nth(site, 3).first(), Flood)
        .ends(site.conn(6).first(), ToHost)
}

/// With all that may stand around it.
fn decorated(site: Site) -> Row {
    let conn = site.conn(0);
    let mut row = row(site, "tags, options, extension headers, padding").proves("http-decorated");
    for datagram in [conn.first(), conn.data(), conn.fin()] {
        let behind = if datagram.is_v4() {
            Datagram { ip_options: vec![0x94, 4, 0, 0], ..datagram.clone() }
        } else {
            datagram.clone().extended(&[(0, vec![0, 1, 4, 0, 0, 0, 0]), (60, vec![0, 1, 4, 0, 0, 0, 0])])
        };
        for tags in [&[][..], &[[0x8100, 5]], &[[0x88a8, 5], [0x8100, 6]]] {
            row = row
                .ends(datagram.clone().tagged(tags), ToHost)
                .ends(behind.clone().tagged(tags), ToHost)
                .ends(Datagram { padding: 7, timestamps: true, ..datagram.clone() }.tagged(tags), ToHost);
        }
    }
    // A chain without fragments.
    if site.family == Family::V6 {
        row = row.ends(conn.data().extended(&[(44, vec![0, 0, 0, 1, 2, 3, 4])]), ToHost);
    }
    row
}

/// As for any other service.
fn broken(site: Site) -> Row {
    let conn = site.conn(0);
    let whole = conn.data().build(&[]);
    let row = row(site, "headers that can't be read")
        .proves("http-broken")
        .ends(whole[..whole.len() - 1].to_vec(), Malformed)
        .ends(whole[..conn.data().transport_offset() + 10].to_vec(), Malformed)
        .ends(big(conn).piece(3, 0, 16, true), FragmentTiny);
    match site.family {
        // ESP, which the host may know.
        Family::V4 => row.ends([&whole[..23], &[50], &whole[24..]].concat(), OtherProtocol),
        Family::V6 => row
            .ends([&whole[..20], &[50], &whole[21..]].concat(), OtherProtocol)
            .ends(conn.data().extended(&[(43, vec![0, 4, 1, 0, 0, 0, 0])]), ExtensionHeader),
    }
}

/// About a packet of the host's to a client.
fn errors(site: Site) -> Row {
    let conn = site.conn(0);
    let error = conn.seen_by_client(conn.complaint_outside(conn.answers(A, ACK, &[7; 1201])));
    let row = row(site, "errors about its connections").proves("http-error");
    let row = kinds(site.family).iter().fold(row, |row, &kind| {
        let error = error.clone().of_kind(kind);
        row.ends(error.clone(), ToHost).ends(error.quoting(8), ToHost)
    });
    let mut other = error.clone();
    other.about.source.port = Port::Is(site.port + 1);
    row.ends(error.clone().tagged(&[[0x8100, 5]]), ToHost)
        .ends(error.clone().quoting(7), OtherProtocol)
        .ends(other, OtherProtocol)
        // What the client has sent does not come from here.
        .ends(conn.complaint_outside(conn.data()), NotOurs)
}

fn fragments(site: Site) -> Row {
    let conn = site.conn(0);
    let mut row = Row::new(format!("{}: fragments in any order", site.name())).proves("http-fragments");
    // With and without another service of the host's beside it.
    for only in [false, true] {
        row = row.at(Site { only, ..site });
        for (datagram, number) in [(big(conn), 5), (big(conn).tagged(&[[0x8100, 5]]), 6)] {
            let pieces = datagram.cut(number, PIECE);
            for at in [1, 0, 2, 1, 0] {
                row = row.ends(pieces[at].clone(), ToHost);
            }
        }
    }
    let elsewhere = to(big(conn), site.server(B).0, site.port).cut(5, PIECE);
    row.ends(elsewhere[1].clone(), NotOurs)
}

/// Later fragments that no service is called by: what the host asks of others may be answered in fragments.
fn unported(site: Site) -> Row {
    let conn = site.conn(0);
    let answer = Datagram { transport: Transport::Udp, ..to(big(conn), site.address(), 40_000) };
    let pieces = answer.cut(5, PIECE);
    let row = row(site, "fragments of UDP").proves("http-fragments");
    let row =
        row.ends(pieces[1].clone(), ToHost).ends(pieces[0].clone(), NotOurs).ends(pieces[2].clone(), ToHost);
    if site.family == Family::V4 {
        return row;
    }
    // Where the extension headers were fragmented, too, nobody can tell what is behind them.
    let mut frame = big(conn).cut(5, PIECE)[1].build(&[]);
    frame[54] = 60;
    row.ends(frame, ToHost)
}

/// At the address of a service that is balanced.
fn beside(site: Site) -> Row {
    let web = Site { number: 0, ..balanced(site) };
    let site = Site { number: 1, at_first: true, port: 443, ..site };
    let (conn, at_host) = (web.conn(0), site.conn(1));
    let about = |conn: Conn| conn.complaint_outside(conn.answers(A, ACK, &[7; 99]));
    let name = format!("{}: beside a service that is balanced", site.name());
    let row = opened(Row::new(name).proves("http-beside").at(web).at(site), conn, A);
    let (theirs, ours) = (big(conn).cut(5, PIECE), big(at_host).cut(6, PIECE));
    row.ends(at_host.first(), ToHost)
        .ends(at_host.data(), ToHost)
        .goes(conn, A, theirs[0].clone(), &[])
        .ends(ours[0].clone(), ToHost)
        .goes(conn, A, theirs[2].clone(), &[])
        .ends(ours[1].clone(), ToHost)
        .ends(ours[2].clone(), ToHost)
        .goes(conn, A, theirs[1].clone(), &[])
        // Of which of the two nobody can tell.
        .ends(big(conn).cut(7, PIECE)[1].clone(), ToHost)
        .tells_backend(conn, A, &about(conn))
        .ends(at_host.seen_by_client(about(at_host)), ToHost)
        .ends(nth(web, 3).seen_by_client(about(nth(web, 3))), IcmpOrphan)
}

/// One port of an address of which a balanced service has all others.
fn before_all(site: Site) -> Row {
    let web = Site { number: 0, ports: Ports::Any, ..balanced(site) };
    let site = Site { number: 1, at_first: true, port: 443, ..site };
    let (conn, at_host) = (web.conn(0), site.conn(1));
    Row::new(format!("{}: its port goes before a balanced service of all ports", site.name()))
        .proves("http-beside")
        .at(web)
        .at(site)
        .ends(at_host.first(), ToHost)
        .opens(conn, A, conn.first(), &[])
        .ends(at_host.data(), ToHost)
        .change(move |world| site.close(world))
        .opens(Conn { site: Site { port: 443, ..web }, ..at_host }, A, at_host.data(), &[TcpMidstream])
}

/// The host's own connections to backends, from its own address and from the service's.
fn own_connections(site: Site) -> Row {
    let web = balanced(site);
    let conn = web.conn(0);
    let mut row = row(site, "the host's own connections to backends").proves("http-own").at(web);
    row = opened(row, conn, A);
    for which in [A, B] {
        let answer = conn.answers(which, SYN | ACK, b"");
        for (address, error) in [(site.address(), OtherProtocol), (web.source(), NotOurs)] {
            // 5555 is among the source ports; nobody else may have it then.
            for port in [40_000, 5555] {
                let answer = to(answer.clone(), address, port);
                let (source, destination) = (answer.destination, answer.source);
                let asked = Datagram { source, destination, ..conn.data() };
                row = row.ends_with(answer, which.side(), NotOurs, &[]).ends_with(
                    conn.complaint_inside(which, asked),
                    which.side(),
                    error,
                    &[],
                );
            }
        }
    }
    // Nor are they mixed up with clients' connections to the same backend.
    row.returns(conn, A, conn.answers(A, ACK, b"hello"), &[])
}

/// Connections that were open before: a backend has them, and the host's stack does not know them.
fn since(site: Site) -> Row {
    let web = Site { number: 0, ..balanced(site) };
    let local = Site { policy: Policy::LOCAL, ..web };
    let (conn, other) = (web.conn(0), local.conn(1));
    opened(Row::new(format!("{}: since a moment ago", site.name())).proves("http-since").at(web), conn, A)
        .change(move |world| local.open(world))
        .goes(conn, A, conn.first(), &[])
        .goes(conn, A, conn.data(), &[])
        .returns(conn, A, conn.answers(A, ACK, b"hello"), &[])
        .ends(other.first(), ToHost)
        .ends(other.data(), ToHost)
        .wait(1)
        .goes(conn, A, conn.data(), &[])
        .goes(conn, A, conn.says(RST, b""), &[])
        .ends(conn.first(), ToHost)
        .ends_with(conn.first(), Side::Inside, ToHost, &[])
}
