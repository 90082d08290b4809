//! Where maps and links are pinned, and whether what is found there fits.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use aya::maps::MapInfo;
use lb_common::state::LAYOUT_VERSION;

use super::specs::Spec;

/// The difference that a configuration can make.
const ENTRIES: &str = "entries";

/// The directory of one daemon's pins, of this layout.
#[derive(Debug, Clone)]
pub struct Pins {
    dir: PathBuf,
    /// Those of other layouts by their versions, which another limpet left.
    others: Vec<(u32, PathBuf)>,
}

impl Pins {
    /// Prepares the directory: `root` is the daemon's, the layout's version is a directory in it.
    ///
    /// # Errors
    /// No bpf file system there, no rights, or something there that no limpet pins.
    pub fn open(root: &Path) -> Result<Self> {
        let dir = root.join(format!("v{LAYOUT_VERSION}"));
        let there = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        if !is_bpffs(there) {
            bail!(
                "no bpf file system at {}, so nothing can be pinned there: \
                 mount one with `mount -t bpf bpf /sys/fs/bpf`, or name a directory on one with --pins",
                root.display()
            );
        }
        fs::create_dir_all(&dir).with_context(|| {
            format!(
                "cannot create {}: run as root, or name a directory with --pins that this user may write to",
                dir.display()
            )
        })?;
        let mut others = Vec::new();
        for entry in fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))? {
            let other = entry?.path();
            if other == dir {
                continue;
            }
            let Some(layout) = layout(&other) else {
                bail!(
                    "{} is not of limpet's making: remove it, or name another directory with --pins",
                    other.display()
                );
            };
            others.push((layout, other));
        }
        Ok(Self { dir, others })
    }

    /// Path of a map's pin.
    pub fn map(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Path of the pin of an interface's link, which tells its mode too, as the kernel's handle to a
    /// link doesn't. Dots are not allowed in names on a bpf file system.
    pub fn link(&self, mode: &str, interface: &str) -> PathBuf {
        self.dir.join(format!("link-{mode}-{}", interface.replace('.', "_")))
    }

    /// All pinned links.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn links(&self) -> Result<Vec<PathBuf>> {
        links(&self.dir)
    }

    /// The links of this interface and mode that other layouts have.
    pub fn other_links(&self, mode: &str, interface: &str) -> impl Iterator<Item = PathBuf> {
        let name = self.link(mode, interface).file_name().map(OsStr::to_owned).unwrap_or_default();
        self.others.iter().map(move |(_, other)| other.join(&name)).filter(|link| link.exists())
    }

    /// The other layouts whose programs packets are the affair of; none, where this one has links of its own.
    ///
    /// # Errors
    /// A directory can't be read.
    pub fn running_others(&self) -> Result<Vec<&(u32, PathBuf)>> {
        let mut running = Vec::new();
        if self.links()?.is_empty() {
            for other in &self.others {
                if !links(&other.1)?.is_empty() {
                    running.push(other);
                }
            }
        }
        Ok(running)
    }

    /// Removes what other layouts left: their links detach, their maps are freed.
    ///
    /// # Errors
    /// A pin can't be removed.
    pub fn remove_others(&self) -> Result<()> {
        for (_, other) in &self.others {
            fs::remove_dir_all(other).with_context(|| format!("cannot remove {}", other.display()))?;
        }
        Ok(())
    }

    /// Removes the directory with all pins. What nobody else holds is freed by the kernel: links
    /// detach.
    ///
    /// # Errors
    /// A pin can't be removed.
    pub fn remove(&self) -> io::Result<()> {
        self.clear()?;
        fs::remove_dir(&self.dir)?;
        // The parent is the daemon's own too; it stays if something else lies there.
        if let Some(root) = self.dir.parent() {
            let _left = fs::remove_dir(root);
        }
        Ok(())
    }

    /// Removes all pins, and keeps the directory.
    ///
    /// # Errors
    /// A pin can't be removed.
    pub fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Compares pinned maps with what is needed; all differences in one error. The kernel's library
    /// would take them as they are, and a difference in size would corrupt whoever reads.
    ///
    /// # Errors
    /// A map differs, is missing, or can't be opened.
    pub fn verify(&self, specs: &[Spec]) -> Result<()> {
        let mut differences = Vec::new();
        let mut other_version = false;
        for spec in specs {
            let path = self.map(spec.name);
            if !path.exists() {
                differences.push(format!("{} is missing", spec.name));
                other_version = true;
                continue;
            }
            let info = MapInfo::from_pin(&path)
                .with_context(|| format!("cannot open the pinned map {}", path.display()))?;
            let mut differs = |what: &str, found: u32, wanted: u32| {
                if found != wanted {
                    differences.push(format!("{}: {what} {found}, wanted {wanted}", spec.name));
                    other_version |= what != ENTRIES || !spec.is_sized();
                }
            };
            differs("type", info.map_type().map_or(0, |kind| kind as u32), spec.kind as u32);
            differs("key size", info.key_size(), spec.key);
            differs("value size", info.value_size(), spec.value);
            differs(ENTRIES, info.max_entries(), spec.entries);
            differs("flags", info.map_flags(), spec.flags);
        }
        if differences.is_empty() {
            return Ok(());
        }
        let remedy = if other_version {
            "Another version of limpet made them: run that one, or give up the connections and the sessions since the \
             last snapshot:"
        } else {
            "Sizes come from [limits] and [nat] ports and can't change while the maps live: put the old values \
             back, or give up the connections: run once more with the old values and `--detach-on-exit`, which keeps \
             the sessions, or give up those since the last snapshot, too:"
        };
        bail!(
            "the maps pinned in {} don't fit:\n  {}\n{remedy} rm -r {} (this detaches the packet program)",
            self.dir.display(),
            differences.join("\n  "),
            self.dir.display()
        )
    }
}

fn links(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"link-")) {
            links.push(path);
        }
    }
    Ok(links)
}

/// The version of a layout's directory: `v1`, `v2` and so on.
fn layout(path: &Path) -> Option<u32> {
    let version = path.file_name()?.to_str()?.strip_prefix('v')?.parse().ok()?;
    path.is_dir().then_some(version)
}

fn is_bpffs(dir: &Path) -> bool {
    nix::sys::statfs::statfs(dir).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}
