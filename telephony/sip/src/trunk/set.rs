//! Several trunks, kept going by a task.

use super::config::TrunkConfig;
use super::machine::{Outcome, Probe, Trunk, TrunkStatus};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::message::{HeaderName, Method, NameAddr, Response, SipUri};
use crate::request::OutgoingRequest;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// How long an OPTIONS is waited for. A trunk that needs longer would let callers wait too.
const HEALTH_MAX: Duration = Duration::from_secs(10);

/// How long leaving may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// How long the task sleeps when every probe is under way; an answer wakes it.
const IDLE: Duration = Duration::from_secs(60);

/// **Registers, asks whether trunks live and puts them in order.** Dropping it stops asking;
/// [`TrunkSet::close`] leaves the servers that we registered with.
#[derive(Debug)]
pub struct TrunkSet {
    trunks: Trunks,
    endpoint: Endpoint,
    clock: Clock,
    /// A trunk wants to be asked sooner.
    sooner: Arc<Notify>,
    task: Mutex<JoinSet<()>>,
}

type Trunks = Arc<Mutex<Vec<Kept>>>;

/// A trunk and what its registration keeps (RFC 3261 §10.2).
#[derive(Debug)]
struct Kept {
    trunk: Trunk,
    call_id: String,
    cseq: u32,
}

fn lock(trunks: &Trunks) -> MutexGuard<'_, Vec<Kept>> {
    trunks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TrunkSet {
    /// Starts asking.
    pub fn start(endpoint: Endpoint, configs: Vec<TrunkConfig>) -> Self {
        let clock = Clock::start();
        let now = clock.now();
        let kept = configs.into_iter().map(|config| Kept {
            trunk: Trunk::new(config, now),
            call_id: format!("{:032x}", rand::random::<u128>()),
            cseq: 1,
        });
        let trunks: Trunks = Arc::new(Mutex::new(kept.collect()));
        let mut task = JoinSet::new();
        let sooner = Arc::new(Notify::new());
        task.spawn(run(endpoint.clone(), trunks.clone(), clock, sooner.clone()));
        Self { trunks, endpoint, clock, sooner, task: Mutex::new(task) }
    }

    /// The trunks by name, in the order in which a call is to be tried: those that are up by
    /// priority, then, for want of anything better, those that are not.
    pub fn order(&self) -> Vec<String> {
        let now = self.clock.now();
        let kept = lock(&self.trunks);
        let mut ordered: Vec<&Trunk> = kept.iter().map(|kept| &kept.trunk).collect();
        ordered.sort_by_key(|trunk| (!trunk.is_up(now), trunk.config().priority));
        ordered.into_iter().map(|trunk| trunk.config().name.clone()).collect()
    }

    /// How every trunk is.
    pub fn status(&self) -> Vec<TrunkStatus> {
        let now = self.clock.now();
        lock(&self.trunks).iter().map(|kept| kept.trunk.status(now)).collect()
    }

    /// Tells that a call failed with this code; `None` when it could not be sent.
    pub fn call_failed(&self, name: &str, code: Option<u16>) {
        let now = self.clock.now();
        let mut kept = lock(&self.trunks);
        if let Some(kept) = kept.iter_mut().find(|kept| kept.trunk.config().name == name) {
            kept.trunk.call_failed(now, code);
            self.sooner.notify_one();
        }
    }

    /// Asks no more and leaves the servers that we are registered with, for 2 s at most.
    pub async fn close(&self) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let now = self.clock.now();
        let mut leaving = JoinSet::new();
        for kept in lock(&self.trunks).iter_mut() {
            if kept.trunk.status(now).registered == Some(true) {
                let request = kept.request(Probe::Register { expires_s: 0 });
                let endpoint = self.endpoint.clone();
                leaving.spawn(async move { endpoint.request(request).await });
            }
        }
        let left = async { while leaving.join_next().await.is_some() {} };
        // A registration that we cannot end ends by itself.
        let _ = timeout(CLOSE_MAX, left).await;
    }
}

impl Kept {
    fn request(&mut self, probe: Probe) -> OutgoingRequest {
        let config = self.trunk.config();
        let peer = SipUri { user: None, ..config.peer.clone() };
        let (transport, identity) = (config.transport, config.identity.clone());
        let credentials = config.account.as_ref().map(|account| account.credentials.clone());
        let Probe::Register { expires_s } = probe else {
            let options = OutgoingRequest::new(Method::Options, peer, transport, identity);
            return OutgoingRequest { credentials, ..options };
        };
        let cseq = self.cseq;
        // An answered challenge takes two more numbers at most.
        self.cseq += 3;
        OutgoingRequest {
            to: Some(identity.clone()),
            contact_user: Some(identity.uri.user.clone().unwrap_or_default()),
            headers: vec![(HeaderName::Other("Expires".to_owned()), expires_s.to_string())],
            credentials,
            call_id: Some(self.call_id.clone()),
            cseq,
            ..OutgoingRequest::new(Method::Register, peer, transport, identity)
        }
    }
}

async fn run(endpoint: Endpoint, trunks: Trunks, clock: Clock, sooner: Arc<Notify>) {
    let mut probes = JoinSet::new();
    loop {
        let now = clock.now();
        let mut next = now + IDLE;
        for (at, kept) in lock(&trunks).iter_mut().enumerate() {
            while let Some(probe) = kept.trunk.due(now) {
                let (endpoint, request) = (endpoint.clone(), kept.request(probe));
                probes.spawn(async move { (at, probe, ask(endpoint, probe, request).await) });
            }
            next = kept.trunk.deadline().map_or(next, |deadline| deadline.min(next));
        }
        tokio::select! {
            () = sleep_until(clock.instant(next)) => {}
            () = sooner.notified() => {}
            Some(Ok((at, probe, outcome))) = probes.join_next() => {
                let (now, random) = (clock.now(), rand::random());
                let mut trunks = lock(&trunks);
                let trunk = &mut trunks[at].trunk;
                let before = trunk.is_up(now);
                trunk.answered(now, probe, outcome, random);
                report(trunk, before, trunk.is_up(now));
            }
        }
    }
}

fn report(trunk: &Trunk, before: bool, up: bool) {
    let name = &trunk.config().name;
    match (before, up) {
        (false, true) => tracing::info!(trunk = name, "a trunk is up"),
        (true, false) => tracing::warn!(trunk = name, "a trunk is down: calls go by the others"),
        _ => {}
    }
}

async fn ask(endpoint: Endpoint, probe: Probe, request: OutgoingRequest) -> Outcome {
    let asked = endpoint.request(request);
    let answer = match probe {
        Probe::Health => timeout(HEALTH_MAX, asked).await.ok().and_then(Result::ok),
        Probe::Register { .. } => asked.await.ok(),
    };
    answer.map_or_else(Outcome::default, |response| outcome(&response))
}

/// What a response says. Of several contacts the first may be another's, but no server grants
/// them different lives.
fn outcome(response: &Response) -> Outcome {
    let number =
        |name| response.headers.named(name).next().and_then(|text| text.trim().parse().ok());
    let contact = response.headers.first(&HeaderName::Contact).and_then(NameAddr::parse);
    let own = contact.and_then(|contact| contact.params.value("expires")?.parse().ok());
    Outcome {
        code: Some(response.code),
        expires_s: own.or_else(|| number("Expires")),
        min_expires_s: number("Min-Expires"),
    }
}
