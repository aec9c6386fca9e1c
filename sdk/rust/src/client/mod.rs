//! The client: calls to the functions that a host serves, from any program.

mod address;
mod link;
mod open;
#[cfg(feature = "tls")]
pub(crate) mod tls;

pub use open::{open, Host, HostOptions};

use crate::body::{FromBody, ToBody};
use crate::codec::Value;
use crate::fault::{Fault, Started};
use crate::line::{block_on_with, Link};
use crate::outgoing::{Caller, Input, Items, Prepared, Reply};
use crate::wire::meta::{Entries, Trace};
use address::Address;
use link::ClientLink;
use std::future::{poll_fn, Future};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a client connects.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) token: String,
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) authorities: Vec<u8>,
    pub(crate) connect_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { token: String::new(), authorities: Vec::new(), connect_timeout: Duration::from_secs(10) }
    }
}

impl Options {
    /// The token that a host on TCP asks for.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Options {
        self.token = token.into();
        self
    }

    /// The certificates, in PEM, that a host's own must be signed by; without them, those that the system trusts.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Options {
        self.authorities = pem.into();
        self
    }

    /// How long a call waits for a connection that was lost: ten seconds, unless said otherwise.
    #[must_use]
    pub fn connect_timeout(mut self, span: Duration) -> Options {
        self.connect_timeout = span;
        self
    }

    /// Connect to a host.
    pub fn dial(self, address: &str) -> Result<Client, Fault> {
        let link = ClientLink::dial(Address::parse(address)?, self)?;
        let handle = Arc::new(Handle { link });
        Ok(Client { handle, timeout: None, trace: None, call_id: String::new() })
    }
}

struct Handle {
    link: Arc<ClientLink>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.close(false);
    }
}

/// A host's functions, over one connection that all calls share. Cheap to clone; may be used from any thread.
///
/// A connection that is lost is made anew, with pauses that grow; calls in flight at that moment end with
/// `UNAVAILABLE`, and those that follow wait for the new one.
///
/// ```no_run
/// # fn main() -> Result<(), dragoman::Fault> {
/// let client = dragoman::Client::dial("unix:///run/shop.sock")?;
/// let rows = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
/// let input = serde_json::json!({"data": rows});
/// let correlation: Vec<Vec<f64>> = client.call_blocking("stats.correlation", &input)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
    timeout: Option<Duration>,
    trace: Option<Trace>,
    call_id: String,
}

/// A call that found no connection is tried again so often: it was not sent.
const TRIES: u32 = 3;

impl Client {
    /// Connect to `unix:///run/shop.sock`, or with the feature `tls` to `tcp+tls://host:port`.
    pub fn dial(address: &str) -> Result<Client, Fault> {
        Options::default().dial(address)
    }

    /// How to connect, in more words: `Client::options().token("…").dial("tcp+tls://…")`.
    pub fn options() -> Options {
        Options::default()
    }

    /// The same client, whose calls have so much time. It may only shorten what a function has anyway.
    #[must_use]
    pub fn timeout(&self, span: Duration) -> Client {
        Client { timeout: Some(span), ..self.clone() }
    }

    /// The same client, whose calls belong to a trace.
    #[must_use]
    pub fn trace(&self, trace: Trace) -> Client {
        Client { trace: Some(trace), ..self.clone() }
    }

    /// The same client, whose calls have this public id: at most 128 printable ASCII characters.
    #[must_use]
    pub fn call_id(&self, id: impl Into<String>) -> Client {
        Client { call_id: id.into(), ..self.clone() }
    }

    /// The name of the project that the host serves.
    pub fn service(&self) -> String {
        self.handle.link.service()
    }

    fn caller(&self, deadline: Option<Instant>) -> Result<Caller, Fault> {
        let link = self.handle.link.as_link();
        let link = link.ok_or_else(|| Fault::unavailable("the client is closed").with_started(Started::No))?;
        let entries = Entries { trace: self.trace.clone(), call_id: self.call_id.clone(), ..Entries::default() };
        Ok(Caller { link, deadline, entries, adopt: None })
    }

    /// Open a call once there is a connection; `make` may be asked again where it went meanwhile.
    async fn opened<T>(&self, mut make: impl FnMut(Caller) -> Result<T, Fault>) -> Result<T, Fault> {
        let now = Instant::now();
        let deadline = self.timeout.and_then(|span| now.checked_add(span));
        let mut alarm = deadline.map(|deadline| crate::timer::sleep(deadline.saturating_duration_since(now)));
        for last in (0..TRIES).map(|each| each + 1 == TRIES) {
            poll_fn(|context| {
                if let std::task::Poll::Ready(open) = self.handle.link.poll_open(now, context.waker()) {
                    return std::task::Poll::Ready(open);
                }
                match &mut alarm {
                    Some(alarm) => std::pin::Pin::new(alarm).poll(context).map(|()| {
                        let detail = "the deadline passed before the host could be reached";
                        Err(Fault::deadline_exceeded(detail).with_started(Started::No))
                    }),
                    None => std::task::Poll::Pending,
                }
            })
            .await?;
            match make(self.caller(deadline)?) {
                Err(fault) if !last && fault.is_retryable() && fault.function.is_empty() => {}
                made => return made,
            }
        }
        Err(Fault::unavailable("the connection does not last").with_started(Started::No))
    }

    /// Call a function by its full name, `source.function`. Dropping the future cancels the call.
    pub async fn call<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Out, Fault> {
        let mut input = Prepared::of::<In, Out>(function, input)?;
        let reply: Reply<Out> = self.opened(|caller| caller.call(function, &mut input)).await?;
        reply.await
    }

    /// As [`call`](Self::call), waiting on this thread. Not to be used in asynchronous code.
    pub fn call_blocking<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Out, Fault> {
        self.block_on(self.call(function, input))
    }

    /// Call a function that streams. Dropping the items cancels the call.
    pub async fn stream<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Items<Out>, Fault> {
        let mut input = Prepared::of::<In, Out>(function, input)?;
        self.opened(|caller| caller.stream(function, &mut input)).await
    }

    /// As [`stream`](Self::stream), waiting on this thread: an iterator.
    pub fn stream_blocking<In: ToBody, Out: FromBody>(
        &self,
        function: &str,
        input: In,
    ) -> Result<crate::outgoing::Blocking<Items<Out>>, Fault> {
        Ok(self.block_on(self.stream(function, input))?.blocking())
    }

    /// Call a function whose input has a stream, for one reply; `input` lacks that property. Send its values, drop the
    /// `Input` or `end` it, and await the reply.
    pub async fn call_with_input<In: ToBody, Item: ToBody, Out: FromBody>(
        &self,
        function: &str,
        input: In,
    ) -> Result<(Input<Item>, Reply<Out>), Fault> {
        let mut input = Prepared::of::<In, Out>(function, input)?;
        self.opened(|caller| caller.call_with_input(function, &mut input)).await
    }

    /// Call a function that streams both ways.
    pub async fn stream_with_input<In: ToBody, Item: ToBody, Out: FromBody>(
        &self,
        function: &str,
        input: In,
    ) -> Result<(Input<Item>, Items<Out>), Fault> {
        let mut input = Prepared::of::<In, Out>(function, input)?;
        self.opened(|caller| caller.stream_with_input(function, &mut input)).await
    }

    /// What the host serves: what `GET /v1/functions` says.
    pub async fn functions(&self) -> Result<Value, Fault> {
        self.call("dragoman.functions", Value::Map(Vec::new())).await
    }

    /// Wait for a future of this client on this thread, reading the connection meanwhile.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let link = self.handle.link.clone();
        block_on_with(future, |flag| link.wait(flag))
    }

    /// Take no more calls, wait for those in flight for at most so long, cancel the rest, and leave. It holds for every
    /// clone of this client. Dropping the last clone leaves as well, without waiting.
    pub fn close(&self, patience: Duration) {
        let link = &self.handle.link;
        link.close(false);
        let until = Instant::now() + patience;
        while !link.is_idle() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        link.close(true);
    }
}
