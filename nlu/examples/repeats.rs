//! What the ranking of repeats makes of appeals that nobody labelled:
//! `cargo run --release -p qingting-nlu --example repeats -- FOLDER [list]`, where FOLDER holds
//! `appeals/hot_issues_4326.csv`. With `list`, every 40th pair that is shown is printed, to be judged by
//! reading.

use qingting_common::{SegmentId, UnixMillis, ids::Party};
use qingting_nlu::draft::Field;
use qingting_nlu::reader::CONFIDENCE_MIN;
use qingting_nlu::repeats::{Appeal, Earlier, Reason, Repeats, place_pairs};
use qingting_nlu::{CallContext, Gazetteer, LastTicket, LocalTime, Reader, Utterance};
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::path::PathBuf;

/// One pair in so many is printed.
const LISTED_EVERY: usize = 40;
/// Earlier appeals of one place that are compared, as the store gives them.
const CANDIDATES_MAX: usize = 60;

struct Row {
    id: String,
    user: String,
    words: String,
    place: Option<String>,
    at: UnixMillis,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: repeats FOLDER [list]")?);
    let is_listed = args.next().is_some();
    let rows = rows(&folder.join("appeals/hot_issues_4326.csv"))?;
    let repeats = Repeats::new();
    let mut by_user: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_pair: HashMap<String, Vec<usize>> = HashMap::new();
    let (mut shown, mut of_same, mut pairs) = (0, 0, 0);
    for (at, row) in rows.iter().enumerate() {
        let candidates = candidates(row, &by_user, &by_pair);
        let earlier = candidates
            .iter()
            .map(|other| (*other, rows[*other].id.as_str(), appeal(&rows[*other])));
        let ranked = repeats.rank(&appeal(row), Earlier::default(), earlier);
        shown += usize::from(!ranked.is_empty());
        of_same += usize::from(ranked.iter().any(|repeat| rows[repeat.ticket].user == row.user));
        for repeat in ranked.iter().take(1) {
            if is_listed && pairs % LISTED_EVERY == 0 {
                let why: Vec<String> = repeat.reasons.iter().map(Reason::text_zh).collect();
                println!("{:.2} {}", repeat.score, why.join("；"));
                println!("  {}\n  {}", start(&row.words), start(&rows[repeat.ticket].words));
            }
            pairs += 1;
        }
        by_user.entry(&row.user).or_default().push(at);
        for pair in row.place.iter().flat_map(|place| place_pairs(place)) {
            by_pair.entry(pair).or_default().push(at);
        }
    }
    println!(
        "{} appeals: {shown} have a likely repeat, {of_same} one of the same user",
        rows.len()
    );
    Ok(())
}

/// Earlier appeals of the user, and those of places with the most pairs in common.
fn candidates(
    row: &Row,
    by_user: &HashMap<&str, Vec<usize>>,
    by_pair: &HashMap<String, Vec<usize>>,
) -> BTreeSet<usize> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for pair in row.place.iter().flat_map(|place| place_pairs(place)) {
        for other in by_pair.get(&pair).into_iter().flatten() {
            *counts.entry(*other).or_default() += 1;
        }
    }
    let mut nearest: Vec<(usize, usize)> =
        counts.into_iter().map(|(at, pairs)| (pairs, at)).collect();
    nearest.sort_unstable_by(|a, b| b.cmp(a));
    let nearest = nearest.into_iter().take(CANDIDATES_MAX).map(|(_, at)| at);
    nearest.chain(by_user.get(row.user.as_str()).into_iter().flatten().copied()).collect()
}

fn appeal(row: &Row) -> Appeal<'_> {
    Appeal {
        caller: Some(&row.user),
        place: row.place.as_deref(),
        category: None,
        words: &row.words,
        at: row.at,
    }
}

fn start(words: &str) -> String {
    words.chars().take(70).collect()
}

fn rows(file: &std::path::Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let reader = Reader::new(None, Gazetteer::empty());
    let mut csv = csv::Reader::from_path(file)?;
    let header = csv.headers()?.clone();
    let column =
        |name: &str| header.iter().position(|known| known.trim() == name).ok_or("no such column");
    let columns = [
        column("留言编号")?,
        column("留言用户")?,
        column("留言主题")?,
        column("留言详情")?,
        column("留言时间")?,
    ];
    let mut rows = Vec::new();
    for row in csv.records() {
        let row = row?;
        let [id, user, topic, told, at] = columns.map(|at| row[at].trim().to_owned());
        let Some(at) = time(&at) else { continue };
        let place = place(&reader, &topic);
        rows.push(Row { id, user, words: format!("{topic}，{told}"), place, at });
    }
    rows.sort_by_key(|row| row.at);
    Ok(rows)
}

fn place(reader: &Reader, topic: &str) -> Option<String> {
    let id = SegmentId::new(uuid::Uuid::nil());
    let said = [Utterance { id, party: Party::Caller, text: topic, confidence: 1.0 }];
    let started = LocalTime { year: 2020, month: 1, day: 1, hour: 9, minute: 0 };
    let context = CallContext {
        started,
        caller: None,
        called: "12345".into(),
        last_ticket: LastTicket::default(),
    };
    let tags = reader.read(&said, &context);
    let mut places =
        tags.iter().filter(|tag| tag.field == Field::Place && tag.confidence >= CONFIDENCE_MIN);
    places.next().map(|tag| tag.value.clone())
}

/// `2019/2/28 11:25:05`, as days alone: the ranking looks at no shorter time.
fn time(text: &str) -> Option<UnixMillis> {
    let date = text.split_whitespace().next()?;
    let mut parts = date.split(['/', '-']).map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(UnixMillis((year * 372 + month * 31 + day) * 86_400_000))
}
