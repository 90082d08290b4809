//! What requests go over: IPv6 from end to end, HTTP/2 to backends, WebSockets by TLS.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use lb_user::lab::{
    Family,
    client::connect,
    config::{Backend, By, Health, Http, Persistence, Service},
    plan,
};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Answer, Scene, User,
        certificate::{Authority, connect_to},
        nginx::Nginx,
        scene::{PORT, lab, shop, stall, target},
        socket::Socket,
        user::{all_ask, ask},
    },
};
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};
use tokio_rustls::rustls::ClientConfig;

const USERS: u32 = 30;
/// Of services.
const HTTP2: u16 = 82;
const ONLY_HTTP2: u16 = 83;
const SECURE: u16 = 443;
/// Where an nginx on the first backend listens.
const NGINX: u16 = 9000;

fn at(port: u16) -> SocketAddr {
    (target().ip(), port).into()
}

fn six() -> SocketAddr {
    (plan::vip(Family::V6), 80).into()
}

/// Called by IPv6; its backends are called by either.
fn by_ipv6() -> Service {
    let http = Http {
        forwarded: Some("forwarded"),
        trusted_proxies: vec![format!("{}/128", plan::client(Family::V6, 0))],
        ..Http::default()
    };
    let family = |index| if index == 2 { Family::V4 } else { Family::V6 };
    Service {
        name: "six".to_owned(),
        address: six().ip(),
        persistence: Persistence { by: By::List(vec!["cookie", "client-ip"]), ..Persistence::by("cookie") },
        http: Some(http),
        backend: (0..3).map(|index| Backend::new(family(index), index, PORT)).collect(),
        ..shop(3)
    }
}

fn by_http2(name: &str, port: u16, backends: u8) -> Service {
    let http = Http { backend_version: Some("2"), ..Http::default() };
    Service { http: Some(http), ..stall(name, port, backends, Persistence::by("cookie")) }
}

#[tokio::test]
async fn requests_by_all_ways() {
    let lab = lab(3);
    let directory = lab.directory();
    let authority = Authority::new(&directory).unwrap();
    let certificate = vec![authority.sign(&directory, "shop", "shop.example").unwrap()];
    let http = Http { certificate, ..Http::default() };
    let secure = Service { http: Some(http), ..stall("secure", SECURE, 3, Persistence::by("cookie")) };
    let mut only = by_http2("only-http2", ONLY_HTTP2, 1);
    only.backend[0].port = Some(NGINX);
    // Checks speak HTTP/1.1, and this backend does not.
    only.health = Health::Tcp { port: None, interval: "400ms", timeout: "400ms", rise: 1, fall: 2 };
    let listens = "server { listen 9000 http2; root {www}; location /said { \
                   return 200 '$server_protocol $http_host $http_x_forwarded_for'; } }";
    let nginx = Nginx::start(&lab.backends()[0], listens).unwrap();
    let scene = Scene::in_lab(lab, vec![by_ipv6(), by_http2("http2", HTTP2, 3), only, secure]).await;

    users_of_ipv6(&scene).await;
    proxies_of_ipv6(&scene).await;
    backends_of_http2(&scene).await;
    slow_readers_share_a_connection(&scene).await;
    a_backend_that_speaks_nothing_else(&scene, &nginx).await;
    sockets_by_tls(&scene, authority.client().unwrap()).await;
}

async fn ask_six(scene: &Scene, source: IpAddr, user: &mut User) -> Answer {
    let request = user.request(six(), "/");
    let answer = scene.bed.clients.spawn(ask(source, six(), request)).await.unwrap().unwrap();
    user.keep(&answer);
    answer
}

/// Another address of the same network.
fn neighbour(address: IpAddr) -> IpAddr {
    let IpAddr::V6(address) = address else { panic!("{address}") };
    Ipv6Addr::from_bits(address.to_bits() + 7).into()
}

/// Known by a cookie wherever they are, and by their network where they have none.
async fn users_of_ipv6(scene: &Scene) {
    let mut homes = BTreeSet::new();
    for number in 0..USERS {
        let source = plan::crowd(Family::V6, number);
        let mut user = User::new(number);
        // What it says of itself is no news of a proxy.
        user.fields =
            vec![("forwarded", "for=192.0.2.1".to_owned()), ("x-forwarded-for", "192.0.2.1".to_owned())];
        let first = ask_six(scene, source, &mut user).await;
        let fields = &first.report()["headers"];
        assert_eq!(fields["forwarded"], format!("for=\"[{source}]\";proto=http;host=\"{}\"", six()));
        assert_eq!(fields["x-forwarded-for"], serde_json::Value::Null);
        let home = first.server();
        let elsewhere = plan::crowd(Family::V6, 1000 + number);
        assert_eq!(ask_six(scene, elsewhere, &mut user).await.server(), home);
        assert_eq!(ask_six(scene, neighbour(source), &mut User::new(number)).await.server(), home);
        homes.insert(home);
    }
    assert_eq!(homes.len(), 3, "backends of both families: {homes:?}");
}

/// A proxy that is believed says who the client is, in its standard's words.
async fn proxies_of_ipv6(scene: &Scene) {
    let proxy = plan::client(Family::V6, 0);
    let mut homes = BTreeSet::new();
    for number in 0..USERS {
        let told = format!("for=\"[2001:db8:0:{number:x}::1]:4711\";proto=https");
        let mut user = User::new(number);
        user.fields = vec![("forwarded", told.clone())];
        let first = ask_six(scene, proxy, &mut user).await;
        let own = format!("for=\"[{proxy}]\";proto=http;host=\"{}\"", six());
        assert_eq!(first.report()["headers"]["forwarded"], format!("{told}, {own}"));
        user.jar.clear();
        user.fields = vec![("forwarded", told.replace("::1]:4711", "::2]"))];
        assert_eq!(ask_six(scene, proxy, &mut user).await.server(), first.server());
        homes.insert(first.server());
    }
    assert_eq!(homes.len(), 3, "{homes:?}");
}

/// Clients who read nothing of what comes by a connection that others use as well.
async fn slow_readers_share_a_connection(scene: &Scene) {
    let clients = &scene.bed.clients;
    let mut slow = Vec::new();
    for number in 0..24 {
        let mut stream =
            clients.spawn(connect(plan::client(Family::V4, 0), at(HTTP2))).await.unwrap().unwrap();
        let request = format!("GET /bytes/{} HTTP/1.1\r\nhost: shop\r\nx-number: {number}\r\n\r\n", 16 << 20);
        stream.write_all(request.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Their answers have begun, and fill whatever there is to fill.
    for stream in &slow {
        timeout(PATIENCE, stream.readable()).await.unwrap().unwrap();
    }
    sleep(Duration::from_millis(500)).await;
    let mut users = User::many(USERS);
    let answers = all_ask(&mut users, clients, at(HTTP2), "/bytes/1000000");
    let answers = timeout(PATIENCE, answers).await.expect("nobody waits for them");
    assert!(answers.iter().all(|answer| answer.body.len() == 1_000_000));
}

/// Requests share connections.
async fn backends_of_http2(scene: &Scene) {
    let clients = &scene.bed.clients;
    let mut users = User::many(USERS);
    let answers = all_ask(&mut users, clients, at(HTTP2), "/").await;
    let homes: Vec<_> = answers.iter().map(Answer::server).collect();
    let (mut connections, mut requests) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, usize>::new());
    for turn in 0..12 {
        let answers = all_ask(&mut users, clients, at(HTTP2), "/shop?a=b").await;
        for ((answer, home), user) in answers.iter().zip(&homes).zip(&users) {
            assert_eq!(answer.server(), *home);
            let report = answer.report();
            assert_eq!((&report["version"], &report["target"]), (&"HTTP/2.0".into(), &"/shop?a=b".into()));
            assert_eq!(report["headers"]["x-forwarded-for"], user.address().to_string());
            assert_eq!(report["headers"]["x-forwarded-host"], at(HTTP2).to_string());
            // Before that, workers that come to a backend first may open several at once.
            if turn > 1 {
                connections.entry(home).or_default().insert(report["connection"].as_u64());
                *requests.entry(home).or_default() += 1;
            }
        }
    }
    assert_eq!(connections.len(), 3, "{connections:?}");
    for (home, connections) in connections {
        assert!(connections.len() * 3 < requests[home], "{connections:?} of {home} for {}", requests[home]);
    }

    let large: Bytes = (0..1_000_000_u32).map(|byte| (byte * 7) as u8).collect();
    let request = Request::post("/echo").header("host", "shop").body(Full::new(large.clone())).unwrap();
    let echo = clients.spawn(ask(users[0].address(), at(HTTP2), request)).await.unwrap().unwrap();
    assert!(echo.body == large, "{} bytes come back", echo.body.len());
    // There are no WebSockets over it: the application hears of a plain request.
    users[0].fields = vec![
        ("connection", "upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-version", "13".to_owned()),
    ];
    assert_eq!(users[0].asks(clients, at(HTTP2), "/ws").await.status.as_u16(), 426);
}

async fn a_backend_that_speaks_nothing_else(scene: &Scene, nginx: &Nginx) {
    let clients = &scene.bed.clients;
    let large = vec![b'x'; 3_000_000];
    fs::write(nginx.files().join("large"), &large).unwrap();
    let mut users = User::many(USERS);
    for (answer, user) in all_ask(&mut users, clients, at(ONLY_HTTP2), "/said").await.iter().zip(&users) {
        let said = format!("HTTP/2.0 {} {}", at(ONLY_HTTP2), user.address());
        assert_eq!(String::from_utf8_lossy(&answer.body), said, "{answer:?}");
    }
    let answers = all_ask(&mut users[..4], clients, at(ONLY_HTTP2), "/large").await;
    assert!(answers.iter().all(|answer| answer.body == large), "all of it");
}

/// Opened from anywhere by the cookie that the first brought.
async fn sockets_by_tls(scene: &Scene, config: Arc<ClientConfig>) {
    let mut homes = BTreeSet::new();
    for mut user in User::many(USERS) {
        let mut servers = Vec::new();
        for _ in 0..2 {
            user.moves();
            let mut socket = socket_by_tls(scene, &mut user, &config).await;
            servers.push(timeout(PATIENCE, socket.server()).await.expect("in time").unwrap());
            timeout(PATIENCE, socket.close()).await.expect("in time").unwrap();
        }
        assert_eq!(servers[0], servers[1]);
        homes.extend(servers);
    }
    assert_eq!(homes.len(), 3, "{homes:?}");

    // More than a socket takes while nobody reads, but no more than TLS has room for: nothing comes behind it that would
    // push it on.
    let [balancer, clients] = [scene.bed.lab.balancer(), scene.bed.lab.clients()];
    balancer.set_sysctl("net/ipv4/tcp_wmem", "4096 16384 16384").unwrap();
    clients.set_sysctl("net/ipv4/tcp_rmem", "4096 8192 8192").unwrap();
    let mut socket = socket_by_tls(scene, &mut User::new(0), &config).await;
    for kib in [32, 48, 64, 80] {
        let bytes: Bytes = (0..kib << 10).map(|byte| (byte * 7) as u8).collect();
        let echo = socket.late_echo(bytes.clone(), Duration::from_millis(300));
        let echo = timeout(PATIENCE, echo).await.unwrap_or_else(|_| panic!("{kib} KiB are stuck"));
        assert!(echo.unwrap() == bytes, "{kib} KiB");
    }
}

async fn socket_by_tls(scene: &Scene, user: &mut User, config: &Arc<ClientConfig>) -> Socket {
    let (source, cookies, config) = (user.address(), user.cookies(), Arc::clone(config));
    let opened = async move {
        let stream = connect_to(source, at(SECURE), "shop.example", config).await?;
        Socket::over(Box::new(stream), "shop.example", cookies).await
    };
    let (socket, set) = scene.bed.clients.spawn(opened).await.unwrap().unwrap();
    user.keep_all(&set);
    socket
}
