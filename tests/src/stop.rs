//! Ctrl-C, and being told to end: namespaces and servers are to go first.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::{Result, ensure};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

/// Whether somebody wants this to end.
pub struct Stop {
    wanted: Arc<AtomicBool>,
    _waits: Runtime,
}

impl Stop {
    /// From now on signals end nothing by themselves.
    pub fn on_signals() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let wanted = Arc::new(AtomicBool::new(false));
        let inside = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let (mut signal, wanted) = (signal(kind)?, Arc::clone(&wanted));
            runtime.spawn(async move {
                signal.recv().await;
                wanted.store(true, Relaxed);
            });
        }
        drop(inside);
        Ok(Self { wanted, _waits: runtime })
    }

    /// An error once it does.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.wanted.load(Relaxed), "interrupted");
        Ok(())
    }
}
