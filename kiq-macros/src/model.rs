//! What the parts mean: which parameters are stored, what the options say, and every mistake there is.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, Lit, Meta, Pat, PatType, Path, PathArguments, ReturnType, Safety,
    Signature, Type, TypeParamBound, UnOp, Visibility,
};

use crate::parse::{self, Entry, Function, Listed, Mistakes, Value};
use crate::{duration, name, suggest};

/// The most retries a job may ask for; `MAX_RETRIES` of the runtime.
const MAX_RETRIES: u32 = 1000;

const OPTIONS: [&str; 13] = [
    "crate",
    "dead",
    "derive",
    "discard",
    "discard_if",
    "handle",
    "name",
    "queue",
    "retry",
    "tags",
    "timeout",
    "transient",
    "transient_if",
];

/// Options with a meaning in the design and none in this version: refused, so that nobody believes they have an effect.
const NOT_YET: [&str; 14] = [
    "retry_for",
    "retry_in",
    "retry_queue",
    "on_exhausted",
    "aliases",
    "unique_for",
    "unique_until",
    "limit",
    "cron",
    "tz",
    "expires_in",
    "version",
    "backtrace",
    "log_args",
];

/// What other job systems call it.
const ALSO_KNOWN_AS: [(&str, &str); 10] = [
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
];

/// A function with `#[job]` on it, understood as far as it can be.
pub(crate) struct Model {
    pub(crate) function: Function,
    pub(crate) vis: Visibility,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    /// The path of the crate `kiq`, if it was given.
    pub(crate) krate: Option<TokenStream>,
    /// `None` where no struct may stand, or no name could be found for it.
    pub(crate) handle: Option<Ident>,
    pub(crate) params: Vec<Param>,
    pub(crate) options: Options,
    /// Whether the parameters can be trusted; if not, there is nothing to expand.
    pub(crate) sound: bool,
}

/// What `#[job(…)]` said.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<Name>,
    pub(crate) queue: Option<Expr>,
    pub(crate) retry: Option<Retry>,
    pub(crate) dead: Option<Expr>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) tags: Option<Tags>,
    pub(crate) derives: Vec<Path>,
    /// In the order they are asked.
    pub(crate) rules: Vec<Rule>,
}

pub(crate) enum Name {
    Literal(String),
    Const(Expr),
}

pub(crate) enum Retry {
    Default,
    Never,
    Count(u32),
    Const(Expr),
}

pub(crate) enum Timeout {
    Millis(u64),
    Const(Expr),
}

pub(crate) enum Tags {
    List(Vec<Expr>),
    Const(Expr),
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

pub(crate) enum Param {
    /// Written to Redis, read back by the worker.
    Stored(Box<Stored>),
    /// Made by the worker for each run: its type, without a reference.
    Supplied { ty: Box<Type>, by_ref: bool },
}

pub(crate) struct Stored {
    pub(crate) name: Ident,
    /// As the user wrote it, for its span.
    pub(crate) written: Type,
    pub(crate) kept_as: KeptAs,
    pub(crate) by_ref: bool,
    pub(crate) absent: Absent,
    pub(crate) docs: Vec<Attribute>,
}

/// The type of the field.
pub(crate) enum KeptAs {
    Written(Type),
    /// `&str` and `String`: a constructor takes whatever converts into it.
    Text,
    VecOf(Type),
}

/// What an argument is when an older payload ends before it.
pub(crate) enum Absent {
    Mistake,
    Default,
    Value(Expr),
}

/// Understands options and function.
pub(crate) fn build(entries: Vec<Entry>, mut function: Function, mistakes: &mut Mistakes) -> Model {
    let before = mistakes.count();
    check_signature(&function.sig, mistakes);
    check_role(&function, mistakes);
    let mut params = take_params(&mut function, mistakes);
    check_order(&params, mistakes);
    default_trailing_options(&mut params);
    let sound = mistakes.count() == before;

    let mut reader = Reader { seen: Vec::new(), handle: None, krate: None, options: Options::default(), mistakes };
    for entry in entries {
        reader.entry(entry, &function);
    }
    let Reader { handle, krate, mut options, .. } = reader;
    check_lists(&options.rules, mistakes);
    // Giving up is the more deliberate wish.
    options.rules.sort_by_key(|rule| rule.disposition);

    let handle = match function.sig.receiver() {
        Some(_) => None,
        None => handle.or_else(|| default_handle(&function.sig.ident, options.name.is_some(), mistakes)),
    };
    Model {
        vis: function.vis.clone(),
        cfgs: attributes_named("cfg", &function.attrs),
        docs: attributes_named("doc", &function.attrs),
        krate,
        handle,
        params,
        options,
        sound,
        function,
    }
}

fn check_signature(sig: &Signature, mistakes: &mut Mistakes) {
    if let Some(receiver) = sig.receiver() {
        let message = format!(
            "a job is a free function and cannot take `self`; move `{}` out of the `impl` block and pass the data it needs \
             as arguments or as `Data<T>`",
            sig.ident
        );
        mistakes.on(&receiver, message);
    }
    if let Some(constness) = &sig.constness {
        mistakes.on(&constness, "a job cannot be a `const fn`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        mistakes.on(&token, "a job cannot be `unsafe`");
    }
    if let Some(abi) = &sig.abi {
        mistakes.on(&abi, "a job cannot be `extern`");
    }
    for generic in &sig.generics.params {
        let message = match generic {
            syn::GenericParam::Lifetime(_) => {
                "a job cannot have lifetime parameters; leave the lifetime out (`&str`) or take an owned type"
            }
            _ => "a job cannot be generic: the worker has to know every argument type when it reads the job back",
        };
        mistakes.on(&generic, message);
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(returned) = bare(ty)
        && returned.bounds.iter().any(is_future)
    {
        mistakes.on(&ty, "write `async fn` instead of returning `impl Future`");
    }
}

fn is_future(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound) if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
}

/// `main` and tests are run by somebody else.
fn check_role(function: &Function, mistakes: &mut Mistakes) {
    if function.sig.ident == "main" {
        mistakes.on(&function.sig.ident, "`main` starts the program and cannot be a job");
    }
    for attr in &function.attrs {
        if attr.path().segments.last().is_some_and(|last| last.ident == "test") {
            mistakes.on(&attr, "a test cannot be a job; call the job's function from the test");
        }
    }
}

/// Reads the parameters, and takes the attributes off them that only `#[job]` knows.
fn take_params(function: &mut Function, mistakes: &mut Mistakes) -> Vec<Param> {
    let has_body = function.body.is_some();
    let mut params = Vec::new();
    for input in &mut function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let marks = take_marks(input, mistakes);
        if let Some(param) = param(input, marks, has_body, mistakes) {
            params.push(param);
        }
    }
    params
}

/// What the attributes of a parameter say.
struct Marks {
    arg: Option<Span>,
    inject: Option<Span>,
    default: Option<Absent>,
    docs: Vec<Attribute>,
}

fn take_marks(input: &mut PatType, mistakes: &mut Mistakes) -> Marks {
    let mut marks = Marks { arg: None, inject: None, default: None, docs: Vec::new() };
    for attr in std::mem::take(&mut input.attrs) {
        let path = attr.path();
        if path.is_ident("arg") {
            marks.arg = Some(attr.span());
            read_arg(&attr, &mut marks, mistakes);
        } else if path.is_ident("inject") {
            marks.inject = Some(attr.span());
            if !matches!(attr.meta, Meta::Path(_)) {
                mistakes.on(&attr.meta, "`#[inject]` takes no options");
            }
        } else if path.is_ident("doc") {
            marks.docs.push(attr);
        } else if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            let message = format!(
                "`#[{}]` on a job parameter would change what is stored in Redis; put it on the whole function",
                path.to_token_stream()
            );
            mistakes.on(&attr, message);
        } else {
            input.attrs.push(attr);
        }
    }
    if let (Some(_), Some(inject)) = (marks.arg, marks.inject) {
        mistakes
            .at(inject, "a parameter is either stored (`#[arg]`) or supplied by the worker (`#[inject]`), not both");
    }
    marks
}

fn read_arg(attr: &Attribute, marks: &mut Marks, mistakes: &mut Mistakes) {
    let inside = match &attr.meta {
        Meta::Path(_) => return,
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            mistakes.on(&pair, "write `#[arg]`, `#[arg(default)]` or `#[arg(default = …)]`");
            return;
        }
    };
    for entry in parse::options(inside, mistakes) {
        match entry {
            Entry::Option(key, Value::Nothing) if key == "default" => marks.default = Some(Absent::Default),
            Entry::Option(key, Value::Expr(value)) if key == "default" => marks.default = Some(Absent::Value(*value)),
            // `default = []` is a value like any other.
            Entry::Option(key, Value::List(inside, span)) if key == "default" => {
                let list = quote::quote_spanned!(span=> [#inside]);
                match syn::parse2(list) {
                    Ok(value) => marks.default = Some(Absent::Value(value)),
                    Err(error) => mistakes.add(error),
                }
            }
            Entry::Option(key, Value::Arguments(_)) if key == "default" => {
                mistakes.on(&key, "write `default` or `default = …`");
            }
            Entry::Option(key, _) => {
                mistakes.on(&key, format!("unknown argument option `{key}`; expected `default`"));
            }
            Entry::Stray(stray) => mistakes.on(&stray, "expected `default` or `default = …`"),
        }
    }
}

fn param(input: &PatType, marks: Marks, has_body: bool, mistakes: &mut Mistakes) -> Option<Param> {
    let (inner, by_ref) = match bare(&input.ty) {
        Type::Reference(reference) if reference.mutability.is_some() => {
            mistakes.on(&input.ty, "a job parameter cannot be `&mut`");
            return None;
        }
        Type::Reference(reference) => (bare(&reference.elem), true),
        other => (other, false),
    };
    let is_supplied = match (marks.arg, marks.inject) {
        (Some(_), _) => false,
        (None, Some(_)) => true,
        (None, None) => match last_segment(inner) {
            Some(last) if last == "Checkpoint" => {
                mistakes.on(&last, "`Checkpoint` is not supported yet");
                return None;
            }
            Some(last) => last == "Data" || last == "JobContext",
            None => false,
        },
    };
    if is_supplied {
        if !has_body {
            let message =
                "this is supplied by a worker of this program, and a job without a body is performed elsewhere";
            mistakes.on(&input.ty, message);
        }
        return Some(Param::Supplied { ty: Box::new(inner.clone()), by_ref });
    }
    let name = stored_name(&input.pat, mistakes)?;
    check_owned(&name, &input.ty, mistakes)?;
    let kept_as = match inner {
        Type::Path(path) if by_ref && path.qself.is_none() && path.path.is_ident("str") => KeptAs::Text,
        Type::Slice(slice) if by_ref => KeptAs::VecOf((*slice.elem).clone()),
        Type::Path(path) if path.qself.is_none() && is_string(&path.path) => KeptAs::Text,
        other => KeptAs::Written(other.clone()),
    };
    let absent = marks.default.unwrap_or(Absent::Mistake);
    let written = (*input.ty).clone();
    Some(Param::Stored(Box::new(Stored { name, written, kept_as, by_ref, absent, docs: marks.docs })))
}

fn is_string(path: &Path) -> bool {
    let path = path.to_token_stream().to_string().replace(' ', "");
    matches!(path.trim_start_matches("::"), "String" | "std::string::String" | "alloc::string::String")
}

fn stored_name(pat: &Pat, mistakes: &mut Mistakes) -> Option<Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(pat.ident.clone()),
        Pat::Wild(_) => {
            mistakes.on(&pat, "a job argument needs a name; prefix it with `_` if the job does not use it");
            None
        }
        _ => {
            mistakes.on(&pat, "a job argument must be a plain name, not a pattern; destructure it in the body");
            None
        }
    }
}

/// A stored argument outlives the process that made it, so its type cannot borrow.
fn check_owned(name: &Ident, ty: &Type, mistakes: &mut Mistakes) -> Option<()> {
    let name = name.unraw();
    let inner = match bare(ty) {
        Type::Reference(reference) => {
            if let Some(lifetime) = &reference.lifetime
                && lifetime.ident == "static"
            {
                let message = format!(
                    "`{name}` is read back from Redis and cannot be `'static`; use `&str`, `String` or another owned type"
                );
                mistakes.on(&lifetime, message);
                return None;
            }
            bare(&reference.elem)
        }
        other => other,
    };
    match find_borrow(inner.to_token_stream()) {
        None => Some(()),
        Some(Borrow::Reference(span)) => {
            let message = format!(
                "`{name}` borrows inside its type; a job argument is read back from Redis, so use an owned type here \
                 (`String`, `Vec<T>`)"
            );
            mistakes.at(span, message);
            None
        }
        Some(Borrow::Unsized(word, span)) => {
            let message =
                format!("`{name}` needs a concrete type: `{word} Trait` arguments cannot be read back from Redis");
            mistakes.at(span, message);
            None
        }
    }
}

enum Borrow {
    Reference(Span),
    Unsized(&'static str, Span),
}

/// Goes by tokens, since every place in a type where a borrow can hide would be a case of its own.
fn find_borrow(tokens: TokenStream) -> Option<Borrow> {
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => return Some(Borrow::Reference(punct.span())),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(lifetime)) if lifetime == "static" => {}
                _ => return Some(Borrow::Reference(punct.span())),
            },
            TokenTree::Ident(word) if word == "impl" => return Some(Borrow::Unsized("impl", word.span())),
            TokenTree::Ident(word) if word == "dyn" => return Some(Borrow::Unsized("dyn", word.span())),
            TokenTree::Group(group) => {
                if let Some(found) = find_borrow(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// Arguments are positional, so only the last ones can be missing from an older payload.
fn check_order(params: &[Param], mistakes: &mut Mistakes) {
    let mut defaulted: Option<&Ident> = None;
    for param in params {
        let Param::Stored(param) = param else { continue };
        match (&param.absent, defaulted) {
            (Absent::Mistake, Some(earlier)) if !is_option(&param.written) => {
                let message = format!(
                    "`{}` has a default, so every argument after it needs one too (arguments are positional in Redis); \
                     `{}` has none",
                    earlier.unraw(),
                    param.name.unraw()
                );
                mistakes.on(&param.written, message);
            }
            (Absent::Mistake, _) => {}
            _ => defaulted = defaulted.or(Some(&param.name)),
        }
    }
}

/// Lets the `Option`s at the end be missing.
fn default_trailing_options(params: &mut [Param]) {
    for param in params.iter_mut().rev() {
        match param {
            Param::Supplied { .. } => {}
            Param::Stored(param) => match param.absent {
                Absent::Mistake if is_option(&param.written) => param.absent = Absent::Default,
                Absent::Mistake => return,
                Absent::Default | Absent::Value(_) => {}
            },
        }
    }
}

fn is_option(ty: &Type) -> bool {
    last_segment(bare(ty)).is_some_and(|last| last == "Option")
}

fn default_handle(function: &Ident, is_named: bool, mistakes: &mut Mistakes) -> Option<Ident> {
    let bare = function.unraw();
    let camel = default_name(function);
    if syn::parse_str::<Ident>(&camel).is_err() {
        let message = format!("`{bare}` gives no name for the job's struct; set one with `handle = …`");
        mistakes.on(&function, message);
        return None;
    }
    if !is_named && !name::is_job_name(&camel) {
        let message = format!("`{bare}` gives no name that Sidekiq could look up; set one with `name = \"…\"`");
        mistakes.on(&function, message);
    }
    Some(Ident::new(&camel, function.span()))
}

/// Reads the options one after the other.
struct Reader<'a> {
    seen: Vec<String>,
    handle: Option<Ident>,
    krate: Option<TokenStream>,
    options: Options,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn entry(&mut self, entry: Entry, function: &Function) {
        let (key, value) = match entry {
            Entry::Option(key, value) => (key, value),
            Entry::Stray(stray) => return self.stray(&stray),
        };
        let word = key.unraw().to_string();
        if !OPTIONS.contains(&word.as_str()) {
            return self.unknown(&key, &word);
        }
        if self.seen.contains(&word) {
            return self.mistakes.on(&key, format!("`{word}` is set more than once"));
        }
        self.seen.push(word.clone());
        if let Value::Nothing = value {
            let example = match word.as_str() {
                "derive" => "`derive(Clone)`".to_owned(),
                _ => format!("`{word} = ...`"),
            };
            return self.mistakes.on(&key, format!("`{word}` needs a value: {example}"));
        }
        match word.as_str() {
            "queue" => self.queue(&key, value),
            "retry" => self.retry(&key, value),
            "name" => self.name(&key, value),
            "handle" => self.handle(&key, value),
            "dead" => self.dead(&key, value),
            "timeout" => self.timeout(&key, value, function),
            "tags" => self.tags(&key, value),
            "derive" => self.derive(&key, value),
            "crate" => self.krate(&key, value),
            "transient" => self.types(&key, value, Disposition::Transient, function),
            "discard" => self.types(&key, value, Disposition::Discard, function),
            "transient_if" => self.predicate(&key, value, Disposition::Transient, function),
            "discard_if" => self.predicate(&key, value, Disposition::Discard, function),
            _ => {}
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
        if NOT_YET.contains(&word) || word == "encrypt" {
            return self.mistakes.on(&key, format!("`{word}` is not supported yet"));
        }
        let known = ALSO_KNOWN_AS.iter().find(|(other, _)| *other == word).map(|(_, known)| *known);
        let message = match known.or_else(|| suggest::closest(word, &OPTIONS)) {
            Some(meant) => format!("unknown option `{word}`; did you mean `{meant}`?"),
            None => format!("unknown option `{word}`; expected one of `{}`", OPTIONS.join("`, `")),
        };
        self.mistakes.on(&key, message);
    }

    fn queue(&mut self, key: &Ident, value: Value) {
        let Some(value) = self.expression(key, value, "takes a string: `queue = \"high\"`") else { return };
        match literal(&value) {
            Some(Lit::Str(text)) => match name::queue_fault(&text.value()) {
                Some(fault) => self.mistakes.on(&text, fault),
                None => self.options.queue = Some(value),
            },
            Some(other) => self.mistakes.on(&other, "`queue` takes a string: `queue = \"high\"`"),
            None => self.options.queue = Some(value),
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
            None => self.options.retry = Some(Retry::Const(value)),
        }
    }

    fn name(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a string: `name = \"Pdf::RenderJob\"`";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        match literal(&value) {
            Some(Lit::Str(text)) if name::is_job_name(&text.value()) => {
                self.options.name = Some(Name::Literal(text.value()));
            }
            Some(Lit::Str(text)) => {
                let message = "a job name is one or more parts joined by `::`, each an upper-case letter and then letters, \
                               digits and `_`";
                self.mistakes.on(&text, message);
            }
            Some(other) => self.mistakes.on(&other, format!("`name` {TAKES}")),
            None => self.options.name = Some(Name::Const(value)),
        }
    }

    fn handle(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes the name of a struct to write: `handle = SendWelcome`";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        match &value {
            Expr::Path(path) if path.qself.is_none() && path.path.get_ident().is_some() => {
                self.handle = path.path.get_ident().cloned();
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

    fn timeout(&mut self, key: &Ident, value: Value, function: &Function) {
        const TAKES: &str = "takes a time: `timeout = \"30s\"` or a `Duration` expression";
        let Some(value) = self.expression(key, value, TAKES) else { return };
        let timeout = match literal(&value) {
            Some(Lit::Str(text)) => match duration::parse(&text.value()) {
                Some(0) => return self.mistakes.on(&text, "`timeout` must be longer than zero"),
                Some(millis) => Timeout::Millis(millis),
                None => {
                    let message =
                        format!("`{}` is not a duration; write it like \"30s\", \"10m\" or \"1h30m\"", text.value());
                    return self.mistakes.on(&text, message);
                }
            },
            Some(Lit::Int(count)) => {
                let message =
                    format!("`timeout` needs a unit: write `timeout = \"{count}s\"` or a `Duration` expression");
                return self.mistakes.on(&count, message);
            }
            Some(other) => return self.mistakes.on(&other, format!("`timeout` {TAKES}")),
            None => Timeout::Const(value),
        };
        if self.is_elsewhere(key, function) {
            return;
        }
        if function.sig.asyncness.is_none() {
            let message = "a blocking function cannot be stopped, so `timeout` would do nothing; make the function `async`, or \
                           let it look at the clock itself";
            return self.mistakes.on(&key, message);
        }
        self.options.timeout = Some(timeout);
    }

    fn tags(&mut self, key: &Ident, value: Value) {
        const TAKES: &str = "takes a list of strings: `tags = [\"billing\"]`";
        match value {
            Value::List(inside, _) => {
                let mut tags = Vec::new();
                for tag in parse::expressions(inside, self.mistakes) {
                    match literal(&tag) {
                        Some(Lit::Str(text)) if text.value().is_empty() => {
                            self.mistakes.on(&text, "a tag must not be empty");
                        }
                        Some(Lit::Str(_)) | None => tags.push(tag),
                        Some(other) => self.mistakes.on(&other, format!("`tags` {TAKES}")),
                    }
                }
                self.options.tags = Some(Tags::List(tags));
            }
            Value::Expr(value) => match literal(&value) {
                Some(other) => self.mistakes.on(&other, format!("`tags` {TAKES}")),
                None => self.options.tags = Some(Tags::Const(*value)),
            },
            Value::Arguments(_) | Value::Nothing => self.mistakes.on(&key, format!("`tags` {TAKES}")),
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
            Expr::Path(path) if path.qself.is_none() => self.krate = Some(path.path.to_token_stream()),
            other => match literal(other) {
                Some(Lit::Str(text)) => match text.parse_with(Path::parse_mod_style) {
                    Ok(path) => self.krate = Some(path.to_token_stream()),
                    Err(_) => self.mistakes.on(&text, format!("`crate` {TAKES}")),
                },
                _ => self.mistakes.on(&other, format!("`crate` {TAKES}")),
            },
        }
    }

    fn types(&mut self, key: &Ident, value: Value, disposition: Disposition, function: &Function) {
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
        let has_error = self.has_error(key, function);
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

    fn predicate(&mut self, key: &Ident, value: Value, disposition: Disposition, function: &Function) {
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
        if self.has_error(key, function) {
            self.options.rules.push(Rule { disposition, when: When::Predicate(value) });
        }
    }

    /// Whether the function returns an error whose type can be looked at.
    fn has_error(&mut self, key: &Ident, function: &Function) -> bool {
        if self.is_elsewhere(key, function) {
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

    fn is_elsewhere(&mut self, key: &Ident, function: &Function) -> bool {
        if function.body.is_none() {
            let message = format!(
                "`{key}` is for whoever performs the job, and `{}` has no body: it is performed elsewhere",
                function.sig.ident.unraw()
            );
            self.mistakes.on(&key, message);
        }
        function.body.is_none()
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

/// The enum, if the last two parts of the path are both written like types.
fn looks_like_a_variant(ty: &Type) -> Option<String> {
    let Type::Path(path) = bare(ty) else { return None };
    let segments: Vec<_> = path.path.segments.iter().collect();
    let [.., of, variant] = segments.as_slice() else { return None };
    let is_type_like = |ident: &Ident| ident.to_string().starts_with(char::is_uppercase);
    if path.qself.is_some() || !is_type_like(&of.ident) || !is_type_like(&variant.ident) {
        return None;
    }
    let mut of = path.path.clone();
    of.segments.pop();
    of.segments.pop_punct();
    Some(of.to_token_stream().to_string().replace(' ', ""))
}

/// The `E` of `Result<T, E>`, where it can be seen.
fn error_type(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match (last.ident == "Result", arguments.args.iter().nth(1)) {
        (true, Some(GenericArgument::Type(error))) => Some(error),
        _ => None,
    }
}

fn is_text(error: &Type) -> bool {
    match bare(error) {
        Type::Path(path) => path.qself.is_none() && is_string(&path.path),
        Type::Reference(reference) => matches!(bare(&reference.elem), Type::Path(path) if path.path.is_ident("str")),
        _ => false,
    }
}

fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}

/// A type without the invisible delimiters of `macro_rules` and without parentheses.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

fn attributes_named(name: &str, attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident(name)).cloned().collect()
}

/// The job's name where none is given.
pub(crate) fn default_name(function: &Ident) -> String {
    name::camel_case(&function.unraw().to_string())
}

impl Model {
    /// How many arguments a constructor takes, those with mistakes included.
    pub(crate) fn stored_in_signature(&self) -> usize {
        let supplied = self.params.iter().filter(|param| matches!(param, Param::Supplied { .. })).count();
        self.function.sig.inputs.len().saturating_sub(supplied)
    }
}

impl ToTokens for Function {
    /// The function as written, without what only `#[job]` understands.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Function { attrs, vis, sig, body } = self;
        if let Some(body) = body {
            tokens.extend(quote!(#(#attrs)* #vis #sig #body));
        }
    }
}
