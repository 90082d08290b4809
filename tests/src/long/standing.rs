//! Where one client stands, by what it saw: what the audit must have counted for it, and what may not be.
//!
//! A client does one thing at a time and never uses a source port twice, so each of its new connections is one decision
//! of the packet program, and the backend's name in the answer says which:
//!
//! * the answer of its home, or a refusal by its home that is dead and not known to be: the promise was kept;
//! * the answer of another backend: the promise was broken, and its home's trouble is the cause. Where the policy lends,
//!   once until it is served at home again;
//! * an open connection to a backend that was disabled or removed: its next packet is decided anew, and the client sees
//!   the connection break. That counts for nothing: the promise is about the next one.
//!
//! Its first connection of all counts as nothing: there was no promise.
//!
//! What it can't see is in docs/testing.md.

use std::collections::BTreeMap;

use lb_user::lab::Way;

/// Backends, the spare one included.
pub const BACKENDS: usize = 5;

/// What is the matter with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its server was killed.
    Down,
    /// It drains.
    Draining,
    /// It was disabled.
    Disabled,
    /// It was removed.
    Removed,
}

/// What is the matter with all of them.
pub type Troubles = [Option<Trouble>; BACKENDS];

/// A service and its policies.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The service.
    pub way: Way,
    /// `on_down`: `lend`, else `repin`.
    pub lends: bool,
    /// `on_drain`: `move`, else `keep`.
    pub moves: bool,
}

impl Rules {
    /// Why a session leaves a home in trouble; `None` if it must not.
    #[must_use]
    pub fn cause(self, trouble: Trouble) -> Option<&'static str> {
        match trouble {
            Trouble::Down if self.lends => Some("lent"),
            Trouble::Down => Some("down"),
            Trouble::Draining => self.moves.then_some("drained"),
            Trouble::Disabled => Some("drained"),
            Trouble::Removed => Some("removed"),
        }
    }
}

/// What the audit of a service must say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// New connections that went home.
    pub kept: u64,
    /// Those that did not, by cause.
    pub broken: BTreeMap<&'static str, u64>,
    /// Open connections whose next packet was decided anew.
    pub cut: u64,
    /// Open connections that died with their server.
    pub died: u64,
}

impl Ledger {
    fn broke(&mut self, cause: &'static str) {
        *self.broken.entry(cause).or_default() += 1;
    }
}

/// Troubles before and after something that a client did.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When it began.
    pub before: Troubles,
    /// When it was over.
    pub after: Troubles,
}

impl Seen {
    fn of(&self, backend: usize) -> Option<Trouble> {
        self.before[backend].or(self.after[backend])
    }

    /// Was it ever free to take clients?
    fn takes(&self, backend: usize) -> bool {
        self.before[backend].is_none() || self.after[backend].is_none()
    }
}

/// A client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Its session's backend; `None` before its first connection.
    pub home: Option<usize>,
    /// It is served elsewhere until its home is back.
    pub away: bool,
    /// The backend of its open connection.
    pub at: Option<usize>,
}

impl Standing {
    /// A new connection was answered by `server`.
    ///
    /// # Errors
    /// It should not have been.
    pub fn answered(
        &mut self,
        server: usize,
        seen: &Seen,
        rules: Rules,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        if self.home == Some(server) {
            ledger.kept += 1;
            self.away = false;
            return Ok(());
        }
        if !seen.takes(server) {
            return Err(format!("sent to {server}, which is {:?}", seen.of(server)));
        }
        let Some(home) = self.home else {
            self.home = Some(server);
            return Ok(());
        };
        match seen.of(home).and_then(|trouble| rules.cause(trouble)) {
            None => return Err(format!("at home on {home}, but sent to {server}")),
            Some("lent") if self.away => {}
            Some("lent") => {
                self.away = true;
                ledger.broke("lent");
            }
            Some(cause) => {
                self.away = false;
                self.home = Some(server);
                ledger.broke(cause);
            }
        }
        Ok(())
    }

    /// A new connection was refused, or broke before an answer came.
    ///
    /// # Errors
    /// It should not have been.
    pub fn refused(&mut self, seen: &Seen, ledger: &mut Ledger) -> Result<(), String> {
        match self.home {
            Some(home) if seen.of(home) == Some(Trouble::Down) => {
                ledger.kept += 1;
                self.away = false;
                Ok(())
            }
            home => Err(format!("at home on {home:?}, and not served")),
        }
    }

    /// The open connection broke.
    ///
    /// # Errors
    /// It should not have.
    pub fn lost(&mut self, seen: &Seen, ledger: &mut Ledger) -> Result<(), String> {
        let at = self.at.take().ok_or("no connection was open")?;
        match seen.of(at) {
            Some(Trouble::Down) => ledger.died += 1,
            Some(Trouble::Disabled | Trouble::Removed) => ledger.cut += 1,
            trouble => return Err(format!("a connection to {at} broke, which is {trouble:?}")),
        }
        Ok(())
    }

    /// Has it drawn the consequences of the trouble at `backend`?
    #[must_use]
    pub fn is_settled(&self, backend: usize, trouble: Trouble, rules: Rules) -> bool {
        let is_cut = trouble == Trouble::Draining || self.at != Some(backend);
        let has_left = match rules.cause(trouble) {
            _ if self.home != Some(backend) => true,
            None => true,
            Some("lent") => self.away,
            Some(_) => false,
        };
        is_cut && has_left
    }
}
