//! Calls a Python function over and over, in one of several ways, and prints how long a call takes.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Call = Box<dyn FnMut() -> Outcome<String>>;

#[derive(Serialize)]
struct Text {
    text: String,
}

fn say() -> String {
    "x".repeat(89)
}

fn native(address: &str) -> Outcome<Call> {
    let client = dragoman::Client::dial(address).map_err(|fault| fault.to_string())?;
    Ok(Box::new(move || {
        let answer = client.call_blocking("functions.mirror", Text { text: say() });
        Ok(answer.map_err(|fault| fault.to_string())?)
    }))
}

fn ping(address: &str) -> Outcome<Call> {
    let mut wire = UnixStream::connect(address)?;
    let body = say().into_bytes();
    let mut answer = vec![0; body.len()];
    Ok(Box::new(move || {
        wire.write_all(&body)?;
        wire.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer.clone())?)
    }))
}

/// HTTP/1.1 by hand, on one connection: less than any client library does.
fn http(address: &str) -> Outcome<Call> {
    let place = address.trim_start_matches("http://").to_owned();
    let mut wire = TcpStream::connect(&place)?;
    wire.set_nodelay(true)?;
    let mut reader = BufReader::new(wire.try_clone()?);
    Ok(Box::new(move || {
        let body = serde_json::to_string(&Text { text: say() })?;
        let size = body.len();
        let head = format!("POST /v1/call/functions.mirror HTTP/1.1\r\nhost: {place}\r\ncontent-type: application/json\r\n");
        wire.write_all(format!("{head}content-length: {size}\r\n\r\n{body}").as_bytes())?;
        let mut size = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                size = text.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; size];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }))
}

fn main() -> Outcome<()> {
    let given: Vec<String> = std::env::args().collect();
    let [_, way, address, calls] = given.as_slice() else {
        return Err("caller WAY ADDRESS CALLS".into());
    };
    let count: usize = calls.parse()?;
    let mut call = match way.as_str() {
        "dragoman" => native(address)?,
        "ping" => ping(address)?,
        "http" => http(address)?,
        other => return Err(format!("there is no way {other}").into()),
    };
    let expected = say();
    let mut took: Vec<Duration> = Vec::with_capacity(count);
    let mut began = Instant::now();
    for turn in 0..2 * count {
        // The first half warms up.
        if turn == count {
            began = Instant::now();
        }
        let start = Instant::now();
        let answer = call()?;
        if answer != expected {
            return Err(format!("answered {answer}").into());
        }
        if turn >= count {
            took.push(start.elapsed());
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    took.sort_unstable();
    let us = |at: usize| took[at].as_nanos() as f64 / 1e3;
    println!("{{\"p50_us\": {}, \"p99_us\": {}, \"rate_s\": {rate}}}", us(count / 2), us(count * 99 / 100));
    Ok(())
}
