//! The conformance service in Rust.

use dragoman::values::{BigInt, Bytes, Date, Decimal, Duration, Moment, Uuid};
use dragoman::{Context, Empty, Fault, Incoming, Level, Raw, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration as Span, Instant};

/// Any value.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Anything(Value);

impl JsonSchema for Anything {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Anything".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    value: Anything,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

/// One of everything.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Typed {
    int: i64,
    big: BigInt,
    float: f64,
    decimal: Decimal,
    flag: bool,
    text: String,
    bytes: Bytes,
    moment: Moment,
    date: Date,
    duration: Duration,
    uuid: Uuid,
    colour: Colour,
    tags: Vec<String>,
    scores: BTreeMap<String, i64>,
    shape: Shape,
    nullable: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maybe: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<Box<Typed>>,
}

#[derive(Deserialize, JsonSchema)]
struct Fail {
    code: String,
    detail: String,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    message: String,
}

struct Never;

impl Serialize for Never {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a value without a form"))
    }
}

impl JsonSchema for Never {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Never".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    to: u64,
    #[serde(default)]
    bytes: usize,
}

#[derive(Deserialize, JsonSchema)]
struct FailAfter {
    items: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Seconds {
    seconds: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    numbers: Incoming<i64>,
}

#[derive(Deserialize, JsonSchema)]
struct Target {
    function: String,
    input: Anything,
}

#[derive(Deserialize, JsonSchema)]
struct Log {
    message: String,
    level: String,
}

#[derive(Deserialize, JsonSchema)]
struct Progress {
    share: f64,
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Steps {
    shares: Vec<f64>,
    seconds: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Print {
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct About {
    call_id: String,
    trace_id: Option<String>,
    cancelled: bool,
}

fn count(_: Context, input: Count) -> Box<dyn Iterator<Item = Anything>> {
    if input.bytes > 0 {
        let text = "x".repeat(input.bytes);
        return Box::new((0..input.to).map(move |_| Anything(Value::Text(text.clone()))));
    }
    Box::new((0..input.to).map(|number| Anything(Value::Int(number.into()))))
}

fn crash(_: Context, input: Message) {
    panic!("{}", input.message);
}

async fn first(_: Context, mut input: Numbers) -> Result<i64, Fault> {
    input.numbers.next().await.unwrap_or_else(|| Err(Fault::invalid_argument("no numbers")))
}

fn log(ctx: Context, input: Log) {
    let level = match input.level.as_str() {
        "debug" => Level::Debug,
        "warning" => Level::Warning,
        "error" => Level::Error,
        _ => Level::Info,
    };
    ctx.log_at(level, input.message, &BTreeMap::from([("n", 1)]));
}

fn about(ctx: Context, _: Empty) -> About {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    About {
        call_id: ctx.call_id(),
        trace_id: ctx.trace().map(|trace| hex(&trace.trace_id)),
        cancelled: ctx.is_cancelled(),
    }
}

fn main() {
    dragoman::function("echo", |_, input: Echo| async move { input.value });
    dragoman::function("add", |_, input: Add| async move {
        input.a.checked_add(input.b).ok_or_else(|| Fault::out_of_range("the sum has more than 64 bits"))
    });
    dragoman::function("typed", |_, input: Typed| async move { input });
    dragoman::blocking("fail", |_, input: Fail| -> Result<(), Fault> {
        Err(Fault::new(dragoman::Code::of(&input.code), input.detail).with_breach("/code", "as asked"))
    });
    dragoman::blocking("crash", crash);
    dragoman::blocking("unserialisable", |_, _: Empty| Never);
    dragoman::iterate("count", count);
    dragoman::iterate("fail_after", |_, input: FailAfter| {
        let items = (0..input.items).map(Ok::<u64, Fault>);
        items.chain([Err(Fault::failed_precondition("as asked"))])
    });
    dragoman::function("sleep", |_, input: Seconds| async move {
        dragoman::sleep(Span::from_secs_f64(input.seconds)).await;
        "slept".to_string()
    });
    dragoman::emit("endless", |_, _: Empty, mut out: dragoman::Emitter<u64>| async move {
        for number in 0.. {
            out.send(number).await?;
        }
        Ok::<(), Fault>(())
    });
    dragoman::blocking("stubborn", |_, input: Seconds| {
        let until = Instant::now() + Span::from_secs_f64(input.seconds);
        while Instant::now() < until {
            std::thread::sleep(Span::from_millis(5));
        }
        "done".to_string()
    });
    dragoman::blocking("sum", |_, input: Numbers| {
        input.numbers.blocking().try_fold(0i64, |sum, number| number.map(|number| sum + number))
    });
    dragoman::function("first", first);
    dragoman::emit("double", |_, mut input: Numbers, mut out: dragoman::Emitter<i64>| async move {
        while let Some(number) = input.numbers.next().await {
            out.send(2 * number?).await?;
        }
        Ok::<(), Fault>(())
    });
    dragoman::function("call", |ctx: Context, input: Target| async move {
        ctx.call::<_, Anything>(&input.function, input.input).await
    });
    dragoman::emit("relay", |ctx: Context, input: Target, mut out: dragoman::Emitter<Anything>| async move {
        let mut items = ctx.stream::<_, Anything>(&input.function, input.input)?;
        while let Some(item) = items.next().await {
            out.send(item?).await?;
        }
        Ok::<(), Fault>(())
    });
    dragoman::blocking("log", log);
    dragoman::blocking("progress", |ctx: Context, input: Progress| ctx.progress(input.share, input.message));
    dragoman::blocking("steps", |ctx: Context, input: Steps| {
        input.shares.iter().for_each(|share| ctx.progress(*share, ""));
        let until = Instant::now() + Span::from_secs_f64(input.seconds);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    });
    dragoman::blocking("print", |_, input: Print| {
        println!("{}", input.text);
        eprintln!("{}", input.text);
    });
    dragoman::blocking("remaining", |ctx: Context, _: Empty| ctx.remaining().map(|left| left.as_secs_f64()));
    dragoman::blocking("about", about);
    dragoman::blocking("reverse", |_, input: Raw| {
        let mut bytes = input.into_vec();
        bytes.reverse();
        Raw::from(bytes)
    });
    dragoman::run();
}
