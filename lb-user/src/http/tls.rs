//! TLS towards clients.

use std::{fmt, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{model::Service, secrets::Certificate};

/// What a service speaks TLS with; nothing, if it has no certificates.
pub(super) fn config(service: &Service) -> Option<Arc<ServerConfig>> {
    let http = service.http.as_ref().filter(|http| !http.certificates.is_empty())?;
    let versions = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of both versions");
    let resolver = ByName(http.certificates.clone());
    let mut config = versions.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = match http.http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    // Clients that come back are spared a key exchange, and the node keeps nothing for them.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    Some(config.into())
}

/// The certificate for the name that a client calls; the first, if it calls none that there is one for.
struct ByName(Vec<Arc<Certificate>>);

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Self(certificates) = self;
        let called = hello.server_name().map(str::to_ascii_lowercase).and_then(|called| {
            let own = |name: &str| certificates.iter().find(|it| it.names().iter().any(|own| own == name));
            // A wildcard stands for one label (RFC 6125 section 6.4.3).
            own(&called).or_else(|| own(&format!("*.{}", called.split_once('.')?.1)))
        });
        called.or(certificates.first()).map(|certificate| Arc::clone(certificate.certified()))
    }
}
