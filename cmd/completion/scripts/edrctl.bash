# bash completion for edrctl: bash 3.2 and later, with the package
# bash-completion or without it. Written by `edrctl completion bash`.
#
# Nothing that was typed, and nothing that edrctl answers, is ever evaluated.

# Takes the quotes off a word, expanding nothing. The answer is in REPLY.
__edrctl_plain() {
  local in=$1 out= q= ch next
  local -i i n=${#1}
  case $in in
    *[\'\"\\]*) ;;
    *) REPLY=$in; return ;;
  esac
  for ((i = 0; i < n; i++)); do
    ch=${in:i:1}
    case $q$ch in
      \' | \") q=$ch ;;
      \'\' | \"\") q= ;;
      \\) i=i+1; out+=${in:i:1} ;;
      \"\\)
        next=${in:i+1:1}
        case $next in
          [\"\\\$\`]) out+=$next; i=i+1 ;;
          *) out+=$ch ;;
        esac
        ;;
      *) out+=$ch ;;
    esac
  done
  REPLY=$out
}

__edrctl_option() { compopt -o "$1" 2>/dev/null || true; } # bash 3.2 has no compopt

__edrctl() {
  local IFS=$' \t\n' REPLY
  local line=${COMP_LINE:0:COMP_POINT} w raw= prog typed out directive breaks before l word help
  local -i i n=0 widest=0 room count=0
  local -a words args found helps

  # bash cuts words at = : and @ too; what stands together is one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    w=${COMP_WORDS[i]}
    if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
      line=${line#"${line%%[![:blank:]]*}"}
      n=n+1
      words[n-1]=
    fi
    ((i < COMP_CWORD)) || w=$line
    words[n-1]+=$w
    line=${line#"$w"}
  done
  raw=${words[n-1]}
  for ((i = 1; i < n; i++)); do
    __edrctl_plain "${words[i]}"
    args[i-1]=$REPLY
  done
  __edrctl_plain "${words[0]}"
  prog=$REPLY
  case $prog in \~/*) prog=$HOME/${prog#\~/} ;; esac
  [[ $(type -t -- "$prog") == file ]] || prog=edrctl # an alias, a function

  out=$'\n'$("$prog" __complete "${args[@]}" 2>/dev/null </dev/null)
  directive=${out##*$'\n':}
  out=${out%$'\n':*}
  case $directive in '' | *[!0-9]*) return ;; esac
  COMPREPLY=()
  ((directive & 1)) && return

  typed=${args[n-2]}
  [[ $typed == -*=* ]] && typed=${typed#*=} # --flag=value: the value is completed

  if ((directive & 16)); then
    __edrctl_option filenames
    IFS=$'\n'
    COMPREPLY=($(compgen -d -- "$typed"))
    return
  fi
  if [[ -z $out ]]; then
    ((directive & 4)) && return
    if ! compopt -o default 2>/dev/null; then
      IFS=$'\n'
      COMPREPLY=($(compgen -f -- "$typed"))
    fi
    return
  fi

  # What readline keeps standing before the word it replaces.
  before=
  if [[ $raw != *[\'\"]* ]]; then
    breaks=
    for w in : =; do
      [[ $COMP_WORDBREAKS == *"$w"* ]] && breaks+=$w
    done
    [[ -n $breaks ]] && before=${typed%"${typed##*[$breaks]}"}
    w=${typed:${#before}}
    if [[ $COMP_WORDBREAKS == *@* && $w == *@* ]]; then
      before+=${w%@*} # an @ itself is replaced with what follows it
    fi
  fi

  while IFS= read -r l; do
    [[ -n $l ]] || continue
    word=${l%%$'\t'*}
    ((directive & 64)) || [[ $word == "$typed"* ]] || continue
    help=
    [[ $l == *$'\t'* ]] && help=${l#*$'\t'}
    [[ $word == "$before"* ]] && word=${word:${#before}}
    if [[ $raw != *[\'\"]* && $word == *[!a-zA-Z0-9._/:@+,=%-]* ]]; then
      printf -v word %q "$word"
    fi
    found[count]=$word
    helps[count]=$help
    ((${#word} > widest)) && widest=${#word}
    count=count+1
  done <<<"$out"

  ((directive & 2)) && __edrctl_option nospace
  ((directive & 32)) && __edrctl_option nosort
  # Alone, or where readline puts the words into the line (menu-complete,
  # insert-completions), without what they mean.
  if ((count == 1)) || [[ $COMP_TYPE == 37 || $COMP_TYPE == 42 ]]; then
    COMPREPLY=("${found[@]}")
    return
  fi
  room=${COLUMNS:-80}-widest-6
  for ((i = 0; i < count; i++)); do
    word=${found[i]}
    help=${helps[i]}
    if [[ -n $help ]] && ((room > 8)); then
      ((${#help} > room)) && help=${help:0:room-1}…
      printf -v word '%-*s  (%s)' "$widest" "$word" "$help"
    fi
    COMPREPLY[i]=$word
  done
  # They fit by something else than their beginning: what is typed must stay,
  # and it does when they have no beginning in common.
  if ((count > 1 && directive & 64)); then
    COMPREPLY[count]=' '
  fi
}

complete -F __edrctl edrctl
