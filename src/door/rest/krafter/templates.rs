//! `/templates`: texts with variables, kept once and sent many times.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

use super::Resources;
use super::data::{Data, json};
use super::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use super::paging::{Page, Place};
use super::template::{NewTemplate, Template, TemplateChange};
use crate::door::rest::access::{Caller, TemplatesManage};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use crate::heavy;
use crate::store::templates::Listing;

/// Of a team.
const TEMPLATES_MAX: u64 = 1000;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(create_template, list_templates)).routes(routes!(
        show_template,
        put_template,
        change_template,
        delete_template
    ))
}

/// Keeps a new template
#[utoipa::path(
    post,
    path = "/templates",
    tag = "templates",
    request_body = NewTemplate,
    responses((status = 201, description = "Kept", body = Data<Template>, headers(("location" = String))), FailuresOfBody)
)]
async fn create_template(
    State(door): State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    payload: Payload,
) -> Result<Response, Problem> {
    let (new, _room) = heavy::run(payload.len(), || payload.json::<NewTemplate>())?;
    if door.store.count_templates(caller.team()).await? >= TEMPLATES_MAX {
        return Err(Problem::Conflict { code: "too_many_templates", text: "A team may have 1000 templates; remove one" });
    }
    let text = heavy::run(new.octets(), || new.checked())?;
    let kept = door.store.create_template(caller.team(), text).await?;
    let location = format!("/api/v1/templates/{}", kept.id.uuid());
    Ok((StatusCode::CREATED, [(LOCATION, location)], Data { data: Template::from(kept) }).into_response())
}

/// Lists templates, newest first
///
/// A page ends early where its templates would be over 4 MiB; `meta.next_cursor` leads on from there.
#[utoipa::path(
    get,
    path = "/templates",
    tag = "templates",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
    ),
    responses((status = 200, description = "A page of them", body = Page<Template>), Failures)
)]
async fn list_templates(
    State(door): State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let place = Place::read(&mut asked, cursor::read);
    asked.end()?;
    let page = door.store.templates(caller.team(), place.after, place.offset(), place.per_page);
    let (Listing { templates, more }, total) = tokio::try_join!(page, door.store.count_templates(caller.team()))?;
    let page: Page<Template> = place.with(templates, more, total, |last| cursor::after(last.id));
    Ok(json(&page))
}

/// Shows a template
#[utoipa::path(
    get,
    path = "/templates/{id}",
    tag = "templates",
    params(("id" = String, Path)),
    responses((status = 200, description = "The template", body = Data<Template>), FailuresOfOne)
)]
async fn show_template(
    State(door): State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    Reference(id): Reference,
) -> Result<Data<Template>, Problem> {
    let template = door.store.template(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: template.into() })
}

/// Changes a template
#[utoipa::path(
    put,
    path = "/templates/{id}",
    tag = "templates",
    params(("id" = String, Path)),
    request_body = TemplateChange,
    responses((status = 200, description = "As it is now", body = Data<Template>), FailuresOfOne, FailuresOfBody)
)]
async fn put_template(
    door: State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    reference: Reference,
    payload: Payload,
) -> Result<Data<Template>, Problem> {
    change_template(door, caller, reference, payload).await
}

/// Changes a template
#[utoipa::path(
    patch,
    path = "/templates/{id}",
    tag = "templates",
    params(("id" = String, Path)),
    request_body = TemplateChange,
    responses((status = 200, description = "As it is now", body = Data<Template>), FailuresOfOne, FailuresOfBody)
)]
async fn change_template(
    State(door): State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    Reference(id): Reference,
    payload: Payload,
) -> Result<Data<Template>, Problem> {
    let (change, _room) = heavy::run(payload.len(), || payload.json::<TemplateChange>())?;
    let known = door.store.template(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    let new = change.over(known.text);
    let text = heavy::run(new.octets(), || new.checked())?;
    let changed = door.store.update_template(caller.team(), id, text).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: changed.into() })
}

/// Removes a template
#[utoipa::path(
    delete,
    path = "/templates/{id}",
    tag = "templates",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is gone"), FailuresOfOne)
)]
async fn delete_template(
    State(door): State<Arc<Door>>,
    caller: Caller<TemplatesManage>,
    Reference(id): Reference,
) -> Result<StatusCode, Problem> {
    let is_gone = door.store.delete_template(caller.team(), id).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}
