//! Cookies whose session ended of late, and where their clients went: of the requests that a page makes side by side, all
//! with the old cookie, one breaks the promise, and the others follow.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use lb_common::state::BackendId;

/// For so long an old cookie leads to where its client went first.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How often what is too old is looked for, where there is no room.
const SWEEP: Duration = Duration::from_secs(1);
/// So many are remembered at most.
const ROOM: usize = 65_536;

/// By a digest of the cookie.
#[derive(Debug, Default)]
pub(in crate::http) struct Repinned(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    homes: HashMap<u64, (BackendId, Instant)>,
    /// When it was looked through for what is too old.
    swept: Option<Instant>,
}

impl Repinned {
    /// Where the client of this cookie went, if that serves; else where it goes now. True if it is the first to ask.
    pub(super) fn follow(
        &self,
        cookie: u64,
        serves: impl Fn(BackendId) -> bool,
        choose: impl FnOnce() -> Option<BackendId>,
    ) -> Option<(BackendId, bool)> {
        let mut recent = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        if let Some((id, at)) = recent.homes.get(&cookie)
            && now.duration_since(*at) < REMEMBERED
            && serves(*id)
        {
            return Some((*id, false));
        }
        let id = choose()?;
        // Not for each request: workers wait for each other here.
        let is_due = recent.swept.is_none_or(|at| now.duration_since(at) >= SWEEP);
        if recent.homes.len() >= ROOM && is_due {
            recent.homes.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
            recent.swept = Some(now);
        }
        // Whoever finds no room still gets a backend, and a new cookie.
        if recent.homes.len() < ROOM {
            recent.homes.insert(cookie, (id, now));
        }
        Some((id, true))
    }
}

impl Repinned {
    /// Is this the first request of late with a cookie whose home is down?
    pub(super) fn is_first(&self, cookie: u64) -> bool {
        self.follow(cookie, BackendId::is_none, || Some(BackendId::NONE))
            .is_some_and(|(_, is_first)| is_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_with_one_old_cookie_go_to_one_backend() {
        let repinned = Repinned::default();
        let to = |cookie, id| repinned.follow(cookie, |_| true, || Some(BackendId(id)));
        assert_eq!(to(1, 7), Some((BackendId(7), true)));
        assert_eq!(to(1, 8), Some((BackendId(7), false)));
        assert_eq!(to(2, 8), Some((BackendId(8), true)));
        let other = repinned.follow(1, |id| id != BackendId(7), || Some(BackendId(9)));
        assert_eq!(other, Some((BackendId(9), true)), "the first one failed as well");
        assert_eq!(repinned.follow(3, |_| true, || None), None);
    }
}
