//! A hotline with people: a server with a queue, seats with telephones, and a trunk.

use crate::clock::Deadline;
use crate::peers::desk::{Desk, Manner, OUTSIDE, says};
use crate::ports::free_port;
use crate::server::{Server, ServerPlan, wait_until};
use crate::tone::{self, Hz};
use crate::{audio::Wav, qingting};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// What all telephones of seats prove themselves with.
const PASSWORD: &str = "a-good-password";
/// The queue that 12345 leads to, and the skill that it needs.
pub const QUEUE: &str = "综合";
/// The number of the citizen.
pub const CITIZEN: &str = "13800138000";

/// What the seats of [`with_browser_seats`] sign in with.
pub const BROWSER_PASSWORD: &str = "qingting-801";

/// A server whose seats use browsers: their extensions and names. 12345 leads to the queue.
pub fn with_browser_seats(plan: ServerPlan, seats: &[(&str, &str)]) -> Server {
    let ws = free_port(0);
    let queue = format!("[[queues]]\nname = \"{QUEUE}\"\nskill = \"{QUEUE}\"\n");
    let plan = plan.with("sip.listen_ws", format!("[\"127.0.0.1:{ws}\"]")).and(NUMBER).and(&queue);
    let server = Server::start(&plan);
    for (extension, name) in seats {
        let seat = json!({ "extension": extension, "name": name, "role": "seat",
            "skills": { QUEUE: 1 }, "password": BROWSER_PASSWORD });
        let (status, body) = server.request("POST", "/api/v1/seats", Some(&seat));
        assert_eq!(status, 201, "{body}");
    }
    server
}

/// A server, and who was hired there.
#[derive(Debug)]
pub struct House {
    /// The server.
    pub server: Server,
    trunk_port: u16,
}

impl House {
    /// 12345 leads to the queue; nothing but tones is heard, the music too; a trunk leads outside.
    pub fn open() -> Self {
        Self::of(ServerPlan::deaf(), NUMBER, "")
    }

    /// The same with a plan, numbers, and keys of the queue, of one's own.
    pub fn of(plan: ServerPlan, numbers: &str, queue: &str) -> Self {
        let trunk_port = free_port(0);
        let trunk = format!(
            "[[trunks]]\nname = \"外线\"\nuri = \"sip:{OUTSIDE}:{trunk_port}\"\ncaller_id = \"12345\"\n"
        );
        let queue = format!("[[queues]]\nname = \"{QUEUE}\"\nskill = \"{QUEUE}\"\n{queue}\n");
        let plan = plan
            .with("sip.md5_only", true)
            .with("seats.music", format!("\"{}\"", music().display()))
            .with("seats.wrap_up_s", 0)
            .with("seats.ring_s", 5)
            .and(&trunk)
            .and(numbers)
            .and(&queue);
        Self { server: Server::start(&plan), trunk_port }
    }

    /// A seat that takes calls of the queue, ready.
    pub fn seat(&self, extension: &str, hz: Hz, how: Manner) -> Desk {
        self.seat_saying(extension, says(hz), how)
    }

    /// The same with something else to say.
    pub fn seat_saying(&self, extension: &str, says: Vec<i16>, how: Manner) -> Desk {
        let desk = self.hire(extension, "seat", says, how);
        self.wait_until_ready(extension);
        desk
    }

    /// A seat at work that takes no calls now, so that citizens wait.
    pub fn away(&self, extension: &str) -> Desk {
        let desk = self.seat(extension, tone::FIRST, Manner::Answers);
        self.command_state(extension, &json!({ "state": "break", "reason": "小休" }));
        self.wait_for_state(extension, "break");
        desk
    }

    /// A supervisor, whose telephone answers at once.
    pub fn chief(&self, extension: &str) -> Desk {
        self.hire(extension, "supervisor", says(tone::CHIEF), Manner::Answers)
    }

    fn hire(&self, extension: &str, role: &str, says: Vec<i16>, how: Manner) -> Desk {
        let seat = json!({
            "extension": extension, "name": "测试", "role": role, "skills": { QUEUE: 1 },
            "password": PASSWORD,
        });
        let (status, body) = self.server.request("POST", "/api/v1/seats", Some(&seat));
        assert_eq!(status, 201, "{body}");
        Desk::seat(self.server.sip(), extension, PASSWORD, says, how)
    }

    /// Whoever has these numbers outside.
    pub fn outside(&self, numbers: &[&str], how: Manner) -> Desk {
        Desk::outside(self.trunk_port, numbers, tone::OUTSIDE, how)
    }

    /// A citizen calls 12345.
    pub fn citizen(&self) -> Desk {
        self.citizen_saying(says(tone::CITIZEN))
    }

    /// The same with something else to say.
    pub fn citizen_saying(&self, says: Vec<i16>) -> Desk {
        let mut desk = Desk::citizen(CITIZEN, says);
        desk.dial(&self.server.uri());
        desk
    }

    /// A citizen and a seat that talk, and their call.
    pub fn talk(&self, seat: &mut Desk) -> (Desk, String) {
        let mut citizen = self.citizen();
        citizen.wait_until_talking();
        seat.wait_until_talking();
        citizen.hears(&[tone::FIRST]);
        seat.hears(&[tone::CITIZEN]);
        (citizen, self.running())
    }

    /// The call that runs.
    pub fn running(&self) -> String {
        wait_until("a call runs", || {
            let calls = self.server.calls();
            let call = calls.iter().find(|call| call["state"] == "active")?;
            call["id"].as_str().map(str::to_owned)
        })
    }

    /// Does something to a call.
    #[track_caller]
    pub fn command(&self, call: &str, command: &Value) {
        let (status, body) = self.try_command(call, command);
        assert_eq!(status, 202, "{command}: {body}");
    }

    /// The same, which may be refused.
    pub fn try_command(&self, call: &str, command: &Value) -> (u16, String) {
        self.server.request("POST", &format!("/api/v1/calls/{call}/commands"), Some(command))
    }

    /// Changes what a seat does.
    #[track_caller]
    pub fn command_state(&self, extension: &str, wanted: &Value) {
        let path = format!("/api/v1/seats/{extension}/state");
        let (status, body) = self.server.request("POST", &path, Some(wanted));
        assert_eq!(status, 202, "{wanted}: {body}");
    }

    /// All that is known of a call.
    pub fn detail(&self, call: &str) -> Value {
        self.server.api_get(&format!("/api/v1/calls/{call}"))
    }

    /// The same once it is over.
    pub fn ended(&self, call: &str) -> Value {
        wait_until("the call is over", || {
            let call = self.detail(call);
            (call["state"] == "ended").then_some(call)
        })
    }

    /// Waits until a seat takes calls.
    pub fn wait_until_ready(&self, extension: &str) {
        self.wait_for_state(extension, "ready");
    }

    /// Waits until a seat does this.
    #[track_caller]
    pub fn wait_for_state(&self, extension: &str, state: &str) {
        let mut last = Value::Null;
        let seen = Deadline::after(Duration::from_secs(60)).poll(|| {
            let seats = self.server.api_get("/api/v1/seats");
            let seat = seats.as_array()?.iter().find(|seat| seat["extension"] == extension)?;
            last = seat["now"].clone();
            (last["state"] == state).then_some(())
        });
        assert!(seen.is_some(), "{extension} should be {state}: {last}");
    }

    /// The kinds of a call's timeline, in order.
    pub fn timeline(&self, call: &str) -> Vec<String> {
        let call = self.detail(call);
        let events = call["events"].as_array().cloned().unwrap_or_default();
        events.iter().filter_map(|event| event["kind"].as_str().map(str::to_owned)).collect()
    }
}

/// The leg of a call in this role; its latest.
#[track_caller]
pub fn leg<'a>(call: &'a Value, role: &str) -> &'a Value {
    let legs = call["legs"].as_array().expect("legs");
    legs.iter().rfind(|leg| leg["role"] == role).unwrap_or_else(|| panic!("no {role}: {call}"))
}

/// 12345 as most tests call it.
pub const NUMBER: &str = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nqueue = \"综合\"\n";

/// A tone in place of the chimes, made once for all servers of this process.
pub fn music() -> &'static Path {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let file = qingting().with_file_name("test-music.wav");
        let partial = file.with_extension(format!("{}.partial", std::process::id()));
        Wav::mono(tone::of(tone::MUSIC, Duration::from_secs(10))).write(&partial);
        std::fs::rename(&partial, &file).expect("same folder");
        file
    });
    &FILE
}
