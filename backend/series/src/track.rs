//! CPU and memory of one thing over time.

use crate::stream::Stream;

/// Bytes memory is counted in: the kernel's page, which every working set is a multiple of.
pub const PAGE: u64 = 4096;
/// Length of a row of the coarse tier, milliseconds.
pub const MINUTE: i64 = 60_000;
/// Stands for "not known" in a column: no counter and no working set is negative.
pub(crate) const UNKNOWN: i64 = -1;
/// A clock set back by more than this starts the track over; less is a late sample and is dropped.
const SET_BACK: i64 = 2 * MINUTE;

/// What the CPU column of a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cumulative microseconds: kubelets' own counters.
    Counter,
    /// Microcores at the time: sums of other tracks.
    Gauge,
}

/// How a sample follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Without anything missing between.
    Follows,
    /// A scrape was missed: the counter went on, but a chart shows a gap.
    Gap,
    /// Another run of the thing: its counter began anew, and no rate reaches back.
    Reset,
}

/// CPU and memory at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix milliseconds.
    pub at: i64,
    /// Cumulative microseconds or microcores, by the track's [`Kind`].
    pub cpu: Option<u64>,
    /// In units of [`PAGE`].
    pub memory: Option<u64>,
}

/// How long rows are kept, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Every sample.
    pub fine: i64,
    /// One row a minute.
    pub coarse: i64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { fine: 60 * MINUTE, coarse: 24 * 60 * MINUTE }
    }
}

/// Two tiers of one thing, and its present rate.
#[derive(Clone, Debug)]
pub struct Track {
    /// Time, CPU, memory.
    pub(crate) fine: Stream<3>,
    minute: Minute,
    /// Microcores over the last two samples of one run, and where that window ended.
    rate: Option<Rate>,
    pub(crate) kind: Kind,
    ended: bool,
    /// Minute; CPU average (microcores), average − minimum, maximum − average; the same of memory (pages). Last,
    /// because it is touched once a minute: what every append touches lies together.
    pub(crate) coarse: Stream<7>,
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    microcores: u32,
    window: u32,
    at: i64,
}

/// The minute that is not over yet.
#[derive(Clone, Debug, Default)]
struct Minute {
    number: i64,
    cpu: Spread,
    memory: Spread,
}

#[derive(Clone, Debug, Default)]
struct Spread {
    count: u32,
    sum: u64,
    least: u32,
    most: u32,
}

// === impl Track ===

impl Track {
    /// An empty track.
    pub const fn new(kind: Kind) -> Self {
        Self {
            fine: Stream::new(),
            coarse: Stream::new(),
            minute: Minute { number: 0, cpu: Spread::new(), memory: Spread::new() },
            rate: None,
            kind,
            ended: false,
        }
    }

    /// Takes a sample in and frees what is too old by its time. False when it says nothing new: its time did not
    /// move, or neither value is known.
    ///
    /// A counter that fell starts a new run whatever `start` says.
    pub fn append(&mut self, sample: Sample, start: Start, keep: &Keep) -> bool {
        if sample.cpu.is_none() && sample.memory.is_none() {
            return false;
        }
        let cpu = sample.cpu.map_or(UNKNOWN, |value| i64::try_from(value).unwrap_or(i64::MAX));
        let memory = sample.memory.map_or(UNKNOWN, |value| i64::try_from(value).unwrap_or(i64::MAX));
        let mut start = if self.ended { Start::Reset } else { start };
        let mut rate = None;
        if let Some([at, cpu_before, _]) = self.fine.last() {
            if sample.at <= at {
                if at.saturating_sub(sample.at) <= SET_BACK {
                    return false;
                }
                *self = Self::new(self.kind);
                start = Start::Reset;
            } else if self.kind == Kind::Counter {
                if cpu != UNKNOWN && cpu < cpu_before {
                    start = Start::Reset;
                }
                if start != Start::Reset {
                    rate = microcores([at, cpu_before], [sample.at, cpu])
                        .map(|microcores| (microcores, sample.at.saturating_sub(at)));
                }
            }
        }
        if self.kind == Kind::Gauge {
            let window = self.fine.last().map_or(0, |[at, ..]| sample.at.saturating_sub(at));
            rate = sample.cpu.map(|value| (value as f64, window));
        }
        self.ended = false;
        let sealed = self.fine.push([sample.at, cpu, memory], start);
        if let Some((value, window)) = rate {
            let window = u32::try_from(window).unwrap_or(u32::MAX);
            self.rate = Some(Rate { microcores: value.round() as u32, window, at: sample.at });
        }
        self.add_to_minute(sample, rate.map(|(value, _)| value.round() as u32));
        // Often enough to look for old chunks: a track has no more of them than it sealed, and they lie elsewhere in
        // memory.
        if sealed {
            self.evict(sample.at, keep);
        }
        true
    }

    /// The thing is gone: the open chunks are packed, and what comes under the same name is another run.
    pub fn end(&mut self) {
        if !self.ended {
            self.close_minute();
            self.fine.seal();
            self.coarse.seal();
            self.rate = None;
            self.ended = true;
        }
    }

    /// Whether [`Track::end`] was called and nothing came since.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Microcores, as of when, and over how many milliseconds. Of the run before when the present one has one sample.
    pub fn rate(&self) -> Option<(u32, i64, u32)> {
        self.rate.map(|rate| (rate.microcores, rate.at, rate.window))
    }

    /// Milliseconds between the last two samples of one run; zero when there is one alone.
    pub fn window(&self) -> u32 {
        self.rate.filter(|rate| Some(rate.at) == self.last().map(|last| last.at)).map_or(0, |rate| rate.window)
    }

    /// The newest sample.
    pub fn last(&self) -> Option<Sample> {
        let [at, cpu, memory] = self.fine.last()?;
        Some(Sample { at, cpu: u64::try_from(cpu).ok(), memory: u64::try_from(memory).ok() })
    }

    /// Values kept: two a sample, six a minute.
    pub fn samples(&self) -> usize {
        self.fine.rows() * 2 + self.coarse.rows() * 6
    }

    /// Heap bytes that hold them.
    pub fn bytes(&self) -> usize {
        self.fine.bytes() + self.coarse.bytes()
    }

    /// Of these, what holds every sample.
    pub fn fine_bytes(&self) -> usize {
        self.fine.bytes()
    }

    pub(crate) fn evict(&mut self, now: i64, keep: &Keep) {
        self.fine.evict(now.saturating_sub(keep.fine));
        self.coarse.evict(now.saturating_sub(keep.coarse).div_euclid(MINUTE));
    }

    fn add_to_minute(&mut self, sample: Sample, rate: Option<u32>) {
        let number = sample.at.div_euclid(MINUTE);
        if number != self.minute.number {
            self.close_minute();
            self.minute.number = number;
        }
        if let Some(rate) = rate {
            self.minute.cpu.add(rate);
        }
        if let Some(memory) = sample.memory {
            self.minute.memory.add(u32::try_from(memory).unwrap_or(u32::MAX));
        }
    }

    fn close_minute(&mut self) {
        let minute = std::mem::take(&mut self.minute);
        if minute.cpu.count + minute.memory.count > 0
            && self.coarse.last().is_none_or(|[last, ..]| last < minute.number)
        {
            let ([a, b, c], [d, e, f]) = (minute.cpu.row(), minute.memory.row());
            self.coarse.push([minute.number, a, b, c, d, e, f], Start::Follows);
        }
    }
}

// === impl Spread ===

impl Spread {
    const fn new() -> Self {
        Self { count: 0, sum: 0, least: 0, most: 0 }
    }

    fn add(&mut self, value: u32) {
        self.least = if self.count == 0 { value } else { self.least.min(value) };
        self.most = self.most.max(value);
        self.sum += u64::from(value);
        self.count += 1;
    }

    fn row(&self) -> [i64; 3] {
        if self.count == 0 {
            return [UNKNOWN, 0, 0];
        }
        let average = (self.sum / u64::from(self.count)) as i64;
        [average, average - i64::from(self.least), i64::from(self.most) - average]
    }
}

/// Microcores between two samples (time, counter) of one run; `None` when it cannot be known.
pub(crate) fn microcores(before: [i64; 2], after: [i64; 2]) -> Option<f64> {
    let ([at0, cpu0], [at1, cpu1]) = (before, after);
    if cpu0 < 0 || cpu1 < cpu0 || at1 <= at0 {
        return None;
    }
    // Microseconds a millisecond are thousandths of a core.
    Some((cpu1 - cpu0) as f64 * 1000.0 / at1.saturating_sub(at0) as f64)
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod track_tests;
