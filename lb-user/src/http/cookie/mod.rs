//! Cookies: Limpet's own, which carries a session, and those of the application, which it reads or marks.
//!
//! `keys` are what nodes share, `token` is what they write with them, and `judge` says whether what is in it still
//! holds. `jar` finds cookies in requests and responses, and `set_cookie` says how Limpet's own is set.

pub mod jar;
pub mod judge;
pub mod keys;
pub mod set_cookie;
pub mod token;
