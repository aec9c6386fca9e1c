//! The client against a small host.

mod support;

use dragoman::{block_on, Client, Code, Fault, Started, Value};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::FakeHost;

fn start() -> (FakeHost, Client) {
    let host = FakeHost::start();
    let client = Client::dial(&host.address).unwrap();
    (host, client)
}

#[test]
fn a_call_gives_the_typed_reply() {
    let (_host, client) = start();
    let reply: Vec<u64> = block_on(client.call("fake.echo", vec![1u64, u64::MAX])).unwrap();
    assert_eq!(reply, [1, u64::MAX]);
    let reply: serde_json::Value = client.call_blocking("fake.echo", json!({"a": [null, "é"]})).unwrap();
    assert_eq!(reply, json!({"a": [null, "é"]}));
    let wide: Value = client.call_blocking("fake.echo", i128::MAX).unwrap();
    assert_eq!(wide, Value::Int(i128::MAX));
    assert_eq!(client.service(), "fake");
}

#[test]
fn raw_bytes_go_through_as_they_are() {
    let (_host, client) = start();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
    let reply: dragoman::Raw = client.call_blocking("fake.echo", dragoman::Raw::from(bytes.clone())).unwrap();
    assert!(*reply == *bytes);
}

#[test]
fn a_fault_comes_as_it_was_given() {
    let (_host, client) = start();
    let fault = client.call_blocking::<_, Value>("fake.fail", 1).unwrap_err();
    assert_eq!((fault.code, fault.detail.as_str()), (Code::FailedPrecondition, "too late"));
    assert_eq!((fault.started, fault.retry_after_s), (Started::Yes, Some(1.5)));
    assert_eq!((fault.errors[0].path.as_str(), fault.function.as_str()), ("/a", "fake.fail"));
    let fault = client.call_blocking::<_, Value>("nobody.home", 1).unwrap_err();
    assert_eq!(fault.code, Code::NotFound);
    let fault = client.call_blocking::<_, Value>("", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::InvalidArgument, Started::No));
    let fault = client.call_blocking::<_, Value>("fake.garbage", 1).unwrap_err();
    assert_eq!(fault.code, Code::DataLoss);
    let fault = client.call_blocking::<_, u8>("fake.echo", 300).unwrap_err();
    assert_eq!(fault.code, Code::DataLoss);
}

#[test]
fn streams_keep_to_their_credit() {
    let (_host, client) = start();
    let items = client.stream_blocking::<_, u64>("fake.count", json!({"to": 5000})).unwrap();
    let numbers: Result<Vec<u64>, Fault> = items.collect();
    assert_eq!(numbers.unwrap(), (0..5000).collect::<Vec<u64>>());
    block_on(async {
        let mut items = client.stream::<_, u64>("fake.count", json!({"to": 300})).await.unwrap();
        let mut sum = 0;
        while let Some(number) = items.next().await {
            sum += number.unwrap();
        }
        assert_eq!(sum, 299 * 150);
    });
}

#[test]
fn input_streams_are_sent_as_there_is_room() {
    let (_host, client) = start();
    block_on(async {
        let (mut input, reply) = client.call_with_input::<_, i64, i64>("fake.sum", json!({})).await.unwrap();
        for number in 0..1000 {
            assert!(input.send(number).await.unwrap());
        }
        input.end();
        assert_eq!(reply.await.unwrap(), 999 * 500);
    });
    block_on(async {
        let (mut input, mut items) = client.stream_with_input::<_, i64, i64>("fake.double", json!({})).await.unwrap();
        for number in 0..200 {
            input.send(number).await.unwrap();
            assert_eq!(items.next().await.unwrap().unwrap(), 2 * number);
        }
        drop(input);
        assert!(items.next().await.is_none());
    });
    block_on(async {
        let (mut input, reply) = client.call_with_input::<_, i64, i64>("fake.early", json!({})).await.unwrap();
        while input.send(1).await.unwrap() {}
        assert_eq!(reply.await.unwrap(), 7);
    });
}

#[test]
fn dropping_a_call_cancels_it() {
    let (host, client) = start();
    let call = client.timeout(Duration::from_millis(30));
    let fault = call.call_blocking::<_, Value>("fake.never", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::DeadlineExceeded, Started::Unknown));
    assert_eq!(host.next_seen(), "cancel");
    let items = client.stream_blocking::<_, u64>("fake.count", json!({"to": 1_000_000})).unwrap();
    assert_eq!(items.take(3).map(Result::unwrap).collect::<Vec<u64>>(), [0, 1, 2]);
    assert_eq!(host.next_seen(), "cancel");
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
}

#[test]
fn time_trace_and_id_go_along() {
    let (_host, client) = start();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client = client.timeout(Duration::from_secs(5)).call_id("abc-1");
    let client = client.trace(dragoman::Trace::from_parent(parent).unwrap());
    let about: serde_json::Value = client.call_blocking("fake.about", 1).unwrap();
    assert_eq!((about["trace"].as_str().unwrap(), about["id"].as_str().unwrap()), (parent, "abc-1"));
    assert!((4000..=5000).contains(&about["amount"].as_u64().unwrap()));
}

#[test]
fn many_calls_share_one_connection() {
    let (host, client) = start();
    let threads: Vec<_> = (0..8u64)
        .map(|thread| {
            let client = client.clone();
            std::thread::spawn(move || {
                for call in 0..500 {
                    let value = thread * 1000 + call;
                    assert_eq!(client.call_blocking::<_, u64>("fake.echo", value).unwrap(), value);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    block_on(async {
        let mut calls: Vec<_> = (0..500u64).map(|value| Box::pin(client.call::<_, u64>("fake.echo", value))).collect();
        for (value, call) in calls.iter_mut().enumerate() {
            assert_eq!(call.await.unwrap(), value as u64);
        }
    });
    assert_eq!(host.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_lost_connection_ends_its_calls_and_is_made_anew() {
    let (host, client) = start();
    let fault = client.call_blocking::<_, Value>("fake.die", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::Unknown));
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
    let fault = client.call_blocking::<_, Value>("fake.nonsense", 1).unwrap_err();
    assert_eq!(fault.code, Code::Internal);
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 6).unwrap(), 6);
    assert_eq!(host.connections.load(Ordering::SeqCst), 3);
}

#[test]
fn after_a_drain_the_next_call_goes_to_the_next_connection() {
    let (host, client) = start();
    assert_eq!(client.call_blocking::<_, u8>("fake.drain", 1).unwrap(), 1);
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
    assert_eq!(host.next_seen(), "bye");
    assert_eq!(host.connections.load(Ordering::SeqCst), 2);
}

#[test]
fn a_refusal_at_the_door_is_told() {
    let host = FakeHost::start();
    host.refuse.store(true, Ordering::SeqCst);
    // The refusal may come before or after this side's READY.
    let fault = match Client::dial(&host.address) {
        Err(fault) => fault,
        Ok(client) => client.call_blocking::<_, Value>("fake.echo", 1).unwrap_err(),
    };
    assert_eq!((fault.code, fault.detail.as_str()), (Code::PermissionDenied, "not you"));
}

#[test]
fn nobody_at_the_address_is_told_at_once() {
    let fault = Client::dial("unix:///nowhere/at/all.sock").err().unwrap();
    assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::No));
    assert!(fault.detail.contains("/nowhere/at/all.sock"), "{fault}");
}

#[test]
fn a_host_that_stays_away_is_told_within_the_time_given() {
    let host = FakeHost::start();
    let client = Client::options().connect_timeout(Duration::from_millis(300)).dial(&host.address).unwrap();
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 1).unwrap(), 1);
    let address = host.address.clone();
    let _ = client.call_blocking::<_, Value>("fake.die", 1);
    drop(host);
    let began = Instant::now();
    let fault = client.call_blocking::<_, Value>("fake.echo", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::No), "{address}: {fault}");
    assert!(began.elapsed() < Duration::from_secs(8));
    let fault = client.timeout(Duration::from_millis(20)).call_blocking::<_, Value>("fake.echo", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::DeadlineExceeded, Started::No));
}

#[test]
fn pings_are_answered_also_while_nothing_is_called() {
    let (host, client) = start();
    client.call_blocking::<_, ()>("fake.ping", 1).unwrap();
    // The echo is checked by the host's connection; it would have ended this one.
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
    assert_eq!(host.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn closing_waits_for_calls_and_says_bye() {
    let (host, client) = start();
    let other = client.clone();
    let calling = std::thread::spawn(move || other.call_blocking::<_, Value>("fake.never", 1));
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
    while client.call_blocking::<_, u8>("fake.echo", 5).is_ok_and(|_| !calling.is_finished()) {
        if host.connections.load(Ordering::SeqCst) == 1 {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(20));
    client.close(Duration::from_millis(50));
    assert_eq!(calling.join().unwrap().unwrap_err().code, Code::Cancelled);
    assert_eq!(host.next_seen(), "cancel");
    assert_eq!(host.next_seen(), "bye");
    let fault = client.call_blocking::<_, Value>("fake.echo", 1).unwrap_err();
    assert_eq!((fault.code, fault.started), (Code::Unavailable, Started::No));
}

#[test]
fn dropping_the_last_clone_says_bye() {
    let (host, client) = start();
    drop(client.clone());
    assert_eq!(client.call_blocking::<_, u8>("fake.echo", 5).unwrap(), 5);
    drop(client);
    assert_eq!(host.next_seen(), "bye");
}
