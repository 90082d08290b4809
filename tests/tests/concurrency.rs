//! Two CPUs run the packet program on the packets of two services at once, and fight over the same
//! bucket and ports: no packet ever goes to a backend, or a client, of the other.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use lb_common::{
    net::Mac,
    reason::Reason,
    state::{Forwarding, Traffic},
};
use limpet_tests::packets::{
    kernel::{Kernel, pin_to},
    run::test_run,
    table::{A, ACK, Action, Conn, Datagram, Family, Geometry, SYN, Side, Site, World as _},
};

/// All flows in one bucket of four ways.
const GEOMETRY: Geometry = Geometry { buckets: 1, ..Geometry::ROOMY };

/// A service for each CPU. What the two have in common is the table.
fn sites(forwarding: Forwarding) -> [Site; 2] {
    [0, 1].map(|number| Site {
        number,
        prefix: None,
        scope: u64::from(number) + 1,
        ..Site::new(Family::V4, false, forwarding)
    })
}

/// The next hop of a site's backends.
fn next_hop(site: Site) -> [u8; 6] {
    [2, 0, 0, 0, 0x77, site.number]
}

/// Installs both, with next hops of their own.
fn install(kernel: &mut Kernel, sites: [Site; 2]) {
    for site in sites {
        site.install(kernel);
        let recipe = site.recipe(kernel, A);
        kernel.set_backend(
            site.id(A),
            &lb_common::state::Backend { target_mac: Mac::from_bytes(next_hop(site)), ..recipe },
        );
    }
}

/// A connection of one of the site's own clients.
fn conn(site: Site, number: usize) -> Conn {
    let client = format!("198.51.{}.{}", 100 + site.number, number % 200);
    Conn { port: 20_000 + number as u16, taken: 0, ..site.conn(0).by(&client) }
}

/// Runs `work` for each site on a CPU of its own, at the same time.
fn on_two_cpus(sites: [Site; 2], work: impl Fn(Site) + Sync) {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for (cpu, site) in sites.into_iter().enumerate() {
            let (work, start) = (&work, &start);
            scope.spawn(move || {
                pin_to(cpu);
                start.wait();
                work(site);
            });
        }
    });
}

/// The flow's guard: without it, an entry half of one connection and half of another leads packets of
/// one service to the other's backend.
#[test]
fn flows_of_two_services_in_one_bucket() {
    const CONNECTIONS: usize = 64;
    // The second packet of a connection meets what the first has entered, and renews it.
    const PACKETS: usize = 3;
    const ROUNDS: usize = 200_000;
    let mut kernel = Kernel::new(GEOMETRY);
    let sites = sites(Forwarding::Dsr);
    install(&mut kernel, sites);
    let outside = kernel.ifindex(Side::Outside);

    let xdp = kernel.xdp();
    on_two_cpus(sites, |site| {
        let frames: Vec<_> = (0..CONNECTIONS).map(|number| conn(site, number).data().build(&[])).collect();
        for round in 0..ROUNDS {
            let frame = &frames[round / PACKETS % CONNECTIONS];
            let ran = test_run(xdp, frame, outside, frame.len());
            assert_eq!(ran.action, Action::Tx);
            assert_eq!(ran.bytes[..6], next_hop(site), "a packet of site {}", site.number);
        }
    });

    for site in sites {
        let Traffic { packets, .. } = kernel.traffic(site.id(A));
        assert_eq!(packets, ROUNDS as u64, "site {}", site.number);
    }
    let displaced = count(&kernel, Reason::FlowDisplacedStranger);
    assert!(displaced > 1_000, "they hardly met: {displaced} flows were displaced");
}

/// New connections of two services take ports of one small range side by side, and every reply finds
/// its own client.
#[test]
fn ports_of_two_services_in_one_range() {
    let geometry = Geometry { ports: (2000, 2999), ..Geometry::ROOMY };
    let range = 1000;
    let mut kernel = Kernel::new(geometry);
    let sites = sites(Forwarding::Nat);
    install(&mut kernel, sites);
    let outside = kernel.ifindex(Side::Outside);

    let lost = AtomicU64::new(0);
    let xdp = kernel.xdp();
    on_two_cpus(sites, |site| {
        let mut open: Vec<(Conn, [u16; 1])> = Vec::new();
        for number in 0..range {
            let conn = conn(site, number);
            let ran = run(xdp, &conn.says(SYN, b""), &[], outside);
            if ran.action == Action::Drop {
                // All ports that were looked at are taken, by both together.
                continue;
            }
            let taken = [u16::from_be_bytes([ran.bytes[34], ran.bytes[35]])];
            let mut expected = conn.forwarded(A, conn.says(SYN, b""));
            expected.to_mac = next_hop(site);
            assert_eq!(ran.bytes, expected.build(&taken), "the SYN of {conn:?}");
            // Until it is proven, the other CPU's connection may have its port. Then it is nobody's answer.
            let answer = conn.answer(A);
            let ran = run(xdp, &answer, &taken, outside);
            if ran.action == Action::Pass {
                lost.fetch_add(1, Relaxed);
                continue;
            }
            assert_eq!(ran.bytes, conn.returned(answer).build(&taken), "the answer to {conn:?}");
            let mut expected = conn.forwarded(A, conn.data());
            expected.to_mac = next_hop(site);
            let ran = run(xdp, &conn.data(), &[], outside);
            if ran.bytes != expected.build(&taken) {
                lost.fetch_add(1, Relaxed);
                continue;
            }
            open.push((conn, taken));
            // An earlier one's answer, while the other CPU writes beside it.
            let (conn, taken) = open[open.len() / 2];
            let answer = conn.answers(A, ACK, b"more");
            let ran = run(xdp, &answer, &taken, outside);
            assert_eq!(ran.action, Action::Tx, "the answer to {conn:?}");
            assert_eq!(ran.bytes, conn.returned(answer).build(&taken), "the answer to {conn:?}");
        }
        assert!(open.len() > range / 20, "site {} got {} ports", site.number, open.len());
    });
    let lost = lost.into_inner();
    assert!(lost <= count(&kernel, Reason::PortDisplacedStranger), "{lost} lost their port to nobody");
    let (opened, refused) = (count(&kernel, Reason::FlowNew), count(&kernel, Reason::NoSourcePort));
    assert!((2 * range as u64..=2 * range as u64 + lost).contains(&(opened + refused)));
    assert!(opened > range as u64 / 2 && opened <= range as u64 + 2 * lost, "{opened} on {range} ports");
}

fn run(
    xdp: &aya::programs::Xdp,
    datagram: &Datagram,
    taken: &[u16],
    ingress: u32,
) -> limpet_tests::packets::table::Ran {
    let frame = datagram.build(taken);
    test_run(xdp, &frame, ingress, frame.len())
}

fn count(kernel: &Kernel, reason: Reason) -> u64 {
    kernel.reasons()[reason as usize].1
}
