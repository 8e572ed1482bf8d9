//! The `Accept` header: what of ours a client likes best.

use std::cmp::Reverse;

/// How something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Media {
    #[default]
    Json,
    Yaml,
    Protobuf,
}

/// The version of `meta.k8s.io` a table or bare metadata is wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    V1,
    V1Beta1,
}

/// What is written of an object: `;as=` of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Whole,
    Table(MetaVersion),
    /// `PartialObjectMetadata`.
    Partial(MetaVersion),
    /// `PartialObjectMetadataList`.
    PartialList(MetaVersion),
}

/// The clause that was chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub media: Media,
    pub shape: Shape,
    /// `;pretty=1`.
    pub pretty: bool,
}

/// The documents of `/apis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    Plain(Media),
    /// `apidiscovery.k8s.io/v2`, JSON.
    Aggregated,
}

struct Clause<'a> {
    kind: &'a str,
    /// In thousandths.
    quality: u16,
    parameters: Vec<(&'a str, &'a str)>,
}

// === impl Media ===

impl Media {
    /// All of them, the one for who has no wish first.
    pub const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// For labels of metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Protobuf => "protobuf",
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

// === impl MetaVersion ===

impl MetaVersion {
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

// === impl Clause ===

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| !kind.is_empty())?;
        let mut clause = Self { kind, quality: 1000, parameters: Vec::new() };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            if key.eq_ignore_ascii_case("q") {
                let quality = value.parse::<f32>().ok().filter(|quality| quality.is_finite()).unwrap_or(1.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
                let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
                clause.quality = thousandths;
            } else {
                clause.parameters.push((key, value));
            }
        }
        Some(clause)
    }

    fn get(&self, name: &str) -> &'a str {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value).unwrap_or_default()
    }

    /// How exactly it names what it wants.
    fn exactness(&self) -> u8 {
        match self.kind {
            "*/*" => 0,
            kind if kind.ends_with("/*") => 1,
            _ => 2,
        }
    }

    /// The first of ours that it covers.
    fn media(&self) -> impl Iterator<Item = Media> {
        let kind = self.kind;
        Media::ALL.into_iter().filter(move |media| kind == "*/*" || kind == media.name())
    }

    fn shape(&self) -> Option<Shape> {
        let version = match (self.get("g"), self.get("v")) {
            ("meta.k8s.io", "v1") => Some(MetaVersion::V1),
            ("meta.k8s.io", "v1beta1") => Some(MetaVersion::V1Beta1),
            _ => None,
        };
        match (self.get("as"), version) {
            ("", _) => Some(Shape::Whole),
            ("Table", Some(version)) => Some(Shape::Table(version)),
            ("PartialObjectMetadata", Some(version)) => Some(Shape::Partial(version)),
            ("PartialObjectMetadataList", Some(version)) => Some(Shape::PartialList(version)),
            _ => None,
        }
    }
}

/// Whether any clause names a type of ours, whatever it wants of it: who has none is told what there is.
#[must_use]
pub fn known(header: &str) -> bool {
    header.trim().is_empty()
        || header.split(',').filter_map(Clause::parse).any(|clause| clause.media().next().is_some())
}

/// What an object or a list is written as; `None` when nothing fits.
#[must_use]
pub fn choose(header: &str) -> Option<Choice> {
    first(header, |clause| {
        let shape = clause.shape()?;
        let fits = |media: &Media| *media != Media::Protobuf || !matches!(shape, Shape::Table(_));
        let media = clause.media().find(fits)?;
        Some(Choice { media, shape, pretty: clause.get("pretty") == "1" })
    })
    .or_else(|| header.trim().is_empty().then(Choice::default))
}

/// What a document without shapes is written as: discovery, an error.
#[must_use]
pub fn plain(header: &str) -> Option<Media> {
    first(header, |clause| clause.media().next().filter(|_| clause.get("as").is_empty()))
        .or_else(|| header.trim().is_empty().then(Media::default))
}

/// Which document `/apis` is.
#[must_use]
pub fn groups(header: &str) -> Option<Groups> {
    first(header, |clause| match (clause.get("as"), clause.get("g"), clause.get("v")) {
        ("", ..) => clause.media().next().map(Groups::Plain),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => {
            clause.media().find(|media| *media == Media::Json).map(|_| Groups::Aggregated)
        }
        _ => None,
    })
    .or_else(|| header.trim().is_empty().then(|| Groups::Plain(Media::default())))
}

/// What fits of the clauses, in the client's order: quality, then exactness, then place.
fn first<T>(header: &str, fit: impl Fn(&Clause<'_>) -> Option<T>) -> Option<T> {
    let mut clauses: Vec<Clause<'_>> =
        header.split(',').filter_map(Clause::parse).filter(|clause| clause.quality > 0).collect();
    clauses.sort_by_key(|clause| Reverse((clause.quality, clause.exactness())));
    clauses.iter().find_map(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_clause_that_fits_is_chosen() {
        use Media::{Json, Protobuf, Yaml};
        use MetaVersion::{V1, V1Beta1};
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let beta = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
        let kubectl = format!("{table},{beta},application/json");
        let cases = [
            ("", Some((Json, Shape::Whole))),
            ("*/*", Some((Json, Shape::Whole))),
            ("application/vnd.kubernetes.protobuf, */*", Some((Protobuf, Shape::Whole))),
            ("*/*, application/vnd.kubernetes.protobuf", Some((Protobuf, Shape::Whole))),
            ("application/json;q=0.2, application/yaml;q=0.9", Some((Yaml, Shape::Whole))),
            ("application/json;q=0", None),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some((Json, Shape::Whole))),
            ("application/*", None),
            ("text/plain", None),
            (&kubectl, Some((Json, Shape::Table(V1)))),
            (beta, Some((Json, Shape::Table(V1Beta1)))),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", None),
            (
                "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/yaml",
                Some((Yaml, Shape::Whole)),
            ),
            ("application/json;as=Table;v=v2;g=meta.k8s.io", None),
            ("application/json;as=Nonsense", None),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Some((Protobuf, Shape::PartialList(V1))),
            ),
            (";;,=;,", None),
        ];
        for (header, expected) in cases {
            assert_eq!(choose(header).map(|choice| (choice.media, choice.shape)), expected, "{header}");
        }
        assert!(known("application/json;as=Nonsense"));
        assert!(!known("application/*"));
    }

    #[test]
    fn the_document_of_groups_is_the_one_that_comes_first() {
        let v2 = "application/json;v=v2;as=APIGroupDiscoveryList;g=apidiscovery.k8s.io";
        let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        assert_eq!(groups(&format!("{v2},{beta},application/json")), Some(Groups::Aggregated));
        assert_eq!(groups(&format!("{beta},application/json")), Some(Groups::Plain(Media::Json)));
        assert_eq!(groups(beta), None);
        assert_eq!(groups(&format!("{v2};q=0.5, application/yaml")), Some(Groups::Plain(Media::Yaml)));
        assert_eq!(groups(""), Some(Groups::Plain(Media::Json)));
    }
}
