//! What the tests of `limpet decap` share: its packet table and the table's two worlds, the host's code and the
//! kernel; the real program on a backend, and packets that the kernel's own sockets wrap.
//!
//! The table is free of the kernel, so that `lb-common` runs the same rows in a plain `cargo test`
//! (it includes [`table`] by path).

pub mod kernel;
pub mod process;
pub mod sender;
pub mod table;
pub mod tun;
