//! `limpet status`, `explain`, `reload` and `backend` as typed.

use assert_cmd::Command;
use lb_user::{
    api::{BackendAction, BackendOrder, Control, Refusal, Reloaded, SessionFilter, Status},
    config, view,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Fixed, Running, config_errors, daemon, explanation, forecast, nowhere, status};

/// Exit code, standard output, standard error.
type Outcome = (Option<i32>, String, String);

fn limpet(socket: &std::path::Path, line: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limpet"));
    let output = command.arg("--socket").arg(socket).args(line.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Runs a command against a daemon of its own.
async fn against(control: impl Control, line: &'static str) -> Outcome {
    let server = Running::start(control);
    let socket = server.socket.clone();
    let outcome = tokio::task::spawn_blocking(move || limpet(&socket, line)).await.unwrap();
    server.stop().await;
    outcome
}

/// What a view writes.
fn written(render: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut text = Vec::new();
    render(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn for_people() {
    let table = written(|out| view::status(&status(), out));
    assert_eq!(against(daemon(), "status").await, (Some(0), table, String::new()));
    let sentences = written(|out| view::explain(&explanation(), out));
    let line = "explain --service web --client 198.51.100.7";
    assert_eq!(against(daemon(), line).await, (Some(0), sentences, String::new()));
}

#[tokio::test]
async fn for_programs() {
    let (code, stdout, stderr) = against(daemon(), "status --json").await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(serde_json::from_str::<Status>(&stdout).unwrap(), status());
    assert!(stdout.starts_with("{\n  \"version\": 1,\n"), "{stdout}");

    let (code, stdout, stderr) =
        against(daemon(), "explain --json --service web --client [2001:db8::7]:99").await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&answer["client"], &answer["port"]), (&json!("2001:db8::7"), &json!(99)));
}

/// What programs rely on: nothing of this may be renamed.
#[tokio::test]
async fn promised_names() {
    let (_, stdout, _) = against(daemon(), "status --json").await;
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(status["version"], 1);
    assert_eq!(status["interfaces"][1], json!({"name": "eth1", "ifindex": 3, "mode": "generic"}));
    assert_eq!(status["drops"]["no_backend"], 12);
    let service = &status["services"][0];
    for (name, value) in [
        ("name", json!("web")),
        ("address", json!("192.0.2.10")),
        ("port", json!(80)),
        ("protocol", json!("tcp")),
        ("forwarding", json!("nat")),
        ("persistence", json!("client-ip")),
        ("sessions", json!(30)),
        ("flows", json!(40)),
        ("packets", json!(1_500_000)),
        ("bytes", json!(80_000_000)),
    ] {
        assert_eq!(service[name], value, "{name}");
    }
    for (name, value) in [
        ("name", json!("web-2")),
        ("address", json!("10.0.0.12")),
        ("port", json!(8080)),
        ("state", json!("down")),
        ("weight", json!(100)),
        ("sessions", json!(15)),
        ("packets", json!(750_000)),
        ("bytes", json!(40_000_000)),
    ] {
        assert_eq!(service["backends"][1][name], value, "{name}");
    }
    let (_, stdout, _) = against(daemon(), "explain --json --service web --client 198.51.100.7").await;
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    for (name, value) in [
        ("backend", json!("web-1")),
        ("reason", json!("session")),
        ("hash_backend", json!("web-3")),
        ("idle_left_s", json!(1787.8)),
        ("lifetime_left_s", json!(28200.0)),
    ] {
        assert_eq!(answer[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_reload_says_what_changed() {
    let changes = vec!["service web: backend web-4 added".to_owned(), "service dns: removed".to_owned()];
    let changed = || Fixed { reload: Some(Ok(Reloaded { changes: changes.clone() })), ..daemon() };
    let text = "service web: backend web-4 added\nservice dns: removed\n".to_owned();
    assert_eq!(against(changed(), "reload").await, (Some(0), text, String::new()));
    let (code, stdout, _) = against(changed(), "reload --json").await;
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), json!({ "changes": changes }));
    let (code, stdout, _) = against(daemon(), "reload").await;
    assert_eq!((code, &*stdout), (Some(0), "nothing to change: what runs is what the file says\n"));
}

#[tokio::test]
async fn a_reload_of_a_bad_file_says_every_error() {
    let directory = TempDir::new().unwrap();
    let errors = config_errors(&directory.path().join("limpet.toml"));
    let refused = || Fixed { reload: Some(Err(Refusal::from(errors.clone()))), ..daemon() };
    let count = errors.as_slice().len();
    let stderr = format!(
        "{errors}\nerror: the configuration file has {count} errors; nothing was changed, what runs goes on\n"
    );
    assert_eq!(against(refused(), "reload").await, (Some(1), String::new(), stderr));
    let (code, stdout, stderr) = against(refused(), "reload --json").await;
    assert_eq!((code, &*stderr), (Some(1), ""));
    let refusal: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(refusal["kind"], "invalid");
    let listed: config::Errors = serde_json::from_value(refusal["errors"].clone()).unwrap();
    assert_eq!(listed, errors);
}

#[tokio::test]
async fn a_plan_can_be_too_much() {
    // As one argument each: the file's name has a space in it.
    let typed = async |more: &'static [&'static str]| {
        let server = Running::start(daemon());
        let mut command = Command::new(env!("CARGO_BIN_EXE_limpet"));
        command
            .arg("--socket")
            .arg(&server.socket)
            .args(["plan", "--config", "/etc/new file.toml"])
            .args(more);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        server.stop().await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let text = written(|out| view::plan(&forecast(), out));
    assert_eq!(typed(&[]).await, (Some(0), text.clone(), String::new()));
    assert_eq!(typed(&["--max-moved", "15"]).await.0, Some(0));
    let complaint = "error: 15 sessions would move, and at most 14 may\n".to_owned();
    assert_eq!(typed(&["--max-moved", "14"]).await, (Some(3), text, complaint));
    let (code, stdout, _) = typed(&["--max-moved", "0", "--json"]).await;
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(3));
    let biggest = json!([{
        "service": "web", "client": "198.51.100.7/32", "connections": 1_234, "from": "web-2", "to": "web-3",
        "reason": "backend_removed",
    }]);
    assert_eq!(
        answer["sessions"],
        json!({ "total": 30, "moved": 15, "by_reason": { "backend_removed": 15 }, "biggest": biggest })
    );
    let (code, _, stderr) = against(daemon(), "plan --config /none --max-moved 0").await;
    assert_eq!((code, &*stderr), (Some(1), "error: cannot read /none\n"));
}

#[tokio::test]
async fn filters_arrive_as_typed() {
    let server = Running::start(daemon());
    let client = Some("198.51.100.0/24".parse().unwrap());
    let mut expected = Vec::new();
    for (line, words, filter) in [
        ("sessions list", "go on with --after web/198.51.100.7/32\n", SessionFilter::default()),
        (
            "sessions list --service web --client 198.51.100.0/24 --limit 7 --after web/198.51.100.7/32",
            "2 of 3 sessions",
            SessionFilter {
                service: Some("web".into()),
                client,
                limit: Some(7),
                after: Some("web/198.51.100.7/32".into()),
                ..SessionFilter::default()
            },
        ),
        (
            "sessions drop --backend web-1",
            "2 sessions forgotten\n",
            SessionFilter { backend: Some("web-1".into()), ..SessionFilter::default() },
        ),
    ] {
        let socket = server.socket.clone();
        let (code, stdout, _) = tokio::task::spawn_blocking(move || limpet(&socket, line)).await.unwrap();
        assert_eq!(code, Some(0), "{line}");
        assert!(stdout.contains(words), "{line}: {stdout}");
        expected.push(filter);
    }
    assert_eq!(*server.control.filters.lock().unwrap(), expected);
    server.stop().await;
}

#[tokio::test]
async fn orders_arrive_as_typed() {
    let order = |action, deadline_s, weight| BackendOrder {
        service: "web".into(),
        backend: "a/b".into(),
        action,
        deadline_s,
        weight,
        address: None,
        port: None,
    };
    let at = |address: &str, port| BackendOrder {
        address: Some(address.parse().unwrap()),
        port,
        ..order(BackendAction::Add, None, None)
    };
    let server = Running::start(daemon());
    let mut expected = Vec::new();
    for (line, order) in [
        ("backend drain web/a/b", order(BackendAction::Drain, None, None)),
        ("backend drain web/a/b --deadline 2h", order(BackendAction::Drain, Some(7_200), None)),
        ("backend disable web/a/b", order(BackendAction::Disable, None, None)),
        ("backend enable web/a/b", order(BackendAction::Enable, None, None)),
        ("backend weight web/a/b 7", order(BackendAction::Weight, None, Some(7))),
        ("backend add web/a/b --address 10.0.0.4", at("10.0.0.4", None)),
        (
            "backend add web/a/b --address 2001:db8::4 --port 81 --weight 7",
            BackendOrder { weight: Some(7), ..at("2001:db8::4", Some(81)) },
        ),
        ("backend remove web/a/b", order(BackendAction::Remove, None, None)),
        ("backend reset web/a/b", order(BackendAction::Reset, None, None)),
    ] {
        let socket = server.socket.clone();
        let (code, stdout, _) = tokio::task::spawn_blocking(move || limpet(&socket, line)).await.unwrap();
        assert_eq!((code, &*stdout), (Some(0), "service web: backend web-1 is draining\n"), "{line}");
        expected.push(order);
    }
    assert_eq!(*server.control.ordered.lock().unwrap(), expected);
    server.stop().await;
}

#[tokio::test]
async fn refusals_exit_with_1() {
    let line = "explain --service shop --client 198.51.100.7";
    let words = "error: there is no service \"shop\"\n".to_owned();
    assert_eq!(against(daemon(), line).await, (Some(1), String::new(), words));
    let words = "error: cannot read FLOWS: EPERM\n".to_owned();
    assert_eq!(against(Fixed::default(), "status").await, (Some(1), String::new(), words));
}

#[test]
fn without_a_daemon() {
    let directory = TempDir::new().unwrap();
    let socket = nowhere(&directory);
    let words = format!(
        "error: no daemon answers at {}: is `limpet run` running? another socket: --socket\n",
        socket.display()
    );
    for line in ["status", "status --json", "explain --service web --client ::1", "reload"] {
        assert_eq!(limpet(&socket, line), (Some(1), String::new(), words.clone()), "{line}");
    }
}
