//! The jobs of a program as Ruby classes, so that Ruby can enqueue them.
//!
//! Each class has the job's queue and options as its `sidekiq_options`, and its arguments by name: Ruby refuses a wrong number
//! of them where the job is enqueued, and not first the worker that runs it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::job::{JobDef, Registry, Retry};

/// Words of Ruby that cannot be the name of an argument.
const KEYWORDS: [&str; 22] = [
    "alias", "and", "begin", "case", "class", "def", "defined", "do", "end", "ensure", "module", "next", "nil", "not",
    "or", "redo", "rescue", "retry", "then", "undef", "unless", "until",
];

/// The jobs of a program as Ruby classes: a file for the Ruby program that shall enqueue them with Sidekiq's client. What a
/// [`Program`](super::Program) prints for `--ruby-stubs`.
///
/// Each class has the queue, the retries and the other options of the job, and its arguments by name: `perform_async`,
/// `perform_in` and `perform_at` refuse a wrong number of them. Its `perform` only says that Rust performs it.
///
/// # Examples
/// ```standalone_crate
/// #[kiq::job(name = "Billing::ChargeCard", queue = "rust", retry = 7)]
/// async fn charge_card(order_id: u64, currency: String) { println!("{order_id} {currency}"); }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ruby = kiq::program::ruby_stubs(&kiq::Registry::linked()?, "shop-worker");
/// assert!(ruby.contains("class Billing::ChargeCard\n"));
/// assert!(ruby.contains("sidekiq_options queue: 'rust', retry: 7\n"));
/// assert!(ruby.contains("def self.perform_async(order_id, currency) = super\n"));
/// # Ok(())
/// # }
/// ```
pub fn ruby_stubs(registry: &Registry, program: &str) -> String {
    let mut text = format!(
        "# frozen_string_literal: true\n\n\
         # The jobs of the Rust program {program}, for Ruby programs that enqueue them. Written by `{program} --ruby-stubs`;\n\
         # changes are lost with the next time.\n\n\
         require \"sidekiq\"\n"
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
    let params: Vec<String> = job.params.iter().map(|name| param(name)).collect();
    let params = params.join(", ");
    let then = if params.is_empty() { String::new() } else { format!(", {params}") };
    let options = options(job);
    let (name, path) = (job.name, job.path);
    line(text, format_args!("# {path}"));
    line(text, format_args!("class {name}"));
    line(text, format_args!("  include Sidekiq::Worker"));
    line(text, format_args!("  sidekiq_options {options}\n"));
    line(text, format_args!("  def self.perform_async({params}) = super"));
    line(text, format_args!("  def self.perform_in(interval{then}) = super"));
    line(text, format_args!("  def self.perform_at(time{then}) = super\n"));
    line(text, format_args!("  def perform({params})"));
    line(text, format_args!("    raise NotImplementedError, {}", quoted(&format!("{name} is performed by Rust"))));
    line(text, format_args!("  end\nend"));
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "{what}");
}

fn param(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("{name}_") } else { name.to_owned() }
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
