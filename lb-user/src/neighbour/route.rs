//! One look into the routing table, as the kernel itself would look.

use std::net::IpAddr;

use futures_util::{StreamExt, TryStreamExt, stream};
use netlink_packet_route::{
    AddressFamily,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};
use nix::errno::Errno;
use rtnetlink::Handle;

use super::{Unresolved, full_prefix, table::Path};

/// Lookups under way at once: one by one each waits for two changes of threads. An answer that finds the socket's buffer
/// full is lost, so there must be room for as many.
const AT_ONCE: usize = 32;

/// Where packets to each of these addresses go, in any order.
pub(super) async fn look_up_all(
    handle: &Handle,
    addresses: Vec<IpAddr>,
) -> Vec<(IpAddr, Result<Path, Unresolved>)> {
    let look_up = |address| async move { (address, look_up(handle, address).await) };
    stream::iter(addresses).map(look_up).buffer_unordered(AT_ONCE).collect().await
}

/// Where a packet to `address` goes.
async fn look_up(handle: &Handle, address: IpAddr) -> Result<Path, Unresolved> {
    let mut message = RouteMessage::default();
    message.header.address_family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.destination_prefix_length = full_prefix(address);
    message.attributes.push(RouteAttribute::Destination(address.into()));
    let mut answers = std::pin::pin!(handle.route().get(message).execute());
    match answers.try_next().await {
        Ok(Some(route)) => path(&route, address),
        Ok(None) => Err(Unresolved::NoRoute),
        Err(error) => Err(refusal(&error)),
    }
}

fn path(route: &RouteMessage, address: IpAddr) -> Result<Path, Unresolved> {
    match route.header.kind {
        RouteType::Unicast => {}
        RouteType::Local | RouteType::Anycast => return Err(Unresolved::Local),
        RouteType::Broadcast | RouteType::Multicast => return Err(Unresolved::NotUnicast),
        _ => return Err(Unresolved::NoRoute),
    }
    let mut ifindex = None;
    let mut via = address;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(v4)) => via = IpAddr::V4(*v4),
            RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => via = IpAddr::V6(*v6),
            RouteAttribute::Via(RouteVia::Inet(v4)) => via = IpAddr::V4(*v4),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => via = IpAddr::V6(*v6),
            _ => {}
        }
    }
    let ifindex = ifindex.ok_or(Unresolved::NoRoute)?;
    Ok(Path { ifindex, via })
}

/// No route, or one of the kinds that refuse (unreachable, blackhole, prohibit), comes as an error.
fn refusal(error: &rtnetlink::Error) -> Unresolved {
    let rtnetlink::Error::NetlinkError(message) = error else {
        return refused(error);
    };
    match Errno::from_raw(-message.raw_code()) {
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EINVAL | Errno::EACCES => Unresolved::NoRoute,
        _ => refused(error),
    }
}

fn refused(error: &rtnetlink::Error) -> Unresolved {
    Unresolved::Refused { what: "look up the route", error: error.to_string() }
}
