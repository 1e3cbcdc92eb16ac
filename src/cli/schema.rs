//! The JSON Schemas of the answers, made from the same types. `docs/schemas/` holds them; a test keeps the two equal.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::output::Document;
use super::verb::documents;

/// The schema of one document: its name, then what is in it and nothing else.
fn schema_of<T: Document + JsonSchema>() -> (String, Value) {
    let mut body = serde_json::to_value(schemars::schema_for!(T)).expect("a schema is JSON");
    let defs = body.as_object_mut().and_then(|body| body.remove("$defs"));
    if let Some(body) = body.as_object_mut() {
        body.remove("$schema");
    }
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": T::SCHEMA,
        "type": "object",
        "required": ["schema"],
        "properties": { "schema": { "const": T::SCHEMA } },
        "allOf": [body],
        "unevaluatedProperties": false,
    });
    if let Some(defs) = defs {
        whole["$defs"] = defs;
    }
    (T::SCHEMA.replace('/', "-"), whole)
}

/// Calls `schema_of` for every document.
macro_rules! every {
    ($($document:ty),* $(,)?) => { vec![$(schema_of::<$document>()),*] };
}

fn all() -> Vec<(String, Value)> {
    documents!(every)
}

#[test]
fn the_schemas_in_docs_are_those_of_the_answers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in all() {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("RAIC_WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{} is not what the source says; RAIC_WRITE_SCHEMAS=1 writes it anew",
            path.display()
        );
    }
}
