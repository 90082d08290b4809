//! Requests that are nearly right.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom as _};

/// Right ones; their bodies look like requests, for whoever ends the head or the body in the wrong place.
const RIGHT: [&str; 7] = [
    "GET /x HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nX-A: c\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 36\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n24\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n\r\n0\r\n\r\n",
    "PUT /x HTTP/1.1\r\nHost: h\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nG\r\n0\r\nX-T: GET /inner HTTP/1.1\r\n\r\n",
    "GET http://h/x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "HEAD /x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
];

/// Pieces that readers have quarrelled about.
const PIECES: [&[u8]; 34] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\xa0",
    b"\xff",
    b":",
    b",",
    b";",
    b"\"",
    b"0",
    b"+",
    b"-",
    b"0x",
    b"chunked",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"Content-Length: 0\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 36\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Connection: close, Content-Length, Transfer-Encoding\r\n",
    b"Upgrade: h2c\r\n",
    b"Host: other\r\n",
    b"0\r\n\r\n",
    b"GET /second HTTP/1.1\r\nHost: second\r\n\r\n",
];

/// One of them, changed in a few places.
#[must_use]
pub fn request(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = RIGHT.choose(random).expect("there are some").as_bytes().to_vec();
    for _ in 0..random.random_range(0..4) {
        change(&mut bytes, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(1..6)).min(bytes.len());
    let lines: Vec<_> = (0..bytes.len()).filter(|at| *at == 0 || bytes[at - 1] == b'\n').collect();
    let line = *lines.choose(random).unwrap_or(&0);
    let piece = PIECES.choose(random).expect("there are some").iter().copied();
    match random.random_range(0..7) {
        0 => drop(bytes.splice(at..at, piece)),
        1 => drop(bytes.splice(at..end, piece)),
        2 | 3 => drop(bytes.splice(line..line, piece)),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.random_range(0..8);
            }
        }
    }
}
