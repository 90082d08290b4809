//! One round: every client asks every service once, on a connection of its own, and the answers are compared.

use std::time::Duration;

use anyhow::Result;
use tokio::time::timeout;

use super::network::BACKENDS;
use crate::lab::{
    Way, backend_name,
    client::{self, Tasks},
    plan,
};

/// A request that takes longer counts as not answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which backend answered, counted from 0; `None` if none did.
pub(super) type Answer = Option<u8>;

/// The answers: for each service, in the order of [`Way::PLAIN`], those of the clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round(pub(super) Vec<Vec<Answer>>);

/// An answer that differs between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) from: Answer,
    pub(super) to: Answer,
}

impl Round {
    /// Asks, all clients at once. Takes no longer than the patience with one request.
    pub(super) async fn ask(tasks: &Tasks, clients: std::ops::Range<u8>) -> Result<Self> {
        let asked: Vec<Vec<_>> = Way::PLAIN
            .map(|way| {
                clients
                    .clone()
                    .map(|index| {
                        let source = plan::client(way.family, index);
                        tasks.spawn(timeout(PATIENCE, client::get(source, way.target())))
                    })
                    .collect()
            })
            .into();
        let mut services = Vec::new();
        for asked in asked {
            let mut answers = Vec::new();
            for answer in asked {
                // Neither too late nor an error.
                answers.push(answer.await?.ok().and_then(Result::ok).and_then(|name| backend_index(&name)));
            }
            services.push(answers);
        }
        Ok(Self(services))
    }

    /// Whether every request was answered.
    pub(super) fn complete(&self) -> bool {
        self.answers().all(|answer| answer.is_some())
    }

    /// Whether `backend` answered anybody.
    pub(super) fn reached(&self, backend: u8) -> bool {
        self.answers().any(|answer| answer == Some(backend))
    }

    /// Who moved since `before`.
    pub(super) fn moves_since(&self, before: &Self) -> Vec<Move> {
        before
            .answers()
            .zip(self.answers())
            .filter(|(from, to)| from != to)
            .map(|(from, to)| Move { from, to })
            .collect()
    }

    /// How many requests each backend answered.
    pub(super) fn shares(&self) -> Vec<usize> {
        (0..BACKENDS).map(|backend| self.count(backend)).collect()
    }

    /// How many requests `backend` answered.
    pub(super) fn count(&self, backend: u8) -> usize {
        self.answers().filter(|answer| *answer == Some(backend)).count()
    }

    /// How many requests there were.
    pub(super) fn len(&self) -> usize {
        self.answers().count()
    }

    fn answers(&self) -> impl Iterator<Item = Answer> {
        self.0.iter().flatten().copied()
    }
}

/// The backend of this name.
pub(super) fn backend_index(name: &str) -> Answer {
    (0..BACKENDS).find(|index| backend_name(*index) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_the_differences() {
        let before = Round(vec![vec![Some(0), Some(1)], vec![Some(2), None]]);
        let after = Round(vec![vec![Some(0), Some(2)], vec![None, None]]);
        let moves = after.moves_since(&before);
        assert_eq!(moves, [Move { from: Some(1), to: Some(2) }, Move { from: Some(2), to: None }]);
        assert!(!before.complete());
        assert_eq!((before.len(), before.shares()), (4, vec![1, 1, 1]));
        assert!(before.reached(1) && !after.reached(1));
    }

    #[test]
    fn only_our_own_backends_count_as_an_answer() {
        assert_eq!(backend_index("backend-1"), Some(0));
        assert_eq!(backend_index("backend-4"), None);
        assert_eq!(backend_index("<html>"), None);
    }
}
