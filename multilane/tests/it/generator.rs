//! Small random workspaces: each is built, changed and forked, and the fork is compared with what
//! plain cargo builds from nothing at the same place.
//!
//! A workspace is drawn from what reads something while it is built (a build script, a macro,
//! rustc, the linker), what is read (files in many places, variables, git, places), what of that
//! differs between the donor and the fork, and how the fork comes to be. A number repeats it:
//!
//! ```sh
//! MULTILANE_GENERATOR_SEED=7 cargo nextest run --package multilane generator --no-capture
//! ```
//!
//! | variable `MULTILANE_GENERATOR_…` | it says |
//! | --- | --- |
//! | `SEED` | the first workspace |
//! | `COUNT`, `SECONDS` | how many follow, and for how long |
//! | `JOBS` | how many are tried at the same time |
//! | `DIFFERENCES` | after how many of them the rest is not tried |
//! | `DRAWN` | only those count in which this text is drawn |
//! | `PLACE` | the directory in which they are made |

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::generator_common::Common;
use crate::generator_draw::Drawn;
use crate::generator_world::World;

#[test]
fn a_fork_of_a_random_workspace_is_like_a_build_from_nothing() {
    let number = |name: &str| {
        let value = std::env::var(format!("MULTILANE_GENERATOR_{name}")).ok();
        value.and_then(|value| value.parse::<u64>().ok())
    };
    let seed = number("SEED");
    let seconds = number("SECONDS").map(Duration::from_secs);
    let default = match (seed, seconds) {
        (_, Some(_)) => u64::MAX,
        (Some(_), None) => 1,
        (None, None) => 3,
    };
    let count = number("COUNT").unwrap_or(default);
    let jobs = usize::try_from(number("JOBS").unwrap_or(1)).expect("it is small");
    let differences_max = usize::try_from(number("DIFFERENCES").unwrap_or(20)).expect("small");
    let wanted = std::env::var("MULTILANE_GENERATOR_DRAWN").unwrap_or_default();
    let common = Common::new();
    let (next, tried, pieces) =
        (AtomicU64::new(seed.unwrap_or(1)), AtomicU64::new(0), AtomicUsize::new(0));
    let failed = AtomicUsize::new(0);
    let is_told = count == 1; // Most of these cannot be built on purpose: what is read is gone.
    let found = Mutex::new(Vec::new());
    let begun = Instant::now();
    let try_them = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let drawn = Drawn::of(seed);
            if !format!("{drawn:?}").contains(&wanted) {
                continue;
            }
            let is_late = seconds.is_some_and(|seconds| begun.elapsed() > seconds);
            let differences = found.lock().expect("no thread panics with it").len();
            if is_late
                || differences >= differences_max
                || tried.fetch_add(1, Ordering::Relaxed) >= count
            {
                return;
            }
            pieces.fetch_add(drawn.pieces.len(), Ordering::Relaxed);
            let shown = format!("{seed}: {drawn:?}");
            let mut world = World::new(drawn, &common, jobs);
            let difference = std::panic::catch_unwind(AssertUnwindSafe(|| world.difference()));
            let difference =
                difference.unwrap_or_else(|_| Some("the workspace cannot be tried".to_owned()));
            eprintln!("{:7.1} s {shown}", begun.elapsed().as_secs_f64());
            if let Some(failure) = &world.failure {
                failed.fetch_add(1, Ordering::Relaxed);
                if is_told {
                    eprintln!("plain cargo cannot build it: {failure}");
                }
            }
            if let Some(difference) = difference {
                let report = format!("DIFFERENCE {shown}\n{difference}");
                eprintln!("{report}");
                found.lock().expect("no thread panics with it").push(report);
                world.keep();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(try_them);
        }
    });
    let found = found.into_inner().expect("no thread panics with it");
    eprintln!(
        "{} workspaces with {} readers in {:.0} s, {} of which cannot be built, {} differences",
        tried.into_inner().min(count),
        pieces.into_inner(),
        begun.elapsed().as_secs_f64(),
        failed.into_inner(),
        found.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}
