use proptest::prelude::*;

use super::*;

const SCOPE: u64 = 0x0123_4567_89ab_cdef;

fn keys(text: &[&str]) -> Keys {
    Keys::parse(&text.iter().map(|c| c.repeat(64) + "\n").collect::<String>()).unwrap()
}

fn claims() -> impl Strategy<Value = Claims> {
    any::<(u64, u32, u64, u64)>().prop_map(|(backend, server, issued, used)| Claims {
        backend,
        server,
        issued,
        used,
    })
}

/// A key with the hint of another: the tag has to tell them apart.
fn twin(of: &Keys) -> Keys {
    let hint = of.first().hint;
    (0_u32..).map(|i| Keys::parse(&format!("{i:064x}")).unwrap()).find(|k| k.first().hint == hint).unwrap()
}

#[test]
fn what_was_sealed_by_an_earlier_limpet_opens() {
    // Computed apart, in Python, from the draft on XChaCha20 and RFC 8439.
    let token =
        "AeAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhee2ujP0ixeIWjFIxxwm_87aov55WpnX7dkRazuv0puAEXGUp2bUXu8E-7Tzw";
    let expected = Claims { backend: u64::MAX - 1, server: 7, issued: 1_800_000_000, used: 1_800_000_060 };
    assert_eq!(keys(&["a"]).open(SCOPE, token), Ok(expected));
}

#[test]
fn keys_take_turns() {
    let claims = Claims { backend: 1, server: 2, issued: 3, used: 4 };
    let token = keys(&["a"]).seal(SCOPE, &claims);
    assert_eq!(keys(&["b", "a"]).open(SCOPE, &token), Ok(claims));
    assert_eq!(keys(&["b", "c"]).open(SCOPE, &token), Err(Refused::Forged));
    let token = keys(&["b", "a"]).seal(SCOPE, &claims);
    assert_eq!(keys(&["b"]).open(SCOPE, &token), Ok(claims));
}

#[test]
fn keys_with_one_hint_are_told_apart() {
    let claims = Claims { backend: 1, server: 2, issued: 3, used: 4 };
    let ours = keys(&["a"]);
    let twin = twin(&ours);
    let token = ours.seal(SCOPE, &claims);
    assert_eq!(twin.open(SCOPE, &token), Err(Refused::Forged));
    let both = Keys::parse(&(twin.to_text() + &ours.to_text())).unwrap();
    assert_eq!(both.open(SCOPE, &token), Ok(claims));
}

#[test]
fn of_another_form_or_version_is_malformed() {
    let token = keys(&["a"]).seal(SCOPE, &Claims { backend: 1, server: 2, issued: 3, used: 4 });
    let version = |v| URL_SAFE_NO_PAD.encode([v]).replace('A', "") + &token[1..];
    for other in
        ["", &token[1..], &(token.clone() + "A"), &format!("{}=", &token[..93]), &"ä".repeat(47), &version(8)]
    {
        assert_eq!(keys(&["a"]).open(SCOPE, other), Err(Refused::Malformed), "{other}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens(scope: u64, claims in claims()) {
        let keys = Keys::random();
        let token = keys.seal(scope, &claims);
        prop_assert_eq!(token.len(), CHARACTERS);
        prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_ne!(&token, &keys.seal(scope, &claims), "two tokens are never alike");
        prop_assert_eq!(keys.open(scope, &token), Ok(claims));
    }

    #[test]
    fn of_another_scope_is_forged(scope: u64, other: u64, claims in claims()) {
        prop_assume!(scope != other);
        let keys = keys(&["a"]);
        prop_assert_eq!(keys.open(other, &keys.seal(scope, &claims)), Err(Refused::Forged));
    }

    #[test]
    fn a_flipped_bit_is_refused(claims in claims(), bit in 0..BYTES * 8) {
        let keys = keys(&["a", "b", "c"]);
        let mut bytes = URL_SAFE_NO_PAD.decode(keys.seal(SCOPE, &claims)).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(keys.open(SCOPE, &URL_SAFE_NO_PAD.encode(bytes)).is_err());
    }

    #[test]
    fn another_character_is_refused(claims in claims(), at in 0..CHARACTERS, character in "[ -~]") {
        let keys = keys(&["a", "b", "c"]);
        let mut token = keys.seal(SCOPE, &claims);
        prop_assume!(token[at..=at] != character);
        token.replace_range(at..=at, &character);
        prop_assert!(keys.open(SCOPE, &token).is_err());
    }

    #[test]
    fn any_text_is_refused(text in "\\PC*|[A-Za-z0-9_-]{94}|AQ[A-Za-z0-9_-]{91}[AQgw]") {
        prop_assert!(keys(&["a"]).open(SCOPE, &text).is_err());
    }
}
