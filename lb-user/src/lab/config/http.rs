//! What services of HTTP have besides.

use serde::Serialize;

/// `[service.http]`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Http {
    /// Speak HTTP/2 to clients that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2: Option<bool>,
    /// `1.1` or `2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_version: Option<&'static str>,
    /// Connections begin with a PROXY protocol header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_proxy: Option<bool>,
    /// `v1` or `v2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_proxy: Option<&'static str>,
    /// `x-forwarded-for`, `forwarded` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<&'static str>,
    /// Prefixes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// On other backends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u8>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_header: Option<u32>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// For a header section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout: Option<&'static str>,
    /// Between requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<&'static str>,
    /// For a body that stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_timeout: Option<&'static str>,
    /// For a connection to a backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<&'static str>,
    /// For the begin of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<&'static str>,
    /// For an upgraded connection without traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_timeout: Option<&'static str>,
    /// For an unused connection to a backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_idle_timeout: Option<&'static str>,
    /// For what is under way at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown_timeout: Option<&'static str>,
    /// `[[service.http.certificate]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificate: Vec<Certificate>,
}

/// `[[service.http.certificate]]`.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// File of the chain.
    pub certificate: String,
    /// File of the key.
    pub key: String,
}

/// `[service.persistence.cookie]`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cookie {
    /// `insert`, `prefix` or `learn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// `Path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'static str>,
    /// `Domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'static str>,
    /// `Secure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// `HttpOnly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_only: Option<bool>,
    /// `lax`, `strict` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_site: Option<&'static str>,
    /// `Max-Age`, such as `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<&'static str>,
    /// `Partitioned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitioned: Option<bool>,
    /// Backends see it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_on: Option<bool>,
    /// File of the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<String>,
}
