//! The one table of what the API can do. Router, guard and document are made from it.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::super::House;
use super::scope::Scope;
use super::{deeds, mail, own};
use crate::admin::api::{
    AddressItem, AuditReport, CredentialCreated, CredentialFetched, CredentialItem, MailTraced, MailWhole,
    PolicyItem, PolicyRemoved, Status, Storage, TenantItem, UserItem, ViewItem,
};

/// One thing that the API can do.
pub struct Route {
    /// How.
    pub method: Method,
    /// Where, below `/api/v1`.
    pub path: &'static str,
    /// Its name for programs.
    pub id: &'static str,
    /// What it does, in a line.
    pub says: &'static str,
    /// What a token needs for it; none for what every token may do.
    pub scope: Option<Scope>,
    /// Whether it needs an unlock.
    pub opening: Opening,
    /// What its query may hold.
    pub query: Option<Shape>,
    /// What its body has to be.
    pub body: Option<Shape>,
    /// What it answers.
    pub answer: Answer,
    /// Who does it.
    pub serve: fn() -> MethodRouter<Arc<House>>,
}

/// Whether a route needs an unlock session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It opens nothing.
    Never,
    /// If it shows more than before.
    IfItReveals,
    /// In every case.
    Always,
}

/// What a route answers when all is well.
#[derive(Clone, Copy)]
pub enum Answer {
    /// 200 with this as JSON.
    Found(Shape),
    /// 201 with this as JSON.
    Made(Shape),
    /// 204.
    Done,
    /// 200 with a whole message.
    Message,
    /// 200 with plain text.
    Text,
}

/// Describes a type.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What most routes are; the table says how each differs.
const PLAIN: Route = Route {
    method: Method::GET,
    path: "",
    id: "",
    says: "",
    scope: None,
    opening: Opening::Never,
    query: None,
    body: None,
    answer: Answer::Done,
    serve: MethodRouter::new,
};

/// All of it.
pub static ROUTES: &[Route] = &[
    // --- the token and its person
    Route {
        path: "/me",
        id: "me",
        says: "Who the token stands for, and what it may do",
        answer: Answer::Found(of::<own::Me>),
        serve: || get(own::me),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/unlock",
        id: "unlock",
        says: "Open an unlock session with the person's password and code; it goes with this token alone",
        body: Some(of::<own::Unlocking>),
        answer: Answer::Made(of::<own::Opened>),
        serve: || post(own::unlock),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/unlock",
        id: "lock",
        says: "End the unlock session",
        opening: Opening::Always,
        serve: || delete(own::lock),
        ..PLAIN
    },
    // --- mail
    Route {
        path: "/messages",
        id: "listMessages",
        says: "The person's messages, newest first",
        scope: Some(Scope::MailRead),
        opening: Opening::Always,
        query: Some(of::<mail::Wanted>),
        answer: Answer::Found(of::<mail::Page>),
        serve: || get(mail::list),
        ..PLAIN
    },
    Route {
        path: "/messages/{uid}",
        id: "readMessage",
        says: "One whole message, in base64, with the receipt of the audit entry that was written before",
        scope: Some(Scope::MailRead),
        opening: Opening::Always,
        answer: Answer::Found(of::<MailWhole>),
        serve: || get(mail::read),
        ..PLAIN
    },
    Route {
        path: "/messages/{uid}/raw",
        id: "readRawMessage",
        says: "One whole message as it was received",
        scope: Some(Scope::MailRead),
        opening: Opening::Always,
        answer: Answer::Message,
        serve: || get(mail::raw),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/messages/{uid}",
        id: "deleteMessage",
        says: "Delete a message for good",
        scope: Some(Scope::MailDelete),
        opening: Opening::Always,
        serve: || delete(mail::remove),
        ..PLAIN
    },
    // --- views
    Route {
        path: "/views",
        id: "listViews",
        says: "The person's views",
        scope: Some(Scope::ViewsRead),
        answer: Answer::Found(of::<Vec<ViewItem>>),
        serve: || get(own::views),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/views",
        id: "createView",
        says: "Make a view with its first app password, shown once",
        scope: Some(Scope::ViewsWrite),
        opening: Opening::Always,
        body: Some(of::<own::NewView>),
        answer: Answer::Made(of::<CredentialCreated>),
        serve: || post(own::create_view),
        ..PLAIN
    },
    Route {
        method: Method::PATCH,
        path: "/views/{name}",
        id: "changeView",
        says: "Give a view another policy",
        scope: Some(Scope::ViewsWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<own::ViewChange>),
        serve: || patch(own::change_view),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/views/{name}",
        id: "removeView",
        says: "Remove a view and its app passwords",
        scope: Some(Scope::ViewsWrite),
        serve: || delete(own::remove_view),
        ..PLAIN
    },
    Route {
        path: "/views/{name}/credentials",
        id: "listCredentials",
        says: "The devices that use a view",
        scope: Some(Scope::ViewsRead),
        answer: Answer::Found(of::<Vec<CredentialItem>>),
        serve: || get(own::credentials),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/views/{name}/credentials",
        id: "createCredential",
        says: "Make a further app password for a view, shown once",
        scope: Some(Scope::ViewsWrite),
        opening: Opening::Always,
        body: Some(of::<own::NewCredential>),
        answer: Answer::Made(of::<CredentialCreated>),
        serve: || post(own::create_credential),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/views/{name}/credentials/{credential}",
        id: "revokeCredential",
        says: "Revoke an app password; the answer lists the messages that it has fetched",
        scope: Some(Scope::ViewsWrite),
        answer: Answer::Found(of::<CredentialFetched>),
        serve: || delete(own::revoke_credential),
        ..PLAIN
    },
    // --- audit
    Route {
        path: "/audit",
        id: "listAudit",
        says: "The audit log in order: all of the tenant's for administrators, what concerns themselves for others",
        scope: Some(Scope::AuditRead),
        query: Some(of::<own::AuditWanted>),
        answer: Answer::Found(of::<own::AuditPage>),
        serve: || get(own::audit),
        ..PLAIN
    },
    Route {
        path: "/audit/verify",
        id: "verifyAudit",
        says: "Compute the tenant's whole log again and compare; signs a checkpoint if all agrees",
        scope: Some(Scope::AuditRead),
        answer: Answer::Found(of::<AuditReport>),
        serve: || get(own::verify),
        ..PLAIN
    },
    Route {
        path: "/audit/{entry}/receipt",
        id: "auditReceipt",
        says: "A receipt for an entry, which anybody can verify",
        scope: Some(Scope::AuditRead),
        answer: Answer::Text,
        serve: || get(own::receipt),
        ..PLAIN
    },
    // --- policies
    Route {
        path: "/policies",
        id: "listPolicies",
        says: "The policies of the tenant",
        scope: Some(Scope::PoliciesRead),
        answer: Answer::Found(of::<Vec<PolicyItem>>),
        serve: || get(own::policies),
        ..PLAIN
    },
    Route {
        path: "/policies/{name}",
        id: "readPolicy",
        says: "A policy's text",
        scope: Some(Scope::PoliciesRead),
        answer: Answer::Found(of::<own::PolicyText>),
        serve: || get(own::policy),
        ..PLAIN
    },
    Route {
        method: Method::PUT,
        path: "/policies/{name}",
        id: "loadPolicy",
        says: "Load a policy into the tenant",
        scope: Some(Scope::PoliciesWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<deeds::NewPolicy>),
        answer: Answer::Found(of::<deeds::PolicyLoaded>),
        serve: || put(deeds::load_policy),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/policies/{name}",
        id: "removePolicy",
        says: "Remove a policy that was loaded and that no view uses; one in the place of a shipped policy gives way to that",
        scope: Some(Scope::PoliciesWrite),
        opening: Opening::IfItReveals,
        answer: Answer::Found(of::<PolicyRemoved>),
        serve: || delete(deeds::remove_policy),
        ..PLAIN
    },
    // --- administration
    Route {
        path: "/users",
        id: "listUsers",
        says: "The users of a tenant",
        scope: Some(Scope::UsersRead),
        query: Some(of::<deeds::OfTenant>),
        answer: Answer::Found(of::<Vec<UserItem>>),
        serve: || get(deeds::users),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/users",
        id: "createUser",
        says: "Make a user, who enrols at their first sign-in; the answer holds the password for it, once",
        scope: Some(Scope::UsersWrite),
        opening: Opening::Always,
        body: Some(of::<deeds::NewUser>),
        answer: Answer::Made(of::<deeds::UserMade>),
        serve: || post(deeds::create_user),
        ..PLAIN
    },
    Route {
        method: Method::PATCH,
        path: "/users/{login}",
        id: "changeUser",
        says: "Give a user another role or quota, shut them out, or let them in again",
        scope: Some(Scope::UsersWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<deeds::UserChange>),
        serve: || patch(deeds::change_user),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/users/{login}",
        id: "removeUser",
        says: "Remove a user; their mail goes to another user or is destroyed",
        scope: Some(Scope::UsersWrite),
        opening: Opening::IfItReveals,
        query: Some(of::<deeds::UserEnd>),
        serve: || delete(deeds::remove_user),
        ..PLAIN
    },
    Route {
        path: "/addresses",
        id: "listAddresses",
        says: "The addresses of a tenant",
        scope: Some(Scope::AddressesRead),
        query: Some(of::<deeds::OfTenant>),
        answer: Answer::Found(of::<Vec<AddressItem>>),
        serve: || get(deeds::addresses),
        ..PLAIN
    },
    Route {
        path: "/trace",
        id: "traceMail",
        says: "What became of mail from and to an address in the last fortnight; recorded in the audit log",
        scope: Some(Scope::AddressesRead),
        query: Some(of::<deeds::Traced>),
        answer: Answer::Found(of::<MailTraced>),
        serve: || get(deeds::trace),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/addresses",
        id: "addAddress",
        says: "Take mail for an address, an alias, or a whole domain",
        scope: Some(Scope::AddressesWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<deeds::NewAddress>),
        serve: || post(deeds::add_address),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/addresses/{address}",
        id: "removeAddress",
        says: "Take no more mail for an address; mail that came stays",
        scope: Some(Scope::AddressesWrite),
        opening: Opening::IfItReveals,
        serve: || delete(deeds::remove_address),
        ..PLAIN
    },
    Route {
        method: Method::PATCH,
        path: "/addresses/{address}",
        id: "changeAddress",
        says: "Switch an address off, so that its mail is refused, or on again",
        scope: Some(Scope::AddressesWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<deeds::AddressChange>),
        serve: || patch(deeds::change_address),
        ..PLAIN
    },
    Route {
        method: Method::PUT,
        path: "/addresses/{address}/people/{login}",
        id: "shareAddress",
        says: "Let an address be for one more person: each gets the mail, sealed for their own views",
        scope: Some(Scope::AddressesWrite),
        opening: Opening::IfItReveals,
        serve: || put(deeds::share_address),
        ..PLAIN
    },
    Route {
        method: Method::DELETE,
        path: "/addresses/{address}/people/{login}",
        id: "unshareAddress",
        says: "Take somebody off an address that several people have; mail that came stays",
        scope: Some(Scope::AddressesWrite),
        serve: || delete(deeds::unshare_address),
        ..PLAIN
    },
    Route {
        path: "/domains",
        id: "listDomains",
        says: "The domains of a tenant's addresses, with the DNS records that each needs",
        scope: Some(Scope::AddressesRead),
        query: Some(of::<deeds::OfTenant>),
        answer: Answer::Found(of::<Vec<deeds::Domain>>),
        serve: || get(deeds::domains),
        ..PLAIN
    },
    Route {
        path: "/tenants",
        id: "listTenants",
        says: "The tenants that the person looks after",
        scope: Some(Scope::TenantsRead),
        answer: Answer::Found(of::<Vec<TenantItem>>),
        serve: || get(deeds::tenants),
        ..PLAIN
    },
    Route {
        method: Method::POST,
        path: "/tenants",
        id: "createTenant",
        says: "Make a tenant with its first user; for operators",
        scope: Some(Scope::TenantsWrite),
        body: Some(of::<deeds::NewTenant>),
        answer: Answer::Made(of::<deeds::UserMade>),
        serve: || post(deeds::create_tenant),
        ..PLAIN
    },
    Route {
        method: Method::PATCH,
        path: "/tenants/{tenant}",
        id: "changeTenant",
        says: "Change what a tenant asks of its people; asking less needs an unlock",
        scope: Some(Scope::TenantsWrite),
        opening: Opening::IfItReveals,
        body: Some(of::<deeds::TenantChange>),
        serve: || patch(deeds::change_tenant),
        ..PLAIN
    },
    Route {
        path: "/status",
        id: "status",
        says: "What runs, where it listens, how long the certificate is good for",
        scope: Some(Scope::StatusRead),
        answer: Answer::Found(of::<Status>),
        serve: || get(deeds::status),
        ..PLAIN
    },
    Route {
        path: "/storage",
        id: "storage",
        says: "How much is stored, and how much room is left",
        scope: Some(Scope::StatusRead),
        query: Some(of::<deeds::OfTenant>),
        answer: Answer::Found(of::<Storage>),
        serve: || get(deeds::storage),
        ..PLAIN
    },
];
