//! Access lists with real clients: who gets through, and what a change does to those who may stay.

use std::{
    fmt::Write as _,
    fs,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use lb_user::lab::{
    AccessFigures, Size, Status, Way,
    client::{Connection, get},
    config::{Access, Config, Service},
    plan,
};
use limpet_tests::{Bed, bed::PATIENCE};
use serde::Deserialize;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longer than any answer takes, and than the packet program takes to look at an open connection again.
const SILENCE: Duration = Duration::from_millis(1500);

/// Prefixes in a long list.
const MANY: u32 = 200_000;

fn service(way: Way, access: Access) -> Vec<Service> {
    vec![Service { access: Some(access), ..way.service(2) }]
}

fn denied(status: &Status) -> u64 {
    status.drops["denied"]
}

fn list(status: &Status) -> Option<AccessFigures> {
    status.services[0].access
}

async fn reload(bed: &Bed, services: Vec<Service>, wanted: AccessFigures) {
    bed.daemon.reload(&Config::new(services).to_string()).unwrap();
    bed.daemon.wait_for(PATIENCE, |status| list(status) == Some(wanted)).await.unwrap();
}

#[derive(Debug, Deserialize)]
struct Explanation {
    backend: Option<String>,
    reason: String,
    denied: bool,
}

async fn only_those_who_may(way: Way) {
    let [friend, stranger] = [0, 1].map(|index| plan::client(way.family, index));
    let deny = |client: IpAddr| Access { deny: vec![client.to_string()], ..Access::default() };
    let bed = Bed::new(Size { clients: 2, backends: 2 }, service(way, deny(stranger))).await.unwrap();
    let target = way.target();

    let mut open = bed.clients.spawn(Connection::open(friend, target)).await.unwrap().unwrap();
    let home = open.get().await.unwrap();
    let refused = bed.clients.spawn(timeout(SILENCE, get(stranger, target))).await.unwrap();
    assert!(refused.is_err(), "a denied client is not answered, and not refused either: {refused:?}");
    let status = bed.daemon.status().unwrap();
    assert!(denied(&status) > 0);
    let sessions: u64 = status.services[0].backends.iter().map(|backend| backend.sessions).sum();
    assert_eq!(sessions, 1, "the friend's");

    let client = stranger.to_string();
    let explain = ["explain", "--json", "--service", way.name(), "--client", &client];
    let said: Explanation = bed.daemon.ask(&explain).unwrap();
    assert_eq!((said.backend, &*said.reason, said.denied), (None, "none", true));

    // The other way round: the open connection is cut, the stranger is served.
    let one = AccessFigures { allow: 1, deny: 0, others: false };
    let allow = Access { allow: vec![client.clone()], ..Access::default() };
    reload(&bed, service(way, allow), one).await;
    bed.clients.spawn(get(stranger, target)).await.unwrap().unwrap();
    sleep(SILENCE).await;
    let mut asked = bed.clients.spawn(async move { (open.get().await, open) });
    assert!(timeout(SILENCE, &mut asked).await.is_err(), "an open connection of a denied client is cut");

    // Let in again, it goes on: TCP has sent the question again by then.
    let both = Access { allow: vec![client, friend.to_string()], ..Access::default() };
    reload(&bed, service(way, both), AccessFigures { allow: 2, ..one }).await;
    let (answer, _open) = timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert_eq!(answer.unwrap(), home);
}

#[tokio::test]
async fn only_those_who_may_nat_v4() {
    only_those_who_may(Way::PLAIN[0]).await;
}

#[tokio::test]
async fn only_those_who_may_nat_v6() {
    only_those_who_may(Way::PLAIN[1]).await;
}

#[tokio::test]
async fn only_those_who_may_dsr_v4() {
    only_those_who_may(Way::PLAIN[2]).await;
}

/// A client that opens one connection after the other, and asks on one that stays open, until told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Traffic {
    fn start(bed: &Bed, way: Way) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&answers));
        let (client, target) = (plan::client(way.family, 0), way.target());
        let task = bed.clients.spawn(async move {
            let mut open = Connection::open(client, target).await.unwrap();
            while !stopped.load(Ordering::Relaxed) {
                get(client, target).await.unwrap();
                open.get().await.unwrap();
                counted.fetch_add(2, Ordering::Relaxed);
                // The daemon needs the processor too.
                sleep(Duration::from_millis(3)).await;
            }
        });
        Self { stop, answers, task }
    }

    /// Waits until it was answered some times more.
    async fn goes_on(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        let more = async {
            while self.answers.load(Ordering::Relaxed) < before + 10 {
                assert!(!self.task.is_finished(), "the client broke off");
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, more).await.expect("the client is answered");
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Two long lists that have nothing in common and both let the first client in, each by another prefix.
/// Of neither would a part do: whom it does not cover it denies.
struct Lists {
    way: Way,
}

impl Lists {
    fn write(bed: &Bed, way: Way) -> Self {
        for which in 0..2 {
            let mut text = String::from("# a long list\n");
            for number in 0..MANY {
                writeln!(
                    text,
                    "{}",
                    IpAddr::from((u32::from(30 + which as u8) << 24 | number << 4).to_be_bytes())
                )
                .unwrap();
            }
            fs::write(bed.lab.directory().join(format!("list-{which}")), text).unwrap();
        }
        Self { way }
    }

    /// The service under list 0 or 1.
    fn service(&self, which: usize) -> Vec<Service> {
        let client = plan::client(self.way.family, 0);
        let (allow, deny) = match which {
            0 => (client.to_string(), vec![]),
            _ => ("10.77.0.0/16".to_owned(), vec!["10.0.0.0/8".to_owned()]),
        };
        let allow_file = Some(format!("list-{which}"));
        service(self.way, Access { allow: vec![allow], allow_file, deny, deny_file: None })
    }

    /// It in figures.
    fn figures(which: usize) -> AccessFigures {
        AccessFigures { allow: u64::from(MANY) + 1, deny: which as u64, others: false }
    }

    /// Entries of the table that it takes.
    fn entries(which: usize) -> u64 {
        u64::from(MANY) + 2 + which as u64
    }
}

fn entries(status: &Status) -> u64 {
    status.tables.iter().find(|table| table.name == "ACCESS").unwrap().used.unwrap()
}

#[tokio::test]
async fn long_lists_change_under_traffic_without_a_loss() {
    let way = Way::PLAIN[0];
    let mut bed = Bed::new(Size { clients: 2, backends: 2 }, vec![way.service(2)]).await.unwrap();
    let lists = Lists::write(&bed, way);
    let traffic = Traffic::start(&bed, way);
    for turn in 0..4 {
        reload(&bed, lists.service(turn % 2), Lists::figures(turn % 2)).await;
        traffic.goes_on().await;
        let status = bed.daemon.status().unwrap();
        assert_eq!((denied(&status), entries(&status)), (0, Lists::entries(turn % 2)), "turn {turn}");
    }

    // In force is list 1; the daemon dies while it writes list 0, or swaps it in, or removes list 1.
    for moment in [150, 300, 450, 600] {
        bed.daemon.reload(&Config::new(lists.service(0)).to_string()).unwrap();
        sleep(Duration::from_millis(moment)).await;
        bed.daemon.kill().unwrap();
        traffic.goes_on().await;
        bed.daemon.start_again().unwrap();
        bed.daemon.wait_for(PATIENCE, |status| list(status) == Some(Lists::figures(0))).await.unwrap();
        traffic.goes_on().await;
        let status = bed.daemon.status().unwrap();
        assert_eq!((denied(&status), entries(&status)), (0, Lists::entries(0)), "killed after {moment} ms");
        reload(&bed, lists.service(1), Lists::figures(1)).await;
    }
    assert_eq!(denied(&bed.daemon.status().unwrap()), 0);

    // They are really in force.
    let stranger = bed.clients.spawn(timeout(SILENCE, get(plan::crowd(way.family, 1), way.target())));
    assert!(stranger.await.unwrap().is_err());
    assert!(denied(&bed.daemon.status().unwrap()) > 0);
    traffic.goes_on().await;
    traffic.end().await;
}
