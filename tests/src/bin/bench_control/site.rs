//! Configurations of any size, and the network for them.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use lb_user::lab::{
    BACKEND_PORTS, Family, Lab, Size,
    config::{Backend, Config, Health, Limits, Service},
    plan,
};

/// How many there are.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) services: u32,
    /// Of each service.
    pub(crate) backends: u32,
    /// Of each service.
    pub(crate) slots: u32,
}

impl Shape {
    /// With about a hundred slots a backend, which is what shares by weight take; at most what a service may have.
    pub(crate) const fn new(services: u32, backends: u32) -> Self {
        let slots = (100 * backends).next_power_of_two();
        let slots = if slots < 256 { 256 } else { slots };
        Self { services, backends, slots: if slots > 65_536 { 65_536 } else { slots } }
    }

    pub(crate) const fn all_backends(self) -> u32 {
        self.services * self.backends
    }

    /// Limits that it fits into.
    pub(crate) fn limits(self) -> Limits {
        Limits {
            services: Some(self.services.max(1024)),
            // One more for those who come.
            backends: Some((self.all_backends() + 1).max(4096)),
            slots: Some((2 * self.services * self.slots).max(1 << 20)),
            ..Limits::default()
        }
    }

    /// Services `nat` at addresses of their own, each backend a server of its own behind one router.
    pub(crate) fn config(self, health: &Health, claim: bool) -> Config {
        let mut config = Config::new((0..self.services).map(|number| self.service(number, health)).collect());
        config.interface.claim = claim;
        config.limits = Some(self.limits());
        config
    }

    fn service(self, number: u32, health: &Health) -> Service {
        let mut service = Service::new(&name(number), "nat", (address(number), 80).into(), 0, 80);
        service.slots = Some(self.slots);
        service.health = health.clone();
        service.backend = (0..self.backends).map(|index| self.backend(number, index)).collect();
        service
    }

    fn backend(self, service: u32, index: u32) -> Backend {
        Backend {
            name: format!("b{index}"),
            address: server(service * self.backends + index),
            port: Some(BACKEND_PORTS[0]),
            weight: 100,
            server_id: None,
        }
    }
}

/// The name of a service.
pub(crate) fn name(number: u32) -> String {
    format!("s{number}")
}

/// The address of a service.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 128, 0, 0)) + 1 + number)
}

/// The address of a server behind the router.
pub(crate) fn server(number: u32) -> IpAddr {
    plan::crowd(Family::V4, number + 1)
}

/// A lab in which the first backend is a router to a million servers, and these servers.
pub(crate) fn lab(size: Size) -> Result<Lab> {
    let lab = Lab::new(size)?;
    let router = plan::backend(Family::V4, 0);
    lab.balancer().ip_batch(&format!("route replace 10.16.0.0/12 via {router} dev eth0\n"))?;
    lab.backends()[0].ip_batch("route add local 10.16.0.0/12 dev lo\n")?;
    Ok(lab)
}
