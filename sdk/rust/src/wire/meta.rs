//! Meta: what a CALL carries besides its body, as a run of entries (u8 tag, u16 size, value).

use super::frame::ProtocolFault;
use crate::fault::{Code, Fault, Started};

const TRACE: u8 = 1;
const TRACE_STATE: u8 = 2;
const CALL_ID: u8 = 3;
const FUNCTION: u8 = 4;
const DEPTH: u8 = 5;
const TRACE_BYTES: usize = 26;
const TRACE_STATE_BYTES_MAX: usize = 512;
const CALL_ID_BYTES_MAX: usize = 128;
const FUNCTION_BYTES_MAX: usize = 256;

/// A W3C trace context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace that the call belongs to.
    pub trace_id: [u8; 16],
    /// The span of the caller.
    pub span_id: [u8; 8],
    /// `trace-flags`; bit 0 is *sampled*.
    pub flags: u8,
    /// The `tracestate` header, empty where there is none.
    pub state: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Trace {
    /// The `traceparent` header.
    pub fn parent(&self) -> String {
        format!("00-{}-{}-{:02x}", hex(&self.trace_id), hex(&self.span_id), self.flags)
    }

    /// Read a `traceparent` header; `None` where it is not one that W3C Trace Context allows.
    pub fn from_parent(header: &str) -> Option<Trace> {
        let parts: Vec<&str> = header.split('-').collect();
        let lower = header.bytes().all(|byte| !byte.is_ascii_uppercase());
        let sizes: Vec<usize> = parts.iter().take(4).map(|part| part.len()).collect();
        if !lower || sizes != [2, 32, 16, 2] || parts[0] == "ff" || (parts[0] == "00" && parts.len() > 4) {
            return None;
        }
        let mut bytes = [0u8; 25];
        let digits = parts[1..4].concat();
        if !digits.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        read_trace(&bytes)
    }
}

fn read_trace(bytes: &[u8; 25]) -> Option<Trace> {
    let trace_id: [u8; 16] = bytes[..16].try_into().ok()?;
    let span_id: [u8; 8] = bytes[16..24].try_into().ok()?;
    if trace_id == [0; 16] || span_id == [0; 8] {
        return None;
    }
    Some(Trace { trace_id, span_id, flags: bytes[24], state: String::new() })
}

/// The entries of one CALL; an absent one is `None`, empty or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    pub trace: Option<Trace>,
    pub call_id: String,
    pub function: String,
    pub depth: u8,
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
}

impl Entries {
    /// The meta bytes. Refuses what cannot travel; a `tracestate` that cannot is left out, as W3C allows.
    pub fn encode(&self) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::with_capacity(64);
        if let Some(trace) = &self.trace {
            let mut value = [0u8; TRACE_BYTES];
            value[1..17].copy_from_slice(&trace.trace_id);
            value[17..25].copy_from_slice(&trace.span_id);
            value[25] = trace.flags;
            add(&mut out, TRACE, &value);
            if is_plain(&trace.state) && trace.state.len() <= TRACE_STATE_BYTES_MAX {
                add(&mut out, TRACE_STATE, trace.state.as_bytes());
            }
        }
        if !self.call_id.is_empty() {
            if !is_plain(&self.call_id) || self.call_id.len() > CALL_ID_BYTES_MAX {
                return Err(refuse("a call id is at most 128 printable ASCII characters"));
            }
            add(&mut out, CALL_ID, self.call_id.as_bytes());
        }
        if self.function.is_empty() || self.function.len() > FUNCTION_BYTES_MAX || !is_printable(&self.function) {
            return Err(refuse("a function is called by its full name, `source.function`, of at most 256 bytes"));
        }
        add(&mut out, FUNCTION, self.function.as_bytes());
        if self.depth > 0 {
            add(&mut out, DEPTH, &[self.depth]);
        }
        Ok(out)
    }

    /// Read the meta of a CALL.
    pub fn decode(data: &[u8]) -> Result<Entries, ProtocolFault> {
        let mut found: [Option<&[u8]>; 6] = [None; 6];
        let mut rest = data;
        while !rest.is_empty() {
            let [tag, low, high, ..] = *rest else {
                return Err(broken(format!("{} stray bytes at the end", rest.len())));
            };
            let size = usize::from(u16::from_le_bytes([low, high]));
            let Some(value) = rest.get(3..3 + size) else {
                return Err(broken(format!("entry {tag} claims {size} bytes of the {} left", rest.len() - 3)));
            };
            rest = &rest[3 + size..];
            if let Some(slot) = found.get_mut(tag as usize).filter(|_| tag > 0) {
                if slot.replace(value).is_some() {
                    return Err(broken(format!("entry {tag} comes twice")));
                }
            }
        }
        let mut trace = match found[TRACE as usize] {
            None => None,
            Some(value) => {
                let fields: &[u8; TRACE_BYTES] =
                    value.try_into().map_err(|_| broken(format!("TRACE of {} bytes; it is 26", value.len())))?;
                let ids: &[u8; 25] = fields[1..].try_into().map_err(|_| broken("TRACE of 26 bytes".to_string()))?;
                if fields[0] == 0 {
                    read_trace(ids)
                } else {
                    None
                }
            }
        };
        let state = text(found[TRACE_STATE as usize], "TRACE_STATE", TRACE_STATE_BYTES_MAX, true)?;
        if let Some(trace) = &mut trace {
            trace.state = state;
        }
        let depth = match found[DEPTH as usize] {
            None => 0,
            Some([depth]) => *depth,
            Some(value) => return Err(broken(format!("DEPTH of {} bytes; it is one", value.len()))),
        };
        Ok(Entries {
            trace,
            call_id: text(found[CALL_ID as usize], "CALL_ID", CALL_ID_BYTES_MAX, true)?,
            function: text(found[FUNCTION as usize], "FUNCTION", FUNCTION_BYTES_MAX, false)?,
            depth,
        })
    }
}

fn add(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
}

fn refuse(detail: &str) -> Fault {
    Fault::new(Code::InvalidArgument, detail).with_started(Started::No)
}

fn broken(detail: String) -> ProtocolFault {
    ProtocolFault::new("meta", detail)
}

/// Controls, separators other than the space, and what has no width of its own are refused.
fn is_printable(text: &str) -> bool {
    !text.chars().any(|each| {
        each.is_control()
            || (each.is_whitespace() && each != ' ')
            || matches!(each, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(each, '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
    })
}

fn text(value: Option<&[u8]>, name: &str, most: usize, ascii: bool) -> Result<String, ProtocolFault> {
    let Some(value) = value else {
        return Ok(String::new());
    };
    if value.is_empty() || value.len() > most {
        return Err(broken(format!("{name} of {} bytes; 1 to {most} are allowed", value.len())));
    }
    match std::str::from_utf8(value) {
        Ok(text) if if ascii { is_plain(text) } else { is_printable(text) } => Ok(text.to_string()),
        _ => Err(broken(format!("{name} has characters that are not allowed"))),
    }
}
