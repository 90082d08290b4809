//! Runs a row and compares everything.

use std::{collections::BTreeMap, fmt::Write as _};

use lb_common::{
    reason::{Kind, Reason},
    state::{BackendId, Traffic},
};

use super::{
    Action, Datagram, Fate, Frame, Geometry, Packet, Port, Row, Side, Step, World,
    tunnel::{Entropy, Wrapped},
};

/// Backends that rows use.
const IDS: std::ops::Range<u32> = 0..8;

/// Everything that is counted.
#[derive(Clone, PartialEq, Eq)]
struct Counters {
    reasons: Vec<(Reason, u64)>,
    traffic: Vec<Traffic>,
}

impl Counters {
    fn of(world: &dyn World) -> Self {
        Self { reasons: world.reasons(), traffic: IDS.map(|id| world.traffic(BackendId(id))).collect() }
    }

    fn add(&mut self, reason: Reason) {
        self.reasons[reason as usize].1 += 1;
    }

    /// Packets whose fate was counted.
    fn fates(&self) -> u64 {
        let fates = self.reasons.iter().filter(|(reason, _)| reason.kind() != Kind::Event);
        fates.map(|(_, count)| count).sum()
    }

    fn opened(&mut self, id: BackendId) {
        self.add(Reason::FlowNew);
        self.traffic[id.0 as usize].connections += 1;
    }

    /// In words, what `self` has more or less than `expected`.
    fn differences(&self, expected: &Self) -> String {
        let mut text = String::new();
        for (&(reason, got), &(_, want)) in self.reasons.iter().zip(&expected.reasons) {
            if got != want {
                let _ = writeln!(text, "  {} moved by {} too many", reason.name(), got as i64 - want as i64);
            }
        }
        for ((id, got), want) in IDS.zip(&self.traffic).zip(&expected.traffic) {
            if got != want {
                let _ = writeln!(text, "  traffic of {id}: {got:?}, expected {want:?}");
            }
        }
        text
    }
}

/// Runs a row in a world that it has for itself.
///
/// # Errors
/// The first difference, in words.
pub fn check(row: &Row, world: &mut dyn World) -> Result<(), String> {
    let mut learned = Learned::default();
    for (number, step) in row.steps.iter().enumerate() {
        match step {
            Step::Change(change) => change(world),
            Step::Wait(ticks) => world.wait(*ticks),
            Step::Packet(packet) => {
                run(world, row.geometry, &mut learned, packet)
                    .map_err(|what| format!("row \"{}\", step {number}: {what}\n  of {step:?}", row.name))?;
            }
        }
    }
    Ok(())
}

fn run(
    world: &mut dyn World,
    geometry: Geometry,
    learned: &mut Learned,
    packet: &Packet,
) -> Result<(), String> {
    let Packet { frame, side, fate, events } = packet;
    let bytes = frame.bytes(learned);
    let mut counters = Counters::of(world);
    let fates = counters.fates();
    let ran = world.run(&bytes, *side);

    let (action, out) = match fate {
        Fate::Ends { reason } => {
            counters.add(*reason);
            let action = if reason.kind() == Kind::Drop { Action::Drop } else { Action::Pass };
            (action, frame)
        }
        Fate::ToBackend { id, opens, out, side: to } => {
            if let (Frame::Built(datagram), true) = (out, ran.action != Action::Drop) {
                learned.port(geometry, datagram, &ran.bytes)?;
            }
            if let (Frame::Wrapped(Wrapped { flow, .. }), true) = (out, ran.action != Action::Drop) {
                learned.entropy(*flow, &ran.bytes)?;
            }
            counters.add(Reason::ToBackend);
            let traffic = &mut counters.traffic[id.0 as usize];
            traffic.packets += 1;
            traffic.bytes += frame.ip_len();
            if *opens {
                counters.opened(*id);
            }
            (leaves(*side, *to), out)
        }
        Fate::Answered { reason, opens, out } => {
            counters.add(*reason);
            if let Some(id) = opens {
                counters.opened(*id);
            }
            (Action::Tx, out)
        }
        Fate::ToClient { id, out } => {
            counters.add(Reason::ToClient);
            let traffic = &mut counters.traffic[id.0 as usize];
            traffic.reply_packets += 1;
            traffic.reply_bytes += frame.ip_len();
            (leaves(*side, Side::Outside), out)
        }
    };
    for event in events {
        counters.add(*event);
    }

    let same_action = match (ran.action, action) {
        (Action::Redirect(None), Action::Redirect(_)) => true,
        (got, expected) => got == expected,
    };
    let mut text = String::new();
    if !same_action {
        let _ = writeln!(text, "  {:?}, expected {action:?}", ran.action);
    }
    // A port that was not learned has no bytes to compare.
    if text.is_empty() {
        let expected = out.bytes(learned);
        if ran.bytes != expected {
            let _ = writeln!(text, "  got      {}\n  expected {}", hex(&ran.bytes), hex(&expected));
        }
    }
    let counted = Counters::of(world);
    text += &counted.differences(&counters);
    // Said by the differences, too, unless a row expects nonsense.
    if counted.fates() != fates + 1 {
        let _ = writeln!(text, "  {} fates were counted for one packet", counted.fates() - fates);
    }
    if text.is_empty() { Ok(()) } else { Err(format!("\n{text}")) }
}

const fn leaves(from: Side, to: Side) -> Action {
    match (from, to) {
        (Side::Outside, Side::Outside) | (Side::Inside, Side::Inside) => Action::Tx,
        _ => Action::Redirect(Some(to)),
    }
}

/// What a row's frames have shown of choices that are the balancer's.
#[derive(Default)]
struct Learned {
    /// Source ports, by connection.
    taken: Vec<u16>,
    /// What outer headers have of a flow, by connection.
    entropies: BTreeMap<usize, Entropy>,
}

impl Learned {
    /// Notes the source port of a new connection; it must be in the range and nobody else's.
    fn port(&mut self, geometry: Geometry, expected: &Datagram, out: &[u8]) -> Result<(), String> {
        let taken = &mut self.taken;
        let Port::Taken(nth) = expected.source.port else { return Ok(()) };
        if nth < taken.len() || !expected.has_ports() {
            return Ok(());
        }
        assert_eq!(nth, taken.len(), "connections open in the order of their source ports");
        let ports = out.get(expected.transport_offset()..).and_then(|transport| transport.first_chunk());
        let port = u16::from_be_bytes(*ports.ok_or("what left has no ports")?);
        let (first, last) = geometry.ports;
        if !(first..=last).contains(&port) || taken.contains(&port) {
            return Err(format!("source port {port} is outside {first}..={last} or one of {taken:?}"));
        }
        taken.push(port);
        Ok(())
    }

    /// Notes what a flow's first packet has in its outer headers; the others must have the same.
    fn entropy(&mut self, flow: usize, out: &[u8]) -> Result<(), String> {
        let seen = Entropy::of(out)?;
        let known = *self.entropies.entry(flow).or_insert(seen);
        if known == seen { Ok(()) } else { Err(format!("one flow has {known:?} and {seen:?}")) }
    }
}

impl Frame {
    fn bytes(&self, learned: &Learned) -> Vec<u8> {
        match self {
            Self::Built(datagram) => datagram.build(&learned.taken),
            Self::Wrapped(wrapped) => wrapped.build(learned.entropies[&wrapped.flow]),
            Self::Error(error) => error.build(&learned.taken),
            Self::Raw(bytes) => bytes.clone(),
        }
    }

    fn ip_len(&self) -> u64 {
        match self {
            Self::Built(datagram) | Self::Wrapped(Wrapped { inner: datagram, .. }) => datagram.ip_len(),
            Self::Error(error) => error.ip_len(),
            Self::Raw(bytes) => {
                match etherparse::LaxSlicedPacket::from_ethernet(bytes).ok().and_then(|it| it.net) {
                    Some(etherparse::LaxNetSlice::Ipv4(ip)) => ip.header().total_len().into(),
                    Some(etherparse::LaxNetSlice::Ipv6(ip)) => 40 + u64::from(ip.header().payload_length()),
                    _ => 0,
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
