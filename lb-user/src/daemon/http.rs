//! The HTTP tier's place in the daemon: what it is told, and what it is asked.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::{Context as _, Result};
use lb_common::state::Event;
use tokio::{sync::mpsc::Receiver, task::spawn_blocking};
use tracing::error;

use super::core::Core;
use crate::{
    api::{Latency, Requests},
    http::{
        Prepared, Tier,
        descriptors::raise_limit,
        figures::{CookieState, Figures, LATENCIES},
    },
    model::Model,
    plan,
    secrets::Keys,
};

/// Keys of cookies where the configuration names none, in the daemon's directory.
const KEYS: &str = "cookie.keys";

/// The tier of a daemon that has just begun.
///
/// # Errors
/// Its keys can't be read or kept: after a restart nobody would know the cookies of today.
pub(super) fn tier(
    model: &Model,
    state_dir: &Path,
    inherited: Option<&UnixStream>,
) -> Result<(Tier, Receiver<Event>)> {
    raise_limit();
    let (mut tier, reports) = Tier::new();
    if let Some(stream) = inherited {
        tier.inherit(stream).context("cannot take over the listening sockets")?;
    }
    know_by(&mut tier, model, state_dir)?;
    Ok((tier, reports))
}

/// Gives the tier what it seals and digests with, if there is a service of HTTP: of the configured secret, or of its own
/// that outlasts reboots as sessions do.
fn know_by(tier: &mut Tier, model: &Model, state_dir: &Path) -> Result<()> {
    let settings: Vec<_> = model.services.iter().filter_map(|service| service.http.as_ref()).collect();
    if settings.is_empty() {
        return Ok(());
    }
    let (keys, secret) = match &model.secret {
        Some(secret) if settings.iter().all(|http| http.keys.is_some()) => (None, secret.clone()),
        Some(secret) => {
            let keys = Keys::from_secret(secret).context(
                "[hash] secret is what the keys of cookies come from: give it 32 characters, or name keys_file in \
                 [service.persistence.cookie]",
            )?;
            (Some(keys), secret.clone())
        }
        // The file is this daemon's own: what becomes of it meanwhile ends nobody's session.
        None if tier.knows() => return Ok(()),
        None => {
            let keys = kept(&state_dir.join(KEYS))?;
            let secret = keys.to_text();
            (Some(keys), secret)
        }
    };
    tier.know_by(keys, plan::digest_key(&secret));
    Ok(())
}

impl Core {
    /// What the tier needs for a model that is to come into force.
    ///
    /// # Errors
    /// As [`tier`], or an address is another program's.
    pub(super) fn prepare_http(&mut self, model: &Model) -> Result<Prepared> {
        // Cookies of today stay good: the keys are the same for as long as there are any.
        know_by(&mut self.http, model, &self.state_dir)?;
        self.http.prepare(model)
    }

    /// What is left once the rest of the daemon is gone.
    pub(super) fn take_requests(&mut self) -> Requesting {
        let (idle, _) = Tier::new();
        Requesting(std::mem::replace(&mut self.http, idle))
    }
}

/// Requests under way.
pub(super) struct Requesting(Tier);

impl Requesting {
    /// Goes on with new ones until the daemon at the other end of `next` says that it serves. False if it never does.
    pub(super) async fn are_replaced(&self, mut next: UnixStream) -> bool {
        let said = spawn_blocking(move || next.read(&mut [0])).await;
        matches!(said, Ok(Ok(1)))
    }

    /// Lets them come to their end.
    pub(super) async fn stop(self) {
        if let Err(panic) = spawn_blocking(move || self.0.stop()).await {
            error!("the HTTP tier did not end in order: {panic}");
        }
    }
}

/// A service's requests, for `status`.
pub(super) fn requests(figures: &Figures, tls: bool) -> Requests {
    let load = |count: &AtomicU64| count.load(Relaxed);
    let seconds = |micros: u64| micros as f64 / 1e6;
    let statuses = (1..).zip(&figures.statuses).map(|(class, count)| (format!("{class}xx"), load(count)));
    let states = CookieState::ALL.iter().zip(&figures.cookies);
    let (above, within) = figures.latencies.split_last().expect("there is a last bucket");
    Requests {
        tls,
        connections: load(&figures.connections),
        statuses: statuses.collect(),
        retries: load(&figures.retries),
        cookies_set: load(&figures.cookies_set),
        cookies: states.map(|(state, count)| (state.name().to_owned(), load(count))).collect(),
        latency: Latency {
            buckets: LATENCIES
                .iter()
                .zip(within)
                .map(|(&bound, count)| (seconds(bound), load(count)))
                .collect(),
            above: load(above),
            sum_s: seconds(load(&figures.latency_sum)),
        },
    }
}

/// The keys in a file, which is made if there is none.
fn kept(file: &Path) -> Result<Keys> {
    match fs::read_to_string(file) {
        Ok(text) => Keys::parse(&text).with_context(|| {
            format!("{}: remove it to have new keys made, which ends all cookies", file.display())
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keys = Keys::random();
            let mut options = fs::OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let directory = file.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(directory)
                .and_then(|()| options.open(file))
                .and_then(|mut file| file.write_all(keys.to_text().as_bytes()))
                .with_context(|| format!("cannot keep the keys of cookies in {}", file.display()))?;
            Ok(keys)
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the keys of cookies in {}", file.display()))
        }
    }
}
