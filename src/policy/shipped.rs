//! The policies that come with Veilpost, each a file under `policies/` with its cases beside it.

/// Name and text of each.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &SHIPPED
}

macro_rules! policies {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../policies/", $name, ".toml")))),*]
    };
}

static SHIPPED: [(&str, &str); 6] =
    policies!["headers-only" "sender-and-date" "excerpt" "attachments-sealed" "calendar-only" "everything"];

#[cfg(test)]
mod tests {
    use super::super::{Presence, diff, parse};
    use super::*;

    #[test]
    fn they_all_load() {
        for (name, text) in shipped() {
            let policy = parse(text, name).unwrap_or_else(|errors| panic!("{errors}"));
            assert!(!policy.description.is_empty(), "{name}");
            assert!(text.starts_with("#:schema "), "{name}: editors want the schema on the first line");
            let original = policy.base.presence == Presence::Original;
            assert_eq!(original, *name == "everything", "{name}");
        }
    }

    #[test]
    fn they_differ_in_the_expected_direction() {
        let load = |name: &str| {
            let text = shipped().iter().find(|(shipped, _)| *shipped == name).expect("shipped").1;
            parse(text, "same").expect("loads")
        };
        let everything = load("everything");
        for (name, _) in shipped() {
            let policy = load(name);
            assert!(!diff(&policy, &policy).loosens(), "{name}");
            assert!(!diff(&everything, &policy).loosens() || !policy.when.is_empty(), "{name}");
            assert!(*name == "everything" || diff(&policy, &everything).loosens(), "{name}");
        }
        assert!(diff(&load("sender-and-date"), &load("headers-only")).loosens());
    }

    #[test]
    fn the_excerpt_loses_what_is_worth_stealing() {
        let text = shipped().iter().find(|(name, _)| *name == "excerpt").expect("shipped").1;
        let rules = parse(text, "excerpt").expect("loads").base;
        let redact =
            |text: &str| rules.redact.iter().fold(text.to_owned(), |text, redactor| redactor.apply(&text));
        let notice = redact(include_str!("../../policies/excerpt.cases/bank-notice.eml"));
        for secret in ["4111", "0532 0130", "9f27c1d04be85a63"] {
            assert!(!notice.contains(secret), "{notice}");
        }
        assert!(notice.contains("EUR 412.90") && notice.contains("on 3 November"), "{notice}");
        let code = redact(include_str!("../../policies/excerpt.cases/one-time-code.eml"));
        assert!(!code.contains("739 204") && code.contains("ten minutes"), "{code}");
        let letter = redact(include_str!("../../policies/excerpt.cases/letter-from-opposing-counsel.eml"));
        assert!(
            letter.contains("withdraws the claim in [case number] before the hearing on 24 November."),
            "{letter}"
        );
    }
}
