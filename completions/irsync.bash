# irsync(8) for bash.
# Made by tests/house/completions.rs; IRSYNC_BLESS=1 cargo test --test house writes it anew.

_irsync() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local file=/etc/irsync.ini command='' words='' jobs='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config)
            # --config=FILE is three words here.
            [[ ${COMP_WORDS[i + 1]} != = ]] || ((i += 1))
            ((i += 1))
            ((i >= COMP_CWORD)) || file=${COMP_WORDS[i]/#\~/$HOME}
            ;;
        run | check | once | status | history | now | allow | rollback | pause | resume | reload | stop | fleet | help)
            [[ $command ]] || command=${COMP_WORDS[i]}
            ;;
        *) [[ $command ]] || command=rsync ;;
        esac
    done
    [[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $cur != = ]] || cur=''
    case $prev in
    --config | --html | --metrics | --stale) command=rsync ;;
    esac
    case $command in
    '') words='run check once status history now allow rollback pause resume reload stop fleet help --config --help --irsync-interval-seconds= --irsync-timeout-seconds= --version' ;;
    run) words='--config --help' ;;
    check) words='--all --online --config --help' jobs=yes ;;
    once) words='--config --help' jobs=yes ;;
    status) words='--watch --json --config --help' ;;
    history) words='--json --config --help' jobs=yes ;;
    now) words='--config --help' jobs=yes ;;
    allow) words='--config --help' jobs=yes ;;
    rollback) words='--config --help' jobs=yes ;;
    pause) words='--config --help' jobs=yes ;;
    resume) words='--config --help' jobs=yes ;;
    reload) words='--config --help' ;;
    stop) words='--config --help' ;;
    fleet) words='--stale --watch --json --metrics --html --help' ;;
    help) words='run check once status history now allow rollback pause resume reload stop fleet' ;;
    esac
    if [[ $command == rsync || $command == fleet && $cur != -* ]]; then
        # Names of files.
        compopt -o default 2>/dev/null
        COMPREPLY=()
        return
    fi
    [[ ! $jobs || $cur == -* ]] || words=$(sed -n 's/^[[:space:]]*\[\([A-Za-z0-9._-]*\)\][[:space:]]*$/\1/p' "$file" 2>/dev/null)
    # shellcheck disable=SC2207 # names have no blanks
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _irsync irsync
