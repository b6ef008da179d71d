//! What the options say, and what is wrong with them.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, Pat, Path, ReturnType, Type, UnOp};

use crate::parse::{self, Entry, Function, Listed, Mistakes, Value};
use crate::types::{bare, error_type, is_text, looks_like_a_variant};
use crate::{duration, name, suggest};

/// The most retries a job may ask for; `MAX_RETRIES` of the runtime.
const MAX_RETRIES: u32 = 1000;

/// The longest time a job may be retried for; `MAX_RETRY_FOR` of the runtime.
const MAX_RETRY_FOR_SECONDS: u64 = 1_000_000_000;

const OPTIONS: [&str; 19] = [
    "aliases",
    "crate",
    "dead",
    "derive",
    "discard",
    "discard_if",
    "handle",
    "name",
    "on_arg_error",
    "on_exhausted",
    "queue",
    "retry",
    "retry_for",
    "retry_in",
    "retry_queue",
    "tags",
    "timeout",
    "transient",
    "transient_if",
];

/// Those that jobs of a module may have in common.
const SHARED: [&str; 9] =
    ["crate", "dead", "on_arg_error", "queue", "retry", "retry_for", "retry_queue", "tags", "timeout"];

/// Options with a meaning in the design and none in this version: refused, so that nobody believes they have an effect.
const NOT_YET: [&str; 7] = ["backtrace", "cron", "encrypt", "expires_in", "log_args", "tz", "version"];

/// Beginnings of such options.
const NOT_YET_FAMILIES: [&str; 2] = ["limit", "unique"];

/// What other job systems call it.
const ALSO_KNOWN_AS: [(&str, &str); 16] = [
    ("retries", "retry"),
    ("max_retries", "retry"),
    ("max_attempts", "retry"),
    ("attempts", "retry"),
    ("class", "name"),
    ("rename", "name"),
    ("struct_name", "handle"),
    ("ignore", "transient"),
    ("discard_on", "discard"),
    ("labels", "tags"),
    ("backoff", "retry_in"),
    ("delay", "retry_in"),
    ("retry_until", "retry_for"),
    ("on_death", "on_exhausted"),
    ("retries_exhausted", "on_exhausted"),
    ("formerly", "aliases"),
];

/// What `#[job(…)]` said.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) krate: Option<TokenStream>,
    pub(crate) handle: Option<Ident>,
    pub(crate) name: Option<Name>,
    pub(crate) aliases: Option<Texts>,
    pub(crate) queue: Option<Expr>,
    pub(crate) retry: Option<Retry>,
    pub(crate) retry_in: Option<Expr>,
    pub(crate) retry_queue: Option<Expr>,
    pub(crate) on_exhausted: Option<Expr>,
    pub(crate) dead: Option<Expr>,
    pub(crate) on_arg_error: Option<OnArgError>,
    pub(crate) timeout: Option<Time>,
    pub(crate) tags: Option<Texts>,
    pub(crate) derives: Vec<Path>,
    /// In the order they are asked.
    pub(crate) rules: Vec<Rule>,
}

pub(crate) enum Name {
    Literal(String),
    Const(Box<Expr>),
}

pub(crate) enum Retry {
    Default,
    Never,
    Count(u32),
    Const(Box<Expr>),
    For(Time),
}

#[derive(Clone, Copy)]
pub(crate) enum OnArgError {
    Retry,
    Dead,
}

pub(crate) enum Time {
    Millis(u64),
    Const(Box<Expr>),
}

pub(crate) enum Texts {
    List(Vec<Expr>),
    Const(Box<Expr>),
}

/// What shall become of a job that failed with some error.
pub(crate) struct Rule {
    pub(crate) disposition: Disposition,
    pub(crate) when: When,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disposition {
    Discard,
    Transient,
}

pub(crate) enum When {
    Type(Type),
    Predicate(Expr),
}

/// Reads the options of one job.
pub(crate) fn of_job(entries: Vec<Entry>, function: &Function, mistakes: &mut Mistakes) -> Options {
    read(entries, Place::Job(function), mistakes)
}

/// Reads the options that the jobs of a module have in common.
pub(crate) fn of_module(entries: Vec<Entry>, mistakes: &mut Mistakes) -> Options {
    read(entries, Place::Module, mistakes)
}

fn read(entries: Vec<Entry>, place: Place<'_>, mistakes: &mut Mistakes) -> Options {
    let mut reader = Reader { place, seen: Vec::new(), retry_for: None, options: Options::default(), mistakes };
    for entry in entries {
        reader.entry(entry);
    }
    reader.check_retries();
    let Reader { mut options, mistakes, .. } = reader;
    check_lists(&options.rules, mistakes);
    // Giving up is the more deliberate wish.
    options.rules.sort_by_key(|rule| rule.disposition);
    options
}

/// Reads the options of a function that cannot be read yet: what depends on its signature is not judged.
pub(crate) fn of_unfinished(entries: Vec<Entry>, mistakes: &mut Mistakes) -> Options {
    read(entries, Place::Unfinished, mistakes)
}

/// Where the options stand.
#[derive(Clone, Copy)]
enum Place<'a> {
    Job(&'a Function),
    Unfinished,
    Module,
}

/// Reads the options one after the other.
struct Reader<'a> {
    place: Place<'a>,
    seen: Vec<Ident>,
    retry_for: Option<Time>,
    options: Options,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn entry(&mut self, entry: Entry) {
        let (key, value) = match entry {
            Entry::Option(key, value) => (key, value),
            Entry::Stray(stray) => return self.stray(&stray),
        };
        let word = key.unraw().to_string();
        if !OPTIONS.contains(&word.as_str()) {
            return self.unknown(&key, &word);
        }
        if matches!(self.place, Place::Module) && !SHARED.contains(&word.as_str()) {
            return self.mistakes.on(&key, format!("`{word}` belongs to one job: set it in its `#[job(…)]`"));
        }
        if self.key(&word).is_some() {
            return self.mistakes.on(&key, format!("`{word}` is set more than once"));
        }
        self.seen.push(key.clone());
        if let Value::Nothing = value {
            let example = match word.as_str() {
                "derive" => "`derive(Clone)`".to_owned(),
                _ => format!("`{word} = ...`"),
            };
            return self.mistakes.on(&key, format!("`{word}` needs a value: {example}"));
        }
        match word.as_str() {
            "queue" => self.options.queue = self.queue(&key, value),
            "retry" => self.retry(&key, value),
            "retry_for" => self.retry_for(&key, value),
            "retry_in" => self.retry_in(&key, value),
            "retry_queue" => self.options.retry_queue = self.queue(&key, value),
            "on_exhausted" => self.on_exhausted(&key, value),
            "name" => self.name(&key, value),
            "aliases" => self.aliases(&key, value),
            "handle" => self.handle(&key, value),
            "dead" => self.dead(&key, value),
            "on_arg_error" => self.on_arg_error(&key, value),
            "timeout" => self.timeout(&key, value),
            "tags" => self.tags(&key, value),
            "derive" => self.derive(&key, value),
            "crate" => self.krate(&key, value),
            "transient" => self.types(&key, value, Disposition::Transient),
            "discard" => self.types(&key, value, Disposition::Discard),
            "transient_if" => self.predicate(&key, value, Disposition::Transient),
            "discard_if" => self.predicate(&key, value, Disposition::Discard),
            _ => {}
        }
    }

    /// Where an option was set.
    fn key(&self, word: &str) -> Option<&Ident> {
        self.seen.iter().find(|key| key.unraw() == word)
    }

    /// A job goes by the time or by a count.
    fn check_retries(&mut self) {
        let Some(time) = self.retry_for.take() else { return };
        let message = match &self.options.retry {
            Some(Retry::Never) => "`retry = false` and `retry_for` contradict each other; leave one out",
            Some(Retry::Count(_) | Retry::Const(_)) => {
                "with `retry_for` the time decides and a count would do nothing; leave one out"
            }
            _ => {
                self.options.retry = Some(Retry::For(time));
                return;
            }
        };
        if let Some(key) = self.key("retry").cloned() {
            self.mistakes.on(&key, message);
        }
    }

    fn stray(&mut self, stray: &Expr) {
        let hint = match literal(stray) {
            Some(Lit::Str(text)) => format!("; to set the queue write `queue = {}`", text.to_token_stream()),
            Some(Lit::Int(count)) => format!("; to set the retries write `retry = {count}`"),
            _ => String::new(),
        };
        self.mistakes.on(&stray, format!("expected `key = value`{hint}"));
    }

    fn unknown(&mut self, key: &Ident, word: &str) {
        if NOT_YET.contains(&word) || NOT_YET_FAMILIES.iter().any(|family| word.starts_with(family)) {
            return self.mistakes.on(&key, format!("`{word}` is not supported yet"));
        }
        let options = match self.place {
            Place::Job(_) | Place::Unfinished => OPTIONS.as_slice(),
            Place::Module => SHARED.as_slice(),
        };
        let known = ALSO_KNOWN_AS.iter().find(|(other, known)| *other == word && options.contains(known));
        let message = match known.map(|(_, known)| *known).or_else(|| suggest::closest(word, options)) {
            Some(meant) => format!("unknown option `{word}`; did you mean `{meant}`?"),
            None => format!("unknown option `{word}`; expected one of `{}`", options.join("`, `")),
        };
        self.mistakes.on(&key, message);
    }

    fn queue(&mut self, key: &Ident, value: Value) -> Option<Expr> {
        let takes = format!("takes a string: `{key} = \"high\"`");
        let value = self.expression(key, value, &takes)?;
        match literal(&value) {
            Some(Lit::Str(text)) => match name::queue_fault(&text.value()) {
                Some(fault) => {
                    self.mistakes.on(&text, fault);
                    None
                }
                None => Some(value),
            },
            Some(other) => {
                self.mistakes.on(&other, format!("`{key}` {takes}"));
                None
            }
            None => Some(value),
        }
    }

    fn retry(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a count, or `true` for the default (25) or `false` for none";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        if let Expr::Unary(negative) = &value
            && matches!(negative.op, UnOp::Neg(_))
        {
            let message = "`retry` cannot be negative; use `retry = false` to turn retries off";
            return self.mistakes.on(&value, message);
        }
        match literal(&value) {
            Some(Lit::Bool(on)) => self.options.retry = Some(if on.value { Retry::Default } else { Retry::Never }),
            Some(Lit::Int(count)) => match count.base10_parse::<u32>() {
                Ok(count) if count <= MAX_RETRIES => self.options.retry = Some(Retry::Count(count)),
                _ => self.mistakes.on(&count, format!("`retry` may be at most {MAX_RETRIES}")),
            },
            Some(other) => self.mistakes.on(&other, format!("`retry` {TAKES}")),
            None => self.options.retry = Some(Retry::Const(Box::new(value))),
        }
    }

    fn retry_for(&mut self, key: &Ident, value: Value) {
        let Some((time, at)) = self.time(key, value) else { return };
        let fault = match time {
            Time::Millis(millis) if millis % 1000 != 0 => "`retry_for` counts whole seconds".to_owned(),
            Time::Millis(millis) if millis / 1000 > MAX_RETRY_FOR_SECONDS => {
                format!("`retry_for` may be at most {MAX_RETRY_FOR_SECONDS} seconds")
            }
            _ => {
                self.retry_for = Some(time);
                return;
            }
        };
        self.mistakes.at(at, fault);
    }

    fn retry_in(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a function that says when to try again: `retry_in = patient`, with \
                             `fn patient(retry: &RetryContext<'_>) -> RetryIn`";
        if let Some(function) = self.function(key, value, TAKES)
            && !self.is_elsewhere(key)
        {
            self.options.retry_in = Some(function);
        }
    }

    fn on_exhausted(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes an async function that is run at the end: `on_exhausted = refund`, with \
                             `async fn refund(dead: DeadJob)`";
        if let Some(function) = self.function(key, value, TAKES)
            && !self.is_elsewhere(key)
        {
            self.options.on_exhausted = Some(function);
        }
    }

    fn function(&mut self, key: &Ident, value: Value, takes: &str) -> Option<Expr> {
        let value = self.expression(key, value, takes)?;
        if literal(&value).is_some() {
            self.mistakes.on(&value, format!("`{key}` {takes}"));
            return None;
        }
        Some(value)
    }

    fn aliases(&mut self, key: &Ident, value: Value) {
        let aliases = self.texts(key, value, "takes a list of former names: `aliases = [\"OldName\"]`", |text| {
            (!name::is_job_name(text)).then_some(name::JOB_NAME_RULE)
        });
        if let Some(Texts::List(aliases)) = &aliases {
            let mut seen = Vec::new();
            for alias in aliases {
                if let Some(Lit::Str(text)) = literal(alias) {
                    let name = text.value();
                    if seen.contains(&name) {
                        self.mistakes.on(&text, format!("`{name}` is listed twice"));
                    }
                    seen.push(name);
                }
            }
        }
        if !self.is_elsewhere(key) {
            self.options.aliases = aliases;
        }
    }

    fn name(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a string: `name = \"Pdf::RenderJob\"`";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        match literal(&value) {
            Some(Lit::Str(text)) if name::is_job_name(&text.value()) => {
                self.options.name = Some(Name::Literal(text.value()));
            }
            Some(Lit::Str(text)) => self.mistakes.on(&text, name::JOB_NAME_RULE),
            Some(other) => self.mistakes.on(&other, format!("`name` {TAKES}")),
            None => self.options.name = Some(Name::Const(Box::new(value))),
        }
    }

    fn handle(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes the name of a struct to write: `handle = SendWelcome`";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        match &value {
            Expr::Path(path) if path.qself.is_none() && path.path.get_ident().is_some() => {
                self.options.handle = path.path.get_ident().cloned();
            }
            _ => self.mistakes.on(&value, format!("`handle` {TAKES}")),
        }
    }

    fn dead(&mut self, key: &Ident, value: Value) {
        let Some(value) = self.expression(key, value, "takes `true` or `false`") else { return };
        match literal(&value) {
            Some(Lit::Bool(_)) | None => self.options.dead = Some(value),
            Some(other) => self.mistakes.on(&other, "`dead` takes `true` or `false`"),
        }
    }

    fn on_arg_error(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes `retry` (wait for a deploy) or `dead` (at once to the dead set), without quotes";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        let word = match &value {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        self.options.on_arg_error = match word.as_deref() {
            Some("retry") => Some(OnArgError::Retry),
            Some("dead") => Some(OnArgError::Dead),
            _ => return self.mistakes.on(&value, format!("`on_arg_error` {TAKES}")),
        };
    }

    fn timeout(&mut self, key: &Ident, value: Value) {
        let Some((timeout, _)) = self.time(key, value) else { return };
        if self.is_elsewhere(key) {
            return;
        }
        if let Place::Job(function) = self.place
            && function.sig.asyncness.is_none()
        {
            let message = "a blocking function cannot be stopped, so `timeout` would do nothing; make the function `async`, or \
                           let it look at the clock itself";
            return self.mistakes.on(&key, message);
        }
        self.options.timeout = Some(timeout);
    }

    /// A length of time, and where it stands.
    fn time(&mut self, key: &Ident, value: Value) -> Option<(Time, Span)> {
        let takes = format!("takes a time: `{key} = \"30s\"` or a `Duration` expression");
        let value = self.expression(key, value, &takes)?;
        let message = match literal(&value) {
            Some(Lit::Str(text)) => match duration::parse(&text.value()) {
                Some(0) => format!("`{key}` must be longer than zero"),
                Some(millis) => return Some((Time::Millis(millis), text.span())),
                None => format!("`{}` is not a duration; write it like \"30s\", \"10m\" or \"1h30m\"", text.value()),
            },
            Some(Lit::Int(count)) => {
                format!("`{key}` needs a unit: write `{key} = \"{count}s\"` or a `Duration` expression")
            }
            Some(_) => format!("`{key}` {takes}"),
            None => {
                let span = value.span();
                return Some((Time::Const(Box::new(value)), span));
            }
        };
        self.mistakes.on(&value, message);
        None
    }

    fn tags(&mut self, key: &Ident, value: Value) {
        self.options.tags = self.texts(key, value, "takes a list of strings: `tags = [\"billing\"]`", |text| {
            text.is_empty().then_some("a tag must not be empty")
        });
    }

    /// A list of strings, each of which has its rule.
    fn texts(
        &mut self,
        key: &Ident,
        value: Value,
        takes: &str,
        fault: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<Texts> {
        match value {
            Value::List(inside, _) => {
                let mut texts = Vec::new();
                for text in parse::expressions(inside, self.mistakes) {
                    match literal(&text) {
                        Some(Lit::Str(literal)) => match fault(&literal.value()) {
                            Some(fault) => self.mistakes.on(&literal, fault),
                            None => texts.push(text),
                        },
                        Some(other) => self.mistakes.on(&other, format!("`{key}` {takes}")),
                        None => texts.push(text),
                    }
                }
                Some(Texts::List(texts))
            }
            Value::Expr(value) => match literal(&value) {
                Some(other) => {
                    self.mistakes.on(&other, format!("`{key}` {takes}"));
                    None
                }
                None => Some(Texts::Const(value)),
            },
            Value::Arguments(_) | Value::Nothing => {
                self.mistakes.on(&key, format!("`{key}` {takes}"));
                None
            }
        }
    }

    fn derive(&mut self, key: &Ident, value: Value) {
        let Value::Arguments(inside) = value else {
            return self.mistakes.on(&key, "write it as in Rust: `derive(Clone)`");
        };
        for derive in parse::expressions(inside, self.mistakes) {
            match derive {
                // It is there already, and prints the stored arguments.
                Expr::Path(derive) if derive.path.is_ident("Debug") => {}
                Expr::Path(derive) if derive.qself.is_none() => self.options.derives.push(derive.path),
                other => self.mistakes.on(&other, "`derive` takes names of derives: `derive(Clone)`"),
            }
        }
    }

    fn krate(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a path: `crate = ::my_kiq`";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        match &value {
            Expr::Path(path) if path.qself.is_none() => self.options.krate = Some(path.path.to_token_stream()),
            other => match literal(other) {
                Some(Lit::Str(text)) => match text.parse_with(Path::parse_mod_style) {
                    Ok(path) => self.options.krate = Some(path.to_token_stream()),
                    Err(_) => self.mistakes.on(&text, format!("`crate` {TAKES}")),
                },
                _ => self.mistakes.on(&other, format!("`crate` {TAKES}")),
            },
        }
    }

    fn types(&mut self, key: &Ident, value: Value, disposition: Disposition) {
        let inside = match value {
            Value::List(inside, _) => inside,
            Value::Expr(value) => {
                let example = match &*value {
                    Expr::Path(path) => path.to_token_stream().to_string().replace(' ', ""),
                    _ => "HttpError".to_owned(),
                };
                let message = match &*value {
                    Expr::Closure(_) => format!("`{key}` takes types; for a predicate use `{key}_if = ...`"),
                    _ => format!("`{key}` takes a list of error types: `{key} = [{example}]`"),
                };
                return self.mistakes.on(&value, message);
            }
            Value::Arguments(_) | Value::Nothing => {
                let message = format!("`{key}` takes a list of error types: `{key} = [HttpError]`");
                return self.mistakes.on(&key, message);
            }
        };
        let has_error = self.has_error(key);
        for listed in parse::types(inside, self.mistakes) {
            match listed {
                Listed::Type(ty) | Listed::Pattern(ty) if looks_like_a_variant(&ty).is_some() => {
                    let of = looks_like_a_variant(&ty).unwrap_or_default();
                    let variant = ty.to_token_stream().to_string().replace(' ', "");
                    let message = format!(
                        "`{variant}` looks like an enum variant, and `{key}` takes types; write \
                         `{key}_if = |e: &{of}| matches!(e, {variant} {{ .. }})`"
                    );
                    self.mistakes.on(&ty, message);
                }
                Listed::Pattern(ty) => {
                    self.mistakes.on(&ty, format!("`{key}` takes types; for a pattern use `{key}_if = ...`"));
                }
                Listed::Literal(literal) => {
                    let message = match &literal {
                        Lit::Str(text) => format!("error types are written without quotes: `{}`", text.value()),
                        _ => format!("`{key}` takes a list of error types: `{key} = [HttpError]`"),
                    };
                    self.mistakes.on(&literal, message);
                }
                Listed::Closure(closure) => {
                    let message = format!("`{key}` takes types; for a predicate use `{key}_if = ...`");
                    self.mistakes.on(&closure, message);
                }
                Listed::Type(ty) if has_error => {
                    self.options.rules.push(Rule { disposition, when: When::Type(*ty) });
                }
                Listed::Type(_) => {}
            }
        }
    }

    fn predicate(&mut self, key: &Ident, value: Value, disposition: Disposition) {
        let takes = format!("`{key}` takes one function or closure: `{key} = |e: &HttpError| e.is_timeout()`");
        let value = match value {
            Value::Expr(value) => *value,
            Value::List(_, span) => return self.mistakes.at(span, takes),
            Value::Arguments(_) | Value::Nothing => return self.mistakes.on(&key, takes),
        };
        if literal(&value).is_some() {
            return self.mistakes.on(&value, takes);
        }
        if let Expr::Closure(closure) = &value
            && let Some(input) = closure.inputs.first()
            && !matches!(input, Pat::Type(_))
        {
            let message =
                format!("say which error type the closure looks at: `|{}: &HttpError| …`", input.to_token_stream());
            return self.mistakes.on(&input, message);
        }
        if self.has_error(key) {
            self.options.rules.push(Rule { disposition, when: When::Predicate(value) });
        }
    }

    /// Whether the function returns an error whose type can be looked at.
    fn has_error(&mut self, key: &Ident) -> bool {
        let Place::Job(function) = self.place else { return false };
        if self.is_elsewhere(key) {
            return false;
        }
        let ty = match &function.sig.output {
            ReturnType::Type(_, ty) if !matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty()) => bare(ty),
            _ => {
                let message = format!(
                    "`{}` returns nothing, so it has no error to match; return `Result<(), E>`",
                    function.sig.ident.unraw()
                );
                self.mistakes.on(&key, message);
                return false;
            }
        };
        match error_type(ty) {
            Some(error) if is_text(error) => {
                let message = format!(
                    "`{}` carries no error type to match; return an error type such as a `thiserror` enum or \
                     `anyhow::Error`",
                    error.to_token_stream().to_string().replace("& ", "&")
                );
                self.mistakes.on(&error, message);
                false
            }
            _ => true,
        }
    }

    fn is_elsewhere(&mut self, key: &Ident) -> bool {
        match self.place {
            Place::Job(function) if function.body.is_none() => {
                let message = format!(
                    "`{key}` is for whoever performs the job, and `{}` has no body: it is performed elsewhere",
                    function.sig.ident.unraw()
                );
                self.mistakes.on(&key, message);
                true
            }
            _ => false,
        }
    }

    fn expression(&mut self, key: &Ident, value: Value, takes: &str) -> Option<Expr> {
        match value {
            Value::Expr(value) => Some(*value),
            Value::List(_, span) => {
                self.mistakes.at(span, format!("`{key}` {takes}"));
                None
            }
            Value::Arguments(_) | Value::Nothing => {
                self.mistakes.on(&key, format!("`{key}` {takes}"));
                None
            }
        }
    }
}

/// One error cannot have two fates.
fn check_lists(rules: &[Rule], mistakes: &mut Mistakes) {
    let types = |of: Disposition| {
        rules.iter().filter_map(move |rule| match &rule.when {
            When::Type(ty) if rule.disposition == of => Some(ty),
            _ => None,
        })
    };
    for ty in types(Disposition::Transient) {
        let text = ty.to_token_stream().to_string();
        if types(Disposition::Discard).any(|other| other.to_token_stream().to_string() == text) {
            let shown = text.replace(' ', "");
            mistakes.on(&ty, format!("`{shown}` is listed in both `transient` and `discard`"));
        }
    }
}

pub(crate) fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}
