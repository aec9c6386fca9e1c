//! The protocol's states as tables: what a side may send and receive in each, and where that leads.

use super::frame::{flag, kind, Frame};

/// Which end of the wire this is. A client is a guest that offers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Host,
    Guest,
}

/// A frame as the tables see it: its kind, with CANCEL and FAULT told apart by what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Hello,
    Ready,
    Call,
    Item,
    End,
    Fault,
    Cancel,
    Credit,
    Event,
    Ping,
    Pong,
    Drain,
    Bye,
    Release,
    /// CANCEL with UNSTARTED.
    Revoke,
    /// FAULT with UNSTARTED.
    Return,
    /// FAULT on call 0.
    Failure,
}

impl Step {
    /// The step that a frame is.
    pub fn of(frame: &Frame) -> Step {
        match frame.kind {
            kind::HELLO => Step::Hello,
            kind::READY => Step::Ready,
            kind::CALL => Step::Call,
            kind::ITEM => Step::Item,
            kind::END => Step::End,
            kind::FAULT if frame.call == 0 => Step::Failure,
            kind::FAULT if frame.has(flag::UNSTARTED) => Step::Return,
            kind::FAULT => Step::Fault,
            kind::CANCEL if frame.has(flag::UNSTARTED) => Step::Revoke,
            kind::CANCEL => Step::Cancel,
            kind::CREDIT => Step::Credit,
            kind::EVENT => Step::Event,
            kind::PING => Step::Ping,
            kind::PONG => Step::Pong,
            kind::DRAIN => Step::Drain,
            kind::RELEASE => Step::Release,
            _ => Step::Bye,
        }
    }
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Start,
    Greeting,
    Open,
    Refusing,
    Draining,
    Left,
    Closed,
}

const PHASES: [Phase; 7] =
    [Phase::Start, Phase::Greeting, Phase::Open, Phase::Refusing, Phase::Draining, Phase::Left, Phase::Closed];

/// What a side sends while the connection is open, apart from CALL, DRAIN and its last frame.
fn says(role: Role, step: Step) -> bool {
    match step {
        Step::Item | Step::End | Step::Fault | Step::Return | Step::Cancel | Step::Credit => true,
        Step::Ping | Step::Pong | Step::Release => true,
        Step::Revoke => role == Role::Host,
        Step::Event => role == Role::Guest,
        _ => false,
    }
}

/// A side: its role, and whether the one in the guest's place is a client.
pub type Side = (Role, bool);

/// What a client and its host never send each other, besides what hosts and guests do not.
fn is_foreign(side: Side, step: Step) -> bool {
    match side {
        (Role::Host, true) => matches!(step, Step::Call | Step::Cancel | Step::Revoke | Step::Return),
        (Role::Guest, true) => matches!(step, Step::Event | Step::Drain | Step::Return),
        _ => false,
    }
}

/// The phase after a side sent a step, as that side sees it; `None` where it may not.
pub fn sent(side: Side, phase: Phase, step: Step) -> Option<Phase> {
    if is_foreign(side, step) {
        return None;
    }
    let role = side.0;
    use Phase::{Closed, Draining, Greeting, Left, Open, Refusing, Start};
    let open = matches!(phase, Open | Refusing | Draining);
    match (role, phase, step) {
        (Role::Host, Start, Step::Hello) => Some(Greeting),
        (Role::Guest, Greeting, Step::Event) => Some(Greeting),
        (Role::Guest, Greeting, Step::Ready) => Some(Open),
        (_, Greeting, Step::Failure) => Some(Left),
        (_, Closed, Step::Bye) => Some(Left),
        (_, _, Step::Failure) if open => Some(Left),
        (Role::Host, _, Step::Bye) if open => Some(Left),
        // Before the host's DRAIN a CALL may be on its way to the guest.
        (Role::Guest, Draining, Step::Bye) => Some(Left),
        (Role::Guest, Open, Step::Bye) if side.1 => Some(Left),
        (Role::Guest, Draining, Step::Call) if side.1 => None,
        (Role::Host, Open, Step::Call) => Some(Open),
        (Role::Guest, _, Step::Call) if open => Some(phase),
        (Role::Host, _, Step::Drain) if open => Some(Draining),
        (Role::Guest, Open, Step::Drain) => Some(Refusing),
        (Role::Guest, Draining, Step::Drain) => Some(Draining),
        _ if open && says(role, step) => Some(phase),
        _ => None,
    }
}

/// The phase after a side received a step, as that side sees it; `None` where it may not come.
pub fn received(side: Side, phase: Phase, step: Step) -> Option<Phase> {
    let role = side.0;
    use Phase::{Closed, Draining, Greeting, Left, Open, Refusing, Start};
    let peer = if role == Role::Host { Role::Guest } else { Role::Host };
    if is_foreign((peer, side.1), step) {
        return None;
    }
    let open = matches!(phase, Open | Refusing | Draining);
    match (role, phase, step) {
        (Role::Guest, Start, Step::Hello) => Some(Greeting),
        (Role::Host, Greeting, Step::Event) => Some(Greeting),
        (Role::Host, Greeting, Step::Ready) => Some(Open),
        (_, Greeting, Step::Failure) => Some(Closed),
        (_, _, Step::Failure) if open => Some(Closed),
        (Role::Guest, _, Step::Bye) if open => Some(Closed),
        (Role::Host, Draining, Step::Bye) => Some(Closed),
        (Role::Host, Open, Step::Bye) if side.1 => Some(Closed),
        (Role::Guest, Open | Refusing, Step::Call) => Some(phase),
        (Role::Host, _, Step::Call) if open => Some(phase),
        (Role::Guest, _, Step::Drain) if open => Some(Draining),
        (Role::Host, Open, Step::Drain) => Some(Refusing),
        (Role::Host, Refusing | Draining, Step::Drain) => Some(phase),
        _ if open && says(peer, step) => Some(phase),
        // Frames that were on their way when this side left are read and dropped.
        (_, Left, Step::Call | Step::Drain | Step::Bye | Step::Failure) => Some(Left),
        (Role::Host, Left, Step::Ready) => Some(Left),
        (_, Left, _) if says(peer, step) => Some(Left),
        _ => None,
    }
}

/// Whether a side may receive a step in any phase at all.
pub fn ever_received(side: Side, step: Step) -> bool {
    PHASES.iter().any(|phase| received(side, *phase, step).is_some())
}

/// Where a call is; its caller and its callee go through the same states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    Waiting,
    Streaming,
    Revoking,
    Cancelling,
    Done,
}

/// The state after the callee's step.
pub fn answered(state: CallState, step: Step) -> Option<CallState> {
    match (state, step) {
        (CallState::Done, _) => None,
        (_, Step::End | Step::Fault) => Some(CallState::Done),
        (CallState::Waiting, Step::Item) => Some(CallState::Streaming),
        (_, Step::Item) => Some(state),
        (CallState::Revoking | CallState::Cancelling, Step::Return) => Some(CallState::Done),
        _ => None,
    }
}

/// The state after the caller's step.
pub fn asked(state: CallState, step: Step) -> Option<CallState> {
    match (state, step) {
        (CallState::Done, _) => None,
        (_, Step::Cancel) => Some(CallState::Cancelling),
        (_, Step::Credit) => Some(state),
        (CallState::Waiting, Step::Revoke) => Some(CallState::Revoking),
        _ => None,
    }
}
