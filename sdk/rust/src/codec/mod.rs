//! How values are written: JSON and MessagePack over serde, exactly as SPEC.md §18 has it.

mod base64;
mod error;
mod json_de;
mod json_ser;
mod key;
mod msgpack_de;
mod msgpack_ser;
mod value;

pub(crate) use base64::{decode as base64_decode, encode as base64_encode};
pub use error::{Error, Trouble};
pub use value::Value;

use crate::wire::frame::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Values nest at most so deep, as SPEC.md §18 has it.
pub const DEPTH_MAX: u16 = 500;

/// The name of the newtype that stands for bytes; readers and writers of this crate know it.
pub(crate) const BYTES: &str = "$dragoman::Bytes";
/// The name of the newtype whose text is an integer of any size.
pub(crate) const BIG_INT: &str = "$dragoman::BigInt";
/// The name under which `Value` asks for a value of any type.
pub(crate) const ANY: &str = "$dragoman::Value";

/// Read a value of a type from JSON.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = json_de::JsonDe::new(body, false)?;
    let read = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.or_else(|error| again(error, || json_value(body, false)))
}

/// Read a value of a type from MessagePack.
pub fn from_msgpack<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = msgpack_de::MsgpackDe::new(body);
    let read = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.or_else(|error| again(error, || msgpack_value(body)))
}

/// Derived types refuse a key that comes twice, where the last should count: such a body is read once more, by way of a
/// `Value`.
#[cold]
fn again<T: DeserializeOwned>(error: Error, whole: impl FnOnce() -> Result<Value, Error>) -> Result<T, Error> {
    if !error.message().starts_with("duplicate field") {
        return Err(error);
    }
    T::deserialize(whole()?)
}

pub(crate) fn json_value(body: &[u8], lenient: bool) -> Result<Value, Error> {
    let mut reader = json_de::JsonDe::new(body, lenient)?;
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn msgpack_value(body: &[u8]) -> Result<Value, Error> {
    let mut reader = msgpack_de::MsgpackDe::new(body);
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Write a value as JSON.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(128);
    value.serialize(json_ser::JsonSer::new(&mut out))?;
    Ok(out)
}

/// Write a value as MessagePack. Fails with [`Trouble::TooWide`] where an integer has more than 64 bits.
pub fn to_msgpack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(128);
    value.serialize(msgpack_ser::MsgpackSer::new(&mut out))?;
    Ok(out)
}

/// Read a body in one of the two codecs of values.
#[allow(dead_code)]
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8], kind: u8) -> Result<T, Error> {
    match kind {
        codec::JSON => from_json(body),
        codec::MSGPACK => from_msgpack(body),
        _ => Err(Error::malformed("raw bytes, where a value in JSON or MessagePack is wanted")),
    }
}

/// Write a value in the codec wanted, or in JSON where MessagePack cannot say it; returns the codec used.
#[allow(dead_code)]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, wanted: u8) -> Result<(Vec<u8>, u8), Error> {
    if wanted == codec::MSGPACK {
        match to_msgpack(value) {
            Err(error) if error.trouble() == Trouble::TooWide => {}
            other => return Ok((other?, codec::MSGPACK)),
        }
    }
    Ok((to_json(value)?, codec::JSON))
}

#[cfg(test)]
mod tests;
