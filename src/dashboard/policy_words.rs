//! Policies in the words of the people who choose one: what a client sees, what it does not, and whom
//! that suits. What a policy of the tenant's own shows, its own description says.

use crate::admin::api::PolicyItem;
use crate::policy;

/// A policy on a card.
pub struct Card {
    /// Its name.
    pub name: String,
    /// In a few words.
    pub title: String,
    /// What it is about.
    pub summary: String,
    /// What a client sees; empty for a policy of the tenant's own.
    pub shown: &'static str,
    /// What it does not.
    pub sealed: &'static str,
    /// For whom it is made.
    pub suits: &'static str,
    /// Whether it came with Veilpost.
    pub shipped: bool,
}

impl Card {
    /// The card of a listed policy.
    pub fn of(item: &PolicyItem) -> Self {
        Self::new(&item.name, &item.description, item.shipped)
    }

    /// The card of a policy with this text. A text that was loaded under a shipped name is the
    /// tenant's own, so our words about the shipped one say nothing of it.
    pub fn of_text(name: &str, text: &str) -> Self {
        let shipped = policy::shipped().iter().any(|(known, ours)| *known == name && *ours == text);
        let description = policy::parse(text, name).map(|policy| policy.description).unwrap_or_default();
        Self::new(name, &description, shipped)
    }

    fn new(name: &str, description: &str, shipped: bool) -> Self {
        let words = WORDS.iter().find(|words| shipped && words.name == name);
        let title = words.map_or_else(|| name.to_owned(), |words| words.title.to_owned());
        let said = if description.is_empty() { "It does not describe itself." } else { description };
        Self {
            name: name.to_owned(),
            title,
            summary: words.map_or_else(|| said.to_owned(), |_| String::new()),
            shown: words.map_or("", |words| words.shown),
            sealed: words.map_or("", |words| words.sealed),
            suits: words.map_or("", |words| words.suits),
            shipped,
        }
    }
}

/// The cards in the order of what they show, the tenant's own first.
pub fn cards(items: &[PolicyItem]) -> Vec<Card> {
    let rank = |item: &PolicyItem| WORDS.iter().position(|words| item.shipped && words.name == item.name);
    let mut items: Vec<&PolicyItem> = items.iter().collect();
    items.sort_by_key(|item| rank(item));
    items.into_iter().map(Card::of).collect()
}

struct Words {
    name: &'static str,
    title: &'static str,
    shown: &'static str,
    sealed: &'static str,
    suits: &'static str,
}

/// From the least to the most.
const WORDS: &[Words] = &[
    Words {
        name: "sender-and-date",
        title: "Sender\u{2019}s domain and date",
        shown: "From which domain a message came, and when. A link to it here.",
        sealed: "The sender\u{2019}s name and address, the subject, every word of the text, all files.",
        suits: "A device or a provider that should not learn what a matter is about.",
    },
    Words {
        name: "calendar-only",
        title: "Invitations only",
        shown: "Calendar invitations, and who sent each message to whom, and when.",
        sealed: "Subjects, texts, all other files.",
        suits: "A calendar program, or an assistant who keeps your diary.",
    },
    Words {
        name: "headers-only",
        title: "Sender, date and subject",
        shown: "Who wrote to whom, when, and the subject. A link to the message here.",
        sealed: "The text and all files. Card and account numbers, codes and links in a subject.",
        suits: "A phone that tells you that something came. You read it here.",
    },
    Words {
        name: "excerpt",
        title: "The first lines",
        shown: "Sender, date, subject and the first five lines of the text, and how many files there are.",
        sealed: "The rest of the text, all files. Card and account numbers, codes, links and case numbers. \
                 The text of mail from machines and of very large mail.",
        suits: "A laptop on the road: enough to see what is urgent.",
    },
    Words {
        name: "attachments-sealed",
        title: "Everything but the files",
        shown: "Sender, date, subject, the whole text, small pictures in it, invitations, \
                how many files there are.",
        sealed: "All other files, and their names. Card and account numbers, codes and links. Remote pictures.",
        suits: "Daily work in a mail program whose maker copies what it fetches.",
    },
    Words {
        name: "everything",
        title: "Everything, as it came",
        shown: "Every message whole, with all its files.",
        sealed: "Nothing. What the client deletes goes to the trash here too.",
        suits: "A client that you trust as much as this vault: a journal, a backup of your own.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_has_words() {
        for (name, text) in policy::shipped() {
            let card = Card::of_text(name, text);
            assert!(card.shipped && !card.shown.is_empty() && !card.sealed.is_empty(), "{name}");
        }
        assert_eq!(WORDS.len(), policy::shipped().len());
    }

    #[test]
    fn our_words_are_not_said_of_a_text_that_took_a_shipped_name() {
        let card =
            Card::of_text("headers-only", "version = 1\ndescription = \"ours\"\nshow = \"everything\"");
        assert!(!card.shipped && card.shown.is_empty());
        assert_eq!((card.title.as_str(), card.summary.as_str()), ("headers-only", "ours"));
    }

    #[test]
    fn what_shows_less_stands_first_and_our_own_before_it() {
        let item = |name: &str, shipped| PolicyItem {
            name: name.to_owned(),
            description: String::new(),
            shipped,
            views: Vec::new(),
        };
        let items = [item("everything", true), item("sender-and-date", true), item("zeal", false)];
        let names: Vec<String> = cards(&items).into_iter().map(|card| card.name).collect();
        assert_eq!(names, ["zeal", "sender-and-date", "everything"]);
    }
}
