//! The addresses of a lab, and what each namespace needs to know of them.
//!
//! Everything is on one layer-2 segment, but clients, backends and the balancer are in subnets of their own, so that
//! a backend can be told to answer clients directly (the default: on-link, as `nat` and `dsr` want it) or
//! through the balancer ([`answer_through`], as `nat` with `preserve_client` wants it).

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// IP version: 4 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

const BALANCER_NET: [&str; 2] = ["10.77.0.0/24", "fd77::/64"];
const CLIENT_NET: [&str; 2] = ["10.77.1.0/24", "fd77:1::/48"];
const BACKEND_NET: [&str; 2] = ["10.77.2.0/24", "fd77:2::/64"];
/// Behind the first client: addresses that need not be listed one by one.
const CROWD_NET: [&str; 2] = ["10.16.0.0/12", "fd78::/32"];

/// Most clients with an address of their own.
pub const MAX_CLIENTS: u8 = 250;

/// The balancer's own address.
#[must_use]
pub fn balancer(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, 1).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1).into(),
    }
}

/// An address for services that rewrite: nobody owns it until the daemon claims it.
#[must_use]
pub fn vip(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, 10).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x10).into(),
    }
}

/// An address for `dsr` services: also on every backend's loopback, where it answers neither ARP nor NDP.
#[must_use]
pub fn dsr_vip(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, 20).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x20).into(),
    }
}

/// Client `index`, from 0. In IPv6 each has a /64 of its own, as homes do.
#[must_use]
pub fn client(family: Family, index: u8) -> IpAddr {
    assert!(index < MAX_CLIENTS, "a lab has at most {MAX_CLIENTS} clients");
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 1, index + 1).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 1, 0, u16::from(index) + 1, 0, 0, 0, 1).into(),
    }
}

/// One of the million addresses behind the first client; only the low 20 bits of `number` count.
/// Consecutive numbers are consecutive addresses in IPv4 and consecutive /64 networks in IPv6.
#[must_use]
pub fn crowd(family: Family, number: u32) -> IpAddr {
    let number = number & 0xf_ffff;
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 16, 0, 0)) | number).into(),
        Family::V6 => {
            let [high, low] = [(number >> 16) as u16, number as u16];
            Ipv6Addr::new(0xfd78, 0, high, low, 0, 0, 0, 1).into()
        }
    }
}

/// Backend `index`, from 0.
#[must_use]
pub fn backend(family: Family, index: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 2, index + 1).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 2, 0, 0, 0, 0, 0, u16::from(index) + 1).into(),
    }
}

/// For the switch: a bridge that forwards at once and floods what it doesn't know.
pub(super) const SWITCH: &str =
    "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up\n";

/// For the switch: a cable from `port` to the interface `eth0` of `namespace`.
pub(super) fn cable(port: &str, namespace: &str) -> String {
    format!(
        "link add {port} type veth peer name eth0 netns {namespace}\n\
         link set {port} master br0\n\
         link set {port} up\n"
    )
}

/// For the clients' namespace.
pub(super) fn clients(count: u8) -> String {
    let mut lines = String::from("link set eth0 up\n");
    for family in Family::BOTH {
        for index in 0..count {
            address(&mut lines, client(family, index), "eth0");
        }
        on_link(&mut lines, &[CLIENT_NET, BALANCER_NET, BACKEND_NET], family);
        let _ = writeln!(lines, "route add local {} dev lo", CROWD_NET[family as usize]);
    }
    lines
}

/// For the balancer's namespace.
pub(super) fn balancers() -> String {
    let mut lines = String::from("link set eth0 up\n");
    for family in Family::BOTH {
        address(&mut lines, balancer(family), "eth0");
        on_link(&mut lines, &[BALANCER_NET, CLIENT_NET, BACKEND_NET], family);
        behind_first_client(&mut lines, family);
    }
    lines
}

/// For the namespace of backend `index`.
pub(super) fn backends(index: u8) -> String {
    let mut lines = String::from("link set eth0 up\n");
    for family in Family::BOTH {
        address(&mut lines, backend(family, index), "eth0");
        address(&mut lines, dsr_vip(family), "lo");
        on_link(&mut lines, &[BACKEND_NET, BALANCER_NET, CLIENT_NET], family);
        behind_first_client(&mut lines, family);
    }
    lines
}

/// For a backend's namespace: clients are reached through the balancer, at this address of its, from now on.
pub(super) fn answer_through(leg: fn(Family) -> IpAddr) -> String {
    let mut lines = String::new();
    for family in Family::BOTH {
        for net in [CLIENT_NET, CROWD_NET] {
            let (net, via) = (net[family as usize], leg(family));
            let _ = writeln!(lines, "route replace {net} via {via} dev eth0");
        }
    }
    lines
}

/// The balancer's own address on its second leg.
#[must_use]
pub fn second_leg(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, 2).into(),
        Family::V6 => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2).into(),
    }
}

/// For the switch: a second segment with a cable to the balancer and one to the clients, and the backends on it.
pub(super) fn second_switch(balancer: &str, clients: &str, backends: &[String]) -> String {
    let mut lines = SWITCH.replace("br0", "br1");
    for (port, namespace) in [("balancer2", balancer), ("clients2", clients)] {
        let _ = writeln!(lines, "link add {port} type veth peer name eth1 netns {namespace}");
        let _ = writeln!(lines, "link set {port} master br1\nlink set {port} up");
    }
    for backend in backends {
        let _ = writeln!(lines, "link set {backend} master br1");
    }
    lines
}

/// A router's address on the links to what is behind it.
const GATEWAY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 77, 9, 1)), IpAddr::V6(Ipv6Addr::new(0xfd77, 9, 0, 0, 0, 0, 0, 1))];

/// For a router: a link of this MTU from `port` to the interface `eth0` of `namespace`, which has `addresses`.
pub(super) fn link_behind(port: &str, namespace: &str, addresses: [IpAddr; 2], mtu: u16) -> String {
    let mut lines =
        format!("link add {port} type veth peer name eth0 netns {namespace}\nlink set {port} mtu {mtu} up\n");
    for (gateway, behind) in GATEWAY.into_iter().zip(addresses) {
        address(&mut lines, gateway, port);
        let _ = writeln!(lines, "route add {behind} dev {port}");
    }
    lines
}

/// For the clients' namespace: the first client is on both segments.
pub(super) fn second_arm_of_clients() -> String {
    let mut lines = String::from("link set eth1 up\n");
    for family in Family::BOTH {
        address(&mut lines, client(family, 0), "eth1");
        let _ = writeln!(lines, "route add {} dev eth1", second_leg(family));
    }
    lines
}

/// For the namespace at the other end. Its TCP announces segments as if the link were an ordinary one: others
/// learn of it by the router's errors only.
pub(super) fn behind(addresses: [IpAddr; 2], mtu: u16) -> String {
    let mut lines = format!("link set eth0 mtu {mtu} up\n");
    for ((own, gateway), segment) in addresses.into_iter().zip(GATEWAY).zip([1460, 1440]) {
        address(&mut lines, own, "eth0");
        let _ = writeln!(lines, "route add {gateway} dev eth0");
        let _ = writeln!(lines, "route add default via {gateway} dev eth0 advmss {segment}");
    }
    lines
}

/// For the balancer's namespace.
pub(super) fn second_arm_of_balancer() -> String {
    let mut lines = String::from("link set eth1 up\n");
    for family in Family::BOTH {
        address(&mut lines, second_leg(family), "eth1");
        let _ = writeln!(lines, "route replace {} dev eth1", BACKEND_NET[family as usize]);
    }
    lines
}

/// For the clients' namespace: `service` is behind the balancer's second leg.
pub(super) fn second_way(service: IpAddr) -> String {
    let family = if service.is_ipv4() { Family::V4 } else { Family::V6 };
    format!("route replace {service} via {} dev eth1\n", second_leg(family))
}

fn address(lines: &mut String, address: IpAddr, device: &str) {
    let (length, flags) = match address {
        IpAddr::V4(_) => (32, ""),
        IpAddr::V6(_) => (128, " nodad"),
    };
    let _ = writeln!(lines, "address add {address}/{length} dev {device}{flags}");
}

fn on_link(lines: &mut String, nets: &[[&str; 2]], family: Family) {
    for net in nets {
        let _ = writeln!(lines, "route add {} dev eth0", net[family as usize]);
    }
}

fn behind_first_client(lines: &mut String, family: Family) {
    let (net, via) = (CROWD_NET[family as usize], client(family, 0));
    let _ = writeln!(lines, "route add {net} via {via} dev eth0");
}
