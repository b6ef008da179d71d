//! For those who move between Ruby and Rust: Ruby classes for Rust jobs, and Rust functions for Ruby classes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use clap::ArgMatches;
use kiq::inspect::{Found, JobSet};
use kiq::{Inspector, Payload};
use serde_json::{Value, json};

use crate::output::{Fault, Output};

use super::{number, text};

/// Jobs asked for at once.
const PAGE: usize = 500;

/// Words of Rust that cannot be the name of a function, and one that a job cannot have.
const KEYWORDS: [&str; 39] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "main",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct",
];

/// More of them.
const MORE_KEYWORDS: [&str; 15] = [
    "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while",
    "yield", "union", "test",
];

/// Has a worker program write the Ruby classes of its jobs. Only it knows them.
pub(super) fn stubs(given: &ArgMatches) -> Result<(), Fault> {
    let program = text(given, "program");
    let status = Command::new(program).arg("--ruby-stubs").stdin(Stdio::null()).status().map_err(|error| {
        Fault::No(format!("{program} cannot be run: {error}; name your worker program, as ./target/release/worker"))
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(Fault::No(format!(
            "{program} --ruby-stubs ended with {status}; is it a worker made with kiq::Program?"
        ))),
    }
}

/// Writes Rust functions for the classes of the jobs that are found.
pub(super) async fn skeletons(inspector: &Inspector, given: &ArgMatches, output: &Output) -> Result<(), Fault> {
    let mut classes = Classes::default();
    match given.get_one::<std::path::PathBuf>("file") {
        Some(file) => {
            let shown = file.display();
            let lines =
                std::fs::read_to_string(file).map_err(|error| Fault::No(format!("{shown} cannot be read: {error}")))?;
            for (at, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let payload = Payload::parse(line.as_bytes());
                classes.see(
                    &payload.map_err(|error| Fault::No(format!("line {} of {shown} is no job: {error}", at + 1)))?,
                );
            }
        }
        None => classes.look(inspector, number(given, "sample")).await?,
    }
    if classes.0.is_empty() {
        return Err(Fault::No("no jobs were found; enqueue some, or give a --file with one payload a line".to_owned()));
    }
    let list = classes.0.iter().map(|(name, class)| {
        json!({ "class": name, "queue": class.queue, "seen": class.seen, "args": class.args.iter().map(|kind| kind.word()).collect::<Vec<_>>() })
    });
    output.say(&list.collect::<Vec<Value>>().into(), || classes.rust())
}

/// The classes that were seen, by name.
#[derive(Debug, Default)]
struct Classes(BTreeMap<String, Class>);

#[derive(Debug, Default)]
struct Class {
    seen: usize,
    queue: String,
    args: Vec<Kind>,
    /// The fewest arguments seen: those after may be left out.
    fewest: usize,
}

/// The values that were seen in one place.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kind {
    /// Absent or null at times.
    is_optional: bool,
    what: What,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum What {
    /// Only null so far.
    #[default]
    Nothing,
    Bool,
    Unsigned,
    Signed,
    /// An integer beyond 64 bits.
    Huge,
    Float,
    Text,
    List(Box<Kind>),
    Object,
    Mixed,
}

impl Classes {
    /// At most `sample` jobs of each queue and set.
    async fn look(&mut self, inspector: &Inspector, sample: usize) -> Result<(), Fault> {
        let mut see =
            |page: &[Found]| page.iter().filter_map(|found| found.payload.as_ref().ok()).for_each(|job| self.see(job));
        for queue in inspector.queues().await? {
            for skip in (0..sample).step_by(PAGE) {
                let page = inspector.queue(&queue.name, skip, PAGE.min(sample - skip)).await?;
                see(&page);
                if page.len() < PAGE {
                    break;
                }
            }
        }
        for set in [JobSet::Scheduled, JobSet::Retry, JobSet::Dead] {
            for skip in (0..sample).step_by(PAGE) {
                let page = inspector.set(set, skip, PAGE.min(sample - skip)).await?;
                see(&page);
                if page.len() < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, job: &Payload) {
        let wrapped = job.wrapped().and_then(|job| Some((job.class()?, job.arguments())));
        let (name, args) = wrapped.unwrap_or_else(|| (job.class().to_owned(), Some(job.args())));
        let args: Vec<Value> = args.and_then(|args| serde_json::from_str(args.get()).ok()).unwrap_or_default();
        let class = self.0.entry(name).or_insert_with(|| Class { fewest: usize::MAX, ..Class::default() });
        class.seen += 1;
        class.queue = job.queue().unwrap_or_else(|| "default".to_owned());
        class.fewest = class.fewest.min(args.len());
        class.args.resize_with(class.args.len().max(args.len()), Kind::default);
        for (kind, value) in class.args.iter_mut().zip(&args) {
            kind.see(value);
        }
    }

    fn rust(&self) -> String {
        let mut text = String::new();
        let mut functions = BTreeSet::new();
        for (name, class) in &self.0 {
            let queue = &class.queue;
            // Both were found in Redis, where anybody may have put anything.
            if !is_class(name) || !is_queue(queue) {
                line(&mut text, format_args!("// Left out: {name:?} in queue {queue:?} cannot be a job of Rust.\n"));
                continue;
            }
            let short = snake(name.rsplit("::").next().unwrap_or(name));
            let long = name.split("::").map(snake).collect::<Vec<_>>().join("_");
            let mut function = if functions.contains(&short) { long } else { short };
            if KEYWORDS.iter().chain(&MORE_KEYWORDS).any(|word| *word == function) {
                function.push_str("_job");
            }
            while !functions.insert(function.clone()) {
                function.push_str("_too");
            }
            class.write(&mut text, name, &function);
        }
        text
    }
}

/// What Ruby and kiq both take for the name of a job: constants, with `::` between them.
fn is_class(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.split("::").all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()) && part.chars().all(is_word))
}

fn is_queue(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    (1..=128).contains(&name.len()) && name.chars().all(fits)
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "{what}");
}

impl Class {
    fn write(&self, text: &mut String, name: &str, function: &str) {
        let args = self.args.iter().enumerate().map(|(at, kind)| {
            let is_optional = kind.is_optional || at >= self.fewest;
            let word = kind.word();
            let default = if at >= self.fewest { "#[arg(default)] " } else { "" };
            format!("{default}arg{}: {}", at + 1, if is_optional { format!("Option<{word}>") } else { word })
        });
        let args = args.collect::<Vec<_>>().join(", ");
        let (seen, queue) = (self.seen, &self.queue);
        line(
            text,
            format_args!(
                "/// {name} of Ruby, as {seen} of its jobs were found. Name the arguments, and check their types."
            ),
        );
        line(text, format_args!("#[kiq::job(name = \"{name}\", queue = \"{queue}\")]"));
        line(text, format_args!("pub async fn {function}({args}) {{"));
        for at in 1..=self.args.len() {
            line(text, format_args!("    let _ = arg{at};"));
        }
        line(text, format_args!("    unimplemented!(\"{name} is not written yet\")\n}}\n"));
    }
}

impl Kind {
    fn see(&mut self, value: &Value) {
        let seen = match value {
            Value::Null => {
                self.is_optional = true;
                return;
            }
            Value::Bool(_) => What::Bool,
            Value::Number(number) if number.is_u64() => What::Unsigned,
            Value::Number(number) if number.is_i64() => What::Signed,
            // serde_json reads an integer beyond 64 bits as a float.
            Value::Number(number)
                if number.as_f64().is_some_and(|float| float.fract() == 0.0 && float.abs() >= 1e19) =>
            {
                What::Huge
            }
            Value::Number(_) => What::Float,
            Value::String(_) => What::Text,
            Value::Array(values) => {
                let mut kind = match std::mem::take(&mut self.what) {
                    What::List(kind) => *kind,
                    What::Nothing => Kind::default(),
                    other => {
                        self.what = other;
                        Kind::default()
                    }
                };
                values.iter().for_each(|value| kind.see(value));
                What::List(Box::new(kind))
            }
            Value::Object(_) => What::Object,
        };
        self.what = match (std::mem::take(&mut self.what), seen) {
            (What::Nothing, seen) => seen,
            (known, seen) if known == seen => seen,
            (What::Unsigned | What::Signed, What::Unsigned | What::Signed) => What::Signed,
            (What::Unsigned | What::Signed | What::Float, What::Float)
            | (What::Float, What::Unsigned | What::Signed) => What::Float,
            (What::Unsigned | What::Signed | What::Huge, What::Huge) | (What::Huge, What::Unsigned | What::Signed) => {
                What::Huge
            }
            (What::List(_), What::List(seen)) => What::List(seen),
            _ => What::Mixed,
        };
    }

    /// The type of Rust that takes them all.
    fn word(&self) -> String {
        match &self.what {
            What::Bool => "bool".to_owned(),
            What::Unsigned => "u64".to_owned(),
            What::Signed => "i64".to_owned(),
            What::Huge => "Box<serde_json::value::RawValue>".to_owned(),
            What::Float => "f64".to_owned(),
            What::Text => "String".to_owned(),
            What::List(kind) if kind.is_optional => format!("Vec<Option<{}>>", kind.word()),
            What::List(kind) => format!("Vec<{}>", kind.word()),
            What::Object => "serde_json::Map<String, serde_json::Value>".to_owned(),
            What::Nothing | What::Mixed => "serde_json::Value".to_owned(),
        }
    }
}

/// `ChargeCard` and `HTTPJob` as Rust names functions.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let after_small =
            at > 0 && chars.get(at - 1).is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let before_small = at > 0 && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_small || before_small) && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase().map(|c| if c.is_alphanumeric() { c } else { '_' }));
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(args: &[&str]) -> Classes {
        let mut classes = Classes::default();
        for args in args {
            let text = format!(r#"{{"class":"Billing::ChargeCard","queue":"mail","args":{args}}}"#);
            classes.see(&Payload::parse(text.as_bytes()).unwrap());
        }
        classes
    }

    fn types(args: &[&str]) -> Vec<String> {
        classes(args).0["Billing::ChargeCard"].args.iter().map(Kind::word).collect()
    }

    #[test]
    fn an_argument_has_the_type_that_takes_all_that_was_seen() {
        assert_eq!(
            types(&[r#"[1,-1,1.5,"a",true,null]"#]),
            ["u64", "i64", "f64", "String", "bool", "serde_json::Value"]
        );
        assert_eq!(
            types(&["[1,1,1,1]", r#"[-1,1.5,"a",99999999999999999999]"#]),
            ["i64", "f64", "serde_json::Value", "Box<serde_json::value::RawValue>"]
        );
        assert_eq!(
            types(&["[[],[1,null],{}]", "[[1],[2],{\"a\":1}]"]),
            ["Vec<u64>", "Vec<Option<u64>>", "serde_json::Map<String, serde_json::Value>"]
        );
    }

    #[test]
    fn a_function_is_written_for_a_class() {
        let text = classes(&["[7]", r#"[8,"EUR"]"#]).rust();
        assert!(text.contains("#[kiq::job(name = \"Billing::ChargeCard\", queue = \"mail\")]\n"), "{text}");
        assert!(text.contains("pub async fn charge_card(arg1: u64, #[arg(default)] arg2: Option<String>) {"), "{text}");
        assert!(text.contains("as 2 of its jobs"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_function_of_rust_gets_another_name_or_is_left_out() {
        let mut classes = Classes::default();
        for class in ["Match", "Main", "A::Charge", "B::Charge", "A\\nuse x;\\\"", "2Fa", "Billing::"] {
            let text = format!(r#"{{"class":"{class}","queue":"q","args":[1,2,3,4,5,6,7,8,9,10,11,12,13,14]}}"#);
            classes.see(&Payload::parse(text.as_bytes()).unwrap());
        }
        let text = classes.rust();
        for function in ["fn match_job(", "fn main_job(", "fn charge(", "fn b_charge("] {
            assert_eq!(text.matches(function).count(), 1, "{function} in {text}");
        }
        assert_eq!(text.matches("// Left out: ").count(), 3, "{text}");
        assert!(!text.lines().any(|line| line.starts_with("use")), "{text}");
    }

    #[test]
    fn names_of_classes_become_names_of_functions() {
        for (class, function) in
            [("ChargeCard", "charge_card"), ("HTTPJob", "http_job"), ("Send2FA", "send2_fa"), ("A", "a")]
        {
            assert_eq!(snake(class), function);
        }
    }

    #[test]
    fn an_active_job_is_seen_as_what_it_wraps() {
        let mut classes = Classes::default();
        let text = r#"{"class":"Sidekiq::ActiveJob::Wrapper","wrapped":"Mail","args":[{"arguments":[7,"a"]}]}"#;
        classes.see(&Payload::parse(text.as_bytes()).unwrap());
        assert_eq!(classes.0["Mail"].args.iter().map(Kind::word).collect::<Vec<_>>(), ["u64", "String"]);
    }
}
