//! `limpet quic-id` as it is typed, with the test vectors of draft-ietf-quic-load-balancers-21 appendix B.

use assert_cmd::Command;
use serde_json::{Value, json};

const KEY: &str = "8f95f09245765f80256934e50c66207f";

const FILE: &str = "interface = {names = ['eth0']}\n[[service]]\nname = 'h3'\naddress = '192.0.2.10'\nport = 443\n\
    protocol = 'udp'\npersistence = {by = 'quic-cid', quic = [{config = 0, server_id_length = 3, nonce_length = 4, \
    key = '8f95f09245765f80256934e50c66207f'}]}\n\
    backend = [{name = 'h3-1', address = '10.0.0.11', server_id = 'ed793a'}]";

/// Exit code, standard output, standard error.
fn limpet(line: &str) -> (i32, String, String) {
    let mut command = Command::cargo_bin("limpet").unwrap();
    let output =
        command.arg("quic-id").args(line.split_whitespace()).env_remove("LIMPET_QUIC_KEY").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn printed(line: &str) -> String {
    let (code, out, error) = limpet(line);
    assert_eq!((code, error.as_str()), (0, ""), "{line}");
    out.trim().to_owned()
}

fn complains(line: &str, what: &str) {
    let (code, out, error) = limpet(line);
    assert!(code != 0 && out.is_empty() && error.contains(what), "{line}: {code} {out}{error}");
}

#[test]
fn ids_are_made_and_read_without_a_file() {
    let made = printed("encode --config-id 0 --server-id c4605e --nonce 4504cc4f");
    assert_eq!(made, "07c4605e4504cc4f");
    let made = printed(&format!(
        "encode --config-id 1 --server-id ed793a51d49b8f5fab65 --nonce ee080dbf48 --key {KEY}"
    ));
    assert_eq!(made, "2fcc381bc74cb4fbad2823a3d1f8fed2");
    let read = printed(&format!("decode {made} --server-id-length 10 --nonce-length 5 --key {KEY}"));
    assert_eq!(read, "configuration 1, server ID ed793a51d49b8f5fab65");
}

#[test]
fn ids_are_made_and_read_by_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limpet.toml");
    std::fs::write(&file, FILE).unwrap();
    let file = format!("--config {} --service h3", file.display());
    let made = printed(&format!("encode {file} --backend h3-1 --nonce ee080dbf"));
    assert_eq!(made, "0720b1d07b359d3c");
    let read: Value = serde_json::from_str(&printed(&format!("decode {made} {file} --json"))).unwrap();
    assert_eq!(read, json!({ "config": 0, "server_id": "ed793a", "backend": "h3-1" }));
    let random: Value =
        serde_json::from_str(&printed(&format!("encode {file} --backend h3-1 --first-octet-random --json")))
            .unwrap();
    let random = random["id"].as_str().unwrap();
    assert_eq!(
        printed(&format!("decode {random} {file}")),
        "configuration 0, server ID ed793a, backend h3-1"
    );

    complains(&format!("decode 0720b1d07b359d3d {file}"), "no backend of h3 has it");
    complains(&format!("decode 2720b1d07b359d3c {file}"), "service h3 has no configuration 1");
    complains(&format!("decode e720b1d07b359d3c {file}"), "leads nowhere");
    complains(&format!("decode 0720b1d07b359d {file}"), "has 7 octets, and configuration 0 says at least 8");
    complains(&format!("encode {file} --backend h3-2"), "has no backend `h3-2`; it has: h3-1");
    complains(&format!("encode {file} --backend h3-1 --nonce 00"), "the nonce has 1 octets, and");
}

#[test]
fn what_fits_no_scheme() {
    complains("encode --config-id 7 --server-id 00", "0 to 6");
    complains("encode --config-id 0 --server-id 00 --nonce-length 3", "at least 4 octets");
    complains("encode --config-id 0 --server-id 0011223344556677 --nonce-length 12", "19 octets at most");
    complains("encode --config-id 0 --server-id 0", "hexadecimal digits");
    complains("encode --config-id 0 --server-id 00 --key 00", "32 hexadecimal digits");
}
