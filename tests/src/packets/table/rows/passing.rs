//! What isn't ours passes, untouched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv6Type, PacketBuilder, SingleVlanHeader,
    VlanHeader,
};
use lb_common::reason::Reason;

use super::{
    super::{A, ACK, B, Conn, Datagram, End, Family, Port, Row, Side, Site, Transport, mac},
    FAMILIES, MODES, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = ethernet();
    for family in FAMILIES {
        rows.extend(elsewhere(Site { family, ..Site::new(family, false, Site::WEB.forwarding) }));
        rows.extend(echoes(Site::new(family, false, Site::WEB.forwarding)));
    }
    for site in sites().filter(|site| !site.forwarding.is_direct()) {
        rows.push(strange_replies(site));
    }
    rows.push(neighbour_solicitation());
    rows.push(mapped());
    rows.push(gone());
    rows
}

/// Frames that are neither IPv4 nor IPv6.
fn ethernet() -> Vec<Row> {
    let row = |id: &str, name: &str, frame: Vec<u8>| {
        Row::new(name).proves(id).at(Site::WEB).ends(frame, Reason::NotIp)
    };
    let IpAddr::V4(service) = Site::WEB.address() else { unreachable!("WEB is IPv4") };
    let arp = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &mac::ROUTER,
        &[198, 51, 100, 1],
        &[0; 6],
        &service.octets(),
    )
    .expect("lengths fit");
    let mut asks = Vec::new();
    PacketBuilder::ethernet2(mac::ROUTER, [0xff; 6]).arp(arp).write(&mut asks).expect("a Vec");

    let ip = Site::WEB.conn(0).first();
    let tagged = |tags: &[u16]| {
        let frame = ip.build(&[]);
        let tags: Vec<u8> = tags.iter().flat_map(|tag| [tag.to_be_bytes(), [0, 7]].concat()).collect();
        [&frame[..12], &tags, &frame[12..]].concat()
    };
    // Built by the oracle, to be sure that a tag looks like this.
    let mut one = Vec::new();
    PacketBuilder::ethernet2(ip.from_mac, ip.to_mac)
        .vlan(VlanHeader::Single(SingleVlanHeader {
            vlan_id: 7.try_into().expect("12 bits"),
            ..SingleVlanHeader::default()
        }))
        .ipv4(service.octets(), service.octets(), 1)
        .udp(1, 2)
        .write(&mut one, &[])
        .expect("a Vec");
    assert_eq!(one[12..16], tagged(&[0x8100])[12..16]);

    vec![
        row("arp", "ARP for the service address passes", asks),
        row("tags-three", "three VLAN tags pass", tagged(&[0x88a8, 0x8100, 0x8100])),
        row(
            "lldp",
            "LLDP passes",
            [&[1, 0x80, 0xc2, 0, 0, 0xe][..], &mac::ROUTER, &[0x88, 0xcc], &[0; 46]].concat(),
        ),
        row(
            "ieee-length",
            "an 802.3 length passes",
            [&[0xff; 6][..], &mac::ROUTER, &[0, 46], &[0x42; 46]].concat(),
        ),
        row(
            "ethernet-only",
            "an Ethernet header and nothing else passes",
            [&ip.build(&[])[..12], &[0x86, 0xdc]].concat(),
        ),
        Row::new("an Ethernet header that announces IPv4 and nothing else passes")
            .proves("ethernet-only")
            .at(Site::WEB)
            .ends(ip.build(&[])[..14].to_vec(), Reason::NotOurs),
    ]
}

/// TCP and UDP to others than a service.
fn elsewhere(site: Site) -> Vec<Row> {
    let conn = site.conn(0);
    let family = site.family.name();
    let modes = MODES.map(|forwarding| Site { forwarding, ..site }.row());
    let udp = MODES.map(|forwarding| Site { forwarding, udp: true, ..site }.row());
    let other: IpAddr = match site.family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, 99).into(),
        Family::V6 => "2001:db8:5::99".parse().expect("an address"),
    };
    let to = |address: IpAddr, port: u16, transport: Transport| Datagram {
        destination: End { address, port: Port::Is(port) },
        transport,
        ..conn.data()
    };
    let tcp = Transport::Tcp(ACK);
    let row = |what: &str, datagram: Datagram| {
        Row::new(format!("{family}: {what}")).at(site).ends(datagram, Reason::NotOurs)
    };
    // Whose port or address it is not, in whatever mode.
    let all = |row: Row, ids: [String; MODES.len()]| ids.into_iter().fold(row, Row::proves);
    vec![
        all(row("another port of the service address passes", to(site.address(), 22, tcp)), modes),
        row("a port among the source ports passes", to(site.address(), 5555, tcp))
            .proves("port-among-sources"),
        all(
            row(
                "the service's port by another protocol passes",
                to(site.address(), site.port, Transport::Udp),
            ),
            udp,
        ),
        row("another address passes", to(other, site.port, tcp)).proves(site.row()),
        row("our own address passes", to(site.source(), 443, tcp)).proves(site.row()),
        row("a source port that nobody holds passes", to(site.source(), 5555, tcp))
            .proves("source-port-of-nobody"),
        row("port 0 passes", to(site.address(), 0, tcp)).proves(site.row()),
    ]
}

fn echoes(site: Site) -> Vec<Row> {
    let frame = |to: IpAddr| {
        let builder = PacketBuilder::ethernet2(mac::ROUTER, mac::OURS);
        let mut frame = Vec::new();
        match (site.conn(0).client, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => builder
                .ipv4(from.octets(), to.octets(), 64)
                .icmpv4_echo_request(1, 2)
                .write(&mut frame, b"ping"),
            (IpAddr::V6(from), IpAddr::V6(to)) => builder
                .ipv6(from.octets(), to.octets(), 64)
                .icmpv6_echo_request(1, 2)
                .write(&mut frame, b"ping"),
            _ => unreachable!("one family"),
        }
        .expect("a Vec");
        frame
    };
    let name = site.family.name();
    let id = format!("{name}-echo");
    vec![
        Row::new(format!("{name}: a ping to the service address passes"))
            .proves(&id)
            .at(site)
            .ends(frame(site.address()), Reason::OtherProtocol),
        Row::new(format!("{name}: a ping to our own address passes"))
            .proves(&id)
            .at(site)
            .ends(frame(site.source()), Reason::NotOurs),
    ]
}

/// Packets from a backend that belong to no binding in full: the host's own connections.
fn strange_replies(site: Site) -> Row {
    let conn = site.conn(0);
    let reply = conn.answer(A);
    let with = |change: &dyn Fn(&mut Datagram)| {
        let mut datagram = reply.clone();
        change(&mut datagram);
        datagram
    };
    let other_client: IpAddr = match site.family {
        Family::V4 => Ipv4Addr::new(198, 51, 100, 8).into(),
        Family::V6 => "2001:db8:c::8".parse().expect("an address"),
    };
    let swapped = if site.udp { Transport::Tcp(ACK) } else { Transport::Udp };
    let row = Row::new(format!("{}: replies that fit no binding in full pass", site.name()))
        .proves(site.reply_row())
        .at(site);
    let row = row.ends(Conn { taken: 0, ..conn }.data().between_strangers(), Reason::NotOurs).opens(
        conn,
        A,
        conn.first(),
        if site.udp { &[Reason::SessionNew] } else { &[] },
    );
    [
        with(&|it| it.source.port = Port::Is(22)),
        with(&|it| it.source.address = site.server(B).0),
        with(&|it| it.destination.address = other_client),
        with(&|it| it.destination.port = Port::Is(9000)),
        with(&|it| it.transport = swapped),
    ]
    .into_iter()
    .fold(row, |row, datagram| row.ends_with(datagram, Side::Outside, Reason::NotOurs, &[]))
    .returns(conn, A, reply, &[])
}

impl Datagram {
    /// The same between two addresses that nobody here has.
    fn between_strangers(mut self) -> Self {
        let (from, to): (IpAddr, IpAddr) = match self.source.address {
            IpAddr::V4(_) => (Ipv4Addr::new(203, 0, 113, 1).into(), Ipv4Addr::new(203, 0, 113, 2).into()),
            IpAddr::V6(_) => (Ipv6Addr::from(0x11).into(), Ipv6Addr::from(0x12).into()),
        };
        (self.source.address, self.destination.address) = (from, to);
        self
    }
}

fn neighbour_solicitation() -> Row {
    let site = Site::new(Family::V6, false, Site::WEB.forwarding);
    let (IpAddr::V6(client), IpAddr::V6(target)) = (site.conn(0).client, site.address()) else {
        unreachable!("the site is IPv6")
    };
    let ask = Icmpv6Type::NeighborSolicitation;
    let frame = |to: Ipv6Addr| {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(mac::ROUTER, mac::OURS)
            .ipv6(client.octets(), to.octets(), 255)
            .icmpv6(ask)
            .write(&mut frame, &target.octets())
            .expect("a Vec");
        frame
    };
    let mut group = [0; 16];
    group[..13].copy_from_slice(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff]);
    group[13..].copy_from_slice(&target.octets()[13..]);
    Row::new("v6: neighbour solicitations for the service address pass")
        .proves("neighbour-solicitation")
        .at(site)
        .ends(frame(group.into()), Reason::NotOurs)
        .ends(frame(target), Reason::OtherProtocol)
}

/// `::ffff:a.b.c.d` is how the tables write an IPv4 address; on the wire it is nobody's.
fn mapped() -> Row {
    let map = |address: IpAddr| match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    };
    let v4 = Site::WEB.conn(0);
    let v6 = Site { number: 1, ..Site::new(Family::V6, false, Site::WEB.forwarding) }.conn(0);
    let mut to = v4.first();
    (to.source.address, to.destination.address) = (v6.client, map(to.destination.address));
    let mut from = v6.first();
    from.source.address = map(v4.client);
    Row::new("v6: IPv4-mapped addresses on the wire pass")
        .proves("v6-mapped")
        .at(v4.site)
        .at(v6.site)
        .ends(to, Reason::NotOurs)
        .ends(from, Reason::NotOurs)
}

fn gone() -> Row {
    let conn = Site::WEB.conn(0);
    Row::new("a service that is removed passes")
        .proves("service-gone")
        .at(conn.site)
        .change(move |world| conn.site.close(world))
        .ends(conn.first(), Reason::NotOurs)
}
