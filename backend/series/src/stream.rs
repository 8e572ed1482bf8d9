//! Rows of `N` integers in time order: sealed chunks and an open one.

use crate::codec::{decode, encode, take_varint, unzigzag, varint, varint_length, zigzag};
use crate::track::Start;

/// Rows of a sealed chunk: 30 minutes of 15 s samples. Shorter ones pay more for their heads, longer ones keep more
/// than was asked for, since a chunk goes as a whole.
pub(crate) const CHUNK: u16 = 120;

/// Rows a varint chunk grows by: what is reserved and not used is the cost of an open chunk.
const GROW: usize = 48;

/// `row[0]` is the time; it grows from row to row.
#[derive(Clone, Debug)]
pub(crate) struct Stream<const N: usize> {
    sealed: Vec<Chunk>,
    /// Zigzag varints of how far each value is from where the step before it led: even steps, which are most, cost a
    /// byte. The first row is whole.
    open: Vec<u8>,
    last: [i64; N],
    /// From the row before to the last one.
    step: [i64; N],
    rows: u16,
    /// How the open chunk follows the one before it.
    start: Start,
    /// Rows were freed: there was something before the oldest one.
    evicted: bool,
}

#[derive(Clone, Debug)]
struct Chunk {
    newest: i64,
    /// The columns one after the other.
    bytes: Box<[u8]>,
    rows: u16,
    start: Start,
}

// === impl Stream ===

impl<const N: usize> Stream<N> {
    pub(crate) const fn new() -> Self {
        Self {
            sealed: Vec::new(),
            open: Vec::new(),
            last: [0; N],
            step: [0; N],
            rows: 0,
            start: Start::Reset,
            evicted: false,
        }
    }

    /// The newest row; `None` while there is none.
    pub(crate) fn last(&self) -> Option<[i64; N]> {
        (self.rows > 0 || !self.sealed.is_empty()).then_some(self.last)
    }

    /// Appends a row whose time is greater than the last one's. True when that began a chunk.
    pub(crate) fn push(&mut self, row: [i64; N], start: Start) -> bool {
        let begins = start != Start::Follows || self.rows == 0 || self.rows >= CHUNK;
        if begins {
            self.seal();
        }
        if self.rows == 0 {
            self.start = start;
        }
        if self.rows == 0 {
            (self.last, self.step) = ([0; N], [0; N]);
        }
        let mut changes = [0u64; N];
        for (((value, before), step), change) in row.iter().zip(self.last).zip(&mut self.step).zip(&mut changes) {
            let now = value.wrapping_sub(before);
            *change = zigzag(now.wrapping_sub(*step));
            // The second row is a step from a whole value, not from another step.
            *step = if self.rows == 0 { 0 } else { now };
        }
        let length = changes.iter().map(|change| varint_length(*change)).sum::<usize>();
        if self.open.capacity() - self.open.len() < length {
            self.open.reserve_exact(GROW.max(length));
        }
        for change in changes {
            varint(change, &mut self.open);
        }
        self.last = row;
        self.rows += 1;
        begins
    }

    /// Closes the open chunk: what is appended next begins a new one.
    pub(crate) fn seal(&mut self) {
        if self.rows == 0 {
            return;
        }
        let mut columns: [Vec<i64>; N] = std::array::from_fn(|_| Vec::with_capacity(usize::from(self.rows)));
        self.open_rows(|row| columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value)));
        let mut bytes = Vec::with_capacity(self.open.len());
        for column in &columns {
            encode(column, &mut bytes);
        }
        let [newest, ..] = self.last.as_slice() else { return };
        self.sealed.reserve_exact(1);
        self.sealed.push(Chunk { newest: *newest, bytes: bytes.into(), rows: self.rows, start: self.start });
        self.open = Vec::new();
        self.rows = 0;
    }

    /// Frees the chunks whose newest row is older than `oldest`.
    pub(crate) fn evict(&mut self, oldest: i64) {
        let gone = self.sealed.iter().take_while(|chunk| chunk.newest < oldest).count();
        if gone > 0 {
            self.evicted = true;
            self.sealed.drain(..gone);
            self.sealed.shrink_to_fit();
        }
        if self.rows > 0 && self.last.first().is_some_and(|newest| *newest < oldest) {
            self.evicted = true;
            self.open = Vec::new();
            self.rows = 0;
        }
    }

    /// Whether the oldest row is not the first there was.
    pub(crate) const fn evicted(&self) -> bool {
        self.evicted
    }

    /// Time of the oldest row that is kept.
    pub(crate) fn oldest(&self) -> Option<i64> {
        let mut bytes: &[u8] = match self.sealed.first() {
            Some(chunk) => &chunk.bytes,
            None => &self.open,
        };
        take_varint(&mut bytes).map(unzigzag)
    }

    /// Visits every row of every chunk that has one at `from` or later, in time order. The first row of a chunk says
    /// how it follows what was before.
    pub(crate) fn visit(&self, from: i64, mut visit: impl FnMut(&[i64; N], Start)) {
        let mut column = Vec::new();
        let mut rows: Vec<[i64; N]> = Vec::new();
        for chunk in self.sealed.iter().filter(|chunk| chunk.newest >= from) {
            rows.clear();
            rows.resize(usize::from(chunk.rows), [0; N]);
            let mut bytes: &[u8] = &chunk.bytes;
            for index in 0..N {
                column.clear();
                let Some(rest) = decode(bytes, usize::from(chunk.rows), &mut column) else { break };
                bytes = rest;
                for (row, value) in rows.iter_mut().zip(&column) {
                    if let Some(slot) = row.get_mut(index) {
                        *slot = *value;
                    }
                }
            }
            let mut start = chunk.start;
            for row in &rows {
                visit(row, start);
                start = Start::Follows;
            }
        }
        let mut start = self.start;
        self.open_rows(|row| {
            visit(row, start);
            start = Start::Follows;
        });
    }

    pub(crate) fn rows(&self) -> usize {
        self.sealed.iter().map(|chunk| usize::from(chunk.rows)).sum::<usize>() + usize::from(self.rows)
    }

    /// Heap bytes that hold rows, as allocated, heads of chunks included.
    pub(crate) fn bytes(&self) -> usize {
        self.open.capacity()
            + self.sealed.capacity() * size_of::<Chunk>()
            + self.sealed.iter().map(|chunk| chunk.bytes.len()).sum::<usize>()
    }

    fn open_rows(&self, mut visit: impl FnMut(&[i64; N])) {
        let mut bytes: &[u8] = &self.open;
        let (mut row, mut steps) = ([0i64; N], [0i64; N]);
        for index in 0..self.rows {
            for (value, step) in row.iter_mut().zip(&mut steps) {
                let Some(change) = take_varint(&mut bytes) else { return };
                let now = step.wrapping_add(unzigzag(change));
                *value = value.wrapping_add(now);
                *step = if index == 0 { 0 } else { now };
            }
            visit(&row);
        }
    }
}
