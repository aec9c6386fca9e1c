//! TCP with TLS.

use super::address::{Transport, READ_FOR};
use crate::os;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_name, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What both sides say that they speak.
const PROTOCOL: &[u8] = b"dragoman/1";
/// Each address of a name is tried for so long, and the handshake takes at most so long.
const CONNECT_FOR: Duration = Duration::from_secs(10);
/// Read from the socket at a time: four records.
const READ_BYTES: usize = 64 * 1024;
/// Ciphertext that waits for the kernel at most.
const BUFFER_BYTES: usize = 256 * 1024;
/// Where systems keep the certificates that they trust, after what the environment names.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A connection.
pub struct Tls {
    socket: TcpStream,
    session: Mutex<Session>,
}

struct Session {
    tls: ClientConnection,
    /// Ciphertext that was read and not decrypted yet: decrypting waits for what is decrypted to be read.
    arrived: Vec<u8>,
    /// How much of it was decrypted.
    done: usize,
}

fn wrong(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// Checks a host's certificate against authorities; a certificate that is given as an authority itself is trusted as it
/// is, for the names that it has. So it is with one that signs itself, which webpki alone takes for nobody's.
#[derive(Debug)]
struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Of some certificates in PEM; without any, of those that the system trusts.
    fn of(pem: &[u8], provider: Arc<CryptoProvider>) -> io::Result<Trust> {
        let system = if pem.is_empty() { system_bundle()? } else { Vec::new() };
        let text = if pem.is_empty() { &system } else { pem };
        let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.iter().cloned());
        if added == 0 {
            return Err(wrong("there is no certificate among the authorities to trust"));
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let given = if pem.is_empty() { Vec::new() } else { found };
        Ok(Trust { authorities: authorities.map_err(wrong)?, given })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.given.iter().any(|each| each == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

fn system_bundle() -> io::Result<Vec<u8>> {
    let named = std::env::var("SSL_CERT_FILE").ok();
    let mut bundles = named.iter().map(String::as_str).chain(BUNDLES).filter_map(|path| std::fs::read(path).ok());
    let none = "this system keeps no certificates that it trusts: give those of the host as `authorities`";
    bundles.next().ok_or_else(|| wrong(none))
}

fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = wrong(format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_FOR) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A session with whoever has a name, not begun yet.
fn session(host: &str, authorities: &[u8], protocols: &[&[u8]]) -> io::Result<ClientConnection> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Arc::new(Trust::of(authorities, provider.clone())?);
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(wrong)?.dangerous().with_custom_certificate_verifier(trust);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|each| each.to_vec()).collect();
    let name = ServerName::try_from(host.to_string()).map_err(wrong)?;
    ClientConnection::new(Arc::new(config), name).map_err(wrong)
}

/// TLS over a connection to a server of another kind, read and written in turns.
pub fn secured(
    host: &str,
    mut socket: TcpStream,
    authorities: &[u8],
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut tls = session(host, authorities, &[])?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(tls, socket))
}

impl Tls {
    /// Connect, and check who is there.
    pub fn connect(host: &str, port: u16, authorities: &[u8]) -> io::Result<Tls> {
        let mut tls = session(host, authorities, &[PROTOCOL])?;
        tls.set_buffer_limit(Some(BUFFER_BYTES));
        let mut socket = reach(host, port)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(READ_FOR))?;
        let until = Instant::now() + CONNECT_FOR;
        while tls.is_handshaking() {
            match tls.complete_io(&mut socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Tls { socket, session: Mutex::new(Session { tls, arrived: Vec::new(), done: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decrypt some of what has arrived, and send what that asks for.
    fn decrypt(&self, session: &mut Session) -> io::Result<()> {
        let mut rest = &session.arrived[session.done..];
        let count = session.tls.read_tls(&mut rest)?;
        session.done += count;
        session.tls.process_new_packets().map_err(wrong)?;
        match self.push(&mut session.tls) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Send what waits, as far as the kernel has room.
    fn push(&self, tls: &mut ClientConnection) -> io::Result<()> {
        let mut socket = Nonblocking(self.fd());
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
        Ok(())
    }
}

/// Writes without waiting, whatever the socket's own mode is.
struct Nonblocking(RawFd);

impl Write for Nonblocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        os::write(self.0, &[bytes])
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Tls {
    fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    unsafe fn read(&self, to: *mut u8, size: usize) -> io::Result<usize> {
        // Bytes pass through here: `to` need not be initialised, which a slice would have to be.
        let mut bytes = [0; READ_BYTES];
        loop {
            let mut session = self.lock();
            let room = size.min(bytes.len());
            match session.tls.reader().read(&mut bytes[..room]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) => {
                    // SAFETY: `count` is at most `size`, and the caller promises so much room.
                    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count) };
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
            if session.done < session.arrived.len() {
                self.decrypt(&mut session)?;
                continue;
            }
            drop(session);
            // SAFETY: the buffer is as large as it says.
            let count = unsafe { os::read(self.fd(), bytes.as_mut_ptr(), bytes.len(), true)? };
            if count == 0 {
                return Ok(0);
            }
            let mut session = self.lock();
            session.arrived.clear();
            session.arrived.extend_from_slice(&bytes[..count]);
            session.done = 0;
        }
    }

    fn write(&self, pieces: &[&[u8]]) -> io::Result<usize> {
        let mut session = self.lock();
        let tls = &mut session.tls;
        self.push(tls)?;
        let mut taken = 0;
        for piece in pieces {
            let count = tls.writer().write(piece)?;
            taken += count;
            if count < piece.len() {
                break;
            }
        }
        match self.push(tls) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ if taken == 0 && pieces.iter().any(|piece| !piece.is_empty()) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(taken),
        }
    }

    fn has_pending(&self) -> bool {
        let mut session = self.lock();
        session.done < session.arrived.len()
            || session.tls.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    fn has_unsent(&self) -> bool {
        self.lock().tls.wants_write()
    }

    fn shutdown(&self) {
        let mut session = self.lock();
        session.tls.send_close_notify();
        let _ = self.push(&mut session.tls);
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}
