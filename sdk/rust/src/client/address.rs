//! Where a host listens, and how to reach it.

use crate::fault::{Code, Fault, Started};
use crate::os;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes to and from a host.
pub trait Transport: Send + Sync {
    /// The socket, to wait on.
    fn fd(&self) -> RawFd;
    /// Read what is there; `WouldBlock` after a while in which nothing came.
    ///
    /// # Safety
    /// `size` bytes at `to` must be writable.
    unsafe fn read(&self, to: *mut u8, size: usize) -> io::Result<usize>;
    /// Send what there is room for, without waiting.
    fn write(&self, pieces: &[&[u8]]) -> io::Result<usize>;
    /// Whether something was read from the socket and not given yet.
    fn has_pending(&self) -> bool {
        false
    }
    /// Whether something was taken by `write` and has not left yet; `write` of nothing sends it.
    fn has_unsent(&self) -> bool {
        false
    }
    /// End it, both ways.
    fn shutdown(&self);
}

/// A host's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A UNIX socket.
    Unix(PathBuf),
    /// TCP with TLS.
    Tls {
        /// Name or address of the machine.
        host: String,
        /// Its port.
        port: u16,
    },
}

fn refuse(detail: String) -> Fault {
    Fault::new(Code::InvalidArgument, detail).with_started(Started::No)
}

impl Address {
    /// Read `unix:///run/shop.sock` or `tcp+tls://host:port`.
    pub fn parse(text: &str) -> Result<Address, Fault> {
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') || path.contains('\0') || path.len() > 107 {
                return Err(refuse(format!(
                    "{text:?}: a UNIX socket's path begins with a slash and has at most 107 bytes"
                )));
            }
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        if let Some(place) = text.strip_prefix("tcp+tls://") {
            let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            return match port.parse() {
                Ok(port) if port > 0 && !host.is_empty() => Ok(Address::Tls { host: host.to_string(), port }),
                _ => Err(refuse(format!("{text:?} names no host and port: write tcp+tls://host:port"))),
            };
        }
        Err(refuse(format!("{text:?} is no address of a host: write unix:///path or tcp+tls://host:port")))
    }
}

/// A socket is read from for at most so long at a time, so that a reader sees what else it waits for.
pub const READ_FOR: Duration = Duration::from_millis(50);

/// A UNIX socket.
pub struct Unix(UnixStream);

impl Unix {
    /// Connect.
    pub fn connect(path: &PathBuf) -> io::Result<Unix> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(READ_FOR))?;
        Ok(Unix(stream))
    }
}

impl Transport for Unix {
    fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
    unsafe fn read(&self, to: *mut u8, size: usize) -> io::Result<usize> {
        // SAFETY: as the caller promises.
        unsafe { os::read(self.fd(), to, size, true) }
    }
    fn write(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        os::write(self.fd(), pieces)
    }
    fn shutdown(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read_strictly() {
        assert_eq!(Address::parse("unix:///run/x.sock").unwrap(), Address::Unix("/run/x.sock".into()));
        let tls = |host: &str| Address::Tls { host: host.to_string(), port: 8701 };
        assert_eq!(Address::parse("tcp+tls://a.example:8701").unwrap(), tls("a.example"));
        assert_eq!(Address::parse("tcp+tls://[::1]:8701").unwrap(), tls("::1"));
        for bad in
            ["", "unix://run/x", "unix:/x", "tcp://h:1", "tcp+tls://h", "tcp+tls://:1", "tcp+tls://h:0", "http://h:1"]
        {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert!(Address::parse(&format!("unix:///{}", "x".repeat(107))).is_err());
    }
}
