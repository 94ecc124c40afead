//! What is true: the world, read once into plain data. Nothing here decides and nothing here changes anything.

pub(crate) mod caches;
pub(crate) mod cargo_config;
pub(crate) mod changes;
pub(crate) mod common;
pub(crate) mod donors;
pub(crate) mod elf;
pub(crate) mod host;
pub(crate) mod lanes;
pub(crate) mod outputs;
pub(crate) mod packages;
pub(crate) mod parallel;
pub(crate) mod progress;
pub(crate) mod repo;
pub(crate) mod search;
pub(crate) mod shared_cache;
pub(crate) mod sources;
pub(crate) mod template;
pub(crate) mod texts;
pub(crate) mod tools;
pub(crate) mod tree;
pub(crate) mod units;
