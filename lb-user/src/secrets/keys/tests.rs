use proptest::prelude::*;

use super::*;

const A: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const B: &str = "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100";

#[test]
fn a_key_a_line_with_comments_and_blank_lines() {
    let keys = Keys::parse(&format!("# first\r\n\n  {A}\t\r\n\n#{B}\n{B}")).unwrap();
    assert_eq!(keys.to_text(), format!("{A}\n{}\n", B.to_lowercase()));
    assert_eq!(keys.first().secret, std::array::from_fn(|i| i as u8));
}

#[test]
fn what_is_no_key_is_refused_with_its_line_and_not_its_content() {
    let many: String = (0..17).map(|i| format!("{i:064x}\n")).collect();
    for (text, expected) in [
        (String::new(), KeysError::Empty),
        ("\n# only words\n".into(), KeysError::Empty),
        (format!("{A}\n{}", &B[1..]), KeysError::Length { line: 2, found: 63 }),
        (format!("\n{A}0"), KeysError::Length { line: 2, found: 65 }),
        (format!("{A} # comment"), KeysError::Length { line: 1, found: 74 }),
        (A.replace("0a", "0x"), KeysError::Digit { line: 1, column: 22 }),
        (A.replace("00", "+0"), KeysError::Digit { line: 1, column: 1 }),
        ("ä".repeat(64), KeysError::Digit { line: 1, column: 1 }),
        (format!("{A}\n{B}\n#\n{}", A.to_uppercase()), KeysError::Duplicate { line: 4, first: 1 }),
        (format!("#\n{many}"), KeysError::TooMany { line: 18 }),
    ] {
        let error = Keys::parse(&text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains(&A[8..16]), "{error}");
    }
    assert_eq!(Keys::parse(&many[..16 * 65]).unwrap().0.len(), 16);
}

#[test]
fn a_secret_gives_one_key_everywhere() {
    let secret = "a secret that is long enough to be one";
    let keys = Keys::from_secret(secret).unwrap();
    // Computed apart, with Python's `hmac`. Another one would end all sessions at an upgrade.
    assert_eq!(keys.to_text(), "a0eebdcc8db9c7dd1ccdbdd0e6ccb4c2456ac20f927aae1939f2124504bf9c64\n");
    assert_ne!(keys, Keys::from_secret(&secret[1..]).unwrap());
    assert_eq!(Keys::from_secret("hunter2"), Err(KeysError::Short { found: 7 }));
}

#[test]
fn a_random_key_is_another_each_time_and_can_be_stored() {
    let keys = Keys::random();
    assert_ne!(keys, Keys::random());
    assert_eq!(Keys::parse(&keys.to_text()), Ok(keys));
}

#[test]
fn printing_keys_does_not_show_them() {
    let text = format!("{:?}", Keys::parse(&format!("{A}\n{B}")).unwrap());
    assert!(text.len() < 12, "{text}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "([0-9a-fx#]{0,66}[ \t]?\n){0,20}|\\PC*") {
        if let Ok(keys) = Keys::parse(&text) {
            prop_assert_eq!(Keys::parse(&keys.to_text()), Ok(keys));
        }
    }
}
