//! A service at one port, as one worker has it.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use rustls::ServerConfig;
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::spawn_local,
    time::sleep,
};
use tracing::warn;

use super::{connection, session::Served, worker::Worker};

/// So long nobody is taken in after the system had no room for another connection.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// What connections are served by: always as of now.
#[derive(Debug)]
pub(super) struct Site {
    served: RefCell<Arc<Served>>,
    tls: RefCell<Option<Arc<ServerConfig>>>,
    closed: watch::Sender<bool>,
}

impl Site {
    pub(super) fn new(served: Arc<Served>, tls: Option<Arc<ServerConfig>>) -> Rc<Self> {
        Rc::new(Self {
            served: RefCell::new(served),
            tls: RefCell::new(tls),
            closed: watch::Sender::new(false),
        })
    }

    pub(super) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.borrow())
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.borrow().clone()
    }

    /// Goes on as this. Open connections keep the TLS that they have.
    pub(super) fn replace(&self, served: Arc<Served>, tls: Option<Arc<ServerConfig>>) {
        self.served.replace(served);
        self.tls.replace(tls);
    }

    /// Takes nobody in any more, and lets those who are here go.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Resolves once it takes nobody in any more.
    pub(super) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives as long as `self`.
        let _ = closed.wait_for(|is_closed| *is_closed).await;
    }

    /// Takes connections in until it is closed.
    pub(super) async fn listen(self: Rc<Self>, worker: Rc<Worker>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = next(&listener, &worker) => accepted,
                () = self.closed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (worker, site) = (Rc::clone(&worker), Rc::clone(&self));
                    let guest = worker.guest();
                    // Counted here, not in the task: of many who come at once, each is let in by what those before it left.
                    let descriptor = worker.descriptors.take();
                    spawn_local(async move {
                        let descriptor = match descriptor {
                            Some(descriptor) => descriptor,
                            // The last few, who come when backends have all others.
                            None => worker.descriptors.wait().await,
                        };
                        connection::serve(worker, site, (stream, descriptor), peer).await;
                        drop(guest);
                    });
                }
                // One that died in the queue is nobody's business; for the others there is no room.
                Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => {}
                Err(error) => {
                    warn!("no connection can be taken in: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Takes the next client in, once there is room.
async fn next(listener: &TcpListener, worker: &Worker) -> io::Result<(TcpStream, SocketAddr)> {
    worker.descriptors.allow_clients().await;
    listener.accept().await
}
