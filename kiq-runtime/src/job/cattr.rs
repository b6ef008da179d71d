//! Rails' `CurrentAttributes` in a payload: the fields `cattr`, `cattr_1`, … which Sidekiq's middleware writes.
//!
//! kiq keeps them untouched. On request it reads and writes those whose values are plain JSON (wire: 3.5).

use serde_json::{Map, Value};

use super::payload::Payload;

/// How ActiveJob marks a symbol.
const SYMBOL: &str = "ActiveJob::Serializers::SymbolSerializer";

/// The field of a class, by its place among those that the Rails application registered.
fn field(place: usize) -> String {
    if place == 0 { "cattr".to_owned() } else { format!("cattr_{place}") }
}

impl Payload {
    /// The attributes of a `CurrentAttributes` class of a Rails application, by its place among those that it registered,
    /// from 0. As Sidekiq 7 writes them (an object) and as 8 does (pairs in ActiveJob's form). `None` when there are none, or
    /// one is more than plain JSON (a record).
    ///
    /// # Examples
    /// ```
    /// use kiq::Payload;
    ///
    /// let job = Payload::parse(br#"{"class":"A","args":[],"cattr":{"user_id":7}}"#)?;
    /// assert_eq!(job.cattr(0).and_then(|current| current["user_id"].as_u64()), Some(7));
    /// # Ok::<(), kiq::PayloadError>(())
    /// ```
    pub fn cattr(&self, place: usize) -> Option<Map<String, Value>> {
        match self.get::<Value>(&field(place))? {
            Value::Object(plain) => Some(plain),
            Value::Array(pairs) => pairs.into_iter().map(pair).collect(),
            _ => None,
        }
    }

    /// Writes such attributes, in the form that Sidekiq 7 and 8 both read.
    ///
    /// # Examples
    /// ```
    /// # use kiq::{EnqueueError, NextEnqueue, Outgoing, Receipt};
    /// // In an enqueue middleware of a program that enqueues for a Rails application:
    /// async fn as_rails(mut job: Outgoing, next: NextEnqueue) -> Result<Receipt, EnqueueError> {
    ///     job.payload_mut().set_cattr(0, [("user_id".to_owned(), 7.into())]);
    ///     next.run(job).await
    /// }
    /// ```
    pub fn set_cattr(&mut self, place: usize, attributes: impl IntoIterator<Item = (String, Value)>) {
        let attributes: Map<String, Value> = attributes.into_iter().collect();
        self.set(&field(place), &attributes);
    }
}

/// One attribute in ActiveJob's form: `[key, value]`, the key a text or a symbol.
fn pair(pair: Value) -> Option<(String, Value)> {
    let Value::Array(pair) = pair else { return None };
    let [key, value] = <[Value; 2]>::try_from(pair).ok()?;
    Some((name(key)?, plain(value)?))
}

fn name(key: Value) -> Option<String> {
    match plain(key)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// What ActiveJob writes for plain values; `None` for what is more.
fn plain(value: Value) -> Option<Value> {
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect::<Option<Vec<_>>>().map(Value::Array),
        Value::Object(mut fields) => {
            if fields.get("_aj_serialized").and_then(Value::as_str) == Some(SYMBOL) {
                return fields.remove("value");
            }
            let is_more = |name: &str| name == "_aj_serialized" || name == "_aj_globalid";
            if fields.keys().any(|name| is_more(name)) {
                return None;
            }
            let fields = fields.into_iter().filter(|(name, _)| !name.starts_with("_aj_"));
            fields.map(|(name, value)| Some((name, plain(value)?))).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cattr: &str) -> Option<String> {
        let text = format!(r#"{{"class":"A","args":[],"cattr_1":{cattr}}}"#);
        let job = Payload::parse(text.as_bytes()).unwrap();
        job.cattr(1).map(|current| serde_json::to_string(&current).unwrap())
    }

    /// wire: 3.5.
    #[test]
    fn both_shapes_of_sidekiq_are_read() {
        assert_eq!(read(r#"{"user_id":1}"#).as_deref(), Some(r#"{"user_id":1}"#));
        let symbol = r#"{"_aj_serialized":"ActiveJob::Serializers::SymbolSerializer","value":"user_id"}"#;
        assert_eq!(read(&format!(r#"[[{symbol},1]]"#)).as_deref(), Some(r#"{"user_id":1}"#));
        let nested = r#"[["tags",["a",{"b":null,"_aj_symbol_keys":[]}]]]"#;
        assert_eq!(read(nested).as_deref(), Some(r#"{"tags":["a",{"b":null}]}"#));
    }

    #[test]
    fn what_is_more_than_plain_is_left_to_ruby() {
        for more in [r#"[["user",{"_aj_globalid":"gid://app/User/1"}]]"#, "7", r#"[["a"]]"#, "[7]", r#"[[7,7]]"#] {
            assert_eq!(read(more), None, "{more}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_the_rest_is_untouched() {
        let mut job = Payload::parse(br#"{"class":"A","args":[1.10],"cattr_1":[[1.10]]}"#).unwrap();
        job.set_cattr(0, [("user_id".to_owned(), 7.into())]);
        assert_eq!(job.to_string(), r#"{"class":"A","args":[1.10],"cattr_1":[[1.10]],"cattr":{"user_id":7}}"#);
        assert_eq!(job.cattr(0).unwrap()["user_id"], 7);
    }
}
