//! What the OpenAPI description says of every operation: how to sign in, and what refuses it.

use crate::Problem;
use crate::auth::POLICY;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, Ref, RefOr, Response, ResponseBuilder};

/// The refusals that the guard answers with before an operation is reached.
const REFUSALS: [(&str, &str, &str); 3] = [
    ("401", "Unauthorized", "No key or password, or none that is valid"),
    ("403", "Forbidden", "The key's role may not do this"),
    ("429", "TooManyRequests", "Too many passwords of this address wait; see Retry-After"),
];

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
    for (_, name, text) in REFUSALS {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(text)));
    }
    let any_of = ["key", "password"].map(|name| SecurityRequirement::new(name, [""; 0]));
    routes.security = Some(any_of.to_vec());
    for (path, item) in &mut routes.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            let open =
                POLICY.iter().any(|(m, p, roles)| (*m, *p) == (method, path) && roles.is_empty());
            if open {
                operation.security = Some(vec![SecurityRequirement::default()]);
            } else {
                refuse(operation);
            }
        }
    }
    routes
}

/// Such as `get_calls_id_recording`. The functions' own names would come twice, and ids may not (OpenAPI 3.1
/// §4.8.10.1): generated clients take one operation for another.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1").replace(['{', '}'], "");
    let words = path.split(['/', '-', '.']).filter(|word| !word.is_empty());
    words.fold(method.to_lowercase(), |id, word| id + "_" + word)
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

fn refusal(text: &str) -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(text).content(crate::PROBLEM_JSON, body).build()
}
