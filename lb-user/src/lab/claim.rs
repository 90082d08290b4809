//! Which labs there are, and which of them have lost their process.
//!
//! A lab owns `/run/limpet-lab/ID`, `/sys/fs/bpf/limpet-lab/ID` and every namespace whose name begins with `limpet-ID-`; `ID` is the maker's process
//! and a running number. The lock on the directory's `lock` file goes with the process, however it ends,
//! so a lab whose lock can be had has no owner.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};

use super::netns::Netns;

const LABS: &str = "/run/limpet-lab";
const PINS: &str = "/sys/fs/bpf/limpet-lab";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Ownership of a lab's names. Dropping it removes everything that goes by them.
#[derive(Debug)]
pub(super) struct Claim {
    id: String,
    _lock: File,
}

impl Claim {
    /// Removes what labs without an owner left behind, then claims a name of its own.
    pub(super) fn new() -> Result<Self> {
        let _gate = gate()?;
        fs::create_dir_all(LABS).with_context(|| format!("cannot make {LABS} (a lab needs root)"))?;
        sweep()?;
        let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // With the parent, which the last of those remains took along.
        fs::create_dir_all(directory(&id))?;
        let lock = File::create(directory(&id).join("lock"))?;
        lock.lock()?;
        Ok(Self { id, _lock: lock })
    }

    /// Name of the namespace that plays `role`.
    pub(super) fn namespace(&self, role: &str) -> String {
        format!("{}{role}", prefix(&self.id))
    }

    /// A directory that lives as long as the lab.
    pub(super) fn directory(&self) -> PathBuf {
        directory(&self.id)
    }

    /// Where the daemon of the namespace that plays `role` pins what it loads: on the machine's one BPF file system. Made by
    /// the daemon.
    pub(super) fn pins(&self, role: &str) -> PathBuf {
        Path::new(PINS).join(&self.id).join(role)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let removed = gate().and_then(|_gate| remove(&self.id));
        if let Err(error) = removed {
            eprintln!("limpet: cannot remove lab {}: {error:#}; the next start tries again", self.id);
        }
    }
}

/// Held while labs are claimed or removed, by whatever process: nobody may take a directory just made for one
/// left behind, nor remove the empty parent of one about to be made.
fn gate() -> Result<File> {
    let gate = File::open("/run")?;
    gate.lock()?;
    Ok(gate)
}

/// Removes the labs whose process is gone.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(LABS)? {
        let Ok(id) = entry?.file_name().into_string() else {
            continue;
        };
        let ownerless = match File::open(directory(&id).join("lock")) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            },
            // Killed between making the directory and the lock. Files here are no labs.
            Err(_) => directory(&id).is_dir(),
        };
        if ownerless {
            remove(&id).with_context(|| format!("cannot remove the remains of lab {id}"))?;
        }
    }
    Ok(())
}

/// Ends a lab: its processes, its namespaces, its pins, its files.
fn remove(id: &str) -> Result<()> {
    for namespace in Netns::with_prefix(&prefix(id)) {
        namespace.remove()?;
    }
    let pins = Path::new(PINS).join(id);
    if pins.exists() {
        fs::remove_dir_all(pins)?;
    }
    fs::remove_dir_all(directory(id))?;
    for parent in [PINS, LABS] {
        // Other labs keep it.
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}

fn prefix(id: &str) -> String {
    format!("limpet-{id}-")
}

fn directory(id: &str) -> PathBuf {
    Path::new(LABS).join(id)
}
