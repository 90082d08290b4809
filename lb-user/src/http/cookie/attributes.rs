//! How Limpet's own cookie is set.

use std::time::Duration;

use cookie::Cookie;
pub use cookie::SameSite;
use http::HeaderValue;

/// What a `Set-Cookie` says beside the value (RFC 6265, section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The cookie's name.
    pub name: String,
    /// Requests below it carry the cookie.
    pub path: String,
    /// Hosts below it get the cookie; without it, only the one that was asked.
    pub domain: Option<String>,
    /// Only over TLS.
    pub secure: bool,
    /// Hidden from scripts.
    pub http_only: bool,
    /// Whether requests from other sites carry it.
    pub same_site: Option<SameSite>,
    /// How long the client keeps it, in whole seconds; without it, until it is closed.
    pub max_age: Option<Duration>,
    /// One for each site that the page is embedded in.
    pub partitioned: bool,
}

/// Attributes that browsers would refuse, or that can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// The name is no token of RFC 9110.
    #[error("a cookie's name has letters, digits and !#$%&'*+-.^_`|~, and one at least")]
    Name,
    /// The path is not absolute, or has characters that end it.
    #[error("a cookie's path starts with / and has no ; and no control characters")]
    Path,
    /// The domain is no host name.
    #[error("a cookie's domain is a host name, as in example.com")]
    Domain,
    /// `SameSite=None` needs `Secure`.
    #[error("browsers refuse same_site = \"none\" without secure = true")]
    SameSiteNone,
    /// `Partitioned` needs `Secure`.
    #[error("browsers refuse partitioned = true without secure = true")]
    Partitioned,
    /// A name that starts so promises `Secure`.
    #[error("browsers refuse a name that starts with __Secure- without secure = true")]
    SecurePrefix,
    /// A name that starts so promises more.
    #[error(
        "browsers refuse a name that starts with __Host- without secure = true and path = \"/\", or with a domain"
    )]
    HostPrefix,
    /// A lifetime that ends at once.
    #[error("max_age is a second at least; without it the cookie lives until the browser is closed")]
    MaxAge,
}

/// The `Set-Cookie` of one configuration, ready for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// `name=; Path=/...`
    text: String,
    /// Where the value goes.
    at: usize,
}

impl SetCookie {
    /// # Errors
    /// A browser would refuse the cookie, and its user would be a stranger at each request.
    pub fn new(attributes: &Attributes) -> Result<Self, AttributesError> {
        check(attributes)?;
        let Attributes { name, path, domain, secure, http_only, same_site, max_age, partitioned } =
            attributes;
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
        Ok(Self { text: cookie.to_string(), at: name.len() + "=".len() })
    }

    /// Sets the cookie to a token.
    ///
    /// # Panics
    /// If the value has characters that a token never has: blanks, controls, `"`, `,`, `;`, `\` (RFC 6265, section
    /// 4.1.1).
    pub fn with(&self, value: &str) -> HeaderValue {
        assert!(value.bytes().all(is_octet), "a token is of cookie octets");
        let (head, tail) = self.text.split_at(self.at);
        let mut header = HeaderValue::try_from([head, value, tail].concat()).expect("its parts were checked");
        // It is as good as a password until it ends: kept out of logs, and of HPACK's tables.
        header.set_sensitive(true);
        header
    }
}

fn check(attributes: &Attributes) -> Result<(), AttributesError> {
    let Attributes { name, path, domain, secure, same_site, max_age, partitioned, http_only: _ } = attributes;
    let starts_with = |prefix: &str| name.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    let refused = [
        (name.is_empty() || !name.bytes().all(is_token), AttributesError::Name),
        (!path.starts_with('/') || path.bytes().any(|b| b == b';' || !is_visible(b)), AttributesError::Path),
        (domain.as_deref().is_some_and(|domain| !is_host(domain)), AttributesError::Domain),
        (*same_site == Some(SameSite::None) && !secure, AttributesError::SameSiteNone),
        (*partitioned && !secure, AttributesError::Partitioned),
        (starts_with("__Secure-") && !secure, AttributesError::SecurePrefix),
        (starts_with("__Host-") && (!secure || path != "/" || domain.is_some()), AttributesError::HostPrefix),
        (max_age.is_some_and(|age| age < Duration::from_secs(1)), AttributesError::MaxAge),
    ];
    refused.into_iter().find_map(|(is_refused, why)| is_refused.then_some(why)).map_or(Ok(()), Err)
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `cookie-octet` of RFC 6265, section 4.1.1.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn is_visible(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// A leading dot is as good as none (RFC 6265, section 5.2.3), and some write it.
fn is_host(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.strip_prefix('.').unwrap_or(domain).split('.').all(is_label)
}

#[cfg(test)]
mod tests;
