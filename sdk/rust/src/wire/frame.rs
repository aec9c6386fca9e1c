//! Frames: a fixed header of 32 bytes, little-endian, then meta, then body.

use super::checksum::Crc;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// The version of the wire that this crate speaks.
pub const VERSION: u8 = 1;
/// `length` of CALL, ITEM and END at most, unless HELLO says otherwise.
pub const FRAME_BYTES_MAX: u32 = 64 << 20;
/// Holds every entry of this version at its largest with room for later ones.
pub const META_BYTES_MAX: u32 = 8192;
/// A manifest of thousands of functions with their schemas fits.
pub const READY_BYTES_MAX: u32 = 16 << 20;
/// FAULT and EVENT: text for people.
pub const REPORT_BYTES_MAX: u32 = 1 << 20;
/// Set in the ids of the calls that a guest makes.
pub const GUEST_BIT: u64 = 1 << 63;

/// What a frame says.
pub mod kind {
    pub const HELLO: u8 = 1;
    pub const READY: u8 = 2;
    pub const CALL: u8 = 3;
    pub const ITEM: u8 = 4;
    pub const END: u8 = 5;
    pub const FAULT: u8 = 6;
    pub const CANCEL: u8 = 7;
    pub const CREDIT: u8 = 8;
    pub const EVENT: u8 = 9;
    pub const PING: u8 = 10;
    pub const PONG: u8 = 11;
    pub const DRAIN: u8 = 12;
    pub const BYE: u8 = 13;
    pub const RELEASE: u8 = 14;

    /// The kinds by their numbers.
    pub const NAMES: [&str; 15] = [
        "", "HELLO", "READY", "CALL", "ITEM", "END", "FAULT", "CANCEL", "CREDIT", "EVENT", "PING", "PONG", "DRAIN",
        "BYE", "RELEASE",
    ];
}

/// Bits of the header's `flags`.
pub mod flag {
    pub const CHECKSUM: u8 = 1;
    pub const SEGMENT: u8 = 2;
    pub const STREAM: u8 = 4;
    pub const UNSTARTED: u8 = 8;
    pub const INPUT: u8 = 16;
}

/// How a body is encoded, by its number on the wire.
pub mod codec {
    pub const NONE: u8 = 0;
    pub const JSON: u8 = 1;
    pub const MSGPACK: u8 = 2;
    pub const BYTES: u8 = 3;
    pub const ARROW: u8 = 4;
}

/// Why a connection ended in a protocol fault, by the names that the vectors share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolFault {
    /// One of the closed set of SPEC.md §12.
    pub reason: &'static str,
    /// What was wrong, for people.
    pub detail: String,
}

impl ProtocolFault {
    pub(crate) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        ProtocolFault { reason, detail: detail.into() }
    }
}

impl std::fmt::Display for ProtocolFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// The bytes of a body. They may begin inside their vector, so that meta need not be cut off by a copy.
#[derive(Clone, Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    start: usize,
}

impl Body {
    pub(crate) fn after(bytes: Vec<u8>, start: usize) -> Self {
        Body { bytes, start }
    }

    /// The bytes as a vector of their own.
    pub fn into_vec(mut self) -> Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
        }
        self.bytes
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body { bytes, start: 0 }
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The codec byte with both nibbles; see [`codec`].
    pub codec: u8,
    /// Its checksum does not match: `meta` and `body` are empty.
    pub corrupt: bool,
    /// CALL from the host: index in the manifest.
    pub function: u32,
    /// Call id; 0 on frames about the connection.
    pub call: u64,
    /// Milliseconds left, bytes granted, or microseconds run.
    pub amount: u32,
    /// Entries of a CALL.
    pub meta: Vec<u8>,
    /// The body; with SEGMENT the 16 bytes that say where it lies.
    pub body: Body,
    /// Where the body lies in the sender's arena: offset and size. Set by the connection once it has checked them.
    pub region: Option<(u64, u64)>,
}

impl Frame {
    /// A frame of a kind, all else zero.
    pub fn of(kind: u8, call: u64) -> Self {
        Frame { kind, call, ..Frame::default() }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// How the body is encoded.
    pub fn body_codec(&self) -> u8 {
        self.codec & 15
    }
}

/// The fields of a header as they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    pub length: u32,
    pub version: u8,
    pub kind: u8,
    pub flags: u8,
    pub codec: u8,
    pub function: u32,
    pub meta: u32,
    pub call: u64,
    pub amount: u32,
    pub checksum: u32,
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Header {
    /// Read the fields, unchecked.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        Header {
            length: u32_at(bytes, 0),
            version: bytes[4],
            kind: bytes[5],
            flags: bytes[6],
            codec: bytes[7],
            function: u32_at(bytes, 8),
            meta: u32_at(bytes, 12),
            call: u64::from(u32_at(bytes, 16)) | u64::from(u32_at(bytes, 20)) << 32,
            amount: u32_at(bytes, 24),
            checksum: u32_at(bytes, 28),
        }
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&self.length.to_le_bytes());
        out[4..8].copy_from_slice(&[self.version, self.kind, self.flags, self.codec]);
        out[8..12].copy_from_slice(&self.function.to_le_bytes());
        out[12..16].copy_from_slice(&self.meta.to_le_bytes());
        out[16..24].copy_from_slice(&self.call.to_le_bytes());
        out[24..28].copy_from_slice(&self.amount.to_le_bytes());
        out[28..32].copy_from_slice(&self.checksum.to_le_bytes());
        out
    }

    /// Check what SPEC.md §3 says of a header alone. Of several broken rules the first of its order counts.
    pub fn check(&self, limit: u32, segments: bool, inputs: bool) -> Result<(), ProtocolFault> {
        if self.version != VERSION {
            let detail = format!("frame of version {}; this side speaks {VERSION}", self.version);
            return Err(ProtocolFault::new("version", detail));
        }
        let Some(rule) = RULES.get(self.kind as usize).filter(|rule| rule.known) else {
            return Err(ProtocolFault::new("kind", format!("unknown kind {}", self.kind)));
        };
        let name = kind::NAMES[self.kind as usize];
        if self.flags & flag::SEGMENT != 0 && rule.bulk && !segments {
            return Err(ProtocolFault::new("segment", format!("{name} in shared memory that nobody agreed on")));
        }
        if self.flags & flag::SEGMENT != 0 && rule.bulk && self.length.checked_sub(self.meta) != Some(16) {
            let detail =
                format!("{name} whose region is told in {} bytes, not 16", self.length.saturating_sub(self.meta));
            return Err(ProtocolFault::new("segment", detail));
        }
        let refused = if inputs { 0 } else { flag::INPUT };
        if self.flags & !(rule.flags & !refused) != 0 {
            return Err(ProtocolFault::new("flags", format!("flags {:#04x} are not allowed on {name}", self.flags)));
        }
        let codec_fits = match self.kind {
            kind::CALL => self.codec & 15 <= codec::ARROW && self.codec >> 4 <= codec::ARROW,
            kind::ITEM | kind::END => self.codec <= codec::ARROW,
            _ => self.codec == rule.codec,
        };
        if !codec_fits {
            return Err(ProtocolFault::new("codec", format!("codec byte {:#04x} on {name}", self.codec)));
        }
        if self.meta > 0 && (self.kind != kind::CALL || self.meta > self.length || self.meta > META_BYTES_MAX) {
            let detail = format!("{name} with {} bytes of meta in {}", self.meta, self.length);
            return Err(ProtocolFault::new("meta", detail));
        }
        self.check_size(rule, limit)
    }

    fn check_size(&self, rule: &Rule, limit: u32) -> Result<(), ProtocolFault> {
        let body = self.length - self.meta;
        let most = if rule.bulk { limit } else { rule.body_bytes_max };
        let bodiless = rule.bulk && self.codec & 15 == codec::NONE && body > 0;
        let short = self.kind == kind::RELEASE && body != 8;
        if self.length > most || bodiless || short {
            let name = kind::NAMES[self.kind as usize];
            let detail = format!("{name} of {} bytes under codec {}; at most {most}", self.length, self.codec & 15);
            return Err(ProtocolFault::new("size", detail));
        }
        Ok(())
    }
}

struct Rule {
    known: bool,
    flags: u8,
    codec: u8,
    bulk: bool,
    body_bytes_max: u32,
}

const fn rule(flags: u8, codec: u8, bulk: bool, body_bytes_max: u32) -> Rule {
    Rule { known: true, flags: flags | flag::CHECKSUM, codec, bulk, body_bytes_max }
}

/// What each kind may carry, by its number.
const RULES: [Rule; 15] = [
    Rule { known: false, flags: 0, codec: 0, bulk: false, body_bytes_max: 0 },
    rule(0, codec::JSON, false, 1 << 20),
    rule(0, codec::JSON, false, READY_BYTES_MAX),
    rule(flag::SEGMENT | flag::STREAM | flag::INPUT, 0, true, 0),
    rule(flag::SEGMENT, 0, true, 0),
    rule(flag::SEGMENT, 0, true, 0),
    rule(flag::UNSTARTED, codec::JSON, false, REPORT_BYTES_MAX),
    rule(flag::UNSTARTED, 0, false, 0),
    rule(0, 0, false, 0),
    rule(0, codec::JSON, false, REPORT_BYTES_MAX),
    rule(0, 0, false, 64),
    rule(0, 0, false, 64),
    rule(0, 0, false, 0),
    rule(0, 0, false, 0),
    rule(0, 0, false, 8),
];

/// The body that a kind may carry at most, below the connection's own limit.
pub fn body_bytes_max(kind: u8) -> u32 {
    RULES[kind as usize].body_bytes_max
}

/// The header of a frame. The checksum is computed where its flag is set.
pub fn header_of(frame: &Frame) -> Header {
    let checksum =
        if frame.has(flag::CHECKSUM) { Crc::new().update(&frame.meta).update(&frame.body).finish() } else { 0 };
    Header {
        length: (frame.meta.len() + frame.body.len()) as u32,
        version: VERSION,
        kind: frame.kind,
        flags: frame.flags,
        codec: frame.codec,
        function: frame.function,
        meta: frame.meta.len() as u32,
        call: frame.call,
        amount: frame.amount,
        checksum,
    }
}

/// A whole frame as it travels.
pub fn encode(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + frame.meta.len() + frame.body.len());
    out.extend_from_slice(&header_of(frame).bytes());
    out.extend_from_slice(&frame.meta);
    out.extend_from_slice(&frame.body);
    out
}
