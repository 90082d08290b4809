//! Connection ids against the draft's own test vectors and worked example, and against themselves.

use lb_common::quic::scheme::{Key, Scheme, Unfit};
use proptest::{collection::vec, prelude::*};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(text: &str) -> Key {
    Key(hex(text).try_into().unwrap())
}

fn scheme(rotation: u8, server: &[u8], nonce: &[u8], key: Option<Key>) -> Scheme {
    Scheme::new(rotation, server.len() as u8, nonce.len() as u8, key).unwrap()
}

/// Encodes and decodes.
fn check(rotation: u8, server: &str, nonce: &str, key: Option<Key>, cid: &str) {
    let (server, nonce, cid) = (hex(server), hex(nonce), hex(cid));
    let scheme = scheme(rotation, &server, &nonce, key);
    assert_eq!(scheme.encode(None, &server, &nonce), Some(cid.clone()));
    assert_eq!(scheme.decode(&cid), Some(server));
}

/// draft-ietf-quic-load-balancers-21 appendix B.1. Its second vector has a nonce of nine digits; it is left
/// out.
#[test]
fn unencrypted_vectors() {
    check(0, "c4605e", "4504cc4f", None, "07c4605e4504cc4f");
}

/// Appendix B.2. The last one's rotation bits are given as 3, and its first octet has 0.
#[test]
fn encrypted_vectors() {
    let key = Some(key("8f95f09245765f80256934e50c66207f"));
    check(0, "ed793a", "ee080dbf", key, "0720b1d07b359d3c");
    check(1, "ed793a51d49b8f5fab65", "ee080dbf48", key, "2fcc381bc74cb4fbad2823a3d1f8fed2");
    check(2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", key, "504dd2d05a7b0de9b2b9907afb5ecf8cc3");
    check(0, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", key, "125779c9cc86beb3a3a4a3ca96fce4bfe0cdbc");
}

/// The example of section 5.4.2.4.
#[test]
fn the_worked_example() {
    check(0, "31441a", "9c69c275", Some(key("fdf726a9893ec05c0632d3956680baf0")), "0767947d29be054a");
}

#[test]
fn what_is_no_scheme() {
    assert_eq!(Scheme::new(7, 1, 4, None), Err(Unfit::Rotation));
    assert_eq!(Scheme::new(0, 0, 4, None), Err(Unfit::ServerId));
    assert_eq!(Scheme::new(0, 16, 4, None), Err(Unfit::ServerId));
    assert_eq!(Scheme::new(0, 1, 3, None), Err(Unfit::Nonce));
    assert_eq!(Scheme::new(0, 15, 5, None), Err(Unfit::Sum));
    assert_eq!(Scheme::new(0, 1, 255, None), Err(Unfit::Sum));
}

#[test]
fn what_another_scheme_made_is_not_read() {
    let scheme = Scheme::new(3, 2, 4, None).unwrap();
    let cid = scheme.encode(Some(0x1f), &[1, 2], &[3, 4, 5, 6]).unwrap();
    assert_eq!(cid, [0x7f, 1, 2, 3, 4, 5, 6]);
    assert_eq!(scheme.decode(&cid[..6]), None);
    assert_eq!(scheme.decode(&[0x9f, 1, 2, 3, 4, 5, 6]), None);
    assert_eq!(scheme.decode(&[&cid[..], &[9; 4]].concat()), Some(vec![1, 2]));
    assert_eq!(scheme.encode(None, &[1], &[3, 4, 5, 6]), None);
    assert_eq!(scheme.encode(None, &[1, 2], &[3, 4, 5]), None);
}

/// Every pair of lengths that there is.
fn lengths() -> impl Strategy<Value = (usize, usize)> {
    (1..=15usize).prop_flat_map(|server| (Just(server), 4..=19 - server))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_encoded_is_decoded(
        (server, nonce) in lengths(),
        rotation in 0..=6u8,
        secret in proptest::option::of(any::<[u8; 16]>()),
        first: Option<u8>,
        random in vec(any::<u8>(), 19),
        more in vec(any::<u8>(), 0..4),
    ) {
        let (server, nonce) = (&random[..server], &random[19 - nonce..]);
        let scheme = scheme(rotation, server, nonce, secret.map(Key));
        let mut cid = scheme.encode(first, server, nonce).unwrap();
        prop_assert_eq!(cid.len(), 1 + server.len() + nonce.len());
        prop_assert_eq!(cid[0] >> 5, rotation);
        cid.extend(more);
        prop_assert_eq!(scheme.decode(&cid), Some(server.to_vec()));
        prop_assert_eq!(scheme.decode(&cid[..server.len() + nonce.len()]), None);
    }
}
