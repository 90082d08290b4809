//! Loads the packet program: fresh, or over the maps that an earlier daemon left pinned.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, Map, MapData},
    programs::{Xdp, XdpMode},
};
use lb_common::settings::{Fixed, KEY_WORDS, Settings};

use super::{
    Kernel,
    pins::Pins,
    specs::{DAEMON_ONLY, Geometry, Spec, specs},
};
use crate::model::{Limits, Nat};

/// The packet program's object file; empty in a build without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/limpet.bpf.o"));

/// [`Settings`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct RawSettings(Settings);

// SAFETY: `Settings` is `repr(C)` and made of `u32`s only.
unsafe impl Pod for RawSettings {}

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
        let mut meta: Array<MapData, RawSettings> = Array::try_from(Map::Array(meta?))?;

        let key = choose_key(options.key, running.as_ref())?;
        let settings = Settings::new(key, geometry.buckets, geometry.lanes, geometry.ports);
        if running.is_some_and(|running| running != settings) {
            bail!(
                "[nat] ports differ from those of the maps pinned in {}: they can't change while connections live. \
                 Put the old range back, or give up the connections: rm -r that directory",
                options.pins.unwrap_or(Path::new("")).display()
            );
        }

        let raw = RawSettings(settings);
        let mut loader = EbpfLoader::new();
        loader.override_global("SETTINGS", &raw, true);
        for spec in specs.iter().filter(|spec| !DAEMON_ONLY.contains(&spec.name)) {
            loader.map_max_entries(spec.name, spec.entries);
            if let Some(pins) = &pins {
                loader.map_pin_path(spec.name, pins.map(spec.name));
            }
        }
        let mut ebpf = loader.load(OBJECT).map_err(explain_load)?;
        let program: &mut Xdp =
            ebpf.program_mut("limpet").context("the object lacks `limpet`")?.try_into()?;
        program.load().map_err(explain_program)?;
        let kernel = Kernel::take(&mut ebpf, names?, &specs)?;
        // Last: it is what makes the maps worth adopting.
        meta.set(0, raw, 0).context("cannot write META")?;
        Ok(Self { ebpf, pins, adopted: running.is_some(), settings, kernel })
    }

    /// The program itself, to be attached or run by `test_run`.
    ///
    /// # Panics
    /// Never: [`Program::load`] saw it.
    pub fn xdp(&mut self) -> &mut Xdp {
        self.ebpf.program_mut("limpet").and_then(|program| program.try_into().ok()).expect("seen at load")
    }

    /// Loads the pass-all program of the same object too: the floor that a bench compares with.
    ///
    /// # Errors
    /// The kernel refuses it, or it was loaded before.
    pub fn load_pass(&mut self) -> Result<()> {
        let program = self.ebpf.program_mut("limpet_pass").context("the object lacks `limpet_pass`")?;
        <&mut Xdp>::try_from(program)?.load().map_err(explain_program)
    }

    /// The pass-all program, after [`Program::load_pass`].
    ///
    /// # Panics
    /// The object lacks it.
    pub fn pass(&self) -> &Xdp {
        self.ebpf
            .program("limpet_pass")
            .and_then(|program| program.try_into().ok())
            .expect("is in the object")
    }

    /// Where it is pinned.
    pub(super) fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }
}

/// Loads nothing but the pass-all program, and attaches it in driver mode to the interface with this
/// index in the thread's network namespace.
pub(super) fn load_pass(ifindex: u32) -> Result<Ebpf> {
    if OBJECT.is_empty() {
        return Err(LoadError::NoObject.into());
    }
    let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(explain_load)?;
    let program: &mut Xdp =
        ebpf.program_mut("limpet_pass").context("the object lacks `limpet_pass`")?.try_into()?;
    program.load().map_err(explain_program)?;
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
        let meta: Array<MapData, RawSettings> = Array::try_from(Map::Array(meta))?;
        running =
            Some(meta.get(&0, 0).context("cannot read META")?.0).filter(|found| *found != Settings::ZERO);
    }
    // A link without settings is nothing that a failed start leaves: better to ask than to detach.
    if running.is_none() && pins.links()?.is_empty() {
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
