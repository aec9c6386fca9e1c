//! Every vector of `proto/vectors`, through the wire.

use dragoman::wire::connection::Connection;
use dragoman::wire::decoder::Decoder;
use dragoman::wire::frame::{encode, flag, kind, Frame, ProtocolFault, FRAME_BYTES_MAX};
use dragoman::wire::handshake::{load_event, load_hello, load_ready, negotiate, Limits};
use dragoman::wire::meta::Entries;
use dragoman::wire::state::Role;
use serde_json::Value;
use std::path::PathBuf;

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/vectors")
}

fn read(path: PathBuf) -> Value {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn cases(name: &str) -> Vec<Value> {
    read(vectors().join("frames").join(format!("{name}.json")))["cases"].as_array().unwrap().clone()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn body_of(fields: &Value) -> Vec<u8> {
    match fields["body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => unhex(fields["body_hex"].as_str().unwrap_or("")),
    }
}

fn frame_of(fields: &Value) -> Frame {
    let name = fields["kind"].as_str().unwrap();
    let flags = fields["flags"].as_array().map_or(0, |names| {
        names.iter().fold(0, |flags, name| {
            flags
                | match name.as_str().unwrap() {
                    "CHECKSUM" => flag::CHECKSUM,
                    "SEGMENT" => flag::SEGMENT,
                    "STREAM" => flag::STREAM,
                    "UNSTARTED" => flag::UNSTARTED,
                    "INPUT" => flag::INPUT,
                    other => panic!("unknown flag {other}"),
                }
        })
    });
    let number = |key: &str| fields[key].as_u64().unwrap_or(0);
    Frame {
        kind: kind::NAMES.iter().position(|each| *each == name).unwrap() as u8,
        flags,
        codec: number("codec") as u8,
        function: number("function") as u32,
        call: u64::from_str_radix(fields["call"].as_str().unwrap_or("0"), 16).unwrap(),
        amount: number("amount") as u32,
        meta: unhex(fields["meta"].as_str().unwrap_or("")),
        body: body_of(fields).into(),
        ..Frame::default()
    }
}

/// Feed in pieces; all frames and the fault, if any.
fn feed(decoder: &mut Decoder, data: &[u8], piece: usize) -> (Vec<Frame>, Option<ProtocolFault>) {
    let mut all = Vec::new();
    for chunk in data.chunks(piece) {
        let (frames, fault) = decoder.feed(chunk);
        all.extend(frames);
        if fault.is_some() {
            return (all, fault);
        }
    }
    (all, None)
}

#[test]
fn good_frames_have_these_fields_and_these_bytes() {
    for case in cases("good") {
        let (data, frame) = (unhex(case["hex"].as_str().unwrap()), frame_of(&case["frame"]));
        for piece in [1, 7, 1 << 20] {
            let mut decoder = Decoder::default();
            decoder.segments = true;
            assert_eq!(feed(&mut decoder, &data, piece), (vec![frame.clone()], None), "{}", case["name"]);
        }
        if case["one_way"] != true {
            assert_eq!(hex(&encode(&frame)), hex(&data), "{}", case["name"]);
        }
    }
}

#[test]
fn bad_headers_are_refused_for_their_reason_however_they_arrive() {
    for case in cases("bad-header") {
        let data = unhex(case["hex"].as_str().unwrap());
        for piece in [1, 7, 1 << 20] {
            let mut decoder = Decoder::new(case["limit"].as_u64().map_or(FRAME_BYTES_MAX, |limit| limit as u32));
            decoder.segments = case["segments"] == true;
            let (_, fault) = feed(&mut decoder, &data, piece);
            let fault = fault.unwrap_or_else(|| panic!("{} was taken", case["name"]));
            assert_eq!(fault.reason, case["fault"], "{}", case["name"]);
        }
    }
}

#[test]
fn meta_is_read_or_refused() {
    for case in cases("meta") {
        let read = Entries::decode(&unhex(case["meta"].as_str().unwrap()));
        if let Some(reason) = case["fault"].as_str() {
            assert_eq!(read.unwrap_err().reason, reason, "{}", case["name"]);
            continue;
        }
        let (read, wanted) = (read.unwrap(), &case["entries"]);
        assert_eq!(read.call_id, wanted["call_id"].as_str().unwrap_or(""), "{}", case["name"]);
        assert_eq!(read.function, wanted["function"].as_str().unwrap_or(""), "{}", case["name"]);
        assert_eq!(u64::from(read.depth), wanted["depth"].as_u64().unwrap_or(0), "{}", case["name"]);
        assert_eq!(read.trace.is_none(), wanted["trace"].is_null(), "{}", case["name"]);
        if let Some(trace) = read.trace {
            let wanted = &wanted["trace"];
            assert_eq!(
                (hex(&trace.trace_id).as_str(), hex(&trace.span_id).as_str()),
                (wanted["trace_id"].as_str().unwrap(), wanted["span_id"].as_str().unwrap())
            );
            assert_eq!(
                (u64::from(trace.flags), trace.state.as_str()),
                (wanted["flags"].as_u64().unwrap(), wanted["state"].as_str().unwrap())
            );
        }
    }
}

#[test]
fn entries_that_are_not_read_are_skipped_whatever_is_in_them() {
    for case in cases("bad-meta-optional") {
        let read = Entries::decode(&unhex(case["meta"].as_str().unwrap()));
        assert_eq!(read.unwrap(), Entries::default(), "{}", case["name"]);
    }
}

#[test]
fn json_bodies_are_taken_or_refused() {
    for case in cases("bodies") {
        let body = body_of(&case);
        let read = match case["kind"].as_str().unwrap() {
            "HELLO" => load_hello(&body).and_then(|hello| negotiate(hello.versions)),
            "READY" => load_ready(&body, (1, 1)).map(drop),
            "FAULT" => dragoman::Fault::load(&body).map(drop),
            _ => load_event(&body).map(drop),
        };
        match case["fault"].as_str() {
            Some(reason) => assert_eq!(read.expect_err(&case["name"].to_string()).reason, reason, "{}", case["name"]),
            None => read.unwrap_or_else(|fault| panic!("{}: {fault}", case["name"])),
        }
    }
}

/// One end, with the decoder before it.
struct End {
    decoder: Decoder,
    connection: Connection,
}

fn region_of(frame: &Frame) -> Option<(u64, u64)> {
    let word = |at: usize| u64::from_le_bytes(frame.body[at..at + 8].try_into().unwrap());
    frame.has(flag::SEGMENT).then(|| (word(0), word(8)))
}

impl End {
    fn agree(&mut self) {
        self.decoder.limit = self.connection.limits.frame_bytes_max;
        self.decoder.segments = self.connection.has_segments();
        if self.connection.role == Role::Host {
            let hello = self.connection.said_hello.as_ref();
            self.decoder.inputs = hello.is_some_and(|hello| hello.features.iter().any(|each| each == "input"));
        }
    }

    fn receive(&mut self, data: &[u8], piece: usize) -> (Vec<Frame>, Option<ProtocolFault>) {
        let mut given = Vec::new();
        for chunk in data.chunks(piece) {
            let (frames, fault) = self.decoder.feed(chunk);
            for frame in frames {
                match self.connection.receive(frame) {
                    Ok(frame) => given.extend(frame),
                    Err(fault) => return (given, Some(fault)),
                }
                self.agree();
            }
            if fault.is_some() {
                return (given, fault);
            }
        }
        (given, None)
    }

    fn send(&mut self, frame: &Frame) -> Vec<u8> {
        let end = &mut self.connection;
        let (call, size, region) = (frame.call, frame.body.len(), region_of(frame));
        if let Some((offset, size)) = region {
            end.lend(offset, size);
        }
        let unstarted = frame.has(flag::UNSTARTED);
        let with_body = |header: [u8; 32]| [&header, &*frame.meta, &*frame.body].concat();
        let sent = match frame.kind {
            kind::HELLO => end.hello(load_hello(&frame.body).unwrap()),
            kind::READY => end.ready(&load_ready(&frame.body, (1, 1)).unwrap()),
            kind::CALL => {
                let (flags, codec, function) = (frame.flags & !flag::CHECKSUM, frame.codec, frame.function);
                end.call(call, flags, codec, function, frame.amount, frame.meta.len(), size).map(with_body)
            }
            kind::ITEM => end.item(call, frame.codec, size, region).map(with_body),
            kind::END if end.may_send_item(call).is_some() && (call >= 1 << 63) == (end.role == Role::Guest) => {
                end.end_input(call).map(with_body)
            }
            kind::END => end.end(call, frame.codec, size, region, frame.amount).map(with_body),
            kind::FAULT if call == 0 => end.failure(&dragoman::Fault::load(&frame.body).unwrap()),
            kind::FAULT => end.fault(call, &dragoman::Fault::load(&frame.body).unwrap(), frame.amount, unstarted),
            kind::CANCEL => end.cancel(call, unstarted),
            kind::CREDIT => end.credit(call, frame.amount),
            kind::EVENT => end.event(call, frame.body.to_vec()),
            kind::PING => end.ping(&frame.body),
            kind::PONG => end.pong(&frame.body),
            kind::DRAIN => end.drain(),
            kind::RELEASE => end.release(u64::from_le_bytes(frame.body[..8].try_into().unwrap())),
            _ => end.bye(),
        };
        let sent = sent.unwrap_or_else(|refused| panic!("{} was refused: {refused}", kind::NAMES[frame.kind as usize]));
        self.agree();
        sent
    }
}

fn one(data: &[u8]) -> Frame {
    let mut decoder = Decoder::default();
    decoder.segments = true;
    let (mut frames, fault) = decoder.feed(data);
    assert_eq!((frames.len(), fault), (1, None));
    frames.pop().unwrap()
}

/// Compare what was sent with a vector: JSON by value and as far as the vector goes, all else exactly.
fn agree(sent: &[u8], wanted: &Frame) {
    let mut frame = one(sent);
    if matches!(wanted.kind, kind::HELLO | kind::READY | kind::FAULT) {
        let json = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        let said = json(&frame.body);
        for (key, value) in json(&wanted.body).as_object().unwrap() {
            // The words of a lost body are each library's own.
            if key == "detail" && json(&wanted.body)["code"] == "DATA_LOSS" {
                continue;
            }
            match value.as_object() {
                Some(inner) => {
                    inner.iter().for_each(|(name, value)| assert_eq!(&said[key][name], value, "{key}.{name}"))
                }
                None => assert_eq!(&said[key], value, "{key}"),
            }
        }
        frame.body = wanted.body.clone();
    }
    let mut wanted = wanted.clone();
    wanted.flags &= !flag::CHECKSUM;
    assert_eq!(frame, wanted);
}

/// Compare the few fields that a `result` or an `answer` names.
fn looks_like(frame: &Frame, wanted: &Value) {
    assert_eq!(kind::NAMES[frame.kind as usize], wanted["kind"]);
    assert_eq!(format!("{:x}", frame.call), wanted["call"].as_str().unwrap_or("0"));
    if let Some(body) = wanted["body_hex"].as_str() {
        assert_eq!(hex(&frame.body), body);
    }
    for key in ["code", "started"] {
        if let Some(word) = wanted[key].as_str() {
            assert_eq!(serde_json::from_slice::<Value>(&frame.body).unwrap()[key], word);
        }
    }
}

fn receive(end: &mut End, step: &Value, piece: usize) {
    let data = unhex(step["hex"].as_str().unwrap());
    let (mut frames, fault) = end.receive(&data, piece);
    if let Some(reason) = step["fault"].as_str() {
        let fault = fault.unwrap_or_else(|| panic!("no fault, but {frames:?}"));
        assert_eq!(fault.reason, reason, "{fault}");
        return;
    }
    assert_eq!(fault, None);
    for frame in &mut frames {
        frame.region = None;
        frame.corrupt = false;
    }
    match &step["result"] {
        Value::Null => assert_eq!(frames, [frame_of(&step["frame"])]),
        Value::String(_) => assert_eq!(frames, []),
        wanted => looks_like(&frames[0], wanted),
    }
    let answers = end.connection.take_answers();
    match &step["answer"] {
        Value::Null => assert!(answers.is_empty()),
        wanted => looks_like(&one(&answers), wanted),
    }
}

#[test]
fn conversations_go_as_written() {
    let folder = std::fs::read_dir(vectors().join("conversations")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 100);
    let mut failed = Vec::new();
    for path in paths {
        let talk = read(path.clone());
        for view in talk["views"].as_array().unwrap() {
            for piece in [1 << 20, 37, 1] {
                let played = std::panic::catch_unwind(|| play(&talk, view.as_str().unwrap(), piece));
                if let (Err(panic), true) = (&played, piece > 37) {
                    let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    failed.push(format!("{} as {view}: {words}", path.file_stem().unwrap().to_string_lossy()));
                }
                if played.is_err() {
                    break;
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

fn play(talk: &Value, view: &str, piece: usize) {
    let role = if view == "host" { Role::Host } else { Role::Guest };
    let mut end = End { decoder: Decoder::default(), connection: Connection::new(role, Limits::default()) };
    end.connection.client = talk["peer"] == "client";
    let arena = talk["arena_bytes"].as_u64().unwrap_or(0);
    end.connection.arenas = (arena, arena);
    for step in talk["steps"].as_array().unwrap() {
        if step["from"] != view {
            receive(&mut end, step, piece);
        } else if step["fault"].is_null() {
            let frame = frame_of(&step["frame"]);
            agree(&end.send(&frame), &frame);
        }
    }
}
