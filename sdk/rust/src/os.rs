//! The few calls of the operating system that the standard library does not have, declared by hand for 64-bit Linux.

use std::io;
use std::os::fd::RawFd;

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct IoVec {
    base: *const u8,
    size: usize,
}

#[repr(C)]
struct MsgHdr {
    name: *const u8,
    name_size: u32,
    vectors: *const IoVec,
    count: usize,
    control: *const u8,
    control_size: usize,
    flags: i32,
}

extern "C" {
    fn recv(fd: i32, to: *mut u8, size: usize, flags: i32) -> isize;
    fn sendmsg(fd: i32, message: *const MsgHdr, flags: i32) -> isize;
    fn poll(fds: *mut PollFd, count: u64, timeout_ms: i32) -> i32;
    fn fcntl(fd: i32, command: i32, argument: i64) -> i32;
    fn mmap(at: *mut u8, size: usize, protection: i32, flags: i32, fd: i32, offset: i64) -> *mut u8;
    fn munmap(at: *mut u8, size: usize) -> i32;
}

const MSG_DONTWAIT: i32 = 0x40;
const MSG_NOSIGNAL: i32 = 0x4000;
const POLLIN: i16 = 1;
const POLLOUT: i16 = 4;
const F_DUPFD_CLOEXEC: i32 = 1030;
const PROT_READ: i32 = 1;
const PROT_WRITE: i32 = 2;
const MAP_SHARED: i32 = 1;
/// Pieces sent by one call: as many as a burst of large bodies makes.
pub const PIECES_MAX: usize = 16;

fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Read what is there, waiting for the first byte; 0 at the end.
///
/// # Safety
/// `size` bytes at `to` must be writable.
pub unsafe fn read(fd: RawFd, to: *mut u8, size: usize, wait: bool) -> io::Result<usize> {
    loop {
        // SAFETY: as the caller promises.
        match checked(unsafe { recv(fd, to, size, if wait { 0 } else { MSG_DONTWAIT }) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Send as much of the pieces as the kernel has room for, without waiting.
pub fn write(fd: RawFd, pieces: &[&[u8]]) -> io::Result<usize> {
    let mut vectors = [const { IoVec { base: std::ptr::null(), size: 0 } }; PIECES_MAX];
    let count = pieces.len().min(PIECES_MAX);
    for (vector, piece) in vectors.iter_mut().zip(pieces) {
        *vector = IoVec { base: piece.as_ptr(), size: piece.len() };
    }
    let none = std::ptr::null();
    let message =
        MsgHdr { name: none, name_size: 0, vectors: vectors.as_ptr(), count, control: none, control_size: 0, flags: 0 };
    loop {
        // SAFETY: the message and its vectors point to memory that outlives the call.
        match checked(unsafe { sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn wait(fd: RawFd, events: i16, timeout_ms: i32) -> bool {
    let mut asked = PollFd { fd, events, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { poll(&mut asked, 1, timeout_ms) > 0 }
}

/// Wait until something can be read; false where the time is up first. A negative time is without end.
pub fn wait_readable(fd: RawFd, timeout_ms: i32) -> bool {
    wait(fd, POLLIN, timeout_ms)
}

/// Wait until something can be written.
pub fn wait_writable(fd: RawFd, timeout_ms: i32) -> bool {
    wait(fd, POLLOUT, timeout_ms)
}

/// A copy of a descriptor, closed on exec, at a number of at least `least`.
pub fn duplicate(fd: RawFd, least: RawFd) -> io::Result<RawFd> {
    // SAFETY: no memory is involved.
    let copy = unsafe { fcntl(fd, F_DUPFD_CLOEXEC, least.into()) };
    if copy < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(copy)
    }
}

/// Memory shared with another process.
pub struct Mapping {
    start: *mut u8,
    size: usize,
}

// SAFETY: it is plain memory; who writes where is decided by the protocol.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Map so many bytes of a file.
    pub fn new(fd: RawFd, size: usize, writable: bool) -> io::Result<Mapping> {
        let protection = PROT_READ | if writable { PROT_WRITE } else { 0 };
        // SAFETY: the kernel chooses the address.
        let start = unsafe { mmap(std::ptr::null_mut(), size, protection, MAP_SHARED, fd, 0) };
        if start as isize == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(Mapping { start, size })
        }
    }

    /// The address of an offset. Panics outside the mapping.
    pub fn at(&self, offset: usize, size: usize) -> *mut u8 {
        assert!(offset.checked_add(size).is_some_and(|end| end <= self.size), "outside the mapping");
        // SAFETY: inside the mapping, as was just asserted.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nothing borrows it any more.
        unsafe { munmap(self.start, self.size) };
    }
}
