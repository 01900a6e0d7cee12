//! Who asks for something, with a browser's session or a program's token, and what of it is theirs to
//! ask. What is not theirs is not there: nobody learns of another tenant by asking for it.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::House;
use super::trouble::Trouble;
use crate::admin::api::{Body, Failure, FailureCode, Request};
use crate::admin::socket::Outlet;
use crate::audit::{Actor, Origin};
use crate::names::TenantId;
use crate::owner::{By, OwnerError};
use crate::tenant::directory::{self, Destination};
use crate::tenant::registry::{self, UserRef};
use crate::tenant::rows::{Role, TenantRow, UserRow};

/// A person, whatever they came with.
#[derive(Clone)]
pub struct Asker {
    /// Who.
    pub user: UserRef,
    /// Their login.
    pub login: String,
    /// What they may do besides reading.
    pub role: Role,
    /// Their tenant's name.
    pub tenant: String,
    /// From where.
    pub origin: Origin,
}

impl Asker {
    /// As the audit log has them.
    pub fn by(&self) -> By {
        By { actor: Actor::User { user: self.user.user }, origin: self.origin }
    }

    /// Whether they look after their tenant.
    pub fn administers(&self) -> bool {
        self.role >= Role::Administrator
    }

    /// Whether they look after the server.
    pub fn operates(&self) -> bool {
        self.role == Role::Operator
    }

    /// The tenant called so, if they look after it; their own without a name.
    pub fn tenant(&self, house: &House, name: Option<&str>) -> Result<(TenantId, TenantRow), Trouble> {
        if !self.administers() {
            return Err(Trouble::Forbidden);
        }
        let name = name.filter(|name| !name.is_empty()).unwrap_or(&self.tenant);
        if name != self.tenant && !self.operates() {
            return Err(Trouble::NotFound("tenant"));
        }
        let found = registry::tenant_named(&house.vault.records, name).map_err(OwnerError::from)?;
        found.ok_or(Trouble::NotFound("tenant"))
    }

    /// A user of a tenant that they look after.
    pub fn person(&self, house: &House, login: &str) -> Result<(UserRef, UserRow), Trouble> {
        if !self.administers() {
            return Err(Trouble::Forbidden);
        }
        let found = registry::user_named(&house.vault.records, login).map_err(OwnerError::from)?;
        found.filter(|(user, _)| self.looks_after(user.tenant)).ok_or(Trouble::NotFound("user"))
    }

    /// An address of a tenant that they look after.
    pub fn address(&self, house: &House, address: &str) -> Result<Destination, Trouble> {
        if !self.administers() {
            return Err(Trouble::Forbidden);
        }
        let gone = || Trouble::NotFound("address");
        let destination = Destination::parse(address).map_err(|_| gone())?;
        let holder = directory::holder(&house.vault.records, &destination).map_err(OwnerError::from)?;
        holder.filter(|holder| self.looks_after(holder.tenant)).map(|_| destination).ok_or_else(gone)
    }

    /// Whether a tenant is theirs to look after.
    pub fn looks_after(&self, tenant: TenantId) -> bool {
        self.operates() || (self.administers() && self.user.tenant == tenant)
    }
}

impl House {
    /// Asks the office on somebody's behalf. Whether they may is decided before.
    pub async fn ask_by<T: DeserializeOwned>(&self, by: By, request: Request) -> Result<T, Trouble> {
        let value = self.office.call(request, by, &Outlet::quiet()).await?;
        serde_json::from_value(value).map_err(|_| unexpected())
    }

    /// Asks for something that comes as items.
    pub async fn ask_items_by<T: DeserializeOwned>(
        &self,
        by: By,
        request: Request,
    ) -> Result<Vec<T>, Trouble> {
        let (outlet, mut said) = Outlet::channel();
        let call = async {
            let answer = self.office.call(request, by, &outlet).await;
            drop(outlet);
            answer
        };
        let collect = async {
            let mut items = Vec::new();
            while let Some(answer) = said.recv().await {
                if let Body::Item(item) = answer.body {
                    items.push(item);
                }
            }
            items
        };
        let (answer, items) = futures::join!(call, collect);
        answer?;
        let read = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
        read.map_err(|_| unexpected())
    }

    /// Asks for something that takes long, and shows `step` how far it is.
    pub async fn ask_long(
        self: Arc<Self>,
        by: By,
        request: Request,
        step: impl Fn(u64, u64),
    ) -> Result<(), Failure> {
        let (outlet, mut said) = Outlet::channel();
        let call = async {
            let answer = self.office.call(request, by, &outlet).await;
            drop(outlet);
            answer
        };
        let follow = async {
            while let Some(answer) = said.recv().await {
                if let Body::Progress(progress) = answer.body {
                    step(progress.done, progress.total);
                }
            }
        };
        let (answer, ()) = futures::join!(call, follow);
        answer.map(drop)
    }
}

fn unexpected() -> Trouble {
    Failure { code: FailureCode::Internal, message: "an answer is not understood".to_owned(), hint: None }
        .into()
}
