//! The good file that the tests bend, and what they ask of errors.

mod accepted;
mod access;
mod documented;
mod generated;
mod http;
mod ports;
mod quic;
mod single;
mod together;

use super::{Errors, parse};

/// A good file with one service; the cases below each change one line of it.
const GOOD: &[&str] = &[
    "[interface]",                 // 1
    "names = ['eth0']",            // 2
    "mode = 'auto'",               // 3
    "[nat]",                       // 4
    "source = ['10.0.0.2']",       // 5
    "ports = '1024-32767'",        // 6
    "[http]",                      // 7
    "listen = '127.0.0.1:7070'",   // 8
    "[hash]",                      // 9
    "secret = '0123456789abcdef'", // 10
    "[limits]",                    // 11
    "flows = 65536",               // 12
    "[[service]]",                 // 13
    "name = 'web'",                // 14
    "address = '192.0.2.10'",      // 15
    "port = 80",                   // 16
    "protocol = 'tcp'",            // 17
    "forwarding = 'nat'",          // 18
    "slots = 4096",                // 19
    "[service.persistence]",       // 20
    "by = 'client-ip'",            // 21
    "idle_timeout = '30m'",        // 22
    "max_lifetime = '8h'",         // 23
    "[service.health]",            // 24
    "type = 'http'",               // 25
    "path = '/healthz'",           // 26
    "interval = '2s'",             // 27
    "timeout = '1s'",              // 28
    "[[service.backend]]",         // 29
    "name = 'web-1'",              // 30
    "address = '10.0.0.11'",       // 31
    "port = 8080",                 // 32
    "weight = 100",                // 33
];

/// The good file with `line` replaced.
fn with_line(line: usize, text: &str) -> String {
    replaced(GOOD, line, text)
}

fn replaced(file: &[&str], line: usize, text: &str) -> String {
    let mut lines = file.to_vec();
    lines[line - 1] = text;
    lines.join("\n")
}

fn errors(text: &str) -> Errors {
    parse(text, "limpet.toml").expect_err(text)
}

/// Checks that a text has these errors and no others: `LINE:COLUMN`, and a part of the message.
fn assert_errors(text: &str, expected: &[(&str, &str)]) {
    let errors = errors(text);
    assert_eq!(errors.as_slice().len(), expected.len(), "{text}\n{errors}");
    for (error, (at, fragment)) in errors.as_slice().iter().zip(expected) {
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("limpet.toml:{at}: error: ")), "{at}: {shown}");
        assert!(error.message.contains(fragment), "{fragment}: {shown}");
        assert!(!error.help.is_empty(), "{shown}");
    }
}

/// Cases that replace one line of the good file, see [`assert_cases_of`].
fn assert_cases(table: &str) {
    assert_cases_of(GOOD, table);
}

/// Cases that replace one line and give one error, a row each: `line | new text | where | what`. A `\n` in
/// the text is a line break.
fn assert_cases_of(file: &[&str], table: &str) {
    for row in table.lines().filter(|row| !row.trim().is_empty()) {
        let cells: Vec<_> = row.split(" | ").map(str::trim).collect();
        let [line, text, at, fragment] = cells[..] else { panic!("{row}") };
        let text = replaced(file, line.parse().unwrap(), &text.replace("\\n", "\n"));
        assert_errors(&text, &[(at, fragment)]);
    }
}

/// Another good service, from line 34 on.
const SECOND_SERVICE: &str = "[[service]]\nname = 'dns'\naddress = '192.0.2.11'\nport = 53\n\
                              [[service.backend]]\nname = 'dns-1'\naddress = '10.0.0.21'\n";

fn good() -> String {
    GOOD.join("\n") + "\n"
}

#[test]
fn the_base_of_the_cases_is_good() {
    parse(&good(), "f").unwrap();
    parse(&(good() + SECOND_SERVICE), "f").unwrap();
}
