//! The JSON schema of the policy language, for editors that complete and check as one types.

use super::source::Document;

/// The schema (JSON Schema 2020-12), indented, with a line end: the text of `docs/policy.schema.json`.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Document);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has string keys only");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `VEILPOST_BLESS=1 cargo test --lib policy::schema` writes the file anew.
    #[test]
    fn the_file_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.schema.json");
        if std::env::var_os("VEILPOST_BLESS").is_some() {
            std::fs::write(path, schema()).expect("docs is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            stored == schema(),
            "docs/policy.schema.json is not what the code says; \
             run `VEILPOST_BLESS=1 cargo test --lib policy::schema` and commit the file"
        );
    }
}
