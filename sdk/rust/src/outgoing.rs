//! Calls that this side makes, typed: one reply, streams of items, streams of input.

use crate::body::{unreadable, unwritable, FromBody, Payload, ToBody};
use crate::fault::{Code, Fault, Started};
use crate::line::{
    block_on_with, end_input, poll_send_input, start, Link, Next, OpenCall, Outgoing, Parcel, Request, Wire,
};
use crate::wire::frame::{codec, flag};
use crate::wire::meta::Entries;
use futures_core::Stream;
use std::future::{poll_fn, Future};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Whoever calls, with what goes along.
pub struct Caller {
    /// The wire.
    pub link: Arc<dyn Link>,
    /// When the call is out of time.
    pub deadline: Option<Instant>,
    /// Trace, id and depth.
    pub entries: Entries,
    /// Told the id of the call.
    pub adopt: Option<Adopt>,
}

/// Whoever must give a call up with its own.
pub type Adopt = Box<dyn Fn(&Wire, u64) + Send>;

/// An input, written.
pub struct Prepared {
    codecs: (u8, u8),
    body: Option<Payload>,
}

impl Prepared {
    /// Write the input of a call that gives `Out`s.
    pub fn of<In: ToBody, Out: FromBody>(function: &str, input: In) -> Result<Prepared, Fault> {
        let sent = if In::RAW { codec::BYTES } else { codec::MSGPACK };
        let (body, used) = input.to_body(sent).map_err(|error| {
            let mut fault = unwritable(&format!("the input of {function}"), &error);
            fault.code = Code::InvalidArgument;
            fault.with_started(Started::No)
        })?;
        let wanted = if Out::RAW { codec::BYTES } else { codec::MSGPACK };
        Ok(Prepared { codecs: (used, wanted), body: Some(body) })
    }
}

impl Caller {
    fn open(self, function: &str, input: &mut Prepared, flags: u8) -> Result<OpenCall, Fault> {
        let adopt = self.adopt.as_ref().map(|adopt| adopt as &dyn Fn(&Wire, u64));
        let (deadline, entries, codecs) = (self.deadline, self.entries, input.codecs);
        start(&self.link, Request { function, flags, codecs, body: &mut input.body, deadline, entries, adopt })
    }

    /// For one reply.
    pub fn call<Out>(self, function: &str, input: &mut Prepared) -> Result<Reply<Out>, Fault> {
        Ok(Reply { open: self.open(function, input, 0)?, of: PhantomData })
    }

    /// For a stream of items.
    pub fn stream<Out: FromBody>(self, function: &str, input: &mut Prepared) -> Result<Items<Out>, Fault> {
        Ok(Items::new(self.open(function, input, flag::STREAM)?))
    }

    /// For one reply to a stream of input.
    pub fn call_with_input<Item: ToBody, Out>(
        self,
        function: &str,
        input: &mut Prepared,
    ) -> Result<(Input<Item>, Reply<Out>), Fault> {
        let open = self.open(function, input, flag::INPUT)?;
        Ok((Input::of(&open), Reply { open, of: PhantomData }))
    }

    /// For a stream of items to a stream of input.
    pub fn stream_with_input<Item: ToBody, Out: FromBody>(
        self,
        function: &str,
        input: &mut Prepared,
    ) -> Result<(Input<Item>, Items<Out>), Fault> {
        let open = self.open(function, input, flag::INPUT | flag::STREAM)?;
        Ok((Input::of(&open), Items::new(open)))
    }
}

fn read<Out: FromBody>(part: (u8, Payload), function: &str) -> Result<Out, Fault> {
    Out::from_body(part.1, part.0).map_err(|error| {
        let mut fault = unreadable(&format!("the reply of {function}"), "", &error);
        fault.code = Code::DataLoss;
        fault.with_started(Started::Yes)
    })
}

/// The reply that a call waits for. Dropping it cancels the call.
pub struct Reply<Out> {
    open: OpenCall,
    of: PhantomData<fn() -> Out>,
}

impl<Out: FromBody> Future for Reply<Out> {
    type Output = Result<Out, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.open.poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Next::End(end)) => Poll::Ready(end.and_then(|part| read(part, &self.open.outgoing().function))),
            Poll::Ready(Next::Item(_)) => Poll::Ready(Err(Fault::internal("an item where one reply was asked for"))),
        }
    }
}

impl<Out: FromBody> Reply<Out> {
    /// Wait on this thread.
    pub fn wait(self) -> Result<Out, Fault> {
        let link = self.open.link().clone();
        block_on_with(self, |flag| link.wait(flag))
    }
}

/// The items of a stream. Dropping it cancels the call.
pub struct Items<Out> {
    open: OpenCall,
    done: bool,
    of: PhantomData<fn() -> Out>,
}

impl<Out: FromBody> Items<Out> {
    fn new(open: OpenCall) -> Items<Out> {
        Items { open, done: false, of: PhantomData }
    }

    /// The next item; `None` at the end, and after a fault.
    pub async fn next(&mut self) -> Option<Result<Out, Fault>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The items as an iterator that waits on this thread.
    pub fn blocking(self) -> Blocking<Self> {
        let link = self.open.link().clone();
        Blocking { stream: self, link }
    }
}

impl<Out: FromBody> Stream for Items<Out> {
    type Item = Result<Out, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        match self.open.poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Next::Item(part)) => {
                let item = read(part, &self.open.outgoing().function);
                self.done = item.is_err();
                Poll::Ready(Some(item))
            }
            Poll::Ready(Next::End(end)) => {
                self.done = true;
                match end {
                    // A function that gives one reply to a wish for a stream: a stream of one.
                    Ok((used, payload)) if used != codec::NONE && !payload.is_empty() => {
                        Poll::Ready(Some(read((used, payload), &self.open.outgoing().function)))
                    }
                    Ok(_) => Poll::Ready(None),
                    Err(fault) => Poll::Ready(Some(Err(fault))),
                }
            }
        }
    }
}

/// A stream as an iterator that waits on its thread.
pub struct Blocking<S> {
    stream: S,
    link: Arc<dyn Link>,
}

impl<S: Stream + Unpin> Iterator for Blocking<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        let stream = &mut self.stream;
        let link = &self.link;
        block_on_with(poll_fn(|context| Pin::new(&mut *stream).poll_next(context)), |flag| link.wait(flag))
    }
}

impl<Out: FromBody> Blocking<Items<Out>> {
    /// The items, for an asynchronous function again.
    pub fn into_inner(self) -> Items<Out> {
        self.stream
    }
}

/// The input's stream of a call. Dropping it ends the input.
pub struct Input<Item> {
    link: Arc<dyn Link>,
    outgoing: Arc<Outgoing>,
    of: PhantomData<fn(Item)>,
}

impl<Item: ToBody> Input<Item> {
    fn of(open: &OpenCall) -> Input<Item> {
        Input { link: open.link().clone(), outgoing: open.outgoing().clone(), of: PhantomData }
    }

    /// Send an item, once its reader has room. False where nobody reads any more: the call was answered or given up.
    pub async fn send(&mut self, item: Item) -> Result<bool, Fault> {
        let sent = if Item::RAW { codec::BYTES } else { codec::MSGPACK };
        let (body, used) = item.to_body(sent).map_err(|error| unwritable("an item of the input", &error))?;
        let mut parcel = Some(Parcel::of(&self.link, body));
        poll_fn(|context| poll_send_input(&self.link, &self.outgoing, used, &mut parcel, context)).await
    }

    /// As [`send`](Self::send), waiting on this thread.
    pub fn send_blocking(&mut self, item: Item) -> Result<bool, Fault> {
        let link = self.link.clone();
        block_on_with(self.send(item), |flag| link.wait(flag))
    }

    /// End the input.
    pub fn end(self) {}
}

impl<Item> Drop for Input<Item> {
    fn drop(&mut self) {
        end_input(&self.link, &self.outgoing);
    }
}
