//! Stored sessions, for any thread: all of them, one of them, those that are put back and those that are moved.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, IterableMap as _, Map, MapData, MapError};
use lb_common::{
    hash,
    net::Ip,
    settings::Settings,
    shared::Word,
    state::{Pin, Session, SessionKey, stranger},
    tables::Store,
};

use super::{StoredSession, batch, grace, mapped::Mapped, raw::Raw, write::removed};

/// A session's words, as a map value that can be copied.
pub(super) type SessionWords = [u64; 3];
type Table = HashMap<MapData, Raw<SessionKey>, Raw<SessionWords>>;

/// `BPF_EXIST` (include/uapi/linux/bpf.h): only over an entry that is there.
const BPF_EXIST: u64 = 2;

/// Both maps of sessions, and who has none.
#[derive(Debug)]
pub struct Sessions {
    affinity: Table,
    pins: Table,
    strangers: Arc<Mapped<Word>>,
    settings: Settings,
}

/// What became of a session that was to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rehomed {
    /// It is there now.
    Moved,
    /// It has ended.
    Ended,
    /// It is of another home than was thought.
    Elsewhere,
}

impl Sessions {
    pub(super) fn new(
        [affinity, pins]: [Map; 2],
        strangers: Arc<Mapped<Word>>,
        settings: Settings,
    ) -> Result<Self> {
        Ok(Self { affinity: affinity.try_into()?, pins: pins.try_into()?, strangers, settings })
    }

    /// The same maps, for another thread.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn try_clone(&self) -> Result<Self> {
        let data = |map: BorrowedFd<'_>| anyhow::Ok(MapData::from_fd(map.try_clone_to_owned()?)?);
        let affinity = Map::LruHashMap(data(self.fd(Store::Affinity))?);
        let pins = Map::HashMap(data(self.fd(Store::Pins))?);
        Self::new([affinity, pins], Arc::clone(&self.strangers), self.settings)
    }

    const fn of(&self, store: Store) -> &Table {
        match store {
            Store::Pins => &self.pins,
            Store::Affinity => &self.affinity,
        }
    }

    const fn of_mut(&mut self, store: Store) -> &mut Table {
        match store {
            Store::Pins => &mut self.pins,
            Store::Affinity => &mut self.affinity,
        }
    }

    fn fd(&self, store: Store) -> BorrowedFd<'_> {
        self.of(store).map().fd().as_fd()
    }

    /// Calls `each` for every stored session, those of strangers first: one that is moved meanwhile is seen twice
    /// rather than missed.
    ///
    /// # Errors
    /// A system call failed.
    pub fn for_each(&self, mut each: impl FnMut(&StoredSession)) -> Result<()> {
        for store in [Store::Affinity, Store::Pins] {
            let zero = (SessionKey { scope: 0, client: Ip::default() }, SessionWords::default());
            batch::for_each(self.fd(store), zero, |key, words| {
                each(&StoredSession { key: *key, pin: Pin::from_words(*words), store });
            })
            .with_context(|| format!("cannot read {store:?}"))?;
        }
        Ok(())
    }

    /// The same; and from then on whoever was not among them, and has not come since, is known for a stranger. Only one
    /// such walk may be under way.
    ///
    /// # Errors
    /// As above; what was known before, still is.
    pub fn survey(&self, mut each: impl FnMut(&StoredSession)) -> Result<()> {
        // Packets that have seen the other half in force must not read it any more.
        grace::wait();
        let survey = stranger::Survey::begin(&self.strangers);
        self.for_each(|session| {
            self.meet(&session.key);
            each(session);
        })?;
        // What was cleared meanwhile is to be seen before the half is.
        grace::wait();
        survey.finish();
        Ok(())
    }

    /// Whoever has a session is no stranger: called after it was stored.
    fn meet(&self, key: &SessionKey) {
        let hash = hash::client(&self.settings, key.scope, key.client);
        let word = |index: u32| self.strangers.get(index as usize);
        stranger::meet(word, hash, self.settings.ghost_mask.get());
    }

    /// Nobody is known for a stranger any more: the maps may be of a version that didn't know of that.
    pub(super) fn doubt(&self) {
        stranger::doubt(&self.strangers);
    }

    /// A stored session as it is now.
    ///
    /// # Errors
    /// The system call failed.
    pub fn get(&self, store: Store, key: &SessionKey) -> Result<Option<Pin>> {
        match self.of(store).get(&Raw(*key), 0) {
            Ok(words) => Ok(Some(Pin::from_words(words.0))),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a session. One that is not there is no error.
    ///
    /// # Errors
    /// The system call failed.
    pub fn remove(&mut self, store: Store, key: &SessionKey) -> Result<()> {
        removed(self.of_mut(store).remove(&Raw(*key)))
    }

    /// Removes a session, in whichever map it is, if it is still one that is `meant`. True if so.
    ///
    /// # Errors
    /// A system call failed.
    pub fn remove_if(&mut self, key: &SessionKey, meant: impl Fn(&Pin) -> bool) -> Result<bool> {
        // A client that proves itself meanwhile goes from one to the other, in this order.
        for store in [Store::Affinity, Store::Pins] {
            if self.get(store, key)?.is_some_and(|pin| meant(&pin)) {
                self.remove(store, key)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores sessions, no more than the map has room for.
    ///
    /// # Errors
    /// A system call failed; some are stored then.
    pub fn store(&mut self, store: Store, sessions: &[(SessionKey, Pin)]) -> Result<()> {
        let (keys, values): (Vec<_>, Vec<_>) =
            sessions.iter().map(|&(key, pin)| (key, Session::from(pin))).unzip();
        let stored = batch::update(self.fd(store), &keys, &values);
        keys.iter().for_each(|key| self.meet(key));
        stored.with_context(|| format!("cannot write {store:?}"))
    }

    /// Writes a session as it is now; one that has ended meanwhile is not made again. What the packet program writes between
    /// its reading and this is lost, see [`Sessions::rehome`].
    ///
    /// # Errors
    /// The system call failed.
    pub fn replace(&mut self, store: Store, key: &SessionKey, session: &Session) -> Result<()> {
        match self.of_mut(store).insert(Raw(*key), Raw(session.words()), BPF_EXIST) {
            Ok(()) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a session; false if the map has no room.
    ///
    /// # Errors
    /// The system call failed for another reason.
    pub fn insert(&mut self, store: Store, key: &SessionKey, pin: &Pin) -> Result<bool> {
        match self.of_mut(store).insert(Raw(*key), Raw(Session::from(*pin).words()), 0) {
            Ok(()) => {
                self.meet(key);
                Ok(true)
            }
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::E2BIG) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a session that is at home at `from` the home of `to`; what else it holds stays as it is.
    ///
    /// An update replaces the whole entry. So one that was removed since it was read is not made again, and what the
    /// packet program writes in the two microseconds between is lost: the time of a packet, which the client's next one
    /// brings anew.
    ///
    /// # Errors
    /// A system call failed.
    pub fn rehome(&mut self, key: &SessionKey, from: &Pin, to: &Pin) -> Result<Rehomed> {
        let key = Raw(*key);
        for store in [Store::Pins, Store::Affinity] {
            let map = self.of_mut(store);
            let mut words = match map.get(&key, 0) {
                Ok(words) => words.0,
                Err(MapError::KeyNotFound) => continue,
                Err(error) => return Err(error.into()),
            };
            if !Pin::from_words(words).same_home(from) {
                return Ok(Rehomed::Elsewhere);
            }
            // The first word is the home; its client is no longer away from it.
            words[0] = u64::from(to.backend.0) | u64::from(to.generation) << 32;
            return match map.insert(key, Raw(words), BPF_EXIST) {
                Ok(()) => Ok(Rehomed::Moved),
                Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
                    Ok(Rehomed::Ended)
                }
                Err(error) => Err(error.into()),
            };
        }
        Ok(Rehomed::Ended)
    }
}
