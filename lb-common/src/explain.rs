//! What the tables say of a client, without changing them: the stages' own code, asked instead of
//! followed. `limpet explain` runs this on the maps that the packet program uses.

use crate::{
    hash,
    net::{Address, Be16},
    stage::{access, flow, promise, promise::Standing, select, service, session},
    state::{BackendId, Pin, ServiceKey},
    tables::{Cache, Store, Tables},
};

/// Everything that bears on where a client's next packet goes, in the order in which it decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located {
    /// The service's access list does not let the client in: nothing below matters.
    pub denied: bool,
    /// The backend of the connection asked about, if there is such a connection and it is good.
    pub flow: Option<BackendId>,
    /// The client's session.
    pub session: Option<Stored>,
    /// What the hash alone says; `None` if no backend is up, or if connections are told apart and
    /// none was asked about.
    pub hash: Option<BackendId>,
}

/// A stored session and what it is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Where it is stored.
    pub store: Store,
    /// Its content.
    pub pin: Pin,
    /// What it says of a new connection.
    pub standing: Standing,
}

impl Stored {
    /// Does it decide for a new connection?
    pub const fn decides(&self) -> bool {
        matches!(self.standing, Standing::Holds(_) | Standing::Refused)
    }
}

/// Asks about `client`, or about its connection from a port, at the service that `called` leads to; `None` if there is
/// none.
pub fn locate<A: Address, T: Tables>(
    tables: &T,
    called: &ServiceKey,
    client: A,
    port: Option<Be16>,
) -> Option<Located> {
    let mut key = *called;
    let service = service::find(tables, &mut key)?;
    let to = (A::narrow(called.address), called.port());
    let tuple = port.map(|port| hash::tuple(tables.settings(), (client, port), to, called.protocol()));
    let flow = tuple.and_then(|hash| {
        let (entry, _) = flow::known(tables, Cache::Flows, hash)?;
        let id = entry.target().backend();
        tables.health(id).serves().then_some(id)
    });
    let denied = !access::admits(tables, &service, client.widen());
    let now = tables.now();
    let session_key = session::key(tables, &service, client.widen());
    let session = session_key.and_then(|client| {
        let (store, stored) = session::find(tables, &client)?;
        let pin = stored.load();
        Some(Stored { store, pin, standing: promise::standing(tables, &service, &pin, now) })
    });
    let hash = match session_key {
        Some(key) => Some(session::hash(tables, &key)),
        None => tuple,
    };
    Some(Located {
        denied,
        flow,
        session,
        hash: hash.and_then(|hash| select::by_hash(tables, &service, hash)),
    })
}
