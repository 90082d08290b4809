//! Who is behind the proxies in front, and what is told to backends about it.
//!
//! Each proxy writes down at the end of a list who connected to it, in `Forwarded` (RFC 7239) or `X-Forwarded-For`. So
//! the list is read from its end, and only as far as each entry was written by a proxy that is trusted: what is in
//! front of that, the client may have made up, in any form.

mod append;
mod node;

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, GetAll},
};
use ipnet::IpNet;

pub use self::append::{Fields, append};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where trusted proxies write down their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `X-Forwarded-For`, which no standard describes and most use.
    XForwardedFor,
    /// `Forwarded`, of RFC 7239.
    Forwarded,
}

/// The address of the client: the last one in the list that is not of a trusted proxy. It is the peer's own if that is
/// not trusted. An entry without an address (malformed, `unknown`, hidden as in `_proxy7`) ends the list: the proxy
/// that wrote it is as far as one can see.
pub fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet], field: Field) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let entries: &mut dyn Iterator<Item = Option<IpAddr>> = match field {
        Field::XForwardedFor => &mut from_end(headers.get_all(X_FORWARDED_FOR)).map(node::address),
        Field::Forwarded => &mut from_end(headers.get_all(FORWARDED)).map(node::of_element),
    };
    let mut client = peer.to_canonical();
    while is_trusted(client)
        && let Some(Some(next)) = entries.next()
    {
        client = next;
    }
    client
}

/// The entries of a list (RFC 9110, section 5.6.1), the last one first. Empty ones don't count.
fn from_end(fields: GetAll<'_, HeaderValue>) -> impl Iterator<Item = &[u8]> {
    let entries = fields.into_iter().rev().flat_map(|field| node::split_from_end(field.as_bytes(), b','));
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests;
