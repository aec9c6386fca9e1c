//! Sends what it is told to, line by line, and says what came of it.

use dragoman::queue::{Message, Producer};
use dragoman::Fault;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufRead;

const EVENT: [(&str, &str); 5] =
    [("ce-type", "order"), ("ce-specversion", "1.0"), ("ce-id", "17"), ("ce-source", "/shop"), ("ce-subject", "é")];
const HEADERS: [(&str, &str); 5] = [
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("dragoman-deadline", "2099-01-01T00:00:00Z"),
    ("dragoman-priority", "critical"),
    ("idempotency-key", "order-17"),
    ("correlation-id", "a\r\nb ☕"),
];

#[derive(Serialize)]
struct Order {
    item: &'static str,
    count: u32,
    note: Option<u32>,
    lines: Vec<u32>,
    more: BTreeMap<String, u32>,
}

#[derive(Serialize)]
struct Tea {
    item: &'static str,
}

#[derive(Serialize)]
struct Empty {}

fn table(producer: &Producer) -> Result<(), Fault> {
    let order = Order { item: "tea", count: 2, note: None, lines: Vec::new(), more: BTreeMap::new() };
    let tea = Tea { item: "tea" };
    let numbers = (0, -1, 9_007_199_254_740_993_u64, u64::MAX, 1.5, -0.25, 0.1, true, false, None::<u32>);
    let both: Vec<(&str, &str)> = EVENT.into_iter().chain(HEADERS).collect();
    producer.send("table", &order, &[])?;
    producer.send("table", "é ☕ <&> \" \\ / \n \t \x01 \x7f \u{2028} 😀", &[])?;
    producer.send("table", &numbers, &[])?;
    producer.send("table", &Empty {}, &[])?;
    producer.send_all("table", &[Message::bytes([0, 255, b'\r', b'\n'])])?;
    producer.send_all("table", &[Message::bytes("1").header("content-type", "application/json")])?;
    producer.send("table", &tea, &HEADERS)?;
    producer.send("table", &tea, &EVENT)?;
    producer.send("table", &tea, &both)?;
    producer.send_all("table", &[Message::new("a")?, Message::new("b")?])?;
    Ok(())
}

fn crowd(producer: &Producer, stream: &str, threads: usize, count: usize) -> Result<(), Fault> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    (0..count).try_for_each(|each| producer.send(stream, &(number * count + each), &[]).map(|_| ()))
                })
            })
            .collect();
        all.into_iter().try_for_each(|each| each.join().expect("no thread panics"))
    })
}

fn act(producer: &Producer, verb: &str, stream: &str, number: usize, count: usize) -> Result<(), Fault> {
    match verb {
        "table" => table(producer),
        "send" => producer.send(stream, &number, &[]).map(|_| ()),
        "all" => {
            let messages: Vec<Message> = (0..count).map(|each| Message::new(&each)).collect::<Result<_, _>>()?;
            producer.send_all(stream, &messages).map(|_| ())
        }
        "crowd" => crowd(producer, stream, number, count),
        "heavy" => producer.send_all(stream, &vec![Message::bytes(vec![0; number]); count]).map(|_| ()),
        _ => producer.send_all(stream, &[Message::bytes(vec![0; number])]).map(|_| ()),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let keep = arguments[2].parse().expect("a number");
    let mut producer = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split(' ').collect();
        let dialled = producer.take().map_or_else(|| Producer::options().keep(keep).dial(&arguments[1]), Ok);
        let done = dialled.and_then(|dialled| {
            let done = act(&dialled, words[0], words[1], words[2].parse().unwrap(), words[3].parse().unwrap());
            producer = Some(dialled);
            done
        });
        match done {
            Ok(()) => println!("ok"),
            Err(fault) => {
                println!("{} {} {:?}", fault.code.as_str(), fault.started.as_str(), fault.detail);
            }
        }
    }
}
