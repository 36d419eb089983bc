//! Topics that rise: more tickets than the same hours of past weeks let expect.
//!
//! The counts of past weeks, taken as draws of one Poisson distribution whose mean is not known, give the chance of
//! the present count or a greater one: with the Jeffreys prior the prediction is a negative binomial distribution
//! (Gelman et al., Bayesian Data Analysis, 3rd ed., §2.6), which is wider than a Poisson distribution with the weeks'
//! mean. **It knows of no feast day and no weather**: what is rare by this reckoning may have an ordinary cause.

/// Weeks that are looked back.
pub const WEEKS: usize = 8;
/// With fewer weeks nothing is said.
pub const WEEKS_MIN: usize = 3;
/// Fewer tickets are no topic.
pub const TICKETS_MIN: u64 = 5;
/// A topic whose chance is greater does not rise.
pub const CHANCE_MAX: f64 = 0.001;

/// How a count compares with those of past weeks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// What the weeks let expect.
    pub expected: f64,
    /// How likely so many or more would be by chance.
    pub chance: f64,
}

/// The rise of a topic with `now` tickets; none where it does not rise.
pub fn rise(now: u64, weeks: &[u64]) -> Option<Rise> {
    if now < TICKETS_MIN || weeks.len() < WEEKS_MIN {
        return None;
    }
    let chance = chance(now, weeks);
    let expected = weeks.iter().sum::<u64>() as f64 / weeks.len() as f64;
    (chance <= CHANCE_MAX && now as f64 > expected).then_some(Rise { expected, chance })
}

/// How likely `now` or more are after those weeks.
fn chance(now: u64, weeks: &[u64]) -> f64 {
    let shape = weeks.iter().sum::<u64>() as f64 + 0.5;
    let others = 1.0 / (weeks.len() as f64 + 1.0);
    // In logarithms: the first term of a busy topic is below what a number can hold.
    let mut term = shape * (1.0 - others).ln();
    let (mut below, mut count) = (0.0, 0u64);
    while count < now {
        below += term.exp();
        term += ((shape + count as f64) / (count as f64 + 1.0) * others).ln();
        count += 1;
    }
    // Near 1 the rest would be lost in rounding: the tail is summed itself.
    let mean = shape * others / (1.0 - others);
    if (now as f64) <= mean {
        return (1.0 - below).clamp(0.0, 1.0);
    }
    let mut above = 0.0;
    loop {
        let next = term.exp();
        above += next;
        if next <= above * 1e-12 {
            return above.min(1.0);
        }
        term += ((shape + count as f64) / (count as f64 + 1.0) * others).ln();
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chances_of_all_counts_are_those_of_a_distribution() {
        for weeks in [vec![0, 0, 0], vec![3, 1, 4, 1, 5, 9, 2, 6], vec![400; 8]] {
            assert!((chance(0, &weeks) - 1.0).abs() < 1e-9);
            let all: Vec<f64> = (0..1_000).map(|now| chance(now, &weeks)).collect();
            assert!(all.windows(2).all(|pair| pair[0] >= pair[1]), "more is never likelier");
            // The mean of a distribution on whole numbers is the sum of its tails.
            let mean: f64 = all[1..].iter().sum();
            let expected = (weeks.iter().sum::<u64>() as f64 + 0.5) / weeks.len() as f64;
            assert!((mean - expected).abs() < 1e-6 * expected.max(1.0), "{mean} {expected}");
        }
    }

    #[test]
    fn a_burst_rises_and_what_is_usual_does_not() {
        let usual = [2, 1, 3, 2, 0, 2, 1, 2];
        assert!(rise(12, &usual).is_some_and(|rise| rise.chance < 1e-5));
        assert!(rise(5, &usual).is_none());
        assert!(rise(4, &[0; 8]).is_none(), "too few");
        assert!(rise(5, &[0; 8]).is_some());
        assert!(rise(50, &[2, 2]).is_none(), "two weeks say nothing");
        assert!(rise(250, &[200; 8]).is_none_or(|rise| rise.chance > 1e-4));
    }

    /// A Poisson count by the product of uniform numbers (Knuth), of a fixed sequence.
    fn poisson(seed: &mut u64, mean: f64) -> u64 {
        let (mut product, mut count) = (1.0, 0);
        loop {
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            product *= ((*seed >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            if product <= (-mean).exp() {
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn where_nothing_changes_false_alarms_are_as_rare_as_is_said() {
        const TRIALS: u64 = 100_000;
        let mut seed = 12_345;
        for mean in [0.2, 1.0, 4.0, 20.0] {
            let mut alarms = 0;
            for _ in 0..TRIALS {
                let weeks: Vec<u64> = (0..WEEKS).map(|_| poisson(&mut seed, mean)).collect();
                alarms += u64::from(rise(poisson(&mut seed, mean), &weeks).is_some());
            }
            let share = alarms as f64 / TRIALS as f64;
            println!("mean {mean}: {share:.5} false alarms");
            // 0.001 and three standard deviations of what is counted.
            assert!(
                share <= CHANCE_MAX + 3.0 * (CHANCE_MAX / TRIALS as f64).sqrt(),
                "{mean}: {share}"
            );
        }
    }
}
