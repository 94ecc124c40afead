#!/usr/bin/env bash
# edits.sh PROGRAM REPOSITORY SEED [EDITS]: forks a worktree of a repository and edits it at random, ten times if nothing is said. After
# each edit, what the fork builds is compared with what plain cargo builds from nothing at the same place: whether it builds, the
# warnings, the errors, the read-only data of each program, and what the program prints for `--help`.
# An edit changes a number, a text or the order of two items in a source of a member, or adds a function, or takes the last edit back.
# PROGRAM is a cargo-multilane. One line for each edit; exit code 1 where something differs.
set -euo pipefail
P=$(realpath "$1") seed=$3 edits=${4:-10}
W=$(mktemp -d "${TMPDIR:-/var/tmp}/edits-XXXXXX")
trap 'rm -rf "$W"' EXIT
export MULTILANE_RECORDS=/dev/null XTASK_CACHE=off CARGO_TERM_COLOR=never RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
git clone -q "$2" "$W/donor"
cd "$W/donor"
[ -f Cargo.lock ] || cargo generate-lockfile -q
build=(build --workspace --keep-going --message-format=json) # Which other programs are complete when one fails is chance otherwise.
"$P" "${build[@]}" >"$W/out" 2>"$W/err" || { cat "$W/err"; exit 1; }
git worktree add -q "$W/fork"
[ -f "$W/fork/Cargo.lock" ] || cp Cargo.lock "$W/fork/"
cd "$W/fork"
"$P" "${build[@]}" >"$W/out" 2>"$W/err"
tail -1 "$W/err"

# what DIRECTORY: all that is compared, of the build whose messages are in $W/out.
what() {
  mkdir -p "$1"
  jq -r 'select(.reason == "compiler-message").message.rendered' "$W/out" | sort -u >"$1/messages"
  jq -r 'select(.reason == "compiler-artifact").executable // empty' "$W/out" | sort -u >"$1/programs"
  while read -r program; do
    name=$(basename "$program")
    objcopy -O binary --only-section=.rodata "$program" "$W/rodata"
    strings -n 8 "$W/rodata" | tr -c '[:alnum:]_./:\n' '\n' | sort -u >"$1/$name.text"
    timeout 20 "$program" --help >"$1/$name.help" 2>&1 </dev/null || echo "exit $?" >>"$1/$name.help"
  done <"$1/programs"
}

mapfile -t sources < <(git ls-files '*.rs' | grep -v -e '^tests/' -e '/tests/' -e '^benches/' -e /benches/ -e '^fuzz/' -e /fuzz/ -e examples/)
failed=0
for ((edit = 1; edit <= edits; edit++)); do
  file=$(python3 - "$seed" "$edit" "${sources[@]}" <<'PY'
import random, re, subprocess, sys
draw = random.Random(f"{sys.argv[1]}-{sys.argv[2]}")
for _ in range(1000):
    name = draw.choice(sys.argv[3:])
    text = open(name).read()
    kind = draw.choice(["number", "text", "function", "order", "back"])
    if kind == "function":
        new = text + f'\n#[allow(dead_code)]\npub fn edit_{sys.argv[2]}() -> &\'static str {{ "edit {sys.argv[2]}" }}\n'
    elif kind == "back":
        new = subprocess.run(["git", "show", f"HEAD:{name}"], capture_output=True, text=True).stdout
    else:
        pattern = {"number": r"(?<=[ (=])\d+(?=[;,) ])", "text": r'(?<=")[a-z][a-z ]{5,}(?=")', "order": r"\n(use [^;{]+;)\n(use [^;{]+;)\n"}[kind]
        places = list(re.finditer(pattern, text))
        if not places:
            continue
        at = draw.choice(places)
        put = {"number": lambda: str(int(at[0]) + 1), "text": lambda: at[0] + " edited", "order": lambda: f"\n{at[2]}\n{at[1]}\n"}[kind]()
        new = text[:at.start()] + put + text[at.end():]
    if new != text:
        open(name, "w").write(new)
        print(f"{kind} in {name}")
        break
PY
)
  status=0
  "$P" "${build[@]}" >"$W/out" 2>"$W/err" || status=$?
  summary=$(tail -1 "$W/err")
  rm -rf "$W/a" "$W/b"
  what "$W/a"
  echo $status >"$W/a/status"
  mv target "$W/target"
  status=0
  RUSTC_WRAPPER='' cargo "${build[@]}" >"$W/out" 2>"$W/err" || status=$?
  what "$W/b"
  echo $status >"$W/b/status"
  rm -rf target
  mv "$W/target" target
  if diff -r "$W/a" "$W/b" >"$W/diff"; then result=same; else result=DIFFERS failed=1; fi
  echo "$edit: $file: $result; exit code $(cat "$W/b/status"), $(wc -l <"$W/a/programs") programs;$summary"
  [ $result = same ] || head -20 "$W/diff"
  [ "$(cat "$W/b/status")" = 0 ] || git checkout -q -- "${file##* in }" # An edit that breaks it would hide the next ones.
done
exit $failed
