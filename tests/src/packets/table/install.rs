//! What a site's tables hold, and how it gets there.

use lb_common::{
    net::{Be16, Ip, Mac},
    state::{Backend, Forwarding, Health, Policy, Service, ServiceKey},
};

use super::{A, B, Family, Ports, Site, Which, World, mac, quic, tunnel};

impl Site {
    /// A backend's entry, of the world's generation.
    pub fn recipe(&self, world: &dyn World, which: Which) -> Backend {
        let (address, port) = self.server(which);
        let (source_first, source_count) = match (self.forwarding, self.family) {
            (Forwarding::Nat, Family::V4) => (0, 1),
            (Forwarding::Nat, Family::V6) => (1, 1),
            _ => (0, 0),
        };
        Backend {
            address: address.into(),
            service_address: self.address().into(),
            target_mac: Mac::from_bytes(if which == A { mac::A } else { mac::B }),
            source_mac: Mac::from_bytes(mac::OURS_OUT),
            generation: world.generation(),
            ifindex: world.ifindex(which.side()),
            port: Be16::new(if self.keeps_port() { 0 } else { port }),
            service_tag: self.tag(),
            forwarding: self.forwarding as u8
                | if self.by_connection_id { Backend::BY_CONNECTION_ID } else { 0 },
            source_first,
            source_count,
            protocol: self.key().protocol(),
        }
    }

    const fn tag(&self) -> u16 {
        0x7a60 + self.number as u16
    }

    /// Does a backend listen on the port that was called?
    fn keeps_port(&self) -> bool {
        match self.ports {
            Ports::One => self.forwarding.is_direct(),
            Ports::ListToOne => false,
            Ports::List | Ports::Any => true,
        }
    }

    /// Its entry for one port.
    pub fn entry(&self) -> Service {
        Service {
            scope: self.scope,
            client_mask: Ip::prefix_mask(self.address(), self.prefix.unwrap_or(0)),
            slots_base: self.slots_base(),
            slots_mask: 1,
            idle_ticks: self.idle_ticks,
            lifetime_ticks: self.lifetime_ticks,
            policy: if self.prefix.is_some() { self.policy.with(Policy::BY_CLIENT) } else { self.policy },
            hold_ticks: self.hold_ticks,
            number: u32::from(self.number) + 1,
            access: self.access,
            masks: self.masks,
            quic: if self.by_connection_id { self.quic_number() } else { 0 },
            port: Be16::new(self.port),
            tag: self.tag(),
            ..Service::default()
        }
    }

    /// Puts it in place.
    pub fn install(&self, world: &mut dyn World) {
        let v4 = Self { family: Family::V4, ..*self }.source();
        let v6 = Self { family: Family::V6, ..*self }.source();
        world.set_sources(&[v4.into(), v6.into()]);
        world.set_tunnels(&tunnel::tunnels(tunnel::MTU));
        for which in [A, B] {
            let recipe = self.recipe(world, which);
            world.set_backend(self.id(which), &recipe);
            world.set_health(self.id(which), Health::Up);
        }
        world.set_slots(self.slots_base(), &[self.id(A).0; 2]);
        if self.by_connection_id {
            quic::install(world, *self);
        }
        self.open(world);
        // The daemon's has what any of the address's services asks for; here the last one's say holds.
        let local = if self.is_local() { Policy::LOCAL } else { Policy::default() };
        let policy = if self.echo { Policy::ECHO.with(local) } else { local };
        let mark = Service { policy, ..Service::default() };
        world.set_service(&ServiceKey::any_port(self.address().into()), &mark);
    }

    /// Puts its entries in place, which all say the same but for the port.
    pub fn open(&self, world: &mut dyn World) {
        for (key, entry) in self.entries() {
            world.set_service(&key, &entry);
        }
    }

    /// Takes its entries away.
    pub fn close(&self, world: &mut dyn World) {
        for (key, _) in self.entries() {
            world.remove_service(&key);
        }
    }

    fn entries(&self) -> Vec<(ServiceKey, Service)> {
        let ports = self.ports.numbers(self.port).into_iter().map(|port| Self { port, ..*self });
        let mut entries: Vec<_> = ports.map(|one| (one.key(), one.entry())).collect();
        if self.only {
            let key = ServiceKey::only(self.address().into(), self.key().protocol());
            entries.push((key, entries[0].1));
        }
        entries
    }
}
