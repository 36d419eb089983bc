//! What stands here, as the administrator's pages see it.

mod models;
mod prompts;
mod test_calls;

use super::Hotline;
use crate::clock;
use crate::config::{Config, Overflow};
use crate::home;
use prompts::PromptBook;
use qingting_api::{
    ControlError, Disk, Lines, Models, NumberLine, PromptInfo, QueueLine, TestCall,
    TestCallRequest, TrunkLine,
};
use qingting_store::Place;
use std::sync::Arc;
use test_calls::TestCalls;
use uuid::Uuid;

/// See above.
pub struct Installation {
    hotline: Arc<Hotline>,
    prompts: PromptBook,
    test_calls: Arc<TestCalls>,
}

impl Installation {
    pub fn new(hotline: &Arc<Hotline>) -> Self {
        Self {
            hotline: Arc::clone(hotline),
            prompts: PromptBook::new(hotline),
            test_calls: Arc::default(),
        }
    }
}

impl qingting_api::Installation for Installation {
    fn lines(&self) -> Lines {
        let Hotline { config, switchboard, .. } = &*self.hotline;
        let snapshot = switchboard.queues.snapshot();
        let queues = config.queues.iter().map(|queue| {
            let now = snapshot.queues.iter().find(|now| now.name.as_str() == queue.name);
            QueueLine {
                name: queue.name.clone(),
                skill: queue.skill.clone(),
                wait_s_max: queue.wait_s_max,
                overflow: overflow(&queue.overflow),
                widen_to: queue.widen_to.clone(),
                widen_s: queue.widen_s,
                call_back_s: queue.call_back_s,
                waiting: now.map_or(0, |now| now.waiting.len() as u32),
                seats_at_work: now.map_or(0, |now| now.seats_at_work as u32),
            }
        });
        Lines { numbers: numbers(config), queues: queues.collect(), trunks: self.trunks() }
    }

    fn begin_test_call(&self, request: TestCallRequest) -> Result<TestCall, ControlError> {
        self.test_calls.begin(&self.hotline, request)
    }

    fn test_call(&self, id: Uuid) -> Option<TestCall> {
        self.test_calls.one(id)
    }

    fn end_test_call(&self, id: Uuid) -> bool {
        self.test_calls.end(id)
    }

    fn prompts(&self) -> Vec<PromptInfo> {
        self.prompts.list()
    }

    fn prompt(&self, id: &str) -> Option<Vec<i16>> {
        self.prompts.samples(id)
    }

    fn models(&self) -> Models {
        models::look(&self.hotline)
    }

    fn retention_days(&self) -> u32 {
        self.hotline.config.recording.retention_days
    }

    fn disk(&self) -> Option<Disk> {
        let disk = home::disk_space(self.hotline.archive.root())?;
        let database_bytes = match self.hotline.store.place() {
            Place::File(path) => path.metadata().ok().map(|file| file.len()),
            Place::Server(_) => None,
        };
        Some(Disk {
            total_bytes: disk.total,
            free_bytes: disk.free,
            database_bytes,
            is_mounted: true,
        })
    }
}

impl Installation {
    fn trunks(&self) -> Vec<TrunkLine> {
        let trunks = &self.hotline.switchboard.trunks;
        let (status, now) = (trunks.status(), clock::unix_now().0);
        let line = |trunk: &crate::config::Trunk| {
            let is = status.iter().find(|status| status.name == trunk.name);
            let ago = is.and_then(|is| is.since_answer);
            TrunkLine {
                name: trunk.name.clone(),
                uri: trunk.uri.clone(),
                transport: trunk.transport.clone(),
                priority: trunk.priority,
                caller_id: trunk.caller_id.clone(),
                number_form: trunk.number_form.clone(),
                has_account: !trunk.user.is_empty(),
                up: is.is_some_and(|is| is.up),
                registered: is.and_then(|is| is.registered),
                last_code: is.and_then(|is| is.last_code),
                asked_at: ago.map(|ago| now - i64::try_from(ago.as_millis()).unwrap_or(0)),
                failures: is.map_or(0, |is| is.failures),
                calls: trunks.calls(&trunk.name),
            }
        };
        self.hotline.config.trunks.iter().map(line).collect()
    }
}

fn numbers(config: &Config) -> Vec<NumberLine> {
    let line = |number: &crate::config::Number| NumberLine {
        number: number.number.clone(),
        name: number.name.clone(),
        greeting: number.greeting.clone(),
        queue: number.queue.clone(),
        menu: number.menu.clone(),
        transfer: number.transfer.clone(),
        hours: number.hours.clone(),
        priority: number.priority,
        enterprise: number.enterprise,
    };
    config.numbers.iter().map(line).collect()
}

fn overflow(of: &Overflow) -> String {
    match of {
        Overflow::Machine => "machine".to_owned(),
        Overflow::Queue(name) => format!("queue:{name}"),
        Overflow::Transfer(number) => format!("transfer:{number}"),
        Overflow::Busy => "busy".to_owned(),
    }
}
