//! A room as its owner sees it.

use crate::engine::{LegConfig, MediaError};
use crate::event::MediaEvent;
use crate::handle::LegHandle;
use crate::opener::Opener;
use crate::room::{Command, Shared};
use crate::routes::{LEGS_PER_ROOM_MAX, Routes, bit};
use crate::shard::{self, LEGS_PER_SHARD_MAX};
use rtrb::{Producer, PushError};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Legs that wait for their room's next tick: as many as it has slots, and as many again that were
/// moved away meanwhile.
pub(crate) const COMMANDS_MAX: usize = 2 * LEGS_PER_ROOM_MAX;

/// Dropping it lets the room end with its last leg.
#[derive(Debug)]
pub struct RoomHandle {
    pub(crate) opener: Arc<Opener>,
    pub(crate) shard: Arc<shard::Shared>,
    pub(crate) shared: Arc<Shared>,
    /// Held while a slot is given out and while routes change, so that a new leg's slot is silent
    /// whatever is routed at the same time.
    pub(crate) door: Mutex<Producer<Command>>,
}

/// Why a leg does not come into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// All slots are taken, or the room's queue is full.
    #[error("a room has {LEGS_PER_ROOM_MAX} legs at most")]
    Full,
    /// The leg lives on another media thread. Open the one room `near` the other.
    #[error("the leg is on another media thread than the room")]
    Elsewhere,
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
        let opened = self.opener.leg(config, &self.shard).and_then(|(leg, handle, inbox)| {
            leg.sit(slot);
            self.give_out(slot);
            if door.push(Command::Seat(slot, leg)).is_err() {
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

    /// Moves a leg of another room of the same media thread into this one, without a gap in what
    /// it sends or hears: its ports, timestamps and taps go on. It has a new [`LegHandle::slot`]
    /// at once, hears nobody and is heard by nobody until it is routed here.
    pub fn take_leg(&self, leg: &LegHandle) -> Result<(), TakeError> {
        if !Arc::ptr_eq(&self.shard, &leg.shard) {
            return Err(TakeError::Elsewhere);
        }
        let mut door = self.door();
        let slot = self.free_slot().ok_or(TakeError::Full)?;
        self.give_out(slot);
        if let Err(PushError::Full(_)) = door.push(Command::Take(slot, leg.key)) {
            self.take_back(slot);
            return Err(TakeError::Full);
        }
        self.shard.waiting.store(true, Ordering::Release);
        leg.shared.slot.store(slot as u8, Ordering::Release);
        Ok(())
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

    fn door(&self) -> MutexGuard<'_, Producer<Command>> {
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
