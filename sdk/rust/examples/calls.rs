//! Calls a host in every way, for the tests: `calls ADDRESS FOLDER [TOKEN [CERTIFICATES]]`.
//!
//! The host serves a Python source `py` with the functions used here.

use dragoman::{block_on, Client, Code, Fault, Started};
use serde_json::{json, Value};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let told: Vec<String> = std::env::args().collect();
    let mut options = Client::options();
    if let Some(token) = told.get(3) {
        options = options.token(token);
    }
    if let Some(path) = told.get(4) {
        options = options.authorities(std::fs::read(path)?);
    }
    let client = options.dial(&told[1])?;
    values(&client)?;
    streams(&client)?;
    faults(&client);
    many(&client);
    cancelling(&client, Path::new(&told[2]))?;
    client.close(Duration::from_secs(5));
    println!("all is well at {}", client.service());
    Ok(())
}

fn values(client: &Client) -> Result<(), Fault> {
    let value = json!({"value": {"n": -5, "big": u64::MAX, "text": "é😀", "list": [null, true, 1.5], "empty": {}}});
    let back: Value = client.call_blocking("py.echo", &value)?;
    assert_eq!(back, value["value"]);
    let wide: dragoman::values::BigInt = client.call_blocking("py.power", json!({"base": 2, "exponent": 200}))?;
    assert_eq!(wide.to_string(), "1606938044258990275541962092341162602522202993782792835301376");
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at * 7) as u8).collect();
    let back: dragoman::Raw = client.call_blocking("py.reverse", dragoman::Raw::from(bytes.clone()))?;
    assert!(back.iter().rev().eq(bytes.iter()));
    let text = "x".repeat(2_000_000);
    assert_eq!(client.call_blocking::<_, String>("py.echo", json!({"value": &text}))?, text);
    let listed = block_on(client.functions())?;
    assert!(matches!(listed.get("functions"), Some(dragoman::Value::List(functions)) if functions.len() >= 5));
    Ok(())
}

fn streams(client: &Client) -> Result<(), Fault> {
    let counted: Result<Vec<u64>, Fault> = client.stream_blocking("py.count", json!({"n": 20_000}))?.collect();
    assert_eq!(counted?, (0..20_000).collect::<Vec<u64>>());
    let none: Result<Vec<u64>, Fault> = client.stream_blocking("py.count", json!({"n": 0}))?.collect();
    assert!(none?.is_empty());
    let some: Vec<u64> = client.stream_blocking("py.count", json!({"n": 1u64 << 40}))?.take(3).flatten().collect();
    assert_eq!(some, [0, 1, 2]);
    block_on(async {
        let (mut input, reply) = client.call_with_input::<_, i64, i64>("py.total", json!({})).await?;
        for number in 0..5000 {
            input.send(number).await?;
        }
        input.end();
        assert_eq!(reply.await?, 4999 * 2500);
        let (mut input, mut items) = client.stream_with_input::<_, i64, i64>("py.double", json!({})).await?;
        for number in 0..100 {
            input.send(number).await?;
            assert_eq!(items.next().await.transpose()?, Some(2 * number));
        }
        input.end();
        assert!(items.next().await.is_none());
        Ok(())
    })
}

fn faults(client: &Client) {
    let fault = client.call_blocking::<_, Value>("py.power", json!({"base": "x"})).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::InvalidArgument, Started::No));
    let mut paths: Vec<&str> = fault.errors.iter().map(|breach| breach.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/base", "/exponent"]);
    let fault = client.call_blocking::<_, Value>("py.nobody", json!({})).unwrap_err();
    assert_eq!(fault.code, Code::NotFound);
    let began = Instant::now();
    let fault = client.timeout(Duration::from_millis(200)).call_blocking::<_, Value>("py.slow", json!({})).unwrap_err();
    assert_eq!(fault.code, Code::DeadlineExceeded, "{fault}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

fn many(client: &Client) {
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            scope.spawn(move || {
                for call in 0..200 {
                    let value = thread * 1000 + call;
                    let back: u64 = client.call_blocking("py.echo", json!({"value": value})).unwrap();
                    assert_eq!(back, value);
                }
            });
        }
    });
}

/// Await a file, for as long as anything may take.
async fn appears(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        dragoman::sleep(Duration::from_millis(5)).await;
    }
}

/// Await one future, and drop another at the end.
async fn beside<T>(awaited: impl Future<Output = T>, dropped: impl Future) -> T {
    let (mut awaited, mut dropped) = (pin!(awaited), pin!(dropped));
    std::future::poll_fn(|context| {
        assert!(dropped.as_mut().poll(context).is_pending(), "it ended by itself");
        awaited.as_mut().poll(context)
    })
    .await
}

fn cancelling(client: &Client, folder: &Path) -> Result<(), Fault> {
    let (began, ended) = (folder.join("began"), folder.join("ended"));
    let input = json!({"began": &began, "ended": &ended});
    block_on(async {
        beside(appears(&began), client.call::<_, Value>("py.wait", &input)).await;
        appears(&ended).await;
    });
    std::fs::remove_file(&began)?;
    std::fs::remove_file(&ended)?;
    block_on(async {
        let items = client.stream::<_, Value>("py.drip", &input).await?;
        appears(&began).await;
        drop(items);
        appears(&ended).await;
        Ok(())
    })
}
