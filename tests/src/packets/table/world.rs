//! Where rows run: what the host engine and the kernel have in common.

use lb_common::{
    net::Ip,
    reason::Reason,
    settings::KEY_WORDS,
    state::{
        AccessKey, Admission, Audit, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey,
        Service, ServiceKey, Traffic, Tunnel,
    },
};

/// The hash key of every world.
pub const KEY: [u32; KEY_WORDS] = [
    0x243f_6a88,
    0x85a3_08d3,
    0x1319_8a2e,
    0x0370_7344,
    0xa409_3822,
    0x299f_31d0,
    0x082e_fa98,
    0xec4e_6c89,
    0x4528_21e6,
    0x38d0_1377,
    0xbe54_66cf,
    0x34e9_0c6c,
];

/// Entries of `BACKENDS`: two for each of the sites there may be at once, and the first, which is nobody's.
pub const IDS: u32 = 48;

/// Bytes before a frame that a test run leaves to the program: `XDP_PACKET_HEADROOM`, less what the kernel keeps there
/// itself (`struct xdp_frame`).
pub const HEADROOM: usize = 256 - 40;

/// Sizes of the tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Geometry {
    /// `FLOWS` buckets, a power of two.
    pub buckets: u32,
    /// Entries of `PINS`.
    pub pins: u32,
    /// First and last source port.
    pub ports: (u16, u16),
    /// `FRAGMENTS` buckets, a power of two.
    pub fragments: u32,
    /// New connections stored in a second.
    pub new_flows: u32,
    /// New pins in a second of clients that can't be verified.
    pub new_pins: u32,
}

impl Geometry {
    /// Room for everything that a row does.
    pub const ROOMY: Self = Self {
        buckets: 4096,
        pins: 1024,
        ports: (1024, 9215),
        fragments: 512,
        new_flows: 1 << 20,
        new_pins: 1 << 20,
    };
}

/// An interface, by what is behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Clients and backend A.
    Outside,
    /// Backend B.
    Inside,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `XDP_PASS`.
    Pass,
    /// `XDP_DROP`.
    Drop,
    /// `XDP_TX`: out by the interface it came in by.
    Tx,
    /// `XDP_REDIRECT`; to this side, where the world can tell.
    Redirect(Option<Side>),
}

/// A frame after the program ran.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// Its fate.
    pub action: Action,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Tables that can be filled, a packet path that can be run, figures that can be read.
pub trait World {
    /// Replaces a backend's recipe.
    fn set_backend(&mut self, id: BackendId, backend: &Backend);
    /// Sets a backend's state.
    fn set_health(&mut self, id: BackendId, health: Health);
    /// Writes slots.
    fn set_slots(&mut self, base: u32, slots: &[u32]);
    /// Adds or replaces a service.
    fn set_service(&mut self, key: &ServiceKey, service: &Service);
    /// Removes a service.
    fn remove_service(&mut self, key: &ServiceKey);
    /// Writes an access list.
    fn add_list(&mut self, number: u32, rules: &[(AccessKey, Admission)]);
    /// Writes a list of masks.
    fn set_masks(&mut self, masks: &[(AccessKey, u32)]);
    /// Writes a backend's load: its sessions, their bound, its weight.
    fn set_load(&mut self, id: BackendId, sessions: u64, limit: u32, weight: u32);
    /// Says which backends are one server to a group.
    fn set_member(&mut self, key: &MemberKey, id: BackendId);
    /// Evicts the sessions of all strangers.
    fn evict(&mut self);
    /// Says how connection ids are read.
    fn set_cid_config(&mut self, index: u32, config: &CidConfig);
    /// Says whose a server id is.
    fn set_server(&mut self, key: &ServerKey, home: ServerHome);
    /// Writes the source addresses.
    fn set_sources(&mut self, sources: &[Ip]);
    /// Writes what tunnelled packets are wrapped in.
    fn set_tunnels(&mut self, tunnels: &[Tunnel; 2]);

    /// Says how many bytes drivers leave before a frame: [`HEADROOM`] at most.
    fn set_headroom(&mut self, bytes: usize);

    /// Index of an interface.
    fn ifindex(&self, side: Side) -> u32;
    /// A generation that no earlier row has used, nor any of the seven after it.
    fn generation(&self) -> u32;
    /// Lets this many ticks go by.
    fn wait(&mut self, ticks: u32);

    /// Runs the packet path on a frame that comes in by `side`.
    fn run(&mut self, frame: &[u8], side: Side) -> Ran;
    /// All counters, in the order of [`Reason::ALL`].
    fn reasons(&self) -> Vec<(Reason, u64)>;
    /// A service's promises, kept and broken, by its number.
    fn audit(&self, service: u32) -> Audit;
    /// A backend's figures.
    fn traffic(&self, id: BackendId) -> Traffic;
}
