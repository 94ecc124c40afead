#!/usr/bin/env bash
# reliability.sh PROGRAM [VERB…]: kills the program at every system call by which it changes something, one after the other, and
# looks each time whether plain cargo builds the right program afterwards, and whether the next call leaves nothing behind.
# Also: a disk that is full (`full`), directories that cannot be written (`read-only`) or vanish (`vanished`), several of us at once
# (`together`), all of it on tmpfs and overlayfs (`tmpfs`, `overlay`); these mount something, so they need root.
# Needs strace. MULTILANE_TOOLS names a compiled multilane-tools, so that it is not compiled here.
set -eu
P=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- fork hook clean clean-agent remove setup
export MULTILANE_RECORDS=/dev/null XTASK_CACHE=off CARGO_NET_OFFLINE=true GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
calls='rename link linkat unlink unlinkat rmdir mkdir symlink write copy_file_range ftruncate fchmod chmod utimensat flock'
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
mkdir "$W/app" && cd "$W/app"
git init -q -b main
printf '/target/\n/.lanes/\n/.cargo/wrapper/\n' >.gitignore
mkdir -p crates/base/src crates/other/src crates/app/src .cargo
printf 'include = [{ path = "wrapper/config.toml", optional = true }]\n' >.cargo/config.toml
printf '[workspace]\nresolver = "3"\nmembers = ["crates/*"]\n' >Cargo.toml
printf '[package]\nname = "base"\nversion = "0.1.0"\nedition = "2024"\n' >crates/base/Cargo.toml
printf '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\nbase = { path = "../base" }\nother = { path = "../other" }\n' >crates/app/Cargo.toml
printf '[package]\nname = "other"\nversion = "0.1.0"\nedition = "2024"\n' >crates/other/Cargo.toml
echo 'pub fn nothing() -> &'"'static"' str { "" }' >crates/other/src/lib.rs # No edit concerns it, so it is forked.
echo 'fn main() { println!("{}{}", base::text(), other::nothing()); }' >crates/app/src/main.rs
say() { echo "pub fn text() -> &'static str { \"$1\" }" >crates/base/src/lib.rs; }
say one
cargo generate-lockfile -q
git add -A && git commit -qm one
"$P" build -q
AGENT_ID=a "$P" build -q
cp -a target "$W/target" && cp -a .lanes "$W/lanes"

# killed CALL N WORDS…: whether the program, or a child of it, was killed at its N-th such call.
killed() {
  local call=$1 n=$2
  shift 2
  { strace -f -o "$W/log" -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" "$P" "$@" >"$W/out" 2>&1 </dev/null || true; } 2>/dev/null
  grep -q 'killed by SIGKILL' "$W/log"
}
wrong() { echo "WRONG after $1: $2"; cp -a "$W" "/tmp/wrong-$$" 2>/dev/null || true; exit 1; }
# right WHAT TEXT: plain cargo builds what the sources say, and the next build of ours leaves nothing.
right() {
  cargo build -q 2>"$W/err" || wrong "$1" "cargo: $(head -n3 "$W/err")"
  [ "$(target/debug/app)" = "$2" ] || wrong "$1" "it says $(target/debug/app), not $2"
  "$P" build -q 2>"$W/err" || wrong "$1" "a build of ours: $(head -n3 "$W/err")"
  [ "$(target/debug/app)" = "$2" ] || wrong "$1" "ours says $(target/debug/app), not $2"
  local left
  left=$(find . -name '.trash-*' -o -name '.fork-*' -o -name '.wrapper-*' | head -n3)
  [ -z "$left" ] || wrong "$1" "left behind: $left"
}
fix() {
  git worktree remove --force ../fix 2>/dev/null || rm -rf ../fix
  git worktree prune
  git worktree add -q --detach ../fix
}
# In a fresh worktree: what a fork, a build, `lane list`, `clean` and another build come to there.
usual() {
  fix && cd ../fix && say "$1"
  "$P" build -q >"$W/out" 2>&1 || true
  "$P" lane list >"$W/out" 2>&1 || true
  AGENT_ID=b "$P" build -q >"$W/out" 2>&1 || true
  "$P" clean >"$W/out" 2>&1 || true
  right "$2" "$1"
  cd ../app
}
other() {
  case $1 in
  full)
    mkdir "$W/small" && mount -t tmpfs -o size=48m tmpfs "$W/small"
    cp -a "$W/app" "$W/small/app" && cd "$W/small/app"
    rm -rf target .lanes && cargo build -q
    for kib in 0 4 16 64 256 1024 2048 4096 6144 8192; do
      git worktree remove --force ../full 2>/dev/null || rm -rf ../full
      git worktree prune && git worktree add -q --detach ../full && cd ../full && say "full $kib"
      free=$(df --output=avail -k . | tail -n1)
      head -c $(((free - kib) * 1024)) /dev/zero >../fill 2>/dev/null || true
      "$P" build -q >"$W/out" 2>&1 || true
      AGENT_ID=b "$P" build -q >"$W/out" 2>&1 || true
      "$P" clean >"$W/out" 2>&1 || true
      rm ../fill
      right "full, $kib KiB left" "full $kib"
      rm -rf .lanes
      cd ../app && total=$((total + 1))
    done
    cd "$W/app" && umount -l "$W/small"
    ;;
  read-only)
    for dir in .git .git/multilane .lanes target target/debug .cargo; do
      fix && cd ../fix && say "$dir"
      mkdir -p "$dir" 2>/dev/null || { cd ../app && mkdir -p "$dir"; }
      mount --bind "$dir" "$dir" && mount -o remount,ro,bind "$dir"
      place=$(realpath "$dir")
      cd "$W/fix"
      "$P" build -q >"$W/out" 2>&1 || true
      AGENT_ID=b "$P" build -q >"$W/out" 2>&1 || true
      "$P" clean >"$W/out" 2>&1 || true
      umount "$place"
      right "read-only $dir" "$dir"
      cd ../app && total=$((total + 1))
    done
    ;;
  vanished)
    for dir in target .lanes .git/multilane .cargo/wrapper target/debug ../app/target; do
      for _ in 1 2 3 4 5; do
        fix && cd ../fix && say "$dir"
        "$P" build -q >"$W/out" 2>&1 &
        building=$!
        while kill -0 $building 2>/dev/null; do rm -rf "$dir" 2>/dev/null || true; done
        wait $building || true
        [ -e ../app/target ] || cp -a "$W/target" ../app/target
        right "vanished $dir" "$dir"
        cd ../app && total=$((total + 1))
      done
    done
    ;;
  together)
    for round in 1 2 3 4 5 6 7 8 9 10; do
      fix && cd ../fix && say "$round"
      "$P" build -q >"$W/out1" 2>&1 & one=$!
      "$P" lane fork >"$W/out2" 2>&1 & two=$!
      "$P" clean >"$W/out3" 2>&1 & three=$!
      cargo build -q >"$W/out4" 2>&1 & four=$!
      wait $one || wrong "together $round" "build: $(cat "$W/out1")"
      wait $two || true # Somebody builds in it, or there is nothing to fork from.
      wait $three || true # The lane is in use.
      wait $four || wrong "together $round" "cargo: $(cat "$W/out4")"
      right "together $round" "$round"
      cd ../app && total=$((total + 1))
    done
    ;;
  tmpfs | overlay)
    mkdir -p "$W/mount" "$W/upper" && mount -t tmpfs tmpfs "$W/upper" && mkdir "$W/upper/u" "$W/upper/w" "$W/upper/l"
    cp -a "$W/app" "$W/upper/l/app"
    if [ "$1" = tmpfs ]; then mount --bind "$W/upper/l" "$W/mount"
    else mount -t overlay -o "lowerdir=$W/upper/l,upperdir=$W/upper/u,workdir=$W/upper/w" overlay "$W/mount"; fi
    (cd "$W/mount/app" && git worktree prune && for round in 1 2 3 4 5; do usual "$1 $round" "$1 $round"; done) || exit 1
    total=5
    umount -l "$W/mount" && umount -l "$W/upper" && rmdir "$W/mount" "$W/upper"
    ;;
  *) return 1 ;;
  esac
}
for verb; do
  total=0
  if other "$verb"; then
    echo "$verb: $total times, right after each"
    continue
  fi
  [ "$verb" != hook ] || "$P" lane hook --install 2>"$W/out"
  for call in $calls; do
    n=1
    while :; do
      what="$verb, $call $n"
      case $verb in
      fork | hook)
        fix && cd ../fix && say "$call $n"
      rm -rf target .cargo/wrapper # The hook has run.
        if [ "$verb" = fork ]; then words='lane fork'; else words=worktree-made; fi
        killed $call $n $words && again=1 || again=
        right "$what" "$call $n"
        cd ../app
        ;;
      clean)
        rm -rf target && cp -a "$W/target" target
        killed $call $n clean && again=1 || again=
        right "$what" one
        ;;
      clean-agent)
        rm -rf .lanes && cp -a "$W/lanes" .lanes
        AGENT_ID=a killed $call $n clean && again=1 || again=
        right "$what" one
        AGENT_ID=a "$P" build -q || wrong "$what" 'the agent cannot build'
        ;;
      remove)
        fix && cp -a target ../fix/target
        killed $call $n lane remove "$W/fix" && again=1 || again=
        right "$what" one
# Where git itself was killed in the middle of deleting, no git removes the rest.
        [ ! -e ../fix/.git ] || "$P" lane remove --force "$W/fix" 2>"$W/err" || wrong "$what" "$(cat "$W/err")"
        ;;
      setup)
        before=$(git status --porcelain)
        killed $call $n setup --yes && again=1 || again=
        right "$what" one
        "$P" setup --yes >"$W/out" 2>&1 || wrong "$what" "setup again: $(tail -n2 "$W/out")"
        "$P" setup --remove --yes >"$W/out" 2>&1 || wrong "$what" "setup --remove: $(tail -n2 "$W/out")"
        [ "$before" = "$(git status --porcelain)" ] || wrong "$what" "$(git status --porcelain)"
        [ ! -e .git/hooks/post-checkout ] || wrong "$what" 'the hook is still there'
        ;;
      esac
      [ -n "$again" ] || break
      n=$((n + 1)) total=$((total + 1))
    done
  done
  echo "$verb: killed at $total calls, right after each"
done
