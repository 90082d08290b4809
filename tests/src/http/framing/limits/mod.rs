//! Services with a short limit each, and what takes its time.

pub mod slow;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lb_user::lab::{
    Family,
    config::{Health, Http, Service},
    plan,
};

use super::Raw;

/// Where the backend listens.
pub const PORT: u16 = 8080;
/// Where there is nobody at the lab's backend.
const NOBODY: u16 = 8081;
/// How long the timeouts take, all but the one that a test is about.
const LONG: &str = "9s";
/// What a timeout of one second may take.
pub const SOON: std::ops::RangeInclusive<Duration> = Duration::from_millis(900)..=Duration::from_millis(2900);

fn patient() -> Http {
    Http {
        header_timeout: Some(LONG),
        idle_timeout: Some(LONG),
        body_timeout: Some(LONG),
        connect_timeout: Some(LONG),
        response_timeout: Some(LONG),
        upgrade_timeout: Some(LONG),
        ..Http::default()
    }
}

/// A service for each test, at a port of its own.
#[must_use]
pub fn services() -> Vec<Service> {
    let second = Some("1s");
    let all = [
        Http { header_timeout: second, ..patient() },
        Http { idle_timeout: second, ..patient() },
        Http { body_timeout: second, ..patient() },
        Http { max_header: Some(8192), max_body: Some(1000), ..patient() },
        Http { response_timeout: second, ..patient() },
        Http { upgrade_timeout: second, ..patient() },
        Http { max_header: Some(200_000), ..patient() },
        Http { connect_timeout: second, retries: Some(0), ..patient() },
        Http { retries: Some(0), ..patient() },
    ];
    let services = all.into_iter().enumerate().map(|(index, http)| {
        let target = target(index as u16);
        Service {
            http: Some(http),
            health: Health::None,
            ..Service::http(&format!("web-{index}"), target, 1, PORT)
        }
    });
    let mut services: Vec<_> = services.collect();
    // Where nothing answers, and where a port is closed.
    services[usize::from(UNREACHABLE)].backend[0].address = IpAddr::from(Ipv4Addr::new(10, 77, 2, 200));
    services[usize::from(REFUSING)].backend[0].port = Some(NOBODY);
    services
}

/// `header_timeout` of a second.
pub const HEADER: u16 = 0;
/// `idle_timeout`.
pub const IDLE: u16 = 1;
/// `body_timeout`.
pub const BODY: u16 = 2;
/// `max_header` of 8192 and `max_body` of 1000.
pub const SMALL: u16 = 3;
/// `response_timeout`.
pub const RESPONSE: u16 = 4;
/// `upgrade_timeout`.
pub const UPGRADE: u16 = 5;
/// `max_header` of 200,000.
pub const LARGE: u16 = 6;
/// `connect_timeout`, and a backend that never answers.
pub const UNREACHABLE: u16 = 7;
/// A backend whose port is closed.
pub const REFUSING: u16 = 8;

/// A request.
pub const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

/// Where a service is called.
#[must_use]
pub fn target(service: u16) -> SocketAddr {
    SocketAddr::new(plan::vip(Family::V4), 8000 + service)
}

/// A connection to it.
pub async fn open(service: u16) -> Result<Raw> {
    Raw::open(plan::client(Family::V4, 0), target(service)).await
}

/// Waits until the connection is closed: in time.
pub async fn closed_soon(client: &mut Raw, start: Instant) -> Result<Vec<u8>> {
    let rest = client.rest().await?;
    ensure!(SOON.contains(&start.elapsed()), "closed after {:?}", start.elapsed());
    Ok(rest)
}
