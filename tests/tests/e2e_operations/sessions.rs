//! Stored sessions as `limpet sessions` lists and forgets them.

use std::{collections::BTreeMap, net::IpAddr};

use lb_user::lab::{Size, Way, client::get, plan};
use limpet_tests::Bed;
use serde_json::Value;

const CLIENTS: u32 = 60;
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];

fn list(bed: &Bed, more: &[&str]) -> Value {
    bed.daemon.ask(&[&["sessions", "list", "--json"], more].concat()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_session_is_listed_where_it_is_and_can_be_forgotten() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(3)).collect();
    let bed = Bed::new(Size { clients: 1, backends: 3 }, services).await.unwrap();
    let mut homes = BTreeMap::new();
    for way in WAYS {
        for number in 0..CLIENTS {
            let source = plan::crowd(way.family, number);
            let answer = bed.clients.spawn(get(source, way.target())).await.unwrap().unwrap();
            homes.insert((way.name().to_owned(), source), answer);
        }
    }

    // Page by page, each session once, in order.
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let more = after.as_ref().map_or_else(Vec::new, |next: &String| vec!["--after", next]);
        let page = list(&bed, &[&["--limit", "7"][..], &more].concat());
        assert_eq!(page["matching"], 2 * CLIENTS);
        let sessions = page["sessions"].as_array().unwrap().clone();
        assert!(sessions.len() <= 7);
        listed.extend(sessions);
        match &page["next"] {
            Value::Null => break,
            next => after = Some(text(next)),
        }
    }
    let found: Vec<_> = listed
        .iter()
        .map(|session| {
            assert_eq!(session["valid"], true, "{session}");
            assert!(session["idle_left_s"].as_f64().unwrap() > 1_000.0, "{session}");
            let client = text(&session["client"]);
            let (address, _) = client.split_once('/').unwrap();
            (text(&session["service"]), address.parse::<IpAddr>().unwrap(), text(&session["backend"]))
        })
        .collect();
    assert!(found.is_sorted_by_key(|(service, client, _)| (service.clone(), *client)));
    // IPv6 clients are told by their /64: the lab's crowd has one address in each.
    for (service, client, backend) in &found {
        let by_prefix = |(of, source): &&(String, IpAddr)| {
            let is_same = match (source, client) {
                (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
                (a, b) => a == b,
            };
            of == service && is_same
        };
        let owner = homes.keys().find(by_prefix).expect("it is a client's");
        assert_eq!(homes[owner], *backend, "{service}: {client}");
    }

    for (filter, matching) in [
        (vec!["--service", "nat-v4"], CLIENTS as usize),
        (vec!["--backend", "backend-2"], homes.values().filter(|home| *home == "backend-2").count()),
        (vec!["--client", "::/0"], CLIENTS as usize),
    ] {
        assert_eq!(list(&bed, &filter)["matching"], matching, "{filter:?}");
    }

    let one = plan::crowd(WAYS[0].family, 5).to_string();
    assert_eq!(list(&bed, &["--client", &one])["sessions"][0]["client"], format!("{one}/32"));
    let dropped: Value = bed.daemon.ask(&["sessions", "drop", "--json", "--client", &one]).unwrap();
    assert_eq!(dropped["sessions"], 1);
    assert_eq!(list(&bed, &["--client", &one])["matching"], 0);
    let explained: Value =
        bed.daemon.ask(&["explain", "--json", "--service", "nat-v4", "--client", &one]).unwrap();
    assert_eq!((&explained["session"], &explained["reason"]), (&Value::Null, &Value::from("hash")));

    // One client makes two fifths of its service's connections.
    let source = plan::crowd(WAYS[0].family, 7);
    for _ in 1..CLIENTS * 2 / 3 {
        bed.clients.spawn(get(source, WAYS[0].target())).await.unwrap().unwrap();
    }
    let crowds = |more: &[&str]| -> Value {
        bed.daemon.ask(&[&["sessions", "crowds", "--json"], more].concat()).unwrap()
    };
    let found = crowds(&["--share", "30"]);
    let [crowd] = found["crowds"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(crowd["client"], format!("{source}/32"), "{crowd}");
    assert_eq!(crowd["backend"], homes[&("nat-v4".to_owned(), source)], "{crowd}");
    assert_eq!(crowd["connections"], CLIENTS * 2 / 3, "{crowd}");
    // The others made one each, and one of them was forgotten.
    let share = 100.0 * 40.0 / f64::from(40 + CLIENTS - 2);
    assert!((crowd["share"].as_f64().unwrap() - share).abs() < 0.01, "{crowd}, not {share}");
    assert_eq!(crowds(&["--service", "dsr-v6", "--share", "30"])["crowds"], Value::Array(Vec::new()));

    for (arguments, words) in [
        (&["sessions", "drop"][..], "say which sessions"),
        (&["sessions", "drop", "--service", "shop"], "there is no service `shop`"),
        (&["sessions", "drop", "--backend", "none"], "has a backend `none`"),
        (&["sessions", "crowds", "--share", "101"], "a share is 0 to 100 per cent, not 101"),
        (&["sessions", "list", "--limit", "0"], "a list has 1 to 1000000 sessions, not 0"),
        (&["sessions", "list", "--after", "there"], "a list goes on where its `next` says"),
    ] {
        let refused = bed.daemon.ask::<Value>(arguments).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(list(&bed, &[])["matching"], 2 * CLIENTS - 1);
}
