//! Who may use a service.

use crate::{net::Ip, state::Service, tables::Tables};

/// May `client` use the service? One without a list is open to everybody.
#[inline(always)]
pub fn admits<T: Tables>(tables: &T, service: &Service, client: Ip) -> bool {
    service.access == 0 || listed(tables, service.access, client)
}

// Not inlined: the key would lie below the locals of whatever follows.
#[inline(never)]
fn listed<T: Tables>(tables: &T, list: u32, client: Ip) -> bool {
    tables.allows(list, client)
}
