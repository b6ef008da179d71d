//! The fields of a JSON object in their order, each value as the text it was.
//!
//! A worker reads far more jobs than it changes, and a client writes each once, so both are without copies: what was read
//! stays where it is, shared with whoever holds the bytes, and what is new is written in the form it is stored in.

use std::borrow::Cow;
use std::fmt;

use super::jid::Jid;
use super::json;
use super::payload::PayloadError;
use super::raw::{RawPayload, TextPayload};

/// The fields. Of a name that comes twice the last counts, as for Ruby.
#[derive(Clone)]
pub(super) struct Fields {
    /// What was parsed.
    read: Option<TextPayload>,
    /// What was written since.
    written: String,
    list: Vec<(Place, Place)>,
    /// A bit for each name, of which several may have the same: most fields that are asked for are not there, and are not
    /// looked for then.
    names: u64,
    /// `written` is the object as it is stored, but for the closing brace.
    is_in_order: bool,
}

/// From here to there in one of the two texts.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Read(usize, usize),
    Written(usize, usize),
}

impl Place {
    /// The empty text.
    pub(super) const NOWHERE: Place = Place::Written(0, 0);

    #[inline]
    fn len(self) -> usize {
        match self {
            Place::Read(from, to) | Place::Written(from, to) => to.saturating_sub(from),
        }
    }
}

impl Fields {
    /// None yet, and room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut written = String::with_capacity(bytes);
        written.push('{');
        Fields { read: None, written, list: Vec::with_capacity(10), names: 0, is_in_order: true }
    }

    /// Those of a JSON object.
    pub(super) fn parse(raw: RawPayload) -> Result<Self, String> {
        let read = raw.into_text().map_err(|error| error.to_string())?;
        let text = read.text();
        let mut written = String::new();
        let mut list = Vec::with_capacity(12);
        let mut names = 0;
        let found = json::fields(text, |name, value, is_escaped| {
            let escaped = is_escaped.then(|| text_of(text.get(name.start - 1..name.end + 1)?)).flatten();
            let name = match escaped {
                Some(name) => {
                    names |= bit_of(&name);
                    append(&mut written, &name)
                }
                None => {
                    names |= bit_of(text.get(name.clone()).unwrap_or_default());
                    Place::Read(name.start, name.end)
                }
            };
            list.push((name, Place::Read(value.start, value.end)));
        });
        found.map_err(|fault| fault.to_string())?;
        Ok(Fields { read: Some(read), written, list, names, is_in_order: false })
    }

    /// What was parsed; nothing if they were put together here.
    pub(super) fn as_read(&self) -> &str {
        self.read.as_ref().map_or("", TextPayload::text)
    }

    #[inline]
    fn bytes(&self, place: Place) -> &[u8] {
        match (place, &self.read) {
            (Place::Read(from, to), Some(read)) => read.bytes(from, to),
            (Place::Written(from, to), _) => self.written.as_bytes().get(from..to).unwrap_or_default(),
            (Place::Read(..), None) => &[],
        }
    }

    #[inline]
    pub(super) fn text(&self, place: Place) -> &str {
        match (place, &self.read) {
            (Place::Read(from, to), Some(read)) => read.part(from, to),
            (Place::Written(from, to), _) => self.written.get(from..to).unwrap_or_default(),
            (Place::Read(..), None) => "",
        }
    }

    #[inline]
    fn place(&self, field: &str) -> Option<Place> {
        if self.names & bit_of(field) == 0 {
            return None;
        }
        let is_it = |(name, _): &&(Place, Place)| name.len() == field.len() && self.bytes(*name) == field.as_bytes();
        self.list.iter().rev().find(is_it).map(|(_, value)| *value)
    }

    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.place(field).map(|place| self.text(place))
    }

    /// Where the text of a field is whose value is a JSON string.
    pub(super) fn text_place(&mut self, field: &str) -> Option<Place> {
        let place = self.place(field)?;
        match text_of(self.text(place))? {
            Cow::Borrowed(_) => Some(match place {
                Place::Read(from, to) => Place::Read(from + 1, to - 1),
                Place::Written(from, to) => Place::Written(from + 1, to - 1),
            }),
            Cow::Owned(text) => {
                self.is_in_order = false;
                Some(append(&mut self.written, &text))
            }
        }
    }

    /// Adds a field that is not there yet. `value` is JSON.
    pub(super) fn add(&mut self, field: &str, value: &str) {
        if !is_plain(field) {
            self.is_in_order = false;
        }
        if !self.list.is_empty() {
            self.written.push(',');
        }
        self.names |= bit_of(field);
        self.written.push('"');
        let name = append(&mut self.written, field);
        self.written.push_str("\":");
        let value = append(&mut self.written, value);
        self.list.push((name, value));
    }

    /// Adds a field that is not there yet, and whose value is a text.
    pub(super) fn add_text(&mut self, field: &str, text: &str) {
        if is_plain(text) {
            self.add(field, "\"\"");
            // Between the quotes.
            self.written.pop();
            self.written.push_str(text);
            self.written.push('"');
            if let Some((_, Place::Written(_, to))) = self.list.last_mut() {
                *to = self.written.len();
            }
        } else {
            self.add(field, &json_string(text));
        }
    }

    /// Sets a field; a new one goes to the end. `value` is JSON.
    pub(super) fn set(&mut self, field: &str, value: &str) {
        if self.place(field).is_none() {
            return self.add(field, value);
        }
        self.is_in_order = false;
        let place = append(&mut self.written, value);
        let mut list = std::mem::take(&mut self.list);
        // All of them, so that the last still counts.
        for (name, old) in &mut list {
            if self.text(*name) == field {
                *old = place;
            }
        }
        self.list = list;
    }

    pub(super) fn remove(&mut self, field: &str) {
        if self.place(field).is_some() {
            self.is_in_order = false;
            let list = std::mem::take(&mut self.list);
            self.list = list.into_iter().filter(|(name, _)| self.text(*name) != field).collect();
        }
    }

    /// The beginning of a field's value, for messages.
    pub(super) fn excerpt(&self, field: &str) -> String {
        self.get(field).map_or_else(|| "nothing".to_owned(), |raw| raw.chars().take(40).collect())
    }

    /// The object with gaps for the arguments and the id.
    pub(super) fn record(&self) -> Record {
        let mut texts = [String::new(), String::new(), String::new()];
        // The gap before which we are; an id and arguments in another order than ours do not come from here.
        let mut gap = 0;
        for (at, (name, value)) in self.list.iter().enumerate() {
            let name = self.text(*name);
            let is_gap = matches!((name, gap), ("args", 0) | ("jid", 1));
            let Some(text) = texts.get_mut(gap) else { break };
            text.push(if at > 0 { ',' } else { '{' });
            text.push_str(&json_string(name));
            text.push(':');
            if is_gap {
                gap += 1;
            } else {
                text.push_str(self.text(*value));
            }
        }
        texts.iter_mut().skip(2).for_each(|text| text.push('}'));
        Record(texts)
    }

    /// The JSON object.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.read.as_ref().map_or(0, TextPayload::len) + self.written.len() + 16);
        if self.is_in_order {
            text.push_str(&self.written);
        } else {
            text.push('{');
            for (at, (name, value)) in self.list.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&json_string(self.text(*name)));
                text.push(':');
                text.push_str(self.text(*value));
            }
        }
        text.push('}');
        text
    }
}

/// A job's record with gaps: what comes before the arguments, between them and the id, and after that.
#[derive(Debug)]
pub(crate) struct Record([String; 3]);

impl Record {
    /// The record of a job with these arguments, a JSON array, and this id.
    pub(crate) fn with(&self, args: &str, jid: &Jid) -> String {
        let Record([before, between, after]) = self;
        [before, args, between, "\"", jid.as_str(), "\"", after].concat()
    }

    /// Whether every reader can read `text`, the record with arguments that were just written as `args`. The rest of it was
    /// checked with the first.
    pub(crate) fn check(text: &str, args: &str) -> Result<(), PayloadError> {
        match json::is_simple(args) {
            true => Ok(()),
            false => json::fields(text, |_, _, _| ())
                .map_err(|fault| PayloadError::NotAnObject { reason: fault.to_string() }),
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// The bit of a name: any would do that is soon had and differs for most of the names in use.
#[inline]
fn bit_of(name: &str) -> u64 {
    let first = name.as_bytes().first().copied().unwrap_or_default();
    let last = name.as_bytes().last().copied().unwrap_or_default();
    1 << ((name.len() * 5 + usize::from(first) * 3 + usize::from(last)) % 64)
}

fn append(text: &mut String, part: &str) -> Place {
    let from = text.len();
    text.push_str(part);
    Place::Written(from, text.len())
}

/// Whether a text is itself in JSON, between quotes.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// A text as a JSON string.
fn json_string(text: &str) -> String {
    if is_plain(text) {
        return ["\"", text, "\""].concat();
    }
    // Text is always written.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// The text of a JSON string, borrowed when it has no escapes.
pub(super) fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
        _ => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}
