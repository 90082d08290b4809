//! A real browser on a page with twenty parts, which it gets by several connections side by side.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use lb_user::lab::{
    Family, Lab, Size, backend_name,
    config::{Config, Cookie, Health, Persistence, Service},
    plan,
};
use limpet_tests::{
    Bed,
    http::{
        nginx::Nginx,
        scene::{shop, target},
    },
};
use tokio::task::spawn_blocking;

const BACKENDS: u8 = 4;

/// A page with pictures, styles and scripts, each of which says on the page who gave it.
fn write_page(directory: &Path, server: &str) {
    let mut page = String::from("<!doctype html><html><head><link rel=icon href=data:,>");
    for number in 0..20 {
        let (part, content) = match number % 3 {
            0 => (format!("<img src=/{number}.png>"), String::new()),
            1 => (format!("<link rel=stylesheet href=/{number}.css>"), "p { color: red }".to_owned()),
            _ => (
                format!("<script src=/{number}.js></script>"),
                format!("document.documentElement.append(' [{server}] ');"),
            ),
        };
        let kind = ["png", "css", "js"][number % 3];
        fs::write(directory.join(format!("{number}.{kind}")), content).unwrap();
        page.push_str(&part);
    }
    page.push_str(&format!("</head><body><p>page of {server}</p></body></html>"));
    fs::write(directory.join("index.html"), page).unwrap();
}

/// The paths that a server was asked for since it was asked last.
fn asked(nginx: &Nginx) -> Vec<String> {
    let log = nginx.files().join("log");
    let text = fs::read_to_string(&log).unwrap();
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The page as the browser of this profile has it when all is loaded.
async fn visit(lab: &Lab, profile: &Path) -> String {
    let mut command = Command::new("chromium-headless-shell");
    command.args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(format!("http://{}/", target()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = lab.clients().spawn(&mut command).unwrap();
    let output = spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn all_parts_of_a_page_come_from_one_server() {
    let lab = Lab::new(Size { clients: 8, backends: BACKENDS }).unwrap();
    let mut servers = Vec::new();
    for (backend, index) in lab.backends().iter().zip(0..) {
        let serve = "log_format path '$uri'; server { listen 8080; root {www}; access_log {www}/log path; \
                     add_header Cache-Control no-store; }";
        let nginx = Nginx::start(backend, serve).unwrap();
        write_page(&nginx.files(), &backend_name(index));
        servers.push(nginx);
    }
    let cookie = Cookie { max_age: Some("1d"), ..Cookie::default() };
    let persistence = Persistence { cookie: Some(cookie), ..Persistence::by("cookie") };
    let service = Service { persistence, health: Health::None, ..shop(BACKENDS) };
    let bed = Bed::in_lab(lab, Vec::new(), &Config::new(vec![service])).await.unwrap();

    let profile = bed.lab.directory().join("profile");
    let mut home = None;
    for index in 0..6 {
        // Each time from another address.
        let address = plan::client(Family::V4, index);
        bed.lab.clients().ip_batch(&format!("route replace 10.77.0.0/24 dev eth0 src {address}\n")).unwrap();
        let page = visit(&bed.lab, &profile).await;
        let server = page.split("page of ").nth(1).and_then(|rest| rest.split('<').next());
        let server = server.unwrap_or_else(|| panic!("{page}")).to_owned();
        assert_eq!(page.matches(&format!("[{server}]")).count(), 6, "{page}");
        for (nginx, name) in servers.iter().zip((0..BACKENDS).map(backend_name)) {
            let asked = asked(nginx);
            assert_eq!(asked.len(), if name == server { 21 } else { 0 }, "{name}, visit {index}: {asked:?}");
        }
        assert_eq!(*home.get_or_insert_with(|| server.clone()), server, "visit {index}, from {address}");
    }
}
