//! W3C's `traceparent`, carried from the enqueue to the run.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::current::Current;

/// Where in a distributed trace something happens: W3C's `traceparent`, carried from the enqueue to the run.
///
/// Set [`TRACE`] around a request with what its header says; the run's `tracing` span then has `trace_id`, and a bridge to
/// OpenTelemetry finds its parent in [`TRACE`]`.get()`.
///
/// # Examples
/// ```
/// use kiq::{TRACE, TraceParent};
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let trace: TraceParent = header.parse()?;
/// assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// TRACE.sync_scope(trace, || assert_eq!(TRACE.get().map(|trace| trace.to_string()), Some(header.to_owned())));
/// # Ok::<(), kiq::InvalidTraceParent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent(Arc<str>);

/// The trace that the request, or the job, is part of. Carried under the name `traceparent`.
pub static TRACE: Current<TraceParent> = Current::new("traceparent");

impl TraceParent {
    /// The trace: 32 hex digits.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }

    /// The span that enqueued: 16 hex digits.
    pub fn parent_id(&self) -> &str {
        self.0.get(36..52).unwrap_or_default()
    }

    /// Whether the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        let flags = self.0.get(53..55).and_then(|flags| u8::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// As W3C Trace Context, 3.2: `00-<32 hex>-<16 hex>-<2 hex>` in lower case, ids not all zero. Later versions may go on
    /// after that, and are read as far as 00 goes.
    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let has_value = |part: &str| part.bytes().any(|byte| byte != b'0');
        let parts: Vec<&str> = text.split('-').collect();
        let is_good = match parts.as_slice() {
            [version, trace, parent, flags, rest @ ..] => {
                (version.len(), trace.len(), parent.len(), flags.len()) == (2, 32, 16, 2)
                    && [*version, trace, parent, flags].into_iter().all(is_hex)
                    && *version != "ff"
                    && (rest.is_empty() || *version != "00")
                    && has_value(trace)
                    && has_value(parent)
            }
            _ => false,
        };
        match text.get(..55) {
            Some(text) if is_good => Ok(TraceParent(text.into())),
            _ => Err(InvalidTraceParent),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;
    fn try_from(text: String) -> Result<Self, InvalidTraceParent> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.0.to_string()
    }
}

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a traceparent: it is written 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, in lower case, and no id is all zeros"
)]
#[non_exhaustive]
pub struct InvalidTraceParent;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_w3c_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace: TraceParent = good.parse().unwrap();
        assert_eq!(
            (trace.parent_id(), trace.is_sampled(), trace.to_string().as_str()),
            ("b7ad6b7169203331", true, good)
        );
        let later: TraceParent = format!("cc{}-what-comes", &good[2..]).parse().unwrap();
        assert_eq!(later.trace_id(), trace.trace_id());

        let bad = [
            "",
            "00",
            &good[..54],
            &format!("{good}-more"),
            &format!("ff{}", &good[2..]),
            &good.to_uppercase(),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            "00-ä",
        ];
        for text in bad {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text}");
        }
    }
}
