//! Which service a packet is for.

use crate::{
    net::{Address, Ip},
    packet::Packet,
    state::{AddressBit, Service, ServiceKey},
    tables::Tables,
};

/// What a client's packet calls.
#[inline(always)]
pub fn called<A: Address>(packet: &Packet<A>) -> ServiceKey {
    let to = packet.destination;
    ServiceKey::new(to.address.widen(), to.port, packet.protocol)
}

/// May this be the address of a service? If not, it certainly isn't one. A look at one bit, where [`has_address`] takes
/// 10 ns.
#[inline(always)]
pub fn may_have_address<T: Tables>(tables: &T, address: Ip) -> bool {
    let bit = AddressBit::of(tables.settings(), address);
    tables.addresses(bit.index) & bit.mask != 0
}

/// Is this the address of a service?
// Not inlined: its key is off the stack again when deeper calls need the room.
#[inline(never)]
pub fn has_address<T: Tables>(tables: &T, address: &Ip) -> bool {
    tables.service(&ServiceKey::any_port(*address)).is_some()
}

/// The service at `called`: that of this very port, else that of all ports. `called` is the key of the entry
/// that was found by then.
#[inline(always)]
pub fn find<'t, T: Tables>(tables: &'t T, called: &mut ServiceKey) -> Option<T::Ref<'t, Service>> {
    if let Some(service) = tables.service(called) {
        return Some(service);
    }
    *called = called.of_all_ports();
    tables.service(called)
}
