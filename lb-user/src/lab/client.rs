//! Clients: real connections from chosen source addresses.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
    time::timeout,
};

use super::Netns;

/// For an answer: longer than it takes to send a lost segment again a few times.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tasks that run inside a namespace. Dropping this ends them, at an await.
#[derive(Debug)]
pub struct Tasks(Option<Runtime>);

impl Tasks {
    /// Starts one thread for tasks in `namespace`.
    pub fn inside(namespace: &Netns) -> io::Result<Self> {
        Ok(Self(Some(namespace.runtime()?)))
    }

    /// Runs a task inside.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("taken only by drop").spawn(task)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // An ordinary drop waits, which tokio forbids where this may be dropped: inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens a TCP connection from `source`, any port.
pub async fn connect(source: IpAddr, target: SocketAddr) -> io::Result<TcpStream> {
    connect_from((source, 0).into(), target).await
}

async fn connect_from(source: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(source)?;
    socket.connect(target).await
}

/// An HTTP connection that stays open.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
    target: SocketAddr,
}

impl Connection {
    /// Opens it from `source`, any port.
    pub async fn open(source: IpAddr, target: SocketAddr) -> Result<Self> {
        Self::open_from((source, 0).into(), target).await
    }

    /// Opens it from this very address and port.
    pub async fn open_from(source: SocketAddr, target: SocketAddr) -> Result<Self> {
        let stream = connect_from(source, target).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: tokio::spawn(connection), target })
    }

    /// `GET /`; the body, without white space around it. An error if it takes a minute.
    pub async fn get(&mut self) -> Result<String> {
        let host = self.target.to_string();
        let request = Request::get("/").header("host", host).body(Empty::new())?;
        let answer = async { anyhow::Ok(self.sender.send_request(request).await?.collect().await?) };
        let body = timeout(PATIENCE, answer).await.context("no answer within a minute")??.to_bytes();
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    /// Closes it in order.
    pub async fn close(self) -> Result<()> {
        drop(self.sender);
        self.driver.await?.context("the connection ended badly")
    }
}

/// [`Connection::get`] on a connection of its own.
pub async fn get(source: IpAddr, target: SocketAddr) -> Result<String> {
    let mut connection = Connection::open(source, target).await?;
    let body = connection.get().await?;
    connection.close().await?;
    Ok(body)
}
