//! What happens to both worlds: the daemon writes, time goes by, a frame comes in.

use lb_common::{
    net::Mac,
    state::{Backend, Health},
};

use super::super::table::{Side, Site, Which, World, tunnel::tunnels};

/// One step of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The daemon writes to the tables, or the driver is another.
    Change(Change),
    /// Ticks go by.
    Wait(u32),
    /// A frame comes in.
    Packet(Vec<u8>, Side),
}

/// A change of the tables, or around them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A backend's state.
    Health(Site, Which, Health),
    /// A service's slots.
    Slots(Site, [Which; 2]),
    /// A backend's index is another server's from now on; the number is added to its generation.
    Replace(Site, Which, u32),
    /// A backend's next hop is lost, or found.
    NextHop(Site, Which, bool),
    /// A service is removed, or put back.
    Service(Site, bool),
    /// A service has this access list from now on ([`super::lists`]).
    Access(Site, u32),
    /// The sessions of all strangers are evicted.
    Evict,
    /// The largest outer packet of all tunnels has so many bytes.
    Mtu(u32),
    /// Drivers leave so many bytes before a frame.
    Headroom(usize),
}

impl Change {
    /// Makes it.
    pub fn apply(self, world: &mut dyn World) {
        match self {
            Self::Health(site, which, health) => world.set_health(site.id(which), health),
            Self::Slots(site, owners) => {
                world.set_slots(site.slots_base(), &owners.map(|which| site.id(which).0));
            }
            Self::Replace(site, which, more) => {
                let recipe = site.recipe(world, which);
                let recipe = Backend { generation: recipe.generation + more, ..recipe };
                world.set_backend(site.id(which), &recipe);
            }
            Self::NextHop(site, which, found) => {
                let mut recipe = site.recipe(world, which);
                if !found {
                    recipe.target_mac = Mac::default();
                }
                world.set_backend(site.id(which), &recipe);
            }
            Self::Service(site, true) => site.open(world),
            Self::Service(site, false) => site.close(world),
            Self::Access(site, access) => Site { access, ..site }.open(world),
            Self::Evict => world.evict(),
            Self::Mtu(mtu) => world.set_tunnels(&tunnels(mtu)),
            Self::Headroom(bytes) => world.set_headroom(bytes),
        }
    }
}
