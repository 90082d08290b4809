//! Sessions by the million, made without a million clients.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, Map, MapData};

/// A session's key and value as words: scope and client; home, times and connections.
type Sessions = HashMap<MapData, [u64; 3], [u64; 3]>;

/// Makes sessions like the one that is there, for other clients, in the maps pinned in `directory`; returns how long that
/// took.
pub fn fill(directory: &Path, sessions: u32) -> Result<Duration> {
    let begin = Instant::now();
    let open = |name: &str| -> Result<Sessions> {
        Ok(Map::HashMap(MapData::from_pin(directory.join(name))?).try_into()?)
    };
    let mut map = open("PINS")?;
    let mut found = map.iter().next();
    if found.is_none() {
        let affinity: Sessions =
            Map::LruHashMap(MapData::from_pin(directory.join("AFFINITY"))?).try_into()?;
        found = affinity.iter().next();
    }
    let (key, value) = found.context("the client has no session")??;
    // An IPv4 address is the last four bytes; the clients are those of 198.18.0.0/12.
    for number in 0..sessions {
        let mut client = key;
        let bytes = (0xC612_0000u32 + number).to_be_bytes();
        client[2] = (client[2] & 0xFFFF_FFFF) | u64::from(u32::from_ne_bytes(bytes)) << 32;
        map.insert(client, value, 0)?;
    }
    Ok(begin.elapsed())
}
