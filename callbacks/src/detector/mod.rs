//! Whether a person or a machine has answered, from the first seconds of the called party's audio.
//!
//! * [`Detector`]: person or machine, and the beep after a voicemail's greeting.
//! * [`Announcement`]: what a network's announcement says, from its text.
//! * [`Tones`]: what the network's tones say, in early media or after a false answer.
//!
//! A person who is taken for a machine is hung up on, a machine that is taken for a person hears a
//! few sentences: in doubt it is a person. `docs/answering.md` has the figures.

mod announcement;
mod beep;
mod evidence;
mod hearing;
mod machine;
mod phrases;
#[cfg(test)]
mod signals;
mod sound;
mod tones;

pub use announcement::Announcement;
pub use machine::{Detector, Input, MachineKind, Opening, Output, Settings, Verdict};
pub use sound::Samples;
pub use tones::{NetworkTone, SILENCE_MS, Tones};
