#!/usr/bin/env bash
# permits-links.sh WRAPPER REPOSITORY PACKAGE NEED: six trees link the program of PACKAGE at the same time, in a control group that has
# memory for three links, of NEED MiB each; free, and with as many permits as links, so that memory alone bounds them. WRAPPER is the
# `.cargo/wrapper/rustc` of a workspace in which multilane has built. Needs root, and control groups of version 1 or 2.
set -euo pipefail
wrapper=$(realpath "$1") repository=$2 package=$3 need=$4
W=$(mktemp -d "${TMPDIR:-/var/tmp}/permits-links-XXXXXX")
export RUSTC_WRAPPER=$wrapper MULTILANE_PERMITS_FILE=$W/of-trial/permits CARGO_TERM_PROGRESS_WHEN=never RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
unset CARGO_TARGET_DIR
git clone -q "$repository" "$W/1"
(cd "$W/1" && cargo build -q -p "$package")
for tree in 2 3 4 5 6; do cp -a "$W/1" "$W/$tree"; (cd "$W/$tree" && cargo build -q -p "$package"); done

group=/sys/fs/cgroup/multilane-trial limit=memory.max
[ ! -d /sys/fs/cgroup/memory ] || group=/sys/fs/cgroup/memory/multilane-trial limit=memory.limit_in_bytes
mkdir "$group"
trap 'rmdir "$group"; rm -rf "$W"' EXIT
echo $((3 * need))M >"$group/$limit"
# Where there is swap, it has to hold as well.
[ ! -f "$group/memory.memsw.limit_in_bytes" ] || echo $((3 * need))M >"$group/memory.memsw.limit_in_bytes"
main=$(cd "$W/1" && cargo metadata --no-deps --format-version 1 | sed 's/.*"kind":\["bin"\][^}]*"src_path":"\([^"]*\)".*/\1/')
for round in 1 2 3; do
  for permits in off 6; do
    begun=$(date +%s.%N)
    for tree in 1 2 3 4 5 6; do
      touch "$W/$tree/${main#"$W/1/"}"
      (echo $BASHPID >"$group/cgroup.procs"; cd "$W/$tree"; MULTILANE_PERMITS=$permits cargo build -q -p "$package" >"$W/log-$tree" 2>&1 && echo done >"$W/end-$tree") &
    done
    wait
    echo "round $round, permits $permits: $(echo "$(date +%s.%N) - $begun" | bc) s, $(cat "$W"/end-* 2>/dev/null | wc -l) of 6 linked"
    rm -f "$W"/end-*
  done
done
grep -h -m 1 -o 'signal: 9.*' "$W"/log-* 2>/dev/null | sort | uniq -c || true
