#!/bin/sh
# cargo starts each compiler through this: "$@" is the compiler and its arguments. Written by cargo xtask, which writes it
# anew when it differs; docs/first-edit.md says why it is there. To build without it, set build.rustc-wrapper = "" in
# .cargo/local.toml.
#
# rustc distrusts its incremental cache in another directory than the one that it was made in. So where there is such a
# cache, rustc is told the directories in words that are the same in every worktree. Whatever is odd: just compile.

incremental=
for arg do
    case $arg in
    incremental=*) incremental=${arg#incremental=} ;;
    --remap-path-prefix* | instrument-coverage* | -Cinstrument-coverage* | split-debuginfo=unpacked) exec "$@" ;;
    esac
done
[ -n "$incremental" ] && cd -P . || exec "$@"

left=$# previous=
while [ "$left" -gt 0 ]; do
    arg=$1
    shift
    [ "$previous" = --out-dir ] && arg=${arg#"$PWD"/}
    previous=$arg left=$((left - 1))
    set -- "$@" "$arg"
done
set -- "$@" "--remap-path-prefix=$PWD=."

# A fork has brought caches of another worktree: xtask puts this one right before it is used for the first time.
[ -x "$incremental/.forked/xtask" ] && "$incremental/.forked/xtask" adopt-cache -- "$@"
exec "$@"
