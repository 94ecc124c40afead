//! What there is of permits and memory, and who comes next: bytes of one file, of which each
//! process has some for as long as it lives. The kernel keeps count, so nothing has to be tidied
//! up.
//!
//! ```text
//! byte 0              the next number of each queue is drawn under this lock
//! from PERMITS        one for each permit, the express ones behind the others
//! from BLOCKS         one for each block of memory
//! from a queue on     one for each number that somebody waits with
//! ```
//! In the file itself are the next number of each queue, eight bytes each.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::limits::{BLOCKS_MAX, Limits, PERMITS_MAX};
use crate::files::lock::{self, bytes};
use crate::files::{self, positioned};

const PERMITS: u64 = 1 << 12;
const EXPRESS: u64 = PERMITS + PERMITS_MAX;
const BLOCKS: u64 = 1 << 20;

/// How long it may take to draw a number.
const DRAWING_MAX: Duration = Duration::from_secs(5);

/// Where a queue's numbers begin: those of another come long after them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Queue {
    /// For an ordinary permit.
    Permit = 0,
    /// For an ordinary one or an express one.
    Express = 1,
    /// For memory.
    Memory = 2,
}

impl Queue {
    pub const ALL: [Queue; 3] = [Queue::Permit, Queue::Express, Queue::Memory];

    pub(super) fn numbers(self) -> Range<u64> {
        const SIZE: u64 = 1 << 40;
        let index = self as u64 + 1;
        index * SIZE..(index + 1) * SIZE
    }
}

/// Which bytes stand for permits, with the express ones, and which for memory.
pub(super) const PERMIT_BYTES: Range<u64> = PERMITS..EXPRESS + PERMITS_MAX;
pub(super) const BLOCK_BYTES: Range<u64> = BLOCKS..BLOCKS + BLOCKS_MAX;

pub struct Pool {
    pub(super) file: File,
}

impl Pool {
    pub fn open(path: &Path) -> io::Result<Pool> {
        path.parent().map_or(Ok(()), files::make_private_dir)?;
        let file = files::open_own(OpenOptions::new().read(true).write(true), path)?;
        Ok(Pool { file })
    }

    /// Takes a permit. `false` after `patience`.
    ///
    /// # Errors
    ///
    /// When the file system knows no such locks.
    pub fn take(
        &self,
        queue: Queue,
        patience: Duration,
        limits: impl FnMut() -> Limits,
        waits: impl FnMut(Duration) -> bool,
    ) -> io::Result<bool> {
        // There is one at least, whatever the machine has: asking that takes longer than this.
        let first = if queue == Queue::Express { EXPRESS } else { PERMITS };
        let first = first..first + 1;
        if !bytes::is_taken(&self.file, &queue.numbers())? && bytes::try_take(&self.file, &first)? {
            return Ok(true);
        }
        let express = if queue == Queue::Express { u64::MAX } else { 0 };
        self.in_turn(queue, patience, limits, waits, |limits| {
            let express = EXPRESS..EXPRESS + limits.express.min(express);
            // The others are left to builds as long as there is one for checks alone.
            let mut all = express.chain(PERMITS..PERMITS + limits.permits);
            all.try_fold(false, |done, at| Ok(done || bytes::try_take(&self.file, &(at..at + 1))?))
        })
    }

    /// Takes memory, or all of it where there is less. `false` after `patience`.
    ///
    /// # Errors
    ///
    /// As of [`Pool::take`].
    pub fn take_memory(
        &self,
        blocks: u64,
        patience: Duration,
        limits: impl FnMut() -> Limits,
        waits: impl FnMut(Duration) -> bool,
    ) -> io::Result<bool> {
        self.in_turn(Queue::Memory, patience, limits, waits, |limits| {
            let mut missing = blocks.min(limits.blocks);
            for at in BLOCKS..BLOCKS + limits.blocks {
                if missing > 0 && bytes::try_take(&self.file, &(at..at + 1))? {
                    missing -= 1;
                }
            }
            if missing > 0 {
                bytes::give_back(&self.file, &(BLOCKS..BLOCKS + limits.blocks))?;
            }
            Ok(missing == 0)
        })
    }

    /// Calls `attempt` until it has what it wants, once all have gone that came before, or `waits`
    /// says that they do nothing.
    fn in_turn(
        &self,
        queue: Queue,
        patience: Duration,
        mut limits: impl FnMut() -> Limits,
        mut waits: impl FnMut(Duration) -> bool,
        mut attempt: impl FnMut(Limits) -> io::Result<bool>,
    ) -> io::Result<bool> {
        const PAUSE: Duration = Duration::from_millis(5);
        const PAUSE_BEHIND: Duration = Duration::from_millis(25);
        let numbers = queue.numbers();
        if !bytes::is_taken(&self.file, &numbers)? && attempt(limits())? {
            return Ok(true);
        }
        let number = self.draw(queue)?;
        let begun = Instant::now();
        let mut may_pass = false;
        let has_it = loop {
            let is_behind = number > numbers.start
                && !may_pass
                && bytes::is_taken(&self.file, &(numbers.start..number))?;
            if !is_behind && attempt(limits())? {
                break true;
            }
            if begun.elapsed() >= patience {
                break false;
            }
            may_pass = waits(begun.elapsed());
            std::thread::sleep(if is_behind { PAUSE_BEHIND } else { PAUSE });
        };
        bytes::give_back(&self.file, &(number..number + 1))?;
        Ok(has_it)
    }

    /// The next number of a queue, which this process has from now on.
    fn draw(&self, queue: Queue) -> io::Result<u64> {
        let at = 8 * queue as u64;
        lock::wait_for(Path::new("the queue"), DRAWING_MAX, || {
            bytes::try_take(&self.file, &(0..1))
        })?;
        let numbers = queue.numbers();
        let next = positioned::read_u64(&self.file, at).unwrap_or_default();
        let number = numbers.start + next % (numbers.end - numbers.start);
        let drawn = positioned::write_u64(&self.file, at, next + 1)
            .and_then(|()| bytes::try_take(&self.file, &(number..number + 1)));
        bytes::give_back(&self.file, &(0..1))?;
        drawn.map(|_| number)
    }

    /// Keeps what was taken for the program that this process becomes.
    pub fn keep(&self) -> io::Result<()> {
        bytes::keep(&self.file)
    }
}

/// The file of this user's permits on this machine. Not named after the session or the shell, which
/// may have a `TMPDIR` of its own: an agent and its user have the same permits.
pub fn place(env: &crate::environment::Environment) -> PathBuf {
    match env.get(super::FILE_VARIABLE) {
        Some(file) => file.into(),
        None => crate::environment::machine_dir().join("permits"),
    }
}
