//! Every text a person reads, in the person's language. Templates are found by the server's code and filled with its
//! parameters; an unknown code is shown with its parameters.

mod en;
#[cfg(test)]
mod tests;
mod texts;

use crate::format;
use std::cell::OnceCell;
use wire::chart::Metric;
use wire::{Kind, Say};

/// Another language than English: what few need is no part of the module.
struct Translation {
    /// At the places of [`texts::TEXTS`].
    texts: Vec<&'static str>,
    /// Templates by code.
    says: Vec<(&'static str, &'static str)>,
}

thread_local! {
    static CHINESE: OnceCell<Translation> = const { OnceCell::new() };
}

/// A fixed text, given in English. One without a translation does not compile.
macro_rules! text {
    ($english:literal) => {{
        const AT: usize = $crate::words::place($english);
        $crate::words::at(AT)
    }};
}
pub(crate) use text;

/// Chosen once at the start, by the starter, which loads the lines of `assets/zh.txt`; a change reloads the page. Without
/// them it is English.
pub(crate) fn choose(lines: Option<String>) {
    if let Some(lines) = lines {
        // Texts are handed out for as long as the page lives.
        CHINESE.with(|chinese| drop(chinese.set(Translation::of(lines.leak()))));
    }
}

pub(crate) fn chinese() -> bool {
    CHINESE.with(|chinese| chinese.get().is_some())
}

impl Translation {
    /// A key, a tab and a text a line.
    fn of(lines: &'static str) -> Self {
        let says: Vec<_> = lines.lines().filter_map(|line| line.split_once('\t')).collect();
        let of =
            |english: &&'static str| says.iter().find(|(key, _)| key == english).map_or(*english, |(_, text)| *text);
        Self { texts: texts::TEXTS.iter().map(of).collect(), says }
    }
}

/// The name of the language that is not spoken now, in that language.
pub(crate) fn other_language() -> &'static str {
    if chinese() { "English" } else { "简体中文" }
}

/// Where a text stands in the list; runs in the compiler.
#[expect(clippy::panic, clippy::indexing_slicing, reason = "a failure of the build, never of the page")]
pub(crate) const fn place(english: &str) -> usize {
    let wanted = english.as_bytes();
    let mut at = 0;
    while at < texts::TEXTS.len() {
        let known = texts::TEXTS[at].as_bytes();
        let mut same = 0;
        while same < known.len() && same < wanted.len() && known[same] == wanted[same] {
            same += 1;
        }
        if same == known.len() && same == wanted.len() {
            return at;
        }
        at += 1;
    }
    panic!("this text is not in words/texts.rs")
}

/// The text at a place that [`place`] found.
pub(crate) fn at(place: usize) -> &'static str {
    let chinese = CHINESE.with(|chinese| chinese.get().and_then(|chinese| chinese.texts.get(place).copied()));
    chinese.or_else(|| texts::TEXTS.get(place).copied()).unwrap_or_default()
}

/// A text with its gaps filled: `{n} s ago`.
pub(crate) fn with(template: &str, args: &[(&str, &str)]) -> String {
    args.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// A stable word of the server: a column, a state, a fact. kubectl's own words stay as they are.
pub(crate) fn word(word: &str) -> String {
    let place = en::WORDS.iter().find(|(known, _)| *known == word).map(|(_, place)| *place);
    place.map_or_else(|| word.to_owned(), |place| at(place).to_owned())
}

/// The same within a line. The server's words are ASCII; what another one holds stays as it is.
pub(crate) fn lower(word: &str) -> String {
    self::word(word).to_ascii_lowercase()
}

/// A kind's page.
pub(crate) fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => text!("Nodes"),
        Kind::Pod => text!("Pods"),
        Kind::Deployment => text!("Deployments"),
        Kind::Service => text!("Services"),
        Kind::Namespace => text!("Namespaces"),
        Kind::ReplicaSet => text!("ReplicaSets"),
        Kind::EndpointSlice => text!("EndpointSlices"),
        Kind::Event => text!("Events"),
    }
}

/// So many of a kind: `1 pod`, `160 pods`.
pub(crate) fn count(n: u32, kind: Kind) -> String {
    let one = n == 1;
    let template = match kind {
        Kind::Node if one => text!("{n} node"),
        Kind::Node => text!("{n} nodes"),
        Kind::Pod if one => text!("{n} pod"),
        Kind::Pod => text!("{n} pods"),
        Kind::Deployment if one => text!("{n} deployment"),
        Kind::Deployment => text!("{n} deployments"),
        Kind::Service if one => text!("{n} service"),
        Kind::Service => text!("{n} services"),
        Kind::Namespace | Kind::ReplicaSet | Kind::EndpointSlice | Kind::Event => {
            return format!("{n} {}", plural(kind));
        }
    };
    with(template, &[("n", &n.to_string())])
}

/// The sentence of a code.
pub(crate) fn say(say: &Say) -> String {
    let code = match say.code.as_str() {
        // Nothing was ever heard: there is no time to name.
        "M-SCRAPE" if say.arg("time").is_empty() => "M-SILENT",
        "NODE_NOTREADY" if !say.arg("services").is_empty() => "NODE_NOTREADY+",
        code => code,
    };
    let Some(template) = template(code) else {
        let args: Vec<String> = say.args.iter().map(|(name, value)| format!("{name} {value}")).collect();
        return if args.is_empty() { say.code.clone() } else { format!("{}: {}", say.code, args.join(", ")) };
    };
    let args: Vec<(&str, String)> =
        say.args.iter().map(|(name, value)| (name.as_str(), readable(say, name, value))).collect();
    fill(template, &args)
}

fn template(code: &str) -> Option<&'static str> {
    let of = |table: &[(&str, &'static str)]| table.iter().find(|(known, _)| *known == code).map(|(_, text)| *text);
    CHINESE.with(|chinese| chinese.get().map_or_else(|| of(en::SAYS), |chinese| of(&chinese.says)))
}

/// A parameter as a person reads it: bytes with a unit, a reason that is a code in words.
fn readable(say: &Say, name: &str, value: &str) -> String {
    match name {
        "limit" if say.code == "POD_OOM" => {
            value.parse().map_or_else(|_| value.to_owned(), |bytes: i64| format::both(bytes as f64, Metric::Memory))
        }
        "reason" => template(value).map_or_else(
            || word(value),
            |template| {
                let args: Vec<(&str, String)> =
                    say.args.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
                let sentence = fill(template, &args);
                // Beside a chart there is room for the cause alone.
                let sentence = if say.code == "KUBELETS" { sentence } else { headline(&sentence).0 };
                sentence.trim_end_matches(['.', '。']).to_owned()
            },
        ),
        _ => value.to_owned(),
    }
}

/// A sentence's first part, up to its first full stop or colon, and the rest.
pub(crate) fn headline(sentence: &str) -> (String, String) {
    let ends = [". ", "。", ": ", "："].map(|end| sentence.find(end).map(|at| (at, at + end.len())));
    let [stop, full, colon, wide] = ends;
    let first = [stop, full].into_iter().flatten().min().or_else(|| [colon, wide].into_iter().flatten().min());
    match first.and_then(|(end, rest)| Some((sentence.get(..end)?, sentence.get(rest..)?))) {
        Some((head, rest)) => (head.to_owned(), rest.to_owned()),
        None => (sentence.trim_end_matches('.').to_owned(), String::new()),
    }
}

/// The prose of a sentence and the command it ends with.
pub(crate) fn command(sentence: &str) -> (String, Option<String>) {
    match sentence.find("kubectl ") {
        Some(start) => {
            let (prose, command) = sentence.split_at(start);
            (prose.trim_end().to_owned(), Some(command.trim_end_matches(['.', '。']).to_owned()))
        }
        None => (sentence.to_owned(), None),
    }
}

/// "Four things need you".
pub(crate) fn needs(count: u32) -> String {
    const NUMBERS: [&str; 10] = ["Nothing", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    let number = match NUMBERS.get(count as usize) {
        Some(number) if !chinese() => (*number).to_owned(),
        _ => count.to_string(),
    };
    match count {
        0 => text!("Nothing needs you").to_owned(),
        1 => text!("One thing needs you").to_owned(),
        _ => with(text!("{n} things need you"), &[("n", &number)]),
    }
}

/// A template's sentences with their gaps filled. A sentence for which something is not known is left out.
fn fill(template: &str, args: &[(&str, String)]) -> String {
    let mut text = String::new();
    for part in template.split_inclusive(['。']).flat_map(|part| part.split_inclusive(". ")) {
        let filled =
            args.iter().fold(part.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        let gaps = part.matches('{').count();
        let known = args.iter().map(|(name, _)| part.matches(&format!("{{{name}}}")).count()).sum::<usize>();
        if gaps == known {
            text.push_str(&filled);
        }
    }
    // What the API server writes often ends with a full stop of its own.
    text.replace(".. ", ". ").replace(".。", "。").trim_end().to_owned()
}
