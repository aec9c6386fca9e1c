//! The wire of `proto/SPEC.md`, without I/O. Public for those who write another host or guest upon it, and for tests.

pub mod checksum;
pub mod connection;
pub mod decoder;
pub mod frame;
pub mod handshake;
pub mod meta;
pub mod state;
