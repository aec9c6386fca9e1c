//! Messages to Redis Streams, from which hosts of Dragoman make calls: the way in that needs no host to be there.
//!
//! A [`Producer`] speaks with Redis or Valkey itself. Its methods wait for the server: an asynchronous program calls them
//! from a thread for what blocks, as [`blocking`](crate::blocking) functions have.
//!
//! ```no_run
//! # fn main() -> Result<(), dragoman::Fault> {
//! use dragoman::queue::Producer;
//! use serde_json::json;
//!
//! let producer = Producer::dial("redis://:password@cache:6379")?;
//! let id = producer.send("orders", &json!({"item": "tea"}), &[("correlation-id", "order-17")])?;
//! # Ok(())
//! # }
//! ```

use crate::codec::to_json;
use crate::fault::{Code, Fault, Started};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server may take to be reached, or for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages sent ahead of their answers: enough that waiting costs nothing, little to remember.
const BATCH: usize = 1000;
/// Past so many bytes no more are, so that no second copy of everything is made to send it.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// What Redis takes, unless its owner says otherwise.
const BODY_MAX: usize = 512 * 1024 * 1024;
/// When a connection is looked at before it is used again: the server may have gone since.
const IDLE: Duration = Duration::from_secs(1);
/// An answer is an id of 40 bytes, or an error of a sentence.
const LINE_MAX: u64 = 64 * 1024;
const SCHEMES: &str = "use redis://host:6379, rediss://host:6379 or unix:///path";

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What is sent: a body and headers.
#[derive(Clone, Debug)]
pub struct Message {
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Message {
    /// An input, as functions take it, written as JSON.
    pub fn new<T: Serialize + ?Sized>(input: &T) -> Result<Message, Fault> {
        let body = to_json(input).map_err(|error| refused(Code::InvalidArgument, error.to_string()))?;
        Ok(Message { body, headers: Vec::new() })
    }

    /// Raw bytes, as they are.
    pub fn bytes(body: impl Into<Vec<u8>>) -> Message {
        Message { body: body.into(), headers: Vec::new() }.header("content-type", "application/octet-stream")
    }

    /// With a header: `correlation-id`, `traceparent`, `dragoman-deadline` and the like. The last of a name holds.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, text: impl Into<String>) -> Message {
        let name = name.into();
        self.headers.retain(|(each, _)| *each != name);
        self.headers.push((name, text.into()));
        self
    }
}

/// How a producer sends.
#[derive(Clone, Debug, Default)]
pub struct Options {
    keep: u64,
    authorities: Vec<u8>,
}

impl Options {
    /// A stream keeps about so many messages, the latest. Without it streams grow until somebody trims them: a queue of
    /// a project does so with `trim = "handled"`.
    #[must_use]
    pub fn keep(mut self, count: u64) -> Options {
        self.keep = count;
        self
    }

    /// Whom to trust over TLS, in PEM, in place of whom the system trusts.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Options {
        self.authorities = pem.into();
        self
    }

    /// Connect, as [`Producer::dial`] does.
    pub fn dial(self, address: &str) -> Result<Producer, Fault> {
        let producer = Producer { place: Place::parse(address)?, options: self, link: Mutex::default() };
        let reader = producer.connect()?;
        producer.lock().reader = Some((reader, Instant::now()));
        Ok(producer)
    }
}

/// Sends messages over one connection, which all threads share, and which is made anew when it is lost.
pub struct Producer {
    place: Place,
    options: Options,
    link: Mutex<Link>,
}

type Reader = BufReader<Box<dyn Stream>>;

/// The connection where there is one, when it was last used, and why there was none the last time that it was wanted.
#[derive(Default)]
struct Link {
    reader: Option<(Reader, Instant)>,
    failed: Option<(Fault, Instant)>,
}

enum Failure {
    Refused(Fault),
    Lost(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Lost(error)
    }
}

impl Producer {
    /// Connect to a server: `redis://user:password@host:6379/0`, `unix:///run/valkey.sock`, or, with the feature `tls`,
    /// `rediss://`.
    pub fn dial(address: &str) -> Result<Producer, Fault> {
        Options::default().dial(address)
    }

    /// To say more about how to send.
    pub fn options() -> Options {
        Options::default()
    }

    /// Add one message to a stream; its id. A fault that is [`Started::Unknown`] may have come after the message was
    /// stored.
    pub fn send<T: Serialize + ?Sized>(
        &self,
        stream: &str,
        input: &T,
        headers: &[(&str, &str)],
    ) -> Result<String, Fault> {
        let message = headers.iter().fold(Message::new(input)?, |message, (name, text)| message.header(*name, *text));
        Ok(self.send_all(stream, &[message])?.remove(0))
    }

    /// Add messages to a stream, in their order, without waiting for each; their ids. Fails as the first that could not be
    /// added does; those behind it may have been added.
    pub fn send_all(&self, stream: &str, messages: &[Message]) -> Result<Vec<String>, Fault> {
        let commands: Vec<Vec<u8>> =
            messages.iter().map(|message| self.command(stream, message)).collect::<Result<_, _>>()?;
        let mut ids = Vec::with_capacity(commands.len());
        let mut first = None;
        let begun = Instant::now();
        let mut held = self.lock();
        if let Some((fault, _)) = held.failed.as_ref().filter(|(_, at)| *at > begun) {
            return Err(fault.clone()); // somebody else has waited for the server, and it is not there
        }
        let mut left = commands.as_slice();
        while !left.is_empty() {
            let mut size = 0;
            let fits = |command: &&Vec<u8>| {
                size += command.len();
                size - command.len() < BATCH_BYTES
            };
            let (batch, rest) = left.split_at(left.iter().take(BATCH).take_while(fits).count());
            left = rest;
            let mut reader = self.reader(&mut held)?;
            match exchange(&mut reader, batch, &mut ids, |answer| self.refusal(answer)) {
                Ok(refused) => {
                    held.reader = Some((reader, Instant::now()));
                    first = first.or(refused);
                }
                Err(error) => {
                    let detail = format!("{}: {error}; it may be stored", self.place.address);
                    return Err(Fault::new(code(&error), detail).with_started(Started::Unknown));
                }
            }
        }
        first.map_or(Ok(ids), Err)
    }

    /// The connection, or a new one in place of one that is gone: nothing was sent on that which may be stored.
    fn reader(&self, held: &mut Link) -> Result<Reader, Fault> {
        if let Some((mut reader, used)) = held.reader.take() {
            if used.elapsed() < IDLE || ask(&mut reader, &["PING"]).is_ok() {
                return Ok(reader);
            }
        }
        let made = self.connect();
        held.failed = made.as_ref().err().map(|fault| (fault.clone(), Instant::now()));
        made
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, stream: &str, message: &Message) -> Result<Vec<u8>, Fault> {
        if stream.is_empty() {
            return Err(refused(Code::InvalidArgument, "the stream has no name"));
        }
        let keep = self.options.keep.to_string();
        let mut words = vec!["XADD", stream];
        if self.options.keep > 0 {
            words.extend(["MAXLEN", "~", &keep]);
        }
        words.extend(["*", "body"]);
        if message.body.len() > BODY_MAX {
            let detail = format!("the body has {} bytes, where {BODY_MAX} is the most", message.body.len());
            return Err(refused(Code::OutOfRange, detail));
        }
        let headers: BTreeMap<&str, &str> =
            message.headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        for name in headers.keys() {
            let plain = |each: u8| each.is_ascii_graphic() && !each.is_ascii_uppercase();
            if name.is_empty() || *name == "body" || !name.bytes().all(plain) {
                let rule = "use lower case, printable, and not body";
                let detail = format!("{name:?} cannot be the name of a header: {rule}");
                return Err(refused(Code::InvalidArgument, detail));
            }
        }
        let said = |name| headers.get(name).is_some_and(|text| !text.is_empty());
        let whole =
            headers.get("ce-specversion") == Some(&"1.0") && ["ce-id", "ce-source", "ce-type"].into_iter().all(said);
        if !whole && headers.keys().any(|name| name.starts_with("ce-")) {
            let detail = "an event has ce-specversion 1.0, ce-id, ce-source and ce-type";
            return Err(refused(Code::InvalidArgument, detail));
        }
        let rest: Vec<&str> = headers.into_iter().flat_map(|(name, text)| [name, text]).collect();
        Ok(packed(&words, &message.body, &rest))
    }

    fn connect(&self) -> Result<Reader, Fault> {
        let reached = self.place.reach(&self.options.authorities);
        self.greet(reached.map_err(Failure::Lost)).map_err(|failure| match failure {
            Failure::Refused(fault) => fault,
            Failure::Lost(error) => refused(code(&error), format!("no server at {}: {error}", self.place.address)),
        })
    }

    fn greet(&self, reached: Result<Box<dyn Stream>, Failure>) -> Result<Reader, Failure> {
        let mut link = BufReader::new(reached?);
        for words in &self.place.greetings {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Err(text) = ask(&mut link, &words)? {
                return Err(Failure::Refused(self.refusal(&text)));
            }
        }
        Ok(link)
    }

    fn refusal(&self, text: &str) -> Fault {
        let code = match text.split(' ').next().unwrap_or_default() {
            "NOAUTH" | "WRONGPASS" => Code::Unauthenticated,
            "NOPERM" => Code::PermissionDenied,
            "OOM" => Code::ResourceExhausted,
            "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MISCONF" | "NOREPLICAS" | "READONLY" | "TRYAGAIN" => {
                Code::Unavailable
            }
            _ => Code::FailedPrecondition,
        };
        refused(code, format!("{}: {text}", self.place.address))
    }
}

/// Send commands, and read an answer for each; what the first was refused with, if any was.
fn exchange(
    link: &mut Reader,
    commands: &[Vec<u8>],
    ids: &mut Vec<String>,
    refusal: impl Fn(&str) -> Fault,
) -> io::Result<Option<Fault>> {
    link.get_mut().write_all(&commands.concat())?;
    link.get_mut().flush()?;
    let mut first = None;
    for _ in commands {
        match answer(link)? {
            Ok(id) => ids.push(id),
            Err(text) => {
                ids.push(String::new());
                first = first.or_else(|| Some(refusal(&text)));
            }
        }
    }
    Ok(first)
}

/// Send one command, and read its answer.
fn ask(link: &mut Reader, words: &[&str]) -> io::Result<Result<String, String>> {
    let (last, rest) = words.split_last().expect("a command has a word");
    link.get_mut().write_all(&packed(rest, last.as_bytes(), &[]))?;
    link.get_mut().flush()?;
    answer(link)
}

/// One answer: a word, or what was refused.
fn answer(link: &mut Reader) -> io::Result<Result<String, String>> {
    let text = line(link)?;
    match text.as_bytes().first() {
        Some(b'+' | b':') => return Ok(Ok(text[1..].to_owned())),
        Some(b'-') => return Ok(Err(text[1..].to_owned())),
        Some(b'$') => {
            let word = match text[1..].parse::<u64>() {
                Ok(size) if size <= LINE_MAX => line(link)?,
                _ => return Err(strange(&text)),
            };
            if text[1..] == word.len().to_string() {
                return Ok(Ok(word));
            }
        }
        _ => {}
    }
    Err(strange(&text))
}

fn line(link: &mut Reader) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(64);
    link.take(LINE_MAX).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was lost"));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| strange(&text))
}

fn strange(text: &str) -> io::Error {
    let start: String = text.chars().take(40).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("what answers there is no Redis: {start:?}"))
}

fn refused(code: Code, detail: impl Into<String>) -> Fault {
    Fault::new(code, detail).with_started(Started::No)
}

fn code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Code::DeadlineExceeded,
        _ => Code::Unavailable,
    }
}

/// One command as the server reads it.
fn packed(words: &[&str], body: &[u8], rest: &[&str]) -> Vec<u8> {
    let mut head = format!("*{}\r\n", words.len() + 1 + rest.len());
    let mut tail = "\r\n".to_owned();
    for (part, words) in [(&mut head, words), (&mut tail, rest)] {
        for word in words {
            let _ = write!(part, "${}\r\n{word}\r\n", word.len());
        }
    }
    let _ = write!(head, "${}\r\n", body.len());
    [head.as_bytes(), body, tail.as_bytes()].concat()
}

/// Where a server is, and what it is told first.
struct Place {
    address: String,
    host: String,
    port: u16,
    path: String,
    secure: bool,
    greetings: Vec<Vec<String>>,
}

impl Place {
    fn parse(text: &str) -> Result<Place, Fault> {
        let wrong = || refused(Code::InvalidArgument, format!("not the address of a server: {SCHEMES}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (who, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (at, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let mut place = Place {
            address: at.to_owned(),
            host: String::new(),
            port: 6379,
            path: String::new(),
            secure: scheme == "rediss",
            greetings: Vec::new(),
        };
        let database = match scheme {
            "redis" | "rediss" => {
                let (host, port) = match at.rsplit_once(':') {
                    Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
                    _ => (at, 6379),
                };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.clone_into(&mut place.host);
                place.port = port;
                if host.is_empty() {
                    place.host = "localhost".to_owned();
                }
                path.trim_matches('/')
            }
            "unix" if path.len() > 1 => {
                place.path = decoded(path);
                path.clone_into(&mut place.address);
                query.strip_prefix("db=").unwrap_or_default()
            }
            _ => return Err(wrong()),
        };
        match who.split_once(':') {
            Some(("", password)) => place.greetings.push(vec!["AUTH".to_owned(), decoded(password)]),
            Some((user, password)) => {
                place.greetings.push(vec!["AUTH".to_owned(), decoded(user), decoded(password)]);
            }
            None => place.greetings.push(vec!["PING".to_owned()]),
        }
        if !database.is_empty() && database.parse::<u32>().is_err() {
            return Err(refused(Code::InvalidArgument, format!("{database:?} is no number of a database")));
        }
        if !database.is_empty() && database != "0" {
            place.greetings.push(vec!["SELECT".to_owned(), database.to_owned()]);
        }
        Ok(place)
    }

    fn reach(&self, authorities: &[u8]) -> io::Result<Box<dyn Stream>> {
        if !self.path.is_empty() {
            let socket = UnixStream::connect(&self.path)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            return Ok(Box::new(socket));
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(PATIENCE))?;
                    socket.set_write_timeout(Some(PATIENCE))?;
                    return if self.secure { secured(&self.host, socket, authorities) } else { Ok(Box::new(socket)) };
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[cfg(feature = "tls")]
fn secured(host: &str, socket: TcpStream, authorities: &[u8]) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(crate::client::tls::secured(host, socket, authorities)?))
}

#[cfg(not(feature = "tls"))]
fn secured(_: &str, _: TcpStream, _: &[u8]) -> io::Result<Box<dyn Stream>> {
    let detail = "rediss:// needs the feature \"tls\" of this crate";
    Err(io::Error::new(io::ErrorKind::Unsupported, detail))
}

/// What a part of an address says, without its percent signs.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    type Commands = Arc<Mutex<Vec<Vec<String>>>>;

    /// A server that answers what `say` makes of each command; "" ends the connection.
    fn serve(say: impl Fn(usize, &[String]) -> String + Send + 'static) -> (String, Commands) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let commands = Commands::default();
        let heard = commands.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut reader = BufReader::new(socket.unwrap());
                while let Some(command) = read(&mut reader) {
                    let number = {
                        let mut all = heard.lock().unwrap();
                        all.push(command.clone());
                        all.len()
                    };
                    let answer = say(number, &command);
                    if answer.is_empty() || reader.get_mut().write_all(format!("{answer}\r\n").as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        (address, commands)
    }

    fn number(reader: &mut impl BufRead) -> Option<usize> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.get(1..)?.trim().parse().ok()
    }

    fn read(reader: &mut impl BufRead) -> Option<Vec<String>> {
        (0..number(reader)?)
            .map(|_| {
                let mut word = vec![0; number(reader)? + 2];
                reader.read_exact(&mut word).ok()?;
                word.truncate(word.len() - 2);
                Some(word.into_iter().map(char::from).collect())
            })
            .collect()
    }

    fn fine(number: usize, command: &[String]) -> String {
        let id = format!("{number}-0");
        if command[0] == "XADD" {
            format!("${}\r\n{id}", id.len())
        } else {
            "+OK".to_owned()
        }
    }

    #[test]
    fn a_message_is_an_entry_with_a_body_and_headers() {
        let (address, commands) = serve(fine);
        let producer = Producer::options().keep(100).dial(&format!("redis://me:p%40s+s@{address}/3")).unwrap();
        let id = producer.send("orders", &json!({"item": "tea"}), &[("correlation-id", "o\r\n1")]).unwrap();
        assert_eq!(id, "3-0");
        producer.send_all("s", &[Message::bytes([0, 255])]).unwrap();
        let said: Vec<String> = commands.lock().unwrap().iter().map(|words| words.join(" ")).collect();
        assert_eq!(said[0], "AUTH me p@s+s");
        assert_eq!(said[1], "SELECT 3");
        assert_eq!(said[2], "XADD orders MAXLEN ~ 100 * body {\"item\":\"tea\"} correlation-id o\r\n1");
        assert_eq!(said[3], "XADD s MAXLEN ~ 100 * body \0\u{ff} content-type application/octet-stream");
    }

    #[test]
    fn many_are_sent_in_their_order_and_the_first_that_is_refused_is_told() {
        let (address, commands) = serve(|number, command| match command.last().map(String::as_str) {
            Some("2") => "-OOM command not allowed".to_owned(),
            _ => fine(number, command),
        });
        let producer = Producer::dial(&format!("redis://{address}")).unwrap();
        let messages: Vec<Message> = (0..2500).map(|each| Message::new(&each).unwrap()).collect();
        assert_eq!(producer.send_all("s", &messages).unwrap_err().code, Code::ResourceExhausted);
        let bodies: Vec<String> = commands.lock().unwrap()[1..].iter().map(|words| words[4].clone()).collect();
        assert_eq!(bodies, (0..2500).map(|each| each.to_string()).collect::<Vec<_>>());
        assert_eq!(producer.send_all("s", &messages[..2]).unwrap(), ["2502-0", "2503-0"]);
    }

    #[test]
    fn a_connection_that_is_lost_is_made_anew_and_the_fault_says_what_may_be_stored() {
        let (address, _) = serve(|number, command| if number == 3 { String::new() } else { fine(number, command) });
        let producer = Producer::dial(&format!("redis://{address}")).unwrap();
        producer.send("s", &1, &[]).unwrap();
        let fault = producer.send("s", &2, &[]).unwrap_err();
        assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::Unknown));
        assert_eq!(producer.send("s", &3, &[]).unwrap(), "5-0");
        let fault = Producer::dial("redis://127.0.0.1:9").err().unwrap();
        assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::No));
    }

    #[test]
    fn refusals_have_codes() {
        for (text, code) in [
            ("-NOAUTH Authentication required.", Code::Unauthenticated),
            ("-NOPERM no permissions", Code::PermissionDenied),
            ("-LOADING", Code::Unavailable),
            ("-WRONGTYPE Operation", Code::FailedPrecondition),
        ] {
            let (address, _) =
                serve(move |_, command| if command[0] == "XADD" { text.to_owned() } else { "+OK".to_owned() });
            let producer = Producer::dial(&format!("redis://{address}")).unwrap();
            let fault = producer.send("s", &1, &[]).unwrap_err();
            assert_eq!((fault.code, fault.started), (code, Started::No));
        }
    }

    #[test]
    fn what_is_no_redis_is_told() {
        for answer in ["HTTP/1.1 400 Bad Request", "$99999999999", "$3\r\nab", "*1", &"x".repeat(200_000)] {
            let answer = answer.to_owned();
            let (address, _) = serve(move |_, _| answer.clone());
            let fault = Producer::dial(&format!("redis://{address}")).err().unwrap();
            assert_eq!(fault.code, Code::Unavailable, "{}", fault.detail);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before_it_is() {
        let (address, commands) = serve(fine);
        let producer = Producer::dial(&format!("redis://{address}")).unwrap();
        for name in ["body", "Upper", "", "a b", "ce-id"] {
            assert_eq!(producer.send("s", &1, &[(name, "x")]).unwrap_err().code, Code::InvalidArgument);
        }
        assert_eq!(producer.send("", &1, &[]).unwrap_err().code, Code::InvalidArgument);
        for address in ["http://h", "redis://h/x", "redis://h:port", "%", "unix:///"] {
            assert_eq!(Producer::dial(address).err().unwrap().code, Code::InvalidArgument, "{address}");
        }
        assert_eq!(commands.lock().unwrap().len(), 1);
    }
}
