//! Why a certificate can't be used, and what to do about it.

use std::io;

use humantime::Rfc3339Timestamp;

/// Why a certificate can't be used. Nothing of a key is shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// Which one.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// The file of the key can't be read.
    #[error("cannot read {file}: {source}")]
    UnreadableKey {
        /// Which one.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// No certificate.
    #[error("{file} has no certificate in PEM")]
    NoCertificate {
        /// Where one should be.
        file: String,
    },
    /// No key.
    #[error("{file} has no private key in PEM")]
    NoKey {
        /// Where one should be.
        file: String,
    },
    /// A key of some other kind.
    #[error("the private key in {file} is of a kind that TLS can't use")]
    UnsupportedKey {
        /// Where it is.
        file: String,
    },
    /// The key is that of another certificate.
    #[error("the key in {key} does not belong to the first certificate in {chain}")]
    OtherKey {
        /// Where the key is.
        key: String,
        /// Where the certificate is.
        chain: String,
    },
    /// It was good once.
    #[error("the certificate in {file} expired at {end}")]
    Expired {
        /// Where it is.
        file: String,
        /// Its last second.
        end: Rfc3339Timestamp,
    },
    /// It will be good.
    #[error("the certificate in {file} is not valid before {begin}")]
    TooEarly {
        /// Where it is.
        file: String,
        /// Its first second.
        begin: Rfc3339Timestamp,
    },
    /// Clients would find no name of a server in it.
    #[error("the certificate in {file} has no name of a server")]
    Nameless {
        /// Where it is.
        file: String,
    },
}

impl CertificateError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::UnreadableKey { .. } => {
                "name a file that this user can read, relative to the configuration's directory"
            }
            Self::NoCertificate { .. } => {
                "name a file with the server's certificate, and with those that vouch for it after it"
            }
            Self::NoKey { .. } => {
                "name a file with the certificate's key: PKCS#8, PKCS#1 or SEC1, not encrypted"
            }
            Self::UnsupportedKey { .. } => {
                "make a certificate with a key for ECDSA (P-256, P-384), Ed25519 or RSA (2048 bits or more)"
            }
            Self::OtherKey { .. } => {
                "name the certificate's own key; in its file the server's certificate comes first"
            }
            Self::Expired { .. } => "have the certificate renewed, or set the clock",
            Self::TooEarly { .. } => "wait until then, or set the clock",
            Self::Nameless { .. } => {
                "make one with a subjectAltName (DNS name or address): no client looks for names elsewhere"
            }
        }
    }

    /// Is it about the file of the key?
    #[must_use]
    pub const fn is_of_key(&self) -> bool {
        matches!(
            self,
            Self::UnreadableKey { .. }
                | Self::NoKey { .. }
                | Self::UnsupportedKey { .. }
                | Self::OtherKey { .. }
        )
    }
}
