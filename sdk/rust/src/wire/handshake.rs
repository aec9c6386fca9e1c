//! The handshake: HELLO from the host, READY from the guest. Known keys are checked strictly, unknown ones ignored.

use super::frame::{ProtocolFault, FRAME_BYTES_MAX, READY_BYTES_MAX, VERSION};
use crate::codec::{to_json, Value};
use crate::fault::{document, text_of, wrong};

/// A sender's credit never exceeds this.
pub const CREDIT_BYTES_MAX: u64 = 1 << 31;
const FUNCTIONS_MAX: usize = 10_000;

/// What a connection accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `length` of CALL, ITEM and END at most.
    pub frame_bytes_max: u32,
    /// First window of every stream.
    pub credit_bytes: u64,
    /// Calls in flight, each way.
    pub calls_max: u64,
    /// Bodies from this size on should travel in shared memory.
    pub segment_from_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame_bytes_max: FRAME_BYTES_MAX, credit_bytes: 262_144, calls_max: 4096, segment_from_bytes: 262_144 }
    }
}

/// What a host says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub host: String,
    pub versions: (u64, u64),
    pub source: String,
    pub call_prefix: String,
    pub concurrency: u64,
    pub debug: bool,
    pub service: String,
    pub features: Vec<String>,
    pub limits: Limits,
}

impl Hello {
    /// The public id of a call that carries no CALL_ID of its own.
    pub fn call_id(&self, call: u64) -> String {
        format!("{}{call:08x}", self.call_prefix)
    }
}

/// What a guest answers. `functions` is its manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    pub token: String,
    pub language: String,
    pub language_version: String,
    pub library: String,
    pub features: Vec<String>,
    pub functions: Vec<Value>,
}

fn integer(document: &Value, key: &str, least: u64, default: u64) -> Result<u64, ProtocolFault> {
    let value = match document.get(key) {
        None => return Ok(default),
        Some(Value::Int(value)) => u64::try_from(*value).unwrap_or(if *value < 0 { 0 } else { u64::MAX }),
        Some(Value::BigInt(value)) => {
            if value.as_str().starts_with('-') {
                0
            } else {
                u64::MAX
            }
        }
        Some(other) => return Err(wrong("HELLO", key, "a whole number", Some(other))),
    };
    if value < least {
        return Err(ProtocolFault::new("handshake", format!("HELLO: `{key}` is {value}; it must be at least {least}")));
    }
    Ok(value)
}

fn texts(document: &Value, key: &str, what: &str) -> Result<Vec<String>, ProtocolFault> {
    match document.get(key) {
        None => Ok(Vec::new()),
        Some(Value::List(items)) => items
            .iter()
            .map(|item| {
                item.as_str().map(str::to_string).ok_or_else(|| wrong(what, key, "a list of texts", Some(item)))
            })
            .collect(),
        Some(other) => Err(wrong(what, key, "a list of texts", Some(other))),
    }
}

fn versions(document: &Value) -> Result<(u64, u64), ProtocolFault> {
    let bad = |detail: &str| ProtocolFault::new("handshake", format!("HELLO: {detail}"));
    let found = match document.get("versions") {
        Some(Value::List(items)) => items,
        None => return Err(bad("`versions` must be [lowest, highest]")),
        Some(other) => return Err(wrong("HELLO", "versions", "a list", Some(other))),
    };
    let [Value::Int(lowest), Value::Int(highest)] = found.as_slice() else {
        return Err(bad("`versions` must be [lowest, highest]"));
    };
    match (u64::try_from(*lowest), u64::try_from(*highest)) {
        (Ok(low), Ok(high)) if 1 <= low && low <= high => Ok((low, high)),
        _ => Err(bad("`versions` is not a range from 1 up")),
    }
}

/// Read the body of HELLO.
pub fn load_hello(body: &[u8]) -> Result<Hello, ProtocolFault> {
    let document = document(body, "HELLO")?;
    let empty = Value::Map(Vec::new());
    let limits = match document.get("limits") {
        None => &empty,
        Some(limits @ Value::Map(_)) => limits,
        Some(other) => return Err(wrong("HELLO", "limits", "an object", Some(other))),
    };
    let text = |key: &str| text_of(&document, key, "HELLO", Some("")).map(str::to_string);
    let usual = Limits::default();
    let frame = integer(limits, "frame_bytes_max", 65_536, usual.frame_bytes_max.into())?;
    Ok(Hello {
        host: text_of(&document, "host", "HELLO", None)?.to_string(),
        source: text("source")?,
        call_prefix: text("call_prefix")?,
        concurrency: integer(&document, "concurrency", 1, 1)?,
        debug: document.get("debug") == Some(&Value::Bool(true)),
        service: text("service")?,
        features: texts(&document, "features", "HELLO")?,
        limits: Limits {
            frame_bytes_max: frame.min(u32::MAX.into()) as u32,
            credit_bytes: integer(limits, "credit_bytes", 32, usual.credit_bytes)?.min(CREDIT_BYTES_MAX),
            calls_max: integer(limits, "calls_max", 1, usual.calls_max)?,
            segment_from_bytes: integer(limits, "segment_from_bytes", 1, usual.segment_from_bytes)?,
        },
        versions: versions(&document)?,
    })
}

fn pair(key: &str, value: Value) -> (String, Value) {
    (key.to_string(), value)
}

fn text(key: &str, value: &str) -> (String, Value) {
    pair(key, Value::Text(value.to_string()))
}

/// The body of HELLO.
pub fn dump_hello(hello: &Hello) -> Vec<u8> {
    let number = |value: u64| Value::Int(value.into());
    let limits = vec![
        pair("frame_bytes_max", number(hello.limits.frame_bytes_max.into())),
        pair("credit_bytes", number(hello.limits.credit_bytes)),
        pair("calls_max", number(hello.limits.calls_max)),
        pair("segment_from_bytes", number(hello.limits.segment_from_bytes)),
    ];
    let body = vec![
        text("host", &hello.host),
        pair("versions", Value::List(vec![number(hello.versions.0), number(hello.versions.1)])),
        text("source", &hello.source),
        text("call_prefix", &hello.call_prefix),
        pair("concurrency", number(hello.concurrency)),
        pair("debug", Value::Bool(hello.debug)),
        text("service", &hello.service),
        pair("features", Value::List(hello.features.iter().cloned().map(Value::Text).collect())),
        pair("limits", Value::Map(limits)),
    ];
    to_json(&Value::Map(body)).unwrap_or_default()
}

/// The body of READY. Refuses a manifest that is too large.
pub fn dump_ready(ready: &Ready) -> Result<Vec<u8>, String> {
    if ready.functions.len() > FUNCTIONS_MAX {
        return Err(format!("{} functions; a worker offers at most {FUNCTIONS_MAX}", ready.functions.len()));
    }
    let mut body = Vec::new();
    if !ready.token.is_empty() {
        body.push(text("token", &ready.token));
    }
    body.push(pair("version", Value::Int(VERSION.into())));
    body.push(text("language", &ready.language));
    body.push(text("language_version", &ready.language_version));
    body.push(text("library", &ready.library));
    body.push(pair("features", Value::List(ready.features.iter().cloned().map(Value::Text).collect())));
    body.push(pair("functions", Value::List(ready.functions.clone())));
    let body = to_json(&Value::Map(body)).map_err(|error| format!("the manifest is not JSON: {error}"))?;
    if body.len() > READY_BYTES_MAX as usize {
        return Err(format!("a manifest of {} bytes; READY takes at most {READY_BYTES_MAX}", body.len()));
    }
    Ok(body)
}

/// Read the body of READY, which must choose one of the versions offered.
pub fn load_ready(body: &[u8], offered: (u64, u64)) -> Result<Ready, ProtocolFault> {
    let document = document(body, "READY")?;
    let version = match document.get("version") {
        Some(Value::Int(version)) => *version,
        found => return Err(wrong("READY", "version", "a whole number", found)),
    };
    if version < i128::from(offered.0) || version > i128::from(offered.1) {
        let detail = format!("READY chose version {version}; offered were {} to {}", offered.0, offered.1);
        return Err(ProtocolFault::new("handshake", detail));
    }
    let functions = match document.get("functions") {
        None => Vec::new(),
        Some(Value::List(functions)) => functions.clone(),
        Some(other) => return Err(wrong("READY", "functions", "a list", Some(other))),
    };
    if functions.len() > FUNCTIONS_MAX {
        let detail = format!("READY: {} functions; at most {FUNCTIONS_MAX} are taken", functions.len());
        return Err(ProtocolFault::new("handshake", detail));
    }
    if let Some(other) = functions.iter().find(|each| !matches!(each, Value::Map(_))) {
        return Err(wrong("READY", "functions", "a list of objects", Some(other)));
    }
    let text = |key: &str| text_of(&document, key, "READY", Some("")).map(str::to_string);
    Ok(Ready {
        token: text("token")?,
        language: text_of(&document, "language", "READY", None)?.to_string(),
        language_version: text("language_version")?,
        library: text("library")?,
        features: texts(&document, "features", "READY")?,
        functions,
    })
}

/// Refuse a host with which there is no common version.
pub fn negotiate(offered: (u64, u64)) -> Result<(), ProtocolFault> {
    let spoken = u64::from(VERSION);
    if offered.0 <= spoken && spoken <= offered.1 {
        return Ok(());
    }
    let detail = format!(
        "no common version: the host speaks {} to {}, this guest {spoken}: build it with a version of the dragoman crate \
         that the host knows",
        offered.0, offered.1
    );
    Err(ProtocolFault::new("handshake", detail))
}

/// An event as a guest reports it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Log { message: String, level: String, stream: String },
    Progress { share: f64, message: String },
    Other,
}

/// Read the body of EVENT.
pub fn load_event(body: &[u8]) -> Result<Event, ProtocolFault> {
    let document = document(body, "EVENT")?;
    let section = |key: &str| match document.get(key) {
        Some(section @ Value::Map(_)) => Ok(Some(section)),
        Some(other) => Err(wrong("EVENT", key, "an object", Some(other))),
        None => Ok(None),
    };
    if let Some(log) = section("log")? {
        if let Some(other) = log.get("fields").filter(|fields| !matches!(fields, Value::Map(_))) {
            return Err(wrong("EVENT", "fields", "an object", Some(other)));
        }
        return Ok(Event::Log {
            message: text_of(log, "message", "EVENT", None)?.to_string(),
            level: text_of(log, "level", "EVENT", Some("info"))?.to_string(),
            stream: text_of(log, "stream", "EVENT", Some("log"))?.to_string(),
        });
    }
    if let Some(progress) = section("progress")? {
        let share = match progress.get("share").map(|share| (share, share.as_f64())) {
            Some((_, Some(share))) => share.clamp(0.0, 1.0),
            Some((other, None)) => return Err(wrong("EVENT", "share", "a number", Some(other))),
            None => return Err(wrong("EVENT", "share", "a number", None)),
        };
        let message = text_of(progress, "message", "EVENT", Some(""))?.to_string();
        return Ok(Event::Progress { share, message });
    }
    Ok(Event::Other)
}
