//! Starts the systems, each in a namespace of its own; Limpet's three ways are three services of one daemon.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path as File,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{
    Daemon, Netns,
    config::{Backend, Config, Health, Interface, Nat, Persistence, Ports, Service, Tunnel},
};

use crate::{
    network::{Back, Network},
    plan::{BACKENDS, End, MTU, PORT},
    system::System,
};

/// All systems, ready for packets and connections.
pub(crate) struct Balancers {
    pub(crate) limpet: Daemon,
    /// The kernel's: whose interfaces get no program by themselves.
    pub(crate) kernel: Vec<(System, Netns)>,
    pub(crate) redirect: Netns,
    pub(crate) haproxy: Netns,
}

impl Balancers {
    /// Builds the paths and starts what is in them, but HAProxy.
    pub(crate) fn start(network: &Network, binary: &File) -> Result<Self> {
        let redirect = network.balancer("redirect")?;
        network.join(System::Redirect.path(), &redirect, Back::Unchanged)?;
        let haproxy = network.balancer("haproxy")?;
        network.join(System::Haproxy.path(), &haproxy, Back::Through)?;
        let mut kernel = Vec::new();
        for (system, role) in
            [(System::Forwarding, "forwarding"), (System::Numgen, "numgen"), (System::Jhash, "jhash")]
        {
            let namespace = network.balancer(role)?;
            network.join(system.path(), &namespace, Back::Through)?;
            namespace.set_sysctl("net/ipv4/ip_forward", "1")?;
            translate(system, &namespace)?;
            kernel.push((system, namespace));
        }
        for system in System::LIMPET {
            // A backend of `dsr` answers without asking the balancer.
            let back = if system == System::Nat { Back::Through } else { Back::Aside };
            network.join(system.path(), network.lab.balancer(), back)?;
        }
        // The clients' sessions are to be settled when the measurement begins, and no port is to be waited for.
        let limits = "new_pins_per_second = 1000000\nnat_connections = 2000000\n";
        let config = format!("{}\n[limits]\n{limits}", configuration());
        let limpet = Daemon::start(binary, &network.lab, &config)?;
        let status = limpet.status()?;
        for interface in &status.interfaces {
            ensure!(interface.mode == "driver", "Limpet is on {} in {} mode", interface.name, interface.mode);
        }
        Ok(Self { limpet, kernel, redirect, haproxy })
    }

    /// Those that take connections, and where they are.
    pub(crate) fn of_connections<'a>(&'a self, network: &'a Network) -> Vec<(System, &'a Netns)> {
        let limpet = [System::Nat, System::Dsr].map(|system| (system, network.lab.balancer()));
        let kernel = self.kernel.iter().map(|(system, namespace)| (*system, namespace));
        let others = [(System::Redirect, &self.redirect), (System::Haproxy, &self.haproxy)];
        limpet.into_iter().chain(kernel).chain(others).collect()
    }
}

fn configuration() -> Config {
    let paths = System::LIMPET.map(System::path);
    let names = [End::In, End::Out].into_iter().flat_map(|end| paths.map(|path| path.name(end))).collect();
    let service = [(System::Nat, "nat"), (System::Dsr, "dsr"), (System::Ipip, "ipip")];
    let source = System::Nat.path().sources().map(Into::into).collect();
    Config {
        interface: Interface { names, mode: "driver", claim: true },
        nat: Some(Nat { source, ports: None }),
        tunnel: Some(Tunnel { gue_port: 6080, mtu: MTU as u16 }),
        ..Config::new(service.map(|(system, forwarding)| limpet_service(system, forwarding)).into())
    }
}

fn limpet_service(system: System, forwarding: &'static str) -> Service {
    let path = system.path();
    let target = (system.target(), PORT).into();
    let backend = |index| Backend {
        name: format!("{forwarding}-{index}"),
        address: path.backend(index).into(),
        port: Some(PORT),
        weight: 100,
        server_id: None,
    };
    Service {
        ports: Ports::Port(PORT),
        persistence: Persistence::by("client-ip"),
        health: Health::None,
        backend: (0..BACKENDS).map(backend).collect(),
        ..Service::new(forwarding, forwarding, target, 0, PORT)
    }
}

/// Has nftables rewrite destinations, where the system is that.
fn translate(system: System, namespace: &Netns) -> Result<()> {
    let choice = match system {
        System::Numgen => "numgen inc",
        System::Jhash => "jhash ip saddr . tcp sport",
        _ => return Ok(()),
    };
    let path = system.path();
    let mut backends = String::new();
    for index in 0..BACKENDS {
        write!(backends, "{index} : {}, ", path.backend(index))?;
    }
    let rules = format!(
        "table ip balancer {{
             chain prerouting {{
                 type nat hook prerouting priority dstnat; policy accept;
                 ip daddr {} tcp dport {PORT} dnat to {choice} mod {BACKENDS} map {{ {backends} }}
             }}
         }}",
        system.target(),
    );
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = namespace.spawn(&mut nft).context("cannot run `nft`: install nftables")?;
    child.stdin.take().expect("stdin was piped").write_all(rules.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    // A network card has looked at checksums before the kernel sees a packet. There is none here, and to have
    // connection tracking add up 1,500 bytes would be unfair.
    namespace.set_sysctl("net/netfilter/nf_conntrack_checksum", "0")?;
    // Ended connections of the load leave soon, so that the table, which is all systems', is never full.
    namespace.set_sysctl("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "5")
}
