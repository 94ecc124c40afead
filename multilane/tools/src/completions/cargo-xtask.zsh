# Completes `cargo xtask`: cargo's own completion asks a function of this name. To be read after compinit.

# The xtask of the workspace that one stands in. Pressing TAB must not start a program that came with somebody's
# repository, so it has to be one that git does not track: then the answer is 1.
_multilane_program() {
    local dir=$PWD program
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

_cargo-xtask() {
    local program line
    local -a candidates
    program=$(_multilane_program) || return 1
    for line in "${(@f)$($program complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && candidates+=("${${${line//:/\\:}/$'\t'/:}%:}")
    done
    if (( $#candidates )); then
        _describe -V 'cargo xtask' candidates
    else
        _files
    fi
}

# Where nobody has set up cargo's own, it comes with the toolchain.
if (( ! $+_comps[cargo] )); then
    _multilane_cargo() {
        local dir=$(rustc --print sysroot 2>/dev/null)/share/zsh/site-functions
        if [[ -r $dir/_cargo ]]; then
            fpath+=($dir)
            autoload -Uz _cargo
            compdef _cargo cargo
            _cargo "$@"
        elif [[ $words[2] == xtask ]]; then
            shift words
            (( CURRENT-- ))
            _cargo-xtask
        fi
    }
    compdef _multilane_cargo cargo
fi
