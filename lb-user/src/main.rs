//! `limpet`.
fn main() {}
