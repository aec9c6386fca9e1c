#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod body;
mod client;
pub mod codec;
mod fault;
mod guest;
mod line;
mod os;
mod outgoing;
pub mod queue;
mod segments;
mod timer;
pub mod values;
#[allow(missing_docs)]
pub mod wire;

pub use body::{FromBody, Raw, ToBody};
pub use client::{open, Client, Host, HostOptions, Options};
pub use codec::Value;
pub use fault::{Breach, Code, Fault, Started};
pub use guest::{
    around, blocking, emit, function, iterate, run, sleep, stream, BlockingIncoming, Cancelled, Context, Described,
    Emitter, Empty, Fallible, Incoming, Level, Outcome, Plain, RawBuffer, Registered,
};
pub use line::block_on;
pub use outgoing::{Blocking, Input, Items, Reply};
pub use schemars;
pub use timer::Sleep;
pub use wire::meta::Trace;
