//! Why a call ended, and what that means to the trunk and in the books.

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The caller sent BYE.
    CallerHungUp,
    /// The caller gave up before the answer reached it: the INVITE ended in 487. When the CANCEL
    /// crossed our answer, [`Record::Answered`](super::Record::Answered) was stored before; this
    /// cause takes it back, nobody was ever connected.
    CallerCancelled,
    /// The caller said nothing, even when asked.
    CallerSilent,
    /// The call reached its longest time.
    TooLong,
    /// RTP stayed away.
    MediaLost,
    /// Our answer was never acknowledged.
    NoAck,
    /// No audio that both sides can do.
    NotAcceptable,
    /// The call could not be stored, so it was not answered.
    StoreUnavailable,
    /// There was no RTP socket.
    MediaUnavailable,
    /// A person on our side ended it.
    OperatorHungUp,
    /// The server shut down.
    Draining,
    /// The peer could not be reached any more.
    TransportLost,
    /// The seat hung up, or its telephone did.
    SeatHungUp,
    /// An expert, a supervisor or whoever else was dialled hung up.
    PartyHungUp,
    /// The party that was dialled was busy or declined.
    Busy,
    /// The party that was dialled did not answer in time.
    NoAnswer,
    /// The party that was dialled could not be reached.
    Unreachable,
    /// We gave up a dial that was not needed any more.
    Withdrawn,
    /// It left because the call went on to somebody else.
    Transferred,
    /// Its part was over: the others had left.
    LeftAlone,
    /// Nobody works at this hour.
    Closed,
    /// The caller left its queue to be called back.
    CallbackWanted,
    /// The machine had said and heard everything.
    Finished,
}

/// Which side ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HungUpBy {
    /// The citizen.
    Caller,
    /// This server, by its rules or for want of something.
    System,
    /// A person on our side.
    Operator,
    /// The network between.
    Network,
}

/// The `Reason` header of a BYE (RFC 3326): `Q.850;cause=16` or `SIP;cause=488`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByeReason {
    /// Why.
    pub cause: Cause,
    /// The status that a response would have had, for `SIP;cause=`, where one applies.
    pub sip_status: Option<u16>,
    /// The cause of Q.850, for `Q.850;cause=`.
    pub q850: u8,
    /// For `;text=`.
    pub text: &'static str,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 23] = [
        Self::CallerHungUp,
        Self::CallerCancelled,
        Self::CallerSilent,
        Self::TooLong,
        Self::MediaLost,
        Self::NoAck,
        Self::NotAcceptable,
        Self::StoreUnavailable,
        Self::MediaUnavailable,
        Self::OperatorHungUp,
        Self::Draining,
        Self::TransportLost,
        Self::SeatHungUp,
        Self::PartyHungUp,
        Self::Busy,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Withdrawn,
        Self::Transferred,
        Self::LeftAlone,
        Self::Closed,
        Self::CallbackWanted,
        Self::Finished,
    ];

    /// The name in the database, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::CallerCancelled => "caller_cancelled",
            Self::CallerSilent => "caller_silent",
            Self::TooLong => "too_long",
            Self::MediaLost => "media_lost",
            Self::NoAck => "no_ack",
            Self::NotAcceptable => "not_acceptable",
            Self::StoreUnavailable => "store_unavailable",
            Self::MediaUnavailable => "media_unavailable",
            Self::OperatorHungUp => "operator_hung_up",
            Self::Draining => "draining",
            Self::TransportLost => "transport_lost",
            Self::SeatHungUp => "seat_hung_up",
            Self::PartyHungUp => "party_hung_up",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::Withdrawn => "withdrawn",
            Self::Transferred => "transferred",
            Self::LeftAlone => "left_alone",
            Self::Closed => "closed",
            Self::CallbackWanted => "callback_wanted",
            Self::Finished => "finished",
        }
    }

    /// Who hung up.
    pub const fn by(self) -> HungUpBy {
        match self {
            Self::CallerHungUp | Self::CallerCancelled | Self::CallbackWanted => HungUpBy::Caller,
            Self::OperatorHungUp | Self::SeatHungUp | Self::PartyHungUp | Self::Transferred => {
                HungUpBy::Operator
            }
            Self::MediaLost | Self::NoAck | Self::TransportLost | Self::Unreachable => {
                HungUpBy::Network
            }
            Self::CallerSilent
            | Self::TooLong
            | Self::NotAcceptable
            | Self::StoreUnavailable
            | Self::MediaUnavailable
            | Self::Draining
            | Self::Busy
            | Self::NoAnswer
            | Self::Withdrawn
            | Self::LeftAlone
            | Self::Closed
            | Self::Finished => HungUpBy::System,
        }
    }

    /// The final response of an INVITE that ends for this cause before it is answered.
    pub const fn sip_status(self) -> u16 {
        match self {
            Self::CallerHungUp | Self::CallerCancelled => 487,
            Self::NotAcceptable => 488,
            Self::StoreUnavailable | Self::MediaUnavailable | Self::Draining => 503,
            Self::CallerSilent
            | Self::TooLong
            | Self::MediaLost
            | Self::NoAck
            | Self::OperatorHungUp
            | Self::TransportLost
            | Self::SeatHungUp
            | Self::PartyHungUp
            | Self::NoAnswer
            | Self::Unreachable
            | Self::Withdrawn
            | Self::Transferred
            | Self::LeftAlone
            | Self::Closed
            | Self::CallbackWanted
            | Self::Finished => 480,
            Self::Busy => 486,
        }
    }

    /// The cause of Q.850 that a telephone exchange shows.
    pub const fn q850(self) -> u8 {
        match self {
            // Normal call clearing.
            Self::CallerHungUp
            | Self::CallerCancelled
            | Self::CallerSilent
            | Self::TooLong
            | Self::OperatorHungUp
            | Self::SeatHungUp
            | Self::PartyHungUp
            | Self::Withdrawn
            | Self::Transferred
            | Self::LeftAlone
            | Self::Closed
            | Self::CallbackWanted
            | Self::Finished => 16,
            // User busy.
            Self::Busy => 17,
            // No answer from user.
            Self::NoAnswer => 19,
            // No route to destination.
            Self::Unreachable => 3,
            // Destination out of order.
            Self::MediaLost | Self::TransportLost => 27,
            // Bearer capability not available at present.
            Self::NotAcceptable => 58,
            // Temporary failure.
            Self::StoreUnavailable | Self::Draining => 41,
            // No circuit or channel available.
            Self::MediaUnavailable => 34,
            // Recovery on timer expiry.
            Self::NoAck => 102,
        }
    }

    /// What the BYE says.
    pub const fn bye_reason(self) -> ByeReason {
        let sip_status = match self {
            Self::NotAcceptable | Self::Draining => Some(self.sip_status()),
            _ => None,
        };
        ByeReason { cause: self, sip_status, q850: self.q850(), text: self.text() }
    }

    /// Whether the caller should try again soon: the refusal carries `Retry-After`.
    pub const fn retry(self) -> bool {
        matches!(self, Self::StoreUnavailable | Self::MediaUnavailable | Self::Draining)
    }

    /// A sentence for people, in ASCII so that it can stand in a header.
    pub const fn text(self) -> &'static str {
        match self {
            Self::CallerHungUp => "the caller hung up",
            Self::CallerCancelled => "the caller gave up before the answer",
            Self::CallerSilent => "the caller was silent",
            Self::TooLong => "the call reached its longest time",
            Self::MediaLost => "no audio arrived any more",
            Self::NoAck => "the answer was never acknowledged",
            Self::NotAcceptable => "no common audio",
            Self::StoreUnavailable => "the call could not be stored",
            Self::MediaUnavailable => "no media port was free",
            Self::OperatorHungUp => "an operator ended the call",
            Self::Draining => "the server is shutting down",
            Self::TransportLost => "the peer could not be reached",
            Self::SeatHungUp => "the seat hung up",
            Self::PartyHungUp => "a party hung up",
            Self::Busy => "busy",
            Self::NoAnswer => "nobody answered",
            Self::Unreachable => "the party could not be reached",
            Self::Withdrawn => "the call was not needed any more",
            Self::Transferred => "the call went on to somebody else",
            Self::LeftAlone => "the others had left",
            Self::Closed => "nobody works at this hour",
            Self::CallbackWanted => "the caller wants to be called back",
            Self::Finished => "everything was said",
        }
    }
}
