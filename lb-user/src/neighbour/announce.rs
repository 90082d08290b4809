//! Tells a segment that an address is here now, so that nobody waits for an old entry to age.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd, OwnedFd},
};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv6Type, PacketBuilder,
    icmpv6::NeighborAdvertisementHeader,
};
use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket},
};

use super::Mac;

/// Neighbour advertisements count only from their own link: nobody may have forwarded them.
const HOP_LIMIT: u8 = 255;

/// Speaks on the segment of one interface. To be kept for as many addresses as there are to be announced: to find the
/// interface, all addresses of the host are listed.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
    mac: Mac,
}

impl Announcer {
    /// On this interface.
    ///
    /// # Errors
    /// The interface is gone or is not Ethernet, or `CAP_NET_RAW` is missing.
    pub fn new(ifindex: u32) -> io::Result<Self> {
        let (interface, mac) = ethernet(ifindex)?;
        // Without a protocol the socket receives nothing: it is for sending only.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &interface)?;
        Ok(Self { socket, mac })
    }

    /// Sends a gratuitous ARP request, or an unsolicited neighbour advertisement, once.
    ///
    /// # Errors
    /// The interface is gone or down.
    pub fn announce(&self, address: IpAddr) -> io::Result<()> {
        send(self.socket.as_raw_fd(), &frame(self.mac, address)?, MsgFlags::empty())?;
        Ok(())
    }
}

/// The socket address of an interface, as the kernel lists it, and the MAC address in it.
fn ethernet(ifindex: u32) -> io::Result<(LinkAddr, Mac)> {
    let mut links = getifaddrs()?.filter_map(|i| i.address?.as_link_addr().copied());
    let link = links.find(|l| u32::try_from(l.ifindex()) == Ok(ifindex) && l.halen() == 6);
    link.and_then(|link| Some((link, link.addr()?)))
        .ok_or_else(|| io::Error::other(format!("interface {ifindex} is not Ethernet, or is gone")))
}

fn frame(mac: Mac, address: IpAddr) -> io::Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(128);
    match address {
        IpAddr::V4(v4) => {
            // RFC 5227, an "ARP announcement": a request for the sender's own address.
            let arp = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                ArpOperation::REQUEST,
                &mac,
                &v4.octets(),
                &[0; 6],
                &v4.octets(),
            );
            PacketBuilder::ethernet2(mac, [0xff; 6]).arp(arp.map_err(io::Error::other)?).write(&mut frame)
        }
        IpAddr::V6(v6) => {
            // RFC 4861, 7.2.6: to all nodes, with the override flag and the link-layer address.
            let all_nodes = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            let advertisement = Icmpv6Type::NeighborAdvertisement(NeighborAdvertisementHeader {
                router: false,
                solicited: false,
                r#override: true,
            });
            let mut payload = v6.octets().to_vec();
            // Option 2, target link-layer address, one unit of 8 bytes.
            payload.extend([2, 1]);
            payload.extend(mac);
            PacketBuilder::ethernet2(mac, [0x33, 0x33, 0, 0, 0, 1])
                .ipv6(v6.octets(), all_nodes, HOP_LIMIT)
                .icmpv6(advertisement)
                .write(&mut frame, &payload)
        }
    }
    .map_err(io::Error::other)?;
    Ok(frame)
}
