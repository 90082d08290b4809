//! A connection, and what its packets look like on either side of the balancer.

use std::net::IpAddr;

use lb_common::state::Forwarding;

use super::{
    A, ACK, Datagram, End, FIN, Frame, Port, SEQUENCE, SYN, Site, Transport, Which, mac, tunnel::Wrapped,
};

/// A connection of a client to a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conn {
    /// The service.
    pub site: Site,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub port: u16,
    /// Which of the row's source ports is its own.
    pub taken: usize,
}

impl Conn {
    /// As another client.
    #[must_use]
    pub fn by(self, client: &str) -> Self {
        Self { client: client.parse().expect("an address"), ..self }
    }

    /// A packet from the client. The flags count for TCP only.
    pub fn says(&self, flags: u8, payload: &[u8]) -> Datagram {
        Datagram {
            from_mac: mac::ROUTER,
            to_mac: mac::OURS,
            source: self.client_end(),
            destination: self.service_end(),
            transport: if self.site.udp { Transport::Udp } else { Transport::Tcp(flags) },
            // The other's SYN.
            acknowledged: SEQUENCE + 1,
            payload: payload.to_vec(),
            ip_options: Vec::new(),
            timestamps: false,
            padding: 0,
            tags: Vec::new(),
            extensions: Vec::new(),
            piece: None,
            ecn: 0,
            may_fragment: false,
        }
    }

    /// Its first packet.
    pub fn first(&self) -> Datagram {
        self.says(SYN, if self.site.udp { b"hello" } else { b"" })
    }

    /// A later packet, of odd length.
    pub fn data(&self) -> Datagram {
        self.says(ACK, b"more of it, and odd")
    }

    /// The client closes.
    pub fn fin(&self) -> Datagram {
        self.says(FIN | ACK, b"")
    }

    /// A packet from the backend.
    pub fn answers(&self, which: Which, flags: u8, payload: &[u8]) -> Datagram {
        let (address, port) = self.site.server(which);
        let server = End { address, port: Port::Is(port) };
        let (to_mac, source, destination) = match self.site.forwarding {
            Forwarding::Nat => {
                (mac::OURS_OUT, server, End { address: self.site.source(), port: Port::Taken(self.taken) })
            }
            Forwarding::NatPreserve => (mac::OURS_OUT, server, self.client_end()),
            // Straight to the client.
            Forwarding::Dsr | Forwarding::Ipip | Forwarding::Gue => {
                (mac::ROUTER, self.service_end(), self.client_end())
            }
        };
        let from_mac = if which == A { mac::A } else { mac::B };
        Datagram { from_mac, to_mac, source, destination, ..self.says(flags, payload) }
    }

    /// The backend's first packet.
    pub fn answer(&self, which: Which) -> Datagram {
        self.answers(which, SYN | ACK, if self.site.udp { b"hello yourself" } else { b"" })
    }

    /// The frame that must leave to a backend for a packet of the client.
    pub fn leaving(&self, which: Which, datagram: Datagram) -> Frame {
        let inner = self.forwarded(which, datagram);
        if !self.site.forwarding.is_tunnel() {
            return inner.into();
        }
        let is_gue = self.site.forwarding == Forwarding::Gue;
        Frame::Wrapped(Wrapped { inner, to: self.site.server(which).0, is_gue, flow: self.taken })
    }

    /// What must leave to a backend for a packet of the client; where it goes through a tunnel, inside of it.
    pub fn forwarded(&self, which: Which, datagram: Datagram) -> Datagram {
        let (address, port) = self.site.server(which);
        let server = End { address, port: Port::Is(port) };
        let (source, destination) = match self.site.forwarding {
            Forwarding::Nat => (End { address: self.site.source(), port: Port::Taken(self.taken) }, server),
            Forwarding::NatPreserve => (datagram.source, server),
            Forwarding::Dsr | Forwarding::Ipip | Forwarding::Gue => (datagram.source, datagram.destination),
        };
        let to_mac = if which == A { mac::A } else { mac::B };
        Datagram { from_mac: mac::OURS_OUT, to_mac, source, destination, ..datagram }
    }

    /// What must leave to the client for a packet of a backend.
    pub fn returned(&self, datagram: Datagram) -> Datagram {
        Datagram {
            from_mac: mac::OURS,
            to_mac: mac::ROUTER,
            source: self.service_end(),
            destination: self.client_end(),
            ..datagram
        }
    }

    fn client_end(&self) -> End {
        End { address: self.client, port: Port::Is(self.port) }
    }

    fn service_end(&self) -> End {
        End { address: self.site.address(), port: Port::Is(self.site.port) }
    }
}
