//! A start that cannot succeed says what is wrong, where, and what to do; a reload that cannot succeed changes nothing.

use std::{
    fmt::Display,
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
};

use lb_common::state::LAYOUT_VERSION;
use lb_user::{
    dataplane::attach_pass,
    lab::{
        Family, Lab, Size, Way,
        client::get,
        config::{Config, Service},
        daemon, plan,
    },
};
use limpet_tests::{Bed, binary};

const SIZE: Size = Size { clients: 1, backends: 2 };

fn web() -> Service {
    let [way, ..] = Way::PLAIN;
    way.service(2)
}

/// Starts the daemon by way of `wrapper`, which gets its command line as arguments, and returns what it says when it
/// gives up. It must.
fn refusal(lab: &Lab, config: &impl Display, wrapper: &[&str]) -> String {
    daemon::write_configuration(lab, &config.to_string()).unwrap();
    let mut command = Command::new("timeout");
    command.arg("20").args(wrapper).arg(binary()).args(daemon::arguments(lab));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = lab.balancer().spawn(&mut command).unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn assert_says(said: &str, words: &[&str]) {
    let lower = said.to_lowercase();
    for word in words {
        assert!(lower.contains(word), "expected `{word}` in:\n{said}");
    }
}

#[test]
fn an_interface_that_is_not_there() {
    let lab = Lab::new(SIZE).unwrap();
    let mut config = Config::new(vec![web()]);
    config.interface.names = vec!["nowhere0".to_owned()];
    assert_says(&refusal(&lab, &config, &[]), &["nowhere0"]);
}

#[test]
fn an_interface_with_another_program() {
    let lab = Lab::new(SIZE).unwrap();
    let _other = lab.balancer().run(|| attach_pass(nix::net::if_::if_nametoindex("eth0")?)).unwrap();
    assert_says(&refusal(&lab, &Config::new(vec![web()]), &[]), &["eth0", "another xdp program"]);
}

#[test]
fn no_bpf_file_system() {
    let lab = Lab::new(SIZE).unwrap();
    // Only for this one process; the machine's own stays.
    let hide = ["unshare", "--mount", "sh", "-c", "umount --lazy /sys/fs/bpf && exec \"$@\"", "sh"];
    assert_says(&refusal(&lab, &Config::new(vec![web()]), &hide), &["/sys/fs/bpf", "mount -t bpf"]);
}

#[test]
fn something_else_among_the_pins() {
    let lab = Lab::new(SIZE).unwrap();
    for strange in ["v", "other", "v1x"] {
        let path = lab.pins().join(strange);
        fs::create_dir_all(&path).unwrap();
        let name = format!("/{strange} is not of limpet's making");
        assert_says(&refusal(&lab, &Config::new(vec![web()]), &[]), &[&name, "remove it", "--pins"]);
        fs::remove_dir(path).unwrap();
    }
}

/// What runs goes on while a start with another file is refused.
async fn refused_beside_what_runs(addition: &str, words: &[&str]) {
    let mut bed = Bed::new(SIZE, vec![web()]).await.unwrap();
    let target = SocketAddr::new(plan::vip(Family::V4), 80);
    let source = plan::client(Family::V4, 0);
    let home = bed.clients.spawn(get(source, target)).await.unwrap().unwrap();
    bed.daemon.kill().unwrap();
    let file = format!("{}\n{addition}", Config::new(vec![web()]));
    daemon::write_configuration(&bed.lab, &file).unwrap();
    let mut command = Command::new("timeout");
    command.arg("20").arg(binary()).args(daemon::arguments(&bed.lab));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = bed.lab.balancer().spawn(&mut command).unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_says(&said, words);
    assert_eq!(bed.clients.spawn(get(source, target)).await.unwrap().unwrap(), home);
}

#[tokio::test]
async fn pinned_maps_of_another_size() {
    let both = "[limits]\nflows = 2048\npins = 2048";
    refused_beside_what_runs(both, &["flows: entries", "pins: entries", "wanted", "rm -r"]).await;
}

#[tokio::test]
async fn another_range_of_ports() {
    // The same number of them, so that no map changes its size.
    refused_beside_what_runs("[nat]\nports = \"1025-32768\"", &["[nat] ports", "put the old range back"])
        .await;
}

#[tokio::test]
async fn another_hash_secret() {
    let secret = "[hash]\nsecret = \"another secret, long enough\"";
    refused_beside_what_runs(secret, &["secret differs", "put the old secret back"]).await;
}

#[tokio::test]
async fn another_mode_than_that_of_the_adopted_link() {
    let mut bed = Bed::new(SIZE, vec![web()]).await.unwrap();
    let before = bed.daemon.log();
    assert!(!before.contains("keeps its mode"), "{before}");
    bed.daemon.kill().unwrap();
    let mut config = Config::new(vec![web()]);
    config.interface.mode = if before.contains("in driver mode") { "generic" } else { "driver" };
    daemon::write_configuration(&bed.lab, &config.to_string()).unwrap();
    bed.daemon.start_again().unwrap();
    assert_says(&bed.daemon.log(), &["eth0 stays in", "keeps its mode", "--detach-on-exit"]);
}

#[tokio::test]
async fn two_daemons_with_one_socket() {
    let bed = Bed::new(SIZE, vec![web()]).await.unwrap();
    let said = refusal(&bed.lab, &Config::new(vec![web()]), &[]);
    assert_says(&said, &["limpet.sock"]);
    assert_eq!(bed.daemon.status().unwrap().services.len(), 1);
}

#[tokio::test]
async fn a_reload_that_fits_no_table_changes_nothing() {
    let bed = Bed::new(SIZE, vec![web()]).await.unwrap();
    let mut larger = Config::new(vec![web()]).to_string();
    larger.push_str("\n[limits]\nflows = 1048576");
    bed.daemon.reload(&larger).unwrap();
    while !bed.daemon.log().contains("[limits] can't change by a reload") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(bed.daemon.status().unwrap().services.len(), 1);
}

#[test]
fn no_rights() {
    let lab = Lab::new(SIZE).unwrap();
    // Still root by name, so that every file can be read.
    let powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    assert_says(&refusal(&lab, &Config::new(vec![web()]), &powerless), &["cap_bpf", "cap_net_admin"]);
}

#[test]
fn a_start_after_one_that_failed_halfway() {
    let lab = Lab::new(SIZE).unwrap();
    let config = Config::new(vec![web()]);
    let halved = format!("{config}\n[limits]\nflows = 2048");
    // Maps need CAP_BPF only; this program needs CAP_PERFMON too.
    let some = "-all,+bpf,+net_admin,+dac_override";
    let halfway = ["setpriv", "--bounding-set", some, "--inh-caps", "-all"];
    assert_says(&refusal(&lab, &halved, &halfway), &["refused the packet program", "cap_perfmon"]);
    assert!(lab.pins().join(format!("v{LAYOUT_VERSION}/FLOWS")).exists());
    // What it left has other sizes, and no settings.
    let daemon = daemon::Daemon::start(&binary(), &lab, &config.to_string()).unwrap();
    assert!(!daemon.log().contains("adopted"), "{}", daemon.log());
}

#[tokio::test]
async fn a_reload_with_a_broken_file_changes_nothing() {
    let bed = Bed::new(SIZE, vec![web()]).await.unwrap();
    let target = SocketAddr::new(plan::vip(Family::V4), 80);
    let source = plan::client(Family::V4, 0);
    let home = bed.clients.spawn(get(source, target)).await.unwrap().unwrap();
    let mut broken = Config::new(vec![web()]);
    broken.service[0].protocol = "tpc";
    broken.service[0].backend[1].port = Some(0);
    bed.daemon.reload(&broken.to_string()).unwrap();
    // Both errors are reported.
    while !["tpc", "port"].iter().all(|word| bed.daemon.log().contains(word)) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(bed.daemon.status().unwrap().services.len(), 1);
    assert_eq!(bed.clients.spawn(get(source, target)).await.unwrap().unwrap(), home);
}
