//! `[service.persistence]` and the tables in it.

use std::time::Duration;

use ::http::HeaderName;
use ipnet::IpNet;
use lb_common::quic::scheme::{Key, Scheme};

use super::Cookie;
use crate::{
    config::{
        defaults,
        reader::Reader,
        report::At,
        values::{self, http},
    },
    model::{OnDrain, OnFull, Protocol},
};

/// `[service.persistence]`
pub(crate) struct Persistence {
    /// In order; one where it is no list.
    pub(crate) by: Option<At<Vec<At<PersistBy>>>>,
    /// The file has a list, be it good or bad.
    pub(crate) is_list: bool,
    pub(crate) header: Option<At<HeaderName>>,
    pub(crate) query: Option<At<String>>,
    pub(crate) path_segments: Option<At<u8>>,
    pub(crate) cookie: Cookie,
    pub(crate) prefix_v4: Option<At<u8>>,
    pub(crate) prefix_v6: Option<At<u8>>,
    pub(crate) idle_timeout: Option<At<Duration>>,
    pub(crate) max_lifetime: Option<At<Duration>>,
    pub(crate) quic: Option<At<Vec<Quic>>>,
    pub(crate) group: Option<At<String>>,
    pub(crate) on_down: Option<At<OnDown>>,
    pub(crate) hold: Option<At<Duration>>,
    pub(crate) on_drain: Option<At<OnDrain>>,
    pub(crate) drain_deadline: Option<At<Duration>>,
    pub(crate) on_full: Option<At<OnFull>>,
    pub(crate) masks: Option<At<Vec<Mask>>>,
}

/// The words of `on_down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDown {
    Repin,
    Lend,
    Refuse,
    Hold,
}

/// `[[service.persistence.mask]]`
pub(crate) struct Mask {
    pub(crate) prefix: Option<At<IpNet>>,
    pub(crate) bits: Option<At<u8>>,
}

/// The words of `by`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PersistBy {
    Connection,
    ClientIp,
    QuicCid,
    Cookie,
    Header,
    Query,
    Path,
}

/// How the file writes them.
const BY: [(&str, PersistBy); 7] = [
    ("client-ip", PersistBy::ClientIp),
    ("connection", PersistBy::Connection),
    ("quic-cid", PersistBy::QuicCid),
    ("cookie", PersistBy::Cookie),
    ("header", PersistBy::Header),
    ("query", PersistBy::Query),
    ("path", PersistBy::Path),
];

/// `[[service.persistence.quic]]`
pub(crate) struct Quic {
    pub(crate) config: Option<At<u8>>,
    pub(crate) server_id_length: Option<At<u8>>,
    pub(crate) nonce_length: Option<At<u8>>,
    /// The file has a key, be it good or bad.
    pub(crate) has_key: bool,
    pub(crate) key: Option<At<Key>>,
}

impl Persistence {
    /// What HTTP goes by is required only there.
    pub(super) fn read(mut table: Reader<'_>, protocol: Option<Protocol>) -> Self {
        let by = table.one_or_list_of("by", &BY);
        let by = by.or_else(|place| vec![At { value: defaults::BY, place, given: false }]);
        let required = [(PersistBy::Header, "header"), (PersistBy::Query, "query")];
        for (_, key) in required.into_iter().filter(|&(word, _)| find(by.as_ref(), word).is_some()) {
            if protocol == Some(Protocol::Http) {
                table.require(&[key]);
            }
        }
        let persistence = Self {
            is_list: table.is_list("by"),
            header: table.parsed("header", http::A_HEADER, http::header).given(),
            query: table.parsed("query", http::A_PARAMETER, http::parameter).given(),
            path_segments: table
                .integer("path_segments", defaults::PATH_SEGMENTS_RANGE)
                .or(defaults::PATH_SEGMENTS),
            cookie: Cookie::read(table.table("cookie", "[service.persistence.cookie]")),
            prefix_v4: table.integer("prefix_v4", 1..=32).or(defaults::PREFIX_V4),
            prefix_v6: table.integer("prefix_v6", 1..=128).or(defaults::PREFIX_V6),
            idle_timeout: table
                .duration("idle_timeout", &defaults::IDLE_TIMEOUT_RANGE)
                .or(defaults::IDLE_TIMEOUT),
            max_lifetime: table.duration("max_lifetime", &defaults::MAX_LIFETIME_RANGE).given(),
            quic: table
                .tables("quic", "[[service.persistence.quic]]")
                .given()
                .map(|it| it.map(|tables| tables.into_iter().map(Quic::read).collect())),
            group: table.string("group").given(),
            on_down: table
                .one_of(
                    "on_down",
                    &[
                        ("repin", OnDown::Repin),
                        ("lend", OnDown::Lend),
                        ("refuse", OnDown::Refuse),
                        ("hold", OnDown::Hold),
                    ],
                )
                .or(defaults::ON_DOWN),
            hold: table.duration("hold", &defaults::HOLD_RANGE).or(defaults::HOLD),
            on_drain: table
                .one_of("on_drain", &[("keep", OnDrain::Keep), ("move", OnDrain::Move)])
                .or(defaults::ON_DRAIN),
            drain_deadline: table.duration("drain_deadline", &defaults::DRAIN_DEADLINE_RANGE).given(),
            on_full: table
                .one_of("on_full", &[("hash", OnFull::Hash), ("refuse", OnFull::Refuse)])
                .or(defaults::ON_FULL),
            masks: table
                .tables("mask", "[[service.persistence.mask]]")
                .given()
                .map(|it| it.map(|tables| tables.into_iter().map(Mask::read).collect())),
            by,
        };
        table.finish();
        persistence
    }

    /// The word, where `by` has it.
    pub(crate) fn find(&self, word: PersistBy) -> Option<&At<PersistBy>> {
        find(self.by.as_ref(), word)
    }

    /// The word of `by`, where that is the only one.
    pub(crate) fn only(&self) -> Option<PersistBy> {
        match self.by.as_ref()?.value[..] {
            [ref one] => Some(one.value),
            _ => None,
        }
    }
}

fn find(by: Option<&At<Vec<At<PersistBy>>>>, word: PersistBy) -> Option<&At<PersistBy>> {
    by?.value.iter().find(|at| at.value == word)
}

impl PersistBy {
    /// How the file writes it.
    pub(crate) fn word(self) -> &'static str {
        BY.iter().find_map(|&(word, by)| (by == self).then_some(word)).unwrap_or_default()
    }
}

impl Mask {
    fn read(mut table: Reader<'_>) -> Self {
        table.require(&["prefix", "bits"]);
        let mask = Self {
            prefix: table.parsed("prefix", values::A_PREFIX, values::prefix).given(),
            bits: table.integer("bits", 1..=128).given(),
        };
        table.finish();
        mask
    }
}

impl Quic {
    fn read(mut table: Reader<'_>) -> Self {
        table.require(&["config", "server_id_length", "nonce_length"]);
        let quic = Self {
            config: table.integer("config", 0..=Scheme::LAST_ROTATION).given(),
            server_id_length: table.integer("server_id_length", 1..=Scheme::LONGEST_SERVER_ID).given(),
            nonce_length: table.integer("nonce_length", defaults::NONCE_LENGTH_RANGE).given(),
            has_key: table.has("key"),
            key: table.parsed("key", values::A_KEY, values::key).given(),
        };
        table.finish();
        quic
    }
}
