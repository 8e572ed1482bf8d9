use super::*;
use std::collections::BTreeSet;

#[test]
fn sentences_are_filled_and_unknown_codes_shown() {
    let say_user = Say::new("LOGIN_NOCRED").with("user", "ada");
    assert_eq!(say(&say_user), "User ada has no credential in this file.");
    assert_eq!(say(&Say::new("X9").with("a", "b")), "X9: a b");
    assert_eq!(needs(4), "Four things need you");
    assert_eq!(needs(12), "12 things need you");
    assert_eq!(headline("One. Two."), ("One".to_owned(), "Two.".to_owned()));
    assert_eq!(headline("一。二：三。"), ("一".to_owned(), "二：三。".to_owned()));
    assert_eq!(count(1, Kind::Pod), "1 pod");
}

#[test]
fn a_sentence_with_a_gap_is_left_out() {
    let no_near = Say::new("S_NOMATCH").with("selector", "app=x");
    assert_eq!(say(&no_near), "Connection refused. Its selector app=x matches no pod.");
    let never = Say::new("M-SCRAPE").with("time", "").with("node", "n1").with("reason", "Timeout");
    assert_eq!(say(&never), "No data yet: The kubelet of n1 did not answer in time.");
    let oom = Say::new("POD_OOM").with("container", "app").with("limit", "134217728");
    assert!(say(&oom).contains("limit of 128 MiB"), "{}", say(&oom));
}

#[test]
fn a_command_stands_apart() {
    let (prose, line) = command("Read its log: kubectl logs -p -c app");
    assert_eq!((prose.as_str(), line.as_deref()), ("Read its log:", Some("kubectl logs -p -c app")));
}

fn gaps(template: &str) -> BTreeSet<&str> {
    template.split('{').skip(1).filter_map(|part| part.split('}').next()).collect()
}

/// What the starter loads for who reads Chinese.
const CHINESE: &str = include_str!("../../../assets/zh.txt");

#[test]
fn both_languages_say_the_same() {
    let lines: Vec<(&str, &str)> = CHINESE.lines().map(|line| line.split_once('\t').unwrap()).collect();
    for (code, english) in en::SAYS {
        let chinese: Vec<&str> = lines.iter().filter(|(known, _)| known == code).map(|(_, text)| *text).collect();
        let [chinese] = chinese.as_slice() else { panic!("{code} has {} Chinese sentences", chinese.len()) };
        assert_eq!(gaps(english), gaps(chinese), "{code}");
        assert_eq!(en::SAYS.iter().filter(|(known, _)| known == code).count(), 1, "{code} stands twice");
    }
    for english in texts::TEXTS {
        let chinese: Vec<&str> = lines.iter().filter(|(known, _)| known == english).map(|(_, text)| *text).collect();
        let [chinese] = chinese.as_slice() else { panic!("{english} has {} translations", chinese.len()) };
        assert_eq!(gaps(english), gaps(chinese), "{english}");
    }
    assert_eq!(en::SAYS.len() + texts::TEXTS.len(), lines.len(), "a Chinese line has no English one");
}

#[test]
fn what_was_loaded_is_spoken() {
    std::thread::spawn(|| {
        assert_eq!(text!("Coverage"), "Coverage");
        choose(Some(CHINESE.to_owned()));
        assert!(chinese());
        assert_eq!(text!("Coverage"), "采集覆盖");
        assert_eq!(say(&Say::new("LOGIN_EMPTY")), "请先粘贴令牌。");
    })
    .join()
    .unwrap();
}

/// The sources that draw something, each with its name.
fn sources() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = ["", "pages", "parts", "words"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_text_is_used() {
    let all: String =
        sources().into_iter().filter(|(name, _)| !name.ends_with("zh.rs")).map(|(_, text)| text).collect();
    for english in texts::TEXTS {
        let quoted = format!("(\"{english}\")");
        assert!(all.contains(&quoted), "{english} is never shown");
    }
}

#[test]
fn no_page_has_words_of_its_own() {
    // What stays as it is in every language: names, units, commands, file formats.
    let kept = ["Taffrail", "YAML", "Esc", "CPU"];
    let mut inline = Vec::new();
    for (name, text) in sources()
        .into_iter()
        .filter(|(name, _)| name.contains("pages") || name.contains("parts") || name.ends_with("app.rs"))
    {
        let drawn = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in drawn.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            // A text node stands between `>` or `}` and `<` or `{`; an attribute that is read aloud has it as its value.
            let nodes = line.split('"').collect::<Vec<_>>();
            for window in nodes.windows(3).step_by(2) {
                let [before, literal, after] = window else { continue };
                let shown = (before.ends_with('>') || before.ends_with('}') || before.trim().is_empty())
                    && (after.starts_with('<') || after.starts_with('{') || after.trim().is_empty())
                    || ["aria-label=", "title=", "placeholder="].iter().any(|attribute| before.ends_with(attribute));
                let wordy = literal.chars().filter(|letter| letter.is_alphabetic()).count() > 1;
                let apart = literal.starts_with("kubectl") || kept.contains(&literal.trim());
                if shown && wordy && !apart && !before.ends_with("=> ") {
                    inline.push(format!("{name}:{}: {literal}", at + 1));
                }
            }
        }
    }
    assert_eq!(inline, Vec::<String>::new());
}
