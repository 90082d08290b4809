//! The wires of all paths, and the namespaces at their ends.

use std::{fmt::Write as _, net::Ipv4Addr};

use anyhow::Result;
use lb_user::lab::{Lab, Netns, Size};

use crate::{
    interfaces,
    plan::{BACKENDS, DIRECT, End, MTU, Path, show},
};

/// How answers come back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    /// Through the balancer.
    Through,
    /// The same, and both ends know each other's Ethernet address: it need change nothing.
    Unchanged,
    /// By the direct wire.
    Aside,
}

/// Everything that is connected. Goes with the lab.
pub(crate) struct Network {
    pub(crate) generator: Netns,
    pub(crate) sink: Netns,
    queues: usize,
    /// Owns the namespaces; its balancer's is Limpet's.
    pub(crate) lab: Lab,
}

impl Network {
    /// Both ends, and the wire between them without a balancer. Interfaces have as many queues as there are CPUs: what
    /// one CPU sends, it also receives.
    pub(crate) fn new(queues: usize) -> Result<Self> {
        let lab = Lab::new(Size { clients: 1, backends: 1 })?;
        let (generator, sink) = (namespace(&lab, "generator")?, namespace(&lab, "sink")?);
        keep_quiet(lab.balancer())?;
        let network = Self { generator, sink, queues, lab };
        let ends = [("direct", [2, 0, 0, 0, 255, 1]), ("direct", [2, 0, 0, 0, 255, 2])];
        network.cable(&network.generator, &network.sink, ends)?;
        for (namespace, own, other, mac) in
            [(&network.generator, 0, 1, ends[1].1), (&network.sink, 1, 0, ends[0].1)]
        {
            let (own, other) = (DIRECT[own], DIRECT[other]);
            namespace.ip_batch(&format!(
                "address add {own}/32 dev direct\nroute add {other} dev direct\n{}",
                neighbour(other, mac, "direct")
            ))?;
        }
        Ok(network)
    }

    /// An empty namespace for another balancer.
    pub(crate) fn balancer(&self, role: &str) -> Result<Netns> {
        namespace(&self.lab, role)
    }

    /// Puts `balancer` into the path.
    pub(crate) fn join(&self, path: Path, balancer: &Netns, back: Back) -> Result<()> {
        let end = |end| (path.name(end), path.mac(end));
        let ends = [End::Generator, End::In, End::Out, End::Sink].map(end);
        let ends = ends.each_ref().map(|(name, mac)| (name.as_str(), *mac));
        self.cable(&self.generator, balancer, [ends[0], ends[1]])?;
        self.cable(&self.sink, balancer, [ends[3], ends[2]])?;
        let [(generator, generator_mac), (inside, in_mac), (outside, out_mac), (sink, sink_mac)] = ends;
        let (there_mac, back_mac) =
            if back == Back::Unchanged { (sink_mac, generator_mac) } else { (in_mac, out_mac) };
        let [client, inner, outer] = [End::Generator, End::In, End::Out].map(|end| path.address(end));
        let (service, crowd) = (path.service(), path.crowd());
        let (backends, mut there, mut here) = (path.backend(0), String::new(), String::new());
        for backend in (0..BACKENDS).map(|index| path.backend(index)) {
            writeln!(there, "address add {backend}/24 dev {sink}")?;
            here += &neighbour(backend, sink_mac, outside);
        }
        for source in path.sources() {
            writeln!(here, "address add {source}/24 dev {outside}")?;
            there += &neighbour(source, back_mac, sink);
        }
        self.generator.ip_batch(&format!(
            "address add {client}/24 dev {generator}\n{}\
             route add {service} via {inner} dev {generator}\n\
             route add {}/24 via {inner} dev {generator}\n",
            neighbour(inner, there_mac, generator),
            network_of(backends),
        ))?;
        balancer.ip_batch(&format!(
            "address add {inner}/24 dev {inside}\n{}\
             route add {crowd}/16 via {client} dev {inside}\n\
             address add {outer}/24 dev {outside}\n{here}",
            neighbour(client, generator_mac, inside),
        ))?;
        let way = match back {
            Back::Through | Back::Unchanged => format!("via {outer} dev {sink}"),
            Back::Aside => format!("via {} dev direct", DIRECT[0]),
        };
        self.sink.ip_batch(&format!(
            "{there}address add {service}/32 dev lo\n{}route add {}/24 {way}\n",
            neighbour(outer, back_mac, sink),
            network_of(client),
        ))
    }

    /// A cable. Senders at its first end, and at the second of the direct one, compute checksums: there is no hardware
    /// behind a veth that would.
    fn cable(&self, first: &Netns, second: &Netns, ends: [(&str, [u8; 6]); 2]) -> Result<()> {
        let queues = self.queues;
        let [(name, mac), (peer, peer_mac)] = ends.map(|(name, mac)| (name, show(mac)));
        let settings = format!("mtu {MTU} numtxqueues {queues} numrxqueues {queues}");
        first.ip_batch(&format!(
            "link add name {name} address {mac} {settings} type veth \
             peer name {peer} address {peer_mac} {settings} netns {}\nlink set {name} up\n",
            second.name()
        ))?;
        second.ip_batch(&format!("link set {peer} up\n"))?;
        for (namespace, device) in [(first, name), (second, peer)] {
            self.keep_to_cpu(namespace, device)?;
        }
        interfaces::set_features(first, name, &["tx", "off"])?;
        if name == peer { interfaces::set_features(second, peer, &["tx", "off"]) } else { Ok(()) }
    }

    /// What a CPU sends leaves by the queue of its number, as drivers of network cards have it. The kernel would choose
    /// by the flow otherwise, and have the other CPU receive every second frame.
    fn keep_to_cpu(&self, namespace: &Netns, device: &str) -> Result<()> {
        let queue = |queue| (format!("queues/tx-{queue}/xps_cpus"), format!("{:x}", 1 << queue));
        interfaces::set(namespace, device, &(0..self.queues).map(queue).collect::<Vec<_>>())
    }
}

fn namespace(lab: &Lab, role: &str) -> Result<Netns> {
    let namespace = lab.namespace(role)?;
    keep_quiet(&namespace)?;
    // Each connection of a load takes another port.
    namespace.set_sysctl("net/ipv4/ip_local_port_range", "1024 65535")?;
    Ok(namespace)
}

/// Nothing but what is measured is on the wires, and it may come from anywhere.
fn keep_quiet(namespace: &Netns) -> Result<()> {
    namespace.set_sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
    for which in ["all", "default"] {
        namespace.set_sysctl(&format!("net/ipv4/conf/{which}/rp_filter"), "0")?;
    }
    Ok(())
}

fn neighbour(address: Ipv4Addr, mac: [u8; 6], device: &str) -> String {
    format!("neighbour add {address} lladdr {} nud permanent dev {device}\n", show(mac))
}

/// Its /24.
fn network_of(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 0)
}
