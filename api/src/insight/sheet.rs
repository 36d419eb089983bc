//! The sheet of a day, a week or a month.

use super::counts::{CallCounts, Insight, TicketCounts, TicketsOf};
use super::topics::Rising;
use super::{DAY_MS, DistrictOf, compare, count};
use crate::clock;
use qingting_common::UnixMillis;
use qingting_store::{Store, StoreError, china};
use qingting_workbook::WriteError;
use qingting_workbook::report::{Cell, FontError, Report, ReportFont, Section};
use serde::Deserialize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a sheet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SheetSpan {
    /// One day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A month of the calendar.
    Month,
}

/// The file of a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SheetFormat {
    /// One table below the other.
    Csv,
    /// A workbook with a sheet for each table.
    Xlsx,
    /// A4 pages.
    Pdf,
}

/// Why there is no sheet.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A PDF has no font.
    #[error(transparent)]
    Font(#[from] FontError),
    /// The file could not be made.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl SheetSpan {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// From when until when it goes around a time.
    pub fn around(self, at: UnixMillis) -> (UnixMillis, UnixMillis) {
        let midnight = china::midnight_before(at);
        match self {
            Self::Day => (midnight, UnixMillis(midnight.0 + DAY_MS)),
            Self::Week => {
                let monday = midnight.0 - china::weekday(at) * DAY_MS;
                (UnixMillis(monday), UnixMillis(monday + 7 * DAY_MS))
            }
            Self::Month => {
                let day = china::of(midnight);
                let first = midnight.0 - (day.day - 1) * DAY_MS;
                // 31 days after the first is in the next month, whatever the month.
                let next = china::of(UnixMillis(first + 31 * DAY_MS));
                let over = if next.day == 1 { 0 } else { next.day - 1 };
                (UnixMillis(first), UnixMillis(first + (31 - over) * DAY_MS))
            }
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Day => "日报",
            Self::Week => "周报",
            Self::Month => "月报",
        }
    }
}

impl FromStr for SheetSpan {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Day, Self::Week, Self::Month].into_iter().find(|of| of.as_str() == text).ok_or(())
    }
}

impl SheetFormat {
    /// The name in the API, and the end of the file's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Pdf => "pdf",
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Pdf => "application/pdf",
        }
    }
}

/// Makes the sheet of the span around a time; of a PDF with the first of the fonts that is there.
pub async fn sheet(
    store: &Store,
    district_of: &DistrictOf,
    span: SheetSpan,
    at: UnixMillis,
    format: SheetFormat,
    fonts: Arc<[PathBuf]>,
) -> Result<Vec<u8>, SheetError> {
    let (from, to) = span.around(at);
    let now = clock::now();
    let insight = count(store, district_of, from, to).await?;
    // A month overlaps with the weeks before it.
    let rising = match span {
        SheetSpan::Month => None,
        SheetSpan::Day | SheetSpan::Week => {
            Some(compare(store, district_of, from, UnixMillis(to.0.min(now.0.max(from.0)))).await?)
        }
    };
    let report = report(span, now, &insight, rising.as_ref());
    let work = move || match format {
        SheetFormat::Csv => Ok(report.csv()?),
        SheetFormat::Xlsx => Ok(report.xlsx()?),
        SheetFormat::Pdf => Ok(report.pdf(&ReportFont::find(&fonts)?)?),
    };
    // A panic of the writer is its failure.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(SheetError::Write(WriteError::Pdf)))
}

fn report(span: SheetSpan, now: UnixMillis, insight: &Insight, rising: Option<&Rising>) -> Report {
    let first = china::of(UnixMillis(insight.from)).day_text();
    let last = china::of(UnixMillis(insight.to - 1)).day_text();
    let days = if first == last { first } else { format!("{first} 至 {last}") };
    let mut notes = vec![
        format!("统计时间：{days}（北京时间）；生成于 {}。", china::of(now)),
        "通话按开始时间计入，工单按建立时间计入；每通电话、每张工单在每张表中恰好计一次，未填或不能确定的列为“未填”，故各表合计相同。导入的历史工单不计。".to_owned(),
    ];
    if insight.unread > 0 {
        notes.push(format!(
            "尚有 {} 张工单改动后还未归类，按改动前的内容或“未填”计。",
            insight.unread
        ));
    }
    let mut sections = vec![totals(insight), by_hour(insight)];
    if insight.calls_by_day.len() > 1 {
        sections.push(by_day(insight));
    }
    sections.push(tickets("工单按区县", "区县", &insight.by_district, insight.tickets));
    let levels = ["工单按一级分类", "工单按二级分类", "工单按完整分类"];
    for (title, groups) in levels.into_iter().zip(&insight.by_category) {
        sections.push(tickets(title, "分类", groups, insight.tickets));
    }
    sections.push(tickets("工单按承办单位", "承办单位", &insight.by_unit, insight.tickets));
    sections.push(tickets("工单按诉求类型", "诉求类型", &insight.by_kind, insight.tickets));
    sections.extend(rising.map(topics));
    let title = format!("政务服务便民热线{} {days}", span.title());
    Report { title, notes, sections }
}

fn section(title: &str, header: &[&str], rows: Vec<Vec<Cell>>) -> Section {
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    Section { title: title.to_owned(), header, rows }
}

fn totals(insight: &Insight) -> Section {
    let calls = &insight.calls;
    let row = |name: &str, count| vec![Cell::text(name), Cell::Count(count)];
    let mut rows = vec![
        row("通话总数", calls.calls),
        row("来电", calls.inbound),
        row("其中：座席接听", calls.taken),
        row("其中：未接", calls.missed),
        row("其中：其他（进行中或仅机器应答）", calls.other),
        row("外呼", calls.outbound),
        row("其中：外呼接通", calls.outbound_answered),
        row("回拨", calls.callbacks),
        row("其中：回拨接通", calls.callbacks_answered),
        row("进入队列的来电", calls.queued),
        row("其中：15 秒内接听", calls.in_time),
    ];
    rows.push(vec![Cell::text("15 秒接通率"), Cell::Share(calls.level())]);
    rows.push(row("工单总数", insight.tickets.tickets));
    rows.push(row("其中：已确认", insight.tickets.confirmed));
    rows.push(row("其中：草稿", insight.tickets.drafts));
    section("总计", &["项目", "数量"], rows)
}

const CALLS: [&str; 8] = ["来电", "接听", "未接", "其他", "15 秒内", "接通率", "外呼", "回拨"];

fn calls(name: String, counts: &CallCounts) -> Vec<Cell> {
    let CallCounts { inbound, taken, missed, other, in_time, outbound, callbacks, .. } = *counts;
    let mut row = vec![Cell::Text(name)];
    row.extend([inbound, taken, missed, other, in_time].map(Cell::Count));
    row.push(Cell::Share(counts.level()));
    row.extend([outbound, callbacks].map(Cell::Count));
    row
}

fn with_calls(title: &str, first: &str, mut rows: Vec<Vec<Cell>>, all: &CallCounts) -> Section {
    rows.push(calls("合计".to_owned(), all));
    let header: Vec<&str> = std::iter::once(first).chain(CALLS).collect();
    section(title, &header, rows)
}

fn by_hour(insight: &Insight) -> Section {
    let hour = |(hour, counts): (usize, _)| calls(format!("{hour:02}:00"), counts);
    let rows = insight.calls_by_hour.iter().enumerate().map(hour).collect();
    with_calls("通话按时段", "时段", rows, &insight.calls)
}

fn by_day(insight: &Insight) -> Section {
    let rows = insight.calls_by_day.iter().map(|of| calls(of.day.clone(), &of.counts)).collect();
    with_calls("通话按日", "日期", rows, &insight.calls)
}

fn tickets(title: &str, first: &str, groups: &[TicketsOf], all: TicketCounts) -> Section {
    let row = |name: String, counts: &TicketCounts| {
        let share = (all.tickets > 0).then(|| counts.tickets as f64 / all.tickets as f64);
        let counts = [counts.tickets, counts.confirmed, counts.drafts].map(Cell::Count);
        let mut row = vec![Cell::Text(name)];
        row.extend(counts);
        row.push(Cell::Share(share));
        row
    };
    let name = |of: &TicketsOf| of.name.clone().unwrap_or_else(|| "未填".to_owned());
    let mut rows: Vec<_> = groups.iter().map(|of| row(name(of), &of.counts)).collect();
    rows.push(row("合计".to_owned(), &all));
    section(title, &[first, "工单", "已确认", "草稿", "占比"], rows)
}

fn topics(rising: &Rising) -> Section {
    let rows = rising.topics.iter().map(|topic| {
        let numbers: Vec<_> = topic.behind.iter().map(|ticket| ticket.number()).collect();
        vec![
            Cell::text(&topic.category),
            Cell::text(topic.district.as_deref().unwrap_or("全市")),
            Cell::text(topic.unit.as_deref().unwrap_or("未填")),
            Cell::Count(topic.tickets),
            Cell::Number(topic.expected),
            Cell::text(numbers.join(" ")),
        ]
    });
    let title = if rising.weeks < qingting_nlu::rising::WEEKS_MIN {
        "上升热点（历史不足三周）"
    } else {
        "上升热点"
    };
    section(title, &["分类", "区县", "承办单位", "工单", "往周平均", "工单编号"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_its_first() {
        let day = |year, month, day| china::midnight(year, month, day).unwrap();
        let at = UnixMillis(day(2026, 11, 26).0 + 5);
        assert_eq!(SheetSpan::Day.around(at), (day(2026, 11, 26), day(2026, 11, 27)));
        assert_eq!(SheetSpan::Week.around(at), (day(2026, 11, 23), day(2026, 11, 30)));
        assert_eq!(SheetSpan::Month.around(at), (day(2026, 11, 1), day(2026, 12, 1)));
        assert_eq!(SheetSpan::Month.around(day(2028, 2, 29)), (day(2028, 2, 1), day(2028, 3, 1)));
        assert_eq!(SheetSpan::Month.around(day(2026, 12, 31)), (day(2026, 12, 1), day(2027, 1, 1)));
    }
}
