//! Writing RFC 8866 text.

use super::description::{Media, SessionDescription, Transport};
use super::ice::host_candidate;
use std::fmt;

impl fmt::Display for SessionDescription {
    /// The description's text, each line ended by CR LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        write!(f, "v=0\r\no={} {} ", origin.username, origin.session_id)?;
        write!(f, "{} {}\r\ns={}\r\n", origin.version, origin.address, self.name)?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        f.write_str("t=0 0\r\n")?;
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.as_str())?;
        }
        if self.ice_lite {
            f.write_str("a=ice-lite\r\n")?;
        }
        if !self.bundle.is_empty() {
            write!(f, "a=group:BUNDLE {}\r\n", self.bundle.join(" "))?;
        }
        self.transport.fmt(f)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, port, proto, formats, .. } = self;
        write!(f, "m={kind} {port} {proto} {}\r\n", formats.join(" "))?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        for map in &self.rtpmaps {
            write!(f, "a=rtpmap:{} {}/{}", map.payload_type, map.encoding, map.clock_hz)?;
            if map.channels != 1 {
                write!(f, "/{}", map.channels)?;
            }
            f.write_str("\r\n")?;
        }
        for fmtp in &self.fmtps {
            let line = format!("a=fmtp:{} {}", fmtp.format, fmtp.parameters);
            write!(f, "{}\r\n", line.trim_end())?;
        }
        if let Some(ptime_ms) = self.ptime_ms {
            write!(f, "a=ptime:{ptime_ms}\r\n")?;
        }
        if let Some(rtcp) = &self.rtcp {
            write!(f, "a=rtcp:{}", rtcp.port)?;
            if let Some(connection) = &rtcp.connection {
                write!(f, " {connection}")?;
            }
            f.write_str("\r\n")?;
        }
        if self.rtcp_mux {
            f.write_str("a=rtcp-mux\r\n")?;
        }
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.as_str())?;
        }
        if let Some(mid) = &self.mid {
            write!(f, "a=mid:{mid}\r\n")?;
        }
        if let Some(msid) = &self.msid {
            write!(f, "a=msid:{msid}\r\n")?;
        }
        for crypto in &self.cryptos {
            write!(f, "a=crypto:{crypto}\r\n")?;
        }
        self.transport.fmt(f)?;
        for (index, at) in self.candidates.iter().enumerate() {
            write!(f, "a=candidate:{}\r\n", host_candidate(index, *at))?;
        }
        match self.candidates.is_empty() {
            true => Ok(()),
            false => f.write_str("a=end-of-candidates\r\n"),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ufrag) = &self.ice_ufrag {
            write!(f, "a=ice-ufrag:{ufrag}\r\n")?;
        }
        if let Some(pwd) = &self.ice_pwd {
            write!(f, "a=ice-pwd:{pwd}\r\n")?;
        }
        if let Some(fingerprint) = &self.fingerprint {
            write!(f, "a=fingerprint:{fingerprint}\r\n")?;
        }
        match self.setup {
            Some(setup) => write!(f, "a=setup:{}\r\n", setup.as_str()),
            None => Ok(()),
        }
    }
}
