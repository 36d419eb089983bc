//! Joins this server to the others, and goes on alone while they cannot be heard.

use super::Parcel;
use super::letter::{Copied, Letter, SharedTelephone};
use super::others::Telephone;
use super::seal::Seal;
use crate::clock;
use crate::serve::{Hotline, switchboard};
use anyhow::{Context, Result, bail};
use qingting_core::queue::Present;
use qingting_store::{BusListener, BusMessage, BusSender};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};

/// How often each server says that it is there, and the keeper shows the queues.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// A server of which nothing is heard for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// How long the database may take for a word.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// How long to wait before the others are looked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Letters that are sent in one go.
const BATCH_MAX: usize = 256;

/// Talks to the others, until it is aborted. `http`: where they reach this server.
pub async fn run(hotline: Arc<Hotline>, http: SocketAddr, mut seal: Seal) {
    let Some(mut outgoing) = hotline.switchboard.cluster.to_send.lock().await.take() else {
        return;
    };
    let mut credentials = hotline.store.credentials();
    let mut was_heard = true;
    loop {
        let joined = joined(&hotline, http, &mut seal, &mut outgoing, &mut credentials);
        match Box::pin(joined).await {
            Ok(never) => match never {},
            Err(error) if was_heard => {
                was_heard = false;
                tracing::error!(%error, "the other servers cannot be heard: this one goes on with its own calls");
            }
            Err(error) => tracing::debug!(%error, "the other servers cannot be heard"),
        }
        hotline.switchboard.cluster.others.silent();
        keep_own(&hotline);
        // What was to be said is asked for by whoever hears us next.
        while outgoing.try_recv().is_ok() {}
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// One connection's time.
async fn joined(
    hotline: &Arc<Hotline>,
    http: SocketAddr,
    seal: &mut Seal,
    outgoing: &mut mpsc::Receiver<Parcel>,
    credentials: &mut watch::Receiver<u64>,
) -> Result<Infallible> {
    let switchboard = &hotline.switchboard;
    let bus = timeout(ANSWER_MAX, hotline.store.bus()).await.context("no connection in time")??;
    let Some((mut sender, mut listener)) = bus else { bail!("the database has one server") };
    let mut link = Link {
        hotline: Arc::clone(hotline),
        http,
        heard: HashMap::new(),
        left: HashMap::new(),
        credentials: true,
    };
    switchboard.cluster.take_lost();
    deliver(&mut sender, seal, &[(None, Letter::Hello), (None, Letter::Alive { http })]).await?;
    link.tell_all();
    // What others changed meanwhile was not heard.
    link.read_again(Copied::Seats);
    link.read_again(Copied::Duty);
    let mut ticks = tokio::time::interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keeps = false;
    let mut batch = Vec::new();
    tracing::info!("joined the other servers");
    loop {
        tokio::select! {
            message = listener.next() => link.hear(seal, message?),
            _ = ticks.tick() => {
                keeps = link.look(&mut listener, keeps).await?;
                if switchboard.cluster.take_lost() {
                    tracing::warn!("more was to be said to the other servers than was taken; saying it anew");
                    if !keeps {
                        // The keeper takes a greeting for a new beginning and forgets who waits here, and its answer tells a
                        // member of the same term nothing new: who has kept its own since then tells it all.
                        keep_own(hotline);
                    }
                    switchboard.cluster.tell(Letter::Hello);
                    link.tell_all();
                    if keeps {
                        link.keep(&mut listener).await?;
                    }
                }
            }
            Ok(()) = credentials.changed() => {
                switchboard.cluster.tell(Letter::Changed(Copied::Credentials));
            }
            _ = outgoing.recv_many(&mut batch, BATCH_MAX) => {
                deliver(&mut sender, seal, &batch).await?;
                batch.clear();
            }
        }
        if std::mem::take(&mut link.credentials) {
            hotline.store.credentials_changed();
            // Of which the others need not be told.
            credentials.mark_unchanged();
        }
    }
}

async fn deliver(sender: &mut BusSender, seal: &mut Seal, parcels: &[Parcel]) -> Result<()> {
    let written = parcels.iter().map(|(to, letter)| {
        let text = serde_json::to_string(letter)?;
        Ok((to.as_deref(), seal.seal(to.as_deref(), &text)?))
    });
    let written: Vec<(Option<&str>, String)> = written.collect::<Result<_>>()?;
    timeout(ANSWER_MAX, sender.send(&written)).await.context("the database takes no letters")??;
    Ok(())
}

/// What is heard by one connection.
struct Link {
    hotline: Arc<Hotline>,
    http: SocketAddr,
    /// When each other server last said something.
    heard: HashMap<String, Instant>,
    /// Servers that have taken their leave, and when: what of theirs was on its way counts no more.
    left: HashMap<String, Instant>,
    /// Another server has changed credentials.
    credentials: bool,
}

impl Link {
    /// Every half second: am I the keeper, who is gone, here I am.
    async fn look(&mut self, listener: &mut BusListener, keeps: bool) -> Result<bool> {
        let hotline = Arc::clone(&self.hotline);
        let switchboard = &hotline.switchboard;
        let is_keeper = timeout(ANSWER_MAX, listener.claim(keeps)).await;
        let is_keeper = is_keeper.context("the database does not answer")??;
        // Whoever has the lock keeps them, whatever it has heard.
        if is_keeper && (!keeps || !switchboard.queues.keeps()) {
            self.keep(listener).await?;
        }
        let now = Instant::now();
        let silent = self.heard.iter().filter(|(_, at)| now - **at > SILENCE_MAX);
        let silent: Vec<String> = silent.map(|(server, _)| server.clone()).collect();
        for server in silent {
            tracing::warn!(server, "another server is gone, and its calls with it");
            self.gone(&server);
        }
        switchboard.cluster.tell(Letter::Alive { http: self.http });
        switchboard.queues.show();
        // A telephone of another server may be over.
        if is_keeper {
            switchboard::look_at_gone(&hotline);
        }
        Ok(is_keeper)
    }

    /// Begins a term, of which all others hear.
    async fn keep(&self, listener: &mut BusListener) -> Result<()> {
        let term = timeout(ANSWER_MAX, listener.time())
            .await
            .context("the database does not answer")??;
        tracing::info!("this server keeps the queues of all");
        self.hotline.switchboard.queues.keep(term, present(&self.hotline));
        switchboard::look_at_all(&self.hotline);
        Ok(())
    }

    fn gone(&mut self, server: &str) {
        self.heard.remove(server);
        self.hotline.switchboard.cluster.others.gone(server);
        self.hotline.switchboard.queues.gone(server);
    }

    fn hear(&mut self, seal: &mut Seal, BusMessage { from, to, text }: BusMessage) {
        let Some(text) = seal.open(&from, to.as_deref(), &text) else {
            tracing::warn!(from, "a letter that no server of ours has sealed, or that came before");
            return;
        };
        let letter = match serde_json::from_str(&text) {
            Ok(letter) => letter,
            Err(error) => {
                // Of another version, while servers are upgraded one after the other. Its text is somebody's data.
                let kind = format!("{:?}", error.classify());
                tracing::warn!(from, kind, "a letter that this version cannot read");
                return;
            }
        };
        let has_left = self.left.get(&from).is_some_and(|at| at.elapsed() < SILENCE_MAX);
        if has_left && !matches!(letter, Letter::Hello) {
            return;
        }
        self.left.remove(&from);
        self.heard.insert(from.clone(), Instant::now());
        let switchboard = &self.hotline.switchboard;
        let others = &switchboard.cluster.others;
        match letter {
            Letter::Alive { http } => others.is_there(&from, http),
            Letter::Hello => {
                others.tells_anew(&from);
                switchboard.queues.came_again(&from);
                self.tell_all();
                // It may have been started again, and telephones that registered with it before do not know that.
                for (extension, telephones) in others.left(clock::unix_now()) {
                    switchboard.cluster.tell(Letter::TelephonesLeft { extension, telephones });
                }
            }
            Letter::Bye => {
                self.gone(&from);
                self.left.insert(from, Instant::now());
            }
            Letter::Forgotten(calls) => self.hotline.forget_here(&calls),
            Letter::Queue(letter) => switchboard.queues.heard(&from, letter),
            Letter::Telephones { extension, telephones } => {
                others.telephones_are(clock::unix_now(), &from, extension.clone(), &telephones);
                switchboard::look_at(&self.hotline, &extension);
            }
            Letter::TelephonesLeft { extension, telephones } => {
                let (now, own) = (clock::unix_now(), own_telephones(&self.hotline, &extension));
                others.telephones_left(now, extension.clone(), &telephones, &own);
                switchboard::look_at(&self.hotline, &extension);
            }
            Letter::Call { call, state } => others.call_is(&from, call, state),
            Letter::Event(event) => {
                self.hotline.events.publish_here(event);
            }
            Letter::Changed(Copied::Credentials) => self.credentials = true,
            Letter::Changed(what) => self.read_again(what),
        }
    }

    /// In its own time: letters must not wait for the database.
    fn read_again(&self, what: Copied) {
        let hotline = Arc::clone(&self.hotline);
        drop(self.hotline.to_its_end(async move {
            match what {
                Copied::Seats => hotline.switchboard.seats_were_changed(&hotline).await,
                Copied::Duty => hotline.switchboard.duty_was_changed(&hotline).await,
                Copied::Credentials => {}
            }
        }));
    }

    /// Tells what others want to know of this server.
    fn tell_all(&self) {
        let switchboard = &self.hotline.switchboard;
        for extension in switchboard.seats.extensions() {
            let telephones = telephones(&self.hotline, &extension);
            if !telephones.is_empty() {
                switchboard.cluster.tell(Letter::Telephones { extension, telephones });
            }
        }
        switchboard.calls.tell_all();
        switchboard.queues.say_so();
    }
}

/// A seat's telephones that registered here.
pub fn own_telephones(hotline: &Hotline, extension: &str) -> Vec<Telephone> {
    let now = clock::unix_now();
    let own = hotline.endpoint.bindings(extension).into_iter();
    own.map(|binding| Telephone {
        expires_at: now + hotline.endpoint.time_left(&binding),
        is_browser: binding.transport.is_web(),
        contact: binding.contact,
        path: binding.path,
    })
    .collect()
}

/// Those of them that every server can reach.
pub fn telephones(hotline: &Hotline, extension: &str) -> Vec<SharedTelephone> {
    let own = own_telephones(hotline, extension).into_iter();
    let now = clock::unix_now();
    own.filter(|of| !of.path.is_empty()).map(|of| of.shared(now)).collect()
}

/// This server keeps the queues of its own calls until a keeper of all is heard.
fn keep_own(hotline: &Hotline) {
    hotline.switchboard.queues.alone(clock::unix_now().0.unsigned_abs(), present(hotline));
}

/// Seats whose telephones can be reached.
fn present(hotline: &Hotline) -> Present {
    let switchboard = &hotline.switchboard;
    let is_present = |extension: &String| {
        switchboard.seats.takes_calls(extension) && switchboard.is_reachable(hotline, extension)
    };
    let present = switchboard.seats.extensions().into_iter().filter(is_present);
    present
        .map(|extension| {
            let skills = switchboard.seats.skills(&extension);
            (extension.as_str().into(), skills)
        })
        .collect()
}
