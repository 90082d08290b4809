//! Loads the packet program: fresh, or over the maps that an earlier daemon left pinned.

use std::{path::Path, thread};

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map, MapData},
    programs::{TestRun as _, TestRunOptions, Xdp, XdpMode},
};
use lb_common::{
    settings::{Fixed, KEY_WORDS, Settings},
    state::{Ghost, SessionKey},
    time::Tick,
};
use nix::{
    sys::time::TimeValLike as _,
    time::{ClockId, clock_getres},
};

use super::{
    Kernel,
    pins::Pins,
    raw::Raw,
    specs::{DAEMON_ONLY, Geometry, Spec, specs},
};
use crate::model::{Limits, Nat};

/// The packet program's object file; empty in a build without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/limpet.bpf.o"));

/// The program that is attached.
const LIMPET: &str = "limpet";
/// Those that it leaves packets to, by their places in the map `PROGRAMS`.
const BESIDE: [&str; 2] = ["limpet_rare", "limpet_new"];

/// `XDP_PASS`.
const PASS: u32 = 2;

/// What the program is loaded with.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Map sizes.
    pub limits: &'a Limits,
    /// Source ports.
    pub nat: &'a Nat,
    /// Hash key derived from the configured secret; `None`: the running one's, or random.
    pub key: Option<[u32; KEY_WORDS]>,
    /// Directory of the pins; `None` pins nothing (benches and tests).
    pub pins: Option<&'a Path>,
}

/// Why the program could not be loaded, where a caller may want to tell the cases apart.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// This binary was built without the packet program.
    #[error(
        "this limpet was built without its packet program: build it with `cargo xtask build` \
         (a plain `cargo build` leaves it out where the BPF toolchain is missing)"
    )]
    NoObject,
    /// The kernel refused for want of rights.
    #[error("loading a packet program needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    NoRights,
}

/// The loaded program. Dropping it frees what is not pinned or attached.
#[derive(Debug)]
pub struct Program {
    pub(super) ebpf: Ebpf,
    pins: Option<Pins>,
    /// True if the maps are an earlier daemon's.
    pub adopted: bool,
    /// The fixed settings.
    pub settings: Settings,
    /// Handles to the maps.
    pub kernel: Kernel,
}

impl Program {
    /// Loads the program.
    ///
    /// # Errors
    /// [`LoadError`]; no bpf file system; pinned maps that don't fit; a hash secret other than the
    /// running one's; the verifier's refusal.
    pub fn load(options: &Options<'_>) -> Result<Self> {
        if OBJECT.is_empty() {
            return Err(LoadError::NoObject.into());
        }
        let geometry = Geometry::new(options.limits, options.nat);
        let specs = specs(options.limits, &geometry);
        let pins = options.pins.map(Pins::open).transpose()?;
        let running = pins.as_ref().map(|pins| adopt(pins, &specs)).transpose()?.flatten();
        let own = DAEMON_ONLY.map(|name| {
            let spec = specs.iter().find(|spec| spec.name == name).expect("specs lists the daemon's maps");
            own_map(spec, pins.as_ref())
        });
        let [meta, names] = own;

        let key = choose_key(options.key, running.as_ref())?;
        let Limits { new_flows_per_second, new_pins_per_second, .. } = *options.limits;
        let settings =
            Settings::new(key, geometry.buckets, geometry.lanes, geometry.ports, geometry.fragments)
                .haunted(geometry.ghosts)
                .limited(Tick::times(new_flows_per_second), Tick::times(new_pins_per_second));
        if running.is_some_and(|running| !running.fits(&settings)) {
            bail!(
                "[nat] ports differ from those of the maps pinned in {}: they can't change while connections live. \
                 Put the old range back, or give up the connections: rm -r that directory",
                options.pins.unwrap_or(Path::new("")).display()
            );
        }

        let raw = Raw(settings);
        let mut loader = EbpfLoader::new();
        loader.override_global("SETTINGS", &raw, true);
        for spec in specs.iter().filter(|spec| !DAEMON_ONLY.contains(&spec.name)) {
            loader.map_max_entries(spec.name, spec.entries);
            if let Some(pins) = &pins {
                loader.map_pin_path(spec.name, pins.map(spec.name));
            }
        }
        let mut ebpf = loader.load(OBJECT).map_err(explain_load)?;
        load_all(&mut ebpf)?;
        set_clock(load_one(&mut ebpf, "limpet_clock")?)?;
        let kernel = Kernel::take(&mut ebpf, [meta?, names?], &specs, settings)?;
        // An earlier run that was killed may have left addresses without their bits, or bits without addresses, and sessions
        // of those who seem to be strangers.
        kernel.mark_addresses()?;
        kernel.sessions.doubt();
        Ok(Self { ebpf, pins, adopted: running.is_some(), settings, kernel })
    }

    /// The last step before packets come: from here on the programs leave packets to one another, an earlier
    /// run's to this one's too, and the maps are worth adopting.
    ///
    /// # Errors
    /// The kernel refuses a write.
    pub fn open(&mut self) -> Result<()> {
        // The last first: it looks for itself whether a SYN's connection is known, so that those of an earlier run may leave
        // packets to it.
        for (place, name) in BESIDE.iter().enumerate().rev() {
            let program = one(&self.ebpf, name).fd()?.try_clone()?;
            self.kernel.programs.set(place as u32, &program, 0).context("cannot fill PROGRAMS")?;
        }
        self.kernel.meta.set(0, Raw(self.settings), 0).context("cannot write META")
    }

    /// Forgets what a client would be recognised by whose session was lost: its session was ended or moved by order.
    pub fn forget(&self, key: &SessionKey) {
        let hash = lb_common::hash::client(&self.settings, key.scope, key.client);
        let index = Ghost::index(hash, self.settings.ghost_mask.get()) as usize;
        if let Some(place) = self.kernel.ghosts().get(index).filter(|place| Ghost(place.load()).is_of(hash)) {
            place.store(0);
        }
    }

    /// The program itself, to be attached or run by `test_run`.
    ///
    /// # Panics
    /// Never: [`Program::load`] saw it.
    pub fn xdp(&mut self) -> &mut Xdp {
        self.ebpf.program_mut(LIMPET).and_then(|program| program.try_into().ok()).expect("seen at load")
    }

    /// The program itself, and those that it leaves packets to.
    ///
    /// # Panics
    /// Never: [`Program::load`] saw them.
    pub fn all(&self) -> [&Xdp; 3] {
        let [rare, new] = BESIDE;
        [LIMPET, rare, new].map(|name| one(&self.ebpf, name))
    }

    /// Loads the pass-all program of the same object too: the floor that a bench compares with.
    ///
    /// # Errors
    /// The kernel refuses it, or it was loaded before.
    pub fn load_pass(&mut self) -> Result<()> {
        load_one(&mut self.ebpf, "limpet_pass").map(drop)
    }

    /// The pass-all program, after [`Program::load_pass`].
    ///
    /// # Panics
    /// The object lacks it.
    pub fn pass(&self) -> &Xdp {
        one(&self.ebpf, "limpet_pass")
    }

    /// True if packets are the affair of another layout's program, until this one is attached.
    ///
    /// # Errors
    /// The pins can't be read.
    pub fn replaces_another(&self) -> Result<bool> {
        let pins = self.pins.as_ref();
        pins.map_or(Ok(false), |pins| Ok(!pins.running_others()?.is_empty()))
    }

    /// Where it is pinned.
    pub(super) fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }
}

/// A program that was seen at load.
fn one<'e>(ebpf: &'e Ebpf, name: &str) -> &'e Xdp {
    ebpf.program(name).and_then(|program| program.try_into().ok()).expect("seen at load")
}

/// Sets the programs' clock. The coarse clock's resolution is the length of a jiffy (`LOW_RES_NSEC`).
fn set_clock(program: &Xdp) -> Result<()> {
    /// The shortest that a test run takes.
    const PACKET: usize = 14;
    let jiffy = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?.num_nanoseconds() as u32;
    let mut packet = [0; PACKET];
    packet[..size_of::<u32>()].copy_from_slice(&jiffy.to_ne_bytes());
    let result = program.test_run(TestRunOptions { data_in: Some(&packet), ..TestRunOptions::new() });
    ensure!(
        result.context("cannot set the packet program's clock")?.return_value == PASS,
        "the packet program's clock refuses to be set"
    );
    Ok(())
}

/// Loads all that packets may meet, side by side where there are CPUs: the kernel verifies the larger ones for a second
/// or so each, and one doesn't wait for another (`bpf_verifier_lock` is for loaders without `CAP_BPF`).
fn load_all(ebpf: &mut Ebpf) -> Result<()> {
    let is_ours = |name: &str| name == LIMPET || BESIDE.contains(&name);
    let programs: Vec<_> = ebpf.programs_mut().filter(|(name, _)| is_ours(name)).collect();
    ensure!(programs.len() == 1 + BESIDE.len(), "the object lacks one of {LIMPET}, {}", BESIDE.join(", "));
    thread::scope(|scope| {
        let load = |name: &str, program: &mut aya::programs::Program| {
            let program: &mut Xdp = program.try_into()?;
            program.load().map_err(explain_program).with_context(|| format!("cannot load `{name}`"))
        };
        let threads: Vec<_> =
            programs.into_iter().map(|(name, program)| scope.spawn(move || load(name, program))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no load panics"))
    })
}

fn load_one<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Xdp> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object lacks `{name}`"))?;
    let program: &mut Xdp = program.try_into()?;
    program.load().map_err(explain_program)?;
    Ok(program)
}

/// Loads nothing but the pass-all program, and attaches it in driver mode to the interface with this
/// index in the thread's network namespace.
pub(super) fn load_pass(ifindex: u32) -> Result<Ebpf> {
    if OBJECT.is_empty() {
        return Err(LoadError::NoObject.into());
    }
    let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(explain_load)?;
    let program = load_one(&mut ebpf, "limpet_pass")?;
    program.attach_to_if_index(ifindex, XdpMode::Driver)?;
    Ok(ebpf)
}

/// The settings of the maps that an earlier daemon left, which then fit. `None` if there are none, or
/// only those of a start that failed before its program was loaded: these are removed, as they hold
/// nothing and may be of other sizes.
fn adopt(pins: &Pins, specs: &[Spec]) -> Result<Option<Settings>> {
    let path = pins.map("META");
    let mut running = None;
    if path.exists() {
        let meta = MapData::from_pin(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let meta: Array<MapData, Raw<Settings>> = Array::try_from(Map::Array(meta))?;
        running =
            Some(meta.get(&0, 0).context("cannot read META")?.0).filter(|found| *found != Settings::ZERO);
    }
    // A link without settings is nothing that a failed start leaves: better to ask than to detach. Where the links are
    // still another layout's, what is here is of an upgrade that failed, and old by now.
    if pins.links()?.is_empty() && (running.is_none() || !pins.running_others()?.is_empty()) {
        pins.clear().context("cannot remove what a failed start left")?;
        return Ok(None);
    }
    pins.verify(specs)?;
    Ok(running)
}

fn choose_key(configured: Option<[u32; KEY_WORDS]>, running: Option<&Settings>) -> Result<[u32; KEY_WORDS]> {
    let running = running.map(|settings| settings.key.each_ref().map(Fixed::get));
    match (configured, running) {
        (Some(wanted), Some(found)) if wanted != found => bail!(
            "[hash] secret differs from the running one: with another secret every connection would look new. \
             Put the old secret back, or give up the connections: run once more with it and `--detach-on-exit`"
        ),
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Ok(rand::random()),
    }
}

/// Opens a map that the object file doesn't have, or makes it.
fn own_map(spec: &Spec, pins: Option<&Pins>) -> Result<MapData> {
    if let Some(path) = pins.map(|pins| pins.map(spec.name)).filter(|path| path.exists()) {
        return MapData::from_pin(&path).with_context(|| format!("cannot open {}", path.display()));
    }
    let object =
        aya_obj::Map::new_from_params(spec.kind as u32, spec.key, spec.value, spec.entries, spec.flags);
    let map = MapData::create(object, spec.name, None).map_err(|error| {
        let error = anyhow::Error::from(error);
        if lacks_rights(&error) { LoadError::NoRights.into() } else { error }
    })?;
    if let Some(pins) = pins {
        map.pin(pins.map(spec.name)).with_context(|| format!("cannot pin {}", spec.name))?;
    }
    Ok(map)
}

pub(super) fn explain_load(error: aya::EbpfError) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    if lacks_rights(&error) {
        return error.context(LoadError::NoRights);
    }
    error.context("cannot create the packet program's maps")
}

pub(super) fn explain_program(error: aya::programs::ProgramError) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    if lacks_rights(&error) {
        return error.context(LoadError::NoRights);
    }
    error.context("the kernel refused the packet program (it needs Linux 5.18 or later, and CAP_PERFMON)")
}

/// True if an EPERM is at the root.
pub(super) fn lacks_rights(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.raw_os_error() == Some(libc::EPERM))
    })
}
