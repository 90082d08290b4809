//! Real sockets on the loopback.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

const SERVICE: &str = "192.0.2.10:80";
const TIMEOUT: Duration = Duration::from_millis(300);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Answers one connection with `answer` and closes; hands back what was asked.
async fn serve(answer: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let (listener, address) = listen().await;
    let answer = answer.into();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        // The prober may have gone already.
        let _ = stream.write_all(&answer).await;
        String::from_utf8(request).unwrap()
    });
    (address, server)
}

async fn http_probe(address: SocketAddr) -> Result<String, String> {
    probe(Some("/healthz?deep=1"), address, SERVICE.parse().unwrap(), TIMEOUT).await
}

async fn http_answer(answer: &str) -> Result<String, String> {
    http_probe(serve(answer).await.0).await
}

async fn tcp_probe(address: SocketAddr) -> Result<String, String> {
    probe(None, address, SERVICE.parse().unwrap(), TIMEOUT).await
}

/// An address that refuses: it was just in use, and nobody listens any more.
async fn refusing() -> SocketAddr {
    listen().await.1
}

#[tokio::test]
async fn tcp_passes_and_closes_in_order() {
    let (listener, address) = listen().await;
    assert_eq!(tcp_probe(address).await, Ok("connected".to_owned()));
    // An end of file, not a reset.
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn tcp_refused() {
    let refused = Err("connection refused".to_owned());
    assert_eq!(tcp_probe(refusing().await).await, refused);
    assert_eq!(http_probe(refusing().await).await, refused);
}

#[tokio::test]
async fn http_asks_for_the_path_at_the_service_and_says_who_asks() {
    let (address, server) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(http_probe(address).await, Ok("HTTP 200".to_owned()));
    let request = server.await.unwrap().to_lowercase();
    assert!(request.starts_with("get /healthz?deep=1 http/1.1\r\n"), "{request}");
    for line in ["host: 192.0.2.10", "user-agent: limpet-health", "connection: close"] {
        assert!(request.lines().any(|l| l == line), "{line} in {request}");
    }
}

#[tokio::test]
async fn http_status_decides() {
    for (status, passes) in [(200, true), (204, true), (302, true), (404, false), (500, false), (503, false)]
    {
        let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
        let result = http_answer(&answer).await;
        let words = format!("HTTP {status}");
        assert_eq!(result, if passes { Ok(words) } else { Err(words) });
    }
}

#[tokio::test]
async fn http_reads_a_body_without_length_and_cuts_an_endless_one() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(http_answer(&format!("{head}until the end")).await, Ok("HTTP 200".to_owned()));
    let endless = format!("{head}{}", "x".repeat(20 * BODY_LIMIT));
    assert_eq!(http_answer(&endless).await, Ok("HTTP 200".to_owned()));
}

#[tokio::test]
async fn http_garbage_and_silence_fail_in_words() {
    let garbage = http_answer("220 mail.example ESMTP\r\n\r\n").await;
    assert_eq!(garbage, Err("the answer is not HTTP".to_owned()));
    let cut = Err("connection closed before the answer was complete".to_owned());
    assert_eq!(http_answer("").await, cut);
    assert_eq!(http_answer("HTTP/1.1 200").await, cut);
}

#[tokio::test]
async fn a_server_that_hangs_fails_after_the_timeout() {
    // The kernel completes the handshake; nobody ever accepts, reads or answers.
    let (_listener, address) = listen().await;
    let began = std::time::Instant::now();
    assert_eq!(http_probe(address).await, Err("no answer within 300ms".to_owned()));
    assert!(began.elapsed() >= TIMEOUT);
}

#[tokio::test]
async fn a_body_that_never_ends_in_time_fails() {
    let (listener, address) = listen().await;
    let _server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(http_probe(address).await, Err("no answer within 300ms".to_owned()));
}

#[tokio::test]
async fn a_path_that_is_no_path_fails_in_words() {
    let address = refusing().await;
    let reason = probe(Some("/a b"), address, address, TIMEOUT).await.unwrap_err();
    assert!(reason.contains("/a b"), "{reason}");
}

#[test]
fn host_is_written_as_a_client_would() {
    for (service, expected) in [
        ("192.0.2.10:80", "192.0.2.10"),
        ("192.0.2.10:8080", "192.0.2.10:8080"),
        ("[2001:db8::10]:80", "[2001:db8::10]"),
        ("[2001:db8::10]:81", "[2001:db8::10]:81"),
    ] {
        assert_eq!(host(service.parse().unwrap()), expected);
    }
}

#[test]
fn errors_of_the_network_are_words() {
    for (errno, words) in [
        (nix::libc::EHOSTUNREACH, "no route to host"),
        (nix::libc::ENETUNREACH, "network unreachable"),
        (nix::libc::ECONNRESET, "connection reset"),
        (nix::libc::EADDRNOTAVAIL, "no local address or port left to connect from"),
    ] {
        assert_eq!(io_words(&io::Error::from_raw_os_error(errno)), words);
    }
}
