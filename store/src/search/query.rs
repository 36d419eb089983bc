//! How the index is asked, so that a page comes soon whatever is asked.
//!
//! Few tickets have a number or the end of a telephone number: they are found first, and looked at for words.
//! Without them SQLite's index of words gives the newest first and stops at the page's end. PostgreSQL's gives
//! all tickets with the words, in no order: a frequent word fills its page with the newest tickets
//! ([`Reach::Newest`]), a rare one is in few of all ([`Reach::All`]).

use super::phone::SHOWN_DIGITS_MIN;
use super::words::{Index, Words};
use super::{FoundStatus, TicketSearch};
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, repeats};

/// Tickets that are looked through before PostgreSQL's index of words is asked.
const NEWEST_ROWS: i64 = 5_000;

const COLUMNS: &str = "SELECT docs.doc, docs.ticket_id, docs.import_id FROM ";

/// How far words are looked for in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The newest [`NEWEST_ROWS`], one after the other.
    Newest,
    /// All, by the index of words.
    All,
}

/// Whether the newest are not all.
pub(super) fn may_reach_further(search: &TicketSearch, index: Index) -> bool {
    index == Index::Tsvector && !words(search).is_empty() && !names_few(search)
}

/// The documents of a page. Only the filters that are used: a plan is made for the text, not for the values.
pub(crate) fn docs(
    prefix: &str,
    search: &TicketSearch,
    before: Option<i64>,
    index: Index,
    reach: Reach,
) -> Sql {
    let words = words(search);
    let mut sql = Sql::new(prefix);
    let doc = match (index, reach) {
        _ if words.is_empty() => {
            sql.push(COLUMNS).push("ticket_docs AS docs WHERE true");
            few(&mut sql, search);
            "docs.doc"
        }
        _ if names_few(search) => {
            sql.push("WITH few AS MATERIALIZED (").push(COLUMNS);
            sql.push("ticket_docs AS docs WHERE true");
            few(&mut sql, search);
            sql.push(") ").push(COLUMNS).push("few AS docs WHERE ");
            has_words(&mut sql, &words, index);
            "docs.doc"
        }
        (Index::Fts5, _) => {
            sql.push(COLUMNS).push(
                "ticket_words CROSS JOIN ticket_docs AS docs ON docs.doc = ticket_words.rowid
                 WHERE ticket_words MATCH ",
            );
            sql.push_bind(asked_of_fts5(&words));
            "ticket_words.rowid"
        }
        (Index::Tsvector, Reach::Newest) => {
            sql.push(COLUMNS).push("(SELECT * FROM ticket_words WHERE true");
            if let Some(before) = before {
                sql.push(" AND doc < ").push_bind(before);
            }
            sql.push(" ORDER BY doc DESC LIMIT ").push_bind(NEWEST_ROWS);
            sql.push(") AS hits JOIN ticket_docs AS docs ON docs.doc = hits.doc WHERE ");
            asked_of_tsvector(&mut sql, &words);
            "hits.doc"
        }
        // The planner would rather read all than believe that few have a phrase of frequent pairs.
        (Index::Tsvector, Reach::All) => {
            sql.push("WITH hits AS MATERIALIZED (SELECT doc FROM ticket_words WHERE ");
            asked_of_tsvector(&mut sql, &words);
            sql.push(") ").push(COLUMNS);
            sql.push("hits JOIN ticket_docs AS docs ON docs.doc = hits.doc WHERE true");
            "hits.doc"
        }
    };
    if let Some(before) = before {
        sql.push(" AND ").push(doc).push(" < ").push_bind(before);
    }
    match search.status {
        None => {}
        Some(FoundStatus::Past) => {
            sql.push(" AND docs.import_id IS NOT NULL");
        }
        Some(FoundStatus::Own(status)) => {
            sql.push(
                " AND EXISTS (SELECT 1 FROM tickets WHERE tickets.id = docs.ticket_id AND status = ",
            );
            sql.push_bind(status.as_str()).push(")");
        }
    }
    if !search.handling.is_nothing() {
        sql.push(" AND EXISTS (SELECT 1 FROM tickets WHERE tickets.id = docs.ticket_id");
        search.handling.push(&mut sql);
        sql.push(")");
    }
    sql.push(
        " AND (docs.import_id IS NULL OR docs.import_id IN
            (SELECT id FROM past_imports WHERE finished_at IS NOT NULL)) ORDER BY ",
    );
    sql.push(doc).push(" DESC LIMIT ");
    sql.push_bind(i64::from(search.limit.min(PAGE_ROWS_MAX)));
    sql
}

/// Columns of the index with what is looked for in them.
fn words(search: &TicketSearch) -> Vec<(&'static str, &Words)> {
    let all = [("words", &search.text), ("place", &search.place)];
    all.into_iter().filter_map(|(column, words)| Some((column, words.as_ref()?))).collect()
}

/// Whether what is asked is of few tickets.
const fn names_few(search: &TicketSearch) -> bool {
    search.number.is_some() || search.phone.is_some()
}

fn few(sql: &mut Sql, search: &TicketSearch) {
    if let Some(number) = &search.number {
        sql.push(" AND docs.number IN (");
        sql.push_list([number.trim().to_owned(), repeats::written(number)]).push(")");
    }
    let Some(phone) = &search.phone else { return };
    sql.push(" AND docs.doc IN (SELECT doc FROM ticket_phones WHERE reversed ");
    if search.is_masked && !phone.is_shown_end() {
        sql.push("IN (").push_list(phone.whole().unwrap_or_default()).push("))");
        return;
    }
    let (from, to) = phone.range();
    sql.push(">= ").push_bind(from).push(" AND reversed < ").push_bind(to);
    if search.is_masked {
        sql.push(" AND length(reversed) >= ").push_bind(SHOWN_DIGITS_MIN);
    }
    sql.push(")");
}

/// Whether one document has the words.
fn has_words(sql: &mut Sql, words: &[(&str, &Words)], index: Index) {
    match index {
        Index::Fts5 => {
            sql.push("EXISTS (SELECT 1 FROM ticket_words WHERE ticket_words MATCH ");
            sql.push_bind(asked_of_fts5(words)).push(" AND ticket_words.rowid = docs.doc)");
        }
        // A value, of which no plan makes a join.
        Index::Tsvector => {
            sql.push("(SELECT ");
            asked_of_tsvector(sql, words);
            sql.push(" FROM ticket_words WHERE ticket_words.doc = docs.doc)");
        }
    }
}

fn asked_of_fts5(words: &[(&str, &Words)]) -> String {
    let asked =
        |(column, words): &(&str, &Words)| format!("{{{column}}} : ({})", words.asked(Index::Fts5));
    words.iter().map(asked).collect::<Vec<_>>().join(" AND ")
}

fn asked_of_tsvector(sql: &mut Sql, words: &[(&str, &Words)]) {
    for (number, (column, words)) in words.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " AND " }).push(column).push(" @@ CAST(");
        sql.push_bind(words.asked(Index::Tsvector)).push(" AS tsquery)");
    }
}
