//! `taffrail manifests`: what `kubectl apply -f -` needs, as it is in `manifests/base`.

const PARTS: [&str; 4] = [
    include_str!("../../manifests/base/rbac.yaml"),
    include_str!("../../manifests/base/service.yaml"),
    include_str!("../../manifests/base/deployment.yaml"),
    include_str!("../../manifests/base/apiservices.yaml"),
];

/// All objects as one stream of YAML. To be deleted, the APIServices come first and the namespace last: one that is left
/// behind advertises a version that fails, and the namespace would hang in Terminating.
#[must_use]
pub fn manifests(delete: bool) -> String {
    if !delete {
        return PARTS.join("---\n");
    }
    let mut documents: Vec<&str> = PARTS.iter().flat_map(|part| part.split("\n---\n")).map(str::trim_end).collect();
    documents.reverse();
    documents.join("\n---\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn kinds(text: &str) -> Vec<String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        documents.iter().map(|document| document["kind"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_applied_is_deleted_in_the_other_order() {
        let (apply, mut delete) = (kinds(&manifests(false)), kinds(&manifests(true)));
        assert_eq!((&*apply[0], &*delete[0]), ("Namespace", "APIService"));
        delete.reverse();
        assert_eq!(apply, delete);
    }

    #[test]
    fn the_image_is_this_version_and_nothing_is_null() {
        let text = manifests(false);
        assert!(text.contains(concat!("ghcr.io/taffrail/taffrail:", env!("CARGO_PKG_VERSION"))));
        assert!(!text.contains("null"));
    }
}
