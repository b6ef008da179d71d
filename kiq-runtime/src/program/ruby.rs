//! The jobs of a program as Ruby classes, so that Ruby can enqueue them.
//!
//! Each class has the job's queue and options as its `sidekiq_options`, and its arguments by name: Ruby refuses a wrong number of
//! them where it enqueues, and not first the worker that runs the job.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::job::{JobDef, Registry, Retry};

/// Words that cannot be the name of an argument.
const TAKEN: [&str; 41] = [
    "BEGIN",
    "END",
    "__ENCODING__",
    "__FILE__",
    "__LINE__",
    "alias",
    "and",
    "begin",
    "break",
    "case",
    "class",
    "def",
    "defined",
    "do",
    "else",
    "elsif",
    "end",
    "ensure",
    "false",
    "for",
    "if",
    "in",
    "module",
    "next",
    "nil",
    "not",
    "or",
    "redo",
    "rescue",
    "retry",
    "return",
    "self",
    "super",
    "then",
    "true",
    "undef",
    "unless",
    "until",
    "when",
    "while",
    "yield",
];

/// What the classes share, in Ruby.
const SHARED: &str = include_str!("stubs.rb");

/// The jobs of a program as Ruby classes: a file for the Ruby program that shall enqueue them with Sidekiq's client. What a
/// [`Program`](super::Program) prints for `--ruby-stubs`.
///
/// Each class has the queue, the retries and the other options of the job, and its arguments by name; those that a payload may
/// lack may be left out. A wrong number is refused by `perform_async`, `perform_in`, `perform_at` and `perform_bulk`, also after
/// `set(…)`; not by `Sidekiq::Client.push` itself. Its `perform` only says that Rust performs it. A job whose name Ruby has
/// already for something else (`Process`, `Set`) cannot be a class there: loading the file says so.
///
/// # Examples
/// ```standalone_crate
/// #[kiq::job(name = "Billing::ChargeCard", queue = "rust", retry = 7)]
/// async fn charge_card(order_id: u64, currency: Option<String>) { println!("{order_id} {currency:?}"); }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ruby = kiq::program::ruby_stubs(&kiq::Registry::linked()?, "shop-worker");
/// assert!(ruby.contains("class Billing::ChargeCard\n"));
/// assert!(ruby.contains("sidekiq_options queue: 'rust', retry: 7\n"));
/// assert!(ruby.contains("def perform(order_id, currency = nil)\n"));
/// # Ok(())
/// # }
/// ```
pub fn ruby_stubs(registry: &Registry, program: &str) -> String {
    let mut text = format!(
        "# frozen_string_literal: true\n\n\
         # The jobs of the Rust program {program}, for Ruby programs that enqueue them. Written by `{program} --ruby-stubs`;\n\
         # changes are lost with the next time.\n\n\
         require \"sidekiq\"\n\n{SHARED}"
    );
    let mut modules = BTreeSet::new();
    for job in registry.iter() {
        write_class(&mut text, job, &mut modules);
    }
    text
}

fn write_class(text: &mut String, job: &JobDef, modules: &mut BTreeSet<String>) {
    text.push('\n');
    for (end, _) in job.name.match_indices("::") {
        let module = job.name.get(..end).unwrap_or_default();
        if modules.insert(module.to_owned()) {
            // It may be a class of the Ruby program, too.
            line(text, format_args!("module {module}; end unless defined?({module})"));
        }
    }
    let least = job.params.len().saturating_sub(job.optional);
    let params = params(job.params).into_iter().enumerate();
    let params: Vec<String> =
        params.map(|(at, name)| if at < least { name } else { format!("{name} = nil") }).collect();
    let params = params.join(", ");
    let options = options(job);
    let (name, path) = (job.name, job.path);
    let (parent, own) = name.rsplit_once("::").unwrap_or(("Object", name));
    line(text, format_args!("KiqArguments.check_name({parent}, :{own})"));
    line(text, format_args!("# {path}"));
    line(text, format_args!("class {name}"));
    line(text, format_args!("  include Sidekiq::Worker"));
    line(text, format_args!("  extend KiqArguments"));
    line(text, format_args!("  sidekiq_options {options}\n"));
    let signature = if params.is_empty() { String::new() } else { format!("({params})") };
    line(text, format_args!("  def perform{signature}"));
    line(text, format_args!("    raise NotImplementedError, {}", quoted(&format!("{name} is performed by Rust"))));
    line(text, format_args!("  end\nend"));
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "{what}");
}

/// Names that Ruby takes for those of arguments, each once.
fn params(names: &[&str]) -> Vec<String> {
    let mut params: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        // A constant cannot be an argument, and `_1` is Ruby's own.
        let mut param = name.trim_start_matches("r#").to_lowercase();
        if TAKEN.contains(&param.as_str()) || TAKEN.contains(name) || param.starts_with('_') {
            param.push('_');
        }
        while params.contains(&param) {
            param.push('_');
        }
        params.push(param);
    }
    params
}

fn options(job: &JobDef) -> String {
    let options = &job.options;
    let mut list = vec![format!("queue: {}", quoted(options.queue))];
    match options.retry {
        Retry::Default => {}
        Retry::Never => list.push("retry: false".to_owned()),
        Retry::Max(retries) => list.push(format!("retry: {retries}")),
        Retry::For(time) => list.push(format!("retry_for: {}", time.as_secs())),
    }
    if let Some(queue) = options.retry_queue {
        list.push(format!("retry_queue: {}", quoted(queue)));
    }
    if !options.dead {
        list.push("dead: false".to_owned());
    }
    if !options.tags.is_empty() {
        let tags: Vec<String> = options.tags.iter().map(|tag| quoted(tag)).collect();
        list.push(format!("tags: [{}]", tags.join(", ")));
    }
    list.join(", ")
}

/// A text as a Ruby literal. Between single quotes only the quote and the backslash mean something.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
