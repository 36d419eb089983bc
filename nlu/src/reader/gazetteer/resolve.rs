//! Which divisions an address lies in.
//!
//! A name may be many: 朝阳区 is in Beijing and in Changchun, 城关镇 in two hundred counties. What else
//! the address names decides, then the hotline's own city. **What stays open stays open**: all
//! candidates that nothing speaks against are given, with their shares.

use super::{Entry, Gazetteer, Level, Name, PLACEHOLDERS};

/// Most candidates.
const CANDIDATES_MAX: usize = 5;
/// Most divisions of one name that are looked at.
const BEARERS_MAX: usize = 400;
/// What a name is worth in full, and without its ending.
const FULL: f32 = 1.0;
const SHORT: f32 = 0.6;
/// What lying in the hotline's own city is worth.
const HOME: f32 = 0.3;
/// How fast a worse score loses its share: a name less is a three-thousandth.
const SHARE_SCALE: f32 = 8.0;
/// Candidates with less of a share are left out.
const SHARE_MIN: f32 = 0.02;

/// A division on the way from the province down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Its code: 2, 4, 6 or 9 digits.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// A place on the map that an address may mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// From the province down to the deepest division that is certain.
    pub path: Vec<Division>,
    /// Share among the candidates, 0 to 1.
    pub share: f32,
}

impl Resolved {
    /// Code of the deepest division.
    pub fn code(&self) -> &str {
        self.path.last().map_or("", |division| division.code.as_str())
    }
}

/// A name in the address.
struct Mention<'a> {
    name: &'a Name,
    worth: f32,
}

impl Gazetteer {
    /// The divisions that an address may lie in, the likeliest first. Nothing where it names none.
    pub fn resolve(&self, address: &str) -> Vec<Resolved> {
        let chars: Vec<char> = address.chars().collect();
        let mentions = self.mentions(&chars);
        let mut scored: Vec<(f32, &str)> = Vec::new();
        for entry in mentions.iter().flat_map(|mention| self.bearers(mention.name)) {
            if !scored.iter().any(|(_, code)| *code == &*entry.code) {
                scored.push((self.score(&mentions, &entry.code), &entry.code));
            }
        }
        // The deepest of those that are as good: it says the most.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.len().cmp(&a.1.len())));
        let above = |(score, code): &(f32, &str)| {
            !scored.iter().any(|(other, deeper)| {
                other >= score && deeper.len() > code.len() && deeper.starts_with(code)
            })
        };
        let kept: Vec<(f32, &str)> =
            scored.iter().filter(|one| above(one)).copied().take(CANDIDATES_MAX).collect();
        let best = kept.first().map_or(0.0, |(score, _)| *score);
        let share = |score: f32| (SHARE_SCALE * (score - best)).exp();
        let sum: f32 = kept.iter().map(|(score, _)| share(*score)).sum();
        let resolved = kept
            .iter()
            .map(|(score, code)| Resolved { path: self.path(code), share: share(*score) / sum });
        resolved.filter(|resolved| resolved.share >= SHARE_MIN).collect()
    }

    /// Names in the address, the longest where several begin.
    fn mentions(&self, chars: &[char]) -> Vec<Mention<'_>> {
        let mut mentions = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            let Some(longest) = self.names_at(&chars[at..]).next().map(|name| name.chars.len())
            else {
                at += 1;
                continue;
            };
            let road = |end: usize| chars.get(end).is_some_and(|c| "路街道巷".contains(*c));
            for name in self.names_at(&chars[at..]).filter(|name| name.chars.len() == longest) {
                // 杭州路 is a road, wherever.
                if !(name.short && road(at + longest)) {
                    mentions.push(Mention { name, worth: if name.short { SHORT } else { FULL } });
                }
            }
            at += longest;
        }
        mentions
    }

    fn bearers<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Entry> {
        name.bearers.iter().take(BEARERS_MAX).map(|at| &self.entries[*at as usize])
    }

    /// How much of the address speaks for a division: names of itself and of what lies above it.
    fn score(&self, mentions: &[Mention<'_>], code: &str) -> f32 {
        let home = self.home.as_ref().is_some_and(|home| code.starts_with(&**home));
        let mut levels: Vec<(Level, f32)> = Vec::new();
        for mention in mentions {
            let speaks = self.bearers(mention.name).any(|entry| code.starts_with(&*entry.code));
            let level = mention.name.level;
            match levels.iter_mut().find(|(other, _)| *other == level) {
                _ if !speaks => {}
                Some((_, worth)) => *worth = worth.max(mention.worth),
                None => levels.push((level, mention.worth)),
            }
        }
        levels.iter().map(|(_, worth)| worth).sum::<f32>() + if home { HOME } else { 0.0 }
    }

    fn path(&self, code: &str) -> Vec<Division> {
        let lengths = [2, 4, 6, 9].into_iter().filter(|length| *length <= code.len());
        let above = lengths.filter_map(|length| self.find(&code[..length]));
        let named = above.map(|at| &self.entries[at]);
        let said = named.filter(|entry| !PLACEHOLDERS.contains(&&*entry.name));
        said.map(|entry| Division { code: entry.code.to_string(), name: entry.name.to_string() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gazetteer, Place, PlaceKind};

    fn gazetteer() -> Gazetteer {
        Gazetteer::from_csv(
            "code,name\n11,北京市\n22,吉林省\n33,浙江省\n",
            "code,name\n1101,市辖区\n2201,长春市\n3301,杭州市\n",
            "code,name\n110105,朝阳区\n220104,朝阳区\n330106,西湖区\n",
            "code,name\n110105001,建外街道\n220104001,前进街道\n330106002,古荡街道\n",
        )
        .unwrap()
    }

    fn resolved(gazetteer: &Gazetteer, address: &str) -> Vec<String> {
        let of = |one: &super::Resolved| {
            one.path.iter().map(|division| division.name.as_str()).collect::<Vec<_>>().join("/")
        };
        gazetteer.resolve(address).iter().map(of).collect()
    }

    #[test]
    fn what_else_is_named_decides_between_equal_names() {
        let gazetteer = gazetteer();
        assert_eq!(resolved(&gazetteer, "长春朝阳区"), ["吉林省/长春市/朝阳区"]);
        assert_eq!(resolved(&gazetteer, "朝阳区建外街道"), ["北京市/朝阳区/建外街道"]);
        assert_eq!(resolved(&gazetteer, "浙江省杭州路"), ["浙江省"]);
        assert!(resolved(&gazetteer, "人民路三号").is_empty());
    }

    #[test]
    fn what_nothing_decides_stays_open_and_home_is_likelier() {
        let open = gazetteer().resolve("朝阳区");
        assert_eq!(open.len(), 2);
        assert!((open[0].share - 0.5).abs() < 1e-6, "{open:?}");
        let home = gazetteer().in_city("长春市").unwrap();
        assert_eq!(resolved(&home, "朝阳区"), ["吉林省/长春市/朝阳区", "北京市/朝阳区"]);
        assert!(home.resolve("朝阳区")[0].share > 0.9);
    }

    #[test]
    fn a_place_of_the_profile_gives_its_division() {
        let place = Place {
            names: vec!["文三路".into()],
            kind: PlaceKind::Road,
            division: "330106002".into(),
        };
        let gazetteer = gazetteer().with_places(&[place]).unwrap();
        assert_eq!(resolved(&gazetteer, "文三路90号"), ["浙江省/杭州市/西湖区/古荡街道"]);
        assert_eq!(gazetteer.resolve("文三路")[0].code(), "330106002");
    }
}
