//! The commented file: shipped as the example, and filled in by `veilpost init`.

/// The example's text, in which single keys can be set.
#[derive(Clone, Debug)]
pub struct Template(String);

impl Template {
    /// The example as it is.
    #[expect(clippy::new_without_default, reason = "an example is not a default")]
    pub fn new() -> Self {
        Self(include_str!("example.toml").to_owned())
    }

    /// Sets `key` of `section` ("" before the first section), opening the section if it is an example.
    /// False if the example has no such key.
    #[must_use]
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) -> bool {
        let mut current = "";
        let mut opened = None;
        let mut lines: Vec<String> = self.0.lines().map(str::to_owned).collect();
        for (number, line) in self.0.lines().enumerate() {
            let bare = line.trim_start_matches(['#', ' ']);
            if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                (current, opened) = (name, Some(number));
            }
            if current == section && bare.split_once(" = ").is_some_and(|(name, _)| name == key) {
                if let Some(header) = opened {
                    lines[header] = format!("[{section}]");
                }
                lines[number] = format!("{key} = {}", value.into());
                self.0 = lines.join("\n") + "\n";
                return true;
            }
        }
        false
    }

    /// The text of the file.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Tls};

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("/v/veilpost.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn the_example_is_the_default() {
        let default = Config::defaults("mail.example.org", Path::new("/v")).expect("valid");
        assert_eq!(parse(&Config::example()), default);
    }

    #[test]
    fn the_defaults_it_states_are_true() {
        let stated = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                rest.to_owned()
            }
            _ => line.to_owned(),
        };
        let text: Vec<String> = Config::example().lines().map(stated).collect();
        let default = Config::defaults("mail.example.org", Path::new("/v")).expect("valid");
        assert_eq!(parse(&text.join("\n")), default);
    }

    #[test]
    fn its_examples_parse() {
        let text = Config::example().replace("## ", "").replace("[tls]\n", "");
        let text = text.replacen("# listen = []\nlisten", "listen", 1);
        let config = parse(&text);
        assert!(matches!(config.tls, Tls::Acme(_)));
        assert!(config.dashboard.public_url.is_some() && config.audit.checkpoint_file.is_some());
    }

    #[test]
    fn every_key_is_in_the_operators_handbook() {
        let handbook = include_str!("../../docs/operations.md");
        let (mut section, example) = (String::new(), Config::example());
        for line in example.lines() {
            let bare = line.trim_start_matches(['#', ' ']);
            if bare.starts_with('[') && bare.ends_with(']') {
                section = format!("{bare} ");
            }
            let Some((key, _)) = bare.split_once(" = ").filter(|(key, _)| !key.contains(' ')) else {
                continue;
            };
            let named = [format!("| `{section}{key}`"), format!("`, `{key}` |")];
            assert!(
                named.iter().any(|form| handbook.contains(form)),
                "{section}{key} is not in docs/operations.md"
            );
        }
    }

    #[test]
    fn keys_can_be_set() {
        let mut template = Template::new();
        assert!(template.set("", "hostname", "a.example"));
        assert!(template.set("smtp", "listen", Vec::<String>::new()));
        assert!(template.set("lmtp", "listen", vec!["unix:a \"b\".sock".to_owned()]));
        assert!(template.set("tls.acme", "terms_agreed", true));
        assert!(!template.set("smtp", "hostname", "b.example"));
        let config = parse(&template.into_text());
        assert_eq!(config.hostname, "a.example");
        assert!(config.smtp.listen.is_empty());
        assert_eq!(config.lmtp.listen[0].to_string(), "unix:/v/a \"b\".sock");
        assert!(matches!(config.tls, Tls::Acme(_)));
    }
}
