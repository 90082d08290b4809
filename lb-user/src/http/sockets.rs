//! Listening sockets: a few at each address, among which the kernel spreads connections, shared out to the workers. They
//! can be handed to another process, so that no connection is refused while that takes over.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use socket2::{Domain, Socket, Type};

/// Connections that may wait to be taken; the kernel's own bound (`net.core.somaxconn`) may be lower.
const BACKLOG: i32 = 4096;
/// Descriptors in a message; the kernel takes 253 (`SCM_MAX_FD`).
const IN_A_MESSAGE: usize = 128;

/// Sockets by address.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<(SocketAddr, Vec<TcpListener>)>);

impl Sockets {
    /// Those at `addresses`: of `self`, else of `inherited`, else new ones, `each` at an address. Nothing is taken away from
    /// `self`.
    ///
    /// # Errors
    /// An address is another program's.
    pub(super) fn at(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
        inherited: &Self,
        each: usize,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let sockets = addresses.map(|address| {
            let known = self.find(address).or_else(|| inherited.find(address));
            let sockets = match known {
                Some(known) => known.iter().map(TcpListener::try_clone).collect::<io::Result<_>>(),
                None => (0..each).map(|_| open(address)).collect(),
            };
            Ok((address, sockets.map_err(|error| (address, error))?))
        });
        sockets.collect::<Result<_, _>>().map(Self)
    }

    fn find(&self, address: SocketAddr) -> Option<&[TcpListener]> {
        self.0.iter().find(|(at, _)| *at == address).map(|(_, sockets)| &**sockets)
    }

    /// Those at an address that are for worker `number` of `workers`.
    ///
    /// # Errors
    /// Too many files are open.
    pub(super) fn share(
        &self,
        address: SocketAddr,
        number: usize,
        workers: usize,
    ) -> io::Result<Vec<TcpListener>> {
        let all = self.find(address).unwrap_or_default();
        all.iter().skip(number).step_by(workers).map(TcpListener::try_clone).collect()
    }

    /// Sends all of them to whoever listens at the other end.
    ///
    /// # Errors
    /// The other end is gone.
    pub(super) fn send(&self, to: &UnixStream) -> io::Result<()> {
        let all: Vec<RawFd> =
            self.0.iter().flat_map(|(_, sockets)| sockets).map(AsRawFd::as_raw_fd).collect();
        for some in all.chunks(IN_A_MESSAGE) {
            let message = [io::IoSlice::new(&[1])];
            let descriptors = [ControlMessage::ScmRights(some)];
            sendmsg::<()>(to.as_raw_fd(), &message, &descriptors, MsgFlags::empty(), None)?;
        }
        Ok(())
    }

    /// Takes what [`Sockets::send`] sent, until the other end has no more.
    ///
    /// # Errors
    /// The connection failed, or too many files are open.
    pub(super) fn receive(from: &UnixStream) -> io::Result<Self> {
        let mut sockets = Self::default();
        loop {
            let mut byte = [0];
            let mut message = [io::IoSliceMut::new(&mut byte)];
            let mut room = nix::cmsg_space!([RawFd; IN_A_MESSAGE]);
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let received = recvmsg::<()>(from.as_raw_fd(), &mut message, Some(&mut room), flags)?;
            if received.flags.contains(MsgFlags::MSG_CTRUNC) {
                return Err(io::Error::other("not all of them can be open here: allow more files"));
            }
            for control in received.cmsgs()? {
                let ControlMessageOwned::ScmRights(descriptors) = control else { continue };
                for descriptor in descriptors {
                    // SAFETY: the kernel has just made it for this process, and nobody else knows it.
                    sockets.adopt(TcpListener::from(unsafe { OwnedFd::from_raw_fd(descriptor) }));
                }
            }
            if received.bytes == 0 {
                return Ok(sockets);
            }
        }
    }

    /// One without an address is no listening socket of ours, and is closed.
    fn adopt(&mut self, socket: TcpListener) {
        let Ok(address) = socket.local_addr() else { return };
        match self.0.iter_mut().find(|(at, _)| *at == address) {
            Some((_, sockets)) => sockets.push(socket),
            None => self.0.push((address, vec![socket])),
        }
    }
}

/// Listens at `address`, which need not be the host's own yet: the daemon claims it, or another node has it for now.
///
/// # Errors
/// The port is another program's, or may not be taken.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn sockets_are_handed_over_with_who_waits_there() {
        let address = "127.0.0.1:0".parse().unwrap();
        let first = open(address).unwrap();
        let address = first.local_addr().unwrap();
        let ours = Sockets(vec![(address, vec![first, open(address).unwrap()])]);
        let _waiting = TcpStream::connect(address).unwrap();

        let (here, there) = UnixStream::pair().unwrap();
        ours.send(&here).unwrap();
        drop((here, ours));
        let theirs = Sockets::receive(&there).unwrap();
        let now = Sockets::default().at([address].into_iter(), &theirs, 4).unwrap();
        drop(theirs);
        let share = |number, workers| now.share(address, number, workers).unwrap();
        let (one, other) = (share(0, 2), share(1, 2));
        assert_eq!((one.len(), other.len(), share(2, 3).len()), (1, 1, 0));
        assert_eq!(one.iter().chain(&other).filter(|socket| socket.accept().is_ok()).count(), 1);
    }
}
