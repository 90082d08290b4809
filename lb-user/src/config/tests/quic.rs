//! Services that ask for connection ids.

use super::{assert_cases_of, assert_errors, parse, replaced};
use crate::model::PersistBy;

const KEY: &str = "00112233445566778899aabbccddeeff";

const GOOD: &[&str] = &[
    "[interface]",                              // 1
    "names = ['eth0']",                         // 2
    "[[service]]",                              // 3
    "name = 'h3'",                              // 4
    "address = '192.0.2.10'",                   // 5
    "port = 443",                               // 6
    "protocol = 'udp'",                         // 7
    "[service.persistence]",                    // 8
    "by = 'quic-cid'",                          // 9
    "[[service.persistence.quic]]",             // 10
    "config = 0",                               // 11
    "server_id_length = 2",                     // 12
    "nonce_length = 6",                         // 13
    "[[service.persistence.quic]]",             // 14
    "config = 6",                               // 15
    "server_id_length = 2",                     // 16
    "nonce_length = 14",                        // 17
    "key = '00112233445566778899aabbccddeeff'", // 18
    "[[service.backend]]",                      // 19
    "name = 'h3-1'",                            // 20
    "address = '10.0.0.11'",                    // 21
    "server_id = '0a0b'",                       // 22
    "[[service.backend]]",                      // 23
    "name = 'h3-2'",                            // 24
    "address = '10.0.0.12'",                    // 25
    "server_id = '0A0C'",                       // 26
];

/// The good file with `line` replaced.
fn with_line(line: usize, text: &str) -> String {
    replaced(GOOD, line, text)
}

fn good() -> String {
    GOOD.join("\n")
}

#[test]
fn a_good_one() {
    let service = parse(&good(), "f").unwrap().services.remove(0);
    assert_eq!(service.backends[1].server_id, [0x0a, 0x0c]);
    let PersistBy::QuicCid(schemes) = service.persistence.by else { panic!("{:?}", service.persistence) };
    let lengths =
        |at: usize| (schemes[at].rotation(), schemes[at].server_length(), schemes[at].nonce_length());
    assert_eq!((lengths(0), schemes[0].key()), ((0, 2, 6), None));
    assert_eq!((lengths(1), schemes[1].key().map(|key| key.0[15])), ((6, 2, 14), Some(0xff)));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    assert_cases_of(
        GOOD,
        r#"
        7 | protocol = 'tcp' | 9:6 | is for QUIC, and this service is tcp
        7 | # | 9:6 | this service is tcp (the default)
        11 | config = 7 | 11:10 | config 7 is out of range
        11 | config = 6 | 15:10 | there is already a configuration 6 at line 11
        11 | # | 10:1 | `config` is missing in [[service.persistence.quic]]
        13 | nonce_length = 3 | 13:16 | nonce_length 3 is out of range
        13 | nonce_length = 18 | 13:16 | make 20 octets, and an id has room for 19
        18 | key = '0011' | 18:7 | key has 2 octets, and AES-128 takes 16
        18 | key = 'secret' | 18:7 | no hexadecimal digits, or half an octet
        9 | by = 'quic-cid'\nidle_timeout = '1h' | 10:16 | idle_timeout has no effect with by = "quic-cid"
        16 | server_id_length = 3 | 16:20 | server ids of 3 octets here and of 2 at line 12
        22 | # | 19:1 | needs the server_id of each backend
        22 | server_id = '0a' | 22:13 | server_id has 1 octets, and server_id_length is 2
        22 | server_id = '0a0c' | 26:13 | already has a backend with this server_id at line 22
        22 | server_id = '0x0a' | 22:13 | is not in hexadecimal digits
        22 | server_id = '' | 22:13 | has 0 octets
        22 | server_id = '00112233445566778899aabbccddeeff' | 22:13 | has 16 octets
        "#,
    );
    let without = good().split("[[service.persistence.quic]]").next().unwrap().to_owned();
    let backend = "[[service.backend]]\nname = 'a'\naddress = '10.0.0.11'\nserver_id = '0a0b'";
    assert_errors(&(without + backend), &[("9:6", "needs to know how connection ids are made")]);
}

#[test]
fn nothing_of_it_goes_with_another_by() {
    assert_errors(
        &with_line(9, "by = 'connection'"),
        &[
            ("10:1", "quic has no effect without by = \"quic-cid\""),
            ("22:13", "server_id has no effect without"),
            ("26:13", "server_id has no effect without"),
        ],
    );
}

/// Whatever is wrong with the key or beside it.
#[test]
fn no_error_shows_the_key() {
    let half = &KEY[..30];
    for text in [format!("key = '{half}'"), format!("key = '{half}zz'"), format!("key = '{KEY}'\nnonce = 1")]
    {
        let errors = parse(&with_line(18, &text), "f").unwrap_err();
        assert!(!errors.to_string().contains(half), "{errors}");
    }
    let model = parse(&good(), "f").unwrap();
    assert!(!format!("{model:?}").contains("17, 34, 51"), "{model:?}");
}

#[test]
fn there_are_64_at_most() {
    let file = |count: usize| {
        let service = GOOD[2..].join("\n");
        let named =
            |at: usize| service.replace("'h3'", &format!("'h3-{at}'")).replace("443", &at.to_string());
        let services: Vec<_> = (1..=count).map(named).collect();
        GOOD[..2].join("\n") + "\n" + &services.join("\n")
    };
    parse(&file(64), "f").unwrap();
    assert_errors(&file(65), &[("1539:1", "more than 64 services with by = \"quic-cid\"")]);
}
