//! What a leg sends of its own: prompts one after the other, music between them when there is some.

use crate::mix::Samples;
use qingting_common::limits::SAMPLES_PER_TICK;
use std::collections::VecDeque;
use std::sync::Arc;

/// Prompts that may wait; one more is refused.
pub const PROMPTS_WAITING_MAX: usize = 8;

#[derive(Debug)]
struct Playing {
    id: u32,
    samples: Arc<[i16]>,
    position: usize,
}

/// Plays prompts in order, 8 kHz, one tick at a time; a loop rests while one plays. Nothing is
/// allocated after construction, and nothing freed: samples that are no longer needed are handed
/// back.
#[derive(Debug)]
pub struct Player {
    queue: VecDeque<Playing>,
    music: Option<Music>,
}

/// Never empty.
#[derive(Debug)]
struct Music {
    samples: Arc<[i16]>,
    position: usize,
}

impl Default for Player {
    fn default() -> Self {
        Self { queue: VecDeque::with_capacity(PROMPTS_WAITING_MAX), music: None }
    }
}

impl Player {
    /// Queues a prompt behind those that play; its samples come back when [`PROMPTS_WAITING_MAX`]
    /// wait already.
    pub fn play(&mut self, id: u32, samples: Arc<[i16]>) -> Result<(), Arc<[i16]>> {
        if self.queue.len() == PROMPTS_WAITING_MAX {
            return Err(samples);
        }
        self.queue.push_back(Playing { id, samples, position: 0 });
        Ok(())
    }

    /// Stops all prompts at once and gives the samples back. The stopped prompts are not reported
    /// as done.
    pub fn stop(&mut self) -> impl Iterator<Item = Arc<[i16]>> {
        self.queue.drain(..).map(|stopped| stopped.samples)
    }

    /// Plays these samples over and over, from their beginning; gives back those of the loop
    /// before, or these when there are none.
    pub fn play_loop(&mut self, samples: Arc<[i16]>) -> Option<Arc<[i16]>> {
        if samples.is_empty() {
            return Some(samples);
        }
        self.music.replace(Music { samples, position: 0 }).map(|before| before.samples)
    }

    /// Stops the loop and gives its samples back.
    pub fn stop_loop(&mut self) -> Option<Arc<[i16]>> {
        self.music.take().map(|stopped| stopped.samples)
    }

    /// Whether the next tick would be silence.
    pub fn is_silent(&self) -> bool {
        self.queue.is_empty() && self.music.is_none()
    }

    /// The next tick's samples, and the prompt that ended in it. A prompt begins at a tick.
    pub fn tick(&mut self, out: &mut Samples) -> Option<(u32, Arc<[i16]>)> {
        out.fill(0);
        let Some(playing) = self.queue.front_mut() else {
            self.music.iter_mut().for_each(|music| music.tick(out));
            return None;
        };
        let rest = &playing.samples[playing.position..];
        let taken = rest.len().min(SAMPLES_PER_TICK);
        out[..taken].copy_from_slice(&rest[..taken]);
        playing.position += taken;
        if playing.position < playing.samples.len() {
            return None;
        }
        self.queue.pop_front().map(|done| (done.id, done.samples))
    }
}

impl Music {
    fn tick(&mut self, mut out: &mut [i16]) {
        while !out.is_empty() {
            let rest = &self.samples[self.position..];
            let taken = rest.len().min(out.len());
            let (now, after) = out.split_at_mut(taken);
            now.copy_from_slice(&rest[..taken]);
            out = after;
            self.position = (self.position + taken) % self.samples.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_play_in_order_and_report_their_end() {
        let mut player = Player::default();
        player.play(1, vec![5; 200].into()).unwrap();
        player.play(2, vec![7; 160].into()).unwrap();
        let mut out = [0; SAMPLES_PER_TICK];
        assert_eq!(player.tick(&mut out), None);
        assert_eq!(out, [5; 160]);
        assert_eq!(player.tick(&mut out).map(|(id, _)| id), Some(1));
        assert_eq!((out[39], out[40]), (5, 0), "the rest of the last tick is silence");
        assert_eq!(player.tick(&mut out).map(|(id, _)| id), Some(2));
        assert_eq!(player.tick(&mut out), None);
        assert_eq!(out, [0; 160]);
    }

    #[test]
    fn a_stopped_prompt_is_not_reported_and_the_queue_is_bounded() {
        let mut player = Player::default();
        for id in 0..PROMPTS_WAITING_MAX as u32 {
            assert!(player.play(id, vec![1; 10].into()).is_ok());
        }
        assert!(player.play(99, vec![1; 10].into()).is_err());
        assert_eq!(player.stop().count(), PROMPTS_WAITING_MAX);
        assert_eq!(player.tick(&mut [0; SAMPLES_PER_TICK]), None);
    }

    #[test]
    fn a_loop_has_no_seam_and_rests_while_a_prompt_plays() {
        let mut player = Player::default();
        let music: Arc<[i16]> = (0..100).collect();
        assert_eq!(player.play_loop(Arc::clone(&music)), None);
        let mut out = [0; SAMPLES_PER_TICK];
        player.tick(&mut out);
        assert_eq!((out[99], out[100], out[159]), (99, 0, 59));
        player.play(1, vec![-5; 160].into()).unwrap();
        player.tick(&mut out);
        assert_eq!(out, [-5; 160]);
        player.tick(&mut out);
        assert_eq!(out[0], 60, "where it left off");
        assert_eq!(player.stop_loop(), Some(music));
        player.tick(&mut out);
        assert_eq!(out, [0; 160]);
        let empty: Arc<[i16]> = [].into();
        assert_eq!(player.play_loop(Arc::clone(&empty)), Some(empty));
        assert!(player.is_silent());
    }
}
