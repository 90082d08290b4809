//! What services promise beyond the plain: when a backend is down or drains, when there is no room, by load, in groups.

use lb_common::{
    net::Ip,
    reason::Reason::{
        self, GhostDisplaced, HomeDown, PinsFull, SessionEvicted, SessionLent, SessionMovedDown,
        SessionMovedDrained, SessionNew, SessionProven, SessionRecalled, SessionRefused, SessionsFull,
        TcpMidstream,
    },
    state::{AccessKey, Backend, BackendId, Cause, Forwarding, Health, MemberKey, Policy},
};

use super::super::{A, B, Conn, Geometry, Row, Site, Which, World};

pub(super) fn rows() -> Vec<Row> {
    vec![
        lends(),
        refuses(),
        holds(),
        moves_on_drain(),
        disabled(),
        closing_extends_nothing(),
        midstream_counts_nothing(),
        least_sessions(),
        bounded(),
        without_budget(),
        masks(),
        group(),
        group_apart(),
        group_left(),
        recalled(),
        evicted(),
        ghost_displaced(),
        full(),
    ]
}

const PROOF: &[Reason] = &[SessionNew, SessionProven];

/// A proven session at A.
fn known(id: &str, name: &str, site: Site) -> Row {
    let conn = site.conn(0);
    Row::new(name)
        .proves(id)
        .at(site)
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), PROOF)
}

/// A policy beside that of sessions by client.
const fn site(policy: Policy) -> Site {
    Site { policy, ..Site::WEB }
}

trait Audited {
    /// The service has kept and broken so many promises by now.
    fn audited(self, site: Site, kept: u64, broken: &'static [(Cause, u64)]) -> Self;
}

impl Audited for Row {
    fn audited(self, site: Site, kept: u64, broken: &'static [(Cause, u64)]) -> Self {
        self.change(move |world| {
            let audit = world.audit(site.entry().number);
            let expected =
                |cause| broken.iter().find(|(known, _)| *known == cause).map_or(0, |(_, count)| *count);
            assert_eq!(audit.kept, kept, "kept");
            for &cause in Cause::ALL {
                assert_eq!(audit.broken[cause as usize], expected(cause), "{}", cause.name());
            }
        })
    }
}

/// Its second and third connection while A is down go to B; the session stays A's.
fn lends() -> Row {
    let site = site(Policy::LENDS);
    let (second, third, fourth, fifth) = (site.conn(1), site.conn(2), site.conn(3), site.conn(4));
    known("session-lent", "lend: others serve until the backend is back", site)
        .slots(site, [B, B])
        .health(site, A, Health::Down)
        .opens(second, B, second.first(), &[SessionLent])
        .opens(third, B, third.first(), &[])
        .wait(1)
        // What B's connections do changes nothing.
        .goes(third, B, third.data(), &[])
        .health(site, A, Health::Up)
        .opens(fourth, A, fourth.first(), &[])
        .goes(third, B, third.data(), &[])
        .audited(site, 1, &[(Cause::Lent, 1)])
        // And the next time it is counted anew.
        .health(site, A, Health::Down)
        .opens(fifth, B, fifth.first(), &[SessionLent])
        .audited(site, 1, &[(Cause::Lent, 2)])
}

fn refuses() -> Row {
    let site = site(Policy::REFUSES);
    let (second, third, stranger) = (site.conn(1), site.conn(2), site.conn(3).by("198.51.100.8"));
    known("home-down", "refuse: a client waits for its backend", site)
        .slots(site, [B, B])
        .health(site, A, Health::Down)
        .ends_with(second.first(), super::super::Side::Outside, HomeDown, &[SessionRefused])
        .ends(second.first(), HomeDown)
        .ends(third.first(), HomeDown)
        .opens(Conn { taken: 1, ..stranger }, B, stranger.first(), &[])
        .audited(site, 0, &[(Cause::Refused, 1)])
        .wait(1_000)
        .ends(second.first(), HomeDown)
        .health(site, A, Health::Up)
        .opens(Conn { taken: 2, ..second }, A, second.first(), &[])
        .audited(site, 1, &[(Cause::Refused, 1)])
}

fn holds() -> Row {
    let site = Site { hold_ticks: 10, ..site(Policy::HOLDS) };
    let second = site.conn(1);
    known("home-down", "hold: a client waits for its backend, and then moves", site)
        .slots(site, [B, B])
        .wait(20)
        .health(site, A, Health::Down)
        .ends_with(second.first(), super::super::Side::Outside, HomeDown, &[SessionRefused])
        .wait(10)
        .ends(second.first(), HomeDown)
        .wait(1)
        .opens(second, B, second.first(), &[SessionMovedDown])
        .audited(site, 0, &[(Cause::Refused, 1), (Cause::Down, 1)])
}

fn moves_on_drain() -> Row {
    let site = site(Policy::MOVES_ON_DRAIN);
    let (conn, second, third) = (site.conn(0), site.conn(1), site.conn(2));
    known("session-drained", "move: sessions leave a draining backend with the next connection", site)
        .slots(site, [B, B])
        .health(site, A, Health::Draining)
        .goes(conn, A, conn.data(), &[])
        .opens(second, B, second.first(), &[SessionMovedDrained])
        .opens(third, B, third.first(), &[])
        .wait(1)
        // The open connection stays, and does not take the session back.
        .goes(conn, A, conn.data(), &[])
        .health(site, A, Health::Up)
        .opens(site.conn(3), B, site.conn(3).first(), &[])
        .audited(site, 2, &[(Cause::Drained, 1)])
}

/// Whatever is promised for failures: this is an order.
fn disabled() -> Row {
    let site = site(Policy::REFUSES);
    let second = site.conn(1);
    known("session-drained", "sessions leave a disabled backend", site)
        .slots(site, [B, B])
        .health(site, A, Health::Disabled)
        .opens(second, B, second.first(), &[SessionMovedDrained])
        .audited(site, 0, &[(Cause::Drained, 1)])
}

/// Segments in TIME_WAIT are not the client's.
fn closing_extends_nothing() -> Row {
    let site = Site { idle_ticks: 2, forwarding: Forwarding::Dsr, ..Site::WEB };
    let (conn, second) = (site.conn(0), site.conn(1));
    let end = conn.fin();
    Row::new("what comes of a connection that is over keeps no session")
        .proves("session-expires")
        .at(site)
        .opens(conn, A, conn.first(), &[])
        .wait(1)
        .goes(conn, A, conn.data(), PROOF)
        .goes(conn, A, end.clone(), &[])
        .slots(site, [B, B])
        .wait(2)
        .goes(conn, A, end, &[])
        .wait(1)
        .opens(second, B, second.first(), &[Reason::SessionExpired])
}

/// Sets how many sessions A and B have, and their bound.
fn loads(site: Site, sessions: [u64; 2], limit: u32) -> impl Fn(&mut dyn World) {
    move |world| {
        for (which, sessions) in [A, B].into_iter().zip(sessions) {
            world.set_load(site.id(which), sessions, limit, 100);
        }
    }
}

/// Clients by whose hashes the two candidates differ are served by the one with fewer sessions, and stay there.
fn least_sessions() -> Row {
    let site = site(Policy::LEAST_SESSIONS);
    let [conn, second] = [0, 1].map(|n| site.conn(n).by("198.51.100.9"));
    Row::new("least-sessions: the backend with fewer sessions is chosen, and remembered")
        .proves("session-by-load")
        .at(site)
        .slots(site, [A, B])
        .change(loads(site, [5, 0], 0))
        .opens(conn, B, conn.first(), &[SessionNew])
        .change(loads(site, [0, 5], 0))
        .opens(second, B, second.first(), &[])
}

fn bounded() -> Row {
    let site = site(Policy::BOUNDED);
    let (conn, second) = (site.conn(0), site.conn(1));
    let third = Conn { taken: 1, ..site.conn(2).by("198.51.100.8") };
    let fourth = Conn { taken: 2, ..site.conn(3).by("198.51.100.9") };
    Row::new("max_load: a backend with its share gets no new clients")
        .proves("session-by-load")
        .at(site)
        .slots(site, [A, B])
        .change(loads(site, [7, 6], 7))
        .opens(conn, B, conn.first(), &[SessionNew])
        // That one was counted: now both have their share, and the hash decides.
        .slots(site, [A, A])
        .opens(third, A, third.first(), &[SessionNew])
        .change(loads(site, [0, 0], 7))
        .opens(fourth, A, fourth.first(), &[SessionNew])
        .opens(Conn { taken: 3, ..second }, B, second.first(), &[])
}

/// What can't be remembered is not chosen by load.
fn without_budget() -> Row {
    let site = site(Policy::BOUNDED);
    let geometry = Geometry { new_pins: 1, ..Geometry::ROOMY };
    let conns = [1, 2, 3].map(|n| site.conn(n).by(&format!("198.51.100.{n}")));
    let [one, two, three] = conns.map(|conn| Conn { taken: conn.taken - 1, ..conn });
    Row::new("max_load: beyond the limit of what a CPU stores, the hash decides")
        .proves("session-by-load")
        .sized(geometry)
        .at(site)
        .change(loads(site, [7, 0], 7))
        .wait(1)
        .opens(one, A, one.first(), &[SessionNew])
        .opens(two, A, two.first(), &[SessionNew])
        .opens(three, A, three.first(), &[])
}

/// One provider's clients share an address, another's come from several.
fn masks() -> Row {
    let site = Site { masks: 5, ..Site::WEB };
    let second = site.conn(1).by("198.51.100.200");
    let far = site.conn(2).by("198.51.101.7");
    known("session-sticks", "a prefix with a mask of its own is one client", site)
        .change(|world| {
            let prefix = Ip::from(std::net::IpAddr::from([198, 51, 100, 0]));
            world.set_masks(&[(AccessKey::new(5, prefix, 96 + 24), 96 + 24)]);
        })
        .slots(site, [A, A])
        .opens(Conn { taken: 1, ..second }, A, second.first(), &[])
        .returns(second, A, second.answer(A), &[])
        .goes(second, A, second.data(), PROOF)
        .slots(site, [B, B])
        .opens(Conn { taken: 2, ..site.conn(3) }, A, site.conn(3).first(), &[])
        .opens(Conn { taken: 3, ..far }, B, far.first(), &[])
}

/// Home of A, and of B, in the rows' groups.
const HOMES: [BackendId; 2] = [BackendId(40), BackendId(41)];

/// Makes the servers of both sites, A and B, homes of one group.
fn grouped(sites: [Site; 2], members: &'static [Which]) -> impl Fn(&mut dyn World) {
    move |world| {
        for (which, home) in [A, B].into_iter().zip(HOMES) {
            let recipe = Backend { generation: world.generation(), ..Backend::default() };
            world.set_backend(home, &recipe);
            world.set_health(home, Health::Up);
            for (at, site) in sites.iter().enumerate() {
                if at == 0 || members.contains(&which) {
                    world.set_member(&MemberKey::of_home(home, site.entry().number), site.id(which));
                }
                world.set_member(&MemberKey::of_backend(site.id(which)), home);
            }
        }
    }
}

/// Two services of a group, the second of which has these `members`; a client's session is at A, by a connection to the
/// first. With it, the client's next connections: to the second service, and to the first.
fn two_sites(name: &str, members: &'static [Which]) -> (Row, [Site; 2], [Conn; 2]) {
    let one = site(Policy::GROUPED);
    let two = Site { number: 1, port: 443, at_first: true, ..one };
    let conn = one.conn(0);
    let row = Row::new(name)
        .proves("session-grouped")
        .at(one)
        .at(two)
        .change(grouped([one, two], members))
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), PROOF);
    (row, [one, two], [Conn { port: 41_000, ..two.conn(1) }, one.conn(2)])
}

/// A browser on ports 80 and 443.
fn group() -> Row {
    let (row, [one, two], [second, third]) = two_sites("group: two services, one backend", &[A, B]);
    let again = Conn { port: 41_001, ..two.conn(2) };
    row.slots(two, [B, B])
        .opens(second, A, second.first(), &[])
        .audited(two, 1, &[])
        // The whole server fails: both go to the other one.
        .health(one, A, Health::Down)
        .health(two, A, Health::Down)
        .opens(again, B, again.first(), &[SessionMovedDown])
        .slots(one, [B, B])
        .health(one, A, Health::Up)
        .opens(Conn { taken: 3, ..third }, B, third.first(), &[])
        .audited(two, 1, &[(Cause::Down, 1)])
}

/// A connection that nobody knows any more goes on at its client's backend, and is no new one.
fn midstream_counts_nothing() -> Row {
    let site = site(Policy::default());
    let (second, third) = (site.conn(1), site.conn(2));
    known("midstream", "a packet in mid-connection is no promise kept", site)
        .slots(site, [B, B])
        .opens(second, A, second.data(), &[TcpMidstream])
        .audited(site, 0, &[])
        .opens(third, A, third.first(), &[])
        .audited(site, 1, &[])
}

/// A server that only one of the services has.
fn group_apart() -> Row {
    let name = "group: where the session's server is not, the hash decides, and the session stays";
    let (row, [one, two], [second, third]) = two_sites(name, &[B]);
    row.slots(two, [B, B])
        .opens(second, B, second.first(), &[])
        .wait(1)
        .returns(second, B, second.answer(B), &[])
        .goes(second, B, second.data(), &[])
        .slots(one, [B, B])
        .opens(third, A, third.first(), &[])
        .audited(two, 0, &[])
}

/// A server that left the group, and was never in one of its services.
fn group_left() -> Row {
    let (row, [one, two], [second, third]) =
        two_sites("group: a session whose server has left the group moves", &[B]);
    row.slots(one, [B, B])
        .slots(two, [B, B])
        .change(|world| world.set_health(HOMES[0], Health::Absent))
        .opens(second, B, second.first(), &[SessionMovedDown])
        .audited(two, 0, &[(Cause::Removed, 1)])
        .opens(third, B, third.first(), &[])
        .audited(one, 1, &[(Cause::Removed, 0)])
}

/// Room for one pin, and one client to be recognised.
const ONE: Geometry = Geometry { pins: 1, ..Geometry::ROOMY };

/// A's only pin is taken by one client; another's session is among the strangers', and is evicted there.
fn deferred(id: &str, name: &str) -> (Row, Conn, Conn) {
    let site = Site { forwarding: Forwarding::Dsr, ..Site::WEB };
    let (one, two) = (site.conn(0), site.conn(1).by("198.51.100.8"));
    let row = Row::new(name)
        .proves(id)
        .sized(ONE)
        .at(site)
        .opens(one, A, one.first(), &[])
        .opens(two, A, two.first(), &[])
        .wait(1)
        .goes(one, A, one.data(), PROOF)
        .goes(two, A, two.data(), &[SessionNew, PinsFull])
        .slots(site, [B, B])
        .change(|world| world.evict());
    (row, one, two)
}

fn recalled() -> Row {
    let (row, _, two) = deferred("session-recalled", "a client is recognised whose session was evicted");
    let again = Conn { port: 41_000, ..two };
    row.opens(again, A, again.first(), &[SessionRecalled]).audited(two.site, 1, &[])
}

fn evicted() -> Row {
    let (row, _, two) = deferred("session-evicted", "a client lost its session, and its backend is gone");
    let (again, third) = (Conn { port: 41_000, ..two }, Conn { port: 41_001, ..two });
    row.health(two.site, A, Health::Down)
        .opens(again, B, again.first(), &[SessionEvicted])
        .opens(third, B, third.first(), &[])
        .audited(two.site, 0, &[(Cause::Evicted, 1)])
}

fn ghost_displaced() -> Row {
    let (row, _, two) = deferred("session-recalled", "of two clients in one place the last is recognised");
    let three = two.site.conn(2).by("198.51.100.9");
    row.opens(three, B, three.first(), &[])
        .wait(1)
        .goes(three, B, three.data(), &[SessionNew, PinsFull, GhostDisplaced])
        .opens(Conn { port: 41_000, ..two }, B, Conn { port: 41_000, ..two }.first(), &[])
}

fn full() -> Row {
    let site = Site { forwarding: Forwarding::Dsr, ..site(Policy::REFUSES_WHEN_FULL) };
    let (one, two, three) = (site.conn(0), site.conn(1).by("198.51.100.8"), site.conn(2).by("198.51.100.9"));
    Row::new("refuse: without room for its session, a client is not let in")
        .proves("sessions-full")
        .sized(ONE)
        .at(site)
        .opens(one, A, one.first(), &[])
        .opens(two, A, two.first(), &[])
        .wait(1)
        .goes(one, A, one.data(), PROOF)
        .goes(two, A, two.data(), &[SessionNew, PinsFull])
        .ends(three.first(), SessionsFull)
        // Those with a session are served, and open connections go on.
        .opens(Conn { port: 41_000, ..one }, A, Conn { port: 41_000, ..one }.first(), &[])
        .goes(two, A, two.data(), &[])
        // After a while it is tried again.
        .wait(3)
        .opens(three, A, three.first(), &[])
}
