//! Cookies of a request, and those that a response sets.
//!
//! Read as servers do (RFC 6265, section 5.4 and its successor draft): fields are split at each `;`, blanks around
//! names and values don't count, quotes around a value neither, and case matters. What is not ours stays as it is,
//! byte for byte.

use std::ops::Range;

use cookie::Cookie;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, Entry, SET_COOKIE},
};

/// What a response does to a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// Gives it this value, which is not empty.
    Value(String),
    /// Takes it away.
    Removed,
}

/// The value of the first cookie of this name; nothing if that is no UTF-8.
pub fn get<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get_all(COOKIE).iter().flat_map(pairs).find_map(|pair| value(pair, name))?;
    str::from_utf8(value).ok()
}

/// Takes away all cookies of this name; a field without any left goes, too. True if there was one.
pub fn remove(headers: &mut HeaderMap, name: &str) -> bool {
    let is_removed = rewrite(headers, COOKIE, |field| {
        let is_kept = |pair: &&[u8]| value(pair, name).is_none();
        let kept: Vec<_> = pairs(field).filter(is_kept).collect();
        if kept.len() == pairs(field).count() {
            return None;
        }
        // What is now in front may have followed a semicolon and a blank.
        Some(kept.join(&b';').trim_ascii_start().to_vec())
    });
    if is_removed && let Entry::Occupied(entry) = headers.entry(COOKIE) {
        let fields: Vec<_> = entry.remove_entry_mult().1.filter(|field| !field.is_empty()).collect();
        headers.extend(fields.into_iter().map(|field| (COOKIE, field)));
    }
    is_removed
}

/// Gives each cookie of this name the part of its value that `part` chooses; those where it chooses none stay. True if
/// one was replaced.
pub fn replace(headers: &mut HeaderMap, name: &str, part: impl Fn(&str) -> Option<&str>) -> bool {
    let replaced = |pair: &[u8]| {
        let place = place(pair, name)?;
        let new = part(str::from_utf8(&pair[place.clone()]).ok()?)?;
        Some([&pair[..place.start], new.as_bytes(), &pair[place.end..]].concat())
    };
    rewrite(headers, COOKIE, |field| {
        pairs(field).any(|pair| replaced(pair).is_some()).then(|| {
            let all: Vec<_> =
                pairs(field).map(|pair| replaced(pair).unwrap_or_else(|| pair.to_vec())).collect();
            all.join(&b';')
        })
    })
}

/// Makes one field of several, as HTTP/2 sends them and HTTP/1.1 forbids (RFC 9113, section 8.2.3).
pub fn join(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let fields: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let mut joined = HeaderValue::from_bytes(&fields.join(&b"; "[..])).expect("valid parts");
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// What a response does to the cookie of this name at `now`, in seconds since 1970: the last `Set-Cookie` decides, as
/// it does in a browser. An empty value tells nobody apart, and so counts as none.
pub fn set_value(headers: &HeaderMap, name: &str, now: u64) -> Option<Assigned> {
    let fields = headers.get_all(SET_COOKIE).iter().rev();
    let (field, value) =
        fields.map(HeaderValue::as_bytes).find_map(|field| Some((field, value(field, name)?)))?;
    let (field, value) = (str::from_utf8(field).ok()?, str::from_utf8(value).ok()?);
    let is_over = value.is_empty() || is_over(&Cookie::parse(field).ok()?, now);
    Some(if is_over { Assigned::Removed } else { Assigned::Value(value.to_owned()) })
}

/// `Max-Age` decides where there is `Expires`, too (RFC 6265, section 5.3).
fn is_over(cookie: &Cookie<'_>, now: u64) -> bool {
    match (cookie.max_age(), cookie.expires_datetime()) {
        (Some(age), _) => !age.is_positive(),
        (None, Some(end)) => i128::from(end.unix_timestamp()) <= i128::from(now),
        (None, None) => false,
    }
}

/// Puts `prefix~` in front of the value that a response gives to this cookie; `prefix` is of characters that a cookie
/// may have. True if it sets it.
pub fn prefix_set(headers: &mut HeaderMap, name: &str, prefix: &str) -> bool {
    rewrite(headers, SET_COOKIE, |field| {
        let field = field.as_bytes();
        let (before, after) = field.split_at(place(field, name)?.start);
        Some([before, prefix.as_bytes(), b"~", after].concat())
    })
}

/// A field cut at its semicolons.
fn pairs(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    field.as_bytes().split(|&byte| byte == b';')
}

/// The value in a pair, if it is of this name.
fn value<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    place(pair, name).map(|place| &pair[place])
}

/// Where in a pair, or in a `Set-Cookie`, its value is.
fn place(field: &[u8], name: &str) -> Option<Range<usize>> {
    let pair = field.split(|&byte| byte == b';').next()?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    if pair[..equals].trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = pair[equals + 1..].trim_ascii_start();
    let (start, value) = (pair.len() - value.len(), value.trim_ascii_end());
    let end = start + value.len();
    let is_quoted = value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\"");
    Some(if is_quoted { start + 1..end - 1 } else { start..end })
}

/// Replaces the fields for which `with` has another value. True if there was one.
fn rewrite(
    headers: &mut HeaderMap,
    field: HeaderName,
    with: impl Fn(&HeaderValue) -> Option<Vec<u8>>,
) -> bool {
    let Entry::Occupied(mut fields) = headers.entry(field) else { return false };
    let mut is_rewritten = false;
    for field in fields.iter_mut() {
        if let Some(mut new) = with(field).and_then(|new| HeaderValue::try_from(new).ok()) {
            new.set_sensitive(field.is_sensitive());
            *field = new;
            is_rewritten = true;
        }
    }
    is_rewritten
}

#[cfg(test)]
mod tests;
