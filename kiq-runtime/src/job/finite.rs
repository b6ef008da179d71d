//! Are all floats of an argument numbers? serde_json writes `null` for NaN and the infinities, and the worker then could not
//! read what was enqueued, or would read nothing where there was something.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};
use serde_json::ser::Formatter;

/// Writes JSON as serde_json does, and fails for a float that JSON has no form for.
pub(super) fn write<T: Serialize>(json: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    let mut wrote_null = false;
    value.serialize(&mut serde_json::Serializer::with_formatter(json, Noting { wrote_null: &mut wrote_null }))?;
    if wrote_null {
        // It may be an honest `None`. Only then is it looked at a second time, so numbers cost nothing.
        look(value).map_err(ser::Error::custom)?;
    }
    Ok(())
}

/// serde_json's compact form, noting whether there is a `null`.
struct Noting<'a> {
    wrote_null: &'a mut bool,
}

impl Formatter for Noting<'_> {
    fn write_null<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        *self.wrote_null = true;
        writer.write_all(b"null")
    }
}

/// Fails at the first float that is no number, with its path.
fn look<T: ?Sized + Serialize>(value: &T) -> Result<(), NotFinite> {
    value.serialize(Look)
}

#[derive(Debug)]
struct NotFinite {
    path: String,
    words: String,
}

impl NotFinite {
    fn below(mut self, step: impl fmt::Display) -> Self {
        self.path.insert_str(0, &step.to_string());
        self
    }
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.trim_start_matches('.') {
            "" => f.write_str(&self.words),
            path => write!(f, "{} (at {path})", self.words),
        }
    }
}

impl std::error::Error for NotFinite {}

impl ser::Error for NotFinite {
    fn custom<T: fmt::Display>(words: T) -> Self {
        NotFinite { path: String::new(), words: words.to_string() }
    }
}

/// Takes a value apart and keeps nothing.
struct Look;

fn float(value: f64) -> Result<(), NotFinite> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(ser::Error::custom(format_args!("{value} has no form in JSON; leave it out or write it as text"))),
    }
}

macro_rules! nothing_to_see {
    ($($name:ident($kind:ty))*) => {
        $(fn $name(self, _: $kind) -> Result<(), NotFinite> { Ok(()) })*
    };
}

impl Serializer for Look {
    type Ok = ();
    type Error = NotFinite;
    type SerializeSeq = Inside;
    type SerializeTuple = Inside;
    type SerializeTupleStruct = Inside;
    type SerializeTupleVariant = Inside;
    type SerializeMap = Inside;
    type SerializeStruct = Inside;
    type SerializeStructVariant = Inside;

    nothing_to_see! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, value: f32) -> Result<(), NotFinite> {
        float(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), NotFinite> {
        float(value)
    }

    fn serialize_none(self) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), NotFinite> {
        look(value)
    }

    fn serialize_unit(self) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), NotFinite> {
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), NotFinite> {
        look(value)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), NotFinite> {
        look(value).map_err(|error| error.below(format_args!(".{variant}")))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Inside, NotFinite> {
        Ok(Inside::default())
    }
}

/// The inside of what has parts: where we are in it.
#[derive(Default)]
struct Inside {
    index: usize,
    key: String,
}

impl Inside {
    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotFinite> {
        let index = self.index;
        self.index += 1;
        look(value).map_err(|error| error.below(format_args!("[{index}]")))
    }
}

macro_rules! elements {
    ($($kind:ident $name:ident)*) => {
        $(impl ser::$kind for Inside {
            type Ok = ();
            type Error = NotFinite;

            fn $name<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotFinite> {
                self.element(value)
            }

            fn end(self) -> Result<(), NotFinite> {
                Ok(())
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($kind:ident)*) => {
        $(impl ser::$kind for Inside {
            type Ok = ();
            type Error = NotFinite;

            fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), NotFinite> {
                look(value).map_err(|error| error.below(format_args!(".{name}")))
            }

            fn end(self) -> Result<(), NotFinite> {
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Inside {
    type Ok = ();
    type Error = NotFinite;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), NotFinite> {
        // It was written before, so it can be.
        self.key = serde_json::to_string(key).unwrap_or_default();
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotFinite> {
        look(value).map_err(|error| error.below(format_args!("[{}]", self.key)))
    }

    fn end(self) -> Result<(), NotFinite> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Order {
        note: Option<String>,
        lines: Vec<Line>,
    }

    #[derive(Serialize)]
    enum Line {
        Weight(f32),
        Pair { price: f64, by: (u8, Option<f64>) },
    }

    fn says<T: Serialize>(value: &T) -> String {
        write(&mut Vec::new(), value).unwrap_err().to_string()
    }

    #[test]
    fn what_is_finite_is_written_as_serde_json_does() {
        let order = Order { note: None, lines: vec![Line::Weight(1.5), Line::Pair { price: -0.0, by: (1, None) }] };
        let mut json = Vec::new();
        write(&mut json, &(&order, f64::MAX, f64::MIN_POSITIVE, (), [Some("a"), None])).unwrap();
        assert_eq!(json, serde_json::to_vec(&(&order, f64::MAX, f64::MIN_POSITIVE, (), [Some("a"), None])).unwrap());
    }

    #[test]
    fn what_is_not_is_named_with_its_path() {
        assert!(says(&f64::NAN).starts_with("NaN has no form in JSON"));
        let order = Order { note: None, lines: vec![Line::Weight(1.0), Line::Weight(f32::INFINITY)] };
        assert!(says(&order).ends_with("(at lines[1].Weight)"), "{}", says(&order));
        let order = Order { note: None, lines: vec![Line::Pair { price: 1.0, by: (1, Some(f64::NEG_INFINITY)) }] };
        assert!(says(&order).ends_with("(at lines[0].by[1])"), "{}", says(&order));
        assert!(says(&BTreeMap::from([("a b", f64::NAN)])).ends_with("(at [\"a b\"])"));
    }
}
