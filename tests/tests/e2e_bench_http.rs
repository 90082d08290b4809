//! `cargo xtask bench-http` still works: every system answers, and sends clients back to where they were. How fast they do
//! is not asked here.

use std::{fs, process::Command};

use limpet_tests::binary;
use serde_json::Value;

#[test]
fn every_system_has_figures() {
    let directory = tempfile::tempdir().expect("a place for a file");
    let file = directory.path().join("figures.json");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench_http"));
    bench.arg("--limpet").arg(binary()).arg("--json").arg(&file);
    bench.args(["--rounds", "1", "--seconds", "1", "--connections", "8"]);
    bench.args(["--only", "first visit", "--only", "TLS, small", "--only", "64 kB"]);
    let output = bench.output().expect("it was built for this test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(&file).expect("it was written")).expect("JSON");
    let figures = report["figures"].as_array().expect("a list");
    for system in ["HAProxy", "nginx", "Limpet"] {
        let of_system: Vec<_> = figures.iter().filter(|figure| figure["system"] == system).collect();
        assert_eq!(of_system.len(), 5, "scenarios of {system}:\n{said}");
        for figure in of_system {
            assert!(figure["requests_per_s"][0].as_f64().is_some_and(|rate| rate > 0.0), "{figure}");
            assert!(figure["cpu_s_per_1000"][0].as_f64().is_some_and(|cpu| cpu > 0.0), "{figure}");
        }
    }
}
