//! The crate's module tree, found as the compiler finds it: from `src/lib.rs` and `src/main.rs` along
//! `mod` declarations. What is compiled for tests only is left out.

use std::path::{Path, PathBuf};

use proc_macro2::{Group, TokenStream, TokenTree};

use super::tokens::{after_item, attributes, inside, is_block, is_sign, parse, word};

/// One module that lies in a file of its own.
pub struct Module {
    /// The top-level module it belongs to: `gateway` for `src/gateway/pop3/fault.rs`.
    pub top: String,
    /// Its file, from the root of the repository.
    pub file: PathBuf,
    /// How many modules lie above it: 1 for `crate::gateway`.
    pub depth: usize,
    /// Its tokens, without the items that are compiled for tests only.
    pub tokens: Vec<TokenTree>,
}

/// All modules of the product.
pub fn product() -> Vec<Module> {
    let mut found = Vec::new();
    let library = load("", Path::new("src/lib.rs"), 0);
    for child in children(&library, Path::new("src")) {
        visit(&child.name, &child.file, 1, &mut found);
    }
    found.push(load("main", Path::new("src/main.rs"), 1));
    found
}

fn visit(top: &str, file: &Path, depth: usize, found: &mut Vec<Module>) {
    let module = load(top, file, depth);
    let folder = match file.file_name() {
        Some(name) if name == "mod.rs" => file.parent().expect("a file lies in a folder").to_owned(),
        _ => file.with_extension(""),
    };
    for child in children(&module, &folder) {
        visit(top, &child.file, depth + 1, found);
    }
    found.push(module);
}

fn load(top: &str, file: &Path, depth: usize) -> Module {
    let text = std::fs::read_to_string(super::root().join(file)).expect("a declared module has a file");
    let tokens = without_tests(&parse(&text));
    Module { top: top.to_owned(), file: file.to_owned(), depth, tokens }
}

struct Child {
    name: String,
    file: PathBuf,
}

/// The modules that this one declares with a `;`.
fn children(module: &Module, folder: &Path) -> Vec<Child> {
    let tokens = &module.tokens;
    let declared = (0..tokens.len()).filter_map(|at| {
        let declares =
            word(tokens.get(at)).is_some_and(|word| word == "mod") && is_sign(tokens.get(at + 2), ';');
        word(tokens.get(at + 1)).filter(|_| declares)
    });
    declared.map(|name| Child { file: file_of(&name, folder), name }).collect()
}

fn file_of(name: &str, folder: &Path) -> PathBuf {
    let flat = folder.join(format!("{name}.rs"));
    if super::root().join(&flat).is_file() { flat } else { folder.join(name).join("mod.rs") }
}

/// The tokens without what `#[cfg(test)]` or `#[test]` stands before, in groups too.
pub fn without_tests(mut rest: &[TokenTree]) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    while let Some(first) = rest.first() {
        let (attributes, item) = attributes(rest);
        if attributes.iter().any(|attribute| attribute == "cfg(test)" || attribute == "test") {
            rest = after_item(item);
            continue;
        }
        kept.push(match first {
            TokenTree::Group(group) => {
                let stream: TokenStream = without_tests(&inside(first)).into_iter().collect();
                TokenTree::Group(Group::new(group.delimiter(), stream))
            }
            other => other.clone(),
        });
        rest = &rest[1..];
    }
    kept
}

#[test]
fn what_only_tests_compile_is_left_out() {
    let text = "#[cfg(test)] mod tests; fn a() {} #[cfg(test)] #[path = \"x.rs\"] mod x { crate::y }
                #[cfg(unix)] mod b { #[test] fn c() { d } e }";
    let kept: TokenStream = without_tests(&parse(text)).into_iter().collect();
    assert_eq!(kept.to_string(), "fn a () { } # [cfg (unix)] mod b { e }");
}

#[test]
fn every_module_of_the_library_is_found() {
    let found = product();
    assert!(
        found.iter().any(|module| module.file == Path::new("src/gateway/pop3/fault.rs") && module.depth == 3)
    );
    assert!(found.iter().all(|module| module.file == Path::new("src/main.rs") || !module.tokens.is_empty()));
    assert!(found.iter().all(|module| module.top != "tests"));
    assert!(is_block(parse("{}").first()));
}
