//! What a packet of an open connection costs in the packet program that the daemon under test has loaded.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, bail};
use aya::{
    TestRun as _, TestRunOptions,
    maps::MapData,
    programs::{ProgramType, Xdp, loaded_programs},
};
use aya_obj::programs::XdpAttachType;
use etherparse::PacketBuilder;

/// Packets of one measurement: about a millisecond.
const REPEAT: u32 = 40_000;

/// The program, and a packet for it.
pub struct Packets {
    program: Xdp,
    frame: Vec<u8>,
}

impl Packets {
    /// Of a connection through the program that uses the map pinned here.
    pub fn new(map: &Path, from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { bail!("an IPv4 connection") };
        let used = MapData::from_pin(map)?.info()?.id();
        for program in loaded_programs() {
            let program = program?;
            if program.program_type() == ProgramType::Xdp.into()
                && program.name_as_str() == Some("limpet")
                && program.map_ids()?.is_some_and(|ids| ids.contains(&used))
            {
                let program = Xdp::from_program_info(program, "limpet".into(), XdpAttachType::Interface)?;
                let packet = PacketBuilder::ethernet2([2; 6], [4; 6])
                    .ipv4(from.ip().octets(), to.ip().octets(), 64)
                    .tcp(from.port(), to.port(), 1, 1_000)
                    .ack(1);
                let mut frame = Vec::new();
                packet.write(&mut frame, &[0; 64])?;
                let packets = Self { program, frame };
                packets.cost()?;
                return Ok(packets);
            }
        }
        bail!("no packet program uses {}", map.display())
    }

    /// Nanoseconds a packet.
    pub fn cost(&self) -> Result<u32> {
        let mut out = vec![0; self.frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            data_out: Some(&mut out),
            repeat: REPEAT,
            ..TestRunOptions::default()
        };
        let run = self.program.test_run(options).context("no test run")?;
        Ok(run.duration.as_nanos() as u32)
    }
}
