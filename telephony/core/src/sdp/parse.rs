//! Reading RFC 8866 text.

use super::description::{Fmtp, Media, Origin, Rtcp, RtpMap, SessionDescription, Transport};
use super::ice::{ice_text, keep_candidate};
use super::{
    Connection, Crypto, Direction, Fingerprint, Problem, SDP_ATTRIBUTES_MAX, SDP_BYTES_MAX,
    SDP_FORMATS_MAX, SDP_MEDIA_LINES_MAX, SdpError, Setup,
};
use std::str::FromStr;

impl FromStr for SessionDescription {
    type Err = SdpError;

    /// Reads a description. Lines may end in LF alone, and `s=` and `t=` may be missing: gateways
    /// do both.
    fn from_str(text: &str) -> Result<Self, SdpError> {
        if text.len() > SDP_BYTES_MAX {
            return Err(SdpError { line: 1, problem: Problem::TooLong { bytes: text.len() } });
        }
        let mut reader = Reader::default();
        for (index, line) in text.split('\n').enumerate() {
            reader.read(index, line).map_err(|problem| SdpError { line: index + 1, problem })?;
        }
        reader.finish().map_err(|problem| SdpError { line: text.lines().count().max(1), problem })
    }
}

#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    name: Option<String>,
    connection: Option<Connection>,
    direction: Option<Direction>,
    transport: Transport,
    ice_lite: bool,
    bundle: Vec<String>,
    media: Vec<Media>,
    attributes: usize,
}

impl Reader {
    fn read(&mut self, index: usize, line: &str) -> Result<(), Problem> {
        let line = line.trim_end_matches('\r');
        if line.contains(['\r', '\0']) {
            return Err(Problem::ControlCharacter);
        }
        if index == 0 {
            return if line.trim_end() == "v=0" { Ok(()) } else { Err(Problem::Version) };
        }
        if line.is_empty() {
            return Ok(());
        }
        let (kind, value) = line.split_once('=').ok_or(Problem::NotALine)?;
        let value = value.trim();
        match kind {
            "o" if self.origin.is_none() => self.origin = Some(origin(value)?),
            "s" if self.media.is_empty() => self.name = Some(value.to_owned()),
            "c" => self.connection(value)?,
            "m" => self.media_line(value)?,
            "a" => self.attribute(value)?,
            _ if kind.len() == 1 && kind.is_ascii() => {}
            _ => return Err(Problem::NotALine),
        }
        Ok(())
    }

    fn connection(&mut self, value: &str) -> Result<(), Problem> {
        match self.media.last_mut() {
            None => self.connection = Some(Connection::parse(value).ok_or(Problem::Connection)?),
            // A stream may list several multicast addresses; the first one counts.
            Some(media) if media.is_audio() && media.connection.is_none() => {
                media.connection = Some(Connection::parse(value).ok_or(Problem::Connection)?);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn media_line(&mut self, value: &str) -> Result<(), Problem> {
        if self.origin.is_none() {
            return Err(Problem::OriginMissing);
        }
        if self.media.len() == SDP_MEDIA_LINES_MAX {
            return Err(Problem::TooManyMedia);
        }
        self.media.push(media(value)?);
        self.attributes = 0;
        Ok(())
    }

    fn attribute(&mut self, value: &str) -> Result<(), Problem> {
        let Some(media) = self.media.last_mut() else {
            self.session_attribute(value);
            return Ok(());
        };
        if !media.is_audio() {
            return Ok(());
        }
        self.attributes += 1;
        if self.attributes > SDP_ATTRIBUTES_MAX {
            return Err(Problem::TooManyAttributes);
        }
        audio_attribute(media, value)
    }

    fn session_attribute(&mut self, value: &str) {
        if let Some(direction) = Direction::parse(value) {
            self.direction = Some(direction);
            return;
        }
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "ice-lite" => self.ice_lite = true,
            "group" if self.bundle.is_empty() => {
                let mut fields = value.split_whitespace();
                if fields.next() == Some("BUNDLE") {
                    self.bundle = fields.take(SDP_MEDIA_LINES_MAX).map(str::to_owned).collect();
                }
            }
            _ => transport_attribute(&mut self.transport, name, value),
        }
    }

    fn finish(self) -> Result<SessionDescription, Problem> {
        Ok(SessionDescription {
            origin: self.origin.ok_or(Problem::OriginMissing)?,
            name: self.name.filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned()),
            connection: self.connection,
            direction: self.direction,
            transport: self.transport,
            ice_lite: self.ice_lite,
            bundle: self.bundle,
            media: self.media,
        })
    }
}

fn origin(value: &str) -> Result<Origin, Problem> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    // From the right, because some phones put a display name with spaces first.
    let [user @ .., session_id, version, net, family, address] = &fields[..] else {
        return Err(Problem::Origin);
    };
    if user.is_empty() {
        return Err(Problem::Origin);
    }
    Ok(Origin {
        username: user.join(" "),
        session_id: (*session_id).to_owned(),
        version: (*version).to_owned(),
        address: format!("{net} {family} {address}"),
    })
}

fn media(value: &str) -> Result<Media, Problem> {
    let mut fields = value.split_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(Problem::Media);
    };
    // "49170/2" asks for two pairs of ports (RFC 8866 §5.14); we take the first.
    let port = port.split('/').next().unwrap_or_default();
    let port = port.parse().map_err(|_| Problem::Media)?;
    let formats: Vec<String> = fields.map(str::to_owned).collect();
    match formats.len() {
        0 => Err(Problem::Media),
        1..=SDP_FORMATS_MAX => Ok(Media::new(kind, port, proto, formats)),
        _ => Err(Problem::TooManyFormats),
    }
}

fn audio_attribute(media: &mut Media, value: &str) -> Result<(), Problem> {
    if let Some(direction) = Direction::parse(value) {
        media.direction = Some(direction);
        return Ok(());
    }
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" => media.rtpmaps.push(rtpmap(value).ok_or(Problem::RtpMap)?),
        "fmtp" => media.fmtps.push(fmtp(value).ok_or(Problem::Fmtp)?),
        "rtcp" => media.rtcp = Some(rtcp(value).ok_or(Problem::Rtcp)?),
        "rtcp-mux" => media.rtcp_mux = true,
        // A wish, not a duty (RFC 8866 §6.4): one that cannot be read is not granted.
        "ptime" => media.ptime_ms = value.trim().parse().ok(),
        "mid" => media.mid = token(value),
        "msid" => media.msid = Some(value.trim().to_owned()).filter(|msid| !msid.is_empty()),
        "crypto" => media.cryptos.extend(Crypto::parse(value)),
        "candidate" => keep_candidate(&mut media.candidates, value),
        _ => transport_attribute(&mut media.transport, name, value),
    }
    Ok(())
}

/// What cannot be read is left out: a stream that needs it is refused with the reason.
fn transport_attribute(transport: &mut Transport, name: &str, value: &str) {
    match name {
        "ice-ufrag" => transport.ice_ufrag = ice_text(value),
        "ice-pwd" => transport.ice_pwd = ice_text(value),
        "setup" => transport.setup = Setup::parse(value),
        "fingerprint" if transport.fingerprint.is_none() => {
            transport.fingerprint = Fingerprint::parse(value);
        }
        _ => {}
    }
}

fn token(value: &str) -> Option<String> {
    value.split_whitespace().next().map(str::to_owned)
}

fn rtpmap(value: &str) -> Option<RtpMap> {
    let (payload_type, encoding) = value.trim().split_once(char::is_whitespace)?;
    let payload_type = payload_type.parse().ok().filter(|pt| *pt <= 127)?;
    let mut parts = encoding.trim().split('/');
    let encoding = parts.next().filter(|name| !name.is_empty())?;
    let clock_hz = parts.next()?.parse().ok()?;
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Some(RtpMap { payload_type, encoding: encoding.to_owned(), clock_hz, channels })
}

fn fmtp(value: &str) -> Option<Fmtp> {
    let value = value.trim();
    let (format, parameters) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    if format.is_empty() {
        return None;
    }
    Some(Fmtp { format: format.to_owned(), parameters: parameters.trim().to_owned() })
}

fn rtcp(value: &str) -> Option<Rtcp> {
    let value = value.trim();
    let (port, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let port = port.parse().ok()?;
    let connection = match rest.trim() {
        "" => None,
        address => Some(Connection::parse(address)?),
    };
    Some(Rtcp { port, connection })
}
