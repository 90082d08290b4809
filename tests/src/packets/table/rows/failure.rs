//! Backends that fail, come back, or are replaced.

use lb_common::{
    net::Mac,
    reason::Reason::{
        FlowBackendDown, NoBackend, NoNextHop, NotOurs, SessionMovedDown, SessionNew, SessionProven,
        TcpMidstream,
    },
    state::{BackendId, Forwarding, Health},
};

use super::super::{A, B, Conn, Family, Fate, Frame, Row, Side, Site, Step, World};

pub(super) fn rows() -> Vec<Row> {
    vec![
        session_moves(),
        comes_back(),
        udp_moves(),
        stranger_moves(),
        connection_moves(),
        late_replies(),
        all_down(),
        open_connection_all_down(),
        empty_slots(),
        no_next_hop(),
        new_next_hop(),
        new_generation(),
        new_generation_replies(),
        older_connection_takes_no_session(),
        absent(),
    ]
}

fn known(name: &str, site: Site) -> Row {
    let conn = site.conn(0);
    Row::new(name)
        .at(site)
        .opens(conn, A, conn.first(), if site.udp { &[SessionNew] } else { &[] })
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), if site.udp { &[SessionProven] } else { &[SessionNew, SessionProven] })
}

/// Half of the slots are still A's: the daemon has not rebuilt them yet.
fn session_moves() -> Row {
    let site = Site::WEB;
    let (conn, second) = (site.conn(0), site.conn(1));
    known("a backend that goes down loses its sessions at once", site)
        .proves("session-moves")
        .proves("backend-down")
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .opens(second, B, second.first(), &[SessionMovedDown])
        // A segment of the old connection: B answers it with a RST.
        .opens(Conn { taken: 2, ..conn }, B, conn.data(), &[FlowBackendDown, TcpMidstream])
}

fn comes_back() -> Row {
    let site = Site::WEB;
    let (second, third) = (site.conn(1), site.conn(2));
    known("a backend that comes back takes no session back", site)
        .proves("session-moves")
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .opens(second, B, second.first(), &[SessionMovedDown])
        .health(site, A, Health::Up)
        .slots(site, [A, A])
        .opens(third, B, third.first(), &[])
}

fn udp_moves() -> Row {
    let site = Site { udp: true, ..Site::WEB };
    let conn = Conn { taken: 1, ..site.conn(0) };
    known("a datagram flow moves when its backend goes down", site)
        .proves("backend-down")
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .opens(conn, B, conn.data(), &[FlowBackendDown, SessionMovedDown])
}

fn stranger_moves() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    let again = Conn { taken: 1, ..conn };
    Row::new("a SYN again goes elsewhere when the backend has gone down")
        .proves("backend-down")
        .at(site)
        .opens(conn, A, conn.first(), &[])
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .opens(again, B, again.first(), &[FlowBackendDown])
}

fn connection_moves() -> Row {
    let site = Site { prefix: None, ..Site::new(Family::V6, false, Forwarding::Dsr) };
    let conn = site.conn(0);
    Row::new("by connection: an open one moves when its backend goes down")
        .proves("backend-down")
        .at(site)
        .opens(conn, A, conn.first(), &[])
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .opens(conn, B, conn.data(), &[FlowBackendDown, TcpMidstream])
        .goes(conn, B, conn.data(), &[])
}

/// What a backend that failed its checks still says reaches its clients.
fn late_replies() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    known("replies of a backend that is down still pass through", site)
        .proves("down-reply")
        .health(site, A, Health::Down)
        .returns(conn, A, conn.answer(A), &[])
}

fn all_down() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    Row::new("no backend is up: dropped")
        .proves("no-backend")
        .at(site)
        .slots(site, [A, B])
        .health(site, A, Health::Down)
        .health(site, B, Health::Draining)
        .ends(conn.first(), NoBackend)
        .ends_with(conn.data(), Side::Outside, NoBackend, &[TcpMidstream])
        .health(site, A, Health::Up)
        .opens(conn, A, conn.first(), &[])
}

fn open_connection_all_down() -> Row {
    let site = Site::WEB;
    let (conn, second) = (site.conn(0), site.conn(1));
    known("no backend is up: an open connection waits for one", site)
        .proves("no-backend")
        .health(site, A, Health::Down)
        .ends_with(conn.data(), Side::Outside, NoBackend, &[FlowBackendDown, TcpMidstream])
        .ends(second.first(), NoBackend)
        .health(site, A, Health::Up)
        .goes(conn, A, conn.data(), &[])
}

fn empty_slots() -> Row {
    let conn = Site::WEB.conn(0);
    let fill = |value: u32| move |world: &mut dyn World| world.set_slots(conn.site.slots_base(), &[value; 2]);
    Row::new("slots without a backend: dropped")
        .proves("no-backend")
        .at(conn.site)
        .change(fill(BackendId::NONE.0))
        .ends(conn.first(), NoBackend)
        // What the daemon writes for a service without backends.
        .change(fill(u32::MAX))
        .ends(conn.first(), NoBackend)
}

/// The connection is entered; it goes on as soon as the next hop answers.
fn no_next_hop() -> Row {
    let site = Site { forwarding: Forwarding::Dsr, ..Site::WEB };
    let conn = site.conn(0);
    Row::new("a next hop that is not resolved: dropped")
        .proves("no-next-hop")
        .at(site)
        .recipe(site, A, |recipe| recipe.target_mac = Mac::default())
        .ends(conn.first(), NoNextHop)
        .recipe(site, A, |_| {})
        .opens(conn, A, conn.first(), &[])
        .recipe(site, A, |recipe| recipe.target_mac = Mac::default())
        .ends(conn.first(), NoNextHop)
}

fn new_next_hop() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    let mut row = known("a next hop that changes takes effect with the next packet", site)
        .proves("new-next-hop")
        .recipe(site, A, |recipe| recipe.target_mac = Mac::from_bytes([2, 0, 0, 0, 9, 9]))
        .goes(conn, A, conn.data(), &[]);
    if let Some(Step::Packet(packet)) = row.steps.last_mut()
        && let Fate::ToBackend { out: Frame::Built(out), .. } = &mut packet.fate
    {
        out.to_mac = [2, 0, 0, 0, 9, 9];
    }
    row
}

/// The index is given to another server: neither flow nor session is its own.
fn new_generation() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    let (again, next) = (Conn { taken: 1, ..conn }, Conn { taken: 2, ..site.conn(1) });
    known("a backend's index that is given to another inherits nothing", site)
        .proves("backend-removed")
        .slots(site, [B, B])
        .recipe(site, A, |recipe| recipe.generation += 1)
        .opens(again, B, again.data(), &[TcpMidstream])
        // The session moves with the next connection.
        .opens(next, B, next.first(), &[SessionMovedDown])
}

fn new_generation_replies() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    known("a binding of an earlier generation is nobody's", site)
        .proves("replaced-reply")
        .recipe(site, A, |recipe| recipe.generation += 1)
        .ends(conn.answer(A), NotOurs)
}

/// A connection that never left A does not take the session there when B, where it had moved, fails.
fn older_connection_takes_no_session() -> Row {
    let site = Site::WEB;
    let (first, second, third) = (site.conn(0), site.conn(1), site.conn(2));
    known("a session moves with a new connection, not along with an older one", site)
        .proves("session-moves")
        .slots(site, [B, B])
        .health(site, A, Health::Down)
        .opens(second, B, second.first(), &[SessionMovedDown])
        .health(site, A, Health::Up)
        .health(site, B, Health::Down)
        .slots(site, [A, A])
        .wait(1)
        .goes(first, A, first.data(), &[])
        .opens(third, A, third.first(), &[SessionMovedDown])
}

fn absent() -> Row {
    let site = Site::WEB;
    let (conn, next) = (site.conn(0), Conn { taken: 2, ..site.conn(1) });
    known("a backend that is removed loses its connections", site)
        .proves("backend-removed")
        .health(site, A, Health::Absent)
        .slots(site, [B, B])
        .opens(Conn { taken: 1, ..conn }, B, conn.data(), &[FlowBackendDown, TcpMidstream])
        .opens(next, B, next.first(), &[SessionMovedDown])
}
