//! Functions: how a closure becomes one, and what a manifest says of it.

use super::call::{Call, Reply, Running};
use super::context::Context;
use super::incoming;
use super::schema::{of_input, of_output, Described};
use crate::body::{unreadable, unwritable, FromBody, Payload, ToBody};
use crate::codec::Value;
use crate::fault::{Breach, Code, Fault, Started};
use crate::line::Parcel;
use crate::wire::frame::{codec, flag};
use futures_core::Stream;
use std::any::Any;
use std::fmt::Display;
use std::future::{poll_fn, Future};
use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::sync::Arc;

const NAME_CHARACTERS_MAX: usize = 128;

/// What running a function comes to.
pub enum Begun {
    /// It has ended.
    Done(Result<Reply, Fault>),
    /// It goes on when polled.
    Running(Running),
}

type Run = Box<dyn Fn(&Arc<Call>) -> Begun + Send + Sync>;

/// One function with its contract.
pub struct Function {
    pub name: String,
    pub version: String,
    pub description: String,
    pub input: serde_json::Map<String, serde_json::Value>,
    pub output: serde_json::Map<String, serde_json::Value>,
    pub streaming: bool,
    pub input_stream: String,
    pub idempotent: bool,
    pub raw_input: bool,
    pub raw_output: bool,
    /// Why it cannot be a contract.
    pub trouble: String,
    pub run: Run,
    /// Microseconds that it ran the last time.
    pub last_us: AtomicU32,
}

/// What a function may return: a value, or a `Result` whose error is a [`Fault`] or anything that can be shown.
pub trait Outcome<Kind> {
    /// The value.
    type Value;
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Value, Fault>;
}

/// Says that a function returns its value as it is.
pub struct Plain;
/// Says that a function returns a `Result`.
pub struct Fallible;

impl<T: ToBody + Described> Outcome<Plain> for T {
    type Value = T;
    fn into_result(self) -> Result<T, Fault> {
        Ok(self)
    }
}

impl<T: ToBody + Described, E: Display + 'static> Outcome<Fallible> for Result<T, E> {
    type Value = T;
    fn into_result(self) -> Result<T, Fault> {
        self.map_err(|error| {
            let mut error = Some(error);
            let own = (&mut error as &mut dyn Any).downcast_mut::<Option<Fault>>().and_then(Option::take);
            match (own, error) {
                (Some(fault), _) => fault,
                (None, Some(error)) => Fault::from_display(error),
                (None, None) => Fault::unknown("an error without words"),
            }
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|each| each.is_ascii_alphabetic() || each == '_');
    let rest = characters.all(|each| each.is_ascii_alphanumeric() || each == '_' || each == '-');
    if first && rest && name.len() <= NAME_CHARACTERS_MAX {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot be a function's name: use a letter or '_', then letters, digits, '_' and '-', at most \
         {NAME_CHARACTERS_MAX} characters"
    ))
}

impl Function {
    fn new<In, Out>(name: &str, streaming: bool, run: Run) -> Function
    where
        In: FromBody + Described,
        Out: ToBody + Described,
    {
        let (mut trouble, input, input_stream) = match of_input::<In>() {
            Ok((schema, stream)) => (String::new(), schema, stream),
            Err(trouble) => (format!("function {name:?}: {trouble}"), serde_json::Map::new(), String::new()),
        };
        if let Err(wrong) = check_name(name) {
            trouble = wrong;
        }
        Function {
            name: name.to_string(),
            version: String::new(),
            description: String::new(),
            input,
            output: of_output::<Out>(),
            streaming,
            input_stream,
            idempotent: false,
            raw_input: In::RAW,
            raw_output: Out::RAW && !streaming,
            trouble,
            run,
            last_us: AtomicU32::new(0),
        }
    }

    /// An asynchronous function with one reply.
    pub fn asynchronous<In, F, Fut, Kind>(name: &str, f: F) -> Function
    where
        In: FromBody + Described,
        F: Fn(Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Outcome<Kind>,
        <Fut::Output as Outcome<Kind>>::Value: ToBody + Described,
    {
        let run: Run = Box::new(move |call| {
            let input = match read::<In>(call) {
                Ok(input) => input,
                Err(fault) => return Begun::Done(Err(fault)),
            };
            let future = f(Context::new(call.clone()), input);
            let call = call.clone();
            Begun::Running(Box::pin(async move { write(&call, future.await.into_result()?) }))
        });
        Function::new::<In, <Fut::Output as Outcome<Kind>>::Value>(name, false, run)
    }

    /// A function that runs on a thread until it returns.
    pub fn blocking<In, F, Out, Kind>(name: &str, f: F) -> Function
    where
        In: FromBody + Described,
        F: Fn(Context, In) -> Out + Send + Sync + 'static,
        Out: Outcome<Kind>,
        Out::Value: ToBody + Described,
    {
        let run: Run = Box::new(move |call| {
            let reply = read::<In>(call)
                .and_then(|input| f(Context::new(call.clone()), input).into_result())
                .and_then(|value| write(call, value));
            Begun::Done(reply)
        });
        Function::new::<In, Out::Value>(name, false, run)
    }

    /// A function whose reply is an asynchronous stream.
    pub fn streaming<In, F, S, Kind>(name: &str, f: F) -> Function
    where
        In: FromBody + Described,
        F: Fn(Context, In) -> S + Send + Sync + 'static,
        S: Stream + Send + 'static,
        S::Item: Outcome<Kind> + Send,
        <S::Item as Outcome<Kind>>::Value: ToBody + Described,
    {
        let run: Run = Box::new(move |call| {
            let input = match read::<In>(call) {
                Ok(input) => input,
                Err(fault) => return Begun::Done(Err(fault)),
            };
            let stream = f(Context::new(call.clone()), input);
            let call = call.clone();
            Begun::Running(Box::pin(async move {
                let mut stream = pin!(stream);
                while let Some(item) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
                    let (parcel, codec) = write_item(&call, item.into_result())?;
                    send_item(&call, parcel, codec).await?;
                }
                Ok(nothing())
            }))
        });
        Function::new::<In, <S::Item as Outcome<Kind>>::Value>(name, true, run)
    }

    /// A function whose reply is a stream, from an iterator that runs on a thread.
    pub fn iterating<In, F, I, Kind>(name: &str, f: F) -> Function
    where
        In: FromBody + Described,
        F: Fn(Context, In) -> I + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Outcome<Kind>,
        <I::Item as Outcome<Kind>>::Value: ToBody + Described,
    {
        let run: Run = Box::new(move |call| {
            Begun::Done(read::<In>(call).and_then(|input| {
                for item in f(Context::new(call.clone()), input) {
                    let (parcel, codec) = write_item(call, item.into_result())?;
                    call.server.block_on(send_item(call, parcel, codec))?;
                }
                Ok(nothing())
            }))
        });
        Function::new::<In, <I::Item as Outcome<Kind>>::Value>(name, true, run)
    }

    /// A function that writes its stream into an `Emitter`.
    pub fn emitting<In, Item, F, Fut, E>(name: &str, f: F) -> Function
    where
        In: FromBody + Described,
        Item: ToBody + Described + Send + 'static,
        F: Fn(Context, In, Emitter<Item>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        let run: Run = Box::new(move |call| {
            let input = match read::<In>(call) {
                Ok(input) => input,
                Err(fault) => return Begun::Done(Err(fault)),
            };
            let emitter = Emitter { call: call.clone(), of: std::marker::PhantomData };
            let future = f(Context::new(call.clone()), input, emitter);
            Begun::Running(Box::pin(async move {
                Outcome::<Fallible>::into_result(future.await)?;
                Ok(nothing())
            }))
        });
        Function::new::<In, Item>(name, true, run)
    }

    /// What the manifest says.
    pub fn entry(&self) -> Value {
        let text = |text: &str| Value::Text(text.to_string());
        let schema = |schema: &serde_json::Map<String, serde_json::Value>| {
            let body = serde_json::to_vec(schema).unwrap_or_default();
            crate::codec::from_json(&body).unwrap_or_default()
        };
        let mut entry = vec![
            ("name".to_string(), text(&self.name)),
            ("input".to_string(), schema(&self.input)),
            ("output".to_string(), schema(&self.output)),
        ];
        for (key, value) in
            [("version", &self.version), ("description", &self.description), ("input_stream", &self.input_stream)]
        {
            if !value.is_empty() {
                entry.push((key.to_string(), text(value)));
            }
        }
        for (key, value) in [
            ("streaming", self.streaming),
            ("idempotent", self.idempotent),
            ("raw_input", self.raw_input),
            ("raw_output", self.raw_output),
        ] {
            if value {
                entry.push((key.to_string(), Value::Bool(true)));
            }
        }
        Value::Map(entry)
    }
}

/// Where a function writes the items of its stream.
pub struct Emitter<Item> {
    call: Arc<Call>,
    of: std::marker::PhantomData<fn(Item)>,
}

impl<Item: ToBody + Send> Emitter<Item> {
    /// Send an item, once its reader has room. Fails when the call was given up.
    pub async fn send(&mut self, item: Item) -> Result<(), Fault> {
        let (parcel, codec) = write_item(&self.call, Ok(item))?;
        send_item(&self.call, parcel, codec).await
    }

    /// As [`send`](Self::send), waiting on this thread.
    pub fn send_blocking(&mut self, item: Item) -> Result<(), Fault> {
        let (parcel, codec) = write_item(&self.call, Ok(item))?;
        self.call.server.clone().block_on(send_item(&self.call, parcel, codec))
    }
}

fn nothing() -> Reply {
    (Payload::Owned(Vec::new().into()), codec::NONE)
}

fn read<In: FromBody>(call: &Arc<Call>) -> Result<In, Fault> {
    let (payload, used) = call.take_body();
    let name = call.server.name(call.function);
    let raw = matches!(used, codec::BYTES | codec::ARROW);
    if raw && !In::RAW {
        let what = format!("the input of {name} must be JSON or MessagePack: it takes no raw bytes");
        return Err(Fault::new(Code::InvalidArgument, what).with_started(Started::No));
    }
    // No input at all is an input without properties.
    let (payload, used) = match used {
        codec::NONE if !In::RAW => (Payload::Owned(b"{}".to_vec().into()), codec::JSON),
        _ => (payload, used),
    };
    let from = || In::from_body(payload, used).map_err(|error| input_fault(&error, In::RAW));
    if !call.has_input() {
        return from();
    }
    incoming::reading(call, from).map_err(|fault| {
        fault.unwrap_or_else(|| {
            let path = format!("/{}", call.server.input_stream(call.function));
            let detail = format!("the input breaks the contract at {path}: it came as a stream and in the body");
            let fault = Fault::new(Code::InvalidArgument, detail).with_started(Started::No);
            fault.with_breach(path, "came as a stream and in the body")
        })
    })
}

fn input_fault(error: &crate::codec::Error, raw: bool) -> Fault {
    let mut fault = unreadable("the input", "", error);
    if raw {
        fault.errors = vec![Breach { path: "/body".to_string(), message: error.message().to_string() }];
    }
    fault
}

fn write<Out: ToBody>(call: &Arc<Call>, value: Out) -> Result<Reply, Fault> {
    let wanted = call.reply_codec(Out::RAW);
    if matches!(wanted, codec::BYTES | codec::ARROW) && !Out::RAW {
        let name = call.server.name(call.function);
        let detail = format!("{name} has no raw output: ask for JSON or MessagePack");
        return Err(Fault::unimplemented(detail));
    }
    value.to_body(wanted).map_err(|error| unwritable("the result", &error))
}

fn write_item<Item: ToBody>(call: &Arc<Call>, item: Result<Item, Fault>) -> Result<(Parcel, u8), Fault> {
    let (payload, codec) = write(call, item?)?;
    Ok((Parcel::of(&call.server.link(), payload), codec))
}

async fn send_item(call: &Arc<Call>, parcel: Parcel, codec: u8) -> Result<(), Fault> {
    let mut parcel = Some(parcel);
    poll_fn(|context| call.server.poll_item(call, &mut parcel, codec, context)).await
}

/// Why a call cannot be run by this function.
pub fn unservable(function: &Function, call: &Call) -> Option<Fault> {
    let name = &function.name;
    let refuse = |detail: String| Some(Fault::new(Code::Unimplemented, detail).with_started(Started::No));
    if function.streaming && call.flags & flag::STREAM == 0 {
        return refuse(format!("{name} streams: call it for a stream"));
    }
    if call.has_input() && function.input_stream.is_empty() {
        return refuse(format!("{name} takes no stream: send its input as one body"));
    }
    None
}
