//! Types for values that Rust's own library has no type for, or writes otherwise than SPEC.md §18.
//!
//! The text types hold what travelled, checked for its form, so that nothing is ever rounded; parse them with the date
//! or decimal library of your choice. Types of such libraries (`chrono`, `uuid`, `rust_decimal`) may stand in
//! a function's types as well, where their serde form is the one of §18.

use crate::codec::{base64_decode, base64_encode, BIG_INT, BYTES};
use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Bytes: base64 in JSON, raw in MessagePack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Bytes(bytes.into())
    }
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(BYTES, &Raw(&self.0))
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, or their base64")
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Bytes, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        let bytes = base64_decode(text.as_bytes());
        bytes.map(Bytes).ok_or_else(|| E::custom("bytes are written as base64 with padding (RFC 4648 §4)"))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_newtype_struct(BYTES, BytesVisitor)
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}

/// Base64 of some bytes, RFC 4648 §4.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    base64_encode(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// What a text is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOne(&'static str);

impl fmt::Display for NotOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.0)
    }
}

impl std::error::Error for NotOne {}

/// An integer of any size, as its decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInt(String);

impl BigInt {
    /// The digits, after a minus sign where it is negative.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BigInt {
    type Err = NotOne;
    fn from_str(text: &str) -> Result<Self, NotOne> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotOne("an integer: an optional minus sign and digits"));
        }
        let digits = digits.trim_start_matches('0');
        let sign = if text.starts_with('-') && !digits.is_empty() { "-" } else { "" };
        Ok(BigInt(if digits.is_empty() { "0".to_string() } else { format!("{sign}{digits}") }))
    }
}

macro_rules! from_integer {
    ($($type:ty)*) => {$(
        impl From<$type> for BigInt {
            fn from(value: $type) -> Self {
                BigInt(value.to_string())
            }
        }
        impl TryFrom<&BigInt> for $type {
            type Error = std::num::ParseIntError;
            fn try_from(value: &BigInt) -> Result<$type, Self::Error> {
                value.0.parse()
            }
        }
    )*};
}

from_integer! {i8 i16 i32 i64 i128 u8 u16 u32 u64 u128}

impl Serialize for BigInt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(BIG_INT, &self.0)
    }
}

struct BigIntVisitor;

impl<'de> Visitor<'de> for BigIntVisitor {
    type Value = BigInt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<BigInt, D::Error> {
        inner.deserialize_any(IntegerVisitor)
    }
    fn visit_str<E: Error>(self, digits: &str) -> Result<BigInt, E> {
        digits.parse().map_err(E::custom)
    }
}

/// Takes numbers only: a text of digits is no integer.
struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = BigInt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<BigInt, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<BigInt, E> {
        Ok(value.into())
    }
    fn visit_i128<E: Error>(self, value: i128) -> Result<BigInt, E> {
        Ok(value.into())
    }
    fn visit_u128<E: Error>(self, value: u128) -> Result<BigInt, E> {
        Ok(value.into())
    }
}

impl<'de> Deserialize<'de> for BigInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BigInt, D::Error> {
        deserializer.deserialize_newtype_struct(BIG_INT, BigIntVisitor)
    }
}

impl JsonSchema for BigInt {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BigInt".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer"})
    }
}

macro_rules! text {
    ($(#[$about:meta])* $name:ident, $format:literal, $words:literal, $check:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text that travels.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotOne;
            fn from_str(text: &str) -> Result<Self, NotOne> {
                if $check(text.as_bytes()).is_some() { Ok($name(text.to_string())) } else { Err(NotOne($words)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $format})
            }
        }
    };
}

text! {
    /// A decimal number, exactly as it was written: `"12.50"`.
    Decimal, "decimal", "a decimal number, such as 12.50", decimal
}
text! {
    /// A moment: RFC 3339 with an offset.
    Moment, "date-time", "a moment as RFC 3339 has it, such as 2026-01-31T23:59:59Z", moment
}
text! {
    /// A date: `2026-01-31`.
    Date, "date", "a date, such as 2026-01-31", date
}
text! {
    /// A time of day: `23:59:59.5`.
    Time, "time", "a time of day, such as 23:59:59.5", time
}
text! {
    /// A UUID of 36 characters.
    Uuid, "uuid", "a UUID of 36 characters", uuid
}

/// A span of time, exact to the nanosecond and with a sign; ISO 8601 on the wire: `P1DT2H30M0.5S`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration {
    nanos: i128,
}

const SECOND: i128 = 1_000_000_000;

impl Duration {
    /// Of so many nanoseconds.
    pub const fn from_nanos(nanos: i128) -> Self {
        Duration { nanos }
    }

    /// The whole span in nanoseconds.
    pub const fn as_nanos(self) -> i128 {
        self.nanos
    }
}

impl From<std::time::Duration> for Duration {
    fn from(span: std::time::Duration) -> Self {
        Duration { nanos: i128::try_from(span.as_nanos()).unwrap_or(i128::MAX) }
    }
}

impl TryFrom<Duration> for std::time::Duration {
    type Error = NotOne;
    fn try_from(span: Duration) -> Result<Self, NotOne> {
        let seconds = u64::try_from(span.nanos.div_euclid(SECOND)).map_err(|_| NotOne("a span that is positive"))?;
        Ok(std::time::Duration::new(seconds, span.nanos.rem_euclid(SECOND) as u32))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.nanos.unsigned_abs();
        let second = SECOND as u128;
        let (seconds, fraction) = (nanos / second, nanos % second);
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        let rest = seconds % 60;
        f.write_str(if self.nanos < 0 { "-P" } else { "P" })?;
        if days > 0 {
            write!(f, "{days}D")?;
        }
        if days > 0 && hours + minutes + rest + fraction == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        if fraction > 0 {
            write!(f, "{rest}.{}S", format!("{fraction:09}").trim_end_matches('0'))
        } else if rest > 0 || (hours == 0 && minutes == 0) {
            write!(f, "{rest}S")
        } else {
            Ok(())
        }
    }
}

impl FromStr for Duration {
    type Err = NotOne;
    fn from_str(text: &str) -> Result<Self, NotOne> {
        duration(text).ok_or(NotOne("a duration of days, hours, minutes and seconds, such as P1DT2H30M0.5S"))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (days, time) = match rest.strip_prefix('P')?.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest.strip_prefix('P')?, None),
    };
    if time == Some("") || (days.is_empty() && time.is_none()) {
        return None;
    }
    let mut nanos: i128 = 0;
    let mut add = |part: &str, unit: i128| -> Option<()> {
        let (whole, fraction) = part.split_once(['.', ',']).map_or((part, None), |(whole, rest)| (whole, Some(rest)));
        if !is_digits(whole) || whole.len() > 18 {
            return None;
        }
        nanos = nanos.checked_add(whole.parse::<i128>().ok()?.checked_mul(unit)?)?;
        if let Some(fraction) = fraction {
            if unit != SECOND || !is_digits(fraction) || fraction.len() > 9 {
                return None;
            }
            nanos += format!("{fraction:0<9}").parse::<i128>().ok()?;
        }
        Some(())
    };
    if !days.is_empty() {
        add(days.strip_suffix('D')?, 86_400 * SECOND)?;
    }
    let mut rest = time.unwrap_or("");
    for (letter, unit) in [('H', 3600 * SECOND), ('M', 60 * SECOND), ('S', SECOND)] {
        if let Some((part, after)) = rest.split_once(letter) {
            add(part, unit)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(Duration { nanos: sign * nanos })
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "duration"})
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn decimal(text: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(head, tail)| (head, Some(tail)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(head, tail)| (head, Some(tail)));
    let exponent_fits = exponent.is_none_or(|text| is_digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    (is_digits(whole) && fraction.is_none_or(is_digits) && exponent_fits).then_some(())
}

fn number(text: &[u8], most: u32) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    if !is_digits(text) {
        return None;
    }
    text.parse().ok().filter(|value| *value <= most)
}

fn is_leap(year: u32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn date(text: &[u8]) -> Option<()> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = number(&text[..4], 9999)?;
    let month = number(&text[5..7], 12)?;
    let days = match month {
        0 => return None,
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    number(&text[8..], days).filter(|day| *day > 0).map(drop)
}

/// A time of day without offset; returns what follows it.
fn clock(text: &[u8]) -> Option<&[u8]> {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    number(&text[..2], 23)?;
    number(&text[3..5], 59)?;
    number(&text[6..8], 60)?;
    let rest = &text[8..];
    if rest.first() != Some(&b'.') {
        return Some(rest);
    }
    let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if (1..=9).contains(&digits) {
        Some(&rest[1 + digits..])
    } else {
        None
    }
}

fn offset(text: &[u8]) -> Option<()> {
    match text {
        b"Z" | b"z" => Some(()),
        [b'+' | b'-', hours @ .., b':', tens, ones] if hours.len() == 2 => {
            number(hours, 23)?;
            number(&[*tens, *ones], 59).map(drop)
        }
        _ => None,
    }
}

fn time(text: &[u8]) -> Option<()> {
    let rest = clock(text)?;
    if rest.is_empty() {
        Some(())
    } else {
        offset(rest)
    }
}

fn moment(text: &[u8]) -> Option<()> {
    date(text.get(..10)?)?;
    if !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    offset(clock(&text[11..])?)
}

fn uuid(text: &[u8]) -> Option<()> {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (text.len() == 36 && text.iter().enumerate().all(fits)).then_some(())
}

/// A UNIX time as RFC 3339 text in UTC; `None` outside the years 0 to 9999.
pub(crate) fn moment_text(seconds: i64, nanos: u32) -> Option<String> {
    if nanos >= 1_000_000_000 {
        return None;
    }
    // Days to a civil date, after Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
    let days = seconds.div_euclid(86_400).checked_add(719_468)?;
    let second = seconds.rem_euclid(86_400);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let fraction = match nanos {
        0 => String::new(),
        _ => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    let (hours, minutes) = (second / 3600, second / 60 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}{fraction}Z", second % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_exactly() {
        let cases = [
            ("P1DT2H30M0.5S", 95_400_500_000_000),
            ("-PT1S", -SECOND),
            ("PT0S", 0),
            ("P2D", 172_800 * SECOND),
            ("PT0.000000001S", 1),
            ("PT1H", 3600 * SECOND),
        ];
        for (text, nanos) in cases {
            assert_eq!(text.parse::<Duration>().unwrap().as_nanos(), nanos, "{text}");
            assert_eq!(Duration::from_nanos(nanos).to_string(), text);
        }
        for bad in ["", "P", "PT", "1S", "P1Y", "PT1.5H", "PT1S1M", "P1D2H", "PT-1S", "PT0.1234567891S", "PTS"] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_checked_for_their_form() {
        assert!("2026-02-28T23:59:59.5+01:00".parse::<Moment>().is_ok());
        assert!("2026-02-29T00:00:00Z".parse::<Moment>().is_err());
        assert!("2026-02-28T00:00:00".parse::<Moment>().is_err());
        assert!("2024-02-29".parse::<Date>().is_ok());
        assert!("2024-13-01".parse::<Date>().is_err());
        assert!("23:59:59.123456789".parse::<Time>().is_ok());
        assert!("23:59:59.1234567891".parse::<Time>().is_err());
        assert!("-12.50".parse::<Decimal>().is_ok());
        assert!("12,5".parse::<Decimal>().is_err());
        assert!("123e4567-e89b-12d3-a456-426614174000".parse::<Uuid>().is_ok());
        assert!("123e4567e89b12d3a456426614174000".parse::<Uuid>().is_err());
        assert_eq!("-000".parse::<BigInt>().unwrap().to_string(), "0");
    }

    #[test]
    fn moments_of_messagepack_become_text() {
        assert_eq!(moment_text(0, 0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(moment_text(951_782_400, 500_000_000).unwrap(), "2000-02-29T00:00:00.5Z");
        assert_eq!(moment_text(-1, 0).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(moment_text(i64::MAX, 0), None);
        assert_eq!(moment_text(0, 1_000_000_000), None);
    }
}
