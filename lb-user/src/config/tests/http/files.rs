//! Keys and certificates, in files beside the configuration.

use std::{fs, path::PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::with_line;
use crate::{
    config::{File, load, read},
    model::{Model, http::Http},
};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A directory with a configuration.
struct Site {
    directory: TempDir,
    config: PathBuf,
}

impl Site {
    fn new(config: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("limpet.toml");
        fs::write(&path, config).unwrap();
        Self { directory, config: path }
    }

    /// One of these certificates, from line 16 on, four lines each.
    fn with_certificates(names: &[&str]) -> Self {
        let tables = names.iter().map(|name| {
            format!("[[service.http.certificate]]\ncertificate = '{name}.crt'\n# key\nkey = '{name}.key'\n")
        });
        let file = with_line(16, &tables.collect::<String>());
        Self::new(&file.replace("'10.0.0.11'", "'10.0.0.11'\nport = 80"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// A certificate with its key, good until the end of `year`.
    fn certify(&self, file: &str, names: &[&str], year: i32) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{file}.crt"), &params.self_signed(&key).unwrap().pem());
        self.write(&format!("{file}.key"), &key.serialize_pem());
    }

    fn load(&self) -> Model {
        load(&self.config).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn http(&self) -> Http {
        (*self.load().services.remove(0).http.unwrap()).clone()
    }

    /// First lines of the errors, without the directory.
    fn errors(&self) -> Vec<String> {
        let errors = load(&self.config).unwrap_err();
        let directory = format!("{}/", self.directory.path().display());
        let shown = errors.as_slice().iter().map(ToString::to_string);
        shown.map(|error| error.lines().next().unwrap().replace(&directory, "")).collect()
    }
}

#[test]
fn keys_of_cookies() {
    let site = Site::new(&with_line(13, "keys_file = 'cookie.keys'"));
    assert_eq!(
        site.errors(),
        ["limpet.toml:13:13: error: cannot read cookie.keys: No such file or directory (os error 2)"]
    );
    site.write("cookie.keys", "# none\n");
    let errors = site.errors();
    assert!(errors[0].starts_with("limpet.toml:13:13: error: cookie.keys: no key"), "{errors:?}");
    site.write("cookie.keys", &format!("# newest first\n{KEY}\n{}\n", &KEY[2..]));
    let errors = site.errors();
    assert!(errors[0].starts_with("cookie.keys:3: error: line 3 has 62 characters"), "{errors:?}");
    assert!(!errors[0].contains(&KEY[8..16]), "{errors:?}");
    site.write("cookie.keys", KEY);
    let one = site.http();
    assert!(one.keys.is_some());
    assert!(!format!("{one:?}").contains(&KEY[8..16]), "{one:?}");
    assert_eq!(one, site.http());
    site.write("cookie.keys", &KEY.replace("00", "ff"));
    assert_ne!(one, site.http());
    // The application's own cookie may be marked with them too.
    let prefix = Site::new(&with_line(13, "mode = 'prefix'\nkeys_file = 'cookie.keys'"));
    prefix.write("cookie.keys", KEY);
    assert_eq!(prefix.http().keys, one.keys);
}

#[test]
fn certificates_in_their_order() {
    let site = Site::with_certificates(&["a", "b"]);
    site.certify("a", &["Shop.Example"], 4000);
    site.certify("b", &["*.shop.example", "192.0.2.10"], 4000);
    let http = site.http();
    let names: Vec<_> = http.certificates.iter().map(|certificate| certificate.names()).collect();
    assert_eq!(names, [&["shop.example"][..], &["*.shop.example", "192.0.2.10"][..]]);
    assert_eq!(http, site.http());
    let key = fs::read_to_string(site.directory.path().join("a.key")).unwrap();
    assert!(!format!("{http:?}").contains(key.lines().nth(1).unwrap()), "{http:?}");
    site.certify("b", &["*.shop.example", "192.0.2.10"], 4000);
    assert_ne!(http, site.http());
}

#[test]
fn certificates_that_can_not_be_used() {
    let site = Site::with_certificates(&["a", "b"]);
    site.certify("a", &["a.example"], 2021);
    assert_eq!(
        site.errors(),
        [
            "limpet.toml:17:15: error: the certificate in a.crt expired at 2021-12-31T00:00:00Z",
            "limpet.toml:21:15: error: cannot read b.crt: No such file or directory (os error 2)",
        ]
    );
    site.certify("a", &["a.example"], 4000);
    let kept = fs::read_to_string(site.directory.path().join("a.key")).unwrap();
    site.certify("b", &["b.example", "a.example"], 4000);
    assert_eq!(
        site.errors(),
        ["limpet.toml:20:1: error: there is already a certificate for a.example at line 16"]
    );
    site.certify("b", &["b.example"], 4000);
    site.write("b.key", &kept);
    assert_eq!(
        site.errors(),
        ["limpet.toml:23:7: error: the key in b.key does not belong to the first certificate in b.crt"]
    );
}

#[test]
fn a_certificate_needs_its_key() {
    let site = Site::with_certificates(&["a"]);
    let text = fs::read_to_string(&site.config).unwrap();
    site.write("limpet.toml", &text.replace("key = 'a.key'", ""));
    assert_eq!(site.errors(), ["limpet.toml:16:1: error: `key` is missing in [[service.http.certificate]]"]);
    site.write("limpet.toml", &text.replace("'a.crt'", "5"));
    assert_eq!(site.errors(), ["limpet.toml:17:15: error: certificate must be a string, not an integer"]);
}

#[test]
fn backends_of_tls_have_ports_of_their_own() {
    let site = Site::with_certificates(&["a"]);
    site.certify("a", &["a.example"], 4000);
    let file: File = read(&site.config).unwrap();
    let added = |port| crate::config::Addition {
        service: "shop",
        name: "shop-3",
        address: "10.0.0.13".parse().unwrap(),
        port,
        weight: 100,
    };
    assert_eq!(file.with(&[added(Some(81))]).unwrap().services[0].backends[2].port, Some(81));
    let errors = file.with(&[added(None)]).unwrap_err();
    let message = "the service speaks TLS, and does not say at which port the backend listens without it";
    assert_eq!(errors.as_slice()[0].message, message);
    let text = fs::read_to_string(&site.config).unwrap();
    site.write("limpet.toml", &text.replace("'10.0.0.11'\nport = 80\n", "'10.0.0.11'\n"));
    assert_eq!(site.errors(), [format!("limpet.toml:21:1: error: {message}")]);
    site.write("limpet.toml", &text.replace("'10.0.0.11'\nport = 80\n", "'10.0.0.11'\nport = 0\n"));
    assert_eq!(site.errors(), ["limpet.toml:24:8: error: port 0 is out of range"]);
}
