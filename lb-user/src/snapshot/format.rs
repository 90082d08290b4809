//! The file: blocks of one size, each with everything that is needed to use it, and a checksum. Where the file is cut
//! short or a disk has forgotten something, what is lost is the blocks that it concerns.
//!
//! ```text
//! 0  magic            16  written: seconds since 1970        32  records
//! 8  version          24  kind
//! 12 checksum         26  number of records
//!                     28  homes: place in the table of the first
//! ```
//! First the table of homes, then sessions, then a block that says how many there are. Numbers are little-endian.

use lb_common::{
    net::{Be16, Ip},
    state::Backend,
    tables::Store,
};

use super::{Entry, Home};
use crate::health::BackendKey;

/// Bytes of a block.
pub(super) const BLOCK: usize = 4096;
/// Of what a block means. Another one is another file to us.
pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"limpet\0S";

const HEAD: usize = 32;
const CHECKSUM: std::ops::Range<usize> = 12..16;
/// Bytes of a name, the longest has one less.
const NAME: usize = 64;
const HOME: usize = 168;
const ENTRY: usize = 32;
/// Homes in a block.
pub(super) const HOMES: usize = (BLOCK - HEAD) / HOME;
/// Sessions in a block.
pub(super) const ENTRIES: usize = (BLOCK - HEAD) / ENTRY;

const KIND_HOMES: u16 = 1;
const KIND_AFFINITY: u16 = 2;
const KIND_PINS: u16 = 3;
const KIND_END: u16 = 4;

/// A block's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A piece of the table of homes.
    Homes {
        /// Place of the first one.
        first: u32,
        homes: Vec<Home>,
    },
    Sessions {
        store: Store,
        entries: Vec<Entry>,
    },
    /// The last block.
    End {
        /// In the whole file.
        sessions: u64,
    },
}

/// Why a block can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is not what was written.
    Damaged,
    /// It says that it is of this version.
    Version(u32),
}

/// A block of a snapshot that was `written` then.
pub(super) fn encode(written: u64, content: &Content) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let (kind, count, first) = match content {
        Content::Homes { first, homes } => (KIND_HOMES, homes.len(), *first),
        Content::Sessions { store: Store::Affinity, entries } => (KIND_AFFINITY, entries.len(), 0),
        Content::Sessions { store: Store::Pins, entries } => (KIND_PINS, entries.len(), 0),
        Content::End { .. } => (KIND_END, 0, 0),
    };
    let mut put = Put(&mut block);
    put.bytes(&MAGIC);
    put.bytes(&VERSION.to_le_bytes());
    put.bytes(&[0; 4]);
    put.bytes(&written.to_le_bytes());
    put.bytes(&kind.to_le_bytes());
    put.bytes(&(count as u16).to_le_bytes());
    put.bytes(&first.to_le_bytes());
    match content {
        Content::Homes { homes, .. } => homes.iter().for_each(|home| put.home(home)),
        Content::Sessions { entries, .. } => entries.iter().for_each(|entry| put.entry(entry)),
        Content::End { sessions } => put.bytes(&sessions.to_le_bytes()),
    }
    let sum = checksum(&block);
    block[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    block
}

/// When a block was written, and what is in it.
pub(super) fn decode(block: &[u8; BLOCK]) -> Result<(u64, Content), Unusable> {
    let mut take = Take(block);
    if take.array() != MAGIC {
        return Err(Unusable::Damaged);
    }
    let (version, sum) = (take.u32(), take.u32());
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    if sum != checksum(block) {
        return Err(Unusable::Damaged);
    }
    let written = u64::from_le_bytes(take.array());
    let (kind, count, first) = (take.u16(), usize::from(take.u16()), take.u32());
    let content = match kind {
        KIND_HOMES if count <= HOMES => {
            Content::Homes { first, homes: (0..count).map(|_| take.home()).collect() }
        }
        KIND_AFFINITY | KIND_PINS if count <= ENTRIES => Content::Sessions {
            store: if kind == KIND_PINS { Store::Pins } else { Store::Affinity },
            entries: (0..count).map(|_| take.entry()).collect(),
        },
        KIND_END => Content::End { sessions: u64::from_le_bytes(take.array()) },
        _ => return Err(Unusable::Damaged),
    };
    Ok((written, content))
}

/// Of all but the checksum itself.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..CHECKSUM.start]);
    hasher.update(&block[CHECKSUM.end..]);
    hasher.finalize()
}

/// Fills a block from front to back. What is written is never longer than the block: see [`HOMES`], [`ENTRIES`].
struct Put<'b>(&'b mut [u8]);

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let (here, rest) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        here.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn name(&mut self, name: &str) {
        let mut field = [0; NAME];
        field[..name.len()].copy_from_slice(name.as_bytes());
        self.bytes(&field);
    }

    fn home(&mut self, Home { key: BackendKey { service, backend }, recipe }: &Home) {
        self.name(service);
        self.name(backend);
        self.bytes(&recipe.address.bytes());
        self.bytes(&recipe.service_address.bytes());
        self.bytes(&recipe.port.bytes());
        self.bytes(&recipe.service_tag.to_le_bytes());
        self.bytes(&[recipe.protocol, recipe.forwarding, 0, 0]);
    }

    fn entry(&mut self, entry: &Entry) {
        let Entry { client, home, created, seen, connections } = entry;
        self.bytes(&client.bytes());
        for number in [home, created, seen, connections] {
            self.bytes(&number.to_le_bytes());
        }
    }
}

/// Reads a block from front to back, never beyond its end: as [`Put`].
struct Take<'b>(&'b [u8]);

impl Take<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (here, rest) = self.0.split_first_chunk().expect("records end before the block does");
        self.0 = rest;
        *here
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn name(&mut self) -> String {
        let field: [u8; NAME] = self.array();
        let name = field.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }

    fn home(&mut self) -> Home {
        let key = BackendKey { service: self.name(), backend: self.name() };
        let (address, service_address) = (Ip::from_bytes(self.array()), Ip::from_bytes(self.array()));
        let port = Be16::from_bytes(self.array());
        let service_tag = self.u16();
        let [protocol, forwarding, ..] = self.array::<4>();
        let recipe = Backend {
            address,
            service_address,
            service_tag,
            port,
            protocol,
            forwarding,
            ..Backend::default()
        };
        Home { key, recipe }
    }

    fn entry(&mut self) -> Entry {
        Entry {
            client: Ip::from_bytes(self.array()),
            home: self.u32(),
            created: self.u32(),
            seen: self.u32(),
            connections: self.u32(),
        }
    }
}
