//! A person on the telephone.

use super::file::{Person, Reply};
use super::line::{End, Line, STAYS_MAX};
use crate::ear::{Ear, TICK};
use std::time::Duration;

/// From the answer to the first word.
const GREETS_AFTER: Duration = Duration::from_millis(400);
/// So much of a prompt is heard before somebody speaks into it.
const INTERRUPTS_AFTER: Duration = Duration::from_millis(1_600);
/// So much of the next one before somebody hangs up.
const HANGS_UP_AFTER: Duration = Duration::from_millis(600);
/// Longest wait for a prompt, and for its end.
const PROMPT_MAX: Duration = Duration::from_secs(60);

/// From the answer to the end of the call.
pub async fn talk(line: &mut Line, person: &Person) -> Result<End, End> {
    if let Some(Reply { act, .. }) = &person.greeting {
        line.stay(GREETS_AFTER).await?;
        line.act(0, act).await?;
    }
    for (before, reply) in person.answers.iter().enumerate() {
        if person.hangs_up_after == Some(before) {
            return hang_up(line).await;
        }
        let heard = match reply.interrupts {
            true => hear_some(line, INTERRUPTS_AFTER).await?,
            false => line.wait(PROMPT_MAX, |ear, _| ear.is_over()).await?,
        };
        if !heard {
            // Nobody waits for ever on a silent line.
            return Ok(line.hang_up());
        }
        line.act(before + 1, &reply.act).await?;
    }
    if person.hangs_up_after.is_some() {
        return hang_up(line).await;
    }
    line.stay(STAYS_MAX).await?;
    Ok(line.hang_up())
}

async fn hang_up(line: &mut Line) -> Result<End, End> {
    hear_some(line, HANGS_UP_AFTER).await?;
    Ok(line.hang_up())
}

/// Hears so much of the next prompt; false when there is none.
async fn hear_some(line: &mut Line, time: Duration) -> Result<bool, End> {
    if !line.wait(PROMPT_MAX, |ear: &Ear, _| ear.began().is_some()).await? {
        return Ok(false);
    }
    line.stay(time.saturating_sub(TICK)).await?;
    Ok(true)
}
