//! The description of this dialect (OpenAPI 3.1), made from the types that read and write it.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::openapi::{SecurityRequirement, ServerBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::email::Status;
use super::new_email::{Content, RECIPIENTS_MAX, Recipients, StreamName};
use super::problem::{Plain, Policy, RateLimit, Validation};
use crate::tables::write::Format;

/// The whole document.
pub fn document() -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key: kr_live_...")).build();
    let components = ComponentsBuilder::new()
        .security_scheme("key", SecurityScheme::Http(bearer))
        .schema_from::<Plain>()
        .schema_from::<Policy>()
        .schema_from::<Validation>()
        .schema_from::<RateLimit>()
        .build();
    let info = InfoBuilder::new().title("Posthouse").version(env!("CARGO_PKG_VERSION")).build();
    let document = OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("key", [])]))
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .build();
    OpenApiRouter::with_openapi(document).nest("/api/v1", super::resources()).into_openapi()
}

/// What any request may be answered instead of what it hopes for.
pub struct Failures;

/// The same, for one that names a record.
pub struct FailuresOfOne;

/// The same, for one that has a body.
pub struct FailuresOfBody;

type Answers = BTreeMap<String, RefOr<Response>>;

/// 422 may be told by code, by field, or in words alone.
const REFUSALS: [&str; 3] = ["Policy", "Validation", "Plain"];

impl IntoResponses for Failures {
    fn responses() -> Answers {
        answers(&[
            ("400", "The request can't be read", &["Plain"]),
            ("401", "The key opens nothing", &["Plain"]),
            ("403", "The key lacks a scope, or a policy speaks against it", &["Plain", "Policy"]),
            ("422", "What came can't be used", &REFUSALS),
            ("429", "Too much for now", &["RateLimit"]),
            ("500", "Answering it failed", &["Plain"]),
            ("503", "Not possible now", &["Plain", "Policy"]),
        ])
    }
}

impl IntoResponses for FailuresOfOne {
    fn responses() -> Answers {
        let mut answers = answers(&[("404", "There is none of this id", &["Plain"])]);
        answers.extend(Failures::responses());
        answers
    }
}

impl IntoResponses for FailuresOfBody {
    fn responses() -> Answers {
        let mut answers = answers(&[
            ("408", "The body did not come in time", &["Plain"]),
            ("413", "The body is over 40 MiB", &["Plain"]),
            ("415", "The body is not JSON", &["Plain"]),
        ]);
        answers.extend(Failures::responses());
        answers
    }
}

fn answers(rows: &[(&str, &str, &[&str])]) -> Answers {
    let answer = |(status, description, shapes): &(&str, &str, &[&str])| {
        let schema = match shapes {
            [shape] => RefOr::Ref(Ref::from_schema_name(*shape)),
            shapes => {
                let one_of = shapes.iter().fold(OneOfBuilder::new(), |one_of, shape| one_of.item(Ref::from_schema_name(*shape)));
                RefOr::T(Schema::OneOf(one_of.build()))
            }
        };
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(*description).content("application/json", content).build();
        ((*status).to_owned(), RefOr::T(response))
    };
    rows.iter().map(answer).collect()
}

/// A parameter behind a path's `?`: with nothing after its `=` it is as if it were left out.
pub struct Asked<T>(PhantomData<T>);

/// Asked for: a whole number, taken into bounds.
pub type AskedNumber = Asked<usize>;
/// Asked for: a status.
pub type AskedStatus = Asked<Status>;
/// Asked for: a stream.
pub type AskedStream = Asked<StreamName>;
/// Asked for: how lines are written.
pub type AskedFormat = Asked<Format>;

impl<T> ToSchema for Asked<T> where Self: PartialSchema {}

impl<T: PartialSchema> PartialSchema for Asked<T> {
    fn schema() -> RefOr<Schema> {
        let nothing = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some([""]));
        OneOfBuilder::new().item(T::schema()).item(nothing).into()
    }
}

impl ToSchema for Recipients {}

impl PartialSchema for Recipients {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let list = ArrayBuilder::new().items(text()).max_items(Some(RECIPIENTS_MAX));
        let description = "One mailbox or a list of them: local@domain or Name <local@domain>";
        OneOfBuilder::new().item(text()).item(list).description(Some(description)).into()
    }
}

impl ToSchema for Content {}

impl PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).content_encoding("base64");
        text.description(Some("RFC 4648 section 4: padded, no line ends")).into()
    }
}
