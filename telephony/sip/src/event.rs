//! What happens to a dialog.

use crate::agent::{CallKey, Command};
use crate::handle::Reply;
use crate::message::{Replaces, SipUri};
use bytes::Bytes;

/// Something that happened to a dialog. When it is over, the channel closes.
///
/// The channel holds 32 events. While fewer than 8 places are free, events that merely inform are
/// dropped and counted ([`DialogEvent::is_essential`]); a request among them that wants an answer
/// is refused with 500 on the owner's behalf. An essential one is dropped only from a full channel, and then the
/// closing channel says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogEvent {
    /// The ACK of our 2xx, to the INVITE or to a re-INVITE.
    Ack {
        /// The answer, when the offer was ours.
        body: Option<Bytes>,
    },
    /// No ACK within 64 × T1 after a 2xx of ours. The dialog lives on until it is hung up.
    AckTimeout,
    /// A CANCEL that matched the INVITE before its final response, already answered. **The final
    /// response is 487, whatever the owner says**: the INVITE still wants it, but a 200 that is on
    /// its way to the agent becomes 487 too. There will be no dialog and no BYE, even for an owner
    /// who believes to have answered. A CANCEL after the final response has left is no event
    /// (RFC 3261 §9.2).
    Cancel,
    /// A BYE, already answered. After it nothing comes, but an INVITE that was never answered
    /// still wants its 487.
    Bye {
        /// The Reason header, as written (RFC 3326).
        reason: Option<String>,
    },
    /// An INVITE in the dialog; wants [`Dialog::respond_reinvite`](crate::Dialog::respond_reinvite).
    Reinvite {
        /// The peer's offer; without one the offer is ours to make.
        offer: Option<Bytes>,
    },
    /// A message that the dialog cannot do without could not be sent, so that it is over: an
    /// INVITE, a BYE, or the response to the INVITE. A lost connection alone is no such loss.
    TransportLost,
    /// UAC: a provisional response above 100.
    Progress {
        /// Status code.
        code: u16,
        /// Early media, or none. When our INVITE had no offer, that of a reliable response is one,
        /// and wants [`Dialog::prack`](crate::Dialog::prack).
        body: Option<Bytes>,
        /// It was sent reliably (RFC 3262), so that its answer counts: the 2xx may have none.
        reliable: bool,
        /// The To tag: each branch of a forked INVITE has its own. Empty when there is none.
        tag: String,
    },
    /// UAC: a 2xx to the INVITE or to our re-INVITE. It is acknowledged already, unless ours had
    /// no offer and this one has: then it **wants [`Dialog::ack`](crate::Dialog::ack) within 10 s**, or is hung up.
    Answered {
        /// The answer, or the offer.
        body: Option<Bytes>,
    },
    /// UAC: the INVITE was refused, or nobody answered it (408). For a re-INVITE the dialog lives
    /// on, except after 408 and 481, when it is hung up (RFC 3261 §12.2.1.2).
    Failed {
        /// Status code.
        code: u16,
        /// Reason phrase.
        reason: String,
        /// Retry-After, in seconds.
        retry_after_s: Option<u32>,
        /// The Warning header, as written.
        warning: Option<String>,
        /// The ISUP cause in the Reason header (RFC 3326, Q.850): what the telephone network says.
        q850: Option<u8>,
    },
    /// Our BYE is answered, or will never be. The dialog is over.
    ByeDone,
    /// An offer in an UPDATE; wants [`Dialog::respond_update`](crate::Dialog::respond_update) within 10 s.
    Update {
        /// The peer's offer.
        offer: Bytes,
    },
    /// A 2xx to our UPDATE.
    Updated {
        /// The answer.
        body: Option<Bytes>,
    },
    /// Our UPDATE was refused or met another offer (491); the dialog lives on, except after 408
    /// and 481 in a call that is answered, when it is hung up.
    UpdateFailed {
        /// Status code.
        code: u16,
        /// Reason phrase.
        reason: String,
        /// Retry-After, in seconds.
        retry_after_s: Option<u32>,
    },
    /// UAS: a new offer in the PRACK of a reliable response; wants [`Dialog::respond_prack`](crate::Dialog::respond_prack)
    /// within 10 s. A 2xx to the INVITE waits for it.
    Prack {
        /// The peer's offer.
        offer: Bytes,
    },
    /// UAS: the answer to the offer in a reliable response of ours.
    PrackAnswer {
        /// The answer.
        body: Bytes,
    },
    /// UAS: no PRACK within 64 × T1 after a reliable response. The INVITE was refused with 504,
    /// the dialog is over.
    PrackTimeout,
    /// The session was refreshed on our side's motion, by a re-INVITE with the description that
    /// was sent last.
    Refreshed {
        /// The peer's answer, which may differ from its last one.
        body: Option<Bytes>,
    },
    /// The session was not refreshed in time (RFC 4028); it is being hung up.
    SessionExpired,
    /// The peer asks us to call somebody else; wants [`Dialog::accept_refer`](crate::Dialog::accept_refer) or
    /// [`Dialog::reject_refer`](crate::Dialog::reject_refer) within 10 s.
    Refer {
        /// Whom to call.
        target: Box<SipUri>,
        /// The dialog that the new call shall take over, for its Replaces header.
        replaces: Option<Box<Replaces>>,
        /// Who asks (RFC 3892).
        referred_by: Option<Box<SipUri>>,
    },
    /// What became of our REFER: its refusal, or what the peer tells of the call that it makes.
    ReferProgress {
        /// Status code.
        code: u16,
        /// Reason phrase.
        reason: String,
        /// Whether it is the last word.
        is_final: bool,
    },
    /// A key that was pressed, by INFO.
    InfoDtmf {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// For how long, in ms, when it says.
        duration_ms: Option<u32>,
    },
}

impl DialogEvent {
    /// Whether the event may take the last places of the channel.
    pub const fn is_essential(&self) -> bool {
        !matches!(
            self,
            Self::Progress { .. }
                | Self::Reinvite { .. }
                | Self::Update { .. }
                | Self::Prack { .. }
                | Self::Refer { .. }
                | Self::Refreshed { .. }
                | Self::InfoDtmf { .. }
                | Self::ReferProgress { is_final: false, .. }
        )
    }

    /// What refuses the event on behalf of an owner who does not take it.
    pub(crate) fn refusal(&self, call: CallKey, reply: Reply) -> Option<Command> {
        match self {
            Self::Reinvite { .. } => Some(Command::RespondReinvite { call, reply }),
            Self::Update { .. } => Some(Command::RespondUpdate { call, reply }),
            Self::Prack { .. } => Some(Command::RespondPrack { call, reply }),
            Self::Refer { .. } => Some(Command::RejectRefer { call, code: reply.code }),
            _ => None,
        }
    }
}
