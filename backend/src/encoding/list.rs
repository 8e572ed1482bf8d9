//! A list, or one object, in the form that was asked for.

use super::accept::{Choice, Media, MetaVersion, Shape};
use super::indent::Indent;
use super::item::Item;
use super::json::{self, Clock, put};
use super::yaml::yaml;
use super::{proto, quantity};
use wire::Millis;

const GROUP: &str = "metrics.k8s.io";

/// What is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Node,
    Pod,
}

/// The object beside a table's cells: `includeObject`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    None,
    #[default]
    Metadata,
    Object,
}

/// What a table has columns for; needs a look at all items before the first is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Whether there is any item.
    pub any: bool,
    /// Whether any item has swap.
    pub swap: bool,
}

/// A writer of one answer.
#[derive(Clone, Debug)]
pub struct List {
    kind: Kind,
    /// `metrics.k8s.io/v1` or `…/v1beta1`.
    api_version: String,
    choice: Choice,
    include: Include,
    columns: Columns,
    now: Millis,
    /// `now` as text.
    created: String,
    clock: Clock,
    /// Whether an item was written.
    begun: bool,
    /// For an item that is indented or made YAML of.
    scratch: Vec<u8>,
    indent: Option<Indent>,
}

// === impl Kind ===

impl Kind {
    /// `NodeMetrics` or `PodMetrics`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "NodeMetrics",
            Self::Pod => "PodMetrics",
        }
    }
}

// === impl List ===

impl List {
    /// `version` is `v1` or `v1beta1`, `now` the time of the answer. `pretty` is for JSON.
    #[must_use]
    pub fn new(kind: Kind, version: &str, choice: Choice, now: Millis) -> Self {
        Self {
            kind,
            api_version: format!("{GROUP}/{version}"),
            choice,
            include: Include::default(),
            columns: Columns::default(),
            now,
            created: json::time(now),
            clock: Clock::default(),
            begun: false,
            scratch: Vec::new(),
            indent: (choice.pretty && choice.media == Media::Json).then(Indent::default),
        }
    }

    /// For tables.
    #[must_use]
    pub fn table(mut self, include: Include, columns: Columns) -> Self {
        self.include = include;
        self.columns = columns;
        self
    }

    #[must_use]
    pub fn media(&self) -> Media {
        self.choice.media
    }

    #[must_use]
    pub fn shape(&self) -> Shape {
        self.choice.shape
    }

    /// What stands before the items. In protobuf it says how long they are: `items` bytes.
    pub fn head(&mut self, items: usize) -> Vec<u8> {
        let (api_version, kind) = self.list_type();
        match (self.choice.media, self.choice.shape) {
            (Media::Protobuf, _) => {
                let metadata = proto::Message::default().message(1, &proto::Message::default());
                let mut out = proto::envelope(&api_version, &kind, metadata.bytes().len() + items);
                out.extend_from_slice(metadata.bytes());
                out
            }
            (Media::Yaml, Shape::Table(_)) => {
                let columns = format!("{{\"columnDefinitions\":{}}}", self.definitions());
                let columns = yaml(columns.as_bytes()).unwrap_or(columns);
                format!("apiVersion: {api_version}\n{columns}kind: {kind}\nmetadata: {{}}\n").into_bytes()
            }
            (Media::Yaml, _) => format!("apiVersion: {api_version}\n").into_bytes(),
            (Media::Json, shape) => {
                let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{{}},");
                let rest = match shape {
                    Shape::Table(_) if self.columns.any => {
                        format!("\"columnDefinitions\":{},\"rows\":[", self.definitions())
                    }
                    Shape::Table(_) => "\"columnDefinitions\":null,\"rows\":null".to_owned(),
                    _ => "\"items\":[".to_owned(),
                };
                self.laid_out((head + &rest).into_bytes())
            }
        }
    }

    /// Appends an item.
    pub fn item(&mut self, item: &Item<'_>, out: &mut Vec<u8>) {
        let is_table = matches!(self.choice.shape, Shape::Table(_));
        if is_table && !self.columns.any {
            return;
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        match self.choice.media {
            Media::Protobuf => proto::listed(out, |out| self.message(item, out)),
            Media::Json => match self.indent.take() {
                None => {
                    if !first {
                        out.push(b',');
                    }
                    self.object(item, true, out);
                }
                Some(mut indent) => {
                    if !first {
                        text.push(b',');
                    }
                    self.object(item, true, &mut text);
                    indent.push(&text, out);
                    self.indent = Some(indent);
                }
            },
            Media::Yaml => {
                if first {
                    out.extend_from_slice(if is_table { b"rows:\n" } else { b"items:\n" });
                }
                self.object(item, true, &mut text);
                element(&text, out);
            }
        }
        self.scratch = text;
    }

    /// What stands after the items.
    pub fn tail(&mut self) -> Vec<u8> {
        match (self.choice.media, self.choice.shape) {
            (Media::Protobuf, _) => Vec::new(),
            (Media::Yaml, Shape::Table(_)) if self.begun => Vec::new(),
            (Media::Yaml, Shape::Table(_)) => b"rows: null\n".to_vec(),
            (Media::Yaml, _) => {
                let items = if self.begun { "" } else { "items: []\n" };
                format!("{items}kind: {}\nmetadata: {{}}\n", self.list_type().1).into_bytes()
            }
            (Media::Json, Shape::Table(_)) if !self.columns.any => self.laid_out(b"}\n".to_vec()),
            (Media::Json, _) => self.laid_out(b"]}\n".to_vec()),
        }
    }

    /// One object by itself; as a table, one of a single row.
    pub fn single(&mut self, item: &Item<'_>) -> Vec<u8> {
        if matches!(self.choice.shape, Shape::Table(_)) {
            self.columns = Columns { any: true, swap: item.sums().2.is_some() };
            let mut out = self.head(0);
            self.item(item, &mut out);
            out.extend(self.tail());
            return out;
        }
        let mut out = Vec::with_capacity(512);
        if self.choice.media == Media::Protobuf {
            let mut raw = Vec::new();
            self.message(item, &mut raw);
            let (api_version, kind) = self.item_type();
            out = proto::envelope(&api_version, kind, raw.len());
            out.extend(raw);
            return out;
        }
        self.object(item, false, &mut out);
        if self.choice.media == Media::Yaml {
            return yaml(&out).map_or(out, String::into_bytes);
        }
        out.push(b'\n');
        self.laid_out(out)
    }

    /// `apiVersion` and `kind` of the whole.
    fn list_type(&self) -> (String, String) {
        match self.choice.shape {
            Shape::Whole => (self.api_version.clone(), format!("{}List", self.kind.name())),
            Shape::Table(meta) => (meta.api_version().to_owned(), "Table".to_owned()),
            Shape::Partial(meta) | Shape::PartialList(meta) => {
                (meta.api_version().to_owned(), "PartialObjectMetadataList".to_owned())
            }
        }
    }

    fn item_type(&self) -> (String, &'static str) {
        match self.choice.shape {
            Shape::Whole | Shape::Table(_) => (self.api_version.clone(), self.kind.name()),
            Shape::Partial(meta) | Shape::PartialList(meta) => (meta.api_version().to_owned(), "PartialObjectMetadata"),
        }
    }

    /// The fields of an item's message. Tables are never protobuf.
    fn message(&self, item: &Item<'_>, out: &mut Vec<u8>) {
        match self.choice.shape {
            Shape::Partial(_) | Shape::PartialList(_) => {
                proto::partial(out, item.meta, self.now);
            }
            Shape::Whole | Shape::Table(_) => proto::item(out, item, self.now),
        }
    }

    /// An item as JSON. In a list of whole objects it carries no kind.
    fn object(&mut self, item: &Item<'_>, in_list: bool, out: &mut Vec<u8>) {
        match self.choice.shape {
            Shape::Table(meta) => self.row(item, meta, out),
            Shape::Partial(meta) | Shape::PartialList(meta) => partial(item, meta, &self.created, out),
            Shape::Whole => {
                out.push(b'{');
                if !in_list {
                    put(
                        out,
                        format_args!("\"kind\":\"{}\",\"apiVersion\":\"{}\",", self.kind.name(), self.api_version),
                    );
                }
                json::members(out, item, &self.created, &mut self.clock);
                out.push(b'}');
            }
        }
    }

    fn row(&mut self, item: &Item<'_>, meta: MetaVersion, out: &mut Vec<u8>) {
        let (cpu, memory, swap) = item.sums();
        out.extend_from_slice(b"{\"cells\":[");
        json::quote(&item.meta.name, out);
        out.extend_from_slice(b",\"");
        quantity::cpu(cpu, out);
        out.extend_from_slice(b"\",\"");
        quantity::memory(memory, out);
        if self.columns.swap {
            out.extend_from_slice(b"\",\"");
            quantity::memory(swap.unwrap_or_default(), out);
        }
        out.extend_from_slice(b"\",\"");
        quantity::duration(item.window, out);
        out.extend_from_slice(b"\"],\"object\":");
        match self.include {
            Include::None => out.extend_from_slice(b"null"),
            Include::Metadata => partial(item, meta, &self.created, out),
            Include::Object => {
                put(out, format_args!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", self.kind.name(), self.api_version));
                json::members(out, item, &self.created, &mut self.clock);
                out.push(b'}');
            }
        }
        out.push(b'}');
    }

    fn definitions(&self) -> String {
        if !self.columns.any {
            return "null".to_owned();
        }
        let column = |name: &str, format: &str, description: &str| {
            format!(
                "{{\"name\":\"{name}\",\"type\":\"string\",\"format\":\"{format}\",\"description\":\"{description}\",\"priority\":0}}"
            )
        };
        let mut columns = vec![column("Name", "name", "Name of the resource")];
        let resources = ["cpu", "memory", "swap"].into_iter().filter(|name| *name != "swap" || self.columns.swap);
        columns.extend(resources.map(|name| column(name, "quantity", "")));
        columns.push(column("Window", "duration", ""));
        format!("[{}]", columns.join(","))
    }

    /// With indentation where it is wanted.
    fn laid_out(&mut self, text: Vec<u8>) -> Vec<u8> {
        let Some(indent) = &mut self.indent else { return text };
        let mut out = Vec::with_capacity(text.len() * 2);
        indent.push(&text, &mut out);
        out
    }
}

fn partial(item: &Item<'_>, meta: MetaVersion, created: &str, out: &mut Vec<u8>) {
    put(out, format_args!("{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"{}\",", meta.api_version()));
    json::metadata(out, item.meta, created);
    out.push(b'}');
}

/// One element of a YAML sequence. What can't be written as YAML stays JSON, which is YAML as well.
fn element(json: &[u8], out: &mut Vec<u8>) {
    let text = yaml(json).unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned());
    for (n, line) in text.lines().enumerate() {
        out.extend_from_slice(if n == 0 { b"- " } else { b"  " });
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}
