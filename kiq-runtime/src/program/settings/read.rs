//! Reads one value of a configuration, and says what is wrong with it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::suggest::closest;
use crate::worker::config::{Capsule, MAX_CONCURRENCY, QueueSpec};

pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    match closest(key, known.iter().copied()) {
        Some(near) => format!("there is no key {key}; did you mean {near}?"),
        None => format!("there is no key {key}; there are {}", known.join(", ")),
    }
}

pub(super) fn split_words(value: Value) -> Value {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        other => other,
    }
}

pub(super) fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{other} is no text")),
    }
}

/// A number, or a text of one: what `${…}` fills in is text.
pub(super) fn whole(value: &Value, key: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number =
        number.and_then(|number| usize::try_from(number).ok()).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{key} is {value}; it must be a whole number from {least} to {most}"))
}

pub(super) fn concurrency(value: &Value, key: &str) -> Result<usize, String> {
    whole(value, key, 1, MAX_CONCURRENCY)
}

/// Seconds, or a text with a unit: `90s`, `1m`.
pub(super) fn duration(value: &Value, key: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let found = match value {
        Value::Number(number) => number.as_u64().map(Duration::from_secs),
        Value::String(text) => crate::clock::parse_duration(text.trim()),
        _ => None,
    };
    found.filter(|found| (least..=most).contains(found)).ok_or_else(|| {
        format!(
            "{key} is {value}; it must be from {} to {} seconds, or a text like \"90s\" or \"1m\"",
            least.as_secs(),
            most.as_secs()
        )
    })
}

/// As [`duration`], with `100ms`, too; 0 is never.
pub(super) fn short_duration(value: &Value, key: &str, most: Duration) -> Result<Duration, String> {
    let millis = value.as_str().and_then(|text| text.trim().strip_suffix("ms"));
    let found = match millis {
        Some(millis) => millis.trim().parse().ok().map(Duration::from_millis),
        None => duration(value, key, Duration::ZERO, most).ok(),
    };
    found.filter(|found| *found <= most).ok_or_else(|| {
        format!(
            "{key} is {value}; it must be a text like \"100ms\" or \"2s\", {} s at most, or 0 for never",
            most.as_secs()
        )
    })
}

/// An address to listen on: a port of the loopback, or `host:port` with a numeric host.
pub(super) fn listener(value: &Value, key: &str) -> Result<SocketAddr, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let port = text.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    port.or_else(|| text.parse().ok()).ok_or_else(|| {
        format!(
            "{key} is {value}; it must be a port of the loopback like 7433, or an address with one like \"0.0.0.0:7433\" or \
             \"[::]:7433\""
        )
    })
}

/// `host:port` of a server. The name is looked up when it is needed.
pub(super) fn host_and_port(value: &Value, key: &str) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default().trim();
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_one { Ok(text.to_owned()) } else { Err(format!("{key} is {value}; it must be like \"127.0.0.1:8125\"")) }
}

/// `["high,3", "low"]`, `[["high", 3], "low"]`, `{ high = 3, low = 1 }` or `"high"`.
pub(super) fn queue_list(value: &Value, key: &str) -> Result<Vec<QueueSpec>, String> {
    let shape = || format!("{key} must be a list like [\"high,3\", \"default\"]");
    let one = |value: &Value| match value {
        Value::String(text) => QueueSpec::parse(text),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(name)] => QueueSpec::parse(name),
            [Value::String(name), weight] => {
                QueueSpec::parse(&format!("{name},{}", weight.to_string().trim_matches('"')))
            }
            _ => Err(shape()),
        },
        _ => Err(shape()),
    };
    let queues = match value {
        Value::Array(items) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        Value::Object(weights) => weights
            .iter()
            .map(|(name, weight)| QueueSpec::parse(&format!("{name},{}", weight.to_string().trim_matches('"'))))
            .collect::<Result<Vec<_>, _>>()?,
        text @ Value::String(_) => vec![one(text)?],
        _ => return Err(shape()),
    };
    if queues.is_empty() {
        return Err(format!("{key} is empty; a worker without queues does nothing"));
    }
    Ok(queues)
}

pub(super) fn capsules(value: &Value) -> Result<Vec<Capsule>, String> {
    let Value::Object(capsules) = value else {
        return Err("capsules must be sections like [capsules.exports]".to_owned());
    };
    let mut sorted = BTreeMap::new();
    for (name, about) in capsules {
        let Value::Object(about) = about else {
            return Err(format!("capsules.{name} must be a section with queues and concurrency"));
        };
        let mut capsule = Capsule::new(name.clone());
        for (key, value) in about {
            let path = format!("capsules.{name}.{key}");
            capsule = match key.as_str() {
                "queues" => capsule.queues(queue_list(value, &path)?),
                "concurrency" => capsule.concurrency(concurrency(value, &path)?),
                _ => {
                    return Err(unknown(
                        &path,
                        &["queues", "concurrency"]
                            .map(|key| format!("capsules.{name}.{key}"))
                            .each_ref()
                            .map(String::as_str),
                    ));
                }
            };
        }
        sorted.insert(name.clone(), capsule);
    }
    Ok(sorted.into_values().collect())
}
