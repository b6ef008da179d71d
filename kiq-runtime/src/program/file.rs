//! The configuration file: found, read, taken apart, and `${VARIABLE:-default}` filled in.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};

/// Where a file is looked for when none is named, in this order.
const USUAL: [&str; 4] = ["kiq.toml", "config/kiq.toml", "config/sidekiq.yml", "sidekiq.yml"];

/// The most bytes of a file that somebody wrote by hand.
const LARGEST: u64 = 1 << 20;

/// A file, taken apart.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) fields: Map<String, Value>,
    /// As Sidekiq writes it: with other names for some things, and some that mean nothing here.
    pub(super) is_sidekiqs: bool,
}

/// The file of that name, or the first of the usual ones, if there is any.
pub(super) fn find(
    named: Option<&Path>,
    folder: &Path,
    read: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<File>, String> {
    let path = match named {
        Some(path) => Some(folder.join(path)),
        None => USUAL.iter().map(|name| folder.join(name)).find(|path| path.exists()),
    };
    let Some(path) = path else { return Ok(None) };
    // Shown as it was named: shorter, and what the reader typed.
    let shown = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
    let file = open(&path).and_then(|text| parse(&path, &text, read));
    match file {
        Ok((fields, is_sidekiqs)) => Ok(Some(File { path: shown, fields, is_sidekiqs })),
        Err(reason) => Err(format!("{}: {reason}", shown.display())),
    }
}

fn open(path: &Path) -> Result<String, String> {
    let about = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if about.is_dir() {
        return Err("is a folder; name the file in it".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than 1 MiB, so it is no configuration file".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Err("is empty; was it cut off? Remove it if the defaults are meant".to_owned());
    }
    Ok(text)
}

fn parse(path: &Path, text: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<(Map<String, Value>, bool), String> {
    let (value, is_sidekiqs) = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => (from_toml(text)?, false),
        Some("yml" | "yaml") => (from_yaml(text)?, true),
        Some("erb") => return Err("ERB is Ruby, and cannot be run here; write ${VARIABLE:-default}".to_owned()),
        _ => return Err("its name must end with .toml, or .yml for a file of Sidekiq's".to_owned()),
    };
    match filled_in(value, read)? {
        Value::Object(fields) => Ok((fields, is_sidekiqs)),
        _ => Err("must have keys and values at its top".to_owned()),
    }
}

fn from_toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error| {
        let hint = match text.lines().any(|line| line.trim_start_matches(':').split_once(": ").is_some()) {
            true => "\nIs it YAML? Then its name must end with .yml.",
            false => "",
        };
        format!("is not TOML: {}{hint}", error.to_string().trim_end())
    })
}

fn from_yaml(text: &str) -> Result<Value, String> {
    use saphyr::LoadableYamlNode as _;
    if text.contains("<%") {
        return Err("has ERB in it, which is Ruby and cannot be run here; write ${VARIABLE:-default}".to_owned());
    }
    let documents = saphyr::Yaml::load_from_str(text).map_err(|error| format!("is not YAML: {error}"))?;
    match documents.as_slice() {
        [document] => Ok(json(document)),
        _ => Err("must have one YAML document".to_owned()),
    }
}

/// What a configuration needs of YAML. Keys lose the colon that makes them symbols in Ruby.
fn json(yaml: &saphyr::Yaml<'_>) -> Value {
    use saphyr::{Scalar, Yaml};
    match yaml {
        Yaml::Value(Scalar::Boolean(is)) => Value::Bool(*is),
        Yaml::Value(Scalar::Integer(number)) => Value::Number((*number).into()),
        Yaml::Value(Scalar::FloatingPoint(number)) => Number::from_f64(number.0).map_or(Value::Null, Value::Number),
        Yaml::Value(Scalar::String(text)) => Value::String(text.to_string()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect()),
        Yaml::Mapping(fields) => {
            let key = |key: &Yaml<'_>| match json(key) {
                Value::String(text) => text.trim_start_matches(':').to_owned(),
                other => other.to_string(),
            };
            Value::Object(fields.iter().map(|(name, value)| (key(name), json(value))).collect())
        }
        Yaml::Tagged(_, inner) => json(inner),
        _ => Value::Null,
    }
}

/// Fills in `${VARIABLE}` and `${VARIABLE:-default}` in texts; `$${` stands for `${`.
fn filled_in(value: Value, read: &dyn Fn(&str) -> Option<String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(filled_in_text(&text, read)?),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| filled_in(item, read)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let each = fields.into_iter().map(|(name, value)| Ok((name, filled_in(value, read)?)));
            Value::Object(each.collect::<Result<_, String>>()?)
        }
        other => other,
    })
}

fn filled_in_text(text: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (inside, after) = after
            .split_once('}')
            .ok_or_else(|| format!("{text:?} has ${{ without its }}; write $${{ for the signs alone"))?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.trim();
        match (read(name).filter(|value| !value.trim().is_empty()), default) {
            (Some(value), _) => out.push_str(value.trim_end_matches(['\n', '\r'])),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(format!(
                    "{text:?} needs the variable {name}, which is not set; set it, or write ${{{name}:-default}}"
                ));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Result<String, String> {
        filled_in_text(text, &|name| (name == "SET").then(|| "v\n".to_owned()))
    }

    #[test]
    fn variables_are_filled_in_and_have_defaults() {
        assert_eq!(fill("a${SET}b${NOT:-c}d${NOT:-}").as_deref(), Ok("avbcd"));
        assert_eq!(fill("$${SET}").as_deref(), Ok("${SET}"));
        assert!(fill("${NOT}").unwrap_err().contains("variable NOT, which is not set"));
        assert!(fill("${SET").unwrap_err().contains("without its }"));
    }

    #[test]
    fn a_file_of_sidekiqs_is_read_with_and_without_colons() {
        let file = from_yaml(":concurrency: 5\nqueues:\n  - [high, 2]\n  - low\nproduction:\n  :timeout: 8\n").unwrap();
        let wanted = serde_json::json!({
            "concurrency": 5, "queues": [["high", 2], "low"], "production": { "timeout": 8 },
        });
        assert_eq!(file, wanted);
        assert!(from_yaml("a: <%= 1 %>").unwrap_err().contains("cannot be run here"));
        assert!(from_toml("concurrency: 5").unwrap_err().contains("Is it YAML?"));
    }
}
