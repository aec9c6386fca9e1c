//! JSON Schema 2020-12 of Rust types, by schemars, said the way of SPEC.md §18.

use super::incoming::INPUT_STREAM;
use crate::body::{FromBody, ToBody};
use schemars::generate::SchemaSettings;
use schemars::JsonSchema;
use serde_json::{json, Map, Value};

fn generate<T: JsonSchema>(input: bool) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let settings = if input { settings.for_deserialize() } else { settings.for_serialize() };
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    bound(&mut schema);
    if input {
        close(&mut schema, false);
    }
    match schema {
        Value::Object(members) => members,
        // `true`: anything goes.
        _ => Map::new(),
    }
}

/// A fixed width says `minimum` and `maximum`; formats that only Rust knows are left out.
fn bound(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(bound),
        Value::Object(members) => {
            // A property may be called `format`: then it is no text.
            let format = members.get("format").and_then(Value::as_str).unwrap_or("").to_string();
            let limits = match format.as_str() {
                "int8" => Some((json!(i8::MIN), json!(i8::MAX))),
                "int16" => Some((json!(i16::MIN), json!(i16::MAX))),
                "int32" => Some((json!(i32::MIN), json!(i32::MAX))),
                "int64" | "int" => Some((json!(i64::MIN), json!(i64::MAX))),
                "uint8" => Some((json!(0), json!(u8::MAX))),
                "uint16" => Some((json!(0), json!(u16::MAX))),
                "uint32" => Some((json!(0), json!(u32::MAX))),
                "uint64" | "uint" => Some((json!(0), json!(u64::MAX))),
                _ => None,
            };
            if let Some((least, most)) = limits {
                members.remove("format");
                members.entry("minimum").or_insert(least);
                members.entry("maximum").or_insert(most);
            } else if matches!(format.as_str(), "int128" | "uint128" | "float" | "double") {
                members.remove("format");
            }
            let constants = ["const", "enum", "default", "examples"];
            let words = members.iter_mut().filter(|(key, _)| !constants.contains(&key.as_str()));
            words.for_each(|(_, member)| bound(member));
        }
        _ => {}
    }
}

/// An input takes no keys that its type does not name. Where types are flattened into one another, no single schema
/// knows all the names, and unknown ones pass.
fn close(schema: &mut Value, flattened: bool) {
    const COMBINING: [&str; 4] = ["oneOf", "anyOf", "allOf", "$ref"];
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, flattened)),
        Value::Object(members) => {
            let combines = COMBINING.iter().any(|key| members.contains_key(*key));
            let named = members.contains_key("properties");
            let said = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
            if named && !combines && !flattened && !said.iter().any(|key| members.contains_key(*key)) {
                members.insert("additionalProperties".to_string(), json!(false));
            }
            for (key, member) in members.iter_mut() {
                let within = COMBINING.contains(&key.as_str()) && (flattened || named);
                match (key.as_str(), member) {
                    // The keys of these are names, not words of the schema.
                    ("properties" | "$defs", Value::Object(inner)) => {
                        inner.values_mut().for_each(|inner| close(inner, false));
                    }
                    ("const" | "enum" | "default" | "examples", _) => {}
                    (_, member) => close(member, within),
                }
            }
        }
        _ => {}
    }
}

/// Of a function's input: the schema, and the property that may come as a stream.
pub fn of_input<T: FromBody + Described>() -> Result<(Map<String, Value>, String), String> {
    let mut schema = T::input_schema();
    let named = schema.get("type").and_then(Value::as_str);
    let several = ["oneOf", "anyOf", "allOf", "$ref"].iter().any(|key| schema.contains_key(*key));
    let says = ["oneOf", "anyOf", "allOf", "$ref", "type", "enum", "const", "not"];
    if !says.iter().any(|key| schema.contains_key(*key)) {
        schema.insert("type".to_string(), json!("object"));
    } else if named != Some("object") && !(named.is_none() && several) {
        let name = std::any::type_name::<T>();
        return Err(format!(
            "its input is {name}, which is no object: take a struct (or `Empty`) that derives Deserialize and JsonSchema"
        ));
    }
    let mut stream = String::new();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            if property.as_object_mut().and_then(|members| members.remove(INPUT_STREAM)).is_none() {
                continue;
            }
            if !stream.is_empty() {
                return Err(format!("its input has two streams, `{stream}` and `{name}`; one may come as a stream"));
            }
            stream.clone_from(name);
        }
    }
    if Value::Object(schema.clone()).to_string().contains(INPUT_STREAM) {
        return Err("an `Incoming` stands inside another type; it must be a property of the input itself".to_string());
    }
    Ok((schema, stream))
}

/// A type with a schema: any `JsonSchema`, or `Raw`.
pub trait Described {
    #[doc(hidden)]
    fn input_schema() -> Map<String, Value>;
    #[doc(hidden)]
    fn output_schema() -> Map<String, Value>;
}

impl<T: JsonSchema> Described for T {
    fn input_schema() -> Map<String, Value> {
        generate::<T>(true)
    }
    fn output_schema() -> Map<String, Value> {
        generate::<T>(false)
    }
}

fn bytes() -> Value {
    json!({"type": "string", "contentEncoding": "base64"})
}

impl Described for crate::Raw {
    fn input_schema() -> Map<String, Value> {
        let body = json!({"type": "object", "properties": {"body": bytes()}, "required": ["body"]});
        body.as_object().cloned().unwrap_or_default()
    }
    fn output_schema() -> Map<String, Value> {
        bytes().as_object().cloned().unwrap_or_default()
    }
}

/// What an output must be.
pub fn of_output<T: ToBody + Described>() -> Map<String, Value> {
    T::output_schema()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Inner {
        format: u8,
        #[serde(default)]
        maybe: Option<i64>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code)]
    enum Shape {
        Circle { radius: f64 },
        Square { side: u32 },
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Outer {
        inner: Inner,
        shapes: Vec<Shape>,
        map: std::collections::BTreeMap<String, u8>,
        numbers: crate::Incoming<u16>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Flat {
        id: u64,
        #[serde(flatten)]
        shape: Shape,
    }

    #[test]
    fn widths_are_bounds_and_unknown_keys_are_refused() {
        let (schema, stream) = of_input::<Outer>().unwrap();
        assert_eq!(stream, "numbers");
        let schema = Value::Object(schema);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["map"]["additionalProperties"]["maximum"], 255);
        assert_eq!(
            schema["properties"]["numbers"],
            json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 65535}})
        );
        let inner = &schema["$defs"]["Inner"];
        assert_eq!(inner["additionalProperties"], false);
        assert_eq!(inner["properties"]["format"], json!({"type": "integer", "minimum": 0, "maximum": 255}));
        assert_eq!(inner["properties"]["maybe"]["maximum"], i64::MAX);
        let shape = &schema["$defs"]["Shape"]["oneOf"][0];
        assert_eq!(
            (&shape["additionalProperties"], &shape["properties"]["kind"]["const"]),
            (&json!(false), &json!("Circle"))
        );
    }

    #[test]
    fn flattened_types_stay_open() {
        let (schema, _) = of_input::<Flat>().unwrap();
        let text = Value::Object(schema).to_string();
        assert!(!text.contains("additionalProperties"), "{text}");
    }

    #[test]
    fn what_is_no_object_is_no_input() {
        assert!(of_input::<Vec<u8>>().unwrap_err().contains("no object"));
        assert!(of_input::<()>().is_err());
        assert!(of_input::<String>().is_err());
        assert!(of_input::<crate::Raw>().is_ok());
        assert!(of_input::<crate::Empty>().is_ok());
        assert_eq!(of_input::<serde_json::Value>().unwrap().0["type"], "object");
    }
}
