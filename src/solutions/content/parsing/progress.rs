//! Progress of reading: the share of the content that has been read, told in steps.

/// Progress is told no more often than after so many bytes, and about fifty times in all.
const MIN_STEP_BYTES: usize = 256 * 1024;
const STEPS: usize = 50;

/// Tells a listener, in thousandths, how far reading has come; it never goes back.
pub(super) struct Progress<'a> {
    tell: &'a dyn Fn(u32),
    content_bytes: usize,
    total_bytes: usize,
    /// Read in the passes before this one.
    before: usize,
    next: usize,
}

impl<'a> Progress<'a> {
    /// For content that is read in so many passes.
    pub fn new(tell: &'a dyn Fn(u32), content_bytes: usize, passes: usize) -> Self {
        let mut progress = Self {
            tell,
            content_bytes,
            total_bytes: content_bytes.saturating_mul(passes),
            before: 0,
            next: 0,
        };
        progress.next = progress.step();
        progress
    }

    fn step(&self) -> usize {
        (self.total_bytes / STEPS).max(MIN_STEP_BYTES)
    }

    /// This pass has come to `offset`.
    pub fn at(&mut self, offset: usize) {
        let done = self.before + offset;
        if done < self.next {
            return;
        }
        self.next = done + self.step();
        let thousandths = done.saturating_mul(1_000) / self.total_bytes.max(1);
        (self.tell)(u32::try_from(thousandths).unwrap_or(1_000).min(1_000));
    }

    /// The next pass begins.
    pub fn next_pass(&mut self) {
        self.before += self.content_bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn progress_is_told_in_steps_over_all_passes() {
        let told = RefCell::new(Vec::new());
        let tell = |thousandths| told.borrow_mut().push(thousandths);
        let bytes = 100 * MIN_STEP_BYTES;
        let mut progress = Progress::new(&tell, bytes, 2);
        for pass in 0..2 {
            if pass == 1 {
                progress.next_pass();
            }
            for offset in (0..=bytes).step_by(1_024) {
                progress.at(offset);
            }
        }
        let told = told.into_inner();
        assert!(told.is_sorted() && told.len() == STEPS, "{told:?}");
        assert_eq!(told.last(), Some(&1_000));
    }

    #[test]
    fn little_content_tells_nothing() {
        let tell = |_| panic!("told");
        let mut progress = Progress::new(&tell, 1_000, 2);
        progress.at(1_000);
        progress.next_pass();
        progress.at(1_000);
    }
}
