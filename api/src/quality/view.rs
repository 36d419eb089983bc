//! Quality checks as the interface shows them.

use crate::sight::Sight;
use qingting_nlu::quality::Kind;
use qingting_store::{FindingState, QualityCheck, QualityFinding, SeatQuality, score_of};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A page of findings.
#[derive(Serialize, ToSchema)]
pub(crate) struct QualityPage {
    pub(super) findings: Vec<FindingView>,
    /// `before` of the next page; absent on the last.
    pub(super) next: Option<String>,
}

/// Something that a person should look at.
#[derive(Serialize, ToSchema)]
pub(crate) struct FindingView {
    id: String,
    call: String,
    /// When the call began.
    started_at: i64,
    /// Whose it is.
    seat: String,
    queue: Option<String>,
    /// `greeting`, `closing`, `silence`, `talk_over`, `forbidden`, `pace` or `hold`.
    kind: &'static str,
    /// From when on, in milliseconds since the call was answered.
    from_ms: u64,
    to_ms: u64,
    /// How much: milliseconds; of `pace`, syllables a minute; of `forbidden`, 0.
    measured: u64,
    /// Of `forbidden`, the phrase of the city's rules.
    phrase: String,
    /// What was said then, as it was recognised; absent for roles that see no whole numbers.
    quote: Option<String>,
    /// From 0 to 1.
    confidence: f32,
    /// What it takes from the score.
    points: u32,
    /// `proposed`, `confirmed` or `rejected`.
    state: &'static str,
    reviewed_by: Option<String>,
    reviewed_at: Option<i64>,
    /// What they say to it; absent as the quote is.
    remark: Option<String>,
    /// Counts reviews.
    revision: i64,
}

/// What the check of a call came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallQuality {
    /// Null: it was not checked, because no seat answered or because that is still to come.
    checked_at: Option<i64>,
    /// 100 less the points of findings that were not rejected; null where the seat's words were not transcribed.
    score: Option<u32>,
    /// The sum behind the score: kinds that have findings.
    sums: Vec<KindSum>,
    measures: Option<MeasuresView>,
    findings: Vec<FindingView>,
}

/// Findings of one kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindSum {
    kind: &'static str,
    proposed: u64,
    confirmed: u64,
    rejected: u64,
    /// Points of those that were not rejected.
    points: u64,
}

/// What was measured of a call.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeasuresView {
    /// Whether the seat's words were transcribed; without them only waiting is checked.
    heard: bool,
    /// How long a seat and the citizen were connected.
    talk_ms: u64,
    /// Silences beyond the limit, and the longest of them.
    silence_ms: u64,
    silence_longest_ms: u64,
    /// How often the seat talked over the citizen beyond the limit, and how long.
    talk_overs: u32,
    talk_over_ms: u64,
    /// Syllables of the seat's in a minute of its speech.
    pace: Option<u32>,
    /// How long the citizen waited on hold, and the longest time.
    hold_ms: u64,
    hold_longest_ms: u64,
}

/// Findings summed up.
#[derive(Serialize, ToSchema)]
pub(crate) struct QualitySummary {
    #[serde(flatten)]
    all: Sums,
    /// The mean score of checked calls; null without any.
    score: Option<f64>,
    /// Calls that are still to be checked, of all times and seats.
    waiting: u64,
    by_kind: Vec<KindCount>,
    by_seat: Vec<SeatSum>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Sums {
    /// Checked calls of the span, seat and queue, whatever kinds and states are asked for; of a seat, those that it
    /// answered first.
    calls: u64,
    /// Of those, calls whose seat's words were transcribed.
    heard: u64,
    /// Findings.
    findings: u64,
    proposed: u64,
    confirmed: u64,
    rejected: u64,
    /// Points of findings that were not rejected.
    points: u64,
}

/// Findings of a kind.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct KindCount {
    kind: &'static str,
    findings: u64,
    proposed: u64,
    confirmed: u64,
    rejected: u64,
}

/// Findings of a seat.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeatSum {
    seat: String,
    #[serde(flatten)]
    sums: Sums,
    /// The mean score of its calls.
    score: Option<f64>,
    by_kind: Vec<KindCount>,
}

impl KindCount {
    fn add(&mut self, state: FindingState, count: u64) {
        self.findings += count;
        match state {
            FindingState::Proposed => self.proposed += count,
            FindingState::Confirmed => self.confirmed += count,
            FindingState::Rejected => self.rejected += count,
        }
    }
}

impl QualitySummary {
    /// Seats with the most points first.
    pub(super) fn of(seats: BTreeMap<String, SeatQuality>, waiting: u64) -> Self {
        let (mut all, mut scores) = (Sums::default(), 0);
        let mut by_kind = kinds();
        let mut by_seat: Vec<SeatSum> = Vec::with_capacity(seats.len());
        for (seat, quality) in seats {
            let mut own = kinds();
            for ((kind, state), count) in &quality.findings {
                for kinds in [&mut own, &mut by_kind] {
                    let kind = kinds.iter_mut().find(|of| of.kind == kind.as_str());
                    kind.into_iter().for_each(|of| of.add(*state, *count));
                }
            }
            own.retain(|kind| kind.findings > 0);
            let mut sums = Sums::default();
            sums.add(&quality, &own);
            all.add(&quality, &own);
            scores += quality.scores;
            let score = mean(quality.scores, quality.heard);
            by_seat.push(SeatSum { seat, sums, score, by_kind: own });
        }
        by_seat.sort_by_key(|seat| std::cmp::Reverse(seat.sums.points));
        Self { score: mean(scores, all.heard), all, waiting, by_kind, by_seat }
    }
}

impl Sums {
    fn add(&mut self, quality: &SeatQuality, kinds: &[KindCount]) {
        self.calls += quality.calls;
        self.heard += quality.heard;
        self.points += quality.points;
        for kind in kinds {
            self.findings += kind.findings;
            self.proposed += kind.proposed;
            self.confirmed += kind.confirmed;
            self.rejected += kind.rejected;
        }
    }
}

fn kinds() -> Vec<KindCount> {
    Kind::ALL.map(|kind| KindCount { kind: kind.as_str(), ..KindCount::default() }).to_vec()
}

/// To one decimal.
fn mean(sum: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (sum as f64 / of as f64 * 10.0).round() / 10.0)
}

pub(super) fn finding(row: QualityFinding, sight: Sight) -> FindingView {
    let words = |text: String| (sight == Sight::Whole).then_some(text);
    FindingView {
        id: row.id.to_string(),
        call: row.call.to_string(),
        started_at: row.started_at.0,
        seat: row.seat,
        queue: row.queue,
        kind: row.kind.as_str(),
        from_ms: row.from_ms,
        to_ms: row.to_ms,
        measured: row.measured,
        phrase: row.phrase,
        quote: words(row.quote.into_inner()),
        confidence: row.confidence,
        points: row.points,
        state: row.state.as_str(),
        reviewed_by: row.reviewed_by,
        reviewed_at: row.reviewed_at.map(|at| at.0),
        remark: words(row.remark.into_inner()),
        revision: row.revision,
    }
}

pub(super) fn call(
    check: Option<QualityCheck>,
    findings: Vec<QualityFinding>,
    sight: Sight,
) -> CallQuality {
    let is_heard = check.is_some_and(|check| check.measures.heard);
    let sum = |kind: Kind| {
        let mut sum =
            KindSum { kind: kind.as_str(), proposed: 0, confirmed: 0, rejected: 0, points: 0 };
        for finding in findings.iter().filter(|finding| finding.kind == kind) {
            match finding.state {
                FindingState::Proposed => sum.proposed += 1,
                FindingState::Confirmed => sum.confirmed += 1,
                FindingState::Rejected => sum.rejected += 1,
            }
            if finding.state != FindingState::Rejected {
                sum.points += u64::from(finding.points);
            }
        }
        (sum.proposed + sum.confirmed + sum.rejected > 0).then_some(sum)
    };
    CallQuality {
        checked_at: check.map(|check| check.checked_at.0),
        score: is_heard.then(|| score_of(&findings)),
        sums: Kind::ALL.into_iter().filter_map(sum).collect(),
        measures: check.map(|QualityCheck { measures, .. }| MeasuresView {
            heard: measures.heard,
            talk_ms: measures.talk_ms,
            silence_ms: measures.silence_ms,
            silence_longest_ms: measures.silence_longest_ms,
            talk_overs: measures.talk_overs,
            talk_over_ms: measures.talk_over_ms,
            pace: measures.pace,
            hold_ms: measures.hold_ms,
            hold_longest_ms: measures.hold_longest_ms,
        }),
        findings: findings.into_iter().map(|row| finding(row, sight)).collect(),
    }
}
