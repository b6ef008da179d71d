//! What `#[job]` writes, option by option, as ordinary Rust: `tests/expand/<case>.rs` is the function and, below a line, what
//! becomes of it. `KIQ_OVERWRITE=1 cargo test -p kiq-macros` writes the second half anew; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

#[path = "../src/defaults.rs"]
mod defaults;
#[path = "../src/duration.rs"]
mod duration;
#[path = "../src/expand.rs"]
mod expand;
#[path = "../src/fallback.rs"]
mod fallback;
#[path = "../src/model.rs"]
mod model;
#[path = "../src/name.rs"]
mod name;
#[path = "../src/options.rs"]
mod options;
#[path = "../src/parse.rs"]
mod parse;
#[path = "../src/queues.rs"]
mod queues;
#[path = "../src/suggest.rs"]
mod suggest;
#[path = "../src/types.rs"]
mod types;

use std::fs;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::ToTokens;

const BORDER: &str = "// ---- becomes ----\n";

#[test]
fn each_option_becomes_what_was_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let overwrite = std::env::var_os("KIQ_OVERWRITE").is_some();
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut changed = Vec::new();

    for case in &cases {
        let text = fs::read_to_string(case).unwrap();
        let (source, reviewed) = text.split_once(BORDER).unwrap_or((&text, ""));
        let expansion = expansion(source);
        if overwrite {
            fs::write(case, format!("{source}{BORDER}{expansion}")).unwrap();
        } else if expansion != reviewed {
            changed.push(format!("{}:\n{expansion}", case.display()));
        }
    }

    assert!(cases.len() >= 15, "the cases are not there");
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

/// Expands the one item of `source`: a `defaults! {…}` or `queues! {…}`, or a function that has `#[job]` or `#[job(…)]` first
/// of its attributes.
fn expansion(source: &str) -> String {
    let expanded = match syn::parse_str::<syn::ItemMacro>(source) {
        Ok(call) if call.mac.path.is_ident("defaults") => defaults::defaults(call.mac.tokens),
        Ok(call) if call.mac.path.is_ident("queues") => queues::queues(call.mac.tokens),
        _ => job_expansion(source),
    };
    prettyplease::unparse(&syn::parse2(expanded).unwrap())
}

fn job_expansion(source: &str) -> TokenStream {
    let mut item = source.parse::<TokenStream>().unwrap().into_iter();
    let _pound = item.next().unwrap();
    let attribute: syn::Meta = match item.next().unwrap() {
        proc_macro2::TokenTree::Group(group) => syn::parse2(group.stream()).unwrap(),
        other => panic!("no attribute, but {other}"),
    };
    let options = match attribute {
        syn::Meta::List(list) => list.tokens,
        other => {
            assert_eq!(other.to_token_stream().to_string(), "job");
            TokenStream::new()
        }
    };
    expand::job(options, item.collect())
}

#[test]
fn a_body_that_is_half_typed_is_passed_on_as_it_is() {
    let item = "async fn typing(id: u64) { let order = id. }".parse().unwrap();

    let expanded = expand::job(TokenStream::new(), item).to_string();

    assert!(expanded.starts_with("async fn typing (id : u64) { let order = id . }"), "{expanded}");
    assert!(expanded.contains("struct Typing"));
    assert!(!expanded.contains("compile_error"));
}

#[test]
fn what_cannot_be_read_at_all_is_given_back_with_one_error() {
    let item: TokenStream = "async fn broken(id u64) {}".parse().unwrap();

    let expanded = expand::job(TokenStream::new(), item.clone()).to_string();

    assert!(expanded.ends_with(&item.to_string()), "{expanded}");
    assert_eq!(expanded.matches("compile_error").count(), 1);
}
