#!/bin/sh
# cargo starts each compiler through this script: "$@" is the compiler and its arguments. Multilane wrote it, and writes it
# again when it differs; multilane's docs/first-edit.md says what it is for. To build without it, set build.rustc-wrapper = "" in
# .cargo/local.toml.
#
# rustc ignores its incremental cache in another directory than the one in which it made the cache. So where a member of the
# workspace has such a cache, rustc is told the directories in words that are the same in every worktree. In every other case
# the compiler is started as it came.

incremental= own= emit= externs= macros= out= types= name= hash= source= previous=
for arg do
    case $arg in
    incremental=*) incremental=${arg#incremental=} ;;
    --remap-path-prefix* | instrument-coverage* | -Cinstrument-coverage* | split-debuginfo=unpacked) own=1 ;;
    extra-filename=*) hash=${arg#extra-filename=} ;;
    --test) types="$types test" ;;
    --emit=*) emit=1 ;;
    *.rs) source=${source:-$arg} ;;
    esac
    case $previous in
    --out-dir) out=$arg ;;
    --crate-type) types="$types $arg" ;;
    --crate-name) name=$arg ;;
    esac
    previous=$arg
done

# mold and wild write over an existing file, which in a forked lane may be the donor's by another name. cargo removes only
# what it gives a second name itself.
case $out$types in
?*test* | ?*proc-macro* | ?*dylib*)
    for old in "$out/$name$hash" "$out/lib$name$hash.so"; do
        [ -n "$hash" ] && [ -f "$old" ] && rm -f -- "$old"
    done
    ;;
esac

# dash does not hand on variables whose names it cannot use itself, such as CARGO_BIN_EXE_my-app. cargo sets them for tests
# and for packages with a build script, and [env] in its configuration may. They are in our own first environment.
odd=
case $types$incremental$OUT_DIR$CARGO_PRIMARY_PACKAGE in
*test* | */* | *1)
    if [ -z "$BASH_VERSION" ] && [ -r "/proc/$$/environ" ]; then
        IFS='
'
        set -f
        for variable in $(tr '\0' '\n' <"/proc/$$/environ"); do
            case ${variable%%=*} in
            "$variable" | *[!A-Za-z0-9_.-]*) ;;
            *[.-]*) odd=$odd$IFS$variable ;;
            esac
        done
        unset IFS
    fi
    ;;
esac
# A program of ours may not start in a container. With the loader that it was seen to start with, it does: both have the
# times that were noted.
is_as_old() {
    [ -f "$1" ] && [ -f "$2" ] && ! [ "$1" -nt "$2" ] && ! [ "$1" -ot "$2" ]
}
starts() {
    [ -x "$1" ] || return 1
    known=${0%/*}/starts
    if [ -r "$known" ] && read -r loader <"$known" && is_as_old "$loader" "$known" && is_as_old "$1" "$known.program"; then
        return 0
    fi
    "$1" true 2>/dev/null
}
# What compiles has a permit for as long as it runs (multilane's docs/permits.md).
start() {
    if [ "$emit$MULTILANE_PERMIT_HELD" = 1 ] && [ "$MULTILANE_PERMITS" != off ] && starts "${0%/*}/permit"; then
        set -- "${0%/*}/permit" compiler "$@"
    fi
    [ -n "$odd" ] || exec "$@"
    IFS='
'
    exec env $odd "$@"
}

if [ -z "$incremental" ]; then
    # Another builder may have compiled it (multilane's docs/shared-cache.md). But a macro may have read what sccache knows nothing of. So
    # what calls one, or may be handed one by a dependency, does not come from there, if it is of a package that people edit. In
    # a container the program may not start.
    case $CARGO_MANIFEST_DIR in
    */registry/src/* | */git/checkouts/*) ;;
    *)
        set +f
        for arg do
            case $previous$arg in
            --extern*) externs=1 ;;
            -Ldependency=*)
                for macro in "${arg#dependency=}"/*.so "${arg#dependency=}"/*.dylib; do
                    [ -e "$macro" ] && macros=1
                done
                ;;
            esac
            previous=$arg
        done
        set -f
        ;;
    esac
    case $externs$macros$out$types in
    11*) ;;
    ?*' lib' | ?*' rlib')
        cache=${0%/*}/through-cache
        starts "$cache" && start "$cache" "$@"
        ;;
    esac
    start "$@"
fi
# Only for a member of the workspace does cargo start rustc in the root and name the source from there.
case $own$source in
'' | 1* | /*) start "$@" ;;
esac
cd -P . || start "$@"

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
# Code that a build script has generated is included by its whole path, and file!() in it says so.
case $OUT_DIR in
"$PWD"/*) set -- "$@" "--remap-path-prefix=$OUT_DIR=$OUT_DIR" ;;
esac

# A fork has brought caches of another worktree: each is made valid for this one before its first use.
[ -x "$incremental/.forked/xtask" ] && "$incremental/.forked/xtask" retarget-cache -- "$@" 2>/dev/null
start "$@"
