//! What is true: the world, read once into plain data. Nothing here decides and nothing here changes anything.

pub(crate) mod caches;
pub(crate) mod cargo_config;
pub(crate) mod changes;
pub(crate) mod common;
pub(crate) mod config_files;
pub(crate) mod donors;
pub(crate) mod editors;
pub(crate) mod elf;
pub(crate) mod file_system;
pub(crate) mod git;
pub(crate) mod host;
pub(crate) mod installers;
pub(crate) mod lanes;
pub(crate) mod link;
pub(crate) mod linkers;
pub(crate) mod machine;
pub(crate) mod outputs;
pub(crate) mod packages;
pub(crate) mod progress;
pub(crate) mod repo;
pub(crate) mod reruns;
pub(crate) mod sources;
pub(crate) mod toolchain;
pub(crate) mod tools;
pub(crate) mod units;
pub(crate) mod wrappers;
