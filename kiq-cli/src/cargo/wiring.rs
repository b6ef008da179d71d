//! A module declared in its parent, by one line put into the text: the rest of the file stays byte by byte as it is.

use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, File, Item, ItemMod, Visibility};

/// What declaring a module comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// The parent with the line in it.
    Added(String),
    /// It is declared already.
    Present,
}

/// Declares `pub mod NAME;` in the text of a parent.
///
/// # Errors
/// When the text is no Rust, or has a module of that name that is not the file which is about to be made.
pub(crate) fn declare(text: &str, name: &str) -> Result<Wiring, String> {
    let file = parse(text)?;
    if let Some(module) = modules(&file).find(|module| module.ident == name) {
        let line = module.ident.span().start().line;
        if module.content.is_some() {
            return Err(format!("line {line} has the module `{name}` written out; move it to a file of its own first"));
        }
        if let Some(path) = module.attrs.iter().find(|attribute| attribute.path().is_ident("path")) {
            let path = path.to_token_stream();
            return Err(format!("line {line} declares the module `{name}` with {path}; take another name"));
        }
        return Ok(Wiring::Present);
    }
    let changed = insert(text, &file, name);
    check(&file, &changed, name)?;
    Ok(Wiring::Added(changed))
}

fn parse(text: &str) -> Result<File, String> {
    syn::parse_file(text).map_err(|error| {
        let start = error.span().start();
        format!(
            "line {}, column {}: {error}; it must be Rust that parses before a module is put into it",
            start.line,
            start.column + 1
        )
    })
}

fn modules(file: &File) -> impl Iterator<Item = &ItemMod> {
    file.items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module),
        _ => None,
    })
}

/// Where the text of an item begins and ends: lines counted from 0, its attributes and documentation included.
fn lines_of(item: &Item) -> (usize, usize) {
    let attributes: &[Attribute] = match item {
        Item::Mod(module) => &module.attrs,
        _ => &[],
    };
    let start =
        attributes.iter().map(|attribute| attribute.span().start().line).chain([item.span().start().line]).min();
    (start.unwrap_or(1).saturating_sub(1), item.span().end().line.saturating_sub(1))
}

/// Puts the line where `rustfmt` wants it: in its place by name among the last declarations that stand together, or in front of
/// everything but the file's own documentation and imports.
fn insert(text: &str, file: &File, name: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let declaration = format!("pub mod {name};{newline}");
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push_str(newline);
    }

    let declared: Vec<(usize, usize, &ItemMod)> = file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() => {
                let (start, end) = lines_of(item);
                Some((start, end, module))
            }
            _ => None,
        })
        .collect();
    // Public ones stand with public ones, where there are any.
    let is_public = |module: &ItemMod| !matches!(module.vis, Visibility::Inherited);
    let last = declared.iter().rposition(|(.., module)| is_public(module)).or(declared.len().checked_sub(1));
    let at = match last {
        Some(last) => {
            let mut first = last;
            while first.checked_sub(1).is_some_and(|before| stand_together(&declared, before)) {
                first -= 1;
            }
            let mut end = last;
            while stand_together(&declared, end) {
                end += 1;
            }
            let group = declared.get(first..=end).unwrap_or_default();
            let before = group.iter().take_while(|(.., module)| module.ident.to_string().as_str() < name).last();
            match (before, group.first()) {
                (Some((_, end, _)), _) => end + 1,
                (None, Some((start, ..))) => *start,
                (None, None) => 0,
            }
        }
        None => {
            let imports = file.items.iter().take_while(|item| matches!(item, Item::Use(_) | Item::ExternCrate(_)));
            let end = imports.last().map(|item| lines_of(item).1 + 1);
            let end = end.or(file.attrs.last().map(|attribute| attribute.span().end().line)).unwrap_or(0);
            let is_blank = |line: Option<&String>| line.is_none_or(|line| line.trim().is_empty());
            let mut added = String::new();
            if end > 0 {
                added.push_str(newline);
            }
            added.push_str(&declaration);
            if !is_blank(lines.get(end)) {
                added.push_str(newline);
            }
            lines.insert(end.min(lines.len()), added);
            return lines.concat();
        }
    };
    lines.insert(at.min(lines.len()), declaration);
    lines.concat()
}

/// Whether that declaration and the next are on lines that follow each other: `rustfmt` sorts those.
fn stand_together(declared: &[(usize, usize, &ItemMod)], first: usize) -> bool {
    match (declared.get(first), declared.get(first + 1)) {
        (Some((_, end, _)), Some((start, ..))) => *start == end + 1,
        _ => false,
    }
}

/// The changed text must be what it was and one declaration, and nothing else.
fn check(before: &File, changed: &str, name: &str) -> Result<(), String> {
    let unsure = || format!("`pub mod {name};` cannot be put into it by itself; write the line by hand");
    let mut after = syn::parse_file(changed).map_err(|_| unsure())?;
    let added = after.items.iter().position(|item| matches!(item, Item::Mod(module) if module.ident == name));
    let added = after.items.remove(added.ok_or_else(unsure)?);
    let is_same = before.to_token_stream().to_string() == after.to_token_stream().to_string();
    let is_bare = added.to_token_stream().to_string() == format!("pub mod {name} ;");
    if is_same && is_bare { Ok(()) } else { Err(unsure()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn added(text: &str, name: &str) -> String {
        match declare(text, name) {
            Ok(Wiring::Added(text)) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn it_stands_by_name_among_the_others() {
        assert_eq!(added("pub mod a;\npub mod c;\n", "b"), "pub mod a;\npub mod b;\npub mod c;\n");
        assert_eq!(added("pub mod b;\n", "a"), "pub mod a;\npub mod b;\n");
        assert_eq!(added("pub mod a;\n", "b"), "pub mod a;\npub mod b;\n");
    }

    #[test]
    fn all_else_stays_byte_by_byte() {
        let text = "#!/x\n//! Doc.\r\n#![allow(unused)]\r\n\r\nuse  a::b ;\r\n\r\n/// One.\r\n#[cfg(x)]\r\npub mod b;   // why\r\n\r\nfn f( ){}";
        let text = text.replacen("#!/x\n", "", 1);

        let changed = added(&text, "a");

        assert_eq!(changed, text.replace("/// One.", "pub mod a;\r\n/// One.") + "\r\n");
        assert!(added("#!/usr/bin/env x\npub mod b;\n", "c").starts_with("#!/usr/bin/env x\npub mod b;\npub mod c;\n"));
    }

    #[test]
    fn the_last_group_of_public_ones_takes_it() {
        let text = "mod z;\n\npub mod a;\n\npub mod m;\npub mod p;\n\nmod private;\n";
        assert_eq!(added(text, "n"), text.replace("pub mod p;", "pub mod n;\npub mod p;"));
        assert_eq!(added("mod a;\nmod c;\n", "b"), "mod a;\npub mod b;\nmod c;\n");
    }

    #[test]
    fn without_others_it_comes_after_documentation_and_imports() {
        assert_eq!(added("", "a"), "pub mod a;\n");
        assert_eq!(added("//! Doc.\n", "a"), "//! Doc.\n\npub mod a;\n");
        assert_eq!(added("//! Doc.", "a"), "//! Doc.\n\npub mod a;\n");
        assert_eq!(added("//! Doc.\n\nfn f() {}\n", "a"), "//! Doc.\n\npub mod a;\n\nfn f() {}\n");
        assert_eq!(added("use a::b;\n\nfn f() {}\n", "a"), "use a::b;\n\npub mod a;\n\nfn f() {}\n");
        assert_eq!(added("fn f() {}\n", "a"), "pub mod a;\n\nfn f() {}\n");
    }

    #[test]
    fn a_module_that_is_there_is_left_alone() {
        assert_eq!(declare("#[cfg(unix)]\nmod a;\n", "a"), Ok(Wiring::Present));
        assert!(declare("\nmod a { fn f() {} }\n", "a").unwrap_err().contains("line 2 has the module `a` written out"));
        let fault = declare("#[path = \"b.rs\"] mod a;\n", "a").unwrap_err();
        assert!(fault.contains("\"b.rs\""), "{fault}");
    }

    #[test]
    fn what_does_not_parse_is_said_with_its_place() {
        let fault = declare("pub mod a;\nfn f( {\n", "b").unwrap_err();
        assert!(fault.starts_with("line 2, column "), "{fault}");
    }

    #[test]
    fn the_line_of_a_declaration_is_never_cut() {
        assert_eq!(added("pub mod a; fn f() {}\n", "b"), "pub mod a; fn f() {}\npub mod b;\n");
        assert_eq!(added("fn f() {} pub mod x;\n", "b"), "pub mod b;\nfn f() {} pub mod x;\n");
    }
}
