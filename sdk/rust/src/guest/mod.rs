//! The guest: functions of this program, served by a host.

mod call;
mod context;
mod function;
mod incoming;
mod panic;
mod schema;
mod server;

pub use context::{Cancelled, Context, Level, RawBuffer};
pub use function::{Emitter, Fallible, Outcome, Plain};
pub use incoming::{BlockingIncoming, Incoming};
pub use schema::Described;

use crate::body::{FromBody, ToBody};
use crate::os;
use crate::segments::{Arena, Arenas};
use function::Function;
use futures_core::Stream;
use server::{Around, Inherited, Server};
use std::fmt::Display;
use std::future::Future;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

const WIRE_FD: &str = "DRAGOMAN_WIRE_FD";
const WIRE_PATH: &str = "DRAGOMAN_WIRE_PATH";
const WIRE_TOKEN: &str = "DRAGOMAN_WIRE_TOKEN";
const PROGRESS_FD: &str = "DRAGOMAN_PROGRESS_FD";
const SEGMENT_IN_FD: &str = "DRAGOMAN_SEGMENT_IN_FD";
const SEGMENT_OUT_FD: &str = "DRAGOMAN_SEGMENT_OUT_FD";
/// The wire moves up here, out of the way of user code that closes and reuses low descriptors.
const WIRE_FD_LEAST: i32 = 200;
const EX_USAGE: i32 = 64;

static REGISTRY: Mutex<Vec<Function>> = Mutex::new(Vec::new());
static AROUND: Mutex<Option<Around>> = Mutex::new(None);

fn register(function: Function) -> Registered {
    let mut functions = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    functions.push(function);
    Registered { index: functions.len() - 1 }
}

/// A function that was registered, for what else its contract says.
pub struct Registered {
    index: usize,
}

impl Registered {
    fn with(self, change: impl FnOnce(&mut Function)) -> Registered {
        if let Some(function) = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.index) {
            change(function);
        }
        self
    }

    /// Its semantic version, such as `1.2.0`.
    pub fn version(self, version: &str) -> Registered {
        self.with(|function| function.version = version.to_string())
    }

    /// What it does, in words.
    pub fn about(self, description: &str) -> Registered {
        self.with(|function| function.description = description.to_string())
    }

    /// Calling it twice does no more than calling it once.
    pub fn idempotent(self) -> Registered {
        self.with(|function| function.idempotent = true)
    }

    /// A JSON Schema for its input in place of the type's own.
    pub fn input_schema(self, schema: serde_json::Value) -> Registered {
        self.with(|function| replace(&mut function.input, schema, &function.name, &mut function.trouble))
    }

    /// A JSON Schema for its result, or each of its items, in place of the type's own.
    pub fn output_schema(self, schema: serde_json::Value) -> Registered {
        self.with(|function| replace(&mut function.output, schema, &function.name, &mut function.trouble))
    }
}

type Schema = serde_json::Map<String, serde_json::Value>;

fn replace(place: &mut Schema, schema: serde_json::Value, name: &str, trouble: &mut String) {
    match schema {
        serde_json::Value::Object(members) => *place = members,
        other => *trouble = format!("function {name:?}: a schema is a JSON object, not {other}"),
    }
}

/// Offer an asynchronous function.
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Greet {
///     name: String,
/// }
///
/// dragoman::function("greet", |_ctx, input: Greet| async move { format!("Hello, {}!", input.name) });
/// ```
pub fn function<In, F, Fut, Kind>(name: &str, f: F) -> Registered
where
    In: FromBody + Described,
    F: Fn(Context, In) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Outcome<Kind>,
    <Fut::Output as Outcome<Kind>>::Value: ToBody + Described,
{
    register(Function::asynchronous(name, f))
}

/// Offer a function that computes or blocks until it returns. It runs on a thread of its own for that time.
pub fn blocking<In, F, Out, Kind>(name: &str, f: F) -> Registered
where
    In: FromBody + Described,
    F: Fn(Context, In) -> Out + Send + Sync + 'static,
    Out: Outcome<Kind>,
    Out::Value: ToBody + Described,
{
    register(Function::blocking(name, f))
}

/// Offer a function whose reply is an asynchronous stream: any `futures_core::Stream`, of items or of `Result`s.
pub fn stream<In, F, S, Kind>(name: &str, f: F) -> Registered
where
    In: FromBody + Described,
    F: Fn(Context, In) -> S + Send + Sync + 'static,
    S: Stream + Send + 'static,
    S::Item: Outcome<Kind> + Send,
    <S::Item as Outcome<Kind>>::Value: ToBody + Described,
{
    register(Function::streaming(name, f))
}

/// Offer a function whose reply is a stream, from an iterator that runs on a thread.
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Count {
///     to: u32,
/// }
///
/// dragoman::iterate("count", |_ctx, input: Count| 0..input.to);
/// ```
pub fn iterate<In, F, I, Kind>(name: &str, f: F) -> Registered
where
    In: FromBody + Described,
    F: Fn(Context, In) -> I + Send + Sync + 'static,
    I: IntoIterator,
    I::Item: Outcome<Kind>,
    <I::Item as Outcome<Kind>>::Value: ToBody + Described,
{
    register(Function::iterating(name, f))
}

/// Offer an asynchronous function that writes its stream into an [`Emitter`].
pub fn emit<In, Item, F, Fut, E>(name: &str, f: F) -> Registered
where
    In: FromBody + Described,
    Item: ToBody + Described + Send + 'static,
    F: Fn(Context, In, Emitter<Item>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + 'static,
{
    register(Function::emitting(name, f))
}

/// Have all user code run within something: `dragoman::around(move |run| { let _guard = handle.enter(); run() })` gives
/// it the timers and sockets of a tokio runtime.
pub fn around(within: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) {
    *AROUND.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(within));
}

/// Wait for a while in an asynchronous function.
pub fn sleep(span: std::time::Duration) -> crate::timer::Sleep {
    crate::timer::sleep(span)
}

/// The input of a function that takes none.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Empty {}

fn adopt(name: &str, least: i32) -> Result<Option<OwnedFd>, String> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    std::env::remove_var(name);
    let number: i32 = text.parse().map_err(|_| format!("{name} is {text:?}, which is no descriptor"))?;
    // Where so many files may not be open it stays lower.
    let copy = os::duplicate(number, least)
        .or_else(|_| os::duplicate(number, number + 1))
        .map_err(|error| format!("{name}={text}: {error}"))?;
    // SAFETY: the host gave this descriptor to the worker, for this use only; the copy was just made.
    unsafe {
        drop(OwnedFd::from_raw_fd(number));
        Ok(Some(OwnedFd::from_raw_fd(copy)))
    }
}

fn inherited() -> Result<Inherited, String> {
    let socket = adopt(WIRE_FD, WIRE_FD_LEAST)?;
    let (path, token) = (std::env::var(WIRE_PATH).ok(), std::env::var(WIRE_TOKEN).unwrap_or_default());
    std::env::remove_var(WIRE_PATH);
    std::env::remove_var(WIRE_TOKEN);
    let (wire, token) = match (socket, path) {
        (Some(socket), _) => (socket, String::new()),
        (None, Some(path)) => {
            let connected = std::os::unix::net::UnixStream::connect(&path);
            (connected.map_err(|error| format!("{WIRE_PATH}={path}: {error}"))?.into(), token)
        }
        (None, None) => {
            return Err(format!(
                "this program offers functions to a Dragoman host, which starts it: neither {WIRE_FD} nor {WIRE_PATH} \
                 is set. Try `dragoman serve` in its folder"
            ));
        }
    };
    let page = adopt(PROGRESS_FD, WIRE_FD_LEAST)?;
    let arenas = match (adopt(SEGMENT_IN_FD, WIRE_FD_LEAST)?, adopt(SEGMENT_OUT_FD, WIRE_FD_LEAST)?) {
        (Some(incoming), Some(outgoing)) => {
            let open = |file, writable| Arena::new(file, writable).map_err(|error| format!("an arena: {error}"));
            Some(Arenas { incoming: open(incoming, false)?, outgoing: open(outgoing, true)? })
        }
        _ => None,
    };
    Ok(Inherited { wire, page, arenas, token })
}

/// Refuse what cannot be a manifest.
fn check(functions: Vec<Function>) -> Result<Vec<Function>, String> {
    if functions.is_empty() {
        return Err("no function was registered before `dragoman::run()`".to_string());
    }
    for (at, function) in functions.iter().enumerate() {
        if !function.trouble.is_empty() {
            return Err(function.trouble.clone());
        }
        if functions[..at].iter().any(|other| other.name == function.name) {
            return Err(format!("two functions are named {:?}: give one of the two another name", function.name));
        }
    }
    Ok(functions)
}

/// Serve the functions that were registered, until the host says that it is enough. To be called last in `main`.
pub fn run() {
    panic::install();
    let inherited = match inherited() {
        Ok(inherited) => inherited,
        Err(trouble) => {
            eprintln!("dragoman: {trouble}");
            std::process::exit(EX_USAGE);
        }
    };
    let around = AROUND.lock().unwrap_or_else(PoisonError::into_inner).take();
    Server::serve(inherited, around, |_| {
        check(std::mem::take(&mut *REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)))
    });
}
