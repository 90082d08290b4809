//! Access lists: in the file, and in files beside it.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{GOOD, SECOND_SERVICE, assert_errors, parse};
use crate::{access::Admission, config::load, model::Model};

/// The good file with an access list from line 29 on; line 30 is the first of `text`.
fn with_access(text: &str) -> String {
    format!("{}\n[service.access]\n{text}\n{}", GOOD[..28].join("\n"), GOOD[28..].join("\n"))
}

fn admits(model: &Model, client: &str) -> bool {
    let client: IpAddr = client.parse().unwrap();
    let list = model.services[0].access.as_ref().unwrap();
    list.decides(client).unwrap().admission == Admission::Allow
}

fn assert_admits(text: &str, clients: &[(&str, bool)]) {
    let model = parse(&with_access(text), "f").unwrap_or_else(|errors| panic!("{text}: {errors}"));
    for &(client, expected) in clients {
        assert_eq!(admits(&model, client), expected, "{text}: {client}");
    }
}

#[test]
fn who_is_let_in() {
    assert_admits("allow = ['10.0.0.0/8']", &[("10.1.2.3", true), ("11.1.2.3", false)]);
    assert_admits("deny = ['10.0.0.0/8']", &[("10.1.2.3", false), ("11.1.2.3", true)]);
    let both = "allow = ['10.0.0.0/8', '10.66.1.7']\ndeny = ['10.66.0.0/16', '192.0.2.1']";
    assert_admits(
        both,
        &[("10.1.2.3", true), ("10.66.2.3", false), ("10.66.1.7", true), ("192.0.2.2", false)],
    );
    let all = "allow = ['0.0.0.0/0']\ndeny = ['192.0.2.1']";
    assert_admits(all, &[("192.0.2.1", false), ("192.0.2.2", true)]);
    let nobody_else = "allow = ['192.0.2.1']\ndeny = ['0.0.0.0/0']";
    assert_admits(nobody_else, &[("192.0.2.1", true), ("192.0.2.2", false)]);
    let twice = "deny = ['10.0.0.0/8', '192.0.2.1', '10.0.0.0/8', '192.0.2.1/32']";
    assert_admits(twice, &[("10.1.2.3", false), ("192.0.2.1", false), ("192.0.2.2", true)]);
}

#[test]
fn an_empty_list_is_none() {
    for text in ["", "allow = []", "deny = []", "allow = []\ndeny = []"] {
        let model = parse(&with_access(text), "f").unwrap();
        assert_eq!(model.services[0].access, None, "{text:?}");
    }
}

#[test]
fn what_is_no_prefix() {
    for (text, at, fragment) in [
        ("allow = ['10.1.2.3/8']", "30:10", "has bits set beyond its length; did you mean \"10.0.0.0/8\"?"),
        ("deny = ['10.0.0.0/33']", "30:9", "\"10.0.0.0/33\" is not an IP address or prefix"),
        ("deny = ['ten']", "30:9", "\"ten\" is not an IP address or prefix"),
        ("deny = [10]", "30:9", "deny must be a string, not an integer"),
        ("deny = '10.0.0.0/8'", "30:8", "deny must be a list, not a string"),
        ("deny = ['::ffff:10.0.0.0/104']", "30:9", "IPv4 in IPv6 notation; did you mean \"10.0.0.0/8\"?"),
        ("deny = ['2001:db8::/32']", "30:9", "2001:db8::/32 is of another family than its IPv4 service"),
        ("deny_file = 5", "30:13", "deny_file must be a string"),
        ("denied = ['10.0.0.0/8']", "30:1", "unknown key `denied` in [service.access]; did you mean `deny`?"),
    ] {
        assert_errors(&with_access(text), &[(at, fragment)]);
    }
    assert_errors(
        &with_access("allow = ['10.1.2.3/8', '10.0.0.0/8']\ndeny = ['10.0.0.1/31', 'x']"),
        &[("30:10", "10.0.0.0/8"), ("31:9", "10.0.0.0/31"), ("31:24", "\"x\" is not")],
    );
}

#[test]
fn one_prefix_on_both_sides() {
    assert_errors(
        &with_access("allow = ['10.0.0.0/8', '192.0.2.1']\ndeny = ['192.0.2.1/32', '10.0.0.0/9']"),
        &[("31:9", "192.0.2.1/32 is denied here and allowed at line 30")],
    );
}

#[test]
fn a_list_that_lets_nobody_in() {
    for text in [
        "deny = ['0.0.0.0/0']",
        "allow = []\ndeny = ['0.0.0.0/0']",
        "deny = ['0.0.0.0/1', '128.0.0.0/1']",
        "allow = ['10.0.0.0/8']\ndeny = ['10.0.0.0/9', '10.128.0.0/9']",
    ] {
        assert_errors(&with_access(text), &[("29:1", "the access list lets nobody in")]);
    }
    let v6 = with_access("deny = ['::/0']")
        .replace("192.0.2.10", "2001:db8::10")
        .replace("10.0.0.11", "2001:db8::11")
        .replace("10.0.0.2", "2001:db8::2");
    assert_errors(&v6, &[("29:1", "the access list lets nobody in")]);
}

#[test]
fn lists_stay_within_limits() {
    let prefixes: Vec<_> = (0..1100).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
    let text = with_access(&format!("deny = {prefixes:?}")).replace("flows = 65536", "access = 1024");
    assert_errors(
        &text,
        &[("29:1", "the file has 1100 prefixes in access lists, and limits.access is 1024")],
    );
    let half =
        with_access(&format!("deny = {:?}", &prefixes[..600])).replace("flows = 65536", "access = 1024");
    let second =
        |last: usize| format!("{half}\n{SECOND_SERVICE}[service.access]\ndeny = {:?}", &prefixes[..last]);
    // The same list again is one with the first.
    let model = parse(&second(600), "f").unwrap();
    let lists: Vec<_> = model.services.iter().map(|service| service.access.as_ref().unwrap()).collect();
    assert!(std::sync::Arc::ptr_eq(lists[0], lists[1]));
    assert_errors(&second(599), &[("43:1", "1199 prefixes in access lists")]);
}

/// A configuration with an access list, and the file `lists/deny.txt` beside it.
fn beside(text: &str, list: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("lists")).unwrap();
    fs::write(directory.path().join("lists/deny.txt"), list).unwrap();
    let config = directory.path().join("limpet.toml");
    fs::write(&config, with_access(text)).unwrap();
    (directory, config)
}

#[test]
fn a_file_is_read_from_beside_the_configuration() {
    let list = b"# bad people\n\n10.0.0.0/8\n  192.0.2.1  # one more\n10.0.0.0/8\r\n";
    let (_directory, config) = beside("deny = ['198.51.100.0/24']\ndeny_file = 'lists/deny.txt'", list);
    let model = load(&config).unwrap();
    for (client, expected) in
        [("10.1.1.1", false), ("192.0.2.1", false), ("198.51.100.1", false), ("192.0.2.2", true)]
    {
        assert_eq!(admits(&model, client), expected, "{client}");
    }
    assert_eq!(model.services[0].access.as_ref().unwrap().size(), 3);
}

/// Where an error is and what it says, without the directory.
fn shown(config: &Path) -> Vec<String> {
    let errors = load(config).unwrap_err();
    let directory = format!("{}/", config.parent().unwrap().display());
    let first_line = |error: &crate::config::Error| error.to_string().lines().next().unwrap().to_owned();
    errors.as_slice().iter().map(|error| first_line(error).replace(&directory, "")).collect()
}

#[test]
fn errors_in_a_file_have_its_lines_and_come_all_at_once() {
    let text = "allow = ['10.0.0.0/8', '10.0.0.1/8']\ndeny_file = 'lists/deny.txt'";
    let (_directory, config) = beside(text, b"10.0.0.0/9\nten\n\n10.0.0.1/9\n\xff\xfe\n");
    assert_eq!(
        shown(&config),
        [
            "limpet.toml:30:24: error: \"10.0.0.1/8\" has bits set beyond its length; did you mean \"10.0.0.0/8\"?",
            "lists/deny.txt:2: error: \"ten\" is not an IP address or prefix",
            "lists/deny.txt:4: error: \"10.0.0.1/9\" has bits set beyond its length; did you mean \"10.0.0.0/9\"?",
            "lists/deny.txt:5: error: \"\u{fffd}\u{fffd}\" is not an IP address or prefix",
        ]
    );
    let text = "allow = ['10.0.0.0/8', '11.0.0.0/8']\ndeny_file = 'lists/deny.txt'";
    let (_directory, config) = beside(text, b"11.0.0.0/8\n2001:db8::/32\n");
    assert_eq!(
        shown(&config),
        [
            "lists/deny.txt:1: error: 11.0.0.0/8 is denied here and allowed at line 30",
            "lists/deny.txt:2: error: 2001:db8::/32 is of another family than its IPv4 service",
        ]
    );
    let (_directory, config) =
        beside("allow_file = 'lists/deny.txt'\ndeny = ['11.0.0.0/8']", b"11.0.0.0/8\n");
    assert_eq!(
        shown(&config),
        ["limpet.toml:31:9: error: 11.0.0.0/8 is denied here and allowed at lists/deny.txt:1"]
    );
}

#[test]
fn a_file_that_is_no_list_does_not_flood_the_errors() {
    let (_directory, config) = beside("deny_file = 'lists/deny.txt'", "nobody\n".repeat(250).as_bytes());
    let shown = shown(&config);
    assert_eq!(shown.len(), 101);
    assert_eq!(shown[0], "limpet.toml:30:13: error: 150 more lines of lists/deny.txt are no prefixes");
    assert!(shown[100].starts_with("lists/deny.txt:100: "), "{}", shown[100]);
}

#[test]
fn files_that_are_not_there_or_empty() {
    let (_directory, config) = beside("allow_file = 'allow.txt'", b"");
    assert_eq!(
        shown(&config),
        ["limpet.toml:30:14: error: cannot read allow.txt: No such file or directory (os error 2)"]
    );
    let (_directory, config) = beside("allow_file = 'lists/deny.txt'", b"# none\n");
    assert_eq!(shown(&config), ["limpet.toml:30:14: error: \"lists/deny.txt\" has no prefixes"]);
    // A feed of bad addresses may well be empty.
    let (_directory, config) = beside("deny_file = 'lists/deny.txt'", b"# none\n");
    assert_eq!(load(&config).unwrap().services[0].access, None);
}
