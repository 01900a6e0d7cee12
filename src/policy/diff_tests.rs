//! Differences, and the law that a policy called no looser shows nothing new to any mail.

use std::time::Duration;

use super::super::redact::{Builtin, Redactor};
use super::super::when::{Dmarc, Facts};
use super::super::{parse, shipped};
use super::*;
use proptest::prelude::*;

fn policy(text: &str) -> Policy {
    parse(&format!("version = 1\n{text}"), "test").unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn reveals(old: &str, new: &str, expected: &[&str]) {
    let diff = diff(&policy(old), &policy(new));
    assert_eq!(diff.reveals, expected, "{diff}");
    assert_eq!(diff.loosens(), !expected.is_empty());
}

#[test]
fn a_policy_does_not_differ_from_itself() {
    for (name, text) in shipped() {
        let policy = parse(text, name).expect("shipped policies load");
        assert!(diff(&policy, &policy).is_empty(), "{name}");
    }
}

#[test]
fn headers() {
    let from = "headers.show = [\"From\"]";
    reveals("", from, &["now shown: the header field From."]);
    reveals(from, "headers.show = [\"from.domain\"]", &[]);
    reveals("headers.show = [\"From.address\"]", from, &["now shown: the header field From."]);
    let all = "headers.show = [{ name = \"From\", duplicates = \"all\" }]";
    reveals(from, all, &["now shown: the header field From, all of them."]);
    reveals(all, from, &[]);
    let hidden = diff(&policy(from), &policy(""));
    assert_eq!(hidden.hides, ["no longer shown: the header field From."]);
}

#[test]
fn domains_as_names_are_what_a_template_could_show() {
    let silent = "headers.show = [\"From.domain\"]\npseudonyms.senders = true";
    let named = format!("{silent}\npseudonyms.sender_domains = true");
    reveals(silent, &named, &["now shown: the header field From.domain."]);
    let told = format!("{silent}\nheaders.rewrite = {{ Subject = \"{{from.domain}}\" }}");
    reveals(&told, &format!("{told}\npseudonyms.sender_domains = true"), &[]);
    reveals(&named, silent, &[]);
    assert!(parse("version = 1\npseudonyms = { senders = true, sender_domains = true }", "test").is_err());
}

#[test]
fn a_rewrite_taken_away_brings_out_what_it_covered() {
    let covered = "headers.show = [\"Subject\"]\nheaders.rewrite = { Subject = \"Sealed\" }";
    reveals(covered, "headers.show = [\"Subject\"]", &["now shown: the header field Subject."]);
    reveals("headers.show = [\"Subject\"]", covered, &[]);
    let named = "headers.show = [\"Subject\"]\nheaders.rewrite = { Subject = \"Sealed: {subject}\" }";
    reveals(covered, named, &["now shown: the header field Subject."]);
}

#[test]
fn a_declared_aspect_is_new_when_a_template_brings_it_out() {
    let silent = "headers.show = [\"From.domain\"]";
    reveals(silent, silent, &[]);
    reveals(
        silent,
        "headers.show = [\"From.domain\"]\nbody.placeholder = \"{from.domain}\"",
        &["now shown: the header field From.domain."],
    );
}

#[test]
fn bodies() {
    let text = |mask: &str| format!("body.text = {mask}");
    let ranks = ["\"omit\"", "\"placeholder\"", "{ excerpt = 2 }", "{ excerpt = 3 }", "\"show\""];
    for (low, lower) in ranks.iter().enumerate() {
        for (high, higher) in ranks.iter().enumerate() {
            let diff = diff(&policy(&text(lower)), &policy(&text(higher)));
            assert_eq!(diff.loosens(), high > low, "{lower} to {higher}: {diff}");
        }
    }
    reveals("body.html = \"omit\"", "body.html = \"sanitized\"", &["now shown: the HTML, cleaned."]);
    reveals("", "body.nested = 1", &["now shown: attached messages, masked, 1 deep."]);
}

#[test]
fn parts_are_compared_kind_by_kind() {
    let part = |text: &str| format!("part = [{text}]");
    let small = part("{ type = \"image/*\", max_size = \"1 kB\", show = true }");
    let large = part("{ type = \"image/*\", max_size = \"2 kB\", show = true }");
    let png = part("{ type = \"image/png\", max_size = \"1 kB\", disposition = \"inline\", show = true }");
    let but_svg = part(
        "{ type = \"image/svg+xml\", show = false }, { type = \"image/*\", max_size = \"1 kB\", show = true }",
    );
    let late = part("{ type = \"*/*\", show = false }, { type = \"image/*\", show = true }");
    reveals(&large, &small, &[]);
    reveals(&small, &png, &[]);
    reveals(&small, &but_svg, &[]);
    reveals("", &late, &[]);
    let images = "of type image/* up to 2000 B.";
    reveals(
        &small,
        &large,
        &[&format!("now shown: inline parts {images}"), &format!("now shown: attachments {images}")],
    );
    reveals(
        &but_svg,
        &small,
        &[
            "now shown: inline parts of type image/svg+xml up to 1000 B.",
            "now shown: attachments of type image/svg+xml up to 1000 B.",
        ],
    );
}

#[test]
fn redactors_only_ever_join_at_the_end() {
    let redact = |names: &str| format!("redact.builtin = [{names}]");
    reveals(&redact("\"cards\""), &redact("\"cards\", \"phones\""), &[]);
    reveals(
        &redact("\"cards\", \"phones\""),
        &redact("\"phones\""),
        &["now shown: what the redactor `cards` cut out."],
    );
    let before = "now shown: perhaps what redactors cut out, because another one now runs before them.";
    reveals(&redact("\"cards\""), &redact("\"links\", \"cards\""), &[before]);
}

#[test]
fn exceptions() {
    let tight = "[[when]]\nspam = true\nshow = \"nothing\"\n";
    reveals("", tight, &["Whether mail is called spam can now be told from the view."]);
    let gone =
        "Mail called spam, no longer an exception: now shown: that there is a message, and when it came.";
    reveals(tight, "", &[gone]);
    let loose = "[[when]]\nspam = false\nbody.text = \"show\"\n";
    reveals(loose, "", &[]);
    reveals(
        loose,
        "[[when]]\nspam = false\nshow = \"everything\"\n",
        &["Mail not called spam: now shown: the original message, byte for byte."],
    );
}

#[test]
fn that_deletes_destroy_is_said_and_shows_nothing() {
    for old in ["", "gateway.on_delete = \"trash\""] {
        let diff = diff(&policy(old), &policy("gateway.on_delete = \"delete\""));
        assert!(!diff.loosens());
        assert_eq!(
            diff.other,
            ["A delete by a client destroys the message for good: nobody can bring it back."]
        );
    }
}

#[test]
fn changes_that_show_nothing_more() {
    let old = policy("body.placeholder = \"a\"");
    let new = policy("body.placeholder = \"b\"\ndescription = \"x\"\ngateway.on_delete = \"trash\"");
    let diff = diff(&old, &new);
    assert!(!diff.loosens() && diff.hides.is_empty());
    assert_eq!(diff.other.len(), 3, "{diff}");
    assert!(serde_json::to_string(&diff).unwrap().contains("\"reveals\":[]"));
}

// ---- the law, against a model of its own ----

/// The lines of one layer, a key or two in each, so that two layers can be mixed line by line.
fn layer() -> impl Strategy<Value = Vec<String>> {
    let header = prop::sample::select(vec![
        "\"From\"",
        "\"From.domain\"",
        "\"From.address\"",
        "\"From.name\"",
        "\"Subject\"",
        "\"Date\"",
        "{ name = \"X-A\", duplicates = \"all\" }",
        "\"X-A\"",
    ]);
    let template = || {
        prop::sample::select(vec![
            "x",
            "x",
            "{from.domain}",
            "{subject}",
            "{from}",
            "{phrase}",
            "{attachments}",
            "{pseudonym}",
        ])
    };
    let mask = prop::sample::select(vec![
        "\"show\"",
        "\"omit\"",
        "\"placeholder\"",
        "{ excerpt = 1 }",
        "{ excerpt = 2 }",
    ]);
    let html = prop::sample::select(vec!["sanitized", "as-text", "omit"]);
    let part = prop::sample::select(vec![
        "{ type = \"*/*\", show = true }",
        "{ type = \"*/*\", show = false }",
        "{ type = \"image/*\", show = true }",
        "{ type = \"image/png\", show = false }",
        "{ type = \"image/*\", max_size = \"2 kB\", show = true }",
        "{ type = \"*/*\", disposition = \"inline\", show = true }",
        "{ type = \"image/png\", max_size = \"1 kB\", show = true }",
    ]);
    let redactor = prop::sample::select(vec!["\"cards\"", "\"iban\"", "\"codes\"", "\"addresses\""]);
    let list = |items: Vec<&str>| items.join(", ");
    let flags = |table: &'static str, one: &'static str, two: &'static str| {
        any::<(bool, bool)>().prop_map(move |(a, b)| format!("{table}.{one} = {a}\n{table}.{two} = {b}"))
    };
    (
        prop::collection::btree_set(header, 0..5)
            .prop_map(move |it| format!("headers.show = [{}]", list(it.into_iter().collect()))),
        prop::option::of(template()).prop_map(|it| {
            it.map_or("headers.rewrite = {}".to_owned(), |text| {
                format!("headers.rewrite = {{ Subject = \"{text}\" }}")
            })
        }),
        template().prop_map(|text| format!("body.placeholder = \"{text}\"")),
        mask.prop_map(|mask| format!("body.text = {mask}")),
        html.prop_map(|html| format!("body.html = \"{html}\"")),
        prop::collection::vec(part, 0..3).prop_map(move |it| format!("part = [{}]", list(it))),
        prop::collection::btree_set(redactor, 0..4)
            .prop_map(move |it| format!("redact.builtin = [{}]", list(it.into_iter().collect()))),
        flags("reveal", "count", "names"),
        (flags("pseudonyms", "senders", "threads"), any::<bool>()).prop_map(
            |(flags, domains)| match domains {
                // Domains as names need rules that show them.
                true => format!("{flags}\npseudonyms.sender_domains = false"),
                false => flags,
            },
        ),
        (0u8..3, any::<bool>())
            .prop_map(|(nested, link)| format!("body.nested = {nested}\nbody.link = {link}")),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j)| vec![a, b, c, d, e, f, g, h, i, j])
}

/// Two layers that differ in a line or two.
fn near_layers() -> impl Strategy<Value = (String, String)> {
    let words = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "show = \"everything\"",
        "show = \"nothing\"",
    ]);
    (layer(), layer(), prop::collection::vec(prop::bool::weighted(0.15), 10), words.clone(), words).prop_map(
        |(old, other, changed, old_word, new_word)| {
            let new: Vec<String> = (0..old.len())
                .map(|line| if changed[line] { other[line].clone() } else { old[line].clone() })
                .collect();
            let write = |lines: Vec<String>, word: &str| {
                if word.is_empty() { lines.join("\n") } else { word.to_owned() }
            };
            (write(old, old_word), write(new, new_word))
        },
    )
}

/// Two policies that load and differ a little, in their layers and in the order of exceptions.
fn policies() -> impl Strategy<Value = (Policy, Policy)> {
    let condition = prop::sample::select(vec![
        "spam = true",
        "dmarc = \"pass\"",
        "from = \"*@a.example\"",
        "larger_than = \"1 kB\"",
    ]);
    let whens = prop::collection::vec((condition, near_layers()), 0..3);
    (near_layers(), whens, 0usize..8).prop_filter_map("both load", |((old, new), whens, edit)| {
        let write = |base: &str, whens: &[(&str, &String)]| {
            let whens: String =
                whens.iter().map(|(condition, layer)| format!("\n[[when]]\n{condition}\n{layer}")).collect();
            parse(&format!("version = 1\n{base}{whens}"), "drawn").ok()
        };
        let old_whens: Vec<_> = whens.iter().map(|(condition, (old, _))| (*condition, old)).collect();
        let mut new_whens: Vec<_> = whens.iter().map(|(condition, (_, new))| (*condition, new)).collect();
        match edit {
            0 => drop(new_whens.pop()),
            1 => new_whens.reverse(),
            2 if !new_whens.is_empty() => drop(new_whens.remove(0)),
            _ => {}
        }
        Some((write(&old, &old_whens)?, write(&new, &new_whens)?))
    })
}

fn facts() -> impl Strategy<Value = Facts> {
    let dmarc = prop::option::of(prop::sample::select(vec![Dmarc::Pass, Dmarc::Fail]));
    (any::<bool>(), dmarc, prop::option::of(any::<bool>()), 0u64..2_000).prop_map(
        |(ours, dmarc, spam, octets)| Facts {
            sender: vec![if ours { "x@a.example" } else { "x@b.example" }.to_owned()],
            dmarc,
            spam,
            octets,
            age: Some(Duration::ZERO),
            ..Facts::default()
        },
    )
}

/// Everything a view tells, as a set of words: written anew here, from the policy reference and
/// not from the code under test.
fn told(rules: &Rules) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    match rules.presence {
        Presence::Absent => return told,
        Presence::Original => return ["*".to_owned()].into(),
        Presence::Masked => told.insert("exists".to_owned()),
    };
    for rule in &rules.headers {
        let covered = rules.rewrites.iter().any(|rewrite| rewrite.name == rule.name);
        if rule.aspect == Aspect::Whole && !covered {
            tell_header(&mut told, &rule.name.to_lowercase(), rule.aspect);
            if rule.duplicates == Duplicates::All {
                told.insert(format!("{} second", rule.name.to_lowercase()));
            }
        }
    }
    let templates = rules.rewrites.iter().map(|it| &it.template).chain([&rules.placeholder.text]);
    for variable in templates.flat_map(|template| template.variables()) {
        match variable {
            Variable::Header { name, aspect } => tell_header(&mut told, name, *aspect),
            other => drop(told.insert(format!("{other:?}"))),
        }
    }
    tell_text(&mut told, "text", rules.text, rules);
    match rules.html {
        HtmlMask::Omit => {}
        HtmlMask::AsText => tell_text(&mut told, "html", rules.text, rules),
        HtmlMask::Sanitized => {
            tell_text(&mut told, "html", TextMask::Show, rules);
            told.insert("html markup".to_owned());
        }
    }
    for (kind, subtype) in [("image", "png"), ("image", "gif"), ("video", "mp4")] {
        for disposition in [Disposition::Inline, Disposition::Attachment] {
            for size in [0, 1_000, 1_001, 2_000, 2_001, 1 << 40] {
                let decides = |rule: &&PartRule| {
                    (rule.media.0 == "*" || rule.media.0 == kind)
                        && (rule.media.1 == "*" || rule.media.1 == subtype)
                        && (rule.disposition.is_none() || rule.disposition == Some(disposition))
                        && size <= rule.max_octets.unwrap_or(u64::MAX)
                };
                if rules.parts.iter().find(decides).is_some_and(|rule| rule.show) {
                    told.insert(format!("{kind}/{subtype} {disposition:?} {size}"));
                }
            }
        }
    }
    told.extend((0..rules.nested_depth).map(|depth| format!("nested {depth}")));
    let flags = [
        ("count", rules.reveal.count),
        ("names", rules.reveal.names),
        ("senders", rules.pseudonyms.senders),
        ("threads", rules.pseudonyms.threads),
        ("link", rules.placeholder.link),
    ];
    told.extend(flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
    told
}

fn tell_header(told: &mut BTreeSet<String>, name: &str, aspect: Aspect) {
    let atoms: &[&str] = match aspect {
        Aspect::Whole => &["domain", "local", "name", "rest"],
        Aspect::Address => &["domain", "local"],
        Aspect::Domain => &["domain"],
        Aspect::Name => &["name"],
    };
    told.extend(atoms.iter().map(|atom| format!("{name} {atom}")));
}

fn tell_text(told: &mut BTreeSet<String>, body: &str, mask: TextMask, rules: &Rules) {
    let lines = [
        "call 4111 1111 1111 1111 code 7731 end",
        "to DE89 3704 0044 0532 0130 00 or ann@a.example",
        "pin 99 4111 1111 1111 1111 x4829 end",
    ];
    let count = match mask {
        TextMask::Omit => return,
        TextMask::Placeholder => 0,
        TextMask::Excerpt { lines } => usize::from(lines).min(2),
        TextMask::Show => 3,
    };
    told.insert(format!("{body} exists"));
    let text = rules.redact.iter().fold(lines.join("\n"), |text, redactor| redactor.apply(&text));
    let labels: Vec<String> =
        Builtin::ALL.map(|builtin| Redactor::builtin(builtin).label().to_owned()).into();
    for line in text.lines().take(count) {
        let line = labels.iter().fold(line.to_owned(), |line, label| line.replace(label, " "));
        told.extend(line.split_whitespace().map(|word| format!("{body} {word}")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_no_looser_shows_nothing_new((old, new) in policies(), facts in prop::collection::vec(facts(), 8)) {
        if !diff(&old, &new).loosens() {
            for facts in &facts {
                let (before, after) = (told(old.rules_for(facts)), told(new.rules_for(facts)));
                let fresh: Vec<_> = after.difference(&before).collect();
                prop_assert!(before.contains("*") || fresh.is_empty(), "{:?}\n{:#?}\n{:#?}", fresh, old, new);
            }
        }
    }

    #[test]
    fn tightening_is_seen_from_both_sides((old, new) in policies()) {
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        prop_assert_eq!(diff(&old, &old), Diff::default());
        if old.when.is_empty() && new.when.is_empty() {
            prop_assert_eq!(there.reveals.len(), back.hides.len());
        }
    }
}
