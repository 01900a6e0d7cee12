//! The document of the API in OpenAPI 3.1, made from the table of routes and the types' own schemas.

use std::sync::LazyLock;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::caller::{CODE, UNLOCK};
use super::problem::Problem;
use super::routes::{Answer, Opening, ROUTES, Route, Shape};
use super::scope::Scope;

/// The document as JSON, indented, with a line end: the text of `docs/openapi.json`.
pub fn document() -> &'static str {
    &DOCUMENT
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&build()).expect("a document has string keys only");
    text.push('\n');
    text
});

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in ROUTES {
        let place = paths.entry(route.path).or_insert_with(|| json!({}));
        place[route.method.as_str().to_lowercase()] = operation(route, &mut generator, problem.as_value());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Veilpost",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": scopes() } },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.says,
        "parameters": parameters(route, generator),
        "responses": answers(route, generator, problem),
    });
    if let Some(scope) = route.scope {
        operation["description"] = json!(format!("The token needs the scope `{}`.", scope.word()));
        operation["x-veilpost-scope"] = json!(scope.word());
    }
    if let Some(body) = route.body {
        let schema = body(generator);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = names.map(in_path).collect();
    parameters.extend(route.query.iter().flat_map(|query| in_query(*query, generator)));
    if route.opening != Opening::Never {
        let says = match route.opening {
            Opening::IfItReveals => "An unlock session, if this shows more, or asks less, than before.",
            _ => "An unlock session from `POST /unlock`.",
        };
        let required = route.opening == Opening::Always;
        let schema = json!({ "type": "string" });
        parameters.push(json!({
            "name": header_name(), "in": "header", "required": required, "description": says, "schema": schema,
        }));
    }
    if ["readMessage", "readRawMessage"].contains(&route.id) {
        parameters.push(json!({
            "name": titled(CODE), "in": "header", "required": false,
            "description": "A fresh code, where the tenant asks for one at every single message.",
            "schema": { "type": "string" },
        }));
    }
    parameters
}

fn in_path(name: &str) -> Value {
    let schema = match name {
        "uid" => json!({ "type": "integer", "format": "uint32", "minimum": 0 }),
        "entry" => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

/// The fields of a query, each as a parameter of its own.
fn in_query(query: Shape, generator: &mut SchemaGenerator) -> Vec<Value> {
    let reference = query(generator);
    let name =
        reference.as_value()["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let found = generator.definitions().get(name).cloned().unwrap_or_default();
    let fields = found["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let says = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // In a query, what is not there is left out; there is no null.
        if let Some(kinds) = schema["type"].as_array_mut() {
            kinds.retain(|kind| kind != "null");
        }
        json!({ "name": name, "in": "query", "required": false, "description": says, "schema": schema })
    };
    fields.into_iter().map(parameter).collect()
}

fn answers(route: &Route, generator: &mut SchemaGenerator, problem: &Value) -> Value {
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let (status, answer) = match route.answer {
        Answer::Found(shape) => ("200", said("Found", json_of(shape(generator).to_value()))),
        Answer::Made(shape) => ("201", said("Made", json_of(shape(generator).to_value()))),
        Answer::Done => ("204", json!({ "description": "Done" })),
        Answer::Message => {
            ("200", said("The message", json!({ "message/rfc822": { "schema": { "type": "string" } } })))
        }
        Answer::Text => ("200", said("Found", json!({ "text/plain": { "schema": { "type": "string" } } }))),
    };
    let mut answers = Map::new();
    answers.insert(status.to_owned(), answer);
    let trouble = json!({ "application/problem+json": { "schema": problem } });
    answers.insert("default".to_owned(), said("Not done, and why (RFC 9457)", trouble));
    answers.into()
}

fn said(description: &str, content: Value) -> Value {
    json!({ "description": description, "content": content })
}

fn scopes() -> String {
    let scope = |scope: &Scope| format!("- `{}`: {}", scope.word(), scope.says());
    let list: Vec<_> = Scope::ALL.iter().map(scope).collect();
    format!("A token that a person made under *Account*, *Tokens*. Its scopes:\n\n{}", list.join("\n"))
}

/// The header as people write it.
fn header_name() -> String {
    titled(UNLOCK)
}

/// A header's name as documents write it.
fn titled(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<Vec<_>>().join("-")
}

const DESCRIPTION: &str = "What the dashboard's pages do, for programs. A token stands for its person and may \
    do what its scopes name, never more than the person may. It opens no mail by itself: for that the program \
    sends the person's password and code to `POST /unlock`, once, and the session that it gets in the header \
    `Veilpost-Unlock`. Every opening of a message is in the audit log before the message is sent.";

#[cfg(test)]
mod tests {
    use super::*;

    /// `VEILPOST_BLESS=1 cargo test --lib api::openapi` writes the file anew.
    #[test]
    fn the_file_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        if std::env::var_os("VEILPOST_BLESS").is_some() {
            std::fs::write(path, document()).expect("docs is writable");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            stored == document(),
            "docs/openapi.json is not what the code says; \
             run `VEILPOST_BLESS=1 cargo test --lib api::openapi` and commit the file"
        );
    }

    #[test]
    fn every_route_is_in_the_document_under_a_name_of_its_own() {
        let document = build();
        let mut names = Vec::new();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
            assert_eq!(operation["operationId"], route.id, "{} {}", route.method, route.path);
            names.push(route.id);
        }
        let operations = document["paths"].as_object().expect("paths").values();
        let count: usize = operations.map(|place| place.as_object().map_or(0, Map::len)).sum();
        names.sort_unstable();
        names.dedup();
        assert_eq!((count, names.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = build();
        for (at, _) in document.to_string().match_indices("#/components/schemas/") {
            let text = document.to_string();
            let name = text[at + 21..].split('"').next().unwrap_or_default().to_owned();
            assert!(document["components"]["schemas"].get(&name).is_some(), "{name}");
        }
    }

    /// Mail is opened by routes that ask for an unlock, and by no other.
    #[test]
    fn mail_needs_an_unlock() {
        for route in ROUTES.iter().filter(|route| route.path.starts_with("/messages")) {
            assert_eq!(route.opening, Opening::Always, "{}", route.path);
            assert!(matches!(route.scope, Some(Scope::MailRead | Scope::MailDelete)));
        }
        assert_eq!(header_name(), "Veilpost-Unlock");
    }
}
