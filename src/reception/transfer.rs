//! Content over the wire: DATA and BDAT, and how long they may take.
//!
//! Whatever is wrong with a message, its octets are read to their end before it is refused: a peer
//! in the middle of content hears nothing, and what we did not read we would take for commands.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::content::Collector;
use super::dots::Dots;
use super::error::{Ended, Refusal};
use super::settings::Limits;
use crate::net::lines::Lines;
use crate::net::listen::Seat;

/// How fast content comes.
pub(super) struct Pace {
    start: Instant,
    received: u64,
}

impl Pace {
    /// Starts to count.
    pub fn start() -> Self {
        Self { start: Instant::now(), received: 0 }
    }

    /// By when more must come: the average over all of the message counts, so that a peer cannot
    /// hold memory by sending an octet now and then.
    pub fn deadline(&self, limits: &Limits) -> Instant {
        let earned = Duration::from_secs(self.received / limits.content_rate.max(1));
        self.start + limits.content.min(limits.content_grace + earned)
    }

    fn count(&mut self, octets: usize) {
        self.received += octets as u64;
    }
}

/// A peer sending content.
pub(super) struct Transfer<'a> {
    pub lines: &'a mut Lines,
    pub seat: &'a Seat,
    pub limits: &'a Limits,
}

impl Transfer<'_> {
    /// Reads the content that follows DATA's 354, up to its end.
    pub async fn data(&mut self, collector: &mut Collector) -> Result<(), Ended> {
        let (mut dots, mut pace) = (Dots::new(), Pace::start());
        loop {
            let input = self.lines.buffered();
            collector.make_room(input.len()).await;
            let decoded = dots.decode(input, |octets| collector.push(octets));
            self.lines.wipe(decoded.used);
            if dots.smuggling() {
                collector.refuse(Refusal::Smuggling);
            }
            if decoded.ended {
                return Ok(());
            }
            self.fill(&mut pace).await?;
        }
    }

    /// Reads the `size` octets that follow BDAT.
    pub async fn chunk(
        &mut self,
        size: u64,
        collector: &mut Collector,
        pace: &mut Pace,
    ) -> Result<(), Ended> {
        let mut left = size;
        while left > 0 {
            let input = self.lines.buffered();
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
            collector.make_room(piece).await;
            collector.push(&input[..piece]);
            self.lines.wipe(piece);
            left -= piece as u64;
            if left > 0 {
                self.fill(pace).await?;
            }
        }
        Ok(())
    }

    /// Reads and drops the `size` octets that follow a BDAT out of order (RFC 3030 §2).
    pub async fn drop_chunk(&mut self, size: u64) -> Result<(), Ended> {
        let (mut left, mut pace) = (size, Pace::start());
        loop {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(self.lines.buffered().len());
            self.lines.wipe(piece);
            left -= piece as u64;
            if left == 0 {
                return Ok(());
            }
            self.fill(&mut pace).await?;
        }
    }

    async fn fill(&mut self, pace: &mut Pace) -> Result<(), Ended> {
        let before = self.lines.buffered().len();
        tokio::select! {
            biased;
            () = self.seat.evicted() => return Err(Ended::Evicted),
            () = sleep_until(pace.deadline(self.limits)) => return Err(Ended::Slow),
            filled = self.lines.fill() => filled?,
        }
        pace.count(self.lines.buffered().len() - before);
        Ok(())
    }
}
