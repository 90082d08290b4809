//! What a backend's answer must be to be passed on.

use http::{
    HeaderMap, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::{answer::Refusal, hop, incoming};

/// Refuses an answer whose end a client might see elsewhere than we do, and one that speaks another protocol though
/// nobody has asked for that; of the length, one plain number stays.
///
/// An answer with both a length and a coding is an attempt of somebody behind the backend to put words into its mouth, or
/// an error (RFC 9112 section 6.3).
pub(super) fn check<B>(response: &mut Response<B>, may_switch: bool) -> Result<(), Refusal> {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    if switches && !(may_switch && hop::upgrade(headers).is_some()) {
        return Err(Refusal::BadGateway);
    }
    let is_framed_twice = headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING);
    if is_framed_twice || !incoming::is_plain(headers) {
        return Err(Refusal::BadGateway);
    }
    // A version is of one connection; with an old one, hyper would end ours to the client with the body, unframed.
    *response.version_mut() = Version::HTTP_11;
    let headers = response.headers_mut();
    // hyper has refused by then what is not one number, but for answers that have no body to measure.
    if headers.contains_key(CONTENT_LENGTH) {
        match length(headers) {
            Some(length) => drop(headers.insert(CONTENT_LENGTH, length.into())),
            None => drop(headers.remove(CONTENT_LENGTH)),
        }
    }
    Ok(())
}

/// The one number that all members of all fields are.
fn length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().flat_map(|value| {
        let members = value.to_str().unwrap_or_default().split(',').map(str::trim);
        members.map(|digits| digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())))
    });
    let first = lengths.next()??;
    lengths.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        status: u16,
        fields: &[(&'static str, &'static str)],
        may_switch: bool,
    ) -> Option<Vec<String>> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut response = response.body(()).unwrap();
        check(&mut response, may_switch).ok()?;
        let lengths = response.headers().get_all(CONTENT_LENGTH).iter();
        Some(lengths.map(|value| value.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn of_a_length_one_number_stays() {
        for (values, expected) in [
            (&["5"][..], &["5"][..]),
            (&["5", "5"], &["5"]),
            (&["5, 5"], &["5"]),
            (&["005"], &["5"]),
            (&["5", "6"], &[]),
            (&["+5"], &[]),
            (&["x"], &[]),
            (&[""], &[]),
            (&["99999999999999999999"], &[]),
            (&[], &[]),
        ] {
            let fields: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(checked(200, &fields, false).unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn what_ends_in_two_places_is_refused() {
        for (fields, is_taken) in [
            (&[("transfer-encoding", "chunked")][..], true),
            (&[("transfer-encoding", "chunked"), ("content-length", "5")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "gzip")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(checked(200, fields, false).is_some(), is_taken, "{fields:?}");
        }
    }

    #[test]
    fn nobody_switches_unasked() {
        let switch = [("connection", "upgrade"), ("upgrade", "websocket")];
        assert!(checked(101, &switch, true).is_some());
        assert!(checked(101, &switch, false).is_none());
        assert!(checked(101, &[], true).is_none());
    }
}
