//! What a function may ask about its own call, and tell about it.

use super::call::{Call, GivenUp, Progress};
use crate::body::{FromBody, Payload, Raw, ToBody};
use crate::codec::to_json;
use crate::fault::{cut, Fault, TEXT_BYTES_MAX};
use crate::outgoing::{Caller, Input, Items, Prepared};
use crate::segments::Draft;
use crate::wire::frame::REPORT_BYTES_MAX;
use crate::wire::meta::{Entries, Trace};
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look for a mistake.
    Debug,
    /// What happened.
    Info,
    /// What someone should look at.
    Warning,
    /// What went wrong.
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

#[derive(Serialize)]
struct Line<'a, F: ?Sized> {
    message: &'a str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a F>,
}

/// The body of EVENT for a line of the log. Fields that are no map, cannot be written or are too large are left out.
fn log_body<F: Serialize + ?Sized>(level: Level, message: &str, fields: Option<&F>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Event<'a, F: ?Sized> {
        log: Line<'a, F>,
    }
    let message = cut(message, TEXT_BYTES_MAX);
    let write = |fields| to_json(&Event { log: Line { message: &message, level: level.as_str(), fields } });
    let bare = write(None).unwrap_or_default();
    if fields.is_none() {
        return bare;
    }
    let fits = |body: &Vec<u8>| {
        body.len() <= REPORT_BYTES_MAX as usize && body[bare.len().saturating_sub(2)..].starts_with(b",\"fields\":{")
    };
    write(fields).ok().filter(fits).unwrap_or(bare)
}

/// A running call, as its function sees it. Cheap to clone; may be used from any thread until the function returns.
#[derive(Clone)]
pub struct Context {
    call: Arc<Call>,
}

impl Context {
    pub(crate) fn new(call: Arc<Call>) -> Context {
        Context { call }
    }

    /// The id of this call, as it stands in logs and in the reply's `Dragoman-Call-Id`.
    pub fn call_id(&self) -> String {
        let entries = self.call.entries();
        if entries.call_id.is_empty() {
            self.call.server.hello().call_id(self.call.id)
        } else {
            entries.call_id.clone()
        }
    }

    /// The W3C trace context that the call came with.
    pub fn trace(&self) -> Option<&Trace> {
        self.call.entries().trace.as_ref()
    }

    /// When the call is out of time.
    pub fn deadline(&self) -> Option<Instant> {
        self.call.deadline
    }

    /// How long until then; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.call.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the caller has gone away or given up, or the time is up: stop soon.
    pub fn is_cancelled(&self) -> bool {
        self.call.given_up() != GivenUp::No
    }

    /// `Err` once the call is cancelled or out of time, so that a loop may say `ctx.check()?`.
    pub fn check(&self) -> Result<(), Fault> {
        self.call.stopped().map_or(Ok(()), Err)
    }

    /// Ready once the call is cancelled or out of time.
    ///
    /// An asynchronous function that was cancelled is dropped at its `.await`, and its destructors run. While it holds
    /// this future, it is told instead, and has to end by itself, soon: the host ends a worker that does not answer.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { ticket: self.call.ticket(), call: self.call.clone() }
    }

    /// Write a line to the log of this call.
    pub fn log(&self, message: impl AsRef<str>) {
        self.report(Level::Info, message.as_ref(), None::<&()>);
    }

    /// Write a line of a level with structured fields: anything that serialises as a map.
    pub fn log_at<F: Serialize + ?Sized>(&self, level: Level, message: impl AsRef<str>, fields: &F) {
        self.report(level, message.as_ref(), Some(fields));
    }

    fn report<F: Serialize + ?Sized>(&self, level: Level, message: &str, fields: Option<&F>) {
        self.call.server.event(self.call.id, log_body(level, message, fields));
    }

    /// Tell how far the call is: a share between 0 and 1, and a word about it.
    pub fn progress(&self, share: f64, message: impl AsRef<str>) {
        if !share.is_nan() {
            let message = cut(message.as_ref(), TEXT_BYTES_MAX).into_owned();
            self.call.report(Progress { share: share.clamp(0.0, 1.0), message });
        }
    }

    fn caller(&self) -> Caller {
        let entries = self.call.entries();
        Caller {
            link: self.call.server.link(),
            deadline: self.call.deadline,
            adopt: Some(Box::new({
                let call = self.call.clone();
                move |wire, id| call.adopt(wire, id)
            })),
            entries: Entries {
                trace: entries.trace.clone(),
                call_id: self.call_id(),
                function: String::new(),
                depth: entries.depth.saturating_add(1),
            },
        }
    }

    /// Call any function of the project by its full name, `source.function`. The callee gets what is left of this
    /// call's time, stands in the same trace, and is cancelled with this call.
    pub async fn call<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Out, Fault> {
        let reply = self.caller().call::<Out>(function, &mut Prepared::of::<In, Out>(function, input)?)?;
        reply.await
    }

    /// As [`call`](Self::call), for a function that is not asynchronous: waits on this thread.
    pub fn call_blocking<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Out, Fault> {
        self.block_on(self.call(function, input))
    }

    /// Call a function that streams.
    pub fn stream<In: ToBody, Out: FromBody>(&self, function: &str, input: In) -> Result<Items<Out>, Fault> {
        self.caller().stream(function, &mut Prepared::of::<In, Out>(function, input)?)
    }

    /// Call a function whose input has a stream, for one reply. `input` lacks that property.
    pub fn call_with_input<In: ToBody, Item: ToBody, Out: FromBody>(
        &self,
        function: &str,
        input: In,
    ) -> Result<(Input<Item>, crate::outgoing::Reply<Out>), Fault> {
        self.caller().call_with_input(function, &mut Prepared::of::<In, Out>(function, input)?)
    }

    /// Call a function that streams both ways.
    pub fn stream_with_input<In: ToBody, Item: ToBody, Out: FromBody>(
        &self,
        function: &str,
        input: In,
    ) -> Result<(Input<Item>, Items<Out>), Fault> {
        self.caller().stream_with_input(function, &mut Prepared::of::<In, Out>(function, input)?)
    }

    /// Wait for a future on this thread, in a function that is not asynchronous. Ends with a fault when the call is
    /// cancelled or out of time.
    pub fn block_on<T>(&self, future: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let mut future = std::pin::pin!(future);
        let mut cancelled = std::pin::pin!(self.cancelled());
        let either = std::future::poll_fn(|context: &mut TaskContext<'_>| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            cancelled.as_mut().poll(context).map(|()| Err(self.check().err().unwrap_or_else(|| Fault::cancelled(""))))
        });
        self.call.server.block_on(either)
    }

    /// Room for raw bytes that are to be returned or sent: in shared memory where there is any, so that they need not
    /// be copied.
    pub fn allocate(&self, size: usize) -> RawBuffer {
        let wanted = size > 0 && self.call.server.wants_segment(size);
        match wanted.then(|| Draft::new(&self.call.server.link(), size)).flatten() {
            Some(draft) => RawBuffer { draft: Some(draft), plain: Vec::new() },
            None => RawBuffer { draft: None, plain: vec![0; size] },
        }
    }
}

/// Room for raw bytes; see [`Context::allocate`]. What is in it at first is undefined, but never another caller's.
pub struct RawBuffer {
    draft: Option<Draft>,
    plain: Vec<u8>,
}

impl std::ops::Deref for RawBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.draft.as_ref().map_or(&self.plain, Draft::bytes)
    }
}

impl std::ops::DerefMut for RawBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.draft {
            Some(draft) => draft.bytes_mut(),
            None => &mut self.plain,
        }
    }
}

impl RawBuffer {
    /// The bytes, ready to be returned.
    pub fn freeze(self) -> Raw {
        self.into_raw(false)
    }

    /// The bytes of an Arrow IPC stream, ready to be returned.
    pub fn freeze_arrow(self) -> Raw {
        self.into_raw(true)
    }

    fn into_raw(self, arrow: bool) -> Raw {
        let payload = match self.draft {
            Some(draft) => Payload::Draft(draft),
            None => Payload::Owned(self.plain.into()),
        };
        Raw::from_payload(payload, arrow)
    }
}

/// Ready once a call is cancelled; see [`Context::cancelled`].
pub struct Cancelled {
    call: Arc<Call>,
    ticket: usize,
}

impl Future for Cancelled {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        self.call.poll_cancelled(self.ticket, context)
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.call.return_ticket(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Value;

    #[test]
    fn fields_that_cannot_travel_are_left_out_and_the_line_stays() {
        let body = |fields: &Value| String::from_utf8(log_body(Level::Info, "m", Some(fields))).unwrap();
        let bare = r#"{"log":{"message":"m","level":"info"}}"#;
        let map = |value| Value::Map(vec![("a".to_string(), value)]);
        assert_eq!(body(&map(Value::Int(1))), r#"{"log":{"message":"m","level":"info","fields":{"a":1}}}"#);
        assert_eq!(body(&Value::List(Vec::new())), bare);
        assert_eq!(body(&map(Value::Float(f64::NAN))), bare);
        assert_eq!(body(&map(Value::Text("x".repeat(REPORT_BYTES_MAX as usize)))), bare);
        assert_eq!(body(&(0..499).fold(Value::Null, |inner, _| map(inner))), bare);
        assert_eq!(log_body(Level::Info, "m", None::<&()>), bare.as_bytes());
    }
}
