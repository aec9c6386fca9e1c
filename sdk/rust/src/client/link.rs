//! The connection of a client: one at a time, made anew when it is lost.
//!
//! Whoever waits for a reply reads for itself where nobody else does, so that one call after the other costs no change
//! of threads. A thread in the background reads for those who do not (asynchronous callers, and a host that pings), and
//! connects.

use super::address::{Address, Transport, Unix};
use super::Options;
use crate::fault::{Code, Fault, Started};
use crate::line::{Flag, Link, Returned, Wire};
use crate::os;
use crate::wire::connection::Connection;
use crate::wire::decoder::Decoder;
use crate::wire::frame::{kind, Frame};
use crate::wire::handshake::{Limits, Ready};
use crate::wire::state::{Phase, Role};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// After a caller has read for itself, the background leaves reading to the next one for so long.
const YIELD: Duration = Duration::from_millis(20);
/// A host has so long to say HELLO and to send what the handshake needs.
const HANDSHAKE: Duration = Duration::from_secs(10);
const BACKOFF_LEAST: Duration = Duration::from_millis(50);
/// A host that comes back is found within this.
const BACKOFF_MOST: Duration = Duration::from_secs(5);
/// Unsent input past this stops callers from adding more until the host reads.
const UNSENT_BYTES_MAX: usize = 256 << 20;

struct State {
    wire: Wire,
    transport: Option<Arc<dyn Transport>>,
    decoder: Arc<Mutex<Decoder>>,
    /// Whether a thread reads.
    reading: bool,
    /// When a caller last read for itself.
    yielded_at: Option<Instant>,
    /// Callers that wait for a connection.
    waiting: Vec<Waker>,
    /// Why there is none, where that was tried.
    refusal: Option<(Fault, Instant)>,
    attempts: u32,
    wanted: bool,
    draining: bool,
    /// The kernel has no room: the background waits for it.
    blocked: bool,
    closing: bool,
    closed: bool,
    prefix: String,
    service: String,
    returned: VecDeque<Returned>,
}

pub struct ClientLink {
    address: Address,
    options: Options,
    state: Mutex<State>,
    bell: Condvar,
    /// Rung when the kernel has no room.
    full: Condvar,
    own: Weak<ClientLink>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost(detail: impl Into<String>) -> Fault {
    Fault::new(Code::Unavailable, detail).with_started(Started::Unknown)
}

impl ClientLink {
    /// Connect, and start the background.
    pub fn dial(address: Address, options: Options) -> Result<Arc<ClientLink>, Fault> {
        let link = Arc::new_cyclic(|own: &Weak<ClientLink>| {
            let link: Weak<dyn Link> = own.clone();
            let mut wire = Wire::new(Connection::new(Role::Guest, Limits::default()), link);
            wire.lost = Some(lost("not connected yet").with_started(Started::No));
            ClientLink {
                address,
                options,
                state: Mutex::new(State {
                    wire,
                    transport: None,
                    decoder: Arc::default(),
                    reading: false,
                    yielded_at: None,
                    waiting: Vec::new(),
                    refusal: None,
                    attempts: 0,
                    wanted: false,
                    draining: false,
                    blocked: false,
                    closing: false,
                    closed: false,
                    prefix: String::new(),
                    service: String::new(),
                    returned: VecDeque::new(),
                }),
                bell: Condvar::new(),
                full: Condvar::new(),
                own: own.clone(),
            }
        });
        let (transport, decoder, connection) = link.connect()?;
        let mut state = lock(&link.state);
        link.install(&mut state, transport, decoder, connection);
        drop(state);
        let (reads, writes) = (link.clone(), link.clone());
        let spawn = |name: &str, act: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_string()).spawn(act);
            thread.map_err(|error| lost(format!("no thread for the connection: {error}")).with_started(Started::No))
        };
        spawn("dragoman-client", Box::new(move || reads.run()))?;
        spawn("dragoman-client-out", Box::new(move || writes.write_on()))?;
        Ok(link)
    }

    /// The name of the project that is served.
    pub fn service(&self) -> String {
        lock(&self.state).service.clone()
    }

    fn install(&self, state: &mut State, transport: Arc<dyn Transport>, decoder: Decoder, connection: Connection) {
        if let Some(hello) = &connection.said_hello {
            state.prefix.clone_from(&hello.call_prefix);
            state.service.clone_from(&hello.service);
        }
        state.wire.connection = connection;
        state.wire.out = crate::line::Outbox::default();
        state.wire.lost = None;
        state.transport = Some(transport);
        state.decoder = Arc::new(Mutex::new(decoder));
        state.attempts = 0;
        state.refusal = None;
        state.draining = false;
        state.blocked = false;
        state.yielded_at = None;
        state.wire.wakers.append(&mut state.waiting);
    }

    // Connecting

    /// Connect once, and shake hands.
    fn connect(&self) -> Result<(Arc<dyn Transport>, Decoder, Connection), Fault> {
        let reach =
            |error: io::Error| lost(format!("no host answers at {}: {error}", self.shown())).with_started(Started::No);
        let transport: Arc<dyn Transport> = match &self.address {
            Address::Unix(path) => Arc::new(Unix::connect(path).map_err(reach)?),
            #[cfg(feature = "tls")]
            Address::Tls { host, port } => {
                Arc::new(super::tls::Tls::connect(host, *port, &self.options.authorities).map_err(reach)?)
            }
            #[cfg(not(feature = "tls"))]
            Address::Tls { .. } => {
                let detail = "tcp+tls needs the feature `tls` of the dragoman crate: add it in Cargo.toml";
                return Err(Fault::new(Code::Unimplemented, detail).with_started(Started::No));
            }
        };
        let mut connection = Connection::new(Role::Guest, Limits::default());
        connection.client = true;
        let mut decoder = Decoder::default();
        self.shake_hands(&*transport, &mut connection, &mut decoder)?;
        Ok((transport, decoder, connection))
    }

    fn shown(&self) -> String {
        match &self.address {
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Tls { host, port } => format!("tcp+tls://{host}:{port}"),
        }
    }

    fn shake_hands(
        &self,
        transport: &dyn Transport,
        connection: &mut Connection,
        decoder: &mut Decoder,
    ) -> Result<(), Fault> {
        let until = Instant::now() + HANDSHAKE;
        while connection.said_hello.is_none() {
            match decoder.next_frame().and_then(|frame| frame.map_or(Ok(None), |frame| connection.receive(frame))) {
                Err(fault) => {
                    return Err(lost(format!("{} is no host: {fault}", self.shown())).with_started(Started::No))
                }
                Ok(Some(frame)) if frame.kind == kind::FAULT => return Err(refused(&frame)),
                Ok(Some(_)) => continue,
                Ok(None) => {}
            }
            // SAFETY: `fill` gives writable memory.
            match decoder.fill(|to, size| unsafe { transport.read(to, size) }) {
                Ok(1..) => {}
                Ok(0) => return Err(lost("the host closed the connection before HELLO").with_started(Started::No)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {}
                Err(error) => return Err(lost(format!("the host said no HELLO: {error}")).with_started(Started::No)),
            }
        }
        decoder.limit = connection.limits.frame_bytes_max;
        let ready = Ready {
            token: self.options.token.clone(),
            language: "rust".to_string(),
            library: concat!("dragoman/", env!("CARGO_PKG_VERSION")).to_string(),
            ..Ready::default()
        };
        let frame = connection.ready(&ready).map_err(|refused| lost(refused.to_string()).with_started(Started::No))?;
        let mut sent = 0;
        while sent < frame.len() {
            match transport.write(&[&frame[sent..]]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                    os::wait_writable(transport.fd(), 100);
                }
                Err(error) => {
                    let told = self.last_word(transport, connection, decoder, until);
                    let unsaid = || lost(format!("READY cannot be sent: {error}")).with_started(Started::No);
                    return Err(told.unwrap_or_else(unsaid));
                }
            }
        }
        Ok(())
    }

    /// Why a host that has closed did so, if it said that.
    fn last_word(
        &self,
        transport: &dyn Transport,
        connection: &mut Connection,
        decoder: &mut Decoder,
        until: Instant,
    ) -> Option<Fault> {
        loop {
            while let Ok(Some(frame)) = decoder.next_frame() {
                match connection.receive(frame) {
                    Ok(Some(frame)) if frame.kind == kind::FAULT && frame.call == 0 => return Some(refused(&frame)),
                    _ => {}
                }
            }
            // SAFETY: `fill` gives writable memory.
            match decoder.fill(|to, size| unsafe { transport.read(to, size) }) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {}
                _ => return None,
            }
        }
    }

    /// Ready once there is a connection.
    pub fn poll_open(&self, since: Instant, waker: &Waker) -> Poll<Result<(), Fault>> {
        let mut state = lock(&self.state);
        if state.closing {
            return Poll::Ready(Err(lost("the client is closed").with_started(Started::No)));
        }
        if state.wire.lost.is_none() {
            return Poll::Ready(Ok(()));
        }
        if let Some((fault, at)) = &state.refusal {
            let patience = self.options.connect_timeout;
            let final_word = fault.code != Code::Unavailable;
            if *at >= since && (final_word || at.duration_since(since) >= patience) {
                return Poll::Ready(Err(fault.clone()));
            }
        }
        if !state.waiting.iter().any(|each| each.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        state.wanted = true;
        self.bell.notify_all();
        Poll::Pending
    }

    // The background

    fn run(self: Arc<Self>) {
        let mut state = lock(&self.state);
        while !state.closed {
            if state.transport.is_none() {
                state = self.reconnect(state);
            } else if state.reading {
                state = self.bell.wait_timeout(state, YIELD).unwrap_or_else(PoisonError::into_inner).0;
            } else if let Some(left) = self.yielding(&state) {
                state = self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                state = self.read(state, true);
            }
        }
        state.wire.lose(&lost("the client is closed"));
        let wakers = std::mem::take(&mut state.wire.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How long reading is still left to callers who read for themselves.
    fn yielding(&self, state: &State) -> Option<Duration> {
        let since = state.yielded_at?.elapsed();
        (since < YIELD).then(|| YIELD - since)
    }

    fn reconnect<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.closing {
            state.closed = true;
            self.full.notify_all();
            return state;
        }
        if !state.wanted {
            return self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.attempts > 0 {
            let pause = jittered(BACKOFF_LEAST * 2u32.pow((state.attempts - 1).min(10)));
            let until = Instant::now() + pause.min(BACKOFF_MOST);
            while !state.closing {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.closing {
                return state;
            }
        }
        state.attempts += 1;
        drop(state);
        let made = self.connect();
        let mut state = lock(&self.state);
        match made {
            Ok((transport, decoder, connection)) => {
                state.wanted = false;
                self.install(&mut state, transport, decoder, connection);
            }
            Err(fault) => {
                state.refusal = Some((fault, Instant::now()));
                let waiting = std::mem::take(&mut state.waiting);
                state.wanted = false; // whoever still waits asks again
                state.wire.wakers.extend(waiting);
            }
        }
        self.wake_all(state)
    }

    // Reading

    /// Read once, and act on what has come. In the background this waits for as long as it takes.
    fn read<'a>(&'a self, mut state: MutexGuard<'a, State>, background: bool) -> MutexGuard<'a, State> {
        let Some(transport) = state.transport.clone() else {
            return state;
        };
        state.reading = true;
        if !background {
            state.yielded_at = Some(Instant::now());
        }
        let decoder = state.decoder.clone();
        drop(state);
        let mut decoder = lock(&decoder);
        if background && !transport.has_pending() {
            os::wait_readable(transport.fd(), -1);
        }
        // SAFETY: `fill` gives writable memory.
        let count = decoder.fill(|to, size| unsafe { transport.read(to, size) });
        let mut state = lock(&self.state);
        state.reading = false;
        if !state.transport.as_ref().is_some_and(|current| Arc::ptr_eq(current, &transport)) {
            return state; // the connection was dropped meanwhile, and maybe made anew
        }
        match count {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => self.take(&mut state, &mut decoder),
            Ok(0) => self.drop_connection(&mut state, &lost("the host closed the connection")),
            Err(error) => self.drop_connection(&mut state, &lost(format!("the connection was lost: {error}"))),
        }
        drop(decoder);
        self.flush(&mut state);
        self.wake_all(state)
    }

    fn take(&self, state: &mut State, decoder: &mut Decoder) {
        loop {
            let found = decoder.next_frame().and_then(|frame| match frame {
                None => Ok(None),
                Some(frame) => state.wire.connection.receive(frame).map(Some),
            });
            let answers = state.wire.connection.take_answers();
            if !answers.is_empty() {
                state.wire.out.put(answers);
            }
            match found {
                Ok(None) => break,
                Ok(Some(None)) => {}
                Ok(Some(Some(frame))) => self.act(state, frame),
                Err(fault) => {
                    let told = Fault::internal(format!("the host broke the protocol: {fault}"));
                    if let Ok(frame) = state.wire.connection.failure(&told) {
                        state.wire.out.put(frame);
                        self.flush(state);
                    }
                    self.drop_connection(state, &told.with_started(Started::Unknown));
                }
            }
            if state.transport.is_none() {
                return;
            }
        }
        self.leave_if_done(state);
    }

    fn act(&self, state: &mut State, frame: Frame) {
        match frame.kind {
            kind::ITEM | kind::END | kind::CREDIT => state.wire.take_reply(frame),
            kind::FAULT if frame.call != 0 => state.wire.take_reply(frame),
            kind::PING => {
                if let Ok(pong) = state.wire.connection.pong(&frame.body) {
                    state.wire.out.put(pong);
                }
            }
            kind::DRAIN => {
                state.draining = true;
                state.wire.lost = Some(lost("the host is leaving").with_started(Started::No));
            }
            kind::FAULT => {
                let fault = refused(&frame);
                state.refusal = Some((fault.clone(), Instant::now()));
                self.drop_connection(state, &fault);
            }
            kind::BYE => self.drop_connection(state, &lost("the host has left")),
            _ => {}
        }
    }

    /// After a DRAIN, or when it is closing: leave once all is answered.
    fn leave_if_done(&self, state: &mut State) {
        if (state.draining || state.closing) && state.wire.outgoing.is_empty() {
            if let Ok(bye) = state.wire.connection.bye() {
                state.wire.out.put(bye);
                self.flush(state);
            }
            self.drop_connection(state, &lost("the connection has ended"));
        }
    }

    fn drop_connection(&self, state: &mut State, fault: &Fault) {
        if let Some(transport) = state.transport.take() {
            transport.shutdown();
        }
        state.wire.connection.phase = Phase::Closed;
        state.blocked = false;
        state.wire.lose(fault);
        state.wanted = !state.waiting.is_empty();
        self.bell.notify_all();
    }

    fn wake_all<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.wire.wakers.is_empty() {
            return state;
        }
        let wakers = std::mem::take(&mut state.wire.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        lock(&self.state)
    }

    // Writing

    fn flush(&self, state: &mut State) {
        if state.blocked {
            return;
        }
        let Some(transport) = state.transport.clone() else {
            return;
        };
        if state.wire.out.size == 0 && !transport.has_unsent() {
            return;
        }
        let written = match state.wire.out.flush(|pieces| transport.write(pieces)) {
            // What the transport has taken must leave it too.
            Ok(()) if transport.has_unsent() => transport.write(&[]).map(drop),
            other => other,
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                state.blocked = true;
                self.full.notify_one();
            }
            // Whoever reads meets the end, after what the host still said.
            Err(_) => state.wire.out = crate::line::Outbox::default(),
        }
    }

    fn write_on(self: Arc<Self>) {
        let mut state = lock(&self.state);
        while !state.closed {
            let Some(transport) = state.transport.clone().filter(|_| state.blocked) else {
                state = self.full.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            os::wait_writable(transport.fd(), 1000);
            state = lock(&self.state);
            state.blocked = false;
            self.flush(&mut state);
        }
    }

    // Closing

    /// Take no more calls; leave when all is answered, or at once.
    pub fn close(&self, now: bool) {
        let mut state = lock(&self.state);
        state.closing = true;
        state.wire.lost.get_or_insert_with(|| lost("the client is closed").with_started(Started::No));
        let waiting = std::mem::take(&mut state.waiting);
        state.wire.wakers.extend(waiting);
        if now {
            let open: Vec<u64> = state.wire.outgoing.keys().copied().collect();
            open.into_iter().for_each(|call| state.wire.abandon(call));
        }
        if state.transport.is_some() {
            self.leave_if_done(&mut state);
        }
        self.bell.notify_all();
        self.full.notify_all();
        drop(self.wake_all(state));
    }

    /// Whether every call was answered.
    pub fn is_idle(&self) -> bool {
        lock(&self.state).wire.outgoing.is_empty()
    }

    /// The holder, as calls see it.
    pub fn as_link(&self) -> Option<Arc<dyn Link>> {
        self.own.upgrade().map(|link| link as Arc<dyn Link>)
    }
}

fn refused(frame: &Frame) -> Fault {
    Fault::load(&frame.body).unwrap_or_else(|broken| lost(broken.to_string()))
}

/// Between half of a span and all of it, so that many clients do not come back as one.
fn jittered(span: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    span.mul_f64(0.5 + (random % 1000) as f64 / 2000.0)
}

impl Link for ClientLink {
    fn give_back(&self, returned: Returned) {
        lock(&self.state).returned.push_back(returned); // clients have no arenas: nothing comes here
    }

    fn access(&self, act: &mut dyn FnMut(&mut Wire)) {
        let mut state = lock(&self.state);
        act(&mut state.wire);
        if state.wire.out.size > UNSENT_BYTES_MAX && state.transport.is_some() {
            self.drop_connection(&mut state, &lost("the host has not read for 256 MB of requests"));
        }
        self.flush(&mut state);
        if state.transport.is_some() {
            self.leave_if_done(&mut state);
        }
        drop(self.wake_all(state));
    }

    fn wait(&self, flag: &Flag) {
        let mut state = lock(&self.state);
        if flag.is_set() {
            return;
        }
        if state.reading || state.transport.is_none() || state.wire.outgoing.is_empty() {
            if state.reading {
                // Next time the reply is awaited, it is read by whoever waits for it.
                state.yielded_at = Some(Instant::now());
            }
            drop(state);
            std::thread::park();
            return;
        }
        state = self.read(state, false);
        if flag.is_set() && !state.wire.outgoing.is_empty() {
            state.yielded_at = None;
            self.bell.notify_all(); // others wait: somebody must read on
        }
    }
}
