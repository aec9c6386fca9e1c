//! How sure a mean of a time series is: the moving block bootstrap, thousands of times over, which is why it is in Rust.
//!
//! Blocks, since quarters that follow one another are alike (Künsch, "The Jackknife and the Bootstrap for General
//! Stationary Observations", Annals of Statistics 17, 1989). The generator is SplitMix64 (Steele, Lea and Flood, 2014):
//! a seed gives the same answer everywhere.

use dragoman::{Context, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Question {
    /// The series, oldest value first: two values at least.
    #[schemars(length(min = 2, max = 100_000))]
    values: Vec<f64>,
    /// The share of means that the interval holds.
    #[serde(default = "confidence")]
    #[schemars(range(min = 0.5, max = 0.999))]
    confidence: f64,
    #[serde(default = "draws")]
    #[schemars(range(min = 100, max = 100_000))]
    draws: u32,
    /// How many values in a row are drawn together: a year of quarters.
    #[serde(default = "block")]
    #[schemars(range(min = 1, max = 1000))]
    block: u32,
    #[serde(default)]
    seed: u64,
}

fn confidence() -> f64 {
    0.95
}

fn draws() -> u32 {
    2000
}

fn block() -> u32 {
    4
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Interval {
    mean: f64,
    low: f64,
    high: f64,
}

struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, by the high half of a product: no division, and a bias below 2^-40 for what is asked here.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

fn interval(question: &Question, stopped: impl Fn() -> Result<(), Fault>) -> Result<Interval, Fault> {
    let values = &question.values;
    let width = (question.block as usize).min(values.len());
    let starts = values.len() - width + 1;
    let mut generator = SplitMix64(question.seed);
    let mut means = Vec::with_capacity(question.draws as usize);
    for draw in 0..question.draws {
        if draw % 64 == 0 {
            stopped()?;
        }
        let (mut sum, mut left) = (0.0, values.len());
        while left > 0 {
            let (start, take) = (generator.below(starts), width.min(left));
            sum += values[start..start + take].iter().sum::<f64>();
            left -= take;
        }
        means.push(sum / values.len() as f64);
    }
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - question.confidence) / 2.0;
    let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
    Ok(Interval { mean: values.iter().sum::<f64>() / values.len() as f64, low: at(tail), high: at(1.0 - tail) })
}

fn ask(ctx: Context, question: Question) -> Result<Interval, Fault> {
    interval(&question, || ctx.check())
}

fn main() {
    dragoman::blocking("interval", ask)
        .about("The mean of a series, and the interval that holds it, by the moving block bootstrap.")
        .idempotent();
    dragoman::run();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(values: Vec<f64>) -> Question {
        Question { values, confidence: confidence(), draws: draws(), block: block(), seed: 1 }
    }

    #[test]
    fn the_interval_is_around_the_mean_and_as_wide_as_theory_says() {
        let values: Vec<f64> = (0..400).map(|each| f64::from(each * 7919 % 400)).collect();
        let found = interval(&Question { block: 1, ..question(values) }, || Ok(())).unwrap();
        assert_eq!(found.mean, 199.5);
        let half = 1.96 * (400.0_f64.powi(2) / 12.0).sqrt() / 20.0;
        assert!((found.high - 199.5 - half).abs() < 0.15 * half, "{found:?}");
        assert!((199.5 - found.low - half).abs() < 0.15 * half, "{found:?}");
    }

    #[test]
    fn a_seed_gives_the_same_answer_and_a_cancelled_call_none() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let once = interval(&question(values.clone()), || Ok(())).unwrap();
        assert_eq!(once, interval(&question(values.clone()), || Ok(())).unwrap());
        assert!(interval(&question(values), || Err(Fault::cancelled("enough"))).is_err());
    }
}
