//! Real sockets on the loopback. Nothing here depends on how long a thing takes, but for the limit of a wait.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, error::TryRecvError},
    time::timeout,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn key(backend: &str) -> BackendKey {
    BackendKey::new("web", backend)
}

fn target(backend: &str, address: SocketAddr, check: Check, initially_up: bool) -> Target {
    let health = Health {
        port: None,
        check,
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(5),
        rise: 2,
        fall: 3,
    };
    Target { key: key(backend), address, service: "192.0.2.10:80".parse().unwrap(), health, initially_up }
}

async fn listen(port: u16) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn next(flips: &mut UnboundedReceiver<Flip>) -> Flip {
    timeout(PATIENCE, flips.recv()).await.expect("a flip in time").expect("the monitor lives")
}

/// Waits until the backend's report is as asked.
async fn until(monitor: &Monitor, backend: &str, wanted: impl Fn(&Report) -> bool) -> Report {
    let search = async {
        loop {
            let report = monitor.snapshot().remove(&key(backend)).expect("the backend is probed");
            if wanted(&report) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, search).await.expect("the report in time")
}

#[tokio::test]
async fn a_backend_goes_down_with_its_reason_and_comes_back() {
    let (listener, address) = listen(0).await;
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, true)]);
    let report = until(&monitor, "web-1", |r| r.passed == Some(true)).await;
    assert_eq!((report.up, report.reason.as_str()), (true, "connected"));

    drop(listener);
    let down = next(&mut flips).await;
    assert_eq!((&down.key, down.up), (&key("web-1"), false));
    assert_eq!(down.reason, "connection refused");
    assert!(monitor.is_current(&down));
    assert!(!monitor.snapshot()[&key("web-1")].up);

    let _listener = listen(address.port()).await;
    assert!(next(&mut flips).await.up);
    // Staying as it is, it has nothing more to say.
    until(&monitor, "web-1", |r| r.up).await;
    assert_eq!(flips.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test]
async fn a_new_backend_serves_until_its_first_verdict() {
    let (listener, address) = listen(0).await;
    drop(listener);
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, true)]);
    assert!(monitor.snapshot()[&key("web-1")].up);
    let flip = next(&mut flips).await;
    assert!(!flip.up);
}

#[tokio::test]
async fn a_backend_that_starts_down_needs_its_passes() {
    let (_listener, address) = listen(0).await;
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, false)]);
    assert!(!monitor.snapshot()[&key("web-1")].up);
    assert!(next(&mut flips).await.up);
}

#[tokio::test]
async fn without_a_check_a_backend_is_up() {
    let (listener, address) = listen(0).await;
    drop(listener);
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::None, false)]);
    let flip = next(&mut flips).await;
    assert_eq!((flip.up, flip.reason.as_str()), (true, "not checked"));
    let report = &monitor.snapshot()[&key("web-1")];
    assert_eq!((report.up, report.passed, report.reason.as_str()), (true, Some(true), "not checked"));

    // Checked from now on, it is up until it failed often enough; and not disturbed before.
    monitor.reconcile(vec![target("web-1", address, Check::None, false)]);
    assert_eq!(flips.try_recv(), Err(TryRecvError::Empty));
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, false)]);
    assert!(monitor.snapshot()[&key("web-1")].up);
    assert!(!next(&mut flips).await.up);
}

#[tokio::test]
async fn new_settings_keep_the_state() {
    let (listener, address) = listen(0).await;
    drop(listener);
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, true)]);
    assert!(!next(&mut flips).await.up);

    let http = Check::Http { path: "/".to_owned() };
    monitor.reconcile(vec![target("web-1", address, http.clone(), false)]);
    assert!(!monitor.snapshot()[&key("web-1")].up, "a change of settings is no verdict");
    assert_eq!(flips.try_recv(), Err(TryRecvError::Empty));

    // Who has forgotten the verdict hears it again.
    monitor.reconcile(vec![target("web-1", address, http, true)]);
    let flip = next(&mut flips).await;
    assert!(!flip.up && monitor.is_current(&flip));

    monitor.reconcile(vec![target("web-1", address, Check::None, false)]);
    let flip = next(&mut flips).await;
    assert!(flip.up && monitor.is_current(&flip));
}

#[tokio::test]
async fn an_unchanged_backend_is_not_disturbed() {
    let (_listener, address) = listen(0).await;
    let (mut monitor, _flips) = Monitor::new();
    let same = target("web-1", address, Check::Tcp, true);
    monitor.reconcile(vec![same.clone()]);
    until(&monitor, "web-1", |r| r.passed == Some(true)).await;
    let run = monitor.tasks[&key("web-1")].run;
    let settings = monitor.tasks[&key("web-1")].settings.as_ref().unwrap().subscribe();

    let other = Target { initially_up: false, ..same };
    monitor.reconcile(vec![other, target("web-2", address, Check::Tcp, true)]);
    assert_eq!(monitor.tasks[&key("web-1")].run, run);
    assert!(!settings.has_changed().unwrap());
    assert!(monitor.snapshot()[&key("web-1")].up);
}

#[tokio::test]
async fn another_address_is_another_server() {
    let (listener, dead) = listen(0).await;
    drop(listener);
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", dead, Check::Tcp, true)]);
    let stale = next(&mut flips).await;

    let (_listener, alive) = listen(0).await;
    monitor.reconcile(vec![target("web-1", alive, Check::Tcp, true)]);
    assert!(!monitor.is_current(&stale));
    let report = until(&monitor, "web-1", |r| r.passed.is_some()).await;
    assert_eq!((report.address, report.up), (alive, true));
}

#[tokio::test]
async fn a_removed_backend_is_probed_no_more() {
    let (listener, address) = listen(0).await;
    let (mut monitor, mut flips) = Monitor::new();
    monitor.reconcile(vec![target("web-1", address, Check::Tcp, true)]);
    until(&monitor, "web-1", |r| r.passed.is_some()).await;
    monitor.reconcile(Vec::new());
    assert!(monitor.snapshot().is_empty());
    // Of the sender's copies only the monitor's own is left once the task has ended.
    drop((listener, monitor));
    let end = timeout(PATIENCE, flips.recv()).await.expect("the task ends");
    assert_eq!(end, None);
}
