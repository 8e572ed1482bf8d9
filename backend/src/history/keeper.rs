//! The writer's task.

use super::SWEEP;
use super::intake::Intake;
use super::key::{Key, Lookup};
use crate::cluster::Objects;
use crate::cluster::cache::Sync;
use crate::kubelet::NodePage;
use parking_lot::RwLock;
use series::Group;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// Readers are told of new samples at most this often: nobody sees more than four charts a second.
const TELL: Duration = Duration::from_millis(250);

/// Takes pages in; there is one.
#[derive(Debug)]
pub struct Keeper {
    objects: Objects,
    pages: mpsc::Receiver<Arc<NodePage>>,
    rounds: watch::Sender<u64>,
    intake: Arc<RwLock<Intake>>,
}

// === impl Keeper ===

impl Keeper {
    pub(super) const fn new(
        objects: Objects,
        pages: mpsc::Receiver<Arc<NodePage>>,
        rounds: watch::Sender<u64>,
        intake: Arc<RwLock<Intake>>,
    ) -> Self {
        Self { objects, pages, rounds, intake }
    }

    /// Takes pages in until `stop` resolves or all scrapers are gone.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut tell = interval(TELL);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval_at(Instant::now() + SWEEP, SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = false;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                page = self.pages.recv() => {
                    let Some(page) = page else { break };
                    self.intake.write().take(&page);
                    news = true;
                }
                _ = tell.tick(), if news => {
                    self.tell();
                    news = false;
                }
                _ = sweep.tick() => {
                    forget(&self.objects, &self.intake);
                    self.intake.write().sweep();
                }
            }
        }
        if news {
            self.tell();
        }
    }

    fn tell(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}

/// Ends the series of pods that are no more. Only a whole list can say so.
pub(super) fn forget(objects: &Objects, intake: &RwLock<Intake>) {
    if !matches!(objects.pods.sync(), Sync::Live) {
        return;
    }
    let pods = objects.pods.snapshot();
    let known = |namespace: &str, name: &str| pods.find(namespace, name).is_some();
    let gone = |(key, group): (&Key, &Group)| match key {
        Key::Pod(namespace, name) if !group.ended() && !known(namespace, name) => {
            Some((Arc::clone(namespace), Arc::clone(name)))
        }
        _ => None,
    };
    // Looked for with readers beside it; the keeper is the only writer, so nothing changes between.
    let gone: Vec<_> = intake.read().store.groups().filter_map(gone).collect();
    let mut intake = intake.write();
    for (namespace, name) in &gone {
        intake.store.end(&Lookup::Pod(namespace, name));
    }
}
