//! The maps of a loaded program, whatever they are: emptied, and aged.

use std::{
    collections::BTreeSet,
    ffi::c_void,
    io, mem,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr,
};

use aya::{
    maps::{MapFd, MapInfo, MapType},
    programs::Xdp,
    util::nr_cpus,
};
use lb_common::{
    shared::Word,
    state::{Bucket, Pin, Plain, Port, Session, SessionKey, stranger::Survey},
    time::Tick,
};
use memmap2::{MmapOptions, MmapRaw};

use super::age;

/// `BPF_F_MMAPABLE` (include/uapi/linux/bpf.h), and commands of `bpf(2)` below.
const MMAPABLE: u32 = 0x400;
const LOOKUP: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;
const NEXT_KEY: u32 = 4;
const UPDATE_BATCH: u32 = 26;

/// `bpf_attr` for one element.
#[repr(C)]
struct Element {
    map: u32,
    reserved: u32,
    key: *const c_void,
    value: *mut c_void,
    flags: u64,
}

/// `bpf_attr` for many.
#[repr(C)]
struct Batch {
    begin: u64,
    end: u64,
    keys: *const c_void,
    values: *const c_void,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// Frees all source ports of `program`.
///
/// # Panics
/// Without root.
pub fn free_ports(program: &Xdp) {
    for map in Maps::of([program]).0.iter().filter(|map| map.name == "PORTS") {
        map.clear().expect("it is mapped into memory");
    }
}

/// All maps of a program.
#[derive(Debug)]
pub struct Maps(Vec<Map>);

#[derive(Debug)]
struct Map {
    name: String,
    kind: MapType,
    fd: MapFd,
    key: usize,
    /// Bytes of a value, all CPUs' together.
    value: usize,
    entries: usize,
    memory: Option<MmapRaw>,
}

impl Maps {
    /// Those of `programs`.
    ///
    /// # Panics
    /// Without root.
    pub fn of<const N: usize>(programs: [&Xdp; N]) -> Self {
        let ids = |program: &Xdp| program.info().and_then(|info| info.map_ids()).expect("root may ask");
        let ids: BTreeSet<u32> =
            programs.into_iter().flat_map(|program| ids(program).expect("since Linux 4.15")).collect();
        // Those with a dot are the programs' data, which is fixed, as are the programs.
        let varies = |map: &Map| {
            !map.name.contains('.') && !matches!(map.kind, MapType::ProgramArray | MapType::RingBuf)
        };
        Self(ids.into_iter().map(Map::open).filter(varies).collect())
    }

    /// Empties all maps: they are then as after loading, but that everybody is known for a stranger.
    ///
    /// # Panics
    /// If a system call fails.
    pub fn clear(&self) {
        for map in &self.0 {
            map.clear().unwrap_or_else(|error| panic!("cannot clear {}: {error}", map.name));
            if map.name == "STRANGERS" {
                // SAFETY: shared words.
                Survey::begin(unsafe { map.shared::<Word>() }).finish();
            }
        }
    }

    /// Moves every stamp by so many ticks: back, and as much time seems to have gone by.
    ///
    /// # Panics
    /// If a system call fails.
    pub fn shift(&self, now: Tick, by: i32) {
        for map in &self.0 {
            match map.name.as_str() {
                // SAFETY: buckets are made of shared words, and any bytes are one.
                "FLOWS" | "FRAGMENTS" => age::flows(unsafe { map.shared::<Bucket>() }, now, by),
                // SAFETY: the same is true of ports.
                "PORTS" => age::ports(unsafe { map.shared::<Port>() }, by),
                "ANSWERS" => map.each_cpu(|it| age::meter(it, by)).expect("meters can be rewritten"),
                "BUDGET" => map.each_cpu(|it| age::budget(it, by)).expect("budgets can be rewritten"),
                "HEALTH" => map.each_word(|word| age::health(word, by)).expect("states can be rewritten"),
                // SAFETY: shared words.
                "GHOSTS" => age::ghosts(unsafe { map.shared::<Word>() }, now, by),
                "PINS" | "AFFINITY" => map.shift_sessions(by).expect("sessions can be rewritten"),
                _ => {}
            }
        }
    }
}

impl Map {
    fn open(id: u32) -> Self {
        let info = MapInfo::from_id(id).expect("the program holds it");
        let fd = info.fd().expect("root may open it");
        let kind = info.map_type().expect("a known kind");
        let value = match kind {
            MapType::PerCpuArray | MapType::PerCpuHash | MapType::LruPerCpuHash => {
                info.value_size().next_multiple_of(8) as usize * nr_cpus().expect("readable")
            }
            _ => info.value_size() as usize,
        };
        let bytes = value * info.max_entries() as usize;
        let memory = (info.map_flags() & MMAPABLE != 0)
            .then(|| MmapOptions::new().len(bytes).map_raw(&fd.as_fd()).expect("mappable"));
        Self {
            name: info.name_as_str().unwrap_or_default().to_owned(),
            kind,
            key: info.key_size() as usize,
            value,
            entries: info.max_entries() as usize,
            fd,
            memory,
        }
    }

    fn clear(&self) -> io::Result<()> {
        match (self.kind, &self.memory) {
            (_, Some(memory)) => {
                // SAFETY: the mapping has this length, and zeros are what it began with.
                unsafe { ptr::write_bytes(memory.as_mut_ptr(), 0, self.value * self.entries) };
                Ok(())
            }
            (MapType::Array | MapType::PerCpuArray, None) => self.zero(),
            (MapType::Hash | MapType::LruHash | MapType::LpmTrie, None) => {
                while let Some(key) = self.next(None)? {
                    self.element(DELETE, &key, ptr::null_mut())?;
                }
                Ok(())
            }
            (kind, None) => Err(io::Error::other(format!("a map of kind {kind:?} is new here"))),
        }
    }

    fn zero(&self) -> io::Result<()> {
        let keys: Vec<u32> = (0..self.entries as u32).collect();
        let values = vec![0u8; self.value * self.entries];
        bpf(
            UPDATE_BATCH,
            &mut Batch {
                begin: 0,
                end: 0,
                keys: keys.as_ptr().cast(),
                values: values.as_ptr().cast(),
                count: self.entries as u32,
                map: self.fd.as_fd().as_raw_fd() as u32,
                element_flags: 0,
                flags: 0,
            },
        )
    }

    /// The first key, or the one after `key`.
    fn next(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        let mut next = vec![0; self.key];
        let key = key.map_or(ptr::null(), <[u8]>::as_ptr);
        match self.call(NEXT_KEY, key.cast(), next.as_mut_ptr().cast()) {
            Ok(()) => Ok(Some(next)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn element(&self, command: u32, key: &[u8], value: *mut c_void) -> io::Result<()> {
        self.call(command, key.as_ptr().cast(), value)
    }

    fn call(&self, command: u32, key: *const c_void, value: *mut c_void) -> io::Result<()> {
        let map = self.fd.as_fd().as_raw_fd() as u32;
        bpf(command, &mut Element { map, reserved: 0, key, value, flags: 0 })
    }

    /// Rewrites the only entry, which each CPU has one of.
    fn each_cpu<T: Plain + Copy + Default>(&self, change: impl Fn(T) -> T) -> io::Result<()> {
        let mut values = vec![T::default(); nr_cpus().expect("readable")];
        assert_eq!(self.value, mem::size_of_val(values.as_slice()), "one for each CPU");
        let key = 0u32.to_ne_bytes();
        self.element(LOOKUP, &key, values.as_mut_ptr().cast())?;
        for value in &mut values {
            *value = change(*value);
        }
        self.element(UPDATE, &key, values.as_mut_ptr().cast())
    }

    /// Rewrites every entry of an array of numbers that is not 0.
    fn each_word(&self, change: impl Fn(u32) -> u32) -> io::Result<()> {
        for index in 0..self.entries as u32 {
            let (key, mut word) = (index.to_ne_bytes(), 0u32);
            self.element(LOOKUP, &key, (&raw mut word).cast())?;
            if word != 0 {
                word = change(word);
                self.element(UPDATE, &key, (&raw mut word).cast())?;
            }
        }
        Ok(())
    }

    fn shift_sessions(&self, by: i32) -> io::Result<()> {
        assert_eq!(
            (self.key, self.value),
            (mem::size_of::<SessionKey>(), mem::size_of::<Session>()),
            "see `state::session`"
        );
        let mut keys = Vec::new();
        let mut at = None;
        while let Some(key) = self.next(at.as_deref())? {
            keys.push(key.clone());
            at = Some(key);
        }
        for key in keys {
            let mut words = [0u64; 3];
            self.element(LOOKUP, &key, words.as_mut_ptr().cast())?;
            let pin = age::pin(Pin::from_words(words), by);
            words[1] = u64::from(pin.created.0) | u64::from(pin.seen.0) << 32;
            self.element(UPDATE, &key, words.as_mut_ptr().cast())?;
        }
        Ok(())
    }

    /// The entries of a map that is mapped into memory.
    ///
    /// # Safety
    /// `T` must be made of shared words of which any value is good.
    unsafe fn shared<T>(&self) -> &[T] {
        assert_eq!(self.value, mem::size_of::<T>());
        let memory = self.memory.as_ref().expect("mapped");
        // SAFETY: the mapping is that long, page-aligned and lives as long as `self`; the caller vouches for `T`.
        unsafe { std::slice::from_raw_parts(memory.as_ptr().cast::<T>(), self.entries) }
    }
}

fn bpf<T>(command: u32, attributes: &mut T) -> io::Result<()> {
    let size = mem::size_of::<T>();
    // SAFETY: the attributes are those of the command, and what they point to is as long as the map says.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
