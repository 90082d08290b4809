//! `cargo xtask bench-path` still works: frames get through every system. How fast they do is not asked here.

use std::process::Command;

use limpet_tests::{binary, flood::feed};

#[test]
fn frames_get_through_every_system() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench_path"));
    bench.arg("--feeder").arg(feed::object()).arg("--limpet").arg(binary());
    bench.args(["--rounds", "1", "--packets", "20000", "--seconds", "0"]);
    let output = bench.output().expect("it can be run");
    let (text, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{complaint}");
    for system in ["limpet nat", "limpet dsr", "limpet ipip", "kernel forwarding", "nftables DNAT, jhash"] {
        assert!(text.contains(&format!("\n{system} ")), "no line of {system}:\n{text}");
    }
}
