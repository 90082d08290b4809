//! `limpet check` as users and programs see it.

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const GOOD: &str = r#"
[interface]
names = ["eth0"]
[[service]]
name = "web"
address = "192.0.2.10"
port = 80
[[service.backend]]
name = "web-1"
address = "10.0.0.11"
[[service]]
name = "web6"
address = "2001:db8::10"
port = 80
[[service.backend]]
name = "web-1"
address = "2001:db8:1::11"
[[service.backend]]
name = "web-2"
address = "2001:db8:1::12"
"#;

/// Runs `limpet check` on a text: the file's name, exit code, standard output, standard error.
fn check(text: &[u8], options: &[&str]) -> (String, Option<i32>, String, String) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().display().to_string();
    let output = limpet().args(["check", "--config", &path]).args(options).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (path, output.status.code(), text(output.stdout), text(output.stderr))
}

fn limpet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_limpet"))
}

fn parsed(stdout: &str) -> Value {
    serde_json::from_str(stdout).expect(stdout)
}

#[test]
fn a_good_file() {
    let (path, code, stdout, stderr) = check(GOOD.as_bytes(), &[]);
    assert_eq!(stdout, format!("{path}: ok: 2 services, 3 backends\n"));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_good_file_for_programs() {
    let (_, code, stdout, stderr) = check(GOOD.as_bytes(), &["--json"]);
    assert_eq!(parsed(&stdout), json!({"ok": true, "errors": [], "services": 2, "backends": 3}));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn one_of_each_is_not_many() {
    let one = GOOD.split("[[service]]\nname = \"web6\"").next().unwrap();
    let (path, _, stdout, _) = check(one.as_bytes(), &[]);
    assert_eq!(stdout, format!("{path}: ok: 1 service, 1 backend\n"));
}

#[test]
fn every_error_with_its_place() {
    let bad = GOOD.replace("port = 80", "prot = 80").replace("10.0.0.11", "10.0.0.1111");
    let (path, code, stdout, stderr) = check(bad.as_bytes(), &[]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    for error in [
        "7:1: error: unknown key `prot` in [[service]]; did you mean `port`?\n  in: service \"web\" . prot\n  help: ",
        "10:11: error: \"10.0.0.1111\" is not an IP address\n  in: service \"web\" . backend \"web-1\" . address\n  help: ",
        "14:1: error: unknown key `prot` in [[service]]; did you mean `port`?\n  in: service \"web6\" . prot\n  help: ",
    ] {
        assert!(stderr.contains(&format!("{path}:{error}")), "{error}\n{stderr}");
    }
    assert_eq!(stderr.matches(": error: ").count(), 3, "{stderr}");
}

#[test]
fn every_error_for_programs() {
    let bad = GOOD.replace("10.0.0.11", "2001:db8::1").replace("\"eth0\"", "");
    let (path, code, stdout, stderr) = check(bad.as_bytes(), &["--json"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    let expected = json!({
        "ok": false,
        "errors": [
            {
                "file": path,
                "line": 3,
                "column": 9,
                "key": "interface . names",
                "message": "names is empty",
                "help": "name the interface that receives the traffic",
            },
            {
                "file": path,
                "line": 10,
                "column": 11,
                "key": "service \"web\" . backend \"web-1\" . address",
                "message": "backend 2001:db8::1 is of another family than its IPv4 service",
                "help": "give an IPv4 address, or put the backend into a service of its family",
            },
        ],
        "services": null,
        "backends": null,
    });
    assert_eq!(parsed(&stdout), expected);
}

#[test]
fn a_file_that_is_not_text() {
    let (path, code, _, stderr) = check(b"[interface]\nnames = [\"\xff\"]", &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with(&format!("{path}:2:11: error: this is not UTF-8 text\n")), "{stderr}");
}

#[test]
fn a_file_that_is_not_there() {
    let output = limpet().args(["check", "--config", "/nowhere/limpet.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("/nowhere/limpet.toml: error: cannot read the file: No such file"),
        "{stderr}"
    );
    let output = limpet().args(["check", "--json", "--config", "/nowhere/limpet.toml"]).output().unwrap();
    assert_eq!(parsed(&String::from_utf8(output.stdout).unwrap())["errors"][0]["line"], Value::Null);
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["check"][..], &["chek"], &[]] {
        limpet().args(arguments).assert().code(2);
    }
}
