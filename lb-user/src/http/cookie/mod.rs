//! Cookies: Limpet's own, which carries a session, and those of the application, which it reads or marks.
//!
//! `token` is what nodes write with the keys that they share, and `judge` says whether what is in it still
//! holds. `jar` finds cookies in requests and responses, and `set_cookie` says how Limpet's own is set.

pub mod jar;
pub mod judge;
pub mod set_cookie;
pub mod token;
