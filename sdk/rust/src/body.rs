//! Bodies of calls: values over serde, and raw bytes that are handed through.

use crate::codec::{self, Trouble};
use crate::fault::{Code, Fault, Started};
use crate::segments::{Draft, Region};
use crate::wire::frame::{codec as number, Body};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a body, wherever they lie.
pub enum Payload {
    /// In this process.
    Owned(Body),
    /// In the arena of the host.
    Lent(Arc<Region>),
    /// In the own arena, ready to go.
    Draft(Draft),
    /// In the arena of the host, which cannot be mapped.
    Unmapped,
}

impl Payload {
    /// As bytes in this process; copies what lies in shared memory.
    pub fn into_body(self) -> Body {
        match self {
            Payload::Owned(body) => body,
            other => other.to_vec().into(),
        }
    }
}

impl Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Payload::Owned(body) => body,
            Payload::Lent(region) => region.bytes(),
            Payload::Draft(draft) => draft.bytes(),
            Payload::Unmapped => &[],
        }
    }
}

/// Raw bytes as the whole input or result of a function: neither read nor written, and where they lie in shared memory,
/// not copied either.
///
/// ```
/// use dragoman::Raw;
/// let raw = Raw::from(vec![1, 2, 3]);
/// assert_eq!(raw.len(), 3);
/// assert!(!raw.is_arrow());
/// ```
pub struct Raw {
    payload: Payload,
    arrow: bool,
}

impl Raw {
    /// The bytes of an Arrow IPC stream.
    pub fn arrow(bytes: impl Into<Vec<u8>>) -> Raw {
        Raw { payload: Payload::Owned(bytes.into().into()), arrow: true }
    }

    /// Whether they are an Arrow IPC stream.
    pub fn is_arrow(&self) -> bool {
        self.arrow
    }

    /// The bytes as a vector; copies what lies in shared memory.
    pub fn into_vec(self) -> Vec<u8> {
        self.payload.into_body().into_vec()
    }

    pub(crate) fn from_payload(payload: Payload, arrow: bool) -> Raw {
        Raw { payload, arrow }
    }
}

impl Deref for Raw {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.payload
    }
}

impl<T: Into<Vec<u8>>> From<T> for Raw {
    fn from(bytes: T) -> Raw {
        Raw { payload: Payload::Owned(bytes.into().into()), arrow: false }
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} bytes{})", self.len(), if self.arrow { " of Arrow" } else { "" })
    }
}

/// Something that can be read from a body: any `DeserializeOwned`, or [`Raw`].
pub trait FromBody: Sized + Send + 'static {
    /// Whether bodies are raw bytes.
    const RAW: bool;
    /// Read one.
    #[doc(hidden)]
    fn from_body(payload: Payload, codec: u8) -> Result<Self, codec::Error>;
}

impl<T: DeserializeOwned + Send + 'static> FromBody for T {
    const RAW: bool = false;
    fn from_body(payload: Payload, kind: u8) -> Result<T, codec::Error> {
        if matches!(payload, Payload::Unmapped) {
            return Err(codec::Error::malformed("the shared memory that holds it cannot be mapped"));
        }
        codec::decode(&payload, kind)
    }
}

impl FromBody for Raw {
    const RAW: bool = true;
    fn from_body(payload: Payload, kind: u8) -> Result<Raw, codec::Error> {
        match kind {
            number::BYTES | number::ARROW | number::NONE => Ok(Raw { payload, arrow: kind == number::ARROW }),
            _ => {
                let bytes: crate::values::Bytes = codec::decode(&payload, kind)?;
                Ok(Raw::from(bytes.0))
            }
        }
    }
}

/// Something that can be written as a body: any `Serialize`, or [`Raw`].
pub trait ToBody {
    /// Whether bodies are raw bytes.
    const RAW: bool;
    /// Write it in the codec wanted, or in another where that one cannot say it.
    #[doc(hidden)]
    fn to_body(self, wanted: u8) -> Result<(Payload, u8), codec::Error>;
}

impl<T: Serialize> ToBody for T {
    const RAW: bool = false;
    fn to_body(self, wanted: u8) -> Result<(Payload, u8), codec::Error> {
        let (body, used) = codec::encode(&self, wanted)?;
        Ok((Payload::Owned(body.into()), used))
    }
}

impl ToBody for Raw {
    const RAW: bool = true;
    fn to_body(self, wanted: u8) -> Result<(Payload, u8), codec::Error> {
        match wanted {
            number::JSON | number::MSGPACK => crate::values::Bytes(self.into_vec()).to_body(wanted),
            _ if self.arrow => Ok((self.payload, number::ARROW)),
            _ => Ok((self.payload, number::BYTES)),
        }
    }
}

/// The fault of a value that cannot be written.
pub fn unwritable(what: &str, error: &codec::Error) -> Fault {
    let fault = Fault::new(Code::OutOfRange, format!("{what} cannot be written: {error}"));
    fault.with_breach(error.path(), error.message())
}

/// The fault of an input that cannot be read.
pub fn unreadable(what: &str, prefix: &str, error: &codec::Error) -> Fault {
    let path = format!("{prefix}{}", error.path());
    let kind = if error.trouble() == Trouble::Malformed { "is malformed" } else { "breaks the contract" };
    let at = if path.is_empty() { String::new() } else { format!(" at {path}") };
    let fault = Fault::new(Code::InvalidArgument, format!("{what} {kind}{at}: {}", error.message()));
    fault.with_started(Started::No).with_breach(path, error.message())
}
