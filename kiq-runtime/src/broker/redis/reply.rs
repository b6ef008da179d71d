//! Reading the server's values. Payloads stay bytes: what another program stored need not be text.

use redis::Value;

use crate::clock::Timestamp;

pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => std::str::from_utf8(bytes(value)?).ok()?.parse().ok(),
    }
}

/// A count, which is never negative; 0 when it is none.
pub(super) fn count(value: &Value) -> usize {
    int(value).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        Value::VerbatimString { text, .. } => Some(text.as_bytes()),
        _ => None,
    }
}

/// The elements of a list; none for what is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) | Value::Set(values) => values,
        _ => &[],
    }
}

/// The pairs of a hash, in either protocol's form.
pub(super) fn pairs(value: &Value) -> Vec<(&Value, &Value)> {
    match value {
        Value::Map(pairs) => pairs.iter().map(|(key, value)| (key, value)).collect(),
        _ => list(value)
            .chunks(2)
            .filter_map(|pair| match pair {
                [key, value] => Some((key, value)),
                _ => None,
            })
            .collect(),
    }
}

/// The score of a sorted set's entry: seconds.
pub(super) fn score(value: &Value) -> Option<Timestamp> {
    let seconds = match value {
        Value::Double(seconds) => *seconds,
        _ => std::str::from_utf8(bytes(value)?).ok()?.parse().ok()?,
    };
    Some(Timestamp::from_seconds(seconds))
}

/// The answer of TIME: seconds and microseconds.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match list(value) {
        [seconds, micros] => Some(Timestamp::from_micros(int(seconds)?.checked_mul(1_000_000)? + int(micros)?)),
        _ => None,
    }
}
