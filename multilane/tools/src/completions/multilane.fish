# Completes `cargo xtask` and `cargo multilane`, beside what fish completes for cargo.

# The program that completes `cargo $argv[1]`. For xtask it is the one of the workspace that the shell is in. Pressing TAB
# must not start a program that came with a repository, so git must not track it: then `git ls-files` exits with 1.
function __multilane_program
    if test "$argv[1]" = multilane
        command -v cargo-multilane
        return
    end
    set -l dir $PWD
    while test -n "$dir"
        set -l program $dir/target/xtask/xtask
        if test -x $program
            git -C $dir ls-files --error-unmatch -- $program &>/dev/null
            test $status -eq 1; or return 1
            echo $program
            return
        end
        set dir (string replace -r '/[^/]*$' '' -- $dir)
    end
    set dir (git rev-parse --git-common-dir 2>/dev/null); or return
    test -x $dir/multilane/xtask; and echo $dir/multilane/xtask
end

# The words after `cargo`, from `xtask` on; the last one may be incomplete.
function __multilane_words
    set -l words (commandline -opc)
    set -e words[1]
    string match -q -- '+*' $words[1]; and set -e words[1]
    contains -- "$words[1]" xtask multilane; or return 1
    printf '%s\n' $words (commandline -ct)
end

function __multilane_complete
    set -l words (__multilane_words); or return
    set -l program (__multilane_program $words[1]); or return
    $program complete -- $words[2..] 2>/dev/null
end

function __multilane_has_candidates
    set -g __multilane_candidates (__multilane_complete)
    set -q __multilane_candidates[1]
end

# Files where there are no candidates. fish has a `--package` of cargo's own, whose values only it completes otherwise.
complete -c cargo -n __multilane_has_candidates -f -k -a '$__multilane_candidates'
complete -c cargo -n __multilane_has_candidates -x -s p -l package -a '$__multilane_candidates'
