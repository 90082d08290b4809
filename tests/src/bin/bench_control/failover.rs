//! A backend's server dies, while packets of many clients are under way to it.
//!
//! What goes to the backend is UDP, which goes on whoever is dead; what is checked is a TCP port of the same server. So the
//! backend's own wire tells both: when its kernel refused a check, and when a client's packet arrived.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{
    Family, Lab, NameServer, Size,
    config::{Config, Health, Limits, Service},
    plan,
};

use crate::{
    Setup,
    limpet::Limpet,
    report::{Line, Report},
    watch::{Seen, Watch},
};

/// Where UDP goes at the backends.
const PORT: u16 = 9_000;
/// What is checked.
const CHECKED: u16 = 8_080;
/// Clients that send in turn.
const CLIENTS: u32 = 64;
/// Between two packets, some of it the sender's own: half of them go to either backend.
const PAUSE: Duration = Duration::from_micros(50);
/// After the verdict so long nothing may arrive.
const SILENCE: Duration = Duration::from_millis(300);
/// For anything to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How backends are checked, and in words.
struct Check {
    what: &'static str,
    health: Health,
    fall: usize,
    rounds: u32,
}

/// What became of one death.
struct Death {
    /// To the refusal that tipped the balance.
    noticed: Duration,
    /// From there to the last packet.
    late: Duration,
    /// Packets that came in that time.
    packets: usize,
}

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let tcp = |interval, timeout, fall| Health::Tcp { port: Some(CHECKED), interval, timeout, rise: 1, fall };
    let quick = Check {
        what: "interval 200 ms, fall 3",
        health: tcp("200ms", "100ms", 3),
        fall: 3,
        rounds: setup.sized(20, 1),
    };
    let usual = Check {
        what: "interval 2 s, fall 3",
        health: tcp("2s", "1s", 3),
        fall: 3,
        rounds: setup.sized(5, 0),
    };
    for check in [quick, usual].iter().filter(|check| check.rounds > 0) {
        deaths(setup, check, report)?;
    }
    Ok(())
}

fn deaths(setup: &Setup, check: &Check, report: &mut Report) -> Result<()> {
    let lab = Lab::new(Size { clients: 1, backends: 2 })?;
    let servers = (0..2).map(|index| lab.start_server(&setup.limpet, index).map(Some));
    let mut servers = servers.collect::<Result<Vec<_>>>()?;
    let target = SocketAddr::new(plan::vip(Family::V4), PORT);
    let mut service = Service::new("udp", "nat", target, 2, PORT);
    (service.protocol, service.health) = ("udp", check.health.clone());
    let mut config = Config::new(vec![service]);
    // Each client of each round is to have a session that counts.
    config.limits = Some(Limits { new_pins_per_second: Some(1_000_000), ..Limits::default() });
    let (limpet, _) = Limpet::start(&setup.limpet, &lab, &config)?;
    limpet.until_whole(2)?;
    let watches = lab.backends().iter().map(Watch::new).collect::<Result<Vec<_>>>()?;
    let mut seen = Vec::new();
    for round in 0..check.rounds {
        let dying = round as usize % 2;
        seen.push(
            death(&lab, check, (round, target), &mut servers[dying], &watches[dying])
                .with_context(|| format!("death {round}"))?,
        );
        servers[dying] = Some(lab.start_server(&setup.limpet, dying as u8)?);
        until_up(&limpet)?;
    }
    let times = |of: fn(&Death) -> Duration| seen.iter().map(of).collect::<Vec<_>>();
    let most = seen.iter().map(|death| death.packets).max().unwrap_or_default();
    let what = check.what;
    let late = Line::times(format!("{what}: last refusal to last packet"), &times(|it| it.late));
    report.add(late.in_microseconds());
    report.add(Line::once(format!("{what}: packets in between, at most"), "", most as f64));
    report.add(Line::times(format!("{what}: kill to last refusal"), &times(|it| it.noticed)));
    Ok(())
}

fn death(
    lab: &Lab,
    check: &Check,
    (round, target): (u32, SocketAddr),
    server: &mut Option<NameServer>,
    watch: &Watch,
) -> Result<Death> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| lab.clients().run(|| send(round, target, &over)));
        let watched = until_silent(check, server, watch);
        over.store(true, Ordering::Relaxed);
        sender.join().expect("no panic")?;
        watched
    })
}

/// Kills the server once packets arrive, and waits until none does.
fn until_silent(check: &Check, server: &mut Option<NameServer>, watch: &Watch) -> Result<Death> {
    let begin = Instant::now();
    let mut packets = Vec::new();
    let arrivals =
        |packets: &[(Duration, Seen)]| packets.iter().filter(|it| it.1 == Seen::Datagram(PORT)).count();
    watch.take()?;
    // All clients are known to the balancer, and proven.
    while arrivals(&packets) < 50 * CLIENTS as usize {
        packets.extend(watch.take()?);
        ensure!(begin.elapsed() < PATIENCE, "no packets arrive");
        thread::sleep(Duration::from_millis(1));
    }
    let killed = now()?;
    drop(server.take());
    packets.clear();
    let tipped = |packets: &[(Duration, Seen)]| {
        let refusals = packets.iter().filter(|it| it.1 == Seen::Refusal(CHECKED) && it.0 > killed);
        refusals.map(|it| it.0).nth(check.fall - 1)
    };
    loop {
        packets.extend(watch.take()?);
        let last = packets.iter().rev().find(|it| it.1 == Seen::Datagram(PORT)).map_or(killed, |it| it.0);
        if let Some(tipped) = tipped(&packets)
            && now()? > last.max(tipped) + SILENCE
        {
            let late: Vec<_> =
                packets.iter().filter(|it| it.1 == Seen::Datagram(PORT) && it.0 > tipped).collect();
            return Ok(Death {
                noticed: tipped - killed,
                late: last.saturating_sub(tipped),
                packets: late.len(),
            });
        }
        ensure!(begin.elapsed() < PATIENCE, "packets go on arriving");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Sends from other clients in each round, as those of earlier ones have their sessions.
fn send(round: u32, target: SocketAddr, over: &AtomicBool) -> Result<()> {
    let sockets = (0..CLIENTS).map(|client| {
        UdpSocket::bind((plan::crowd(Family::V4, round * CLIENTS + client), 0)).context("cannot bind")
    });
    let sockets = sockets.collect::<Result<Vec<_>>>()?;
    for socket in sockets.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        // Nobody listens at the other end, which some errors tell.
        let _ = socket.send_to(b"limpet", target);
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn until_up(limpet: &Limpet) -> Result<()> {
    let begin = Instant::now();
    while !limpet.is_up()? {
        ensure!(begin.elapsed() < PATIENCE, "a backend does not come back");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// By the clock that packets are stamped with.
fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}
