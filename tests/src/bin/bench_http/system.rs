//! What is between clients and backends.

use std::net::{IpAddr, SocketAddr};

use lb_user::lab::{Family, plan};

/// A balancer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    Haproxy,
    Nginx,
    /// By its place in the command line, from 0.
    Limpet(u8),
}

impl System {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Haproxy => "HAProxy".to_owned(),
            Self::Nginx => "nginx".to_owned(),
            Self::Limpet(0) => "Limpet".to_owned(),
            Self::Limpet(number) => format!("Limpet {}", number + 1),
        }
    }

    /// Where clients call it. The others' address is the balancer's own: to the packet program, their packets are none of
    /// a service's, and pass.
    pub(crate) fn address(self, is_tls: bool) -> SocketAddr {
        let [plain, tls] = match self {
            Self::Limpet(_) => [80, 443],
            Self::Haproxy => [8080, 8443],
            Self::Nginx => [8081, 8444],
        };
        (self.host(), if is_tls { tls } else { plain }).into()
    }

    fn host(self) -> IpAddr {
        match self {
            Self::Limpet(_) => plan::vip(Family::V4),
            Self::Haproxy | Self::Nginx => plan::balancer(Family::V4),
        }
    }

    pub(crate) fn url(self, is_tls: bool) -> String {
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address(is_tls))
    }
}
