//! What stands in the place of hidden text: one text a message, so that it tells no count.

use super::compose::Context;
use crate::policy::Rules;
use crate::policy::template::Variable;

/// The placeholder's text: the template, then the link and the user's phrase where the rules want a
/// link. `lookup` gives what the rules show of the message.
pub(super) fn text(rules: &Rules, context: &Context, lookup: impl Fn(&Variable) -> Option<String>) -> String {
    let template = &rules.placeholder.text;
    let rendered = template.render(|variable| match variable {
        Variable::Link => context.link.clone(),
        Variable::Phrase => context.phrase.clone(),
        other => lookup(other),
    });
    // A phrase on a line of its own leaves an empty one where the user has chosen none.
    let mut text = rendered.trim_matches('\n').to_owned();
    let names = |wanted: Variable| template.variables().any(|variable| *variable == wanted);
    if rules.placeholder.link {
        let link = context.link.iter().filter(|_| !names(Variable::Link));
        let phrase = context.phrase.iter().filter(|_| !names(Variable::Phrase));
        for line in link.chain(phrase) {
            text.push('\n');
            text.push_str(line);
        }
    }
    text
}
