//! What overviews, the rail and nodes' requests need of the pods, summed up namespace by namespace in each block.
//!
//! A change is paid once a block, for all viewers; what a person sees is the sum of the runs of their namespaces. Costs
//! about 60 bytes a pod while somebody looks.

use super::board::{State, Values};
use super::findings::{self, Found};
use super::hub::Shared;
use super::permits::Sight;
use super::requests::asked;
use crate::cluster::kinds::Pod;
use crate::cluster::snapshot::Block;
use crate::printers::Printer;
use crate::session::scope::OfNamespace;
use crate::session::{Permitted, Scope};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use wire::{Kind, Millis};

/// Pods a sentence names; more can't be read.
const NAMED: usize = 5;

/// The pods of one namespace in one block.
#[derive(Clone, Debug)]
pub struct Run {
    namespace: Arc<str>,
    pub pods: u32,
    pub tally: Vec<(State, u32)>,
    /// Those that need a person, and what is wrong with them at worst.
    pub needing: Vec<(Arc<Pod>, Found)>,
    /// When containers ended that were started again.
    pub ends: Vec<Millis>,
    /// What unfinished pods ask of each node.
    pub asked: Vec<Asked>,
}

/// What pods that are not finished hold of a node.
#[derive(Clone, Debug)]
pub struct Asked {
    pub node: Arc<str>,
    pub pods: u32,
    /// Millicores.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// The first of the pods, by name.
    names: Vec<Arc<str>>,
}

/// The sum of what is asked of one node.
#[derive(Clone, Debug, Default)]
pub struct Load<'a> {
    pub pods: u32,
    pub cpu: u64,
    pub memory: u64,
    /// Namespace and name of some of the pods, in order.
    names: Vec<(&'a str, &'a str)>,
}

/// The runs of the last snapshot somebody asked about.
#[derive(Debug, Default)]
pub(super) struct Digest {
    known: Mutex<Option<Arc<Values<Pod, Run>>>>,
}

/// All the runs of a moment.
pub type Runs = Arc<Values<Pod, Run>>;

// === impl Digest ===

impl Shared {
    /// The pods of now, in runs.
    pub(super) fn runs(&self, now: Millis) -> Runs {
        self.digest.runs(&self.parts.objects.pods.snapshot(), now)
    }
}

impl Digest {
    pub(super) fn runs(&self, pods: &crate::cluster::cache::Snapshot<Pod>, now: Millis) -> Runs {
        let known = self.known.lock().clone();
        let fresh = Values::of_blocks(known.as_ref(), pods, |block| runs(block, now));
        *self.known.lock() = Some(Arc::clone(&fresh));
        fresh
    }

    /// Lets go of what nobody looks at.
    pub(super) fn forget(&self) {
        drop(self.known.lock().take());
    }
}

/// The runs a person may see.
pub(super) fn seen<'a>(runs: &'a Runs, scope: &Scope) -> Permitted<Vec<&'a Run>> {
    scope.runs(runs.parts.iter().flat_map(|part| &part.values))
}

/// The runs of the pods that may be listed everywhere.
pub(super) fn listed<'a>(runs: &'a Runs, sight: &Sight) -> Permitted<Vec<&'a Run>> {
    seen(runs, &sight.list(Kind::Pod, &[]))
}

/// What is asked of each node.
pub(super) fn loads<'a>(runs: &[&'a Run]) -> HashMap<&'a str, Load<'a>> {
    let mut loads: HashMap<&str, Load<'_>> = HashMap::new();
    for run in runs {
        for asked in &run.asked {
            let load = loads.entry(&*asked.node).or_default();
            load.pods += asked.pods;
            load.cpu += asked.cpu;
            load.memory += asked.memory;
            let room = NAMED - load.names.len().min(NAMED);
            load.names.extend(asked.names.iter().take(room).map(|name| (&*run.namespace, &**name)));
        }
    }
    loads
}

/// A node's findings with the pods that suffer when it is not ready.
pub(super) fn told(load: Option<&Load<'_>>, mut found: Vec<Found>) -> Vec<Found> {
    for one in found.iter_mut().filter(|one| one.say.code == "NODE_NOTREADY") {
        let (count, names) = load.map(|load| (load.pods, load.names.as_slice())).unwrap_or_default();
        let names: Vec<String> = names.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        let say = one.say.clone().with("since", one.since.to_string()).with("count", count.to_string());
        one.say = say.with("pods", names.join(", "));
    }
    found
}

// === impl Run ===

impl OfNamespace for Run {
    fn namespace(&self) -> &str {
        &self.namespace
    }
}

fn runs(block: &Block<Pod>, now: Millis) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for part in block.chunk_by(|a, b| a.meta.namespace == b.meta.namespace) {
        let Some(first) = part.first() else { continue };
        let mut run = Run {
            namespace: Arc::clone(&first.meta.namespace),
            pods: u32::try_from(part.len()).unwrap_or(u32::MAX),
            tally: Vec::new(),
            needing: Vec::new(),
            ends: Vec::new(),
            asked: Vec::new(),
        };
        for pod in part {
            run.add(pod, now);
        }
        runs.push(run);
    }
    runs
}

impl Run {
    fn add(&mut self, pod: &Arc<Pod>, now: Millis) {
        let state = pod.state(now);
        match self.tally.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => self.tally.push((state, 1)),
        }
        self.needing.extend(findings::of(&**pod).into_iter().next().map(|found| (Arc::clone(pod), found)));
        self.ends.extend(pod.containers.iter().filter_map(|one| one.status.as_ref()?.last.as_ref()?.finished));
        let (Some(node), Some((cpu, memory))) = (&pod.node, asked(pod)) else { return };
        let name = Arc::clone(&pod.meta.name);
        match self.asked.iter_mut().find(|known| known.node == *node) {
            Some(known) => {
                (known.pods, known.cpu, known.memory) = (known.pods + 1, known.cpu + cpu, known.memory + memory);
                if known.names.len() < NAMED {
                    known.names.push(name);
                }
            }
            None => self.asked.push(Asked { node: Arc::clone(node), pods: 1, cpu, memory, names: vec![name] }),
        }
    }
}
