//! Work beside the daemon's task: to read a million sessions takes half a second, for which no health verdict should wait.

use std::{fmt, sync::mpsc, thread};

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::core::Core;
use crate::dataplane::SessionMaps;

/// What is left to do where the daemon's knowledge is.
pub(super) type Then = Box<dyn FnOnce(&mut Core) + Send>;
type Work = Box<dyn FnOnce(&SessionMaps) -> Then + Send>;

/// A thread that reads sessions, one question after the other.
pub(super) struct Aside {
    work: mpsc::Sender<Work>,
    done: UnboundedReceiver<Then>,
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").finish_non_exhaustive()
    }
}

impl Aside {
    /// Starts the thread, which ends with this.
    pub(super) fn start(maps: SessionMaps) -> Result<Self> {
        let (work, questions) = mpsc::channel();
        let (answers, done) = unbounded_channel();
        let thread = thread::Builder::new().name("sessions".to_owned());
        thread.spawn(move || run(&maps, &questions, &answers)).context("cannot start a thread")?;
        Ok(Self { work, done })
    }

    /// What is left to do of the work that is done. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Then {
        match self.done.recv().await {
            Some(then) => then,
            None => std::future::pending().await,
        }
    }
}

fn run(maps: &SessionMaps, questions: &mpsc::Receiver<Work>, answers: &UnboundedSender<Then>) {
    while let Ok(work) = questions.recv() {
        if answers.send(work(maps)).is_err() {
            return;
        }
    }
}

impl Core {
    /// Has the sessions read beside the daemon's task, after all that was asked before, and then goes on in it.
    pub(super) fn aside<R: Send + 'static>(
        &self,
        work: impl FnOnce(&SessionMaps) -> Result<R> + Send + 'static,
        then: impl FnOnce(&mut Self, Result<R>) + Send + 'static,
    ) {
        let work = |maps: &SessionMaps| -> Then {
            let outcome = work(maps);
            Box::new(|core| then(core, outcome))
        };
        // The thread is there for as long as this is.
        let _gone = self.aside.work.send(Box::new(work)).map_err(|_| anyhow!("no thread reads sessions"));
    }
}
