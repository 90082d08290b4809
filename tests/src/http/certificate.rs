//! A certificate authority for tests, and what it gives out.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use anyhow::Result;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use lb_user::lab::{client::connect, config};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::app::SERVER;

/// Who signs.
pub struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    /// A new one, whose certificate is in `ca.crt` of the directory.
    pub fn new(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        // Who is called like those whom it signs would be taken for one of them.
        params.distinguished_name.push(DnType::CommonName, "authority of a lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key)?;
        fs::write(directory.join("ca.crt"), certificate.pem())?;
        Ok(Self { certificate, key })
    }

    /// A client that trusts it, and nobody else.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        Ok(Arc::new(
            builder
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ))
    }

    /// Writes a certificate for `name`, and its key, into files called after `file`; returns what the configuration says.
    pub fn sign(&self, directory: &Path, file: &str, name: &str) -> Result<config::Certificate> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let signed = params.signed_by(&key, &self.certificate, &self.key)?;
        let [certificate, secret] = ["crt", "key"].map(|kind| format!("{file}.{kind}"));
        fs::write(directory.join(&certificate), signed.pem())?;
        fs::write(directory.join(&secret), key.serialize_pem())?;
        Ok(config::Certificate { certificate, key: secret })
    }
}

/// A connection by TLS to the server of this name, whose certificate the authority has signed.
pub async fn connect_to(
    source: IpAddr,
    target: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>> {
    let stream = connect(source, target).await?;
    Ok(TlsConnector::from(config).connect(ServerName::try_from(name.to_owned())?, stream).await?)
}

/// A connection by TLS that stays open.
pub struct Secure {
    sender: http1::SendRequest<Empty<Bytes>>,
    name: String,
}

impl Secure {
    /// Opens it to the server of this name, whose certificate `authority` has signed.
    pub async fn open(
        source: IpAddr,
        target: SocketAddr,
        name: String,
        config: Arc<ClientConfig>,
    ) -> Result<Self> {
        let stream = connect_to(source, target, &name, config).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, name })
    }

    /// Asks; returns who answers.
    pub async fn server(&mut self) -> Result<String> {
        let request = Request::get("/").header("host", &self.name).body(Empty::new())?;
        let answer = self.sender.send_request(request).await?;
        let server = answer.headers().get(SERVER).map(|name| String::from_utf8_lossy(name.as_bytes()).into());
        answer.into_body().collect().await?;
        Ok(server.unwrap_or_default())
    }
}
