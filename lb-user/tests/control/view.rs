//! What people read, to the letter.

use std::{collections::BTreeMap, io};

use lb_user::{
    api::{Crowd, Crowds, Dropped, Explanation, Service, SessionForecast, SessionList, Status, Undone, Why},
    view,
};

use crate::fixture::{self, broken, explanation, forecast, session_list, status};

fn written(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut text = Vec::new();
    render(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_status() {
    let text = written(|out| view::status(&status(), out));
    assert_eq!(text, STATUS);
}

#[test]
fn a_status_of_nothing() {
    let nothing = Status {
        interfaces: Vec::new(),
        services: Vec::new(),
        drops: Default::default(),
        passes: Default::default(),
        forwards: Default::default(),
        events: Default::default(),
        tables: Vec::new(),
        ..status()
    };
    assert_eq!(
        written(|out| view::status(&nothing, out)),
        "limpet runs /etc/limpet.toml as process 4242 for 2h 3m 4s\nattached to no interface\n\
         29 sessions in the snapshot of 2026-11-21T18:00:00Z\n\n\
         packets: 0 sent on, 0 passed, none dropped\n"
    );
}

#[test]
fn the_widest_tables_fit_into_100_columns() {
    let name = "a-name-of-63-bytes-".repeat(4)[..63].to_owned();
    let mut wide = status();
    for Service { backends, sessions, flows, connections, packets, bytes, .. } in &mut wide.services {
        for figure in [sessions, flows, connections, packets, bytes] {
            *figure = 999_499_999;
        }
        for backend in backends {
            backend.name.clone_from(&name);
            backend.address = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
            backend.weight = 65_535;
            backend.share = 1.0;
            backend.next_hop = None;
            for figure in [
                &mut backend.sessions,
                &mut backend.flows,
                &mut backend.connections,
                &mut backend.bytes,
                &mut backend.reply_bytes,
            ] {
                *figure = 999_499_999;
            }
        }
    }
    for count in wide.drops.values_mut().chain(wide.events.values_mut()) {
        *count = u64::MAX / 100;
    }
    let text = written(|out| view::status(&wide, out));
    let is_remark =
        |line: &&str| [" has no next hop", " is down", " is not as"].iter().any(|it| line.contains(it));
    for line in text.lines().filter(|line| !is_remark(line)) {
        assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
    }
    // Wrapped, not cut.
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    assert!(letters.contains("anameofbytesanameofbytes"), "{text}");
}

#[test]
fn an_explanation() {
    let text = written(|out| view::explain(&explanation(), out));
    assert_eq!(text, EXPLANATION);
}

#[test]
fn an_explanation_of_a_client_that_is_denied() {
    let denied = Explanation {
        backend: None,
        reason: Why::None,
        denied: true,
        hash_backend: None,
        session: None,
        idle_left_s: None,
        lifetime_left_s: None,
        if_backend_fails: None,
        if_backend_drains: None,
        text: vec!["This client may not use web.".into()],
        ..explanation()
    };
    let text = written(|out| view::explain(&denied, out));
    assert_eq!(
        text,
        "This client may not use web.\n\n backend     -\n decided by  none\n access      denied\n"
    );
}

#[test]
fn an_explanation_of_what_is_not_known() {
    let unknown = Explanation {
        backend: None,
        reason: Why::None,
        hash_backend: None,
        session: None,
        idle_left_s: None,
        lifetime_left_s: None,
        if_backend_fails: None,
        if_backend_drains: None,
        text: vec!["No backend is up.".into()],
        ..explanation()
    };
    let text = written(|out| view::explain(&unknown, out));
    assert_eq!(text, "No backend is up.\n\n backend     -\n decided by  none\n");
}

const STATUS: &str = "\
limpet runs /etc/limpet.toml as process 4242 for 2h 3m 4s
attached to eth0 (driver), eth1 (generic)
29 sessions in the snapshot of 2026-11-21T18:00:00Z

web: 192.0.2.10:80 tcp, nat, by client-ip, group shop
  30 sessions, 40 flows, 50.0k connections
  1.50M packets (80.0 MB) in, 1.40M packets (3.21 GB) back
  access: 3 allowed, 200k denied by prefix, others denied
  promises: 12.3k kept; broken: 3 down, 1 lent
 backend  address         state  weight  share  sessions  flows  conns       in     back
 web-1    10.0.0.11:8080  up        100  50.0%        15     20  25.0k  40.0 MB  1.60 GB
 web-2    10.0.0.12:8080  down      100   0.0%        15     20  25.0k  40.0 MB  1.60 GB
 web-3    10.0.0.13:8080  up        100  50.0%        15     20  25.0k  40.0 MB  1.60 GB
  web-2 is down: connect to 10.0.0.12:8080: connection refused
  web-3 has no next hop: its packets are dropped until its address answers
  web-0 is not as the file says: removed

dns: [2001:db8::10]:53,853 udp, dsr, by connection
  0 sessions, 1 flow, 20 connections
  20 packets (1400 B) in, 0 packets (0 B) back
 backend  address         state     weight  share  sessions  flows  conns       in  back
 dns-1    2001:db8:1::11  draining     100  50.0%        15     20  25.0k  40.0 MB   0 B
  dns-1 is not as the file says: added, draining, disabled in 30m, weight 100 in place of 50

packets: 2.90M sent on, 7 passed, 12 dropped
 fate     reason       count  meaning
 sent on  to_backend   1.50M  Sent on to a backend.
 sent on  to_client    1.40M  Sent back to a client.
 passed   not_ours         7  No service at this address, port and protocol.
 dropped  no_backend      12  No backend of the service is up.
 event    session_new     30  A session was stored for a client not yet proven.

 table     used  capacity  full   memory
 FLOWS     1234      262k  0.5%  4.19 MB
 AFFINITY     ?     65.5k        10.5 MB
";

const EXPLANATION: &str = "\
A new connection goes to web-1.
The hash alone would say web-3.

 backend          web-1
 decided by       session
 by hash alone    web-3
 if web-1 fails   web-3
 if web-1 drains  web-1
 idle time left   29m 48s
 lifetime left    7h 50m
";

const FORECAST: &str = "\
service web: remove backend web-2

15 of 30 live sessions would move (50.0%)
  backend_removed: 15

 biggest clients  of   from   to     conns  why
 198.51.100.7/32  web  web-2  web-3   1234  backend_removed

 service  backend  sessions now  then
 web      web-1              15    22
 web      web-2              15     0
 web      web-3               0     8
";

#[test]
fn a_plan() {
    assert_eq!(written(|out| view::plan(&forecast(), out)), FORECAST);
    let mut nothing = forecast();
    nothing.changes.clear();
    nothing.backends.clear();
    nothing.sessions =
        SessionForecast { total: 1, moved: 0, by_reason: BTreeMap::new(), biggest: Vec::new() };
    let text =
        "nothing would change: what runs is what the file says\n\n0 of 1 live session would move (0.0%)\n";
    assert_eq!(written(|out| view::plan(&nothing, out)), text);
}

const SESSIONS: &str = " service  client           backend  state   age  idle  ends in
 dns      2001:db8:7::/64  -        void    10m  12s   0s
 web      198.51.100.7     web-1    proven  10m  12s   1m

2 of 3 sessions; go on with --after web/198.51.100.7/32
";

#[test]
fn sessions() {
    assert_eq!(written(|out| view::sessions(&session_list(), out)), SESSIONS);
    let none = SessionList { matching: 0, sessions: Vec::new(), next: None };
    assert_eq!(written(|out| view::sessions(&none, out)), "0 of 0 sessions\n");
    assert_eq!(written(|out| view::dropped(&Dropped { sessions: 1 }, out)), "1 session forgotten\n");
}

#[test]
fn an_event_is_a_line() {
    let text = written(|out| view::event(&broken(1, "down", Some("web-1")), out));
    assert_eq!(text, "2027-01-15T08:00:00Z  web  198.51.100.7  down: web-2 -> web-1\n");
    let text = written(|out| view::event(&broken(2, "refused", None), out));
    assert_eq!(text, "2027-01-15T08:00:00Z  web  198.51.100.7  refused: web-2 -> -\n");
}

#[test]
fn moves_say_how_far_they_are() {
    let moves = fixture::moves();
    assert_eq!(
        written(|out| view::moves(&moves, out)),
        " move  ordered               service  to     state        sessions  moved  skipped\n \
         2     2027-01-15T08:00:00Z  web      web-2  interrupted      1000    750       50\n \
         1     2027-01-15T08:00:00Z  web      web-2  undone           1000   1000        0\n"
    );
    let undone = Undone { id: 2, back: 20, kept: [("ended".to_owned(), 3)].into() };
    assert_eq!(
        written(|out| view::undone(&undone, out)),
        "move 2 is undone: 20 sessions back\n  3 not: ended\n"
    );
}

#[test]
fn a_crowd_comes_with_advice() {
    let crowd = Crowd {
        service: "web".into(),
        client: "198.51.100.7/32".parse().unwrap(),
        backend: None,
        connections: 12_345,
        share: 61.27,
    };
    let text = written(|out| view::crowds(&Crowds { crowds: vec![crowd] }, out));
    assert!(text.starts_with(
        " service  client           backend  conns  share\n web      198.51.100.7/32  -        12.3k  61.3%\n\nBehind"
    ), "{text}");
    let text = written(|out| view::crowds(&Crowds::default(), out));
    assert_eq!(text, "No client carries that much.\n");
}
