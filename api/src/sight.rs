//! How much of a citizen a role sees. **One place decides, and what is not let through is masked**: every answer and
//! every event to a role without whole sight passes here after it was made, whichever view made it, so that a view
//! cannot forget it. What is no JSON is given to such a role only where it is listed.
//!
//! Masked are: numbers wherever they stand, in digits, full-width ones or numerals; the citizen's name wherever it
//! stands in an answer that also has it as a name; both are left out whole where the ticket is confidential (保密).
//! Words of a conversation stay: a name that is only spoken is in them.

use crate::auth::Principal;
use crate::problem::{PROBLEM_JSON, Problem};
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use qingting_store::Role;
use qingting_store::citizens::ERASED;
use serde_json::{Map, Value};

/// What stands in the place of a confidential citizen's number and name.
pub(crate) const CONFIDENTIAL: &str = "保密";

/// What stands in the place of a number and is none.
const NO_NUMBERS: [&str; 2] = ["anonymous", ERASED];

/// Largest answer that is masked: the results of a campaign of a hundred thousand.
const MASKED_BYTES_MAX: usize = 128 << 20;

/// What is given to a role without whole sight and is no JSON: the recordings that it may hear, and metrics.
const OTHER_TYPES: [&str; 2] = ["audio/wav", "text/plain"];
const JSON_TYPES: [&str; 3] = ["application/json", PROBLEM_JSON, "application/vcon"];

/// What is told of who works here is no citizen's.
const OF_COLLEAGUES: [&str; 3] = ["/api/v1/me", "/api/v1/people", "/api/v1/people/{login}"];

/// Digits of a number that stay at its beginning and its end.
const SHOWN_FIRST: usize = 3;
const SHOWN_LAST: usize = 4;
/// Fewest digits to guess; a number that is too short for it is hidden whole.
const HIDDEN_MIN: usize = 4;

/// How much somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Who talks to citizens or answers for those who do.
    Whole,
    /// Machines and analysts.
    Masked,
}

impl Sight {
    pub(crate) const fn of(role: Role) -> Self {
        match role {
            Role::Admin | Role::Supervisor | Role::Seat => Self::Whole,
            Role::Operator
            | Role::Reader
            | Role::Feed
            | Role::Metrics
            | Role::Expert
            | Role::Auditor => Self::Masked,
        }
    }

    /// What of an answer or an event is shown.
    pub(crate) fn see(self, value: &mut Value) {
        if self == Self::Masked {
            mask(value, false);
        }
    }
}

/// Leaves number and name out of what is told of a confidential citizen, whoever gets it.
pub(crate) fn conceal(value: &mut Value) {
    mask(value, true);
}

/// Masks what a role may not see whole.
pub(crate) async fn veil(request: Request, next: Next) -> Response {
    let sight = request.extensions().get::<Principal>().map(|who| Sight::of(who.role));
    let is_head = request.method() == Method::HEAD;
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_of_colleagues = path.is_some_and(|path| OF_COLLEAGUES.contains(&path.as_str()));
    let response = next.run(request).await;
    if sight != Some(Sight::Masked) || is_head || is_of_colleagues {
        return response;
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
    match kind.as_deref() {
        None => response,
        Some(kind) if JSON_TYPES.contains(&kind) => masked_answer(response).await,
        Some(kind) if OTHER_TYPES.contains(&kind) => response,
        Some(_) => {
            let detail = "this role sees no whole numbers, and what was asked for cannot be masked";
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
    }
}

async fn masked_answer(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let failed = || {
        tracing::error!("an answer could not be masked and is not given");
        let detail = "the server failed; see its log";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
    };
    let Ok(body) = to_bytes(body, MASKED_BYTES_MAX).await else { return failed() };
    if body.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    let Ok(whole) = serde_json::from_slice::<Value>(&body) else { return failed() };
    let mut value = whole.clone();
    Sight::Masked.see(&mut value);
    if value == whole {
        // Byte for byte: it may be signed.
        return Response::from_parts(parts, Body::from(body));
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// A number that nobody can call, but who knows it recognises: `138****8000`.
pub(crate) fn masked_number(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let hidden = chars.len().saturating_sub(SHOWN_FIRST + SHOWN_LAST);
    // Of a landline's eight digits one would be left to guess.
    if hidden < HIDDEN_MIN {
        return "*".repeat(chars.len());
    }
    let (first, last) = (&chars[..SHOWN_FIRST], &chars[SHOWN_FIRST + hidden..]);
    let stars = std::iter::repeat_n('*', hidden);
    first.iter().copied().chain(stars).chain(last.iter().copied()).collect()
}

/// The family name, and a star for each other character.
fn masked_name(name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.next().into_iter().collect();
    first + &"*".repeat(chars.count())
}

/// Whether a text is what a masked answer showed: it must not be written back.
pub(crate) fn is_mask(text: &str) -> bool {
    text == CONFIDENTIAL || text.contains('*')
}

/// What a name of JSON means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Number,
    Name,
    Other,
}

/// Roles of legs and parties whose number and name are not an office's own.
const OUTSIDERS: [&str; 6] = ["citizen", "customer", "expert", "sme", "other", "thirdparty"];

fn meaning(key: &str, beside: &Map<String, Value>) -> Meaning {
    let role = beside.get("role").and_then(Value::as_str).unwrap_or_default();
    match key {
        "caller" | "citizen" | "phone" => Meaning::Number,
        "caller_name" => Meaning::Name,
        "target" | "tel" if role.is_empty() || OUTSIDERS.contains(&role) => Meaning::Number,
        "name" if OUTSIDERS.contains(&role) => Meaning::Name,
        _ => Meaning::Other,
    }
}

fn is_confidential(object: &Map<String, Value>) -> bool {
    let of =
        |name: &str| object.get(name).is_some_and(|value| value["confidential"]["value"] == "true");
    object.get("confidential").is_some_and(|value| *value == true) || of("fields") || of("draft")
}

/// What must stand nowhere, with what stands there instead.
type Words = Vec<(String, String)>;

fn mask(value: &mut Value, is_hidden: bool) {
    let mut words = Words::new();
    collect(value, is_hidden, &mut words);
    // A longer one may hold a shorter one.
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    words.dedup();
    cover(value, is_hidden, &words);
}

fn collect(value: &Value, is_hidden: bool, words: &mut Words) {
    match value {
        Value::Object(object) => {
            let is_hidden = is_hidden || is_confidential(object);
            for (key, value) in object {
                let meaning = meaning(key, object);
                // A field of a ticket is an object with its value.
                let text = value.as_str().or_else(|| value.get("value")?.as_str());
                let is_one = |text: &&str| text.chars().count() >= 2 && !NO_NUMBERS.contains(text);
                if let Some(text) = text.filter(is_one) {
                    match meaning {
                        Meaning::Other => {}
                        _ if is_hidden => words.push((text.to_owned(), CONFIDENTIAL.to_owned())),
                        Meaning::Number => words.push((text.to_owned(), masked_number(text))),
                        Meaning::Name => words.push((text.to_owned(), masked_name(text))),
                    }
                }
                collect(value, is_hidden, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_hidden, words)),
        _ => {}
    }
}

fn cover(value: &mut Value, is_hidden: bool, words: &Words) {
    match value {
        Value::String(text) => {
            if let Some(covered) = covered(text, words) {
                *text = covered;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cover(item, is_hidden, words)),
        Value::Object(object) => {
            let is_hidden = is_hidden || is_confidential(object);
            let own: Vec<(String, Meaning)> =
                object.keys().map(|key| (key.clone(), meaning(key, object))).collect();
            for (key, meaning) in own {
                let Some(value) = object.get_mut(&key) else { continue };
                match meaning {
                    Meaning::Other => cover(value, is_hidden, words),
                    meaning => whole(value, meaning, is_hidden, words),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// All texts below a number or a name: it itself, and what it was read from.
fn whole(value: &mut Value, meaning: Meaning, is_hidden: bool, words: &Words) {
    match value {
        Value::String(text) if text.is_empty() || NO_NUMBERS.contains(&text.as_str()) => {}
        Value::String(text) if is_hidden => *text = CONFIDENTIAL.to_owned(),
        Value::String(text) if meaning == Meaning::Number => *text = masked_number(text),
        Value::String(text) => *text = masked_name(text),
        Value::Object(field) => {
            if let Some(value) = field.get_mut("value") {
                whole(value, meaning, is_hidden, words);
            }
            if let Some(Value::Array(evidence)) = field.get_mut("evidence") {
                for quote in evidence.iter_mut().filter_map(|one| one.get_mut("quote")) {
                    whole(quote, meaning, is_hidden, words);
                }
            }
        }
        other => cover(other, is_hidden, words),
    }
}

/// A text without the words and numbers in it; none where it holds none.
fn covered(text: &str, words: &Words) -> Option<String> {
    let mut out = None::<String>;
    for (word, instead) in words {
        let now = out.as_deref().unwrap_or(text);
        // Ids are no words.
        if now.contains(word.as_str()) && !is_part_of_longer_digits(now, word) {
            out = Some(now.replace(word.as_str(), instead));
        }
    }
    let without = numbers_masked(out.as_deref().unwrap_or(text));
    without.or(out)
}

/// Whether a short number only stands within a longer one, such as an extension within a time.
fn is_part_of_longer_digits(text: &str, word: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_digits(word) || word.len() > SHOWN_FIRST + SHOWN_LAST {
        return false;
    }
    text.match_indices(word).all(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        [before, after].into_iter().flatten().any(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

/// The value of a digit: ASCII, full-width, or a numeral as it is spoken.
fn digit(c: char) -> Option<char> {
    let value = match c {
        '0'..='9' => return Some(c),
        '０'..='９' => u32::from(c) - u32::from('０'),
        '零' | '〇' => 0,
        '一' | '幺' => 1,
        '二' | '两' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    };
    char::from_digit(value, 10)
}

/// Digits in a row: where they begin and end, in characters, and what they are.
struct Run {
    from: usize,
    to: usize,
    digits: String,
}

/// Telephone numbers of a text masked; none where there is none.
fn numbers_masked(text: &str) -> Option<String> {
    let mut chars: Vec<char> = text.chars().collect();
    let runs = runs(&chars);
    let mut hidden = false;
    let mut first = 0;
    while first < runs.len() {
        // The longest of the runs that follow each other with one mark between them.
        let mut last = first;
        while last + 1 < runs.len()
            && last - first < 3
            && runs[last + 1].from == runs[last].to + 1
            && matches!(chars[runs[last].to], '-' | ' ' | '－' | '—')
        {
            last += 1;
        }
        let length =
            (1..=last - first + 1).rev().find(|n| is_number(&chars, &runs[first..first + n]));
        let Some(length) = length else {
            first += 1;
            continue;
        };
        let parts = &runs[first..first + length];
        let places: Vec<usize> = parts.iter().flat_map(|run| run.from..run.to).collect();
        for place in &places[SHOWN_FIRST..places.len() - SHOWN_LAST] {
            chars[*place] = '*';
        }
        hidden = true;
        first += length;
    }
    hidden.then(|| chars.into_iter().collect())
}

fn runs(chars: &[char]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if digit(chars[at]).is_none() {
            at += 1;
            continue;
        }
        let from = at;
        while at < chars.len() && digit(chars[at]).is_some() {
            at += 1;
        }
        let digits = chars[from..at].iter().copied().filter_map(digit).collect();
        runs.push(Run { from, to: at, digits });
    }
    runs
}

/// Whether these runs are one telephone number.
fn is_number(chars: &[char], runs: &[Run]) -> bool {
    let (from, to) = (runs[0].from, runs[runs.len() - 1].to);
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    // Parts of ids and hashes.
    if from > 0 && is_word(&chars[from - 1]) || chars.get(to).is_some_and(is_word) {
        return false;
    }
    let lengths: Vec<usize> = runs.iter().map(|run| run.digits.len()).collect();
    let digits: String = runs.iter().map(|run| run.digits.as_str()).collect();
    match lengths.as_slice() {
        [12] if is_end_of_uuid(chars, from) => false,
        [_] => is_phone(&digits),
        [3, 4, 4] | [2 | 4, 11] | [2 | 4, 3, 4, 4] => is_phone(&digits),
        [3 | 4, 7 | 8] => digits.starts_with('0') || digits.starts_with("400"),
        [3, 3, 4] => digits.starts_with("400") || digits.starts_with("800"),
        _ => false,
    }
}

fn is_end_of_uuid(chars: &[char], from: usize) -> bool {
    from >= 5
        && chars[from - 1] == '-'
        && chars[from - 5..from - 1].iter().all(char::is_ascii_hexdigit)
}

fn is_phone(digits: &str) -> bool {
    let digits = ["0086", "86"]
        .into_iter()
        .find_map(|prefix| digits.strip_prefix(prefix).filter(|rest| rest.len() >= 10))
        .unwrap_or(digits);
    let is_mobile = |digits: &str| digits.len() == 11 && digits.starts_with('1');
    let rest = digits.strip_prefix('0').unwrap_or(digits);
    is_mobile(digits)
        || is_mobile(rest)
        || digits.starts_with('0') && (10..=17).contains(&digits.len())
        || digits.len() == 10 && (digits.starts_with("400") || digits.starts_with("800"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_masked_number_cannot_be_called() {
        assert_eq!(masked_number("13800138000"), "138****8000");
        assert_eq!(masked_number("+8613800138000"), "+86*******8000");
        assert_eq!(masked_number("8880001"), "*******");
        assert_eq!(masked_number("88881234"), "********");
        assert_eq!(masked_number("01012345678"), "010****5678");
        assert_eq!(masked_number("110"), "***");
        assert_eq!(masked_number(""), "");
    }

    #[test]
    fn numbers_are_masked_however_they_are_written_and_nothing_else_is() {
        let masked = |text: &str| numbers_masked(text).unwrap_or_else(|| text.to_owned());
        for (text, expected) in [
            ("请打13800138000，谢谢", "请打138****8000，谢谢"),
            ("138-0013-8000", "138-****-8000"),
            ("138 0013 8000或13900139000", "138 **** 8000或139****9000"),
            ("+8613800138000", "+861******8000"),
            ("１３８００１３８０００", "１３８****８０００"),
            ("电话是一三八零零一三八零零零", "电话是一三八****八零零零"),
            ("0571-88888888", "057*-****8888"),
            ("400-810-1234", "400-***-1234"),
        ] {
            assert_eq!(masked(text), expected);
        }
        for text in [
            "20260101-000001",
            "2026-01-01T00:00:00+08:00",
            "2026-01-01 08:00:00",
            "0199a2b0-1234-7abc-8def-013800138000",
            "sha512-13800138000a",
            "GD13800138000",
            "三千五百块，12345热线，8001座席",
            "浙A12345",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn who_showed_no_number_or_was_erased_is_told_so() {
        let mut call = json!({"caller": "anonymous", "fields": {"phone": {"value": ERASED}}});
        let before = call.clone();
        Sight::Masked.see(&mut call);
        assert_eq!(call, before);
    }

    #[test]
    fn name_and_number_are_masked_wherever_an_answer_has_them() {
        let mut ticket = json!({
            "number": "20260101-000001",
            "fields": {
                "title": {"value": "王建国反映噪音"},
                "caller_name": {"value": "王建国", "evidence": [{"quote": "我叫王建国"}]},
                "phone": {"value": "88881234", "evidence": [{"quote": "八八八八一二三四"}]},
                "description": {"value": "回电88881234"},
            },
            "legs": [{"role": "seat", "target": "8001", "name": "李芳"},
                {"role": "citizen", "target": "88881234"}],
        });
        let mut hidden = ticket.clone();
        Sight::Whole.see(&mut hidden);
        assert_eq!(hidden, ticket);
        Sight::Masked.see(&mut ticket);
        let text = ticket.to_string();
        for word in ["王建国", "88881234", "八八八八一二三四"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        assert_eq!(ticket["fields"]["title"]["value"], "王**反映噪音");
        assert_eq!(
            (&ticket["legs"][0]["target"], &ticket["legs"][0]["name"]),
            (&json!("8001"), &json!("李芳"))
        );
        hidden["fields"]["confidential"] = json!({"value": "true"});
        Sight::Masked.see(&mut hidden);
        assert_eq!(hidden["fields"]["phone"]["value"], CONFIDENTIAL);
        assert_eq!(hidden["fields"]["title"]["value"], "保密反映噪音");
        assert!(!hidden.to_string().contains('王'), "{hidden}");
    }
}
