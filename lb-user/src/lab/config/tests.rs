//! What is written is what the program reads.

use super::{By, Config, Cookie, Http, Persistence, Service};
use crate::{
    config,
    model::{
        PersistBy,
        http::{Method, ProxyVersion},
    },
};

#[test]
fn a_service_of_http() {
    let service = Service {
        persistence: Persistence {
            by: By::List(vec!["cookie", "header", "client-ip"]),
            header: Some("X-User"),
            max_lifetime: Some("8h"),
            cookie: Some(Cookie { name: Some("SHOP"), max_age: Some("90d"), ..Cookie::default() }),
            ..Persistence::by("cookie")
        },
        http: Some(Http { send_proxy: Some("v2"), retries: Some(3), ..Http::default() }),
        ..Service::http("shop", "192.0.2.10:80".parse().unwrap(), 2, 8080)
    };
    let text = Config::new(vec![service]).to_string();
    let model = config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let [service] = &model.services[..] else { panic!("{model:?}") };
    let PersistBy::Request(request) = &service.persistence.by else { panic!("{service:?}") };
    let [Method::Insert(cookie), Method::Header(header), Method::ClientIp] = &request.methods[..] else {
        panic!("{request:?}")
    };
    assert_eq!((cookie.name.as_str(), header.as_str()), ("SHOP", "x-user"));
    let http = service.http.as_ref().unwrap();
    assert_eq!((http.send_proxy, http.retries), (Some(ProxyVersion::V2), 3));
    assert_eq!(service.backends.len(), 2);
}
