//! The feeder: many connections in one test run.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, ProgramArray},
    programs::Xdp,
};

/// A loaded feeder, in front of one program.
pub(crate) struct Feed {
    ebpf: Ebpf,
    next: Array<MapData, u32>,
    /// The slot empties when its map goes.
    _target: ProgramArray<MapData>,
}

impl Feed {
    /// Loads the feeder from `object`; packets go on to `target`, from `sources` different sources in
    /// turn.
    pub(crate) fn load(object: &Path, target: &Xdp, sources: u32) -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .override_global("SOURCES", &sources, true)
            .load_file(object)
            .with_context(|| format!("cannot load {}", object.display()))?;
        let program: &mut Xdp =
            ebpf.program_mut("limpet_feed").context("the object lacks `limpet_feed`")?.try_into()?;
        program.load().context("the kernel refused the feeder")?;
        let next = Array::try_from(ebpf.take_map("NEXT").context("the feeder lacks NEXT")?)?;
        let mut slot = ProgramArray::try_from(ebpf.take_map("TARGET").context("the feeder lacks TARGET")?)?;
        slot.set(0, target.fd()?, 0).context("cannot put the program behind the feeder")?;
        Ok(Self { ebpf, next, _target: slot })
    }

    /// The program to run.
    pub(crate) fn xdp(&self) -> Result<&Xdp> {
        Ok(self.ebpf.program("limpet_feed").context("the object lacks `limpet_feed`")?.try_into()?)
    }

    /// Begins again with the first source.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        Ok(self.next.set(0, 0, 0)?)
    }
}
