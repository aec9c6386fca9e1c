//! Dragoman for Rust.
#![warn(missing_docs)]

pub mod codec;
mod fault;
pub mod values;
#[allow(missing_docs)]
pub mod wire;

pub use codec::Value;
pub use fault::{Breach, Code, Fault, Started};
