//! Clients that a flood must not touch, and those that come after it.

use lb_common::{reason::Reason, state::Forwarding, tables::Store};

use crate::packets::{
    kernel::{Kernel, next_tick},
    table::{A, ACK, Conn, Datagram, FIN, Site, Which, World as _, mac},
};

/// Packets to and from numbered clients of a site, and the source ports they got.
pub struct Clients {
    /// The program.
    pub kernel: Kernel,
    /// The service.
    pub site: Site,
    taken: Vec<u16>,
}

/// Where the clients' ports begin; a second connection has the next.
const PORT: u16 = 40_000;

impl Clients {
    /// With the service in place, every slot A's.
    pub fn new(mut kernel: Kernel, site: Site) -> Self {
        site.install(&mut kernel);
        Self { kernel, site, taken: Vec::new() }
    }

    fn replies(&self) -> bool {
        self.site.forwarding != Forwarding::Dsr
    }

    fn conn(&self, number: usize) -> Conn {
        let [high, low] = (number as u16).to_be_bytes();
        Conn { taken: number, port: PORT, ..self.site.conn(0).by(&format!("100.64.{high}.{low}")) }
    }

    fn sends(&mut self, datagram: &Datagram) -> Vec<u8> {
        let frame = datagram.build(&self.taken);
        self.kernel.run(&frame, super::OUTSIDE).bytes
    }

    /// Client `number` opens a connection; true if it goes to `which`. The backend answers.
    pub fn opens(&mut self, number: usize, port: u16, which: Which) -> bool {
        let conn = Conn { port, ..self.conn(number) };
        let out = self.sends(&conn.first());
        let to = if which == A { mac::A } else { mac::B };
        if out[..6] != to {
            return false;
        }
        if self.taken.len() <= number {
            self.taken.resize(number + 1, 0);
        }
        self.taken[number] = u16::from_be_bytes([out[34], out[35]]);
        !self.replies() || self.answers(conn, &conn.answer(which))
    }

    /// A backend's packet; true if it reaches the client as it should.
    fn answers(&mut self, conn: Conn, answer: &Datagram) -> bool {
        let expected = conn.returned(answer.clone()).build(&self.taken);
        self.sends(answer) == expected
    }

    /// Client `number` sends on its first connection; true if that reaches `which` over the same port.
    pub fn sends_on(&mut self, number: usize, which: Which) -> bool {
        let conn = self.conn(number);
        let expected = conn.forwarded(which, conn.data()).build(&self.taken);
        self.sends(&conn.data()) == expected
    }

    /// Client `number` has an open connection that goes both ways.
    pub fn talks(&mut self, number: usize, which: Which) -> bool {
        let conn = self.conn(number);
        self.sends_on(number, which)
            && (!self.replies() || self.answers(conn, &conn.answers(which, ACK, b"and an answer")))
    }

    /// Client `number` closes its connection, and so does the backend.
    pub fn closes(&mut self, number: usize, which: Which) {
        let conn = self.conn(number);
        self.sends(&conn.fin());
        if self.replies() {
            self.sends(&conn.answers(which, FIN | ACK, b""));
        }
    }

    /// Clients `numbers` open a connection each, prove themselves, and have it open then. Returns how many did.
    pub fn prove(&mut self, numbers: std::ops::Range<usize>, which: Which) -> usize {
        let opened: Vec<_> = numbers.filter(|&number| self.opens(number, PORT, which)).collect();
        let talking: Vec<_> = opened.into_iter().filter(|&number| self.talks(number, which)).collect();
        // Where proof takes traffic in another tick.
        next_tick();
        talking.into_iter().filter(|&number| self.talks(number, which)).count()
    }

    /// Number of sessions among the proven.
    pub fn pins(&self) -> usize {
        self.kernel.sessions().iter().filter(|(store, ..)| *store == Store::Pins).count()
    }

    /// All counters.
    pub fn reasons(&self) -> Vec<(Reason, u64)> {
        self.kernel.reasons()
    }
}
