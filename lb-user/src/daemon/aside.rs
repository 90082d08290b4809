//! Work beside the daemon's task: to read a million sessions takes half a second, for which no health verdict should wait.

use std::{
    fmt,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, anyhow};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_blocking,
};

use super::core::Core;
use crate::dataplane::Sessions;

/// What is left to do where the daemon's knowledge is.
pub(super) type Then = Box<dyn FnOnce(&mut Core) + Send>;
type Work = Box<dyn FnOnce(&mut Sessions) -> Then + Send>;

/// Questions that may wait. One who asks more often than they are answered is told so.
const MOST: usize = 64;

/// A thread that reads sessions, one question after the other.
pub(super) struct Aside {
    /// Questions that were asked and whose answers were not fetched.
    open: usize,
    work: mpsc::Sender<Work>,
    done: UnboundedReceiver<Then>,
    /// Until it has ended.
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").finish_non_exhaustive()
    }
}

impl Aside {
    /// Starts the thread, which ends with this.
    pub(super) fn start(sessions: Sessions) -> Result<Self> {
        let (work, questions) = mpsc::channel();
        let (answers, done) = unbounded_channel();
        let thread = thread::Builder::new().name("sessions".to_owned());
        let thread =
            thread.spawn(move || run(sessions, &questions, &answers)).context("cannot start a thread")?;
        Ok(Self { open: 0, work, done, thread: Some(thread) })
    }

    /// What is left to do of the work that is done. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Then {
        let then = self.done.recv().await.expect("the thread that reads sessions does not panic");
        self.open -= 1;
        then
    }

    /// Ends the thread after what it does now; nothing can be asked any more.
    pub(super) async fn end(&mut self) {
        self.done.close();
        // It waits for work, or finds that nobody wants the answer.
        self.work = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            let ended = spawn_blocking(move || thread.join()).await;
            debug_assert!(matches!(ended, Ok(Ok(()))), "the thread that reads sessions does not panic");
        }
    }
}

fn run(mut sessions: Sessions, questions: &mpsc::Receiver<Work>, answers: &UnboundedSender<Then>) {
    while let Ok(work) = questions.recv() {
        if answers.send(work(&mut sessions)).is_err() {
            return;
        }
    }
}

impl Core {
    /// Has the sessions read beside the daemon's task, after all that was asked before, and then goes on in it.
    pub(super) fn aside<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Sessions) -> Result<R> + Send + 'static,
        then: impl FnOnce(&mut Self, Result<R>) + Send + 'static,
    ) {
        if self.aside.open == MOST {
            return then(
                self,
                Err(anyhow!("{MOST} questions about sessions wait already: ask again in a moment")),
            );
        }
        let work = |sessions: &mut Sessions| -> Then {
            let outcome = work(sessions);
            Box::new(|core| then(core, outcome))
        };
        self.aside
            .work
            .send(Box::new(work))
            .expect("the thread that reads sessions is there for as long as this");
        self.aside.open += 1;
    }
}
