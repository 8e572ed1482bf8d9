//! Prometheus' text format, version 0.0.4: what we tell of ourselves. Pure.
//!
//! Ours and not a library's: the official one writes OpenMetrics alone, whose counters are declared by another name than
//! they have, and metrics-server's families keep their names.

use std::fmt::Write as _;

/// The media type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page under construction.
#[derive(Clone, Debug, Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Observations in buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper ends, ascending; infinity is not among them.
    bounds: Box<[f64]>,
    /// Of each bucket alone; the last one is beyond all ends.
    counts: Box<[u64]>,
    sum: f64,
}

// === impl Page ===

impl Page {
    #[must_use]
    pub fn text(self) -> String {
        self.text
    }

    /// Begins a family: its samples follow.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, value);
    }

    /// All lines of a histogram of the family.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut total = 0;
        for (n, count) in histogram.counts.iter().enumerate() {
            total += count;
            let end = histogram.bounds.get(n).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let mut all = labels.to_vec();
            all.push(("le", &end));
            self.line("_bucket", &all, as_value(total));
        }
        self.line("_sum", labels, histogram.sum);
        self.line("_count", labels, as_value(total));
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        let family = self.family;
        self.push(format_args!("{family}{suffix}"));
        for (n, (name, value)) in labels.iter().enumerate() {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.push(format_args!("{}{name}=\"{escaped}\"", if n == 0 { "{" } else { "," }));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.push(format_args!("{end} {value}\n"));
    }

    /// Writing to memory can't fail.
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }
}

// === impl Histogram ===

impl Histogram {
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        Self { bounds: bounds.into(), counts: vec![0; bounds.len() + 1].into(), sum: 0.0 }
    }

    /// Observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Takes in what another one of the same buckets observed.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    pub fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }
}

/// A number of things; exact up to 2^53.
#[must_use]
pub fn as_value(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no counter of ours gets there")]
    let value = count as f64;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut histogram = Histogram::new(&[0.5, 1.0, 2.5]);
        for value in [0.25, 0.5, 2.0, 9.0] {
            histogram.observe(value);
        }
        let mut page = Page::default();
        page.family("a_seconds", Kind::Histogram, "Time.");
        page.histogram(&[("node", "n\"1\\")], &histogram);
        page.family("b_total", Kind::Counter, "Things.");
        page.sample(&[], 3.0);
        assert_eq!(
            page.text(),
            concat!(
                "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n",
                "a_seconds_bucket{node=\"n\\\"1\\\\\",le=\"0.5\"} 2\n",
                "a_seconds_bucket{node=\"n\\\"1\\\\\",le=\"1\"} 2\n",
                "a_seconds_bucket{node=\"n\\\"1\\\\\",le=\"2.5\"} 3\n",
                "a_seconds_bucket{node=\"n\\\"1\\\\\",le=\"+Inf\"} 4\n",
                "a_seconds_sum{node=\"n\\\"1\\\\\"} 11.75\n",
                "a_seconds_count{node=\"n\\\"1\\\\\"} 4\n",
                "# HELP b_total Things.\n# TYPE b_total counter\n",
                "b_total 3\n"
            )
        );
    }
}
