//! From the API's bytes to slim objects, one pass, nothing in between kept.
//!
//! A malformed object costs only itself: the page or event is read again leniently, and what was left out is counted.

use super::intern::Interner;
use super::kinds::Kind;
use super::raw::{Text, str};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A kind that can be read from the API's JSON.
pub trait Decode: Kind {
    /// The object as it arrives.
    type Raw<'a>: Deserialize<'a>;
    /// Its `resourceVersion`, which the slim object does not keep; empty when absent.
    fn version<'r>(raw: &'r Self::Raw<'_>) -> &'r str;
    /// What we keep of it. The meta's `id` is zero: the watch settles it.
    fn project(raw: Self::Raw<'_>, strings: &mut Interner) -> Self;
    /// Drops what the metrics API does not need, for a process that serves nothing else.
    fn thin(&mut self, _strings: &mut Interner) {}
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<K> {
    pub version: String,
    /// The token of the next page; empty on the last.
    pub next: String,
    pub objects: Vec<K>,
    /// Objects that could not be read.
    pub malformed: Vec<String>,
}

/// One line of a watch.
#[derive(Debug, PartialEq)]
pub enum Change<K> {
    /// Added or modified.
    Put {
        version: String,
        object: K,
    },
    Removed {
        version: String,
        object: K,
    },
    Bookmark {
        version: String,
    },
    /// The server ends this watch: HTTP code and its sentence.
    Ended {
        code: u16,
        message: String,
    },
    /// An object that could not be read, and why.
    Malformed {
        version: String,
        why: String,
    },
}

/// Neither a page nor an event.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not what the API server writes")]
pub struct Unreadable(#[from] serde_json::Error);

/// What one watch needs to decode: the values it shares, and whether the metrics API alone reads the objects.
#[derive(Debug, Default)]
pub struct Decoder {
    pub(super) strings: Interner,
    pub(super) thin: bool,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
struct RawPage<'a, R> {
    #[serde(borrow)]
    metadata: Option<ListMeta<'a>>,
    items: Option<Vec<R>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow)]
    resource_version: Option<Text<'a>>,
    r#continue: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawEvent<'a, R> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    object: R,
}

/// What a bookmark, an error's Status and a malformed object have in common.
#[derive(Deserialize)]
struct Bare<'a> {
    #[serde(borrow)]
    metadata: Option<BareMeta<'a>>,
    code: Option<u16>,
    message: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BareMeta<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    resource_version: Option<Text<'a>>,
}

// === impl Decoder ===

impl Decoder {
    /// # Errors
    /// When the bytes are no list at all.
    pub fn page<K: Decode>(&mut self, bytes: &[u8]) -> Result<Page<K>, Unreadable> {
        match self.whole(bytes) {
            Some(page) => Ok(page),
            None => {
                let raw = serde_json::from_slice::<RawPage<'_, serde_json::Value>>(bytes)?;
                Ok(page(raw, |value| match K::Raw::deserialize(&value) {
                    Ok(raw) => Ok(self.project(raw)),
                    Err(error) => Err(format!("{}: {error}", name_of(&value))),
                }))
            }
        }
    }

    /// The page, each object projected as soon as it was read; `None` when anything of it can't be.
    fn whole<K: Decode>(&mut self, bytes: &[u8]) -> Option<Page<K>> {
        // Once for all of it, not text by text.
        let text = std::str::from_utf8(bytes).ok()?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let page = PageOf { decoder: self, kind: PhantomData }.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(page)
    }

    fn project<K: Decode>(&mut self, raw: K::Raw<'_>) -> K {
        let mut object = K::project(raw, &mut self.strings);
        if self.thin {
            object.thin(&mut self.strings);
        }
        object
    }

    /// # Errors
    /// When the line is no event at all.
    pub fn change<K: Decode>(&mut self, line: &[u8]) -> Result<Change<K>, Unreadable> {
        let bare = |line| serde_json::from_slice::<RawEvent<'_, Bare<'_>>>(line);
        let raw = match serde_json::from_slice::<RawEvent<'_, K::Raw<'_>>>(line) {
            Ok(raw) if matches!(raw.kind.as_str(), "ADDED" | "MODIFIED" | "DELETED") => raw,
            Ok(_) => return Ok(bare(line)?.into_change("of an unknown type")),
            Err(error) => return Ok(bare(line)?.into_change(&error.to_string())),
        };
        let version = K::version(&raw.object).to_owned();
        let removed = raw.kind.as_str() == "DELETED";
        let object = self.project::<K>(raw.object);
        Ok(if removed { Change::Removed { version, object } } else { Change::Put { version, object } })
    }
}

/// Reads a list, keeping nothing of an object but its projection.
struct PageOf<'s, K> {
    decoder: &'s mut Decoder,
    kind: PhantomData<K>,
}

/// The same of its items.
struct ItemsOf<'s, K> {
    decoder: &'s mut Decoder,
    objects: &'s mut Vec<K>,
}

impl<'de, K: Decode> DeserializeSeed<'de> for PageOf<'_, K> {
    type Value = Page<K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page<K>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, K: Decode> Visitor<'de> for PageOf<'_, K> {
    type Value = Page<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<K>, A::Error> {
        let (mut meta, mut objects) = (None::<ListMeta<'de>>, Vec::new());
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "metadata" => meta = map.next_value()?,
                "items" => map.next_value_seed(ItemsOf { decoder: self.decoder, objects: &mut objects })?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let meta = meta.unwrap_or_default();
        let (version, next) = (str(&meta.resource_version).to_owned(), str(&meta.r#continue).to_owned());
        Ok(Page { version, next, objects, malformed: Vec::new() })
    }
}

impl<'de, K: Decode> DeserializeSeed<'de> for ItemsOf<'_, K> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: Decode> Visitor<'de> for ItemsOf<'_, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<K::Raw<'de>>()? {
            self.objects.push(self.decoder.project(raw));
        }
        Ok(())
    }
}

fn page<R, K>(raw: RawPage<'_, R>, mut read: impl FnMut(R) -> Result<K, String>) -> Page<K> {
    let meta = raw.metadata.unwrap_or_default();
    let items = raw.items.unwrap_or_default();
    let mut page = Page {
        version: str(&meta.resource_version).to_owned(),
        next: str(&meta.r#continue).to_owned(),
        objects: Vec::with_capacity(items.len()),
        malformed: Vec::new(),
    };
    for item in items {
        match read(item) {
            Ok(object) => page.objects.push(object),
            Err(why) => page.malformed.push(why),
        }
    }
    page
}

fn name_of(value: &serde_json::Value) -> &str {
    value.pointer("/metadata/name").and_then(serde_json::Value::as_str).unwrap_or("an object without a name")
}

// === impl RawEvent ===

impl RawEvent<'_, Bare<'_>> {
    fn into_change<K>(self, why: &str) -> Change<K> {
        let meta = self.object.metadata;
        let version = meta.as_ref().map(|meta| str(&meta.resource_version).to_owned()).unwrap_or_default();
        match self.kind.as_str() {
            "BOOKMARK" => Change::Bookmark { version },
            "ERROR" => {
                Change::Ended { code: self.object.code.unwrap_or(0), message: str(&self.object.message).to_owned() }
            }
            _ => {
                let name = meta.as_ref().map_or("", |meta| str(&meta.name));
                Change::Malformed { version, why: format!("{name}: {why}") }
            }
        }
    }
}

/// For tests and benches: one object of JSON, its shared values its own.
///
/// # Errors
/// When the JSON is not an object of the kind.
pub fn object<K: Decode>(json: &serde_json::Value) -> Result<K, serde_json::Error> {
    Ok(K::project(K::Raw::deserialize(json)?, &mut Interner::default()))
}
