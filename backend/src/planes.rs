//! Three runtimes in one process, so that a browser can starve another browser and never a scrape. Every task is
//! spawned on a plane by name. One that can begin anew does so after a panic, which is counted; the end of another one ends
//! the process' run with an error.

use crate::telemetry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tracing::{Instrument as _, error, info_span, warn};

/// What a plane's threads give way by when the cores do not suffice: beside a scrape or an answer of `metrics.k8s.io`, which
/// are worth 1,024 shares, a thread of these gets 335 and 110. Who has a core to spare loses nothing.
const STATE_NICE: i32 = 5;
const PEOPLE_NICE: i32 = 10;

/// Before a task that panicked begins anew.
const AGAIN: Duration = Duration::from_secs(1);
/// For what a runtime still does when its tasks have ended.
const LAST: Duration = Duration::from_millis(500);

/// Reports of tasks that ended; a task ends once, and there are fewer than this.
const TASKS: usize = 64;

/// A plane's runtime and the signal that stops its tasks.
#[derive(Debug)]
pub struct Plane {
    runtime: Runtime,
    stop: watch::Receiver<bool>,
    ended: mpsc::Sender<(&'static str, bool)>,
    running: Arc<AtomicUsize>,
}

/// The planes of the process.
#[derive(Debug)]
pub struct Planes {
    pub instrument: Plane,
    pub state: Plane,
    pub people: Plane,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<(&'static str, bool)>,
    /// Tasks that have not reported their end.
    running: Arc<AtomicUsize>,
}

/// Resolves when the process is told to stop.
pub async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender being gone means the process is ending, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Lowers the calling thread's priority. On Linux a priority is a thread's own; elsewhere it would be the process's.
fn give_way(nice: i32) {
    if nice > 0 && cfg!(target_os = "linux") {
        // Nobody is refused a lower one; should somebody be, all planes are equal.
        let _ = rustix::process::setpriority_process(None, nice);
    }
}

fn panicked(name: &'static str, error: &JoinError) {
    error!(name, %error, "task panicked");
    telemetry::panicked(name);
}

// === impl Plane ===

impl Plane {
    fn start(
        name: &'static str,
        threads: usize,
        nice: i32,
        stop: watch::Receiver<bool>,
        ended: mpsc::Sender<(&'static str, bool)>,
        running: Arc<AtomicUsize>,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .on_thread_start(move || give_way(nice))
            .enable_all()
            .build()?;
        Ok(Self { runtime, stop, ended, running })
    }

    /// Runs a task until it ends; `make` gets the signal that tells it to.
    pub fn spawn<F>(&self, name: &'static str, make: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.runtime.spawn(make(self.stop.clone()).instrument(info_span!("task", name)));
        self.report(name, async move { task.await.inspect_err(|error| panicked(name, error)).is_ok() });
    }

    /// As [`Plane::spawn`], for a task that holds nothing that a panic could spoil: it begins anew, after a pause.
    pub fn supervise<F>(&self, name: &'static str, make: impl Fn(watch::Receiver<bool>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, runtime) = (self.stop.clone(), self.runtime.handle().clone());
        self.report(name, async move {
            while let Err(error) = runtime.spawn(make(stop.clone()).instrument(info_span!("task", name))).await {
                panicked(name, &error);
                tokio::time::sleep(AGAIN).await;
            }
            true
        });
    }

    /// Tells of a task's end.
    fn report(&self, name: &'static str, ended_well: impl Future<Output = bool> + Send + 'static) {
        let (ended, running) = (self.ended.clone(), Arc::clone(&self.running));
        running.fetch_add(1, Ordering::AcqRel);
        self.runtime.spawn(async move {
            let well = ended_well.await;
            running.fetch_sub(1, Ordering::AcqRel);
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
        let running = Arc::<AtomicUsize>::default();
        let plane = |name, threads, nice| {
            Plane::start(name, threads, nice, stopping.clone(), ended.clone(), Arc::clone(&running))
        };
        Ok(Self {
            instrument: plane("instrument", 2, 0)?,
            state: plane("state", 2, STATE_NICE)?,
            people: plane("people", 2, PEOPLE_NICE)?,
            stop,
            ended: ends,
            running,
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
        // Requests in flight end first: a runtime that is shut down drops them.
        let draining = async {
            while self.running.load(Ordering::Acquire) > 0 {
                if self.ended.recv().await.is_none() {
                    return;
                }
            }
        };
        if self.people.runtime.block_on(async { tokio::time::timeout(drain, draining).await }).is_err() {
            warn!("some tasks did not end in time");
        }
        for plane in [self.people, self.state, self.instrument] {
            plane.runtime.shutdown_timeout(LAST);
        }
        match unexpected {
            None => Ok(()),
            Some((name, true)) => anyhow::bail!("{name} ended by itself"),
            Some((name, false)) => anyhow::bail!("{name} panicked; see the log above"),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A panic of one task is that task's alone; what is asked to end may end first.
    #[test]
    fn a_task_begins_anew_after_a_panic_and_all_end_in_peace() {
        let planes = Planes::start().unwrap();
        let (begun, mut begins) = mpsc::channel(2);
        planes.people.supervise("test_panics", move |stop| {
            let begun = begun.clone();
            async move {
                begun.send(()).await.unwrap();
                let first = begun.is_closed();
                assert!(first || telemetry::panics("test_panics") > 0, "on purpose, the first time");
                stopped(stop).await;
            }
        });
        let (done, is_done) = std::sync::mpsc::channel();
        planes.instrument.spawn("drains", |stop| async move {
            stopped(stop).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            done.send(()).unwrap();
        });
        let twice = async move {
            begins.recv().await.unwrap();
            begins.recv().await.unwrap();
        };
        planes.until(twice, Duration::from_secs(10)).unwrap();
        assert_eq!(telemetry::panics("test_panics"), 1);
        is_done.try_recv().unwrap();
    }

    #[test]
    fn scrapes_come_before_people() {
        let planes = Planes::start().unwrap();
        let nice = |plane: &Plane| {
            let own = plane.block_on(plane.runtime.spawn(async { rustix::process::getpriority_process(None) }));
            own.unwrap().unwrap()
        };
        let base = rustix::process::getpriority_process(None).unwrap();
        let found = [&planes.instrument, &planes.state, &planes.people].map(nice);
        assert_eq!(found, [base, STATE_NICE, PEOPLE_NICE]);
    }
}
