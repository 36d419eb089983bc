//! The time of one reading, and figures of the reader on data that is not part of the product:
//! `cargo run --release -p qingting-nlu --example readings -- [FOLDER [list]]`, where FOLDER holds
//! `appeals/`, `address/` and `divisions/`. Without a folder only the time is measured, without a gazetteer.
//! With `list`, the first errors are printed.

mod clock;
mod divisions;

use qingting_common::{SegmentId, ids::Party};
use qingting_nlu::address::AddressModel;
use qingting_nlu::classifier::TicketModel;
use qingting_nlu::draft::{Field, Tag};
use qingting_nlu::reader::CONFIDENCE_MIN;
use qingting_nlu::{CallContext, Gazetteer, LastTicket, LocalTime, Reader, Utterance};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Errors printed with `list`.
const LISTED_MAX: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let Some(folder) = args.next().map(PathBuf::from) else {
        time_of_reading(&Reader::new(model().ok(), Gazetteer::default()));
        return Ok(());
    };
    let list = args.next();
    let names = gazetteer(&folder)?;
    divisions::print(&names, &folder)?;
    let mut reader = Reader::new(model().ok(), names);
    if let Ok(addresses) = addresses_model() {
        reader = reader.with_addresses(addresses);
    }
    time_of_reading(&reader);
    appeals(&reader, &folder, list.as_deref())?;
    addresses(&reader, &folder, list.as_deref())
}

fn model() -> Result<TicketModel, Box<dyn Error>> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "models/trained/category.qtm"].iter().collect();
    Ok(TicketModel::from_bytes(&fs::read(path)?)?)
}

fn addresses_model() -> Result<AddressModel, Box<dyn Error>> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "models/trained/address.qtm"].iter().collect();
    Ok(AddressModel::from_bytes(&fs::read(path)?)?)
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
    let context = CallContext {
        started,
        caller: None,
        called: "12345".into(),
        last_ticket: LastTicket::default(),
    };
    reader.read(&utterances, &context)
}

fn shown(tags: &[Tag], field: Field) -> Option<&Tag> {
    let of_field = tags.iter().filter(|tag| tag.field == field);
    of_field
        .filter(|tag| tag.confidence >= CONFIDENCE_MIN)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Calls of some length, read at each final as the server does: the whole transcript so far.
fn time_of_reading(reader: &Reader) {
    const MATTER: &str =
        "我们阳光花园小区三栋昨天晚上八点停水了物业不管我的电话是幺三八零零幺三八零零零";
    const FINAL_CHARS: usize = 20;
    const CALLS: usize = 20;
    for (name, finals) in [("two minutes", 24), ("ten minutes", 120)] {
        let chars: Vec<char> = MATTER.chars().cycle().take(finals * FINAL_CHARS).collect();
        let texts: Vec<String> = chars.chunks(FINAL_CHARS).map(|c| c.iter().collect()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut micros: Vec<u128> = Vec::new();
        for said in (0..CALLS).flat_map(|_| 1..=finals) {
            let started = clock::now();
            read(reader, &texts[..said]);
            micros.push(started.elapsed().as_micros());
        }
        micros.sort_unstable();
        let sum: u128 = micros.iter().sum();
        println!(
            "calls of {name} of the caller's talk, each final read with all before it: p50 {} µs, \
             p99 {} µs, {} finals/s",
            micros[micros.len() / 2],
            micros[micros.len() * 99 / 100],
            micros.len() as u128 * 1_000_000 / sum.max(1)
        );
    }
    println!("most memory: {}", peak_memory().unwrap_or_else(|| "not told here".into()));
}

/// As Linux tells it.
fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
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
