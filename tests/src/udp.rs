//! UDP servers in a backend's namespace, and clients.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use lb_user::lab::Netns;
use socket2::{Domain, Protocol, Socket, Type};

/// How often a server looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// After this long a datagram counts as lost.
const LOST: Duration = Duration::from_secs(2);

/// A server thread. Dropping this ends it.
pub struct UdpServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpServer {
    /// Sends each datagram back as it came. Bound to one `address`, so that the answer's source is what was asked.
    pub fn echo(namespace: &Netns, address: SocketAddr) -> Result<Self> {
        Self::start(namespace, address, None)
    }

    /// Answers each datagram with `name`.
    pub fn named(namespace: &Netns, address: SocketAddr, name: &str) -> Result<Self> {
        Self::start(namespace, address, Some(name.to_owned()))
    }

    fn start(namespace: &Netns, address: SocketAddr, name: Option<String>) -> Result<Self> {
        let socket = namespace.run(|| bind(address))?;
        socket.set_read_timeout(Some(LOOK))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 65536];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let answer = name.as_ref().map_or(&buffer[..length], |name| name.as_bytes());
                // A full queue is a lost datagram, which the client notices.
                let _ = socket.send_to(answer, client);
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for UdpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket of a client at `source`, any port, that talks to `target` and gives up waiting after two seconds.
pub fn client(clients: &Netns, source: IpAddr, target: SocketAddr) -> Result<UdpSocket> {
    let socket = clients.run(|| bind((source, 0).into()))?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(LOST))?;
    Ok(socket)
}

/// Sends `datagram` and returns the answer.
pub fn ask(socket: &UdpSocket, datagram: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(datagram)?;
    let mut buffer = vec![0; 65536];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A socket bound to `address`, with room for bursts: what is lost in a socket's queue is not what these tests are after.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
