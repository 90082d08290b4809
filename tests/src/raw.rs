//! Packets the kernel would not send by itself, and a look at packets before the kernel judges them.

use std::{
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use lb_user::lab::Netns;
use socket2::{Domain, Protocol, Socket, Type};

/// Sends a whole IPv4 packet, header included, as it is. The kernel fills in the header checksum and the length.
pub fn send_ipv4(namespace: &Netns, destination: Ipv4Addr, packet: &[u8]) -> io::Result<()> {
    namespace.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))?;
        let sent = socket.send_to(packet, &SocketAddr::from((destination, 0)).into())?;
        assert_eq!(sent, packet.len());
        Ok(())
    })
}

/// Sends a whole packet of either family, IP header included, as it is.
pub fn send(namespace: &Netns, destination: IpAddr, packet: &[u8]) -> io::Result<()> {
    if let IpAddr::V4(destination) = destination {
        return send_ipv4(namespace, destination, packet);
    }
    namespace.run(|| {
        // A raw IPv6 socket of this protocol takes headers, too.
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(RAW)))?;
        let sent = socket.send_to(packet, &SocketAddr::from((destination, 0)).into())?;
        assert_eq!(sent, packet.len());
        Ok(())
    })
}

/// `IPPROTO_RAW`: the sender brings the IP header.
const RAW: i32 = 255;

/// Sees all IPv4 packets of one protocol that reach a namespace's own addresses, before TCP or UDP look at them.
pub struct Observer(Socket);

impl Observer {
    /// Starts to look. `protocol` is the number in the IP header.
    pub fn new(namespace: &Netns, protocol: u8) -> io::Result<Self> {
        namespace.run(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
            socket.set_read_timeout(Some(Duration::from_secs(2)))?;
            Ok(Self(socket))
        })
    }

    /// The next packet whose IP payload ends in `ending`; an error when none comes within two seconds.
    pub fn wait_for(&mut self, ending: &[u8]) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65536];
        loop {
            let length = self.0.read(&mut buffer)?;
            if buffer[..length].ends_with(ending) {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }
}

/// Pings `target` from `source`; an error when no answer comes within two seconds.
pub fn ping(namespace: &Netns, source: IpAddr, target: IpAddr) -> io::Result<()> {
    let (domain, protocol, request, reply) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    namespace.run(|| {
        // The kernel's ping sockets are open to whom this setting names.
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?;
        let mut socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        // Type, code, checksum and identifier (the kernel's), sequence, data.
        let data = b"limpet";
        let echo = [&[request, 0, 0, 0, 0, 0, 0, 1], &data[..]].concat();
        socket.send_to(&echo, &SocketAddr::new(target, 0).into())?;
        let mut answer = [0; 64];
        let length = socket.read(&mut answer)?;
        assert_eq!(answer[0], reply, "an echo reply");
        assert!(answer[..length].ends_with(data), "with our data");
        Ok(())
    })
}
