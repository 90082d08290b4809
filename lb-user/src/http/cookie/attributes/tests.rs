use proptest::prelude::*;

use super::*;

fn plain() -> Attributes {
    Attributes {
        name: "limpet".into(),
        path: "/".into(),
        domain: None,
        secure: false,
        http_only: false,
        same_site: None,
        max_age: None,
        partitioned: false,
    }
}

#[test]
fn each_attribute_is_written() {
    let set = |attributes| SetCookie::new(&attributes).unwrap().with("AQ-x_9");
    assert_eq!(set(plain()), "limpet=AQ-x_9; Path=/");
    let all = Attributes {
        path: "/shop".into(),
        domain: Some("example.com".into()),
        secure: true,
        http_only: true,
        same_site: Some(SameSite::None),
        max_age: Some(Duration::from_secs(86_400)),
        partitioned: true,
        ..plain()
    };
    assert_eq!(
        set(all),
        "limpet=AQ-x_9; HttpOnly; SameSite=None; Partitioned; Secure; Path=/shop; Domain=example.com; \
         Max-Age=86400"
    );
}

#[test]
fn what_a_browser_would_refuse_is_refused_here() {
    use AttributesError as E;
    let path = |path: &str| Attributes { path: path.into(), ..plain() };
    let domain = |domain: &str| Attributes { domain: Some(domain.into()), ..plain() };
    let name = |name: &str| Attributes { name: name.into(), ..plain() };
    let secure = |attributes| Attributes { secure: true, ..attributes };
    let none = Attributes { same_site: Some(SameSite::None), ..plain() };
    let partitioned = Attributes { partitioned: true, ..plain() };
    for (attributes, expected) in [
        (name(""), Some(E::Name)),
        (name("a b"), Some(E::Name)),
        (name("a=b"), Some(E::Name)),
        (name("ä"), Some(E::Name)),
        (path(""), Some(E::Path)),
        (path("shop"), Some(E::Path)),
        (path("/;Secure"), Some(E::Path)),
        (path("/\r\nx"), Some(E::Path)),
        (domain(""), Some(E::Domain)),
        (domain("example..com"), Some(E::Domain)),
        (domain("http://example.com"), Some(E::Domain)),
        (domain(".example.com"), None),
        (none.clone(), Some(E::SameSiteNone)),
        (secure(none), None),
        (partitioned.clone(), Some(E::Partitioned)),
        (secure(partitioned), None),
        (name("__secure-limpet"), Some(E::SecurePrefix)),
        (secure(name("__Secure-limpet")), None),
        (name("__Host-limpet"), Some(E::HostPrefix)),
        (secure(Attributes { name: "__Host-limpet".into(), ..path("/shop") }), Some(E::HostPrefix)),
        (secure(Attributes { name: "__Host-limpet".into(), ..domain("a.b") }), Some(E::HostPrefix)),
        (secure(name("__Host-limpet")), None),
        (Attributes { max_age: Some(Duration::from_millis(999)), ..plain() }, Some(E::MaxAge)),
        (Attributes { max_age: Some(Duration::MAX), ..plain() }, None),
    ] {
        assert_eq!(SetCookie::new(&attributes).err(), expected, "{attributes:?}");
    }
}

#[test]
#[should_panic(expected = "cookie octets")]
fn a_value_can_not_add_attributes() {
    SetCookie::new(&plain()).unwrap().with("x; Domain=com");
}

proptest! {
    /// The oracle reads what it wrote, so what it is told matters: see the first test for the text.
    #[test]
    fn what_is_accepted_can_be_read(
        name in "\\PC{0,8}",
        path in "/?\\PC{0,8}",
        domain in prop::option::of("[a-z.-]{0,8}"),
        max_age in prop::option::of(any::<u64>().prop_map(Duration::from_secs)),
        value in "[A-Za-z0-9_-]{0,94}",
    ) {
        let attributes = Attributes { name, path, domain, max_age, ..plain() };
        let Ok(set) = SetCookie::new(&attributes) else { return Ok(()) };
        let header = set.with(&value);
        let read = Cookie::parse(header.to_str().unwrap()).unwrap();
        prop_assert_eq!(read.name_value(), (&*attributes.name, &*value));
        prop_assert_eq!(read.path(), Some(attributes.path.trim()));
        prop_assert_eq!(read.max_age().is_some(), attributes.max_age.is_some());
    }
}
