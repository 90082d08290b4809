//! `[service.persistence.cookie]`.

use std::time::Duration;

use crate::{
    config::{
        defaults,
        reader::Reader,
        report::{At, Place},
        values::http,
    },
    model::http::SameSite,
};

/// `[service.persistence.cookie]`
pub(crate) struct Cookie {
    pub(crate) place: Place,
    /// The file has such a table.
    pub(crate) given: bool,
    pub(crate) mode: Option<At<CookieMode>>,
    /// Of the application's cookie, or of Limpet's.
    pub(crate) name: Option<At<String>>,
    pub(crate) path: Option<At<String>>,
    pub(crate) domain: Option<At<String>>,
    pub(crate) secure: Option<At<bool>>,
    pub(crate) http_only: Option<At<bool>>,
    pub(crate) same_site: Option<At<SameSite>>,
    pub(crate) max_age: Option<At<Duration>>,
    pub(crate) partitioned: Option<At<bool>>,
    pub(crate) pass_on: Option<At<bool>>,
    pub(crate) keys_file: Option<At<String>>,
}

/// The words of `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieMode {
    Insert,
    Prefix,
    Learn,
}

impl Cookie {
    pub(super) fn read(mut table: Reader<'_>) -> Self {
        let modes =
            [("insert", CookieMode::Insert), ("prefix", CookieMode::Prefix), ("learn", CookieMode::Learn)];
        let mode = table.one_of("mode", &modes).or(defaults::COOKIE_MODE);
        let is_own = mode.as_ref().is_none_or(|mode| mode.value == CookieMode::Insert);
        if !is_own {
            table.require(&["name"]);
        }
        let sites = [("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)];
        let cookie = Self {
            place: table.place().clone(),
            given: table.is_given(),
            name: table
                .parsed("name", http::A_COOKIE, http::cookie_name)
                .or_maybe(is_own.then(|| defaults::COOKIE_NAME.to_owned())),
            path: table
                .parsed("path", http::A_COOKIE_PATH, http::cookie_path)
                .or(defaults::COOKIE_PATH.to_owned()),
            domain: table.parsed("domain", http::A_DOMAIN, http::domain).given(),
            secure: table.boolean("secure").or(defaults::SECURE),
            http_only: table.boolean("http_only").or(defaults::HTTP_ONLY),
            same_site: table.one_of("same_site", &sites).or(defaults::SAME_SITE),
            max_age: table.duration("max_age", &defaults::MAX_AGE_RANGE).given(),
            partitioned: table.boolean("partitioned").or(defaults::PARTITIONED),
            pass_on: table.boolean("pass_on").or(defaults::PASS_ON),
            keys_file: table.string("keys_file").given(),
            mode,
        };
        table.finish();
        cookie
    }
}
