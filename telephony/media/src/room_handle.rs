//! A room as its owner sees it.

use crate::config::{LegConfig, MediaError};
use crate::event::MediaEvent;
use crate::handle::LegHandle;
use crate::opener::Opener;
use crate::room::{Newcomer, Shared};
use crate::routes::{LEGS_PER_ROOM_MAX, Routes, bit};
use crate::shard::{self, LEGS_PER_SHARD_MAX};
use rtrb::Producer;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Dropping it lets the room end with its last leg.
#[derive(Debug)]
pub struct RoomHandle {
    pub(crate) opener: Arc<Opener>,
    pub(crate) shard: Arc<shard::Shared>,
    pub(crate) shared: Arc<Shared>,
    /// Held while a slot is given out and while routes change, so that a new leg's slot is silent
    /// whatever is routed at the same time.
    pub(crate) door: Mutex<Producer<Newcomer>>,
}

impl RoomHandle {
    /// Opens a leg in this room: binds its ports at once, sends and hears nothing until it is
    /// connected, hears nobody and is heard by nobody until it is routed. Waits for nobody.
    pub fn open_leg(
        &self,
        config: LegConfig,
    ) -> Result<(LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        self.opener.check()?;
        let mut door = self.door();
        if door.is_abandoned() {
            return Err(MediaError::Overloaded);
        }
        let slot = self.free_slot().ok_or(MediaError::RoomFull)?;
        if self.shard.legs.fetch_add(1, Ordering::Relaxed) >= LEGS_PER_SHARD_MAX {
            self.shard.legs.fetch_sub(1, Ordering::Relaxed);
            return Err(MediaError::Overloaded);
        }
        let opened = self.opener.leg(config, slot).and_then(|(leg, handle, inbox)| {
            self.give_out(slot);
            if door.push(Newcomer(slot, leg)).is_err() {
                self.take_back(slot);
                self.opener.give_back(handle.local);
                return Err(MediaError::Overloaded);
            }
            self.shard.waiting.store(true, Ordering::Release);
            Ok((handle, inbox))
        });
        if opened.is_err() {
            self.shard.legs.fetch_sub(1, Ordering::Relaxed);
        }
        opened
    }

    /// Who hears whom from the next tick on, for all legs at once.
    pub fn route(&self, routes: Routes) {
        let _door = self.door();
        self.shared.routes.store(routes.to_bits(), Ordering::Release);
    }

    /// What was routed last.
    pub fn routes(&self) -> Routes {
        Routes::from_bits(self.shared.routes.load(Ordering::Acquire))
    }

    /// From the next tick on the room's recording and its legs' are silence; recognisers still
    /// hear. Told as [`crate::RoomEvent::RecordingPaused`] when it ends.
    pub fn pause_recording(&self) {
        self.shared.paused.store(true, Ordering::Release);
    }

    /// Ends a pause.
    pub fn resume_recording(&self) {
        self.shared.paused.store(false, Ordering::Release);
    }

    fn door(&self) -> MutexGuard<'_, Producer<Newcomer>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_slot(&self) -> Option<usize> {
        let taken = self.shared.taken.load(Ordering::Acquire);
        (0..LEGS_PER_ROOM_MAX).find(|slot| taken & bit(*slot) == 0)
    }

    fn give_out(&self, slot: usize) {
        // Whoever had it before may still be routed.
        let routes = self.routes().cleared(slot);
        self.shared.routes.store(routes.to_bits(), Ordering::Release);
        self.shared.taken.fetch_or(bit(slot), Ordering::AcqRel);
    }

    fn take_back(&self, slot: usize) {
        self.shared.taken.fetch_and(!bit(slot), Ordering::AcqRel);
    }
}

impl Drop for RoomHandle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}
