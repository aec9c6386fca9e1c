//! Bytes in any pieces in, whole frames out.
//!
//! Small frames are cut from one buffer that is read into; the bytes of a large one are read straight into the vector
//! that becomes its body. That vector grows with what has come, never with what a header claims.

use super::checksum::Crc;
use super::frame::{flag, Body, Frame, Header, ProtocolFault, FRAME_BYTES_MAX, HEADER_BYTES};

/// The size of a usual read; larger ones cost more in page faults than they save in calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// Cuts a byte stream into frames. Dead after its first fault.
pub struct Decoder {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    large: Option<(Header, Vec<u8>)>,
    fault: Option<ProtocolFault>,
    /// `length` of CALL, ITEM and END at most.
    pub limit: u32,
    /// Whether both sides agreed on shared memory.
    pub segments: bool,
    /// Whether CALL may carry INPUT: false only for a host that did not offer it.
    pub inputs: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(FRAME_BYTES_MAX)
    }
}

impl Decoder {
    /// A decoder that accepts bulk frames of at most `limit` bytes.
    pub fn new(limit: u32) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Decoder { buffer, start: 0, end: 0, large: None, fault: None, limit, segments: false, inputs: true }
    }

    /// Whether the bytes so far end inside a frame.
    pub fn is_inside(&self) -> bool {
        self.large.is_some() || self.start < self.end
    }

    /// Let `read` write at most so many bytes to an address; it returns how many it wrote.
    pub fn fill<E>(&mut self, read: impl FnOnce(*mut u8, usize) -> Result<usize, E>) -> Result<usize, E> {
        if let Some((header, bytes)) = &mut self.large {
            let missing = header.length as usize - bytes.len();
            if bytes.capacity() == bytes.len() {
                bytes.reserve_exact(missing.min(bytes.len().max(BUFFER_BYTES)));
            }
            let room = (bytes.capacity() - bytes.len()).min(missing);
            // SAFETY: `room` bytes after the length are allocated, and the length grows by what was written there.
            unsafe {
                let count = read(bytes.as_mut_ptr().add(bytes.len()), room)?.min(room);
                bytes.set_len(bytes.len() + count);
                return Ok(count);
            }
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let free = &mut self.buffer[self.end..];
        let room = free.len();
        let count = read(free.as_mut_ptr(), room)?.min(room);
        self.end += count;
        Ok(count)
    }

    /// Take bytes that are there already; returns the frames that they complete and the fault, if any, after them.
    pub fn feed(&mut self, mut data: &[u8]) -> (Vec<Frame>, Option<ProtocolFault>) {
        let mut frames = Vec::new();
        loop {
            loop {
                match self.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(fault) => return (frames, Some(fault)),
                }
            }
            if data.is_empty() {
                return (frames, None);
            }
            let taken = self.fill(|to, room| {
                let count = room.min(data.len());
                // SAFETY: `fill` promises `room` writable bytes at `to`, which is not inside `data`.
                unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, count) };
                Ok::<usize, ()>(count)
            });
            data = &data[taken.unwrap_or(0)..];
        }
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ProtocolFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.large.is_some() {
            return Ok(self.take_large());
        }
        let held = &self.buffer[self.start..self.end];
        let Some(head) = held.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let header = Header::parse(head);
        if let Err(fault) = header.check(self.limit, self.segments, self.inputs) {
            self.fault = Some(fault.clone());
            return Err(fault);
        }
        let length = header.length as usize;
        let content = &held[HEADER_BYTES..];
        if content.len() >= length {
            let frame = frame_of(&header, &content[..length]);
            self.start += HEADER_BYTES + length;
            return Ok(Some(frame));
        }
        if HEADER_BYTES + length > self.buffer.len() {
            let mut bytes = Vec::with_capacity(BUFFER_BYTES.max(content.len() * 2).min(length));
            bytes.extend_from_slice(content);
            self.large = Some((header, bytes));
            self.start = self.end;
        } else if self.start + HEADER_BYTES + length > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        Ok(None)
    }

    fn take_large(&mut self) -> Option<Frame> {
        let (header, bytes) = self.large.take()?;
        if bytes.len() < header.length as usize {
            self.large = Some((header, bytes));
            return None;
        }
        let mut frame = bare(&header);
        if is_corrupt(&header, &bytes) {
            frame.corrupt = true;
        } else {
            frame.meta = bytes[..header.meta as usize].to_vec();
            frame.body = Body::after(bytes, header.meta as usize);
        }
        Some(frame)
    }
}

fn bare(header: &Header) -> Frame {
    Frame {
        kind: header.kind,
        flags: header.flags,
        codec: header.codec,
        function: header.function,
        call: header.call,
        amount: header.amount,
        ..Frame::default()
    }
}

fn is_corrupt(header: &Header, content: &[u8]) -> bool {
    header.flags & flag::CHECKSUM != 0 && Crc::new().update(content).finish() != header.checksum
}

fn frame_of(header: &Header, content: &[u8]) -> Frame {
    let mut frame = bare(header);
    if is_corrupt(header, content) {
        frame.corrupt = true;
        return frame;
    }
    let (meta, body) = content.split_at(header.meta as usize);
    if !meta.is_empty() {
        frame.meta = meta.to_vec();
    }
    if !body.is_empty() {
        frame.body = body.to_vec().into();
    }
    frame
}
