//! `/domains`: what a team sends from, and what the DNS says of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::domain::{Domain, DomainChange, NewDomain};
use super::openapi::{Failures, FailuresOfBody, FailuresOfOne};
use crate::domains::keys;
use crate::domains::records::records;
use crate::door::rest::access::{Caller, DomainsManage};
use crate::door::rest::body::Payload;
use crate::door::rest::door::Door;
use crate::door::rest::problem::{Details, Problem};
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use crate::id::Id;
use crate::model::domain;
use crate::store::StoreError;

/// Domains that a team may have; all of them are listed at once.
const DOMAINS_MAX: u64 = 1000;

pub fn routes() -> Resources {
    Resources::new()
        .routes(routes!(add_domain, list_domains))
        .routes(routes!(show_domain, change_domain, remove_domain))
        .routes(routes!(verify_domain))
}

/// Adds a domain, with keys that sign its mail
#[utoipa::path(
    post,
    path = "/domains",
    tag = "domains",
    request_body = NewDomain,
    responses((status = 201, description = "Added; publish its records", body = Data<Domain>, headers(("location" = String))), FailuresOfBody)
)]
async fn add_domain(State(door): State<Arc<Door>>, caller: Caller<DomainsManage>, payload: Payload) -> Result<Response, Problem> {
    let (new, _room) = payload.json::<NewDomain>()?;
    let (name, label) = new.checked()?;
    if door.store.count_domains(caller.team()).await? >= DOMAINS_MAX {
        return Err(Problem::Conflict { code: "too_many_domains", text: "A team may have 1000 domains; remove one" });
    }
    let added = keys::add(&door.store, caller.team(), &name, &label, door.clock.now()).await?;
    if !added.is_new {
        return Err(Details::one("domain", "has been added already").into());
    }
    let location = format!("/api/v1/domains/{}", added.domain.id.uuid());
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(&door, &added.domain).await?).into_response())
}

/// Lists the domains, by name
#[utoipa::path(
    get,
    path = "/domains",
    tag = "domains",
    responses((status = 200, description = "All of them", body = Data<Vec<Domain>>), Failures)
)]
async fn list_domains(
    State(door): State<Arc<Door>>,
    caller: Caller<DomainsManage>,
    asked: Parameters,
) -> Result<Data<Vec<Domain>>, Problem> {
    asked.end()?;
    let (domains, keys) = tokio::try_join!(door.store.domains(caller.team()), door.store.dkim_keys_by_domain(caller.team()))?;
    let shown = domains.iter().map(|domain| {
        let keys = keys.get(&domain.id).map_or(&[][..], Vec::as_slice);
        Domain::new(domain, records(domain, keys, &door.watch.gateway))
    });
    Ok(Data { data: shown.collect() })
}

/// Shows a domain
#[utoipa::path(
    get,
    path = "/domains/{id}",
    tag = "domains",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 200, description = "The domain", body = Data<Domain>), FailuresOfOne)
)]
async fn show_domain(
    State(door): State<Arc<Door>>,
    caller: Caller<DomainsManage>,
    Reference(id): Reference,
) -> Result<Data<Domain>, Problem> {
    let domain = found(&door, caller.team(), id).await?;
    shown(&door, &domain).await
}

/// Moves a domain's return path
#[utoipa::path(
    patch,
    path = "/domains/{id}",
    tag = "domains",
    params(("id" = String, Path, description = "In any form an id is written in")),
    request_body = DomainChange,
    responses((status = 200, description = "As it is now", body = Data<Domain>), FailuresOfOne, FailuresOfBody)
)]
async fn change_domain(
    State(door): State<Arc<Door>>,
    caller: Caller<DomainsManage>,
    Reference(id): Reference,
    payload: Payload,
) -> Result<Data<Domain>, Problem> {
    let (change, _room) = payload.json::<DomainChange>()?;
    if let Some(label) = change.checked()? {
        door.store.move_return_path(caller.team(), id, &label).await?;
    }
    let domain = found(&door, caller.team(), id).await?;
    shown(&door, &domain).await
}

/// Looks up each record of a domain, and says how it was found
#[utoipa::path(
    post,
    path = "/domains/{id}/verify",
    tag = "domains",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 200, description = "Looked up; `status` tells what came of it", body = Data<Domain>), FailuresOfOne)
)]
async fn verify_domain(
    State(door): State<Arc<Door>>,
    caller: Caller<DomainsManage>,
    Reference(id): Reference,
) -> Result<Data<Domain>, Problem> {
    let domain = found(&door, caller.team(), id).await?;
    let findings = door.watch.look(&domain).await.map_err(|failure| match failure {
        StoreError::Conflict(_) => Problem::Conflict { code: "domain_taken", text: "Another team has this domain verified" },
        failure => failure.into(),
    })?;
    let domain = found(&door, caller.team(), id).await?;
    Ok(Data { data: Domain::new(&domain, findings) })
}

/// Removes a domain, and its keys
#[utoipa::path(
    delete,
    path = "/domains/{id}",
    tag = "domains",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 204, description = "It is gone"), FailuresOfOne)
)]
async fn remove_domain(
    State(door): State<Arc<Door>>,
    caller: Caller<DomainsManage>,
    Reference(id): Reference,
) -> Result<StatusCode, Problem> {
    let domain = found(&door, caller.team(), id).await?;
    let is_gone = door.store.remove_domain(caller.team(), &domain.name).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}

async fn found(door: &Door, team: Id, id: Id) -> Result<domain::Domain, Problem> {
    door.store.domain_by_id(team, id).await?.ok_or(Problem::NotFound)
}

async fn shown(door: &Door, domain: &domain::Domain) -> Result<Data<Domain>, Problem> {
    Ok(Data { data: Domain::new(domain, door.watch.records(domain).await?) })
}
