//! One call with all its parties: the loop around the pure call machine. No policy lives here.

mod driver;
mod legs;
mod media;
mod menu;
mod perform;
mod records;
mod secrets;
mod show;
mod spoken;
mod talk;

pub use media::remote_media;
pub use spoken::{Hearing, Said, Spoken, Word};

use super::books::Books;
use super::spool::Write;
use super::switchboard::Beginning;
use super::switchboard::Letter;
use super::{Hotline, callbacks, passes};
use driver::{Driver, Over};
use qingting_api::Event;
use qingting_common::CallId;
use qingting_core::call::{Cause, Input};
use qingting_core::queue;
use qingting_sip::IncomingCall;
use qingting_store::Direction;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest wait for the recogniser's last words after a call: it may be behind, or restarting.
const LAST_WORDS_MAX: Duration = Duration::from_secs(120);

/// Carries a call that came in, or that begins with our own INVITE when nothing is `incoming`, until
/// everything of it is stored. It must be in the register already.
pub async fn run(
    hotline: Arc<Hotline>,
    id: CallId,
    beginning: Beginning,
    incoming: Option<IncomingCall>,
    letters: mpsc::Receiver<Letter>,
) {
    // Taken out of the register however this task ends.
    let registered = Registered(&hotline, id);
    let (entries, books) = Books::open(Arc::clone(&hotline), id);
    let books = hotline.app.spawn(books.run());
    let (missed, errand) = (beginning.missed, beginning.errand.clone());
    let is_inbound = beginning.direction == Direction::Inbound;
    let mut driver = Driver::new(Arc::clone(&hotline), id, beginning, entries, letters);
    let first = match incoming {
        Some(incoming) => Input::Invite { offer: driver.take_first(incoming) },
        None => Input::Start,
    };
    let Over { mut captions, reached, answered, talk, cause, trace: _trace } =
        driver.run(first).await;
    if books.await.is_err() {
        tracing::error!(call = %id, "the books of a call failed");
    }
    if let Some(missed) = missed
        && let Err(error) = hotline.spool.keep(id, Write::CalledBack { missed, reached }).await
    {
        tracing::error!(call = %id, %error, "the outcome of a call back could not be stored");
    }
    if let (Some(talk), Some(errand)) = (&talk, &errand) {
        callbacks::finish(&hotline, id, talk, errand, cause).await;
    }
    drop(registered);
    let is_captioned = !captions.is_empty();
    let last_words = async { while captions.join_next().await.is_some() {} };
    let closed = match tokio::time::timeout(LAST_WORDS_MAX, last_words).await {
        Ok(()) => hotline.spool.keep(id, Write::CaptionsClosed).await.map(drop),
        Err(_) => {
            tracing::error!(call = %id, "the recogniser did not finish a call; its last words are heard later");
            passes::leave_for_later(&hotline, id).await.map_err(Into::into)
        }
    };
    if let Err(error) = closed {
        tracing::error!(call = %id, %error, "the next start will look for the last words of a call");
    }
    // A machine's errand is no new matter unless a person took over; of a call in which no citizen talked (no codec in
    // common, a colleague's, a seat that reached nobody) there is none.
    let is_no_matter = match talk {
        Some(talk) => !talk.is_served(),
        None if is_inbound => !answered && cause == Some(Cause::NotAcceptable),
        None => !reached,
    };
    if is_no_matter {
        callbacks::drop_draft(&hotline, id).await;
    }
    hotline.aids.ended(id).await;
    if is_captioned {
        hotline.events.publish(Event::CaptionsEnded { call: id });
    }
}

struct Registered<'a>(&'a Hotline, CallId);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.switchboard.calls.remove(self.1);
        self.0.callbacks.forget(self.1);
        // It has said so by itself, unless its task failed: then a seat would talk for ever.
        self.0.switchboard.queues.tell(queue::Input::Abandon { call: self.1 });
    }
}
