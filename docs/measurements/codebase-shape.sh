#!/usr/bin/env bash
# The numbers of docs/measurements/codebase-shape.md: for each rule a workspace before and after, made from nothing in a scratch directory.
#
#     docs/measurements/codebase-shape.sh [runs]
#
# Prints the medians of what is measured. Before and after take turns. Needs rustup's toolchain, and `regex` and `serde` from the registry.
set -euo pipefail

runs=${1:-5}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CARGO_TERM_QUIET=true

# package <dir> <name> <lines of dependencies>
package() {
    mkdir -p "$1/src"
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\n%s\n' "$2" "$3" > "$1/Cargo.toml"
}

# workspace <dir>
workspace() {
    mkdir -p "$1"
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\nexclude = ["target"]\n' > "$1/Cargo.toml"
}

# seconds <dir> <words of cargo>: on the wall, and of the processor, which others on the machine lengthen much less
seconds() {
    local TIMEFORMAT='%R %U %S'
    { time (cd "$1" && cargo "${@:2}" 2> /dev/null); } 2>&1 | awk '{ print $1, $2 + $3 }'
}

# median <file> <column>
median() { sort -n -k "$2" "$1" | awk -v column="$2" '{ all[NR] = $column } END { printf "%.2f", all[int((NR + 1) / 2)] }'; }

# compare <title> <package whose compilation is measured> <file whose change compiles it>
compare() {
    local title=$1 package=$2 file=$3 side
    for side in before after; do (cd "$scratch/$side" && cargo build); done
    : > "$scratch/before.times"; : > "$scratch/after.times"
    for _ in $(seq "$runs"); do
        for side in before after; do
            if [ -n "$file" ]; then
                echo "// $RANDOM" >> "$scratch/$side/$file"
                sleep 0.02 # cargo compares times of files.
            else
                (cd "$scratch/$side" && cargo clean)
            fi
            seconds "$scratch/$side" build ${package:+--package "$package"} >> "$scratch/$side.times"
        done
    done
    printf '%-34s before %6s s (processor %6s s), after %6s s (processor %6s s)\n' "$title" \
        "$(median "$scratch/before.times" 1)" "$(median "$scratch/before.times" 2)" \
        "$(median "$scratch/after.times" 1)" "$(median "$scratch/after.times" 2)"
    rm -rf "$scratch/before" "$scratch/after"
}

dyn_at_boundaries() {
    local side body
    body='let mut text = String::new(); for at in 0..each.len() { let value = get(each[at]); if value % 2 == 0 { text.push_str(&format!("{value:>8}")); } else { text.insert_str(0, &value.to_string()); } } let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect(); words.sort(); words.dedup(); words.iter().filter_map(|word| word.parse::<u64>().ok()).sum()'
    for side in before after; do
        workspace "$scratch/$side"
        package "$scratch/$side/table" table ""
        package "$scratch/$side/app" app 'table = { path = "../table" }'
        { echo 'fn main() { let each = [1, 2, 3]; let mut sum = 0;'
          for n in $(seq 150); do echo "sum += table::fold(&each, |x| x * $n);"; done
          echo 'println!("{sum}"); }'; } > "$scratch/$side/app/src/main.rs"
    done
    echo "pub fn fold<F: Fn(u64) -> u64>(each: &[u64], get: F) -> u64 { $body }" > "$scratch/before/table/src/lib.rs"
    echo "pub fn fold<F: Fn(u64) -> u64>(each: &[u64], get: F) -> u64 { fn inner(each: &[u64], get: &dyn Fn(u64) -> u64) -> u64 { $body } inner(each, &get) }" > "$scratch/after/table/src/lib.rs"
    compare "dyn at boundaries (from nothing)" "" ""
}

narrow_derives() {
    local side derives
    for side in before after; do
        workspace "$scratch/$side"
        package "$scratch/$side/types" types 'serde = { version = "1", features = ["derive"] }'
        derives="Clone, Debug"
        [ $side = before ] && derives="Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize"
        for n in $(seq 120); do
            echo "#[derive($derives)] pub struct Type$n { pub name: String, pub count: u64, pub parts: Vec<String>, pub other: Option<u32>, pub pair: (u8, i64) }"
        done > "$scratch/$side/types/src/lib.rs"
    done
    compare "narrow derives (from nothing)" "" ""
}

feature_presets() {
    local side
    for side in before after; do
        workspace "$scratch/$side"
        package "$scratch/$side/search" search 'regex = { version = "1", optional = true }'
        echo '#[cfg(feature = "regex")] pub use regex; pub fn plain(text: &str, word: &str) -> bool { text.contains(word) }' > "$scratch/$side/search/src/lib.rs"
    done
    printf '[features]\ndefault = ["full"]\nfull = ["regex"]\n' >> "$scratch/before/search/Cargo.toml"
    printf '[features]\ndefault = []\nfull = ["regex"]\n' >> "$scratch/after/search/Cargo.toml"
    compare "feature presets (from nothing)" "" ""
}

# code <how many functions>: something to compile
code() {
    for n in $(seq "$1"); do
        echo "pub fn work$n(text: &str) -> Vec<String> { let mut all: Vec<String> = text.lines().map(|line| format!(\"{line}-$n\")).collect(); all.sort_by_key(|line| line.len()); all.dedup(); all }"
    done
}

stable_core() {
    workspace "$scratch/before"
    package "$scratch/before/app" app ""
    { code 400; echo 'mod adapter; pub use adapter::*;'; } > "$scratch/before/app/src/lib.rs"
    echo 'pub fn adapt() {}' > "$scratch/before/app/src/adapter.rs"
    workspace "$scratch/after"
    package "$scratch/after/core" my-core ""
    code 400 > "$scratch/after/core/src/lib.rs"
    package "$scratch/after/app" app 'my-core = { path = "../core" }'
    echo 'mod adapter; pub use adapter::*; pub use my_core::*;' > "$scratch/after/app/src/lib.rs"
    echo 'pub fn adapt() {}' > "$scratch/after/app/src/adapter.rs"
    compare "stable core, edit of an adapter" "" app/src/adapter.rs
}

churn_apart() {
    local side n
    for side in before after; do
        workspace "$scratch/$side"
        package "$scratch/$side/types" types ""
        echo 'pub struct Id(pub u64);' > "$scratch/$side/types/src/lib.rs"
        for n in $(seq 6); do
            package "$scratch/$side/user$n" "user$n" 'types = { path = "../types" }'
            { echo 'pub fn id() -> types::Id { types::Id(1) }'; code 80; } > "$scratch/$side/user$n/src/lib.rs"
        done
    done
    echo 'pub mod messages;' >> "$scratch/before/types/src/lib.rs"
    echo 'pub const HELLO: &str = "hello";' > "$scratch/before/types/src/messages.rs"
    echo 'pub fn hello() -> &'"'"'static str { types::messages::HELLO }' >> "$scratch/before/user1/src/lib.rs"
    package "$scratch/after/messages" messages ""
    echo 'pub const HELLO: &str = "hello";' > "$scratch/after/messages/src/lib.rs"
    echo 'messages = { path = "../messages" }' >> "$scratch/after/user1/Cargo.toml"
    echo 'pub fn hello() -> &'"'"'static str { messages::HELLO }' >> "$scratch/after/user1/src/lib.rs"
    mkdir -p "$scratch/after/types/src" && ln -s ../../messages/src/lib.rs "$scratch/after/types/src/messages.rs"
    compare "churn apart, edit of a message" "" types/src/messages.rs
}

dyn_at_boundaries
narrow_derives
feature_presets
stable_core
churn_apart
