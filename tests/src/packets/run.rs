//! `BPF_PROG_TEST_RUN`: one frame through a loaded program, and what this kernel's test runs can do.

use std::fs;

use aya::{
    TestRun as _, TestRunOptions,
    programs::{ProgramError, Xdp},
};

use super::table::{Action, HEADROOM, Ran};

/// `enum xdp_action` (include/uapi/linux/bpf.h).
const ACTIONS: [(u32, Action); 4] =
    [(1, Action::Drop), (2, Action::Pass), (3, Action::Tx), (4, Action::Redirect(None))];

/// Bytes that a frame may gain.
const GAIN: usize = 64;

/// Runs the program on a frame that came in by interface `ingress` and of which the
/// first `linear` bytes are directly accessible.
///
/// # Panics
/// If the kernel won't, as for frames under 14 bytes.
pub fn test_run(xdp: &Xdp, frame: &[u8], ingress: u32, linear: usize) -> Ran {
    let ran = try_run(xdp, frame, ingress, linear, HEADROOM);
    ran.unwrap_or_else(|error| panic!("test_run of {} bytes: {error:?}", frame.len()))
}

/// The same with at most `headroom` bytes before the frame: a multiple of four, as the rest is taken by metadata.
///
/// # Errors
/// The kernel won't, as for frames under 14 bytes, or where [`leaves_less_headroom`] does not hold.
///
/// # Panics
/// If the program returns no XDP action.
pub fn try_run(
    xdp: &Xdp,
    frame: &[u8],
    ingress: u32,
    linear: usize,
    headroom: usize,
) -> Result<Ran, ProgramError> {
    let metadata = HEADROOM - headroom;
    let mut input = vec![0; metadata];
    input.extend_from_slice(frame);
    // `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [metadata as u32, (metadata + linear) as u32, 0, ingress, 0, 0];
    let context: Vec<u8> = context.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut bytes = vec![0; input.len() + GAIN];
    let result = xdp.test_run(TestRunOptions {
        data_in: Some(&input),
        data_out: Some(&mut bytes),
        ctx_in: Some(&context),
        ..TestRunOptions::default()
    })?;
    bytes.truncate(result.data_size_out as usize);
    bytes.drain(..metadata);
    let action = ACTIONS.iter().find(|(number, _)| *number == result.return_value);
    let &(_, action) = action.unwrap_or_else(|| panic!("XDP action {}", result.return_value));
    Ok(Ran { action, bytes })
}

/// True if a test run can leave any number of bytes before a frame; says so if not. Older kernels take 32 bytes of
/// metadata at most, which leaves room for every header of ours.
pub fn leaves_less_headroom(xdp: &Xdp) -> bool {
    let leaves = try_run(xdp, &[0; 14], 0, 14, 0).is_ok();
    if !leaves {
        eprintln!("SKIPPED: packets without room before them, as this kernel takes little metadata");
    }
    leaves
}

/// True if a test run takes a first buffer shorter than a page, as it does since Linux 6.18; says so if not.
///
/// # Panics
/// Without `/proc`.
pub fn makes_short_first_buffers() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("every Linux has it");
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (6, 18) {
        eprintln!("SKIPPED: needs Linux 6.18 for packets in several small buffers, this is {release}");
    }
    version >= (6, 18)
}
