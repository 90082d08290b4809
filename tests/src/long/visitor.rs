//! A client: a connection that it keeps open, and others now and then.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use lb_user::lab::client::Connection;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{sleep, timeout};

use super::{
    standing::{BACKENDS, Seen, Standing},
    world::{SERVICES, Who, World, lock},
};
use crate::bed::PATIENCE;

/// The first source port of each client. None is used twice, as a late packet of one connection would be taken for
/// the other's.
const FIRST_PORT: u16 = 1_024;

/// A client.
#[derive(Debug)]
pub struct Visitor {
    who: Who,
    world: Arc<World>,
    standing: Arc<Mutex<Standing>>,
    port: u16,
    rng: StdRng,
    open: Option<Connection>,
}

impl Visitor {
    /// One more in the world.
    #[must_use]
    pub fn new(world: &Arc<World>, seed: u64) -> Self {
        let (who, standing) = world.join();
        let rng = StdRng::seed_from_u64(seed ^ u64::from(who.0) << 32);
        Self { who, world: Arc::clone(world), standing, port: FIRST_PORT, rng, open: None }
    }

    /// Goes on for as long as the task may.
    pub async fn live(mut self) {
        let world = Arc::clone(&self.world);
        loop {
            sleep(world.pause.mul_f64(self.rng.random_range(0.5..1.5))).await;
            let _busy = world.gate.read().await;
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        if self.open.is_some() {
            self.request().await;
        }
        match self.rng.random_range(0..8) {
            _ if self.open.is_none() => self.open = self.visit().await,
            0..4 => {
                if let Some(connection) = self.visit().await {
                    self.close(connection).await;
                }
            }
            4 => {
                // It was answered a moment ago: its end reaches the backend that it was with.
                if let Some(connection) = self.open.take() {
                    self.close(connection).await;
                    lock(&self.standing).at = None;
                }
                self.open = self.visit().await;
            }
            _ => {}
        }
        if let (Some(_), None) = (&self.open, lock(&self.standing).at) {
            self.world.fault(format!("client {}: an open connection to nobody", self.who.0));
        }
    }

    /// A request on the open connection.
    async fn request(&mut self) {
        let Some(mut connection) = self.open.take() else { return };
        let before = self.world.troubles();
        let answer = answer(&mut connection).await;
        let seen = Seen { before, after: self.world.troubles() };
        let service = self.who.service();
        let mut standing = lock(&self.standing);
        let result = match answer {
            Ok(server) if standing.at == Some(server) => {
                World::counted(&self.world.requests);
                self.open = Some(connection);
                Ok(())
            }
            Ok(server) => Err(format!("a connection to {:?} was answered by {server}", standing.at)),
            Err(error) => standing
                .lost(&seen, &mut self.world.ledger(service))
                .map_err(|why| format!("{why}: {error:#}")),
        };
        drop(standing);
        self.report(result);
    }

    /// A new connection, and the first answer on it.
    async fn visit(&mut self) -> Option<Connection> {
        let service = self.who.service();
        let rules = SERVICES[service];
        let source = self.who.address(self.port);
        self.port += 1;
        let before = self.world.troubles();
        let visit = async {
            let mut connection = timeout(PATIENCE, Connection::open_from(source, rules.way.target()))
                .await
                .context("connecting takes too long")??;
            Ok((answer(&mut connection).await?, connection))
        };
        let outcome: Result<_> = visit.await;
        let seen = Seen { before, after: self.world.troubles() };
        World::counted(&self.world.connections);
        let mut standing = lock(&self.standing);
        let mut ledger = self.world.ledger(service);
        let (result, connection) = match outcome {
            Ok((server, connection)) => {
                let result = standing.answered(server, &seen, rules, &mut ledger);
                if self.open.is_none() {
                    standing.at = Some(server);
                }
                (result, Some(connection))
            }
            Err(error) => {
                let result = standing.refused(&seen, &mut ledger);
                (result.map_err(|why| format!("{why}: {error:#}")), None)
            }
        };
        drop((standing, ledger));
        self.report(result);
        connection
    }

    async fn close(&self, connection: Connection) {
        // What is left unsaid after the answer is nobody's loss.
        let _ = timeout(PATIENCE, connection.close()).await;
    }

    fn report(&self, result: Result<(), String>) {
        if let Err(why) = result {
            let way = SERVICES[self.who.service()].way;
            self.world.fault(format!("{}, client {}: {why}", way.name(), self.who.0));
        }
    }
}

/// Who answers a request.
async fn answer(connection: &mut Connection) -> Result<usize> {
    let name = timeout(PATIENCE, connection.get()).await.context("an answer takes too long")??;
    let number = name.strip_prefix("backend-").and_then(|number| number.parse::<usize>().ok());
    number
        .and_then(|number| number.checked_sub(1))
        .filter(|index| *index < BACKENDS)
        .with_context(|| format!("answered by {name:?}"))
}
