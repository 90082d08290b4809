//! One request: whose it is, where it goes, what comes back.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use lb_common::state::BackendId;
use tokio::task::spawn_local;
use tracing::debug;

use super::{
    answer::Refusal,
    body::{Download, Progress, Theirs, Upload},
    cookie::jar::{self, Assigned},
    forward::{Answer, Failure, Forwarder, Origin},
    forwarded, hop, incoming,
    open::{Activity, Busy, Open},
    outgoing, reply,
    session::{self, Choice, Question, Served, Upstream, choose},
    upgrade,
    worker::Worker,
};
use crate::{
    clock,
    model::http::{Forwarded, Method},
};

/// What all requests of a connection have in common.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) origin: Origin,
    pub(super) is_tls: bool,
    pub(super) activity: Rc<Activity>,
}

impl Client {
    /// Answers a request.
    pub(super) async fn answer(
        &self,
        served: &Arc<Served>,
        request: Request<Incoming>,
    ) -> Response<Download> {
        let _busy = Busy::new(Rc::clone(&self.activity));
        let begun = Instant::now();
        let response = match self.exchange(served, request).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(),
        };
        served.figures.answered(response.status(), begun.elapsed());
        response
    }

    async fn exchange(
        &self,
        served: &Arc<Served>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Download>, Refusal> {
        incoming::check(&request, served)?;
        let upgrade = hop::upgrade(request.headers());
        let upgraded = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let client = self.address(served, &parts);
        let now = clock::seconds();
        let choice = {
            let question = Question { request: &parts, client, connection: self.origin.connection, now };
            choose(self.worker.desk.at(served), &self.worker.repinned, &question)?
        };
        let progress = Rc::new(Progress::default());
        let http = &served.http;
        let body = Upload::new(body, http.timeouts.body, http.max_body, Rc::clone(&progress));
        let request = outgoing::request(self, served, parts, body, upgrade);
        let (mut answer, open) = self.ask(served, choice.id, request, &progress).await?;
        reply::check(&mut answer.0, upgraded.is_some())?;
        Ok(self.give(served, &choice, answer, (progress, open), upgraded))
    }

    /// The client's address, as far as it can be believed.
    fn address(&self, served: &Served, request: &Parts) -> IpAddr {
        let field = match served.http.forwarded {
            Forwarded::Standard => forwarded::Field::Forwarded,
            Forwarded::X | Forwarded::Off => forwarded::Field::XForwardedFor,
        };
        forwarded::client(&request.headers, self.origin.client.ip(), &served.http.trusted, field)
    }

    /// Asks the backend that was chosen; others in its place, as often as the service says, if that can't be reached and
    /// its promise allows it.
    async fn ask(
        &self,
        served: &Arc<Served>,
        id: BackendId,
        mut request: Request<Upload>,
        progress: &Progress,
    ) -> Result<(Answer, Rc<Open>), Refusal> {
        let mut upstream = served.upstreams.get(&id).ok_or(Refusal::Nobody("no server is up"))?;
        let mut left = if request.method().is_idempotent() { served.http.retries } else { 0 };
        let mut failed = Vec::new();
        loop {
            let open = Open::new(Arc::clone(upstream), &self.activity);
            request.body_mut().goes_to(Rc::clone(&open));
            let forwarder = Forwarder { pool: &self.worker.pool, served, upstream, origin: &self.origin };
            match forwarder.send(request, progress).await {
                Ok(answer) => return Ok((answer, open)),
                Err(Failure::Unconnected(back, error)) if left > 0 => {
                    debug!("{}: {} can't be reached: {error}", served.name, upstream.name);
                    failed.push(upstream.id);
                    let place = self.worker.desk.at(served);
                    let Some(other) = session::instead(place, self.origin.connection, &failed) else {
                        return Err(Refusal::BadGateway);
                    };
                    (request, upstream, left) = (*back, other, left - 1);
                    served.figures.retries.fetch_add(1, Relaxed);
                }
                Err(failure) => {
                    debug!("{}: no answer from {}: {failure}", served.name, upstream.name);
                    return Err(failure.into());
                }
            }
        }
    }

    /// A backend's answer, as the client gets it.
    fn give(
        &self,
        served: &Arc<Served>,
        choice: &Choice,
        (mut response, lease): Answer,
        (asked, open): (Rc<Progress>, Rc<Open>),
        upgraded: Option<OnUpgrade>,
    ) -> Response<Download> {
        self.learn(served, &open.upstream, &response);
        let http = &served.http;
        let protocol = hop::upgrade(response.headers());
        hop::strip(response.headers_mut());
        self.grant(served, choice, &open.upstream, &mut response);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let (Some(client), Some(protocol)) = (upgraded, protocol)
        {
            let backend = hyper::upgrade::on(&mut response);
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol);
            let guest = self.worker.guest();
            spawn_local(upgrade::carry(client, backend, http.timeouts.upgrade, open, guest));
            return response.map(|_| Download::Own(None));
        }
        let theirs = |body| Theirs::new(body, http.timeouts.body, lease, (asked, open));
        response.map(|body| Download::Theirs(Box::new(theirs(body))))
    }

    /// Remembers a session id that the application sets.
    fn learn(&self, served: &Served, upstream: &Upstream, response: &Response<Incoming>) {
        for method in &served.request.methods {
            if let Method::Learn { name } = method
                && let Some(Assigned::Value(value)) =
                    jar::set_value(response.headers(), name, clock::seconds())
            {
                let place = self.worker.desk.at(served);
                session::learn(place, name, &value, upstream.id);
            }
        }
    }

    /// Gives the client the cookie that carries its session.
    fn grant(
        &self,
        served: &Served,
        choice: &Choice,
        upstream: &Upstream,
        response: &mut Response<Incoming>,
    ) {
        // Who was served by another for once is still at home where it was.
        let Some(claims) = choice.grant.filter(|_| upstream.id == choice.id) else { return };
        let scope = served.entry.scope;
        for method in &served.request.methods {
            match method {
                Method::Insert(_) => {
                    if let Some(cookie) = &served.set_cookie {
                        let value = cookie.with(&served.keys.seal(scope, &claims));
                        response.headers_mut().append(header::SET_COOKIE, value);
                        served.figures.cookies_set.fetch_add(1, Relaxed);
                    }
                }
                Method::Prefix { name } => {
                    let headers = response.headers_mut();
                    if jar::prefix_set(headers, name, &served.keys.seal(scope, &claims)) {
                        served.figures.cookies_set.fetch_add(1, Relaxed);
                    }
                }
                _ => {}
            }
        }
    }
}
