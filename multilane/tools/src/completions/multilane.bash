# Completes `cargo xtask` and `cargo multilane`; everything else is left to cargo's own completion.

# The program that completes `cargo $1`. For xtask it is the one of the workspace that the shell is in. Pressing TAB must
# not start a program that came with a repository, so git must not track it: then `git ls-files` exits with 1.
_multilane_program() {
    local dir=$PWD program
    if [[ $1 == multilane ]]; then
        command -v cargo-multilane
        return
    fi
    while [[ -n $dir ]]; do
        program=$dir/target/xtask/xtask
        if [[ -x $program ]]; then
            git -C "$dir" ls-files --error-unmatch -- "$program" &>/dev/null
            (($? == 1)) || return 1
            printf '%s\n' "$program"
            return
        fi
        dir=${dir%/*}
    done
    dir=$(git rev-parse --git-common-dir 2>/dev/null) || return
    program=$dir/multilane/xtask
    [[ -x $program ]] && printf '%s\n' "$program"
}

_multilane_cargo() {
    local at=1 program line name
    [[ ${COMP_WORDS[1]} == +* ]] && at=2
    if ((COMP_CWORD > at)) && [[ ${COMP_WORDS[at]} == xtask || ${COMP_WORDS[at]} == multilane ]]; then
        COMPREPLY=()
        program=$(_multilane_program "${COMP_WORDS[at]}") || return
        while IFS= read -r line; do
            COMPREPLY+=("${line%%$'\t'*}")
        done < <("$program" complete -- "${COMP_WORDS[@]:at+1:COMP_CWORD-at}" 2>/dev/null)
        return
    fi

    # Loading cargo's own completion replaces this one, so it is put back.
    if ! declare -F _cargo >/dev/null && declare -F _get_comp_words_by_ref >/dev/null; then
        _comp_load cargo &>/dev/null || _completion_loader cargo &>/dev/null
        declare -F _cargo >/dev/null || source "$(rustc --print sysroot)/etc/bash_completion.d/cargo" 2>/dev/null
        complete -o bashdefault -o default -F _multilane_cargo cargo
    fi
    declare -F _cargo >/dev/null && _cargo "$@"
    for name in xtask multilane; do
        if ((COMP_CWORD == at)) && [[ $name == "${COMP_WORDS[at]}"* && " ${COMPREPLY[*]} " != *" $name "* ]]; then
            _multilane_program $name >/dev/null && COMPREPLY+=($name)
        fi
    done
}

complete -o bashdefault -o default -F _multilane_cargo cargo
