//! The addresses of a path. Each path is a wire of its own, so that all systems are there at the same time and take turns
//! without anything being set up in between.
//!
//! ```text
//!   generator                     balancer                          sink
//!   gN  10.90.N.1 ---- inN 10.90.N.2   outN 10.91.N.254 ---- sN  10.91.N.1 ... .4
//!       10.(96 + N).0.0/16             10.92.N.1 is the service
//! ```

use std::net::Ipv4Addr;

/// Backends of each balancer; all are one machine with as many addresses.
pub(crate) const BACKENDS: u8 = 4;
/// Addresses that Limpet's `nat` connects from.
pub(crate) const SOURCES: u8 = 64;
/// Of services and backends.
pub(crate) const PORT: u16 = 80;
/// Of the wires. So large that a full frame still fits behind the balancer when it is wrapped.
pub(crate) const MTU: u32 = 1600;
/// The generator's end of the wire without a balancer, and the sink's.
pub(crate) const DIRECT: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 93, 0, 1), Ipv4Addr::new(10, 93, 0, 2)];

/// One wire with a balancer in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path(pub(crate) u8);

/// An end of one of its two cables.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Generator = 1,
    In = 2,
    Out = 3,
    Sink = 4,
}

impl Path {
    /// Name of the interface.
    pub(crate) fn name(self, end: End) -> String {
        let role = match end {
            End::Generator => "g",
            End::In => "in",
            End::Out => "out",
            End::Sink => "s",
        };
        format!("{role}{}", self.0)
    }

    /// Its Ethernet address.
    pub(crate) fn mac(self, end: End) -> [u8; 6] {
        [2, 0, 0, 0, self.0, end as u8]
    }

    /// Its IPv4 address; the sink's is the first backend's.
    pub(crate) fn address(self, end: End) -> Ipv4Addr {
        match end {
            End::Generator => Ipv4Addr::new(10, 90, self.0, 1),
            End::In => Ipv4Addr::new(10, 90, self.0, 2),
            End::Out => Ipv4Addr::new(10, 91, self.0, 254),
            End::Sink => self.backend(0),
        }
    }

    pub(crate) fn backend(self, index: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 91, self.0, index + 1)
    }

    /// What Limpet's connections to backends come from. The server keeps an ended one for a minute, and refuses at first
    /// what comes from the same port meanwhile: there are more of them in that time than a few addresses have ports.
    pub(crate) fn sources(self) -> impl Iterator<Item = Ipv4Addr> {
        (0..SOURCES).map(move |index| Ipv4Addr::new(10, 91, self.0, 128 + index))
    }

    /// What clients call.
    pub(crate) fn service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 92, self.0, 1)
    }

    /// First of the invented clients: 16 times 4,096 of them, as many for each CPU.
    pub(crate) fn crowd(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96 + self.0, 0, 0)
    }
}

/// As `ip` and `nginx` want it.
pub(crate) fn show(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
