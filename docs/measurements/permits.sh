#!/usr/bin/env bash
# permits.sh PROGRAM REPOSITORY [TRIALS]: what permits cost and save (permits.md). PROGRAM is a cargo-multilane. Each trial is one run, those
# that are compared in turns. TRIALS: `four one check`, all if nothing is said. EDIT: the source that is edited before each check.
set -euo pipefail
P=$(realpath "$1") repository=$2 trials=${3:-four one check}
W=$(mktemp -d "${TMPDIR:-/var/tmp}/permits-XXXXXX")
trap 'rm -rf "$W"' EXIT
unset CARGO_TARGET_DIR AGENT_ID RUSTC_WRAPPER
export XTASK_CACHE=off RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} CARGO_TERM_PROGRESS_WHEN=never
export MULTILANE_PERMITS_FILE=$W/permits-of-trial/permits

# The compiler wrapper of a workspace that has it, for plain cargo in the others.
mkdir -p "$W/of/.cargo" "$W/of/src" && cd "$W/of" && git init -q
printf '[package]\nname = "of"\nedition = "2024"\n' >Cargo.toml
echo 'fn main() {}' >src/main.rs
echo 'include = [{ path = "wrapper/config.toml", optional = true }]' >.cargo/config.toml
"$P" multilane build -q
export RUSTC_WRAPPER=$W/of/.cargo/wrapper/rustc
[ -x "$W/of/.cargo/wrapper/permit" ] || { echo "no permits here" >&2; exit 1; }

for agent in 1 2 3 4; do git clone -q "$repository" "$W/$agent"; done
(cd "$W/1" && cargo fetch -q)
for agent in 2 3 4; do [ ! -f "$W/1/Cargo.lock" ] || cp "$W/1/Cargo.lock" "$W/$agent/"; done
# Different flags: no unit of one is a unit of another.
build() { (cd "$W/$1" && RUSTFLAGS="--cfg agent$1" cargo "${@:2}" >"$W/log-$1" 2>&1 || { tail -5 "$W/log-$1" >&2; exit 1; }); }
clean() { rm -rf "$W"/[1-4]/target; }
# `time PROGRAM…`: seconds, and the most memory that all below had together (their own, not what files and libraries share), in MiB.
cat >"$W/time.py" <<'PY'
import os, subprocess, sys, threading, time
def below(root):
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = open(f"/proc/{name}/stat").read()
            children.setdefault(int(stat.rsplit(") ", 1)[1].split()[1]), []).append(int(name))
        except (OSError, IndexError):
            pass
    found, at = [root], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found
most = compilers = 0
def anonymous(process):
    try:
        return next(int(line.split()[1]) for line in open(f"/proc/{process}/status") if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0
def compiles(process):
    try:
        words = open(f"/proc/{process}/cmdline").read().split("\0")
        return words[0].endswith("rustc") and any(word.startswith("--emit") for word in words)
    except OSError:
        return False
begun = time.monotonic()
child = subprocess.Popen(sys.argv[1:])
while child.poll() is None:
    processes = below(child.pid)
    most = max(most, sum(map(anonymous, processes)))
    compilers = max(compilers, sum(map(compiles, processes)))
    time.sleep(0.05)
print(f"{time.monotonic() - begun:.2f} s, {most / 1024:.0f} MiB, at most {compilers} compilers")
sys.exit(child.returncode)
PY
timed() { export -f build; export W; python3 "$W/time.py" bash -c "$1"; }
all='for agent in 1 2 3 4; do build $agent build & done; wait'

for trial in $trials; do
  case $trial in
  four)
    clean; echo "one alone, free:        $(MULTILANE_PERMITS=off timed 'build 1 build')"
    clean; echo "one alone, permits:     $(timed 'build 1 build')"
    clean; echo "one after the other:    $(MULTILANE_PERMITS=off timed 'for agent in 1 2 3 4; do build $agent build; done')"
    clean; echo "four at once, free:     $(MULTILANE_PERMITS=off timed "$all")"
    clean; echo "four at once, permits:  $(timed "$all")"
    ;;
  one)
    for pair in 1 2 3 4 5 6 7 8 9; do
      clean; free=$(MULTILANE_PERMITS=off timed 'build 1 build')
      clean; with=$(timed 'build 1 build')
      echo "pair $pair: free ${free%% s*} s, permits ${with%% s*} s"
    done
    for pair in 1 2 3 4 5 6 7 8 9; do
      echo "no-op $pair: free $(MULTILANE_PERMITS=off timed 'build 1 build' | cut -d , -f 1), permits $(timed 'build 1 build' | cut -d , -f 1)"
    done
    ;;
  check)
    build 1 check
    edit="touch ${EDIT:-src/lib.rs}"
    for round in 1 2 3; do
      (cd "$W/1" && eval "$edit")
      idle=$(timed 'build 1 check')
      for how in off on; do
        rm -rf "$W"/[2-4]/target
        [ $how = off ] && export MULTILANE_PERMITS=off || unset MULTILANE_PERMITS
        export -f build; export W
        for agent in 2 3 4; do setsid bash -c "build $agent build --release" 2>/dev/null & pids[agent]=$!; done
        sleep 6
        (cd "$W/1" && eval "$edit")
        busy=$(timed 'build 1 check')
        echo "check, round $round: idle ${idle%% s*} s, beside three release builds (permits $how) ${busy%% s*} s"
        for agent in 2 3 4; do kill -KILL -- "-${pids[agent]}" || true; wait "${pids[agent]}" 2>/dev/null || true; done
      done
      unset MULTILANE_PERMITS
    done
    ;;
  esac
done
