# Completes `cargo xtask` and `cargo multilane`: cargo's own completion calls functions of these names. To be read after
# compinit.

# The program that completes `cargo $1`. For xtask it is the one of the workspace that the shell is in. Pressing TAB must
# not start a program that came with a repository, so git must not track it: then `git ls-files` exits with 1.
_multilane_program() {
    local dir=$PWD program
    if [[ $1 == multilane ]]; then
        whence -p cargo-multilane
        return
    fi
    while [[ -n $dir ]]; do
        program=$dir/target/xtask/xtask
        if [[ -x $program ]]; then
            git -C $dir ls-files --error-unmatch -- $program &>/dev/null
            (( $? == 1 )) || return 1
            print -r -- $program
            return
        fi
        dir=${dir%/*}
    done
    dir=$(git rev-parse --git-common-dir 2>/dev/null) || return
    program=$dir/multilane/xtask
    [[ -x $program ]] && print -r -- $program
}

_multilane_complete() {
    local program line
    local -a candidates
    program=$(_multilane_program $1) || return 1
    for line in "${(@f)$($program complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && candidates+=("${${${line//:/\\:}/$'\t'/:}%:}")
    done
    if (( $#candidates )); then
        _describe -V "cargo $1" candidates
    else
        _files
    fi
}

_cargo-xtask() { _multilane_complete xtask }
_cargo-multilane() { _multilane_complete multilane }

# Where cargo's own completion is not set up, it comes with the toolchain.
if (( ! $+_comps[cargo] )); then
    _multilane_cargo() {
        local dir=$(rustc --print sysroot 2>/dev/null)/share/zsh/site-functions
        if [[ -r $dir/_cargo ]]; then
            fpath+=($dir)
            autoload -Uz _cargo
            compdef _cargo cargo
            _cargo "$@"
        elif [[ $words[2] == (xtask|multilane) ]]; then
            local name=$words[2]
            shift words
            (( CURRENT-- ))
            _multilane_complete $name
        fi
    }
    compdef _multilane_cargo cargo
fi
