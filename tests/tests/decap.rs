//! The packet table of `limpet decap` in the kernel. The same rows run on the host: `lb-common/tests/decap.rs`.

use limpet_tests::{
    decap::{
        kernel::Kernel,
        table::{Host, World as _, check, rows},
    },
    packets::{kernel::pin_to, run::makes_short_first_buffers},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

#[test]
fn every_row_in_the_kernel() {
    let mut kernel = Kernel::new();
    let rows = rows::all();
    let failures: Vec<String> = rows.iter().filter_map(|row| check(row, &mut kernel).err()).collect();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

/// Rows with a few bytes changed, cut off or put in: both worlds say, do and count the same.
#[test]
fn the_kernel_does_what_the_host_does() {
    const PACKETS: usize = 500_000;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let (rows, mut host, mut kernel) = (rows::all(), Host::default(), Kernel::new());
    let mut unwrapped = 0;
    for number in 0..PACKETS {
        let mut frame = rows.choose(&mut random).expect("not empty").frame.clone();
        spoil(&mut frame, &mut random);
        let ours = host.run(&frame);
        unwrapped += usize::from(ours.1.len() < frame.len());
        assert_eq!(ours, kernel.run(&frame), "seed {seed}, packet {number}: {frame:02x?}");
        if number % 1000 == 999 {
            assert_eq!(host.counters(), kernel.counters(), "seed {seed}, before packet {number}");
        }
    }
    // Most changes hit what decides; some must not, or nothing was compared.
    assert!(unwrapped > PACKETS / 50, "seed {seed}: only {unwrapped} were unwrapped");
}

fn spoil(frame: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..3) {
        // The headers end within 100 bytes.
        let at = random.random_range(0..frame.len().min(100));
        match random.random_range(0..10) {
            0..5 => frame[at] ^= 1 << random.random_range(0..8),
            5..8 => {
                frame[at] = *[0, 1, 4, 6, 17, 41, 44, 0x45, 0x60, 0xff].choose(random).expect("not empty");
            }
            8 => frame.insert(at, random.random()),
            _ => frame.truncate(at.max(14)),
        }
    }
}

/// Payload in further buffers, as jumbo frames come from drivers; headers there are dropped, as they were.
#[test]
fn packets_in_several_buffers() {
    if !makes_short_first_buffers() {
        return;
    }
    pin_to(0);
    let mut kernel = Kernel::new();
    for (name, mut frame) in rows::frames() {
        frame.inner.payload = vec![0x5a; 8000];
        let bytes = frame.build();
        // UDP's header is nobody's business.
        let headers = bytes.len() - 8000 - 8;
        let ran = kernel.run_in_parts(&bytes, headers);
        assert_eq!(ran, (true, frame.unwrapped(0)), "{name}");
        let ran = kernel.run_in_parts(&bytes, headers - 1);
        assert_eq!(ran, (false, bytes), "{name}");
    }
}
