//! How long a city's year of tickets takes to learn, and how large the model is:
//! `cargo run --release -p qingting-nlu --example city_tickets`.
//!
//! The tickets are made up: matters of the default profile's categories, in words put together at random, for
//! 46 units of which 31 answer for a town each. **What the model makes of them says nothing of a real city**;
//! rows, lengths, classes and distinct words are those of one, and of these time and size depend.

#[path = "readings/clock.rs"]
mod clock;

use qingting_nlu::Gazetteer;
use qingting_nlu::classifier::{Split, Teaching, Ticket, learn};
use qingting_nlu::profile::Profile;
use std::error::Error;

const ROWS: usize = 13_000;
/// Units that answer for one matter in the whole city, and those that answer for the rest in one town.
const OFFICES: usize = 15;
const TOWNS: usize = 31;
/// Distinct words of which texts are made besides the matter.
const WORDS: usize = 6_000;
/// Words of one ticket.
const WORDS_OF_TICKET: usize = 50;
/// One row in ten is for testing.
const TEST_EVERY: usize = 10;
/// Characters of which words are made.
const CHARACTERS: &str = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严";

/// A linear congruential generator (Knuth's MMIX): the same tickets in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % most
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let tickets = tickets();
    let chars: usize = tickets.iter().map(|ticket| ticket.text.chars().count()).sum();
    println!("{ROWS} rows, {} characters each", chars / ROWS);
    let began = clock::now();
    let learnt = learn(&tickets, &[], &Teaching::default())?;
    let seconds = began.elapsed().as_secs_f64();
    let bytes = learnt.model.to_bytes().len();
    println!(
        "{} units, {} widest categories",
        learnt.model.units().len(),
        learnt.model.categories().len()
    );
    println!("learnt in {seconds:.1} s, the model has {:.1} MB", bytes as f64 / 1e6);
    for target in &learnt.report.targets {
        println!("  {}: accuracy {:.3}", target.target, target.accuracy);
    }
    Ok(())
}

fn tickets() -> Vec<Ticket> {
    let mut random = Random(12_345);
    let characters: Vec<char> = CHARACTERS.chars().collect();
    let mut word = |least: usize| -> String {
        let length = least + random.below(2);
        (0..length).map(|_| characters[random.below(characters.len())]).collect()
    };
    let words: Vec<String> = (0..WORDS).map(|_| word(2)).collect();
    let towns: Vec<String> = (0..TOWNS).map(|_| word(2) + "街道").collect();
    let estates: Vec<String> = (0..TOWNS * 20).map(|_| word(2) + "小区").collect();
    let profile = Profile::of_tables(|_| None, &Gazetteer::empty()).expect("the default is sound");
    let paths: Vec<Vec<String>> = profile
        .categories
        .codes()
        .filter_map(|code| profile.categories.path(code))
        .filter(|path| path.len() == 3)
        .map(|path| path.into_iter().map(str::to_owned).collect())
        .collect();
    (0..ROWS)
        .map(|row| {
            let category = paths[random.below(paths.len()).min(random.below(paths.len()))].clone();
            let estate = random.below(estates.len());
            let town = &towns[estate % TOWNS];
            let told: Vec<&str> = (0..WORDS_OF_TICKET)
                .map(|_| words[random.below(WORDS).min(random.below(WORDS))].as_str())
                .collect();
            // Some widest categories are the town's, the others an office's in the whole city.
            let sum = |name: &str| name.chars().map(|c| c as usize).sum::<usize>();
            let unit = match sum(&category[0]) % 2 {
                0 => format!("{town}办事处"),
                _ => format!("第{}局", sum(&category[1]) % OFFICES),
            };
            Ticket {
                text: format!("{}，{}，{}", estates[estate], category[2], told.concat()),
                place: town.clone(),
                called: "12345".into(),
                last_unit: String::new(),
                last_category: String::new(),
                category,
                unit: Some(unit),
                kind: Some(if row % 3 == 0 { "咨询" } else { "投诉" }.into()),
                split: if row % TEST_EVERY == 0 { Split::Test } else { Split::Train },
            }
        })
        .collect()
}
