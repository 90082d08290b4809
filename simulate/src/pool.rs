//! The backends as they are: what the designs are told, and what connections are judged by.

/// A backend's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Takes new clients.
    Up,
    /// Keeps those that it has.
    Draining,
    /// Dead: what it had is lost.
    Down,
    /// Not configured any more.
    Removed,
}

/// A backend.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// Its state.
    pub state: State,
    /// How often it has died.
    deaths: u32,
}

/// A backend's number: its place in [`Pool::backends`], never given to another.
pub type Number = usize;

/// A backend between two of its deaths: what a connection or a session is with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server {
    /// Whose.
    pub backend: Number,
    deaths: u32,
}

/// What happens to backends.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// One dies, and everybody knows at once.
    Fail(Number),
    /// It is back, or taken back.
    Return(Number),
    /// It is to get no new clients.
    Drain(Number),
    /// It is taken out of the configuration.
    Remove(Number),
    /// Its weight changes.
    Weigh(Number, u32),
    /// One more, of the usual weight.
    Add,
}

/// All backends that there are or were.
#[derive(Clone, Debug)]
pub struct Pool {
    backends: Vec<Backend>,
}

/// The weight of a backend unless something else is said.
pub const WEIGHT: u32 = 100;

impl Pool {
    /// So many backends, all of the same weight.
    pub fn new(backends: usize) -> Self {
        let mut pool = Self { backends: Vec::new() };
        (0..backends).for_each(|_| pool.change(Change::Add));
        pool
    }

    /// Something happens.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Fail(number) => {
                self.backends[number].state = State::Down;
                self.backends[number].deaths += 1;
            }
            Change::Return(number) => self.backends[number].state = State::Up,
            Change::Drain(number) => self.backends[number].state = State::Draining,
            Change::Remove(number) => self.backends[number].state = State::Removed,
            Change::Weigh(number, weight) => self.backends[number].weight = weight,
            Change::Add => {
                let name = format!("web-{}", self.backends.len() + 1);
                self.backends.push(Backend { name, weight: WEIGHT, state: State::Up, deaths: 0 });
            }
        }
    }

    /// All of them, by number.
    pub fn backends(&self) -> impl Iterator<Item = (Number, &Backend)> {
        self.backends.iter().enumerate()
    }

    /// The server that a backend is now.
    pub fn server(&self, backend: Number) -> Server {
        Server { backend, deaths: self.backends[backend].deaths }
    }

    /// Can a connection or a session of this server go on?
    pub fn serves(&self, server: Server) -> bool {
        let backend = &self.backends[server.backend];
        backend.deaths == server.deaths && matches!(backend.state, State::Up | State::Draining)
    }
}
