//! JSON, read exactly: integers of any size, no NaN, no lone surrogates, paths in errors, nesting bounded.

use super::error::{Error, Trouble};
use super::key::{refuse_enum, KeyDe};
use super::{base64, ANY, BIG_INT, BYTES, DEPTH_MAX};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::Deserializer;
use std::borrow::Cow;

/// Reads one value.
pub struct JsonDe<'de> {
    text: &'de str,
    at: usize,
    depth: u16,
    lenient: bool,
}

/// A number as it stands in the text.
enum Number {
    Unsigned(u64),
    Negative(i64),
    Wide(i128),
    Big,
    Float(f64),
}

impl<'de> JsonDe<'de> {
    /// A reader; `lenient` reads a lone surrogate as U+FFFD in place of refusing it.
    pub fn new(body: &'de [u8], lenient: bool) -> Result<Self, Error> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Error::malformed(format!("not UTF-8 from byte {}", error.valid_up_to())))?;
        Ok(JsonDe { text, at: 0, depth: DEPTH_MAX, lenient })
    }

    /// Refuse what follows the value.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong("trailing characters")),
        }
    }

    #[cold]
    fn wrong(&self, what: &str) -> Error {
        Error::malformed(format!("not JSON: {what} at byte {}", self.at))
    }

    fn bytes(&self) -> &'de [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is no space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn must_peek(&mut self) -> Result<u8, Error> {
        self.peek().ok_or_else(|| self.wrong("the text ends too early"))
    }

    fn word(&mut self, word: &'static str) -> Result<(), Error> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.wrong("unknown word"))
        }
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.at += 1;
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            Error::new(Trouble::Mismatch, format!("nested deeper than the {DEPTH_MAX} levels that are taken"))
        })?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth += 1;
    }

    /// The string that begins here.
    fn string(&mut self) -> Result<Cow<'de, str>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("expected a string"));
        }
        self.at += 1;
        let start = self.at;
        let bytes = self.bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong("an unfinished string, or a control character in it")),
            }
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, Error> {
        let mut out = String::with_capacity((self.at - start) * 2 + 16);
        let mut from = start;
        let bytes = self.bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    out.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[from..self.at]);
                    self.escape(&mut out)?;
                    from = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.wrong("an unfinished string, or a control character in it")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Error> {
        let plain = match self.bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(out),
            _ => return Err(self.wrong("unknown escape")),
        };
        self.at += 2;
        out.push(plain);
        Ok(())
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.bytes().get(at..at + 6)?;
        if digits[0] != b'\\' || digits[1] != b'u' || !digits[2..].iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u32::from_str_radix(self.text.get(at + 2..at + 6)?, 16).ok()
    }

    fn unicode(&mut self, out: &mut String) -> Result<(), Error> {
        let high = self.unit(self.at).ok_or_else(|| self.wrong("unknown escape"))?;
        if let Some(plain) = char::from_u32(high) {
            self.at += 6;
            out.push(plain);
            return Ok(());
        }
        if let Some(low) = self.unit(self.at + 6).filter(|low| high < 0xDC00 && (0xDC00..0xE000).contains(low)) {
            self.at += 12;
            out.extend(char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
            return Ok(());
        }
        if !self.lenient {
            return Err(self.wrong("a lone surrogate"));
        }
        self.at += 6;
        out.push('\u{FFFD}');
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - from
    }

    /// The number that begins here, and its text.
    fn number(&mut self) -> Result<(Number, &'de str), Error> {
        let start = self.at;
        let negative = self.bytes()[self.at] == b'-';
        self.at += usize::from(negative);
        let first = self.bytes().get(self.at).copied();
        let whole = self.digits();
        if whole == 0 || (whole > 1 && first == Some(b'0')) {
            return Err(self.wrong("expected a value"));
        }
        let mut float = false;
        if self.bytes().get(self.at) == Some(&b'.') {
            float = true;
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.wrong("a number without digits after its point"));
            }
        }
        if matches!(self.bytes().get(self.at), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            self.at += usize::from(matches!(self.bytes().get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.wrong("a number without digits in its exponent"));
            }
        }
        let text = &self.text[start..self.at];
        let number = if float {
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Number::Float(value),
                _ => return Err(self.wrong("a number past every float")),
            }
        } else if whole < 19 {
            let digits = text.as_bytes()[usize::from(negative)..].iter();
            let value = digits.fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
            if negative {
                Number::Negative(-(value as i64))
            } else {
                Number::Unsigned(value)
            }
        } else {
            wide(text)
        };
        Ok((number, text))
    }

    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.number()? {
            (Number::Unsigned(value), _) => visitor.visit_u64(value),
            (Number::Negative(value), _) => visitor.visit_i64(value),
            (Number::Wide(value), _) => visitor.visit_i128(value),
            (Number::Float(value), _) => visitor.visit_f64(value),
            (Number::Big, text) => match text.parse::<u128>() {
                Ok(value) => visitor.visit_u128(value),
                Err(_) => Err(Error::custom("an integer past 128 bits; only BigInt takes one")),
            },
        }
    }

    /// As `visit_number`, where the type wants an integer: `2.0` is one, as JSON Schema has it.
    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if !matches!(self.must_peek()?, b'-' | b'0'..=b'9') {
            return self.deserialize_any(visitor);
        }
        let from = self.at;
        match self.number()? {
            (Number::Float(value), _) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
                visitor.visit_i64(value as i64)
            }
            _ => {
                self.at = from;
                self.visit_number(visitor)
            }
        }
    }

    fn visit_float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if !matches!(self.must_peek()?, b'-' | b'0'..=b'9') {
            return self.deserialize_any(visitor);
        }
        let (number, text) = self.number()?;
        match number {
            Number::Float(value) => visitor.visit_f64(value),
            _ => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => visitor.visit_f64(value),
                _ => Err(Error::custom("a number past every float")),
            },
        }
    }

    fn skip(&mut self) -> Result<(), Error> {
        match self.must_peek()? {
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            open @ (b'[' | b'{') => {
                self.enter()?;
                let mut items = Items::new(self, if open == b'[' { b']' } else { b'}' });
                while items.next()? {
                    if open == b'{' {
                        items.de.string()?;
                        items.de.colon()?;
                    }
                    items.de.skip()?;
                }
                self.leave();
                Ok(())
            }
            _ => Err(self.wrong("expected a value")),
        }
    }

    fn colon(&mut self) -> Result<(), Error> {
        if self.peek() == Some(b':') {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong("expected a colon"))
        }
    }

    fn visit_bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if self.must_peek()? != b'"' {
            return self.deserialize_any(visitor);
        }
        let text = self.string()?;
        match base64::decode(text.as_bytes()) {
            Some(bytes) => visitor.visit_byte_buf(bytes),
            None => Err(Error::custom("bytes are written as base64 with padding (RFC 4648 §4)")),
        }
    }
}

fn wide(text: &str) -> Number {
    if let Ok(value) = text.parse::<u64>() {
        Number::Unsigned(value)
    } else if let Ok(value) = text.parse::<i64>() {
        Number::Negative(value)
    } else if let Ok(value) = text.parse::<i128>() {
        Number::Wide(value)
    } else {
        Number::Big
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$to(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut JsonDe<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.must_peek()? {
            b'"' => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            b'-' | b'0'..=b'9' => self.visit_number(visitor),
            b'{' => {
                self.enter()?;
                let mut items = Items::new(self, b'}');
                let value = visitor.visit_map(&mut items)?;
                items.finish()?;
                self.leave();
                Ok(value)
            }
            b'[' => {
                self.enter()?;
                let mut items = Items::new(self, b']');
                let value = visitor.visit_seq(&mut items)?;
                items.finish()?;
                self.leave();
                Ok(value)
            }
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            _ => Err(self.wrong("expected a value")),
        }
    }

    forward! {visit_integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128}
    forward! {visit_float: deserialize_f32 deserialize_f64}
    forward! {visit_bytes: deserialize_bytes deserialize_byte_buf}

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.must_peek()? == b'n' {
            self.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == BYTES {
            return self.visit_bytes(visitor);
        }
        if name == BIG_INT && matches!(self.must_peek()?, b'-' | b'0'..=b'9') {
            return match self.number()? {
                (Number::Float(_), _) => Err(Error::custom("invalid type: a float, expected an integer")),
                (_, text) => visitor.visit_borrowed_str(text),
            };
        }
        if name == ANY {
            if matches!(self.must_peek()?, b'-' | b'0'..=b'9') {
                let from = self.at;
                if let (Number::Big, text) = self.number()? {
                    return visitor.visit_enum(BorrowedStrDeserializer::new(text));
                }
                self.at = from;
            }
            return self.deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.must_peek()? {
            b'"' => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
                Cow::Owned(text) => visitor.visit_enum(serde::de::value::StringDeserializer::new(text)),
            },
            b'{' => {
                self.enter()?;
                let mut items = Items::new(self, b'}');
                if !items.next()? {
                    return refuse_enum("an empty map");
                }
                let value = visitor.visit_enum(&mut items)?;
                if items.next()? {
                    return refuse_enum("a map of several keys");
                }
                self.leave();
                Ok(value)
            }
            _ => refuse_enum("something else"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool char str string unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// What is between two brackets.
struct Items<'a, 'de> {
    de: &'a mut JsonDe<'de>,
    close: u8,
    count: usize,
    done: bool,
    key: Cow<'de, str>,
}

impl<'a, 'de> Items<'a, 'de> {
    fn new(de: &'a mut JsonDe<'de>, close: u8) -> Self {
        Items { de, close, count: 0, done: false, key: Cow::Borrowed("") }
    }

    /// Step to the next item; false at the closing bracket.
    fn next(&mut self) -> Result<bool, Error> {
        if self.done {
            return Ok(false);
        }
        let next = self.de.must_peek()?;
        if next == self.close {
            self.de.at += 1;
            self.done = true;
            return Ok(false);
        }
        if self.count > 0 {
            if next != b',' {
                return Err(self.de.wrong("expected a comma or the end of a list or map"));
            }
            self.de.at += 1;
        }
        self.count += 1;
        Ok(true)
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.next()? {
            return Err(Error::custom(format!("more than the {} values that are taken", self.count - 1)));
        }
        Ok(())
    }

    fn read_key(&mut self) -> Result<Cow<'de, str>, Error> {
        let key = self.de.string()?;
        self.de.colon()?;
        Ok(key)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !self.next()? {
            return Ok(None);
        }
        let index = self.count - 1;
        seed.deserialize(&mut *self.de).map(Some).map_err(|error| error.at_index(index))
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.next()? {
            return Ok(None);
        }
        self.key = self.read_key()?;
        let key = seed.deserialize(KeyDe(self.key.clone()));
        key.map(Some).map_err(|error| error.at_key(&self.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.de).map_err(|error| error.at_key(&self.key))
    }
}

impl<'a, 'b, 'de> EnumAccess<'de> for &'b mut Items<'a, 'de> {
    type Error = Error;
    type Variant = &'b mut Items<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        self.key = self.read_key()?;
        let variant = seed.deserialize(KeyDe(self.key.clone()))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(&mut *self.de).map_err(|error: Error| error.at_key(&self.key))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut *self.de).map_err(|error| error.at_key(&self.key))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.de.deserialize_any(visitor).map_err(|error| error.at_key(&self.key))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.de.deserialize_any(visitor).map_err(|error| error.at_key(&self.key))
    }
}
