//! What fuzzing found (`cargo xtask fuzz`), as it printed it: frames by bytes, made as small and empty as they
//! could be. Each row says what should happen, and for which fault that once was not so.

use lb_common::{reason::Reason, state::Forwarding};

use super::super::{Family, Fate, Frame, Row, Side, Site};

pub(super) fn rows() -> Vec<Row> {
    vec![one_byte_short(), longer_than_its_frame(), fate_counted_once()]
}

fn hex(digits: &str) -> Frame {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hexadecimal digits");
    Frame::Raw((0..digits.len()).step_by(2).map(byte).collect())
}

/// With a length check that was off by one, put in on purpose.
fn one_byte_short() -> Row {
    let site4 = Site { number: 4, ..Site::new(Family::V4, true, Forwarding::NatPreserve) };
    let frame = "000000000000000000000000080046000044000000000011000000000000c000020e000000000000000000000000000000000000\
                 0000000000000000000000000000000000000000000000000000000000";
    Row::new("found: a frame with an IPv4 option that ends one byte before its packet does")
        .proves("packet-cut")
        .at(site4)
        .comes(Side::Outside, hex(frame), Fate::Ends { reason: Reason::Malformed }, &[])
}

/// Without a length check, put out on purpose.
fn longer_than_its_frame() -> Row {
    let site3 = Site { number: 3, ..Site::new(Family::V4, true, Forwarding::Nat) };
    let frame = "00000000000000000000000008004500ad00000000000011000000000000c000020d0000005000000000";
    Row::new("found: a UDP header alone, of a packet that claims to be long")
        .proves("packet-cut")
        .at(site3)
        .comes(Side::Outside, hex(frame), Fate::Ends { reason: Reason::Malformed }, &[])
}

/// With a second count, put in on purpose.
fn fate_counted_once() -> Row {
    let site0 = Site::WEB;
    let frame = "000000000000000000000000080000000000000000000000000000000000c000020a";
    Row::new("found: nothing but an address, counted once").proves("v4-version").at(site0).comes(
        Side::Outside,
        hex(frame),
        Fate::Ends { reason: Reason::Malformed },
        &[],
    )
}
