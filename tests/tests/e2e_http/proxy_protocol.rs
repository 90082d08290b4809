//! The PROXY protocol, from proxies in front and to backends that want to know who the client is.

use std::net::SocketAddr;

use lb_user::lab::{
    Family,
    config::{Http, Persistence, Service},
    plan,
};
use limpet_tests::http::{
    Scene, User, curl, introduced,
    nginx::Nginx,
    scene::{lab, stall, target},
};

fn at(port: u16) -> SocketAddr {
    (target().ip(), port).into()
}

/// A header in pieces.
fn pieces(header: &[u8], of: usize) -> Vec<Vec<u8>> {
    header.chunks(of).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn a_proxy_in_front_says_who_the_client_is() {
    let http = Http { accept_proxy: Some(true), ..Http::default() };
    let told = Service { http: Some(http), ..stall("told", 81, 3, Persistence::by("client-ip")) };
    let plain = stall("plain", 82, 3, Persistence::by("client-ip"));
    let scene = Scene::in_lab(lab(3), vec![told, plain]).await;
    let proxy = plan::client(Family::V4, 0);
    for number in 0..20 {
        let mut user = User::new(number);
        let client = SocketAddr::new(user.address(), 4711);
        let destination = SocketAddr::new([192, 0, 2, 1].into(), 443);
        let (SocketAddr::V4(client4), SocketAddr::V4(destination4)) = (client, destination) else { panic!() };
        let headers = [introduced::v1(client, destination), introduced::v2(client4, destination4)];
        let mut homes = Vec::new();
        for header in headers {
            for of in [7, header.len()] {
                let request = user.request(at(81), "/");
                let asked = introduced::ask(proxy, at(81), pieces(&header, of), request);
                let answer = scene.bed.clients.spawn(asked).await.unwrap().unwrap();
                let fields = &answer.report()["headers"];
                assert_eq!(fields["x-forwarded-for"], client.ip().to_string(), "{answer:?}");
                homes.push(answer.server());
            }
        }
        assert!(homes.iter().all(|home| *home == homes[0]), "{homes:?}");
        // Nobody else may be believed.
        let plain = introduced::ask(proxy, at(82), pieces(&introduced::v1(client, destination), 99), {
            user.request(at(82), "/")
        });
        let answer = scene.bed.clients.spawn(plain).await.unwrap();
        assert!(answer.as_ref().map_or(true, |answer| answer.status.as_u16() == 400), "{answer:?}");
        user.moves();
    }
    // A proxy that people know how to use; and none at all.
    let url = format!("http://{}/", at(81));
    let source = proxy.to_string();
    let clients = scene.bed.lab.clients();
    let said = curl::run(clients, &["--interface", &source, "--haproxy-protocol", &url]).await.unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["headers"]["x-forwarded-for"], source);
    let refused = curl::output(clients, &["--interface", &source, &url]).await.unwrap();
    assert!(!refused.status.success(), "{refused:?}");
}

#[tokio::test]
async fn backends_are_told_who_the_client_is() {
    let service = |name, port, version, backend| {
        let http = Http { send_proxy: Some(version), ..Http::default() };
        let mut service = Service { http: Some(http), ..stall(name, port, 1, Persistence::by("cookie")) };
        service.backend[0].port = Some(backend);
        // Its checks come without.
        service.health = lb_user::lab::config::Health::None;
        service
    };
    let lab = lab(1);
    let listens = "server { listen 9000 proxy_protocol; location / { \
                   return 200 '$proxy_protocol_addr $proxy_protocol_server_addr $proxy_protocol_server_port'; } }";
    let _nginx = Nginx::start(&lab.backends()[0], listens).unwrap();
    let services = vec![service("first", 81, "v1", 9000), service("second", 82, "v2", 9000)];
    let scene = Scene::in_lab(lab, services).await;
    // The same connection to a backend must not serve two clients.
    for port in [81, 82] {
        for number in [1, 2, 3, 1] {
            let mut user = User::new(number);
            let answer = user.asks(&scene.bed.clients, at(port), "/").await;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(said, format!("{} {} {port}", user.address(), target().ip()), "{answer:?}");
        }
    }
}
