//! The ways through a lab's balancer: how a packet is forwarded, in which family. Each is a service of its own.

use std::net::SocketAddr;

use super::{Family, config, plan};

/// Where the servers of a lab's backends listen: for services that rewrite the port, and for those that do not.
pub const BACKEND_PORTS: [u16; 2] = [8080, 80];

/// How packets reach a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Source and destination are rewritten.
    Nat,
    /// Only the destination is. Needs backends that answer through the balancer.
    NatPreservingClient,
    /// Only the MAC addresses are.
    Dsr,
}

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// How.
    pub mode: Mode,
    /// In which family.
    pub family: Family,
}

impl Way {
    /// Those that backends as they come serve.
    pub const PLAIN: [Self; 4] = [
        Self { mode: Mode::Nat, family: Family::V4 },
        Self { mode: Mode::Nat, family: Family::V6 },
        Self { mode: Mode::Dsr, family: Family::V4 },
        Self { mode: Mode::Dsr, family: Family::V6 },
    ];

    /// Those that need [`super::Lab::answer_through_balancer`].
    pub const THROUGH_BALANCER: [Self; 2] = [
        Self { mode: Mode::NatPreservingClient, family: Family::V4 },
        Self { mode: Mode::NatPreservingClient, family: Family::V6 },
    ];

    /// Both.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.into_iter().chain(Self::THROUGH_BALANCER)
    }

    /// `nat` or `dsr`.
    #[must_use]
    pub fn forwarding(self) -> &'static str {
        match self.mode {
            Mode::Nat | Mode::NatPreservingClient => "nat",
            Mode::Dsr => "dsr",
        }
    }

    /// The name of its service.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.mode, self.family) {
            (Mode::Nat, Family::V4) => "nat-v4",
            (Mode::Nat, Family::V6) => "nat-v6",
            (Mode::NatPreservingClient, Family::V4) => "preserve-v4",
            (Mode::NatPreservingClient, Family::V6) => "preserve-v6",
            (Mode::Dsr, Family::V4) => "dsr-v4",
            (Mode::Dsr, Family::V6) => "dsr-v6",
        }
    }

    /// Where clients reach it.
    #[must_use]
    pub fn target(self) -> SocketAddr {
        match self.mode {
            Mode::Nat => (plan::vip(self.family), 80).into(),
            Mode::NatPreservingClient => (plan::vip(self.family), 81).into(),
            Mode::Dsr => (plan::dsr_vip(self.family), 80).into(),
        }
    }

    /// Where its backends listen. With `dsr` nobody rewrites the port.
    #[must_use]
    pub fn backend_port(self) -> u16 {
        let [rewritten, kept] = BACKEND_PORTS;
        match self.mode {
            Mode::Nat | Mode::NatPreservingClient => rewritten,
            Mode::Dsr => kept,
        }
    }

    /// Where the server of backend `index` listens: what packets are addressed to when they arrive, and where answers must
    /// come from.
    #[must_use]
    pub fn called(self, index: u8) -> SocketAddr {
        match self.mode {
            Mode::Nat | Mode::NatPreservingClient => {
                (plan::backend(self.family, index), self.backend_port()).into()
            }
            Mode::Dsr => self.target(),
        }
    }

    /// Backend `index` of the lab, as a backend of this way's service.
    #[must_use]
    pub fn backend(self, index: u8) -> config::Backend {
        config::Backend::new(self.family, index, self.backend_port())
    }

    /// Its service with the first `backends` backends of the lab.
    #[must_use]
    pub fn service(self, backends: u8) -> config::Service {
        config::Service {
            preserve_client: self.mode == Mode::NatPreservingClient,
            ..config::Service::new(
                self.name(),
                self.forwarding(),
                self.target(),
                backends,
                self.backend_port(),
            )
        }
    }
}
