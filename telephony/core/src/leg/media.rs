//! What the media engine is told.

use super::state::{Context, Leg};
use crate::call::Output;
use crate::sdp::{Direction, RemoteMedia};

impl Leg {
    /// Tells the media engine what was agreed. Before the first ACK nothing is sent: an INVITE with
    /// a forged source could aim our RTP at anybody for the 32 s that an answer waits.
    pub(super) fn connect(&mut self, cx: &mut Context<'_>) {
        let may_send = self.confirmed || self.early_out;
        let told = self.remote.map(|remote| {
            let sends = remote.direction.sends() && may_send;
            let direction = Direction::of(sends, remote.direction.receives());
            RemoteMedia { direction, ..remote }
        });
        if let Some(remote) = told.filter(|_| told != self.connected) {
            self.connected = told;
            cx.emit(Output::ConnectMedia { leg: self.id, remote });
        }
    }
}
