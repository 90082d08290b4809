//! What services of HTTP keep secret, as it is read from files: the keys of cookies, and certificates with theirs.

mod certificate;
mod keys;

pub(crate) use self::keys::Key;
pub use self::{
    certificate::{Certificate, CertificateError},
    keys::{Keys, KeysError},
};
