//! A service of HTTP, the application on its backends, and users.

use lb_user::lab::{
    Family, Lab, Size, Status, backend_name,
    config::{Config, Health, Persistence, Service},
    daemon::write_configuration,
    plan,
};
use serde_json::Value;
use std::net::SocketAddr;

use super::{
    app::App,
    user::{Answer, User, all_ask},
};
use crate::{Bed, bed::PATIENCE};

/// Where the application listens.
pub const PORT: u16 = 8080;

/// The service's name.
pub const SHOP: &str = "shop";

/// Finds out within a second that a port refuses, and is patient with a busy machine.
const HEALTH: Health = Health::Http { path: "/", interval: "400ms", timeout: "400ms", rise: 1, fall: 2 };

/// Where the service is called.
#[must_use]
pub fn target() -> SocketAddr {
    (plan::vip(Family::V4), 80).into()
}

/// The service, with these backends of the lab.
#[must_use]
pub fn shop(backends: u8) -> Service {
    Service { health: HEALTH, ..Service::http(SHOP, target(), backends, PORT) }
}

/// The same with other persistence.
#[must_use]
pub fn shop_by(backends: u8, persistence: Persistence) -> Service {
    Service { persistence, ..shop(backends) }
}

/// Another service of the same backends, at another port.
#[must_use]
pub fn stall(name: &str, port: u16, backends: u8, persistence: Persistence) -> Service {
    let at = SocketAddr::new(target().ip(), port);
    Service { health: HEALTH, persistence, ..Service::http(name, at, backends, PORT) }
}

/// Lab, daemon and the application on all backends.
pub struct Scene {
    /// Lab and daemon.
    pub bed: Bed,
    /// The application on each backend; `None` is dead.
    pub apps: Vec<Option<App>>,
}

impl Scene {
    /// With so many backends in the lab, all up.
    pub async fn new(backends: u8, services: Vec<Service>) -> Self {
        Self::in_lab(lab(backends), services).await
    }

    /// The same in a lab that was prepared.
    pub async fn in_lab(lab: Lab, services: Vec<Service>) -> Self {
        Self::with(lab, &Config::new(services)).await
    }

    /// The same with a whole configuration.
    pub async fn with(lab: Lab, config: &Config) -> Self {
        let mut apps = Vec::new();
        for (backend, index) in lab.backends().iter().zip(0..) {
            apps.push(Some(App::start(backend, backend_name(index), PORT).await.unwrap()));
        }
        let bed = Bed::in_lab(lab, Vec::new(), config).await.unwrap();
        Self { bed, apps }
    }

    /// One user asks the service.
    pub async fn asks(&self, user: &mut User, path: &str) -> Answer {
        user.asks(&self.bed.clients, target(), path).await
    }

    /// All of them do, each from another address than before.
    pub async fn all_ask(&self, users: &mut [User], path: &str) -> Vec<Answer> {
        all_ask(users, &self.bed.clients, target(), path).await
    }

    /// Who answers each of them.
    pub async fn homes(&self, users: &mut [User]) -> Vec<String> {
        self.all_ask(users, "/").await.iter().map(Answer::server).collect()
    }

    /// Puts other services into force, and waits until they are.
    pub fn reload(&self, services: Vec<Service>) {
        write_configuration(&self.bed.lab, &Config::new(services).to_string()).unwrap();
        let _done: Value = self.bed.daemon.ask(&["reload", "--json"]).unwrap();
    }

    /// `limpet backend`.
    pub fn order(&self, action: &str, index: u8) {
        self.order_with(action, index, &[]);
    }

    /// The same with further arguments.
    pub fn order_with(&self, action: &str, index: u8, arguments: &[&str]) {
        let target = format!("{SHOP}/{}", backend_name(index));
        let arguments = [&["backend", action, "--json", &target], arguments].concat();
        let _done: Value = self.bed.daemon.ask(&arguments).unwrap();
    }

    /// The application of a backend dies, and that is noticed.
    pub async fn kill(&mut self, index: u8) {
        self.apps[usize::from(index)] = None;
        self.until(index, "down").await;
    }

    /// It is there again, and that is noticed. Of its sessions it knows nothing.
    pub async fn revive(&mut self, index: u8) {
        let backend = &self.bed.lab.backends()[usize::from(index)];
        self.apps[usize::from(index)] = Some(App::start(backend, backend_name(index), PORT).await.unwrap());
        self.until(index, "up").await;
    }

    /// Waits until a backend is in this state.
    pub async fn until(&self, index: u8, state: &str) {
        let is_so = |status: &Status| status.everywhere(&backend_name(index), state);
        self.bed.daemon.wait_for(PATIENCE, is_so).await.unwrap();
    }

    /// Waits until all backends are up.
    pub async fn until_all_up(&self) {
        self.bed.daemon.wait_for(PATIENCE, |status| status.all("up")).await.unwrap();
    }
}

/// With one client, behind whom all addresses are.
#[must_use]
pub fn lab(backends: u8) -> Lab {
    Lab::new(Size { clients: 1, backends }).unwrap()
}
