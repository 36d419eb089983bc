//! How a leg's audio is secured: its own keys, and what was agreed in the media engine's words.

use qingting_core::sdp::{
    self, DtlsRole, Fingerprint, IceSecret, Keying, LocalDtls, LocalSecurity,
};
use qingting_media::dtls::Role;
use qingting_media::ice::Credentials;
use qingting_media::srtp::{Keys, Profile};
use qingting_media::{MediaEngine, Security};

/// New keys for one leg. An offer of the peer's is answered in its own way; ours to a browser wants
/// DTLS, ours to anybody else is plain, because desk phones and trunks refuse what they cannot.
pub(super) fn local(media: &MediaEngine, is_browser: bool) -> LocalSecurity {
    let ice: [u8; 24] = rand::random();
    let mut key = [0; 30];
    rand::fill(&mut key);
    LocalSecurity {
        sdes: Some(sdp::MasterKey::new(key)),
        dtls: Some(LocalDtls {
            fingerprint: Fingerprint(media.fingerprint()),
            ice: IceSecret::new(ice),
            role: None,
        }),
        offer: if is_browser { Keying::Dtls } else { Keying::Plain },
    }
}

/// What SDP agreed on.
pub(super) fn agreed(agreed: sdp::RemoteSecurity) -> Security {
    match agreed {
        sdp::RemoteSecurity::Plain => Security::Plain,
        sdp::RemoteSecurity::Sdes { suite, send, receive } => {
            let profile = match suite {
                sdp::Suite::AesCm80 => Profile::AesCm80,
                sdp::Suite::AesCm32 => Profile::AesCm32,
                sdp::Suite::AeadGcm => Profile::AeadGcm128,
            };
            let keys = |key: sdp::MasterKey| {
                let (key, salt) = key.bytes().split_at(profile.key_bytes());
                Keys::new(profile, key, salt).expect("SDP keeps keys of the suite's length")
            };
            Security::Srtp { send: keys(send), receive: keys(receive) }
        }
        sdp::RemoteSecurity::Dtls { fingerprint, role, ice } => Security::Dtls {
            role: match role {
                DtlsRole::Client => Role::Client,
                DtlsRole::Server => Role::Server,
            },
            fingerprint: fingerprint.0,
            ice: Credentials::new(&ice.ufrag(), &ice.pwd()).expect("ours are 10 and 26 long"),
        },
    }
}
