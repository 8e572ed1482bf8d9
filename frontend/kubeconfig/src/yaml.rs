//! YAML, and the JSON inside it, as a tree of text. It is no general reader: every scalar stays text, aliases and
//! a second document are refused, and no message quotes the file. Costs one pass and memory of the text's order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

/// Deeper trees are refused.
const DEPTH: usize = 32;
/// Larger trees are refused.
const NODES: usize = 10_000;

/// Why a text was not read.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    #[error("line {0} is neither YAML nor JSON")]
    Syntax(usize),
    #[error("line {0} has an alias, which is not followed")]
    Alias(usize),
    #[error("line {0} repeats a key")]
    Duplicate(usize),
    #[error("line {0} has a key that is no text")]
    Key(usize),
    #[error("line {0} starts another document")]
    Documents(usize),
    #[error("it is deeper than {DEPTH} levels")]
    Depth,
    #[error("it has more than {NODES} values")]
    Nodes,
    #[error("{0} is not {1}")]
    Shape(&'static str, &'static str),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Map(BTreeMap<Cow<'a, str>, Self>),
}

impl Node<'_> {
    /// The value of a key: nothing when there is none, when it is null, and when this is no map.
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key).filter(|node| **node != Self::Null),
            _ => None,
        }
    }

    pub(crate) fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Self::Text(text)) => Ok(Some(text.clone().into_owned())),
            Some(_) => Err(Error::Shape(key, "text")),
        }
    }

    pub(crate) fn list(&self, key: &'static str) -> Result<&[Self], Error> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Self::List(list)) => Ok(list),
            Some(_) => Err(Error::Shape(key, "a list")),
        }
    }

    pub(crate) fn map(&self, key: &'static str) -> Result<Option<&Self>, Error> {
        self.get(key).map(|node| node.is_map(key)).transpose()
    }

    /// Itself.
    ///
    /// # Errors
    /// When it is no map, by the name given.
    pub(crate) fn is_map(&self, name: &'static str) -> Result<&Self, Error> {
        if matches!(self, Self::Map(_)) { Ok(self) } else { Err(Error::Shape(name, "a map")) }
    }
}

/// The only document of a text; null when there is none.
pub(crate) fn read(text: &str) -> Result<Node<'_>, Error> {
    let options = granit_parser::options! { emit_comments: false };
    let mut reader = Reader { parser: Parser::new_from_str_with_options(text, options), nodes: 0, line: 1 };
    let mut root = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(root.unwrap_or(Node::Null)),
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) if root.is_some() => return Err(Error::Documents(reader.line)),
            Event::DocumentStart(..) => {
                let first = reader.next()?;
                root = Some(reader.node(first, 0)?);
            }
            _ => return Err(Error::Syntax(reader.line)),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    nodes: usize,
    /// Of the last event, from 1.
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, Error> {
        let (event, span) = match self.parser.next_event() {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(Error::Syntax(error.marker().line())),
            None => return Err(Error::Syntax(self.line)),
        };
        self.line = span.start.line();
        Ok(event)
    }

    /// The node that starts with `event`; recursion ends at [`DEPTH`].
    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node<'a>, Error> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Error::Nodes);
        }
        if depth > DEPTH {
            return Err(Error::Depth);
        }
        match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) if is_null(&text) => Ok(Node::Null),
            Event::Scalar(text, ..) => Ok(Node::Text(text)),
            Event::SequenceStart(..) => self.items(depth + 1),
            Event::MappingStart(..) => self.entries(depth + 1),
            Event::Alias(_) => Err(Error::Alias(self.line)),
            _ => Err(Error::Syntax(self.line)),
        }
    }

    fn items(&mut self, depth: usize) -> Result<Node<'a>, Error> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node::List(list)),
                event => list.push(self.node(event, depth)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Node<'a>, Error> {
        let mut map = BTreeMap::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Node::Map(map)),
                Event::Scalar(key, ..) => key,
                Event::Alias(_) => return Err(Error::Alias(self.line)),
                _ => return Err(Error::Key(self.line)),
            };
            let line = self.line;
            let event = self.next()?;
            let value = self.node(event, depth)?;
            if map.insert(key, value).is_some() {
                return Err(Error::Duplicate(line));
            }
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn text_is(text: &str, expected: Option<&str>) {
        assert_eq!(read(text).unwrap().text("a").unwrap().as_deref(), expected, "{text}");
    }

    #[test]
    fn scalars_stay_text_and_null_is_nothing() {
        text_is("a: 1.50", Some("1.50"));
        text_is("a: true # no", Some("true"));
        text_is("a: 'null'", Some("null"));
        text_is("a: !!str null", Some("null"));
        text_is("a: |-\n  b\n  c\n", Some("b\nc"));
        text_is(r#"{"a": "\u00e9\ud83d\ude00\/"}"#, Some("é😀/"));
        text_is("\u{feff}---\na: b\n...\n", Some("b"));
        text_is(&format!("{{\"a\":\"{0}\"}}", "x".repeat(5000)), Some(&"x".repeat(5000)));
        text_is("a: ~", None);
        text_is("a:", None);
        text_is("b: c", None);
        text_is("", None);
    }

    #[track_caller]
    fn refused(text: &str, expected: Error) {
        assert_eq!(read(text).unwrap_err(), expected, "{text}");
    }

    #[test]
    fn what_could_grow_or_mislead_is_refused() {
        refused("a: &x b\nc: *x", Error::Alias(2));
        refused("a: &x {b: c}\n<<: *x", Error::Alias(2));
        refused("a: b\nc: d\na: e", Error::Duplicate(3));
        refused("{\"a\": 1, \"a\": 2}", Error::Duplicate(1));
        refused("? [a]\n: b", Error::Key(1));
        refused("a: b\n---\nc: d", Error::Documents(2));
        refused("a: [b", Error::Syntax(1));
        refused(&"- ".repeat(DEPTH + 1), Error::Depth);
        refused(&format!("{}{}", "[".repeat(200), "]".repeat(200)), Error::Depth);
        refused(&"- a\n".repeat(NODES), Error::Nodes);
    }

    #[test]
    fn a_tree_at_its_limits_is_read() {
        let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        assert!(read(&deep).is_ok() && read(&"- a\n".repeat(NODES - 1)).is_ok());
    }

    #[test]
    fn another_shape_is_named() {
        let node = read("a: {b: c}\nd: e").unwrap();
        assert_eq!(node.text("a").unwrap_err().to_string(), "a is not text");
        assert_eq!(node.list("d").unwrap_err().to_string(), "d is not a list");
        assert_eq!(node.map("d").unwrap_err().to_string(), "d is not a map");
    }
}
