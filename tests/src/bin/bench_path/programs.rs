//! The packet programs at the ends of a path, and the bare redirect.

use std::{net::Ipv4Addr, path::Path as File};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::PerCpuArray,
    programs::{Xdp, XdpMode},
};
use etherparse::PacketBuilder;
use lb_user::lab::Netns;
use limpet_tests::live::{self, words};
use nix::net::if_::if_nametoindex;

use crate::plan::{End, PORT, Path};

/// Invented clients of each CPU, with one connection each.
pub(crate) const FLOWS: u32 = 4_000;
/// Bytes of the headers of a frame.
const HEADERS: usize = 14 + 20 + 20;

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program: &mut Xdp =
        ebpf.program_mut(name).with_context(|| format!("the object lacks `{name}`"))?.try_into()?;
    program.load().with_context(|| format!("the kernel refused `{name}`"))?;
    Ok(program)
}

fn load(loader: &mut EbpfLoader<'_>, object: &File) -> Result<Ebpf> {
    loader.load_file(object).with_context(|| format!("cannot load {}", object.display()))
}

/// What a generator's frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The first of a connection, without payload.
    Syn,
    /// Any later one: frames of so many bytes.
    Data(usize),
}

/// Sends frames down a path: each CPU those of its own flows in turn.
pub(crate) struct Generator {
    ebpf: Ebpf,
    frame: Vec<u8>,
    ifindex: u32,
}

impl Generator {
    /// Call it inside the generator's namespace.
    pub(crate) fn load(object: &File, path: Path, kind: Kind, target: Ipv4Addr, to: [u8; 6]) -> Result<Self> {
        let from = path.mac(End::Generator);
        // Sources and ports that are zero leave the sums of everything else.
        let packet =
            PacketBuilder::ethernet2(from, to).ipv4([0; 4], target.octets(), 64).tcp(0, PORT, 0, 64_240);
        let (packet, payload) = match kind {
            Kind::Syn => (packet.syn(), 0),
            Kind::Data(size) => (packet.psh().ack(0), size - HEADERS),
        };
        let mut frame = Vec::new();
        packet.write(&mut frame, &vec![0; payload])?;
        let sum = |at: usize| u32::from(!u16::from_ne_bytes([frame[at], frame[at + 1]]));
        let number = |value: u32| -> u32 { u32::from((value as u16).to_be()) };
        // The numbers are in no template: the program writes them.
        let numbers = if kind == Kind::Syn { number(1) } else { 2 * number(2) };
        let (crowd, address) = (path.crowd().to_bits(), u32::from_ne_bytes(target.octets()));
        let (port, macs, flags) = (PORT.to_be(), words(to, from), frame[14 + 20 + 13]);
        let sums = [sum(14 + 10), sum(14 + 20 + 16) + numbers];
        let mut loader = EbpfLoader::new();
        loader
            .override_global("FLOWS", &FLOWS, true)
            .override_global("CROWD", &crowd, true)
            .override_global("TARGET_ADDRESS", &address, true)
            .override_global("TARGET_PORT", &port, true)
            .override_global("PATH_MACS", &macs, true)
            .override_global("FLAGS", &flags, true)
            .override_global("PATH_SUMS", &sums, true);
        let mut ebpf = load(&mut loader, object)?;
        program(&mut ebpf, "limpet_path_source")?;
        let ifindex = if_nametoindex(path.name(End::Generator).as_str())?;
        Ok(Self { ebpf, frame, ifindex })
    }

    /// Sends so many frames from this CPU. Call it inside the generator's namespace.
    pub(crate) fn send(&self, frames: u32) -> Result<()> {
        let program: &Xdp = self.ebpf.program("limpet_path_source").context("was loaded")?.try_into()?;
        live::send(program, &self.frame, self.ifindex, frames)
    }
}

/// What frames must be when they arrive.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) network: Ipv4Addr,
    pub(crate) bits: u8,
    pub(crate) protocol: u8,
}

/// What arrived.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Seen {
    /// As it should.
    pub(crate) arrived: u64,
    /// The same: the first of a connection.
    pub(crate) opened: u64,
    /// Addressed to somebody else, or something else.
    pub(crate) stray: u64,
}

/// Counts what arrives at the end of a path. Detaches when it goes.
pub(crate) struct Sink(Ebpf);

impl Sink {
    pub(crate) fn attach(object: &File, namespace: &Netns, path: Path, expected: Expected) -> Result<Self> {
        let mask = u32::MAX << (32 - u32::from(expected.bits));
        let words_of = [expected.network.to_bits(), mask].map(u32::to_be);
        let macs = words(path.mac(End::Sink), path.mac(End::Out));
        let mut loader = EbpfLoader::new();
        loader
            .override_global("EXPECTED", &words_of, true)
            .override_global("EXPECTED_PROTOCOL", &expected.protocol, true)
            .override_global("PATH_MACS", &macs, true);
        let mut ebpf = load(&mut loader, object)?;
        attach(program(&mut ebpf, "limpet_path_sink")?, namespace, &path.name(End::Sink))?;
        Ok(Self(ebpf))
    }

    /// So far.
    pub(crate) fn seen(&self) -> Result<Seen> {
        let map = PerCpuArray::<_, u64>::try_from(self.0.map("SEEN").context("no SEEN")?)?;
        let sum = |index| anyhow::Ok(map.get(&index, 0)?.iter().sum());
        Ok(Seen { arrived: sum(0)?, opened: sum(1)?, stray: sum(2)? })
    }
}

/// A redirect and nothing else. Detaches when it goes.
pub(crate) struct Redirect {
    _ebpf: Ebpf,
}

impl Redirect {
    /// What comes in by one interface of `namespace` goes out by the other.
    fn attach(object: &File, namespace: &Netns, from: &str, to: &str) -> Result<Self> {
        let behind = namespace.run(|| if_nametoindex(to))?;
        let mut loader = EbpfLoader::new();
        let mut ebpf = load(loader.override_global("BEHIND", &behind, true), object)?;
        attach(program(&mut ebpf, "limpet_path_redirect")?, namespace, from)?;
        Ok(Self { _ebpf: ebpf })
    }

    /// Both ways.
    pub(crate) fn join(object: &File, namespace: &Netns, path: Path) -> Result<[Self; 2]> {
        let [inside, outside] = [End::In, End::Out].map(|end| path.name(end));
        let redirect = |from, to| Self::attach(object, namespace, from, to);
        Ok([redirect(&inside, &outside)?, redirect(&outside, &inside)?])
    }
}

fn attach(program: &mut Xdp, namespace: &Netns, device: &str) -> Result<()> {
    namespace
        .run(|| program.attach(device, XdpMode::Driver))
        .with_context(|| format!("cannot attach to {device}"))?;
    Ok(())
}
