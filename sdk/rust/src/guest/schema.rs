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
            members.values_mut().for_each(bound);
        }
        _ => {}
    }
}

/// Of a function's input: the schema, and the property that may come as a stream.
pub fn of_input<T: FromBody + Described>() -> Result<(Map<String, Value>, String), String> {
    let mut schema = T::input_schema();
    let named = schema.get("type").and_then(Value::as_str);
    let several = ["oneOf", "anyOf", "allOf", "$ref"].iter().any(|key| schema.contains_key(*key));
    if schema.is_empty() {
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
