//! One column of integers as bytes: deltas, in runs or in Rice-coded blocks.
//!
//! A column is its first value (zigzag varint), then its deltas in parts. A part is either a run (`RUN`, length, delta)
//! or a block of at most [`BLOCK`] deltas: the Rice parameter `k`, the block's median delta, and for every delta its
//! zigzag distance from the median as `distance >> k` ones, a zero and `k` low bits, least significant bit first. A
//! distance of more than [`ESCAPE`] ones is written out in 64 bits. All arithmetic wraps, so every sequence of `i64`
//! comes back as it was. The number of values is the caller's to keep.
//!
//! Rice codes rather than fixed widths: a counter's steps scatter around their mean with rare outliers, which a fixed
//! width pays for in the whole block.

/// Deltas a block has at most: short enough that the median follows a change of load.
pub const BLOCK: usize = 32;
/// Ones after which a distance is written out.
const ESCAPE: u32 = 16;
/// Marks a run; a Rice parameter is below 64.
const RUN: u8 = 0x40;
/// A shorter run inside a block costs less than the heads of two parts.
const RUN_MIN: usize = 12;

/// Appends `values` to `out`.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some((first, _)) = values.split_first() else { return };
    varint(zigzag(*first), out);
    let deltas: Vec<i64> =
        values.iter().zip(values.iter().skip(1)).map(|(before, after)| after.wrapping_sub(*before)).collect();
    let mut rest = deltas.as_slice();
    while let Some(head) = rest.first() {
        let run = run_length(rest);
        if run >= RUN_MIN || run == rest.len() {
            out.push(RUN);
            varint(run as u64, out);
            varint(zigzag(*head), out);
            rest = rest.get(run..).unwrap_or_default();
        } else {
            let (block, after) = rest.split_at(block_length(rest));
            encode_block(block, out);
            rest = after;
        }
    }
}

/// Reads `count` values from the front of `bytes`, appends them to `out` and returns what follows; `None` when the
/// bytes end early or are no column.
pub fn decode<'a>(mut bytes: &'a [u8], count: usize, out: &mut Vec<i64>) -> Option<&'a [u8]> {
    if count == 0 {
        return Some(bytes);
    }
    let mut value = unzigzag(take_varint(&mut bytes)?);
    out.push(value);
    let mut left = count - 1;
    while left > 0 {
        let (kind, rest) = bytes.split_first()?;
        bytes = rest;
        if *kind == RUN {
            let length = usize::try_from(take_varint(&mut bytes)?).ok().filter(|length| (1..=left).contains(length))?;
            let delta = unzigzag(take_varint(&mut bytes)?);
            for _ in 0..length {
                value = value.wrapping_add(delta);
                out.push(value);
            }
            left -= length;
        } else {
            let k = u32::from(*kind);
            if k >= 64 {
                return None;
            }
            let length = usize::from(*bytes.first()?);
            bytes = bytes.get(1..)?;
            if length == 0 || length > left.min(BLOCK) {
                return None;
            }
            let median = unzigzag(take_varint(&mut bytes)?);
            let mut bits = Bits { bytes, ahead: bytes, held: 0, count: 0, used: 0 };
            for _ in 0..length {
                let distance = bits.rice(k)?;
                value = value.wrapping_add(median.wrapping_add(unzigzag(distance)));
                out.push(value);
            }
            bytes = bits.rest()?;
            left -= length;
        }
    }
    Some(bytes)
}

/// Seven bits a byte, lowest first.
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes [`varint`] writes.
pub const fn varint_length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Takes a varint from the front of `bytes`; `None` when it does not end or does not fit.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let low = u64::from(byte & 0x7f);
        if index == 9 && low > 1 {
            return None;
        }
        value |= low << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = bytes.get(index + 1..)?;
            return Some(value);
        }
    }
    None
}

/// Small numbers of either sign become small numbers.
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn run_length(deltas: &[i64]) -> usize {
    let first = deltas.first();
    deltas.iter().take_while(|delta| Some(*delta) == first).count()
}

/// A block ends where a run worth its own part begins.
fn block_length(deltas: &[i64]) -> usize {
    let longest = deltas.len().min(BLOCK);
    let mut same = 1;
    let mut before = None;
    for (index, delta) in deltas.iter().enumerate().take(longest) {
        same = if before == Some(delta) { same + 1 } else { 1 };
        before = Some(delta);
        if same >= RUN_MIN {
            return index + 1 - RUN_MIN;
        }
    }
    longest
}

fn encode_block(block: &[i64], out: &mut Vec<u8>) {
    let mut sorted = [0i64; BLOCK];
    for (slot, delta) in sorted.iter_mut().zip(block) {
        *slot = *delta;
    }
    let median = middle(sorted.get_mut(..block.len()).unwrap_or_default());
    let mut distances = [0u64; BLOCK];
    for (slot, delta) in distances.iter_mut().zip(block) {
        *slot = zigzag(delta.wrapping_sub(median));
    }
    let distances = distances.get(..block.len()).unwrap_or_default();
    let k = parameter(distances);
    out.push(k as u8);
    out.push(block.len() as u8);
    varint(zigzag(median), out);
    let mut held = 0u128;
    let mut count = 0u32;
    for distance in distances {
        let ones = distance >> k;
        if ones >= u64::from(ESCAPE) {
            held |= ((1u128 << ESCAPE) - 1) << count;
            held |= u128::from(*distance) << (count + ESCAPE);
            count += ESCAPE + 64;
        } else {
            let ones = ones as u32;
            held |= ((1u128 << ones) - 1) << count;
            held |= u128::from(distance & ((1u64 << k) - 1)) << (count + ones + 1);
            count += ones + 1 + k;
        }
        while count >= 8 {
            out.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(held as u8);
    }
}

fn middle<T: Ord + Copy + Default>(values: &mut [T]) -> T {
    if values.is_empty() {
        return T::default();
    }
    let at = values.len() / 2;
    *values.select_nth_unstable(at).1
}

/// The cheapest parameter near the median distance; outliers escape, so they do not count.
fn parameter(distances: &[u64]) -> u32 {
    let mut sorted = [0u64; BLOCK];
    for (slot, distance) in sorted.iter_mut().zip(distances) {
        *slot = *distance;
    }
    let typical = middle(sorted.get_mut(..distances.len()).unwrap_or_default());
    let about = (64 - typical.leading_zeros()).min(60);
    let cost = |k: u32| -> u64 {
        let ones = |distance: &u64| distance >> k;
        distances
            .iter()
            .map(|d| if ones(d) >= u64::from(ESCAPE) { u64::from(ESCAPE) + 64 } else { ones(d) + 1 + u64::from(k) })
            .sum()
    };
    (about.saturating_sub(1)..=about + 1).min_by_key(|k| cost(*k)).unwrap_or(about)
}

/// Reads bits, lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// What is not in `held` yet.
    ahead: &'a [u8],
    held: u64,
    /// Bits in `held`.
    count: u32,
    /// Bits taken.
    used: usize,
}

impl<'a> Bits<'a> {
    fn rice(&mut self, k: u32) -> Option<u64> {
        self.fill();
        let ones = self.held.trailing_ones().min(ESCAPE);
        if ones == ESCAPE {
            self.drop(ESCAPE)?;
            return self.take(64);
        }
        self.drop(ones + 1)?;
        let low = self.take(k)?;
        Some(u64::from(ones) << k | low)
    }

    fn take(&mut self, width: u32) -> Option<u64> {
        if width > 32 {
            let low = self.take(32)?;
            return Some(low | self.take(width - 32)? << 32);
        }
        self.fill();
        let value = self.held & ((1u64 << width) - 1);
        self.drop(width)?;
        Some(value)
    }

    fn drop(&mut self, width: u32) -> Option<()> {
        self.count = self.count.checked_sub(width)?;
        self.held >>= width;
        self.used += width as usize;
        Some(())
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some((byte, rest)) = self.ahead.split_first() else { return };
            self.held |= u64::from(*byte) << self.count;
            self.count += 8;
            self.ahead = rest;
        }
    }

    /// What follows the block, which ends with a whole byte.
    fn rest(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.used.div_ceil(8)..)
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod codec_tests;
