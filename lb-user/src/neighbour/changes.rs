//! When links and addresses change.

use std::{fmt, future::pending, io, pin::Pin};

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use rtnetlink::MulticastGroup;
use tokio::task::JoinSet;

/// Tells that links or addresses have changed, not which.
pub struct Changes {
    events: Pin<Box<dyn Stream<Item = ()> + Send>>,
    _socket: JoinSet<()>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl Changes {
    /// Starts watching: what is read after this and changes later is told of. Must run inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// No netlink socket could be opened.
    pub fn watch() -> io::Result<Self> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, _, events) = rtnetlink::new_multicast_connection(&groups)?;
        let mut socket = JoinSet::new();
        socket.spawn(connection);
        // An overrun of the socket comes as an event too: no change goes unnoticed.
        Ok(Self { events: Box::pin(events.map(drop)), _socket: socket })
    }

    /// Waits for changes; those that have piled up count as one. May be dropped and called again.
    pub async fn next(&mut self) {
        if self.events.next().await.is_none() {
            pending::<()>().await;
        }
        while let Some(Some(())) = self.events.next().now_or_never() {}
    }
}
