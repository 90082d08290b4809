//! Congestion marks (RFC 3168) when a packet leaves its tunnel.

/// Not ECN-capable transport.
const NOT_ECT: u8 = 0b00;
/// ECN-capable transport.
const ECT_1: u8 = 0b01;
/// ECN-capable transport.
const ECT_0: u8 = 0b10;
/// Congestion experienced.
const CE: u8 = 0b11;

/// The mark that the inner packet goes on with; `None`: it must be dropped, as its ends would not
/// understand that there was congestion on the way (RFC 6040 section 4.2, figure 4).
#[inline(always)]
pub const fn combine(inner: u8, outer: u8) -> Option<u8> {
    match (inner, outer) {
        (NOT_ECT, CE) => None,
        (NOT_ECT | CE, _) => Some(inner),
        (_, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        _ => Some(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_table_of_rfc_6040_says() {
        // Columns: Not-ECT, ECT(0), ECT(1), CE outside.
        let rows = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, expected) in rows {
            let combined = [NOT_ECT, ECT_0, ECT_1, CE].map(|outer| combine(inner, outer));
            assert_eq!(combined, expected, "inner {inner:#04b}");
        }
    }
}
