//! Real QUIC: quinn servers that issue routable connection ids, and a client that changes its address.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_common::quic::scheme::Scheme;
use lb_user::lab::Netns;
use quinn::{
    ClientConfig, Connection, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout,
    RecvStream, ServerConfig, TokioRuntime, TransportConfig, rustls,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::udp;

/// What the certificate is for.
const NAME: &str = "limpet.test";

/// A connection whose server does not answer is given up after this time.
const LOST: Duration = Duration::from_secs(3);

/// Bytes of one read.
const CHUNK: usize = 64 << 10;

/// Makes connection ids as a server behind the balancer must.
#[derive(Clone, Debug)]
pub struct Ids {
    /// How.
    pub scheme: Scheme,
    /// Whose.
    pub server_id: Vec<u8>,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce: Vec<u8> = (0..self.scheme.nonce_length()).map(|_| rand::random()).collect();
        let id = self.scheme.encode(Some(rand::random()), &self.server_id, &nonce);
        ConnectionId::new(&id.expect("of the scheme's lengths"))
    }

    fn cid_len(&self) -> usize {
        1 + self.scheme.server_length() + self.scheme.nonce_length()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A certificate that servers and clients of a test share.
pub struct Trust(CertifiedKey);

impl Trust {
    /// A new one.
    pub fn new() -> Result<Self> {
        Ok(Self(generate_simple_self_signed([NAME.to_owned()])?))
    }

    /// Starts a server at `address` that answers each stream with its name and then with as many bytes as it was
    /// asked for. It makes its connection ids by `ids`, else at random. Needs a runtime around it.
    pub fn serve(
        &self,
        namespace: &Netns,
        address: SocketAddr,
        name: &str,
        ids: Option<Ids>,
    ) -> Result<Endpoint> {
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(self.0.key_pair.serialize_der());
        let config = ServerConfig::with_single_cert(vec![self.0.cert.der().clone()], key.into())?;
        let mut endpoint = EndpointConfig::default();
        if let Some(ids) = ids {
            endpoint.cid_generator(move || Box::new(ids.clone()));
        }
        let socket = namespace.run(|| udp::bind(address))?;
        let endpoint = Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))?;
        tokio::spawn(accept(endpoint.clone(), name.to_owned()));
        Ok(endpoint)
    }

    /// Connects to `target` from a socket at `source`, any port.
    pub async fn connect(&self, namespace: &Netns, source: SocketAddr, target: SocketAddr) -> Result<Client> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.cert.der().clone())?;
        let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(Some(IdleTimeout::try_from(LOST)?));
        config.transport_config(Arc::new(transport));
        let socket = namespace.run(|| udp::bind(source))?;
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
        let connection = endpoint.connect_with(config, target, NAME)?.await?;
        Ok(Client { endpoint, connection })
    }
}

/// A connection.
pub struct Client {
    endpoint: Endpoint,
    connection: Connection,
}

impl Client {
    /// Asks for `size` bytes; the name of the server that sends them.
    pub async fn ask(&self, size: u64) -> Result<(String, Download)> {
        let (mut send, mut receive) = self.connection.open_bi().await?;
        send.write_all(&size.to_be_bytes()).await?;
        send.finish()?;
        let mut length = [0];
        receive.read_exact(&mut length).await?;
        let mut name = vec![0; length[0].into()];
        receive.read_exact(&mut name).await?;
        Ok((String::from_utf8(name)?, Download { receive, at: 0 }))
    }

    /// Goes on from another address, any port.
    pub fn migrate(&self, namespace: &Netns, source: SocketAddr) -> Result<()> {
        let socket = namespace.run(|| udp::bind(source))?;
        self.endpoint.rebind(socket).context("cannot use another socket")
    }
}

/// What a server sends.
pub struct Download {
    receive: RecvStream,
    at: u64,
}

impl Download {
    /// Reads up to byte `end`, and compares what comes.
    pub async fn read_to(&mut self, end: u64) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        while self.at < end {
            let most = usize::try_from(end - self.at)?.min(CHUNK);
            let length = self.receive.read(&mut buffer[..most]).await?.context("the stream ends early")?;
            for &byte in &buffer[..length] {
                ensure!(byte == content(self.at), "byte {} is wrong", self.at);
                self.at += 1;
            }
        }
        Ok(())
    }
}

/// What a download has at an offset: nothing that repeats with the size of a packet.
const fn content(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

async fn accept(endpoint: Endpoint, name: String) {
    while let Some(incoming) = endpoint.accept().await {
        let name = name.clone();
        tokio::spawn(async move {
            // An error here is a client that went away.
            let _ = answer(incoming.await?, &name).await;
            anyhow::Ok(())
        });
    }
}

async fn answer(connection: Connection, name: &str) -> Result<()> {
    loop {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let mut size = [0; 8];
        receive.read_exact(&mut size).await?;
        let size = u64::from_be_bytes(size);
        send.write_all(&[u8::try_from(name.len())?]).await?;
        send.write_all(name.as_bytes()).await?;
        let mut at = 0;
        while at < size {
            let end = size.min(at + CHUNK as u64);
            let chunk: Vec<u8> = (at..end).map(content).collect();
            send.write_all(&chunk).await?;
            at = end;
        }
        send.finish()?;
    }
}
