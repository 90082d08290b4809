//! The packet table and its two worlds: the host engine and the kernel.
//!
//! The table itself is free of the kernel, so that `lb-common` runs the same rows in a plain
//! `cargo test` (it includes [`table`] by path).

pub mod age;
pub mod fuzz;
pub mod kernel;
pub mod maps;
pub mod run;

pub mod table;
