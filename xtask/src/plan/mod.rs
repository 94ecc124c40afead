//! What follows: pure functions from facts to plans. No file, process, clock or variable is touched in here.

pub(crate) mod affected;
pub(crate) mod cache;
pub(crate) mod cold;
pub(crate) mod completion;
pub(crate) mod cranelift;
pub(crate) mod crate_source;
pub(crate) mod dep_graph;
pub(crate) mod doctor;
pub(crate) mod editor;
pub(crate) mod fork;
pub(crate) mod hook;
pub(crate) mod lane;
pub(crate) mod linkers;
pub(crate) mod local_config;
pub(crate) mod passthrough;
pub(crate) mod recipe;
pub(crate) mod shared_cache;
pub(crate) mod stats;
pub(crate) mod surroundings;
pub(crate) mod test_steps;
pub(crate) mod tools;
pub(crate) mod verify;
