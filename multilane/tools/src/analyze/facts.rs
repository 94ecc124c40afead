//! What xtask has gathered, read once. `facts.json` says where the rest is;
//! `xtask/src/verbs/analyze.rs` writes it.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use serde_json::Value;

use crate::analyze::graph::Known;
use crate::analyze::metadata::Metadata;
use crate::analyze::timings::{Timings, strings};
use crate::analyze::trend::{self, Build};

/// Everything that is known.
pub(crate) struct Facts {
    pub(crate) json: Value,
    pub(crate) timings: Timings,
    pub(crate) known: Vec<Known>,
    /// `None` where `cargo metadata` could not tell.
    pub(crate) metadata: Option<Metadata>,
    /// `None` where there is no git.
    pub(crate) git_log: Option<String>,
    /// What a tool has found; `None` where it is not there.
    pub(crate) unused: Option<Value>,
    pub(crate) sccache: Option<Value>,
    /// Earlier builds of this kind.
    pub(crate) history: Vec<Build>,
}

impl Facts {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Facts> {
        let json = read_json(path)?;
        let page = json["timings"].as_str().context("facts.json names no timings")?;
        let page = std::fs::read_to_string(page).with_context(|| format!("cannot read {page}"))?;
        let timings = Timings::read(&page)?;

        let lane = PathBuf::from(json["lane"].as_str().unwrap_or_default());
        let units = json["units"].as_array().into_iter().flatten();
        let known = units.filter_map(|unit| known(unit, &lane, timings.began)).collect();
        let named = |name: &str| json[name].as_str().map(PathBuf::from);
        let metadata = named("metadata").and_then(|path| read_json(&path).ok());
        Ok(Facts {
            metadata: metadata.as_ref().and_then(Metadata::read),
            unused: named("unused").and_then(|path| read_json(&path).ok()),
            sccache: named("sccache").and_then(|path| read_json(&path).ok()),
            history: named("history").map(|path| remembered(&path)).unwrap_or_default(),
            git_log: named("git_log").and_then(|path| std::fs::read_to_string(path).ok()),
            timings,
            known,
            json,
        })
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.json[name] == true
    }

    /// Whether this part of the answer is wanted.
    pub(crate) fn wants(&self, part: &str) -> bool {
        strings(&self.json["parts"]).iter().any(|wanted| wanted == part)
    }
}

/// All builds that are remembered, of every kind.
fn remembered(path: &Path) -> Vec<Build> {
    std::fs::read_to_string(path).map(|text| trend::read(&text)).unwrap_or_default()
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// `None` where cargo has not completed it.
fn known(unit: &Value, lane: &Path, began: f64) -> Option<Known> {
    let target = unit["target"].as_str()?.to_owned();
    let fingerprint = lane.join(unit["fingerprint"].as_str()?);
    let record = fingerprint.join(format!("{target}.json"));
    let json = read_json(&record).ok()?;
    let seconds = |path: &Path| -> Option<f64> {
        let modified = path.metadata().ok()?.modified().ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs_f64() - began)
    };
    // A list in a string: `"[\"default\", \"std\"]"`.
    let features =
        json["features"].as_str().and_then(|list| serde_json::from_str::<Value>(list).ok());
    Some(Known {
        package: unit["package"].as_str()?.to_owned(),
        features: features.as_ref().map(strings),
        id: unit["id"].as_u64()?,
        dependencies: unit["dependencies"].as_array()?.iter().filter_map(Value::as_u64).collect(),
        began: seconds(&fingerprint.join("invoked.timestamp")),
        ended: seconds(&record)?,
        target,
    })
}
