//! A row, and the words to write one with.

use std::{collections::BTreeSet, fmt};

use lb_common::{
    reason::Reason,
    state::{Backend, BackendId, Health},
};

use super::{Conn, Datagram, Geometry, IcmpError, Side, Site, Which, World, tunnel::Wrapped};

/// A frame that comes in.
#[derive(Clone, Debug)]
pub enum Frame {
    /// From fields, once the ports in it are known.
    Built(Datagram),
    /// An ICMP error, the same.
    Error(IcmpError),
    /// From fields, in a tunnel.
    Wrapped(Wrapped),
    /// These bytes.
    Raw(Vec<u8>),
}

impl From<IcmpError> for Frame {
    fn from(error: IcmpError) -> Self {
        Self::Error(error)
    }
}

impl From<Datagram> for Frame {
    fn from(datagram: Datagram) -> Self {
        Self::Built(datagram)
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Raw(bytes)
    }
}

/// What must become of a frame. A passed or dropped one must be as it was.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Passed or dropped, as the reason says.
    Ends {
        /// Why.
        reason: Reason,
    },
    /// Sent to a backend.
    ToBackend {
        /// Which.
        id: BackendId,
        /// True if it opens a connection there.
        opens: bool,
        /// The frame that leaves.
        out: Frame,
        /// Where it leaves.
        side: Side,
    },
    /// Answered by the balancer itself, back to where it came from.
    Answered {
        /// How.
        reason: Reason,
        /// The backend at which a connection was entered all the same.
        opens: Option<BackendId>,
        /// The answer.
        out: Frame,
    },
    /// Sent back to a client, outside.
    ToClient {
        /// The backend it came from.
        id: BackendId,
        /// The frame that leaves.
        out: Frame,
    },
}

/// A frame that comes in, and what must happen.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The frame.
    pub frame: Frame,
    /// Where it comes in.
    pub side: Side,
    /// What must become of it.
    pub fate: Fate,
    /// What else must be counted, once for each time it is listed.
    pub events: Vec<Reason>,
}

/// What the daemon writes to the tables.
pub type Change = dyn Fn(&mut dyn World);

/// One step of a row.
pub enum Step {
    /// The daemon writes to the tables.
    Change(Box<Change>),
    /// Time goes by.
    Wait(u32),
    /// A frame comes in.
    Packet(Box<Packet>),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(_) => f.write_str("Change"),
            Self::Wait(ticks) => write!(f, "Wait({ticks})"),
            Self::Packet(packet) => packet.fmt(f),
        }
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Says what it shows; unique.
    pub name: String,
    /// Ids of the rows of docs/packets.md that it proves.
    pub proves: Vec<String>,
    /// The tables' sizes.
    pub geometry: Geometry,
    /// In order.
    pub steps: Vec<Step>,
}

impl Row {
    /// A row without steps.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), proves: Vec::new(), geometry: Geometry::ROOMY, steps: Vec::new() }
    }

    /// It proves the row of docs/packets.md that has this id; there may be several.
    #[must_use]
    pub fn proves(mut self, id: impl Into<String>) -> Self {
        self.proves.push(id.into());
        self
    }

    /// Everything that is counted in it, if it holds.
    pub fn counts(&self) -> BTreeSet<Reason> {
        let mut all = BTreeSet::new();
        for step in &self.steps {
            let Step::Packet(packet) = step else { continue };
            all.extend(&packet.events);
            match &packet.fate {
                Fate::Ends { reason } => all.extend([*reason]),
                Fate::ToBackend { opens: true, .. } => all.extend([Reason::ToBackend, Reason::FlowNew]),
                Fate::ToBackend { .. } => all.extend([Reason::ToBackend]),
                Fate::Answered { reason, opens: Some(_), .. } => all.extend([*reason, Reason::FlowNew]),
                Fate::Answered { reason, .. } => all.extend([*reason]),
                Fate::ToClient { .. } => all.extend([Reason::ToClient]),
            }
        }
        all
    }

    /// In tables of this size.
    #[must_use]
    pub fn sized(mut self, geometry: Geometry) -> Self {
        self.geometry = geometry;
        self
    }

    /// With a service in place, both backends up, every slot A's.
    #[must_use]
    pub fn at(self, site: Site) -> Self {
        self.change(move |world| site.install(world))
    }

    /// Changes the tables.
    #[must_use]
    pub fn change(mut self, change: impl Fn(&mut dyn World) + 'static) -> Self {
        self.steps.push(Step::Change(Box::new(change)));
        self
    }

    /// Gives the slots to these backends, in turn.
    #[must_use]
    pub fn slots(self, site: Site, owners: [Which; 2]) -> Self {
        self.change(move |world| world.set_slots(site.slots_base(), &owners.map(|which| site.id(which).0)))
    }

    /// Changes a backend's state.
    #[must_use]
    pub fn health(self, site: Site, which: Which, health: Health) -> Self {
        self.change(move |world| world.set_health(site.id(which), health))
    }

    /// Changes a backend's recipe.
    #[must_use]
    pub fn recipe(self, site: Site, which: Which, change: impl Fn(&mut Backend) + 'static) -> Self {
        self.change(move |world| {
            let mut recipe = site.recipe(world, which);
            change(&mut recipe);
            world.set_backend(site.id(which), &recipe);
        })
    }

    /// Lets ticks go by.
    #[must_use]
    pub fn wait(mut self, ticks: u32) -> Self {
        self.steps.push(Step::Wait(ticks));
        self
    }

    /// A packet that opens a connection.
    #[must_use]
    pub fn opens(self, conn: Conn, which: Which, datagram: Datagram, events: &[Reason]) -> Self {
        self.sends(conn, which, datagram, true, events)
    }

    /// A packet of a connection that is open.
    #[must_use]
    pub fn goes(self, conn: Conn, which: Which, datagram: Datagram, events: &[Reason]) -> Self {
        self.sends(conn, which, datagram, false, events)
    }

    fn sends(mut self, conn: Conn, which: Which, datagram: Datagram, opens: bool, events: &[Reason]) -> Self {
        let out = conn.leaving(which, datagram.clone());
        let fate = Fate::ToBackend { id: conn.site.id(which), opens, out, side: which.side() };
        self.packet(datagram.into(), Side::Outside, fate, events);
        self
    }

    /// A backend's packet that goes back to the client.
    #[must_use]
    pub fn returns(mut self, conn: Conn, which: Which, datagram: Datagram, events: &[Reason]) -> Self {
        let fate = Fate::ToClient { id: conn.site.id(which), out: conn.returned(datagram.clone()).into() };
        let (frame, side) = (datagram.into(), which.side());
        self.packet(frame, side, fate, events);
        self
    }

    /// A frame that is passed or dropped.
    #[must_use]
    pub fn ends(self, frame: impl Into<Frame>, reason: Reason) -> Self {
        self.ends_with(frame, Side::Outside, reason, &[])
    }

    /// A frame that is passed or dropped, and more is counted.
    #[must_use]
    pub fn ends_with(
        mut self,
        frame: impl Into<Frame>,
        side: Side,
        reason: Reason,
        events: &[Reason],
    ) -> Self {
        let (frame, fate) = (frame.into(), Fate::Ends { reason });
        self.packet(frame, side, fate, events);
        self
    }

    /// A frame and what leaves to a backend, both as bytes.
    #[must_use]
    pub fn raw(mut self, site: Site, which: Which, frame: Vec<u8>, out: Vec<u8>, events: &[Reason]) -> Self {
        let fate =
            Fate::ToBackend { id: site.id(which), opens: true, out: Frame::Raw(out), side: which.side() };
        self.packet(Frame::Raw(frame), Side::Outside, fate, events);
        self
    }

    /// Any frame, and what must become of it.
    #[must_use]
    pub fn comes(mut self, side: Side, frame: impl Into<Frame>, fate: Fate, events: &[Reason]) -> Self {
        self.packet(frame.into(), side, fate, events);
        self
    }

    fn packet(&mut self, frame: Frame, side: Side, fate: Fate, events: &[Reason]) {
        let packet = Packet { frame, side, fate, events: events.to_vec() };
        self.steps.push(Step::Packet(Box::new(packet)));
    }
}
