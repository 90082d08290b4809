//! `cargo xtask bench-control` still runs: once through every scenario at tiny sizes, whose figures say nothing.

use std::{fs, process::Command};

use limpet_tests::binary;
use serde_json::Value;

#[test]
fn every_scenario_has_figures() {
    let directory = tempfile::tempdir().expect("a place for a file");
    let file = directory.path().join("figures.json");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench_control"));
    bench.arg("--small").arg("--limpet").arg(binary()).arg("--json").arg(&file);
    let output = bench.output().expect("it was built for this test");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(&file).expect("it was written")).expect("JSON");
    let figures = report["figures"].as_array().expect("a list");
    for scenario in ["ready again", "reload", "last packet", "CPU time of a check", "live sessions"] {
        let found =
            figures.iter().find(|figure| figure["what"].as_str().is_some_and(|it| it.contains(scenario)));
        let found = found.unwrap_or_else(|| panic!("nothing about {scenario}:\n{said}"));
        assert!(found["figure"].is_number(), "{found}");
    }
}
