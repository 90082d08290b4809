//! What files are taken, and what is said of others.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::Certificate;

/// A directory of files.
struct Files(TempDir);

impl Files {
    /// With `a.crt` and `a.key`, good in the year 2026 for `names`.
    fn new(names: &[&str]) -> Self {
        let files = Self(TempDir::new().unwrap());
        let (certificate, key) = made(names);
        files.write("a.crt", &certificate);
        files.write("a.key", &key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Loads two of them in `year`; an error is put into words, without the directory.
    fn load_in(&self, year: u64, chain: &str, key: &str) -> Result<Certificate, String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600 + 86_400);
        let directory = format!("{}/", self.0.path().display());
        Certificate::load(&self.path(chain), &self.path(key), now)
            .map_err(|error| error.to_string().replace(&directory, ""))
    }

    fn load(&self, chain: &str, key: &str) -> Result<Certificate, String> {
        self.load_in(2026, chain, key)
    }
}

/// A certificate and its key.
fn made(names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 12, 31);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn names_are_those_of_the_certificate() {
    let files = Files::new(&["Shop.Example", "shop.example", "*.shop.example", "192.0.2.1", "2001:db8::1"]);
    let certificate = files.load("a.crt", "a.key").unwrap();
    assert_eq!(certificate.names(), ["shop.example", "*.shop.example", "192.0.2.1", "2001:db8::1"]);
    assert_eq!(certificate.expiry(), humantime::parse_rfc3339("2026-12-31T00:00:00Z").unwrap());
}

#[test]
fn what_can_not_be_used() {
    let files = Files::new(&["a.example"]);
    let (other, other_key) = made(&["b.example"]);
    files.write("b.key", &other_key);
    files.write("none", "# nothing\n");
    files.write("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    files.write("broken.key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
    files.write("reversed", &(other + &fs::read_to_string(files.path("a.crt")).unwrap()));
    let (nameless, key) = made(&[]);
    files.write("nameless", &nameless);
    files.write("nameless.key", &key);
    for (chain, key, message) in [
        ("gone", "a.key", "cannot read gone: No such file or directory (os error 2)"),
        ("a.crt", "gone", "cannot read gone: No such file or directory (os error 2)"),
        ("none", "a.key", "none has no certificate in PEM"),
        ("a.key", "a.key", "a.key has no certificate in PEM"),
        ("broken", "a.key", "broken has no certificate in PEM"),
        ("a.crt", "none", "none has no private key in PEM"),
        ("a.crt", "a.crt", "a.crt has no private key in PEM"),
        ("a.crt", "broken.key", "the private key in broken.key is of a kind that TLS can't use"),
        ("a.crt", "b.key", "the key in b.key does not belong to the first certificate in a.crt"),
        ("reversed", "a.key", "the key in a.key does not belong to the first certificate in reversed"),
        ("nameless", "nameless.key", "the certificate in nameless has no name of a server"),
    ] {
        assert_eq!(files.load(chain, key).unwrap_err(), message, "{chain} {key}");
    }
}

#[test]
fn each_has_its_time() {
    let files = Files::new(&["a.example"]);
    let early = files.load_in(2025, "a.crt", "a.key").unwrap_err();
    assert_eq!(early, "the certificate in a.crt is not valid before 2026-01-01T00:00:00Z");
    let late = files.load_in(2027, "a.crt", "a.key").unwrap_err();
    assert_eq!(late, "the certificate in a.crt expired at 2026-12-31T00:00:00Z");
}

#[test]
fn equal_is_what_has_the_same_content() {
    let (files, others) = (Files::new(&["a.example"]), Files::new(&["a.example"]));
    fs::copy(files.path("a.crt"), files.path("copy.crt")).unwrap();
    let first = files.load("a.crt", "a.key").unwrap();
    assert_eq!(first, files.load("copy.crt", "a.key").unwrap());
    assert_ne!(first, others.load("a.crt", "a.key").unwrap());
}

#[test]
fn nothing_shows_the_key() {
    let files = Files::new(&["a.example"]);
    let shown = format!("{:?}", files.load("a.crt", "a.key").unwrap());
    assert!(shown.starts_with("Certificate { names: [\"a.example\"], expiry: "), "{shown}");
    assert!(shown.ends_with(", .. }"), "{shown}");
}
