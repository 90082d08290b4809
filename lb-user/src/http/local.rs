//! Where hyper has its tasks run: on the worker's own thread.

use hyper::rt::Executor;
use tokio::task::spawn_local;

/// The thread's executor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
