//! `qingting nlu train`: a city's ticket model from its past tickets.

use super::ticket_models::{self, TicketModels};
use super::{models, nlu};
use crate::cli;
use anyhow::{Context, Result};
use qingting_common::SegmentId;
use qingting_common::ids::Party;
use qingting_nlu::classifier::{
    Columns, Learning, Report, Skipped, TargetReport, Teaching, Ticket, TicketError, TicketModel,
    Tickets, learn, reliability_svg, tickets,
};
use qingting_nlu::table::TableError;
use qingting_nlu::{Reader, Utterance};
use serde::{Deserialize, Serialize};
use std::path::Path;
use uuid::Uuid;

/// Classes of a question that the table for people shows.
const CLASSES_SHOWN: usize = 50;

/// A file for `--map`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Map {
    text: Option<String>,
    title: Option<String>,
    category: OneOrMany,
    unit: Option<String>,
    kind: Option<String>,
    place: OneOrMany,
    called: Option<String>,
    caller: Option<String>,
    received: Option<String>,
    split: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn or(self, flags: &[String]) -> Vec<String> {
        match self {
            _ if !flags.is_empty() => flags.to_vec(),
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

impl Map {
    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no map of columns", path.display()))
    }

    /// A flag goes before the file.
    fn columns(self, flags: &cli::TicketColumns) -> Columns {
        let text = flags.text.clone().or(self.text);
        Columns {
            text: text.unwrap_or_else(|| "text".into()),
            title: flags.title.clone().or(self.title),
            category: self.category.or(&flags.category),
            unit: flags.unit.clone().or(self.unit),
            kind: flags.kind.clone().or(self.kind),
            place: self.place.or(&flags.place),
            called: flags.called.clone().or(self.called),
            caller: flags.caller.clone().or(self.caller),
            received: flags.received.clone().or(self.received),
            split: flags.split.clone().or(self.split),
        }
    }
}

/// A report, and what was no part of it.
#[derive(Serialize)]
struct Told {
    rows_skipped: Skipped,
    #[serde(flatten)]
    report: Report,
}

pub fn run(args: &cli::Train) -> Result<()> {
    let map = args.map.as_deref().map(Map::read).transpose()?.unwrap_or_default();
    let columns = map.columns(&args.columns);
    let Tickets { mut rows, mut skipped } = read(&args.tickets, &columns)?;
    let mut further = Vec::new();
    if let Some(file) = &args.further {
        let read = read(file, &further_columns(args, columns)?)?;
        skipped = skipped + read.skipped;
        further = read.rows;
    }
    place(&args.dir, rows.iter_mut().chain(&mut further))?;
    let teaching = Teaching { precision_goal: args.precision, ..Teaching::default() };
    let learning = learn(&rows, &further, &teaching)
        .with_context(|| format!("{} cannot be learnt from", args.tickets.display()))?;
    let Learning { model, report } = learning;
    let told = Told { rows_skipped: skipped, report };
    let kept = keep(args, &model, &told)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print(&told);
        println!("{kept}");
    }
    Ok(())
}

fn further_columns(args: &cli::Train, columns: Columns) -> Result<Columns> {
    let columns = match &args.further_map {
        Some(file) => Map::read(file)?.columns(&cli::TicketColumns::default()),
        None => columns,
    };
    Ok(Columns { split: None, ..columns })
}

fn read(file: &Path, columns: &Columns) -> Result<Tickets> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    tickets(&qingting_workbook::table(&name, &bytes)?, columns).map_err(|error| {
        let flag = flag_of(&error, columns);
        let error = anyhow::Error::from(error);
        match flag {
            Some(flag) => error.context(format!("give the right column with {flag} COLUMN")),
            None => error,
        }
    })
}

/// The flag that names the column which a table lacks.
fn flag_of(error: &TicketError, columns: &Columns) -> Option<&'static str> {
    let TicketError::Table(TableError::NoColumn { name, .. }) = error else { return None };
    let is = |column: &Option<String>| column.as_ref() == Some(name);
    let flags = [
        ("--text", columns.text == *name),
        ("--title", is(&columns.title)),
        ("--category", columns.category.contains(name)),
        ("--unit", is(&columns.unit)),
        ("--kind", is(&columns.kind)),
        ("--place", columns.place.contains(name)),
        ("--called", is(&columns.called)),
        ("--split", is(&columns.split)),
    ];
    flags.into_iter().find_map(|(flag, is_it)| is_it.then_some(flag))
}

/// A ticket for a unit that has no place beside its text gets the one that would be read from it in a call.
fn place<'a>(dir: &cli::ModelsDir, tickets: impl Iterator<Item = &'a mut Ticket>) -> Result<()> {
    let mut tickets =
        tickets.filter(|ticket| ticket.unit.is_some() && ticket.place.is_empty()).peekable();
    if tickets.peek().is_none() {
        return Ok(());
    }
    let reader = Reader::new(None, nlu::divisions(dir)?);
    let id = SegmentId::new(Uuid::nil());
    for ticket in tickets {
        let said = Utterance { id, party: Party::Caller, text: &ticket.text, confidence: 1.0 };
        ticket.place = reader.place(&[said]).unwrap_or_default();
    }
    Ok(())
}

/// Writes model and reports; returns what to tell of it.
fn keep(args: &cli::Train, model: &TicketModel, told: &Told) -> Result<String> {
    if let Some(out) = &args.out {
        ticket_models::write(out, &model.to_bytes())?;
        reports(out, told)?;
        return Ok(format!("Model: {}", out.display()));
    }
    let models = TicketModels::below(&models::folder(&args.dir)?);
    let version = models.add(model)?;
    let file = models.file(&version);
    reports(&file, told)?;
    if args.use_it {
        models.choose(&version)?;
        return Ok(format!("Model: {}, in use", file.display()));
    }
    Ok(format!("Model: {}. To use it: qingting nlu use {version}", file.display()))
}

/// The report as JSON and a reliability diagram for each question, beside the model.
fn reports(model: &Path, told: &Told) -> Result<()> {
    let json = serde_json::to_string_pretty(told)?;
    ticket_models::write(&model.with_extension("json"), json.as_bytes())?;
    for target in &told.report.targets {
        let name = format!("{}.svg", target.target.replace(' ', "-"));
        ticket_models::write(&model.with_extension(name), reliability_svg(target).as_bytes())?;
    }
    Ok(())
}

fn print(Told { rows_skipped, report }: &Told) {
    println!("{:<24} {}", "rows without a text", rows_skipped.without_text);
    println!("{:<24} {}", "rows without a class", rows_skipped.without_class);
    println!("{:<24} {}", "rows to learn from", report.rows_train);
    println!("{:<24} {}", "  operators' words cut", report.rows_stripped);
    println!("{:<24} {}", "  left out as repeated", report.rows_left_out);
    println!("{:<24} {}", "rows to test on", report.rows_test);
    for target in &report.targets {
        print_target(target);
    }
}

fn print_target(target: &TargetReport) {
    println!("\n{} ({} rows)", target.target, target.rows_test);
    println!("{:<24} {:.3}", "  accuracy", target.accuracy);
    println!("{:<24} {:.3}", "  among the first three", target.top3);
    println!("{:<24} {:.3}", "  macro-F1", target.macro_f1);
    println!("{:<24} {:.3}", "  first 60 characters", target.accuracy_first_chars);
    println!("{:<24} {:.3}", "  calibration error", target.calibration.ece);
    println!(
        "  abstains below {:.2}: answers {:.1} %, {:.1} % of them right",
        target.threshold,
        target.coverage * 100.0,
        target.accuracy_covered * 100.0
    );
    println!("  threshold  answered  right");
    for point in target.curve.iter().filter(|point| point.threshold >= 0.3) {
        let (coverage, accuracy) = (point.coverage * 100.0, point.accuracy * 100.0);
        println!("  {:>9.2}  {coverage:>6.1} %  {accuracy:>5.1} %", point.threshold);
    }
    println!("  precision  recall     F1    rows");
    for class in target.classes.iter().take(CLASSES_SHOWN) {
        println!(
            "  {:>9.3}  {:>6.3}  {:.3}  {:>6}  {}",
            class.precision, class.recall, class.f1, class.support, class.label
        );
    }
    if target.classes.len() > CLASSES_SHOWN {
        println!("  … {} more in the JSON report", target.classes.len() - CLASSES_SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_takes_one_column_or_several_and_no_unknown_key() {
        let map: Map =
            toml::from_str("text = \"内容\"\ncategory = [\"大类\", \"小类\"]\nplace = \"区\"")
                .unwrap();
        let flags = cli::TicketColumns { text: Some("正文".into()), ..Default::default() };
        let columns = map.columns(&flags);
        assert_eq!((columns.text.as_str(), columns.place), ("正文", vec!["区".to_owned()]));
        assert_eq!(columns.category, ["大类", "小类"]);
        assert!(toml::from_str::<Map>("txt = \"内容\"").is_err());
    }
    #[test]
    fn a_missing_column_names_the_flag_that_gives_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.csv");
        std::fs::write(&file, "诉求内容,单位\n停水了,水务局\n").unwrap();
        let columns = |text: &str| {
            let flags = cli::TicketColumns {
                text: Some(text.into()),
                unit: Some("单位".into()),
                ..Default::default()
            };
            Map::default().columns(&flags)
        };
        let error = format!("{:#}", read(&file, &columns("text")).err().unwrap());
        assert!(error.contains("--text COLUMN") && error.contains("诉求内容, 单位"), "{error}");
        assert_eq!(read(&file, &columns("诉求内容")).ok().unwrap().rows.len(), 1);
    }
}
