//! Processes as only these verbs need them: asked with a limit, followed, timed, killed.

mod ask;
#[cfg(feature = "analyze")]
mod group;
mod listen;
mod measure;

pub(crate) use ask::{Answer, Asker, Silence};
#[cfg(feature = "analyze")]
pub(crate) use group::{Ended, Slot, Wish, run_in_group};
pub(crate) use listen::listen;
pub(crate) use measure::{measure, processor_seconds};
