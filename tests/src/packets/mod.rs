//! The packet table and its two worlds: the host engine and the kernel.
//!
//! The table itself is free of the kernel, so that `lb-common` runs the same rows in a plain
//! `cargo test` (it includes [`table`] by path).

pub mod kernel;
pub mod random;

pub mod table;
