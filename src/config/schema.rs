//! The JSON Schema of the configuration, for editors: made from the same table as the check, so that both know the same keys.
//!
//! It knows what may stand where. What only the whole tells (do the names exist, can the policies hold, which options a
//! scheme knows, where secrets must not stand) is the check's alone.

use serde_json::{Map, Value, json};

use super::shape::{Leaf, ROOT, Section, Shape};

/// The schema's name; it is nowhere to be fetched, `raic config schema` prints it.
const ID: &str = "urn:raic:config:1";

/// The schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = of(&ROOT);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("$id", json!(ID)),
        ("title", json!("RAIC configuration")),
    ];
    if let Value::Object(schema) = &mut schema {
        schema.extend(head.map(|(key, value)| (key.to_owned(), value)));
        schema.insert("$defs".to_owned(), json!({ "elsewhere": elsewhere() }));
    }
    schema
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Fields(section) => fields(section),
        Shape::Named(inner) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": of(inner),
        }),
        Shape::Options => json!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [{ "type": ["string", "number", "boolean"] }, { "$ref": "#/$defs/elsewhere" }],
            },
        }),
        Shape::Names => json!({ "type": "array", "items": leaf(Leaf::Name) }),
        Shape::Elsewhere => json!({ "$ref": "#/$defs/elsewhere" }),
        Shape::Leaf(kind) => leaf(*kind),
    }
}

fn fields(section: &Section) -> Value {
    let mut properties = Map::new();
    for field in section.fields {
        let mut property = of(&field.shape);
        if let Value::Object(property) = &mut property {
            property.insert("description".to_owned(), json!(field.doc));
        }
        properties.insert(field.key.to_owned(), property);
    }
    let required = section.fields.iter().filter(|field| field.required);
    let required: Vec<&str> = required.map(|field| field.key).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A value that is kept elsewhere.
fn elsewhere() -> Value {
    json!({
        "description": "Where a value is kept: an environment variable, a file of the owner's, or what a program prints.",
        "type": "object",
        "properties": {
            "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "file": { "type": "string" },
            "command": { "type": "array", "items": { "type": ["string", "number", "boolean"] }, "minItems": 1 },
        },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

const NAME: &str = "^[a-z][a-z0-9._-]{0,31}$";
const SIZE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|[KMGTP]iB|[kKMGTP]B)\s*$";
const BYTE_RATE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|[KMGTP]iB|[kKMGTP]B)\s*/s\s*$";
const REQUEST_RATE: &str = r"^\s*[0-9]+(\.0+)?\s*/\s*(s|min|h)\s*$";
const PERIOD: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h|d|w)\s*$";
const STORAGE: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*[GT]i?B-month\s*$";
const TRANSFER: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*[GT]i?B\s*$";
const REQUESTS: &str = r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(1|1k|10k|100k|1M)\s*$";

fn leaf(kind: Leaf) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    // Free is written as the number 0.
    let price = |pattern: &str| json!({ "anyOf": [{ "const": 0 }, { "type": "string", "pattern": pattern }] });
    match kind {
        Leaf::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Leaf::Weight => json!({ "type": "number", "minimum": 0.001, "maximum": 1000 }),
        Leaf::Size => text(SIZE),
        Leaf::ByteRate => text(BYTE_RATE),
        Leaf::RequestRate => text(REQUEST_RATE),
        Leaf::Period => text(PERIOD),
        Leaf::StoragePrice => price(STORAGE),
        Leaf::TransferPrice => price(TRANSFER),
        Leaf::RequestPrice => price(REQUESTS),
        Leaf::Word(words) => json!({ "enum": words }),
        Leaf::Name => json!({ "type": ["string", "number"] }),
        Leaf::Label => json!({ "type": ["string", "number"], "minLength": 1, "maxLength": 64 }),
        Leaf::Scheme | Leaf::Path | Leaf::Listen | Leaf::Location => json!({ "type": "string", "minLength": 1 }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::error::Fault;
    use super::super::tests::{fixtures, read};
    use super::super::tree;
    use super::*;

    /// With `RAIC_BLESS=1` the file is written instead.
    #[test]
    fn the_schema_that_is_kept_in_docs_is_the_one_that_is_made() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.schema.json");
        let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("RAIC_BLESS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        assert_eq!(fs::read_to_string(path).unwrap(), made);
    }

    #[test]
    fn what_is_read_fits_the_schema() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        for path in fixtures("good") {
            let value: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        }
    }

    /// Faults that one place tells: the schema must see them too.
    fn is_of_the_shape(fault: &Fault) -> bool {
        match fault {
            Fault::UnknownKey { section, .. } => !section.starts_with("the options"),
            Fault::Missing { key, .. } => !matches!(*key, "default" | "operator" | "k" | "m"),
            Fault::WrongType { .. } | Fault::Version { .. } => true,
            _ => false,
        }
    }

    #[test]
    fn what_the_check_of_the_shape_refuses_the_schema_refuses() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let mut seen = 0;
        for path in fixtures("bad") {
            let text = fs::read_to_string(&path).unwrap();
            let errors = read("config.yaml", &text).unwrap_err();
            if tree::parse(&text, 0).is_err() {
                continue;
            }
            // Keys that come twice are no question of the value: it has only one of them.
            let Ok(value) = serde_yaml::from_str::<Value>(&text) else {
                continue;
            };
            if errors.errors().iter().any(|error| is_of_the_shape(&error.fault)) {
                seen += 1;
                assert!(!validator.is_valid(&value), "{}", path.display());
            }
        }
        assert!(seen >= 8, "{seen} files with faults of the shape");
    }
}
