//! Tracks by key, freed by age.

use crate::track::{Keep, Kind, Sample, Start, Track};
use hashbrown::{Equivalent, HashTable};
use std::hash::{BuildHasher, Hash};
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
///
/// Pages of a node list the same things in the same order nearly always, so each group knows which one was asked for
/// after it the last time. A right guess costs one comparison of keys instead of a search.
#[derive(Debug)]
pub struct Store<K> {
    /// In order of appearance.
    slots: Vec<Slot<K>>,
    /// Places in `slots`, by their keys.
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// The place that was asked for last.
    last: u32,
    keep: Keep,
}

#[derive(Debug)]
struct Slot<K> {
    key: K,
    group: Group,
    /// The place that was asked for after this one; only a guess.
    next: u32,
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
        Self {
            slots: Vec::new(),
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            last: 0,
            keep,
        }
    }

    /// How long rows are kept.
    pub const fn keep(&self) -> &Keep {
        &self.keep
    }

    /// What is known of a key.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&Group> {
        self.slots.get(self.find(key)? as usize).map(|slot| &slot.group)
    }

    /// The group to append to, made when there is none, and what is kept. `owned` makes the key of a new one.
    #[expect(clippy::indexing_slicing, reason = "the place was just found or made")]
    pub fn group<Q>(&mut self, key: &Q, owned: impl FnOnce() -> K) -> (&mut Group, Keep)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let guess = self.slots.get(self.last as usize).map_or(0, |slot| slot.next);
        let place = if self.slots.get(guess as usize).is_some_and(|slot| key.equivalent(&slot.key)) {
            guess
        } else {
            let place = self.find(key).unwrap_or_else(|| self.make(owned()));
            if let Some(before) = self.slots.get_mut(self.last as usize) {
                before.next = place;
            }
            place
        };
        self.last = place;
        (&mut self.slots[place as usize].group, self.keep)
    }

    fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<u32> {
        let holds = |place: &u32| self.slots.get(*place as usize).is_some_and(|slot| key.equivalent(&slot.key));
        self.index.find(self.hasher.hash_one(key), holds).copied()
    }

    fn make(&mut self, key: K) -> u32 {
        let place = self.slots.len() as u32;
        let hash = self.hasher.hash_one(&key);
        self.slots.push(Slot { key, group: Group::default(), next: place + 1 });
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |place: &u32| slots.get(*place as usize).map_or(0, |slot| hasher.hash_one(&slot.key));
        self.index.insert_unique(hash, place, hash_of);
        place
    }

    /// All keys with their groups, in order of appearance.
    pub fn groups(&self) -> impl Iterator<Item = (&K, &Group)> {
        self.slots.iter().map(|slot| (&slot.key, &slot.group))
    }

    /// The thing is gone. Its rows stay until they are too old; then the key goes.
    pub fn end<Q: Hash + Equivalent<K> + ?Sized>(&mut self, key: &Q) {
        let place = self.find(key);
        if let Some(Slot { group, .. }) = place.and_then(|place| self.slots.get_mut(place as usize)) {
            group.ended = true;
            for (_, track) in &mut group.tracks {
                track.end();
            }
        }
    }

    /// Frees what is too old at `now`, whether or not its thing still exists. Visits every track.
    pub fn sweep(&mut self, now: i64) {
        let (keep, before) = (self.keep, self.slots.len());
        self.slots.retain_mut(|slot| {
            slot.group.evict(now, &keep);
            !slot.group.tracks.is_empty()
        });
        if self.slots.len() == before {
            return;
        }
        if self.slots.len() * 4 < self.slots.capacity() {
            self.slots.shrink_to_fit();
            self.index = HashTable::new();
        }
        self.index.clear();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            slot.next = place as u32 + 1;
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash_of = |place: &u32| slots.get(*place as usize).map_or(0, |slot| hasher.hash_one(&slot.key));
        self.index.reserve(slots.len(), hash_of);
        for (place, slot) in slots.iter().enumerate() {
            self.index.insert_unique(hasher.hash_one(&slot.key), place as u32, hash_of);
        }
        self.last = 0;
    }

    /// What it occupies. Visits every track.
    pub fn size(&self) -> Size {
        let slots = self.slots.capacity() * size_of::<Slot<K>>();
        let index = self.index.capacity() * (size_of::<u32>() + 1);
        let mut size = Size { bytes: slots + index, ..Size::default() };
        for Slot { group, .. } in &self.slots {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store<String>, key: &str, at: i64, value: u64) {
        let (group, keep) = store.group(key, || key.to_owned());
        let sample = Sample { at, cpu: Some(value), memory: Some(value) };
        group.append(&Arc::from("a"), Kind::Gauge, (sample, Start::Follows), &keep, at);
    }

    fn newest(store: &Store<String>, key: &str) -> Option<u64> {
        store.get(key)?.get("a")?.last()?.memory
    }

    /// A guess is only a guess: whatever was asked for before, a sample goes to its own key.
    #[test]
    fn samples_find_their_keys_in_any_order_and_after_others_are_gone() {
        let keep = Keep::default();
        let mut store = Store::new(keep);
        let keys: Vec<String> = (0..50).map(|n| format!("key-{n}")).collect();
        let mut seed = 7_usize;
        for round in 0..40_i64 {
            let at = round * 15_000;
            let mut order: Vec<usize> = (0..keys.len()).collect();
            // In the same order at first, then in another each time, at last without every third.
            for n in 0..if round < 10 { 0 } else { order.len() } {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                order.swap(n, (seed >> 33) % keys.len());
            }
            for n in order.into_iter().filter(|n| round < 20 || n % 3 != 0) {
                put(&mut store, &keys[n], at, (n * 1000) as u64 + round.unsigned_abs());
            }
            if round == 30 {
                let (many, gone) = (store.size().bytes, keep.coarse + 20 * 15_000);
                store.sweep(gone);
                assert_eq!(store.groups().count(), 33, "what was not told of for a day is freed");
                assert!(store.size().bytes < many);
            }
        }
        for (n, key) in keys.iter().enumerate() {
            let expected = (n % 3 != 0).then_some((n * 1000) as u64 + 39);
            assert_eq!(newest(&store, key), expected, "{key}");
        }
        assert_eq!(store.groups().map(|(key, _)| key).filter(|key| keys.contains(key)).count(), 33);
    }
}
