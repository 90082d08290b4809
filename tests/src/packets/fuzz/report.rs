//! A finding in words: as a row for `table/rows/regressions.rs`.

use std::fmt::Write as _;

use lb_common::{
    reason::{Kind, Reason},
    state::{BackendId, Health},
};

use super::{
    super::{
        age,
        table::{Action, Geometry, Host, IDS, Side, Site, World as _},
    },
    hex,
    history::Finding,
    step::{Change, Step},
};

/// The finding as a row. What it expects is what the host engine says, which may be the one that is wrong.
pub fn row(finding: &Finding, geometry: Geometry, seed: u64) -> String {
    let mut host = Host::new(geometry);
    let mut text = String::new();
    let indented = finding.what.replace('\n', "\n    // ");
    let _ = writeln!(text, "fn seed_{seed}() -> Row {{\n    // {indented}");
    for site in &finding.sites {
        let _ = writeln!(text, "    let {} = {site:?};", name(site));
        site.install(&mut host);
    }
    let Geometry { buckets, pins, ports, fragments, new_flows, new_pins } = geometry;
    let _ = writeln!(text, "    Row::new(\"what it shows\")\n        .proves(\"a row of docs/packets.md\")");
    let _ = writeln!(
        text,
        "        .sized(Geometry {{ buckets: {buckets}, pins: {pins}, ports: {ports:?}, fragments: {fragments}, new_flows: {new_flows}, new_pins: {new_pins} }})"
    );
    let _ = writeln!(text, "        .change(fuzz::install_lists)");
    super::lists::install(&mut host);
    for site in &finding.sites {
        let _ = writeln!(text, "        .at({})", name(site));
    }
    for step in &finding.steps {
        let line = match step {
            Step::Change(it) => {
                it.apply(&mut host);
                change(*it)
            }
            Step::Wait(ticks) => {
                age::host(&mut host.tables, -(*ticks as i32));
                format!(".wait({ticks})")
            }
            Step::Packet(frame, side) => packet(&mut host, frame, *side),
        };
        let _ = writeln!(text, "        {line}");
    }
    text + "}\n"
}

fn name(site: &Site) -> String {
    format!("site{}", site.number)
}

fn change(change: Change) -> String {
    match change {
        Change::Health(site, which, health) => {
            let health: Health = health;
            format!(".health({}, {which:?}, Health::{health:?})", name(&site))
        }
        Change::Slots(site, owners) => format!(".slots({}, {owners:?})", name(&site)),
        Change::Replace(site, which, more) => {
            format!(".recipe({}, {which:?}, |recipe| recipe.generation += {more})", name(&site))
        }
        Change::NextHop(site, which, true) => format!(".recipe({}, {which:?}, |_| {{}})", name(&site)),
        Change::NextHop(site, which, false) => {
            format!(".recipe({}, {which:?}, |recipe| recipe.target_mac = Mac::default())", name(&site))
        }
        Change::Service(site, true) => {
            format!(".change(move |world| {}.open(world))", name(&site))
        }
        Change::Service(site, false) => {
            format!(".change(move |world| {}.close(world))", name(&site))
        }
        Change::Access(site, access) => {
            format!(".change(move |world| Site {{ access: {access}, ..{} }}.open(world))", name(&site))
        }
        Change::Evict => ".change(|world| world.evict())".to_owned(),
        Change::Mtu(mtu) => format!(".change(|world| world.set_tunnels(&tunnels({mtu})))"),
        Change::Headroom(bytes) => format!(".change(|world| world.set_headroom({bytes}))"),
    }
}

fn packet(host: &mut Host, frame: &[u8], side: Side) -> String {
    let ids = || (0..IDS).map(BackendId);
    let before = (host.reasons(), ids().map(|id| host.traffic(id)).collect::<Vec<_>>());
    let ran = host.run(frame, side);
    let (mut events, mut opens) = (Vec::new(), false);
    for ((reason, was), (_, is)) in before.0.into_iter().zip(host.reasons()) {
        match reason {
            Reason::FlowNew => opens = is > was,
            _ if reason.kind() == Kind::Event => {
                events.extend((was..is).map(|_| format!("Reason::{reason:?}")));
            }
            _ => {}
        }
    }
    let id = ids().zip(before.1).find(|(id, was)| host.traffic(*id) != *was).map_or(0, |(id, _)| id.0);
    let to = match ran.action {
        Action::Redirect(Some(to)) => to,
        _ => side,
    };
    let (input, output, events) = (hex(frame), hex(&ran.bytes), events.join(", "));
    let fate = match host.last {
        Reason::ToBackend => format!(
            "Fate::ToBackend {{ id: BackendId({id}), opens: {opens}, out: hex(\"{output}\"), side: Side::{to:?} }}"
        ),
        Reason::ToClient => format!("Fate::ToClient {{ id: BackendId({id}), out: hex(\"{output}\") }}"),
        Reason::EchoReply | Reason::TooBigAnswered => {
            let opens = opens.then(|| format!("BackendId({id})"));
            let opens = opens.map_or("None".to_owned(), |id| format!("Some({id})"));
            let reason = host.last;
            format!("Fate::Answered {{ reason: Reason::{reason:?}, opens: {opens}, out: hex(\"{output}\") }}")
        }
        reason => format!("Fate::Ends {{ reason: Reason::{reason:?} }}"),
    };
    format!(".comes(Side::{side:?}, hex(\"{input}\"), {fate}, &[{events}])")
}
