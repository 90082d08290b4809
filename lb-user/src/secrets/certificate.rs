//! Certificates that services show to their clients, and the keys that prove them.

mod error;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt, fs,
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::ring::sign,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time};

pub use self::error::CertificateError;

/// A certificate that was good when it was loaded, the rest of its chain, and its key.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    expiry: SystemTime,
}

impl Certificate {
    /// Reads a chain (PEM, leaf first) and the key of its leaf (PEM: PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// A file can't be read or has not what it should have, the key is that of another certificate, or the certificate
    /// is of no use at the time `now`.
    pub fn load(chain: &Path, key: &Path, now: SystemTime) -> Result<Self, CertificateError> {
        let file = |path: &Path| path.display().to_string();
        let pem =
            fs::read(chain).map_err(|source| CertificateError::Unreadable { file: file(chain), source })?;
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.unwrap_or_default();
        let leaf = match certificates.first().map(|leaf| X509Certificate::from_der(leaf)) {
            Some(Ok((_, leaf))) => Leaf::of(&leaf),
            Some(Err(_)) | None => return Err(CertificateError::NoCertificate { file: file(chain) }),
        };
        let pem =
            fs::read(key).map_err(|source| CertificateError::UnreadableKey { file: file(key), source })?;
        let secret =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| CertificateError::NoKey { file: file(key) })?;
        let signer = sign::any_supported_type(&secret)
            .map_err(|_| CertificateError::UnsupportedKey { file: file(key) })?;
        let certified = CertifiedKey::new(certificates, signer);
        if certified.keys_match().is_err() {
            return Err(CertificateError::OtherKey { key: file(key), chain: file(chain) });
        }
        leaf.check(&file(chain), now)?;
        Ok(Self { certified: certified.into(), names: leaf.names, expiry: leaf.end })
    }

    /// What handshakes need of it.
    #[must_use]
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The names of the servers that may show it: at least one, each once, in lower case, perhaps with `*.` in front; and addresses.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When clients cease to accept it.
    #[must_use]
    pub fn expiry(&self) -> SystemTime {
        self.expiry
    }
}

/// The same chain has the same key.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Eq for Certificate {}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certified: _, names, expiry } = self;
        f.debug_struct("Certificate").field("names", names).field("expiry", expiry).finish_non_exhaustive()
    }
}

/// What a certificate says about itself.
struct Leaf {
    names: Vec<String>,
    begin: SystemTime,
    end: SystemTime,
}

impl Leaf {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(name);
        let mut seen = HashSet::new();
        let names = names.filter(|name| seen.insert(name.clone())).collect();
        let validity = certificate.validity();
        Self { names, begin: time(validity.not_before), end: time(validity.not_after) }
    }

    fn check(&self, file: &str, now: SystemTime) -> Result<(), CertificateError> {
        let file = file.to_owned();
        if now > self.end {
            Err(CertificateError::Expired { file, end: humantime::format_rfc3339_seconds(self.end) })
        } else if now < self.begin {
            Err(CertificateError::TooEarly { file, begin: humantime::format_rfc3339_seconds(self.begin) })
        } else if self.names.is_empty() {
            Err(CertificateError::Nameless { file })
        } else {
            Ok(())
        }
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Times before 1970 are all long ago; what is beyond humans' clocks is far off.
fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
