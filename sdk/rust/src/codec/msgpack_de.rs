//! MessagePack, read strictly: text is UTF-8, keys are text, nesting and lengths are bounded by what is there.

use super::error::{Error, Trouble};
use super::key::{refuse_enum, KeyDe};
use super::{BIG_INT, BYTES, DEPTH_MAX};
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::Deserializer;
use std::borrow::Cow;

/// Reads one value.
pub struct MsgpackDe<'de> {
    body: &'de [u8],
    at: usize,
    depth: u16,
}

/// A value's head; containers are followed by their items.
enum Head<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
    Moment(String),
    List(u32),
    Map(u32),
}

impl<'de> MsgpackDe<'de> {
    /// A reader.
    pub fn new(body: &'de [u8]) -> Self {
        MsgpackDe { body, at: 0, depth: DEPTH_MAX }
    }

    /// Refuse what follows the value.
    pub fn end(&self) -> Result<(), Error> {
        if self.at == self.body.len() {
            Ok(())
        } else {
            Err(self.wrong("trailing bytes"))
        }
    }

    #[cold]
    fn wrong(&self, what: &str) -> Error {
        Error::malformed(format!("not MessagePack: {what} at byte {}", self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Error> {
        match self.body[self.at..].split_at_checked(count) {
            Some((taken, _)) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(self.wrong("the body ends too early")),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn size(&mut self, width: u8) -> Result<usize, Error> {
        Ok(match width {
            0 => usize::from(self.fixed::<1>()?[0]),
            1 => usize::from(u16::from_be_bytes(self.fixed()?)),
            _ => u32::from_be_bytes(self.fixed()?) as usize,
        })
    }

    fn text(&mut self, size: usize) -> Result<&'de str, Error> {
        let at = self.at;
        let bytes = self.take(size)?;
        std::str::from_utf8(bytes)
            .map_err(|_| Error::malformed(format!("not MessagePack: text that is not UTF-8 at byte {at}")))
    }

    fn head(&mut self) -> Result<Head<'de>, Error> {
        let mark = self.fixed::<1>()?[0];
        Ok(match mark {
            0x00..=0x7F => Head::Unsigned(mark.into()),
            0x80..=0x8F => Head::Map(u32::from(mark & 15)),
            0x90..=0x9F => Head::List(u32::from(mark & 15)),
            0xA0..=0xBF => Head::Text(self.text(usize::from(mark & 31))?),
            0xC0 => Head::Nil,
            0xC2 => Head::Bool(false),
            0xC3 => Head::Bool(true),
            0xC4..=0xC6 => {
                let size = self.size(mark - 0xC4)?;
                Head::Bytes(self.take(size)?)
            }
            0xC7..=0xC9 => {
                let size = self.size(mark - 0xC7)?;
                Head::Moment(self.moment(size)?)
            }
            0xCA => Head::Float(f32::from_be_bytes(self.fixed()?).into()),
            0xCB => Head::Float(f64::from_be_bytes(self.fixed()?)),
            0xCC => Head::Unsigned(u8::from_be_bytes(self.fixed()?).into()),
            0xCD => Head::Unsigned(u16::from_be_bytes(self.fixed()?).into()),
            0xCE => Head::Unsigned(u32::from_be_bytes(self.fixed()?).into()),
            0xCF => Head::Unsigned(u64::from_be_bytes(self.fixed()?)),
            0xD0 => Head::Signed(i8::from_be_bytes(self.fixed()?).into()),
            0xD1 => Head::Signed(i16::from_be_bytes(self.fixed()?).into()),
            0xD2 => Head::Signed(i32::from_be_bytes(self.fixed()?).into()),
            0xD3 => Head::Signed(i64::from_be_bytes(self.fixed()?)),
            0xD4..=0xD8 => Head::Moment(self.moment(1 << (mark - 0xD4))?),
            0xD9..=0xDB => {
                let size = self.size(mark - 0xD9)?;
                Head::Text(self.text(size)?)
            }
            0xDC..=0xDD => Head::List(self.size(mark - 0xDB)? as u32),
            0xDE..=0xDF => Head::Map(self.size(mark - 0xDD)? as u32),
            0xC1 => return Err(self.wrong("a byte that MessagePack never uses")),
            0xE0..=0xFF => Head::Signed((mark as i8).into()),
        })
    }

    /// Extension −1, the timestamp, as the text that a moment is.
    fn moment(&mut self, size: usize) -> Result<String, Error> {
        let kind = self.fixed::<1>()?[0] as i8;
        let bytes = self.take(size)?;
        let (seconds, nanos) = match (kind, bytes.len()) {
            (-1, 4) => (i64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])), 0),
            (-1, 8) => {
                let word = bytes.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
                ((word & 0x3_FFFF_FFFF) as i64, (word >> 34) as u32)
            }
            (-1, 12) => {
                let nanos = bytes[..4].iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
                (bytes[4..].iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte)) as i64, nanos)
            }
            _ => return Err(self.wrong("an extension type other than the timestamp")),
        };
        crate::values::moment_text(seconds, nanos).ok_or_else(|| self.wrong("a timestamp past the year 9999"))
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            Error::new(Trouble::Mismatch, format!("nested deeper than the {DEPTH_MAX} levels that are taken"))
        })?;
        Ok(())
    }

    fn visit_float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Unsigned(value) => visitor.visit_f64(value as f64),
            Head::Signed(value) => visitor.visit_f64(value as f64),
            head => self.visit(head, visitor),
        }
    }

    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Float(value) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => {
                visitor.visit_i64(value as i64)
            }
            head => self.visit(head, visitor),
        }
    }

    fn visit<V: Visitor<'de>>(&mut self, head: Head<'de>, visitor: V) -> Result<V::Value, Error> {
        match head {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Unsigned(value) => visitor.visit_u64(value),
            Head::Signed(value) => visitor.visit_i64(value),
            Head::Float(value) => visitor.visit_f64(value),
            Head::Text(text) => visitor.visit_borrowed_str(text),
            Head::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Moment(text) => visitor.visit_string(text),
            Head::List(count) => {
                self.enter()?;
                let mut items = Items::new(self, count);
                let value = visitor.visit_seq(&mut items)?;
                items.finish()?;
                self.depth += 1;
                Ok(value)
            }
            Head::Map(count) => {
                self.enter()?;
                let mut items = Items::new(self, count);
                let value = visitor.visit_map(&mut items)?;
                items.finish()?;
                self.depth += 1;
                Ok(value)
            }
        }
    }

    fn key(&mut self) -> Result<&'de str, Error> {
        match self.head()? {
            Head::Text(text) => Ok(text),
            _ => Err(self.wrong("a key that is not text")),
        }
    }

    fn skip(&mut self) -> Result<(), Error> {
        let (count, map) = match self.head()? {
            Head::List(count) => (count, false),
            Head::Map(count) => (count, true),
            _ => return Ok(()),
        };
        self.enter()?;
        for _ in 0..count {
            if map {
                self.key()?;
            }
            self.skip()?;
        }
        self.depth += 1;
        Ok(())
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

impl<'de> Deserializer<'de> for &mut MsgpackDe<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let head = self.head()?;
        self.visit(head, visitor)
    }

    forward! {visit_integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128}
    forward! {visit_float: deserialize_f32 deserialize_f64}

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Text(text) => match super::base64::decode(text.as_bytes()) {
                Some(bytes) => visitor.visit_byte_buf(bytes),
                None => Err(serde::de::Error::custom("invalid type: text, expected bytes")),
            },
            head => self.visit(head, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.body.get(self.at) == Some(&0xC0) {
            self.at += 1;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == BYTES {
            return self.deserialize_bytes(visitor);
        }
        if name == BIG_INT {
            return match self.head()? {
                Head::Unsigned(value) => visitor.visit_string(value.to_string()),
                Head::Signed(value) => visitor.visit_string(value.to_string()),
                _ => Err(serde::de::Error::custom("invalid type, expected an integer")),
            };
        }
        if name == super::ANY {
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
        match self.head()? {
            Head::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Head::Moment(text) => visitor.visit_enum(StringDeserializer::new(text)),
            Head::Map(1) => {
                self.enter()?;
                let value = visitor.visit_enum(&mut Items::new(self, 1))?;
                self.depth += 1;
                Ok(value)
            }
            Head::Map(count) => refuse_enum(&format!("a map of {count} keys")),
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

/// The items of a list or a map.
struct Items<'a, 'de> {
    de: &'a mut MsgpackDe<'de>,
    left: u32,
    index: usize,
    key: &'de str,
}

impl<'a, 'de> Items<'a, 'de> {
    fn new(de: &'a mut MsgpackDe<'de>, left: u32) -> Self {
        Items { de, left, index: 0, key: "" }
    }

    fn step(&mut self) {
        self.index += 1;
        self.left -= 1;
    }

    fn finish(&self) -> Result<(), Error> {
        if self.left == 0 {
            return Ok(());
        }
        Err(serde::de::Error::custom(format!("{} values more than are taken", self.left)))
    }

    /// A count is only a claim: reserve no more than the bytes that are there could hold.
    fn hint(&self) -> usize {
        (self.left as usize).min(self.de.body.len() - self.de.at)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.step();
        seed.deserialize(&mut *self.de).map(Some).map_err(|error| error.at_index(self.index - 1))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.step();
        self.key = self.de.key()?;
        let key = seed.deserialize(KeyDe(Cow::Borrowed(self.key)));
        key.map(Some).map_err(|error| error.at_key(self.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.de).map_err(|error| error.at_key(self.key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'a, 'b, 'de> EnumAccess<'de> for &'b mut Items<'a, 'de> {
    type Error = Error;
    type Variant = &'b mut Items<'a, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        self.key = self.de.key()?;
        let variant = seed.deserialize(KeyDe(Cow::Borrowed(self.key)))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(&mut *self.de).map_err(|error: Error| error.at_key(self.key))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut *self.de).map_err(|error| error.at_key(self.key))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.de.deserialize_any(visitor).map_err(|error| error.at_key(self.key))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.de.deserialize_any(visitor).map_err(|error| error.at_key(self.key))
    }
}
