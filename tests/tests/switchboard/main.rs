//! The switchboard with real telephones: each party says a tone of its own, and what each hears says
//! who is connected with whom.

mod captions;
mod consult;
mod crash;
mod entrance;
mod queue;
mod recording;
mod supervise;
mod transfer;
