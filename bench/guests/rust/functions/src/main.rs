//! The bench's functions in Rust.

use dragoman::{Context, Raw};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Numbers {
    a: f64,
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

async fn add(_: Context, numbers: Numbers) -> f64 {
    numbers.a + numbers.b
}

async fn mirror(_: Context, text: Text) -> String {
    text.text
}

async fn table(_: Context, table: Raw) -> Raw {
    table
}

fn main() {
    dragoman::function("add", add);
    dragoman::function("mirror", mirror);
    dragoman::function("table", table);
    dragoman::run();
}
