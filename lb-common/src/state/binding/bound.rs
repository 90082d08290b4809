//! What a binding says: both ends of a connection, as six words.

use crate::{
    net::{Be16, Ip, Mac},
    state::BackendId,
};

/// The connection behind a source port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The client's address.
    pub client: Ip,
    /// The client's port.
    pub client_port: Be16,
    /// The service's port that the client called.
    pub called: Be16,
    /// Transport protocol.
    pub protocol: u8,
    /// The backend.
    pub backend: BackendId,
    /// Index in `SOURCES` of our address in it; 0 where the client's address is kept.
    pub source: u8,
    /// The backend's generation when the connection was made.
    pub generation: u32,
    /// Interface that the client's packets come in by; this and the addresses below are those of the last time that
    /// [`crate::stage::flow`] looked.
    pub ifindex: u32,
    /// Ethernet address that they come from: the last hop.
    pub client_mac: Mac,
    /// Ethernet address that they come to: ours.
    pub local_mac: Mac,
}

impl Bound {
    /// Is it the connection of this client to this backend? Others of the client may have the port: backends
    /// share lanes.
    #[inline(always)]
    pub fn is_of(&self, backend: BackendId, client: Ip, port: Be16) -> bool {
        self.client == client && self.client_port == port && self.backend == backend
    }

    #[inline(always)]
    pub(super) fn words(&self) -> [u64; 6] {
        let Self {
            client,
            client_port,
            called,
            protocol,
            backend,
            source,
            generation,
            ifindex,
            client_mac,
            local_mac,
        } = *self;
        let [high, low] = client.words();
        [
            high,
            low,
            u64::from(backend.0) | u64::from(generation) << 32,
            u64::from(ifindex)
                | u64::from(protocol) << 32
                | u64::from(source) << 40
                | u64::from(called.raw()) << 48,
            client_mac.raw() | u64::from(client_port.raw()) << 48,
            local_mac.raw(),
        ]
    }

    #[inline(always)]
    pub(super) fn from_words(words: &[u64; 6]) -> Self {
        let [a, b, c, d, e, f] = *words;
        Self {
            client: Ip::from_words([a, b]),
            client_port: Be16::from_raw((e >> 48) as u16),
            called: Be16::from_raw((d >> 48) as u16),
            protocol: (d >> 32) as u8,
            backend: BackendId(c as u32),
            source: (d >> 40) as u8,
            generation: (c >> 32) as u32,
            ifindex: d as u32,
            client_mac: Mac::from_raw(e),
            local_mac: Mac::from_raw(f),
        }
    }
}

/// Odd random multipliers, one for each word: the products don't wait for each other.
const FOLD: [u64; 6] = [
    0xff51_afd7_ed55_8ccd,
    0xc4ce_b9fe_1a85_ec53,
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
];

/// The guard over a connection's words: never zero, so that an all-zero entry is not valid.
#[inline(always)]
pub(super) const fn fold(words: &[u64; 6]) -> u64 {
    let mut sum = 0u64;
    let mut at = 0;
    while at < words.len() {
        sum = sum.wrapping_add(words[at].wrapping_mul(FOLD[at]));
        at += 1;
    }
    sum | 1
}
