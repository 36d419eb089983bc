//! How often addresses with a known district are resolved to it.

use qingting_nlu::Gazetteer;
use std::error::Error;
use std::fs;
use std::path::Path;

/// An address with the words that its labels give.
struct Address {
    text: String,
    /// The text without its province and city.
    bare: String,
    province: String,
    city: String,
    district: String,
}

#[derive(Default)]
struct Counts {
    rows: u32,
    first: u32,
    among: u32,
    open: u32,
    none: u32,
}

/// Prints the figures for the test split of the one set and the development split of the other.
pub(crate) fn print(names: &Gazetteer, folder: &Path) -> Result<(), Box<dyn Error>> {
    let areas = areas(folder)?;
    for file in ["address/naacl2019/test.txt", "address/ccks2021/dev.conll"] {
        let text = fs::read_to_string(folder.join(file))?.replace("\r\n", "\n");
        let (mut whole, mut bare) = (Counts::default(), Counts::default());
        for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let address = address(block);
            let Some(code) = gold(&areas, &address) else { continue };
            whole.add(names, &address.text, &code);
            bare.add(names, &address.bare, &code);
        }
        println!("{file}: {} addresses with a known district", whole.rows);
        println!("  as written: {}", whole.line());
        println!("  without their province and city: {}", bare.line());
    }
    Ok(())
}

impl Counts {
    fn add(&mut self, names: &Gazetteer, text: &str, code: &str) {
        let found = names.resolve(text);
        self.rows += 1;
        self.none += u32::from(found.is_empty());
        self.open += u32::from(found.len() > 1);
        self.first += u32::from(found.first().is_some_and(|one| one.code().starts_with(code)));
        self.among += u32::from(found.iter().any(|one| one.code().starts_with(code)));
    }

    fn line(&self) -> String {
        let share = |count: u32| f64::from(count) / f64::from(self.rows.max(1));
        format!(
            "first candidate right {:.3}, right among the candidates {:.3}, several candidates {:.3}, \
             none {:.3}",
            share(self.first),
            share(self.among),
            share(self.open),
            share(self.none)
        )
    }
}

/// Codes of districts with their names and those of city and province.
fn areas(folder: &Path) -> Result<Vec<[String; 4]>, Box<dyn Error>> {
    let names = |file: &str| -> Result<Vec<(String, String)>, Box<dyn Error>> {
        let mut csv = csv::Reader::from_path(folder.join("divisions").join(file))?;
        let rows = csv.records().map(|row| row.map(|row| (row[0].into(), row[1].into())));
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let (provinces, cities) = (names("provinces.csv")?, names("cities.csv")?);
    let called = |list: &[(String, String)], code: &str| {
        list.iter().find(|(other, _)| other == code).map_or(String::new(), |(_, name)| name.clone())
    };
    let area = |(code, name): (String, String)| {
        let (city, province) = (called(&cities, &code[..4]), called(&provinces, &code[..2]));
        [code, name, city, province]
    };
    Ok(names("areas.csv")?.into_iter().map(area).collect())
}

/// The one district that has the labelled name and lies in the labelled city or province.
fn gold(areas: &[[String; 4]], address: &Address) -> Option<String> {
    let within = |area: &&[String; 4]| {
        let [_, name, city, province] = area;
        let in_city = address.city.is_empty() || city == &address.city || province == &address.city;
        let in_province = address.province.is_empty() || province.starts_with(&address.province);
        let told = !address.city.is_empty() || !address.province.is_empty();
        name == &address.district && in_city && in_province && told
    };
    let mut found = areas.iter().filter(within);
    let first = found.next()?;
    found.next().is_none().then(|| first[0].clone())
}

fn address(block: &str) -> Address {
    let mut address = Address {
        text: String::new(),
        bare: String::new(),
        province: String::new(),
        city: String::new(),
        district: String::new(),
    };
    for line in block.lines() {
        let Some((token, tag)) = line.trim().rsplit_once([' ', '\t']) else { continue };
        let label = tag.split_once('-').map_or("", |(_, label)| label);
        address.text.push_str(token);
        match label {
            "prov" => address.province.push_str(token),
            "city" => address.city.push_str(token),
            _ => address.bare.push_str(token),
        }
        if label == "district" {
            address.district.push_str(token);
        }
    }
    address
}
