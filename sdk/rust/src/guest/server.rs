//! The worker: reads its wire, runs calls, answers them.
//!
//! Threads take turns. Whoever is free reads, and runs what it has read itself, so that a short call costs no change of
//! threads. One more thread looks on: where a function runs long, it reads on in its place, so that a ping is answered
//! and a cancel is seen. What is written while there is more to do leaves together; a thread that has nothing more to
//! do sends it first, for the next one may be long in coming.
//!
//! Where all is quiet the onlooker sleeps, and on a bell of its own: a ring for it that another thread hears is lost.
//! Whoever then takes something up wakes it.

use super::call::{cancelled_unstarted, Call, GivenUp};
use super::function::{unservable, Begun, Function};
use crate::fault::{Code, Fault, Started};
use crate::line::{block_on_with, Flag, Link, Parcel, Returned, Wire, GATHER_BYTES};
use crate::os;
use crate::segments::{Arenas, Regions};
use crate::wire::connection::{ById, Connection};
use crate::wire::decoder::Decoder;
use crate::wire::frame::{flag, kind, Frame, ProtocolFault};
use crate::wire::handshake::{Hello, Limits, Ready};
use crate::wire::state::{Phase, Role};
use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

/// How late a long function is noticed: well within anyone's patience for a ping or a cancel.
const TICK: Duration = Duration::from_millis(10);
/// Ticks without work before the onlooker sleeps until it is rung for: a second.
const QUIET_TICKS: u32 = 100;
/// A function that ran longer than this the last time gets a reader beside it at once.
const LONG_US: u32 = 300;
/// Answers wait at most so long for company.
const FLUSH_AFTER: Duration = Duration::from_micros(200);
/// From so many answers on, what the host has sent meanwhile is run before they leave: then it wakes up less often.
const COMPANY: u32 = 3;
/// Threads at most: so many functions that block run side by side, and one more thread reads.
const THREADS_MAX: usize = 256;
/// Log events past this much unsent output are dropped: the host is not reading.
const UNSENT_BYTES_MAX: usize = 4 << 20;
/// Nothing more is read while so much waits to be sent.
const BACKLOG_BYTES_MAX: usize = 256 << 20;
/// A thread that found nothing to do for so long ends.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// The stack of a thread that runs functions, as large as that of a main thread usually is; only what is used costs.
const STACK_BYTES: usize = 8 << 20;
const EX_PROTOCOL: i32 = 76;

extern "C" {
    fn _exit(code: i32) -> !;
}

/// Leave without waiting for anyone: functions may still run.
fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { _exit(code) }
}

struct State {
    wire: Wire,
    calls: ById<Arc<Call>>,
    inbox: VecDeque<Arc<Call>>,
    ready: VecDeque<Arc<Call>>,
    running: usize,
    threads: usize,
    idle: usize,
    /// Whether a thread reads.
    reading: bool,
    /// Whether an idle thread looks on, whether it sleeps until it is woken, and whether it is to take work up then.
    onlooker: bool,
    asleep: bool,
    wanted: bool,
    /// Counts what threads took up, so that the onlooker can tell whether anything moves.
    steps: u64,
    draining: bool,
    over: bool,
    /// The kernel has no room: the writer's thread waits for it.
    blocked: bool,
    writer: bool,
    put_at: Option<Instant>,
    /// How many answers wait to be sent.
    answers: u32,
    dropped_events: u64,
}

pub struct Server {
    fd: OwnedFd,
    state: Mutex<State>,
    bell: Condvar,
    onlooker_bell: Condvar,
    writable: Condvar,
    decoder: Mutex<Decoder>,
    returned: Mutex<Vec<Returned>>,
    functions: OnceLock<Vec<Function>>,
    hello: OnceLock<Hello>,
    page: Option<os::Mapping>,
    own: Weak<Server>,
    /// How user code runs: within the context of another runtime, say.
    around: Option<Around>,
}

/// Runs something within the context that user code needs.
pub type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// What a worker inherits.
pub struct Inherited {
    pub wire: OwnedFd,
    pub page: Option<OwnedFd>,
    pub arenas: Option<Arenas>,
    pub token: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Serve what `load` gives, until the host says DRAIN or closes the wire. `load` runs once HELLO has come.
    pub fn serve(
        inherited: Inherited,
        around: Option<Around>,
        load: impl FnOnce(&Hello) -> Result<Vec<Function>, String>,
    ) -> bool {
        let Inherited { wire: fd, page, arenas, token } = inherited;
        let page = page.and_then(|file| os::Mapping::new(file.as_raw_fd(), 4096, true).ok());
        let server = Arc::new_cyclic(|own: &Weak<Server>| {
            let link: Weak<dyn Link> = own.clone();
            let mut wire = Wire::new(Connection::new(Role::Guest, Limits::default()), link);
            if let Some(arenas) = arenas {
                wire.connection.arenas = (arenas.incoming.size, arenas.outgoing.size);
                wire.regions = Regions::new(arenas.outgoing.size);
                wire.arenas = Some(Arc::new(arenas));
            }
            Server {
                fd,
                state: Mutex::new(State {
                    wire,
                    calls: ById::default(),
                    inbox: VecDeque::new(),
                    ready: VecDeque::new(),
                    running: 0,
                    threads: 1,
                    idle: 0,
                    reading: false,
                    onlooker: false,
                    asleep: false,
                    wanted: false,
                    steps: 0,
                    draining: false,
                    over: false,
                    blocked: false,
                    writer: false,
                    put_at: None,
                    answers: 0,
                    dropped_events: 0,
                }),
                bell: Condvar::new(),
                onlooker_bell: Condvar::new(),
                writable: Condvar::new(),
                decoder: Mutex::default(),
                returned: Mutex::default(),
                functions: OnceLock::new(),
                hello: OnceLock::new(),
                page,
                own: own.clone(),
                around,
            }
        });
        let hello = server.greet(&token);
        let functions = match load(&hello) {
            Ok(functions) => functions,
            Err(trouble) => server.refuse(&Fault::new(Code::Unavailable, trouble), &token),
        };
        let _ = server.hello.set(hello);
        let _ = server.functions.set(functions);
        server.say_ready(token);
        server.work(true);
        true
    }

    fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn link(&self) -> Arc<dyn Link> {
        // A call holds its server, so the server is there while anyone asks.
        match self.own.upgrade() {
            Some(server) => server,
            None => unreachable!("a server outlives what it runs"),
        }
    }

    pub fn hello(&self) -> &Hello {
        self.hello.get_or_init(|| unreachable!("calls come after HELLO"))
    }

    fn functions(&self) -> &[Function] {
        self.functions.get().map_or(&[], Vec::as_slice)
    }

    fn function(&self, index: u32) -> Option<&Function> {
        self.functions().get(index as usize)
    }

    pub fn name(&self, index: u32) -> &str {
        self.function(index).map_or("", |function| &function.name)
    }

    pub fn input_stream(&self, index: u32) -> &str {
        self.function(index).map_or("", |function| &function.input_stream)
    }

    // The handshake

    /// Wait for HELLO.
    fn greet(&self, token: &str) -> Hello {
        let mut decoder = lock(&self.decoder);
        loop {
            match decoder.next_frame() {
                Err(fault) => self.fail(&fault),
                Ok(Some(frame)) => {
                    let mut state = lock(&self.state);
                    if let Err(fault) = state.wire.connection.receive(frame) {
                        let version = state.wire.connection.said_hello.is_some() && fault.reason == "handshake";
                        drop(state);
                        if version {
                            self.refuse(&Fault::new(Code::FailedPrecondition, fault.detail), token);
                        }
                        self.fail(&fault);
                    }
                    decoder.limit = state.wire.connection.limits.frame_bytes_max;
                    if let Some(hello) = state.wire.connection.said_hello.clone() {
                        return hello;
                    }
                    exit_now(0); // the host failed
                }
                Ok(None) => {
                    // SAFETY: `fill` gives writable memory.
                    let count = decoder.fill(|to, size| unsafe { os::read(self.raw_fd(), to, size, true) });
                    if !matches!(count, Ok(1..)) {
                        exit_now(0);
                    }
                }
            }
        }
    }

    fn say_ready(&self, token: String) {
        let mut state = lock(&self.state);
        let mut features = vec!["revoke".to_string()];
        if self.page.is_some() {
            features.push("progress".to_string());
        }
        if state.wire.arenas.is_some() {
            features.push("segments".to_string());
        }
        let ready = Ready {
            token: token.clone(),
            language: "rust".to_string(),
            language_version: option_env!("CARGO_PKG_RUST_VERSION").unwrap_or("").to_string(),
            library: concat!("dragoman/", env!("CARGO_PKG_VERSION")).to_string(),
            features,
            functions: self.functions().iter().map(Function::entry).collect(),
        };
        match state.wire.connection.ready(&ready) {
            Ok(frame) => state.wire.out.put(frame),
            Err(refused) => {
                drop(state);
                self.refuse(&Fault::new(Code::Unavailable, refused.to_string()), &token);
            }
        }
        let segments = state.wire.connection.has_segments();
        let _ = state.wire.out.flush_to(self.raw_fd());
        self.flush(&mut state);
        drop(state);
        lock(&self.decoder).segments = segments;
    }

    /// Say on call 0 why this worker cannot start, and exit.
    fn refuse(&self, fault: &Fault, token: &str) -> ! {
        let mut state = lock(&self.state);
        let fault = fault.clone().with_started(Started::No);
        if let Ok(mut frame) = state.wire.connection.failure(&fault) {
            if !token.is_empty() {
                frame = with_token(frame, token);
            }
            state.wire.out.put(frame);
        }
        eprintln!("dragoman: {}", fault.detail);
        self.flush_before_the_end(&mut state);
        exit_now(1);
    }

    /// The host broke the protocol: say so, and exit.
    fn fail(&self, fault: &ProtocolFault) -> ! {
        let mut state = lock(&self.state);
        let told = Fault::internal(format!("the host broke the protocol: {fault}"));
        if let Ok(frame) = state.wire.connection.failure(&told) {
            state.wire.out.put(frame);
        }
        self.flush_before_the_end(&mut state);
        eprintln!("dragoman: {}", told.detail);
        exit_now(EX_PROTOCOL);
    }

    fn flush_before_the_end(&self, state: &mut State) {
        // A second is more than a host that reads needs, and less than anyone waits for a worker that ends.
        let until = Instant::now() + Duration::from_secs(1);
        while let Err(error) = state.wire.out.flush_to(self.raw_fd()) {
            if error.kind() != std::io::ErrorKind::WouldBlock || Instant::now() > until {
                return;
            }
            os::wait_writable(self.raw_fd(), 100);
        }
    }

    // Threads

    /// Take turns until it is over; the first thread stays until then, others may end before.
    fn work(self: &Arc<Self>, first: bool) {
        let mut state = lock(&self.state);
        self.look_on(&mut state);
        while !state.over {
            if let Some(call) = state.ready.pop_front() {
                state.steps += 1;
                self.look_on(&mut state);
                drop(state);
                self.within(|| call.advance());
                drop(call);
                state = lock(&self.state);
            } else if let Some(call) = self.begin(&mut state) {
                drop(state);
                self.within(|| call.advance());
                drop(call);
                state = lock(&self.state);
            } else if !state.reading {
                state.reading = true;
                state.steps += 1;
                self.settle(&mut state);
                // What is there already is read at once, and answered together with what waits.
                let gathers = state.answers >= COMPANY && state.put_at.is_some_and(|at| at.elapsed() < FLUSH_AFTER);
                if !gathers {
                    self.flush(&mut state);
                }
                drop(state);
                state = self.read(!gathers);
                state.reading = false;
                if gathers && state.inbox.is_empty() {
                    self.flush(&mut state);
                }
            } else {
                let needed;
                (state, needed) = self.idle(state);
                if !needed && !first {
                    state.threads -= 1;
                    return;
                }
            }
        }
    }

    fn within(&self, mut act: impl FnMut()) {
        match &self.around {
            Some(around) => around(&mut act),
            None => act(),
        }
    }

    /// Take up the next call, if its turn has come.
    fn begin(&self, state: &mut State) -> Option<Arc<Call>> {
        let concurrency = usize::try_from(self.hello().concurrency).unwrap_or(usize::MAX);
        if state.running >= concurrency {
            return None;
        }
        let call = state.inbox.pop_front()?;
        state.running += 1;
        state.steps += 1;
        let now = Instant::now();
        call.begin(now);
        if let Some(page) = &self.page {
            let word = page.at(0, 8).cast::<AtomicU64>();
            // SAFETY: the page is 4096 bytes of shared memory, aligned, and mapped for as long as the server lives.
            unsafe { &*word }.store(call.id, Ordering::Release);
        }
        let long =
            self.function(call.function).is_some_and(|function| function.last_us.load(Ordering::Relaxed) > LONG_US);
        if long || state.put_at.is_some_and(|put_at| now - put_at > FLUSH_AFTER) {
            self.flush(state);
        }
        if long {
            self.call_for_help(state);
        }
        self.look_on(state);
        Some(call)
    }

    /// Have another thread read, and take up what waits.
    fn call_for_help(&self, state: &mut State) {
        if !self.ring(state) {
            self.spawn(state);
        }
    }

    /// Wake an idle thread for work: one that sleeps as the onlooker only where there is no other. False without any.
    fn ring(&self, state: &mut State) -> bool {
        if state.idle > usize::from(state.asleep) {
            self.bell.notify_one();
            return true;
        }
        state.wanted = state.asleep;
        self.wake_onlooker(state)
    }

    fn wake_onlooker(&self, state: &mut State) -> bool {
        let asleep = std::mem::take(&mut state.asleep);
        if asleep {
            self.onlooker_bell.notify_one();
        }
        asleep
    }

    /// Have a thread look on while this one is busy.
    fn look_on(&self, state: &mut State) {
        if !state.onlooker {
            self.call_for_help(state);
        } else {
            self.wake_onlooker(state);
        }
    }

    fn spawn(&self, state: &mut State) {
        let Some(server) = self.own.upgrade() else {
            return;
        };
        // Each call that has begun may hold a thread; one more reads, and one looks on.
        if state.threads >= (state.running + 2).min(THREADS_MAX) {
            return;
        }
        let builder = std::thread::Builder::new().name("dragoman".to_string()).stack_size(STACK_BYTES);
        if builder.spawn(move || server.work_or_die()).is_ok() {
            state.threads += 1;
        }
    }

    fn work_or_die(self: &Arc<Self>) {
        if super::panic::caught(|| self.work(false)).is_err() {
            exit_now(70); // a defect: better no worker than one that no ping or cancel can reach
        }
    }

    fn has_work(&self, state: &State) -> bool {
        let concurrency = usize::try_from(self.hello().concurrency).unwrap_or(usize::MAX);
        !state.reading || !state.ready.is_empty() || (!state.inbox.is_empty() && state.running < concurrency)
    }

    /// Wait for work. One idle thread looks on; it takes work up only where nothing moved for a tick. False where there
    /// was none for a long time, and another looks on.
    fn idle<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        self.settle(&mut state);
        self.flush(&mut state);
        state.idle += 1;
        if state.onlooker {
            let (mut state, timeout) = self.bell.wait_timeout(state, IDLE_FOR).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            let needed = !timeout.timed_out() || self.has_work(&state) || !state.onlooker;
            return (state, needed);
        }
        state.onlooker = true;
        let mut quiet = 0;
        loop {
            let steps = state.steps;
            let rung;
            if quiet > QUIET_TICKS {
                state.asleep = true;
                state = self.onlooker_bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep = false;
                rung = std::mem::take(&mut state.wanted);
            } else {
                let (back, timeout) = self.bell.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner);
                state = back;
                rung = !timeout.timed_out();
            }
            self.settle(&mut state);
            self.flush(&mut state);
            if state.over || (self.has_work(&state) && (rung || steps == state.steps)) {
                break;
            }
            quiet = if steps == state.steps { quiet + 1 } else { 0 };
        }
        state.onlooker = false;
        state.idle -= 1;
        (state, true)
    }

    // Reading

    /// Read once, and act on what has come; without anything, only where it is told to `wait`.
    fn read(self: &Arc<Self>, wait: bool) -> MutexGuard<'_, State> {
        let mut decoder = lock(&self.decoder);
        // SAFETY: `fill` gives writable memory.
        let count = decoder.fill(|to, size| unsafe { os::read(self.raw_fd(), to, size, wait) });
        let now = Instant::now();
        let mut state = lock(&self.state);
        if matches!(&count, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock) {
            return state;
        }
        if !matches!(count, Ok(1..)) {
            if state.over {
                return state;
            }
            exit_now(0); // the end of the bytes: the host is gone, or has closed after BYE
        }
        loop {
            let found = decoder.next_frame().and_then(|frame| match frame {
                None => Ok(None),
                Some(frame) => state.wire.connection.receive(frame).map(Some),
            });
            let answers = state.wire.connection.take_answers();
            if !answers.is_empty() {
                self.put(&mut state, answers);
            }
            match found {
                Ok(None) => break,
                Ok(Some(None)) => {}
                Ok(Some(Some(frame))) => self.act(&mut state, frame, now),
                Err(fault) => {
                    drop(state);
                    self.fail(&fault);
                }
            }
        }
        drop(decoder);
        if state.wire.out.size > BACKLOG_BYTES_MAX {
            drop(state);
            os::wait_writable(self.raw_fd(), 1000);
            state = lock(&self.state);
            self.flush(&mut state);
        }
        self.wake_all(state)
    }

    /// Wake whoever is to be woken, without the lock.
    fn wake_all<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.wire.wakers.is_empty() {
            return state;
        }
        let wakers = std::mem::take(&mut state.wire.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        lock(&self.state)
    }

    fn act(self: &Arc<Self>, state: &mut State, mut frame: Frame, now: Instant) {
        let call = frame.call;
        let own = call >= crate::wire::frame::GUEST_BIT;
        match frame.kind {
            kind::CALL => {
                let body = state.wire.payload(&mut frame);
                let taken = Call::new(self.clone(), frame, body, now);
                state.calls.insert(call, taken.clone());
                state.inbox.push_back(taken);
            }
            kind::CANCEL => self.on_cancel(state, call, frame.has(flag::UNSTARTED), frame.corrupt),
            kind::PING => {
                if let Ok(pong) = state.wire.connection.pong(&frame.body) {
                    self.put(state, pong);
                    self.flush(state);
                }
            }
            kind::ITEM | kind::END | kind::FAULT | kind::CREDIT if own => state.wire.take_reply(frame),
            kind::ITEM | kind::END => {
                let item = (frame.kind == kind::ITEM).then(|| (frame.body_codec(), state.wire.payload(&mut frame)));
                if let Some(taken) = state.calls.get(&call) {
                    let waker = taken.take_input(item);
                    state.wire.wakers.extend(waker);
                }
            }
            kind::CREDIT => {
                let waker = state.calls.get(&call).and_then(|taken| taken.credit_waker());
                state.wire.wakers.extend(waker);
            }
            kind::RELEASE => {
                let offset = <[u8; 8]>::try_from(&*frame.body).map_or(0, u64::from_le_bytes);
                state.wire.regions.take_back(offset);
            }
            kind::DRAIN => {
                state.draining = true;
                self.leave_if_done(state);
            }
            // The host has failed, or says that it leaves.
            kind::FAULT | kind::BYE => exit_now(0),
            _ => {}
        }
    }

    fn on_cancel(&self, state: &mut State, call: u64, revoke: bool, lost: bool) {
        if let Some(at) = state.inbox.iter().position(|each| each.id == call) {
            let unstarted = state.inbox.remove(at);
            let fault = if revoke {
                Fault::new(Code::Aborted, "given back before it began").with_started(Started::No)
            } else {
                cancelled_unstarted()
            };
            if let Ok(frame) = state.wire.connection.fault(call, &fault, 0, revoke) {
                self.put(state, frame);
            }
            state.calls.remove(&call);
            drop(unstarted);
            self.leave_if_done(state);
            return;
        }
        if revoke {
            return;
        }
        let _ = lost; // the connection makes the answer DATA_LOSS
        if let Some(taken) = state.calls.get(&call).cloned() {
            let wakers = taken.give_up(GivenUp::Cancelled);
            state.wire.wakers.extend(wakers);
            for child in taken.children() {
                state.wire.abandon(child);
            }
        }
    }

    // Answering

    fn put(&self, state: &mut State, frame: Vec<u8>) {
        state.wire.out.put(frame);
        state.put_at.get_or_insert_with(Instant::now);
    }

    /// Run what a call asks for.
    pub fn invoke(&self, call: &Arc<Call>) -> Begun {
        let Some(function) = self.function(call.function) else {
            let detail = format!("this worker has no function number {}", call.function);
            return Begun::Done(Err(Fault::new(Code::NotFound, detail).with_started(Started::No)));
        };
        if let Some(fault) = unservable(function, call) {
            return Begun::Done(Err(fault));
        }
        if let Some(fault) = call.stopped() {
            return Begun::Done(Err(fault.with_started(Started::No)));
        }
        (function.run)(call)
    }

    /// Answer a call.
    pub fn answer(&self, call: &Arc<Call>, outcome: Result<(Parcel, u8), Fault>) {
        let ran_us = call.ran_us();
        if let Some(function) = self.function(call.function) {
            function.last_us.store(ran_us, Ordering::Relaxed);
        }
        let mut state = lock(&self.state);
        let refused = match outcome {
            Ok((mut parcel, codec)) => {
                match state.wire.connection.end(call.id, codec, parcel.body.len(), parcel.span(), ran_us) {
                    Ok(header) => {
                        state.wire.out.put_with_body(&header, &[], std::mem::take(&mut parcel.body));
                        parcel.lend(&mut state.wire);
                        None
                    }
                    Err(refused) => Some(Fault::resource_exhausted(format!("the result cannot be sent: {refused}"))),
                }
            }
            Err(fault) => Some(fault),
        };
        if let Some(fault) = refused {
            if let Ok(frame) = state.wire.connection.fault(call.id, &fault, ran_us, false) {
                state.wire.out.put(frame);
            }
        }
        state.put_at.get_or_insert_with(Instant::now);
        state.answers += 1;
        state.calls.remove(&call.id);
        state.running -= 1;
        if state.wire.out.size > GATHER_BYTES {
            self.flush(&mut state);
        }
        self.leave_if_done(&mut state);
    }

    fn leave_if_done(&self, state: &mut State) {
        if !state.draining || !state.calls.is_empty() || state.over {
            return;
        }
        if let Ok(bye) = state.wire.connection.bye() {
            state.wire.out.put(bye);
        }
        self.flush_before_the_end(state);
        state.over = true;
        // Whoever reads is woken by the end that it then meets.
        if let Ok(copy) = self.fd.try_clone() {
            let _ = std::os::unix::net::UnixStream::from(copy).shutdown(std::net::Shutdown::Both);
        }
        self.bell.notify_all();
        self.onlooker_bell.notify_all();
    }

    /// Send what waits. Under the lock, and never waiting.
    fn flush(&self, state: &mut State) {
        if state.wire.out.size == 0 || state.blocked {
            return;
        }
        match state.wire.out.flush_to(self.raw_fd()) {
            Ok(()) => (state.put_at, state.answers) = (None, 0),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                state.blocked = true;
                if state.writer {
                    self.writable.notify_one();
                } else {
                    self.start_writer(state);
                }
            }
            Err(_) if state.over || state.wire.connection.phase == Phase::Left => {}
            Err(_) => exit_now(0), // the host is gone
        }
    }

    fn start_writer(&self, state: &mut State) {
        let Some(server) = self.own.upgrade() else {
            return;
        };
        let started = std::thread::Builder::new().name("dragoman-writer".to_string()).spawn(move || server.write_on());
        state.writer = started.is_ok();
        state.blocked = started.is_ok();
    }

    fn write_on(&self) {
        let mut state = lock(&self.state);
        while !state.over {
            if !state.blocked {
                state = self.writable.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            os::wait_writable(self.raw_fd(), -1);
            state = lock(&self.state);
            state.blocked = false;
            self.flush(&mut state);
        }
    }

    fn settle(&self, state: &mut State) {
        let mut returned = std::mem::take(&mut *lock(&self.returned));
        if !returned.is_empty() {
            state.wire.settle(&mut returned);
        }
    }

    // What calls ask

    /// Poll a call again, on whichever thread is free.
    pub fn enqueue(&self, call: Arc<Call>) {
        let mut state = lock(&self.state);
        state.ready.push_back(call);
        // Where no thread is idle, one is about to look.
        self.ring(&mut state);
    }

    /// Send an item of a call's reply once there is credit.
    pub fn poll_item(
        &self,
        call: &Arc<Call>,
        parcel: &mut Option<Parcel>,
        codec: u8,
        context: &TaskContext<'_>,
    ) -> Poll<Result<(), Fault>> {
        if let Some(fault) = call.stopped() {
            return Poll::Ready(Err(fault));
        }
        let mut state = lock(&self.state);
        match state.wire.connection.may_send_item(call.id) {
            None => return Poll::Ready(Err(Fault::cancelled("nobody reads this stream any more"))),
            Some(false) => {
                call.wait_for_credit(context.waker().clone());
                self.flush(&mut state);
                drop(state);
                call.arm();
                return Poll::Pending;
            }
            Some(true) => {}
        }
        let Some(mut parcel) = parcel.take() else {
            return Poll::Ready(Ok(()));
        };
        match state.wire.connection.item(call.id, codec, parcel.body.len(), parcel.span()) {
            Ok(header) => {
                state.wire.out.put_with_body(&header, &[], std::mem::take(&mut parcel.body));
                parcel.lend(&mut state.wire);
                let now = Instant::now();
                let put_at = *state.put_at.get_or_insert(now);
                state.steps += 1;
                if now - put_at > FLUSH_AFTER || state.wire.out.size > GATHER_BYTES {
                    self.flush(&mut state);
                } else {
                    self.look_on(&mut state); // who may send it, if the next item is long in coming
                }
                Poll::Ready(Ok(()))
            }
            Err(refused) => Poll::Ready(Err(Fault::resource_exhausted(format!("an item cannot be sent: {refused}")))),
        }
    }

    /// Count an item of an input as used up.
    pub fn consumed(&self, call: u64, cost: u64) {
        let mut state = lock(&self.state);
        if let Some(credit) = state.wire.connection.consumed(call, cost) {
            self.put(&mut state, credit);
            self.flush(&mut state);
        }
    }

    /// Send an event, unless the host does not read.
    pub fn event(&self, call: u64, body: Vec<u8>) {
        let mut state = lock(&self.state);
        if state.wire.out.size > UNSENT_BYTES_MAX {
            state.dropped_events += 1;
            return;
        }
        if state.dropped_events > 0 {
            let words = format!("{} events were dropped: the host did not read", state.dropped_events);
            state.dropped_events = 0;
            let body = format!("{{\"log\":{{\"message\":\"{words}\",\"level\":\"warning\"}}}}").into_bytes();
            if let Ok(frame) = state.wire.connection.event(0, body) {
                self.put(&mut state, frame);
            }
        }
        if let Ok(frame) = state.wire.connection.event(call, body) {
            self.put(&mut state, frame);
        }
        self.flush(&mut state);
    }

    /// Whether a body of so many bytes should travel in shared memory.
    pub fn wants_segment(&self, size: usize) -> bool {
        let state = lock(&self.state);
        state.wire.connection.has_segments() && size as u64 >= state.wire.connection.limits.segment_from_bytes
    }

    /// Wait for a future on this thread, while another reads.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on_with(future, |flag| self.wait(flag))
    }
}

impl Link for Server {
    fn give_back(&self, returned: Returned) {
        lock(&self.returned).push(returned);
        // Whoever holds the lock now settles it before it reads or waits again.
        match self.state.try_lock() {
            Ok(mut state) => {
                self.settle(&mut state);
                self.flush(&mut state);
            }
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
        }
    }

    fn access(&self, act: &mut dyn FnMut(&mut Wire)) {
        let mut state = lock(&self.state);
        act(&mut state.wire);
        self.settle(&mut state);
        self.flush(&mut state);
        drop(self.wake_all(state));
    }

    fn wait(&self, flag: &Flag) {
        let mut state = lock(&self.state);
        self.flush(&mut state);
        if flag.is_set() {
            return;
        }
        if self.has_work(&state) {
            self.call_for_help(&mut state);
        }
        drop(state);
        std::thread::park();
    }
}

/// On the path transport a FAULT that stands in for READY has the token as its first key.
fn with_token(frame: Vec<u8>, token: &str) -> Vec<u8> {
    let quoted = crate::codec::to_json(token).unwrap_or_default();
    let mut body = b"{\"token\":".to_vec();
    body.extend(quoted);
    body.push(b',');
    body.extend(&frame[33..]);
    let mut out = frame[..32].to_vec();
    out[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend(body);
    out
}
