//! The property of an input that may come as a stream.

use super::call::Call;
use crate::body::{unreadable, FromBody, Payload};
use crate::fault::{Fault, Started};
use futures_core::Stream;
use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Marks the property in a schema until the manifest is made.
pub const INPUT_STREAM: &str = "x-dragoman-input-stream";

thread_local! {
    /// The call whose input is being read, where its stream was not yet given to anyone.
    static LIVE: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// Read an input whose stream follows. `Err(None)`: the type took no stream, or the body has the property all the same.
pub fn reading<T>(call: &Arc<Call>, read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Option<Fault>> {
    LIVE.with(|live| *live.borrow_mut() = Some(call.clone()));
    let result = read();
    let unused = LIVE.with(|live| live.borrow_mut().take()).is_some();
    match result {
        Ok(_) if unused => Err(None),
        other => other.map_err(Some),
    }
}

enum Source<T> {
    Whole(std::vec::IntoIter<T>),
    Live(Arc<Call>),
}

/// The values of one property of an input, one by one: as the caller sends them, or from the array that it sent whole.
///
/// ```
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Sum {
///     numbers: dragoman::Incoming<i64>,
/// }
///
/// async fn sum(_: dragoman::Context, mut input: Sum) -> Result<i64, dragoman::Fault> {
///     let mut total = 0;
///     while let Some(number) = input.numbers.next().await {
///         total += number?;
///     }
///     Ok(total)
/// }
/// ```
pub struct Incoming<T> {
    source: Source<T>,
    done: bool,
}

impl<T> Unpin for Incoming<T> {}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Incoming<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array, or a stream beside the input")
    }

    /// The property is absent: the stream follows, if there is one.
    fn visit_none<E: Error>(self) -> Result<Incoming<T>, E> {
        match LIVE.with(|live| live.borrow_mut().take()) {
            Some(call) => Ok(Incoming { source: Source::Live(call), done: false }),
            None => Err(E::custom("missing array, and no stream came in its place")),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Incoming<T>, D::Error> {
        inner.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Incoming<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Incoming { source: Source::Whole(all.into_iter()), done: false })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Incoming<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Incoming<T>, D::Error> {
        deserializer.deserialize_option(Items(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Incoming<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Incoming_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "items": items, INPUT_STREAM: true})
    }
}

impl<T: FromBody> Incoming<T> {
    /// The next value; `None` at the end, and after a fault. Pass the fault on: it names the item that was wrong.
    pub async fn next(&mut self) -> Option<Result<T, Fault>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The values as an iterator that waits on this thread, for functions that are not asynchronous.
    pub fn blocking(self) -> BlockingIncoming<T> {
        BlockingIncoming { incoming: self }
    }

    fn read(call: &Arc<Call>, (index, codec, payload): (u64, u8, Payload)) -> Result<T, Fault> {
        let name = call.server.input_stream(call.function);
        T::from_body(payload, codec).map_err(|error| {
            let fault = unreadable("the input", &format!("/{name}/{index}"), &error).with_started(Started::Yes);
            call.poison(fault.clone());
            fault
        })
    }
}

impl<T: FromBody> Stream for Incoming<T> {
    type Item = Result<T, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let next = match &mut self.source {
            Source::Whole(items) => Poll::Ready(items.next().map(Ok)),
            Source::Live(call) => match call.poll_input(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(fault)) => Poll::Ready(Some(Err(fault))),
                Poll::Ready(Ok(None)) => Poll::Ready(None),
                Poll::Ready(Ok(Some(item))) => Poll::Ready(Some(Self::read(call, item))),
            },
        };
        self.done = matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

/// [`Incoming`] as an iterator.
pub struct BlockingIncoming<T> {
    incoming: Incoming<T>,
}

impl<T: FromBody> Iterator for BlockingIncoming<T> {
    type Item = Result<T, Fault>;

    fn next(&mut self) -> Option<Result<T, Fault>> {
        match &self.incoming.source {
            Source::Whole(_) => crate::line::block_on(self.incoming.next()),
            Source::Live(call) => {
                let server = call.server.clone();
                server.block_on(self.incoming.next())
            }
        }
    }
}
