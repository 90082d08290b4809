//! Everything that is more than `cargo X`.
fn main() {}
