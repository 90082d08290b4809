//! What operators change about backends while the daemon runs: a layer over the configuration file that stays until it
//! is taken away, over reloads and restarts.
//!
//! The file says what is wanted, this says what is different for now. The two are never mixed: the file is not written,
//! and `status` shows what of a backend is not as the file says.

mod store;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    ops::Not,
    time::{Duration, SystemTime},
};

use lb_common::state::Health;
use serde::{Deserialize, Serialize};

pub use self::store::{StoreError, load, save};
use crate::{
    config::{Addition, File},
    health::BackendKey,
    model::{self, Model, Ports},
};

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

/// A backend that the file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Where it is.
    pub address: IpAddr,
    /// `None`: as for a backend of the file that says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its share, 1..=65535.
    pub weight: u32,
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
    /// What it is, if the file does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Added>,
    /// The file has it, and it is not in force.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub removed: bool,
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

    /// The backends of a service that the file has, and that are not in force.
    #[must_use]
    pub fn removed(&self, service: &str) -> Vec<String> {
        let removed = self.0.iter().filter(|(key, change)| key.service == service && change.removed);
        removed.map(|(key, _)| key.backend.clone()).collect()
    }

    /// The backends that the file does not have.
    #[must_use]
    pub fn additions(&self) -> Vec<Addition<'_>> {
        self.0.iter().filter_map(|(key, change)| Some(addition(key, change.added?))).collect()
    }

    /// Forgets what `file` says by itself now, and what it leaves no room for; the latter is returned with the reason. A
    /// backend of the same name that comes later is another.
    pub fn fit(&mut self, file: &File) -> Vec<(BackendKey, String)> {
        let mut forgotten = Vec::new();
        let mut fitting = Self::default();
        for (key, mut change) in std::mem::take(&mut self.0) {
            let found = find(&file.model, &key);
            match (found, change.added) {
                (None, None) => {
                    forgotten.push((key, "the file does not have it".to_owned()));
                    continue;
                }
                (None, Some(added)) => {
                    let wanted = fitting.additions().into_iter().chain([addition(&key, added)]);
                    if let Err(why) = admits(file, &key.service, &wanted.collect::<Vec<_>>()) {
                        forgotten.push((key, why));
                        continue;
                    }
                }
                (Some((service, backend)), Some(added)) => {
                    if *backend != added.backend(&key.backend, service) {
                        forgotten
                            .push((key.clone(), "the file has it now, and the file's word holds".to_owned()));
                    }
                    change.added = None;
                }
                (Some(_), None) => {}
            }
            let own = change.added.map(|added| added.weight).or(found.map(|(_, backend)| backend.weight));
            change.weight = change.weight.filter(|weight| Some(*weight) != own);
            fitting.set(key, change);
        }
        *self = fitting;
        for service in &file.model.services {
            if self.members(service).next().is_none() {
                for (key, change) in self.0.iter_mut().filter(|(key, _)| key.service == service.name) {
                    change.removed = false;
                    forgotten.push((key.clone(), "its service would have no backends".to_owned()));
                }
            }
        }
        self.0.retain(|_, change| *change != Change::default());
        forgotten
    }

    /// What is in force: the file's model with these changes.
    #[must_use]
    pub fn over(&self, file: &Model) -> Model {
        let mut model = file.clone();
        for service in &mut model.services {
            service.backends = self.members(service).collect();
        }
        model
    }

    /// The backends in force of a service of the file: its own, then those that were added.
    fn members<'a>(&'a self, service: &'a model::Service) -> impl Iterator<Item = model::Backend> + 'a {
        let own = service.backends.iter().cloned();
        let added = self.0.iter().filter(|(key, _)| key.service == service.name);
        let added = added.filter_map(|(key, change)| Some(change.added?.backend(&key.backend, service)));
        own.chain(added).filter_map(|backend| {
            let change = self.of(&BackendKey::new(&service.name, &backend.name));
            let weight = change.weight.unwrap_or(backend.weight);
            (!change.removed).then_some(model::Backend { weight, ..backend })
        })
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

impl Added {
    fn backend(self, name: &str, service: &model::Service) -> model::Backend {
        let only = match service.ports {
            Ports::One(port) => Some(port),
            Ports::List(_) | Ports::Any => None,
        };
        model::Backend {
            name: name.to_owned(),
            address: self.address,
            port: self.port.or(only),
            weight: self.weight,
            server_id: Vec::new(),
        }
    }
}

fn addition(key: &BackendKey, Added { address, port, weight }: Added) -> Addition<'_> {
    Addition { service: &key.service, name: &key.backend, address, port, weight }
}

/// A service and a backend of the file.
fn find<'a>(file: &'a Model, key: &BackendKey) -> Option<(&'a model::Service, &'a model::Backend)> {
    let service = file.services.iter().find(|service| service.name == key.service)?;
    Some((service, service.backends.iter().find(|backend| backend.name == key.backend)?))
}

/// May the file's services have these backends too?
///
/// # Errors
/// Why not, and what to do.
pub fn admits(file: &File, service: &str, additions: &[Addition<'_>]) -> Result<(), String> {
    if !file.model.services.iter().any(|it| it.name == service) {
        return Err("the file does not have its service".to_owned());
    }
    file.with(additions).map(drop).map_err(|errors| {
        let each = errors.as_slice().iter().map(|error| format!("{} ({})", error.message, error.help));
        each.collect::<Vec<_>>().join("; ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(backend: &str) -> BackendKey {
        BackendKey { service: "web".into(), backend: backend.into() }
    }

    fn draining(until: Option<SystemTime>) -> Change {
        Change { admin: Admin::Draining { until }, ..Change::default() }
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

    fn file(backends: &str) -> File {
        let text = format!(
            "[interface]\nnames = [\"eth0\"]\n[[service]]\nname = \"web\"\naddress = \"192.0.2.1\"\nport = 80\n\
             backend = [{backends}]"
        );
        File::parse(&text, "test").unwrap()
    }

    const A: &str = "{ name = \"a\", address = \"10.0.0.1\" }";
    const B: &str = "{ name = \"b\", address = \"10.0.0.2\", weight = 7 }";

    fn added(last: u8) -> Change {
        let address = IpAddr::from([10, 0, 0, last]);
        Change { added: Some(Added { address, port: None, weight: 100 }), ..Change::default() }
    }

    fn in_force(changes: &Changes, file: &File) -> Vec<(String, String, u32)> {
        let backends = changes.over(&file.model).services.remove(0).backends;
        let of = |it: model::Backend| (it.name, format!("{}:{}", it.address, it.port.unwrap()), it.weight);
        backends.into_iter().map(of).collect()
    }

    #[test]
    fn the_file_is_under_it() {
        let file = file(&format!("{A}, {B}"));
        let mut changes = Changes::default();
        changes.set(key("a"), Change { weight: Some(3), ..draining(None) });
        changes.set(key("gone"), draining(None));
        let weights: Vec<_> = in_force(&changes, &file).into_iter().map(|(.., weight)| weight).collect();
        assert_eq!(weights, [3, 7]);
        changes.set(key("b"), Change { weight: Some(7), ..Change::default() });
        assert_eq!(changes.fit(&file), [(key("gone"), "the file does not have it".to_owned())]);
        assert_eq!(
            changes.iter().collect::<Vec<_>>(),
            [(&key("a"), &Change { weight: Some(3), ..draining(None) })]
        );
    }

    #[test]
    fn backends_come_and_go() {
        let file = file(&format!("{A}, {B}"));
        let mut changes = Changes::default();
        changes.set(key("c"), Change { weight: Some(5), ..added(3) });
        changes.set(key("a"), Change { removed: true, ..Change::default() });
        assert_eq!(changes.fit(&file), []);
        let wanted = [("b", "10.0.0.2:80", 7), ("c", "10.0.0.3:80", 5)];
        let wanted = wanted.map(|(name, at, weight)| (name.to_owned(), at.to_owned(), weight));
        assert_eq!(in_force(&changes, &file), wanted);
    }

    #[test]
    fn what_the_file_says_itself_is_no_change() {
        let mut changes = Changes::default();
        changes.set(key("c"), added(3));
        let same = "{ name = \"c\", address = \"10.0.0.3\" }";
        let mut equal = changes.clone();
        assert_eq!((equal.fit(&file(&format!("{A}, {same}"))), equal), (Vec::new(), Changes::default()));
        let other = "{ name = \"c\", address = \"10.0.0.3\", weight = 9 }";
        let forgotten = changes.fit(&file(&format!("{A}, {other}")));
        assert_eq!(forgotten, [(key("c"), "the file has it now, and the file's word holds".to_owned())]);
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn what_the_file_has_no_room_for_is_forgotten() {
        let mut changes = Changes::default();
        changes.set(key("c"), added(3));
        changes.set(key("d"), added(3));
        changes.set(BackendKey { service: "shop".into(), backend: "e".into() }, added(5));
        changes.set(key("a"), Change { removed: true, ..Change::default() });
        let forgotten: Vec<_> =
            changes.fit(&file(A)).into_iter().map(|(key, why)| format!("{}: {why}", key.backend)).collect();
        assert_eq!(
            forgotten,
            [
                "e: the file does not have its service",
                "d: the service already has a backend with address 10.0.0.3 and port 80 at line 3 (list each \
                 server once; its weight sets its share)",
            ]
        );
        // Without the added one, nobody would be left.
        changes.set(key("c"), Change::default());
        assert_eq!(changes.fit(&file(A)).len(), 1);
        assert_eq!(changes, Changes::default());
    }
}
