//! A client's visit under way, and what it notices.

use crate::{
    clients::{Lane, Time, Visit},
    design::IDLE_MINUTES,
    design::{Design, Kind, Packet},
    ecmp::Ecmp,
    pool::{Number, Pool, Server},
    tally::{Cause, Tally},
};

/// What no packet comes for this long is forgotten.
const IDLE: Time = IDLE_MINUTES * 60_000;

/// All that is not clients and balancer.
pub struct Place {
    /// The time.
    pub now: Time,
    /// The router.
    pub ecmp: Ecmp,
    /// How often each node has lost its memory.
    pub reboots: Vec<u32>,
    /// The backends.
    pub pool: Pool,
}

/// A node between two of its reboots.
type Carrier = (usize, u32);

/// Nodes that have carried something, and when the last time.
#[derive(Debug, Default)]
struct Carriers(Vec<(Carrier, Time)>);

impl Carriers {
    /// One carries it now.
    fn note(&mut self, carrier: Carrier, now: Time) {
        self.0.retain(|(other, _)| *other != carrier);
        self.0.push((carrier, now));
    }

    /// Was this one the last?
    fn ends_with(&self, carrier: Carrier) -> bool {
        self.0.last().is_some_and(|(last, _)| *last == carrier)
    }

    /// Has this one carried it lately, so that it need not have forgotten?
    fn contains(&self, carrier: Carrier, now: Time) -> bool {
        self.0.iter().any(|(other, at)| *other == carrier && now - at < IDLE)
    }
}

impl Place {
    /// Sends a packet, and says which node it came to and where that sent it.
    fn send(&self, design: &mut dyn Design, packet: Packet, tally: &mut Tally) -> (Carrier, Option<Number>) {
        let node = self.ecmp.node(packet.client, packet.port);
        tally.packets += 1;
        ((node, self.reboots[node]), design.send(node, packet))
    }
}

/// A connection that is open.
#[derive(Debug)]
struct Connection {
    port: u16,
    server: Server,
    /// Nodes that have seen it go to its server, the latest last.
    carriers: Carriers,
    has_wandered: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Visitor {
    /// The visit's number.
    pub visit: u32,
    /// When it ends.
    pub end: Time,
    client: u32,
    lanes: Vec<(Lane, Option<Connection>)>,
    next_port: u16,
    /// The server of the newest connection.
    home: Option<Server>,
    /// Nodes that have seen connections go there since it is the home.
    carriers: Carriers,
    is_broken: bool,
}

impl Visitor {
    /// Just arrived.
    pub fn new(visit: Visit, number: u32) -> Self {
        Self {
            visit: number,
            end: visit.end,
            client: visit.client,
            lanes: visit.lanes.into_iter().map(|(_, lane)| (lane, None)).collect(),
            // Ports go up, from anywhere.
            next_port: 1024 | number as u16,
            home: None,
            carriers: Carriers::default(),
            is_broken: false,
        }
    }

    /// Connections that it has open.
    pub fn connections(&self) -> usize {
        self.lanes.iter().filter(|(_, connection)| connection.is_some()).count()
    }

    /// One of its lanes.
    pub fn lane(&mut self, lane: usize) -> &mut Lane {
        &mut self.lanes[lane].0
    }

    /// Opens a connection: its first two packets.
    pub fn open(&mut self, lane: usize, design: &mut dyn Design, place: &Place, tally: &mut Tally) {
        let port = self.next_port;
        self.next_port = self.next_port.wrapping_add(1).max(1024);
        let packet = Packet { client: self.client, port, kind: Kind::Open };
        let (carrier, Some(backend)) = place.send(design, packet, tally) else { return };
        let (_, again) = place.send(design, Packet { kind: Kind::Talk, ..packet }, tally);
        debug_assert_eq!(again, Some(backend), "nothing happens in between");
        tally.connections.total += 1;
        if let Some(home) = self.home.filter(|&home| place.pool.serves(home))
            && home.backend != backend
            && !self.is_broken
        {
            self.is_broken = true;
            let memory = design.memory();
            tally.sessions.count(cause(memory.sessions, memory.shared, &self.carriers, carrier, place.now));
        }
        let server = place.pool.server(backend);
        if self.home != Some(server) {
            self.home = Some(server);
            self.carriers = Carriers::default();
        }
        self.carriers.note(carrier, place.now);
        let mut connection = Connection { port, server, carriers: Carriers::default(), has_wandered: false };
        connection.carriers.note(carrier, place.now);
        self.lanes[lane].1 = Some(connection);
    }

    /// Asks for something on a connection, and if that turns out to be gone, on a new one.
    pub fn talk(&mut self, lane: usize, design: &mut dyn Design, place: &Place, tally: &mut Tally) {
        if !self.pass(lane, Kind::Talk, design, place, tally) {
            self.lanes[lane].1 = None;
            self.open(lane, design, place, tally);
        }
    }

    /// Closes a connection, if there is one.
    pub fn close(&mut self, lane: usize, design: &mut dyn Design, place: &Place, tally: &mut Tally) {
        self.pass(lane, Kind::End, design, place, tally);
        self.lanes[lane].1 = None;
    }

    /// Sends a packet of a connection. False if the connection is no more.
    fn pass(
        &mut self,
        lane: usize,
        kind: Kind,
        design: &mut dyn Design,
        place: &Place,
        tally: &mut Tally,
    ) -> bool {
        let Some(connection) = &mut self.lanes[lane].1 else { return false };
        let packet = Packet { client: self.client, port: connection.port, kind };
        let (carrier, backend) = place.send(design, packet, tally);
        if !connection.carriers.ends_with(carrier) && !connection.has_wandered {
            connection.has_wandered = true;
            tally.wandered += 1;
        }
        if !place.pool.serves(connection.server) {
            tally.lost += 1;
            return false;
        }
        if backend != Some(connection.server.backend) {
            let memory = design.memory();
            tally.connections.count(cause(
                memory.connections,
                false,
                &connection.carriers,
                carrier,
                place.now,
            ));
            return false;
        }
        connection.carriers.note(carrier, place.now);
        if self.home == Some(connection.server) {
            self.carriers.note(carrier, place.now);
        }
        true
    }
}

/// Why what these nodes have carried broke at this one.
fn cause(is_remembered: bool, is_shared: bool, carriers: &Carriers, carrier: Carrier, now: Time) -> Cause {
    if !is_remembered {
        Cause::Pool
    } else if is_shared || carriers.contains(carrier, now) {
        Cause::Eviction
    } else {
        Cause::Node
    }
}
