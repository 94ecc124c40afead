//! Processes as only these verbs need them: asked with a limit, followed, timed.

mod ask;
mod listen;
mod measure;

pub(crate) use ask::{Answer, Asker, Silence};
pub(crate) use listen::listen;
pub(crate) use measure::{measure, processor_seconds};
