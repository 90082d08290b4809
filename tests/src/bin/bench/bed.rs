//! A loaded packet program with services in its tables.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    thread::sleep,
    time::Duration,
};

use anyhow::Result;
use lb_common::{
    net::{Be16, Ip, Mac, protocol},
    state::{Backend, BackendId, Forwarding, Health, Pin, Policy, Service, ServiceKey, SessionKey, Tunnel},
    tables::Store,
    time::Tick,
};
use lb_user::{
    dataplane::{Dataplane as _, Options, Program},
    model::{Limits, Nat},
};

use limpet_tests::packets::{maps::free_ports, table::KEY};

use crate::{
    frame::{self, Segment},
    run::{Action, run},
};

/// What test runs take place on: the loopback interface.
const LOOPBACK: u32 = 1;
/// Longer than a tick of the packet program's clock.
pub(crate) const TICK: Duration = Duration::from_millis(1_100);

/// A connection to establish.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) service: SocketAddr,
    /// Replies pass through the balancer.
    pub(crate) replies: bool,
}

/// A program, not attached to anything.
pub(crate) struct Bed {
    pub(crate) program: Program,
    backends: u32,
    /// Slots in use.
    slots: u32,
}

impl Bed {
    /// Loads the program with tables of these sizes, and `sources` as rewritten source addresses.
    pub(crate) fn load(limits: &Limits, ports: (u16, u16), sources: &[IpAddr]) -> Result<Self> {
        let nat = Nat { source: sources.to_vec(), ports };
        // A fixed key: two runs of the bench meet the same buckets.
        let options = Options { limits, nat: &nat, key: Some(KEY), pins: None };
        let mut program = Program::load(&options)?;
        program.open()?;
        program.load_pass()?;
        let addresses: Vec<_> = sources.iter().map(|&address| Ip::from(address)).collect();
        program.kernel.set_sources(&addresses)?;
        let tunnel = |source: IpAddr| Tunnel {
            source: source.into(),
            spread: 0,
            mtu: 1500,
            gue_port: Be16::new(6080),
            reserved: 0,
        };
        program
            .kernel
            .set_tunnels(&[tunnel([10, 0, 0, 2].into()), tunnel([0xfd00, 0, 0, 0, 0, 0, 0, 2].into())])?;
        Ok(Self { program, backends: 0, slots: 0 })
    }

    /// Adds a service with one backend.
    pub(crate) fn serve(
        &mut self,
        address: SocketAddr,
        forwarding: Forwarding,
        sources: (u8, u8),
    ) -> Result<()> {
        self.serve_by(1, address, forwarding, sources)
    }

    /// Adds a service with so many backends, which all have the service's own address and port.
    ///
    /// So a rewritten destination is what it was, and each repeat of a test run sees the packet that
    /// the first saw, although the program did all the work of rewriting it.
    pub(crate) fn serve_by(
        &mut self,
        backends: u32,
        address: SocketAddr,
        forwarding: Forwarding,
        sources: (u8, u8),
    ) -> Result<()> {
        let first = self.backends + 1;
        self.backends += backends;
        let slots: Vec<_> = (0..backends.next_power_of_two()).map(|slot| first + slot % backends).collect();
        let (ip, port) = (Ip::from(address.ip()), Be16::new(address.port()));
        let backend = Backend {
            address: ip,
            service_address: ip,
            target_mac: Mac::from_bytes([2, 0, 0, 0, 0, 9]),
            source_mac: Mac::from_bytes([2, 0, 0, 0, 0, 2]),
            generation: 1,
            ifindex: LOOPBACK,
            port,
            service_tag: 0,
            forwarding: forwarding as u8,
            source_first: sources.0,
            source_count: sources.1,
            protocol: protocol::TCP,
        };
        let service = Service {
            scope: first.into(),
            client_mask: Ip::prefix_mask(address.ip(), if address.is_ipv4() { 32 } else { 64 }),
            slots_base: self.slots,
            slots_mask: slots.len() as u32 - 1,
            idle_ticks: 1_700,
            lifetime_ticks: 0,
            policy: Policy::BY_CLIENT,
            port,
            ..Service::default()
        };
        let kernel = &mut self.program.kernel;
        for id in (first..=self.backends).map(BackendId) {
            kernel.set_backend(id, &backend)?;
            kernel.set_health(id, Health::Up)?;
        }
        kernel.set_slots(self.slots, &slots)?;
        self.slots += slots.len() as u32;
        kernel.set_service(&ServiceKey::new(ip, port, protocol::TCP), &service)?;
        kernel.set_service(&ServiceKey::any_port(ip), &service)
    }

    /// Says who is certainly a stranger, as the daemon does from time to time.
    pub(crate) fn survey(&self) -> Result<()> {
        self.program.kernel.sessions.survey(|_| {})
    }

    /// Stores sessions of so many others in each map.
    pub(crate) fn crowd(&mut self, [pins, affinity]: [u32; 2]) -> Result<()> {
        let session = |number: u32| {
            let client = Ip::from(IpAddr::from(Ipv4Addr::from_bits(number)));
            (SessionKey { scope: u64::MAX, client }, Pin::new(BackendId(1), 1, Tick::default()))
        };
        let sessions = &mut self.program.kernel.sessions;
        sessions.store(Store::Pins, &(0..pins).map(session).collect::<Vec<_>>())?;
        sessions.store(Store::Affinity, &(pins..pins + affinity).map(session).collect::<Vec<_>>())
    }

    /// Empties the flow table.
    pub(crate) fn forget_flows(&self) {
        self.program.kernel.sweep_flows(Tick::default(), |_| true);
    }

    /// Frees all source ports.
    pub(crate) fn free_ports(&mut self) {
        free_ports(self.program.xdp());
    }

    /// Makes connections that have proved themselves, so that their packets do no more than be
    /// forwarded: a SYN, where replies pass here a SYN-ACK, and in a later tick an ACK.
    pub(crate) fn establish(&mut self, connections: &[Connection]) -> Result<()> {
        for connection in connections {
            let Connection { client, service, replies } = *connection;
            self.send(&frame::tcp(client, service, Segment::Syn)?)?;
            if replies {
                self.send(&frame::tcp(service, client, Segment::SynAck)?)?;
            }
        }
        sleep(TICK);
        for Connection { client, service, .. } in connections {
            self.send(&frame::tcp(*client, *service, Segment::Ack)?)?;
        }
        Ok(())
    }

    fn send(&mut self, frame: &[u8]) -> Result<()> {
        run(self.program.xdp(), frame, 1, Action::Tx).map(drop)
    }
}
