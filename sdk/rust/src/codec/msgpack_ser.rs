//! MessagePack, written in its shortest forms.

use super::error::{Error, Trouble};
use super::key::KeySer;
use super::{BIG_INT, DEPTH_MAX};
use serde::{ser, Serialize};

/// Writes one value to the end of a vector.
pub struct MsgpackSer<'a> {
    out: &'a mut Vec<u8>,
    depth: u16,
}

fn too_wide() -> Error {
    Error::new(Trouble::TooWide, "an integer past 64 bits, which MessagePack does not have")
}

impl<'a> MsgpackSer<'a> {
    /// A writer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        MsgpackSer { out, depth: DEPTH_MAX }
    }

    fn sized(&mut self, small: Option<u8>, marks: [u8; 3], size: usize) -> Result<(), Error> {
        let [eight, sixteen, wide] = marks;
        match (small, size) {
            (Some(mark), _) => self.out.push(mark | size as u8),
            (None, 0..=0xFF) if eight != 0 => self.out.extend_from_slice(&[eight, size as u8]),
            (None, 0..=0xFFFF) => {
                self.out.push(sixteen);
                self.out.extend_from_slice(&(size as u16).to_be_bytes());
            }
            _ => {
                let size = u32::try_from(size).map_err(|_| Error::unsayable("more than MessagePack counts"))?;
                self.out.push(wide);
                self.out.extend_from_slice(&size.to_be_bytes());
            }
        }
        Ok(())
    }

    fn text(&mut self, value: &str) -> Result<(), Error> {
        let small = (value.len() < 32).then_some(0xA0);
        self.sized(small, [0xD9, 0xDA, 0xDB], value.len())?;
        self.out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn unsigned(self, value: u64) -> Result<(), Error> {
        match value {
            0..=0x7F => self.out.push(value as u8),
            0x80..=0xFF => self.out.extend_from_slice(&[0xCC, value as u8]),
            0x100..=0xFFFF => {
                self.out.push(0xCD);
                self.out.extend_from_slice(&(value as u16).to_be_bytes());
            }
            0x1_0000..=0xFFFF_FFFF => {
                self.out.push(0xCE);
                self.out.extend_from_slice(&(value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0xCF);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
        Ok(())
    }

    fn signed(self, value: i64) -> Result<(), Error> {
        match value {
            0.. => return self.unsigned(value as u64),
            -32..=-1 => self.out.push(value as u8),
            -128..=-33 => self.out.extend_from_slice(&[0xD0, value as u8]),
            -32_768..=-129 => {
                self.out.push(0xD1);
                self.out.extend_from_slice(&(value as i16).to_be_bytes());
            }
            -2_147_483_648..=-32_769 => {
                self.out.push(0xD2);
                self.out.extend_from_slice(&(value as i32).to_be_bytes());
            }
            _ => {
                self.out.push(0xD3);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
        Ok(())
    }

    fn begin(mut self, map: bool, count: Option<usize>) -> Result<Items<'a>, Error> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| Error::unsayable(format!("nested deeper than the {DEPTH_MAX} levels that travel")))?;
        let start = self.out.len();
        match count {
            Some(count) => {
                let (small, marks) = if map { (0x80, [0, 0xDE, 0xDF]) } else { (0x90, [0, 0xDC, 0xDD]) };
                self.sized((count < 16).then_some(small), marks, count)?;
            }
            None => self.out.extend_from_slice(&[if map { 0xDF } else { 0xDD }, 0, 0, 0, 0]),
        }
        Ok(Items { out: self.out, depth, start, said: count, count: 0, key: String::new() })
    }

    fn variant(mut self, variant: &'static str) -> Result<Self, Error> {
        self.out.push(0x81);
        self.text(variant)?;
        Ok(self)
    }
}

impl<'a> ser::Serializer for MsgpackSer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(if value { 0xC3 } else { 0xC2 });
        Ok(())
    }
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.signed(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.signed(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.signed(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.signed(value)
    }
    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.unsigned(value),
            (_, Ok(value)) => self.signed(value),
            _ => Err(too_wide()),
        }
    }
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.unsigned(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.unsigned(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.unsigned(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.unsigned(value)
    }
    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        u64::try_from(value).map_err(|_| too_wide()).and_then(|value| self.unsigned(value))
    }
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.out.push(0xCB);
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }
    fn serialize_char(mut self, value: char) -> Result<(), Error> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(mut self, value: &str) -> Result<(), Error> {
        self.text(value)
    }
    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), Error> {
        self.sized(None, [0xC4, 0xC5, 0xC6], value.len())?;
        self.out.extend_from_slice(value);
        Ok(())
    }
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Error> {
        self.out.push(0xC0);
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(mut self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Error> {
        if name == BIG_INT {
            let digits = value.serialize(KeySer)?;
            return self.serialize_i128(digits.parse().map_err(|_| too_wide())?);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut items = self.begin(true, Some(1))?;
        items.field(variant, value)?;
        items.finish()
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Items<'a>, Error> {
        self.begin(false, count)
    }
    fn serialize_tuple(self, count: usize) -> Result<Items<'a>, Error> {
        self.begin(false, Some(count))
    }
    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Items<'a>, Error> {
        self.begin(false, Some(count))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant)?.begin(false, Some(count))
    }
    fn serialize_map(self, count: Option<usize>) -> Result<Items<'a>, Error> {
        self.begin(true, count)
    }
    fn serialize_struct(self, _: &'static str, count: usize) -> Result<Items<'a>, Error> {
        self.begin(true, Some(count))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Items<'a>, Error> {
        self.variant(variant)?.begin(true, Some(count))
    }
}

/// The items of a list or a map.
pub struct Items<'a> {
    out: &'a mut Vec<u8>,
    depth: u16,
    start: usize,
    said: Option<usize>,
    count: usize,
    key: String,
}

impl Items<'_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(MsgpackSer { out: self.out, depth: self.depth })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        self.value(value).map_err(|error| error.at_index(self.count - 1))
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.count += 1;
        MsgpackSer { out: self.out, depth: self.depth }.text(key)?;
        self.value(value).map_err(|error| error.at_key(key))
    }

    fn finish(self) -> Result<(), Error> {
        match self.said {
            Some(said) if said == self.count => Ok(()),
            Some(said) => Err(Error::unsayable(format!("a type that promised {said} values gave {}", self.count))),
            None => {
                let count = u32::try_from(self.count).map_err(|_| Error::unsayable("more than MessagePack counts"))?;
                self.out[self.start + 1..self.start + 5].copy_from_slice(&count.to_be_bytes());
                Ok(())
            }
        }
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident),*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }
            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.field(key, value)
            }
            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

fields! {SerializeStruct, SerializeStructVariant}

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = key.serialize(KeySer)?;
        self.count += 1;
        MsgpackSer { out: self.out, depth: self.depth }.text(&self.key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value).map_err(|error| error.at_key(&self.key))
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
