//! What a guest and a client share: the connection with its outbox, and the calls that this side has made.

use crate::body::Payload;
use crate::fault::{Code, Fault, Started};
use crate::os;
use crate::segments::{Arenas, Draft, Region, Regions};
use crate::timer::{sleep, Sleep};
use crate::wire::connection::{ById, Connection, Refused};
use crate::wire::frame::{codec, flag, kind, Body, Frame};
use crate::wire::meta::Entries;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Small frames are gathered up to this; a larger body travels from where it lies.
pub const GATHER_BYTES: usize = 64 * 1024;
/// A host is given this much longer than the deadline to answer for itself.
const ANSWER_GRACE: Duration = Duration::from_millis(100);

/// Bytes on their way out.
#[derive(Default)]
pub struct Outbox {
    pieces: VecDeque<Body>,
    tail: Vec<u8>,
    /// Bytes of the first piece that have gone.
    gone: usize,
    /// All bytes that wait.
    pub size: usize,
}

impl Outbox {
    /// A whole frame.
    pub fn put(&mut self, frame: Vec<u8>) {
        self.size += frame.len();
        self.tail.extend_from_slice(&frame);
    }

    /// A header with what belongs to it, and a body.
    pub fn put_with_body(&mut self, header: &[u8; 32], meta: &[u8], body: Body) {
        self.size += header.len() + meta.len() + body.len();
        self.tail.extend_from_slice(header);
        self.tail.extend_from_slice(meta);
        if body.len() < GATHER_BYTES / 4 {
            self.tail.extend_from_slice(&body);
        } else {
            self.close_tail();
            self.pieces.push_back(body);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).into());
        }
    }

    /// Let `write` take bytes until there are none or it has no room.
    pub fn flush(&mut self, mut write: impl FnMut(&[&[u8]]) -> io::Result<usize>) -> io::Result<()> {
        if self.pieces.is_empty() && !self.tail.is_empty() {
            let count = write(&[&self.tail])?;
            self.size -= count;
            if count == self.tail.len() {
                self.tail.clear();
                // One burst should not hold its memory for ever.
                if self.tail.capacity() > 4 * GATHER_BYTES {
                    self.tail = Vec::new();
                }
                return Ok(());
            }
            self.gone = count;
        }
        self.close_tail();
        while !self.pieces.is_empty() {
            let mut views: [&[u8]; os::PIECES_MAX] = [&[]; os::PIECES_MAX];
            let mut count = 0;
            for (view, piece) in views.iter_mut().zip(&self.pieces) {
                *view = if count == 0 { &piece[self.gone..] } else { piece };
                count += 1;
            }
            let mut written = write(&views[..count])?;
            self.size -= written;
            while let Some(piece) = self.pieces.front() {
                let left = piece.len() - self.gone;
                if written < left {
                    self.gone += written;
                    break;
                }
                written -= left;
                self.gone = 0;
                self.pieces.pop_front();
            }
        }
        Ok(())
    }

    /// Send what the kernel has room for.
    pub fn flush_to(&mut self, fd: RawFd) -> io::Result<()> {
        self.flush(|pieces| os::write(fd, pieces))
    }
}

/// The connection, and what belongs to it. Always under a lock.
pub struct Wire {
    /// The protocol.
    pub connection: Connection,
    /// Bytes on their way out.
    pub out: Outbox,
    /// Calls that this side has made and waits for.
    pub outgoing: ById<Arc<Outgoing>>,
    /// The id of the last of them.
    pub last_call: u64,
    /// Whom to wake once the lock is free.
    pub wakers: Vec<Waker>,
    /// Shared memory, where the host gave any.
    pub arenas: Option<Arc<Arenas>>,
    /// What of the own arena is free.
    pub regions: Regions,
    /// Whoever holds the lock.
    pub link: Weak<dyn Link>,
    /// Why no more calls can be made.
    pub lost: Option<Fault>,
}

impl Wire {
    /// A connection that has not begun.
    pub fn new(connection: Connection, link: Weak<dyn Link>) -> Wire {
        Wire {
            connection,
            out: Outbox::default(),
            outgoing: ById::default(),
            last_call: 1 << 63,
            wakers: Vec::new(),
            arenas: None,
            regions: Regions::default(),
            link,
            lost: None,
        }
    }

    /// The body of a frame, wherever it lies.
    pub fn payload(&self, frame: &mut Frame) -> Payload {
        match (frame.region, &self.arenas) {
            (Some((offset, size)), Some(arenas)) => match Region::new(arenas, offset, size, self.link.clone()) {
                Some(region) => Payload::Lent(Arc::new(region)),
                None => Payload::Unmapped,
            },
            _ => Payload::Owned(std::mem::take(&mut frame.body)),
        }
    }

    /// Give regions back.
    pub fn settle(&mut self, returned: &mut Vec<Returned>) {
        for each in returned.drain(..) {
            match each {
                Returned::Unsent(offset) => self.regions.take_back(offset),
                Returned::Borrowed(offset) => {
                    if let Ok(frame) = self.connection.release(offset) {
                        self.out.put(frame);
                    }
                }
            }
        }
    }

    /// Take ITEM, END, FAULT or CREDIT of a call that this side made.
    pub fn take_reply(&mut self, mut frame: Frame) {
        let last = matches!(frame.kind, kind::END | kind::FAULT);
        let found = if last { self.outgoing.remove(&frame.call) } else { self.outgoing.get(&frame.call).cloned() };
        let payload = self.payload(&mut frame);
        let Some(outgoing) = found else {
            return; // given up; a region of it goes back as the payload is dropped
        };
        let size = payload.len() as u64;
        let mut replies = outgoing.lock();
        match frame.kind {
            kind::ITEM => {
                let cost = 32 + if frame.region.is_some() { 16 + size } else { size };
                replies.items.push_back((frame.body_codec(), payload, cost));
            }
            kind::END => replies.end = Some(Ok((frame.body_codec(), payload))),
            kind::FAULT => {
                let fault = Fault::load(&payload).unwrap_or_else(|broken| Fault::internal(broken.to_string()));
                replies.end = Some(Err(fault));
            }
            _ => {
                self.wakers.extend(replies.writer.take());
                return;
            }
        }
        self.wakers.extend(replies.reader.take());
        if last {
            self.wakers.extend(replies.writer.take());
        }
    }

    /// Give up a call that this side made, because the call that it works for was cancelled.
    pub fn abandon(&mut self, call: u64) {
        let Some(outgoing) = self.outgoing.remove(&call) else {
            return;
        };
        if let Ok(frame) = self.connection.cancel(call, false) {
            self.out.put(frame);
        }
        let mut replies = outgoing.lock();
        replies.end.get_or_insert_with(|| Err(Fault::cancelled("the call that made this one was cancelled")));
        self.wakers.extend(replies.reader.take());
        self.wakers.extend(replies.writer.take());
    }

    /// End every call that this side made: the connection is gone.
    pub fn lose(&mut self, fault: &Fault) {
        self.lost.get_or_insert_with(|| fault.clone().with_started(Started::No));
        for (_, outgoing) in self.outgoing.drain() {
            let mut replies = outgoing.lock();
            replies.end.get_or_insert_with(|| Err(fault.clone()));
            self.wakers.extend(replies.reader.take());
            self.wakers.extend(replies.writer.take());
        }
    }
}

/// What goes back when a value that lies in shared memory is dropped. That may happen anywhere, also under the wire's
/// lock, so it is queued and never waits.
pub enum Returned {
    /// A region that the peer lent.
    Borrowed(u64),
    /// A region of the own arena that was never sent.
    Unsent(u64),
}

/// Whoever holds a wire and moves its bytes.
pub trait Link: Send + Sync {
    /// Give a region back, soon.
    fn give_back(&self, returned: Returned);
    /// Do something with the wire under its lock, and send what that leaves.
    fn access(&self, act: &mut dyn FnMut(&mut Wire));
    /// Wait until the flag is set, keeping the wire alive meanwhile.
    fn wait(&self, flag: &Flag);
}

/// A thread that waits for a future.
pub struct Flag {
    thread: Thread,
    set: AtomicBool,
}

impl Flag {
    /// Whether it was set; clears it.
    pub fn take(&self) -> bool {
        self.set.swap(false, Ordering::Acquire)
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.set.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Run a future to its end on this thread; `wait` is how to pass the time.
pub fn block_on_with<F: Future>(future: F, wait: impl Fn(&Flag)) -> F::Output {
    let mut future = std::pin::pin!(future);
    let flag = Arc::new(Flag { thread: std::thread::current(), set: AtomicBool::new(false) });
    let waker = Waker::from(flag.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !flag.take() {
            wait(&flag);
        }
    }
}

/// Run a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_with(future, |_| std::thread::park())
}

/// A call that this side has made.
pub struct Outgoing {
    /// Its id.
    pub id: u64,
    /// The full name of its function.
    pub function: String,
    replies: Mutex<Replies>,
}

type Part = (u8, Payload);

#[derive(Default)]
struct Replies {
    items: VecDeque<(u8, Payload, u64)>,
    end: Option<Result<Part, Fault>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call is to be.
pub struct Request<'a> {
    /// The full name.
    pub function: &'a str,
    /// STREAM and INPUT.
    pub flags: u8,
    /// The input's codec, and the one wanted for the reply.
    pub codecs: (u8, u8),
    /// The input; it is left here where the call could not be sent.
    pub body: &'a mut Option<Payload>,
    /// When it is out of time.
    pub deadline: Option<Instant>,
    /// Trace, id and depth.
    pub entries: Entries,
    /// Told the id, under the wire's lock: whoever must give the call up with its own.
    pub adopt: Option<&'a dyn Fn(&Wire, u64)>,
}

/// Milliseconds until a deadline, at least 1; 0 where there is none.
fn remaining_ms(deadline: Option<Instant>) -> u32 {
    let Some(deadline) = deadline else {
        return 0;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn not_begun(code: Code, detail: impl Into<String>) -> Fault {
    Fault::new(code, detail).with_started(Started::No)
}

/// A body of the own arena where it should travel there.
fn drafted(link: &Arc<dyn Link>, body: Payload) -> Payload {
    let mut wanted = false;
    let size = body.len();
    if matches!(body, Payload::Draft(_)) || size == 0 {
        return body;
    }
    link.access(&mut |wire| {
        wanted = wire.arenas.is_some()
            && wire.connection.has_segments()
            && size as u64 >= wire.connection.limits.segment_from_bytes;
    });
    match wanted.then(|| Draft::new(link, size)).flatten() {
        Some(mut draft) => {
            draft.bytes_mut().copy_from_slice(&body);
            Payload::Draft(draft)
        }
        None => body,
    }
}

/// A payload as it goes: the bytes of the frame, and the region that they stand for.
pub struct Parcel {
    /// The bytes in the frame.
    pub body: Body,
    /// The region, with its draft, which must be told once it has gone.
    pub region: Option<Draft>,
}

impl Parcel {
    /// Ready to go.
    pub fn of(link: &Arc<dyn Link>, payload: Payload) -> Parcel {
        match drafted(link, payload) {
            Payload::Draft(draft) => {
                let word = u128::from(draft.offset) | (draft.size as u128) << 64;
                Parcel { body: word.to_le_bytes().to_vec().into(), region: Some(draft) }
            }
            other => Parcel { body: other.into_body(), region: None },
        }
    }

    /// Offset and size of the region.
    pub fn span(&self) -> Option<(u64, u64)> {
        self.region.as_ref().map(|draft| (draft.offset, draft.size as u64))
    }

    /// Note that the frame has gone.
    pub fn lend(&mut self, wire: &mut Wire) {
        if let Some(draft) = self.region.take() {
            wire.connection.lend(draft.offset, draft.size as u64);
            draft.sent();
        }
    }
}

/// Send a CALL.
pub fn start(link: &Arc<dyn Link>, request: Request<'_>) -> Result<OpenCall, Fault> {
    let Request { function, flags, codecs, body, deadline, mut entries, adopt } = request;
    entries.function = function.to_string();
    let meta = entries.encode()?;
    let payload = body.take().unwrap_or(Payload::Owned(Body::default()));
    let mut parcel = Parcel::of(link, payload);
    let flags = flags | if parcel.region.is_some() { flag::SEGMENT } else { 0 };
    let mut made: Option<Result<Arc<Outgoing>, Fault>> = None;
    link.access(&mut |wire| {
        if let Some(fault) = &wire.lost {
            made = Some(Err(fault.clone()));
            return;
        }
        let id = wire.last_call + 1;
        let amount = remaining_ms(deadline);
        let codec = codecs.0 | codecs.1 << 4;
        let header = match wire.connection.call(id, flags, codec, 0, amount, meta.len(), parcel.body.len()) {
            Ok(header) => header,
            Err(Refused::Oversized(detail)) => {
                made = Some(Err(not_begun(Code::InvalidArgument, format!("{function} cannot be called: {detail}"))));
                return;
            }
            Err(Refused::Illegal(detail)) => {
                made = Some(Err(not_begun(Code::Unavailable, format!("{function} cannot be called now: {detail}"))));
                return;
            }
        };
        wire.last_call = id;
        wire.out.put_with_body(&header, &meta, std::mem::take(&mut parcel.body));
        parcel.lend(wire);
        let replies = Mutex::default();
        let outgoing = Arc::new(Outgoing { id, function: function.to_string(), replies });
        wire.outgoing.insert(id, outgoing.clone());
        if let Some(adopt) = adopt {
            adopt(wire, id);
        }
        made = Some(Ok(outgoing));
    });
    let made = made.unwrap_or_else(|| Err(Fault::internal("the wire was not reached")));
    if made.is_err() && parcel.region.is_none() {
        *body = Some(Payload::Owned(parcel.body));
    }
    let outgoing = made?;
    let alarm = deadline.map(|deadline| sleep(deadline.saturating_duration_since(Instant::now()) + ANSWER_GRACE));
    Ok(OpenCall { link: link.clone(), outgoing, done: false, alarm })
}

/// A call that waits for its answer. Dropping it cancels the call.
pub struct OpenCall {
    link: Arc<dyn Link>,
    outgoing: Arc<Outgoing>,
    done: bool,
    alarm: Option<Sleep>,
}

impl OpenCall {
    /// The holder of the wire.
    pub fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    /// The call, for those who write its input.
    pub fn outgoing(&self) -> &Arc<Outgoing> {
        &self.outgoing
    }

    /// The next item, or how the call ended: with a part where a body came.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let mut replies = self.outgoing.lock();
        if let Some((codec, payload, cost)) = replies.items.pop_front() {
            drop(replies);
            let id = self.outgoing.id;
            self.link.access(&mut |wire| {
                if let Some(frame) = wire.connection.consumed(id, cost) {
                    wire.out.put(frame);
                }
            });
            return Poll::Ready(Next::Item((codec, payload)));
        }
        if let Some(end) = replies.end.take() {
            drop(replies);
            self.done = true;
            return Poll::Ready(Next::End(end.map_err(|fault| self.named(fault))));
        }
        if self.done {
            return Poll::Ready(Next::End(Ok((codec::NONE, Payload::Owned(Body::default())))));
        }
        replies.reader = Some(context.waker().clone());
        drop(replies);
        let late = self.alarm.as_mut().is_some_and(|alarm| Pin::new(alarm).poll(context).is_ready());
        if !late {
            return Poll::Pending;
        }
        self.cancel();
        let fault = Fault::deadline_exceeded("the deadline passed, and no answer came").with_started(Started::Unknown);
        Poll::Ready(Next::End(Err(self.named(fault))))
    }

    fn named(&self, mut fault: Fault) -> Fault {
        if fault.function.is_empty() {
            fault.function.clone_from(&self.outgoing.function);
        }
        fault
    }

    fn cancel(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let id = self.outgoing.id;
        self.link.access(&mut |wire| {
            if wire.outgoing.remove(&id).is_some() {
                if let Ok(frame) = wire.connection.cancel(id, false) {
                    wire.out.put(frame);
                }
            }
        });
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What comes next of a call.
pub enum Next {
    /// One item of a stream.
    Item(Part),
    /// The reply, or the end of the stream, or the fault.
    End(Result<Part, Fault>),
}

/// Send an item of a call's input once there is credit. Ready with false where nobody reads it any more.
pub fn poll_send_input(
    link: &Arc<dyn Link>,
    outgoing: &Outgoing,
    codec: u8,
    parcel: &mut Option<Parcel>,
    context: &mut Context<'_>,
) -> Poll<Result<bool, Fault>> {
    let mut result = Poll::Pending;
    link.access(&mut |wire| match wire.connection.may_send_item(outgoing.id) {
        None => result = Poll::Ready(Ok(false)),
        Some(false) => outgoing.lock().writer = Some(context.waker().clone()),
        Some(true) => {
            let Some(mut parcel) = parcel.take() else {
                return;
            };
            match wire.connection.item(outgoing.id, codec, parcel.body.len(), parcel.span()) {
                Ok(header) => {
                    wire.out.put_with_body(&header, &[], std::mem::take(&mut parcel.body));
                    parcel.lend(wire);
                    result = Poll::Ready(Ok(true));
                }
                Err(refused) => {
                    let detail = format!("an item of the input of {} cannot be sent: {refused}", outgoing.function);
                    result = Poll::Ready(Err(Fault::resource_exhausted(detail)));
                }
            }
        }
    });
    result
}

/// Send the end of a call's input, unless nobody reads it any more.
pub fn end_input(link: &Arc<dyn Link>, outgoing: &Outgoing) {
    link.access(&mut |wire| {
        if let Ok(header) = wire.connection.end_input(outgoing.id) {
            wire.out.put(header.to_vec());
        }
    });
}
