//! The domains of a tenant's addresses, each with the DNS records that it needs.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::super::House;
use super::super::frame::{Frame, html};
use super::super::trouble::Trouble;
use super::super::visitor::Visitor;
use super::{Desk, Of, deeds, frame};
use crate::autoconfig::{self, Record};

#[derive(Template)]
#[template(path = "admin-domains.html")]
struct Page {
    frame: Frame,
    desk: Desk,
    domains: Vec<Domain>,
}

struct Domain {
    name: String,
    records: Vec<Record>,
    notes: Vec<String>,
}

/// `GET /admin/domains`.
pub async fn page(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let (desk, tenant, _) = Desk::of(&house, &visitor, "domains", &of.tenant)?;
    let described = |name: String| Domain {
        records: autoconfig::dns_records(&house.services, &name).unwrap_or_default(),
        notes: autoconfig::dns_notes(&house.services, &name).unwrap_or_default(),
        name,
    };
    let domains = deeds::domains(&house, tenant)?.into_iter().map(described).collect();
    Ok(html(&Page { frame: frame(&visitor, "Domains"), desk, domains }))
}

/// `GET /admin/domains/{domain}/zone`: the records as a file for a name server.
pub async fn zone(
    State(house): State<Arc<House>>,
    visitor: Visitor,
    Path(domain): Path<String>,
    Query(of): Query<Of>,
) -> Result<Response, Trouble> {
    let (_, tenant, _) = Desk::of(&house, &visitor, "domains", &of.tenant)?;
    let gone = || Trouble::NotFound("domain");
    let domain = deeds::domains(&house, tenant)?.into_iter().find(|own| *own == domain).ok_or_else(gone)?;
    let records = autoconfig::dns_records(&house.services, &domain).map_err(|_| gone())?;
    let notes = autoconfig::dns_notes(&house.services, &domain).map_err(|_| gone())?;
    // A domain in ASCII has no letter that would need quoting (RFC 1035 §2.3.1).
    let name = format!("attachment; filename=\"{domain}.zone\"");
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, autoconfig::zone(&records, &notes)).into_response())
}
