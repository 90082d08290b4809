mod file;
mod rules;

use std::net::IpAddr;

use lb_common::{
    net::{Be16, Ip},
    state::Backend,
    tables::Store,
};

use super::{Entry, Home, Writer};
use crate::{health::BackendKey, plan};

/// When snapshots in tests are written.
const WRITTEN: u64 = 1_800_000_000;

fn home(number: u8) -> Home {
    let key = BackendKey { service: "web".to_owned(), backend: format!("web-{number}") };
    let recipe = Backend {
        address: Ip::from(IpAddr::from([10, 0, 0, number])),
        service_address: Ip::from(IpAddr::from([192, 0, 2, 10])),
        service_tag: plan::tag(&key.service),
        port: Be16::new(8080),
        protocol: 6,
        ..Backend::default()
    };
    Home::new(key, &recipe)
}

/// A session that began and was seen so many seconds before the snapshot.
fn entry(number: u32, home: u32, age: u32, idle: u32) -> Entry {
    let client = Ip::from(IpAddr::from(number.to_be_bytes()));
    let written = WRITTEN as u32;
    Entry { client, home, created: written - age, seen: written - idle, connections: number }
}

fn bytes(homes: &[Home], sessions: &[(Store, Entry)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), WRITTEN, homes).unwrap();
    sessions.iter().for_each(|&(store, entry)| writer.add(store, entry));
    let (bytes, totals) = writer.finish().unwrap();
    assert_eq!((totals.sessions, totals.bytes), (sessions.len() as u64, bytes.len() as u64));
    bytes
}
