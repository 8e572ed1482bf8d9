//! Three runtimes in one process, so that a browser can starve another browser and never a scrape. Every task is
//! spawned on a plane by name; a task that panics is reported and ends the process' run with an error.

use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument as _, error, info_span};

/// Reports of tasks that ended; a task ends once, and there are fewer than this.
const TASKS: usize = 64;

/// A plane's runtime and the signal that stops its tasks.
#[derive(Debug)]
pub struct Plane {
    runtime: Runtime,
    stop: watch::Receiver<bool>,
    ended: mpsc::Sender<(&'static str, bool)>,
}

/// The planes of the process.
#[derive(Debug)]
pub struct Planes {
    pub instrument: Plane,
    pub state: Plane,
    pub people: Plane,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<(&'static str, bool)>,
}

/// Resolves when the process is told to stop.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender being gone means the process is ending, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

// === impl Plane ===

impl Plane {
    fn start(
        name: &'static str,
        threads: usize,
        stop: watch::Receiver<bool>,
        ended: mpsc::Sender<(&'static str, bool)>,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()?;
        Ok(Self { runtime, stop, ended })
    }

    /// Runs a task until it ends; `make` gets the signal that tells it to.
    pub fn spawn<F>(&self, name: &'static str, make: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.runtime.spawn(make(self.stop.clone()).instrument(info_span!("task", name)));
        let ended = self.ended.clone();
        self.runtime.spawn(async move {
            let well = match task.await {
                Ok(()) => true,
                Err(panic) => {
                    error!(name, %panic, "task panicked");
                    false
                }
            };
            // Nobody listens any more only when the process is ending anyway.
            let _ = ended.send((name, well)).await;
        });
    }

    /// Runs something to its end on this plane, for the wiring.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

// === impl Planes ===

impl Planes {
    /// # Errors
    /// When the system gives no threads.
    pub fn start() -> std::io::Result<Self> {
        let (stop, stopping) = watch::channel(false);
        let (ended, ends) = mpsc::channel(TASKS);
        let plane = |name, threads| Plane::start(name, threads, stopping.clone(), ended.clone());
        Ok(Self {
            instrument: plane("instrument", 2)?,
            state: plane("state", 2)?,
            people: plane("people", 2)?,
            stop,
            ended: ends,
        })
    }

    /// Turns true when the process is told to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Waits for the signal or for a task's unexpected end, tells every task to stop and gives them `drain`.
    pub fn until(mut self, stop: impl Future<Output = ()>, drain: Duration) -> anyhow::Result<()> {
        let unexpected = self.people.runtime.block_on(async {
            tokio::select! {
                () = stop => None,
                end = self.ended.recv() => end,
            }
        });
        self.stop.send_replace(true);
        for plane in [self.people, self.state, self.instrument] {
            plane.runtime.shutdown_timeout(drain);
        }
        match unexpected {
            None => Ok(()),
            Some((name, true)) => anyhow::bail!("{name} ended by itself"),
            Some((name, false)) => anyhow::bail!("{name} panicked; see the log above"),
        }
    }
}
