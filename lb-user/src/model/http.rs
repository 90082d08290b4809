//! What a service with `protocol = "http"` is besides a service: how its clients and backends are spoken to.

mod certificates;
mod cookie;
mod keys;
mod methods;
mod settings;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use ::cookie::SameSite;
use ipnet::IpNet;

pub(super) use self::{
    methods::{request, unused},
    settings::http,
};
use crate::secrets::{Certificate, Keys};

/// First octet of the addresses that stand for what clients are known by where that is no address: 15 octets of a digest
/// follow. 0100::/8 is reserved (IANA), so no client has one.
pub const DIGEST: u8 = 1;

/// Does a session's address stand for something else?
pub const fn is_digest(client: IpAddr) -> bool {
    match client {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.octets()[0] == DIGEST,
    }
}

/// How requests are taken in and passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Speak HTTP/2 to clients that ask for it.
    pub http2: bool,
    /// What backends are spoken to in.
    pub backend_version: Version,
    /// Connections begin with a PROXY protocol header, which says who the client is.
    pub accept_proxy: bool,
    /// Connections to backends begin with one.
    pub send_proxy: Option<ProxyVersion>,
    /// How backends are told who the client is.
    pub forwarded: Forwarded,
    /// Proxies that are believed when they say who the client is.
    pub trusted: Vec<IpNet>,
    /// Requests that failed before a byte of them was sent are tried so many times more, on other backends.
    pub retries: u8,
    /// The largest header section of a request, in bytes: 8 KiB to 1 MiB.
    pub max_header: usize,
    /// The largest body of a request, in bytes. `None`: any.
    pub max_body: Option<u64>,
    /// How long each kind of silence may last.
    pub timeouts: Timeouts,
    /// For TLS, no two with the same name; the first is for clients that ask for none of them. Empty: no TLS.
    pub certificates: Vec<Arc<Certificate>>,
    /// What seals cookies, of a service that names a file of keys.
    pub keys: Option<Keys>,
}

impl Http {
    /// Is whoever connects from `peer` believed when he says for whom he speaks? Where no proxies are named, everybody is.
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.trusted.is_empty() || self.trusted.iter().any(|prefix| prefix.contains(&peer))
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without asking: backends are known to speak it.
    Http2,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// How backends are told who the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// They are not.
    Off,
    /// By `X-Forwarded-For`, `-Proto` and `-Host`.
    X,
    /// By `Forwarded` (RFC 7239).
    Standard,
}

/// How long each kind of silence may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A client has so long for the header section of a request, from its first byte or the connection's start on; and for
    /// TLS and the PROXY protocol.
    pub header: Duration,
    /// A connection of a client may be without a request for so long.
    pub idle: Duration,
    /// A body, or an upgraded connection's other side, may stand still for so long.
    pub body: Duration,
    /// A connection to a backend must be made in this time.
    pub connect: Duration,
    /// A backend has so long to begin its answer.
    pub response: Duration,
    /// An upgraded connection may be without traffic for so long.
    pub upgrade: Duration,
    /// An unused connection to a backend is kept for so long.
    pub backend_idle: Duration,
    /// At the end, open requests and upgraded connections have so long.
    pub shutdown: Duration,
}

/// What identifies a client by its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first that a request has decides. Empty: each connection goes its own way.
    pub methods: Vec<Method>,
    /// Bits of an IPv4 address that count, for [`Method::ClientIp`]: 1..=32.
    pub prefix_v4: u8,
    /// The same for IPv6: 1..=128.
    pub prefix_v6: u8,
}

impl Request {
    /// Are there clients whose sessions are in their cookies, and nowhere else?
    pub fn is_in_cookies(&self) -> bool {
        self.methods.iter().any(|method| matches!(method, Method::Insert(_) | Method::Prefix { .. }))
    }

    /// Are there clients who are known by their addresses?
    pub fn knows_addresses(&self) -> bool {
        self.methods.contains(&Method::ClientIp)
    }
}

/// One way to know a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// By a cookie of Limpet's own, which carries the session.
    Insert(Cookie),
    /// By a cookie of the application, of this name, that Limpet writes the session in front of.
    Prefix {
        /// Its name.
        name: String,
    },
    /// By a cookie that the application sets.
    Learn {
        /// Its name.
        name: String,
    },
    /// By a header field of the request.
    Header(http::HeaderName),
    /// By a parameter of the query.
    Query(String),
    /// By so many first segments of the path.
    Path(u8),
    /// By the client's address.
    ClientIp,
}

/// Limpet's own cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name, a token.
    pub name: String,
    /// `Path`.
    pub path: String,
    /// `Domain`.
    pub domain: Option<String>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Max-Age`; without it the cookie ends with the browser.
    pub max_age: Option<Duration>,
    /// `Partitioned`.
    pub partitioned: bool,
    /// Backends see it too.
    pub pass_on: bool,
}
