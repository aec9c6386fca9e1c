//! A small host for the tests of the client: it answers by the name of the function.

use dragoman::wire::connection::Connection;
use dragoman::wire::decoder::Decoder;
use dragoman::wire::frame::{codec, kind, Frame};
use dragoman::wire::handshake::{Hello, Limits};
use dragoman::wire::meta::Entries;
use dragoman::wire::state::Role;
use dragoman::{Code, Fault};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};

pub struct FakeHost {
    pub address: String,
    folder: PathBuf,
    stop: Arc<AtomicBool>,
    /// How many connections were made.
    pub connections: Arc<AtomicU32>,
    /// What was seen: cancels, entries of calls, the end of a client.
    pub seen: Mutex<Receiver<String>>,
    /// Whether the next connection is refused at the door.
    pub refuse: Arc<AtomicBool>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl FakeHost {
    pub fn start() -> FakeHost {
        let name = format!("dragoman-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let host = FakeHost::at(folder);
        host.0
    }

    fn at(folder: PathBuf) -> (FakeHost, ()) {
        let path = folder.join("host.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let (stop, connections, refuse) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Arc::default());
        let (tell, seen) = channel();
        let (stopped, counted, refusing) = (stop.clone(), connections.clone(), Arc::clone(&refuse));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let (tell, refusing) = (tell.clone(), Arc::clone(&refusing));
                std::thread::spawn(move || Session::serve(stream.unwrap(), &tell, &refusing));
            }
        });
        let address = format!("unix://{}", path.display());
        (FakeHost { address, folder, stop, connections, seen: Mutex::new(seen), refuse }, ())
    }

    pub fn next_seen(&self) -> String {
        self.seen.lock().unwrap().recv_timeout(std::time::Duration::from_secs(10)).unwrap()
    }
}

impl Drop for FakeHost {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.folder.join("host.sock"));
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Session {
    stream: UnixStream,
    connection: Connection,
    /// Streams that wait for credit: what is left to count.
    counting: HashMap<u64, (u64, u64)>,
    sums: HashMap<u64, i64>,
    doubling: HashMap<u64, ()>,
}

pub fn hello() -> Hello {
    Hello {
        host: "fake/1".to_string(),
        versions: (1, 1),
        source: String::new(),
        call_prefix: String::new(),
        concurrency: 1,
        debug: false,
        service: "fake".to_string(),
        features: vec!["input".to_string()],
        limits: Limits { credit_bytes: 1000, ..Limits::default() },
    }
}

impl Session {
    fn serve(mut stream: UnixStream, tell: &Sender<String>, refuse: &AtomicBool) {
        let mut connection = Connection::new(Role::Host, Limits::default());
        connection.client = true;
        let _ = stream.write_all(&connection.hello(hello()).unwrap());
        if refuse.load(Ordering::SeqCst) {
            let fault = Fault::new(Code::PermissionDenied, "not you");
            let _ = stream.write_all(&connection.failure(&fault).unwrap());
            return;
        }
        let mut session =
            Session { stream, connection, counting: HashMap::new(), sums: HashMap::new(), doubling: HashMap::new() };
        let mut decoder = Decoder::default();
        let mut buffer = [0; 65536];
        loop {
            let count = session.stream.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                let _ = tell.send("end".to_string());
                return;
            }
            let (frames, fault) = decoder.feed(&buffer[..count]);
            assert_eq!(fault, None);
            for frame in frames {
                let Some(frame) = session.connection.receive(frame).unwrap() else { continue };
                if !session.act(&frame, tell) {
                    return;
                }
            }
        }
    }

    fn write(&mut self, data: &[u8]) {
        let _ = self.stream.write_all(data);
    }

    fn end(&mut self, call: u64, kind: u8, body: &[u8]) {
        let header = self.connection.end(call, kind, body.len(), None, 1).unwrap();
        self.write(&[&header, body].concat());
    }

    fn fault(&mut self, call: u64, fault: &Fault) {
        let data = self.connection.fault(call, fault, 1, false).unwrap();
        self.write(&data);
    }

    fn count_on(&mut self, call: u64) {
        while let Some((at, to)) = self.counting.get(&call).copied() {
            if at == to {
                self.counting.remove(&call);
                self.end(call, codec::MSGPACK, b"");
                return;
            }
            if self.connection.may_send_item(call) != Some(true) {
                return;
            }
            let body = at.to_string();
            let header = self.connection.item(call, codec::JSON, body.len(), None).unwrap();
            self.write(&[&header, body.as_bytes()].concat());
            self.counting.insert(call, (at + 1, to));
        }
    }

    fn act(&mut self, frame: &Frame, tell: &Sender<String>) -> bool {
        let call = frame.call;
        match frame.kind {
            kind::CALL => return self.on_call(frame, tell),
            kind::CANCEL => {
                self.counting.remove(&call);
                self.fault(call, &Fault::cancelled("given up"));
                let _ = tell.send("cancel".to_string());
            }
            kind::CREDIT => self.count_on(call),
            kind::ITEM => {
                let number: i64 = dragoman::codec::from_msgpack(&frame.body).unwrap();
                if let Some(credit) = self.connection.consumed(call, 32 + frame.body.len() as u64) {
                    self.write(&credit);
                }
                if self.doubling.contains_key(&call) {
                    let body = (2 * number).to_string();
                    let header = self.connection.item(call, codec::JSON, body.len(), None).unwrap();
                    self.write(&[&header, body.as_bytes()].concat());
                } else {
                    *self.sums.entry(call).or_default() += number;
                }
            }
            kind::END if self.doubling.remove(&call).is_some() => self.end(call, codec::MSGPACK, b""),
            kind::END => {
                let sum = self.sums.remove(&call).unwrap_or(0).to_string();
                self.end(call, codec::JSON, sum.as_bytes());
            }
            kind::BYE => {
                let _ = tell.send("bye".to_string());
            }
            _ => {}
        }
        true
    }

    fn on_call(&mut self, frame: &Frame, tell: &Sender<String>) -> bool {
        let entries = Entries::decode(&frame.meta).unwrap();
        let call = frame.call;
        match entries.function.as_str() {
            "fake.echo" => self.end(call, frame.body_codec(), &frame.body),
            "fake.about" => {
                let trace = entries.trace.map_or(String::new(), |trace| trace.parent());
                let told = format!(
                    "{{\"trace\": \"{trace}\", \"id\": \"{}\", \"amount\": {}}}",
                    entries.call_id, frame.amount
                );
                self.end(call, codec::JSON, told.as_bytes());
            }
            "fake.count" => {
                let input: HashMap<String, u64> = dragoman::codec::from_msgpack(&frame.body).unwrap();
                self.counting.insert(call, (0, input["to"]));
                self.count_on(call);
            }
            "fake.fail" => {
                let fault = Fault::failed_precondition("too late").with_breach("/a", "is wrong").with_retry_after(1.5);
                self.fault(call, &fault);
            }
            "fake.sum" | "fake.never" => {}
            "fake.double" => {
                self.doubling.insert(call, ());
            }
            "fake.early" => self.end(call, codec::JSON, b"7"),
            "fake.garbage" => self.end(call, codec::JSON, b"{"),
            "fake.nonsense" => self.write(&[9; 64]),
            "fake.drain" => {
                let data = self.connection.drain().unwrap();
                self.write(&data);
                self.end(call, codec::JSON, b"1");
            }
            "fake.ping" => {
                let data = self.connection.ping(b"x").unwrap();
                self.write(&data);
                self.end(call, codec::JSON, b"null");
            }
            "fake.die" => {
                let _ = tell.send("dying".to_string());
                return false;
            }
            other => self.fault(call, &Fault::not_found(format!("no {other}")).with_started(dragoman::Started::No)),
        }
        true
    }
}
