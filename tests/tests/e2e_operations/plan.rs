//! What `limpet plan` says of live sessions is what a reload then does to them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use lb_user::lab::{Size, Status, Way, backend_name, client::get, config::Config, plan};
use limpet_tests::{Bed, bed::PATIENCE};
use serde_json::{Value, json};

const CLIENTS: u32 = 150;
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];

/// Every client connects anew; by service and client, who answers.
async fn answers(bed: &Bed) -> BTreeMap<(&'static str, u32), String> {
    let mut answers = BTreeMap::new();
    for way in WAYS {
        for number in 0..CLIENTS {
            let asked = get(plan::crowd(way.family, number), way.target());
            answers.insert((way.name(), number), bed.clients.spawn(asked).await.unwrap().unwrap());
        }
    }
    answers
}

#[tokio::test]
async fn the_forecast_comes_true() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(4)).collect();
    let bed = Bed::new(Size { clients: 1, backends: 5 }, services.clone()).await.unwrap();
    let before = answers(&bed).await;
    let gone = backend_name(1);
    // One of those who will have to go comes more often than others.
    let (busy, _) = before.iter().find(|((way, _), home)| *way == WAYS[0].name() && **home == gone).unwrap();
    let busy = plan::crowd(WAYS[0].family, busy.1);
    for _ in 0..5 {
        bed.clients.spawn(get(busy, WAYS[0].target())).await.unwrap().unwrap();
    }

    let mut wanted = services;
    for (service, way) in wanted.iter_mut().zip(WAYS) {
        service.backend.retain(|backend| backend.name != gone);
        service.backend[0].weight = 10;
        service.backend.push(way.backend(4));
    }
    let wanted = Config::new(wanted).to_string();
    let file = bed.lab.directory().join("wanted.toml");
    std::fs::write(&file, &wanted).unwrap();
    let path = file.display().to_string();
    let forecast: Value = bed.daemon.ask(&["plan", "--json", "--config", &path]).unwrap();
    assert_eq!(answers(&bed).await, before, "to plan changes nothing");

    bed.daemon.reload(&wanted).unwrap();
    let applied = |status: &Status| {
        let is_gone = |way: Way| {
            status.service(way.name()).is_some_and(|it| it.backends.iter().all(|it| it.name != gone))
        };
        WAYS.into_iter().all(is_gone)
    };
    bed.daemon.wait_for(PATIENCE, applied).await.unwrap();
    let after = answers(&bed).await;
    let moved = before.iter().filter(|(client, home)| after[client] != **home).count();
    let there = before.values().filter(|home| **home == gone).count();
    assert_eq!(moved, there, "clients of the backend that left, and nobody else");
    assert!(there > CLIENTS as usize / 4, "{there}");

    let sessions = &forecast["sessions"];
    assert_eq!(sessions["total"], 2 * CLIENTS);
    assert_eq!(sessions["moved"], moved);
    let biggest = sessions["biggest"].as_array().unwrap();
    assert_eq!(biggest.len(), 10, "{biggest:?}");
    assert_eq!(biggest[0]["client"], format!("{busy}/32"), "{biggest:?}");
    for client in biggest {
        let network: IpNet = client["client"].as_str().unwrap().parse().unwrap();
        let ((_, number), _) = after
            .iter()
            .find(|((way, number), _)| {
                let family = WAYS.iter().find(|it| it.name() == *way).unwrap().family;
                client["service"] == *way && network.contains(&plan::crowd(family, *number))
            })
            .unwrap();
        let place = (WAYS.iter().find(|it| client["service"] == it.name()).unwrap().name(), *number);
        assert_eq!((&client["from"], &client["to"]), (&json!(before[&place]), &json!(after[&place])));
    }
    assert_eq!(sessions["by_reason"], json!({ "backend_removed": moved }));
    let status = bed.daemon.status().unwrap();
    for foretold in forecast["backends"].as_array().unwrap() {
        let service = status.service(foretold["service"].as_str().unwrap()).unwrap();
        let named =
            |name: &str| service.backends.iter().find(|it| it.name == name).map_or(0, |it| it.sessions);
        assert_eq!(foretold["after"], named(foretold["backend"].as_str().unwrap()), "{foretold}");
        let homes = before
            .iter()
            .filter(|((service, _), home)| foretold["service"] == *service && foretold["backend"] == **home);
        assert_eq!(foretold["before"], homes.count(), "{foretold}");
    }

    // What is no file would hold the daemon up.
    let refused = bed.daemon.ask::<Value>(&["plan", "--config", "/dev/zero"]).unwrap_err().to_string();
    assert!(refused.contains("not a regular file"), "{refused}");
    // A file that a reload would refuse is refused.
    std::fs::write(&file, wanted.replace("names =", "nmaes =")).unwrap();
    let refused = bed.daemon.ask::<Value>(&["plan", "--config", &path]).unwrap_err().to_string();
    assert!(refused.contains("did you mean `names`"), "{refused}");
}
