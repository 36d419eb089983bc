//! A person on the telephone.

use super::file::{Act, Person, Reply};
use super::line::{End, Line, STAYS_MAX};
use super::questions::Asked;
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
    let (mut prompt, mut given) = (0, 0);
    loop {
        if person.hangs_up_after == Some(given) {
            hear_some(line, HANGS_UP_AFTER).await?;
            return Ok(line.hang_up());
        }
        let planned = person.answers.get(given);
        if planned.is_none() && person.confirms.is_none() {
            line.stay(STAYS_MAX).await?;
            return Ok(line.hang_up());
        }
        let heard = match planned {
            Some(Reply { interrupts: true, .. }) => hear_some(line, INTERRUPTS_AFTER).await?,
            _ => line.wait(PROMPT_MAX, |ear, _| ear.is_over()).await?,
        };
        if !heard {
            // Nobody waits for ever on a silent line.
            return Ok(line.hang_up());
        }
        prompt += 1;
        let asked = line.asked();
        if let Some(reply) = asked.and_then(|asked| confirmed(line, person, given, asked)) {
            line.act(prompt, &reply.act).await?;
            continue;
        }
        let to = asked.and_then(|asked| {
            person.answers.iter().position(|reply| reply.to == Some(asked.question))
        });
        match to.or(planned.map(|_| given)) {
            Some(index) => {
                given = given.max(index + 1);
                line.act(prompt, &person.answers[index].act).await?;
            }
            None => line.ear.wait_for_next(),
        }
    }
}

/// Yes or no, when what he said last is repeated to him.
fn confirmed<'a>(line: &Line, person: &'a Person, given: usize, asked: Asked) -> Option<&'a Reply> {
    let (answer, [yes, no]) = (asked.repeated?, person.confirms.as_ref()?);
    let said = person.answers[..given].last()?;
    let (Act::Say(sound), Some(question)) = (&said.act, said.to) else { return None };
    Some(if line.is_meant(question, *sound, answer) { yes } else { no })
}

/// Hears so much of the next prompt; false when there is none.
async fn hear_some(line: &mut Line, time: Duration) -> Result<bool, End> {
    if !line.wait(PROMPT_MAX, |ear: &Ear, _| ear.began().is_some()).await? {
        return Ok(false);
    }
    line.stay(time.saturating_sub(TICK)).await?;
    Ok(true)
}
