use super::*;
use crate::values::{BigInt, Bytes};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: f64 },
    Square { side: u64 },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Loose {
    Nothing,
    One(i32),
    Two(i32, String),
    Named { a: Option<bool> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Everything {
    small: i8,
    large: u64,
    negative: i64,
    wide: i128,
    ratio: f64,
    text: String,
    blob: Bytes,
    maybe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    list: Vec<(u8, char)>,
    map: BTreeMap<String, Vec<u8>>,
    counts: HashMap<u32, bool>,
    shapes: Vec<Shape>,
    loose: Vec<Loose>,
    unit: (),
}

fn everything() -> Everything {
    Everything {
        small: -128,
        large: u64::MAX,
        negative: i64::MIN,
        wide: i64::MIN.into(),
        ratio: 0.1,
        text: "a\"b\\c\n\u{1}é😀".to_string(),
        blob: vec![0, 255, 1].into(),
        maybe: None,
        absent: None,
        list: vec![(1, 'x'), (2, '😀')],
        map: [("k".to_string(), vec![1, 2]), (String::new(), vec![])].into(),
        counts: [(7, true)].into(),
        shapes: vec![Shape::Circle { radius: 1.5 }, Shape::Square { side: u64::MAX }],
        loose: vec![Loose::Nothing, Loose::One(-1), Loose::Two(2, "t".to_string()), Loose::Named { a: Some(false) }],
        unit: (),
    }
}

#[test]
fn every_shape_survives_both_codecs() {
    let value = everything();
    assert_eq!(from_json::<Everything>(&to_json(&value).unwrap()).unwrap(), value);
    assert_eq!(from_msgpack::<Everything>(&to_msgpack(&value).unwrap()).unwrap(), value);
    let whole: Value = from_json(&to_json(&value).unwrap()).unwrap();
    assert_eq!(Everything::deserialize(whole).unwrap(), value);
    let whole: Value = from_msgpack(&to_msgpack(&value).unwrap()).unwrap();
    assert_eq!(Everything::deserialize(whole).unwrap(), value);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&to_json(&value).unwrap()).unwrap()["text"], value.text);
}

#[test]
fn integers_of_any_size_are_exact() {
    let digits = "123456789012345678901234567890123456789012345678901234567890";
    let value: Value =
        from_json(format!("[{digits}, -{digits}, 18446744073709551616, -9223372036854775809]").as_bytes()).unwrap();
    assert_eq!(
        to_json(&value).unwrap(),
        format!("[{digits},-{digits},18446744073709551616,-9223372036854775809]").as_bytes()
    );
    assert_eq!(to_msgpack(&value).unwrap_err().trouble(), Trouble::TooWide);
    assert_eq!(from_json::<BigInt>(digits.as_bytes()).unwrap().to_string(), digits);
    assert_eq!(from_msgpack::<BigInt>(&[0xD0, 0x80]).unwrap().to_string(), "-128");
    assert!(from_json::<BigInt>(b"\"5\"").is_err());
    assert!(from_json::<BigInt>(b"5.5").is_err());
    assert_eq!(from_json::<i128>(b"-170141183460469231731687303715884105728").unwrap(), i128::MIN);
    assert_eq!(from_json::<u128>(b"340282366920938463463374607431768211455").unwrap(), u128::MAX);
    assert!(from_json::<u64>(b"18446744073709551616").is_err());
    assert!(from_json::<i64>(b"9223372036854775808").is_err());
    assert!(from_json::<u128>(digits.as_bytes()).is_err());
    assert!(from_json::<serde_json::Value>(b"18446744073709551616").is_err());
    assert_eq!(from_json::<u8>(b"2.0").unwrap(), 2);
    assert!(from_json::<u8>(b"2.5").is_err());
    assert_eq!(to_msgpack(&(u64::MAX as i128)).unwrap(), [0xCF, 255, 255, 255, 255, 255, 255, 255, 255]);
}

#[test]
fn what_json_cannot_say_is_refused_with_its_path() {
    let error = to_json(&BTreeMap::from([("a/b", vec![1.0, f64::NAN])])).unwrap_err();
    assert_eq!((error.trouble(), error.path().as_str()), (Trouble::Unsayable, "/a~1b/1"));
    assert_eq!(to_json(&f64::INFINITY).unwrap_err().trouble(), Trouble::Unsayable);
    let nan = to_msgpack(&f64::NAN).unwrap();
    assert!(from_msgpack::<f64>(&nan).unwrap().is_nan());
    assert!(to_json(&HashMap::from([(vec![1], 1)])).is_err());
}

#[test]
fn malformed_json_is_refused() {
    let bad = [
        "",
        " ",
        "nul",
        "tru",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "[1,]",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{a:1}",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"abc",
        "NaN",
        "Infinity",
        "1e999",
        "[",
        "{",
        "1 2",
        "'a'",
        "\"\\u12g4\"",
        "\"\\u+123\"",
    ];
    for text in bad {
        assert!(from_json::<Value>(text.as_bytes()).is_err(), "{text}");
        assert!(from_json::<serde::de::IgnoredAny>(text.as_bytes()).is_err(), "{text}");
    }
    assert!(from_json::<Value>(b"\"\xff\"").is_err());
    assert_eq!(from_json::<String>(b"\"\\ud83d\\ude00\\u00e9\\/\"").unwrap(), "😀é/");
    assert_eq!(json_value(b"\"\\ud800x\"", true).unwrap(), Value::Text("\u{FFFD}x".to_string()));
}

#[test]
fn errors_name_the_place() {
    let error = from_json::<Vec<BTreeMap<String, Vec<u8>>>>(br#"[{}, {"a~b": [1, 300]}]"#).unwrap_err();
    assert_eq!(error.path(), "/1/a~0b/1");
    let body = to_msgpack(&serde_json::json!([{"x": [true, "no"]}])).unwrap();
    let error = from_msgpack::<Vec<HashMap<String, Vec<bool>>>>(&body).unwrap_err();
    assert_eq!(error.path(), "/0/x/1");
}

#[test]
fn of_a_key_given_twice_the_last_counts() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Pair {
        a: u8,
        b: Option<String>,
    }
    let wanted = Pair { a: 2, b: None };
    assert_eq!(from_json::<Pair>(br#"{"a": 1, "b": "x", "b": null, "a": 2}"#).unwrap(), wanted);
    assert_eq!(from_msgpack::<Pair>(b"\x82\xa1a\x01\xa1a\x02").unwrap(), wanted);
    let many: String = (0..40).map(|at| format!("\"k{}\":{at},", at % 20)).collect();
    let value: Value = from_json(format!("{{{}}}", many.trim_end_matches(',')).as_bytes()).unwrap();
    assert_eq!(value.get("k3").unwrap().as_i64(), Some(23));
    assert!(matches!(value, Value::Map(entries) if entries.len() == 20));
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(from_json::<Value>(deep(500).as_bytes()).is_ok());
    assert!(from_json::<Value>(deep(501).as_bytes()).is_err());
    assert!(from_json::<serde::de::IgnoredAny>(deep(100_000).as_bytes()).is_err());
    let deep = |levels: usize| [vec![0x91; levels], vec![0xC0]].concat();
    assert!(from_msgpack::<Value>(&deep(500)).is_ok());
    assert!(from_msgpack::<Value>(&deep(501)).is_err());
    let value: Value = from_msgpack(&deep(500)).unwrap();
    assert!(to_json(&Value::List(vec![value.clone()])).is_err());
    assert!(to_msgpack(&Value::List(vec![value])).is_err());
}

#[test]
fn malformed_messagepack_is_refused() {
    let bad: [&[u8]; 14] = [
        b"",
        b"\xc1",
        b"\xa2x",
        b"\xdb\xff\xff\xff\xffx",
        b"\xdd\xff\xff\xff\xff",
        b"\x92\x01",
        b"\x81\x01\x01",
        b"\xa1\xff",
        b"\x01\x01",
        b"\xd4\x05\x00",
        b"\xc7\x03\xff\x00\x00\x00",
        b"\xcb\x00",
        b"\x81\xa1a",
        b"\xc4\x05abc",
    ];
    for body in bad {
        assert!(from_msgpack::<Value>(body).is_err(), "{body:02x?}");
        assert!(from_msgpack::<serde::de::IgnoredAny>(body).is_err(), "{body:02x?}");
    }
    assert_eq!(from_msgpack::<String>(b"\xd6\xff\x00\x00\x00\x01").unwrap(), "1970-01-01T00:00:01Z");
}

/// A small generator of pseudo-random numbers, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn value(&mut self, depth: u32) -> Value {
        match self.next(if depth > 4 { 7 } else { 9 }) {
            0 => Value::Null,
            1 => Value::Bool(self.next(2) == 0),
            2 => Value::Int(i128::from(self.0 as i64) >> self.next(64)),
            3 => Value::Int(i128::from(self.0)),
            4 => Value::Float(f64::from_bits(self.0)).finite(),
            5 | 6 => {
                Value::Text((0..self.next(40)).filter_map(|_| char::from_u32(self.next(0x11_0000) as u32)).collect())
            }
            7 => Value::List((0..self.next(6)).map(|_| self.value(depth + 1)).collect()),
            _ => Value::Map(
                (0..self.next(6)).map(|at| (format!("{at}{}", self.next(9)), self.value(depth + 1))).collect(),
            ),
        }
    }
}

impl Value {
    fn finite(self) -> Value {
        match self {
            Value::Float(value) if !value.is_finite() || value.fract() == 0.0 => Value::Float(0.5),
            other => other,
        }
    }
}

#[test]
fn any_value_survives_both_codecs() {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    for _ in 0..3000 {
        let value = random.value(0);
        assert_eq!(from_json::<Value>(&to_json(&value).unwrap()).unwrap(), value);
        assert_eq!(from_msgpack::<Value>(&to_msgpack(&value).unwrap()).unwrap(), value);
    }
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let mut random = Random(0xFEED_BEEF_1234_5671);
    for _ in 0..20_000 {
        let value = random.value(2);
        let (mut json, mut msgpack) = (to_json(&value).unwrap(), to_msgpack(&value).unwrap());
        for body in [&mut json, &mut msgpack] {
            for _ in 0..=random.next(3) {
                let at = random.next(body.len() as u64) as usize;
                match random.next(3) {
                    0 => body[at] = random.next(256) as u8,
                    1 => body.truncate(at.max(1)),
                    _ => body.insert(at, random.next(256) as u8),
                }
            }
        }
        let _ = from_json::<Value>(&json);
        let _ = from_json::<Everything>(&json);
        let _ = from_msgpack::<Value>(&msgpack);
        let _ = from_msgpack::<Everything>(&msgpack);
    }
    for _ in 0..50_000 {
        let body: Vec<u8> = (0..random.next(24)).map(|_| random.next(256) as u8).collect();
        let _ = from_msgpack::<Value>(&body);
        let _ = from_json::<Value>(&body);
    }
}
