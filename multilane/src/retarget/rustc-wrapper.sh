#!/bin/sh
# cargo starts each compiler through this: "$@" is the compiler and its arguments. Written by cargo xtask, which writes it
# anew when it differs; docs/first-edit.md says why it is there. To build without it, set build.rustc-wrapper = "" in
# .cargo/local.toml.
#
# rustc distrusts its incremental cache in another directory than the one that it was made in. So where there is such a
# cache, rustc is told the directories in words that are the same in every worktree. Whatever is odd: just compile.

incremental= own= out= types= name= hash= previous=
for arg do
    case $arg in
    incremental=*) incremental=${arg#incremental=} ;;
    --remap-path-prefix* | instrument-coverage* | -Cinstrument-coverage* | split-debuginfo=unpacked) own=1 ;;
    extra-filename=*) hash=${arg#extra-filename=} ;;
    --test) types="$types test" ;;
    esac
    case $previous in
    --out-dir) out=$arg ;;
    --crate-type) types="$types $arg" ;;
    --crate-name) name=$arg ;;
    esac
    previous=$arg
done
# mold and wild write over what is there, which in a forked lane may be the donor's file by another name. cargo removes only
# what it gives a second name itself.
case $types in
*test* | *proc-macro* | *dylib*)
    for old in "$out/$name$hash" "$out/lib$name$hash.so"; do
        [ -f "$old" ] && rm -f -- "$old"
    done
    ;;
esac

# dash drops variables whose names it could not use itself: CARGO_BIN_EXE_my-app, by which a test finds its program. They are
# in the environment that we were started with.
odd=
case $incremental$types in
?*test* | /*)
    [ -r "/proc/$$/environ" ] && [ -z "$BASH_VERSION" ] &&
        odd=$(tr '\0' '\n' <"/proc/$$/environ" | sed -n '/^[A-Za-z_][A-Za-z0-9_]*[.-][A-Za-z0-9_.-]*=/p')
    ;;
esac
compile() {
    [ -n "$odd" ] || exec "$@"
    IFS='
'
    set -f
    exec env $odd "$@"
}

if [ -z "$incremental" ]; then
    # Somebody may have compiled it already (docs/shared-cache.md).
    case $out$types in
    ?*' lib' | ?*' rlib') [ -x "${0%/*}/through-cache" ] && exec "${0%/*}/through-cache" "$@" ;;
    esac
    compile "$@"
fi
[ -z "$own" ] && cd -P . || compile "$@"

short=${out#"$PWD"/}
# Lanes of one tree differ in this directory, and no relative path is the same for two of them; a descriptor is. It has to be
# standard input: cargo gives rustc nothing to read there, and any other number may be the job server's. Only where rustc alone
# writes to it: a linker might be started without.
case $types in
' lib' | ' rlib')
    if [ -d "$out" ] && [ -r "$out" ] && [ -d /proc/self/fd/ ]; then
        exec <"$out"
        short=/proc/self/fd/0
    fi
    ;;
esac

left=$# previous=
while [ "$left" -gt 0 ]; do
    arg=$1
    shift
    [ "$previous" = --out-dir ] && arg=$short
    previous=$arg left=$((left - 1))
    set -- "$@" "$arg"
done
set -- "$@" "--remap-path-prefix=$PWD=."

# A fork has brought caches of another worktree: xtask puts this one right before it is used for the first time.
[ -x "$incremental/.forked/xtask" ] && "$incremental/.forked/xtask" retarget-cache -- "$@"
compile "$@"
