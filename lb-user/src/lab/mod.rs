//! A whole network on one machine, in namespaces: what `limpet demo` shows and the end-to-end tests use.
//!
//! ```text
//!   clients              balancer            backend-1 ... backend-N
//!   10.77.1.1..          10.77.0.1           10.77.2.1 ... 10.77.2.N
//!   fd77:1:0:1::1..      fd77::1             fd77:2::1 ... fd77:2::N
//!      |                    |                    |            |
//!   ---+--------------------+--------------------+------------+---   switch: one layer-2 segment, MTU 1500
//! ```
//!
//! Two things a real network does by itself have to be arranged here:
//! * A veth hands over packets whose checksum is yet to be computed by hardware. An XDP program would see (and
//!   forward) the unfinished sum, so the switch's port to the balancer has that offload turned off.
//! * What XDP sends back out of a veth reaches its peer only if that one runs an XDP program as well; the
//!   switch's port to the balancer therefore gets one that passes everything.
//!
//! `dsr` needs the virtual address on each backend, which must keep quiet about it. On `lo`, `arp_ignore = 1` and
//! `arp_announce = 2` see to that in IPv4. In IPv6 nothing needs to be done: Linux answers neighbour solicitations only
//! for addresses of the interface they arrive on.

mod claim;
pub mod client;
pub mod config;
pub mod daemon;
mod netns;
pub mod plan;
mod server;
pub mod status;
mod way;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use self::claim::Claim;
pub use self::{
    daemon::Daemon,
    netns::Netns,
    plan::Family,
    server::{NameServer, serve},
    status::{AccessFigures, Status},
    way::{BACKEND_PORTS, Mode, Way},
};
use crate::dataplane::{PassGuard, attach_pass};

/// How large a lab is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Clients with an address of their own in both families, 1..=[`plan::MAX_CLIENTS`].
    pub clients: u8,
    /// Backends, 1..=250.
    pub backends: u8,
}

/// What the balancer's namespace, its port of the switch and its pins are called.
const BALANCER: &str = "balancer";

/// A running lab. Dropping it kills what runs in its namespaces and removes them; if the process dies first,
/// the next lab made on this machine does.
#[derive(Debug)]
pub struct Lab {
    switch: Netns,
    clients: Netns,
    balancer: Netns,
    backends: Vec<Netns>,
    _pass: PassGuard,
    second_pass: Option<PassGuard>,
    claim: Claim,
}

impl Lab {
    /// Builds the network. Needs root, `ip` and `ethtool`.
    pub fn new(size: Size) -> Result<Self> {
        let claim = Claim::new()?;
        let switch = Netns::create(claim.namespace("switch"))?;
        switch.ip_batch(plan::SWITCH)?;
        let join = |role: &str, addresses: &str| -> Result<Netns> {
            let namespace = Netns::create(claim.namespace(role))?;
            switch.ip_batch(&plan::cable(role, namespace.name()))?;
            namespace.ip_batch(addresses)?;
            Ok(namespace)
        };

        let clients = join("clients", &plan::clients(size.clients))?;
        // Lets a client use any address that is routed to it, without listing each.
        clients.set_sysctl("net/ipv6/ip_nonlocal_bind", "1")?;
        clients.set_sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
        let balancer = join(BALANCER, &plan::balancers())?;
        let backends = (0..size.backends)
            .map(|index| {
                let backend = join(&backend_name(index), &plan::backends(index))?;
                backend.set_sysctl("net/ipv4/conf/all/arp_ignore", "1")?;
                backend.set_sysctl("net/ipv4/conf/all/arp_announce", "2")?;
                Ok(backend)
            })
            .collect::<Result<Vec<_>>>()?;

        let pass = pass_on(&switch, BALANCER)?;
        Ok(Self { switch, clients, balancer, backends, _pass: pass, second_pass: None, claim })
    }

    /// Adds a second segment, with a leg of the balancer ([`plan::second_leg`]) and one of the first client on it, both
    /// named `eth1`, and moves the backends there: the balancer has two arms, and clients two ways to it.
    pub fn add_second_arm(&mut self) -> Result<()> {
        let backends: Vec<_> = (0..self.backends.len()).map(|index| backend_name(index as u8)).collect();
        self.switch.ip_batch(&plan::second_switch(self.balancer.name(), self.clients.name(), &backends))?;
        self.second_pass = Some(pass_on(&self.switch, "balancer2")?);
        self.clients.ip_batch(&plan::second_arm_of_clients())?;
        self.balancer.ip_batch(&plan::second_arm_of_balancer())
    }

    /// Sends the first client's packets to `service` by the second segment from now on, and cuts the balancer's leg
    /// on the first.
    pub fn take_second_way(&self, service: IpAddr) -> Result<()> {
        self.clients.ip_batch(&plan::second_way(service))?;
        self.switch.ip_batch("link set balancer nomaster\n")
    }

    /// Has the first client's packets to `service` come by the first segment again.
    pub fn take_first_way(&self, service: IpAddr) -> Result<()> {
        self.switch.ip_batch("link set balancer master br0\n")?;
        self.clients.ip_batch(&format!("route delete {service}\n"))
    }

    /// The switch: its ports are called like what is behind them, and its bridge `br0`.
    #[must_use]
    pub fn switch(&self) -> &Netns {
        &self.switch
    }

    /// The namespace of all clients.
    #[must_use]
    pub fn clients(&self) -> &Netns {
        &self.clients
    }

    /// The balancer's namespace; its interface is `eth0`.
    #[must_use]
    pub fn balancer(&self) -> &Netns {
        &self.balancer
    }

    /// The backends' namespaces, `backend-1` first.
    #[must_use]
    pub fn backends(&self) -> &[Netns] {
        &self.backends
    }

    /// A directory for configuration, sockets and logs, removed with the lab.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.claim.directory()
    }

    /// Where the balancer's daemon pins maps and links, removed with the lab.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.claim.pins(BALANCER)
    }

    /// Makes an empty namespace, which is removed with the lab.
    pub fn namespace(&self, role: &str) -> Result<Netns> {
        Netns::create(self.claim.namespace(role))
    }

    /// Makes a namespace that `router`, a namespace of this lab, forwards to by a link of this MTU. It has
    /// `addresses`, of IPv4 and IPv6; the others of the lab don't know yet where those are.
    pub fn behind(&self, router: &Netns, role: &str, addresses: [IpAddr; 2], mtu: u16) -> Result<Netns> {
        let namespace = self.namespace(role)?;
        router.set_sysctl("net/ipv4/ip_forward", "1")?;
        router.set_sysctl("net/ipv6/conf/all/forwarding", "1")?;
        router.ip_batch(&plan::link_behind(role, namespace.name(), addresses, mtu))?;
        namespace.ip_batch(&plan::behind(addresses, mtu))?;
        Ok(namespace)
    }

    /// Makes backend `index` route its answers to clients through the balancer, which `nat` with
    /// `preserve_client` asks of its backends (and `dsr` must not have).
    pub fn answer_through_balancer(&self, index: u8) -> Result<()> {
        self.backends[usize::from(index)].ip_batch(&plan::answer_through(plan::balancer))
    }

    /// The same by the balancer's second leg.
    pub fn answer_through_second_leg(&self, index: u8) -> Result<()> {
        self.backends[usize::from(index)].ip_batch(&plan::answer_through(plan::second_leg))
    }

    /// Starts an HTTP server that answers its own name, in the namespace of backend `index`, on [`BACKEND_PORTS`] of
    /// all its addresses.
    pub fn start_server(&self, binary: &Path, index: u8) -> Result<NameServer> {
        NameServer::start(binary, &self.backends[usize::from(index)], &backend_name(index), &BACKEND_PORTS)
    }
}

/// The name of backend `index`, from 0: what its namespace ends in and what its server answers.
#[must_use]
pub fn backend_name(index: u8) -> String {
    format!("backend-{}", u32::from(index) + 1)
}

/// What the switch's port to the balancer needs, see the module's text.
fn pass_on(switch: &Netns, port: &str) -> Result<PassGuard> {
    finish_checksums(switch, port)?;
    switch.run(|| attach_pass(nix::net::if_::if_nametoindex(port)?))
}

/// Has checksums computed before packets leave `port`.
fn finish_checksums(switch: &Netns, port: &str) -> Result<()> {
    let child = switch
        .spawn(Command::new("ethtool").args(["-K", port, "tx", "off"]).stdout(std::process::Stdio::null()));
    let status = child.context("cannot run `ethtool`: install it")?.wait()?;
    if !status.success() {
        bail!("ethtool cannot turn off checksum offload on {port}");
    }
    Ok(())
}
