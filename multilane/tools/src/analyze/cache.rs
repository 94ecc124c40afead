//! What sccache says that it has answered.

use std::fmt;

use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sccache {
    pub(crate) requests: u64,
    /// Those that were asked of the cache at all.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Why others could not be, and how often, the most often first.
    pub(crate) not_cached: Vec<(String, u64)>,
}

impl Sccache {
    /// Of `sccache --show-stats --stats-format=json`.
    pub(crate) fn read(json: &Value) -> Option<Sccache> {
        let stats = &json["stats"];
        // By language; what was asked for in any of them counts.
        let sum = |name: &str| {
            let counts = stats[name]["counts"].as_object();
            counts.map_or(0, |counts| counts.values().filter_map(Value::as_u64).sum())
        };
        let reasons = stats["not_cached"].as_object().into_iter().flatten();
        let mut not_cached: Vec<(String, u64)> =
            reasons.filter_map(|(reason, count)| Some((reason.clone(), count.as_u64()?))).collect();
        not_cached.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Some(Sccache {
            requests: stats["compile_requests"].as_u64()?,
            hits: sum("cache_hits"),
            misses: sum("cache_misses"),
            not_cached,
        })
    }
}

impl fmt::Display for Sccache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sccache { requests, hits, misses, not_cached } = self;
        let asked = hits + misses;
        if asked == 0 {
            return write!(
                f,
                "sccache, since it started: of {requests} requests none could be cached."
            );
        }
        write!(
            f,
            "sccache, since it started: of {requests} requests {asked} could be cached, and {hits} of those were there ({:.0} %).",
            *hits as f64 / asked as f64 * 100.0
        )?;
        if let Some((reason, count)) = not_cached.first() {
            write!(f, " Most often not cacheable: {reason} ({count}).")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_statistics_are_read_in_all_languages() {
        let stats = json!({ "stats": {
            "compile_requests": 20,
            "cache_hits": { "counts": { "Rust": 6, "C/C++": 2 } },
            "cache_misses": { "counts": { "Rust": 2 } },
            "not_cached": { "crate-type": 7, "incremental": 3 },
        }});
        expect_test::expect!["sccache, since it started: of 20 requests 10 could be cached, and 8 of those were there (80 %). Most often not cacheable: crate-type (7)."]
            .assert_eq(&Sccache::read(&stats).expect("statistics").to_string());
        assert_eq!(Sccache::read(&json!({})), None);
    }

    #[test]
    fn requests_of_which_none_could_be_cached_are_not_called_none() {
        let stats = json!({ "stats": { "compile_requests": 1 } });
        expect_test::expect!["sccache, since it started: of 1 requests none could be cached."]
            .assert_eq(&Sccache::read(&stats).expect("statistics").to_string());
    }
}
