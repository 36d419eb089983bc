//! `qingting knowledge`: entries that seats may tell callers.

use crate::cli;
use crate::clock;
use crate::config::{Config, DEFAULT_TOML};
use crate::{home, knowledge};
use anyhow::{Context, Result};
use qingting_nlu::LocalTime;
use qingting_nlu::knowledge::{Day, Index};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Entries that `search` prints.
const SHOWN_MAX: usize = 5;

pub fn run(command: &cli::Knowledge) -> Result<ExitCode> {
    match command {
        cli::Knowledge::Import(args) => import(args),
        cli::Knowledge::Check(args) => check(&folder(&args.folder)?),
        cli::Knowledge::Search(args) => search(args),
    }
}

/// The folder named, or the configured one.
fn folder(args: &cli::KnowledgeFolder) -> Result<PathBuf> {
    if let Some(folder) = &args.folder {
        return Ok(folder.clone());
    }
    let path = home::path(&args.config);
    let config = match path.exists() {
        true => Config::load(&path)?,
        false => Config::parse(DEFAULT_TOML, &path)?,
    };
    Ok(config.nlu.knowledge)
}

/// Takes files into the folder, if they are right together with what is there.
fn import(args: &cli::KnowledgeImport) -> Result<ExitCode> {
    let folder = folder(&args.folder)?;
    let name = |path: &Path| path.file_name().map(std::ffi::OsStr::to_owned);
    for path in &args.files {
        anyhow::ensure!(
            knowledge::is_read(path),
            "{}: entries are read from .csv, .xlsx, .md and .html",
            path.display()
        );
    }
    let replaced = |known: &PathBuf| args.files.iter().any(|path| name(path) == name(known));
    let mut all: Vec<PathBuf> = knowledge::files(&folder)?;
    all.retain(|known| !replaced(known));
    all.extend(args.files.iter().cloned());
    let entries = knowledge::read(&all)?;
    home::private_dir(&folder)?;
    for path in &args.files {
        let to = folder.join(name(path).context("a file has a name")?);
        // A server that looks meanwhile sees the old file or the new one.
        let part = folder.join(".import");
        std::fs::copy(path, &part)
            .and_then(|_| std::fs::rename(&part, &to))
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    println!("{} entries in {}", entries.len(), folder.display());
    Ok(ExitCode::SUCCESS)
}

fn check(folder: &Path) -> Result<ExitCode> {
    let entries = knowledge::read(&knowledge::files(folder)?)?;
    let today = today();
    let valid = entries.iter().filter(|entry| entry.is_valid_on(today)).count();
    let over =
        entries.iter().filter(|entry| entry.valid_to.is_some_and(|last| last < today)).count();
    println!("{} entries in {}", entries.len(), folder.display());
    println!("  valid today  {valid}");
    println!("  expired      {over}");
    println!("  not yet      {}", entries.len() - valid - over);
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 when nothing fits.
fn search(args: &cli::KnowledgeSearch) -> Result<ExitCode> {
    let day = match &args.day {
        Some(text) => Day::parse(text)
            .with_context(|| format!("{text:?} is no day: write it as 2026-03-11"))?,
        None => today(),
    };
    let index = Index::new(knowledge::read(&knowledge::files(&folder(&args.folder)?)?)?);
    let hits = index.search(&args.question, day, SHOWN_MAX);
    for hit in &hits {
        let entry = hit.entry;
        let until = entry.valid_to.map_or(String::new(), |day| format!(" to {day}"));
        println!("{:.2}  {}  {}", hit.score, entry.id, entry.title);
        println!("      {} (valid from {}{until})", entry.source, entry.valid_from);
        println!("      {}", entry.answer.replace('\n', "\n      "));
    }
    if hits.is_empty() {
        println!("Nothing fits.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn today() -> Day {
    Day::of(LocalTime::from_unix_ms(clock::unix_now()))
}
