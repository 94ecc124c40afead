//! The shared cache, sccache: what it is told, and when a build goes on without it.
//!
//! Not the incremental cache of one crate, which `plan/cache.rs` is about.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use toml_edit::{Item, TableLike};

use crate::lanes::hex;
use crate::project::toolchain::Version;

/// What a project says in `[workspace.metadata.xtask.cache]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Keeps this project's entries apart from others'. Without one, all projects of a user share
    /// one local cache.
    namespace: Option<String>,
    /// What the local part may take, as sccache writes it: `50G`.
    size: Option<String>,
    redis: Option<Endpoint>,
    s3: Option<S3>,
    /// Takes from the remote part, adds nothing to it.
    read_only: bool,
}

/// `redis://host:port/db`, without a name or a password in it.
#[derive(Clone, Debug, PartialEq)]
struct Endpoint {
    url: String,
    host: String,
    database: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct S3 {
    bucket: String,
    /// `None`: Amazon's own.
    endpoint: Option<String>,
    region: Option<String>,
    prefix: Option<String>,
    is_encrypted: bool,
    host: String,
}

/// As much as a project of some hundred dependencies fills in months; sccache's own default of 10
/// GB is gone in a week of several branches.
const SIZE: &str = "50G";

/// How much is compressed what goes no further than this machine's disk: half the processor time of
/// sccache's own level, for a tenth more room (docs/measurements/cache.md). A network is slower
/// than that.
const LEVEL: &str = "1";

impl Settings {
    /// # Errors
    ///
    /// When a key is unknown or has the wrong type, or would put a secret into the repository. The
    /// text repeats no value.
    pub fn read(item: &Item) -> anyhow::Result<Settings> {
        let table = item.as_table_like().context("cache is not a table")?;
        only(table, "", &["namespace", "size", "redis", "s3", "read-only"])?;
        let settings = Settings {
            namespace: text(table, "namespace")?,
            size: text(table, "size")?,
            redis: text(table, "redis")?.map(|url| redis(&url)).transpose()?,
            s3: table.get("s3").map(s3).transpose()?,
            read_only: match table.get("read-only") {
                None => false,
                Some(value) => value.as_bool().context("read-only is not true or false")?,
            },
        };
        if let Some(namespace) = &settings.namespace {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            ensure!(
                !namespace.starts_with('.')
                    && !namespace.is_empty()
                    && namespace.chars().all(is_plain),
                "namespace may have letters, digits, `-`, `_` and `.` in it, and is part of a path"
            );
        }
        ensure!(
            settings.namespace.is_some() || (settings.redis.is_none() && settings.s3.is_none()),
            "a cache that other projects may use as well needs a namespace for this one"
        );
        Ok(settings)
    }

    /// The variables that sccache gets. `home` is where the user's caches are.
    pub fn setup(&self, home: &Path) -> Setup {
        let mut local = Vec::new();
        let mut remote = Vec::new();
        let set = |list: &mut Vec<(String, String)>, name: &str, value: &str| {
            list.push((name.to_owned(), value.to_owned()));
        };
        let folder = match &self.namespace {
            Some(namespace) => home.join("multilane/sccache-of").join(namespace),
            None => home.join("multilane/sccache"),
        };
        set(&mut local, "SCCACHE_DIR", &folder.to_string_lossy());
        set(&mut local, "SCCACHE_CACHE_SIZE", self.size.as_deref().unwrap_or(SIZE));
        if self.redis.is_none() && self.s3.is_none() {
            set(&mut local, "SCCACHE_CACHE_ZSTD_LEVEL", LEVEL);
        }

        let namespace = self.namespace.as_deref().unwrap_or_default();
        let mode = if self.read_only { "READ_ONLY" } else { "READ_WRITE" };
        let mut chain = vec!["disk"];
        let mut hosts = Vec::new();
        if let Some(redis) = &self.redis {
            chain.push("redis");
            hosts.push(redis.host.clone());
            set(&mut remote, "SCCACHE_REDIS_ENDPOINT", &redis.url);
            set(&mut remote, "SCCACHE_REDIS_KEY_PREFIX", namespace);
            set(&mut remote, "SCCACHE_REDIS_RW_MODE", mode);
            if let Some(database) = &redis.database {
                set(&mut remote, "SCCACHE_REDIS_DB", database);
            }
        }
        if let Some(s3) = &self.s3 {
            chain.push("s3");
            hosts.push(s3.host.clone());
            let prefix = match &s3.prefix {
                Some(prefix) => format!("{}/{namespace}", prefix.trim_matches('/')),
                None => namespace.to_owned(),
            };
            set(&mut remote, "SCCACHE_BUCKET", &s3.bucket);
            set(&mut remote, "SCCACHE_S3_KEY_PREFIX", &prefix);
            set(&mut remote, "SCCACHE_S3_RW_MODE", mode);
            set(&mut remote, "SCCACHE_S3_USE_SSL", if s3.is_encrypted { "true" } else { "false" });
            for (name, value) in
                [("SCCACHE_ENDPOINT", &s3.endpoint), ("SCCACHE_REGION", &s3.region)]
            {
                value.iter().for_each(|value| set(&mut remote, name, value));
            }
        }
        if chain.len() > 1 {
            set(&mut remote, "SCCACHE_MULTILEVEL_CHAIN", &chain.join(","));
            // What cannot be stored remotely is no reason to fail.
            set(&mut remote, "SCCACHE_MULTILEVEL_WRITE_ERROR_POLICY", "ignore");
        }
        local.sort(); // As they will be read again.
        remote.sort();
        Setup { local, remote, hosts, ..Setup::default() }
    }
}

fn only(table: &dyn TableLike, of: &str, known: &[&str]) -> anyhow::Result<()> {
    match table.iter().find(|(key, _)| !known.contains(key)) {
        None => Ok(()),
        Some((key, _)) if is_secret(key) => {
            bail!(
                "{of}{key}: secrets belong into the environment, where sccache reads them, and not into the repository"
            )
        }
        Some((key, _)) => bail!("{of}{key} is not known; there are {}", known.join(", ")),
    }
}

fn text(table: &dyn TableLike, key: &str) -> anyhow::Result<Option<String>> {
    match table.get(key) {
        None => Ok(None),
        Some(value) => {
            Ok(Some(value.as_str().with_context(|| format!("{key} is not a string"))?.to_owned()))
        }
    }
}

fn redis(url: &str) -> anyhow::Result<Endpoint> {
    let encrypted = url.strip_prefix("rediss://");
    let Some(rest) = encrypted.or_else(|| url.strip_prefix("redis://")) else {
        bail!("redis is not a URL that begins with redis:// or rediss://");
    };
    ensure!(
        !rest.contains(['@', '?', '#']),
        "redis holds a name, a password or options\nhelp: take them out, \
         and set SCCACHE_REDIS_USERNAME and SCCACHE_REDIS_PASSWORD in the environment"
    );
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    ensure!(
        path.bytes().all(|digit| digit.is_ascii_digit()),
        "redis: behind the slash stands a number, that of the database"
    );
    let scheme = if encrypted.is_some() { "rediss" } else { "redis" };
    let host = with_port(authority, 6379)?;
    Ok(Endpoint {
        url: format!("{scheme}://{host}"),
        host,
        database: (!path.is_empty()).then(|| path.to_owned()),
    })
}

fn s3(item: &Item) -> anyhow::Result<S3> {
    let table = item.as_table_like().context("s3 is not a table")?;
    only(table, "s3.", &["bucket", "endpoint", "region", "prefix"])?;
    let (endpoint, region) = (text(table, "endpoint")?, text(table, "region")?);
    let plain = endpoint.as_ref().and_then(|url| url.strip_prefix("http://"));
    let host = match (&endpoint, &region) {
        (Some(url), _) => {
            let rest =
                plain.or_else(|| url.strip_prefix("https://")).unwrap_or(url).trim_end_matches('/');
            ensure!(
                !rest.contains(['@', '?', '#']),
                "s3.endpoint holds more than a host and a port\nhelp: take it out, \
                 and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
            );
            with_port(
                rest.split('/').next().unwrap_or_default(),
                if plain.is_some() { 80 } else { 443 },
            )?
        }
        (None, Some(region)) => format!("s3.{region}.amazonaws.com:443"),
        (None, None) => bail!("s3 needs an endpoint, or the region of Amazon's"),
    };
    Ok(S3 {
        bucket: text(table, "bucket")?.context("s3 needs a bucket")?,
        is_encrypted: plain.is_none(),
        prefix: text(table, "prefix")?,
        endpoint,
        region,
        host,
    })
}

fn with_port(authority: &str, usual: u16) -> anyhow::Result<String> {
    ensure!(!authority.is_empty(), "a URL names no host");
    let after_address = authority.rsplit(']').next().unwrap_or_default(); // `[::1]:6379`
    Ok(if after_address.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:{usual}")
    })
}

/// What the wrapper's folder holds of the shared cache: which sccache, and what it is told. Nothing
/// in it is secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    pub program: PathBuf,
    /// Size and time of the program, which another one does not have.
    pub state: String,
    /// Why it cannot be used.
    pub unusable: Option<String>,
    local: Vec<(String, String)>,
    remote: Vec<(String, String)>,
    /// `host:port` of what is not on this machine.
    pub hosts: Vec<String>,
}

impl Setup {
    pub fn of_program(self, program: PathBuf, state: String, unusable: Option<String>) -> Setup {
        Setup { program, state, unusable, ..self }
    }

    pub fn to_text(&self) -> String {
        let pairs = |list: &[(String, String)]| -> Value {
            list.iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect::<Map<_, _>>()
                .into()
        };
        let setup = json!({
            "program": self.program.to_string_lossy(),
            "state": self.state,
            "unusable": self.unusable,
            "local": pairs(&self.local),
            "remote": pairs(&self.remote),
            "hosts": self.hosts,
        });
        format!("{setup:#}\n")
    }

    pub fn from_text(text: &str) -> Option<Setup> {
        let setup: Value = serde_json::from_str(text).ok()?;
        let pairs = |key: &str| -> Option<Vec<(String, String)>> {
            let pair =
                |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            setup[key].as_object()?.iter().map(pair).collect()
        };
        Some(Setup {
            program: setup["program"].as_str()?.into(),
            state: setup["state"].as_str()?.to_owned(),
            unusable: setup["unusable"].as_str().map(str::to_owned),
            local: pairs("local")?,
            remote: pairs("remote")?,
            hosts: setup["hosts"]
                .as_array()?
                .iter()
                .filter_map(|host| Some(host.as_str()?.to_owned()))
                .collect(),
        })
    }

    /// What differs in sccache's environment from the user's, `own`. What the user has set goes
    /// before what the project says.
    pub fn changes(&self, way: Way, own: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        const CHAIN: &str = "SCCACHE_MULTILEVEL_CHAIN";
        let is_set = |name: &str| own.iter().any(|(own, _)| *own == name);
        let goes_beyond = matches!(way, Way::Whole | Way::Beyond);
        let remote = self.remote.iter().filter(|_| goes_beyond);
        let told = self.local.iter().chain(remote).filter(|(name, _)| !is_set(name));
        let unset = own.iter().filter(|(name, _)| !goes_beyond && is_remote(name));
        let unset = unset.map(|(name, _)| ((*name).to_owned(), None));
        let not_for_it = NOT_FOR_SCCACHE.map(|name| (name.to_owned(), None));
        let told = told.map(|(name, value)| (name.clone(), Some(value.clone())));
        let mut changes: Vec<_> = told.chain(unset).chain(not_for_it).collect();
        if way == Way::Beyond {
            let remote = self.remote.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let chain = own.iter().copied().chain(remote).find(|(name, _)| *name == CHAIN);
            let is_beyond = |tier: &&str| !tier.trim().eq_ignore_ascii_case("disk");
            let chain =
                chain.map(|(_, chain)| chain.split(',').filter(is_beyond).collect::<Vec<_>>());
            changes.retain(|(name, _)| name != CHAIN);
            changes.extend(chain.map(|chain| (CHAIN.to_owned(), Some(chain.join(",")))));
        }
        changes
    }

    /// Whether nothing is added to what lies beyond this machine.
    pub fn is_read_only(&self, own: &[(&str, &str)]) -> bool {
        let remote = self.remote.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut all = own.iter().copied().chain(remote);
        all.any(|(name, value)| {
            name.ends_with("_RW_MODE") && value.eq_ignore_ascii_case("READ_ONLY")
        })
    }

    /// The ways in which it can be used, the best first.
    pub fn ways(&self, own: &[(&str, &str)]) -> &'static [Way] {
        if self.unusable.is_some() {
            &[]
        } else if self.hosts.is_empty() && !own.iter().any(|(name, _)| is_remote(name)) {
            &[Way::Local]
        } else {
            &[Way::Whole, Way::Local]
        }
    }
}

/// With the first two sccache refuses to work, and they are not meant for units that have no
/// incremental cache anyway. The others name open files, which would stay open for as long as its
/// server lives.
const NOT_FOR_SCCACHE: [&str; 5] =
    ["CARGO_INCREMENTAL", "CARGO_BUILD_INCREMENTAL", "CARGO_MAKEFLAGS", "MAKEFLAGS", "MFLAGS"];

/// Whether a variable of sccache's leads beyond this machine.
fn is_remote(name: &str) -> bool {
    const STARTS: [&str; 13] = [
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
        "MULTILEVEL_",
    ];
    name.strip_prefix("SCCACHE_")
        .is_some_and(|rest| STARTS.iter().any(|start| rest.starts_with(start)))
}

/// How the shared cache is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// What is on this machine and what is beyond it.
    Whole,
    /// What is beyond it alone, to see whether that works.
    Beyond,
    Local,
    /// Not at all.
    Off,
}

impl Way {
    /// How builds may use it.
    const ALL: [(Way, &str); 3] = [(Way::Whole, "whole"), (Way::Local, "local"), (Way::Off, "off")];

    pub fn name(self) -> &'static str {
        Way::ALL.iter().find(|(way, _)| *way == self).map_or("", |(_, name)| name)
    }
}

/// What was found out about the cache, and until when that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub way: Way,
    /// What is wrong, where it is not used as it could be.
    pub why: Option<String>,
    pub until: SystemTime,
}

impl Standing {
    /// How long nobody looks again. Also the time for which a cache is left out that has failed:
    /// what it costs to find out is paid once in so long.
    pub const LASTS: Duration = Duration::from_secs(600);

    pub fn new(way: Way, why: Option<String>, now: SystemTime) -> Standing {
        Standing { way, why, until: now + Standing::LASTS }
    }

    /// After `way` has failed.
    pub fn after(way: Way, why: String, now: SystemTime) -> Standing {
        let way = if way == Way::Whole { Way::Local } else { Way::Off };
        Standing::new(way, Some(why), now)
    }

    pub fn to_text(&self) -> String {
        let until = self.until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        json!({ "way": self.way.name(), "why": self.why, "until": until }).to_string()
    }

    /// Whether it still counts or not.
    pub fn from_text(text: &str) -> Option<Standing> {
        let value: Value = serde_json::from_str(text).ok()?;
        let (way, _) = Way::ALL.into_iter().find(|(_, name)| value["way"] == *name)?;
        let until = UNIX_EPOCH + Duration::from_secs(value["until"].as_u64()?);
        Some(Standing { way, why: value["why"].as_str().map(str::to_owned), until })
    }

    /// Not for ever, nor if the clock was put back.
    pub fn counts(&self, now: SystemTime) -> bool {
        self.until.duration_since(now).is_ok_and(|left| left <= Standing::LASTS)
    }

    /// One line for whoever builds.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let why = self.why.as_ref()?;
        let minutes = self.until.duration_since(now).unwrap_or_default().as_secs().div_ceil(60);
        let what = match self.way {
            Way::Whole | Way::Beyond => return None,
            Way::Local => "the remote part of the shared cache",
            Way::Off => "the shared cache",
        };
        Some(format!("{what} is left out for {minutes} min: {why}"))
    }
}

/// Tells servers apart: whoever has other settings, or sees other directories, must not get
/// another's. What is secret is left out, for a name is seen by all.
pub fn server_name<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>, view: &str) -> String {
    let mut told: Vec<_> = variables.filter(|(name, _)| !is_secret(name)).collect();
    told.sort_unstable();
    told.dedup();
    let mut hash = Sha256::new();
    for word in told.iter().flat_map(|(name, value)| [*name, *value]).chain([view]) {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize()[..6])
}

/// Whether a variable or a key of this name is likely to hold what nobody should read.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let has = |word: &&str| name.contains(*word);
    ["password", "passwd", "secret", "token", "credential", "connection-string", "access-key"]
        .iter()
        .any(has)
        || name == "sccache-redis"
        || name == "sccache-memcached"
}

/// What somebody else has written, without what may be secret in it: names and passwords in URLs.
pub fn redacted(text: &str) -> String {
    let word = |word: &str| match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &word[..scheme], &word[at..])
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The oldest sccache that can do what is asked of it: tiers came with 0.15, a read-only Redis with
/// 0.16.
pub const VERSION_MIN: Version = Version(0, 16, 0);

/// Why a program that says this of itself is not used.
pub fn unusable(answer: Option<&str>) -> Option<String> {
    let Some(answer) = answer else { return Some("it does not answer `--version`".to_owned()) };
    let version = answer.trim().strip_prefix("sccache ").and_then(|version| {
        let digits = |part: &str| {
            part.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        let mut numbers = version.split('.').map(digits);
        Some(Version(numbers.next()??, numbers.next()??, numbers.next()??))
    });
    match version {
        None => Some("what it says to `--version` is not what sccache says".to_owned()),
        Some(version) if version < VERSION_MIN => {
            Some(format!("it is older than {VERSION_MIN}, `{}`", answer.trim()))
        }
        Some(_) => None,
    }
}

/// What sccache's server has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub requests: u64,
    pub hits: u64,
}

impl Counts {
    /// In the same form, for [`Counts::read`].
    pub fn to_text(self) -> String {
        json!({ "stats": { "compile_requests": self.requests, "cache_hits": { "counts": { "all": self.hits } } } }).to_string()
    }

    /// From `--show-stats --stats-format=json`.
    pub fn read(json: &str) -> Option<Counts> {
        let value: Value = serde_json::from_str(json).ok()?;
        let hits = value["stats"]["cache_hits"]["counts"].as_object()?;
        Some(Counts {
            requests: value["stats"]["compile_requests"].as_u64()?,
            hits: hits.values().filter_map(Value::as_u64).sum(),
        })
    }
}

/// How many units of one build came from the cache, if that can be told: the server counts for all
/// who use it, so only where it was asked as often as this build has asked.
pub fn hits(before: Counts, after: Counts, asked: u64) -> Option<u64> {
    (after.requests.checked_sub(before.requests)? == asked)
        .then(|| after.hits.checked_sub(before.hits))?
}

/// What the cache has brought a user so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Brought {
    pub asked: u64,
    pub hits: u64,
}

impl Brought {
    pub fn plus(self, asked: u64, hits: u64) -> Brought {
        Brought { asked: self.asked + asked, hits: self.hits + hits }
    }

    /// Whether it has cost more than it has saved, as far as that can be told: a crate that is not
    /// in it costs a quarter of what one saves that is (docs/measurements/cache.md), and a cache
    /// that was begun yesterday has had no chance yet.
    pub fn is_too_little(self) -> bool {
        const ENOUGH: u64 = 2000;
        const ONE_IN: u64 = 5;
        self.asked >= ENOUGH && self.hits * ONE_IN < self.asked
    }

    pub fn to_text(self) -> String {
        json!({ "asked": self.asked, "hits": self.hits }).to_string()
    }

    pub fn read(json: &str) -> Option<Brought> {
        let value: Value = serde_json::from_str(json).ok()?;
        Some(Brought { asked: value["asked"].as_u64()?, hits: value["hits"].as_u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> anyhow::Result<Settings> {
        let document: toml_edit::DocumentMut = text.parse().expect("TOML");
        Settings::read(document.get("cache").expect("a table"))
    }

    fn told(text: &str, way: Way, own: &[(&str, &str)]) -> Vec<String> {
        let setup = settings(text).expect("it is right").setup(Path::new("/caches"));
        let changes = setup.changes(way, own).into_iter();
        changes
            .filter(|(name, _)| !NOT_FOR_SCCACHE.contains(&name.as_str()))
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={value}"),
                None => format!("-{name}"),
            })
            .collect()
    }

    #[test]
    fn one_local_cache_unless_a_project_keeps_to_itself() {
        assert_eq!(
            told("[cache]", Way::Whole, &[]),
            [
                "SCCACHE_CACHE_SIZE=50G",
                "SCCACHE_CACHE_ZSTD_LEVEL=1",
                "SCCACHE_DIR=/caches/multilane/sccache"
            ]
        );
        assert_eq!(
            told("cache = { namespace = \"acme\", size = \"5G\" }", Way::Whole, &[]),
            [
                "SCCACHE_CACHE_SIZE=5G",
                "SCCACHE_CACHE_ZSTD_LEVEL=1",
                "SCCACHE_DIR=/caches/multilane/sccache-of/acme"
            ]
        );
    }

    const BOTH: &str = "[cache]\nnamespace = \"acme\"\nredis = \"redis://cache.example.org/2\"\nread-only = true\n\
        s3 = { bucket = \"b\", endpoint = \"http://[::1]:9000\", region = \"x\", prefix = \"/p/\" }\n";

    #[test]
    fn the_remote_part_lies_behind_the_local_one() {
        let told = told(BOTH, Way::Whole, &[]);
        for expected in [
            "SCCACHE_MULTILEVEL_CHAIN=disk,redis,s3",
            "SCCACHE_REDIS_ENDPOINT=redis://cache.example.org:6379",
            "SCCACHE_REDIS_DB=2",
            "SCCACHE_REDIS_KEY_PREFIX=acme",
            "SCCACHE_REDIS_RW_MODE=READ_ONLY",
            "SCCACHE_S3_RW_MODE=READ_ONLY",
            "SCCACHE_S3_USE_SSL=false",
            "SCCACHE_S3_KEY_PREFIX=p/acme",
            "SCCACHE_ENDPOINT=http://[::1]:9000",
        ] {
            assert!(told.iter().any(|told| told == expected), "{expected} is not in {told:#?}");
        }
        assert!(!told.iter().any(|told| told.contains("ZSTD")), "{told:#?}");
        let setup = settings(BOTH).expect("it is right").setup(Path::new("/caches"));
        assert_eq!(setup.hosts, ["cache.example.org:6379", "[::1]:9000"]);
        assert_eq!(Setup::from_text(&setup.to_text()), Some(setup));
    }

    #[test]
    fn what_the_user_has_set_goes_first_but_not_where_the_remote_part_has_failed() {
        let own =
            [("SCCACHE_REDIS_ENDPOINT", "redis://mine"), ("SCCACHE_DIR", "/mine"), ("HOME", "/h")];
        let whole = told(BOTH, Way::Whole, &own);
        assert!(
            !whole
                .iter()
                .any(|told| told.contains("ENDPOINT=redis") || told.contains("SCCACHE_DIR")),
            "{whole:?}"
        );
        assert_eq!(
            told(BOTH, Way::Local, &own),
            ["SCCACHE_CACHE_SIZE=50G", "-SCCACHE_REDIS_ENDPOINT"]
        );
    }

    #[test]
    fn what_lies_beyond_can_be_tried_alone() {
        let chain = |own: &[(&str, &str)]| {
            told(BOTH, Way::Beyond, own)
                .into_iter()
                .filter(|told| told.contains("CHAIN"))
                .collect::<Vec<_>>()
        };
        assert_eq!(chain(&[]), ["SCCACHE_MULTILEVEL_CHAIN=redis,s3"]);
        assert_eq!(
            chain(&[("SCCACHE_MULTILEVEL_CHAIN", "Disk, gcs")]),
            ["SCCACHE_MULTILEVEL_CHAIN= gcs"]
        );
        let setup = |text: &str| settings(text).expect("it is right").setup(Path::new("/caches"));
        assert!(setup(BOTH).is_read_only(&[]));
        let both_ways = setup("cache = { namespace = \"n\", redis = \"redis://host\" }");
        assert!(!both_ways.is_read_only(&[]));
        assert!(both_ways.is_read_only(&[("SCCACHE_GCS_RW_MODE", "READ_ONLY")]));
    }

    #[test]
    fn no_secret_is_taken_from_the_repository_and_none_is_repeated() {
        for text in [
            "cache = { namespace = \"n\", redis = \"redis://:hunter2@host\" }",
            "cache = { namespace = \"n\", redis = \"redis://host?password=hunter2\" }",
            "cache = { namespace = \"n\", redis-password = \"hunter2\" }",
            "cache = { namespace = \"n\", s3 = { bucket = \"b\", secret-access-key = \"hunter2\" } }",
            "cache = { namespace = \"n\", s3 = { bucket = \"b\", endpoint = \"https://a:hunter2@host\" } }",
        ] {
            let said = format!("{:#}", settings(text).expect_err("a secret"));
            assert!(said.contains("environment") && !said.contains("hunter2"), "{said}");
        }
        assert_eq!(redacted("no redis://me:hunter2@host/ at all"), "no redis://…@host/ at all");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("cache = 1", "not a table"),
            ("cache = { dir = \"x\" }", "dir is not known; there are namespace, size,"),
            ("cache = { size = 50 }", "size is not a string"),
            ("cache = { read-only = \"yes\" }", "read-only is not true or false"),
            ("cache = { namespace = \"../x\" }", "namespace may have letters"),
            ("cache = { redis = \"redis://host\" }", "needs a namespace"),
            ("cache = { namespace = \"n\", redis = \"host:1\" }", "begins with redis://"),
            ("cache = { namespace = \"n\", s3 = { bucket = \"b\" } }", "needs an endpoint"),
        ] {
            let said = format!("{:#}", settings(text).expect_err(text));
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_failure_counts_for_a_while_and_then_it_is_tried_again() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let failed = Standing::after(Way::Whole, "it is gone".to_owned(), now);
        assert_eq!(failed.way, Way::Local);
        assert_eq!(Standing::after(Way::Local, String::new(), now).way, Way::Off);
        let text = failed.to_text();
        assert_eq!(Standing::from_text(&text), Some(failed.clone()));
        assert!(failed.counts(now) && !failed.counts(now + Standing::LASTS * 2));
        assert!(!failed.counts(now - Standing::LASTS), "the clock was put back");
        assert_eq!(Standing::from_text("rubbish"), None);
        let warning = failed.warning(now + Duration::from_secs(61)).expect("something is wrong");
        assert_eq!(
            warning,
            "the remote part of the shared cache is left out for 9 min: it is gone"
        );
        assert_eq!(Standing::new(Way::Local, None, now).warning(now), None);
    }

    #[test]
    fn who_sees_other_things_gets_another_server() {
        let name = |told: &[(&str, &str)], view: &str| server_name(told.iter().copied(), view);
        let usual = name(&[("SCCACHE_DIR", "/a"), ("SCCACHE_BUCKET", "b")], "mnt:1");
        assert_eq!(usual, name(&[("SCCACHE_BUCKET", "b"), ("SCCACHE_DIR", "/a")], "mnt:1"));
        assert_ne!(usual, name(&[("SCCACHE_DIR", "/a"), ("SCCACHE_BUCKET", "c")], "mnt:1"));
        assert_ne!(usual, name(&[("SCCACHE_DIR", "/a"), ("SCCACHE_BUCKET", "b")], "mnt:2"));
        let with_secret =
            [("SCCACHE_DIR", "/a"), ("SCCACHE_BUCKET", "b"), ("SCCACHE_REDIS_PASSWORD", "x")];
        assert_eq!(usual, name(&with_secret, "mnt:1"));
    }

    #[test]
    fn an_old_or_strange_program_is_not_used() {
        assert_eq!(unusable(Some("sccache 0.16.0\n")), None);
        assert_eq!(unusable(Some("sccache 1.0.0-rc\n")), None);
        assert_eq!(
            unusable(Some("sccache 0.4.0\n")).as_deref(),
            Some("it is older than 0.16.0, `sccache 0.4.0`")
        );
        assert!(unusable(Some("hello")).is_some() && unusable(None).is_some());
    }

    #[test]
    fn what_it_has_brought_is_judged_after_a_while() {
        assert!(!Brought { asked: 1999, hits: 0 }.is_too_little());
        assert!(Brought { asked: 2000, hits: 399 }.is_too_little());
        assert!(!Brought { asked: 2000, hits: 400 }.is_too_little());
        let brought = Brought::default().plus(3, 2).plus(4, 0);
        assert_eq!(brought, Brought { asked: 7, hits: 2 });
        assert_eq!(Brought::read(&brought.to_text()), Some(brought));
        assert_eq!(Brought::read("{}"), None);
    }

    #[test]
    fn hits_are_told_only_where_nobody_else_was_served() {
        let read = |requests: u64, hits: u64| {
            let stats = json!({ "stats": { "compile_requests": requests, "cache_hits": { "counts": { "Rust": hits, "C/C++": 1 } } } });
            Counts::read(&stats.to_string()).expect("counts")
        };
        assert_eq!(hits(read(10, 3), read(15, 7), 5), Some(4));
        assert_eq!(hits(read(10, 3), read(16, 7), 5), None, "somebody else");
        assert_eq!(hits(read(10, 3), read(5, 5), 5), None, "another server");
        assert_eq!(Counts::read("rubbish"), None);
    }
}
