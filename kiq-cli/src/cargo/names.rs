//! What may be called how: packages, modules, arguments and their types.

use std::str::FromStr as _;

use proc_macro2::TokenStream;
use syn::Type;

/// The longest name of a package that crates.io takes.
const LONGEST: usize = 64;

/// Names that would get into the way of the compiler, of cargo's folders, or of a file system.
const TAKEN: [&str; 21] = [
    "alloc",
    "aux",
    "build",
    "com1",
    "com2",
    "com3",
    "com4",
    "con",
    "core",
    "deps",
    "examples",
    "incremental",
    "lpt1",
    "lpt2",
    "lpt3",
    "lpt4",
    "nul",
    "prn",
    "proc_macro",
    "std",
    "test",
];

/// Names of what the new application is made of: its dependencies, programs and the module of its tests.
const IN_USE: [&str; 14] = [
    "async_trait",
    "axum",
    "dotenvy",
    "kiq",
    "kiq_testing",
    "serde",
    "sign_up",
    "thiserror",
    "tokio",
    "tower",
    "tracing",
    "web",
    "worker",
    "world",
];

/// Whether it is a word of Rust, in any edition.
pub(crate) fn is_keyword(word: &str) -> bool {
    word == "gen" || word == "_" || (is_word(word) && syn::parse_str::<syn::Ident>(word).is_err())
}

/// Letters, digits and `_`, and no digit in front.
fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && word.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// Looks whether a package may be called so.
pub(crate) fn check_package(name: &str) -> Result<(), String> {
    let crate_name = name.replace('-', "_");
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if let Some(strange) = name.chars().find(|c| !u8::try_from(*c).is_ok_and(is_letter)) {
        format!("holds {strange:?}; letters, digits, `-` and `_` are allowed")
    } else if !name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        "does not begin with a letter".to_owned()
    } else if name.len() > LONGEST {
        format!("has {} characters; {LONGEST} are allowed", name.len())
    } else if is_keyword(&crate_name) {
        "is a word of Rust".to_owned()
    } else if TAKEN.contains(&crate_name.to_ascii_lowercase().as_str()) {
        "is a name that Rust, cargo or a file system keeps for itself".to_owned()
    } else if IN_USE.contains(&crate_name.as_str()) {
        "is the name of something that the new application is made of".to_owned()
    } else {
        return Ok(());
    };
    let better = suggestion(name);
    Err(format!("{name:?} cannot be the name of a package: it {problem}; try `--name {better}`"))
}

/// A name near that one that will do.
fn suggestion(name: &str) -> String {
    let mut better = String::new();
    for c in name.chars().take(LONGEST - 4) {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => better.push(c),
            _ if !better.is_empty() && !better.ends_with('-') => better.push('-'),
            _ => {}
        }
    }
    let better = better.trim_matches(['-', '_']).trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let crate_name = better.replace('-', "_");
    let is_good =
        !better.is_empty() && better != name && !is_keyword(&crate_name) && !IN_USE.contains(&crate_name.as_str());
    match (is_good, better.is_empty()) {
        (true, _) => better.to_owned(),
        (false, true) => "my-app".to_owned(),
        (false, false) => format!("{better}-app"),
    }
}

/// The modules of a job's path: `special_jobs/my_job`, or with `::`.
pub(crate) fn job_path(path: &str) -> Result<Vec<String>, String> {
    let fault = |problem: String| format!("{path:?} cannot be the path of a job: {problem}");
    if path.starts_with('/') || path.contains('\\') || path.contains(':') && !path.contains("::") {
        let why = "it leaves the crate; write where it goes below `jobs`, like special_jobs/my_job";
        return Err(fault(why.to_owned()));
    }
    let parts: Vec<&str> = path.split('/').flat_map(|part| part.split("::")).collect();
    for part in &parts {
        check_module(part).map_err(fault)?;
    }
    Ok(parts.into_iter().map(str::to_owned).collect())
}

fn check_module(part: &str) -> Result<(), String> {
    if part == "." || part == ".." {
        return Err("it leaves the crate; write where it goes below `jobs`, like special_jobs/my_job".to_owned());
    }
    if part.is_empty() {
        return Err("a part of it is empty; write it like special_jobs/my_job".to_owned());
    }
    let snake = snake_case(part.strip_suffix(".rs").unwrap_or(part));
    if is_keyword(part) {
        return Err(format!("`{part}` is a word of Rust; try `{part}_job`"));
    }
    if !is_word(part) || snake != part {
        let better = if is_word(&snake) && !is_keyword(&snake) { snake } else { "my_job".to_owned() };
        return Err(format!("`{part}` is no name for a module, which is lower case; write `{better}`"));
    }
    Ok(())
}

/// `SendMail`, `send-mail`, `Send Mail` → `send_mail`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            if was_lower {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        } else if c.is_ascii_alphanumeric() {
            snake.push(c);
        } else if !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    if name.starts_with('_') {
        format!("_{}", snake.trim_end_matches('_'))
    } else {
        snake.trim_end_matches('_').to_owned()
    }
}

/// `send_mail` → `SendMail`: the struct that `#[kiq::job]` makes.
pub(crate) fn camel_case(name: &str) -> String {
    let parts = name.split('_').filter(|part| !part.is_empty());
    parts.map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}

/// An argument of a job: `order_id:u64`.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// As it stands in the function.
    pub(crate) kind: String,
    /// A value of it for a test, where one is known.
    pub(crate) sample: Option<String>,
}

pub(crate) fn argument(text: &str) -> Result<Argument, String> {
    let Some((name, kind)) = text.split_once(':').map(|(name, kind)| (name.trim(), kind.trim())) else {
        return Err(format!("the argument {text:?} has no type; write it like order_id:u64"));
    };
    let fault = |problem: &str| format!("the argument {text:?} {problem}");
    if !is_word(name) || snake_case(name) != name {
        let better = snake_case(name);
        let better = if is_word(&better) { better } else { "order_id".to_owned() };
        return Err(fault(&format!("has a name that is none in Rust: {name:?}; write it like {better}:u64")));
    }
    if is_keyword(name) {
        return Err(fault(&format!("is named like a word of Rust; try {name}_:{kind}")));
    }
    // What comes after the type would be taken for more of it.
    let parsed = TokenStream::from_str(kind).ok().and_then(|tokens| syn::parse2::<Type>(tokens).ok());
    let Some(parsed) = parsed else {
        return Err(fault(&format!("has a type that is none in Rust: {kind:?}; write it like order_id:u64")));
    };
    check_type(&parsed).map_err(|problem| fault(&problem))?;
    Ok(Argument { name: name.to_owned(), kind: kind.to_owned(), sample: sample(&parsed) })
}

/// What the type is called, if it is a plain name.
fn plain_name(kind: &Type) -> Option<String> {
    match kind {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

fn check_type(kind: &Type) -> Result<(), String> {
    match kind {
        Type::Path(path) => {
            if let Some(name) = plain_name(kind)
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && !PRIMITIVES.contains(&name.as_str())
            {
                return Err(format!("has a type that Rust does not have: `{name}`; {}", likely(&name)));
            }
            let last = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            if ["Data", "JobContext"].contains(&last.as_str()) {
                return Err(format!(
                    "is of the type `{last}`, which the worker supplies and nobody enqueues; write it into the function by hand"
                ));
            }
            let inside = path.path.segments.iter().filter_map(|segment| match &segment.arguments {
                syn::PathArguments::AngleBracketed(inside) => Some(&inside.args),
                _ => None,
            });
            for argument in inside.flatten() {
                if let syn::GenericArgument::Type(inside) = argument {
                    check_type(inside)?;
                }
            }
            Ok(())
        }
        Type::Tuple(tuple) => tuple.elems.iter().try_for_each(check_type),
        Type::Array(array) => check_type(&array.elem),
        Type::Slice(slice) => check_type(&slice.elem),
        Type::Paren(inside) => check_type(&inside.elem),
        Type::Reference(to) if to.mutability.is_none() && to.lifetime.is_none() => {
            match plain_name(&to.elem).as_deref() {
                Some("str") => Ok(()),
                _ => check_type(&to.elem),
            }
        }
        _ => Err(
            "has a type that cannot be kept in Redis; take one that owns what it holds, like u64, String or Vec<u64>"
                .to_owned(),
        ),
    }
}

const PRIMITIVES: [&str; 17] = [
    "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "u128", "u16", "u32", "u64", "u8",
    "usize", "_",
];

/// What somebody who wrote that probably meant.
fn likely(name: &str) -> String {
    let meant = match name {
        "int" | "integer" | "long" | "bigint" | "number" | "id" => "i64 or u64",
        "float" | "double" | "decimal" => "f64",
        "string" | "text" | "varchar" | "str" => "String or &str",
        "boolean" => "bool",
        "array" | "list" | "vec" => "Vec<u64>",
        "map" | "hash" | "object" => "std::collections::HashMap<String, String>",
        "date" | "datetime" | "time" | "timestamp" => "a type of a crate for time, or String",
        "uuid" => "uuid::Uuid",
        _ => return "write one of Rust's, or the path of your own, like crate::orders::OrderId".to_owned(),
    };
    format!("write {meant}")
}

/// A value for a test.
fn sample(kind: &Type) -> Option<String> {
    if let Some(name) = plain_name(kind) {
        return match name.as_str() {
            "bool" => Some("true".to_owned()),
            "char" => Some("'k'".to_owned()),
            "f32" | "f64" => Some("1.5".to_owned()),
            // What `enqueue` takes for them is whatever a `String` is made of.
            "String" => Some("\"some text\"".to_owned()),
            name if PRIMITIVES.contains(&name) => Some("7".to_owned()),
            _ => None,
        };
    }
    match kind {
        Type::Reference(to) if plain_name(&to.elem).as_deref() == Some("str") => Some("\"some text\"".to_owned()),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let syn::PathArguments::AngleBracketed(inside) = &last.arguments else { return None };
            let Some(syn::GenericArgument::Type(inside)) = inside.args.first() else { return None };
            match last.ident.to_string().as_str() {
                "Option" if path.path.segments.len() == 1 => Some("None".to_owned()),
                "Vec" if path.path.segments.len() == 1 => match plain_name(inside).as_deref() {
                    Some("String") => Some("vec![\"some text\".to_owned()]".to_owned()),
                    _ => Some(format!("vec![{}]", sample(inside)?)),
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a queue may be called so: the rule of kiq.
pub(crate) fn check_queue(name: &str) -> Result<String, String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(is_good) {
        return Ok(name.to_owned());
    }
    Err(format!("{name:?} cannot be the name of a queue: 1 to 128 of A-Z a-z 0-9 _ . : - are allowed, like `high`"))
}

/// Whether an environment variable may be called so.
pub(crate) fn check_variable(name: &str) -> Result<String, String> {
    let is_good = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(is_good) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()) {
        return Ok(name.to_owned());
    }
    Err(format!("{name:?} cannot be the name of a variable: A-Z, 0-9 and _ are allowed, like ORDERS_REDIS_URL"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn names_of_packages_are_those_of_cargo() {
        for good in ["my-app", "my_app", "a", "Orders2", "r"] {
            assert!(check_package(good).is_ok(), "{good}");
        }
        let cases = [
            ("", "is empty"),
            ("2fast", "does not begin with a letter"),
            ("my app", "holds ' '"),
            ("naïve", "holds 'ï'"),
            ("my.app", "holds '.'"),
            ("-x", "does not begin with a letter"),
            ("match", "is a word of Rust"),
            ("gen", "is a word of Rust"),
            ("Self", "is a word of Rust"),
            ("test", "keeps for itself"),
            ("CON", "keeps for itself"),
            ("tokio", "is made of"),
            ("kiq-testing", "is made of"),
        ];
        for (bad, why) in cases {
            let fault = check_package(bad).unwrap_err();
            assert!(fault.contains(why) && fault.contains(&format!("{bad:?}")), "{fault}");
        }
        assert!(check_package(&"a".repeat(65)).unwrap_err().contains("65 characters"));
    }

    #[test]
    fn what_is_suggested_would_do() {
        for bad in ["", "2fast", "my app!", "naïve", "match", "-x-", "???", "tokio", "con", &"x".repeat(80), "self"] {
            let better = suggestion(bad);
            assert!(check_package(&better).is_ok(), "{bad:?} → {better:?}: {:?}", check_package(&better));
        }
    }

    #[test]
    fn a_path_of_modules_stays_in_the_crate() {
        assert_eq!(job_path("special_jobs/my_job").unwrap(), ["special_jobs", "my_job"]);
        assert_eq!(job_path("special_jobs::my_job").unwrap(), ["special_jobs", "my_job"]);
        for (bad, why) in [
            ("../my_job", "leaves the crate"),
            ("a/../../my_job", "leaves the crate"),
            ("/etc/my_job", "leaves the crate"),
            ("C:/my_job", "leaves the crate"),
            ("..\\my_job", "leaves the crate"),
            ("./my_job", "leaves the crate"),
            ("", "is empty"),
            ("a//b", "is empty"),
            ("my_job/", "is empty"),
            ("SendMail", "write `send_mail`"),
            ("send-mail", "write `send_mail`"),
            ("send_mail.rs", "write `send_mail`"),
            ("loop", "a word of Rust"),
            ("gen/my_job", "a word of Rust"),
            ("7up", "no name for a module"),
            ("größe", "no name for a module"),
        ] {
            let fault = job_path(bad).unwrap_err();
            assert!(fault.contains(why), "{bad}: {fault}");
        }
    }

    #[test]
    fn cases_turn_into_each_other() {
        for (name, snake) in [("SendMail", "send_mail"), ("HTTPJob", "httpjob"), ("a-b c", "a_b_c"), ("_x", "_x")] {
            assert_eq!(snake_case(name), snake);
        }
        assert_eq!(camel_case("send_mail2"), "SendMail2");
    }

    #[test]
    fn arguments_have_a_name_and_a_type_of_rust() {
        let samples = [
            ("order_id:u64", Some("7")),
            ("note: &str", Some("\"some text\"")),
            ("ids:Vec<u64>", Some("vec![7]")),
            ("names:Vec<String>", Some("vec![\"some text\".to_owned()]")),
            ("at:Option<crate::At>", Some("None")),
            ("id:crate::OrderId", None),
            ("id:OrderId", None),
            ("pair:(u64, String)", None),
            ("map:std::collections::HashMap<String, u64>", None),
        ];
        for (text, sample) in samples {
            assert_eq!(argument(text).unwrap().sample.as_deref(), sample, "{text}");
        }
        for (bad, why) in [
            ("order_id", "has no type"),
            ("order_id:", "none in Rust"),
            ("order_id:u64,", "none in Rust"),
            ("order_id:u 64", "none in Rust"),
            ("order_id:Vec<u64", "none in Rust"),
            ("order_id:u64) -> (", "none in Rust"),
            ("order_id:int", "does not have: `int`; write i64 or u64"),
            ("names:Vec<string>", "does not have: `string`"),
            ("x:impl Into<String>", "cannot be kept in Redis"),
            ("x:&mut String", "cannot be kept in Redis"),
            ("x:&'static str", "cannot be kept in Redis"),
            ("x:fn(u64)", "cannot be kept in Redis"),
            ("x:dyn Send", "cannot be kept in Redis"),
            ("x:!", "cannot be kept in Redis"),
            ("db:Data<Db>", "the worker supplies"),
            ("cx:&kiq::JobContext", "the worker supplies"),
            ("Order:u64", "write it like order:u64"),
            ("order-id:u64", "write it like order_id:u64"),
            ("7:u64", "none in Rust"),
            ("type:u64", "a word of Rust"),
            ("self:u64", "a word of Rust"),
        ] {
            let fault = argument(bad).unwrap_err();
            assert!(fault.contains(why), "{bad}: {fault}");
        }
    }
}
