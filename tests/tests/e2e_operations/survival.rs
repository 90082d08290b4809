//! Sessions outlive what the kernel holds: real clients come back after a reboot, over a change of layout, and with
//! what is left of a damaged file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use aya::maps::{HashMap, Map, MapData};
use lb_common::state::{LAYOUT_VERSION, Session, SessionKey};
use lb_user::{
    dataplane::attach_pass,
    lab::{
        Lab, Size, Way, backend_name,
        client::{Connection, get},
        config::{Backend, Config, Service, Sessions},
        daemon::write_configuration,
        plan,
    },
};
use limpet_tests::{Bed, bed::binary};
use nix::net::if_::if_nametoindex;
use serde_json::Value;

const CLIENTS: u32 = 30;
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];
const BACKENDS: u8 = 4;

/// A client, and the backend that it was given.
type Client = (Way, u32, String);

fn services() -> Vec<Service> {
    WAYS.iter().map(|way| way.service(3)).collect()
}

fn config(services: Vec<Service>, snapshot_interval: &'static str) -> Config {
    Config { sessions: Some(Sessions { snapshot_interval }), ..Config::new(services) }
}

async fn bed(snapshot_interval: &'static str) -> Bed {
    let lab = Lab::new(Size { clients: 1, backends: BACKENDS }).unwrap();
    in_lab(lab, snapshot_interval).await
}

async fn in_lab(lab: Lab, snapshot_interval: &'static str) -> Bed {
    let servers = (0..BACKENDS).map(|index| Some(lab.start_server(&binary(), index).unwrap())).collect();
    Bed::in_lab(lab, servers, &config(services(), snapshot_interval)).await.unwrap()
}

async fn asks(bed: &Bed, way: Way, number: u32) -> String {
    bed.clients.spawn(get(plan::crowd(way.family, number), way.target())).await.unwrap().unwrap()
}

/// Clients from the number `first` on make their sessions.
async fn settle(bed: &Bed, first: u32) -> Vec<Client> {
    let mut clients = Vec::new();
    for way in WAYS {
        for number in first..first + CLIENTS {
            clients.push((way, number, asks(bed, way, number).await));
        }
    }
    clients
}

async fn all_at_home<'c>(bed: &Bed, clients: impl IntoIterator<Item = &'c Client>) {
    for (way, number, home) in clients {
        assert_eq!(asks(bed, *way, *number).await, *home, "client {number} of {way:?}\n{}", bed.daemon.log());
    }
}

fn state(bed: &Bed) -> PathBuf {
    bed.lab.directory().join("state")
}

fn file(bed: &Bed) -> PathBuf {
    state(bed).join("sessions.snapshot")
}

fn restored(bed: &Bed, what: &str) -> u64 {
    bed.snapshot().unwrap()["restored"][what]
        .as_u64()
        .unwrap_or_else(|| panic!("{what}\n{}", bed.daemon.log()))
}

/// Without a secret each start after a reboot hashes by another key: what keeps the clients is their sessions.
#[tokio::test]
async fn clients_come_back_after_a_reboot() {
    let mut bed = bed("1s").await;
    let clients = settle(&bed, 0).await;
    bed.until_written(clients.len()).await.unwrap();
    bed.reboot(|_| ()).await.unwrap();
    assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
    all_at_home(&bed, &clients).await;
    // Over a mere crash the maps are there, and newer than any file.
    let more = settle(&bed, 100).await;
    bed.daemon.kill().unwrap();
    fs::remove_file(file(&bed)).unwrap();
    bed.daemon.start_again().unwrap();
    assert_eq!(bed.snapshot().unwrap()["restored"], Value::Null);
    all_at_home(&bed, clients.iter().chain(&more)).await;
}

#[tokio::test]
async fn nobody_inherits_a_name_or_an_address() {
    let mut bed = bed("1s").await;
    let clients = settle(&bed, 0).await;
    bed.until_written(clients.len()).await.unwrap();
    let [gone, changed, stays] = [0, 1, 2].map(backend_name);
    let mut others = services();
    for (service, way) in others.iter_mut().zip(WAYS) {
        service.backend = vec![Backend { name: changed.clone(), ..way.backend(3) }, way.backend(2)];
    }
    bed.reboot(|bed| write_configuration(&bed.lab, &config(others, "1s").to_string()).unwrap())
        .await
        .unwrap();
    let at = |home: &str| clients.iter().filter(|(.., it)| it == home).count() as u64;
    assert!([&gone, &changed, &stays].iter().all(|home| at(home) > 5));
    assert_eq!(restored(&bed, "gone"), at(&gone));
    assert_eq!(restored(&bed, "changed"), at(&changed));
    assert_eq!(restored(&bed, "sessions"), at(&stays));
    all_at_home(&bed, clients.iter().filter(|(.., home)| *home == stays)).await;
    // The heir of the name gets some of the others, not all of them.
    let mut heirs = 0;
    for (way, number, _) in clients.iter().filter(|(.., home)| *home == changed) {
        heirs += u64::from(asks(&bed, *way, *number).await == backend_name(3));
    }
    assert!(heirs < at(&changed), "{heirs}");
}

#[tokio::test]
async fn a_damaged_snapshot_is_used_as_far_as_it_goes() {
    let mut bed = bed("1s").await;
    let clients = settle(&bed, 0).await;
    bed.until_written(clients.len()).await.unwrap();
    // The last block only says how many there are.
    let cut = |bed: &Bed| {
        let whole = fs::read(file(bed)).unwrap();
        fs::write(file(bed), &whole[..whole.len() - 1000]).unwrap();
    };
    bed.reboot(cut).await.unwrap();
    assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
    assert_eq!(bed.snapshot().unwrap()["restored"]["cut_short"], true);
    assert!(bed.daemon.log().contains("cut short"), "{}", bed.daemon.log());
    all_at_home(&bed, &clients).await;

    bed.until_written(clients.len()).await.unwrap();
    // The first block has all the names.
    let corrupt = |bed: &Bed| {
        let mut bytes = fs::read(file(bed)).unwrap();
        bytes[100] ^= 1;
        fs::write(file(bed), bytes).unwrap();
    };
    bed.reboot(corrupt).await.unwrap();
    assert_eq!((restored(&bed, "sessions"), restored(&bed, "unknown")), (0, clients.len() as u64));
    assert_eq!(restored(&bed, "damaged_blocks"), 1);

    bed.reboot(|bed| fs::write(file(bed), "not a snapshot").unwrap()).await.unwrap();
    assert_eq!(bed.snapshot().unwrap()["restored"], Value::Null);
    assert!(bed.daemon.log().contains("no sessions are restored"), "{}", bed.daemon.log());
    settle(&bed, 0).await;
    bed.snapshot_when(|snapshot| snapshot["sessions"].as_u64() >= Some(clients.len() as u64)).await.unwrap();
}

/// A file system of its own; unmounted on drop.
struct Disk<'p>(&'p Path);

impl<'p> Disk<'p> {
    fn new(at: &'p Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size}");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "limpet-test"]).arg(at).status();
        assert!(done.unwrap().success());
        Self(at)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_costs_no_traffic() {
    let lab = Lab::new(Size { clients: 1, backends: BACKENDS }).unwrap();
    let path = lab.directory().join("state");
    let _disk = Disk::new(&path, "64k");
    let mut bed = in_lab(lab, "1s").await;
    let clients = settle(&bed, 0).await;
    bed.until_written(clients.len()).await.unwrap();
    let filler = path.join("filler");
    // As much as there is room for.
    assert!(fs::write(&filler, vec![1; 64 << 10]).is_err());
    let failed = bed.snapshot_when(|snapshot| snapshot["error"].is_string()).await.unwrap();
    assert!(failed["error"].as_str().unwrap().contains("No space left"), "{failed:#}");
    let before = fs::read(file(&bed)).unwrap();
    let late = settle(&bed, 100).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bed.daemon.log().matches("no snapshot of sessions").count(), 1, "{}", bed.daemon.log());
    assert_eq!(fs::read(file(&bed)).unwrap(), before, "the old snapshot stays");
    all_at_home(&bed, clients.iter().chain(&late)).await;
    bed.reboot(|_| ()).await.unwrap();
    assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
    all_at_home(&bed, &clients).await;

    fs::remove_file(filler).unwrap();
    let good = bed.snapshot_when(|snapshot| snapshot["written"].is_string()).await.unwrap();
    assert_eq!(good["error"], Value::Null);
}

#[tokio::test]
async fn a_change_of_layout_keeps_sessions_and_addresses() {
    let mut bed = bed("1s").await;
    let clients = settle(&bed, 0).await;
    bed.until_written(clients.len()).await.unwrap();
    let before = bed.program_id().unwrap();
    // Nobody rewrites its ports, so it can go on where its session says.
    let (way, number, home) = clients.last().unwrap().clone();
    assert_eq!(way.forwarding(), "dsr");
    let source = plan::crowd(way.family, number);
    let opened = bed.clients.spawn(Connection::open(source, way.target()));
    let mut connection = opened.await.unwrap().unwrap();
    bed.daemon.kill().unwrap();
    let [own, older] = [LAYOUT_VERSION, 0].map(|version| bed.lab.pins().join(format!("v{version}")));
    fs::rename(&own, &older).unwrap();
    assert_eq!(bed.program_id().unwrap(), before, "the old program goes on");
    all_at_home(&bed, &clients).await;
    bed.daemon.start_again().unwrap();
    assert_ne!(bed.program_id().unwrap(), before);
    assert!(bed.daemon.log().contains("replaced the packet program on eth0"), "{}", bed.daemon.log());
    assert!(own.exists() && !older.exists());
    assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
    all_at_home(&bed, &clients).await;
    let answer = bed.clients.spawn(async move { connection.get().await });
    assert_eq!(answer.await.unwrap().unwrap(), home);
    // What it took over is its own now.
    bed.daemon.stop().unwrap();
    assert!(bed.program_id().is_err() && !bed.lab.pins().exists());
}

#[tokio::test]
async fn a_failed_change_of_layout_leaves_what_runs() {
    let mut bed = bed("1d").await;
    let before = bed.program_id().unwrap();
    bed.daemon.kill().unwrap();
    let [own, older] = [LAYOUT_VERSION, 0].map(|version| bed.lab.pins().join(format!("v{version}")));
    fs::rename(&own, &older).unwrap();
    bed.lab.add_second_arm().unwrap();
    let _other = bed.lab.balancer().run(|| attach_pass(if_nametoindex("eth1")?)).unwrap();
    let mut both = config(services(), "1d");
    both.interface.names = ["eth1", "eth0"].map(str::to_owned).into();
    write_configuration(&bed.lab, &both.to_string()).unwrap();
    let refused = bed.daemon.start_again().unwrap_err();
    assert!(format!("{refused:#}").contains("another XDP program is on eth1"), "{refused:#}");
    assert_eq!(bed.program_id().unwrap(), before);
    assert!(older.exists() && !own.exists());
    let mut addresses = Command::new("ip");
    addresses.args(["address", "show", "dev", "eth0"]).stdout(Stdio::piped());
    let addresses = bed.lab.balancer().spawn(&mut addresses).unwrap().wait_with_output().unwrap();
    let address = format!(" {}/32 ", WAYS[0].target().ip());
    assert!(
        String::from_utf8(addresses.stdout).unwrap().contains(&address),
        "it still answers for {address}"
    );
}

/// The layout whose sessions are two words each, the oldest that is known.
const TWO_WORDS: u32 = 2;
/// The last one that has other maps than now, and the same sessions.
const SAME_SESSIONS: u32 = 5;
const KEY: usize = size_of::<SessionKey>();

/// Makes a pinned map of sessions what it was in that layout: the first two words of each.
fn shorten(path: &Path) -> usize {
    let now = MapData::from_pin(path).unwrap();
    let (kind, entries) = (now.info().unwrap().map_type().unwrap(), now.info().unwrap().max_entries());
    let now = Map::HashMap(now);
    let now: HashMap<_, [u8; KEY], [u8; size_of::<Session>()]> = now.try_into().unwrap();
    let former = aya_obj::Map::new_from_params(kind as u32, KEY as u32, 16, entries, 0);
    let former = MapData::create(former, "FORMER", None).unwrap();
    fs::remove_file(path).unwrap();
    former.pin(path).unwrap();
    let mut former: HashMap<_, [u8; KEY], [u8; 16]> = Map::HashMap(former).try_into().unwrap();
    let sessions: Vec<_> = now.iter().collect::<Result<_, _>>().unwrap();
    for (key, value) in &sessions {
        former.insert(key, *value.first_chunk().unwrap(), 0).unwrap();
    }
    sessions.len()
}

#[tokio::test]
async fn sessions_of_known_layouts_are_read_from_their_maps() {
    let mut bed = bed("1d").await;
    let clients = settle(&bed, 0).await;
    for layout in [SAME_SESSIONS, TWO_WORDS] {
        bed.daemon.kill().unwrap();
        assert!(!file(&bed).exists());
        let [own, older] = [LAYOUT_VERSION, layout].map(|version| bed.lab.pins().join(format!("v{version}")));
        fs::rename(&own, &older).unwrap();
        if layout == TWO_WORDS {
            let stored: usize = ["PINS", "AFFINITY"].iter().map(|map| shorten(&older.join(map))).sum();
            assert_eq!(stored, clients.len());
        }
        bed.daemon.start_again().unwrap();
        assert_eq!(restored(&bed, "layout"), u64::from(layout));
        assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
        all_at_home(&bed, &clients).await;
        assert!(own.exists() && !older.exists());
    }
}

#[tokio::test]
async fn a_clean_stop_writes_what_there_is() {
    let mut bed = bed("1d").await;
    let clients = settle(&bed, 0).await;
    assert_eq!(bed.snapshot().unwrap()["written"], Value::Null);
    bed.daemon.stop().unwrap();
    assert_eq!(fs::read_dir(state(&bed)).unwrap().count(), 1, "nothing but the snapshot");
    bed.daemon.start_again().unwrap();
    assert_eq!(restored(&bed, "sessions"), clients.len() as u64);
    all_at_home(&bed, &clients).await;
    bed.daemon.stop().unwrap();

    fs::remove_file(file(&bed)).unwrap();
    write_configuration(&bed.lab, &config(services(), "off").to_string()).unwrap();
    bed.daemon.start_again().unwrap();
    bed.daemon.stop().unwrap();
    assert!(!file(&bed).exists());
}
