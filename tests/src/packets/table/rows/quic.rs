//! Packets that go where their QUIC connection id says.

use lb_common::{
    quic::scheme::Scheme,
    reason::Reason::{self, FlowBackendDown, QuicBackendDown, QuicRouted, QuicUnroutable},
    state::{CidConfig, Health, quic::ROTATIONS},
};

use super::{
    super::{
        A, B, Conn, Datagram, Family, Row, Site,
        quic::{KEY, NONCES, SERVER, V1, V2, id, id_by, install, long, set_scheme, set_servers, short},
    },
    FAMILIES, MODES,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        headers(),
        every_configuration(),
        every_length(),
        not_routable(),
        cut_short(),
        down(),
        down_with_a_flow(),
        draining(),
        another_service(),
        another_generation(),
        not_asked(),
    ];
    let modes = || MODES.into_iter();
    rows.extend(FAMILIES.into_iter().flat_map(|family| {
        modes().map(move |mode| {
            migrates(Site { by_connection_id: true, ..plain(Site::new(family, true, mode)) })
        })
    }));
    rows.into_iter().map(|row| row.proves("quic")).collect()
}

const fn plain(site: Site) -> Site {
    Site { prefix: None, ..site }
}

const SITE: Site = Site { by_connection_id: true, ..plain(Site { udp: true, ..Site::WEB }) };

fn says(conn: Conn, payload: Vec<u8>) -> Datagram {
    conn.first().carrying(payload)
}

/// What a client sends before it knows its server, with an id of its own making.
fn initial() -> Vec<u8> {
    long(V1, &[0xff, 1, 2, 3, 4, 5, 6, 7])
}

fn migrates(site: Site) -> Row {
    let first = site.conn(0);
    let elsewhere = Conn { port: 50_000, ..site.conn(1) }.by(match site.family {
        Family::V4 => "203.0.113.9",
        Family::V6 => "2001:db8:f::9",
    });
    let other_server = Conn { taken: 2, ..elsewhere };
    let row = Row::new(format!("{}: a connection id is followed to another client address", site.name()))
        .at(site)
        .opens(first, A, says(first, initial()), &[QuicUnroutable])
        .goes(first, A, says(first, initial()), &[])
        .goes(first, A, says(first, long(V1, &id(1, A))), &[])
        .slots(site, [B, B])
        .goes(first, A, says(first, short(&id(1, A))), &[])
        .opens(elsewhere, A, says(elsewhere, short(&id(2, A))), &[QuicRouted])
        .goes(elsewhere, A, says(elsewhere, short(&id(2, A))), &[])
        // The same tuple, and the id of another server: it wins over the flow, and the flow is the other's now.
        .opens(other_server, B, says(other_server, short(&id(3, B))), &[QuicRouted])
        .goes(other_server, B, says(other_server, initial()), &[]);
    match site.forwarding {
        mode if mode.is_direct() => row,
        _ => row.returns(other_server, B, other_server.answer(B), &[]),
    }
}

fn headers() -> Row {
    let mut row = Row::new("long and short headers of all versions have connection ids").at(SITE);
    let longer = [&id(4, B)[..], b"more"].concat();
    let packets = [
        short(&id(4, B)),
        long(V1, &id(4, B)),
        long(V2, &id(4, B)),
        long(0x0a0a_0a0a, &id(4, B)),
        long(V1, &longer),
        short(&longer),
    ];
    for (at, packet) in packets.into_iter().enumerate() {
        let conn = SITE.conn(at);
        row = row.opens(conn, B, says(conn, packet), &[QuicRouted]);
    }
    row
}

fn every_configuration() -> Row {
    let mut row = Row::new("configurations live side by side").at(SITE);
    for rotation in 0..7 {
        let conn = SITE.conn(rotation.into());
        row = row.opens(conn, B, says(conn, short(&id(rotation, B))), &[QuicRouted]);
    }
    row
}

/// All that the draft allows, with a key.
fn every_length() -> Row {
    let mut row = Row::new("server ids and nonces of every length").at(SITE);
    let lengths = (1..=15).flat_map(|server| (4..=19 - server).map(move |nonce| (server, nonce)));
    for (at, (server, nonce)) in lengths.enumerate() {
        let scheme = Scheme::new(5, server, nonce, Some(KEY)).expect("within the bounds");
        let conn = SITE.conn(at);
        row = row
            .change(move |world| {
                set_scheme(world, SITE, &scheme);
                set_servers(world, SITE, server, 0);
            })
            .opens(conn, B, says(conn, short(&id_by(&scheme, B))), &[QuicRouted]);
    }
    row
}

fn unroutable(mut row: Row, packets: Vec<Vec<u8>>) -> Row {
    for (at, packet) in packets.into_iter().enumerate() {
        let conn = SITE.conn(at);
        row = row.opens(conn, A, says(conn, packet), &[QuicUnroutable]);
    }
    row
}

fn not_routable() -> Row {
    let row = Row::new("what names no server goes where the hash says").at(SITE).change(|world| {
        world.set_cid_config(SITE.quic_number() * ROTATIONS + 6, &CidConfig::default());
    });
    let mut unknown = id(0, B);
    unknown[1] ^= 0x40;
    let mut nowhere = id(0, B);
    nowhere[0] |= 0xe0;
    let packets = vec![
        initial(),
        short(&id(6, B)),
        short(&unknown),
        long(V1, &unknown),
        short(&nowhere),
        long(V1, &nowhere),
        long(V1, b""),
        long(V1, &id(0, B)[..usize::from(SERVER + NONCES[0])]),
        // Version negotiation: no client sends it.
        long(0, &id(0, B)),
    ];
    unroutable(row, packets)
}

fn cut_short() -> Row {
    let row = Row::new("what is too short for QUIC goes where the hash says").at(SITE);
    let (whole, long) = (short(&id(0, B)), long(V1, &id(0, B)));
    let id_end = 1 + usize::from(1 + SERVER + NONCES[0]);
    let lengths = [0, 1, 2, 5, id_end - 1, id_end];
    let mut packets: Vec<_> = lengths.iter().map(|&length| whole[..length].to_vec()).collect();
    packets.extend([5, 6, 7, 5 + id_end].map(|length| long[..length].to_vec()));
    unroutable(row, packets)
}

fn down() -> Row {
    let conn = SITE.conn(0);
    Row::new("the id of a server that is down leads elsewhere, until it is back")
        .at(SITE)
        .health(SITE, B, Health::Down)
        .opens(conn, A, says(conn, short(&id(2, B))), &[QuicBackendDown])
        .goes(conn, A, says(conn, short(&id(2, B))), &[])
        .health(SITE, B, Health::Up)
        .opens(Conn { taken: 1, ..conn }, B, says(conn, short(&id(2, B))), &[QuicRouted])
}

fn down_with_a_flow() -> Row {
    let conn = SITE.conn(0);
    let moved = Conn { taken: 1, ..conn };
    let events: &[Reason] = &[FlowBackendDown, QuicBackendDown];
    Row::new("a connection whose server goes down moves")
        .at(SITE)
        .opens(conn, B, says(conn, short(&id(2, B))), &[QuicRouted])
        .health(SITE, B, Health::Down)
        .opens(moved, A, says(conn, short(&id(2, B))), events)
}

fn draining() -> Row {
    let conn = SITE.conn(0);
    Row::new("a draining server keeps its connections, wherever their clients go")
        .at(SITE)
        .health(SITE, B, Health::Draining)
        .opens(conn, B, says(conn, short(&id(2, B))), &[QuicRouted])
}

/// The same scope, so the id is found; its backend is the other service's.
fn another_service() -> Row {
    let other = Site { number: 1, ..SITE };
    let conn = SITE.conn(0);
    Row::new("an id never leads to a backend of another service").at(SITE).at(other).opens(
        conn,
        A,
        says(conn, short(&id(2, B))),
        &[QuicUnroutable],
    )
}

fn another_generation() -> Row {
    let conn = SITE.conn(0);
    Row::new("an id never leads to whoever has its backend's place now")
        .at(SITE)
        .change(move |world| set_servers(world, SITE, SERVER, 1))
        .opens(conn, A, says(conn, short(&id(2, B))), &[QuicUnroutable])
}

fn not_asked() -> Row {
    let site = Site { by_connection_id: false, ..SITE };
    let conn = site.conn(0);
    Row::new("a service that does not ask for connection ids does not look at them")
        .at(site)
        .change(move |world| install(world, site))
        .opens(conn, A, says(conn, short(&id(2, B))), &[])
}
