//! What clients send: requests and pings, whole or in fragments, behind extension headers, in tunnels.

use std::net::IpAddr;

use rand::Rng as _;

use super::{
    super::table::{A, ACK, B, FIN, Family, LIST, Ports, RST, SYN, Side, Site, mac, quic, tunnel},
    generate::Generator,
    pick, strange,
    wire::{self, Ip},
};

impl Generator {
    /// One of a few clients of this family.
    pub(super) fn client(&mut self, family: Family) -> IpAddr {
        let random = &mut self.random;
        let (net, host) = (random.random_range(0..2), random.random_range(1..5));
        match family {
            Family::V4 => [198, 51, 100 + net, host].into(),
            Family::V6 => [0x2001, 0xdb8, 0xc, net.into(), 0, 0, 0, host.into()].into(),
        }
    }

    /// Where clients come from: now and then by the other way.
    pub(super) fn way_in(&mut self) -> Side {
        if self.random.random_ratio(1, 8) { Side::Inside } else { Side::Outside }
    }

    pub(super) fn called(&mut self) -> (Vec<u8>, Side) {
        (self.request(), self.way_in())
    }

    /// A packet of one of a few connections to a service, or nearly to one.
    pub(super) fn request(&mut self) -> Vec<u8> {
        let site = self.site();
        let client = self.client(site.family);
        let packet = self.between(site, client, site.address(), 1_400);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }

    /// A packet of the site's protocol.
    fn between(&mut self, site: Site, from: IpAddr, to: IpAddr, most: usize) -> Vec<u8> {
        let random = &mut self.random;
        let mut ip = Ip::new(from, to);
        (ip.class, ip.hops, ip.id) = (random.random(), random.random(), random.random());
        if site.family == Family::V4 && random.random_ratio(1, 16) {
            ip.options = vec![1; 4 * random.random_range(1..=10)];
        }
        let first = if random.random() { 2_080 } else { 40_000 };
        let port = first + random.random_range(0..3);
        let called = match random.random_range(0..24) {
            0 => random.random_range(2_000..2_300),
            _ => match site.ports {
                Ports::One => site.port,
                Ports::List | Ports::ListToOne => pick(random, &LIST),
                Ports::Any => pick(random, &[80, 443, 8_443, 2_080, 1]),
            },
        };
        let payload = self.payload(site, most);
        let random = &mut self.random;
        if site.udp {
            return ip.udp((port, called), &payload, random.random_ratio(7, 8));
        }
        let flags =
            [SYN, SYN, SYN, ACK, ACK, ACK, ACK, ACK, ACK | 0x08, SYN | ACK, FIN | ACK, FIN | ACK, RST, 0];
        let flags = pick(random, &flags);
        let options: &[u8] =
            if random.random_ratio(1, 8) { &[1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9] } else { &[] };
        ip.tcp((port, called), flags, options, &payload)
    }

    fn payload(&mut self, site: Site, most: usize) -> Vec<u8> {
        let random = &mut self.random;
        if site.by_connection_id && random.random_ratio(2, 3) {
            let id = quic::id(random.random_range(0..7), pick(random, &[A, B]));
            return match random.random_range(0..4) {
                0 => quic::long(pick(random, &[quic::V1, quic::V2, 0]), &id),
                // Cut anywhere, behind the id mostly.
                1 => quic::short(&id)[..random.random_range(1..=21 + id.len())].to_vec(),
                _ => quic::short(&id),
            };
        }
        if site.udp && random.random_ratio(1, 3) {
            return strange::quic(random);
        }
        if site.forwarding.is_tunnel() && random.random_ratio(1, 12) {
            return self.brimful(site);
        }
        let length = match random.random_range(0..50) {
            0..30 => random.random_range(0..32),
            30..48 => random.random_range(0..128),
            48 => random.random_range(0..=most),
            _ if most >= 1_400 => random.random_range(1_400..8_900),
            _ => 0,
        };
        // The corners of one's complement come often.
        let fill = pick(random, &[0x00, 0xff, 0x5a]);
        let mut payload = vec![fill; length];
        for byte in payload.iter_mut().take(4) {
            *byte = random.random();
        }
        payload
    }

    /// What fills a site's tunnel, or nearly so, or is too big for it by a little.
    fn brimful(&mut self, site: Site) -> Vec<u8> {
        let headers = if site.family == Family::V4 { 20 } else { 40 } + if site.udp { 8 } else { 20 };
        let full = tunnel::room(&site, self.mtu) - headers;
        let length = full - 2 + self.random.random_range(0..5);
        (0..length).map(|_| self.random.random()).collect()
    }

    /// A ping, or its answer, to a service's address or to our own.
    pub(super) fn echo(&mut self) -> Vec<u8> {
        let site = self.site();
        let client = self.client(site.family);
        let random = &mut self.random;
        let to = if random.random() { site.address() } else { site.source() };
        let kinds: [u8; 2] = if site.family == Family::V4 { [8, 0] } else { [128, 129] };
        let kind = pick(random, &kinds);
        let length = random.random_range(0..100);
        let empty = random.random_ratio(1, 4);
        let payload: Vec<u8> = (0..length).map(|_| if empty { 0 } else { random.random() }).collect();
        let rest = if empty { [0; 4] } else { random.random() };
        let mut ip = Ip::new(client, to);
        ip.hops = random.random();
        let packet = ip.icmp(kind, 0, rest, &payload);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }

    /// The first of a burst of fragments, in some order; the rest is under way.
    pub(super) fn fragments(&mut self) -> (Vec<u8>, Side) {
        let (whole, side) = match self.random.random_range(0..24) {
            0..6 => self.reply(),
            6 => (self.echo(), Side::Outside),
            7 => self.error(),
            8..10 => self.chained(),
            _ => {
                let site = self.site();
                let client = self.client(site.family);
                let packet = self.between(site, client, site.address(), 3_000);
                (wire::frame(mac::OURS, mac::ROUTER, &packet), self.way_in())
            }
        };
        let mut parts = strange::fragments(&mut self.random, &whole);
        let first = parts.pop().unwrap_or(whole);
        self.pending.extend(parts.into_iter().map(|part| (part, side)));
        (first, side)
    }

    /// A packet behind extension headers.
    pub(super) fn chained(&mut self) -> (Vec<u8>, Side) {
        let (mut frame, side) = match self.random.random_range(0..8) {
            0..2 => self.reply(),
            2 => self.error(),
            _ => self.called(),
        };
        strange::chain(&mut self.random, &mut frame);
        (frame, side)
    }

    /// A packet of any kind in a tunnel to a service or to us.
    pub(super) fn tunnelled(&mut self) -> Vec<u8> {
        let (inner, _) = match self.random.random_range(0..3) {
            0 => self.reply(),
            1 => self.error(),
            _ => (self.request(), Side::Outside),
        };
        let site = self.site();
        let client = self.client(site.family);
        let to = if self.random.random() { site.address() } else { site.source() };
        let inner = &inner[wire::network(&inner).min(inner.len())..];
        let packet = strange::tunnel(&mut self.random, &Ip::new(client, to), inner);
        wire::frame(mac::OURS, mac::ROUTER, &packet)
    }
}
