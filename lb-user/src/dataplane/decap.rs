//! The packet program of `limpet decap` and its maps. Nothing is pinned: it goes with its process.

use std::{collections::BTreeSet, fmt};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{
        MapData, PerCpuArray,
        lpm_trie::{Key, LpmTrie},
    },
    programs::Xdp,
};
use lb_common::decap::{Reason, Rule};

use super::{
    LoadError, Mode, attach,
    load::{explain_load, explain_program},
    write::removed,
};
use crate::model::AttachMode;

/// Its object file; empty in a build without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/limpet-decap.bpf.o"));

const NAME: &str = "limpet_decap";

/// The loaded program. Dropping it detaches it.
pub struct Decap {
    ebpf: Ebpf,
    rules: LpmTrie<MapData, [u32; 5], u32>,
    installed: BTreeSet<Rule>,
    counters: PerCpuArray<MapData, u64>,
}

impl fmt::Debug for Decap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decap").field("installed", &self.installed).finish_non_exhaustive()
    }
}

impl Decap {
    /// Loads the program, without rules: it passes everything. `gue_port` is the UDP port of GUE tunnels.
    ///
    /// # Errors
    /// [`LoadError`], or the verifier's refusal.
    pub fn load(gue_port: u16) -> Result<Self> {
        if OBJECT.is_empty() {
            return Err(LoadError::NoObject.into());
        }
        let mut loader = EbpfLoader::new();
        loader.override_global("GUE_PORT", &gue_port, true);
        let mut ebpf = loader.load(OBJECT).map_err(explain_load)?;
        let program: &mut Xdp = ebpf.program_mut(NAME).context("the object lacks its program")?.try_into()?;
        program.load().map_err(explain_program)?;
        let mut map =
            |name: &'static str| ebpf.take_map(name).with_context(|| format!("the object lacks {name}"));
        let (rules, counters) = (map("RULES")?.try_into()?, map("COUNTERS")?.try_into()?);
        Ok(Self { ebpf, rules, installed: BTreeSet::new(), counters })
    }

    /// Attaches it to the interface `name` with index `ifindex`; says which hook it got.
    ///
    /// # Errors
    /// Another XDP program is there, the driver can't do what `mode` demands, no rights.
    pub fn attach(&mut self, name: &str, ifindex: u32, mode: AttachMode) -> Result<Mode> {
        attach::attach_fresh(self.xdp(), name, ifindex, mode).map(|(_, mode)| mode)
    }

    /// Makes `wanted` the rules. What stays is not touched, and what is new is there before anything goes.
    ///
    /// # Errors
    /// More than [`Rule::ROOM`], or a system call failed.
    pub fn set_rules(&mut self, wanted: BTreeSet<Rule>) -> Result<()> {
        let key = |rule: &Rule| Key::new(rule.bits(), rule.data());
        for rule in wanted.difference(&self.installed) {
            self.rules.insert(&key(rule), 1, 0).with_context(|| {
                format!("cannot install a rule (of {}; {} fit)", wanted.len(), Rule::ROOM)
            })?;
        }
        for rule in self.installed.difference(&wanted) {
            removed(self.rules.remove(&key(rule))).context("cannot remove a rule")?;
        }
        self.installed = wanted;
        Ok(())
    }

    /// All counters, summed over the CPUs.
    ///
    /// # Errors
    /// A system call failed.
    pub fn figures(&self) -> Result<Vec<(Reason, u64)>> {
        let sum = |&reason: &Reason| Ok((reason, self.counters.get(&(reason as u32), 0)?.iter().sum()));
        Reason::ALL.iter().map(sum).collect()
    }

    /// Detaches the program; returns all that it counted.
    ///
    /// # Errors
    /// A system call failed.
    pub fn finish(mut self) -> Result<Vec<(Reason, u64)>> {
        self.xdp().unload().context("cannot detach")?;
        self.figures()
    }

    /// The program itself, to be attached or run by `test_run`.
    ///
    /// # Panics
    /// Never: [`Decap::load`] saw it.
    pub fn xdp(&mut self) -> &mut Xdp {
        self.ebpf.program_mut(NAME).and_then(|program| program.try_into().ok()).expect("seen at load")
    }
}
