//! The packet table: what goes in, what must come out, and every counter that moves.
//!
//! A [`Row`] is a name, a setup and a sequence of frames with what each must become. Frames, those
//! expected to come out as well, are built by etherparse from plain fields: no byte and no checksum
//! of an expectation is the balancer's own work. A row runs in any [`World`]: the host engine, or
//! the kernel.

mod cast;
mod check;
mod conn;
mod datagram;
mod host;
mod icmp;
mod install;
mod parts;
pub mod quic;
mod row;
pub mod rows;
mod site;
pub mod tunnel;
mod world;
mod wrap;

pub use cast::{A, B, Family, LIST, Ports, Which, mac};
pub use check::check;
pub use conn::Conn;
pub use datagram::{ACK, Datagram, End, FIN, Port, RST, SEQUENCE, SYN, Transport};
pub use host::Host;
pub use icmp::IcmpError;
pub use parts::Parts;
pub use row::{Fate, Frame, Packet, Row, Step};
pub use site::Site;
pub use world::{Action, Geometry, HEADROOM, IDS, KEY, Ran, Side, World};
pub use wrap::Tag;
