//! The filter language of tables: what a person types, parsed once, asked of every row.
//!
//! Terms stand side by side and must all hold: a word (in name or namespace, case apart), `-l a=b,c!=d,e` (labels),
//! `column:text` (contains), `column=text`, `column!=text`, `column>n`, `column<n`, and `!term` for the opposite.
//! A term that makes no sense is said and left out: the table is never empty because of a typing mistake.

use super::order::Sort;
use crate::cluster::kinds::Meta;
use wire::table::Column;
use wire::{Millis, Say};

/// Bytes a filter may have.
pub const FILTER_MAX: usize = 2048;

/// A parsed filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    terms: Vec<(bool, Term)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Word(String),
    Label(String, Match, String),
    Namespace(Match, String),
    /// Index of the column, what is asked of it, and the value as text and as number.
    Cell(usize, Match, String, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Contains,
    Is,
    IsNot,
    Above,
    Below,
    There,
}

impl Filter {
    /// Parses `text` for a table with these columns. What could not be parsed is in the second half.
    pub fn parse(text: &str, columns: &[Column]) -> (Self, Vec<Say>) {
        let mut filter = Self::default();
        let mut problems = Vec::new();
        if text.len() > FILTER_MAX {
            let say = Say::new("FILTER_LONG").with("max", FILTER_MAX.to_string());
            return (filter, vec![say]);
        }
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (not, bare) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word),
            };
            let problem = match bare.strip_prefix("-l") {
                Some("") => match words.next() {
                    Some(labels) => filter.labels(not, labels),
                    None => Err("FILTER_LABEL"),
                },
                Some(labels) => filter.labels(not, labels),
                None => term(bare, columns).map(|term| filter.terms.push((not, term))),
            };
            if let Err(code) = problem {
                problems.push(Say::new(code).with("term", word));
            }
        }
        (filter, problems)
    }

    fn labels(&mut self, not: bool, text: &str) -> Result<(), &'static str> {
        let mut terms = Vec::new();
        for part in text.split(',') {
            let (key, how, value) = match (part.split_once("!="), part.split_once('=')) {
                (Some((key, value)), _) => (key, Match::IsNot, value),
                (None, Some((key, value))) => (key, Match::Is, value.trim_start_matches('=')),
                (None, None) => (part, Match::There, ""),
            };
            if key.is_empty() {
                return Err("FILTER_LABEL");
            }
            terms.push((not, Term::Label(key.into(), how, value.into())));
        }
        self.terms.extend(terms);
        Ok(())
    }

    /// Indexes of the columns whose values are needed to answer.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self
            .terms
            .iter()
            .filter_map(|(_, term)| if let Term::Cell(at, ..) = term { Some(*at) } else { None })
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Whether what is admitted changes with time alone: an age is compared.
    pub fn timed(&self, columns: &[Column]) -> bool {
        let compares = |how: &Match| matches!(how, Match::Above | Match::Below);
        let numeric = |at: &usize| columns.get(*at).is_some_and(|column| column.numeric);
        self.terms.iter().any(|(_, term)| matches!(term, Term::Cell(at, how, ..) if compares(how) && !numeric(at)))
    }

    /// Whether a row is in. `cell` gives a column's value.
    pub fn admits<'a>(&self, meta: &Meta, now: Millis, cell: impl Fn(usize) -> &'a Sort) -> bool {
        self.terms.iter().all(|(not, term)| term.holds(meta, now, &cell) != *not)
    }
}

impl Term {
    fn holds<'a>(&self, meta: &Meta, now: Millis, cell: &impl Fn(usize) -> &'a Sort) -> bool {
        match self {
            Self::Word(word) => contains(&meta.name, word) || contains(&meta.namespace, word),
            Self::Label(key, how, value) => {
                let label = meta.labels.iter().find(|(known, _)| **known == **key).map(|(_, value)| &**value);
                match how {
                    Match::There => label.is_some(),
                    Match::IsNot => label != Some(value),
                    Match::Is | Match::Contains | Match::Above | Match::Below => label == Some(value),
                }
            }
            Self::Namespace(how, value) => match how {
                Match::Contains => contains(&meta.namespace, value),
                Match::IsNot => *meta.namespace != **value,
                Match::Is | Match::There | Match::Above | Match::Below => *meta.namespace == **value,
            },
            Self::Cell(at, how, text, number) => match (how, cell(*at)) {
                (Match::Above, Sort::Number(value)) => value > number,
                (Match::Below, Sort::Number(value)) => value < number,
                // An age grows as its timestamp falls behind.
                (Match::Above, Sort::Time(at)) => (now - at) as f64 > *number,
                (Match::Below, Sort::Time(at)) => ((now - at) as f64) < *number,
                (Match::Contains, Sort::Text(value)) => contains(value, text),
                (Match::Contains | Match::Is, Sort::Number(value)) => value == number,
                (Match::IsNot, Sort::Number(value)) => value != number,
                (Match::Is, Sort::Text(value)) => value.eq_ignore_ascii_case(text),
                (Match::IsNot, Sort::Text(value)) => !value.eq_ignore_ascii_case(text),
                (Match::IsNot, Sort::Missing) => true,
                _ => false, // what is unknown is neither above, nor below, nor like anything
            },
        }
    }
}

fn term(text: &str, columns: &[Column]) -> Result<Term, &'static str> {
    let Some(at) = text.find([':', '=', '!', '<', '>']) else {
        return if text.is_empty() { Err("FILTER_EMPTY") } else { Ok(Term::Word(text.to_lowercase())) };
    };
    let (name, rest) = text.split_at(at);
    let (how, value) = if let Some(value) = rest.strip_prefix("!=") {
        (Match::IsNot, value)
    } else if let Some(value) = rest.strip_prefix(':') {
        (Match::Contains, value)
    } else if let Some(value) = rest.strip_prefix('=') {
        (Match::Is, value)
    } else if let Some(value) = rest.strip_prefix('>') {
        (Match::Above, value)
    } else if let Some(value) = rest.strip_prefix('<') {
        (Match::Below, value)
    } else {
        return Err("FILTER_TERM");
    };
    if value.is_empty() {
        return Err("FILTER_VALUE");
    }
    let number = quantity(value, name == "cpu");
    let above = matches!(how, Match::Above | Match::Below);
    if above && number.is_none() {
        return Err("FILTER_NUMBER");
    }
    let Some(column) = columns.iter().position(|column| column.word.eq_ignore_ascii_case(name)) else {
        return match name {
            "namespace" | "ns" if !above => Ok(Term::Namespace(how, value.to_lowercase())),
            _ => Err("FILTER_COLUMN"),
        };
    };
    Ok(Term::Cell(column, how, value.to_lowercase(), number.unwrap_or(f64::NAN)))
}

/// A number with one of Kubernetes' suffixes (`500m`, `64Mi`, `2G`) or a duration (`90s`, `10m`, `2h`, `3d`, in
/// milliseconds). `m` is a thousandth core for `cpu` and a minute elsewhere; whole cores are made millicores.
fn quantity(text: &str, cpu: bool) -> Option<f64> {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: f64 = digits.parse().ok()?;
    let factor = match (unit, cpu) {
        ("m", true) | ("", false) => 1.0,
        ("", true) | ("s" | "k" | "K", false) => 1e3,
        ("m", false) => 6e4,
        ("h", false) => 3.6e6,
        ("d", false) => 8.64e7,
        ("M", false) => 1e6,
        ("G", false) => 1e9,
        ("T", false) => 1e12,
        ("Ki", false) => 1024.0,
        ("Mi", false) => 1_048_576.0,
        ("Gi", false) => 1_073_741_824.0,
        ("Ti", false) => 1_099_511_627_776.0,
        _ => return None,
    };
    Some(number * factor)
}

/// Whether `text` has the lower-case `word` in it, ASCII case apart, without allocating.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    word.is_empty() || text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod filter_tests {
    use super::*;
    use std::sync::Arc;
    use wire::table::ColumnId;

    fn columns() -> Vec<Column> {
        ["name", "status", "restarts", "age", "cpu", "memory"]
            .iter()
            .zip(0..)
            .map(|(word, id)| Column { id: ColumnId(id), word: (*word).into(), wide: false, numeric: false })
            .collect()
    }

    #[track_caller]
    fn check(text: &str, admitted: bool) {
        let (filter, problems) = Filter::parse(text, &columns());
        assert_eq!(problems, [], "{text}");
        let meta = Meta {
            id: 1,
            uid: "u".into(),
            namespace: "shop".into(),
            name: "cart-7f9-Xk2".into(),
            labels: Arc::new([("app".into(), "cart".into())]),
            created: 0,
            deleted: None,
            owner: None,
        };
        let cells = [
            Sort::Text(crate::live::order::Word::new("cart-7f9-Xk2")),
            Sort::Text(crate::live::order::Word::new("Running")),
            Sort::Number(4.0),
            Sort::Time(0),
            Sort::Number(250.0),
            Sort::Missing,
        ];
        assert_eq!(filter.admits(&meta, 600_000, |at| &cells[at]), admitted, "{text}");
    }

    #[track_caller]
    fn refused(text: &str, code: &str) {
        let (_, problems) = Filter::parse(text, &columns());
        assert_eq!(problems.iter().map(|say| say.code.as_str()).collect::<Vec<_>>(), [code], "{text}");
    }

    #[test]
    fn terms_mean_what_they_say() {
        check("", true);
        check("cart", true);
        check("CART xk2", true);
        check("shop", true);
        check("cart other", false);
        check("!cart", false);
        check("!other", true);
        check("-l app=cart", true);
        check("-lapp==cart", true);
        check("-l app!=cart", false);
        check("-l app", true);
        check("-l app=cart,tier", false);
        check("!-l tier", true);
        check("status:run", true);
        check("status=run", false);
        check("status=running", true);
        check("status!=Running", false);
        check("!status:pending", true);
        check("restarts>3", true);
        check("restarts>4", false);
        check("restarts:4", true);
        check("age>9m", true);
        check("age<10m", false);
        check("age<1h", true);
        check("cpu>200m", true);
        check("cpu>0.2", true);
        check("cpu>1", false);
        check("memory>1Mi", false);
        check("memory<1Mi", false);
        check("namespace:ho", true);
        check("ns=shop", true);
    }

    #[test]
    fn a_term_that_makes_no_sense_is_said() {
        refused("colour:red", "FILTER_COLUMN");
        refused("restarts>many", "FILTER_NUMBER");
        refused("status:", "FILTER_VALUE");
        refused("-l", "FILTER_LABEL");
        refused("-l =x", "FILTER_LABEL");
        refused("!", "FILTER_EMPTY");
        refused(&"x".repeat(FILTER_MAX + 1), "FILTER_LONG");
    }
}
