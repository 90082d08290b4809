//! Packets that go where their QUIC connection id says.

use lb_common::{
    quic::scheme::{Key, Scheme, block},
    reason::Reason::{self, FlowBackendDown, QuicBackendDown, QuicRouted, QuicUnroutable},
    state::{Health, ServerHome, ServerKey, quic::ROTATIONS},
};

use super::{
    super::{A, B, Conn, Datagram, Row, Site, Which, World},
    FAMILIES, MODES,
};

const KEY: Key = Key(*b"sixteen octets!!");

/// Octets of a server id.
const SERVER: u8 = 9;

/// Octets of the nonce in each configuration: without a key; one block; halves of whole octets and not, with
/// the server id in the first of them and in both.
const NONCES: [u8; 7] = [4, 7, 9, 10, 4, 5, 8];

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

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
    rows
}

const fn plain(site: Site) -> Site {
    Site { prefix: None, ..site }
}

const SITE: Site = Site { by_connection_id: true, ..plain(Site { udp: true, ..Site::WEB }) };

fn scheme(rotation: u8) -> Scheme {
    let key = (rotation != 0).then_some(KEY);
    Scheme::new(rotation, SERVER, NONCES[usize::from(rotation)], key).expect("within the bounds")
}

/// A server id: ends differ.
fn server(which: Which, length: usize) -> Vec<u8> {
    let mut id = vec![0xa0 + which as u8; length];
    id[0] = 0x10 + which as u8;
    id
}

fn id_by(scheme: &Scheme, which: Which) -> Vec<u8> {
    let nonce: Vec<u8> = (0..scheme.nonce_length()).map(|at| 0xc5 ^ at as u8).collect();
    scheme.encode(None, &server(which, scheme.server_length()), &nonce).expect("of the scheme's lengths")
}

fn id(rotation: u8, which: Which) -> Vec<u8> {
    id_by(&scheme(rotation), which)
}

/// A packet with a long header (RFC 8999 section 5.1).
fn long(version: u32, id: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc3];
    packet.extend(version.to_be_bytes());
    packet.push(id.len() as u8);
    packet.extend(id);
    packet.extend([8, 1, 2, 3, 4, 5, 6, 7, 8]);
    packet.resize(packet.len() + 40, 0x5a);
    packet
}

/// A packet with a short header (RFC 8999 section 5.2), as short as can be.
fn short(id: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x43];
    packet.extend(id);
    packet.resize(packet.len() + 20, 0x5a);
    packet
}

fn says(conn: Conn, payload: Vec<u8>) -> Datagram {
    conn.first().carrying(payload)
}

fn set_scheme(world: &mut dyn World, site: Site, scheme: &Scheme) {
    let index = site.quic_number() * ROTATIONS + u32::from(scheme.rotation());
    world.set_cid_config(index, &scheme.entry());
}

/// `later`: generations after the backends' own.
fn set_servers(world: &mut dyn World, site: Site, length: u8, later: u32) {
    let (length, generation) = (length.into(), world.generation() + later);
    for which in [A, B] {
        let key = ServerKey { scope: site.scope, id: block(&server(which, length)) };
        world.set_server(&key, ServerHome { backend: site.id(which), generation });
    }
}

/// With all seven configurations.
fn row(name: impl Into<String>, site: Site) -> Row {
    Row::new(name).at(site).change(move |world| {
        (0..7).for_each(|rotation| set_scheme(world, site, &scheme(rotation)));
        set_servers(world, site, SERVER, 0);
    })
}

/// What a client sends before it knows its server, with an id of its own making.
fn initial() -> Vec<u8> {
    long(V1, &[0xff, 1, 2, 3, 4, 5, 6, 7])
}

fn migrates(site: Site) -> Row {
    let first = site.conn(0);
    let elsewhere = Conn { port: 50_000, ..site.conn(1) }.by(match site.family {
        super::super::Family::V4 => "203.0.113.9",
        super::super::Family::V6 => "2001:db8:f::9",
    });
    let other_server = Conn { taken: 2, ..elsewhere };
    let row = row(format!("{}: a connection id is followed to another client address", site.name()), site)
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
        lb_common::state::Forwarding::Dsr => row,
        _ => row.returns(other_server, B, other_server.answer(B), &[]),
    }
}

fn headers() -> Row {
    let mut row = row("long and short headers of all versions have connection ids", SITE);
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
    let mut row = row("configurations live side by side", SITE);
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
    let row = row("what names no server goes where the hash says", SITE).change(|world| {
        set_scheme_off(world, 6);
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

fn set_scheme_off(world: &mut dyn World, rotation: u32) {
    world.set_cid_config(SITE.quic_number() * ROTATIONS + rotation, &lb_common::state::CidConfig::default());
}

fn cut_short() -> Row {
    let row = row("what is too short for QUIC goes where the hash says", SITE);
    let (whole, long) = (short(&id(0, B)), long(V1, &id(0, B)));
    let id_end = 1 + usize::from(1 + SERVER + NONCES[0]);
    let lengths = [0, 1, 2, 5, id_end - 1, id_end];
    let mut packets: Vec<_> = lengths.iter().map(|&length| whole[..length].to_vec()).collect();
    packets.extend([5, 6, 7, 5 + id_end].map(|length| long[..length].to_vec()));
    unroutable(row, packets)
}

fn down() -> Row {
    let conn = SITE.conn(0);
    let second = SITE.conn(1);
    row("the id of a server that is down leads elsewhere, until it is back", SITE)
        .health(SITE, B, Health::Down)
        .opens(conn, A, says(conn, short(&id(2, B))), &[QuicBackendDown])
        .goes(conn, A, says(conn, short(&id(2, B))), &[])
        .health(SITE, B, Health::Up)
        .opens(second_of(conn, second), B, says(conn, short(&id(2, B))), &[QuicRouted])
}

/// The first connection's tuple with the second's source port.
const fn second_of(first: Conn, second: Conn) -> Conn {
    Conn { taken: second.taken, ..first }
}

fn down_with_a_flow() -> Row {
    let conn = SITE.conn(0);
    let moved = Conn { taken: 1, ..conn };
    let events: &[Reason] = &[FlowBackendDown, QuicBackendDown];
    row("a connection whose server goes down moves", SITE)
        .opens(conn, B, says(conn, short(&id(2, B))), &[QuicRouted])
        .health(SITE, B, Health::Down)
        .opens(moved, A, says(conn, short(&id(2, B))), events)
}

fn draining() -> Row {
    let conn = SITE.conn(0);
    row("a draining server keeps its connections, wherever their clients go", SITE)
        .health(SITE, B, Health::Draining)
        .opens(conn, B, says(conn, short(&id(2, B))), &[QuicRouted])
}

/// The same scope, so the id is found; its backend is the other service's.
fn another_service() -> Row {
    let other = Site { number: 1, ..SITE };
    let conn = SITE.conn(0);
    row("an id never leads to a backend of another service", SITE)
        .at(other)
        .change(move |world| set_servers(world, other, SERVER, 0))
        .opens(conn, A, says(conn, short(&id(2, B))), &[QuicUnroutable])
}

fn another_generation() -> Row {
    let conn = SITE.conn(0);
    row("an id never leads to whoever has its backend's place now", SITE)
        .change(move |world| set_servers(world, SITE, SERVER, 1))
        .opens(conn, A, says(conn, short(&id(2, B))), &[QuicUnroutable])
}

fn not_asked() -> Row {
    let site = Site { by_connection_id: false, ..SITE };
    let conn = site.conn(0);
    row("a service that does not ask for connection ids does not look at them", site).opens(
        conn,
        A,
        says(conn, short(&id(2, B))),
        &[],
    )
}
