//! Every text a person reads, in the person's language. Templates are found by the server's code and filled with its
//! parameters; an unknown code is shown with its parameters.

mod en;
mod zh;

use std::cell::Cell;
use wire::Say;

thread_local! {
    static CHINESE: Cell<bool> = const { Cell::new(false) };
}

/// Chosen once at the start; a change reloads the page.
pub(crate) fn choose(language: &str) {
    CHINESE.set(language.starts_with("zh"));
}

pub(crate) fn chinese() -> bool {
    CHINESE.get()
}

/// A fixed text, given in English; what has no translation yet stays English.
pub(crate) fn text(english: &'static str) -> &'static str {
    if !chinese() {
        return english;
    }
    zh::TEXTS.iter().find(|(known, _)| *known == english).map_or(english, |(_, text)| text)
}

/// A stable word of the server: a column, a state, a fact.
pub(crate) fn word(word: &str) -> String {
    let english = en::WORDS.iter().find(|(known, _)| *known == word).map(|(_, text)| *text);
    english.map_or_else(|| word.to_owned(), |english| text(english).to_owned())
}

/// The sentence of a code.
pub(crate) fn say(say: &Say) -> String {
    let find = |table: &[(&str, &'static str)]| table.iter().find(|(code, _)| *code == say.code).map(|(_, text)| *text);
    let template = if chinese() { find(zh::SAYS).or_else(|| find(en::SAYS)) } else { find(en::SAYS) };
    match template {
        Some(template) => fill(template, say),
        None => {
            let args: Vec<String> = say.args.iter().map(|(name, value)| format!("{name} {value}")).collect();
            if args.is_empty() { say.code.clone() } else { format!("{}: {}", say.code, args.join(", ")) }
        }
    }
}

/// A sentence's first part, up to its first full stop or colon, and the rest.
pub(crate) fn headline(sentence: &str) -> (String, String) {
    let end = sentence.find(". ").or_else(|| sentence.find(": "));
    match end.and_then(|end| Some((sentence.get(..end)?, sentence.get(end + 2..)?))) {
        Some((head, rest)) => (head.to_owned(), rest.to_owned()),
        None => (sentence.trim_end_matches('.').to_owned(), String::new()),
    }
}

/// "Four things need you".
pub(crate) fn needs(count: u32) -> String {
    const NUMBERS: [&str; 10] = ["Nothing", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    if chinese() {
        return if count == 0 { "一切正常".to_owned() } else { format!("{count} 项需要处理") };
    }
    match (count, NUMBERS.get(count as usize)) {
        (0, _) => "Nothing needs you".to_owned(),
        (1, _) => "One thing needs you".to_owned(),
        (_, Some(number)) => format!("{number} things need you"),
        (_, None) => format!("{count} things need you"),
    }
}

fn fill(template: &str, say: &Say) -> String {
    let mut text = template.to_owned();
    for (name, value) in &say.args {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_filled_and_unknown_codes_shown() {
        let say_user = Say::new("LOGIN_NOCRED").with("user", "ada");
        assert_eq!(say(&say_user), "User ada has no credential in this file.");
        assert_eq!(say(&Say::new("X9").with("a", "b")), "X9: a b");
        assert_eq!(needs(4), "Four things need you");
        assert_eq!(headline("One. Two."), ("One".to_owned(), "Two.".to_owned()));
    }
}
