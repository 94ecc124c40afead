#!/bin/sh
# cargo starts each compiler through this script: "$@" is the compiler and its arguments. Multilane wrote it, and writes it
# again when it differs; multilane's docs/first-edit.md says what it is for. To build without it, set build.rustc-wrapper = "" in
# .cargo/local.toml.
#
# rustc ignores its incremental cache in another directory than the one in which it made the cache. So where a member of the
# workspace has such a cache, rustc is told the directories in words that are the same in every worktree. In every other case
# the compiler is started as it came. Whoever exports a variable of ours changes it for the compiler, so all have a prefix.

ml_incremental= ml_own= ml_emit= ml_externs= ml_macros= ml_out= ml_types= ml_name= ml_hash= ml_source= ml_previous=
for ml_arg do
    case $ml_arg in
    incremental=*) ml_incremental=${ml_arg#incremental=} ;;
    --remap-path-prefix* | instrument-coverage* | -Cinstrument-coverage* | split-debuginfo=unpacked) ml_own=1 ;;
    extra-filename=*) ml_hash=${ml_arg#extra-filename=} ;;
    --test) ml_types="$ml_types test" ;;
    --emit=*) ml_emit=1 ;;
    *.rs) ml_source=${ml_source:-$ml_arg} ;;
    esac
    case $ml_previous in
    --out-dir) ml_out=$ml_arg ;;
    --crate-type) ml_types="$ml_types $ml_arg" ;;
    --crate-name) ml_name=$ml_arg ;;
    esac
    ml_previous=$ml_arg
done

# mold and wild write over an existing file, which in a forked lane may be the donor's by another name. cargo removes only
# what it gives a second name itself.
case $ml_out$ml_types in
?*test* | ?*proc-macro* | ?*dylib*)
    for ml_old in "$ml_out/$ml_name$ml_hash" "$ml_out/lib$ml_name$ml_hash.so"; do
        [ -n "$ml_hash" ] && [ -f "$ml_old" ] && rm -f -- "$ml_old"
    done
    ;;
esac

# A program of ours may not start in a container. With the loader that it was seen to start with, it does: both have the
# times that were noted.
is_as_old() {
    [ -f "$1" ] && [ -f "$2" ] && ! [ "$1" -nt "$2" ] && ! [ "$1" -ot "$2" ]
}
starts() {
    [ -x "$1" ] || return 1
    ml_known=${0%/*}/starts
    if [ -r "$ml_known" ] && read -r ml_loader <"$ml_known" && is_as_old "$ml_loader" "$ml_known" && is_as_old "$1" "$ml_known.program"; then
        return 0
    fi
    "$1" true 2>/dev/null
}
# What compiles has a permit for as long as it runs (multilane's docs/permits.md).
start() {
    if [ "$ml_emit$MULTILANE_PERMIT_HELD" = 1 ] && [ "$MULTILANE_PERMITS" != off ] && starts "${0%/*}/permit"; then
        set -- "${0%/*}/permit" compiler "$@"
    fi
    # dash does not hand on variables whose names it cannot use itself, such as CARGO_BIN_EXE_my-app. cargo sets them for
    # tests and for packages with a build script, and [env] in its configuration may. They are in our own first environment.
    case $ml_types$ml_incremental$OUT_DIR$CARGO_PRIMARY_PACKAGE in
    *test* | */* | *1)
        if [ -z "$BASH_VERSION" ] && [ -r "/proc/$$/environ" ]; then
            ml_odd=
            IFS='
'
            set -f
            for ml_variable in $(tr '\0\n' '\n\001' <"/proc/$$/environ" 2>/dev/null); do
                case ${ml_variable%%=*} in
                "$ml_variable" | *[!A-Za-z0-9_.-]*) ;;
                *[.-]*)
                    ml_variable=$(printf '%s.' "$ml_variable" | tr '\001' '\n')
                    ml_odd=1
                    set -- "${ml_variable%.}" "$@"
                    ;;
                esac
            done
            [ -z "$ml_odd" ] || set -- env "$@"
        fi
        ;;
    esac
    exec "$@"
}

if [ -z "$ml_incremental" ]; then
    # Another builder may have compiled it (multilane's docs/shared-cache.md). But a macro may have read what sccache knows nothing of. So
    # what calls one, or may be handed one by a dependency, does not come from there, if it is of a package that people edit. In
    # a container the program may not start.
    case $CARGO_MANIFEST_DIR in
    */registry/src/* | */git/checkouts/*) ;;
    *)
        set +f
        for ml_arg do
            case $ml_previous$ml_arg in
            --extern*) ml_externs=1 ;;
            -Ldependency=*)
                for ml_macro in "${ml_arg#dependency=}"/*.so "${ml_arg#dependency=}"/*.dylib; do
                    [ -e "$ml_macro" ] && ml_macros=1
                done
                ;;
            esac
            ml_previous=$ml_arg
        done
        set -f
        ;;
    esac
    case $ml_externs$ml_macros$ml_out$ml_types in
    11*) ;;
    ?*' lib' | ?*' rlib')
        ml_cache=${0%/*}/through-cache
        starts "$ml_cache" && start "$ml_cache" "$@"
        ;;
    esac
    start "$@"
fi
# Only for a member of the workspace does cargo start rustc in the root and name the source from there.
case $ml_own$ml_source in
'' | 1* | /*) start "$@" ;;
esac
# With such a name, rustc would take the directory apart.
case $PWD in
*=*) start "$@" ;;
esac
ml_oldpwd=${OLDPWD-none}
cd -P . || start "$@"
[ "$ml_oldpwd" = none ] && unset OLDPWD || OLDPWD=$ml_oldpwd

ml_short=${ml_out#"$PWD"/}
# Lanes of one tree differ in this directory, and no relative path is the same for two of them; a descriptor is. It has to be
# standard input: cargo gives rustc nothing to read there, and any other number may be the job server's. Only where rustc alone
# writes to it: a linker might be started without, and a wrapper of the user's may start rustc without.
case ${1##*/}$2$ml_types in
clippy-driver*' lib' | clippy-driver*' rlib' | *'--crate-name lib' | *'--crate-name rlib')
    if [ -d "$ml_out" ] && [ -r "$ml_out" ] && [ -d /proc/self/fd/ ]; then
        exec <"$ml_out"
        ml_short=/proc/self/fd/0
    fi
    ;;
esac

ml_left=$# ml_previous=
while [ "$ml_left" -gt 0 ]; do
    ml_arg=$1
    shift
    [ "$ml_previous" = --out-dir ] && ml_arg=$ml_short
    ml_previous=$ml_arg ml_left=$((ml_left - 1))
    set -- "$@" "$ml_arg"
done
set -- "$@" "--remap-path-prefix=$PWD=."
# Code that is included by its whole path, as what a build script has generated, says so in file!().
case $CARGO_MANIFEST_DIR in
"$PWD") set -- "$@" "--remap-path-prefix=$PWD/src=$PWD/src" ;;
"$PWD"/*) set -- "$@" "--remap-path-prefix=$CARGO_MANIFEST_DIR=$CARGO_MANIFEST_DIR" ;;
esac
case $OUT_DIR in
"$PWD"/*) set -- "$@" "--remap-path-prefix=$OUT_DIR=$OUT_DIR" ;;
esac

# A fork has brought caches of another worktree: each is made valid for this one before its first use.
[ -x "$ml_incremental/.forked/xtask" ] && "$ml_incremental/.forked/xtask" retarget-cache -- "$@" 2>/dev/null
start "$@"
