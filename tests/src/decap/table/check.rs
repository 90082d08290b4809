//! Runs a row and compares everything.

use std::fmt::Write as _;

use lb_common::{decap::Reason, reason::Kind};

/// Where rows run.
pub trait World {
    /// Runs a frame: whether it goes on, and its bytes then.
    fn run(&mut self, frame: &[u8]) -> (bool, Vec<u8>);
    /// All counters, in the order of [`Reason::ALL`].
    fn counters(&self) -> Vec<(Reason, u64)>;
}

/// What must become of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It goes on as this.
    Unwrapped(Vec<u8>),
    /// It is passed or dropped as it was, as the reason says.
    Ends(Reason),
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Says what it shows; unique.
    pub name: String,
    /// The frame that comes in.
    pub frame: Vec<u8>,
    /// What must happen.
    pub fate: Fate,
}

/// Runs a row.
///
/// # Errors
/// The differences, in words.
pub fn check(row: &Row, world: &mut dyn World) -> Result<(), String> {
    let (reason, expected) = match &row.fate {
        Fate::Unwrapped(bytes) => (Reason::Decapsulated, bytes),
        Fate::Ends(reason) => (*reason, &row.frame),
    };
    let before = world.counters();
    let (goes_on, bytes) = world.run(&row.frame);
    let mut text = String::new();
    if goes_on != (reason.kind() != Kind::Drop) {
        let _ = writeln!(text, "  {}", if goes_on { "went on" } else { "was dropped" });
    }
    if bytes != *expected {
        let _ = writeln!(text, "  got      {}\n  expected {}", hex(&bytes), hex(expected));
    }
    for ((counted, after), (_, before)) in world.counters().into_iter().zip(before) {
        let moved = after - before;
        if moved != u64::from(counted == reason) {
            let _ = writeln!(text, "  {} moved by {moved}", counted.name());
        }
    }
    if text.is_empty() { Ok(()) } else { Err(format!("row \"{}\", {}:\n{text}", row.name, reason.name())) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
