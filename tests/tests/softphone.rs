//! The seats' telephone page in a real browser: what it shows, and who hears whom. Everybody says a
//! tone of its own.

use qingting_tests::audio::{Wav, beeps, level, samples_in};
use qingting_tests::certificate::certify;
use qingting_tests::clock::{Deadline, Stopwatch};
use qingting_tests::house::{BROWSER_PASSWORD, with_browser_seats};
use qingting_tests::peers::baresip::{Answer, Answering};
use qingting_tests::peers::browser::{Browser, ENTER, ESCAPE};
use qingting_tests::peers::talker::Talker;
use qingting_tests::ports::free_port;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::spoken;
use serde_json::{Value, json};
use std::time::Duration;

/// Tones that have no harmonics in common.
const SEAT_HZ: f64 = 700.0;
const CITIZEN_HZ: f64 = 1_150.0;
const EXPERT_HZ: f64 = 1_700.0;
/// From here on a tone is there, and below there it is not, in dB. A browser's own processing makes
/// its microphone's tone quieter.
const HEARD: f64 = -50.0;
const UNHEARD: f64 = -58.0;

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

/// A server with a WebSocket port for browsers, and seats.
struct House {
    server: Server,
}

impl House {
    fn open(plan: ServerPlan, seats: &[&str]) -> Self {
        let seats: Vec<_> = seats.iter().map(|extension| (*extension, "王芳")).collect();
        let server = with_browser_seats(plan, &seats);
        Self { server }
    }

    /// A browser with the page, whose microphone beeps.
    fn page(&self, hz: f64) -> Browser {
        let microphone = self.server.home().join(format!("microphone-{hz}.wav"));
        Wav::mono(beeps(hz, seconds(12.0))).write(&microphone);
        let browser = Browser::start(&microphone);
        browser.open(&format!("http://{}/softphone", self.server.http()));
        browser
    }

    /// The page of a seat that waits for calls.
    fn seat(&self, extension: &str, hz: f64) -> Browser {
        let page = self.page(hz);
        sign_in(&page, extension, BROWSER_PASSWORD);
        shows(&page, "line", "话机已注册");
        shows(&page, "seat-state", "空闲");
        page
    }

    fn seat_now(&self, extension: &str) -> Value {
        let seats = self.server.api_get("/api/v1/seats");
        let seats = seats.as_array().cloned().unwrap_or_default();
        let seat = seats.into_iter().find(|seat| seat["extension"] == extension);
        seat.map(|seat| seat["now"].clone()).unwrap_or_default()
    }
}

fn sign_in(page: &Browser, extension: &str, password: &str) {
    page.type_into("extension", extension);
    page.type_into("password", password);
    page.press(ENTER);
}

/// Waits until the element of that id shows this.
#[track_caller]
fn shows(page: &Browser, id: &str, text: &str) {
    let is_shown =
        format!("return document.getElementById('{id}').innerText.includes({})", Value::from(text));
    page.wait_until(&format!("#{id} shows {text}"), &is_shown);
}

/// Waits until the element of that id can be used, and clicks it.
#[track_caller]
fn click(page: &Browser, id: &str) {
    let can = format!("return !document.getElementById('{id}').disabled");
    page.wait_until(&format!("#{id} can be clicked"), &can);
    page.click(id);
}

/// Takes the call that rings.
#[track_caller]
fn take(page: &Browser) {
    shows(page, "call-state", "来电");
    page.press(ENTER);
    shows(page, "call-state", "通话中");
}

/// Waits until this holds of what comes to the citizen in half a second.
#[track_caller]
fn until_citizen(citizen: &Talker, what: &str, holds: impl Fn(&Talker) -> bool) {
    let seen = Deadline::after(seconds(60.0)).poll(|| holds(citizen).then_some(()));
    let levels = [SEAT_HZ, CITIZEN_HZ, EXPERT_HZ].map(|hz| citizen.level(hz, seconds(0.5)));
    assert!(seen.is_some(), "{what}: {levels:?}, {}", citizen.loudness(seconds(0.5)));
}

/// Waits until this holds of the levels of these tones at the page.
#[track_caller]
fn until_page(page: &Browser, what: &str, hz: &[f64], holds: impl Fn(&[f64]) -> bool) {
    let mut levels = Vec::new();
    let seen = Deadline::after(seconds(60.0)).poll(|| {
        levels = page.levels(hz);
        holds(&levels).then_some(())
    });
    assert!(seen.is_some(), "{what}: {levels:?}");
}

#[test]
fn a_citizen_and_a_browser_hear_each_other_and_not_themselves() {
    let house = House::open(ServerPlan::deaf(), &["801"]);
    let page = house.seat("801", SEAT_HZ);
    let citizen = Talker::call(house.server.sip(), CITIZEN_HZ);
    shows(&page, "call-state", "来电");
    shows(&page, "peer", "13800138000");
    until_citizen(&citizen, "the citizen hears music", |citizen| {
        citizen.level(SEAT_HZ, seconds(2.0)) < UNHEARD && citizen.loudness(seconds(0.5)) > -40.0
    });
    page.run(FIRST_AUDIO);
    let pressed = Stopwatch::start();
    page.press(ENTER);
    until_citizen(&citizen, "the citizen hears the seat", |citizen| {
        citizen.level(SEAT_HZ, seconds(0.1)) > HEARD
    });
    let to_citizen = pressed.elapsed();
    let to_seat = page.run("return await window.firstAudio");
    println!("first audio after Enter: citizen {to_citizen:?}, seat {to_seat} ms");
    assert!(to_citizen < seconds(20.0) && to_seat.as_f64().is_some_and(|ms| ms < 20_000.0));

    shows(&page, "call-state", "通话中");
    shows(&page, "legs", "市民 13800138000");
    shows(&page, "legs", "我 801");
    until_page(&page, "the seat hears the citizen alone", &[CITIZEN_HZ, SEAT_HZ], |levels| {
        levels[0] > HEARD && levels[1] < UNHEARD
    });
    until_citizen(&citizen, "the citizen does not hear itself", |citizen| {
        citizen.level(CITIZEN_HZ, seconds(1.0)) < UNHEARD
    });

    click(&page, "hold");
    shows(&page, "call-state", "保持中");
    until_citizen(&citizen, "the citizen hears music and not the seat", |citizen| {
        citizen.level(SEAT_HZ, seconds(1.0)) < UNHEARD && citizen.loudness(seconds(1.0)) > -40.0
    });
    until_page(&page, "the seat hears nobody", &[CITIZEN_HZ], |levels| levels[0] < UNHEARD);
    click(&page, "hold");
    shows(&page, "call-state", "通话中");
    until_citizen(&citizen, "the seat is back", |citizen| {
        citizen.level(SEAT_HZ, seconds(0.5)) > HEARD
    });

    click(&page, "mute");
    until_citizen(&citizen, "the seat is muted", |citizen| {
        citizen.level(SEAT_HZ, seconds(1.0)) < UNHEARD
    });
    click(&page, "mute");
    until_citizen(&citizen, "the seat speaks again", |citizen| {
        citizen.level(SEAT_HZ, seconds(0.5)) > HEARD
    });

    page.press('5');
    page.press('#');
    until_citizen(&citizen, "keys reach the citizen", |citizen| citizen.keys() == "5#");

    let cpu = cpu_of(house.server.pid());
    let watch = Stopwatch::start();
    watch.sleep_until(seconds(5.0));
    println!(
        "CPU of the server with one browser call: {:.1} %",
        (cpu_of(house.server.pid()) - cpu) / 5.0 * 100.0
    );

    page.press(ESCAPE);
    citizen.wait_for_hang_up(Deadline::after(seconds(10.0)));
    shows(&page, "notice", "已挂机");
    shows(&page, "seat-state", "话后处理");
    let call = house.server.ended_calls(1).remove(0);
    assert_eq!(call["state"], "ended");
    click(&page, "done");
    shows(&page, "seat-state", "空闲");
}

/// The time from Enter to the first sound that the page hears, in ms.
const FIRST_AUDIO: &str = r"
    const audio = new AudioContext();
    const ear = audio.createAnalyser();
    audio.createMediaStreamSource(window.qingtingCall.stream).connect(ear);
    const samples = new Float32Array(ear.fftSize);
    window.firstAudio = new Promise(done => addEventListener('keydown', () => {
        const pressed = performance.now();
        const look = setInterval(() => {
            ear.getFloatTimeDomainData(samples);
            if (!samples.some(sample => Math.abs(sample) > 0.02)) return;
            clearInterval(look);
            done(performance.now() - pressed);
        }, 2);
    }, { once: true, capture: true }));
";

/// Seconds of processor time that a process has used.
fn cpu_of(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (ticks(12) + ticks(13)) / 100.0
}

#[test]
fn an_expert_is_asked_while_the_citizen_waits_and_then_all_three_talk() {
    let expert =
        Answering::start_as("13900139000", Answer::AtOnce, beeps(EXPERT_HZ, seconds(120.0)));
    let trunk = format!(
        "[[trunks]]\nname = \"市话\"\nuri = \"sip:{}\"\ncaller_id = \"12345\"\n",
        expert.sip()
    );
    let house = House::open(ServerPlan::deaf().and(&trunk), &["801"]);
    let page = house.seat("801", SEAT_HZ);
    let citizen = Talker::call(house.server.sip(), CITIZEN_HZ);
    take(&page);
    page.type_into("target", "13900139000");
    click(&page, "consult");
    shows(&page, "call-state", "咨询中");
    shows(&page, "legs", "对方 13900139000");
    shows(&page, "legs", "听等候音乐");
    until_page(&page, "the seat hears the expert alone", &[EXPERT_HZ, CITIZEN_HZ], |levels| {
        levels[0] > HEARD && levels[1] < UNHEARD
    });
    until_citizen(&citizen, "the citizen hears neither, but music", |citizen| {
        let quiet = |hz| citizen.level(hz, seconds(1.0)) < UNHEARD;
        quiet(SEAT_HZ) && quiet(EXPERT_HZ) && citizen.loudness(seconds(1.0)) > -40.0
    });
    click(&page, "three");
    shows(&page, "call-state", "三方通话");
    until_citizen(&citizen, "the citizen hears both", |citizen| {
        let hears = |hz| citizen.level(hz, seconds(1.0)) > HEARD;
        hears(SEAT_HZ) && hears(EXPERT_HZ) && citizen.level(CITIZEN_HZ, seconds(1.0)) < UNHEARD
    });
    let tones = [EXPERT_HZ, CITIZEN_HZ, SEAT_HZ];
    until_page(&page, "the seat hears both and not itself", &tones, |levels| {
        levels[0] > HEARD && levels[1] > HEARD && levels[2] < UNHEARD
    });
    page.press(ESCAPE);
    shows(&page, "notice", "已挂机");
    until_citizen(&citizen, "citizen and expert go on", |citizen| {
        citizen.level(EXPERT_HZ, seconds(2.0)) > HEARD
            && citizen.level(SEAT_HZ, seconds(2.0)) < UNHEARD
    });
    citizen.hang_up();
    let heard = expert.heard().expect("it records").channels.remove(0);
    for hz in [SEAT_HZ, CITIZEN_HZ] {
        assert!(level(&heard, hz) > HEARD, "the expert heard {hz} at {}", level(&heard, hz));
    }
    // At its end the two talk by themselves. Where a packet was late and its sound made up, the
    // step in the citizen's tone sounds at every pitch: half a second without one is enough.
    let end = &heard[heard.len().saturating_sub(samples_in(seconds(2.0)))..];
    let levels: Vec<[f64; 2]> = end
        .chunks_exact(samples_in(seconds(0.5)))
        .map(|half| [EXPERT_HZ, CITIZEN_HZ].map(|hz| level(half, hz)))
        .collect();
    let alone = levels.iter().any(|[own, citizens]| *own < UNHEARD && *citizens > HEARD);
    assert!(alone, "itself and the citizen: {levels:?}");
    house.server.ended_calls(1);
}

#[test]
fn whoever_hangs_up_first_the_other_side_hears_of_it_and_a_closed_page_is_gone() {
    let house = House::open(ServerPlan::deaf(), &["801"]);
    let page = house.page(SEAT_HZ);
    sign_in(&page, "801", "a wrong password");
    shows(&page, "sign-in-error", "分机号或密码不对");
    page.run("document.getElementById('password').value = ''");
    page.type_into("password", BROWSER_PASSWORD);
    page.press(ENTER);
    shows(&page, "line", "话机已注册");
    shows(&page, "seat-state", "空闲");

    let citizen = Talker::call(house.server.sip(), CITIZEN_HZ);
    take(&page);
    citizen.hang_up();
    shows(&page, "notice", "对方已挂机");
    click(&page, "done");
    shows(&page, "seat-state", "空闲");

    // It rings and the citizen gives up.
    let citizen = Talker::call(house.server.sip(), CITIZEN_HZ);
    shows(&page, "call-state", "来电");
    citizen.hang_up();
    shows(&page, "notice", "来电已取消");

    assert_eq!(house.seat_now("801")["registered"], true);
    drop(page);
    wait_until("the seat is unreachable", || {
        (house.seat_now("801")["registered"] == false).then_some(())
    });
    let (status, body) = house.server.request(
        "POST",
        "/api/v1/calls",
        Some(&json!({ "to": "801", "extension": "801" })),
    );
    assert_eq!(status, 503, "{body}");
}

#[test]
fn one_seat_calls_another_from_its_page() {
    let house = House::open(ServerPlan::deaf(), &["801", "802"]);
    let (page, other) = (house.seat("801", SEAT_HZ), house.seat("802", EXPERT_HZ));
    page.type_into("number", "802");
    page.press(ENTER);
    shows(&page, "call-state", "呼叫中");
    shows(&other, "peer", "801");
    take(&other);
    shows(&page, "call-state", "通话中");
    shows(&page, "legs", "我 801");
    for (page, hears, says) in [(&page, EXPERT_HZ, SEAT_HZ), (&other, SEAT_HZ, EXPERT_HZ)] {
        until_page(page, "each hears the other alone", &[hears, says], |levels| {
            levels[0] > HEARD && levels[1] < UNHEARD
        });
    }
    // The page knows the call by its id: what it wants of it is done.
    click(&page, "pause");
    page.wait_until(
        "recording is paused",
        "return document.getElementById('pause').ariaPressed === 'true'",
    );
    page.press(ESCAPE);
    shows(&other, "notice", "对方已挂机");

    page.type_into("number", "802");
    page.press(ENTER);
    shows(&other, "call-state", "来电");
    page.press(ESCAPE);
    shows(&page, "notice", "已取消");
    shows(&other, "notice", "来电已取消");
    page.type_into("number", "899");
    page.press(ENTER);
    shows(&page, "notice", "号码不存在");
    house.server.ended_calls(2);
    house.server.wait_until_idle();
}

#[test]
fn what_a_citizen_says_is_written_on_the_page() {
    let words = spoken("您好，我要投诉，楼下的烧烤店噪音特别大。", "jf_nezumi");
    let mut words = Wav::read(&words).channels.remove(0);
    words.resize(words.len() / 160 * 160 + 160 * 100, 0);
    let house = House::open(ServerPlan::hearing(), &["801"]);
    let page = house.seat("801", SEAT_HZ);
    let citizen = Talker::call_saying(house.server.sip(), words);
    take(&page);
    shows(&page, "captions", "市民");
    shows(&page, "captions", "投诉");
    citizen.hang_up();
    shows(&page, "notice", "对方已挂机");
}

#[test]
fn a_browser_registers_over_an_encrypted_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    certify(folder.path(), false);
    let wss = free_port(0);
    let plan = ServerPlan::deaf()
        .with("sip.listen_wss", format!("[\"127.0.0.1:{wss}\"]"))
        .with("sip.tls_certificate", format!("{:?}", file("cert.pem")))
        .with("sip.tls_key", format!("{:?}", file("key.pem")));
    let house = House::open(plan, &["801", "802"]);
    let page = house.page(SEAT_HZ);
    let connect = "
        const { SipPhone } = await import('/sip.js');
        const { realm } = await (await fetch('/softphone/settings.json')).json();
        const phone = new SipPhone({ url: 'wss://127.0.0.1:PORT', extension: '801', password: 'WORD', realm });
        phone.addEventListener('incoming', ({ call }) => {
            window.qingtingCall = call;
            call.answer();
        });
        const told = new Promise(done => phone.addEventListener('registered', done, { once: true }));
        phone.start();
        const { registered, why } = await told;
        return registered || why;";
    let connect = connect.replace("PORT", &wss.to_string()).replace("WORD", BROWSER_PASSWORD);
    assert_eq!(page.run(&connect), true, "{}", page.console());
    let citizen = Talker::call(house.server.sip(), CITIZEN_HZ);
    page.wait_until("they talk", "return window.qingtingCall?.state === 'talking'");
    until_citizen(&citizen, "the citizen hears the seat", |citizen| {
        citizen.level(SEAT_HZ, seconds(0.5)) > HEARD
    });
    until_page(&page, "the seat hears the citizen", &[CITIZEN_HZ], |levels| levels[0] > HEARD);
    citizen.hang_up();
}
