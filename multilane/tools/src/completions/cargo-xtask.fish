# Completes `cargo xtask`, beside what fish knows of cargo.

# The xtask of the workspace that one stands in. Pressing TAB must not start a program that came with somebody's
# repository, so it has to be one that git does not track: then the answer is 1.
function __multilane_program
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

# The words behind `cargo xtask`, the last one as far as it is typed.
function __multilane_words
    set -l words (commandline -opc)
    set -e words[1]
    string match -q -- '+*' $words[1]; and set -e words[1]
    test "$words[1]" = xtask; or return 1
    set -e words[1]
    printf '%s\n' $words (commandline -ct)
end

function __multilane_complete
    set -l program (__multilane_program); or return
    set -l words (__multilane_words); or return
    $program complete -- $words 2>/dev/null
end

function __multilane_has_candidates
    set -g __multilane_candidates (__multilane_complete)
    set -q __multilane_candidates[1]
end

# Files where there is nothing else to say. fish knows `--package` of cargo, and asks nobody else for its values.
complete -c cargo -n __multilane_has_candidates -f -k -a '$__multilane_candidates'
complete -c cargo -n __multilane_has_candidates -x -s p -l package -a '$__multilane_candidates'
