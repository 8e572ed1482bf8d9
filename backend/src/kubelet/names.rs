//! Names of pods and containers, remembered from page to page of one node.
//!
//! Keyed by the raw bytes of a label set, so that a known line is one lookup. Names that a page does not mention are
//! dropped once they are the greater part; a cache that never forgets leaks with pod churn.

use super::page::{ContainerPoint, PodPoints};
use super::{labels, parse::skip_blanks};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use memchr::memchr;
use std::sync::Arc;
use wire::Millis;

/// Label sets a node may have unused before they are dropped.
const SPARE: usize = 64;

/// One node's names. Empty at first; costs about 150 bytes a container.
#[derive(Debug, Default)]
pub struct Names {
    /// Raw labels, braces included, to a container.
    raw: HashMap<Box<[u8]>, u32, RandomState>,
    /// Pod and container name to a container: the same labels may be written in two ways.
    ids: HashMap<(u32, Arc<str>), u32, RandomState>,
    pod_ids: HashMap<(Arc<str>, Arc<str>), u32, RandomState>,
    containers: Vec<Container>,
    pods: Vec<Pod>,
    /// Containers of this page and their values, in order of appearance. Given back with the page: of 5,000 nodes one at
    /// a time needs them.
    seen: Vec<(u32, Draft)>,
    page: u64,
}

#[derive(Debug)]
struct Container {
    name: Arc<str>,
    pod: u32,
    /// The page `seen` is a place of.
    page: u64,
    seen: u32,
}

#[derive(Debug)]
struct Pod {
    namespace: Arc<str>,
    name: Arc<str>,
    page: u64,
    /// Containers on the page.
    count: u32,
    /// Where it is in the page's list.
    index: usize,
}

/// A container's values before they make a point.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) cpu: Option<u64>,
    pub(super) cpu_at: Option<Millis>,
    pub(super) memory: Option<u64>,
    pub(super) memory_at: Option<Millis>,
    pub(super) swap: Option<u64>,
    pub(super) started: Option<u64>,
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
        self.page += 1;
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
            && let Some(slot) = self.raw.get(key)
        {
            return Ok((*slot, rest));
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
        let key = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
        self.raw.insert(key.into(), slot);
        Ok((slot, rest))
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
        for (slot, draft) in seen {
            let Some(container) = self.containers.get(slot as usize) else { continue };
            let Some(pod) = self.pods.get_mut(container.pod as usize) else { continue };
            if pod.count > 0 {
                pod.index = list.len();
                list.push(PodPoints {
                    namespace: Arc::clone(&pod.namespace),
                    name: Arc::clone(&pod.name),
                    containers: Vec::with_capacity(pod.count as usize),
                });
                pod.count = 0;
            }
            let Draft { cpu, cpu_at, memory, memory_at, swap, started } = draft;
            let at = cpu_at.or(memory_at).unwrap_or(asked);
            let name = Arc::clone(&container.name);
            if let Some(points) = list.get_mut(pod.index) {
                points.containers.push(ContainerPoint { name, at, cpu, memory, swap, started });
            }
        }
        if self.containers.len() > count * 2 + SPARE || self.raw.len() > count * 8 + SPARE {
            *self = Self { page: self.page, ..Self::default() };
        }
        list
    }

    fn intern(&mut self, namespace: &str, pod: &str, container: &str) -> u32 {
        let key = (Arc::from(namespace), Arc::from(pod));
        let pods = &mut self.pods;
        let pod = *self.pod_ids.entry(key).or_insert_with_key(|(namespace, name)| {
            let (namespace, name) = (Arc::clone(namespace), Arc::clone(name));
            pods.push(Pod { namespace, name, page: 0, count: 0, index: 0 });
            (pods.len() - 1) as u32
        });
        let containers = &mut self.containers;
        *self.ids.entry((pod, Arc::from(container))).or_insert_with_key(|(_, name)| {
            containers.push(Container { name: Arc::clone(name), pod, page: 0, seen: 0 });
            (containers.len() - 1) as u32
        })
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
