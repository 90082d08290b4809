//! The packet table in the kernel. The same rows run on the host engine: `lb-common/tests/packets`.

use std::collections::{BTreeMap, BTreeSet};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_common::{
    reason::Reason,
    state::{Forwarding, Meter, SessionKey},
    tables::Store,
};
use limpet_tests::packets::{
    kernel::{Kernel, next_tick, pin_to, tick},
    run::{makes_short_first_buffers, test_run},
    table::{
        A, ACK, Action, Conn, Family, Frame, Geometry, Host, Row, Side, Site, Step, World, check, rows,
        tunnel::{self, Entropy},
    },
};

/// Time goes by as stamps are moved back, which they can't be beyond the machine's start.
fn waits_too_long(row: &Row) -> bool {
    let waits = row.steps.iter().map(|step| if let Step::Wait(ticks) = step { *ticks } else { 0 });
    waits.sum::<u32>() >= tick().0
}

#[test]
fn every_row_in_the_kernel() {
    pin_to(0);
    let mut by_geometry: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    let mut failures = Vec::new();
    for row in rows::all() {
        if waits_too_long(&row) {
            eprintln!("SKIPPED until the machine has run for longer, at most 2 h 5 min: {}", row.name);
        } else {
            by_geometry.entry(row.geometry).or_default().push(row);
        }
    }
    for (geometry, rows) in by_geometry {
        let mut kernel = Kernel::new(geometry);
        for row in rows {
            kernel.begin_row();
            failures.extend(check(&row, &mut kernel).err());
        }
    }
    assert!(failures.is_empty(), "{} rows:\n{}", failures.len(), failures.join("\n"));
}

/// A packet whose headers are directly accessible and whose payload lies in further buffers, as jumbo
/// frames come from drivers. Proves `far-payload`.
#[test]
fn payload_in_further_buffers() {
    if !makes_short_first_buffers() {
        return;
    }
    pin_to(0);
    let mut kernel = Kernel::new(Geometry::ROOMY);
    for site in rows::sites() {
        kernel.begin_row();
        site.install(&mut kernel);
        kernel.set_tunnels(&tunnel::tunnels(9000));
        let conn = Conn { port: 500, ..site.conn(0) };
        let datagram = conn.says(ACK, &vec![0x5a; 8000]);
        let frame = datagram.build(&[]);
        let headers = frame.len() - 8000;
        let ingress = kernel.ifindex(Side::Outside);
        let ran = test_run(kernel.xdp(), &frame, ingress, headers);
        assert_eq!(ran.action, Action::Tx, "{site:?}");
        if site.forwarding.is_tunnel() {
            let Frame::Wrapped(wrapped) = conn.leaving(A, datagram) else { panic!("{site:?}") };
            assert_eq!(ran.bytes, wrapped.build(Entropy::of(&ran.bytes).unwrap()), "{site:?}");
            continue;
        }
        let sent = etherparse::SlicedPacket::from_ethernet(&ran.bytes).expect("a packet");
        let taken = match sent.transport {
            Some(etherparse::TransportSlice::Tcp(tcp)) => tcp.source_port(),
            Some(etherparse::TransportSlice::Udp(udp)) => udp.source_port(),
            other => panic!("{other:?}"),
        };
        assert_eq!(ran.bytes, conn.forwarded(A, datagram).build(&[taken]), "{site:?}");
    }
}

/// One that is too big for its tunnel is answered; of what lies in further buffers nothing is quoted.
/// Proves `too-big-far`.
#[test]
fn too_big_in_further_buffers() {
    if !makes_short_first_buffers() {
        return;
    }
    pin_to(0);
    let mut kernel = Kernel::new(Geometry::ROOMY);
    for site in rows::sites().filter(|site| site.forwarding.is_tunnel()) {
        kernel.begin_row();
        site.install(&mut kernel);
        let frame = site.conn(0).says(ACK, &vec![0x5a; 8000]).build(&[]);
        let (ingress, headers) = (kernel.ifindex(Side::Outside), frame.len() - 8000);
        let header = if site.family == Family::V4 { 20 } else { 40 };
        for (linear, quoted) in [(2000, if header == 20 { 548 } else { 1232 }), (headers, header + 8)] {
            let ran = test_run(kernel.xdp(), &frame, ingress, linear);
            assert_eq!(ran.action, Action::Tx, "{site:?}");
            let (answer, quote) = ran.bytes.split_at(14 + header + 8);
            assert_eq!(quote, &frame[14..][..quoted], "{site:?}");
            // etherparse checks the header's sum as it reads; the message's is over it and the quote.
            let sliced = SlicedPacket::from_ethernet(&ran.bytes).expect("a packet");
            let sum = match sliced.transport {
                Some(TransportSlice::Icmpv4(icmp)) => icmp.icmp_type().calc_checksum(icmp.payload()),
                Some(TransportSlice::Icmpv6(icmp)) => {
                    let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("{site:?}") };
                    let (from, to) = (ip.header().source(), ip.header().destination());
                    icmp.icmp_type().calc_checksum(from, to, icmp.payload()).unwrap()
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(answer[14 + header + 2..][..2], sum.to_be_bytes(), "{site:?}");
        }
    }
}

/// Routers and network cards that spread packets by outer headers find something to spread them by.
#[test]
fn flows_differ_in_their_outer_headers() {
    for site in rows::sites().filter(|site| site.forwarding.is_tunnel()) {
        let mut host = Host::new(Geometry::ROOMY);
        site.install(&mut host);
        let entropy = |port| {
            let ran = host.run(&Conn { port, ..site.conn(0) }.first().build(&[]), Side::Outside);
            format!("{:?}", Entropy::of(&ran.bytes).unwrap())
        };
        let different: BTreeSet<_> = (2000..3000).map(entropy).collect();
        // A thousand balls in 16,384 bins: 970 are hit. IPv4 in IPv4 has nothing but the address, and that is one.
        let least = if site.forwarding == Forwarding::Ipip && site.outer == Family::V4 { 1 } else { 950 };
        assert!(different.len() >= least, "{}: {}", site.name(), different.len());
    }
}

/// A CPU answers so many packets in a tick; the others are dropped as they were.
#[test]
fn answers_are_rationed() {
    pin_to(0);
    ration(&mut Host::new(Geometry::ROOMY));
    let mut kernel = Kernel::new(Geometry::ROOMY);
    kernel.begin_row();
    // Whatever was counted in this tick was another's.
    kernel.wait(1);
    ration(&mut kernel);
}

fn ration(world: &mut dyn World) {
    let site = Site::new(Family::V4, false, Forwarding::Ipip);
    site.install(world);
    let frame = site.conn(0).says(ACK, &[7; 1500]).build(&[]);
    for _tick in 0..2 {
        let before = world.reasons();
        for number in 0..Meter::MOST + 10 {
            let ran = world.run(&frame, Side::Outside);
            let answered = number < Meter::MOST;
            assert_eq!(ran.action, if answered { Action::Tx } else { Action::Drop }, "{number}");
            assert_eq!(ran.bytes == frame, !answered, "{number}");
        }
        let counted = |reason: Reason| world.reasons()[reason as usize].1 - before[reason as usize].1;
        assert_eq!(counted(Reason::TooBigAnswered), u64::from(Meter::MOST));
        assert_eq!(counted(Reason::TooBig), 10);
        world.wait(1);
    }
}

/// A packet whose headers are not wholly accessible is dropped where it is a service's and passed
/// where it is not; a reply, which can't be told from the host's own then, passes. All as they were.
/// Proves `far-headers`.
#[test]
fn headers_in_further_buffers() {
    if !makes_short_first_buffers() {
        return;
    }
    pin_to(0);
    let mut kernel = Kernel::new(Geometry::ROOMY);
    let (outside, site) = (kernel.ifindex(Side::Outside), Site::WEB);
    kernel.begin_row();
    site.install(&mut kernel);
    let conn = site.conn(0);
    let opened = kernel.run(&conn.first().build(&[]), Side::Outside);
    let taken = [u16::from_be_bytes([opened.bytes[34], opened.bytes[35]])];
    assert_eq!(opened.bytes, conn.forwarded(A, conn.first()).build(&taken));

    let (ask, answer) = (conn.data().build(&[]), conn.answers(A, ACK, b"an answer").build(&taken));
    // The IPv4 header ends at 34, the TCP checksum at 52.
    for linear in 14..=54 {
        let asked = test_run(kernel.xdp(), &ask, outside, linear);
        let answered = test_run(kernel.xdp(), &answer, outside, linear);
        match linear {
            0..34 => assert_eq!((asked.action, answered.action), (Action::Pass, Action::Pass), "{linear}"),
            34..52 => assert_eq!((asked.action, answered.action), (Action::Drop, Action::Pass), "{linear}"),
            _ => assert_eq!((asked.action, answered.action), (Action::Tx, Action::Tx), "{linear}"),
        }
        if linear < 52 {
            assert!(asked.bytes == ask && answered.bytes == answer, "{linear}: rewritten in part");
        }
    }
}

/// The packet program counts jiffies, the daemon reads `CLOCK_MONOTONIC_COARSE`: what the one stores must be the
/// other's moment, whatever time it is.
#[test]
fn the_clock_is_the_daemons() {
    pin_to(0);
    let mut kernel = Kernel::new(Geometry::ROOMY);
    let site = Site { udp: true, ..Site::WEB };
    site.install(&mut kernel);
    let ingress = kernel.ifindex(Side::Outside);
    let key = SessionKey { scope: site.scope, client: site.conn(0).client.into() };
    for _ in 0..2 {
        next_tick();
        let frame = site.conn(0).first().build(&[]);
        assert_eq!(test_run(kernel.xdp(), &frame, ingress, frame.len()).action, Action::Tx);
        let stored = kernel.program.kernel.sessions.get(Store::Affinity, &key).expect("can be read");
        assert_eq!(stored.expect("is stored").seen, tick());
    }
}
