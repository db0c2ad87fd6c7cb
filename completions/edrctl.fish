# fish completion for edrctl: fish 3.0 and later. Written by
# `edrctl completion fish`.
#
# Nothing that was typed, and nothing that edrctl answers, is ever evaluated.

function __edrctl_words
    set -l args (commandline -opc)
    set -l prog (string replace -r '^~/' "$HOME/" -- $args[1])
    set -e args[1]
    command -q -- $prog
    or set prog edrctl
    set -l token (commandline -ct)
    set -l typed (string unescape -- "$token" 2>/dev/null)
    or set typed (string trim -l -c '\'"' -- "$token")

    set -l lines (command $prog __complete $args "$typed" 2>/dev/null </dev/null)
    set -l directive (string replace -r '^:' '' -- "$lines[-1]")
    string match -qr '^[0-9]+$' -- "$directive"
    or return
    set -e lines[-1]
    test (math "$directive % 2") -eq 1
    and return

    # --flag=value: fish completes the whole word.
    set -l flag (string match -r -- '^-[^=]*=' "$token")
    if test (math "floor($directive / 16) % 2") -eq 1
        __fish_complete_directories (string replace -r -- '^-[^=]*=' '' "$typed") ''
        return
    end
    if test (count $lines) -eq 0
        if test (math "floor($directive / 4) % 2") -eq 0
            __fish_complete_path (string replace -r -- '^-[^=]*=' '' "$typed")
        end
        return
    end
    for line in $lines
        printf '%s\n' "$flag$line"
    end
    # fish adds a space to the only word there is, unless there is another.
    if test (count $lines) -eq 1 -a (math "floor($directive / 2) % 2") -eq 1
        set -l word (string split -m 1 \t -- $lines[1])[1]
        string match -q -- '*=' "$word"
        or printf '%s,\tand another\n' "$flag$word"
    end
end

complete -c edrctl -e
complete -c edrctl -f -k -a '(__edrctl_words)'
