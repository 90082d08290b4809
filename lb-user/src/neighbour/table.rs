//! What the kernel knows of links and neighbours, kept up to date by its events.

use std::{collections::HashMap, net::IpAddr};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteMessage},
};

use super::{Mac, NextHop, Unresolved, full_prefix};

/// The neighbour that packets go to: an interface, and an address on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Path {
    pub(super) ifindex: u32,
    /// The backend itself, or the gateway to it (of either family).
    pub(super) via: IpAddr,
}

/// Links and neighbours.
#[derive(Debug, Default)]
pub(super) struct Table {
    links: HashMap<u32, Link>,
    neighbours: HashMap<Path, Neighbour>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    name: String,
    /// `None`: not Ethernet.
    mac: Option<Mac>,
    /// Those of its flags that routes come and go with.
    state: LinkFlags,
    /// What it belongs to: within a VRF other routes count.
    controller: Option<u32>,
}

/// Up, and with a carrier.
const STATE: LinkFlags = LinkFlags::Up.union(LinkFlags::Running).union(LinkFlags::LowerUp);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    /// Resolved; `confirmed` while the kernel sees no need to ask again.
    Known { mac: Mac, confirmed: bool },
    /// Being asked.
    Pending,
    /// Asked, without an answer.
    Failed,
}

/// What an event may have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Neighbour(Path),
    /// The way to this address, and to no other.
    RouteTo(IpAddr),
    Routes,
}

impl Table {
    /// Takes an event, or an entry of a dump.
    pub(super) fn apply(&mut self, message: &RouteNetlinkMessage) -> Effect {
        match message {
            RouteNetlinkMessage::NewLink(message) => {
                let link = parse_link(message);
                // Many events tell of something else: that a packet program was attached, or somebody listens.
                match self.links.insert(message.header.index, link.clone()) {
                    Some(old) if old == link => Effect::Nothing,
                    _ => Effect::Routes,
                }
            }
            RouteNetlinkMessage::DelLink(link) => {
                self.links.remove(&link.header.index);
                Effect::Routes
            }
            RouteNetlinkMessage::NewNeighbour(neighbour) => match path(neighbour) {
                Some(path) => {
                    self.neighbours.insert(path, parse_neighbour(neighbour));
                    Effect::Neighbour(path)
                }
                None => Effect::Nothing,
            },
            RouteNetlinkMessage::DelNeighbour(neighbour) => match path(neighbour) {
                Some(path) => {
                    self.neighbours.remove(&path);
                    Effect::Neighbour(path)
                }
                None => Effect::Nothing,
            },
            // The kernel does not say which of the IPv4 routes go with a link, hence links above, too.
            RouteNetlinkMessage::NewRoute(route) => {
                only_destination(route).map_or(Effect::Routes, Effect::RouteTo)
            }
            RouteNetlinkMessage::DelRoute(_)
            | RouteNetlinkMessage::NewRule(_)
            | RouteNetlinkMessage::DelRule(_) => Effect::Routes,
            _ => Effect::Nothing,
        }
    }

    /// Whether the kernel sees no need to ask this neighbour.
    pub(super) fn confirmed(&self, path: Path) -> bool {
        let neighbour = self.neighbours.get(&path);
        matches!(neighbour, Some(Neighbour::Known { confirmed, .. }) if *confirmed)
    }

    /// The next hop on a path; `None` while nobody knows.
    pub(super) fn next_hop(&self, path: Path) -> Option<Result<NextHop, Unresolved>> {
        let Path { ifindex, via } = path;
        // A route by a link that is not known yet: its event is under way.
        let link = self.links.get(&ifindex)?;
        let interface = link.name.clone();
        let Some(source_mac) = link.mac else {
            return Some(Err(Unresolved::NotEthernet { interface }));
        };
        match *self.neighbours.get(&path)? {
            Neighbour::Known { mac, .. } => Some(Ok(NextHop { ifindex, source_mac, target_mac: mac })),
            Neighbour::Pending => None,
            Neighbour::Failed => Some(Err(Unresolved::Unanswered { via, interface })),
        }
    }
}

/// The one address that a route leads to, if it is but one. Each address that is added to the host is such a route.
fn only_destination(route: &RouteMessage) -> Option<IpAddr> {
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    (route.header.destination_prefix_length == full_prefix(address)).then_some(address)
}

fn parse_link(message: &LinkMessage) -> Link {
    let state = message.header.flags & STATE;
    let mut link = Link { name: String::new(), mac: None, state, controller: None };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(bytes) if message.header.link_layer_type == LinkLayerType::Ether => {
                link.mac = bytes.as_slice().try_into().ok();
            }
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            _ => {}
        }
    }
    link
}

/// Whose entry it is; `None` for those of bridges, and for addresses that this host only answers for.
fn path(message: &NeighbourMessage) -> Option<Path> {
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let via = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    Some(Path { ifindex: message.header.ifindex, via })
}

fn parse_neighbour(message: &NeighbourMessage) -> Neighbour {
    let mac = message.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    });
    match (message.header.state, mac) {
        (NeighbourState::Reachable | NeighbourState::Permanent | NeighbourState::Noarp, Some(mac)) => {
            Neighbour::Known { mac, confirmed: true }
        }
        (NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe, Some(mac)) => {
            Neighbour::Known { mac, confirmed: false }
        }
        (NeighbourState::Failed, _) => Neighbour::Failed,
        _ => Neighbour::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 2];

    fn via() -> Path {
        Path { ifindex: 7, via: "10.0.0.11".parse().unwrap() }
    }

    fn link(kind: LinkLayerType) -> RouteNetlinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.header.link_layer_type = kind;
        message.attributes =
            vec![LinkAttribute::IfName("eth7".to_owned()), LinkAttribute::Address(OURS.to_vec())];
        RouteNetlinkMessage::NewLink(message)
    }

    fn neighbour(state: NeighbourState, mac: Option<Mac>) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = 7;
        message.header.state = state;
        let destination = NeighbourAddress::Inet("10.0.0.11".parse().unwrap());
        message.attributes = vec![NeighbourAttribute::Destination(destination)];
        message.attributes.extend(mac.map(|mac| NeighbourAttribute::LinkLayerAddress(mac.to_vec())));
        message
    }

    fn table_with(state: NeighbourState, mac: Option<Mac>) -> Table {
        let mut table = Table::default();
        assert_eq!(table.apply(&link(LinkLayerType::Ether)), Effect::Routes);
        let message = RouteNetlinkMessage::NewNeighbour(neighbour(state, mac));
        assert_eq!(table.apply(&message), Effect::Neighbour(via()));
        table
    }

    #[test]
    fn each_state_of_a_neighbour_has_its_answer() {
        let known = Some(Ok(NextHop { ifindex: 7, source_mac: OURS, target_mac: THEIRS }));
        let failed = Some(Err(Unresolved::Unanswered { via: via().via, interface: "eth7".to_owned() }));
        for (state, mac, answer, confirmed) in [
            (NeighbourState::Reachable, Some(THEIRS), known.clone(), true),
            (NeighbourState::Permanent, Some(THEIRS), known.clone(), true),
            (NeighbourState::Noarp, Some(THEIRS), known.clone(), true),
            (NeighbourState::Stale, Some(THEIRS), known.clone(), false),
            (NeighbourState::Delay, Some(THEIRS), known.clone(), false),
            (NeighbourState::Probe, Some(THEIRS), known, false),
            (NeighbourState::Incomplete, None, None, false),
            (NeighbourState::None, None, None, false),
            (NeighbourState::Failed, None, failed.clone(), false),
            // The kernel keeps the address of one that has failed; it is not to be used.
            (NeighbourState::Failed, Some(THEIRS), failed, false),
        ] {
            let table = table_with(state, mac);
            assert_eq!(table.next_hop(via()), answer, "{state}");
            assert_eq!(table.confirmed(via()), confirmed, "{state}");
        }
    }

    #[test]
    fn what_is_removed_is_unknown() {
        let gone = neighbour(NeighbourState::Reachable, Some(THEIRS));
        let mut table = table_with(NeighbourState::Reachable, Some(THEIRS));
        let effect = table.apply(&RouteNetlinkMessage::DelNeighbour(gone));
        assert_eq!(effect, Effect::Neighbour(via()));
        assert_eq!(table.next_hop(via()), None);

        let mut table = table_with(NeighbourState::Reachable, Some(THEIRS));
        let RouteNetlinkMessage::NewLink(gone) = link(LinkLayerType::Ether) else {
            unreachable!("that is what it makes")
        };
        assert_eq!(table.apply(&RouteNetlinkMessage::DelLink(gone)), Effect::Routes);
        assert_eq!(table.next_hop(via()), None);
    }

    #[test]
    fn a_new_route_to_one_address_concerns_no_other() {
        let route = |length| {
            let mut route = RouteMessage::default();
            route.header.destination_prefix_length = length;
            let destination = RouteAddress::Inet([10, 0, 0, 11].into());
            route.attributes.push(RouteAttribute::Destination(destination));
            route
        };
        let effect = |message| Table::default().apply(&message);
        assert_eq!(effect(RouteNetlinkMessage::NewRoute(route(32))), Effect::RouteTo(via().via));
        assert_eq!(effect(RouteNetlinkMessage::NewRoute(route(24))), Effect::Routes);
        // A default route names no destination; with a route that goes, others may go unsaid.
        assert_eq!(effect(RouteNetlinkMessage::NewRoute(RouteMessage::default())), Effect::Routes);
        assert_eq!(effect(RouteNetlinkMessage::DelRoute(route(32))), Effect::Routes);
    }

    #[test]
    fn a_link_that_routes_do_not_depend_on_has_not_changed() {
        let RouteNetlinkMessage::NewLink(plain) = link(LinkLayerType::Ether) else {
            unreachable!("that is what it makes")
        };
        let with = |flags, attribute: Option<LinkAttribute>| {
            let mut message = plain.clone();
            message.header.flags = flags;
            message.attributes.extend(attribute);
            message
        };
        let up = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp;
        let mut table = Table::default();
        for (message, effect) in [
            (with(up, None), Effect::Routes),
            (with(up, None), Effect::Nothing),
            (with(up | LinkFlags::Promisc, Some(LinkAttribute::Mtu(1400))), Effect::Nothing),
            (with(up & !LinkFlags::LowerUp, None), Effect::Routes),
            (with(up, None), Effect::Routes),
            (with(up, Some(LinkAttribute::Controller(9))), Effect::Routes),
            (with(LinkFlags::empty(), None), Effect::Routes),
        ] {
            assert_eq!(table.apply(&RouteNetlinkMessage::NewLink(message.clone())), effect, "{message:?}");
        }
    }

    #[test]
    fn a_tunnel_is_not_ethernet() {
        let mut table = table_with(NeighbourState::Noarp, Some(THEIRS));
        table.apply(&link(LinkLayerType::None));
        let answer = Unresolved::NotEthernet { interface: "eth7".to_owned() };
        assert_eq!(table.next_hop(via()), Some(Err(answer)));
    }

    #[test]
    fn proxied_addresses_are_nobodys_neighbour() {
        let mut message = neighbour(NeighbourState::Reachable, Some(THEIRS));
        message.header.flags = NeighbourFlags::Proxy;
        let effect = Table::default().apply(&RouteNetlinkMessage::NewNeighbour(message));
        assert_eq!(effect, Effect::Nothing);
    }
}
