//! A small real HTTP server that answers its own name, and the handle on one that runs in a backend's namespace.

use std::{
    convert::Infallible,
    net::{Ipv6Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

use super::netns::Netns;

/// Answers `name` and a line feed to every request on `ports` of all addresses, IPv4 and IPv6, until
/// standard input ends: a server whose maker is gone has no reason to stay.
///
/// Fails where a port is taken.
pub async fn serve(name: &str, ports: &[u16]) -> Result<()> {
    let mut listeners = JoinSet::new();
    for port in ports {
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        listeners.spawn(accept(listener, Bytes::from(format!("{name}\n"))));
    }
    // The maker waits for this line.
    println!("{name} listens");
    let end =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()));
    let _ = end.await;
    Ok(())
}

async fn accept(listener: TcpListener, answer: Bytes) {
    loop {
        // A connection that died in the queue is the client's loss only.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|_request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(Response::new(Full::new(answer))) }
            });
            // An error here is a client that went away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A server process. Dropping it kills it the hard way: its connections are cut, its ports refuse.
#[derive(Debug)]
pub struct NameServer {
    process: Child,
}

impl NameServer {
    /// Starts `binary demo --serve NAME PORT...` and waits until it listens.
    pub(super) fn start(binary: &Path, namespace: &Netns, name: &str, ports: &[u16]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["demo", "--serve", name]).args(ports.iter().map(u16::to_string));
        // A process group of its own: Ctrl-C at the terminal is for the one who started it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let process =
            namespace.spawn(&mut command).with_context(|| format!("cannot run {}", binary.display()))?;
        let mut server = Self { process };
        let stdout = server.process.stdout.take().expect("stdout was piped");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        anyhow::ensure!(line == format!("{name} listens\n"), "the server {name} did not start");
        Ok(server)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
