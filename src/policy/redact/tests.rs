//! Redactors against known numbers, near misses, evasions, and the laws they keep.

use super::*;
use proptest::prelude::*;

fn redact(builtin: Builtin, text: &str) -> String {
    Redactor::builtin(builtin).apply(text)
}

/// That each text loses its marked part `‹…›` and nothing else.
fn cuts(builtin: Builtin, marked: &[&str]) {
    for text in marked {
        let plain = text.replace(['‹', '›'], "");
        let mut expected = String::new();
        let mut rest = *text;
        while let Some((before, after)) = rest.split_once('‹') {
            let (_, tail) = after.split_once('›').expect("marks come in pairs");
            expected.push_str(before);
            expected.push_str(builtin.label());
            rest = tail;
        }
        expected.push_str(rest);
        assert_eq!(redact(builtin, &plain), expected, "{text}");
    }
}

#[test]
fn cards_are_cut() {
    cuts(
        Builtin::Cards,
        &[
            "Card ‹4111 1111 1111 1111›, thank you",
            "‹5500-0000-0000-0004›",
            "amex ‹3782 822463 10005›.",
            "‹4111111111111111›/123",
            "‹x4111111111111111y›",
            "12 ‹4111 1111 1111 1111› 7",
            "‹4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1›",
            "‹４１１１ １１１１ １１１１ １１１１›",
            "‹٤١١١ ١١١١ ١١١١ ١١١١›",
            "‹4111\u{200b}1111\u{2060}1111\u{ad}1111›",
            "‹4\u{20e3}111\u{a0}1111‑1111–1111›",
            "‹99994111111111111111999›",
            "‹①①①①①①①①①①①①①①①⑦›",
        ],
    );
    assert_eq!(redact(Builtin::Cards, "4111 1111\n> 1111 1111 end"), "[card number]\n end");
}

#[test]
fn other_numbers_stay() {
    for text in ["4111 1111 1111 1112", "12 34 56", "1.000.000,00 EUR", "2026-11-21 10.15", "[card number]"] {
        assert_eq!(redact(Builtin::Cards, text), text);
    }
}

#[test]
fn ibans_are_cut() {
    cuts(
        Builtin::Iban,
        &[
            "IBAN: ‹DE89 3704 0044 0532 0130 00›.",
            "‹DE89370400440532013000›",
            "to ‹gb29nwbk60161331926819› now",
            "‹FR14 2004 1010 0505 0001 3M02 606›",
            "‹NO93 8601 1117 947›",
            "‹xDE89370400440532013000y›",
            "‹DE 89 3704 0044 0532 0130 00›",
            "‹ＤＥ８９ ３７０４ ００４４ ０５３２ ０１３０ ００›",
            "‹DE89\u{200d}370400440532013000›",
        ],
    );
    for text in ["DE88370400440532013000", "AB12 words and more words here", "DE89 3704"] {
        assert_eq!(redact(Builtin::Iban, text), text);
    }
}

#[test]
fn codes_are_cut_near_their_words() {
    cuts(
        Builtin::Codes,
        &[
            "Your code is ‹123456›.",
            "G-code: ‹G-482913›",
            "Ihr Bestätigungscode lautet ‹482 913›",
            "Tu código: ‹4829›",
            "您的验证码是‹482913›请勿告诉他人",
            "Your verification code:\n\n‹482913›\n",
            "‹482913›\nis your one-time password",
            "OTP ‹A7F9K2›",
            "code ‹４８２９１３›",
            "c\u{200b}ode ‹48\u{200b}2913›",
            "PIN: ‹1 2 3 4›",
            "code ‹12-34-56›",
        ],
    );
    for text in ["We met 4829 people.", "code\na\nb\nc\n482913", "codes have 3 or 999 digits", "spin 48291"] {
        assert_eq!(redact(Builtin::Codes, text), text);
    }
}

#[test]
fn sign_in_links_are_cut() {
    cuts(
        Builtin::Links,
        &[
            "Go to ‹https://a.example/reset?u=1›.",
            "<‹https://a.example/x?token=abc›>",
            "(‹http://login.a.example/›)",
            "‹a.example/auth/1›",
            "‹HTTPS://A.EXAMPLE/%74%6Fken/1›",
            "‹https://a.example/d/5f2b9c0e1d7a4b3c8e6f›",
            "‹https://a.example/magic›\n‹abcdef›\nThen go on.",
            "‹https://a.example/very-long-pa›\n‹th/password/1›",
            "‹https://a.example/t\u{200b}oken›",
            "‹myapp://open?code=1›",
        ],
    );
    for text in
        ["https://a.example/news/2026/autumn", "https://authority.example/keys", "mail me at once/now"]
    {
        assert_eq!(redact(Builtin::Links, text), text);
    }
}

#[test]
fn addresses_are_cut() {
    cuts(
        Builtin::Addresses,
        &[
            "Ann <‹ann.lee@firm.example›>",
            "mailto:‹ann+x@firm.example›?subject=x".replace("?subject=x", "").as_str(),
            "‹\"ann lee\"@firm.example›",
            "‹ann＠firm.example›",
            "‹a@b@c.example›",
            "‹ann\u{200b}@firm.example›, ‹日本@例え.jp›",
        ],
    );
    assert_eq!(redact(Builtin::Addresses, "@handle and 5 @ 3 EUR"), "@handle and 5 @ 3 EUR");
}

#[test]
fn phones_are_cut() {
    cuts(
        Builtin::Phones,
        &[
            "Call me: ‹+49 30 1234567›",
            "‹+44 (0)20 7946 0958›",
            "‹(020) 7946 0958›",
            "‹0171/2345678› or later",
            "‹212-555-0199›",
            "‹1-800-555-0199›",
            "Tel. ‹555-0199›",
            "‹＋４９ ３０ １２３４５６７›",
            "‹+49\u{a0}30\u{200b}1234567›",
        ],
    );
    for text in ["on 12.03.2026 at 10", "2026-11-21", "EUR 1234567", "page 12 of 30"] {
        assert_eq!(redact(Builtin::Phones, text), text);
    }
}

/// A word boundary beside a number must not appear once the number is cut.
#[test]
fn a_word_beside_a_number_counts_the_first_time() {
    assert_eq!(redact(Builtin::Phones, "+49 30 1230Tel 00000"), "[phone number] [phone number]");
}

#[test]
fn own_patterns_are_cut_and_settle() {
    let cases =
        Redactor::pattern("case-number", r"\b[0-9]{1,3} O [0-9]+/[0-9]{2}\b", Some("[case]")).unwrap();
    assert_eq!(cases.apply("In 12 O 345/26 and １２ O 3\u{200b}45/26"), "In [case] and [case]");
    assert_eq!(cases.name(), "case-number");
    let letters = Redactor::pattern("letters", r"\b\w", None).unwrap();
    assert_eq!(letters.apply("ab"), "[letters][letters]");
    assert_eq!(letters.apply(&"a".repeat(100)), "[letters]");
    let own = Redactor::pattern("own", r"\w+", Some("[x y]")).unwrap();
    assert_eq!(own.apply("[x y] z"), "[x y] [x y]");
    let umlauts = Redactor::pattern("name", "Müller", None).unwrap();
    assert_eq!(umlauts.apply("Herr Müller"), "Herr [name]");
}

#[test]
fn bad_patterns_are_refused() {
    let refused = |name: &str, pattern: &str, label| Redactor::pattern(name, pattern, label).unwrap_err();
    assert_eq!(refused("", "a", None), PatternError::Name);
    assert_eq!(refused("a\nb", "a", None), PatternError::Name);
    assert!(matches!(refused("a", "(", None), PatternError::Syntax(_)));
    assert!(matches!(refused("a", &"(".repeat(100), None), PatternError::Syntax(_)));
    assert_eq!(refused("a", r"\w{1000}{1000}", None), PatternError::Large);
    assert_eq!(refused("a", &"a".repeat(MAX_PATTERN + 1), None), PatternError::Large);
    assert_eq!(refused("a", "x*", None), PatternError::Empty);
    for label in ["", "case", "[]", "[a][b]", "[12]", "[a\nb]", "[$1]"] {
        assert_eq!(refused("a", "x", Some(label)), PatternError::Replacement, "{label:?}");
    }
}

#[test]
fn long_hostile_texts_end_in_time() {
    for text in [
        "1 ".repeat(20_000),
        "@".repeat(20_000),
        "DE89".repeat(10_000),
        "a.".repeat(20_000),
        "\n".repeat(20_000),
        "12.03.2026 ".repeat(20_000),
        "www.a.b/reset\n".repeat(5_000),
    ] {
        for builtin in Builtin::ALL {
            redact(builtin, &text);
        }
    }
}

/// Text full of what redactors look for, whole and broken.
fn dense() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[0-9]{1,6}",
        2 => "[ .\n()+/>-]{1,2}",
        1 => "[a-zA-Z]{1,4}",
        1 => "\\PC{1,2}",
        2 => prop::sample::select(vec![
            "4111 1111 1111 1111", "4111111111111111", "DE89 3704 0044 0532 0130 00", "code", "OTP ", "482913", "A7F-9K2",
            "https://a.example/", "www.", "reset", "?token=", "a@b.example", "@", "\"", "+49 30 123", "Tel ", "12.03.2026",
            "[card number]", "[one-time code]", "[sign-in link]", "[", "]", "\u{200b}", "４", "٤", "\u{fffc}", "\r\n", "\n\n", "%74",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn redactors() -> Vec<Redactor> {
    let own = [("digits", r"[0-9]{3}"), ("edges", r"\b\w"), ("lines", r"(?m)^.{3}"), ("any", r"(?s).{5}")];
    let own = own.map(|(name, pattern)| Redactor::pattern(name, pattern, None).unwrap());
    Builtin::ALL.into_iter().map(Redactor::builtin).chain(own).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn redacting_twice_is_redacting_once(text in dense()) {
        for redactor in redactors() {
            let once = redactor.apply(&text);
            prop_assert_eq!(&redactor.apply(&once), &once, "{:?}", redactor);
        }
    }

    #[test]
    fn our_redactors_in_turn_settle_too(text in dense()) {
        let all = |text: &str| Builtin::ALL.into_iter().fold(text.to_owned(), |text, builtin| redact(builtin, &text));
        let once = all(&text);
        prop_assert_eq!(all(&once), once);
    }

    #[test]
    fn our_redactors_keep_line_ends(text in dense()) {
        for builtin in Builtin::ALL {
            prop_assert_eq!(redact(builtin, &text).matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn a_card_number_is_cut_however_it_is_written(
        digits in prop::collection::vec(0u8..10, 12..=17),
        gaps in prop::collection::vec(prop::sample::select(vec!["", "", "", " ", "-", "\u{200b}", "\u{2011}", "\u{a0}", "\u{ad}"]), 20),
        zeros in prop::collection::vec(prop::sample::select(vec!['0', '０', '٠', '০', '𝟎']), 20),
        around in "[a-z ,]{0,5}",
    ) {
        let mut digits: Vec<u8> = [4].into_iter().chain(digits).collect();
        digits.push(0);
        let bytes = |digits: &[u8]| digits.iter().map(|digit| digit + b'0').collect::<Vec<_>>();
        while !luhn_by_table(&bytes(&digits)) {
            *digits.last_mut().unwrap() += 1;
        }
        let write = |(at, digit): (usize, &u8)| {
            let digit = char::from_u32(zeros[at] as u32 + u32::from(*digit)).unwrap();
            if at == 0 { digit.to_string() } else { format!("{}{digit}", gaps[at]) }
        };
        let card: String = digits.iter().enumerate().map(write).collect();
        let text = format!("{around} {card} {around}");
        prop_assert_eq!(redact(Builtin::Cards, &text), format!("{around} [card number] {around}"));
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        for redactor in redactors() {
            redactor.apply(&text);
        }
    }
}

/// Luhn once more, differently, so that the test does not lean on the code.
fn luhn_by_table(digits: &[u8]) -> bool {
    let table = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let values = digits.iter().rev().map(|digit| usize::from(digit - b'0'));
    values.enumerate().map(|(at, digit)| if at % 2 == 0 { digit } else { table[digit] }).sum::<usize>() % 10
        == 0
}
