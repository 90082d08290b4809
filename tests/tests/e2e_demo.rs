//! `limpet demo` keeps what it promises, and leaves nothing behind.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use lb_user::lab::{Lab, Size};
use limpet_tests::binary;

fn demo() -> Command {
    let mut command = Command::new(binary());
    command.arg("demo");
    command
}

/// Names in `directory` that belong to process `pid`.
fn belongings(directory: &str, pid: u32) -> Vec<String> {
    let prefixes = [format!("limpet-{pid}-"), format!("{pid}-")];
    let Ok(entries) = Path::new(directory).read_dir() else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect()
}

/// Namespaces, files, pins and processes that demo `pid` made.
fn remains(pid: u32) -> Vec<String> {
    let directory = format!("/run/limpet-lab/{pid}-");
    let processes = Path::new("/proc").read_dir().unwrap().filter_map(|entry| {
        let command = fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
        command.contains(&directory).then_some(command)
    });
    ["/run/netns", "/run/limpet-lab", "/sys/fs/bpf/limpet-lab"]
        .iter()
        .flat_map(|directory| belongings(directory, pid))
        .chain(processes)
        .collect()
}

#[test]
fn once_keeps_every_promise_and_leaves_nothing() {
    let child = demo().arg("--once").stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("attached to eth0 in driver mode"), "{text}");
    assert!(text.contains("Every promise was kept."), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\x1b'), "no colours in a pipe: {text:?}");
    assert_eq!(remains(pid), [""; 0]);
}

#[test]
fn the_next_start_removes_what_a_killed_demo_left() {
    let mut child = demo().stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    // The first table is printed when everything runs.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "Round 1"), "the demo ended early");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!remains(pid).is_empty(), "a killed process cannot clean up");

    drop(Lab::new(Size { clients: 1, backends: 1 }).unwrap());
    assert_eq!(remains(pid), [""; 0]);
}
