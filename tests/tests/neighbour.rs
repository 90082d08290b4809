//! Next hops and claimed addresses, against the kernel's own tables: two namespaces on one segment.
//!
//! A namespace here is a thread, and vanishes with it: nothing is left behind however a test ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    process::Command,
    sync::mpsc as std_mpsc,
    thread,
    time::{Duration, Instant},
};

use lb_user::neighbour::{Announcer, Change, Claim, LinkError, Links, Mac, NextHop, Resolver, Unresolved};
use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Pid, gettid},
};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

const OURS: Mac = [2, 0, 0, 0, 0, 1];
const THEIRS: Mac = [2, 0, 0, 0, 0, 2];
const OTHER: Mac = [2, 0, 0, 0, 0, 3];

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `ip` in the namespace of this thread.
fn ip(arguments: &str) -> String {
    let output =
        Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error}");
    String::from_utf8(output.stdout).expect("ip writes text")
}

type Job = Box<dyn FnOnce() + Send>;

/// The other machine on the segment.
struct Peer {
    jobs: std_mpsc::Sender<Job>,
    thread: Pid,
}

impl Peer {
    fn new() -> Self {
        let (jobs, queue) = std_mpsc::channel::<Job>();
        let (ready, is_ready) = std_mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests run as root");
            ready.send(gettid()).expect("the test waits");
            for job in queue {
                job();
            }
        });
        let thread = is_ready.recv().expect("the namespace was made");
        Self { jobs, thread }
    }

    fn run(&self, job: impl FnOnce() + Send + 'static) {
        let (done, is_done) = std_mpsc::channel();
        let job = move || {
            job();
            done.send(()).expect("the test waits");
        };
        self.jobs.send(Box::new(job)).expect("the peer lives");
        is_done.recv().expect("the job did not panic");
    }

    fn ip(&self, arguments: &'static str) {
        self.run(move || {
            ip(arguments);
        });
    }
}

/// Runs a test in a namespace of its own. There `eth0` is 10.9.0.1 and fd09::1, the peer 10.9.0.2 and fd09::2.
fn on_a_segment(test: impl AsyncFnOnce(Peer) + Send + 'static) {
    let body = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests run as root");
        let peer = Peer::new();
        ip(&format!(
            "link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns {}",
            peer.thread
        ));
        for address in ["10.9.0.1/24 brd +", "fd09::1/64 nodad"] {
            ip(&format!("address add {address} dev eth0"));
        }
        ip("link set eth0 up");
        ip("link set lo up");
        peer.ip("address add 10.9.0.2/24 dev eth0");
        peer.ip("address add fd09::2/64 dev eth0 nodad");
        peer.ip("link set eth0 up");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test(peer));
    };
    if let Err(panic) = thread::spawn(body).join() {
        std::panic::resume_unwind(panic);
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn via_eth0(target_mac: Mac) -> Result<NextHop, Unresolved> {
    let ifindex = nix::net::if_::if_nametoindex("eth0").expect("eth0 is there");
    Ok(NextHop { ifindex, source_mac: OURS, target_mac })
}

/// A resolver that was asked for `addresses`.
fn resolve(addresses: &[&str]) -> (Resolver, UnboundedReceiver<Change>) {
    let (resolver, changes) = Resolver::start().expect("netlink is there");
    resolver.reconcile(addresses.iter().map(|a| address(a)));
    (resolver, changes)
}

async fn next(changes: &mut UnboundedReceiver<Change>) -> (String, Result<NextHop, Unresolved>) {
    let change =
        timeout(PATIENCE, changes.recv()).await.expect("a change in time").expect("the resolver lives");
    (change.address.to_string(), change.next_hop)
}

/// The next changes in order of address.
async fn next_two(changes: &mut UnboundedReceiver<Change>) -> [(String, Result<NextHop, Unresolved>); 2] {
    let mut two = [next(changes).await, next(changes).await];
    two.sort_by(|a, b| a.0.cmp(&b.0));
    two
}

async fn no_change(changes: &mut UnboundedReceiver<Change>, during: Duration) {
    if let Ok(change) = timeout(during, changes.recv()).await {
        panic!("unexpected: {change:?}");
    }
}

/// Waits until the neighbour table shows an address in a state.
async fn until_neighbour(address: &str, state: &str) {
    let began = Instant::now();
    loop {
        let shown = ip(&format!("neighbour show {address}"));
        if shown.contains(state) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{address} never became {state}: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_backend_on_the_segment_is_found() {
    on_a_segment(async |_peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.2", "fd09::2"]);
        let found = next_two(&mut changes).await;
        assert_eq!(found, [("10.9.0.2".into(), via_eth0(THEIRS)), ("fd09::2".into(), via_eth0(THEIRS))]);
        no_change(&mut changes, Duration::from_millis(500)).await;
    });
}

#[test]
fn a_backend_behind_a_gateway_is_reached_through_it() {
    on_a_segment(async |_peer| {
        ip("route add 10.77.0.0/16 via 10.9.0.2");
        ip("route add 10.88.0.0/16 via inet6 fd09::2");
        ip("route add fd77::/64 via fd09::2");
        for behind in ["10.77.0.5", "10.88.0.5", "fd77::5"] {
            let (_resolver, mut changes) = resolve(&[behind]);
            assert_eq!(next(&mut changes).await, (behind.to_owned(), via_eth0(THEIRS)));
        }
    });
}

#[test]
fn routes_are_watched() {
    on_a_segment(async |_peer| {
        let (_resolver, mut changes) = resolve(&["10.77.0.5", "fd77::5"]);
        let [(_, v4), (_, v6)] = next_two(&mut changes).await;
        assert_eq!((v4, v6), (Err(Unresolved::NoRoute), Err(Unresolved::NoRoute)));

        ip("route add 10.77.0.0/16 via 10.9.0.2");
        ip("route add fd77::/64 via fd09::2");
        let [(_, v4), (_, v6)] = next_two(&mut changes).await;
        assert_eq!((v4, v6), (via_eth0(THEIRS), via_eth0(THEIRS)));

        ip("route add unreachable 10.77.0.5");
        ip("route add unreachable fd77::5");
        let [(_, v4), (_, v6)] = next_two(&mut changes).await;
        assert_eq!((v4, v6), (Err(Unresolved::NoRoute), Err(Unresolved::NoRoute)));
    });
}

#[test]
fn what_is_no_other_machine_is_refused_in_words() {
    on_a_segment(async |_peer| {
        for (what, answer) in [
            ("10.9.0.1", Unresolved::Local),
            ("127.0.0.1", Unresolved::Local),
            ("fd09::1", Unresolved::Local),
            ("10.9.0.255", Unresolved::NotUnicast),
        ] {
            let (_resolver, mut changes) = resolve(&[what]);
            assert_eq!(next(&mut changes).await, (what.to_owned(), Err(answer)));
        }
    });
}

#[test]
fn an_interface_that_is_not_ethernet_is_named() {
    on_a_segment(async |_peer| {
        ip("tuntap add tun0 mode tun");
        ip("link set tun0 up");
        ip("route add 10.77.0.0/16 dev tun0");
        let (_resolver, mut changes) = resolve(&["10.77.0.5"]);
        let answer = Unresolved::NotEthernet { interface: "tun0".to_owned() };
        assert_eq!(next(&mut changes).await, ("10.77.0.5".to_owned(), Err(answer)));
    });
}

#[test]
fn silence_is_reported_once_and_an_answer_ends_it() {
    on_a_segment(async |peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.7", "fd09::7"]);
        let silent = |via: &str| {
            let unanswered = Unresolved::Unanswered { via: address(via), interface: "eth0".to_owned() };
            (via.to_owned(), Err(unanswered))
        };
        assert_eq!(next_two(&mut changes).await, [silent("10.9.0.7"), silent("fd09::7")]);
        // Long enough to be asked again, in vain.
        no_change(&mut changes, Duration::from_secs(9)).await;

        peer.ip("address add 10.9.0.7/24 dev eth0");
        peer.ip("address add fd09::7/64 dev eth0 nodad");
        let found = next_two(&mut changes).await;
        assert_eq!(found, [("10.9.0.7".into(), via_eth0(THEIRS)), ("fd09::7".into(), via_eth0(THEIRS))]);
    });
}

#[test]
fn an_announcement_moves_an_address_at_once() {
    on_a_segment(async |peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.2", "fd09::2"]);
        let _ = next_two(&mut changes).await;
        peer.ip("link set eth0 address 02:00:00:00:00:03");
        no_change(&mut changes, Duration::from_secs(1)).await;
        for address in ["10.9.0.2", "fd09::2"] {
            peer.run(move || {
                let ifindex = nix::net::if_::if_nametoindex("eth0").unwrap();
                Announcer::new(ifindex).unwrap().announce(address.parse().unwrap()).unwrap();
            });
            let moved = timeout(Duration::from_secs(1), next(&mut changes)).await.expect("at once");
            assert_eq!(moved, (address.to_owned(), via_eth0(OTHER)));
        }
    });
}

#[test]
fn an_announcement_needs_an_ethernet_interface() {
    on_a_segment(async |_peer| {
        ip("tuntap add tun0 mode tun");
        for (ifindex, what) in [(nix::net::if_::if_nametoindex("tun0").unwrap(), "tun0"), (4_000, "nothing")]
        {
            let error = Announcer::new(ifindex).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("interface {ifindex} is not Ethernet, or is gone"),
                "{what}"
            );
        }
    });
}

#[test]
fn a_link_that_goes_takes_its_next_hops_along() {
    on_a_segment(async |_peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.2"]);
        assert_eq!(next(&mut changes).await.1, via_eth0(THEIRS));
        ip("link set eth0 down");
        assert_eq!(next(&mut changes).await.1, Err(Unresolved::NoRoute));
        ip("link set eth0 up");
        assert_eq!(next(&mut changes).await.1, via_eth0(THEIRS));
    });
}

#[test]
fn our_own_new_mac_is_taken_over() {
    on_a_segment(async |_peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.2"]);
        assert_eq!(next(&mut changes).await.1, via_eth0(THEIRS));
        ip("link set eth0 address 02:00:00:00:00:09");
        let changed = next(&mut changes).await.1.expect("still there");
        assert_eq!((changed.source_mac, changed.target_mac), ([2, 0, 0, 0, 0, 9], THEIRS));
    });
}

#[test]
fn a_flushed_neighbour_is_asked_again_and_nobody_notices() {
    on_a_segment(async |_peer| {
        let (_resolver, mut changes) = resolve(&["10.9.0.2", "fd09::2"]);
        let _ = next_two(&mut changes).await;
        ip("neighbour flush dev eth0");
        ip("-6 neighbour flush dev eth0");
        assert!(!ip("neighbour show").contains("REACHABLE"));
        until_neighbour("10.9.0.2", "REACHABLE").await;
        until_neighbour("fd09::2", "REACHABLE").await;
        no_change(&mut changes, Duration::from_millis(200)).await;
    });
}

#[test]
fn stale_neighbours_are_verified_and_permanent_ones_left_alone() {
    on_a_segment(async |peer| {
        // Verification begins a second after use, not five.
        std::fs::write("/proc/sys/net/ipv4/neigh/eth0/delay_first_probe_time", "1")
            .expect("our own namespace");
        peer.ip("address add 10.9.0.3/24 dev eth0");
        ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud stale");
        ip("neighbour add 10.9.0.3 lladdr 02:00:00:00:00:02 dev eth0 nud permanent");
        let (_resolver, mut changes) = resolve(&["10.9.0.2", "10.9.0.3"]);
        // Both are usable from the first moment.
        let found = next_two(&mut changes).await;
        assert_eq!(found, [("10.9.0.2".into(), via_eth0(THEIRS)), ("10.9.0.3".into(), via_eth0(THEIRS))]);
        until_neighbour("10.9.0.2", "REACHABLE").await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        until_neighbour("10.9.0.3", "PERMANENT").await;
        no_change(&mut changes, Duration::from_millis(200)).await;
    });
}

#[test]
fn the_set_is_followed() {
    on_a_segment(async |_peer| {
        let (resolver, mut changes) = resolve(&["10.9.0.2"]);
        assert_eq!(next(&mut changes).await.0, "10.9.0.2");
        resolver.reconcile([address("10.9.0.2"), address("fd09::2")]);
        assert_eq!(next(&mut changes).await.0, "fd09::2");
        resolver.reconcile([address("fd09::2")]);
        assert_eq!(["10.9.0.2", "fd09::2"].map(|it| resolver.wants(address(it))), [false, true]);
        // Removed: its fate is no longer ours.
        no_change(&mut changes, Duration::from_millis(200)).await;
        ip("neighbour replace 10.9.0.2 lladdr 02:00:00:00:00:03 dev eth0 nud permanent");
        no_change(&mut changes, Duration::from_millis(200)).await;
        // Asked for again, it is told again.
        resolver.reconcile([address("10.9.0.2"), address("fd09::2")]);
        assert_eq!(next(&mut changes).await, ("10.9.0.2".to_owned(), via_eth0(OTHER)));
        drop(resolver);
        assert_eq!(timeout(PATIENCE, changes.recv()).await, Ok(None));
    });
}

#[test]
fn interfaces_are_described() {
    on_a_segment(async |_peer| {
        ip("link set eth0 mtu 1400");
        let mut links = Links::connect().unwrap();
        let eth0 = links.interface("eth0").await.unwrap();
        assert_eq!(eth0.ifindex, nix::net::if_::if_nametoindex("eth0").unwrap());
        assert_eq!((eth0.mac, eth0.mtu), (Some(OURS), 1400));
        let global = eth0.addresses.iter().filter(|a| a.global);
        let global: Vec<String> = global.map(|a| a.network.to_string()).collect();
        assert_eq!(global, ["10.9.0.1/24", "fd09::1/64"]);
        assert!(eth0.addresses.iter().any(|a| !a.global), "the link-local address is there too");
        assert_eq!(links.interface("lo").await.unwrap().mac, None);

        let error = links.interface("eth9").await.unwrap_err();
        assert!(matches!(error, LinkError::NoInterface(name) if name == "eth9"));
    });
}

/// What became of a single claim.
async fn claim(links: &mut Links, ifindex: u32, address: IpAddr) -> Claim {
    let mut became = Vec::new();
    links.claim(ifindex, &[address], |address, claim| became.push((address, claim))).await.unwrap();
    let [(said, claim)] = became[..] else { panic!("{became:?}") };
    assert_eq!(said, address);
    claim
}

#[test]
fn many_claims_go_on_where_one_is_refused() {
    on_a_segment(async |_peer| {
        let mut links = Links::connect().unwrap();
        let ifindex = links.interface("eth0").await.unwrap().ifindex;
        // More than are under way at once. The kernel takes no address of many hosts.
        let many: Vec<_> = (1..=200).map(|last| address(&format!("10.10.0.{last}"))).collect();
        let mut asked = many.clone();
        asked.insert(50, address("224.0.0.1"));
        ip("address add 10.10.0.7/32 dev eth0");
        let mut became = BTreeMap::new();
        let error = links.claim(ifindex, &asked, |address, claim| became.extend([(address, claim)])).await;
        assert!(error.unwrap_err().to_string().starts_with("cannot add 224.0.0.1 to interface"));
        assert_eq!(became.keys().copied().collect::<BTreeSet<_>>(), many.iter().copied().collect());
        let foreign =
            became.iter().filter(|(_, claim)| **claim == Claim::Foreign).map(|(address, _)| *address);
        assert_eq!(foreign.collect::<Vec<_>>(), [address("10.10.0.7")]);
        let there = links.interface("eth0").await.unwrap().addresses;
        let claimed: BTreeSet<_> = there.iter().filter(|a| a.claimed).map(|a| a.network.addr()).collect();
        assert_eq!(claimed.len(), 199);
    });
}

#[test]
fn a_claimed_address_answers_and_is_told_from_others() {
    on_a_segment(async |peer| {
        let mut links = Links::connect().unwrap();
        let eth0 = links.interface("eth0").await.unwrap();
        for (text, alone) in [("10.9.0.100", "10.9.0.100/32"), ("fd09::100", "fd09::100/128")] {
            let service = address(text);
            assert_eq!(claim(&mut links, eth0.ifindex, service).await, Claim::Added);
            assert_eq!(claim(&mut links, eth0.ifindex, service).await, Claim::Held);
            let shown = ip("address show dev eth0");
            let line = shown.lines().find(|line| line.contains(alone)).expect("it is there");
            assert!(!line.contains("tentative"), "{line}");

            // The peer's kernel resolves it; over IPv6 only once its own link-local address is ready.
            peer.run(move || {
                let began = Instant::now();
                while !ip(&format!("neighbour show {text}")).contains("02:00:00:00:00:01") {
                    assert!(began.elapsed() < PATIENCE, "{text} does not answer");
                    ip(&format!("neighbour replace {text} dev eth0 nud none use"));
                    thread::sleep(Duration::from_millis(200));
                }
            });
            let eth0 = links.interface("eth0").await.unwrap();
            let claimed = eth0.addresses.iter().filter(|a| a.claimed);
            assert_eq!(claimed.map(|a| a.network.addr()).collect::<Vec<_>>(), [service]);
            let own = address(if service.is_ipv6() { "fd09::1" } else { "10.9.0.1" });
            assert_eq!(eth0.own_address(service.is_ipv6()), Some(own));

            assert!(links.release(eth0.ifindex, service).await.unwrap());
            assert!(!links.release(eth0.ifindex, service).await.unwrap());
            assert!(!ip("address show dev eth0").contains(text));

            ip(&format!("address add {alone} dev eth0"));
            assert_eq!(claim(&mut links, eth0.ifindex, service).await, Claim::Foreign);
            assert!(links.release(eth0.ifindex, service).await.unwrap());
        }
    });
}

/// The longest matching prefix would otherwise win, and that is the service's own /128.
#[test]
fn a_claimed_ipv6_address_is_no_source_of_our_own_packets() {
    on_a_segment(async |_peer| {
        let mut links = Links::connect().unwrap();
        let ifindex = links.interface("eth0").await.unwrap().ifindex;
        let source = || ip("route get fd09::101").split_once("src ").unwrap().1.starts_with("fd09::1 ");
        ip("address add fd09::100/128 dev eth0 nodad");
        assert!(!source(), "the kernel prefers it when it is added by hand");
        links.release(ifindex, address("fd09::100")).await.unwrap();
        claim(&mut links, ifindex, address("fd09::100")).await;
        assert!(source());
    });
}
