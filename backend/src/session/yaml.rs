//! One object as YAML, read with the person's own credential: the API server decides, nothing is cached.

use super::{End, Session};
use std::time::Duration;
use wire::{Kind, Say};

/// Largest object that is shown; etcd's own limit is 1.5 MiB.
const LARGEST: usize = 4 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads `kind` `namespace`/`name` and prints it without `managedFields`. Absent and forbidden are told apart only by
/// the API server's own answer to this person. A 401 ends the session.
///
/// # Errors
/// What to tell the person.
pub async fn read(session: &Session, kind: Kind, namespace: &str, name: &str) -> Result<String, Say> {
    let never = || Say::new("E-NEVER").with("kind", kind.name()).with("name", name).with("namespace", namespace);
    let path = path(kind, namespace, name).ok_or_else(never)?;
    let request = http::Request::get(path).body(Vec::new()).map_err(|_| never())?;
    let client = session.client();
    let Ok(answer) = tokio::time::timeout(PATIENCE, client.request_text(request)).await else {
        return Err(Say::new("E-TIMEOUT").with("s", PATIENCE.as_secs().to_string()));
    };
    let text = answer.map_err(|error| match error {
        kube::Error::Api(status) => match status.code {
            401 => {
                session.end(End::Refused);
                session.why().say()
            }
            403 => super::gate::denied("get", kind.resource()),
            404 => never(),
            429 => Say::new("E-RATE").with("s", "1"),
            code => Say::new("E-API").with("reason", format!("{code} {}", status.reason)),
        },
        error => Say::new("E-API").with("reason", error.to_string()),
    })?;
    print(&text).map_err(|reason| Say::new("E-API").with("reason", reason))
}

fn path(kind: Kind, namespace: &str, name: &str) -> Option<String> {
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
    };
    if !plain(name) || kind.namespaced() != plain(namespace) {
        return None;
    }
    let root = match kind.group() {
        "" => "/api/v1".into(),
        group => format!("/apis/{group}/v1"),
    };
    let scope = if kind.namespaced() { format!("/namespaces/{namespace}") } else { String::new() };
    Some(format!("{root}{scope}/{}/{name}", kind.resource()))
}

/// JSON to YAML, keys in the API server's order of importance: `apiVersion`, `kind`, `metadata`, then the rest.
fn print(json: &str) -> Result<String, String> {
    if json.len() > LARGEST {
        return Err(format!("object is larger than {} MiB", LARGEST >> 20));
    }
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    if let Some(metadata) = object.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let mut text = String::new();
    for key in ["apiVersion", "kind", "metadata"] {
        if let Some(value) = object.remove(key) {
            text.push_str(&section(key, value)?);
        }
    }
    for (key, value) in object {
        text.push_str(&section(&key, value)?);
    }
    Ok(text)
}

fn section(key: &str, value: serde_json::Value) -> Result<String, String> {
    let mut text = serde_saphyr::to_string(&serde_json::Map::from_iter([(key.to_owned(), value)]))
        .map_err(|error| error.to_string())?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_become_paths() {
        assert_eq!(path(Kind::Pod, "ns", "p").as_deref(), Some("/api/v1/namespaces/ns/pods/p"));
        assert_eq!(path(Kind::Deployment, "ns", "d").as_deref(), Some("/apis/apps/v1/namespaces/ns/deployments/d"));
        assert_eq!(path(Kind::Node, "", "n").as_deref(), Some("/api/v1/nodes/n"));
        for (kind, namespace, name) in [
            (Kind::Pod, "ns", "../secrets/x"),
            (Kind::Pod, "", "p"),
            (Kind::Node, "ns", "n"),
            (Kind::Pod, "..", "p"),
            (Kind::Pod, "ns", "p?watch=1"),
            (Kind::Pod, "ns", ""),
        ] {
            assert_eq!(path(kind, namespace, name), None);
        }
    }

    #[test]
    fn managed_fields_are_dropped_and_the_head_comes_first() {
        let text = print(
            r#"{"spec":{"a":"true","n":1},"kind":"Pod","metadata":{"name":"p","managedFields":[{}]},"apiVersion":"v1"}"#,
        )
        .unwrap();
        assert!(text.starts_with("apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n"), "{text}");
        assert!(!text.contains("managedFields"));
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back["spec"]["a"], "true");
    }
}
