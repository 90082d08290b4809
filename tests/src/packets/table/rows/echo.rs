//! Pings of addresses that no kernel answers for.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use lb_common::reason::Reason::{self, NotOurs, OtherProtocol};

use super::{
    super::{Family, Fate, Row, Side, Site, Tag, mac},
    FAMILIES,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for family in FAMILIES {
        let site = Site { echo: true, ..Site::new(family, false, Site::WEB.forwarding) };
        rows.push(answered(site));
        rows.push(others(site));
    }
    rows
}

/// An echo message between the client and an address.
#[derive(Clone)]
struct Ping {
    site: Site,
    reply: bool,
    id: u16,
    sequence: u16,
    hops: u8,
    payload: Vec<u8>,
    options: bool,
    tags: Vec<Tag>,
    address: IpAddr,
}

impl Ping {
    fn to(site: Site) -> Self {
        Self {
            site,
            reply: false,
            id: 0x4242,
            sequence: 1,
            hops: 3,
            payload: b"abcdefghijklmnopqrstuvwxyz".to_vec(),
            options: false,
            tags: Vec::new(),
            address: site.address(),
        }
    }

    fn answer(&self) -> Self {
        Self { reply: true, hops: 64, ..self.clone() }
    }

    fn build(&self) -> Vec<u8> {
        let client = self.site.conn(0).client;
        let (from, to) = if self.reply { (self.address, client) } else { (client, self.address) };
        let (from_mac, to_mac) = if self.reply { (mac::OURS, mac::ROUTER) } else { (mac::ROUTER, mac::OURS) };
        let builder = PacketBuilder::ethernet2(from_mac, to_mac);
        let (id, sequence) = (self.id, self.sequence);
        let mut frame = Vec::new();
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let builder = if self.options {
                    let mut header = etherparse::Ipv4Header::new(
                        0,
                        self.hops,
                        etherparse::IpNumber::ICMP,
                        from.octets(),
                        to.octets(),
                    )
                    .expect("short");
                    header.dont_fragment = true;
                    header.options = [0x94, 4, 0, 0].as_slice().try_into().expect("a word");
                    builder.ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
                } else {
                    builder.ipv4(from.octets(), to.octets(), self.hops)
                };
                if self.reply {
                    builder.icmpv4_echo_reply(id, sequence).write(&mut frame, &self.payload)
                } else {
                    builder.icmpv4_echo_request(id, sequence).write(&mut frame, &self.payload)
                }
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let builder = builder.ipv6(from.octets(), to.octets(), self.hops);
                if self.reply {
                    builder.icmpv6_echo_reply(id, sequence).write(&mut frame, &self.payload)
                } else {
                    builder.icmpv6_echo_request(id, sequence).write(&mut frame, &self.payload)
                }
            }
            mixed => panic!("two families in one packet: {mixed:?}"),
        }
        .expect("a Vec takes everything");
        // Zero and 0xffff are the same number; a reply has the one that is right for all zeros, too.
        let sum = frame.len() - self.payload.len() - 6;
        if self.reply && frame[sum..sum + 2] == [0, 0] {
            frame[sum..sum + 2].fill(0xff);
        }
        if self.options && self.site.family == Family::V6 {
            // Hop-by-hop options.
            frame.splice(54..54, [58, 0, 1, 4, 0, 0, 0, 0]);
            frame[20] = 0;
            frame[19] += 8;
        }
        frame.splice(12..12, self.tags.iter().flat_map(|tag| tag.map(u16::to_be_bytes).concat()));
        frame
    }
}

fn answered(site: Site) -> Row {
    let ping = Ping::to(site);
    let mut row = Row::new(format!("{}: pings are answered", site.family.name()))
        .proves(format!("{}-echo-answered", site.family.name()))
        .at(site);
    let mut pings = vec![
        ping.clone(),
        Ping { payload: Vec::new(), ..ping.clone() },
        Ping { payload: vec![0; 1400], ..ping.clone() },
        Ping { options: true, ..ping.clone() },
        Ping { tags: vec![[0x8100, 5]], ..ping.clone() },
        Ping { tags: vec![[0x88a8, 5], [0x8100, 6]], options: true, ..ping.clone() },
    ];
    // The reply to this one is all zeros in IPv4.
    pings.push(Ping { id: 0, sequence: 0, payload: vec![0; 8], ..ping.clone() });
    pings.extend([0, 1, 63, 64, 65, 255].map(|hops| Ping { hops, ..ping.clone() }));
    let corners = [0, 1, 0x00ff, 0x07ff, 0xf7fe, 0xf7ff, 0xf800, 0xfffe, 0xffff];
    pings.extend(corners.map(|id| Ping { id, payload: vec![0, 0], sequence: 1, ..ping.clone() }));
    for ping in pings {
        let fate =
            Fate::Answered { reason: Reason::EchoReply, opens: None, out: ping.answer().build().into() };
        row = row.comes(Side::Outside, ping.build(), fate, &[]);
    }
    row
}

/// What is no ping of the address, or none that is whole.
fn others(site: Site) -> Row {
    let ping = Ping::to(site);
    let icmp = if site.family == Family::V4 { 34 } else { 54 };
    let with = |at: usize, value: u8| {
        let mut frame = ping.build();
        frame[at] = value;
        frame
    };
    // The IP header says that the packet ends before it could be one.
    let short = {
        let mut frame = ping.build();
        let at = if site.family == Family::V4 { 16 } else { 18 };
        frame[at + 1] = if site.family == Family::V4 { 27 } else { 7 };
        frame
    };
    let cut = {
        let frame = ping.build();
        frame[..frame.len() - 1].to_vec()
    };
    Row::new(format!("{}: what is no ping passes", site.family.name()))
        .proves(format!("{}-echo", site.family.name()))
        .at(site)
        .ends(with(icmp + 1, 1), OtherProtocol)
        .ends(with(icmp, if site.family == Family::V4 { 0 } else { 129 }), OtherProtocol)
        .ends(Ping { address: site.source(), ..ping.clone() }.build(), NotOurs)
        .ends(short, OtherProtocol)
        .ends(cut, OtherProtocol)
}
