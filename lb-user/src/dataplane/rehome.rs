//! Sessions that are given to another backend.

use anyhow::Result;
use aya::maps::MapError;
use lb_common::{
    state::{Pin, SessionKey},
    tables::Store,
};

use super::{Kernel, raw::Raw};

/// `BPF_EXIST` (include/uapi/linux/bpf.h): only over an entry that is there.
const BPF_EXIST: u64 = 2;

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

impl Kernel {
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
            let map = match store {
                Store::Pins => &mut self.pins,
                Store::Affinity => &mut self.affinity,
            };
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
