//! One call that this worker has taken, from its arrival to its answer.

use super::function::Begun;
use super::server::Server;
use crate::body::Payload;
use crate::codec::{to_json, Value};
use crate::fault::{Code, Fault, Started};
use crate::line::{Parcel, Wire};
use crate::timer::Alarm;
use crate::wire::frame::{codec, flag, Frame};
use crate::wire::meta::Entries;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Of reports of progress that follow one another faster the last one waits: nobody sees more than a hundred a second.
const PROGRESS_EVERY: Duration = Duration::from_millis(10);

/// What a call ends with: the codec and body of END.
pub type Reply = (Payload, u8);
pub type Running = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send>>;

/// Where the future of a call is.
mod task {
    pub const PENDING: u8 = 0;
    pub const QUEUED: u8 = 1;
    pub const POLLED: u8 = 2;
    pub const WOKEN: u8 = 3;
    pub const DONE: u8 = 4;
}

/// Why a call should stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    No = 0,
    Cancelled = 1,
    Late = 2,
}

#[derive(Default)]
pub struct Input {
    items: VecDeque<(u8, Payload, u64)>,
    ended: bool,
    reader: Option<Waker>,
    index: u64,
    /// An item broke the contract: this is the answer, whatever the function makes of it.
    poison: Option<Fault>,
}

/// A report of how far a call is.
pub struct Progress {
    pub share: f64,
    pub message: String,
}

impl Progress {
    /// The body of EVENT.
    fn body(self) -> Vec<u8> {
        let progress = Value::Map(vec![
            ("share".to_string(), Value::Float(self.share)),
            ("message".to_string(), Value::Text(self.message)),
        ]);
        to_json(&Value::Map(vec![("progress".to_string(), progress)])).unwrap_or_default()
    }
}

/// When progress was told last, and what was reported too soon after that.
#[derive(Default)]
struct Reports {
    told_at: Option<Instant>,
    held: Option<Progress>,
}

#[derive(Default)]
struct Waiting {
    credit: Option<Waker>,
    cancel: Vec<(usize, Waker)>,
}

pub struct Call {
    pub server: Arc<Server>,
    pub id: u64,
    pub function: u32,
    pub flags: u8,
    codec: u8,
    wanted: u8,
    pub deadline: Option<Instant>,
    meta: Vec<u8>,
    entries: OnceLock<Entries>,
    body: Mutex<Option<Payload>>,
    task: AtomicU8,
    given_up: AtomicU8,
    /// Futures that wait for the cancellation: while there are any, the function wants to be told, not stopped.
    told: AtomicUsize,
    tickets: AtomicUsize,
    waiting: Mutex<Waiting>,
    future: Mutex<Option<Running>>,
    input: Mutex<Input>,
    began_at: OnceLock<Instant>,
    reports: Mutex<Reports>,
    alarm: Mutex<Option<Alarm>>,
    /// Calls that this one has made; those that have ended are forgotten now and then.
    children: Mutex<Vec<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Call {
    pub fn new(server: Arc<Server>, frame: Frame, body: Payload, now: Instant) -> Arc<Call> {
        let amount = Duration::from_millis(frame.amount.into());
        Arc::new(Call {
            server,
            id: frame.call,
            function: frame.function,
            flags: frame.flags,
            codec: frame.body_codec(),
            wanted: frame.codec >> 4,
            deadline: (frame.amount > 0).then(|| now + amount),
            meta: frame.meta,
            entries: OnceLock::new(),
            body: Mutex::new(Some(body)),
            task: AtomicU8::new(task::QUEUED),
            given_up: AtomicU8::new(0),
            told: AtomicUsize::new(0),
            tickets: AtomicUsize::new(0),
            waiting: Mutex::default(),
            future: Mutex::new(None),
            input: Mutex::default(),
            began_at: OnceLock::new(),
            reports: Mutex::default(),
            alarm: Mutex::new(None),
            children: Mutex::default(),
        })
    }

    pub fn entries(&self) -> &Entries {
        self.entries.get_or_init(|| Entries::decode(&self.meta).unwrap_or_default())
    }

    pub fn has_input(&self) -> bool {
        self.flags & flag::INPUT != 0
    }

    pub fn take_body(&self) -> (Payload, u8) {
        (lock(&self.body).take().unwrap_or(Payload::Owned(Vec::new().into())), self.codec)
    }

    /// The codec of the reply: what is wanted; else as the input came, raw only where the function gives bytes.
    pub fn reply_codec(&self, raw: bool) -> u8 {
        match (self.wanted, self.codec) {
            (codec::NONE, codec::NONE) => codec::JSON,
            (codec::NONE, codec::BYTES | codec::ARROW) if !raw => codec::JSON,
            (codec::NONE, same) => same,
            (wanted, _) => wanted,
        }
    }

    /// Microseconds since the function began.
    pub fn ran_us(&self) -> u32 {
        let ran = self.began_at.get().map_or(Duration::ZERO, Instant::elapsed);
        u32::try_from(ran.as_micros()).unwrap_or(u32::MAX)
    }

    pub fn begin(&self, now: Instant) {
        let _ = self.began_at.set(now);
    }

    /// Tell how far the call is; what comes too soon after the report before it waits.
    pub fn report(&self, progress: Progress) {
        let mut reports = lock(&self.reports);
        let due = progress.share >= 1.0 || reports.told_at.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY);
        if !due {
            reports.held = Some(progress);
            return;
        }
        (reports.told_at, reports.held) = (Some(Instant::now()), None);
        drop(reports);
        self.server.event(self.id, progress.body());
    }

    /// Note a call that this one has made. Under the wire's lock.
    pub fn adopt(&self, wire: &Wire, id: u64) {
        let mut children = lock(&self.children);
        if children.len() == children.capacity() {
            children.retain(|child| wire.outgoing.contains_key(child));
        }
        children.push(id);
    }

    /// Calls that this one has made.
    pub fn children(&self) -> Vec<u64> {
        lock(&self.children).clone()
    }

    // Giving up

    pub fn given_up(&self) -> GivenUp {
        match self.given_up.load(Ordering::Acquire) {
            0 if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) => GivenUp::Late,
            0 => GivenUp::No,
            1 => GivenUp::Cancelled,
            _ => GivenUp::Late,
        }
    }

    /// The fault of a call that was given up; `None` while it was not.
    pub fn stopped(&self) -> Option<Fault> {
        match self.given_up() {
            GivenUp::No => None,
            GivenUp::Cancelled => Some(Fault::cancelled("the call was cancelled")),
            GivenUp::Late => {
                let name = self.server.name(self.function);
                Some(Fault::deadline_exceeded(format!("{name} ran past its deadline")))
            }
        }
    }

    /// Give the call up; returns whom to wake.
    pub fn give_up(self: &Arc<Self>, why: GivenUp) -> Vec<Waker> {
        if self.given_up.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Vec::new();
        }
        let mut waiting = lock(&self.waiting);
        let mut wakers: Vec<Waker> = waiting.cancel.drain(..).map(|(_, waker)| waker).collect();
        wakers.extend(waiting.credit.take());
        wakers.extend(lock(&self.input).reader.take());
        wakers.push(Waker::from(self.clone()));
        wakers
    }

    /// A number for a future that waits for the cancellation.
    pub fn ticket(&self) -> usize {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub fn poll_cancelled(self: &Arc<Self>, ticket: usize, context: &TaskContext<'_>) -> Poll<()> {
        let mut waiting = lock(&self.waiting);
        if self.given_up() != GivenUp::No {
            return Poll::Ready(());
        }
        waiting.cancel.retain(|(each, _)| *each != ticket);
        waiting.cancel.push((ticket, context.waker().clone()));
        drop(waiting);
        self.arm();
        Poll::Pending
    }

    pub fn return_ticket(&self, ticket: usize) {
        lock(&self.waiting).cancel.retain(|(each, _)| *each != ticket);
        self.told.fetch_sub(1, Ordering::AcqRel);
    }

    /// Have the deadline wake whoever waits.
    pub fn arm(self: &Arc<Self>) {
        let Some(deadline) = self.deadline else {
            return;
        };
        let mut alarm = lock(&self.alarm);
        if alarm.is_none() {
            let call = Arc::downgrade(self);
            *alarm = Some(Alarm::set(deadline, move || {
                if let Some(call) = call.upgrade() {
                    call.give_up(GivenUp::Late).into_iter().for_each(Waker::wake);
                }
            }));
        }
    }

    // Running

    /// Go on with the call on this thread, until it ends or waits.
    pub fn advance(self: &Arc<Self>) {
        self.task.store(task::POLLED, Ordering::Release);
        let outcome = match super::panic::caught(|| self.step()) {
            Ok(Poll::Ready(outcome)) => outcome,
            Ok(Poll::Pending) => {
                self.arm();
                let waits =
                    self.task.compare_exchange(task::POLLED, task::PENDING, Ordering::AcqRel, Ordering::Acquire);
                if waits.is_err() {
                    self.task.store(task::QUEUED, Ordering::Release);
                    self.server.enqueue(self.clone());
                }
                return;
            }
            Err(fault) => Err(fault),
        };
        self.task.store(task::DONE, Ordering::Release);
        self.finish(outcome);
    }

    fn step(self: &Arc<Self>) -> Poll<Result<Reply, Fault>> {
        let mut future = lock(&self.future).take();
        if future.is_none() {
            match self.server.invoke(self) {
                Begun::Done(outcome) => return Poll::Ready(outcome),
                Begun::Running(running) => future = Some(running),
            }
        }
        let Some(mut future) = future else {
            return Poll::Pending;
        };
        if let (Some(fault), 0) = (self.stopped(), self.told.load(Ordering::Acquire)) {
            drop(future); // its destructors are the function's way to clean up
            return Poll::Ready(Err(fault));
        }
        let waker = Waker::from(self.clone());
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => {
                *lock(&self.future) = Some(future);
                Poll::Pending
            }
        }
    }

    fn finish(self: &Arc<Self>, outcome: Result<Reply, Fault>) {
        drop(lock(&self.alarm).take());
        let held = lock(&self.reports).held.take();
        if let Some(last) = held {
            self.server.event(self.id, last.body());
        }
        let (poison, rest) = {
            let mut input = lock(&self.input);
            (input.poison.take(), std::mem::take(&mut input.items))
        };
        drop(rest);
        let outcome = match poison {
            Some(fault) => Err(fault),
            None => outcome,
        };
        match outcome {
            Ok((payload, codec)) => {
                let link = self.server.link();
                self.server.answer(self, Ok((Parcel::of(&link, payload), codec)));
            }
            Err(fault) => self.server.answer(self, Err(fault)),
        }
    }

    // The reply's stream

    pub fn credit_waker(&self) -> Option<Waker> {
        lock(&self.waiting).credit.take()
    }

    pub fn wait_for_credit(&self, waker: Waker) {
        lock(&self.waiting).credit = Some(waker);
    }

    // The input's stream

    /// Take an item or the end; returns whom to wake.
    pub fn take_input(&self, item: Option<(u8, Payload)>) -> Option<Waker> {
        let mut input = lock(&self.input);
        match item {
            Some((codec, payload)) => {
                let cost = 32 + if matches!(payload, Payload::Owned(_)) { 0 } else { 16 } + payload.len() as u64;
                input.items.push_back((codec, payload, cost));
            }
            None => input.ended = true,
        }
        input.reader.take()
    }

    /// The next item with its number; `None` at the end.
    pub fn poll_input(self: &Arc<Self>, context: &TaskContext<'_>) -> Poll<Result<Option<(u64, u8, Payload)>, Fault>> {
        let mut input = lock(&self.input);
        if let Some(fault) = self.stopped() {
            return Poll::Ready(Err(fault));
        }
        if let Some((codec, payload, cost)) = input.items.pop_front() {
            let index = input.index;
            input.index += 1;
            drop(input);
            self.server.consumed(self.id, cost);
            return Poll::Ready(Ok(Some((index, codec, payload))));
        }
        if input.ended {
            return Poll::Ready(Ok(None));
        }
        input.reader = Some(context.waker().clone());
        drop(input);
        self.arm();
        Poll::Pending
    }

    /// An item broke the contract: that will be the answer.
    pub fn poison(&self, fault: Fault) {
        lock(&self.input).poison.get_or_insert(fault);
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        loop {
            let (from, to) = match self.task.load(Ordering::Acquire) {
                task::PENDING => (task::PENDING, task::QUEUED),
                task::POLLED => (task::POLLED, task::WOKEN),
                _ => return,
            };
            if self.task.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                if to == task::QUEUED {
                    let server = self.server.clone();
                    server.enqueue(self);
                }
                return;
            }
        }
    }
}

/// The answer to a call that was cancelled before its turn came.
pub fn cancelled_unstarted() -> Fault {
    Fault::new(Code::Cancelled, "the call was cancelled before it began").with_started(Started::No)
}
