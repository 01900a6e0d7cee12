//! Policies in, and what is said about wrong ones.

use std::time::Duration;

use super::super::when::Facts;
use super::super::*;
use super::*;
use proptest::prelude::*;

fn good(text: &str) -> Policy {
    parse(&format!("version = 1\n{text}"), "test").unwrap_or_else(|errors| panic!("{errors}"))
}

/// The problems with a policy whose second line is the start of the text: `line:column place: message`.
fn bad(text: &str) -> Vec<String> {
    let errors = parse(&format!("version = 1\n{text}"), "test").expect_err("a wrong policy");
    let say = |it: &Problem| format!("{}:{} {}: {}", it.line, it.column, it.place, it.message);
    errors.problems.iter().map(say).collect()
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    let problems = bad(text);
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, part) in problems.iter().zip(expected) {
        assert!(problem.contains(part), "{problem}\nshould say {part}");
    }
}

#[test]
fn an_empty_policy_seals_everything() {
    let policy = good("");
    assert_eq!(policy.base, Rules::sealed(Presence::Masked));
    assert_eq!((policy.name.as_str(), policy.on_delete), ("test", OnDelete::Hide));
    assert!(policy.base.headers.is_empty() && policy.base.parts.is_empty() && policy.when.is_empty());
    assert_eq!((policy.base.text, policy.base.html), (TextMask::Placeholder, HtmlMask::Omit));
}

#[test]
fn every_key_is_read() {
    let policy = good(
        r#"
        description = "All of it."
        [headers]
        show = ["from", "Subject", "To.domain", { name = "received", duplicates = "all" }]
        [headers.rewrite]
        subject = "About {subject} from {from.domain}"
        [body]
        text = { excerpt = 5 }
        html = "as-text"
        nested = 2
        placeholder = "{attachments} files from {pseudonym}\n{phrase}"
        link = true
        [[part]]
        type = "Image/*"
        disposition = "attachment"
        max_size = "1 MB"
        show = true
        [reveal]
        count = true
        [redact]
        builtin = ["phones", "cards"]
        patterns = [{ name = "case", pattern = "[0-9]+ O [0-9]+", replace = "[case]" }]
        [pseudonyms]
        senders = true
        threads = true
        [gateway]
        on_delete = "trash""#,
    );
    let rules = &policy.base;
    let shown: Vec<String> = rules.headers.iter().map(HeaderRule::spelling).collect();
    assert_eq!(shown, ["From", "Subject", "To.domain", "Received"]);
    assert_eq!(rules.headers[3].duplicates, Duplicates::All);
    assert_eq!(rules.rewrites[0].name, "Subject");
    assert_eq!((rules.text, rules.html), (TextMask::Excerpt { lines: 5 }, HtmlMask::AsText));
    assert_eq!(rules.nested_depth, 2);
    let part = &rules.parts[0];
    assert_eq!(part.media, ("image".to_owned(), "*".to_owned()));
    assert_eq!(
        (part.disposition, part.max_octets, part.show),
        (Some(Disposition::Attachment), Some(1_000_000), true)
    );
    assert!(rules.reveal.count && !rules.reveal.names && rules.placeholder.link);
    assert!(rules.pseudonyms.senders && !rules.pseudonyms.addressees && rules.pseudonyms.threads);
    let names: Vec<&str> = rules.redact.iter().map(Redactor::name).collect();
    assert_eq!(names, ["cards", "phones", "case"]);
    assert_eq!(policy.on_delete, OnDelete::Trash);
}

#[test]
fn an_exception_is_laid_over_the_base_key_by_key() {
    let policy = good(
        r#"
        [headers]
        show = ["Subject", "From"]
        rewrite = { Subject = "{subject}!" }
        [body]
        text = "show"
        link = true
        [[part]]
        type = "image/*"
        show = true
        [[when]]
        from = ["*@bank.example", "ann@firm.example"]
        dmarc = "pass"
        body.text = "omit"
        headers.rewrite = {}
        [[when]]
        spam = true
        show = "nothing"
        [[when]]
        older_than = "30d"
        larger_than = "5 MB"
        show = "everything""#,
    );
    let first = &policy.when[0].rules;
    assert_eq!(first.headers, policy.base.headers);
    assert!(first.rewrites.is_empty() && first.placeholder.link);
    assert_eq!((first.text, first.parts.len()), (TextMask::Omit, 1));
    assert_eq!(policy.when[1].rules, Rules::sealed(Presence::Absent));
    assert_eq!(policy.when[2].rules.presence, Presence::Original);
    let facts = |sender: &str, dmarc| Facts { sender: vec![sender.to_owned()], dmarc, ..Facts::default() };
    let rules = |facts: &Facts| policy.rules_for(facts).clone();
    assert_eq!(rules(&facts("x@bank.example", Some(Dmarc::Pass))), *first);
    assert_eq!(rules(&facts("x@bank.example", Some(Dmarc::Fail))), policy.base);
    assert_eq!(rules(&facts("x@bank.example", None)), policy.base);
    let old = Facts { octets: 6_000_000, age: Some(Duration::from_secs(31 * 86_400)), ..Facts::default() };
    assert_eq!(rules(&old).presence, Presence::Original);
    assert_eq!(policy.tested(), ["From"]);
}

#[test]
fn the_whole_policy_can_be_one_word() {
    assert_eq!(good("show = \"everything\"").base.presence, Presence::Original);
    assert_eq!(good("show = \"nothing\"").base.presence, Presence::Absent);
    says("show = \"everything\"\n[body]\ntext = \"show\"", &["2:8 show: with show = \"everything\""]);
}

#[test]
fn misspelt_keys_and_values_are_guessed() {
    says(
        "[header]\nshow = []\n[body]\ntetx = \"show\"\nhtml = \"as_text\"\n[[part]]\ntype = \"image/*\"\nshow = \"yes\"",
        &[
            "2:2 : unknown key `header`; did you mean `headers`?",
            "5:1 : unknown key `tetx`; did you mean `text`?",
            "6:8 : unknown value `as_text`; did you mean `as-text`?",
            "9:8 : write true or false here, not a text",
        ],
    );
    says("[redact]\nbuiltin = [\"card\"]", &["did you mean `cards`?"]);
    says("[body]\ntext = { exerpt = 3 }", &["unknown value `exerpt`; did you mean `excerpt`?"]);
    says("[body]\ntext = {}", &["3:8 : write one value here"]);
    says("xyzzy = 1", &["unknown key `xyzzy` (known here: version, description,"]);
}

#[test]
fn syntax_is_reported_with_its_line() {
    let problems = parse("version = 1\n[body\ntext = = 3\n", "test").unwrap_err().problems;
    assert!(problems.iter().any(|problem| problem.line == 2), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.line == 3), "{problems:?}");
}

#[test]
fn versions_are_checked() {
    let problems = |text: &str| parse(text, "test").unwrap_err().to_string();
    assert!(problems("").contains("begin with `version = 1`"));
    assert!(problems("version = 2").contains("line 1, column 11, version: this Veilpost reads version 1"));
    assert!(problems("version = \"1\"").contains("write a whole number here, not a text"));
}

#[test]
fn templates_name_only_what_is_shown() {
    says(
        "[headers]\nshow = [\"From.domain\"]\n[headers.rewrite]\nsubject = \"{from.domain} {from} {date}\"",
        &[
            "5:11 headers.rewrite.Subject: a template can only name what these rules show: add \"Date\"",
            "add \"From\"",
        ],
    );
    says("body.placeholder = \"{attachments}\"", &["set count = true under [reveal]"]);
    says("body.placeholder = \"{pseudonym}\"", &["set senders = true under [pseudonyms]"]);
    says("body.placeholder = \"{reply_to.name}\"", &["add \"Reply-To.name\" to headers.show"]);
    good(
        "headers.show = [\"From.address\"]\nbody.placeholder = \"{from.domain}{from.address}{phrase}{link}\"",
    );
    good("headers.show = [\"From\"]\nbody.placeholder = \"{from.name}\"");
}

#[test]
fn an_exception_that_hides_what_a_template_names_is_wrong() {
    let base = "headers.show = [\"Subject\"]\nheaders.rewrite = { Subject = \"x {subject}\" }\n";
    says(
        &format!("{base}[[when]]\nspam = true\nheaders.show = []"),
        &["when[0].headers.rewrite.Subject: a template"],
    );
    good(&format!("{base}[[when]]\nspam = true\nheaders = {{ show = [], rewrite = {{}} }}"));
}

#[test]
fn fields_that_would_break_a_view_are_refused() {
    says(
        "[headers]\nshow = [\"Content-Type\", \"Sub ject\", \"From\", \"from\"]\n[headers.rewrite]\nFrom = \"me\"\nX-A = \"a\\nb\"",
        &[
            "3:9 headers.show[0]: `Content-Type` cannot be shown",
            "3:25 headers.show[1]: a header field's name",
            "3:45 headers.show[3]: \"From\" is listed twice",
            "5:8 headers.rewrite.From: `From` cannot be made up",
            "6:7 headers.rewrite.X-A: a header field is one line",
        ],
    );
}

#[test]
fn parts_sizes_and_conditions_are_checked() {
    says(
        "[[part]]\ntype = \"pdf\"\nshow = true\n[[part]]\ntype = \"multipart/*\"\nmax_size = \"1\"\nshow = true",
        &[
            "3:8 part[0].type: write a media type",
            "6:8 part[1].type: a multipart",
            "7:12 part[1].max_size: write a size",
        ],
    );
    says("[[part]]\ntype = \"a/b\"", &["`show` is missing here"]);
    says(
        "[[when]]\nfrom = \"bank.example\"\nolder_than = \"soon\"\nshow = \"nothing\"\n[[when]]\nspam = true\n[[when]]\nto = []\nshow = \"nothing\"",
        &[
            "2:1 when[0]: a [[when]] needs a condition",
            "3:8 when[0].from[0]: write an address",
            "4:14 when[0].older_than: write an age",
            "6:1 when[1]: a [[when]] needs something to do",
            "8:1 when[2]: a [[when]] needs a condition",
            "9:6 when[2].to: an empty list",
        ],
    );
    says("body.text = { excerpt = 0 }\nbody.nested = 9", &["an excerpt has 1 to", "at most 8"]);
    says(
        "redact.patterns = [{ name = \"x\", pattern = \"(\" }]",
        &["redact.patterns[0]: not a regular expression"],
    );
}

#[test]
fn everything_is_bounded() {
    let long = format!("version = 1\n#{}", "x".repeat(MAX_OCTETS));
    assert!(parse(&long, "test").unwrap_err().to_string().contains("at most 64 KiB"));
    let pattern = "{ name = \"x\", pattern = \"a\" },";
    says(&format!("redact.patterns = [{}]", pattern.repeat(100)), &["a policy has at most 32 patterns"]);
    says(&"[[when]]\nspam = true\nshow = \"nothing\"\n".repeat(65), &["at most 64 entries, these are 65"]);
    let headers = "\"A\",".repeat(1_000);
    assert!(bad(&format!("headers.show = [{headers}]")).len() <= 50);
    bad(&format!("x = {}{}", "[".repeat(10_000), "]".repeat(10_000)));
    assert!(bad(&"a = 1\n".repeat(5_000)).len() <= MAX_PROBLEMS);
    let unknown: String = (0..3_000).map(|key| format!("k{key} = 1\n")).collect();
    assert_eq!(bad(&unknown).len(), MAX_PROBLEMS);
}

#[test]
fn notes_warn_of_exceptions_that_fail_open() {
    let notes = |text: &str| good(text).notes();
    let open = notes("[[when]]\nfrom = \"*@bank.example\"\nheaders.show = [\"From\"]");
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].contains("add dmarc = \"pass\""));
    let proven = notes("[[when]]\nfrom = \"*@b.example\"\ndmarc = \"pass\"\nheaders.show = [\"From\"]");
    assert!(proven.len() == 1 && proven[0].contains("matches nothing yet"), "{proven:?}");
    let spam = notes("[[when]]\nspam = false\nheaders.show = [\"Date\"]");
    assert!(spam[0].contains("matches nothing yet"), "{spam:?}");
    let strict = notes("headers.show = [\"From\"]\n[[when]]\ndmarc = \"fail\"\nheaders.show = []");
    assert!(
        strict[1].contains("shows less than the base") && strict[2].contains("From is hidden"),
        "{strict:?}"
    );
}

#[test]
fn errors_read_well() {
    let errors = parse("version = 1\nbody.nested = 9\n", "phone").unwrap_err();
    assert_eq!(errors.to_string(), "policy `phone`: 1 problem\n  line 2, column 15, body.nested: at most 8");
}

/// Lines that look like a policy, right and wrong.
fn scribble() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "version = 1",
        "show = \"everything\"",
        "[headers]",
        "[headers.rewrite]",
        "show = [\"From\", \"Subject\"]",
        "show = true",
        "Subject = \"{from}\"",
        "Subject = \"{\"",
        "[body]",
        "text = \"show\"",
        "text = { excerpt = 3 }",
        "html = 3",
        "[[part]]",
        "type = \"image/*\"",
        "max_size = \"9 MB\"",
        "[[when]]",
        "from = \"*@a.example\"",
        "spam = true",
        "[redact]",
        "[[redact.patterns]]",
        "name = \"x\"",
        "pattern = \"a|b+\"",
        "pattern = \"(\"",
        "[reveal]",
        "count = true",
        "x.y.z = [1, {a = 2}]",
        "\"",
        "'''",
        "[",
        "\u{feff}é = 1",
        "description = \"\"\"",
        "nested = 99999999999999999999",
        "version = -1",
        "headers = [[]]",
        "when = {}",
        "part = [1, \"a\", {}]",
    ]);
    prop::collection::vec(line, 0..25).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_a_policy_or_problems_within_it(text in prop_oneof![scribble(), any::<String>()]) {
        if let Err(errors) = parse(&text, "x") {
            prop_assert!(!errors.problems.is_empty());
            let lines = text.matches('\n').count() + 1;
            prop_assert!(errors.problems.iter().all(|problem| problem.line <= lines && !problem.message.is_empty()));
        }
    }
}
