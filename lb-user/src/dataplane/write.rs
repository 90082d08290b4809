//! Plans, applied to the maps.

use std::{os::fd::AsFd as _, sync::Arc};

use anyhow::{Context as _, Result};
use aya::{
    maps::{IterableMap as _, MapError, PerCpuValues},
    util::nr_cpus,
};
use lb_common::{
    net::Ip,
    state::{
        AccessKey, Audit, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey, Service,
        ServiceKey, Traffic, Tunnel,
    },
};

use super::{Dataplane, Kernel, NewBackend, batch, grace, raw::Raw};
use crate::{access::AccessList, clock};

/// Backends added at a time: enough for the system calls to be cheap, few enough for the figures of all CPUs to fit in
/// little memory.
const AT_ONCE: usize = 256;

/// Makes nothing of a removal that found no such key.
pub(super) fn removed(result: Result<(), MapError>) -> Result<()> {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Kernel {
    /// Adds a few backends.
    fn add(&self, new: &[NewBackend]) -> Result<()> {
        fn column<T>(new: &[NewBackend], of: impl Fn(&NewBackend) -> T) -> Vec<T> {
            new.iter().map(of).collect()
        }
        let (ids, now) = (column(new, |new| new.id.0), clock::now());
        // Absent while the recipe is replaced: it is not written in one go.
        let absent = vec![Health::Absent.word(now); new.len()];
        batch::update(self.health.map().fd().as_fd(), &ids, &absent)?;
        for load in new.iter().filter_map(|new| self.load(new.id)) {
            load.set_sessions(0);
        }
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let zeros = vec![Traffic::default(); cpus * new.len()];
        batch::update(self.traffic.map().fd().as_fd(), &ids, &zeros)?;
        batch::update(self.names.map().fd().as_fd(), &ids, &column(new, |new| new.name))?;
        batch::update(self.backends.map().fd().as_fd(), &ids, &column(new, |new| new.recipe))?;
        let healths = column(new, |new| new.health.word(now));
        Ok(batch::update(self.health.map().fd().as_fd(), &ids, &healths)?)
    }
}

impl Dataplane for Kernel {
    fn add_backends(&mut self, new: &[NewBackend]) -> Result<()> {
        for some in new.chunks(AT_ONCE) {
            self.add(some).with_context(|| format!("cannot write {} backends", some.len()))?;
        }
        Ok(())
    }

    fn set_backend(&mut self, id: BackendId, backend: &Backend) -> Result<()> {
        self.backends.set(id.0, Raw(*backend), 0).with_context(|| format!("cannot write backend {}", id.0))
    }

    fn set_health(&mut self, id: BackendId, health: Health) -> Result<()> {
        // Since when it holds is kept.
        if self.health_entry(id) == health {
            return Ok(());
        }
        self.health
            .set(id.0, Raw(health.word(clock::now())), 0)
            .with_context(|| format!("cannot write the health of {}", id.0))
    }

    fn set_slots(&mut self, base: u32, slots: &[u32]) -> Result<()> {
        let base = base as usize;
        let range = self.slots.get(base..base + slots.len()).with_context(|| {
            format!("cannot write {} slots from {base} on: SLOTS has {}", slots.len(), self.slots.len())
        })?;
        for (word, &slot) in range.iter().zip(slots) {
            word.store(u64::from(slot));
        }
        Ok(())
    }

    fn set_service(&mut self, key: &ServiceKey, service: &Service) -> Result<()> {
        self.mark_address(key);
        self.services.insert(Raw(*key), Raw(*service), 0).with_context(|| {
            format!("cannot write a service: is the table full? [limits] services makes it larger ({key:?})")
        })
    }

    fn remove_service(&mut self, key: &ServiceKey) -> Result<()> {
        removed(self.services.remove(&Raw(*key))).context("cannot remove a service")
    }

    fn add_list(&mut self, number: u32, list: &AccessList) -> Result<()> {
        let rules = list.rules();
        let keys: Vec<_> = rules.iter().map(|rule| rule.prefix.key(number)).collect();
        let words: Vec<_> = rules.iter().map(|rule| rule.admission as u32).collect();
        batch::update(self.access.map().fd().as_fd(), &keys, &words).with_context(|| {
            format!(
                "cannot write an access list of {}: is ACCESS full? [limits] access makes it larger",
                keys.len()
            )
        })
    }

    fn remove_lists(&mut self, lists: &[(u32, Arc<AccessList>)]) -> Result<()> {
        grace::wait();
        for (number, list) in lists {
            let keys: Vec<_> = list.rules().iter().map(|rule| rule.prefix.key(*number)).collect();
            batch::delete(self.access.map().fd().as_fd(), &keys).context("cannot remove an access list")?;
        }
        Ok(())
    }

    fn add_masks(&mut self, masks: &[(AccessKey, u32)]) -> Result<()> {
        let (keys, bits): (Vec<_>, Vec<_>) = masks.iter().copied().unzip();
        batch::update(self.masks.map().fd().as_fd(), &keys, &bits).with_context(|| {
            format!("cannot write {} masks: is MASKS full? [limits] services makes it larger", keys.len())
        })
    }

    fn remove_masks(&mut self, masks: &[AccessKey]) -> Result<()> {
        grace::wait();
        batch::delete(self.masks.map().fd().as_fd(), masks).context("cannot remove masks")
    }

    fn set_member(&mut self, key: &MemberKey, id: BackendId) -> Result<()> {
        self.members.insert(Raw(*key), Raw(id), 0).context("cannot write a member of a group")
    }

    fn remove_member(&mut self, key: &MemberKey) -> Result<()> {
        removed(self.members.remove(&Raw(*key))).context("cannot remove a member of a group")
    }

    fn reset_audit(&mut self, service: u32) -> Result<()> {
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let zeros = PerCpuValues::try_from(vec![Raw(Audit::default()); cpus])?;
        self.audit
            .set(service, zeros, 0)
            .with_context(|| format!("cannot reset the audit of service {service}"))
    }

    fn set_cid_config(&mut self, index: u32, config: &CidConfig) -> Result<()> {
        self.quic.set(index, Raw(*config), 0).context("cannot write how connection ids are read")
    }

    fn set_server(&mut self, key: &ServerKey, home: ServerHome) -> Result<()> {
        self.servers.insert(Raw(*key), Raw(home), 0).context("cannot write a server id")
    }

    fn remove_server(&mut self, key: &ServerKey) -> Result<()> {
        removed(self.servers.remove(&Raw(*key))).context("cannot remove a server id")
    }

    fn set_sources(&mut self, sources: &[Ip]) -> Result<()> {
        for (index, source) in (0..).zip(sources) {
            self.sources.set(index, Raw(*source), 0).context("cannot write a source address")?;
        }
        Ok(())
    }

    fn set_tunnels(&mut self, tunnels: &[Tunnel; Tunnel::COUNT as usize]) -> Result<()> {
        for (index, tunnel) in (0..).zip(tunnels) {
            self.tunnels.set(index, Raw(*tunnel), 0).context("cannot write a tunnel's header")?;
        }
        Ok(())
    }
}
