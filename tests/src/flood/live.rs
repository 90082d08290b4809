//! A flood that travels: frames that the kernel sends out of an interface, each from another address.

use std::{
    net::SocketAddrV4,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{Ebpf, EbpfLoader, programs::Xdp};

use super::feed::Kind;
use crate::live::{send, words};

/// Frames in one go, and the pause after it: some 100,000 a second, which leaves the other CPU to the clients.
const BURST: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(10);

/// A generator of SYNs.
pub struct Generator {
    ebpf: Ebpf,
    frame: Vec<u8>,
}

impl Generator {
    /// Loads it from `object`. The SYNs go from one Ethernet address to another, and to `service`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn load(object: &Path, macs: [[u8; 6]; 2], service: SocketAddrV4) -> Result<Self> {
        let [from, to] = macs;
        let link = etherparse::PacketBuilder::ethernet2(from, to).ipv4([0; 4], service.ip().octets(), 64);
        let mut frame = Vec::new();
        link.tcp(0, service.port(), 1, 64_240).syn().write(&mut frame, &[])?;
        let sum = |bytes: &[u8]| -> u32 {
            bytes.chunks_exact(2).map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair[1]]))).sum()
        };
        // Checksums count as zero. The pseudo-header has the addresses, the protocol and the length.
        let (ip, tcp) = (&frame[14..34], &frame[34..54]);
        let pseudo = sum(&ip[12..20]) + sum(&[0, 6, 0, 20]);
        let sums = [sum(&ip[..10]) + sum(&ip[12..]), pseudo + sum(&tcp[..16]) + sum(&tcp[18..])];
        let mut ebpf = EbpfLoader::new()
            .override_global("KIND", &(Kind::Live as u32), true)
            .override_global("SERVICE", &u32::from_ne_bytes(service.ip().octets()), true)
            .override_global("MACS", &words(to, from), true)
            .override_global("SUMS", &sums, true)
            .load_file(object)
            .with_context(|| format!("cannot load {}", object.display()))?;
        let program: &mut Xdp = ebpf.program_mut("limpet_flood").context("no `limpet_flood`")?.try_into()?;
        program.load()?;
        Ok(Self { ebpf, frame })
    }

    /// Sends out of the interface with this index, in the thread's network namespace, until `stop`; counts in
    /// `sent`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn run(&self, ifindex: u32, sent: &AtomicU64, stop: &AtomicBool) -> Result<()> {
        let program: &Xdp = self.ebpf.program("limpet_flood").context("no `limpet_flood`")?.try_into()?;
        while !stop.load(Relaxed) {
            send(program, &self.frame, ifindex, BURST)?;
            sent.fetch_add(u64::from(BURST), Relaxed);
            sleep(PAUSE);
        }
        Ok(())
    }
}
