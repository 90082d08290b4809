//! How Limpet's own cookie is set.

use cookie::Cookie;
use http::HeaderValue;

use crate::model;

/// The `Set-Cookie` of one service, ready for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// `name=; Path=/...`
    text: String,
    /// Where the value goes.
    at: usize,
}

impl SetCookie {
    /// A cookie with these attributes (RFC 6265, section 4.1), which the configuration has found to be such as browsers
    /// take.
    pub fn new(cookie: &model::http::Cookie) -> Self {
        let model::http::Cookie {
            name,
            path,
            domain,
            secure,
            http_only,
            same_site,
            max_age,
            partitioned,
            pass_on: _,
        } = cookie;
        let mut cookie = Cookie::new(name, "");
        cookie.set_path(path);
        if let Some(domain) = domain {
            cookie.set_domain(domain);
        }
        cookie.set_secure(*secure);
        cookie.set_http_only(*http_only);
        cookie.set_same_site(*same_site);
        cookie.set_max_age(max_age.map(|age| age.try_into().unwrap_or(cookie::time::Duration::MAX)));
        cookie.set_partitioned(*partitioned);
        Self { text: cookie.to_string(), at: name.len() + "=".len() }
    }

    /// Sets the cookie to a token.
    ///
    /// # Panics
    /// If the value has characters that a token never has: blanks, controls, `"`, `,`, `;`, `\` (RFC 6265, section
    /// 4.1.1). If an attribute has such as no configuration has.
    pub fn with(&self, value: &str) -> HeaderValue {
        assert!(value.bytes().all(is_octet), "a token is of cookie octets");
        let (head, tail) = self.text.split_at(self.at);
        let mut header = HeaderValue::try_from([head, value, tail].concat()).expect("its parts were checked");
        // It is as good as a password until it ends: kept out of logs, and of HPACK's tables.
        header.set_sensitive(true);
        header
    }
}

/// `cookie-octet` of RFC 6265, section 4.1.1.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::http::SameSite;

    use super::*;

    fn plain() -> model::http::Cookie {
        model::http::Cookie {
            name: "limpet".into(),
            path: "/".into(),
            domain: None,
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            max_age: None,
            partitioned: false,
            pass_on: false,
        }
    }

    #[test]
    fn each_attribute_is_written() {
        let set = |cookie| SetCookie::new(&cookie).with("AQ-x_9");
        assert_eq!(set(plain()), "limpet=AQ-x_9; SameSite=Lax; Path=/");
        let all = model::http::Cookie {
            path: "/shop".into(),
            domain: Some("example.com".into()),
            secure: true,
            http_only: true,
            same_site: SameSite::None,
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
    #[should_panic(expected = "cookie octets")]
    fn a_value_can_not_add_attributes() {
        SetCookie::new(&plain()).with("x; Domain=com");
    }
}
