//! Tracks by key, freed by age.

use crate::track::{Keep, Kind, Sample, Start, Track};
use hashbrown::hash_map::EntryRef;
use hashbrown::{Equivalent, HashMap};
use std::hash::Hash;
use std::sync::Arc;

/// What a store occupies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// All of it: rows, tracks, keys' slots. Names are shared with the caller and not counted.
    pub bytes: usize,
    /// Of these, what holds rows.
    pub sample_bytes: usize,
    /// Two a track.
    pub series: usize,
    /// Values kept in both tiers.
    pub samples: usize,
}

/// Tracks of one key by name, in order of appearance.
#[derive(Clone, Debug, Default)]
pub struct Group {
    tracks: Vec<(Arc<str>, Track)>,
    /// The last append by the caller's clock: a kubelet's may be off by years and must not free anything.
    touched: i64,
    ended: bool,
}

/// Tracks of everything. One owner writes; readers share it by the owner's lock.
#[derive(Debug)]
pub struct Store<K> {
    groups: HashMap<K, Group, foldhash::fast::RandomState>,
    keep: Keep,
}

// === impl Group ===

impl Group {
    /// The track of a name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Track> {
        self.tracks.iter().find(|(known, _)| &**known == name).map(|(_, track)| track)
    }

    /// All tracks with their names.
    pub fn tracks(&self) -> impl Iterator<Item = (&Arc<str>, &Track)> {
        self.tracks.iter().map(|(name, track)| (name, track))
    }

    /// Whether the thing is known to be gone.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Appends to a member's track, which is made when there is none; `now` is the caller's time. False when the
    /// sample says nothing new.
    pub fn append(
        &mut self,
        name: &Arc<str>,
        kind: Kind,
        (sample, start): (Sample, Start),
        keep: &Keep,
        now: i64,
    ) -> bool {
        self.touched = now;
        self.ended = false;
        if let Some((_, track)) = self.tracks.iter_mut().find(|(known, _)| Arc::ptr_eq(known, name) || known == name) {
            return track.append(sample, start, keep);
        }
        let mut track = Track::new(kind);
        let new = track.append(sample, start, keep);
        self.tracks.reserve_exact(1);
        self.tracks.push((Arc::clone(name), track));
        new
    }

    fn evict(&mut self, now: i64, keep: &Keep) {
        let idle = now.saturating_sub(self.touched);
        let newest = self.tracks.iter().filter_map(|(_, track)| track.last()).map(|last| last.at).max().unwrap_or(now);
        for (_, track) in &mut self.tracks {
            // By the kubelet's clock, which may differ from ours: the newest sample was taken when we were last told.
            track.evict(newest.saturating_add(idle), keep);
        }
        self.tracks.retain(|(_, track)| track.samples() > 0);
        self.tracks.shrink_to_fit();
    }
}

// === impl Store ===

impl<K: Eq + Hash> Store<K> {
    /// An empty store.
    pub fn new(keep: Keep) -> Self {
        Self { groups: HashMap::default(), keep }
    }

    /// How long rows are kept.
    pub const fn keep(&self) -> &Keep {
        &self.keep
    }

    /// What is known of a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&Group> {
        self.groups.get(key)
    }

    /// The group to append to, made when there is none, and what is kept. `owned` makes the key of a new one.
    pub fn group<Q>(&mut self, key: &Q, owned: impl FnOnce() -> K) -> (&mut Group, Keep)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let group = match self.groups.entry_ref(key) {
            EntryRef::Occupied(entry) => entry.into_mut(),
            EntryRef::Vacant(entry) => entry.insert_entry_with_key(owned(), Group::default()).into_mut(),
        };
        (group, self.keep)
    }

    /// All keys with their groups, in no order.
    pub fn groups(&self) -> impl Iterator<Item = (&K, &Group)> {
        self.groups.iter()
    }

    /// The thing is gone. Its rows stay until they are too old; then the key goes.
    pub fn end<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) {
        if let Some(group) = self.groups.get_mut(key) {
            group.ended = true;
            for (_, track) in &mut group.tracks {
                track.end();
            }
        }
    }

    /// Frees what is too old at `now`, whether or not its thing still exists. Visits every track.
    pub fn sweep(&mut self, now: i64) {
        let keep = self.keep;
        self.groups.retain(|_, group| {
            group.evict(now, &keep);
            !group.tracks.is_empty()
        });
        if self.groups.len() * 4 < self.groups.capacity() {
            self.groups.shrink_to_fit();
        }
    }

    /// What it occupies. Visits every track.
    pub fn size(&self) -> Size {
        let mut size = Size { bytes: self.groups.capacity() * (size_of::<(K, Group)>() + 1), ..Size::default() };
        for group in self.groups.values() {
            size.bytes += group.tracks.capacity() * size_of::<(Arc<str>, Track)>();
            for (_, track) in &group.tracks {
                size.series += 2;
                size.samples += track.samples();
                size.sample_bytes += track.bytes();
            }
        }
        size.bytes += size.sample_bytes;
        size
    }
}
