#!/usr/bin/env bash
# Cold compile of a hello-world with one dependency of the engine, in turns: processor seconds (user and system), wall-clock
# seconds and crates. usage: docs/measurements/dependencies.sh [RUNS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runs=${1:-3}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

clap='clap = { version = "4.5", default-features = false, features = ['
declare -A dependencies=(
    [nothing]=''
    [anyhow]='anyhow = "1"'
    [clap: std help usage error-context]="$clap\"std\", \"help\", \"usage\", \"error-context\"] }"
    [clap: … suggestions]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"suggestions\"] }"
    [clap: … color]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"color\"] }"
    [clap: … both]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"suggestions\", \"color\"] }"
    [clap: both and wrap_help]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"suggestions\", \"color\", \"wrap_help\"] }"
    [clap: all of these and derive]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"suggestions\", \"color\", \"wrap_help\", \"derive\"] }"
    [instead of hifijson: serde_json]='serde_json = { version = "1", default-features = false, features = ["std"] }'
    [toml_edit]='toml_edit = { version = "0.25", default-features = false, features = ["parse", "display"] }'
    [hifijson]='hifijson = "0.5"'
    [sha2]='sha2 = { version = "0.10", default-features = false }'
    [libc]='libc = "0.2"'
    [signal-hook]='signal-hook = { version = "0.4", default-features = false, features = ["iterator"] }'
    [xshell]='xshell = "0.2"'
    [instead of hifijson: tinyjson]='tinyjson = "2"'
    [instead of toml_edit: toml-span]='toml-span = "0.7"'
    [instead of sha2: sha2 0.11]='sha2 = { version = "0.11", default-features = false }'
    [instead of sha2: hmac-sha256]='hmac-sha256 = { version = "1", default-features = false }'
    [all of the engine]="$clap\"std\", \"help\", \"usage\", \"error-context\", \"suggestions\", \"color\"] }
anyhow = \"1\"
hifijson = \"0.5\"
toml_edit = { version = \"0.25\", default-features = false, features = [\"parse\", \"display\"] }
sha2 = { version = \"0.10\", default-features = false }
libc = \"0.2\"
signal-hook = { version = \"0.4\", default-features = false, features = [\"iterator\"] }
xshell = \"0.2\"
rustc-stable-hash = \"0.1\""
    [rustc-stable-hash]='rustc-stable-hash = "0.1"'
)

TIMEFORMAT='%U %S %R'
for ((run = 0; run < runs; run++)); do
    for name in "${!dependencies[@]}"; do
        project=$dir/project
        rm -rf "$project" && mkdir -p "$project/src"
        printf '[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2024"\n\n[workspace]\n\n[profile.xtask]\ninherits = "dev"\nincremental = false\ndebug = false\n\n[dependencies]\n%s\n' \
            "${dependencies[$name]}" >"$project/Cargo.toml"
        echo 'fn main() {}' >"$project/src/main.rs"
        cp "$root/Cargo.lock" "$project/Cargo.lock"
        cd "$project"
        cargo metadata --format-version 1 >/dev/null 2>&1 || true # Cargo.lock becomes the project's own.
        taken=$({ time cargo build --offline --quiet --profile xtask --target-dir target; } 2>&1)
        crates=$(find target/xtask/deps -name '*.d' | wc -l)
        printf '%s\t%s\t%s\n' "$name" "$taken" "$crates"
    done
done | awk -F '\t' '{ split($2, t, " "); cpu[$1] = cpu[$1] sprintf(" %.2f", t[1] + t[2]); wall[$1] = wall[$1] sprintf(" %.2f", t[3]); crates[$1] = $3 }
    END { for (name in cpu) printf "%-36s crates %2d  processor%s  wall%s\n", name, crates[name], cpu[name], wall[name] }' | sort
