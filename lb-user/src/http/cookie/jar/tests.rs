use proptest::prelude::*;

use super::*;

fn fields(name: &HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
}

fn request(values: &[&str]) -> HeaderMap {
    fields(&COOKIE, values)
}

fn values(headers: &HeaderMap) -> Vec<&str> {
    headers.values().map(|value| str::from_utf8(value.as_bytes()).unwrap()).collect()
}

#[test]
fn the_first_cookie_of_a_name_is_read() {
    let headers =
        request(&["a=1; sid = x=y ;b; =nameless", "sid=second;\tq=\"quoted\"; é=ü; empty=; A=2; h=\""]);
    for (name, expected) in [
        ("a", Some("1")),
        ("A", Some("2")),
        ("sid", Some("x=y")),
        ("q", Some("quoted")),
        ("é", Some("ü")),
        ("empty", Some("")),
        ("h", Some("\"")),
        ("b", None),
        ("x", None),
    ] {
        assert_eq!(get(&headers, name), expected, "{name}");
    }
    let bytes = HeaderValue::from_bytes(b"sid=\xff; b=\xfe; c=1").unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, bytes)]);
    assert_eq!((get(&headers, "sid"), get(&headers, "c")), (None, Some("1")));
}

#[test]
fn what_is_removed_leaves_the_others() {
    for (before, after) in [
        (&["lb=1"][..], &[][..]),
        (&["lb=1; a=1; b=2"], &["a=1; b=2"]),
        (&["a=1; lb=1; b=2"], &["a=1; b=2"]),
        (&["a=1; b=2; lb=1"], &["a=1; b=2"]),
        (&["a=1;lb=1;b=2"], &["a=1;b=2"]),
        (&["a=1;  b=\"2\" ; lb=1;"], &["a=1;  b=\"2\" ;"]),
        (&[" lb = 1;lb=2", "lbx=1; LB=1", "lb=3"], &["lbx=1; LB=1"]),
    ] {
        let mut headers = request(before);
        assert!(remove(&mut headers, "lb"), "{before:?}");
        assert_eq!(values(&headers), after, "{before:?}");
    }
    let before = ["a=1; xlb=2", "", ";;"];
    let mut headers = request(&before);
    assert!(!remove(&mut headers, "lb"));
    assert_eq!(values(&headers), before);
    assert!(!remove(&mut HeaderMap::new(), "lb"));
}

#[test]
fn each_cookie_of_a_name_is_replaced_by_a_part_of_it() {
    let mut headers = request(&["a=1; sid=s1~abc ;b=s1~x", "sid=plain;sid=\"s2~d~e\""]);
    fn behind_prefix(value: &str) -> Option<&str> {
        value.split_once('~').map(|(_, rest)| rest)
    }
    assert!(replace(&mut headers, "sid", behind_prefix));
    assert_eq!(values(&headers), ["a=1; sid=abc ;b=s1~x", "sid=plain;sid=\"d~e\""]);
    assert!(!replace(&mut headers, "c", behind_prefix));
}

#[test]
fn crumbs_are_joined() {
    let mut headers = request(&["a=1", "b=2; c=3", "d=4"]);
    join(&mut headers);
    assert_eq!(values(&headers), ["a=1; b=2; c=3; d=4"]);
}

#[test]
fn what_a_response_does_to_a_cookie() {
    const NOW: u64 = 1_800_000_000;
    let value = |value: &str| Some(Assigned::Value(value.into()));
    for (set, expected) in [
        (&["sid=abc"][..], value("abc")),
        (&["sid=\"abc\"; Path=/; HttpOnly"], value("abc")),
        (&["other=abc"], None),
        (&["sid"], None),
        (&["other=1; sid=2"], None),
        (&["sid=1", "other=x", "sid=2"], value("2")),
        (&["sid=1", "sid=; Max-Age=0"], Some(Assigned::Removed)),
        (&["sid=1; Max-Age=0", "sid=2"], value("2")),
        (&["sid=1; max-age=-5"], Some(Assigned::Removed)),
        (&["sid=1; Max-Age=60"], value("1")),
        (&["sid=1; Max-Age=soon"], value("1")),
        (&["sid="], Some(Assigned::Removed)),
        (&["sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some(Assigned::Removed)),
        (&["sid=1; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/"], Some(Assigned::Removed)),
        (&["sid=1; Expires=Thu, 01-Jan-1970 00:00:01 GMT"], Some(Assigned::Removed)),
        (&["sid=1; Expires=Fri, 15 Jan 2027 08:00:00 GMT"], Some(Assigned::Removed)),
        (&["sid=1; Expires=Fri, 15 Jan 2027 08:00:01 GMT"], value("1")),
        (&["sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], value("1")),
        (&["sid=1; Expires=whenever"], value("1")),
    ] {
        assert_eq!(set_value(&fields(&SET_COOKIE, set), "sid", NOW), expected, "{set:?}");
    }
}

#[test]
fn what_a_response_sets_is_prefixed() {
    let mut headers = fields(
        &SET_COOKIE,
        &["sid=abc;  Path=/ ;x", "other=sid", "sid = \"q\"; Max-Age=0", "SID=1", "sid=; sid=2", "x; sid=3"],
    );
    assert!(prefix_set(&mut headers, "sid", "s1"));
    assert_eq!(
        values(&headers),
        [
            "sid=s1~abc;  Path=/ ;x",
            "other=sid",
            "sid = \"s1~q\"; Max-Age=0",
            "SID=1",
            "sid=s1~; sid=2",
            "x; sid=3"
        ]
    );
    assert!(!prefix_set(&mut headers, "absent", "s1"));
    assert!(!prefix_set(&mut headers, "sid", "\n"), "what can't be written changes nothing");
}

/// Fields of pieces that are names, values, or nearly so.
fn cookies() -> impl Strategy<Value = Vec<String>> {
    let piece = "( ?(a|b|lb|LB| lb )=[0-9\"~ ]{0,3}|[ =lb]{0,3}|lb)";
    prop::collection::vec(prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.join(";")), 0..4)
}

proptest! {
    #[test]
    fn removing_takes_what_would_be_read_and_no_more(fields in cookies()) {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let mut headers = request(&fields);
        let others = |headers: &HeaderMap| -> Vec<String> {
            let all = values(headers).join(";");
            let name = |pair: &str| pair.split_once('=').map(|(name, _)| name.trim().to_owned());
            all.split(';').filter(|p| name(p).is_some_and(|n| n != "lb")).map(|p| p.trim_start().to_owned()).collect()
        };
        let (before, had) = (others(&headers), get(&headers, "lb").is_some());
        prop_assert_eq!(remove(&mut headers, "lb"), had);
        prop_assert_eq!(get(&headers, "lb"), None);
        prop_assert_eq!(others(&headers), before);
        if !had {
            prop_assert_eq!(values(&headers), fields);
        }
    }

    #[test]
    fn replacing_by_the_same_changes_nothing(fields in cookies()) {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let mut headers = request(&fields);
        let had = get(&headers, "lb").is_some();
        prop_assert_eq!(replace(&mut headers, "lb", |value| Some(value)), had);
        prop_assert_eq!(values(&headers), fields);
    }

    /// What the application set comes back to it as it was.
    #[test]
    fn a_prefix_comes_and_goes(
        value in "[!#-+\\--:<-\\[\\]-~]{0,16}",
        attributes in "(; ?[A-Za-z]{1,8}(=[a-z]{0,4})?){0,3}",
    ) {
        let plain = format!("sid={value}");
        let mut response = fields(&SET_COOKIE, &[&format!("{plain}{attributes}")]);
        prop_assert!(prefix_set(&mut response, "sid", "s1"));
        let set = values(&response)[0].to_owned();
        prop_assert_eq!(&set, &format!("sid=s1~{value}{attributes}"));
        let mut headers = request(&[set.split(';').next().unwrap()]);
        prop_assert!(replace(&mut headers, "sid", |value| value.strip_prefix("s1~")));
        prop_assert_eq!(values(&headers), [plain]);
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..64), name in "\\PC{0,3}") {
        let Ok(field) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let mut headers = HeaderMap::from_iter([(COOKIE, field.clone()), (SET_COOKIE, field)]);
        get(&headers, &name);
        set_value(&headers, &name, 0);
        prefix_set(&mut headers, &name, "p");
        replace(&mut headers, &name, |value| Some(value));
        remove(&mut headers, &name);
        join(&mut headers);
    }
}
