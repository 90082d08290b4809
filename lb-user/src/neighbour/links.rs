//! Interfaces, and the service addresses claimed on them.

use std::{collections::BTreeSet, io, net::IpAddr};

use futures_util::{StreamExt as _, TryStreamExt, stream};
use ipnet::IpNet;
use netlink_packet_route::{
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo},
    link::{LinkAttribute, LinkLayerType},
};
use nix::errno::Errno;
use rtnetlink::Handle;
use tokio::task::JoinSet;

use super::{Mac, full_prefix};

/// Marks an address as claimed by us (`IFA_PROTO`, shown by `ip address` as `proto 0x4c`), so that a daemon that
/// was killed can tell its own addresses from the administrator's when it starts again. Kernels before 5.18 ignore it.
const CLAIMED: AddressProtocol = AddressProtocol::Other(b'L');

/// Additions under way at once: enough for the thread that sends them never to wait for this one. Were all their answers
/// to come at once, a kilobyte each as the kernel counts, they would fit a socket's buffer (`net.core.rmem_default`, 208 KiB).
const PIPELINE: usize = 64;

/// An interface as the daemon needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub ifindex: u32,
    /// Its MAC address; `None` where it is not Ethernet.
    pub mac: Option<Mac>,
    /// The largest packet, in bytes, without the Ethernet header.
    pub mtu: u32,
    /// In the kernel's order.
    pub addresses: Vec<Address>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address itself, and how long its prefix is.
    pub network: IpNet,
    /// Valid beyond the link: neither link-local nor host-only.
    pub global: bool,
    /// About to go: deprecated, or an IPv6 privacy address. Lasting connections should not use it.
    pub passing: bool,
    /// Added by [`Links::claim`], in this run of the daemon or in one before.
    pub claimed: bool,
}

impl Interface {
    /// The address that packets of our own would carry: the first global one of the family that isn't claimed
    /// and that stays.
    pub fn own_address(&self, ipv6: bool) -> Option<IpAddr> {
        let own = |a: &&Address| a.network.addr().is_ipv6() == ipv6 && a.global && !a.passing && !a.claimed;
        self.addresses.iter().find(own).map(|a| a.network.addr())
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The address is new on the interface.
    Added,
    /// We had claimed it before, perhaps in an earlier run of the daemon.
    Held,
    /// Somebody else had added it: leave it in place at the end.
    Foreign,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No interface of that name.
    #[error("there is no interface {0}; `ip link` lists those there are")]
    NoInterface(String),
    /// The kernel refused.
    #[error("cannot {what}: {source}")]
    Refused {
        /// What was asked.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// A netlink connection for such calls, one at a time: the kernel lists only one thing at once on a socket.
#[derive(Debug)]
pub struct Links {
    handle: Handle,
    _socket: JoinSet<()>,
}

impl Links {
    /// Connects. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// No netlink socket could be opened.
    pub fn connect() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let mut socket = JoinSet::new();
        socket.spawn(connection);
        Ok(Self { handle, _socket: socket })
    }

    /// Looks an interface up by its name.
    ///
    /// # Errors
    /// There is none, or the kernel refused.
    pub async fn interface(&mut self, name: &str) -> Result<Interface, LinkError> {
        let refused = |error| match errno(&error) {
            Some(Errno::ENODEV) => LinkError::NoInterface(name.to_owned()),
            _ => refusal(format!("look up interface {name}"), &error),
        };
        let mut links = std::pin::pin!(self.handle.link().get().match_name(name).execute());
        let link = links.try_next().await.map_err(refused)?;
        let link = link.ok_or_else(|| LinkError::NoInterface(name.to_owned()))?;
        let mut interface =
            Interface { ifindex: link.header.index, mac: None, mtu: 0, addresses: Vec::new() };
        let ethernet = link.header.link_layer_type == LinkLayerType::Ether;
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::Address(bytes) if ethernet => {
                    interface.mac = bytes.as_slice().try_into().ok();
                }
                LinkAttribute::Mtu(mtu) => interface.mtu = *mtu,
                _ => {}
            }
        }
        interface.addresses = self.addresses(Some(interface.ifindex)).await.map_err(refused)?;
        Ok(interface)
    }

    /// All addresses of the host, of whatever interface, `lo` included.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn all_addresses(&mut self) -> Result<Vec<Address>, LinkError> {
        self.addresses(None).await.map_err(|error| refusal("list the host's addresses".to_owned(), &error))
    }

    /// Adds each of `addresses` alone (/32 or /128) to an interface; nothing happens where it is there already. Says
    /// what became of it as soon as that is known, also of those that were added before or after one that was refused.
    ///
    /// An IPv6 address skips duplicate detection, which would leave it silent for a second, and is deprecated from
    /// birth: it answers, but the kernel does not choose it as a source for packets of its own, such as health
    /// checks, as it otherwise may for the longest prefix. Say so to the segment with an [`Announcer`](super::Announcer).
    ///
    /// # Errors
    /// The kernel refused one; without `CAP_NET_ADMIN` it does.
    pub async fn claim(
        &mut self,
        ifindex: u32,
        addresses: &[IpAddr],
        mut each: impl FnMut(IpAddr, Claim),
    ) -> Result<(), LinkError> {
        let (links, mut there, mut refused) = (&*self, Vec::new(), Ok(()));
        let adding =
            addresses.iter().map(|&address| async move { (address, links.add(ifindex, address).await) });
        let mut adding = stream::iter(adding).buffered(PIPELINE);
        while let Some((address, added)) = adding.next().await {
            match added {
                Ok(()) => each(address, Claim::Added),
                Err(error) if errno(&error) == Some(Errno::EEXIST) => there.push(address),
                Err(error) => {
                    refused =
                        refused.and(Err(refusal(format!("add {address} to interface {ifindex}"), &error)));
                }
            }
        }
        if there.is_empty() {
            return refused;
        }
        match self.addresses(Some(ifindex)).await {
            Ok(all) => {
                let ours: BTreeSet<_> = all.iter().filter(|a| a.claimed).map(|a| a.network.addr()).collect();
                for address in there {
                    each(address, if ours.contains(&address) { Claim::Held } else { Claim::Foreign });
                }
                refused
            }
            Err(error) => {
                refused.and(Err(refusal(format!("list the addresses of interface {ifindex}"), &error)))
            }
        }
    }

    async fn add(&self, ifindex: u32, address: IpAddr) -> Result<(), rtnetlink::Error> {
        let mut request = self.handle.address().add(ifindex, address, full_prefix(address));
        let attributes = &mut request.message_mut().attributes;
        attributes.push(AddressAttribute::Protocol(CLAIMED));
        if address.is_ipv6() {
            attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            let mut lifetime = CacheInfo::default();
            (lifetime.ifa_preferred, lifetime.ifa_valid) = (0, u32::MAX);
            attributes.push(AddressAttribute::CacheInfo(lifetime));
        }
        request.execute().await
    }

    /// Removes a claimed address; whether it was there.
    ///
    /// # Errors
    /// The kernel refused; without `CAP_NET_ADMIN` it does.
    pub async fn release(&mut self, ifindex: u32, address: IpAddr) -> Result<bool, LinkError> {
        let mut request = self.handle.address().add(ifindex, address, full_prefix(address));
        let message = request.message_mut().clone();
        match self.handle.address().del(message).execute().await {
            Ok(()) => Ok(true),
            Err(error) if matches!(errno(&error), Some(Errno::EADDRNOTAVAIL | Errno::ENODEV)) => Ok(false),
            Err(error) => Err(refusal(format!("remove {address} from interface {ifindex}"), &error)),
        }
    }

    /// Those of one interface, or of all.
    async fn addresses(&self, ifindex: Option<u32>) -> Result<Vec<Address>, rtnetlink::Error> {
        let mut request = self.handle.address().get();
        if let Some(ifindex) = ifindex {
            request = request.set_link_index_filter(ifindex);
        }
        let messages: Vec<AddressMessage> = request.execute().try_collect().await?;
        Ok(messages.iter().filter_map(parse).collect())
    }
}

fn parse(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut address, mut claimed, mut flags) = (None, None, false, AddressFlags::empty());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Protocol(protocol) => claimed = *protocol == CLAIMED,
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // Where both are there, `Address` is the other end of a point-to-point link.
    let own = local.or(address)?;
    // The kernel's IFA_F_TEMPORARY is the same bit as IFA_F_SECONDARY, which an IPv4 address may well have.
    let temporary = own.is_ipv6() && flags.contains(AddressFlags::Secondary);
    Some(Address {
        network: IpNet::new(own, message.header.prefix_len).ok()?,
        global: message.header.scope == AddressScope::Universe,
        passing: temporary || flags.contains(AddressFlags::Deprecated),
        claimed,
    })
}

fn errno(error: &rtnetlink::Error) -> Option<Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(Errno::from_raw(-message.raw_code())),
        _ => None,
    }
}

fn refusal(what: String, error: &rtnetlink::Error) -> LinkError {
    let source = match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    };
    LinkError::Refused { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ip: &str, flags: AddressFlags) -> Address {
        let mut message = AddressMessage::default();
        message.header.prefix_len = 24;
        message.header.scope = AddressScope::Universe;
        message.attributes = vec![
            AddressAttribute::Address(ip.parse().unwrap()),
            AddressAttribute::Flags(AddressFlags::Permanent | flags),
        ];
        parse(&message).unwrap()
    }

    #[test]
    fn own_addresses_are_those_that_stay() {
        let addresses = vec![
            address("fd00::1", AddressFlags::Secondary),
            address("fd00::2", AddressFlags::Deprecated),
            address("fd00::3", AddressFlags::empty()),
            address("192.0.2.1", AddressFlags::Deprecated),
            address("192.0.2.2", AddressFlags::Secondary),
        ];
        let interface = Interface { ifindex: 1, mac: None, mtu: 1500, addresses };
        assert_eq!(interface.own_address(true), Some("fd00::3".parse().unwrap()));
        assert_eq!(interface.own_address(false), Some("192.0.2.2".parse().unwrap()));
    }
}
