//! The show, act by act. Each act prints what happened and checks what was promised.

use std::{
    io::{self, Stdout},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    browser::Browser,
    network::{CLIENTS, Network, SHOP},
    round::{Answer, Move, Round},
    screen::Screen,
};
use crate::lab::{BACKEND_PORTS, Family, Way, backend_name, client::Tasks, plan};

/// Who dies. Not the first, which would look like a special case.
const VICTIM: u8 = 1;

/// Rounds before anything happens.
const QUIET_ROUNDS: usize = 3;

/// How long backends may take to come up or be given up, about which the demo promises nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// A network to show, and what it has shown.
pub(super) struct Show {
    screen: Screen<Stdout>,
    kept: bool,
    tasks: Tasks,
    network: Network,
}

impl Show {
    /// Builds the network; bounded by the patience with the daemon's start.
    pub(super) fn open(mut screen: Screen<Stdout>) -> Result<Self> {
        screen
            .say("Building a network in namespaces: clients, the balancer, three backends, one switch ...")?;
        let network = Network::build()?;
        let tasks = Tasks::inside(network.lab.clients())?;
        Ok(Self { screen, kept: true, tasks, network })
    }

    /// Plays all acts. Returns whether every promise was kept.
    pub(super) async fn give(&mut self) -> Result<bool> {
        self.introduce().await?;
        let settled = self.quiet_rounds().await?;
        let without = self.kill_a_backend(&settled).await?;
        self.bring_it_back(&without).await?;
        self.follow_a_browser().await?;
        self.screen.heading(if self.kept {
            "Every promise was kept."
        } else {
            "NOT every promise was kept."
        })?;
        Ok(self.kept)
    }

    async fn introduce(&mut self) -> Result<()> {
        self.network
            .daemon
            .wait_for(PATIENCE, |status| status.all("up"))
            .await
            .context("backends do not come up")?;
        for interface in self.network.daemon.status()?.interfaces {
            self.screen.say(&format!("XDP is attached to {} in {} mode.", interface.name, interface.mode))?;
        }
        self.screen.say("Each client has an IPv4 and an IPv6 address and asks four services, on a new connection each time.")?;
        self.screen.say("The digit is the backend that answered; `*` marks a change since the round before, `-` no answer.")?;
        Ok(())
    }

    async fn quiet_rounds(&mut self) -> Result<Round> {
        let first = Round::ask(&self.tasks, 0..CLIENTS).await?;
        self.screen.round("Round 1", 0, &first, None)?;
        let mut same = true;
        for number in 2..=QUIET_ROUNDS {
            let round = Round::ask(&self.tasks, 0..CLIENTS).await?;
            self.screen.round(&format!("Round {number}"), 0, &round, Some(&first))?;
            same &= round == first;
        }
        let shares: Vec<_> = first.shares().iter().map(usize::to_string).collect();
        self.promise(
            first.complete(),
            &format!("every request is answered ({} by backend 1, 2, 3)", shares.join(", ")),
        )?;
        self.promise(same, "every client is on the same backend, round after round")?;
        Ok(first)
    }

    async fn kill_a_backend(&mut self, before: &Round) -> Result<Round> {
        let victim = backend_name(VICTIM);
        let pid = self.network.kill_server(VICTIM);
        self.screen.heading(&format!("{victim} dies: kill -9 {}", pid.unwrap_or_default()))?;
        let noticed =
            self.network.daemon.wait_for(PATIENCE, |status| status.everywhere(&victim, "down")).await;
        let noticed = noticed.with_context(|| format!("{victim} is dead but not marked down"))?;
        self.screen.say(&format!(
            "It was marked down after {noticed:.1?} (probes every 200 ms, two failures, each at most 100 ms)."
        ))?;

        let after = Round::ask(&self.tasks, 0..CLIENTS).await?;
        self.screen.round("Round after the death", 0, &after, Some(before))?;
        let moves = after.moves_since(before);
        let only_its_own = moves.iter().all(|Move { from, .. }| *from == Some(VICTIM));
        let all_its_own = moves.len() == before.count(VICTIM) && !after.reached(VICTIM);
        self.promise(after.complete(), "every request is answered by the others")?;
        self.promise(
            only_its_own,
            &format!("only clients of {victim} moved ({} of {})", moves.len(), before.len()),
        )?;
        self.promise(all_its_own, &format!("all clients of {victim} moved ({})", before.count(VICTIM)))?;
        Ok(after)
    }

    async fn bring_it_back(&mut self, before: &Round) -> Result<()> {
        let victim = backend_name(VICTIM);
        self.network.restart_server(VICTIM)?;
        let up = self.network.daemon.wait_for(PATIENCE, |status| status.all("up")).await;
        let up = up.with_context(|| format!("{victim} lives but is not marked up"))?;
        self.screen.heading(&format!("{victim} is back, and was marked up after {up:.1?}"))?;

        let after = Round::ask(&self.tasks, 0..CLIENTS).await?;
        self.screen.round("Round after the return", 0, &after, Some(before))?;
        self.promise(after == *before, "no live session moved")?;
        let strangers = Round::ask(&self.tasks, CLIENTS..2 * CLIENTS).await?;
        self.screen.round("Clients never seen before", CLIENTS, &strangers, None)?;
        self.promise(strangers.complete(), "every one of them is answered")?;
        self.promise(strangers.reached(VICTIM), &format!("{victim} gets its share of them"))?;
        Ok(())
    }

    async fn follow_a_browser(&mut self) -> Result<()> {
        self.screen
            .heading("A browser asks http://10.77.0.30/ with its cookie, from another address each time")?;
        let mut browser = Browser::default();
        let before = self.visits(&mut browser, 0).await?;
        self.screen.visits("", &before)?;
        let home = before[0];
        self.promise(
            home.is_some() && before.iter().all(|answer| *answer == home),
            &format!("it comes back to its backend from {} addresses", before.len()),
        )?;
        let Some(home) = home else { return Ok(()) };
        let name = backend_name(home);
        let pid = self.network.kill_server(home).unwrap_or_default();
        self.network.daemon.wait_for(PATIENCE, |status| status.everywhere(&name, "down")).await?;
        let after = self.visits(&mut browser, CLIENTS / 2).await?;
        self.screen.visits(&format!("kill -9 {pid}"), &after)?;
        let other = after[0];
        self.promise(
            other.is_some() && other != Some(home) && after.iter().all(|answer| *answer == other),
            "its backend dies: it moves once, has a new cookie, and stays",
        )?;
        self.network.restart_server(home)?;
        self.network.daemon.wait_for(PATIENCE, |status| status.all("up")).await?;
        Ok(())
    }

    /// One visit from each of many addresses, from that of client `first` on.
    async fn visits(&self, browser: &mut Browser, first: u8) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for index in first..first + CLIENTS / 2 {
            let (source, mut own) = (plan::client(Family::V4, index), std::mem::take(browser));
            let visit = self.tasks.spawn(async move {
                let answer = own.visit(source, SHOP).await;
                (own, answer)
            });
            let answer;
            (*browser, answer) = visit.await?;
            answers.push(answer.unwrap_or_default());
        }
        Ok(answers)
    }

    fn promise(&mut self, kept: bool, text: &str) -> io::Result<()> {
        self.kept &= kept;
        self.screen.promise(kept, text)
    }

    /// What to type while the network stays up.
    pub(super) fn print_what_to_try(&mut self) -> Result<()> {
        let network = &self.network;
        let binary = network.binary.display();
        let limpet = format!("{binary} --socket {}", network.daemon.socket().display());
        let clients = format!("nsenter --net={}", network.lab.clients().path().display());
        let victim =
            format!("nsenter --net={}", network.lab.backends()[usize::from(VICTIM)].path().display());
        let (name, ports) = (backend_name(VICTIM), BACKEND_PORTS.map(|port| port.to_string()).join(" "));
        let [nat, _, dsr, _] = Way::PLAIN;
        let [first, last] = [0, CLIENTS - 1].map(|index| plan::client(nat.family, index));
        self.screen.heading("The network stays up until Ctrl-C. In another terminal, as root, try:")?;
        self.screen.say(&format!("  {limpet} status"))?;
        self.screen.say(&format!("  {limpet} explain --service {} --client {first}", nat.name()))?;
        self.screen.say(&format!("  {clients} curl -s --interface {first} http://{}/", nat.target().ip()))?;
        self.screen.say(&format!("  {clients} curl -s --interface {last} http://{}/", dsr.target().ip()))?;
        self.screen
            .say(&format!("  {clients} curl -s -c jar -b jar --interface {first} http://{}/", SHOP.ip()))?;
        if let Some(pid) = network.server_pid(VICTIM) {
            self.screen.say(&format!("  kill -9 {pid}        # {name} dies again"))?;
            self.screen.say(&format!(
                "  {victim} {binary} demo --serve {name} {ports}        # and lives, until Ctrl-D"
            ))?;
        }
        Ok(())
    }
}
