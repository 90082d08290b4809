//! `[service.http]` and the tables in it.

use std::time::Duration;

use ipnet::IpNet;

use crate::{
    config::{
        defaults,
        reader::Reader,
        report::{At, Place},
        values,
    },
    model::http::{Forwarded, ProxyVersion, Version},
};

/// `[service.http]`
pub(crate) struct Http {
    pub(crate) place: Place,
    /// The file has such a table.
    pub(crate) given: bool,
    pub(crate) http2: Option<At<bool>>,
    pub(crate) backend_version: Option<At<Version>>,
    pub(crate) accept_proxy: Option<At<bool>>,
    pub(crate) send_proxy: Option<At<ProxyVersion>>,
    pub(crate) forwarded: Option<At<Forwarded>>,
    pub(crate) trusted_proxies: Option<At<Vec<At<IpNet>>>>,
    pub(crate) retries: Option<At<u8>>,
    pub(crate) max_header: Option<At<u32>>,
    pub(crate) max_body: Option<At<u64>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) certificates: Option<At<Vec<Certificate>>>,
}

/// The timeouts of `[service.http]`.
pub(crate) struct Timeouts {
    pub(crate) header: Option<At<Duration>>,
    pub(crate) idle: Option<At<Duration>>,
    pub(crate) body: Option<At<Duration>>,
    pub(crate) connect: Option<At<Duration>>,
    pub(crate) response: Option<At<Duration>>,
    pub(crate) upgrade: Option<At<Duration>>,
    pub(crate) backend_idle: Option<At<Duration>>,
    pub(crate) shutdown: Option<At<Duration>>,
}

/// `[[service.http.certificate]]`
pub(crate) struct Certificate {
    pub(crate) place: Place,
    pub(crate) certificate: Option<At<String>>,
    pub(crate) key: Option<At<String>>,
}

impl Http {
    /// Does the service speak TLS to its clients?
    pub(crate) fn speaks_tls(&self) -> bool {
        self.certificates.as_ref().is_some_and(|list| !list.value.is_empty())
    }

    pub(super) fn read(mut table: Reader<'_>) -> Self {
        let versions = [("1.1", Version::Http1), ("2", Version::Http2)];
        let proxies = [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
        let headers =
            [("x-forwarded-for", Forwarded::X), ("forwarded", Forwarded::Standard), ("off", Forwarded::Off)];
        let http = Self {
            place: table.place().clone(),
            given: table.is_given(),
            http2: table.boolean("http2").or(defaults::HTTP2),
            backend_version: table.one_of("backend_version", &versions).or(defaults::BACKEND_VERSION),
            accept_proxy: table.boolean("accept_proxy").or(defaults::ACCEPT_PROXY),
            send_proxy: table.one_of("send_proxy", &proxies).given(),
            forwarded: table.one_of("forwarded", &headers).or(defaults::FORWARDED),
            trusted_proxies: table.list("trusted_proxies", values::A_PREFIX, values::prefix).or(Vec::new()),
            retries: table.integer("retries", defaults::RETRIES_RANGE).or(defaults::RETRIES),
            max_header: table.integer("max_header", defaults::MAX_HEADER_RANGE).or(defaults::MAX_HEADER),
            max_body: table.integer("max_body", defaults::MAX_BODY_RANGE).given(),
            timeouts: Timeouts::read(&mut table),
            certificates: table
                .tables("certificate", "[[service.http.certificate]]")
                .given()
                .map(|it| it.map(|tables| tables.into_iter().map(Certificate::read).collect())),
        };
        table.finish();
        http
    }
}

impl Timeouts {
    fn read(table: &mut Reader<'_>) -> Self {
        let mut time = |key, range, default| table.duration(key, range).or(default);
        let (short, long, default) = (&defaults::SHORT_RANGE, &defaults::LONG_RANGE, defaults::TIMEOUTS);
        Self {
            header: time("header_timeout", short, default.header),
            idle: time("idle_timeout", long, default.idle),
            body: time("body_timeout", long, default.body),
            connect: time("connect_timeout", short, default.connect),
            response: time("response_timeout", long, default.response),
            upgrade: time("upgrade_timeout", long, default.upgrade),
            backend_idle: time("backend_idle_timeout", long, default.backend_idle),
            shutdown: time("shutdown_timeout", long, default.shutdown),
        }
    }
}

impl Certificate {
    fn read(mut table: Reader<'_>) -> Self {
        table.require(&["certificate", "key"]);
        let certificate = Self {
            place: table.place().clone(),
            certificate: table.string("certificate").given(),
            key: table.string("key").given(),
        };
        table.finish();
        certificate
    }
}
