//! The seats: what they can do, and what their telephones prove themselves with.

use anyhow::Result;
use qingting_core::call;
use qingting_core::queue::{Level, SeatId, Skill};
use qingting_sip::auth::{Directory, Ha1};
use qingting_store::{SeatCredential, SeatRole, Store};
use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

/// All seats, as the database had them when it was last read.
#[derive(Default)]
pub struct Seats {
    by_extension: RwLock<HashMap<String, Seat>>,
    realm: String,
}

struct Seat {
    role: SeatRole,
    skills: BTreeMap<Skill, Level>,
    ha1: Option<Ha1>,
}

impl Seats {
    /// None yet.
    pub fn new(realm: &str) -> Self {
        Self { realm: realm.to_owned(), ..Self::default() }
    }

    /// Reads them again; gives the extensions that have other skills now.
    pub async fn load(&self, store: &Store) -> Result<Vec<String>> {
        let seats = store.seat_credentials().await?;
        let seats = seats.into_iter().filter(|of| !of.seat.disabled);
        let seats: HashMap<String, Seat> =
            seats.map(|of| (of.seat.extension.clone(), self.seat(&of))).collect();
        let mut known = self.by_extension.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = |(extension, seat): &(&String, &Seat)| {
            known.get(*extension).is_some_and(|before| before.skills != seat.skills)
        };
        let changed = seats.iter().filter(is_other).map(|(extension, _)| extension.clone());
        let changed = changed.collect();
        *known = seats;
        Ok(changed)
    }

    fn seat(&self, of: &SeatCredential) -> Seat {
        let level = |(skill, level): (&String, &u8)| Some((Skill::new(skill), Level::new(*level)?));
        let is_ours = of.realm == self.realm;
        if !is_ours {
            tracing::warn!(
                seat = of.seat.extension,
                "this seat's telephone cannot register: its password was set for another sip.realm"
            );
        }
        Seat {
            role: of.seat.role,
            skills: of.seat.skills.iter().filter_map(level).collect(),
            ha1: ha1(of).filter(|_| is_ours),
        }
    }

    /// Whether somebody has this extension.
    pub fn has(&self, extension: &str) -> bool {
        self.read(extension, |_| ()).is_some()
    }

    /// What a seat can do; nothing for a supervisor, who takes no calls from queues.
    pub fn skills(&self, extension: &str) -> BTreeMap<Skill, Level> {
        let skills = |seat: &Seat| match seat.role {
            SeatRole::Seat => seat.skills.clone(),
            SeatRole::Supervisor => BTreeMap::new(),
        };
        self.read(extension, skills).unwrap_or_default()
    }

    /// Whether the seat takes calls from queues.
    pub fn takes_calls(&self, extension: &str) -> bool {
        self.read(extension, |seat| seat.role == SeatRole::Seat).unwrap_or(false)
    }

    /// Everybody's.
    pub fn extensions(&self) -> Vec<String> {
        let seats = self.by_extension.read().unwrap_or_else(PoisonError::into_inner);
        seats.keys().cloned().collect()
    }

    fn read<T>(&self, extension: &str, of: impl FnOnce(&Seat) -> T) -> Option<T> {
        let seats = self.by_extension.read().unwrap_or_else(PoisonError::into_inner);
        seats.get(extension).map(of)
    }
}

impl Directory for Seats {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        self.read(user, |seat| seat.ha1).flatten()
    }
}

fn ha1(of: &SeatCredential) -> Option<Ha1> {
    let bytes = |text: &str, out: &mut [u8]| hex::decode_to_slice(text, out).ok();
    let (mut md5, mut sha256) = ([0; 16], [0; 32]);
    bytes(of.ha1_md5.expose(), &mut md5)?;
    bytes(of.ha1_sha256.expose(), &mut sha256)?;
    Some(Ha1 { md5, sha256 })
}

/// An extension as the call machine names it: its digits behind a 1, so that leading zeros stay.
pub fn seat_number(seat: &SeatId) -> Option<call::SeatId> {
    let digits = seat.as_str();
    let is_extension = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    format!("1{digits}").parse().ok().filter(|_| is_extension).map(call::SeatId)
}

/// And back.
pub fn seat_name(seat: call::SeatId) -> SeatId {
    SeatId::new(seat.0.to_string().get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_keep_their_zeros() {
        for extension in ["801", "0801", "00", "99999999"] {
            let number = seat_number(&SeatId::new(extension)).unwrap();
            assert_eq!(seat_name(number).as_str(), extension);
        }
        assert_eq!(seat_number(&SeatId::new("8o1")), None);
        assert_eq!(seat_number(&SeatId::new("123456789")), None);
    }
}
