//! `port`, `ports` and what depends on them.

use super::{GOOD, assert_errors, errors, parse, with_line};
use crate::model::{Ports, Service};

/// The one service of a text.
fn service(text: &str) -> Service {
    parse(text, "f").unwrap_or_else(|errors| panic!("{errors}\n{text}")).services.remove(0)
}

/// The good file with other ports, and without a port of the backend.
fn with_ports(ports: &str) -> String {
    with_line(16, ports).replace("\nport = 8080", "")
}

#[test]
fn one_several_or_all() {
    for (text, ports, of_backend) in [
        ("port = 80", Ports::One(80), Some(80)),
        ("ports = [80]", Ports::One(80), Some(80)),
        ("ports = ['80-80']", Ports::One(80), Some(80)),
        ("ports = [443, 80]", Ports::List(vec![443, 80]), None),
        ("ports = [80, '8000-8003']", Ports::List(vec![80, 8000, 8001, 8002, 8003]), None),
        ("ports = ['65534-65535']", Ports::List(vec![65534, 65535]), None),
    ] {
        let service = service(&with_ports(text));
        assert_eq!((service.ports, service.backends[0].port), (ports, of_backend), "{text}");
    }
    let any = service(&with_ports("port = 'any'").replace("type = 'http'", "type = 'http'\nport = 80"));
    assert_eq!((any.ports, any.backends[0].port, any.health.port), (Ports::Any, None, Some(80)));
    assert_eq!(service(&with_line(16, "ports = [80, 443]")).backends[0].port, Some(8080));
}

#[test]
fn what_can_not_be_ports() {
    for (ports, expected) in [
        ("port = 'all'", ("16:8", r#"port "all" is neither a number nor "any""#)),
        ("port = '80'", ("16:8", r#"port "80" is neither a number nor "any""#)),
        ("port = 0", ("16:8", "port 0 is out of range")),
        ("port = [80]", ("16:8", "port must be an integer, not a list")),
        ("ports = 80", ("16:9", "ports must be a list, not an integer")),
        ("ports = []", ("16:9", "ports is empty")),
        ("ports = [80, 0]", ("16:14", "port 0 is out of range")),
        ("ports = [80, 'any']", ("16:14", r#""any" is not a range of ports"#)),
        ("ports = ['0-80']", ("16:10", r#""0-80" begins with port 0"#)),
        ("ports = ['90-80']", ("16:10", r#"the range "90-80" runs backwards"#)),
        ("ports = ['80-65536']", ("16:10", r#""80-65536" is not a range of ports"#)),
        ("ports = [80, 443, 80]", ("16:19", "port 80 is already listed")),
        ("ports = [85, '80-90']", ("16:14", "port 85 is already listed")),
        ("port = 80\nports = [80]", ("17:9", "`port` and `ports` are both given in [[service]]")),
        ("prots = [80]", ("16:1", "unknown key `prots`")),
        ("# none", ("13:1", "`port` is missing in [[service]]")),
    ] {
        assert_errors(&with_ports(ports), &[expected]);
    }
    let help = errors(&with_line(16, "port = 'all'")).as_slice()[0].help.clone();
    assert_eq!(help, r#"give an integer in 1..=65535, or "any""#);
}

/// A second service beside the good one, which has other names and the same address.
fn beside(ports: &str) -> String {
    format!(
        "[[service]]\nname = 'shop'\naddress = '192.0.2.10'\n{ports}\n\
         backend = [{{name = 'shop-1', address = '10.0.0.21'}}]\nhealth = {{type = 'none'}}"
    )
}

#[test]
fn no_two_services_have_the_same_port() {
    let good = |first: &str, second: &str| with_ports(first) + "\n" + &beside(second);
    for (first, second, message) in [
        ("port = 80", "port = 80", "both have port 80 of 192.0.2.10 with protocol tcp"),
        ("ports = [443, 80]", "port = 80", "both have port 80 of"),
        ("port = 80", "ports = [81, 80]", "both have port 80 of"),
        ("ports = [80, 443]", "ports = ['400-500', 80]", "both have port 443 of"),
    ] {
        let found = errors(&good(first, second));
        let [error] = found.as_slice() else { panic!("{found}") };
        let both = r#"service "shop" and service "web" at line 13 "#.to_owned() + message;
        assert!(error.message.starts_with(&both), "{error}");
    }
    for (first, second) in [
        ("port = 80", "port = 81"),
        ("port = 80", "port = 'any'"),
        ("ports = [80, 443]", "ports = ['81-442']"),
    ] {
        parse(&good(first, second), "f").unwrap();
    }
    parse(&(good("port = 80", "port = 80") + "\nprotocol = 'udp'"), "f").unwrap();
    let any = "port = 'any'\nprotocol = 'udp'";
    let twice = beside(any) + "\n" + &beside(any).replace("shop", "other");
    let found = errors(&(GOOD.join("\n") + "\n" + &twice));
    let [error] = found.as_slice() else { panic!("{found}") };
    assert!(error.message.contains("both have every other port of 192.0.2.10 with protocol udp"), "{error}");
}

#[test]
fn several_ports_and_what_forwards_them() {
    let list = with_line(16, "ports = [80, 443]");
    let dsr = list.replace("forwarding = 'nat'", "forwarding = 'dsr'");
    assert_errors(&dsr, &[("32:8", "\"dsr\" rewrites no port")]);
    let preserve = list.replace("slots = 4096", "preserve_client = true");
    assert_errors(&preserve, &[("32:8", "could not tell two connections apart")]);
    for text in [dsr, preserve] {
        assert_eq!(service(&text.replace("\nport = 8080", "")).backends[0].port, None);
    }
    let twice = with_ports("ports = [80, 443]") + "\n[[service.backend]]\nname = 'b'\naddress = '10.0.0.11'";
    assert_errors(&twice, &[("35:11", "the service already has a backend with address 10.0.0.11")]);
}

#[test]
fn a_check_needs_a_port() {
    assert_errors(
        &with_ports("port = 'any'"),
        &[("25:8", "a service of any port gives the health check no port")],
    );
    let default = with_ports("port = 'any'").replace("type = 'http'\npath = '/healthz'\n", "");
    assert_errors(
        &default,
        &[("24:1", "a service of any port gives the health check (the default) no port")],
    );
    service(&with_line(16, "port = 'any'"));
    let tcp = with_ports("port = 'any'").replace("path = '/healthz'", "port = 22");
    assert_eq!(service(&tcp).health.port, Some(22));
    let none = "type = 'none'\nport = 22";
    let unchecked = GOOD.join("\n").replace("type = 'http'", none);
    let errors = errors(&unchecked);
    assert!(errors.as_slice()[0].message.contains("port has no effect"), "{errors}");
}
