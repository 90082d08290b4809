//! Single values of HTTP.

use ::http::HeaderName;

/// What [`header`] reads, for errors.
pub(in crate::config) const A_HEADER: &str = r#"the name of a header field in quotes such as "X-User""#;

pub(in crate::config) fn header(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("{text:?} can't be the name of a header field"))
}

/// What [`parameter`] reads, for errors.
pub(in crate::config) const A_PARAMETER: &str =
    r#"the name of a parameter in quotes such as "sid", as it stands in a URL between "?" or "&" and "=""#;

pub(in crate::config) fn parameter(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"&=#".contains(&byte);
    let complaint = || format!("{text:?} can't be the name of a parameter");
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned()).ok_or_else(complaint)
}

/// What [`cookie_name`] reads, for errors.
pub(in crate::config) const A_COOKIE: &str =
    "the name of a cookie in quotes: letters, digits and any of !#$%&'*+-.^_`|~";

pub(in crate::config) fn cookie_name(text: &str) -> Result<String, String> {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let complaint = || format!("{text:?} can't be the name of a cookie");
    (!text.is_empty() && text.bytes().all(of_token)).then(|| text.to_owned()).ok_or_else(complaint)
}

/// What [`cookie_path`] reads, for errors.
pub(in crate::config) const A_COOKIE_PATH: &str =
    r#"a path in quotes that begins with "/" and has only visible ASCII characters, and no ";""#;

pub(in crate::config) fn cookie_path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    let complaint = || format!("{text:?} can't be the path of a cookie");
    (text.starts_with('/') && text.bytes().all(plain)).then(|| text.to_owned()).ok_or_else(complaint)
}

/// What [`domain`] reads, for errors.
pub(in crate::config) const A_DOMAIN: &str = r#"the name of a domain in quotes such as "example.org", of letters, digits, "-" and "." (xn-- for others)"#;

pub(in crate::config) fn domain(text: &str) -> Result<String, String> {
    let well_formed = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    // A dot in front is as good as none (RFC 6265 section 5.2.3), and some write it.
    let name = text.strip_prefix('.').unwrap_or(text);
    let complaint = || format!("{text:?} can't be the domain of a cookie");
    (text.len() <= 253 && name.split('.').all(well_formed)).then(|| text.to_owned()).ok_or_else(complaint)
}
