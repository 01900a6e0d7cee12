//! XML that is always well formed: elements close themselves, text is escaped, and characters that
//! XML 1.0 §2.2 does not allow at all are left out. Refuses to know what the documents say.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document under way.
pub(super) struct Document(Writer<Vec<u8>>);

impl Document {
    /// An empty document that does not move in memory until it holds `capacity` octets.
    pub(super) fn new(capacity: usize) -> Self {
        let mut document = Self(Writer::new_with_indent(Vec::with_capacity(capacity), b' ', 2));
        document.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        document
    }

    /// A document type, as Apple's property lists have.
    pub(super) fn doctype(&mut self, text: &str) {
        self.write(Event::DocType(BytesText::from_escaped(text)));
    }

    /// An element with what `inner` writes in it.
    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)], inner: impl FnOnce(&mut Self)) {
        let mut start = BytesStart::new(name);
        for (key, value) in attributes {
            start.push_attribute((*key, &*allowed(value)));
        }
        self.write(Event::Start(start));
        inner(self);
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// An element that holds text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.element(name, &[], |document| document.write(Event::Text(BytesText::new(&allowed(text)))));
    }

    /// An element that holds nothing.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let mut tag = BytesStart::new(name);
        for (key, value) in attributes {
            tag.push_attribute((*key, &*allowed(value)));
        }
        self.write(Event::Empty(tag));
    }

    /// The document's octets.
    pub(super) fn into_octets(self) -> Vec<u8> {
        self.0.into_inner()
    }

    /// The document as text.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.into_octets()).expect("only text was written")
    }

    fn write(&mut self, event: Event<'_>) {
        self.0.write_event(event).expect("a vector takes whatever is written");
    }
}

/// The text without what no XML 1.0 document may hold, escaped or not.
fn allowed(text: &str) -> Cow<'_, str> {
    let fits = |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|letter| fits(*letter)).collect())
}

#[cfg(test)]
pub(super) mod testing {
    //! A reader that believes nothing, for what was written.

    use quick_xml::Reader;
    use quick_xml::escape::unescape;
    use quick_xml::events::Event;

    /// Each leaf as `path/to/leaf=text`, each attribute as `path@name=value`, in document order.
    /// Panics at anything that is not well formed.
    pub(crate) fn flatten(xml: &str) -> Vec<String> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().enable_all_checks(true);
        reader.config_mut().expand_empty_elements = true;
        let (mut path, mut text, mut found) = (Vec::<String>::new(), String::new(), Vec::new());
        loop {
            match reader.read_event().expect("well formed") {
                Event::Start(tag) => {
                    path.push(tag.name().as_ref().to_owned());
                    for attribute in tag.attributes() {
                        let attribute = attribute.expect("well formed");
                        let value = unescape(&attribute.value).expect("escaped").into_owned();
                        found.push(format!("{}@{}={value}", path.join("/"), attribute.key.as_ref()));
                    }
                    text.clear();
                }
                Event::Text(more) => text.push_str(&more),
                Event::GeneralRef(more) => {
                    text.push_str(&unescape(&format!("&{};", &*more)).expect("predefined"));
                }
                Event::End(_) => {
                    if !text.trim().is_empty() {
                        found.push(format!("{}={text}", path.join("/")));
                    }
                    text.clear();
                    path.pop().expect("as many ends as starts");
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert!(path.is_empty(), "an element stays open");
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_attributes_are_escaped_and_cleaned() {
        let mut document = Document::new(64);
        document
            .element("a", &[("b", "\"<&>'\u{1}")], |document| document.leaf("c", "]]> & <d/>\u{0}\u{fffe}"));
        let text = document.into_text();
        assert_eq!(testing::flatten(&text), ["a@b=\"<&>'", "a/c=]]> & <d/>"]);
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(text in "\\PC{1,40}") {
            let mut document = Document::new(64);
            document.leaf("a", &text);
            let expected: Vec<_> = Some(format!("a={}", allowed(&text))).filter(|_| !text.trim().is_empty()).into_iter().collect();
            prop_assert_eq!(testing::flatten(&document.into_text()), expected);
        }
    }
}
