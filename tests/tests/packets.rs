//! The packet table in the kernel. The same rows run on the host engine: `lb-common/tests/packets.rs`.

use std::{collections::BTreeMap, fs};

use limpet_tests::packets::{
    kernel::{Kernel, PATIENCE, pin_to, test_run},
    table::{A, ACK, Action, Conn, Geometry, Row, Side, Site, Step, World as _, check, rows},
};

/// Rows with longer waits than this are the host engine's alone: its clock can be set.
fn takes_too_long(row: &Row) -> bool {
    row.steps.iter().any(|step| matches!(step, Step::Wait(ticks) if *ticks > PATIENCE))
}

#[test]
fn every_row_in_the_kernel() {
    pin_to(0);
    let mut by_geometry: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    let (mut skipped, mut failures) = (Vec::new(), Vec::new());
    for row in rows::all() {
        if takes_too_long(&row) {
            skipped.push(row.name);
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
    // Waits of minutes are the only reason to leave a row out.
    assert_eq!(
        skipped,
        [
            "a datagram flow that was silent for 3 minutes is over",
            "a source port is free again 4 ticks after it was reset",
            "a source port is free again 4 ticks after it was closed by both sides",
            "a source port is free again 112 ticks after it was closed by one side",
            "a source port is free again 6800 ticks after it was used by both sides",
        ]
    );
}

/// A packet whose headers are directly accessible and whose payload lies in further buffers, as jumbo
/// frames come from drivers.
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

/// Says so if not: a test run takes a first buffer shorter than a page since Linux 6.18.
fn makes_short_first_buffers() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("every Linux has it");
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 18) {
        eprintln!("SKIPPED: needs Linux 6.18 for packets in several small buffers, this is {release}");
    }
    version >= (6, 18)
}
