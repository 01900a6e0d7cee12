//! Who may import whom: the table in `docs/architecture.md` against every path in the product, and
//! the guards that hold whatever the table says. Tests may import anything.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenTree;

use super::modules::{Module, product};
use super::tokens::{inside, is_block, is_sign, parse, word};

type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_import_is_in_the_table() {
    let table = table();
    let mut findings = Vec::new();
    for module in product() {
        let allowed = table.get(&module.top).cloned().unwrap_or_default();
        for name in imports(&module).difference(&allowed).filter(|name| **name != module.top) {
            findings.push(format!("{} imports {name}", module.file.display()));
        }
    }
    super::none("imports that docs/architecture.md does not allow", &findings);
}

#[test]
fn the_table_is_the_truth() {
    let (table, found) = (table(), found());
    let rows: Vec<_> = found.iter().map(|(module, imports)| row(module, imports)).collect();
    assert!(
        table == found,
        "the table in docs/architecture.md allows what nobody does, or lacks a module; the code says:\n{}",
        rows.join("\n")
    );
}

#[test]
fn the_gateway_meets_no_message_and_no_owner() {
    let forbidden = ["owner", "message", "policy", "plan", "pipeline", "reception"].map(str::to_owned);
    assert!(found()["gateway"].is_disjoint(&forbidden.into()));
}

#[test]
fn reception_meets_no_key_and_no_mail_at_rest() {
    let forbidden = ["owner", "keyring", "seal", "store", "vault", "policy", "plan", "gateway"];
    assert!(found()["reception"].is_disjoint(&forbidden.map(str::to_owned).into()));
}

/// Elsewhere the owner key has no name, so nothing else can take, keep or pass one.
#[test]
fn the_owner_key_is_named_by_its_module_alone() {
    let mut findings = Vec::new();
    for module in product() {
        let mut last = String::new();
        super::tokens::each_word(&module.tokens, &mut |word, rest| {
            if word == "OwnerKey" && module.top != "owner" {
                findings.push(module.file.display().to_string());
            }
            // `pub struct OwnerKey`, where it should say `pub(in crate::owner)`.
            if word == "pub" && !matches!(rest.first(), Some(TokenTree::Group(_))) {
                last = rest.iter().take(2).map(ToString::to_string).collect::<Vec<_>>().join(" ");
                findings.extend((last == "struct OwnerKey").then(|| module.file.display().to_string()));
            }
        });
    }
    super::none("the owner key gets a name", &findings);
}

/// What each top-level module imports.
fn found() -> Imports {
    let mut found = Imports::new();
    for module in product() {
        let names = imports(&module).into_iter().filter(|name| *name != module.top);
        found.entry(module.top.clone()).or_default().extend(names);
    }
    found
}

/// The table, row by row: modules in backticks, in the second cell too.
fn table() -> Imports {
    let text = std::fs::read_to_string(super::root().join("docs/architecture.md")).expect("the document");
    let chapter = text.split_once(HEADING).expect("the chapter").1;
    let chapter = chapter.split_once("\n## ").map_or(chapter, |(chapter, _)| chapter);
    let mut table = Imports::new();
    for line in chapter.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|');
        let (modules, imports) = (names(cells.next()), names(cells.next()));
        for module in modules {
            assert!(table.insert(module, imports.clone()).is_none(), "two rows for a module: {line}");
        }
    }
    table
}

/// The names between backticks.
fn names(cell: Option<&str>) -> BTreeSet<String> {
    cell.unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn row(module: &str, imports: &BTreeSet<String>) -> String {
    let list: Vec<_> = imports.iter().map(|name| format!("`{name}`")).collect();
    let list = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    format!("| `{module}` | {list} |")
}

/// The top-level modules that a module names.
fn imports(module: &Module) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    paths(&module.tokens, module.depth, &mut found);
    found
}

/// Collects what stands after `crate::`, after `veilpost::`, and after as many `super::` as lead to
/// the root of the crate, in groups too. Whatever else stands there (`*`) is collected as it is.
fn paths(tokens: &[TokenTree], depth: usize, found: &mut BTreeSet<String>) {
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = path_to_the_root(&tokens[at..], depth) {
            at += end;
            first_names(tokens.get(at), found);
        } else {
            // `mod x { … }` is one level deeper.
            let nested = at >= 2 && word(tokens.get(at - 2)).is_some_and(|word| word == "mod");
            let depth = depth + usize::from(nested && is_block(tokens.get(at)));
            paths(&inside(&tokens[at]), depth, found);
            at += 1;
        }
    }
}

/// How many tokens at the start lead to the root of the crate.
fn path_to_the_root(tokens: &[TokenTree], depth: usize) -> Option<usize> {
    let step = |at: usize, name: &str| {
        word(tokens.get(at)).is_some_and(|word| word == name)
            && is_sign(tokens.get(at + 1), ':')
            && is_sign(tokens.get(at + 2), ':')
    };
    if step(0, "crate") || step(0, "veilpost") {
        return Some(3);
    }
    let ups = (0..).take_while(|up| step(3 * up, "super")).count();
    (depth > 0 && ups >= depth).then_some(3 * ups)
}

/// The first name of a path, or of each path in `{…}`.
fn first_names(tree: Option<&TokenTree>, found: &mut BTreeSet<String>) {
    if !is_block(tree) {
        found.extend(tree.map(ToString::to_string));
        return;
    }
    let inner = tree.map(inside).unwrap_or_default();
    let starts = (0..inner.len()).filter(|at| *at == 0 || is_sign(inner.get(at - 1), ','));
    starts.for_each(|at| first_names(inner.get(at), found));
}

#[test]
fn paths_are_found_in_every_form() {
    let found = |text: &str, depth| {
        let mut found = BTreeSet::new();
        paths(&parse(text), depth, &mut found);
        found.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("use crate::names::Address; // crate::no\nconst X: &str = \"crate::no\";", 1), "names");
    assert_eq!(found("use crate::{clock, net::{self, tls}, {wire}};", 1), "clock net wire");
    assert_eq!(found("fn f() { let x = f!(a, crate::seal::open(\"{}\")); }", 1), "seal");
    assert_eq!(found("use super::{a, b::c}; use self::d;", 1), "a b");
    assert_eq!(found("use super::a; use super::super::b::super_;", 2), "b");
    assert_eq!(found("mod x { use super::a; use super::super::b; }", 1), "b");
    assert_eq!(
        found("pub(in crate::owner) struct Key; macro_rules! m { () => { $crate::log::x } }", 1),
        "log owner"
    );
    assert_eq!(found("use crate::*; fn main() { veilpost::cli::run() }", 1), "* cli");
}

const HEADING: &str = "## Who may import whom";
