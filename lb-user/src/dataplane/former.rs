//! Sessions in the maps of an older layout: fresher than any snapshot, where the shape of these maps is known.

use std::{ops::RangeInclusive, os::fd::AsFd as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Array, Map, MapData};
use lb_common::{
    net::Ip,
    state::{Backend, BackendId, Health, Pin, Plain, SessionKey},
    tables::Store,
    time::Tick,
};

use super::{Name, Program, StoredSession, batch, pins::Pins, raw::Raw};

/// Layouts of which this is true: keys, names and recipes are what they are now, a state is a word with [`Health`] in
/// its lower bits that is 0 for nobody, and a session is two words, as [`pin`] reads them, or from [`AS_NOW`] on three, as
/// they are now.
const KNOWN: RangeInclusive<u32> = 2..=5;
const AS_NOW: u32 = 4;

/// What an older layout's maps know of sessions.
#[derive(Debug)]
pub struct Former {
    /// Of these maps.
    pub layout: u32,
    /// Whose sessions they are.
    pub backends: Vec<(BackendId, Name, Backend)>,
    affinity: MapData,
    pins: MapData,
}

impl Program {
    /// The maps of the layout whose place this program takes; `None` if there is none, or its shape is not known.
    ///
    /// # Errors
    /// They can't be read, or are not what they should be.
    pub fn former(&self) -> Result<Option<Former>> {
        let others = self.pins().map(Pins::running_others).transpose()?.unwrap_or_default();
        let known = others.into_iter().find(|(layout, _)| KNOWN.contains(layout));
        known.map(|(layout, dir)| Former::open(*layout, dir)).transpose()
    }
}

impl Former {
    fn open(layout: u32, dir: &Path) -> Result<Self> {
        let names: Array<MapData, Raw<Name>> = array::<Name>(dir, "NAMES")?.try_into()?;
        let recipes: Array<MapData, Raw<Backend>> = array::<Backend>(dir, "BACKENDS")?.try_into()?;
        let states: Array<MapData, Raw<u32>> = array::<u32>(dir, "HEALTH")?.try_into()?;
        let mut backends = Vec::new();
        for id in 1..states.len() {
            if Health::from_word(states.get(&id, 0)?.0) != Health::Absent {
                backends.push((BackendId(id), names.get(&id, 0)?.0, recipes.get(&id, 0)?.0));
            }
        }
        let sessions = |name| match layout < AS_NOW {
            true => open::<SessionKey, [u64; 2]>(dir, name),
            false => open::<SessionKey, [u64; 3]>(dir, name),
        };
        Ok(Self { layout, backends, affinity: sessions("AFFINITY")?, pins: sessions("PINS")? })
    }

    /// Calls `each` for every stored session.
    ///
    /// # Errors
    /// A system call failed.
    pub fn for_each(&self, mut each: impl FnMut(&StoredSession)) -> Result<()> {
        for (map, store) in [(&self.affinity, Store::Affinity), (&self.pins, Store::Pins)] {
            let fd = map.fd().as_fd();
            let key = SessionKey { scope: 0, client: Ip::default() };
            let mut found = |key: &SessionKey, pin| each(&StoredSession { key: *key, pin, store });
            match self.layout < AS_NOW {
                true => batch::for_each(fd, (key, [0; 2]), |key, words| found(key, pin(*words))),
                false => batch::for_each(fd, (key, [0; 3]), |key, words| found(key, Pin::from_words(*words))),
            }
            .with_context(|| format!("cannot read {store:?}"))?;
        }
        Ok(())
    }
}

/// Backend and its generation, when it was made and seen: the low and the high half of each.
fn pin([home, times]: [u64; 2]) -> Pin {
    let pin = Pin::new(BackendId(home as u32), (home >> 32) as u32, Tick(times as u32));
    Pin { seen: Tick((times >> 32) as u32), ..pin }
}

fn array<V: Plain>(dir: &Path, name: &str) -> Result<Map> {
    Ok(Map::Array(open::<u32, V>(dir, name)?))
}

/// A pinned map, if it has these keys and values.
fn open<K: Plain, V: Plain>(dir: &Path, name: &str) -> Result<MapData> {
    let path = dir.join(name);
    let map = MapData::from_pin(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let info = map.info()?;
    let found = (info.key_size() as usize, info.value_size() as usize);
    let known = (size_of::<K>(), size_of::<V>());
    ensure!(found == known, "{} has keys and values of {found:?} bytes, not {known:?}", path.display());
    Ok(map)
}
