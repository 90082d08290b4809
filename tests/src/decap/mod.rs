//! The packet table of `limpet decap` and its two worlds: the host's code and the kernel.
//!
//! The table is free of the kernel, so that `lb-common` runs the same rows in a plain `cargo test`
//! (it includes [`table`] by path).

pub mod kernel;
pub mod table;
