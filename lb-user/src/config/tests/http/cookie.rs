//! `[service.persistence.cookie]`.

use std::time::Duration;

use super::{assert_cases, methods, with_line};
use crate::{
    config::tests::assert_errors,
    model::http::{Cookie, Method, SameSite},
};

#[test]
fn modes_and_attributes() {
    let own = Cookie {
        name: "LIMPET".to_owned(),
        path: "/".to_owned(),
        domain: None,
        secure: false,
        http_only: true,
        same_site: SameSite::Lax,
        max_age: None,
        partitioned: false,
        pass_on: false,
    };
    assert_eq!(methods("by = 'cookie'"), [Method::Insert(own.clone())]);
    assert_eq!(methods("by = 'cookie'\n[service.persistence.cookie]"), [Method::Insert(own)]);
    let text = "by = 'cookie'\ncookie = {name = 'x', path = '/a', domain = '.example.org', secure = true, \
                http_only = false, same_site = 'none', max_age = '90d', partitioned = true, pass_on = true}";
    let cookie = Cookie {
        name: "x".to_owned(),
        path: "/a".to_owned(),
        domain: Some(".example.org".to_owned()),
        secure: true,
        http_only: false,
        same_site: SameSite::None,
        max_age: Some(Duration::from_secs(90 * 86_400)),
        partitioned: true,
        pass_on: true,
    };
    assert_eq!(methods(text), [Method::Insert(cookie)]);
    let name = || "JSESSIONID".to_owned();
    let of = |mode| methods(&format!("by = 'cookie'\ncookie = {{mode = '{mode}', name = 'JSESSIONID'}}"));
    assert_eq!(of("prefix"), [Method::Prefix { name: name() }]);
    assert_eq!(of("learn"), [Method::Learn { name: name() }]);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    assert_cases(
        r#"
        13 | mode = 'inset' | 13:8 | unknown mode "inset"; did you mean "insert"?
        13 | mdoe = 'insert' | 13:1 | unknown key `mdoe` in [service.persistence.cookie]; did you mean `mode`?
        14 | name = 'a b' | 14:8 | "a b" can't be the name of a cookie
        14 | name = 'a=b' | 14:8 | "a=b" can't be the name of a cookie
        14 | name = '' | 14:8 | "" can't be the name of a cookie
        14 | path = 'shop' | 14:8 | "shop" can't be the path of a cookie
        14 | path = '/a;b' | 14:8 | "/a;b" can't be the path of a cookie
        14 | path = '/a b' | 14:8 | "/a b" can't be the path of a cookie
        14 | domain = 'a..b' | 14:10 | "a..b" can't be the domain of a cookie
        14 | domain = 'a.b:80' | 14:10 | "a.b:80" can't be the domain of a cookie
        14 | domain = '' | 14:10 | "" can't be the domain of a cookie
        14 | secure = 'yes' | 14:10 | secure must be true or false, not a string
        14 | same_site = 'Lax' | 14:13 | unknown same_site "Lax"; did you mean "lax"?
        14 | same_site = 'none' | 14:13 | browsers refuse a cookie with same_site = "none" that is not secure
        14 | partitioned = true | 14:15 | browsers refuse a partitioned cookie that is not secure
        14 | max_age = '500ms' | 14:11 | max_age 500ms is out of range
        14 | max_age = 3600 | 14:11 | max_age must be a string, not an integer
        14 | name = '__Secure-A' | 14:8 | browsers refuse a cookie "__Secure-A" with these attributes
        14 | name = '__host-A' | 14:8 | browsers refuse a cookie "__host-A" with these attributes
        14 | name = '__Host-A'\nsecure = true\ndomain = 'a.org' | 14:8 | browsers refuse a cookie "__Host-A"
        14 | name = '__Host-A'\nsecure = true\npath = '/a' | 14:8 | browsers refuse a cookie "__Host-A"
        "#,
    );
    for name in ["__Secure-A", "__Host-A"] {
        methods(&format!("by = 'cookie'\ncookie = {{name = '{name}', secure = true}}"));
    }
}

#[test]
fn the_application_sets_its_own_cookie() {
    for mode in ["prefix", "learn"] {
        let nameless = with_line(13, &format!("mode = '{mode}'")).replace("name = 'SHOP'", "");
        assert_errors(&nameless, &[("12:1", "`name` is missing in [service.persistence.cookie]")]);
        for (setting, key) in [
            ("path = '/'", "path"),
            ("domain = 'a.org'", "domain"),
            ("secure = true", "secure"),
            ("http_only = true", "http_only"),
            ("same_site = 'none'", "same_site"),
            ("max_age = '1h'", "max_age"),
            ("partitioned = true", "partitioned"),
            ("pass_on = false", "pass_on"),
        ] {
            let text = with_line(13, &format!("mode = '{mode}'\n{setting}"));
            let at = format!("14:{}", setting.find('=').unwrap() + 3);
            let message = format!("{key} has no effect with mode = \"{mode}\"");
            assert_errors(&text, &[(&at, &message)]);
        }
    }
    let text = with_line(13, "mode = 'learn'\nkeys_file = 'gone'");
    assert_errors(&text, &[("14:13", "keys_file has no effect with mode = \"learn\"")]);
}
