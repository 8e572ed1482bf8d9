//! The query of an address: names with one value each, in the order of the address.

use std::fmt::Write as _;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query(Vec<(String, String)>);

// === impl Query ===

impl Query {
    /// Of the text behind the question mark.
    pub(super) fn read(text: &str) -> Self {
        let mut query = Self::default();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.set(&decode(name), &decode(value));
        }
        query
    }

    /// The value; empty when there is none.
    pub(super) fn get(&self, name: &str) -> String {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// An empty value removes the name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter().position(|(known, _)| known == name) {
            Some(at) if value.is_empty() => _ = self.0.remove(at),
            Some(at) => {
                if let Some(pair) = self.0.get_mut(at) {
                    value.clone_into(&mut pair.1);
                }
            }
            None if value.is_empty() => {}
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// With its question mark, or empty.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            text.push(if text.is_empty() { '?' } else { '&' });
            encode(&mut text, name);
            text.push('=');
            encode(&mut text, value);
        }
        text
    }
}

fn encode(text: &mut String, plain: &str) {
    for byte in plain.bytes() {
        // What reads well in an address and means nothing in a query.
        if byte.is_ascii_alphanumeric() || b"-_.~,:/!*'()".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

/// A percent sign that begins nothing stands for itself, as in the browser.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let coded = match after {
            [high, low, ..] if *first == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        rest = match coded {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                after.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, value: &str, again: &str) {
        let query = Query::read(text);
        assert_eq!(query.get(name), value);
        assert_eq!(query.text(), again);
    }

    #[test]
    fn what_was_read_is_written_again() {
        check("", "q", "", "");
        check("q=status:Failed&ns=a,b", "q", "status:Failed", "?q=status:Failed&ns=a,b");
        check("q=a+b%20c%26%3d", "q", "a b c&=", "?q=a%20b%20c%26%3D");
        check("q=%E7%8A%B6", "q", "状", "?q=%E7%8A%B6");
        check("q=50%25", "q", "50%", "?q=50%25");
    }

    #[test]
    fn a_broken_escape_stands_for_itself() {
        check("q=50%&x=%zz", "q", "50%", "?q=50%25&x=%25zz");
        check("q=%ff", "q", "\u{fffd}", "?q=%EF%BF%BD");
    }

    #[test]
    fn a_name_has_one_value_and_an_empty_one_removes_it() {
        let mut query = Query::read("a=1&b=2&a=3");
        assert_eq!(query.text(), "?a=3&b=2");
        query.set("a", "");
        query.set("c", "4");
        query.set("d", "");
        assert_eq!(query.text(), "?b=2&c=4");
    }
}
