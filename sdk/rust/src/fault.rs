//! Faults: the closed set of ways a call can fail, each with a gRPC code and an answer to "did it start?".

use crate::codec::{json_value, Value};
use crate::wire::frame::{ProtocolFault, REPORT_BYTES_MAX};
use std::fmt;

/// A detail is cut here: a message may hold a whole data set, and a caller reads the first page.
const DETAIL_BYTES_MAX: usize = 16 * 1024;
/// A traceback or log line is cut here: past it nobody reads, and even escaped sixfold it fits the frame.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Breaches named in one fault; fewer where they would not fit the frame.
const BREACHES_MAX: usize = 1000;
const BREACH_BYTES_MAX: usize = 200;

macro_rules! codes {
    ($($(#[$about:meta])* $name:ident $text:literal $make:ident;)*) => {
        /// The gRPC status codes that a fault may carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$about])* $name,)*
        }

        impl Code {
            /// The name that travels.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }

            /// The code of a name; an unknown one is `Unknown`.
            pub fn of(name: &str) -> Code {
                match name {
                    $($text => Code::$name,)*
                    _ => Code::Unknown,
                }
            }
        }

        impl Fault {
            $(
                $(#[$about])*
                pub fn $make(detail: impl Into<String>) -> Fault {
                    Fault::new(Code::$name, detail)
                }
            )*
        }
    };
}

codes! {
    /// The caller went away or cancelled.
    Cancelled "CANCELLED" cancelled;
    /// User code failed.
    Unknown "UNKNOWN" unknown;
    /// Input breaks the contract, or the function's own rules for it.
    InvalidArgument "INVALID_ARGUMENT" invalid_argument;
    /// Out of time.
    DeadlineExceeded "DEADLINE_EXCEEDED" deadline_exceeded;
    /// No such function, task or thing.
    NotFound "NOT_FOUND" not_found;
    /// The thing to be made is there already.
    AlreadyExists "ALREADY_EXISTS" already_exists;
    /// The caller may not do this.
    PermissionDenied "PERMISSION_DENIED" permission_denied;
    /// A limit, quota or queue is full.
    ResourceExhausted "RESOURCE_EXHAUSTED" resource_exhausted;
    /// The world is not in the state that the function needs.
    FailedPrecondition "FAILED_PRECONDITION" failed_precondition;
    /// A conflict with another call; trying again may work.
    Aborted "ABORTED" aborted;
    /// A position past the end, a value outside what is there.
    OutOfRange "OUT_OF_RANGE" out_of_range;
    /// This function cannot do that.
    Unimplemented "UNIMPLEMENTED" unimplemented;
    /// The host is at fault.
    Internal "INTERNAL" internal;
    /// Nobody can serve the call now.
    Unavailable "UNAVAILABLE" unavailable;
    /// A frame or a body was corrupted.
    DataLoss "DATA_LOSS" data_loss;
    /// The caller did not say who it is, or not believably.
    Unauthenticated "UNAUTHENTICATED" unauthenticated;
}

/// Whether the function had begun when the call failed; it decides who may retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Started {
    /// It never began: anyone may retry.
    No,
    /// It began.
    Yes,
    /// Nobody knows.
    Unknown,
}

impl Started {
    /// The word that travels.
    pub fn as_str(self) -> &'static str {
        match self {
            Started::No => "no",
            Started::Yes => "yes",
            Started::Unknown => "unknown",
        }
    }
}

/// One place where a value breaks its contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// A JSON Pointer (RFC 6901).
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// A call that failed. Return one from a function; get one from a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What went wrong, of a closed set.
    pub code: Code,
    /// For people.
    pub detail: String,
    /// Whether the function had begun.
    pub started: Started,
    /// Breaches of the contract.
    pub errors: Vec<Breach>,
    /// Where it went wrong, for the log.
    pub traceback: String,
    /// Seconds after which a retry makes sense.
    pub retry_after_s: Option<f64>,
    /// The function that failed, where it was called from here.
    pub function: String,
}

impl Fault {
    /// A fault of a code. As a function raises it: it says that the function had begun.
    pub fn new(code: Code, detail: impl Into<String>) -> Fault {
        Fault {
            code,
            detail: detail.into(),
            started: Started::Yes,
            errors: Vec::new(),
            traceback: String::new(),
            retry_after_s: None,
            function: String::new(),
        }
    }

    /// With another answer to "did it start?".
    #[must_use]
    pub fn with_started(mut self, started: Started) -> Fault {
        self.started = started;
        self
    }

    /// With one more breach of the contract.
    #[must_use]
    pub fn with_breach(mut self, path: impl Into<String>, message: impl Into<String>) -> Fault {
        self.errors.push(Breach { path: path.into(), message: message.into() });
        self
    }

    /// With a hint when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: f64) -> Fault {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Whether the call never ran and the condition may pass, so that anyone may safely try again.
    pub fn is_retryable(&self) -> bool {
        let passing = matches!(self.code, Code::ResourceExhausted | Code::Unavailable | Code::Aborted);
        self.started == Started::No && passing
    }

    /// The fault of any error: `UNKNOWN`, with type and message.
    pub fn from_display<E: fmt::Display>(error: E) -> Fault {
        let message = error.to_string();
        let name = short_name(std::any::type_name::<E>());
        Fault::unknown(if name.is_empty() { message } else { format!("{name}: {message}") })
    }

    /// The body of FAULT. Whatever is in the fault, this fits its frame.
    #[doc(hidden)]
    pub fn dump(&self) -> Vec<u8> {
        let mut breaches = self.errors.len().min(BREACHES_MAX);
        loop {
            let body = self.dump_with(breaches);
            if body.len() <= REPORT_BYTES_MAX as usize || breaches == 0 {
                return body;
            }
            breaches /= 2;
        }
    }

    fn dump_with(&self, breaches: usize) -> Vec<u8> {
        let text = |text: &str, most: usize| Value::Text(cut(text, most).into_owned());
        let mut body = vec![
            ("code".to_string(), Value::Text(self.code.as_str().to_string())),
            ("detail".to_string(), text(&self.detail, DETAIL_BYTES_MAX)),
            ("started".to_string(), Value::Text(self.started.as_str().to_string())),
        ];
        if breaches > 0 {
            let entry = |breach: &Breach| {
                Value::Map(vec![
                    ("path".to_string(), text(&breach.path, BREACH_BYTES_MAX)),
                    ("message".to_string(), text(&breach.message, BREACH_BYTES_MAX)),
                ])
            };
            body.push(("errors".to_string(), Value::List(self.errors[..breaches].iter().map(entry).collect())));
        }
        if !self.traceback.is_empty() {
            body.push(("traceback".to_string(), text(&self.traceback, TEXT_BYTES_MAX)));
        }
        if let Some(seconds) = self.retry_after_s.filter(|seconds| seconds.is_finite()) {
            body.push(("retry_after_s".to_string(), Value::Float(seconds)));
        }
        crate::codec::to_json(&Value::Map(body)).unwrap_or_default()
    }

    /// Read the body of FAULT.
    #[doc(hidden)]
    pub fn load(body: &[u8]) -> Result<Fault, ProtocolFault> {
        let document = document(body, "FAULT")?;
        let started = match text_of(&document, "started", "FAULT", Some("unknown"))? {
            "no" => Started::No,
            "yes" => Started::Yes,
            _ => Started::Unknown,
        };
        let errors = match document.get("errors") {
            None => Vec::new(),
            Some(Value::List(entries)) => {
                entries.iter().take(BREACHES_MAX).map(breach).collect::<Result<Vec<Breach>, ProtocolFault>>()?
            }
            Some(other) => return Err(wrong("FAULT", "errors", "a list", Some(other))),
        };
        let retry_after_s = match document.get("retry_after_s") {
            None => None,
            Some(number) => match number.as_f64() {
                Some(number) => Some(number),
                None => return Err(wrong("FAULT", "retry_after_s", "a number", Some(number))),
            },
        };
        Ok(Fault {
            code: Code::of(text_of(&document, "code", "FAULT", None)?),
            detail: text_of(&document, "detail", "FAULT", Some(""))?.to_string(),
            started,
            errors,
            traceback: text_of(&document, "traceback", "FAULT", Some(""))?.to_string(),
            retry_after_s,
            function: String::new(),
        })
    }
}

fn breach(entry: &Value) -> Result<Breach, ProtocolFault> {
    if !matches!(entry, Value::Map(_)) {
        return Err(wrong("FAULT", "errors", "a list of objects", Some(entry)));
    }
    Ok(Breach {
        path: text_of(entry, "path", "FAULT", Some(""))?.to_string(),
        message: text_of(entry, "message", "FAULT", Some(""))?.to_string(),
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code.as_str())?;
        if !self.function.is_empty() {
            write!(f, "{}: ", self.function)?;
        }
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Fault {}

macro_rules! from_errors {
    ($($type:ty)*) => {$(
        impl From<$type> for Fault {
            fn from(error: $type) -> Fault {
                Fault::from_display(error)
            }
        }
    )*};
}

from_errors! {
    std::io::Error std::fmt::Error std::num::ParseIntError std::num::ParseFloatError std::str::Utf8Error
    std::string::FromUtf8Error std::env::VarError std::num::TryFromIntError serde_json::Error
    Box<dyn std::error::Error> Box<dyn std::error::Error + Send + Sync>
}

impl From<String> for Fault {
    fn from(detail: String) -> Fault {
        Fault::unknown(detail)
    }
}

impl From<&str> for Fault {
    fn from(detail: &str) -> Fault {
        Fault::unknown(detail)
    }
}

/// `std::io::error::Error` is `Error`, and a box of an error has no name worth telling.
fn short_name(name: &str) -> &str {
    let plain = name.split('<').next().unwrap_or(name);
    if plain.contains("Box") || plain.contains("str") || plain == "alloc::string::String" {
        return "";
    }
    plain.rsplit("::").next().unwrap_or(plain)
}

/// Cut a text to at most so many bytes, at a character.
pub(crate) fn cut(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = (0..=most - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

/// Read a JSON body, which must be an object.
pub(crate) fn document(body: &[u8], what: &str) -> Result<Value, ProtocolFault> {
    let document = json_value(body, true)
        .map_err(|error| ProtocolFault::new("json", format!("the body of {what} is not JSON: {error}")))?;
    match document {
        Value::Map(_) => Ok(document),
        other => Err(ProtocolFault::new("json", format!("the body of {what} is {}, not an object", other.kind()))),
    }
}

pub(crate) fn wrong(what: &str, key: &str, wanted: &str, found: Option<&Value>) -> ProtocolFault {
    let found = found.map_or("missing", Value::kind);
    ProtocolFault::new("json", format!("{what}: `{key}` must be {wanted}, not {found}"))
}

/// A text of an object; an absent one is the default, or a fault where there is none.
pub(crate) fn text_of<'a>(
    document: &'a Value,
    key: &str,
    what: &str,
    default: Option<&'a str>,
) -> Result<&'a str, ProtocolFault> {
    match (document.get(key), default) {
        (Some(Value::Text(text)), _) => Ok(text),
        (None, Some(default)) => Ok(default),
        (found, _) => Err(wrong(what, key, "text", found)),
    }
}
