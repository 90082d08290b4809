//! HTTP/2 frame by frame, over connections that begin with it.

use std::net::SocketAddr;

use lb_user::lab::{
    Family, Size,
    config::{Http, Service},
    plan,
};
use limpet_tests::{
    Bed,
    http::framing::{
        Recorder,
        frames::{self, check},
        page,
    },
};

const SIZE: Size = Size { clients: 1, backends: 1 };
const PORT: u16 = 8080;

fn service() -> Service {
    let target = SocketAddr::new(plan::vip(Family::V4), 80);
    let http = Http { header_timeout: Some("3s"), body_timeout: Some("2s"), ..Http::default() };
    Service { http: Some(http), ..Service::http("web", target, 1, PORT) }
}

#[test]
fn the_page_has_the_frames() {
    page::compare("frames of a request", frames::all().iter().map(|row| (row.id, row.fate())));
}

#[tokio::test]
async fn requests_frame_by_frame() {
    let bed = Bed::without_servers(SIZE, vec![service()]).await.unwrap();
    let backend = Recorder::start(&bed.lab, 0, PORT, "backend-1").await.unwrap();
    let (source, target) = (plan::client(Family::V4, 0), SocketAddr::new(plan::vip(Family::V4), 80));
    let mut faults = Vec::new();
    for row in frames::all() {
        let played = bed.clients.spawn(check::play(row.clone(), source, target)).await.unwrap();
        for result in [played, check::compare(&row, &backend)] {
            faults.extend(result.err().map(|fault| format!("{}: {fault:#}", row.id)));
        }
    }
    let log = bed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(faults.is_empty(), "{} cases:\n  {}", faults.len(), faults.join("\n  "));
}
