//! Figures of the reader on data that is not part of the product, and the time of one reading:
//! `cargo run --release -p qingting-nlu --example readings -- FOLDER [list]`, where FOLDER holds
//! `appeals/`, `address/` and `divisions/`. With `list`, the first errors are printed.

mod clock;

use qingting_common::{SegmentId, ids::Party};
use qingting_nlu::classifier::TicketModel;
use qingting_nlu::draft::{Field, Tag};
use qingting_nlu::reader::CONFIDENCE_MIN;
use qingting_nlu::{CallContext, Gazetteer, LocalTime, Reader, Utterance};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Errors printed with `list`.
const LISTED_MAX: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: readings FOLDER [list]")?);
    let list = args.next();
    let reader = Reader::new(model().ok(), gazetteer(&folder)?);
    time_of_reading(&reader);
    appeals(&reader, &folder, list.as_deref())?;
    addresses(&reader, &folder, list.as_deref())
}

fn model() -> Result<TicketModel, Box<dyn Error>> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "models/trained/category.qtm"].iter().collect();
    Ok(TicketModel::from_bytes(&fs::read(path)?)?)
}

fn gazetteer(folder: &Path) -> Result<Gazetteer, Box<dyn Error>> {
    let read = |name: &str| fs::read_to_string(folder.join("divisions").join(name));
    let (provinces, cities) = (read("provinces.csv")?, read("cities.csv")?);
    Ok(Gazetteer::from_csv(&provinces, &cities, &read("areas.csv")?, &read("streets.csv")?)?)
}

fn read(reader: &Reader, texts: &[&str]) -> Vec<Tag> {
    let id = |number: usize| SegmentId::new(uuid::Uuid::from_u128(number as u128));
    let utterances: Vec<Utterance<'_>> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| Utterance { id: id(at), party: Party::Caller, text, confidence: 1.0 })
        .collect();
    let started = LocalTime { year: 2026, month: 3, day: 11, hour: 15, minute: 20 };
    let context = CallContext { started, caller: None, called: "12345".into() };
    reader.read(&utterances, &context)
}

fn shown(tags: &[Tag], field: Field) -> Option<&Tag> {
    let of_field = tags.iter().filter(|tag| tag.field == field);
    of_field
        .filter(|tag| tag.confidence >= CONFIDENCE_MIN)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Ten minutes of talk at four characters a second, in utterances of twenty.
fn time_of_reading(reader: &Reader) {
    const MATTER: &str =
        "我们阳光花园小区三栋昨天晚上八点停水了物业不管我的电话是幺三八零零幺三八零零零";
    let chars: Vec<char> = MATTER.chars().cycle().take(2_400).collect();
    let texts: Vec<String> = chars.chunks(20).map(|chunk| chunk.iter().collect()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    const ROUNDS: u32 = 50;
    let started = clock::now();
    let tags: usize = (0..ROUNDS).map(|_| read(reader, &texts).len()).sum();
    let micros = started.elapsed().as_micros() / u128::from(ROUNDS);
    println!("ten minutes of the caller's talk: {micros} µs, {} tags", tags / ROUNDS as usize);
}

/// How often written appeals, none of them an emergency call, get each tag, by class.
fn appeals(reader: &Reader, folder: &Path, list: Option<&str>) -> Result<(), Box<dyn Error>> {
    let mut csv = csv::Reader::from_path(folder.join("appeals/full9210_split.csv"))?;
    let mut counts: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    let mut listed = 0;
    for row in csv.records() {
        let row = row?;
        let tags = read(reader, &[&row[0]]);
        let of_class = counts.entry(row[1].to_owned()).or_default();
        *of_class.entry("rows".into()).or_default() += 1;
        for field in [Field::Emergency, Field::Enterprise, Field::Tourism] {
            let Some(tag) = shown(&tags, field) else { continue };
            *of_class.entry(field.as_str().into()).or_default() += 1;
            if list == Some(field.as_str()) && listed < LISTED_MAX {
                listed += 1;
                println!("  {} {:.2} {}", tag.value, tag.confidence, around(&row[0], tag));
            }
        }
        // The server passes an emergency on from the reader's own limit.
        let candidate = tags.iter().any(|tag| tag.field == Field::Emergency);
        *of_class.entry("emergency or candidate".into()).or_default() += u32::from(candidate);
        let kind = shown(&tags, Field::AppealKind).map_or("none", |tag| tag.value.as_str());
        *of_class.entry(kind.to_owned()).or_default() += 1;
    }
    for (class, counts) in counts {
        println!("{class}: {counts:?}");
    }
    Ok(())
}

/// The evidence in its surroundings.
fn around(text: &str, tag: &Tag) -> String {
    let evidence = tag.evidence.first();
    let (start, end) = evidence.map_or((0, 0), |e| (e.start as usize, e.end as usize));
    let chars: Vec<char> = text.chars().collect();
    let part = |range: std::ops::Range<usize>| chars[range].iter().collect::<String>();
    let before = part(start.saturating_sub(14)..start);
    format!("{before}[{}]{}", part(start..end), part(end..(end + 14).min(chars.len())))
}

/// Labels of the address sets that belong to a place as tickets have it; `poi` is left out because
/// it is mostly firms.
const PLACE_LABELS: [&str; 14] = [
    "prov",
    "city",
    "district",
    "town",
    "community",
    "village",
    "village_group",
    "road",
    "roadno",
    "houseno",
    "cellno",
    "floorno",
    "roomno",
    "devzone",
];

/// How much of the labelled addresses the likeliest place covers, spoken after 我在.
fn addresses(reader: &Reader, folder: &Path, list: Option<&str>) -> Result<(), Box<dyn Error>> {
    for file in ["address/naacl2019/dev.txt", "address/ccks2021/dev.conll"] {
        let text = fs::read_to_string(folder.join(file))?;
        let (mut rows, mut found, mut covered, mut labelled, mut excess, mut whole) =
            (0u32, 0u32, 0usize, 0usize, 0usize, 0u32);
        let mut listed = 0;
        for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let marks: Vec<(char, bool)> = block.lines().filter_map(mark).collect();
            let address: String = marks.iter().map(|(c, _)| *c).collect();
            let said = format!("我在{address}这里路灯坏了");
            let tags = read(reader, &[&said]);
            rows += 1;
            labelled += marks.iter().filter(|(_, place)| *place).count();
            let Some(tag) = shown(&tags, Field::Place) else { continue };
            found += 1;
            let inside = |at: usize| {
                let at = at as u32 + 2;
                tag.evidence.iter().any(|evidence| (evidence.start..evidence.end).contains(&at))
            };
            let hits = marks.iter().enumerate().filter(|(at, (_, place))| *place && inside(*at));
            let hits = hits.count();
            covered += hits;
            let length: usize = tag.evidence.iter().map(|e| (e.end - e.start) as usize).sum();
            excess += length - hits;
            let all = hits == marks.iter().filter(|(_, place)| *place).count();
            whole += u32::from(all);
            if !all && list == Some("place") && listed < LISTED_MAX {
                listed += 1;
                println!("  {address} -> {}", tag.value);
            }
        }
        println!(
            "{file}: {rows} addresses, a place in {found}, the whole of it in {whole}; of labelled \
             characters {:.3} are covered; of characters given {:.3} are labelled",
            covered as f64 / labelled as f64,
            covered as f64 / (covered + excess) as f64
        );
    }
    Ok(())
}

/// A character and whether its label is of a place.
fn mark(line: &str) -> Option<(char, bool)> {
    let (c, label) = line.split_once([' ', '\t'])?;
    let label = label.rsplit_once('-').map_or("", |(_, label)| label).to_lowercase();
    Some((c.chars().next()?, PLACE_LABELS.contains(&label.as_str())))
}
