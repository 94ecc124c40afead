//! The variables that configure sccache: those of the user's environment and of `[env]` in cargo's
//! configuration, and our defaults behind them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::environment::Environment;
use crate::lanes::short_hash;
use crate::project::shared_program::runner_variable;

/// Which parts of the cache are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CacheReach {
    /// The disk of this machine and the remote storage.
    All,
    /// Only the remote storage, to find out whether it works.
    Remote,
    /// Only the disk of this machine.
    Local,
    /// None.
    Off,
}

/// sccache's variables and their values, ours among them.
#[derive(Debug, Default)]
pub struct Variables(BTreeMap<String, String>);

/// The tiers in which an entry is looked for, the first one first.
const TIERS: &str = "SCCACHE_MULTILEVEL_CHAIN";

/// As much as a project of some hundred dependencies fills in months; sccache's own default of 10
/// GB lasts for a week of several branches.
const CACHE_SIZE: &str = "50G";

/// The compression level of a cache that is on the local disk alone: half the processor time of
/// sccache's own level for a tenth more space (docs/measurements/cache.md).
const COMPRESSION_LEVEL: &str = "1";

/// sccache refuses to work with the first two, and units with an incremental cache are not handed
/// to it. The others name open files, which its server would keep open for as long as it lives.
const UNSET: [&str; 5] =
    ["CARGO_INCREMENTAL", "CARGO_BUILD_INCREMENTAL", "CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"];

impl Variables {
    /// `configured` is `[env]` of cargo's configuration. A process that cargo has started already
    /// has it in its environment.
    pub fn new(env: &Environment, configured: &BTreeMap<String, String>) -> Variables {
        let own = env.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        let configured = configured.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Variables::with_defaults(configured.chain(own), env.cache_home().as_deref())
    }

    /// Of two values of one name the later one counts.
    fn with_defaults<'a>(
        set: impl Iterator<Item = (&'a str, &'a str)>,
        cache_home: Option<&Path>,
    ) -> Variables {
        let set = set.filter(|(name, _)| name.starts_with("SCCACHE_") || name.starts_with("AWS_"));
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut variables = Variables(set.collect());
        let has_remote = variables.has_remote();
        let mut default = |name: &str, value: &str| {
            variables.0.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        };
        if let Some(home) = cache_home {
            default("SCCACHE_DIR", &home.join("multilane").join("sccache").to_string_lossy());
        }
        default("SCCACHE_CACHE_SIZE", CACHE_SIZE);
        // An entry that cannot be stored in a tier is no reason to fail.
        default("SCCACHE_MULTILEVEL_WRITE_ERROR_POLICY", "ignore");
        if !has_remote {
            default("SCCACHE_CACHE_ZSTD_LEVEL", COMPRESSION_LEVEL);
        }
        variables
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// How a build may use the cache, the best first.
    pub fn reaches(&self) -> &'static [CacheReach] {
        if self.has_remote() { &[CacheReach::All, CacheReach::Local] } else { &[CacheReach::Local] }
    }

    /// Whether nothing is added to the remote storage.
    pub fn is_read_only(&self) -> bool {
        self.0.iter().any(|(name, value)| {
            name.ends_with("_RW_MODE") && value.eq_ignore_ascii_case("READ_ONLY")
        })
    }

    fn has_remote(&self) -> bool {
        self.0.keys().any(|name| is_remote(name))
    }

    /// The environment of an sccache that reaches this far: values to set, and names to unset.
    pub fn of_reach(&self, reach: CacheReach) -> Vec<(String, Option<String>)> {
        let has_remote = matches!(reach, CacheReach::All | CacheReach::Remote);
        let value = |name: &str, value: &str| match reach {
            CacheReach::Remote if name == TIERS => {
                let is_remote = |tier: &&str| !tier.eq_ignore_ascii_case("disk");
                let tiers: Vec<&str> = value.split(',').map(str::trim).filter(is_remote).collect();
                Some(tiers.join(","))
            }
            _ => (has_remote || !is_remote(name)).then(|| value.to_owned()),
        };
        let own = self.0.iter().map(|(name, text)| (name.clone(), value(name, text)));
        // It would make another key for what a verb compiles that runs tests.
        let unset = UNSET.map(str::to_owned).into_iter().chain([runner_variable()]);
        own.chain(unset.map(|name| (name, None))).collect()
    }

    /// Tells servers apart: with other settings, or with another `view` of the file system, another
    /// server has to be used. The name can be seen by all users, so it holds nothing of a secret.
    pub fn server_name(&self, view: &str) -> String {
        let open = self.0.iter().filter(|(name, _)| !is_secret(name));
        short_hash(open.flat_map(|(name, value)| [name.as_str(), value]).chain([view]))
    }
}

/// Whether a variable of sccache configures a storage that is not on this machine.
fn is_remote(name: &str) -> bool {
    const STORAGES: [&str; 13] = [
        "REDIS",
        "BUCKET",
        "ENDPOINT",
        "REGION",
        "S3_",
        "MEMCACHED",
        "GCS_",
        "AZURE_",
        "GHA_",
        "WEBDAV_",
        "OSS_",
        "COS_",
        "MULTILEVEL_CHAIN",
    ];
    name.strip_prefix("SCCACHE_")
        .is_some_and(|rest| STORAGES.iter().any(|storage| rest.starts_with(storage)))
}

/// `SCCACHE_REDIS` and `SCCACHE_MEMCACHED` are URLs, which may have a password in them.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 5] = ["PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "CONNECTION_STRING"];
    WORDS.iter().any(|word| name.contains(word))
        || ["SCCACHE_REDIS", "SCCACHE_MEMCACHED", "AWS_ACCESS_KEY_ID"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(set: &[(&str, &str)]) -> Variables {
        Variables::with_defaults(set.iter().copied(), Some(Path::new("/caches")))
    }

    const BOTH: [(&str, &str); 4] = [
        (TIERS, "disk, redis"),
        ("SCCACHE_REDIS_ENDPOINT", "redis://there"),
        ("SCCACHE_DIR", "/own"),
        ("HOME", "/h"),
    ];

    #[track_caller]
    fn check(set: &[(&str, &str)], reach: CacheReach, expected: &[&str]) {
        let mut found = Vec::new();
        for (name, value) in variables(set).of_reach(reach) {
            let is_cargos = name.starts_with("CARGO_") || name.starts_with("M");
            if !is_cargos && !name.ends_with("ERROR_POLICY") {
                let name = name.trim_start_matches("SCCACHE_");
                found.push(value.map_or(format!("-{name}"), |value| format!("{name}={value}")));
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_set_has_defaults() {
        let dir = Path::new("/caches").join("multilane").join("sccache");
        let dir = format!("DIR={}", dir.display());
        check(&[], CacheReach::Local, &["CACHE_SIZE=50G", "CACHE_ZSTD_LEVEL=1", &dir]);
        assert_eq!(variables(&[]).reaches(), [CacheReach::Local]);
        let small = [("SCCACHE_CACHE_SIZE", "1G"), ("SCCACHE_CACHE_SIZE", "2G")];
        assert_eq!(variables(&small).get("SCCACHE_CACHE_SIZE"), Some("2G"));
    }

    #[test]
    fn each_part_can_be_used_alone() {
        let (tiers, redis) = ("MULTILEVEL_CHAIN=disk, redis", "REDIS_ENDPOINT=redis://there");
        check(&BOTH, CacheReach::All, &["CACHE_SIZE=50G", "DIR=/own", tiers, redis]);
        let remote = ["CACHE_SIZE=50G", "DIR=/own", "MULTILEVEL_CHAIN=redis", redis];
        check(&BOTH, CacheReach::Remote, &remote);
        let local = ["CACHE_SIZE=50G", "DIR=/own", "-MULTILEVEL_CHAIN", "-REDIS_ENDPOINT"];
        check(&BOTH, CacheReach::Local, &local);
        assert_eq!(variables(&BOTH).reaches(), [CacheReach::All, CacheReach::Local]);
        assert!(!variables(&BOTH).is_read_only());
        assert!(variables(&[("SCCACHE_GCS_RW_MODE", "READ_ONLY")]).is_read_only());
    }

    #[test]
    fn other_settings_and_another_view_have_another_server() {
        let name = |more: &[(&str, &str)], view: &str| {
            variables(&[&BOTH[..], more].concat()).server_name(view)
        };
        let usual = name(&[], "mnt:1");
        assert_ne!(usual, name(&[], "mnt:2"));
        assert_ne!(usual, name(&[("SCCACHE_DIR", "/other")], "mnt:1"));
        assert_eq!(usual, name(&[("SCCACHE_REDIS_PASSWORD", "x")], "mnt:1"));
    }
}
