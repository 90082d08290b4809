//! A short round of what `cargo xtask long-run` does for ten minutes.

use std::time::Duration;

use limpet_tests::{
    binary,
    long::{Plan, run},
};

#[tokio::test]
async fn nobody_notices_who_has_no_reason_to() {
    let plan =
        Plan { time: Duration::from_secs(30), clients: 300, pause: Duration::from_millis(600), seed: 1 };
    let report = run(&binary(), plan).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    for cause in ["down", "lent", "drained", "removed"] {
        assert!(report.broken.contains_key(cause), "nobody was concerned by {cause}: {report:?}");
    }
    assert!(report.cut > 0 && report.died > 0, "{report:?}");
}
