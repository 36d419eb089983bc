//! Earlier tickets that a call's ticket may repeat, and what recent calls were about.

use crate::error::StoreError;
use crate::rows::pii;
use crate::sql::Sql;
use crate::tickets::{self, TicketRow};
use crate::{Store, lookups};
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_nlu::draft::{Field, TicketDraft};
use qingting_nlu::repeats::{Appeal, Earlier, REPEAT_DAYS_MAX, Reason, Repeat, place_pairs};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// Most earlier tickets of one caller, and most of one place, that are compared.
const CANDIDATES_MAX: u32 = 60;
/// Most calls that [`Store::recent_appeals`] gives.
const RECENT_MAX: u32 = 5_000;
const DAY_MS: i64 = 86_400_000;

/// Kinds of appeal that are about an earlier ticket.
const ABOUT_EARLIER: [&str; 3] = ["催办", "补充", "撤销"];

/// A ticket that may be an earlier one of the same matter.
#[derive(Clone, Debug, PartialEq)]
pub struct LikelyRepeat {
    /// The earlier ticket.
    pub ticket: TicketRow,
    /// How likely it is the same matter, 0 to 1.
    pub score: f32,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
}

/// What a call was about.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentAppeal {
    /// Its ticket.
    pub ticket: TicketRow,
    /// The caller's number; none if it was not shown.
    pub caller: Option<Pii<String>>,
}

impl Store {
    /// Tickets that the ticket of a call may repeat, the likeliest first: of the last
    /// [`REPEAT_DAYS_MAX`] days, or of the number that the caller said. Empty for an unknown call.
    pub async fn repeats(&self, call: CallId) -> Result<Vec<LikelyRepeat>, StoreError> {
        let Some(present) = self.appeal_of(call).await? else { return Ok(Vec::new()) };
        let field = |name| value(&present.ticket.draft, name);
        let about_earlier = |kind: &str| {
            let kinds = self.kinds();
            let named = kinds.iter().find(|named| named.name == kind);
            ABOUT_EARLIER.contains(&named.map_or(kind, |named| named.kind.as_str()))
        };
        let earlier = Earlier {
            number: field(Field::EarlierTicket),
            meant: field(Field::AppealKind).is_some_and(about_earlier),
        };
        let candidates = self.candidates(&present, earlier.number).await?;
        let words = words(&present.ticket.draft);
        let all: Vec<String> = candidates.iter().map(|of| self::words(&of.ticket.draft)).collect();
        let ranked = self.ranks().rank(
            &present.appeal(&words),
            earlier,
            candidates
                .iter()
                .zip(&all)
                .map(|(of, words)| (of, of.ticket.number.as_str(), of.appeal(words))),
        );
        let repeat = |Repeat { ticket, score, reasons }: Repeat<&RecentAppeal>| LikelyRepeat {
            ticket: ticket.ticket.clone(),
            score,
            reasons,
        };
        Ok(ranked.into_iter().map(repeat).collect())
    }

    /// What calls were about that came in since a time, oldest first, where their tickets have a place.
    pub async fn recent_appeals(&self, since: UnixMillis) -> Result<Vec<RecentAppeal>, StoreError> {
        let mut sql = Sql::new(SELECT);
        sql.push(" WHERE tickets.id IN (SELECT ticket_id FROM ticket_places WHERE created_at >= ")
            .push_bind(since.0)
            .push(") ORDER BY tickets.id DESC LIMIT ")
            .push_bind(i64::from(RECENT_MAX));
        let mut found = self.appeals(sql).await?;
        found.reverse();
        Ok(found)
    }

    /// What a call is about so far; none for an unknown call.
    pub async fn appeal_of(&self, call: CallId) -> Result<Option<RecentAppeal>, StoreError> {
        let mut sql = Sql::new(SELECT);
        sql.push(" WHERE tickets.call_id = ").push_bind(call.to_string());
        Ok(self.appeals(sql).await?.pop())
    }

    /// Tickets of the same caller, of places with pairs in common, and of the number said.
    async fn candidates(
        &self,
        present: &RecentAppeal,
        number: Option<&str>,
    ) -> Result<Vec<RecentAppeal>, StoreError> {
        let since = present.ticket.created_at.0.saturating_sub((REPEAT_DAYS_MAX + 1) * DAY_MS);
        let mut sql = Sql::new(SELECT);
        sql.push(" WHERE tickets.id <> ").push_bind(present.ticket.id.to_string());
        sql.push(" AND (tickets.id IN (");
        of_caller(&mut sql, present.caller.as_ref(), since);
        sql.push(") OR tickets.id IN (");
        of_place(&mut sql, value(&present.ticket.draft, Field::Place), since);
        sql.push(") OR tickets.number = ").push_bind(number.map(written).unwrap_or_default());
        sql.push(")");
        self.appeals(sql).await
    }

    async fn appeals(&self, sql: Sql) -> Result<Vec<RecentAppeal>, StoreError> {
        let rows = sql.build().fetch_all(self.readers()).await?;
        let appeal = |row: &AnyRow| {
            let caller: Pii<String> = pii(row, "caller")?;
            let shown = !lookups::is_anonymous(caller.expose());
            Ok(RecentAppeal { ticket: tickets::read(row)?, caller: shown.then_some(caller) })
        };
        rows.iter().map(appeal).collect()
    }
}

const SELECT: &str =
    "SELECT tickets.*, calls.caller FROM tickets JOIN calls ON calls.id = tickets.call_id";

fn of_caller(sql: &mut Sql, caller: Option<&Pii<String>>, since: i64) {
    sql.push("SELECT t.id FROM calls JOIN tickets AS t ON t.call_id = calls.id WHERE caller = ")
        .push_bind(caller.map(|caller| caller.expose().clone()))
        .push(" AND started_at >= ")
        .push_bind(since)
        .push(" ORDER BY started_at DESC LIMIT ")
        .push_bind(i64::from(CANDIDATES_MAX));
}

/// Tickets with the most pairs in common.
fn of_place(sql: &mut Sql, place: Option<&str>, since: i64) {
    sql.push("SELECT ticket_id FROM ticket_places WHERE created_at >= ").push_bind(since);
    sql.push(" AND pair IN (").push_list(place.map(place_pairs).unwrap_or_default());
    sql.push(") GROUP BY ticket_id, created_at ORDER BY count(*) DESC, created_at DESC LIMIT ")
        .push_bind(i64::from(CANDIDATES_MAX));
}

/// A ticket's number as it is stored; callers say the digits alone.
pub(crate) fn written(said: &str) -> String {
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    match digits.split_at_checked(8) {
        Some((day, count)) if count.len() == 6 => format!("{day}-{count}"),
        _ => said.to_owned(),
    }
}

/// Keeps the pairs of a ticket's place.
pub(crate) async fn index_place(
    db: &mut AnyConnection,
    ticket: &TicketRow,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM ticket_places WHERE ticket_id = $1")
        .bind(ticket.id.to_string())
        .execute(&mut *db)
        .await?;
    let pairs = value(&ticket.draft, Field::Place).map(place_pairs).unwrap_or_default();
    if pairs.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new("INSERT INTO ticket_places (ticket_id, created_at, pair) VALUES ");
    for (number, pair) in pairs.into_iter().enumerate() {
        sql.push(if number == 0 { "(" } else { ", (" });
        sql.push_bind(ticket.id.to_string()).push(", ").push_bind(ticket.created_at.0);
        sql.push(", ").push_bind(pair).push(")");
    }
    sql.build().execute(db).await?;
    Ok(())
}

impl RecentAppeal {
    /// As it is compared; `words` are [`RecentAppeal::words`].
    pub fn appeal<'a>(&'a self, words: &'a str) -> Appeal<'a> {
        Appeal {
            caller: self.caller.as_ref().map(|caller| caller.expose().as_str()),
            place: value(&self.ticket.draft, Field::Place),
            category: value(&self.ticket.draft, Field::Category),
            words,
            at: self.ticket.created_at,
        }
    }

    /// Title and description.
    pub fn words(&self) -> String {
        words(&self.ticket.draft)
    }
}

fn value(draft: &TicketDraft, field: Field) -> Option<&str> {
    let value = draft.field(field)?.value.expose().as_str();
    (!value.is_empty()).then_some(value)
}

fn words(draft: &TicketDraft) -> String {
    [Field::Title, Field::Description]
        .into_iter()
        .filter_map(|field| value(draft, field))
        .collect::<Vec<_>>()
        .join("，")
}
