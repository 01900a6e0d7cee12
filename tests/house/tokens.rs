//! Rust source as tokens: comments are gone and literals are opaque, so that a word in a text is not
//! taken for code. Knows nothing of modules.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A file's tokens.
pub fn parse(text: &str) -> Vec<TokenTree> {
    let stream: TokenStream = text.parse().expect("what the compiler accepts has tokens");
    stream.into_iter().collect()
}

/// The tokens within a group, none for other tokens.
pub fn inside(tree: &TokenTree) -> Vec<TokenTree> {
    match tree {
        TokenTree::Group(group) => group.stream().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The word, if it is this one.
pub fn word(tree: Option<&TokenTree>) -> Option<String> {
    match tree {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether this is that sign.
pub fn is_sign(tree: Option<&TokenTree>, sign: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Whether this is a group in braces.
pub fn is_block(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

/// The attributes at the start, `#[…]` and `#![…]`, and what follows them.
pub fn attributes(mut rest: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut found = Vec::new();
    while is_sign(rest.first(), '#') {
        let at = if is_sign(rest.get(1), '!') { 2 } else { 1 };
        let Some(TokenTree::Group(group)) = rest.get(at) else { break };
        found.push(group.stream().to_string().replace(' ', ""));
        rest = &rest[at + 1..];
    }
    (found, rest)
}

/// The tokens after one item: after its `;` or its first block.
pub fn after_item(rest: &[TokenTree]) -> &[TokenTree] {
    let last = (0..rest.len()).find(|at| is_sign(rest.get(*at), ';') || is_block(rest.get(*at)));
    &rest[last.map_or(rest.len(), |last| last + 1)..]
}

/// Every word of a text of tokens with the two tokens after it, groups entered.
pub fn each_word(trees: &[TokenTree], see: &mut impl FnMut(&str, &[TokenTree])) {
    for (at, tree) in trees.iter().enumerate() {
        if let TokenTree::Ident(ident) = tree {
            see(&ident.to_string(), &trees[at + 1..]);
        }
        each_word(&inside(tree), see);
    }
}
