//! The feeders: many connections in one test run, or the same packet where programs wrap it.

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
    program: &'static str,
    next: Array<MapData, u32>,
    /// The slot empties when its map goes.
    _target: ProgramArray<MapData>,
}

impl Feed {
    /// Loads the feeder from `object`; packets go on to `target`, from `sources` different sources in
    /// turn.
    pub(crate) fn load(object: &Path, target: &Xdp, sources: u32) -> Result<Self> {
        Self::start(
            "limpet_feed",
            EbpfLoader::new().override_global("SOURCES", &sources, true),
            object,
            target,
        )
    }

    /// Loads one that takes off what `target` put before `frame`.
    pub(crate) fn unwrap(object: &Path, target: &Xdp, frame: &[u8]) -> Result<Self> {
        let length = u32::try_from(frame.len())?;
        let [first, second] = *frame.get(12..14).context("a frame has a type")? else {
            unreachable!("two bytes")
        };
        let kind = u32::from(u16::from_ne_bytes([first, second]));
        let mut loader = EbpfLoader::new();
        loader.override_global("LENGTH", &length, true).override_global("TYPE", &kind, true);
        Self::start("limpet_unwrap", &mut loader, object, target)
    }

    fn start(
        program: &'static str,
        loader: &mut EbpfLoader<'_>,
        object: &Path,
        target: &Xdp,
    ) -> Result<Self> {
        let mut ebpf =
            loader.load_file(object).with_context(|| format!("cannot load {}", object.display()))?;
        let xdp: &mut Xdp =
            ebpf.program_mut(program).with_context(|| format!("the object lacks `{program}`"))?.try_into()?;
        xdp.load().context("the kernel refused the feeder")?;
        let next = Array::try_from(ebpf.take_map("NEXT").context("the feeder lacks NEXT")?)?;
        let mut slot = ProgramArray::try_from(ebpf.take_map("TARGET").context("the feeder lacks TARGET")?)?;
        slot.set(0, target.fd()?, 0).context("cannot put the program behind the feeder")?;
        Ok(Self { ebpf, program, next, _target: slot })
    }

    /// The program to run.
    pub(crate) fn xdp(&self) -> Result<&Xdp> {
        Ok(self.ebpf.program(self.program).context("was loaded")?.try_into()?)
    }

    /// Begins again with the first source.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        Ok(self.next.set(0, 0, 0)?)
    }
}
