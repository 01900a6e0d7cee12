//! Policies of a tenant, through the running server.

use std::path::Path;

use super::source::Source;
use super::{Common, coloured};
use crate::admin::api::{FailureCode, PolicyItem, PolicyRemoved, Request};
use crate::admin::client::{Client, ClientError};
use crate::cli::terminal::{Failed, harmless, print, say, table};
use crate::cli::unlock::Authorising;
use crate::policy;

/// `veilpost policy load`: checked here first, and asked for an unlock only if the server wants one.
pub fn load(
    common: &Common,
    tenant: &str,
    file: &Path,
    name: Option<String>,
    authorising: &Authorising,
) -> Result<(), Failed> {
    let source = Source::find(file)?;
    let new = source.policy()?;
    let name = name.unwrap_or(source.name);
    let mut client = common.client()?;
    let ask = |client: &mut Client, authority| {
        let (tenant, name, text) = (tenant.to_owned(), name.clone(), source.text.clone());
        Ok(client.call(Request::PolicyLoad { tenant, name, text, authority })?)
    };
    let old = stored(&mut client, tenant, &name)?;
    let diff = old.and_then(|text| policy::parse(&text, &name).ok()).map(|old| policy::diff(&old, &new));
    if let (Some(diff), false) = (&diff, common.json) {
        say(&coloured(diff))?;
    }
    let done: serde_json::Value = match ask(&mut client, None) {
        Err::<_, Failed>(failed) if failed.code() == Some(FailureCode::UnlockNeeded) => {
            authorising.with_authority(&mut client, |client, authority| ask(client, Some(authority)))?
        }
        done => done?,
    };
    let answer = serde_json::json!({ "name": name, "diff": diff, "views": done["views"] });
    print(common.json, &answer, |_| loaded(&name, &done))
}

/// `veilpost policy remove`: asked for an unlock only if the server wants one.
pub fn remove(common: &Common, tenant: &str, name: &str, authorising: &Authorising) -> Result<(), Failed> {
    let removed: PolicyRemoved = authorising.if_needed(&mut common.client()?, |client, authority| {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        Ok(client.call(Request::PolicyRemove { tenant, name, authority })?)
    })?;
    print(common.json, &removed, |removed| match (removed.shipped, &removed.views[..]) {
        (false, _) => format!("Removed {name}."),
        (true, []) => format!("Removed. {name} is the one that comes with Veilpost again."),
        (true, views) => format!(
            "Removed. {name} is the one that comes with Veilpost again; new mail follows it in {}.",
            views.join(", ")
        ),
    })
}

/// `veilpost policy list`.
pub fn list(common: &Common, tenant: String) -> Result<(), Failed> {
    let policies: Vec<PolicyItem> = common.client()?.call(Request::PolicyList { tenant })?;
    print(common.json, &policies, |policies| {
        let origin = |item: &PolicyItem| if item.shipped { "shipped" } else { "loaded" }.to_owned();
        let row = |item: &PolicyItem| {
            [item.name.clone(), origin(item), item.views.len().to_string(), harmless(&item.description)]
        };
        let rows: Vec<_> = policies.iter().map(row).collect();
        table(["POLICY", "ORIGIN", "VIEWS", "SHOWS"], &rows, "No policies.")
    })
}

/// `veilpost policy show`.
pub fn show(common: &Common, tenant: String, name: String) -> Result<(), Failed> {
    let shown: serde_json::Value = common.client()?.call(Request::PolicyShow { tenant, name })?;
    print(common.json, &shown, |shown| harmless(shown["text"].as_str().unwrap_or_default()))
}

/// The text that a name has in the tenant so far.
fn stored(client: &mut Client, tenant: &str, name: &str) -> Result<Option<String>, Failed> {
    let request = Request::PolicyShow { tenant: tenant.to_owned(), name: name.to_owned() };
    match client.call::<serde_json::Value>(request) {
        Ok(shown) => Ok(shown["text"].as_str().map(str::to_owned)),
        // The tenant may be what is not found; then loading says so.
        Err(ClientError::Failed(failure)) if failure.code == FailureCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn loaded(name: &str, done: &serde_json::Value) -> String {
    let views: Vec<&str> =
        done["views"].as_array().into_iter().flatten().filter_map(|view| view.as_str()).collect();
    if views.is_empty() {
        return format!("Loaded {name}. No view uses it yet: `veilpost view policy LOGIN VIEW {name}`.");
    }
    format!(
        "Loaded {name}. New mail follows it in {}; of old mail these views show what both policies allow, \
         until `veilpost view reseal`.",
        views.join(", ")
    )
}
