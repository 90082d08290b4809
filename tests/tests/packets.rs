//! The packet table in the kernel. The same rows run on the host engine: `lb-common/tests/packets`.

use std::collections::BTreeMap;

use limpet_tests::packets::{
    kernel::{Kernel, makes_short_first_buffers, pin_to, test_run, tick},
    table::{A, ACK, Action, Conn, Geometry, Row, Side, Site, Step, World as _, check, rows},
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
        let conn = Conn { port: 500, ..site.conn(0) };
        let datagram = conn.says(ACK, &vec![0x5a; 8000]);
        let frame = datagram.build(&[]);
        let headers = frame.len() - 8000;
        let ingress = kernel.ifindex(Side::Outside);
        let ran = test_run(kernel.xdp(), &frame, ingress, headers);
        assert_eq!(ran.action, Action::Tx, "{site:?}");
        let sent = etherparse::SlicedPacket::from_ethernet(&ran.bytes).expect("a packet");
        let taken = match sent.transport {
            Some(etherparse::TransportSlice::Tcp(tcp)) => tcp.source_port(),
            Some(etherparse::TransportSlice::Udp(udp)) => udp.source_port(),
            other => panic!("{other:?}"),
        };
        assert_eq!(ran.bytes, conn.forwarded(A, datagram).build(&[taken]), "{site:?}");
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
