//! Faults that tests must find: each changes one line of the code that decides.

/// Who must find a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Finder {
    /// The model, on random histories.
    Histories,
    /// The packet table: where no history goes.
    Rows,
}

impl Finder {
    pub(super) const ALL: [Self; 2] = [Self::Histories, Self::Rows];

    /// Its test.
    pub(super) const fn test(self) -> [&'static str; 2] {
        match self {
            Self::Histories => ["--package=lb-user", "--test=promises"],
            Self::Rows => ["--package=lb-common", "--test=packets"],
        }
    }
}

/// A line that is made wrong.
pub(super) struct Fault {
    /// What it does to clients.
    pub(super) what: &'static str,
    /// The file, from the workspace's root.
    pub(super) file: &'static str,
    /// What stands there, once.
    pub(super) from: &'static str,
    /// What stands there instead.
    pub(super) to: &'static str,
    /// Who finds it.
    pub(super) finder: Finder,
}

const fn fault(file: &'static str, what: &'static str, from: &'static str, to: &'static str) -> Fault {
    Fault { what, file, from, to, finder: Finder::Histories }
}

const fn shown(file: &'static str, what: &'static str, from: &'static str, to: &'static str) -> Fault {
    Fault { finder: Finder::Rows, ..fault(file, what, from, to) }
}

const PROMISE: &str = "lb-common/src/stage/promise.rs";
const SESSION: &str = "lb-common/src/stage/session.rs";
const SELECT: &str = "lb-common/src/stage/select.rs";
const CONNECT: &str = "lb-common/src/stage/connect.rs";
const FRESH: &str = "lb-common/src/engine/fresh.rs";
const FLOW: &str = "lb-common/src/stage/flow.rs";
const FRAGMENT: &str = "lb-common/src/stage/fragment.rs";
const ICMP: &str = "lb-common/src/stage/icmp.rs";
const STORED: &str = "lb-common/src/state/session.rs";
const BACKEND: &str = "lb-common/src/state/backend.rs";
const STATE: &str = "lb-user/src/plan/state.rs";

pub(super) const FAULTS: &[Fault] = &[
    fault(PROMISE, "idle sessions go on", "if pin.idled(now, service.idle_ticks) {", "if false {"),
    fault(PROMISE, "old sessions go on", "if pin.outlived(now, service.lifetime_ticks) {", "if false {"),
    fault(
        PROMISE,
        "sessions leave a draining backend, whatever was promised",
        "Health::Draining if policy.has(Policy::MOVES_ON_DRAIN) =>",
        "Health::Draining =>",
    ),
    fault(
        PROMISE,
        "sessions hold a disabled backend",
        "Health::Disabled => Standing::Ended(Cause::Drained),",
        "Health::Disabled => Standing::Holds(id),",
    ),
    fault(PROMISE, "a hold ends a tick early", "<= service.hold_ticks", "< service.hold_ticks"),
    fault(
        PROMISE,
        "a hold begins with the client's last packet",
        "now.since(Health::since(word))",
        "now.since(pin.seen)",
    ),
    fault(PROMISE, "who is back is not noticed", "stored.come_back(&pin);", ""),
    fault(
        PROMISE,
        "a kept promise counts twice",
        "stored.count();",
        "stored.count(); tables.kept(service.number);",
    ),
    fault(
        CONNECT,
        "packets in mid-connection count as new ones",
        "let opens = packet.protocol != protocol::TCP || packet.tcp.opens();",
        "let opens = true;",
    ),
    fault(
        PROMISE,
        "sessions move in mid-connection",
        "Standing::Ended(_) if !opens => match",
        "Standing::Ended(_) if false => match",
    ),
    fault(
        PROMISE,
        "a session that moves is young again",
        "if is_over { stored.renew(old, &fresh) } else { stored.rehome(old, &fresh) }",
        "stored.renew(old, &fresh)",
    ),
    fault(
        PROMISE,
        "a session that begins again stays old",
        "if is_over { stored.renew(old, &fresh) } else { stored.rehome(old, &fresh) }",
        "stored.rehome(old, &fresh)",
    ),
    fault(
        PROMISE,
        "a session moves where its server is not in the service",
        "_ => Standing::Elsewhere,",
        "_ => Standing::Ended(Cause::Removed),",
    ),
    fault(
        PROMISE,
        "a server that left the group is not missed",
        "return match tables.health(pin.backend) {",
        "return match Health::Up {",
    ),
    fault(
        SESSION,
        "a client whose session was just stored is taken for a stranger",
        "    if is_stored {",
        "    if !is_stored {",
    ),
    fault(
        SESSION,
        "sessions follow an id to its next backend",
        "if home.generation != pin.generation {",
        "if false {",
    ),
    fault(
        SESSION,
        "a session ends in the middle of a connection",
        "// It ends with the client's next connection, not in the middle of this one.",
        "session.renew(&old, &fresh);",
    ),
    fault(
        SESSION,
        "traffic wakes a session that was over",
        "session.renew(&old, &fresh);",
        "session.touch(&old, now);",
    ),
    fault(
        SESSION,
        "proof makes a session anew",
        "let mut pin = Pin { seen: now, ..old };",
        "let mut pin = fresh;",
    ),
    fault(SESSION, "strangers count as proven", "if proof == Proof::None {", "if false {"),
    fault(
        SESSION,
        "a group's sessions name one service's backend",
        "if service.policy.has(Policy::GROUPED) { tables.member(&MemberKey::of_backend(id))? } else { id };",
        "id;",
    ),
    fault(
        SELECT,
        "new clients go to a draining backend",
        "&& tables.health(id) == Health::Up",
        "&& tables.health(id).serves()",
    ),
    fault(SELECT, "nobody else is tried where a backend failed", "at = at.wrapping_add(STEP);", ""),
    fault(
        CONNECT,
        "new connections don't ask for a session",
        "None => match session::key(tables, &service, packet.source.address.widen()) {",
        "None => match session::key(tables, &service, packet.source.address.widen()).filter(|_| false) {",
    ),
    fault(
        CONNECT,
        "a late FIN is the beginning of something",
        "if packet.tcp.closes() { Phase::Closing } else { Phase::New };",
        "Phase::New;",
    ),
    fault(
        FLOW,
        "connections follow an id to its next backend",
        "if !way.holds(hash, entry, backend.generation) {",
        "if false {",
    ),
    fault(FLOW, "connections stay at a dead backend", "if !tables.health(id).serves() {", "if false {"),
    fault(
        FLOW,
        "what comes after the end extends the session",
        "Phase::Closing => Proof::Over,",
        "Phase::Closing => Proof::None,",
    ),
    fault(
        FLOW,
        "the second packet stores no session",
        "old.idle(now) != 0 || new.phase() > old.phase().max(Phase::New);",
        "old.idle(now) != 0;",
    ),
    fault(
        FLOW,
        "a SYN after a reset to a wrong answer counts as another connection",
        "&& is_left && !stamp.is_asked_again()",
        "&& is_left",
    ),
    fault(
        FLOW,
        "a SYN after the FIN goes on with the old connection",
        "let is_left = stamp.is_left() || entry.phase() == Phase::Closing;",
        "let is_left = false;",
    ),
    fault(
        FLOW,
        "a SYN that is sent again stores a session",
        "Phase::Closing | Phase::New if packet.tcp.opens() => Phase::New,",
        "",
    ),
    fault(
        STORED,
        "idle a tick early",
        "now.since(self.seen) > idle_ticks",
        "now.since(self.seen) >= idle_ticks",
    ),
    fault(
        STORED,
        "too old a tick early",
        "now.since(self.created) > lifetime_ticks",
        "now.since(self.created) >= lifetime_ticks",
    ),
    fault(
        STORED,
        "each connection that is lent or refused counts",
        "!seen.away && self.home.claim(",
        "self.home.claim(",
    ),
    fault(STORED, "a new session keeps the old home", "self.home.store(fresh.home());", ""),
    fault(
        BACKEND,
        "a drain breaks connections",
        "matches!(self, Self::Up | Self::Draining)",
        "matches!(self, Self::Up)",
    ),
    fault(
        STATE,
        "an id is given away with its old generation",
        "*generation = generation.wrapping_add(1).max(1);",
        "*generation = 1;",
    ),
    shown(
        CONNECT,
        "the host serves clients that are denied",
        "if !access::admits(tables, &service, packet.source.address.widen()) {",
        "if !service.policy.has(Policy::LOCAL) && !access::admits(tables, &service, packet.source.address.widen()) {",
    ),
    shown(
        CONNECT,
        "a flood reaches the host",
        "if packet.tcp.opens() && is_one_too_many(packet, tables) {",
        "if false {",
    ),
    shown(
        CONNECT,
        "a flood breaks connections of the host's",
        "if packet.tcp.opens() && is_one_too_many(packet, tables) {",
        "if is_one_too_many(packet, tables) {",
    ),
    shown(
        ICMP,
        "errors about connections of the host's are dropped",
        "return Err(Reason::ToHost);",
        "return Err(Reason::IcmpOrphan);",
    ),
    shown(
        FRAGMENT,
        "fragments that may be the host's are dropped",
        "if mark.policy.has(Policy::LOCAL) {",
        "if mark.policy.has(Policy::ECHO) {",
    ),
    shown(
        FRAGMENT,
        "fragments for the host go to backends",
        "if service.policy.has(Policy::LOCAL) {",
        "if false {",
    ),
    shown(FRESH, "a SYN again begins another connection", "if packet.tcp.opens()", "if false"),
    shown(FRESH, "a backend's SYN to a client is sent back to it", "if target.is_reply() {", "if false {"),
];
