//! Work of every sort, good and bad, for the tests of Rust workers.

use dragoman::values::{Decimal, Moment};
use dragoman::{Context, Emitter, Empty, Fault, Incoming, Raw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    id: i64,
    lines: Vec<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    at: Moment,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Line {
    name: String,
    price: Decimal,
    /// How many.
    count: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Number {
    n: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Seconds {
    s: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    numbers: Incoming<i64>,
}

#[derive(Deserialize, JsonSchema)]
struct Path {
    path: String,
}

extern "C" {
    fn abort() -> !;
    fn raise(signal: i32) -> i32;
    fn write(fd: i32, bytes: *const u8, size: usize) -> isize;
    fn getsockname(fd: i32, name: *mut u8, size: *mut u32) -> i32;
}

const SIGSTOP: i32 = 19;

static HOARD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn pid() -> u32 {
    std::process::id()
}

async fn nap(_: Context, input: Seconds) -> u32 {
    dragoman::sleep(Duration::from_secs_f64(input.s)).await;
    pid()
}

/// Waits on its thread, and looks now and then whether anyone still wants it.
fn doze(ctx: Context, input: Seconds) -> Result<u32, Fault> {
    for _ in 0..(input.s * 100.0) as u64 {
        ctx.check()?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(pid())
}

fn same(ctx: Context, input: Raw) -> Raw {
    let mut out = ctx.allocate(input.len());
    out.copy_from_slice(&input);
    out.freeze()
}

async fn sum(_: Context, mut input: Numbers) -> Result<i64, Fault> {
    let mut total = 0;
    while let Some(number) = input.numbers.next().await {
        total += number?;
    }
    Ok(total)
}

async fn ask_stream(ctx: Context, input: Number) -> Result<i64, Fault> {
    let mut items = ctx.stream::<_, i64>("py.count", &input)?;
    let mut total = 0;
    while let Some(item) = items.next().await {
        total += item?;
    }
    Ok(total)
}

async fn double(_: Context, mut input: Numbers, mut out: Emitter<i64>) -> Result<(), Fault> {
    while let Some(number) = input.numbers.next().await {
        out.send(2 * number?).await?;
    }
    Ok(())
}

/// Leaves a file behind when it is dropped.
struct Mark(String);

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.0, "dropped");
    }
}

async fn dropped(_: Context, input: Path) {
    let _mark = Mark(input.path);
    dragoman::sleep(Duration::from_secs(60)).await;
}

async fn told(ctx: Context, input: Path) -> Result<(), Fault> {
    ctx.cancelled().await;
    std::fs::write(&input.path, "told")?;
    ctx.check()
}

fn main() {
    dragoman::function("order", |_, input: Order| async move { input }).about("Gives an order back.").idempotent();
    dragoman::function("square", |_, input: Number| async move { input.n * input.n });
    dragoman::blocking("pid", |_, _: Empty| pid());
    dragoman::function("nap", nap);
    dragoman::blocking("doze", doze);
    dragoman::iterate("count", |_, input: Number| 0..input.n);
    dragoman::function("sum", sum);
    dragoman::emit("double", double);
    dragoman::function("dropped", dropped);
    dragoman::function("told", told);
    dragoman::blocking("reverse", |_, input: Raw| input.iter().rev().copied().collect::<Vec<u8>>().pipe(Raw::from));
    dragoman::blocking("same", same);
    dragoman::function("ask", |ctx: Context, input: Number| async move { ctx.call::<_, i64>("py.twice", input).await });
    dragoman::blocking("ask_blocking", |ctx: Context, input: Number| ctx.call_blocking::<_, i64>("py.twice", input));
    dragoman::function("ask_stream", ask_stream);
    dragoman::function(
        "ask_slow",
        |ctx: Context, _: Empty| async move { ctx.call::<_, String>("py.slow", Empty {}).await },
    );
    dragoman::blocking("log", |ctx: Context, input: Number| {
        println!("printed {}", input.n);
        ctx.log_at(dragoman::Level::Info, "logged", &serde_json::json!({"n": input.n}));
    });
    bad();
    dragoman::run();
}

trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}

impl<T> Pipe for T {}

fn bad() {
    dragoman::blocking("fail", |_, _: Empty| -> Result<(), Fault> {
        Err(Fault::not_found("no order 7").with_breach("/id", "is unknown"))
    });
    dragoman::blocking("error", |_, _: Empty| -> Result<i32, std::num::ParseIntError> { "x".parse() });
    dragoman::blocking("panics", |_, input: Number| Vec::<i64>::new()[input.n as usize]);
    dragoman::function("panics_async", |_, _: Empty| async move {
        dragoman::sleep(Duration::from_millis(1)).await;
        if pid() > 0 {
            panic!("in the middle");
        }
    });
    dragoman::blocking("exits", |_, _: Empty| -> () { std::process::exit(3) });
    // SAFETY: ends the process.
    dragoman::blocking("aborts", |_, _: Empty| -> () { unsafe { abort() } });
    dragoman::blocking("overflows", |_, _: Empty| overflow(0));
    dragoman::blocking("crashes", |_, _: Empty| {
        // SAFETY: none; that is the point.
        unsafe { std::ptr::null_mut::<u8>().add(8).write_volatile(1) }
    });
    dragoman::blocking("stops_itself", |_, _: Empty| {
        // SAFETY: no memory is involved.
        unsafe { raise(SIGSTOP) };
        std::thread::sleep(Duration::from_secs(60));
    });
    dragoman::blocking("stubborn", |_, _: Empty| -> () {
        let _child = Command::new("sleep").arg(std::env::var("MARK").unwrap_or_default()).spawn();
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    dragoman::blocking("spins", |_, _: Empty| -> () {
        loop {
            std::hint::spin_loop();
        }
    });
    dragoman::blocking("prints", |_, input: Number| {
        let text = "x".repeat(1023);
        for _ in 0..input.n {
            println!("{text}");
        }
        "printed".to_string()
    });
    dragoman::blocking("unserialisable", |_, _: Empty| BTreeMap::from([("a", vec![Odd(1), Odd(2)])]));
    dragoman::blocking("leaks", |_, _: Empty| {
        if let Ok(mut hoard) = HOARD.lock() {
            hoard.push(vec![1; 32 << 20]);
        }
        pid()
    });
    dragoman::blocking("nonsense", |_, _: Empty| {
        // The wire is the only socket that a worker has.
        for fd in 3..1024 {
            let (mut name, mut size) = ([0; 128], 128);
            // SAFETY: the buffers are as large as they say.
            unsafe {
                if getsockname(fd, name.as_mut_ptr(), &mut size) == 0 {
                    write(fd, b"nonsense".repeat(8).as_ptr(), 64);
                }
            }
        }
        std::thread::sleep(Duration::from_secs(60));
    });
}

/// What cannot be written where it is even.
#[derive(JsonSchema)]
struct Odd(u8);

impl Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 2 {
            1 => serializer.serialize_u8(self.0),
            _ => Err(serde::ser::Error::custom("it has no form")),
        }
    }
}

#[inline(never)]
fn overflow(n: usize) -> usize {
    let room = std::hint::black_box([n; 1024]);
    if n == usize::MAX {
        return 0;
    }
    room[n % 1024] + overflow(n + 1)
}
