//! How audio is secured: what we can do, what the peer asks, what is agreed.

use super::description::{Media, SessionDescription};
use super::error::printable;
use super::{Crypto, DtlsRole, Fingerprint, IceSecret, MasterKey, NegotiationError, Setup, Suite};

/// How a stream gets its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Keying {
    /// Not at all: plain RTP.
    #[default]
    Plain,
    /// From the session description (RFC 4568): as safe as the signalling.
    Sdes,
    /// From a DTLS handshake over ICE (RFC 5763, RFC 8827): browsers.
    Dtls,
}

/// What we have to secure audio with. The default has nothing: plain RTP alone.
///
/// An offer of the peer is answered in its own way, as far as we have what it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LocalSecurity {
    /// Our key for `a=crypto`.
    pub sdes: Option<MasterKey>,
    /// Our certificate and ICE secret.
    pub dtls: Option<LocalDtls>,
    /// How a first offer of ours is secured; **its keys must be there**.
    pub offer: Keying,
}

/// Our side of DTLS-SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalDtls {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// New for each call. [`super::Session`] moves it on at the peer's restarts.
    pub ice: IceSecret,
    /// Our role once it is agreed. [`super::Session`] keeps it: begin with `None`.
    pub role: Option<DtlsRole>,
}

/// What was agreed about securing the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteSecurity {
    /// Plain RTP.
    Plain,
    /// SRTP with these keys.
    Sdes {
        /// The suite, both ways.
        suite: Suite,
        /// With which we send.
        send: MasterKey,
        /// With which the peer sends.
        receive: MasterKey,
    },
    /// SRTP with the keys of a DTLS handshake, to the address that ICE nominates.
    Dtls {
        /// Of the peer's certificate; any other ends the handshake.
        fingerprint: Fingerprint,
        /// What we do in the handshake.
        role: DtlsRole,
        /// Whose user fragment and password the peer's checks must know.
        ice: IceSecret,
    },
}

/// What the peer's stream asks, and we can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Plain,
    Sdes(Crypto),
    Dtls { fingerprint: Fingerprint, setup: Setup },
}

/// The ICE user fragment and password in force for a stream (RFC 8839 §5.4).
pub(super) fn ice_of<'a>(
    description: &'a SessionDescription,
    media: &'a Media,
) -> Option<(&'a str, &'a str)> {
    let session = &description.transport;
    let ufrag = media.transport.ice_ufrag.as_deref().or(session.ice_ufrag.as_deref())?;
    let pwd = media.transport.ice_pwd.as_deref().or(session.ice_pwd.as_deref())?;
    Some((ufrag, pwd))
}

/// What a stream of the peer's asks, measured against what we have.
pub(super) fn asked(
    description: &SessionDescription,
    media: &Media,
    ours: &LocalSecurity,
) -> Result<Asked, NegotiationError> {
    let transport = || NegotiationError::Transport { proto: printable(&media.proto) };
    let missing = |wanted| NegotiationError::Keys { proto: printable(&media.proto), wanted };
    let session = &description.transport;
    let fingerprint = media.transport.fingerprint.or(session.fingerprint);
    let is = |names: &[&str]| names.iter().any(|name| media.proto.eq_ignore_ascii_case(name));
    let crypto = media.cryptos.first().copied();
    if is(&["RTP/AVP", "RTP/AVPF"]) {
        // Keys under the plain profile: secured if the answer takes them (RFC 8643).
        return Ok(crypto.filter(|_| ours.sdes.is_some()).map_or(Asked::Plain, Asked::Sdes));
    }
    let over_dtls = is(&["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"]);
    let secured = is(&["RTP/SAVP", "RTP/SAVPF"]);
    if secured && (crypto.is_some() || fingerprint.is_none()) {
        ours.sdes.ok_or_else(transport)?;
        let wanted = "a=crypto with AES_CM_128_HMAC_SHA1_80 and one inline key";
        return crypto.map(Asked::Sdes).ok_or_else(|| missing(wanted));
    }
    if !over_dtls && !secured {
        return Err(transport());
    }
    ours.dtls.ok_or_else(transport)?;
    let fingerprint = fingerprint.ok_or_else(|| missing("a=fingerprint:sha-256"))?;
    ice_of(description, media).ok_or_else(|| missing("a=ice-ufrag and a=ice-pwd"))?;
    if description.ice_lite {
        return Err(missing("full ICE: checks are answered here and must come from there"));
    }
    if !media.rtcp_mux {
        return Err(missing("a=rtcp-mux"));
    }
    // Without the attribute an offerer begins (RFC 4145 §4).
    let setup = media.transport.setup.or(session.setup).unwrap_or(Setup::Active);
    Ok(Asked::Dtls { fingerprint, setup })
}

/// What an answer of ours to `asked` agrees on.
pub(super) fn answered(asked: Asked, ours: &LocalSecurity) -> RemoteSecurity {
    match (asked, ours.sdes, ours.dtls) {
        (Asked::Sdes(Crypto { suite, key, .. }), Some(send), _) => {
            RemoteSecurity::Sdes { suite, send, receive: key }
        }
        (Asked::Dtls { fingerprint, setup }, _, Some(dtls)) => {
            let role = match setup {
                Setup::Active => DtlsRole::Server,
                Setup::Passive => DtlsRole::Client,
                // A lite agent learns the peer's address from its checks: the peer begins.
                Setup::ActPass => dtls.role.unwrap_or(DtlsRole::Server),
            };
            RemoteSecurity::Dtls { fingerprint, role, ice: dtls.ice }
        }
        // `asked` asks for nothing that we have no keys for.
        _ => RemoteSecurity::Plain,
    }
}

/// What the peer's answer to our stream agrees on.
pub(super) fn accepted(
    offered: &Media,
    asked: Asked,
    ours: &LocalSecurity,
) -> Result<RemoteSecurity, NegotiationError> {
    let missing = |wanted| NegotiationError::Keys { proto: printable(&offered.proto), wanted };
    let agreed = match asked {
        // An answer takes one of our lines, under its tag (RFC 4568 §5.1.3).
        Asked::Sdes(theirs) => {
            let known = |line: &&Crypto| line.tag == theirs.tag && line.suite == theirs.suite;
            let line = offered.cryptos.iter().find(known);
            let send = line.ok_or_else(|| missing("an a=crypto line of the offer by its tag"))?.key;
            RemoteSecurity::Sdes { suite: theirs.suite, send, receive: theirs.key }
        }
        Asked::Dtls { setup: Setup::ActPass, .. } => {
            return Err(missing("a=setup:active or a=setup:passive"));
        }
        asked => answered(asked, ours),
    };
    let secured = !offered.cryptos.is_empty() || offered.transport.fingerprint.is_some();
    if secured && agreed == RemoteSecurity::Plain {
        return Err(missing("the keys of the offer's kind"));
    }
    Ok(agreed)
}

/// Gives our line what its keys need: our part of what was agreed, or of what is offered.
pub(super) fn secure_line(
    line: &mut Media,
    cryptos: Vec<Crypto>,
    dtls: Option<(LocalDtls, Setup)>,
) {
    line.cryptos = cryptos;
    if let Some((dtls, setup)) = dtls {
        line.rtcp_mux = true;
        line.transport.ice_ufrag = Some(dtls.ice.ufrag());
        line.transport.ice_pwd = Some(dtls.ice.pwd());
        line.transport.fingerprint = Some(dtls.fingerprint);
        line.transport.setup = Some(setup);
    }
}

/// Our `a=crypto` lines of an offer, best first.
pub(super) fn offered_cryptos(key: MasterKey) -> Vec<Crypto> {
    let line = |(tag, suite)| Crypto { tag, suite, key };
    [(1, Suite::AesCm80), (2, Suite::AesCm32)].into_iter().map(line).collect()
}
