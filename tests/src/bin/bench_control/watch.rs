//! What arrives at a backend and what leaves it, with the kernel's time of each packet.

use std::{
    io::IoSliceMut,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lb_user::lab::Netns;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
        socket, sockopt,
    },
};

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// UDP, to this port.
    Datagram(u16),
    /// The answer to a SYN that found nobody, from this port.
    Refusal(u16),
}

/// Looks on from a thread of its own, until it is dropped.
pub(crate) struct Watch(Receiver<(Duration, Seen)>);

impl Watch {
    /// Looks on in this namespace, on all interfaces.
    pub(crate) fn new(namespace: &Netns) -> Result<Self> {
        let socket = namespace.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
            setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20))?;
            anyhow::Ok(socket)
        })?;
        let (sender, seen) = channel();
        thread::spawn(move || {
            // It ends when nobody listens any more, or with its namespace.
            while let Ok(packet) = next(&socket) {
                if packet.is_some_and(|packet| sender.send(packet).is_err()) {
                    return;
                }
            }
        });
        Ok(Self(seen))
    }

    /// What was seen since this was asked last, with the time since the epoch.
    pub(crate) fn take(&self) -> Result<Vec<(Duration, Seen)>> {
        let mut packets = Vec::new();
        loop {
            match self.0.try_recv() {
                Ok(packet) => packets.push(packet),
                Err(TryRecvError::Empty) => return Ok(packets),
                Err(TryRecvError::Disconnected) => bail!("nobody looks on any more"),
            }
        }
    }
}

/// The next packet, if it is one of those that count.
fn next(socket: &OwnedFd) -> Result<Option<(Duration, Seen)>> {
    use std::os::fd::AsFd as _;
    poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    let mut frame = [0; 2048];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut buffers = [IoSliceMut::new(&mut frame)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::empty())?;
    let length = message.bytes;
    let mut times = message.cmsgs()?.filter_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let time = times.next().context("a packet without a time")?;
    Ok(seen(frame.get(..length).unwrap_or(&frame)).map(|seen| (time, seen)))
}

fn seen(frame: &[u8]) -> Option<Seen> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    if !matches!(packet.net, Some(NetSlice::Ipv4(_))) {
        return None;
    }
    match packet.transport? {
        TransportSlice::Udp(udp) => Some(Seen::Datagram(udp.destination_port())),
        // Whoever closes a connection names the next byte; here was none.
        TransportSlice::Tcp(tcp) if tcp.rst() && tcp.sequence_number() == 0 => {
            Some(Seen::Refusal(tcp.source_port()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    #[test]
    fn refusals_are_told_from_ends() {
        let frame = |sequence, rst| {
            let mut packet = PacketBuilder::ethernet2([2; 6], [4; 6])
                .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .tcp(8080, 40_000, sequence, 0)
                .ack(1);
            if rst {
                packet = packet.rst();
            }
            let mut frame = Vec::new();
            packet.write(&mut frame, &[]).unwrap();
            seen(&frame)
        };
        assert_eq!(frame(0, true), Some(Seen::Refusal(8080)));
        assert_eq!((frame(7, true), frame(0, false)), (None, None));
    }

    #[test]
    fn datagrams_are_seen_by_their_port() {
        let packet = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let mut frame = Vec::new();
        packet.udp(9, 7).write(&mut frame, b"x").unwrap();
        assert_eq!(seen(&frame), Some(Seen::Datagram(7)));
    }
}
