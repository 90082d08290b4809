//! TLS to clients: the certificate that fits the name, HTTP/2 where it is asked for, and new certificates under open
//! connections.

use std::fs;

use lb_user::lab::{
    Family,
    config::{Http, Persistence, Service},
    plan,
};
use limpet_tests::http::{
    Scene,
    certificate::{Authority, Secure},
    curl,
    scene::{lab, stall, target},
};
use serde_json::Value;

const PORT: u16 = 443;

/// A curl that trusts the authority of the lab and asks this name.
fn curl_to<'a>(ca: &'a str, name: &str, rest: &[&'a str]) -> Vec<String> {
    let resolve = format!("{name}:{PORT}:{}", target().ip());
    let source = plan::client(Family::V4, 0).to_string();
    let own = ["--cacert", ca, "--resolve", &resolve, "--interface", &source];
    own.iter().chain(rest).map(|word| (*word).to_owned()).collect()
}

async fn run(scene: &Scene, arguments: &[String]) -> anyhow::Result<String> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    curl::run(scene.bed.lab.clients(), &arguments).await
}

/// Serial number of the certificate that a name gets.
async fn serial(scene: &Scene, ca: &str, name: &str) -> String {
    let url = format!("https://{name}/");
    let written = ["--write-out", "%{certs}", "--output", "/dev/null", &url];
    let said = run(scene, &curl_to(ca, name, &written)).await.unwrap();
    let line = said.lines().find(|line| line.starts_with("Serial Number:"));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[tokio::test]
async fn names_get_their_certificates_and_new_ones_at_a_reload() {
    let lab = lab(2);
    let directory = lab.directory();
    let authority = Authority::new(&directory).unwrap();
    let ca = directory.join("ca.crt").display().to_string();
    let names = ["shop.example", "bar.example"];
    let certificate = names.map(|name| authority.sign(&directory, name, name).unwrap()).to_vec();
    let http = Http { certificate, ..Http::default() };
    let services = vec![Service { http: Some(http), ..stall("secure", PORT, 2, Persistence::by("cookie")) }];
    let scene = Scene::in_lab(lab, services.clone()).await;

    let jar = directory.join("jar").display().to_string();
    let mut servers = Vec::new();
    for name in names {
        for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
            let url = format!("https://{name}/?a=b");
            let written = [flag, "--cookie", &jar, "--cookie-jar", &jar, "--write-out", "\n%{http_version}"];
            let said = run(&scene, &curl_to(&ca, name, &[&written[..], &[&url]].concat())).await.unwrap();
            let (report, spoken) = said.rsplit_once('\n').unwrap();
            assert_eq!(spoken, version);
            let report: Value = serde_json::from_str(report).unwrap();
            let fields = &report["headers"];
            assert_eq!((&fields["host"], &report["target"]), (&name.into(), &"/?a=b".into()), "{report}");
            assert_eq!(
                (&fields["x-forwarded-proto"], &report["version"]),
                (&"https".into(), &"HTTP/1.1".into())
            );
            servers.push(report["server"].clone());
        }
    }
    assert!(servers[0] == servers[1] && servers[2] == servers[3], "a jar for each name: {servers:?}");
    // Many at once by one connection of HTTP/2.
    let url = "https://shop.example/[1-100]";
    let parallel = [
        "--http2",
        "--parallel",
        "--cookie",
        &jar,
        "--write-out",
        "%{num_connects} ",
        "--output",
        "/dev/null",
        url,
    ];
    let said = run(&scene, &curl_to(&ca, names[0], &parallel)).await.unwrap();
    assert_eq!(said.split_whitespace().filter(|connects| *connects == "1").count(), 1, "{said}");
    assert_eq!(said.split_whitespace().count(), 100, "{said}");

    // A name that none is for gets the first, which it need not like.
    let other = run(&scene, &curl_to(&ca, "else.example", &["https://else.example/"])).await.unwrap_err();
    assert!(other.to_string().contains("no alternative certificate subject name"), "{other:#}");

    let at = (target().ip(), PORT).into();
    let opened =
        Secure::open(plan::client(Family::V4, 0), at, names[0].to_owned(), authority.client().unwrap());
    let mut open = scene.bed.clients.spawn(opened).await.unwrap().unwrap();
    let server = open.server().await.unwrap();
    let old = serial(&scene, &ca, names[0]).await;
    authority.sign(&directory, names[0], names[0]).unwrap();
    assert_eq!(serial(&scene, &ca, names[0]).await, old, "files are not watched");
    scene.reload(services.clone());
    assert_ne!(serial(&scene, &ca, names[0]).await, old);
    assert_eq!(open.server().await.unwrap(), server, "an open connection goes on");

    // One that does not fit its key changes nothing.
    let now = serial(&scene, &ca, names[0]).await;
    fs::copy(directory.join("bar.example.key"), directory.join("shop.example.key")).unwrap();
    let refused: anyhow::Result<Value> = scene.bed.daemon.ask(&["reload", "--json"]);
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(serial(&scene, &ca, names[0]).await, now);
    assert_eq!(open.server().await.unwrap(), server);
}
