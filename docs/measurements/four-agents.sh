#!/usr/bin/env bash
# four-agents.sh PROGRAM REPOSITORY [COMMAND…] >docs/four-agents.svg
# The picture in README: four agents begin at the same time to build one commit, each in a new worktree; first with plain cargo, then
# with PROGRAM, a cargo-multilane, on the same machine. COMMAND is cargo's, `build --workspace` if nothing is said.
set -euo pipefail
P=$(realpath "$1") repository=$2
shift 2
[ $# -gt 0 ] || set -- build --workspace
W=$(mktemp -d "${TMPDIR:-/var/tmp}/four-agents-XXXXXX")
trap 'rm -rf "$W"' EXIT
unset CARGO_TARGET_DIR AGENT_ID
export XTASK_CACHE=off RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
git clone -q "$repository" "$W/app"
cd "$W/app"
cargo fetch -q
now() { date +%s.%N; }
for how in cargo multilane; do
  program=cargo
  [ $how = cargo ] || program=$P
  for agent in 1 2 3 4; do git worktree add -q --detach "$W/$how-$agent"; [ ! -f Cargo.lock ] || cp Cargo.lock "$W/$how-$agent/"; done
  began=$(now)
  for agent in 1 2 3 4; do
    (cd "$W/$how-$agent" && MULTILANE_RECORDS=$W/record-$agent "$program" "$@" >/dev/null 2>"$W/err-$how-$agent" && echo "$how $agent $began $(now)" >"$W/time-$how-$agent") &
  done
  wait
  for agent in 1 2 3 4; do rm -rf "$W/$how-$agent/target"; done
done
cat "$W"/time-* >"$W/times"
for agent in 1 2 3 4; do jq -r --arg agent $agent '"waited \($agent) \([.waits[]?.seconds] | add // 0) \(.compiled // 0)"' "$W/record-$agent" >>"$W/times"; done
cat "$W/times" >&2
python3 - "$W/times" "$(basename "$repository" .git) $(git rev-parse --short HEAD), cargo $*, Rust $(rustc --version | cut -d ' ' -f 2), $(nproc) processors" <<'PY'
import sys
bars, waited = {}, {}
for line in open(sys.argv[1]):
    how, agent, a, b = line.split()
    if how == "waited":
        waited[agent] = float(a)
    else:
        bars[how, agent] = float(b) - float(a)
longest = max(bars.values())
left, width, row = 90, 600, 22
at = lambda seconds: seconds / longest * width
out, y = [], 46
for how, title in (("cargo", "plain cargo"), ("multilane", "with multilane")):
    out.append(f'<text x="0" y="{y}" class="t">{title}</text>')
    for agent in "1234":
        y += row
        seconds, wait = bars[how, agent], waited.get(agent, 0) if how == "multilane" else 0
        out.append(f'<text x="0" y="{y}">agent {agent}</text>')
        if wait:
            out.append(f'<rect x="{left}" y="{y - 12}" width="{at(wait):.1f}" height="14" class="w"/>')
        out.append(f'<rect x="{left + at(wait):.1f}" y="{y - 12}" width="{max(at(seconds - wait), 1):.1f}" height="14" class="b"/>')
        out.append(f'<text x="{left + at(seconds) + 6:.1f}" y="{y}">{seconds:.1f} s</text>')
    y += row + 18
print(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {y + 24}" width="760" role="img">
<title>Four agents build the same commit in four new worktrees at the same time</title>
<style>text{{font:13px sans-serif;fill:#333}}.t{{font-weight:bold}}.b{{fill:#b7410e}}.w{{fill:#b7410e;opacity:.25}}@media(prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>
<text x="0" y="18">Four agents, four new worktrees, the same commit, started together</text>''')
print("\n".join(out))
print(f'<text x="0" y="{y - 10}">{sys.argv[2]}</text>\n<text x="0" y="{y + 10}">Pale: waits for another agent that builds the same; then forks what that one has built</text>\n</svg>')
PY
