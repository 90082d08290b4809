//! What is stored and counted, compared with what is expected.

use lb_common::{reason::Reason, state::Cause, tables::Store};

use super::{balancer::Balancer, oracle::Session, play::Scene};

impl<B: Balancer> Scene<'_, B> {
    /// What is stored and counted must be what the rules say.
    pub(super) fn compare(&self) -> Result<(), String> {
        self.compare_sessions()?;
        for (service, expected) in (0..).zip(&self.oracle.audits) {
            let counted = self.balancer.audit(self.daemon.number(service));
            if counted.kept != expected.kept {
                return Err(format!("service {service} kept {}, not {}", counted.kept, expected.kept));
            }
            for &cause in Cause::ALL {
                let [counted, expected] = [&counted, expected].map(|audit| audit.broken[cause as usize]);
                if counted != expected {
                    let cause = cause.name();
                    return Err(format!("service {service}: {counted} promises {cause}, not {expected}"));
                }
            }
        }
        let made = [Reason::FlowNew, Reason::SessionNew, Reason::SessionProven];
        for (reason, &expected) in made.into_iter().zip(&self.oracle.made) {
            let counted = self.balancer.count(reason);
            if counted != expected {
                return Err(format!("{} {}, not {expected}", counted, reason.name()));
            }
        }
        Ok(())
    }

    fn compare_sessions(&self) -> Result<(), String> {
        let (stored, now) = (self.balancer.sessions(), self.balancer.now());
        if stored.len() != self.oracle.sessions.len() {
            return Err(format!("{} sessions, not {}", stored.len(), self.oracle.sessions.len()));
        }
        for (&of, expected) in &self.oracle.sessions {
            let key = self.key(of);
            let found = stored.iter().find(|(_, other, _)| *other == key);
            let Some((store, _, pin)) = found else { return Err(format!("the session {of:?} is gone")) };
            let owner = self.daemon.owner(pin.backend, pin.generation);
            let lives = |(service, name): (Option<u8>, u8)| {
                let mut services = service.map_or(0..self.services, |service| service..service + 1);
                services.find_map(|service| self.oracle.fleet.of(service).get(&name)).map(|it| it.home)
            };
            let home = owner.and_then(lives);
            if home != self.oracle.fleet.is_home(expected.home).then_some(expected.home) {
                return Err(format!("the session {of:?} is at {owner:?}: life {home:?}, not {expected:?}"));
            }
            let (age, idle) = (now.0 - pin.created.0, now.0 - pin.seen.0);
            let is = (age, idle, *store == Store::Pins, pin.away);
            let Session { home: _, created, seen, is_proven, is_away } = *expected;
            let must = (self.now().0 - created.0, self.now().0 - seen.0, is_proven, is_away);
            if is != must {
                return Err(format!("the session {of:?} has (age, idle, proven, away) {is:?}, not {must:?}"));
            }
        }
        Ok(())
    }
}
