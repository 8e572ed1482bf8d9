//! A kubelet's `/metrics/resource` page as points: text format 0.0.4, the families of `metrics-api.md` 4.4.
//!
//! One pass over the bytes. A line whose labels were seen on an earlier page costs one hash of their raw bytes and no
//! allocation: [`Names`] remembers them. Of families that are not used only the shape is looked at.
//!
//! A bad line costs itself and is a [`Problem`]; nothing panics, and samples and problems together are never more than
//! lines. Values go from their digits to integers, never through a float. What is done with a pod that lacks a value is
//! not decided here: its container's point says `None`.
//!
//! Costs: `benches/parse.rs` of the backend, at least 1 GB/s.

use super::names::Names;
use super::page::{NodePage, NodePoint};
use memchr::memchr;
use std::sync::Arc;
use wire::Millis;

const NEGATIVE: &str = "value is negative";
/// Bytes a line may have; a longer one is a problem.
const LINE_MAX: usize = 64 * 1024;
/// 2001-01-01 in Unix nanoseconds: an earlier start is no time but an age (KWOK).
const STARTS_FROM: u64 = 978_307_200_000_000_000;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From one.
    pub line: u32,
    pub what: &'static str,
}

/// A page and what was wrong with it.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub page: NodePage,
    pub problems: Vec<Problem>,
    /// The kubelet says that it could not collect: a failed scrape.
    pub scrape_error: bool,
    /// Accepted samples of the families that are used.
    pub samples: u32,
}

/// The families that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    ContainerCpu,
    ContainerMemory,
    ContainerSwap,
    ContainerStart,
    NodeCpu,
    NodeMemory,
    NodeSwap,
    ScrapeError,
}

/// The node's own values before they make a point.
#[derive(Default)]
struct Node {
    cpu: Option<u64>,
    memory: Option<u64>,
    swap: Option<u64>,
    at: Option<Millis>,
}

// === impl Parsed ===

impl Parsed {
    /// Something was said and nothing was understood: not a kubelet's page.
    pub fn hopeless(&self) -> bool {
        self.samples == 0 && !self.problems.is_empty()
    }
}

/// Reads a whole page that `node` answered to a request sent at `asked`. `names` is the same for every page of a node.
pub fn page(text: &[u8], node: &Arc<str>, asked: Millis, scheduled: bool, names: &mut Names) -> Parsed {
    names.begin();
    let mut own = Node::default();
    let mut problems = Vec::new();
    // Its present and its former name: of each the last line counts.
    let mut scrape_error = [false; 2];
    let mut samples = 0u32;
    let mut rest = text;
    let mut number = 0u32;
    while !rest.is_empty() {
        number = number.saturating_add(1);
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        match self::line(line, names, &mut own, &mut scrape_error) {
            Ok(true) => samples = samples.saturating_add(1),
            Ok(false) => {}
            Err(what) => problems.push(Problem { line: number, what }),
        }
    }
    let page = NodePage {
        node: Arc::clone(node),
        asked,
        scheduled,
        node_point: own.point(asked),
        lacks: own.lacks(),
        pods: names.finish(asked),
    };
    Parsed { page, problems, scrape_error: scrape_error.contains(&true), samples }
}

/// Takes one line in; `false` when it says nothing that is used.
fn line(line: &[u8], names: &mut Names, own: &mut Node, scrape_error: &mut [bool; 2]) -> Result<bool, &'static str> {
    let line = skip_blanks(line);
    match line.first() {
        None | Some(b'#') | Some(b'\r') => return Ok(false),
        Some(_) => {}
    }
    if line.len() > LINE_MAX {
        return Err("line is too long");
    }
    let (family, rest) = family(line)?;
    let Some(family) = family else {
        return unused(rest).map(|()| false);
    };
    let (container, rest) = match family {
        Family::ContainerCpu | Family::ContainerMemory | Family::ContainerSwap | Family::ContainerStart => {
            let (slot, rest) = names.labels(rest)?;
            (Some(slot), rest)
        }
        _ => (None, skip_labels(rest)?),
    };
    let (digits, rest) = token(rest);
    let value = match family {
        // Nanoseconds.
        Family::ContainerCpu | Family::NodeCpu => decimal(digits, 9, true)?,
        // Before 1970 is before 2001: as if it were absent.
        Family::ContainerStart => {
            decimal(digits, 9, true).or_else(|why| if why == NEGATIVE { Ok(0) } else { Err(why) })?
        }
        _ => decimal(digits, 0, false)?,
    };
    let at = timestamp(rest)?;
    if let Some(point) = container.and_then(|slot| names.point(slot)) {
        match family {
            Family::ContainerCpu => {
                point.cpu = (value > 0).then_some(value);
                point.cpu_at = Some(at);
            }
            Family::ContainerMemory => {
                point.memory = (value > 0).then_some(value);
                point.memory_at = at;
            }
            Family::ContainerSwap => point.swap = Some(value),
            _ => point.started = (value >= STARTS_FROM).then_some(value),
        }
        // Swap alone is no container: it hides no pod.
        point.named |= family != Family::ContainerSwap;
        return Ok(true);
    }
    match family {
        Family::NodeCpu => (own.cpu, own.at) = (Some(value), at),
        Family::NodeMemory => own.memory = Some(value),
        Family::NodeSwap => own.swap = Some(value),
        _ => {
            let [present, former] = scrape_error;
            *(if line.starts_with(b"scrape") { former } else { present }) = value == 1;
        }
    }
    Ok(true)
}

/// The family by the line's name, and what follows the name.
fn family(line: &[u8]) -> Result<(Option<Family>, &[u8]), &'static str> {
    let length = line.iter().take_while(|byte| is_name(**byte)).count();
    let (name, rest) = line.split_at(length);
    if length == 0 || name.first().is_some_and(u8::is_ascii_digit) {
        return Err("line does not begin with a metric name");
    }
    if !matches!(rest.first(), Some(b' ' | b'\t' | b'{')) {
        return Err("metric name is followed by neither labels nor a value");
    }
    let family = match name {
        b"container_cpu_usage_seconds_total" => Family::ContainerCpu,
        b"container_memory_working_set_bytes" => Family::ContainerMemory,
        b"container_swap_usage_bytes" => Family::ContainerSwap,
        b"container_start_time_seconds" => Family::ContainerStart,
        b"node_cpu_usage_seconds_total" => Family::NodeCpu,
        b"node_memory_working_set_bytes" => Family::NodeMemory,
        b"node_swap_usage_bytes" => Family::NodeSwap,
        b"resource_scrape_error" | b"scrape_error" => Family::ScrapeError,
        _ => return Ok((None, rest)),
    };
    Ok((Some(family), rest))
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

/// The shape of a line nobody reads: labels that close and something like a number after them.
fn unused(rest: &[u8]) -> Result<(), &'static str> {
    let rest = skip_blanks(rest);
    let rest = if rest.first() == Some(&b'{') {
        let end = memchr::memrchr(b'}', rest).ok_or("labels are not closed")?;
        rest.get(end + 1..).unwrap_or_default()
    } else {
        rest
    };
    match skip_blanks(rest).first() {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'N' | b'n' | b'I' | b'i') => Ok(()),
        _ => Err("value is not a number"),
    }
}

/// Labels of a family that has none; some collector may add its own.
fn skip_labels(rest: &[u8]) -> Result<&[u8], &'static str> {
    let rest = skip_blanks(rest);
    if rest.first() == Some(&b'{') { super::labels::read(rest, |_, _| {}) } else { Ok(rest) }
}

pub(super) fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blanks..).unwrap_or_default()
}

/// The next run of bytes without blanks.
fn token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let bytes = skip_blanks(bytes);
    let length = bytes.iter().take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).count();
    bytes.split_at(length)
}

/// Milliseconds at the line's end, if there are any; an exemplar may follow.
fn timestamp(rest: &[u8]) -> Result<Option<Millis>, &'static str> {
    let (first, rest) = token(rest);
    if first.is_empty() {
        return end(rest).map(|()| None);
    }
    if first.first() == Some(&b'#') {
        return Ok(None);
    }
    let mut at: Millis = 0;
    for byte in first {
        if !byte.is_ascii_digit() {
            return Err("timestamp is not a whole number of milliseconds");
        }
        at = at
            .checked_mul(10)
            .and_then(|at| at.checked_add(Millis::from(byte - b'0')))
            .ok_or("timestamp is not a whole number of milliseconds")?;
    }
    end(rest).map(|()| Some(at))
}

fn end(rest: &[u8]) -> Result<(), &'static str> {
    let (more, rest) = token(rest);
    match more.first() {
        Some(b'#') => Ok(()),
        None if matches!(rest, [] | [b'\r']) => Ok(()),
        _ => Err("something follows the sample"),
    }
}

/// A decimal number times 10^`scale` as an integer, rounded to the nearest or cut.
fn decimal(text: &[u8], scale: i32, round: bool) -> Result<u64, &'static str> {
    const BAD: &str = "value is not a number";
    const LARGE: &str = "value is too large";
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        Some(_) => (false, text),
        None => return Err("value is missing"),
    };
    let mut mantissa = 0u64;
    // The power of ten the mantissa is to be multiplied by.
    let mut power = scale;
    let mut seen = false;
    let mut point = false;
    let mut bytes = digits.iter();
    let mut exponent = None;
    for byte in bytes.by_ref() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if mantissa < 1_000_000_000_000_000_000 {
                    mantissa = mantissa * 10 + u64::from(byte - b'0');
                    power -= i32::from(point);
                } else {
                    // The twentieth digit and what follows do not matter; their number does.
                    power = power.saturating_add(i32::from(!point));
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if seen => {
                exponent = Some(bytes.as_slice());
                break;
            }
            _ => return Err(special(digits).unwrap_or(BAD)),
        }
    }
    if !seen {
        return Err(special(digits).unwrap_or(BAD));
    }
    if let Some(exponent) = exponent {
        power = power.saturating_add(whole(exponent).ok_or(BAD)?);
    }
    if negative && mantissa > 0 {
        return Err(NEGATIVE);
    }
    if mantissa == 0 {
        return Ok(0);
    }
    if power >= 0 {
        let factor = 10u64.checked_pow(power.unsigned_abs()).ok_or(LARGE)?;
        return mantissa.checked_mul(factor).ok_or(LARGE);
    }
    let Some(divisor) = 10u64.checked_pow(power.unsigned_abs()) else { return Ok(0) };
    let (quotient, remainder) = (mantissa / divisor, mantissa % divisor);
    Ok(quotient + u64::from(round && remainder >= divisor - remainder))
}

/// An exponent, held to what can matter.
fn whole(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    let mut value = 0i32;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
        value = value.saturating_mul(10).saturating_add(digit).min(100_000);
    }
    (!digits.is_empty()).then_some(sign * value)
}

fn special(digits: &[u8]) -> Option<&'static str> {
    if digits.eq_ignore_ascii_case(b"nan") {
        return Some("value is NaN");
    }
    (digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity")).then_some("value is infinite")
}

// === impl Node ===

impl Node {
    /// What there is no point for; a value of zero is none.
    fn lacks(&self) -> &'static str {
        let said = |value: Option<u64>| match value {
            None => 'a',
            Some(0) => '0',
            Some(_) => '1',
        };
        match (said(self.cpu), said(self.memory)) {
            ('1', '1') => "",
            ('1', 'a') => "no memory",
            ('1', _) => "a memory of 0",
            ('a', '1') => "no CPU",
            (_, '1') => "a CPU of 0",
            ('0', '0') => "a CPU and a memory of 0",
            _ => "no CPU and no memory",
        }
    }

    fn point(&self, asked: Millis) -> Option<NodePoint> {
        let (Some(cpu), Some(memory)) = (self.cpu.filter(|cpu| *cpu > 0), self.memory.filter(|memory| *memory > 0))
        else {
            return None;
        };
        Some(NodePoint { at: self.at.unwrap_or(asked), cpu, memory, swap: self.swap })
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod parse_tests;
