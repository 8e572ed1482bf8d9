//! Names of pods and containers, remembered from page to page of one node.
//!
//! A label set that was seen before is one hash of its raw bytes and one comparison with the names it stands for. Names that
//! a page does not mention are dropped once they are the greater part; a cache that never forgets leaks with pod churn.

use super::page::{ContainerPoint, PodPoints};
use super::{labels, parse::skip_blanks};
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use memchr::memchr;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use wire::Millis;

/// Label sets a node may have unused before they are dropped.
const SPARE: usize = 64;

/// One node's names. Empty at first; costs about 100 bytes a container, its pod's name included.
#[derive(Debug, Default)]
pub struct Names {
    hasher: RandomState,
    /// Containers by their label sets as kubelets write them, which need not be kept: they are made of the names.
    spelled: HashTable<u32>,
    /// Other spellings of label sets, braces included: another order, more labels, escapes.
    raw: HashMap<Box<[u8]>, u32, RandomState>,
    /// Containers by pod and name, pods by namespace and name: the same labels may be written in two ways.
    ids: HashTable<u32>,
    pod_ids: HashTable<u32>,
    containers: Vec<Container>,
    pods: Vec<Pod>,
    /// Containers of this page and their values, in order of appearance. Given back with the page: of 5,000 nodes one at
    /// a time needs them.
    seen: Vec<(u32, Draft)>,
    page: u32,
}

#[derive(Debug)]
struct Container {
    name: Arc<str>,
    pod: u32,
    /// The page `seen` is a place of.
    page: u32,
    seen: u32,
}

#[derive(Debug)]
struct Pod {
    namespace: Arc<str>,
    name: Arc<str>,
    page: u32,
    /// Containers on the page.
    count: u32,
    /// Where it is in the page's list.
    index: u32,
}

/// A container's values before they make a point.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) cpu: Option<u64>,
    /// Of the CPU line, where there is one, which may have no time.
    pub(super) cpu_at: Option<Option<Millis>>,
    pub(super) memory: Option<u64>,
    pub(super) memory_at: Option<Millis>,
    pub(super) swap: Option<u64>,
    pub(super) started: Option<u64>,
    /// A line of CPU, memory or start names the container; swap alone does not.
    pub(super) named: bool,
}

// === impl Names ===

impl Names {
    /// Containers that are remembered.
    pub fn len(&self) -> usize {
        self.containers.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }

    pub(super) fn begin(&mut self) {
        self.page = self.page.wrapping_add(1);
        self.seen = Vec::with_capacity(self.containers.len());
    }

    /// Reads the labels at the front of `bytes`: which container, and what follows.
    pub(super) fn labels<'a>(&mut self, bytes: &'a [u8]) -> Result<(u32, &'a [u8]), &'static str> {
        const MISSING: &str = "series has no namespace, pod or container";
        let bytes = skip_blanks(bytes);
        if bytes.first() != Some(&b'{') {
            return Err(MISSING);
        }
        // Only whole label sets are keys, so a key found is never one that ends inside a quoted value.
        if let Some((key, rest)) = memchr(b'}', bytes).and_then(|brace| bytes.split_at_checked(brace + 1))
            && let Some(slot) = self.known(key)
        {
            return Ok((slot, rest));
        }
        let (mut namespace, mut pod, mut container) = (None, None, None);
        let rest = labels::read(bytes, |name, value| match name {
            b"namespace" => namespace = Some(value),
            b"pod" => pod = Some(value),
            b"container" => container = Some(value),
            _ => {}
        })?;
        let (Some(namespace), Some(pod), Some(container)) = (namespace, pod, container) else { return Err(MISSING) };
        if namespace.is_empty() || pod.is_empty() || container.is_empty() {
            return Err(MISSING);
        }
        let slot = self.intern(&text(&namespace), &text(&pod), &text(&container));
        self.remember(bytes.get(..bytes.len() - rest.len()).unwrap_or_default(), slot);
        Ok((slot, rest))
    }

    /// The container of a label set that was seen before.
    fn known(&self, key: &[u8]) -> Option<u32> {
        let spelled = self.spelled.find(self.hasher.hash_one(key), |slot| self.spells(*slot, key));
        spelled.or_else(|| self.raw.get(key)).copied()
    }

    fn remember(&mut self, key: &[u8], slot: u32) {
        if !self.spells(slot, key) {
            self.raw.insert(key.into(), slot);
            return;
        }
        let Self { hasher, spelled, containers, pods, .. } = self;
        let rehash = |slot: &u32| {
            let names = containers.get(*slot as usize).and_then(|one| Some((one, pods.get(one.pod as usize)?)));
            names.map_or(0, |(one, pod)| {
                let key =
                    format!("{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}", one.name, pod.namespace, pod.name);
                hasher.hash_one(key.as_bytes())
            })
        };
        spelled.insert_unique(hasher.hash_one(key), slot, rehash);
    }

    /// Whether these are the container's labels as kubelets write them.
    fn spells(&self, slot: u32, key: &[u8]) -> bool {
        let Some(container) = self.containers.get(slot as usize) else { return false };
        let Some(pod) = self.pods.get(container.pod as usize) else { return false };
        let parts =
            ["{container=\"", &container.name, "\",namespace=\"", &pod.namespace, "\",pod=\"", &pod.name, "\"}"];
        let rest = parts.iter().try_fold(key, |rest, part| rest.strip_prefix(part.as_bytes()));
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// The values of a container on this page.
    pub(super) fn point(&mut self, slot: u32) -> Option<&mut Draft> {
        let container = self.containers.get_mut(slot as usize)?;
        if container.page != self.page {
            (container.page, container.seen) = (self.page, self.seen.len() as u32);
            self.seen.push((slot, Draft::default()));
            if let Some(pod) = self.pods.get_mut(container.pod as usize) {
                if pod.page != self.page {
                    (pod.page, pod.count) = (self.page, 0);
                }
                pod.count += 1;
            }
        }
        self.seen.get_mut(container.seen as usize).map(|(_, draft)| draft)
    }

    /// The pods of the page, in order of appearance.
    pub(super) fn finish(&mut self, asked: Millis) -> Vec<PodPoints> {
        let mut list: Vec<PodPoints> = Vec::with_capacity(self.seen.len());
        let seen = std::mem::take(&mut self.seen);
        let count = seen.len();
        for (slot, draft) in seen.into_iter().filter(|(_, draft)| draft.named) {
            let Some(container) = self.containers.get(slot as usize) else { continue };
            let Some(pod) = self.pods.get_mut(container.pod as usize) else { continue };
            if pod.count > 0 {
                pod.index = list.len() as u32;
                list.push(PodPoints {
                    namespace: Arc::clone(&pod.namespace),
                    name: Arc::clone(&pod.name),
                    containers: Vec::with_capacity(pod.count as usize),
                });
                pod.count = 0;
            }
            let Draft { cpu, cpu_at, memory, memory_at, swap, started, .. } = draft;
            // The point's time is the CPU sample's; only without one the memory's.
            let at = cpu_at.unwrap_or(memory_at).unwrap_or(asked);
            let name = Arc::clone(&container.name);
            if let Some(points) = list.get_mut(pod.index as usize) {
                points.containers.push(ContainerPoint { name, at, cpu, memory, swap, started });
            }
        }
        if self.containers.len() > count * 2 + SPARE || self.raw.len() + self.spelled.len() > count * 8 + SPARE {
            *self = Self { page: self.page, ..Self::default() };
        }
        self.containers.shrink_to(self.containers.len());
        self.pods.shrink_to(self.pods.len());
        list
    }

    fn intern(&mut self, namespace: &str, name: &str, container: &str) -> u32 {
        let Self { hasher, ids, pod_ids, containers, pods, .. } = self;
        let hash = hasher.hash_one((namespace, name));
        let named = |pod: &Pod| *pod.namespace == *namespace && *pod.name == *name;
        let known = pod_ids.find(hash, |at| pods.get(*at as usize).is_some_and(named)).copied();
        let pod = known.unwrap_or_else(|| {
            let at = pods.len() as u32;
            // Few namespaces and container names are on a node: each is there once.
            let shared = pods.iter().find(|pod| *pod.namespace == *namespace).map(|pod| Arc::clone(&pod.namespace));
            let namespace = shared.unwrap_or_else(|| Arc::from(namespace));
            pods.push(Pod { namespace, name: Arc::from(name), page: 0, count: 0, index: 0 });
            let rehash =
                |at: &u32| pods.get(*at as usize).map_or(0, |pod| hasher.hash_one((&*pod.namespace, &*pod.name)));
            pod_ids.insert_unique(hash, at, rehash);
            at
        });
        let hash = hasher.hash_one((pod, container));
        let named = |one: &Container| one.pod == pod && *one.name == *container;
        if let Some(known) = ids.find(hash, |at| containers.get(*at as usize).is_some_and(named)) {
            return *known;
        }
        let at = containers.len() as u32;
        let shared = containers.iter().find(|one| *one.name == *container).map(|one| Arc::clone(&one.name));
        let name = shared.unwrap_or_else(|| Arc::from(container));
        containers.push(Container { name, pod, page: 0, seen: 0 });
        let rehash = |at: &u32| containers.get(*at as usize).map_or(0, |one| hasher.hash_one((one.pod, &*one.name)));
        ids.insert_unique(hash, at, rehash);
        at
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
