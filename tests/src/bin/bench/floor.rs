//! Programs that do one thing of what the packet program does.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData},
    programs::Xdp,
};

/// Which thing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Reading the headers. Each of the others begins with that.
    Parse,
    /// Looking a session's key up in a hash map of the kernel.
    Hash,
    /// Looking for one that is not there, in a map of that size.
    Miss,
    /// Reading a line of 64 bytes of an array.
    Read,
    /// Writing one.
    Write,
    /// Reading one that what the packet before read has a say in: the processor can't be ahead.
    Wait,
}

impl Part {
    const fn program(self) -> &'static str {
        match self {
            Self::Parse => "limpet_floor_parse",
            Self::Hash | Self::Miss => "limpet_floor_hash",
            Self::Read => "limpet_floor_line",
            Self::Write => "limpet_floor_write",
            Self::Wait => "limpet_floor_wait",
        }
    }
}

/// A loaded program.
pub(crate) struct Floor {
    ebpf: Ebpf,
    part: Part,
}

impl Floor {
    /// Loads it from `object`, with so many lines or keys, a power of two.
    pub(crate) fn load(object: &Path, part: Part, places: u32) -> Result<Self> {
        let (keys, lines) = if matches!(part, Part::Hash | Part::Miss) { (places, 1) } else { (1, places) };
        let mut ebpf = EbpfLoader::new()
            .override_global("MASK", &(places - 1), true)
            .override_global("THERE", &u32::from(part == Part::Hash), true)
            .map_max_entries("LINES", lines)
            .map_max_entries("KEYS", keys)
            .load_file(object)
            .with_context(|| format!("cannot load {}", object.display()))?;
        if part == Part::Hash {
            let mut keys: HashMap<&mut MapData, [u64; 3], u64> =
                ebpf.map_mut("KEYS").context("the object lacks KEYS")?.try_into()?;
            for place in 0..places {
                keys.insert([place.into(), 0, 1], 0, 0)?;
            }
        }
        let xdp: &mut Xdp = ebpf.program_mut(part.program()).context("the object lacks it")?.try_into()?;
        xdp.load().context("the kernel refused a floor program")?;
        Ok(Self { ebpf, part })
    }

    /// The program to run.
    pub(crate) fn xdp(&self) -> Result<&Xdp> {
        Ok(self.ebpf.program(self.part.program()).context("was loaded")?.try_into()?)
    }
}
