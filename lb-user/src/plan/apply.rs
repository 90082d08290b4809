//! Carries out a plan's steps.

use anyhow::Result;
use lb_common::state::Health;

use super::Step;
use crate::dataplane::Dataplane;

/// Applies one step.
///
/// # Errors
/// A table is full or a system call failed; earlier steps stay applied, and what they lead to is a
/// consistent state (see the module's text).
pub fn apply(step: &Step, dataplane: &mut impl Dataplane) -> Result<()> {
    match step {
        Step::SetSources(sources) => dataplane.set_sources(sources),
        Step::SetTunnels(tunnels) => dataplane.set_tunnels(tunnels),
        Step::AddBackends(new) => dataplane.add_backends(new),
        // Address, port and generation stay: a packet in between gets one next hop or the other, or
        // at worst an Ethernet address of both, and is sent again.
        Step::ChangeBackend { id, recipe } => dataplane.set_backend(*id, recipe),
        Step::SetHealth { id, health } => dataplane.set_health(*id, *health),
        Step::AddList { number, list } => dataplane.add_list(*number, list),
        Step::RemoveLists(lists) => dataplane.remove_lists(lists),
        Step::AddMasks(masks) => dataplane.add_masks(masks),
        Step::RemoveMasks(masks) => dataplane.remove_masks(masks),
        Step::SetMember { key, id } => dataplane.set_member(key, *id),
        Step::RemoveMember { key } => dataplane.remove_member(key),
        Step::ResetAudit { service } => dataplane.reset_audit(*service),
        Step::PutService { key, entry, table } => {
            if let Some(table) = table {
                dataplane.set_slots(entry.slots_base, table)?;
            }
            dataplane.set_service(key, entry)
        }
        Step::SetCidConfig { index, config } => dataplane.set_cid_config(*index, config),
        Step::SetServer { key, home } => dataplane.set_server(key, *home),
        Step::RemoveServer { key } => dataplane.remove_server(key),
        Step::RemoveService { key } => dataplane.remove_service(key),
        Step::RemoveBackend { id } => dataplane.set_health(*id, Health::Absent),
    }
}
