//! A destination that takes little, and does not say that it is sent too much: whose mail mostly meets 4yz replies.

/// So many more messages that were deferred than half of those taken: then it is time to ease off.
const RUN: u32 = 20;
/// A message that was taken makes up for so many.
const MAKES_UP_FOR: u32 = 2;

/// How reluctant it is. Where a third of its mail is taken it never comes to anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Reluctance {
    score: u32,
}

impl Reluctance {
    /// A message was taken, or refused for good.
    pub fn took(&mut self) {
        self.score = self.score.saturating_sub(MAKES_UP_FOR);
    }

    /// A message was deferred. True: it is time to ease off, and the count begins anew.
    pub fn deferred(&mut self) -> bool {
        self.score += 1;
        if self.score < RUN {
            return false;
        }
        self.score = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_destination_that_takes_less_than_a_third_is_reluctant() {
        for (taken_of_ten, is_reluctant) in [(0, true), (2, true), (4, false), (9, false)] {
            let mut reluctance = Reluctance::default();
            let mut eased = 0;
            for n in 0..1000 {
                match n % 10 < taken_of_ten {
                    true => reluctance.took(),
                    false => eased += u32::from(reluctance.deferred()),
                }
            }
            assert_eq!(eased > 0, is_reluctant, "{taken_of_ten} of ten: {eased}");
        }
    }
}
