//! Kubernetes label selectors: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<1`.

use std::sync::Arc;

/// A parsed selector: all requirements hold. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// One requirement, as reviews of access carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// What is wrong with a selector's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse requirement: {0}")]
pub struct BadSelector(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(&'static str),
    End,
}

impl LabelSelector {
    /// # Errors
    /// [`BadSelector`] with the place that does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, BadSelector> {
        let mut tokens = Tokens { tokens: tokens(text)?, at: 0 };
        let mut requirements = Vec::new();
        if tokens.peek() == &Token::End {
            return Ok(Self::default());
        }
        loop {
            requirements.push(tokens.requirement()?);
            match tokens.next() {
                Token::End => return Ok(Self { requirements }),
                // A comma at the end is an error in Kubernetes as well.
                Token::Sign(",") => {}
                found => {
                    return Err(BadSelector(format!("found {}, expected: ',' or 'end of string'", found.quoted())));
                }
            }
        }
    }

    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    #[must_use]
    pub fn matches(&self, labels: &[(Arc<str>, Arc<str>)]) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.iter().find(|(key, _)| **key == *requirement.key).map(|(_, value)| &**value);
            requirement.holds(value)
        })
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|known| known == value);
        let number = |text: &str| text.parse::<i64>().ok();
        let limit = || self.values.first().and_then(|limit| number(limit));
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => value.is_none_or(|value| !listed(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(number).zip(limit()).is_some_and(|(value, limit)| value > limit),
            Operator::LessThan => value.and_then(number).zip(limit()).is_some_and(|(value, limit)| value < limit),
        }
    }
}

struct Tokens {
    tokens: Vec<Token>,
    at: usize,
}

impl Tokens {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, BadSelector> {
        let absent = self.peek() == &Token::Sign("!");
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(key) => key,
            found => return Err(BadSelector(format!("found {}, expected: identifier", found.quoted()))),
        };
        check_key(&key)?;
        if absent {
            return Ok(Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() });
        }
        let (operator, many) = match self.peek() {
            Token::End | Token::Sign(",") => {
                return Ok(Requirement { key, operator: Operator::Exists, values: Vec::new() });
            }
            Token::Sign("=" | "==") => (Operator::In, false),
            Token::Sign("!=") => (Operator::NotIn, false),
            Token::Sign(">") => (Operator::GreaterThan, false),
            Token::Sign("<") => (Operator::LessThan, false),
            Token::Word(word) if word == "in" => (Operator::In, true),
            Token::Word(word) if word == "notin" => (Operator::NotIn, true),
            found => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                return Err(BadSelector(format!("found {}, expected: {expected}", found.quoted())));
            }
        };
        self.at += 1;
        let values = if many { self.set()? } else { vec![self.value()] };
        for value in &values {
            check_value(value)?;
            if matches!(operator, Operator::GreaterThan | Operator::LessThan) && value.parse::<i64>().is_err() {
                return Err(BadSelector(format!(
                    "values: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
                )));
            }
        }
        Ok(Requirement { key, operator, values })
    }

    /// One value; nothing at all is the empty value.
    fn value(&mut self) -> String {
        match self.peek().clone() {
            Token::Word(word) => {
                self.at += 1;
                word
            }
            Token::Sign(_) | Token::End => String::new(),
        }
    }

    fn set(&mut self) -> Result<Vec<String>, BadSelector> {
        match self.next() {
            Token::Sign("(") => {}
            found => return Err(BadSelector(format!("found {}, expected: '('", found.quoted()))),
        }
        if self.peek() == &Token::Sign(")") {
            let why = "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty";
            return Err(BadSelector(why.into()));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value());
            match self.next() {
                Token::Sign(",") => {}
                Token::Sign(")") => return Ok(values),
                found => return Err(BadSelector(format!("found {}, expected: ',' or ')'", found.quoted()))),
            }
        }
    }
}

impl Token {
    fn quoted(&self) -> String {
        match self {
            Self::Word(word) => format!("'{word}'"),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "''".into(),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, BadSelector> {
    const SIGNS: [&str; 9] = ["==", "!=", "=", "!", ",", "(", ")", ">", "<"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some((sign, after)) = SIGNS.iter().find_map(|sign| Some((*sign, rest.strip_prefix(sign)?))) {
            tokens.push(Token::Sign(sign));
            rest = after.trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!,()><".contains(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).ok_or_else(|| BadSelector("not UTF-8".into()))?;
        tokens.push(Token::Word(word.to_owned()));
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn name_like(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn check_key(key: &str) -> Result<(), BadSelector> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let dns = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
                edge(part.chars().next())
                    && edge(part.chars().next_back())
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            })
    };
    if name_like(name) && prefix.is_none_or(dns) {
        return Ok(());
    }
    Err(BadSelector(format!(
        "key: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    )))
}

fn check_value(value: &str) -> Result<(), BadSelector> {
    if value.is_empty() || name_like(value) {
        return Ok(());
    }
    Err(BadSelector(format!(
        "values: Invalid value: \"{value}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, matches: &[&str], misses: &[&str]) {
        let parsed = LabelSelector::parse(selector).unwrap();
        let labels = |text: &&str| -> Vec<(Arc<str>, Arc<str>)> {
            text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
        };
        for text in matches {
            assert!(parsed.matches(&labels(text)), "{selector} should match {text:?}");
        }
        for text in misses {
            assert!(!parsed.matches(&labels(text)), "{selector} should not match {text:?}");
        }
    }

    #[test]
    fn every_operator_is_understood() {
        check("", &["", "a=b"], &[]);
        check("a=b", &["a=b", "a=b,c=d"], &["", "a=c"]);
        check(" a == b , c", &["a=b,c=x"], &["a=b"]);
        check("a!=b", &["", "a=c"], &["a=b"]);
        check("a in (b, c)", &["a=b", "a=c"], &["", "a=d"]);
        check("a notin (b,c)", &["", "a=d"], &["a=b"]);
        check("a", &["a=", "a=1"], &[""]);
        check("!a", &["", "b=1"], &["a=1"]);
        check("a>5", &["a=6"], &["a=5", "a=x", ""]);
        check("a<5", &["a=4"], &["a=5", ""]);
        check("a=", &["a="], &["a=b"]);
        check("a in (,b)", &["a=", "a=b"], &["a=c"]);
        check("kubernetes.io/os=linux,in=notin", &["kubernetes.io/os=linux,in=notin"], &["in=notin"]);
    }

    #[test]
    fn what_is_not_a_selector_is_refused() {
        for text in ["a=b,", ",a", "a in b", "a in (b", "a b", "=b", "a>x", "!", "a=b=c", "-a=b", "A/b/c=d", "a=-"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }
}
