//! What was found, for people and for programs.

use crate::encoding::quoted;
use std::fmt::Write as _;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// Works, or could not be looked at.
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    /// A stable word: the reasons of scraping, the aggregator's reasons, our own.
    pub code: String,
    /// Object and cause.
    pub cause: String,
    /// What to do; empty when nothing has to be.
    pub remedy: String,
}

/// Everything, in the order it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
}

// === impl Report ===

impl Report {
    pub(super) fn good(&mut self, code: &str, cause: impl Into<String>) {
        self.add(Verdict::Good, code, cause, "");
    }

    pub(super) fn warn(&mut self, code: &str, cause: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Warn, code, cause, remedy);
    }

    pub(super) fn bad(&mut self, code: &str, cause: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Bad, code, cause, remedy);
    }

    fn add(&mut self, verdict: Verdict, code: &str, cause: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding { verdict, code: code.to_owned(), cause: cause.into(), remedy: remedy.into() });
    }

    /// Nothing is broken.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict < Verdict::Bad)
    }

    /// One thing a line, its remedy on the next.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Finding { verdict, code, cause, remedy } in &self.findings {
            let word = match verdict {
                Verdict::Good => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Bad => "BAD ",
            };
            // Writing to memory can't fail.
            let _ = writeln!(text, "{word} {code}: {cause}");
            if !remedy.is_empty() {
                let _ = writeln!(text, "     -> {remedy}");
            }
        }
        let bad = self.findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count();
        let warn = self.findings.iter().filter(|finding| finding.verdict == Verdict::Warn).count();
        let _ = writeln!(text, "{} looked at, {bad} broken, {warn} to look at", self.findings.len());
        text
    }

    /// A JSON list of `{verdict, code, cause, remedy}`.
    #[must_use]
    pub fn json(&self) -> String {
        let one = |Finding { verdict, code, cause, remedy }: &Finding| {
            let verdict = match verdict {
                Verdict::Good => "good",
                Verdict::Warn => "warn",
                Verdict::Bad => "bad",
            };
            format!(
                "{{\"verdict\":\"{verdict}\",\"code\":{},\"cause\":{},\"remedy\":{}}}",
                quoted(code),
                quoted(cause),
                quoted(remedy)
            )
        };
        let findings: Vec<String> = self.findings.iter().map(one).collect();
        format!("[{}]\n", findings.join(",\n"))
    }
}
