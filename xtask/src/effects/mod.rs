//! What happens: each effect has one door. `shell` starts processes, `disk` changes files, `ui` speaks.

pub(crate) mod disk;
pub(crate) mod shell;
pub(crate) mod ui;
