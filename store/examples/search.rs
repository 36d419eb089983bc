//! How soon tickets are found among many: imports made ones and prints how long searches take, against the
//! limit of 200 ms. `cargo run --release -p qingting-store --example search -- [ROWS] [FILE or postgres://…]`;
//! without a place it makes a SQLite file and removes it. Exit code 1 when a kind of search is slower.

#![allow(clippy::disallowed_methods, reason = "it measures time")]

use qingting_common::{Pii, UnixMillis};
use qingting_nlu::draft::Field;
use qingting_nlu::history::PastTicket;
use qingting_store::{DatabaseUrl, PastImport, Place, Store, StoreError, TicketSearch};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest time in which 99 of 100 searches must end.
const LIMIT: Duration = Duration::from_millis(200);
/// Searches of each kind.
const SEARCHES: u64 = 200;
/// Tickets came in evenly over a year.
const BEGAN: i64 = 1_735_689_600_000;
const YEAR_MS: i64 = 365 * 86_400_000;

const PLACES: [&str; 8] =
    ["翠湖小区", "幸福花园", "文三路", "解放东路", "滨江大道", "城南市场", "和平里", "万达广场"];
const THINGS: [&str; 12] = [
    "路灯",
    "井盖",
    "垃圾桶",
    "电梯",
    "下水道",
    "健身器材",
    "公交站",
    "红绿灯",
    "充电桩",
    "门禁",
    "暖气",
    "水管",
];
const FAULTS: [&str; 8] = [
    "坏了没有人修",
    "半夜噪音特别大",
    "堵住了臭味很重",
    "被人占用",
    "漏水严重",
    "存在安全隐患",
    "长期无人管理",
    "收费不合理",
];
const ASKED: [&str; 4] =
    ["希望相关部门尽快处理", "要求退还费用", "投诉物业公司不作为", "咨询办理流程和所需材料"];

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let rows: u64 = args.next().map(|rows| rows.parse()).transpose()?.unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("qingting-search-{}", std::process::id()));
    let place: Place = match args.next() {
        Some(url) if url.starts_with("postgres") => url.parse::<DatabaseUrl>()?.into(),
        Some(file) => PathBuf::from(file).as_path().into(),
        None => folder.join("qingting.db").as_path().into(),
    };
    println!("{place}, {rows} tickets");
    let store = Store::open(place).await?;
    let began = Instant::now();
    let tickets = (0..rows).map(|row| made(row, rows)).collect();
    let import = PastImport { file: "made".into(), by: "example".into(), tickets };
    let imported = store.import_past_tickets(import, |_| {}).await?;
    println!("imported {} in {:.1} s", imported.new, began.elapsed().as_secs_f64());
    let is_fast = measure(&store, rows).await?;
    store.close().await;
    // There is nothing of it where a place was given.
    let _ = std::fs::remove_dir_all(folder);
    Ok(if is_fast { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(store: &Store, rows: u64) -> Result<bool, StoreError> {
    let words = |text: String| text.parse().ok();
    let kinds: [(&str, &dyn Fn(u64) -> TicketSearch); 12] = [
        ("number", &|n| TicketSearch {
            number: Some(number(spread(n, rows))),
            ..TicketSearch::default()
        }),
        ("whole telephone number", &|n| TicketSearch {
            phone: phone(spread(n, rows)).parse().ok(),
            ..TicketSearch::default()
        }),
        ("last four digits", &|n| TicketSearch {
            phone: phone(spread(n, rows))[7..].parse().ok(),
            ..TicketSearch::default()
        }),
        ("a frequent word of two characters", &|n| TicketSearch {
            text: words(THINGS[n as usize % THINGS.len()].to_owned()),
            ..TicketSearch::default()
        }),
        ("a word of every ticket", &|_| TicketSearch {
            text: words("反映".to_owned()),
            ..TicketSearch::default()
        }),
        ("a whole phrase", &|n| TicketSearch {
            text: words(format!("{}{}", thing(spread(n, rows)), fault(spread(n, rows)))),
            ..TicketSearch::default()
        }),
        ("two words", &|n| TicketSearch {
            text: words(format!("{} {}", thing(n), fault(n + 3))),
            ..TicketSearch::default()
        }),
        ("one door of all", &|n| TicketSearch {
            place: words(place_of(spread(n, rows))),
            ..TicketSearch::default()
        }),
        ("frequent words that never meet", &|n| TicketSearch {
            text: words(format!("{}{}", fault(n), thing(n))),
            ..TicketSearch::default()
        }),
        ("a word of every ticket, last digits", &|n| TicketSearch {
            text: words("反映".to_owned()),
            phone: phone(spread(n, rows))[7..].parse().ok(),
            ..TicketSearch::default()
        }),
        ("a word of no ticket", &|_| TicketSearch {
            text: words("地铁".to_owned()),
            ..TicketSearch::default()
        }),
        ("words, place and last digits", &|n| TicketSearch {
            text: words(thing(spread(n, rows)).to_owned()),
            place: words(PLACES[(spread(n, rows) % 8) as usize].to_owned()),
            phone: phone(spread(n, rows))[7..].parse().ok(),
            ..TicketSearch::default()
        }),
    ];
    let mut is_fast = true;
    println!("{:<40} {:>9} {:>9} {:>9}  found", "", "p50", "p95", "p99");
    for (kind, search) in kinds {
        let (mut times, mut found) = (Vec::new(), 0);
        for n in 0..SEARCHES {
            let search = TicketSearch { limit: 50, ..search(n) };
            let began = Instant::now();
            found += store.find_tickets(&search).await?.len();
            times.push(began.elapsed());
        }
        times.sort();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        let is_slow = at(99) > LIMIT;
        is_fast &= !is_slow;
        println!(
            "{kind:<40} {:>7.1}ms {:>7.1}ms {:>7.1}ms  {:.1}{}",
            ms(at(50)),
            ms(at(95)),
            ms(at(99)),
            found as f64 / SEARCHES as f64,
            if is_slow { "  SLOWER THAN 200 ms" } else { "" }
        );
    }
    Ok(is_fast)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A row for each search, all over the table.
fn spread(n: u64, rows: u64) -> u64 {
    n.wrapping_mul(7_919) % rows
}

fn made(row: u64, rows: u64) -> PastTicket {
    let at = BEGAN + (u128::from(row) * YEAR_MS as u128 / u128::from(rows)) as i64;
    let place = place_of(row);
    let (thing, fault, asked) = (thing(row), fault(row), ASKED[(row / 7 % 4) as usize]);
    let text = format!(
        "来电人反映{place}附近的{thing}{fault}，已经持续{}天，之前多次向社区反映没有结果，影响居民正常生活。{asked}，\
         请于{}日内答复，来电人编号{row}。",
        row % 90 + 1,
        row % 7 + 1
    );
    let fields = [
        (Field::Title, format!("{}{thing}{fault}", PLACES[(row % 8) as usize])),
        (Field::Description, text),
        (Field::Place, place),
        (Field::Phone, phone(row)),
    ];
    PastTicket {
        number: number(row),
        received_at: UnixMillis(at),
        closed_at: Some(UnixMillis(at + 5 * 86_400_000)),
        fields: fields.map(|(field, text)| (field, Pii::new(text))).into(),
    }
}

fn number(row: u64) -> String {
    format!("GD{row:08}")
}

fn phone(row: u64) -> String {
    format!("139{:08}", row.wrapping_mul(48_271) % 100_000_000)
}

fn thing(row: u64) -> &'static str {
    THINGS[(row / 8 % 12) as usize]
}

fn fault(row: u64) -> &'static str {
    FAULTS[(row / 96 % 8) as usize]
}

fn place_of(row: u64) -> String {
    format!(
        "{}{}栋{}单元{}室",
        PLACES[(row % 8) as usize],
        row / 8 % 60 + 1,
        row % 4 + 1,
        row % 2_500 + 101
    )
}
