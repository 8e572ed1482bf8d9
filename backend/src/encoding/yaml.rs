//! YAML of what is JSON already, with its keys sorted, as Kubernetes does.

/// The document as YAML.
///
/// # Errors
/// What the library says of it; our own documents can be written.
pub fn yaml(json: &[u8]) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    serde_saphyr::to_string(&value).map_err(|error| error.to_string())
}
