//! The city's units and categories, as its profile has them: for who fills a ticket or dispatches it.

use crate::calls::page_limit;
use crate::{ApiState, Problem};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Longest text that is looked for, in characters.
const TEXT_CHARS_MAX: usize = 100;

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CatalogueQuery {
    /// What is in the name, in another name of it or in what it answers for; all when absent.
    text: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
}

/// Units, in the order of the profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnitsView {
    units: Vec<UnitView>,
    /// Whether the text is the whole name of a unit: one of the profile that is not retired, one that people are of,
    /// or one that a ticket was dispatched to. What is dispatched to any other name reaches nobody.
    known: bool,
}

/// A unit that handles tickets (承办单位).
#[derive(Serialize, ToSchema)]
pub(crate) struct UnitView {
    code: String,
    name: String,
    /// What it is called as well.
    aliases: Vec<String>,
    /// What it answers for.
    duties: Vec<String>,
}

/// Categories, in the order of the profile.
#[derive(Serialize, ToSchema)]
pub(crate) struct CategoriesView {
    categories: Vec<CategoryView>,
}

/// A category (事项分类).
#[derive(Serialize, ToSchema)]
pub(crate) struct CategoryView {
    code: String,
    /// Names from the first level down, with `/` between them, as in a ticket.
    path: String,
    /// 办理时限 in hours, its own or that of the level above.
    deadline_hours: Option<u32>,
}

impl CatalogueQuery {
    /// The text and the most rows.
    fn read(&self) -> Result<(&str, usize), Problem> {
        let limit = page_limit(self.limit)? as usize;
        let text = self.text.as_deref().unwrap_or_default().trim();
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            let detail = format!("text: {chars} characters are more than {TEXT_CHARS_MAX}");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("text"));
        }
        Ok((text, limit))
    }
}

/// Units of the city's profile that have the text and are not retired (停用); the first ones.
#[utoipa::path(get, path = "/api/v1/units", params(CatalogueQuery),
    responses((status = 200, body = UnitsView), (status = 400, body = Problem)))]
pub(crate) async fn units(
    State(state): State<ApiState>,
    query: Result<Query<CatalogueQuery>, QueryRejection>,
) -> Result<Json<UnitsView>, Problem> {
    let Query(query) = query?;
    let (text, limit) = query.read()?;
    let now = state.city.now();
    let offered = now.profile.units.iter().filter(|unit| !unit.is_retired);
    let units = offered.clone().filter(|unit| {
        let words = unit.aliases.iter().chain(&unit.duties);
        std::iter::once(&unit.name).chain(words).any(|word| word.contains(text))
    });
    let view = |unit: &qingting_nlu::profile::Unit| UnitView {
        code: unit.code.clone(),
        name: unit.name.clone(),
        aliases: unit.aliases.clone(),
        duties: unit.duties.clone(),
    };
    let is_offered = || offered.clone().any(|unit| unit.name == text);
    let known = !text.is_empty() && (is_offered() || state.store.has_unit(text).await?);
    Ok(Json(UnitsView { units: units.take(limit).map(view).collect(), known }))
}

/// Categories of the city's profile whose path has the text and that are not retired (停用); the first ones.
#[utoipa::path(get, path = "/api/v1/categories", params(CatalogueQuery),
    responses((status = 200, body = CategoriesView), (status = 400, body = Problem)))]
pub(crate) async fn categories(
    State(state): State<ApiState>,
    query: Result<Query<CatalogueQuery>, QueryRejection>,
) -> Result<Json<CategoriesView>, Problem> {
    let Query(query) = query?;
    let (text, limit) = query.read()?;
    let now = state.city.now();
    let all = &now.profile.categories;
    let view = |code: &str| {
        let path = all.path(code)?.join("/");
        path.contains(text).then(|| CategoryView {
            code: code.to_owned(),
            path,
            deadline_hours: all.deadline_hours(code),
        })
    };
    Ok(Json(CategoriesView {
        categories: all
            .codes()
            .filter(|code| !all.is_retired(code))
            .filter_map(view)
            .take(limit)
            .collect(),
    }))
}
