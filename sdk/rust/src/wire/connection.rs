//! One end of a wire without its I/O: checked frames in, headers out.
//!
//! Everything that travels takes its step here. After a `ProtocolFault` nothing more is received; a side may still tell
//! why by a FAULT on call 0 before it closes.

use super::frame::{
    body_bytes_max, encode, flag, kind, Frame, Header, ProtocolFault, GUEST_BIT, META_BYTES_MAX, VERSION,
};
use super::handshake::{self, Hello, Limits, Ready, CREDIT_BYTES_MAX};
use super::meta::Entries;
use super::state::{answered, asked, ever_received, received, sent, CallState, Phase, Role, Step};
use crate::fault::{Code, Fault, Started};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Pings that may be unanswered: one at a time is usual.
const PINGS_MAX: usize = 16;

/// Call ids are already well spread: one multiplication is enough of a hash.
#[derive(Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(20);
    }
}

/// A map by call id.
pub type ById<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

/// A step that its table does not have, or a frame past what the peer accepts: nothing was sent, no state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The step is not possible now.
    Illegal(String),
    /// The frame is too large.
    Oversized(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Illegal(detail) | Refused::Oversized(detail) => f.write_str(detail),
        }
    }
}

/// The credit of one stream, at either end: `granted` and `moved` only grow.
#[derive(Debug)]
struct Window {
    granted: u64,
    moved: u64,
    used: u64,
    items: bool,
    size: u64,
}

impl Window {
    fn new(size: u64) -> Box<Self> {
        Box::new(Window { granted: size, moved: 0, used: 0, items: false, size })
    }

    fn has_credit(&self) -> bool {
        self.moved < self.granted
    }

    fn take(&mut self, cost: u64) {
        self.moved += cost;
        self.items = true;
    }

    fn grant(&mut self, amount: u64) -> Result<(), String> {
        if amount == 0 {
            return Err("a CREDIT of nothing".to_string());
        }
        let after = i128::from(self.granted) - i128::from(self.moved) + i128::from(amount);
        if after > i128::from(CREDIT_BYTES_MAX) {
            return Err(format!("a CREDIT of {amount} takes the stream past {CREDIT_BYTES_MAX}"));
        }
        self.granted += amount;
        Ok(())
    }

    /// Count an item as used up; the bytes to grant now, 0 until half the window is free again.
    fn consume(&mut self, cost: u64) -> u64 {
        self.used += cost;
        let due = (self.used + self.size).saturating_sub(self.granted);
        if due * 2 >= self.size {
            due
        } else {
            0
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Flowing,
    Ended,
    Closed,
}

/// A live call, at either end.
#[derive(Debug)]
struct Live {
    state: CallState,
    /// The reply's stream.
    reply: Option<Box<Window>>,
    /// The input's stream.
    input: Option<(Box<Window>, Flow)>,
    /// A part came corrupt: what follows of it is dropped.
    spoiled: bool,
}

impl Live {
    fn new(flags: u8, window: u64) -> Live {
        Live {
            state: CallState::Waiting,
            reply: (flags & flag::STREAM != 0).then(|| Window::new(window)),
            input: (flags & flag::INPUT != 0).then(|| (Window::new(window), Flow::Flowing)),
            spoiled: false,
        }
    }
}

fn fault<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, ProtocolFault> {
    Err(ProtocolFault::new(reason, detail))
}

fn cost(frame: &Frame) -> u64 {
    32 + (frame.meta.len() + frame.body.len()) as u64 + frame.region.map_or(0, |(_, size)| size)
}

/// One end of one wire.
#[derive(Debug)]
pub struct Connection {
    pub role: Role,
    /// Whether the side in the guest's place is a client (SPEC.md §19).
    pub client: bool,
    pub phase: Phase,
    pub limits: Limits,
    pub said_hello: Option<Hello>,
    /// Features of READY, whichever side said it.
    pub features: Vec<String>,
    /// Bytes of the peer's arena and of this side's; 0 where there is none.
    pub arenas: (u64, u64),
    made: ById<Live>,
    taken: ById<Live>,
    pings: VecDeque<Vec<u8>>,
    /// Regions of the peer's arena that are this side's now, and regions of its own that are the peer's.
    borrowed: BTreeMap<u64, u64>,
    lent: BTreeMap<u64, u64>,
    answers: Vec<u8>,
}

impl Connection {
    /// A new end. `limits` are the host's; a guest goes by those in HELLO.
    pub fn new(role: Role, limits: Limits) -> Self {
        Connection {
            role,
            client: false,
            phase: Phase::Start,
            limits,
            said_hello: None,
            features: Vec::new(),
            arenas: (0, 0),
            made: ById::default(),
            taken: ById::default(),
            pings: VecDeque::new(),
            borrowed: BTreeMap::new(),
            lent: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// Whether both sides agreed on shared memory.
    pub fn has_segments(&self) -> bool {
        let offered =
            self.said_hello.as_ref().is_some_and(|hello| hello.features.iter().any(|each| each == "segments"));
        offered && self.features.iter().any(|each| each == "segments")
    }

    /// Calls that this side made and that have not been answered.
    pub fn made_live(&self) -> usize {
        self.made.len()
    }

    /// Calls that this side took and still owes an answer to.
    pub fn taken_live(&self) -> usize {
        self.taken.len()
    }

    /// Bytes that `receive` found must be sent without anyone deciding; empty nearly always.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    fn is_own(&self, call: u64) -> bool {
        (call >= GUEST_BIT) == (self.role == Role::Guest) && call != 0
    }

    // Receiving

    /// Check one frame; returns it, or what to act on in its place, or nothing.
    pub fn receive(&mut self, mut frame: Frame) -> Result<Option<Frame>, ProtocolFault> {
        let step = Step::of(&frame);
        let Some(phase) = received((self.role, self.client), self.phase, step) else {
            let known = ever_received((self.role, self.client), step);
            let reason = if known { "state" } else { "direction" };
            return fault(reason, format!("{step:?} cannot come while the connection is {:?}", self.phase));
        };
        if phase == Phase::Left {
            return Ok(None);
        }
        self.phase = phase;
        if frame.corrupt {
            return self.corrupt(frame, step);
        }
        if frame.has(flag::SEGMENT) {
            self.borrow(&mut frame)?;
        }
        let region = frame.region;
        let result = match step {
            Step::Call => self.on_call(frame).map(Some),
            Step::Item | Step::End | Step::Fault | Step::Return => self.on_stream(frame, step),
            Step::Cancel | Step::Revoke | Step::Credit => self.on_control(frame, step),
            _ => self.on_connection(frame, step).map(Some),
        };
        if let (Ok(None), Some((offset, _))) = (&result, region) {
            // Whoever drops a frame with SEGMENT releases its region all the same.
            self.borrowed.remove(&offset);
            let release = Frame { body: offset.to_le_bytes().to_vec().into(), ..Frame::of(kind::RELEASE, 0) };
            self.answers.extend(encode(&release));
        }
        result
    }

    /// Take the end of the peer's bytes; `inside` where they end in the middle of a frame.
    pub fn eof(&self, inside: bool) -> Result<(), ProtocolFault> {
        if inside {
            return fault("truncated", "the peer's bytes end inside a frame");
        }
        let may_just_close = self.client && self.role == Role::Host;
        if !may_just_close && !matches!(self.phase, Phase::Closed | Phase::Left) {
            return fault(
                "truncated",
                format!("the peer closed without BYE while the connection was {:?}", self.phase),
            );
        }
        Ok(())
    }

    fn borrow(&mut self, frame: &mut Frame) -> Result<(), ProtocolFault> {
        let Ok(bytes) = <[u8; 16]>::try_from(&*frame.body) else {
            return fault("segment", format!("a region is told in 16 bytes, not {}", frame.body.len()));
        };
        let word = u128::from_le_bytes(bytes);
        let (offset, size) = (word as u64, (word >> 64) as u64);
        let most = u64::from(self.limits.frame_bytes_max);
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.arenas.0);
        if offset % 64 != 0 || size == 0 || size > most || !inside {
            return fault("segment", format!("no region of the arena: {size} bytes from {offset}"));
        }
        if overlaps(&self.borrowed, offset, size) {
            return fault("segment", format!("a region that is lent already: {size} bytes from {offset}"));
        }
        self.borrowed.insert(offset, size);
        frame.region = Some((offset, size));
        Ok(())
    }

    fn on_connection(&mut self, frame: Frame, step: Step) -> Result<Frame, ProtocolFault> {
        match step {
            Step::Hello => {
                let hello = handshake::load_hello(&frame.body)?;
                self.limits = hello.limits;
                let versions = hello.versions;
                self.said_hello = Some(hello);
                handshake::negotiate(versions)?;
            }
            Step::Ready => {
                let offered = self.said_hello.as_ref().map_or((1, 1), |hello| hello.versions);
                let ready = handshake::load_ready(&frame.body, offered)?;
                let is_offer = |each: &String| matches!(each.as_str(), "progress" | "revoke" | "segments");
                if self.client && (!ready.functions.is_empty() || ready.features.iter().any(is_offer)) {
                    return fault("handshake", "READY of a client offers functions, or what only a worker has");
                }
                self.features = ready.features;
            }
            Step::Pong if self.pings.pop_front().is_none_or(|ping| ping != *frame.body) => {
                return fault("pong", "a PONG that echoes no PING");
            }
            Step::Bye => {
                // A guest's call may have crossed the BYE of its host; a host's cannot have crossed its guest's.
                if self.role == Role::Host && !self.client && !self.made.is_empty() {
                    return fault("state", format!("BYE with {} calls unanswered", self.made.len()));
                }
                self.forget();
            }
            Step::Failure => self.forget(),
            Step::Event if frame.call >= GUEST_BIT => {
                return fault("call_id", format!("EVENT about call {:#x}, which the host did not make", frame.call));
            }
            Step::Release => {
                let offset = <[u8; 8]>::try_from(&*frame.body).map_or(u64::MAX, u64::from_le_bytes);
                if self.lent.remove(&offset).is_none() {
                    return fault("segment", format!("RELEASE of {offset}, which is not lent"));
                }
            }
            _ => {}
        }
        Ok(frame)
    }

    fn check_call(&self, call: u64) -> Result<(), ProtocolFault> {
        if call == 0 || self.is_own(call) {
            return fault("call_id", format!("CALL with id {call:#x}, which is not the peer's to give"));
        }
        if self.taken.contains_key(&call) {
            return fault("duplicate_call", format!("CALL with id {call:#x}, which is in flight already"));
        }
        if self.taken.len() as u64 >= self.limits.calls_max {
            return fault("calls", format!("more than {} calls in flight", self.limits.calls_max));
        }
        Ok(())
    }

    fn on_call(&mut self, frame: Frame) -> Result<Frame, ProtocolFault> {
        self.check_call(frame.call)?;
        if !frame.meta.is_empty() || self.role == Role::Host {
            let entries = Entries::decode(&frame.meta)?;
            if self.role == Role::Host && entries.function.is_empty() {
                return fault("meta", format!("call {:#x} from a guest names no FUNCTION", frame.call));
            }
        }
        self.taken.insert(frame.call, Live::new(frame.flags, self.limits.credit_bytes));
        Ok(frame)
    }

    fn on_stream(&mut self, frame: Frame, step: Step) -> Result<Option<Frame>, ProtocolFault> {
        if matches!(step, Step::Item | Step::End) && frame.call != 0 && !self.is_own(frame.call) {
            return self.on_input(frame, step);
        }
        let call = frame.call;
        let Some(live) = self.made.get_mut(&call) else {
            return fault("unknown_call", format!("{step:?} for call {call:#x}, which is not in flight"));
        };
        let Some(state) = answered(live.state, step) else {
            let reason = if step == Step::Return { "revoke" } else { "state" };
            return fault(reason, format!("{step:?} for call {call:#x}, which is {:?}", live.state));
        };
        match (&mut live.reply, step) {
            (None, Step::Item) => {
                return fault("stream", format!("ITEM for call {call:#x}, which did not ask for a stream"));
            }
            (Some(window), Step::Item) => {
                if !window.has_credit() {
                    return fault("credit", "an ITEM without credit");
                }
                window.take(cost(&frame));
            }
            (Some(window), Step::End) if window.items && !frame.body.is_empty() => {
                return fault("stream", format!("END of the stream of call {call:#x} with a body"));
            }
            _ => {}
        }
        live.state = state;
        let spoiled = live.spoiled;
        if state == CallState::Done {
            self.made.remove(&call);
        }
        if !spoiled {
            return Ok(Some(frame));
        }
        Ok(if step == Step::Item { None } else { Some(data_loss(&frame)) })
    }

    /// ITEM and END of the caller: the input of a call that this side took.
    fn on_input(&mut self, frame: Frame, step: Step) -> Result<Option<Frame>, ProtocolFault> {
        let call = frame.call;
        let Some(live) = self.taken.get_mut(&call) else {
            return Ok(None); // it crossed the answer
        };
        if live.spoiled {
            return Ok(None);
        }
        let cancelled = live.state == CallState::Cancelling;
        let Some((window, flow)) = live.input.as_mut() else {
            return fault("stream", format!("{step:?} of the input of call {call:#x}, which has no such stream"));
        };
        if *flow != Flow::Flowing || cancelled {
            return fault("stream", format!("{step:?} of the input of call {call:#x} after its end"));
        }
        if step == Step::End {
            if !frame.body.is_empty() {
                return fault("stream", format!("END of the input of call {call:#x} with a body"));
            }
            *flow = Flow::Ended;
        } else {
            if !window.has_credit() {
                return fault("credit", "an ITEM without credit");
            }
            window.take(cost(&frame));
        }
        Ok(Some(frame))
    }

    fn on_control(&mut self, frame: Frame, step: Step) -> Result<Option<Frame>, ProtocolFault> {
        let call = frame.call;
        if step == Step::Credit && (call == 0 || self.is_own(call)) {
            return self.on_input_credit(frame);
        }
        if call == 0 || self.is_own(call) {
            return fault("call_id", format!("{step:?} of call {call:#x}, which the peer did not make"));
        }
        if step == Step::Revoke && !self.features.iter().any(|each| each == "revoke") {
            return fault("revoke", "a revoke to a guest that did not offer it");
        }
        let Some(live) = self.taken.get_mut(&call) else {
            return Ok(None); // it crossed the answer
        };
        if step == Step::Credit {
            let Some(window) = live.reply.as_mut() else {
                return fault("stream", format!("CREDIT for call {call:#x}, which did not ask for a stream"));
            };
            if let Err(detail) = window.grant(frame.amount.into()) {
                return fault("credit", detail);
            }
            return Ok(Some(frame));
        }
        // A revoke may cross the first ITEM: the function has begun, so it changes nothing.
        if step == Step::Revoke && live.state == CallState::Streaming {
            return Ok(Some(frame));
        }
        match asked(live.state, step) {
            Some(state) => live.state = state,
            None => return fault("state", format!("{step:?} of call {call:#x}, which is {:?}", live.state)),
        }
        Ok(Some(frame))
    }

    /// CREDIT of the callee: about the input of a call that this side made.
    fn on_input_credit(&mut self, frame: Frame) -> Result<Option<Frame>, ProtocolFault> {
        let call = frame.call;
        let Some(live) = self.made.get_mut(&call) else {
            return fault("unknown_call", format!("CREDIT for the input of call {call:#x}, which is not in flight"));
        };
        let Some((window, flow)) = live.input.as_mut() else {
            return fault("stream", format!("CREDIT for the input of call {call:#x}, which has no such stream"));
        };
        if *flow != Flow::Flowing {
            return Ok(None); // it crossed the input's end
        }
        if let Err(detail) = window.grant(frame.amount.into()) {
            return fault("credit", detail);
        }
        Ok(Some(frame))
    }

    /// Answer a frame whose checksum does not match: the call it belongs to fails, not the connection.
    fn corrupt(&mut self, frame: Frame, step: Step) -> Result<Option<Frame>, ProtocolFault> {
        let call = frame.call;
        if frame.has(flag::SEGMENT) {
            return fault("checksum", format!("{step:?} with a region and a checksum that does not match"));
        }
        let own = call != 0 && self.is_own(call);
        match step {
            Step::Call => {
                self.check_call(call)?;
                let lost = Fault::new(Code::DataLoss, "the CALL came with a checksum that does not match");
                let body = lost.with_started(Started::No).dump();
                self.answers.extend(encode(&Frame { codec: 1, body: body.into(), ..Frame::of(kind::FAULT, call) }));
                Ok(None)
            }
            Step::Item if own && self.made.contains_key(&call) => {
                if let Some(live) = self.made.get_mut(&call) {
                    live.state = CallState::Cancelling;
                    live.spoiled = true;
                }
                self.answers.extend(encode(&Frame::of(kind::CANCEL, call)));
                Ok(None)
            }
            Step::End | Step::Fault | Step::Return if own && self.made.remove(&call).is_some() => {
                Ok(Some(data_loss(&frame)))
            }
            Step::Item | Step::End if call != 0 && !own => self.spoil_input(call, step),
            _ => fault("checksum", format!("{step:?} with a checksum that does not match")),
        }
    }

    /// A corrupt part of an input: the function is stopped as by CANCEL, and the answer will be DATA_LOSS.
    fn spoil_input(&mut self, call: u64, step: Step) -> Result<Option<Frame>, ProtocolFault> {
        let Some(live) = self.taken.get_mut(&call) else {
            return Ok(None); // it crossed the answer
        };
        if live.spoiled {
            return Ok(None);
        }
        match &live.input {
            Some((_, Flow::Flowing)) if live.state != CallState::Cancelling => {
                live.spoiled = true;
                Ok(Some(Frame { corrupt: true, ..Frame::of(kind::CANCEL, call) }))
            }
            _ => fault("stream", format!("{step:?} of the input of call {call:#x}, which does not flow")),
        }
    }

    fn forget(&mut self) {
        self.made.clear();
        self.taken.clear();
    }

    // Sending

    fn step(&mut self, step: Step) -> Result<(), Refused> {
        match sent((self.role, self.client), self.phase, step) {
            Some(phase) => {
                self.phase = phase;
                Ok(())
            }
            None => Err(Refused::Illegal(format!("{step:?} cannot be sent while the connection is {:?}", self.phase))),
        }
    }

    fn small(&mut self, step: Step, frame: &Frame) -> Result<Vec<u8>, Refused> {
        if frame.body.len() > body_bytes_max(frame.kind) as usize {
            return Err(Refused::Oversized(format!("{step:?} of {} bytes is more than travels", frame.body.len())));
        }
        self.step(step)?;
        Ok(encode(frame))
    }

    /// HELLO, from a host.
    pub fn hello(&mut self, hello: Hello) -> Result<Vec<u8>, Refused> {
        let frame = Frame { codec: 1, body: handshake::dump_hello(&hello).into(), ..Frame::of(kind::HELLO, 0) };
        let data = self.small(Step::Hello, &frame)?;
        self.limits = hello.limits;
        self.said_hello = Some(hello);
        Ok(data)
    }

    /// READY, from a guest.
    pub fn ready(&mut self, ready: &Ready) -> Result<Vec<u8>, Refused> {
        let body = handshake::dump_ready(ready).map_err(Refused::Oversized)?;
        let data = self.small(Step::Ready, &Frame { codec: 1, body: body.into(), ..Frame::of(kind::READY, 0) })?;
        self.features.clone_from(&ready.features);
        Ok(data)
    }

    /// PING; the peer echoes the body.
    pub fn ping(&mut self, body: &[u8]) -> Result<Vec<u8>, Refused> {
        if self.pings.len() >= PINGS_MAX {
            return Err(Refused::Illegal(format!("{PINGS_MAX} pings are unanswered")));
        }
        let data = self.small(Step::Ping, &Frame { body: body.to_vec().into(), ..Frame::of(kind::PING, 0) })?;
        self.pings.push_back(body.to_vec());
        Ok(data)
    }

    /// PONG, with the body of the PING.
    pub fn pong(&mut self, body: &[u8]) -> Result<Vec<u8>, Refused> {
        self.small(Step::Pong, &Frame { body: body.to_vec().into(), ..Frame::of(kind::PONG, 0) })
    }

    /// DRAIN.
    pub fn drain(&mut self) -> Result<Vec<u8>, Refused> {
        self.small(Step::Drain, &Frame::of(kind::DRAIN, 0))
    }

    /// BYE, the last frame of this side, which must owe no answer any more.
    pub fn bye(&mut self) -> Result<Vec<u8>, Refused> {
        if !self.taken.is_empty() {
            return Err(Refused::Illegal(format!("BYE while {} calls wait for their answer", self.taken.len())));
        }
        let data = self.small(Step::Bye, &Frame::of(kind::BYE, 0))?;
        self.forget();
        Ok(data)
    }

    /// EVENT, from a guest, about a call of the host's, or with 0 about the worker.
    pub fn event(&mut self, call: u64, body: Vec<u8>) -> Result<Vec<u8>, Refused> {
        self.small(Step::Event, &Frame { codec: 1, body: body.into(), ..Frame::of(kind::EVENT, call) })
    }

    /// RELEASE of a region that the peer lent.
    pub fn release(&mut self, offset: u64) -> Result<Vec<u8>, Refused> {
        if !self.borrowed.contains_key(&offset) {
            return Err(Refused::Illegal(format!("region {offset} is not borrowed")));
        }
        let frame = Frame { body: offset.to_le_bytes().to_vec().into(), ..Frame::of(kind::RELEASE, 0) };
        let data = self.small(Step::Release, &frame)?;
        self.borrowed.remove(&offset);
        Ok(data)
    }

    /// Note a region of this side's arena as lent: its offset and size go with the next frame.
    pub fn lend(&mut self, offset: u64, size: u64) {
        self.lent.insert(offset, size);
    }

    /// FAULT on call 0: this side cannot start or go on, and why; its last frame.
    pub fn failure(&mut self, fault: &Fault) -> Result<Vec<u8>, Refused> {
        let frame = Frame { codec: 1, body: fault.dump().into(), ..Frame::of(kind::FAULT, 0) };
        let data = self.small(Step::Failure, &frame)?;
        self.forget();
        Ok(data)
    }

    fn check_bulk(&self, size: usize, region: Option<(u64, u64)>) -> Result<(), Refused> {
        let most = u64::from(self.limits.frame_bytes_max);
        let size = region.map_or(size as u64, |(_, size)| size.max(16));
        if size > most {
            let detail = format!("a frame of {size} bytes is more than the peer accepts ({most})");
            return Err(Refused::Oversized(detail));
        }
        Ok(())
    }

    /// Header of a CALL; meta and body, of so many bytes, are sent right after it.
    #[allow(clippy::too_many_arguments)]
    pub fn call(
        &mut self,
        call: u64,
        flags: u8,
        codec: u8,
        function: u32,
        amount: u32,
        meta: usize,
        size: usize,
    ) -> Result<[u8; 32], Refused> {
        self.check_bulk(meta + size, None)?;
        if meta > META_BYTES_MAX as usize {
            return Err(Refused::Oversized(format!("{meta} bytes of meta; at most {META_BYTES_MAX} travel")));
        }
        let fits = self.is_own(call) && !self.made.contains_key(&call);
        if !fits
            || self.made.len() as u64 >= self.limits.calls_max
            || sent((self.role, self.client), self.phase, Step::Call).is_none()
        {
            return Err(Refused::Illegal(format!(
                "CALL {call:#x} cannot be made: the connection is {:?}, {} calls of at most {} are in flight",
                self.phase,
                self.made.len(),
                self.limits.calls_max
            )));
        }
        self.made.insert(call, Live::new(flags, self.limits.credit_bytes));
        let length = (meta + size) as u32;
        let meta = meta as u32;
        let header = Header {
            length,
            version: VERSION,
            kind: kind::CALL,
            flags,
            codec,
            function,
            meta,
            call,
            amount,
            checksum: 0,
        };
        Ok(header.bytes())
    }

    /// CANCEL a call of this side's; with `unstarted` only if its function has not begun.
    pub fn cancel(&mut self, call: u64, unstarted: bool) -> Result<Vec<u8>, Refused> {
        let step = if unstarted { Step::Revoke } else { Step::Cancel };
        if unstarted && !self.features.iter().any(|each| each == "revoke") {
            return Err(Refused::Illegal("the guest did not offer to give calls back".to_string()));
        }
        let Some(live) = self.made.get_mut(&call) else {
            return Err(Refused::Illegal(format!("{step:?} of call {call:#x}, which is not in flight")));
        };
        let Some(state) = asked(live.state, step) else {
            return Err(Refused::Illegal(format!("{step:?} of call {call:#x}, which is {:?}", live.state)));
        };
        live.state = state;
        if let (Some((_, flow)), false) = (&mut live.input, unstarted) {
            *flow = Flow::Closed;
        }
        let flags = if unstarted { flag::UNSTARTED } else { 0 };
        self.small(step, &Frame { flags, ..Frame::of(kind::CANCEL, call) })
    }

    /// CREDIT for the stream of a live call that this side reads: of a reply, or of an input.
    pub fn credit(&mut self, call: u64, amount: u32) -> Result<Vec<u8>, Refused> {
        let own = self.is_own(call);
        let window = if own {
            self.made.get_mut(&call).and_then(|live| live.reply.as_mut())
        } else {
            self.taken.get_mut(&call).and_then(|live| live.input.as_mut().map(|(window, _)| window))
        };
        let Some(window) = window else {
            return Err(Refused::Illegal(format!("CREDIT for call {call:#x}, of which this side reads no stream")));
        };
        window.grant(amount.into()).map_err(Refused::Illegal)?;
        self.small(Step::Credit, &Frame { amount, ..Frame::of(kind::CREDIT, call) })
    }

    /// Count an item that cost so much as used up; the CREDIT to send now, often none.
    pub fn consumed(&mut self, call: u64, cost: u64) -> Option<Vec<u8>> {
        let due = if self.is_own(call) {
            self.made.get_mut(&call)?.reply.as_mut()?.consume(cost)
        } else {
            match self.taken.get_mut(&call)?.input.as_mut()? {
                (window, Flow::Flowing) => window.consume(cost),
                _ => 0,
            }
        };
        if due == 0 {
            return None;
        }
        self.credit(call, u32::try_from(due).unwrap_or(u32::MAX)).ok()
    }

    /// Whether an item of the stream that this side writes for a call may go; `None` where there is no such stream.
    pub fn may_send_item(&self, call: u64) -> Option<bool> {
        if self.is_own(call) {
            match self.made.get(&call)?.input.as_ref()? {
                (window, Flow::Flowing) => Some(window.has_credit()),
                _ => None,
            }
        } else {
            Some(self.taken.get(&call)?.reply.as_ref()?.has_credit())
        }
    }

    /// Header of an ITEM; the body, of so many bytes, follows, or the 16 bytes of a region.
    pub fn item(&mut self, call: u64, codec: u8, size: usize, region: Option<(u64, u64)>) -> Result<[u8; 32], Refused> {
        self.check_bulk(size, region)?;
        let illegal = |what: &str| Refused::Illegal(format!("ITEM for call {call:#x}, {what}"));
        let (own, phase) = (self.is_own(call), self.phase);
        if sent((self.role, self.client), phase, Step::Item).is_none() {
            return Err(illegal("while the connection is not open"));
        }
        let live = if own { self.made.get_mut(&call) } else { self.taken.get_mut(&call) };
        let live = live.ok_or_else(|| illegal("which is not in flight"))?;
        let window = if own {
            match live.input.as_mut() {
                Some((window, Flow::Flowing)) => window,
                _ => return Err(illegal("whose input does not flow")),
            }
        } else {
            let state = answered(live.state, Step::Item).ok_or_else(|| illegal("which was answered"))?;
            let window = live.reply.as_mut().ok_or_else(|| illegal("which asked for no stream"))?;
            if window.has_credit() {
                live.state = state;
            }
            window
        };
        if !window.has_credit() {
            return Err(illegal("without credit"));
        }
        window.take(32 + size as u64 + region.map_or(0, |(_, size)| size));
        Ok(bulk(kind::ITEM, call, codec, size, region, 0))
    }

    /// END of the input of a call that this side made.
    pub fn end_input(&mut self, call: u64) -> Result<[u8; 32], Refused> {
        match self.made.get_mut(&call).and_then(|live| live.input.as_mut()) {
            Some((_, flow)) if *flow == Flow::Flowing => {
                *flow = Flow::Ended;
                Ok(bulk(kind::END, call, 0, 0, None, 0))
            }
            _ => Err(Refused::Illegal(format!("END of the input of call {call:#x}, which does not flow"))),
        }
    }

    /// Header of an END; the body follows: the reply, or nothing after items. `amount` is microseconds run.
    pub fn end(
        &mut self,
        call: u64,
        codec: u8,
        size: usize,
        region: Option<(u64, u64)>,
        amount: u32,
    ) -> Result<[u8; 32], Refused> {
        self.check_bulk(size, region)?;
        let Some(live) = self.taken.get(&call) else {
            return Err(Refused::Illegal(format!("END for call {call:#x}, which is not in flight")));
        };
        if live.spoiled {
            return Err(Refused::Illegal(format!("END for call {call:#x}, whose input came corrupt")));
        }
        let empty = size == 0 && region.is_none();
        if !empty && live.reply.as_ref().is_some_and(|window| window.items) {
            return Err(Refused::Illegal(format!("END with a body for call {call:#x}, which has streamed")));
        }
        self.taken.remove(&call);
        Ok(bulk(kind::END, call, codec, size, region, amount))
    }

    /// FAULT: the call failed. `unstarted` answers a revoke.
    pub fn fault(&mut self, call: u64, fault: &Fault, amount: u32, unstarted: bool) -> Result<Vec<u8>, Refused> {
        let step = if unstarted { Step::Return } else { Step::Fault };
        let Some(live) = self.taken.get(&call) else {
            return Err(Refused::Illegal(format!("{step:?} for call {call:#x}, which is not in flight")));
        };
        if answered(live.state, step).is_none() {
            return Err(Refused::Illegal(format!("{step:?} for call {call:#x}, which is {:?}", live.state)));
        }
        let body = if live.spoiled {
            let lost = "a part of the input came with a checksum that does not match";
            Fault::new(Code::DataLoss, lost).dump().into()
        } else {
            fault.dump().into()
        };
        self.taken.remove(&call);
        let flags = if unstarted { flag::UNSTARTED } else { 0 };
        self.small(step, &Frame { flags, codec: 1, amount, body, ..Frame::of(kind::FAULT, call) })
    }
}

fn bulk(kind: u8, call: u64, codec: u8, size: usize, region: Option<(u64, u64)>, amount: u32) -> [u8; 32] {
    let flags = if region.is_some() { flag::SEGMENT } else { 0 };
    let length = if region.is_some() { 16 } else { size as u32 };
    Header { length, version: VERSION, kind, flags, codec, call, amount, ..Header::default() }.bytes()
}

fn overlaps(regions: &BTreeMap<u64, u64>, offset: u64, size: u64) -> bool {
    let before = regions.range(..offset + size).next_back();
    before.is_some_and(|(start, length)| start + length > offset)
}

/// What a caller sees in place of a reply that was corrupted on its way.
fn data_loss(frame: &Frame) -> Frame {
    let lost = Fault::new(Code::DataLoss, "the reply came with a checksum that does not match");
    Frame { codec: 1, amount: frame.amount, body: lost.dump().into(), ..Frame::of(kind::FAULT, frame.call) }
}
