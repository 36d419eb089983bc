//! What the OpenAPI description says of every operation: how to sign in, and what refuses it.

use crate::Problem;
use crate::auth::POLICY;
use crate::once::{KEY_CHARS_MAX, KEY_HEADER, OPERATIONS};
use qingting_common::limits::{
    REQUESTS_AT_ONCE, REQUESTS_PER_SECOND, STRANGERS_REQUESTS_AT_ONCE,
    STRANGERS_REQUESTS_PER_SECOND,
};
use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, Ref, RefOr, Required, Response, ResponseBuilder};

/// The refusals that the guard answers with before an operation is reached.
const REFUSALS: [(&str, &str, &str); 3] = [
    ("401", "Unauthorized", "No key or password, or none that is valid"),
    ("403", "Forbidden", "The key's role may not do this"),
    (
        "429",
        TOO_MANY,
        "Too many requests, or too many passwords of this address wait; see Retry-After",
    ),
];

const TOO_MANY: &str = "TooManyRequests";

/// What refuses a request of a certain form, whatever the operation: added where the operation says nothing of its own.
const FAULTS: [(&str, &str, &str); 6] = [
    ("400", "BadRequest", "A parameter or the body cannot be read"),
    ("404", "NotFound", "There is no such thing"),
    ("413", "TooLarge", "The body is too large"),
    ("415", "UnsupportedMediaType", "The body is not of the described type"),
    ("422", "Unprocessable", "A value is wrong; see field"),
    ("503", "Unavailable", "The database does not answer, or it takes too long"),
];

/// Operations whose answer has an `ETag`, and the header in which it comes back.
const CONDITIONAL: [(&str, &str, &str); 13] = [
    ("GET", "/api/v1/openapi.json", IF_NONE_MATCH),
    ("GET", "/api/v1/tickets/{id}", IF_NONE_MATCH),
    ("PATCH", "/api/v1/tickets/{id}", IF_MATCH),
    ("POST", "/api/v1/tickets/{id}/confirm", IF_MATCH),
    ("POST", "/api/v1/tickets/{id}/steps", IF_MATCH),
    ("PATCH", "/api/v1/campaigns/{id}", IF_MATCH),
    ("PATCH", "/api/v1/seats/{extension}", IF_MATCH),
    ("DELETE", "/api/v1/seats/{extension}", IF_MATCH),
    ("GET", "/api/v1/duty-list", IF_NONE_MATCH),
    ("PUT", "/api/v1/duty-list", IF_MATCH),
    ("GET", "/api/v1/profile/{part}/table", IF_NONE_MATCH),
    ("PUT", "/api/v1/profile/{part}/table", IF_MATCH),
    ("DELETE", "/api/v1/profile/{part}/table", IF_MATCH),
];
const JSON: &str = "application/json";
const IF_MATCH: &str = "If-Match";
const IF_NONE_MATCH: &str = "If-None-Match";

/// The roles that may call an operation, as the policy table has them; none where it is open to everyone.
const ROLES: &str = "x-roles";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Qingting",
        description = "Voice server of a 12345 hotline. Send an API key as `Authorization: Bearer qt_…`, a seat's session as `Authorization: Bearer qts_…` (see POST /api/v1/session), or `admin` and the administrator's password by HTTP Basic. Times are milliseconds since 1970-01-01T00:00:00Z. Errors are application/problem+json."
    ),
    components(schemas(Problem))
)]
pub(crate) struct Description;

/// Adds to the routes what holds for all of them.
pub(crate) fn finished(mut routes: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = routes.components.get_or_insert_with(Components::new);
    for (name, scheme) in [("key", HttpAuthScheme::Bearer), ("password", HttpAuthScheme::Basic)] {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
    }
    for (_, name, text) in REFUSALS.into_iter().chain(FAULTS) {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(text)));
    }
    let info = &mut routes.info;
    let more = format!(
        "\n\nAt most {REQUESTS_PER_SECOND} requests per second on average and {REQUESTS_AT_ONCE} at once for each \
         key, session or password; for each address at most {STRANGERS_REQUESTS_PER_SECOND} per second and \
         {STRANGERS_REQUESTS_AT_ONCE} at once that need no credentials or were refused with 401. What is beyond is \
         answered with 429 and Retry-After.\n\nWhat dials or makes something takes an {KEY_HEADER}: the same \
         request with the same key is answered with the first answer for 24 hours. `{ROLES}` names the roles \
         that may call an operation; none: it is open to everyone."
    );
    info.description.get_or_insert_default().push_str(&more);
    let any_of = ["key", "password"].map(|name| SecurityRequirement::new(name, [""; 0]));
    routes.security = Some(any_of.to_vec());
    for (path, item) in &mut routes.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            let entry = POLICY.iter().find(|(m, p, _)| (*m, *p) == (method, path.as_str()));
            let roles = entry.map_or(&[][..], |(_, _, roles)| roles);
            let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            let names = ExtensionsBuilder::new().add(ROLES, json!(names)).build();
            operation.extensions.get_or_insert_default().merge(names);
            if roles.is_empty() {
                operation.security = Some(vec![SecurityRequirement::default()]);
                let shared = RefOr::Ref(Ref::from_response_name(TOO_MANY));
                operation.responses.responses.insert("429".to_owned(), shared);
            } else {
                refuse(operation);
            }
            if method == "POST" && OPERATIONS.iter().any(|(known, _)| known == path) {
                take_key(operation);
            }
            let condition =
                CONDITIONAL.iter().find(|(m, p, _)| (*m, *p) == (method, path.as_str()));
            if let Some((_, _, header)) = condition {
                let parameter = header_parameter(header, "The ETag that was answered", None);
                operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
            }
            fault(path, operation);
            as_problems(operation);
        }
    }
    routes
}

/// Such as `get_calls_id_recording`. The functions' own names would come twice, and ids may not (OpenAPI 3.1
/// §4.8.10.1): generated clients take one operation for another.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1").replace(['{', '}'], "");
    let words = path.split(['/', '-', '.']).filter(|word| !word.is_empty());
    let id = words.fold(method.to_lowercase(), |id, word| id + "_" + word);
    if path.is_empty() { id + "_root" } else { id }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn refuse(operation: &mut Operation) {
    for (status, name, _) in REFUSALS {
        let shared = RefOr::Ref(Ref::from_response_name(name));
        operation.responses.responses.insert(status.to_owned(), shared);
    }
}

/// What may be wrong with any request of this form.
fn fault(path: &str, operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let has_id = path.contains('{');
    let is_read = has_body || has_id || operation.parameters.is_some();
    let probe = path.starts_with("/health");
    for (status, name, _) in FAULTS {
        let is_possible = match status {
            "400" => is_read,
            "404" => has_id,
            "503" => !probe,
            _ => has_body,
        };
        if is_possible {
            let shared = || RefOr::Ref(Ref::from_response_name(name));
            operation.responses.responses.entry(status.to_owned()).or_insert_with(shared);
        }
    }
}

/// Errors are problems by their type, too, and not only by their schema.
fn as_problems(operation: &mut Operation) {
    let responses = operation.responses.responses.iter_mut();
    for (_, response) in responses.filter(|(status, _)| status.starts_with(['4', '5'])) {
        let RefOr::T(response) = response else { continue };
        if let Some(body) = response.content.shift_remove(JSON) {
            response.content.insert(crate::PROBLEM_JSON.to_owned(), body);
        }
    }
}

fn refusal(text: &str) -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    let refusal = ResponseBuilder::new().description(text).content(crate::PROBLEM_JSON, body);
    if !text.contains("Retry-After") {
        return refusal.build();
    }
    let mut seconds = Header::new(ObjectBuilder::new().schema_type(Type::Integer));
    seconds.description = Some("Seconds to wait".to_owned());
    refusal.header("Retry-After", seconds).build()
}

/// Says that an operation takes an idempotency key, and what refuses one.
fn take_key(operation: &mut Operation) {
    operation.parameters.get_or_insert_default().push(RefOr::T(key_parameter()));
    for (status, text) in [
        ("409", "It cannot be done now, or the first request with this Idempotency-Key still runs"),
        ("422", "A value is wrong, or another request had this Idempotency-Key"),
    ] {
        operation.responses.responses.insert(status.to_owned(), RefOr::T(refusal(text)));
    }
}

fn key_parameter() -> Parameter {
    let text = "Such as a UUID: a request that is repeated with it counts once";
    header_parameter(KEY_HEADER, text, Some(KEY_CHARS_MAX))
}

fn header_parameter(name: &str, text: &str, chars_max: Option<usize>) -> Parameter {
    let value = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(value.max_length(chars_max)))
        .build()
}
