//! What operators change about backends while the daemon runs: a layer over the configuration file that stays until it
//! is taken away, over reloads and restarts.
//!
//! The file says what is wanted, this says what is different for now. The two are never mixed: the file is not written,
//! and `status` shows what of a backend is not as the file says.

mod store;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use lb_common::state::Health;
use serde::{Deserialize, Serialize};

pub use self::store::{StoreError, load, save};
use crate::{health::BackendKey, model::Model};

/// What a backend may be given, by decision of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Admin {
    /// What its health permits.
    #[default]
    Enabled,
    /// What is already its own: open connections and live sessions.
    Draining {
        /// When it is disabled, if ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<SystemTime>,
    },
    /// Nothing.
    Disabled,
}

impl Admin {
    /// A backend's state, by its health check and by this.
    #[must_use]
    pub const fn over(self, checked: Health) -> Health {
        match (self, checked) {
            (Self::Disabled, _) => Health::Disabled,
            (Self::Draining { .. }, Health::Up) => Health::Draining,
            (_, checked) => checked,
        }
    }

    const fn deadline(self) -> Option<SystemTime> {
        match self {
            Self::Draining { until } => until,
            Self::Enabled | Self::Disabled => None,
        }
    }
}

/// What is different about a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// What it may be given.
    #[serde(flatten)]
    pub admin: Admin,
    /// Its weight, 1..=65535; `None`: the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// The changes in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes(BTreeMap<BackendKey, Change>);

impl Changes {
    /// What is different about a backend.
    #[must_use]
    pub fn of(&self, key: &BackendKey) -> Change {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// Replaces what is different about a backend.
    pub fn set(&mut self, key: BackendKey, change: Change) {
        if change == Change::default() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, change);
        }
    }

    /// Every backend that is not as the file says.
    pub fn iter(&self) -> impl Iterator<Item = (&BackendKey, &Change)> {
        self.0.iter()
    }

    /// Forgets weights that `file` says by itself now, and backends that it does not have (any more), which are
    /// returned: one of the same name that comes later is another.
    pub fn fit(&mut self, file: &Model) -> Vec<BackendKey> {
        let mut weights = BTreeMap::new();
        for service in &file.services {
            for backend in &service.backends {
                weights.insert((&*service.name, &*backend.name), backend.weight);
            }
        }
        let gone = self.0.extract_if(.., |key, _| !weights.contains_key(&(&*key.service, &*key.backend)));
        let gone = gone.map(|(key, _)| key).collect();
        self.0.retain(|key, change| {
            let weight = weights[&(&*key.service, &*key.backend)];
            change.weight = change.weight.filter(|changed| *changed != weight);
            *change != Change::default()
        });
        gone
    }

    /// What is in force: the file's model with these changes.
    #[must_use]
    pub fn over(&self, file: &Model) -> Model {
        let mut model = file.clone();
        for service in &mut model.services {
            for backend in &mut service.backends {
                let key = BackendKey { service: service.name.clone(), backend: backend.name.clone() };
                backend.weight = self.of(&key).weight.unwrap_or(backend.weight);
            }
        }
        model
    }

    /// What each backend may be given.
    #[must_use]
    pub fn admin(&self) -> HashMap<BackendKey, Admin> {
        self.0.iter().map(|(key, change)| (key.clone(), change.admin)).collect()
    }

    /// How long until the next drain's deadline; zero if it has passed.
    #[must_use]
    pub fn next_deadline(&self, now: SystemTime) -> Option<Duration> {
        let deadlines = self.0.values().filter_map(|change| change.admin.deadline());
        deadlines.min().map(|first| first.duration_since(now).unwrap_or_default())
    }

    /// Disables the backends whose drain has come to its deadline, and returns them.
    pub fn meet_deadlines(&mut self, now: SystemTime) -> Vec<BackendKey> {
        let due = |change: &Change| change.admin.deadline().is_some_and(|deadline| deadline <= now);
        let met = self.0.iter_mut().filter(|(_, change)| due(change));
        met.map(|(key, change)| {
            change.admin = Admin::Disabled;
            key.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(backend: &str) -> BackendKey {
        BackendKey { service: "web".into(), backend: backend.into() }
    }

    fn draining(until: Option<SystemTime>) -> Change {
        Change { admin: Admin::Draining { until }, weight: None }
    }

    #[test]
    fn health_and_the_operator_must_both_agree() {
        for (admin, [up, down]) in [
            (Admin::Enabled, [Health::Up, Health::Down]),
            (Admin::Draining { until: None }, [Health::Draining, Health::Down]),
            (Admin::Disabled, [Health::Disabled, Health::Disabled]),
        ] {
            assert_eq!(admin.over(Health::Up), up, "{admin:?}");
            assert_eq!(admin.over(Health::Down), down, "{admin:?}");
        }
    }

    #[test]
    fn what_is_as_the_file_says_is_no_change() {
        let mut changes = Changes::default();
        changes.set(key("a"), draining(None));
        changes.set(key("a"), Change::default());
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn a_drain_ends_at_its_deadline() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut changes = Changes::default();
        assert_eq!(changes.next_deadline(now), None);
        changes.set(key("a"), draining(Some(now + Duration::from_secs(60))));
        changes.set(key("b"), draining(Some(now + Duration::from_secs(5))));
        changes.set(key("c"), draining(None));
        assert_eq!(changes.next_deadline(now), Some(Duration::from_secs(5)));
        assert!(changes.meet_deadlines(now).is_empty());
        let later = now + Duration::from_secs(5);
        assert_eq!(changes.meet_deadlines(later), [key("b")]);
        assert_eq!(changes.of(&key("b")).admin, Admin::Disabled);
        // The machine was off meanwhile.
        assert_eq!(changes.next_deadline(now + Duration::from_secs(90)), Some(Duration::ZERO));
        assert_eq!(changes.meet_deadlines(now + Duration::from_secs(90)), [key("a")]);
        assert_eq!(changes.of(&key("c")), draining(None));
    }

    #[test]
    fn the_file_is_under_it() {
        let file = crate::config::parse(
            "[interface]\nnames = [\"eth0\"]\n[[service]]\nname = \"web\"\naddress = \"192.0.2.1\"\nport = 80\n\
             backend = [{ name = \"a\", address = \"10.0.0.1\" }, { name = \"b\", address = \"10.0.0.2\", weight = 7 }]",
            "test",
        )
        .unwrap();
        let mut changes = Changes::default();
        changes.set(key("a"), Change { weight: Some(3), ..draining(None) });
        changes.set(key("gone"), draining(None));
        let weights: Vec<_> =
            changes.over(&file).services[0].backends.iter().map(|backend| backend.weight).collect();
        assert_eq!(weights, [3, 7]);
        changes.set(key("b"), Change { weight: Some(7), ..Change::default() });
        assert_eq!(changes.fit(&file), [key("gone")]);
        assert_eq!(
            changes.iter().collect::<Vec<_>>(),
            [(&key("a"), &Change { weight: Some(3), ..draining(None) })]
        );
    }
}
