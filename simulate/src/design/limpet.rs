//! Limpet itself: each node is the packet path on the host engine, on tables that the daemon's plan fills.
//!
//! Services forward by `dsr`, as services of many nodes do, or by a tunnel, which decides alike: replies go around the
//! nodes, and a connection may come to another node as long as that sends it to the same backend.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
};

use anyhow::{Result, anyhow};
use etherparse::PacketBuilder;
use lb_common::{
    engine::{self, Verdict},
    host::{HostFrame, HostTables},
    settings::Settings,
    state::{Bucket, CidConfig, Health, Session, SessionKey, quic},
    time::Tick,
};
use lb_user::{
    config,
    dataplane::Geometry,
    health::BackendKey,
    model::{Limits, Model},
    neighbour::NextHop,
    plan::{self, Inputs, State},
    runtime::Admin,
};

use super::{CPUS, Design, IDLE_MINUTES, Kind, Memory, Packet, Size, recent};
use crate::pool::{self, Number, Pool};

/// The service's name, address and port.
const SERVICE: (&str, [u8; 4], u16) = ("web", [192, 0, 2, 10], 80);
/// The node's Ethernet address, and the router's.
const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]);
/// The clock when time begins: no tick is 0.
const BEGIN: u32 = 1_000;

/// `PINS` and `AFFINITY`.
type Sessions = [RefCell<HashMap<SessionKey, Rc<Session>>>; 2];

/// See the module.
pub struct Limpet {
    nodes: Vec<HostTables>,
    /// What the daemons have installed: all the same, as they were told the same in the same order.
    state: State,
    inputs: Inputs,
    /// What of [`Limits`] tables are made by.
    limits: Limits,
    /// All nodes' sessions, where they share them.
    shared: Option<Sessions>,
    idle_ticks: u32,
    /// A client's packet but for what is different in each.
    template: Vec<u8>,
    frame: HostFrame,
}

impl Limpet {
    /// Without backends.
    ///
    /// # Errors
    /// The configuration is refused.
    pub fn new(size: &Size, shares: bool) -> Result<Self> {
        let model = configure(&Pool::new(1))?;
        let mut limits = model.limits.clone();
        limits.flows = size.scaled(limits.flows);
        limits.pins = size.scaled(limits.pins);
        limits.affinity = size.scaled(limits.affinity);
        // Of nat and fragments, which nobody uses here, as little as there can be.
        (limits.nat_connections, limits.fragments) = (1, 1);
        let geometry = Geometry::new(&limits, &model.nat);
        let key = plan::settings_key(&size.seed.to_string());
        let per_tick = |per_second| size.scaled(Tick::times(per_second) * CPUS);
        let settings = Settings::new(key, geometry.buckets, geometry.lanes, (1024, 1024), geometry.fragments)
            .limited(per_tick(limits.new_flows_per_second), per_tick(limits.new_pins_per_second));
        let nodes = (0..size.nodes)
            .map(|_| {
                let mut tables = HostTables::new(settings);
                tables.backends = vec![Default::default(); limits.backends as usize + 1];
                tables.health = vec![0; limits.backends as usize + 1];
                tables.slots = vec![0; 4 * model.services[0].slots as usize];
                tables.quic = vec![CidConfig::default(); quic::ENTRIES as usize];
                // A shared store has the room of all nodes' own.
                let stores = if shares { size.nodes } else { 1 };
                tables.session_limit = [limits.pins as usize * stores, usize::MAX];
                if shares {
                    // Whom another has met, this one takes for a stranger.
                    tables.strangers.clear();
                }
                tables
            })
            .collect();
        limits.affinity *= if shares { size.nodes as u32 } else { 1 };
        limits.slots = 4 * model.services[0].slots;
        let template = template()?;
        Ok(Self {
            nodes,
            state: State::default(),
            inputs: Inputs { seed: plan::seed(&key), ..Inputs::default() },
            limits,
            shared: shares.then(Sessions::default),
            idle_ticks: Tick::covering(IDLE_MINUTES * 60_000_000_000),
            frame: HostFrame::new(template.clone(), 1),
            template,
        })
    }

    /// Sessions are at a node's hand while it works on a packet.
    fn lend(&self, node: usize) {
        if let Some(shared) = &self.shared {
            for (ours, theirs) in shared.iter().zip(&self.nodes[node].sessions) {
                ours.swap(theirs);
            }
        }
    }
}

impl Design for Limpet {
    fn learn(&mut self, pool: &Pool) -> Result<()> {
        let mut model = configure(pool)?;
        model.limits = self.limits.clone();
        for (number, backend) in pool.backends() {
            let key = BackendKey::new(SERVICE.0, &backend.name);
            let health = if backend.state == pool::State::Down { Health::Down } else { Health::Up };
            let admin = match backend.state {
                pool::State::Draining => Admin::Draining { until: None },
                _ => Admin::Enabled,
            };
            let [high, low] = (number as u16).to_be_bytes();
            let hop = NextHop { ifindex: 1, source_mac: MACS.0, target_mac: [2, 0, 0, 1, high, low] };
            self.inputs.health.insert(key.clone(), health);
            self.inputs.admin.insert(key, admin);
            self.inputs.next_hops.insert(address(number), Some(hop));
        }
        let plan = plan::plan(&self.state, &model, &self.inputs)?;
        for node in &mut self.nodes {
            plan.steps.iter().try_for_each(|step| plan::apply(step, node))?;
        }
        self.state = plan.next;
        Ok(())
    }

    fn send(&mut self, node: usize, packet: Packet) -> Option<Number> {
        let bytes = &mut self.frame.bytes;
        bytes.copy_from_slice(&self.template);
        // Checksums stay the template's: nobody on this way verifies them.
        bytes[26..30].copy_from_slice(&packet.client.to_be_bytes());
        bytes[34..36].copy_from_slice(&packet.port.to_be_bytes());
        bytes[47] = match packet.kind {
            Kind::Open => 0x02,
            Kind::Talk => 0x10,
            Kind::End => 0x11,
        };
        self.lend(node);
        let (_, verdict) = engine::process(&mut self.frame, &self.nodes[node]);
        let affinity = &self.nodes[node].sessions[1];
        recent::evict(&mut affinity.borrow_mut(), self.limits.affinity as usize, |&key, session| {
            (session.load().seen, key)
        });
        self.lend(node);
        let Verdict::Send { .. } = verdict else { return None };
        let [_, _, _, _, high, low, ..] = self.frame.bytes[..] else { return None };
        Some(Number::from(u16::from_be_bytes([high, low])))
    }

    /// Its backends keep their ids, which a daemon on empty maps would number anew: none of them outlives the reboot
    /// in anything but a shared store, and that would go by names.
    fn reboot(&mut self, node: usize) {
        let tables = &mut self.nodes[node];
        tables.flows.fill_with(Bucket::default);
        tables.sessions.iter().for_each(|sessions| sessions.borrow_mut().clear());
    }

    fn set_time(&mut self, now: u64) {
        let tick = Tick(BEGIN + Tick::from_nanos(now * 1_000_000).0);
        self.nodes.iter().for_each(|tables| tables.now.set(tick));
    }

    /// As the daemon's sweep: sessions that are idle for too long go.
    fn sweep(&mut self) {
        let now = self.nodes[0].now.get();
        let stores = self.nodes.iter().map(|tables| &tables.sessions).chain(&self.shared);
        for sessions in stores.flatten() {
            sessions.borrow_mut().retain(|_, session| !session.load().idled(now, self.idle_ticks));
        }
    }

    fn memory(&self) -> Memory {
        Memory { connections: true, sessions: true, shared: self.shared.is_some() }
    }
}

fn address(number: Number) -> IpAddr {
    let [high, low] = (number as u16).to_be_bytes();
    Ipv4Addr::new(10, 1, high, low + 1).into()
}

/// What the daemons' file says.
fn configure(pool: &Pool) -> Result<Model> {
    let (name, service, port) = SERVICE;
    let service = Ipv4Addr::from(service);
    let mut text = format!(
        "[interface]\nnames = [\"eth0\"]\n\n[[service]]\nname = \"{name}\"\naddress = \"{service}\"\nport = {port}\n\
         forwarding = \"dsr\"\n\n[service.persistence]\nby = \"client-ip\"\nidle_timeout = \"{IDLE_MINUTES}m\"\n",
    );
    for (number, backend) in pool.backends().filter(|(_, backend)| backend.state != pool::State::Removed) {
        let (name, weight, address) = (&backend.name, backend.weight, address(number));
        text += &format!(
            "\n[[service.backend]]\nname = \"{name}\"\naddress = \"{address}\"\nweight = {weight}\n"
        );
    }
    config::parse(&text, "the simulation's").map_err(|errors| anyhow!("{errors}"))
}

/// A client's packet.
fn template() -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MACS.1, MACS.0)
        .ipv4([0; 4], SERVICE.1, 64)
        .tcp(0, SERVICE.2, 1, 500)
        .write(&mut frame, b"data")?;
    Ok(frame)
}
