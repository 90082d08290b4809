//! The double: plans are applied to the host engine's tables.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use lb_common::{
    host::HostTables,
    net::Ip,
    state::{
        AccessKey, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey, Service,
        ServiceKey, Tunnel,
    },
};

use super::{Dataplane, NewBackend};
use crate::access::AccessList;

impl Dataplane for HostTables {
    fn add_backends(&mut self, new: &[NewBackend]) -> Result<()> {
        for NewBackend { id, recipe, health, .. } in new {
            self.set_health(*id, Health::Absent)?;
            self.traffic.borrow_mut().remove(id);
            if let Some(load) = self.loads.get(id.0 as usize) {
                load.set_sessions(0);
            }
            self.set_backend(*id, recipe)?;
            self.set_health(*id, *health)?;
        }
        Ok(())
    }

    fn set_backend(&mut self, id: BackendId, backend: &Backend) -> Result<()> {
        *self.backends.get_mut(id.0 as usize).context("beyond BACKENDS")? = *backend;
        Ok(())
    }

    fn set_health(&mut self, id: BackendId, health: Health) -> Result<()> {
        let now = self.now.get();
        let word = self.health.get_mut(id.0 as usize).context("beyond HEALTH")?;
        if Health::from_word(*word) != health {
            *word = health.word(now);
        }
        Ok(())
    }

    fn set_slots(&mut self, base: u32, slots: &[u32]) -> Result<()> {
        let base = base as usize;
        self.slots.get_mut(base..base + slots.len()).context("beyond SLOTS")?.copy_from_slice(slots);
        Ok(())
    }

    fn set_service(&mut self, key: &ServiceKey, service: &Service) -> Result<()> {
        self.services.insert(*key, *service);
        Ok(())
    }

    fn remove_service(&mut self, key: &ServiceKey) -> Result<()> {
        self.services.remove(key);
        Ok(())
    }

    fn add_list(&mut self, number: u32, list: &AccessList) -> Result<()> {
        self.access.extend(list.rules().iter().map(|rule| (rule.prefix.key(number), rule.admission)));
        Ok(())
    }

    fn remove_lists(&mut self, lists: &[(u32, Arc<AccessList>)]) -> Result<()> {
        self.access.retain(|key, _| lists.iter().all(|(number, _)| key.list() != *number));
        Ok(())
    }

    fn add_masks(&mut self, masks: &[(AccessKey, u32)]) -> Result<()> {
        self.masks.extend(masks.iter().copied());
        Ok(())
    }

    fn remove_masks(&mut self, masks: &[AccessKey]) -> Result<()> {
        self.masks.retain(|key, _| !masks.contains(key));
        Ok(())
    }

    fn set_member(&mut self, key: &MemberKey, id: BackendId) -> Result<()> {
        self.members.insert(*key, id);
        Ok(())
    }

    fn remove_member(&mut self, key: &MemberKey) -> Result<()> {
        self.members.remove(key);
        Ok(())
    }

    fn reset_audit(&mut self, service: u32) -> Result<()> {
        self.audit.borrow_mut().remove(&service);
        Ok(())
    }

    fn set_cid_config(&mut self, index: u32, config: &CidConfig) -> Result<()> {
        *self.quic.get_mut(index as usize).context("beyond QUIC")? = *config;
        Ok(())
    }

    fn set_server(&mut self, key: &ServerKey, home: ServerHome) -> Result<()> {
        self.servers.insert(*key, home);
        Ok(())
    }

    fn remove_server(&mut self, key: &ServerKey) -> Result<()> {
        self.servers.remove(key);
        Ok(())
    }

    fn set_sources(&mut self, sources: &[Ip]) -> Result<()> {
        self.sources = sources.to_vec();
        Ok(())
    }

    fn set_tunnels(&mut self, tunnels: &[Tunnel; Tunnel::COUNT as usize]) -> Result<()> {
        self.tunnels = *tunnels;
        Ok(())
    }
}
