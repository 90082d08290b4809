//! What the rules let one expect, written from their words (`docs/sessions.md`): whom each packet goes to, or
//! who may have it where the hash decides; each client's session; each promise that was kept or broken.

mod connection;
mod fleet;
mod hashes;
mod session;

use std::collections::BTreeMap;

use lb_common::{
    state::{Audit, Cause},
    time::Tick,
};

use self::{
    connection::{Connection, News},
    fleet::Backend,
    hashes::Hashes,
    session::Standing,
};
pub use self::{fleet::Fleet, session::Session};
use super::{
    event::{Flag, Tuple},
    setup::{Forwarding, Policy, Setup, Shape},
    wire::Server,
};

/// Whose sessions they are, and the client.
pub type SessionOf = (u8, u8);

/// What is expected.
#[derive(Debug)]
pub struct Oracle {
    setup: Setup,
    /// What services promise at the moment.
    pub policy: Policy,
    /// Who is there.
    pub fleet: Fleet,
    /// Every client's session.
    pub sessions: BTreeMap<SessionOf, Session>,
    /// What became of promises, by service.
    pub audits: Vec<Audit>,
    /// Connections, sessions, and proven ones that were made.
    pub made: [u64; 3],
    connections: BTreeMap<Tuple, Connection>,
    hashes: Hashes,
}

impl Oracle {
    /// Before anything has happened.
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            policy: setup.policy,
            fleet: Fleet::new(setup.shape),
            sessions: BTreeMap::new(),
            audits: vec![Audit::default(); setup.shape.services().into()],
            made: [0; 3],
            connections: BTreeMap::new(),
            hashes: Hashes::default(),
        }
    }

    /// See [`Hashes::late`].
    pub const fn late(&self) -> [u64; 2] {
        self.hashes.late
    }

    /// The session that a client has with a service.
    pub fn session_of(&self, service: u8, client: u8) -> SessionOf {
        (if self.setup.shape == Shape::Group { 0 } else { service }, client)
    }

    /// Every connection that was let in.
    pub fn connections(&self) -> Vec<Tuple> {
        self.connections.keys().copied().collect()
    }

    /// Has one side broken this connection off?
    pub fn is_reset(&self, tuple: Tuple) -> bool {
        self.connections.get(&tuple).is_some_and(Connection::is_reset)
    }

    /// The last segment of a connection, if its backend may answer it.
    pub fn answerable(&self, tuple: Tuple) -> Option<&[u8]> {
        let connection = self.connections.get(&tuple).filter(|it| it.can_be_answered())?;
        self.fleet.alive(tuple.service, connection.backend).filter(|backend| backend.serves())?;
        Some(&connection.delivered)
    }

    /// A backend has answered.
    pub fn answered(&mut self, tuple: Tuple, flag: Flag) {
        self.connections.get_mut(&tuple).expect("is answerable").answered(flag);
    }

    /// A client's segment came, and `left` as this.
    ///
    /// # Errors
    /// It should have gone elsewhere.
    pub fn came(&mut self, tuple: Tuple, flag: Flag, now: Tick, left: Option<Vec<u8>>) -> Result<(), String> {
        let to = match &left {
            None => None,
            Some(frame) => Some(Server::of(frame).ok_or("sent to nobody's address")?),
        };
        // Rule 1: an open connection stays where it is while its backend is up or drains.
        if let Some(connection) = self.connections.get_mut(&tuple)
            && let Some(backend) = self.fleet.alive(tuple.service, connection.backend)
            && backend.serves()
            && !connection.ends_with(flag)
        {
            if to != Some(backend.server) {
                return Err(format!("an open connection to {:?} went to {to:?}", backend.server));
            }
            let (home, news) = (backend.home, connection.passed(flag, now));
            connection.delivered = left.unwrap_or_default();
            if news != News::None {
                self.hear(tuple, home, now, news == News::Proof);
            }
            return Ok(());
        }
        let chosen = self.decided(tuple, flag, now, to)?;
        if let (Some(backend), Some(frame)) = (chosen, left) {
            let is_direct = self.setup.forwarding == Forwarding::Dsr;
            self.connections.insert(tuple, Connection::new(backend.life, is_direct, flag, now, frame));
            self.made[0] += 1;
        }
        Ok(())
    }

    /// Traffic of an open connection to a server with this home.
    fn hear(&mut self, tuple: Tuple, home: fleet::Life, now: Tick, is_proof: bool) {
        if !self.policy.by_client {
            return;
        }
        let of = self.session_of(tuple.service, tuple.client);
        let was_proven = self.sessions.get(&of).is_some_and(|session| session.is_proven);
        match self.sessions.get_mut(&of) {
            Some(session) => session.hears(&self.policy, home, now, is_proof),
            None => {
                self.made[1] += 1;
                self.sessions.insert(of, Session::new(home, now, is_proof));
            }
        }
        self.made[2] += u64::from(self.sessions[&of].is_proven && !was_proven);
    }

    /// Rules 2 to 5: a packet of no open connection goes to its client's session, or by hash. Only one that opens a
    /// connection keeps or breaks a promise.
    fn decided(
        &mut self,
        tuple: Tuple,
        flag: Flag,
        now: Tick,
        to: Option<Server>,
    ) -> Result<Option<Backend>, String> {
        let of = self.session_of(tuple.service, tuple.client);
        let session = self.sessions.get(&of).filter(|_| self.policy.by_client);
        let Some(session) = session else { return self.by_hash(tuple, to) };
        let standing = session.standing(&self.policy, &self.fleet, tuple.service, now);
        let opens = flag == Flag::Syn;
        match standing {
            Standing::Holds(backend) if to == Some(backend.server) => {
                if opens {
                    self.audits[usize::from(tuple.service)].kept += 1;
                    self.session(of).is_away = false;
                }
                Ok(Some(backend))
            }
            Standing::Holds(backend) => {
                Err(format!("a session holds {:?}, and its client went to {to:?}", backend.server))
            }
            Standing::Elsewhere => self.by_hash(tuple, to),
            Standing::Lent => {
                let chosen = self.by_hash(tuple, to)?;
                if opens && chosen.is_some() {
                    self.leaves(tuple, Cause::Lent);
                }
                Ok(chosen)
            }
            Standing::Refused if to.is_some() => {
                Err(format!("a client whose backend is down was not refused: {to:?}"))
            }
            Standing::Refused => {
                if opens {
                    self.leaves(tuple, Cause::Refused);
                }
                Ok(None)
            }
            Standing::Ended(_) if !opens => {
                let home = session.home;
                let serving = self.fleet.of(tuple.service).values().find(|it| it.home == home && it.serves());
                match serving.copied() {
                    Some(backend) if to == Some(backend.server) => Ok(Some(backend)),
                    Some(backend) => Err(format!("in mid-connection to {to:?}, not {:?}", backend.server)),
                    None => self.by_hash(tuple, to),
                }
            }
            Standing::Ended(cause) => {
                let chosen = self.by_hash(tuple, to)?;
                if let Some(backend) = chosen.filter(|_| opens) {
                    self.session(of).moved(cause, backend.home, now);
                    self.breaks(tuple.service, cause);
                }
                Ok(chosen)
            }
        }
    }

    /// Whoever the hash leads to.
    fn by_hash(&mut self, tuple: Tuple, to: Option<Server>) -> Result<Option<Backend>, String> {
        let found = |server: Server| self.fleet.of(tuple.service).values().find(|it| it.server == server);
        let chosen = match to {
            None => None,
            Some(server) => Some(*found(server).ok_or(format!("went to {server:?}, which is not there"))?),
        };
        self.hashes.judge(&self.fleet, tuple, self.policy.by_client, to.map(|server| server.name))?;
        Ok(chosen)
    }

    /// A session's client is served elsewhere, or not at all: counted the first time.
    fn leaves(&mut self, tuple: Tuple, cause: Cause) {
        let session = self.session(self.session_of(tuple.service, tuple.client));
        if !std::mem::replace(&mut session.is_away, true) {
            self.breaks(tuple.service, cause);
        }
    }

    fn breaks(&mut self, service: u8, cause: Cause) {
        self.audits[usize::from(service)].broken[cause as usize] += 1;
    }

    fn session(&mut self, of: SessionOf) -> &mut Session {
        self.sessions.get_mut(&of).expect("it decided")
    }
}
