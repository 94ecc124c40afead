//! What sccache says that it has answered.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The output of `sccache --show-stats --stats-format=json`.
#[derive(Deserialize)]
pub(crate) struct Sccache {
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    compile_requests: u64,
    #[serde(default)]
    cache_hits: Counts,
    #[serde(default)]
    cache_misses: Counts,
    /// Why other requests could not be cached, and how often.
    #[serde(default)]
    not_cached: BTreeMap<String, u64>,
}

/// By language.
#[derive(Default, Deserialize)]
struct Counts {
    counts: BTreeMap<String, u64>,
}

impl Counts {
    fn sum(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl fmt::Display for Sccache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { compile_requests: requests, cache_hits, cache_misses, not_cached } =
            &self.stats;
        let hits = cache_hits.sum();
        let cacheable = hits + cache_misses.sum();
        write!(f, "Requests since the start of sccache: {requests}, cacheable: {cacheable}")?;
        if cacheable > 0 {
            let part = hits as f64 / cacheable as f64 * 100.0;
            write!(f, ", hits: {hits} ({part:.0} %)")?;
        }
        let most = not_cached.iter().max_by_key(|(_, count)| **count);
        if let (Some((reason, count)), true) = (most, cacheable > 0) {
            write!(f, ". The most frequent reason not to cache: {reason} ({count})")?;
        }
        f.write_str(".")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(stats: Value) -> String {
        serde_json::from_value::<Sccache>(json!({ "stats": stats }))
            .expect("statistics")
            .to_string()
    }

    #[test]
    fn the_statistics_are_read_in_all_languages() {
        let stats = json!({
            "compile_requests": 20,
            "cache_hits": { "counts": { "Rust": 6, "C/C++": 2 } },
            "cache_misses": { "counts": { "Rust": 2 } },
            "not_cached": { "crate-type": 7, "incremental": 3 },
        });
        expect_test::expect!["Requests since the start of sccache: 20, cacheable: 10, hits: 8 (80 %). The most frequent reason not to cache: crate-type (7)."]
            .assert_eq(&shown(stats));
        assert!(serde_json::from_value::<Sccache>(json!({})).is_err());
    }

    #[test]
    fn requests_of_which_none_could_be_cached_are_counted() {
        expect_test::expect!["Requests since the start of sccache: 1, cacheable: 0."]
            .assert_eq(&shown(json!({ "compile_requests": 1 })));
    }
}
