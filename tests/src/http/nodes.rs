//! Several nodes: services of packets at one, which spread connections over others with services of HTTP, and the application
//! behind those.
//!
//! ```text
//!   clients -> balancer: packets -> node-1, node-2: HTTP -> backend-1 .. backend-3: the application
//! ```

use std::{net::SocketAddr, thread};

use lb_user::lab::{
    Daemon, Family, backend_name,
    config::{Backend, By, Config, Hash, Health, Page, Persistence, Ports, Service},
    plan,
};
use serde_json::Value;

use super::{
    app::App,
    scene::{PORT, SHOP, lab, shop_by},
};
use crate::{Bed, bed::PATIENCE, binary};

/// Backends that run the application: the lab's first.
pub const APPS: u8 = 3;
/// Backends that are nodes: the others.
pub const NODES: u8 = 2;

/// Where users call, and are known by a cookie.
pub const BY_COOKIE: u16 = 80;
/// Where they are known by what they say in `X-User`.
pub const BY_HEADER: u16 = 81;
/// Where the nodes tell their figures.
const FIGURES: u16 = 9100;

/// The packets' service whose nodes answer clients directly.
pub const DIRECT: &str = "direct";
/// The one that rewrites.
pub const REWRITTEN: &str = "rewritten";

/// The fields drop in order: daemons leave before their network goes.
pub struct Nodes {
    /// The daemons with the services of HTTP.
    pub nodes: Vec<Daemon>,
    /// Lab, and the daemon in front of the nodes.
    pub front: Bed,
    /// The application on each of its backends; `None` is dead.
    pub apps: Vec<Option<App>>,
}

/// Where [`DIRECT`] is called.
#[must_use]
pub fn direct(port: u16) -> SocketAddr {
    (plan::dsr_vip(Family::V4), port).into()
}

/// Where [`REWRITTEN`] is.
#[must_use]
pub fn rewritten() -> SocketAddr {
    (plan::vip(Family::V4), 80).into()
}

fn address(node: u8) -> SocketAddr {
    (plan::backend(Family::V4, APPS + node), 80).into()
}

fn name(node: u8) -> String {
    format!("node-{}", node + 1)
}

/// What a node serves: the virtual address, and one of its own for packets that were rewritten.
fn node(index: u8) -> Config {
    let known_by = Persistence { by: By::List(vec!["cookie", "client-ip"]), ..Persistence::by("cookie") };
    let header = Persistence { header: Some("X-User"), ..Persistence::by("header") };
    let at = |name: &str, at: SocketAddr, persistence| Service {
        name: name.to_owned(),
        address: at.ip(),
        ports: Ports::Port(at.port()),
        ..shop_by(APPS, persistence)
    };
    let mut config = Config::new(vec![
        at(SHOP, direct(BY_COOKIE), known_by),
        at("by-header", direct(BY_HEADER), header),
        at(REWRITTEN, address(index), Persistence::by("cookie")),
    ]);
    // The virtual address is on loopback: to claim it would be to take it from the node in front.
    config.interface.claim = false;
    config.hash = Some(Hash { secret: "what all nodes of this site have in common" });
    config.http = Some(Page { listen: (address(index).ip(), FIGURES).into() });
    config
}

/// What is in front of them.
fn front() -> Config {
    let health = |port| Health::Tcp { port, interval: "400ms", timeout: "400ms", rise: 1, fall: 2 };
    let service = |name, forwarding, at, port| Service {
        persistence: Persistence::by("connection"),
        health: health(port),
        backend: (0..NODES)
            .map(|node| {
                let port = None;
                Backend { name: self::name(node), port, ..Backend::new(Family::V4, APPS + node, 0) }
            })
            .collect(),
        ..Service::new(name, forwarding, at, 0, PORT)
    };
    Config::new(vec![
        // A node listens at the virtual address only, which a check can't call.
        Service {
            ports: Ports::Ports(vec![BY_COOKIE, BY_HEADER]),
            ..service(DIRECT, "dsr", direct(BY_COOKIE), Some(FIGURES))
        },
        service(REWRITTEN, "nat", rewritten(), None),
    ])
}

impl Nodes {
    /// All are up.
    pub async fn new() -> Self {
        let lab = lab(APPS + NODES);
        let mut apps = Vec::new();
        for (backend, index) in lab.backends().iter().zip(0..APPS) {
            apps.push(Some(App::start(backend, backend_name(index), PORT).await.unwrap()));
        }
        let start =
            &|index| Daemon::start_on(&binary(), &lab, APPS + index, &node(index).to_string()).unwrap();
        let nodes: Vec<_> = thread::scope(|scope| {
            let all: Vec<_> = (0..NODES).map(|index| scope.spawn(move || start(index))).collect();
            all.into_iter().map(|node| node.join().expect("no panic")).collect()
        });
        for node in &nodes {
            node.wait_for(PATIENCE, |status| status.all("up")).await.unwrap();
        }
        let front = Bed::in_lab(lab, Vec::new(), &front()).await.unwrap();
        Self { nodes, front, apps }
    }

    /// `limpet backend` at the node in front: what becomes of a node's connections.
    pub fn order(&self, action: &str, node: u8) {
        for service in [DIRECT, REWRITTEN] {
            let target = format!("{service}/{}", name(node));
            let _done: Value = self.front.daemon.ask(&["backend", action, "--json", &target]).unwrap();
        }
    }

    /// New connections come by this node alone.
    pub fn only_by(&self, node: u8) {
        for other in 0..NODES {
            self.order(if other == node { "enable" } else { "drain" }, other);
        }
    }

    /// New connections come by all nodes.
    pub fn by_all(&self) {
        (0..NODES).for_each(|node| self.order("enable", node));
    }

    /// Waits until the node in front knows a node to be so.
    pub async fn until(&self, node: u8, state: &str) {
        let is_so = |status: &lb_user::lab::Status| status.everywhere(&name(node), state);
        self.front.daemon.wait_for(PATIENCE, is_so).await.unwrap();
    }

    /// An application dies, and all nodes notice it.
    pub async fn kill_app(&mut self, index: u8) {
        self.apps[usize::from(index)] = None;
        for node in &self.nodes {
            let is_down = |status: &lb_user::lab::Status| status.everywhere(&backend_name(index), "down");
            node.wait_for(PATIENCE, is_down).await.unwrap();
        }
    }

    /// So many requests a node has answered.
    #[must_use]
    pub fn answered(&self, node: u8) -> u64 {
        let status: Value = self.nodes[usize::from(node)].ask(&["status", "--json"]).unwrap();
        let services = status["services"].as_array().expect("a list");
        services.iter().filter_map(|service| service["http"]["statuses"]["2xx"].as_u64()).sum()
    }
}
