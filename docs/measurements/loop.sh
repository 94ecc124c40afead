#!/usr/bin/env bash
# loop.sh PROGRAM REPOSITORY SOURCE [CARGO OPTIONS]: the installed way, from `setup` to `setup --remove`, in a clone of REPOSITORY.
# PROGRAM is a cargo-multilane; SOURCE is the file of a library in it that is edited. Everything but the agents' builds is plain cargo and
# plain git. One line for each step: its seconds, the units that cargo compiled, and what the fork left to cargo.
set -euo pipefail
P=$(realpath "$1") repository=$(realpath "$2") source=$3
shift 3
W=$(mktemp -d "${TMPDIR:-/var/tmp}/loop-XXXXXX")
trap '[ -n "${KEEP:-}" ] || rm -rf "$W"' EXIT
PATH=$(dirname "$P"):$PATH
export PATH XTASK_CACHE=off CARGO_TERM_COLOR=never RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=allow
export GIT_AUTHOR_NAME=loop GIT_AUTHOR_EMAIL=loop@localhost GIT_COMMITTER_NAME=loop GIT_COMMITTER_EMAIL=loop@localhost

seconds() { date +%s.%N; }
# step NAME COMMAND…: runs it, and prints how long it took and what cargo compiled.
step() {
  local name=$1 begin status=0
  shift
  begin=$(seconds)
  "$@" >"$W/out" 2>"$W/err" || status=$?
  printf '%-34s %7.2f s  exit %s' "$name" "$(echo "$(seconds) - $begin" | bc)" $status
  if grep -q '^{' "$W/out"; then
    printf '  %s units:' "$(grep '^{' "$W/out" | jq -r 'select(.reason == "compiler-artifact" and (.fresh | not)).target.name' | wc -l)"
    grep '^{' "$W/out" | jq -r 'select(.reason == "compiler-artifact" and (.fresh | not)).target.name' | sort | uniq -c | sort -rn | head -8 | awk '{printf " %s", $2 ($1 > 1 ? "*" $1 : "")}'
  fi
  echo
  [ $status = 0 ] || tail -5 "$W/err"
}
build() { step "$1" cargo build --message-format=json "${@:2}"; }
left() {
  jq -rs --arg place "$1" '[.[] | select(.commands == [["worktree-made"]] and (.workspace | endswith($place)))] | last
    | if . == null then "no record" else "no_fork \(.no_fork); " + ([.forks[] | "brought \(.units) in \(.seconds) s, left: " + ([.left[] | "\(.count) \(.reason) (\(.packages | join(" "))): \(.explanations[0:2] | join("; "))"] | join(" | "))] | join("")) end' \
    "$W/clone/.git/multilane/records.jsonl" | cut -c1-600 | sed 's/^/    record: /'
}
clean() {
  [ -z "$(git status --porcelain)" ] && echo "    git status: clean ($1)" || { echo "    git status: NOT CLEAN ($1)"; git status --porcelain | head; }
}
edit() { echo "pub fn added_$1() -> u32 { $1 }" | sed '1i #[allow(dead_code, missing_docs)]' >>"$source"; }

git clone -q "$repository" "$W/clone"
cd "$W/clone"
git status --porcelain --ignored | sed 's/^/    at first: /'
step 'setup --yes' cargo multilane setup --yes
grep -v -e '^$' "$W/out" "$W/err" -h | tail -4 | sed 's/^/    /'
clean 'after setup'
build 'cold build' "$@"
build 'again' "$@"
step 'git worktree add' git worktree add -q ../second
tail -1 "$W/err" | sed 's/^/    /'
left /second
cd ../second
clean 'second, new'
build 'second: first build' "$@"
grep -e '^warning: ' "$W/err" | head -3 | sed 's/^/    /' || true
build 'second: again' "$@"
clean 'second, built'
edit 1
build 'second: first edit' "$@"
edit 2
build 'second: second edit' "$@"
cd ../clone
edit 1
build 'donor: first edit' "$@"
edit 2
build 'donor: second edit' "$@"
git checkout -q -- "$source"
build 'donor: edits taken back' "$@"
for agent in one two; do
  (AGENT_ID=$agent cargo multilane build-dev "$@" >"$W/$agent" 2>&1 || echo "exit $?" >>"$W/$agent") &
done
wait
for agent in one two; do echo "    agent $agent: $(tail -1 "$W/$agent")"; done
clean 'donor, agents'

# The next commit: one source is another.
edit 3
git add "$source"
tree=$(git write-tree)
git reset -q --hard
git branch -q next "$(git commit-tree -p HEAD -m next "$tree")"
step 'next commit: git worktree add' git worktree add -q ../next next
left /next
cd ../next
build 'next commit: first build' "$@"
clean 'next'
# The commit before this one in the donor, and this one in a worktree.
cd ../clone
git worktree remove --force ../second
git worktree remove --force ../next
head=$(git rev-parse HEAD)
git checkout -q --detach HEAD~1
build 'donor at HEAD~1' "$@"
git diff --stat HEAD "$head" | tail -1 | sed 's/^/    HEAD~1 to HEAD:/'
step 'HEAD: git worktree add' git worktree add -q --detach ../later "$head"
left /later
cd ../later
build 'HEAD in a worktree' "$@"
cd ../clone
git checkout -q --detach "$head"
build 'HEAD in the donor' "$@"
git worktree remove --force ../later
step 'setup --remove --yes' cargo multilane setup --remove --yes
cat "$W/out" "$W/err" | tail -3 | sed 's/^/    /'
clean 'after remove'
git status --porcelain --ignored | sed 's/^/    at last: /'
git diff HEAD --stat | tail -1
