//! Shell completions are made of the command line as clap knows it, and each shell completes with them.
//! `IRSYNC_BLESS=1 cargo test --test house` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command, as far as a shell must know it.
struct Word {
    name: String,
    /// In a few words.
    does: String,
    /// With their dashes; true: a file's name or another value follows.
    options: Vec<(String, bool)>,
    /// Names of jobs may follow.
    jobs: bool,
}

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn words() -> Vec<Word> {
    let mut grammar = irsync::grammar();
    grammar.build();
    let mut words: Vec<Word> = grammar.get_subcommands().map(word).collect();
    words.push(fleet());
    words
}

fn word(command: &clap::Command) -> Word {
    let help = command.clone().render_help().to_string();
    let option = |argument: &clap::Arg| {
        argument.get_long().map(|long| (format!("--{long}"), argument.get_action().takes_values()))
    };
    Word {
        name: command.get_name().into(),
        does: help.split("\n\n").nth(1).map(first_sentence).unwrap_or_default(),
        options: command.get_arguments().filter_map(option).collect(),
        jobs: command.get_arguments().any(|argument| argument.get_id() == "job"),
    }
}

/// It is not clap's, and not in every build; what it takes stands in its help.
fn fleet() -> Word {
    let source = fs::read_to_string(repository("src/commands/fleet.rs")).unwrap();
    let options = source.lines().filter_map(|line| line.strip_prefix("  --")).map(|line| {
        let mut parts = line.split_whitespace();
        let name = format!("--{}", parts.next().unwrap_or_default());
        (name, parts.next().is_some_and(|word| word.chars().all(|c| c.is_ascii_uppercase())))
    });
    let options: Vec<(String, bool)> = options.chain([("--help".into(), false)]).collect();
    assert!(options.len() > 5, "{options:?}");
    Word { name: "fleet".into(), does: "Shows which devices of a fleet are sick".into(), options, jobs: false }
}

fn first_sentence(text: &str) -> String {
    let text = text.replace('\n', " ");
    let end = [". ", ": "].iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}

/// The options of a command line without a command.
fn first_options() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_irsync")).arg("--help").output().expect("cannot run irsync");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let letter = |c: char| c.is_ascii_lowercase() || c == '-';
    let mut found: Vec<String> = help
        .split(|c: char| !letter(c) && c != '=')
        .filter(|word| word.starts_with("--irsync-") || ["--config", "--help", "--version"].contains(word))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 5, "{found:?}");
    found
}

const HEAD: &str = "Made by tests/house/completions.rs; IRSYNC_BLESS=1 cargo test --test house writes it anew.";

/// What finds the jobs of the file that the command line names.
const JOBS: &str = r#"sed -n 's/^[[:space:]]*\[\([A-Za-z0-9._-]*\)\][[:space:]]*$/\1/p' "$file" 2>/dev/null"#;

fn bash() -> String {
    let words = words();
    let names: Vec<&str> = words.iter().map(|word| word.name.as_str()).chain(["help"]).collect();
    let mut text = format!("# irsync(8) for bash.\n# {HEAD}\n\n");
    text += "_irsync() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n";
    text += "    local file=/etc/irsync.ini command='' words='' jobs='' i\n";
    text += "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n        --config)\n";
    text += "            # --config=FILE is three words here.\n";
    text += "            [[ ${COMP_WORDS[i + 1]} != = ]] || ((i += 1))\n            ((i += 1))\n";
    text += "            ((i >= COMP_CWORD)) || file=${COMP_WORDS[i]/#\\~/$HOME}\n            ;;\n";
    text += &format!("        {})\n", names.join(" | "));
    text += "            [[ $command ]] || command=${COMP_WORDS[i]}\n            ;;\n";
    text += "        *) [[ $command ]] || command=rsync ;;\n        esac\n    done\n";
    text += "    [[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n    [[ $cur != = ]] || cur=''\n";
    let mut values: Vec<&str> =
        words.iter().flat_map(|word| &word.options).filter(|option| option.1).map(|option| &*option.0).collect();
    values.sort_unstable();
    values.dedup();
    text += &format!("    case $prev in\n    {}) command=rsync ;;\n    esac\n", values.join(" | "));
    text += &format!("    case $command in\n    '') words='{} {}' ;;\n", names.join(" "), first_options().join(" "));
    for word in &words {
        let options: Vec<&str> = word.options.iter().map(|option| option.0.as_str()).collect();
        let jobs = if word.jobs { " jobs=yes" } else { "" };
        text += &format!("    {}) words='{}'{jobs} ;;\n", word.name, options.join(" "));
    }
    text += &format!("    help) words='{}' ;;\n", names[..names.len() - 1].join(" "));
    text += "    esac\n    if [[ $command == rsync || $command == fleet && $cur != -* ]]; then\n";
    text += "        # Names of files.\n        compopt -o default 2>/dev/null\n        COMPREPLY=()\n        return\n    fi\n";
    text += &format!("    [[ ! $jobs || $cur == -* ]] || words=$({JOBS})\n");
    text += "    # shellcheck disable=SC2207 # names have no blanks\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n";
    text += "    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null\n}\n\ncomplete -F _irsync irsync\n";
    text
}

fn zsh() -> String {
    let words = words();
    let mut text = format!("#compdef irsync\n# irsync(8) for zsh.\n# {HEAD}\n\n");
    text += "_irsync_jobs() {\n    local file=/etc/irsync.ini i\n    local -a jobs\n";
    text += "    for ((i = 2; i < ${#_irsync_words}; i++)); do\n        case $_irsync_words[i] in\n";
    text += "        --config) file=${~_irsync_words[i + 1]} ;;\n        --config=*) file=${~_irsync_words[i]#--config=} ;;\n        esac\n    done\n";
    text += &format!("    jobs=(${{(f)\"$({JOBS})\"}})\n    compadd -a jobs\n}}\n\n");
    text += "_irsync() {\n    local -a _irsync_words=(\"${words[@]}\") commands=(\n";
    for word in &words {
        text += &format!("        '{}:{}'\n", word.name, word.does.replace('\'', "'\\''").replace(':', "\\:"));
    }
    text += "        'help:Shows the help of a command'\n    )\n    local curcontext=$curcontext state line\n    typeset -A opt_args\n";
    text += "    _arguments -C -A '-*' \\\n";
    for option in first_options() {
        let does = match option.as_str() {
            "--config" => "'--config=[the configuration]:file:_files'".into(),
            _ if option.ends_with('=') => format!("'{option}[for a command line of the Go tool]:number:'"),
            _ => format!("'{option}[show it]'"),
        };
        text += &format!("        {does} \\\n");
    }
    text += "        '1: :->command' '*:: :->rest' && return\n    case $state in\n";
    text += "    command)\n        # What is no command goes to rsync.\n        _describe -t commands 'command' commands || _files\n        ;;\n    rest)\n        case $words[1] in\n";
    for word in &words {
        let mut arguments: Vec<String> = Vec::new();
        for (option, value) in &word.options {
            arguments.push(match value {
                true => format!("'{option}=:value:_files'"),
                false => format!("'{option}'"),
            });
        }
        arguments.extend(word.jobs.then(|| "'*:job:_irsync_jobs'".to_owned()));
        arguments.extend((word.name == "fleet").then(|| "'*:folder:_files -/'".to_owned()));
        text += &format!("        {}) _arguments {} ;;\n", word.name, arguments.join(" "));
    }
    text += "        help) _describe -t commands 'command' commands ;;\n        *) _files ;;\n        esac\n        ;;\n    esac\n}\n\n";
    text += "_irsync \"$@\"\n";
    text
}

#[test]
fn completions_are_up_to_date() {
    for (name, text) in [("completions/irsync.bash", bash()), ("completions/_irsync", zsh())] {
        let path = repository(name);
        if std::env::var_os("IRSYNC_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{name} is out of date: IRSYNC_BLESS=1 cargo test --test house writes it anew");
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("my.ini"), "interval = 1s\n[media]\nsource = [x]\n  [movies]\n; [mute]\n[logs]\n").unwrap();
    folder
}

/// Each line that is typed, the TAB at its end, and what the shell offers.
const TYPED: &[(&str, &str)] = &[
    ("irsync che", "check"),
    ("irsync re", "reload resume"),
    ("irsync status --w", "--watch"),
    ("irsync --conf", "--config"),
    ("irsync once --config my.ini m", "media movies"),
    ("irsync --irsync-i", "--irsync-interval-seconds="),
    ("irsync --config=my.ini now l", "logs"),
    ("irsync --config my.ini history media mo", "movies"),
    ("irsync check --config my", "my.ini"),
    ("irsync -rlt my", "my.ini"),
    ("irsync help al", "allow"),
    ("irsync fleet --met", "--metrics"),
    ("irsync reload my", ""),
];

#[test]
fn bash_completes() {
    let folder = folder("bash-completes");
    // As readline does: the words, = among what parts them, and the function that `complete` has registered.
    let script = r#"
        source "$1"
        function=$(complete -p irsync | sed 's/.*-F \([^ ]*\) .*/\1/')
        line=$2
        read -r -a COMP_WORDS <<<"${line//=/ = }"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        compopt() { [[ $2 != default ]] || files=yes; }
        "$function"
        [[ ! ${files-} ]] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        echo "${COMPREPLY[@]}"
    "#;
    for (typed, offered) in TYPED {
        let output = Command::new("bash")
            .args(["--norc", "-c", script, "bash"])
            .arg(repository("completions/irsync.bash"))
            .arg(typed)
            .current_dir(&folder)
            .output()
            .expect("cannot run bash");
        let said = String::from_utf8_lossy(&output.stdout);
        let mut found: Vec<&str> = said.split_whitespace().collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), *offered, "{typed}: {output:?}");
        assert!(output.stderr.is_empty(), "{typed}: {output:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn zsh_completes() {
    if Command::new("zsh").arg("--version").output().is_err() {
        eprintln!("SKIPPED zsh_completes: no zsh (Debian package zsh)");
        return;
    }
    let folder = folder("zsh-completes");
    // A real zsh at a terminal of its own: the line, TAB, and what has become of it; where several fit, their list.
    let script = r#"
        zmodload zsh/zpty
        zpty z zsh -f -i
        read_until() { local part; local n=0; said=; while ((n++ < 600)); do
            if zpty -r -t z part; then said+=$part; else sleep 0.1; fi
            [[ $said != *$~1* ]] || return 0
        done; print -r -- "waited in vain for $1: $said"; exit 1 }
        zpty -w z "PROMPT='%% '; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; cd $2; zstyle ':completion:*' list-colors ''"
        zpty -w z "offered() { compadd() { builtin compadd -O found \"\$@\"; print -rl -- \$found >>$2/offered; builtin compadd \"\$@\" }; _main_complete; unfunction compadd }; zle -C offered complete-word offered; bindkey '^I' offered; echo re''ady"
        read_until ready
        zpty -w -n z "$3"$'\t'
        zpty -w z $'\x15'"echo do''ne"
        read_until done
    "#;
    // Each is a whole zsh, which takes seconds to start.
    for (typed, offered) in TYPED.iter().step_by(2) {
        let log = folder.join("offered");
        let _ = fs::remove_file(&log);
        let output = Command::new("zsh")
            .args(["-f", "-c", script, "zsh"])
            .arg(repository("completions"))
            .arg(&folder)
            .arg(typed)
            .output()
            .expect("cannot run zsh");
        assert!(output.status.success(), "{typed}: {output:?}");
        let found = fs::read_to_string(&log).unwrap_or_default();
        let mut found: Vec<&str> = found.lines().filter(|line| !line.is_empty()).collect();
        found.sort_unstable();
        found.dedup();
        let plain = |word: &str| word.trim_end_matches('=').to_owned();
        let found: Vec<String> = found.into_iter().map(plain).collect();
        let offered: Vec<String> = offered.split_whitespace().map(plain).collect();
        assert_eq!(found, offered, "{typed}: {output:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}
