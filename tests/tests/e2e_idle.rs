//! What a daemon takes that has nothing to do.

use lb_user::lab::Size;
use limpet_tests::{Bed, bed::PATIENCE, memory};
use tokio::time::{Duration, Instant, sleep};

/// KiB of its own. Loading the packet program takes thirty times as much for a moment.
const ROOM: u64 = 8 << 10;

#[tokio::test]
async fn what_loading_took_is_given_back() {
    let bed = Bed::without_servers(Size { clients: 1, backends: 1 }, vec![]).await.unwrap();
    let begun = Instant::now();
    // It answers before it has given all back.
    while memory::of(bed.daemon.pid(), "RssAnon").unwrap() > ROOM {
        assert!(begun.elapsed() < PATIENCE, "{} KiB", memory::of(bed.daemon.pid(), "RssAnon").unwrap());
        sleep(Duration::from_millis(20)).await;
    }
}
