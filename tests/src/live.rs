//! Frames that the kernel sends out of an interface: test runs with live frames (Linux 5.18, commit b530e9e1063e).

use anyhow::{Context as _, Result};
use aya::{
    TestRun as _, TestRunOptions,
    programs::{TestRunAttrs, Xdp},
};

/// Frames that the kernel makes at a time.
const BATCH: u32 = 64;

/// Has `program` send `frame` so many times out of the interface with this index, in the thread's network namespace. The
/// program says by `XDP_TX` that it leaves.
///
/// # Errors
/// The kernel refuses.
pub fn send(program: &Xdp, frame: &[u8], ifindex: u32, times: u32) -> Result<()> {
    // `struct xdp_md`.
    let context: Vec<u8> =
        [0, frame.len() as u32, 0, ifindex, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
    let options = TestRunOptions {
        data_in: Some(frame),
        ctx_in: Some(&context),
        repeat: times,
        attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
        ..TestRunOptions::new()
    };
    program.test_run(options).context("the kernel refused to send")?;
    Ok(())
}

/// The words of two Ethernet addresses, as they stand in a header.
pub fn words(first: [u8; 6], second: [u8; 6]) -> [u32; 3] {
    let bytes: Vec<u8> = first.into_iter().chain(second).collect();
    [0, 4, 8].map(|at| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
}
