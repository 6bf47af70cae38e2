#!/usr/bin/env bash
#
# Tests of tests/tools/with-mariadb: what it promises to the command it runs, and what it leaves behind.
#
# One behaviour is one function, named as a sentence; `check` runs it in a subshell, shows what it printed
# when it fails, and counts. All runs put their folders into one directory of ours through TMPDIR, so
# "nothing is left" means that this directory is empty and that no server names it on its command line.
# Nothing sleeps to let things happen: `wait_until` asks again until a deadline.

set -u

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
with_mariadb=$here/with-mariadb
runner=''
passed=0
failed=0

TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/test.XXXXXX") || exit 1
export TMPDIR
trap 'rm -rf -- "$TMPDIR"' EXIT

# ---- Tools. -----------------------------------------------------------------------------------------

# The seconds are counted in pauses of our own: if the machine stands still for a minute, so do those
# whom we wait for.
wait_until() { # SECONDS COMMAND...
    local left=$(($1 * 50))
    shift
    until "$@"; do
        ((left-- > 0)) || { echo "in vain: $*" && return 1; }
        sleep 0.02
    done
}

equal() { # EXPECTED ACTUAL
    [[ $1 == "$2" ]] || { echo "expected '$1', got '$2'" && return 1; }
}

# For scripts under `set -e`, which overlooks a failing `! command`.
fails() { # COMMAND...
    ! "$@" || { echo "did not fail: $*" && return 1; }
}

gone() { # PID
    ! kill -0 "$1" 2>/dev/null
}

no_folder() {
    [[ -z $(find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'with-mariadb.*') ]]
}

no_server() {
    ! grep -qs -e "--datadir=$TMPDIR/" /proc/[0-9]*/cmdline
}

nothing_is_left() {
    wait_until 60 no_server && wait_until 60 no_folder
}

# Starts a runner whose command writes what a test needs to know and then waits to be killed. The file
# appears in one step, so whoever sees it can read all of it. A shell starts what it puts into the
# background with SIGINT ignored, which only `env` can undo.
start_a_waiting_runner() { # [OPTION...]
    # shellcheck disable=SC2016  # expanded by the inner shell
    env --default-signal=INT "$with_mariadb" "$@" bash -c '
        echo "$$ $MYPOOL_SERVER_PID $MYPOOL_SERVER_DIR" >"$0.new"
        mv "$0.new" "$0"
        exec sleep 600' "$TMPDIR/ready" &
    runner=$!
    wait_until 90 test -e "$TMPDIR/ready" || return 1
    read -r command server folder <"$TMPDIR/ready"
    rm -f -- "$TMPDIR/ready"
}

# Returns the runner's status. One that does not end is a failure of the test, not its end.
wait_for_runner() {
    wait_until 60 gone "$runner" || kill -KILL "$runner"
    wait "$runner" 2>/dev/null
}

# The rest runs inside with-mariadb, as the commands of the tests below.

sql() { # USER OPTION... -- SQL
    local user=$1 password=secret
    local -a options=()
    shift
    [[ $user == admin ]] && password=adminsecret
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    mariadb --no-defaults --user="$user" --password="$password" "${options[@]}" \
        --batch --skip-column-names --execute="$2" mypool
}

tcp() { # SQL
    sql app --host=127.0.0.1 --port="$MYPOOL_SERVER_PORT" -- "$1"
}

# What a verifying client thinks of the certificate the server shows.
verify_server() { # CA
    openssl s_client -starttls mysql -connect "127.0.0.1:$MYPOOL_SERVER_PORT" -CAfile "$1" \
        -verify_ip 127.0.0.1 -verify_return_error </dev/null 2>&1
}

export with_mariadb
export -f equal fails gone sql tcp verify_server wait_until

# Runs SCRIPT in a bash with the tools above, beside a server.
beside_a_server() { # [OPTION...] SCRIPT
    "$with_mariadb" "${@:1:$#-1}" bash -c "set -eu; ${!#}"
}

# ---- The command. -----------------------------------------------------------------------------------

the_exit_status_is_passed_on() {
    "$with_mariadb" bash -c 'exit 7'
    equal 7 $?
}

death_by_a_signal_becomes_128_and_its_number() {
    # shellcheck disable=SC2016
    "$with_mariadb" bash -c 'kill -USR1 $$'
    equal $((128 + 10)) $?
}

standard_input_and_arguments_reach_the_command() {
    # shellcheck disable=SC2016
    equal 'hello a  b *' "$(echo hello | "$with_mariadb" -- bash -c 'echo "$(cat) $*"' x 'a  b' '*')"
}

wrong_usage_is_refused_with_status_2() {
    local status
    "$with_mariadb" --no-such-option true
    status=$?
    equal 2 "$status" || return 1
    "$with_mariadb" --no-tls
    equal 2 $?
}

a_server_that_cannot_start_is_status_3_with_its_log() {
    local said status
    said=$("$with_mariadb" --server-option=no-such-thing=1 true 2>&1)
    status=$?
    equal 3 "$status" && [[ $said == *"unknown variable 'no-such-thing=1'"* ]] && nothing_is_left
}

# ---- The server. ------------------------------------------------------------------------------------

# shellcheck disable=SC2016
the_urls_name_a_server_that_answers() {
    beside_a_server '
        equal "mysql://app:secret@127.0.0.1:$MYPOOL_SERVER_PORT/mypool" "$MYPOOL_URL"
        equal "mysql://admin:adminsecret@127.0.0.1:$MYPOOL_SERVER_PORT/mypool" "$MYPOOL_ADMIN_URL"
        encoded=${MYPOOL_SERVER_SOCKET//\//%2F}
        equal "mysql://app:secret@localhost/mypool?socketPath=$encoded" "$MYPOOL_SOCKET_URL"
        ((${#MYPOOL_SERVER_SOCKET} < 100))
        equal "app@% mypool" "$(tcp "SELECT CONCAT(CURRENT_USER(), \" \", DATABASE())")"
        equal app@localhost "$(sql app --socket="$MYPOOL_SERVER_SOCKET" -- "SELECT CURRENT_USER()")"
        equal admin@% "$(sql admin --host=127.0.0.1 --port="$MYPOOL_SERVER_PORT" -- "SELECT CURRENT_USER()")"'
}

# shellcheck disable=SC2016
the_ordinary_user_has_rights_on_its_own_databases_only() {
    beside_a_server '
        tcp "CREATE TABLE t (a INT); CREATE DATABASE mypool_2; CREATE TABLE mypool_2.t (a INT)"
        fails tcp "CREATE DATABASE mypoolX"
        fails tcp "SET GLOBAL max_connections = 7"
        fails tcp "SELECT * FROM mysql.user"
        equal 0 "$(tcp "SELECT COUNT(*) FROM information_schema.user_privileges
                        WHERE privilege_type <> \"USAGE\"")"'
}

# shellcheck disable=SC2016
there_is_no_anonymous_user_and_no_test_database() {
    beside_a_server '
        admin() { sql admin --socket="$MYPOOL_SERVER_SOCKET" -- "$1"; }
        equal 0 "$(admin "SELECT COUNT(*) FROM mysql.user WHERE user = \"\"")"
        equal "" "$(admin "SHOW DATABASES LIKE \"test%\"")"'
}

# shellcheck disable=SC2016
a_server_option_reaches_the_server() {
    beside_a_server --server-option=max_connections=13 --server-option=--wait-timeout=77 '
        equal "13 77" "$(tcp "SELECT CONCAT(@@max_connections, \" \", @@global.wait_timeout)")"'
}

# shellcheck disable=SC2016
two_runs_have_nothing_in_common() {
    beside_a_server '
        export outer_pid=$MYPOOL_SERVER_PID outer_port=$MYPOOL_SERVER_PORT outer_dir=$MYPOOL_SERVER_DIR
        tcp "CREATE TABLE only_outside (a INT)"
        "$with_mariadb" --no-tls bash -c "
            [[ \$MYPOOL_SERVER_PID != \$outer_pid && \$MYPOOL_SERVER_PORT != \$outer_port ]] &&
            [[ \$MYPOOL_SERVER_DIR != \$outer_dir && -z \${MYPOOL_CA-} ]] && kill -0 \$outer_pid &&
            equal 0 \"\$(tcp \"SHOW TABLES\" | wc -l)\""
        equal only_outside "$(tcp "SHOW TABLES")"'
}

two_runs_started_together_both_come_up() {
    local first second
    "$with_mariadb" bash -c 'tcp "SELECT 1" >/dev/null' &
    first=$!
    "$with_mariadb" bash -c 'tcp "SELECT 1" >/dev/null' &
    second=$!
    wait "$first" && wait "$second"
}

# ---- TLS. -------------------------------------------------------------------------------------------

# shellcheck disable=SC2016
tls_is_verified_with_the_authority() {
    beside_a_server '
        equal "$MYPOOL_URL?tls=verify&tlsCa=${MYPOOL_CA//\//%2F}" "$MYPOOL_TLS_URL"
        cipher=$(sql app --host=127.0.0.1 --port="$MYPOOL_SERVER_PORT" --ssl-ca="$MYPOOL_CA" \
            --ssl-verify-server-cert -- "SHOW STATUS LIKE \"Ssl_cipher\"")
        [[ $cipher == *TLS* ]]
        verify_server "$MYPOOL_CA" >/dev/null'
}

without_tls_the_server_offers_none() {
    # shellcheck disable=SC2016
    beside_a_server --no-tls '
        [[ -z ${MYPOOL_TLS_URL-}${MYPOOL_CA-} ]]
        equal DISABLED "$(tcp "SELECT @@have_ssl")"'
}

# shellcheck disable=SC2016
the_extra_certificates_are_refused_each_for_its_reason() {
    beside_a_server --extra-certs '
        show() {
            "$MYPOOL_SERVER_RESTART" wait --ssl-cert="$MYPOOL_CERTS/$1.pem" --ssl-key="$MYPOOL_CERTS/$1.key"
        }
        refused() { # CA REASON
            if answer=$(verify_server "$1") || [[ $answer != *"$2"* ]]; then
                echo "$answer" && return 1
            fi
        }
        refused "$MYPOOL_CERTS/other-ca.pem" "unable to get local issuer certificate"
        show wrong-name
        refused "$MYPOOL_CA" "IP address mismatch"
        show expired
        refused "$MYPOOL_CA" "certificate has expired"
        "$MYPOOL_SERVER_RESTART" wait
        verify_server "$MYPOOL_CA" >/dev/null'
}

# ---- The restart. -----------------------------------------------------------------------------------

# shellcheck disable=SC2016
a_killed_server_comes_back_with_its_port_and_data() {
    beside_a_server --server-option=max_connections=13 '
        tcp "CREATE TABLE t (a INT); INSERT INTO t VALUES (5)"
        equal "$MYPOOL_SERVER_PID" "$(<"$MYPOOL_SERVER_DIR/pid")"
        kill -KILL "$MYPOOL_SERVER_PID"
        "$MYPOOL_SERVER_RESTART" wait
        new=$(<"$MYPOOL_SERVER_DIR/pid")
        [[ $new != "$MYPOOL_SERVER_PID" ]]
        kill -0 "$new"
        equal "5 13" "$(tcp "SELECT CONCAT(a, \" \", @@max_connections) FROM t")"' && nothing_is_left
}

# shellcheck disable=SC2016
a_restart_takes_further_options_for_one_start() {
    beside_a_server '
        "$MYPOOL_SERVER_RESTART" wait --max-connections=17
        equal 17 "$(tcp "SELECT @@max_connections")"
        "$MYPOOL_SERVER_RESTART"
        answers() { tcp "SELECT 1" >/dev/null 2>&1; }
        wait_until 60 answers
        equal 151 "$(tcp "SELECT @@max_connections")"'
}

# shellcheck disable=SC2016
a_restarted_server_holds_nothing_of_its_caller() {
    beside_a_server '
        exec 7>"$MYPOOL_SERVER_DIR/held"
        "$MYPOOL_SERVER_RESTART" wait
        open=$(readlink "/proc/$(<"$MYPOOL_SERVER_DIR/pid")/fd/"*)
        [[ $open == *"$MYPOOL_SERVER_DIR/log"* && $open != *"$MYPOOL_SERVER_DIR/held"* ]]'
}

a_restart_that_fails_says_so() {
    # shellcheck disable=SC2016
    beside_a_server '
        status=0
        said=$("$MYPOOL_SERVER_RESTART" wait --no-such-thing=1 2>&1) || status=$?
        equal 3 "$status"
        [[ $said == *no-such-thing* ]] || { echo "$said" && false; }'
}

# ---- The end. ---------------------------------------------------------------------------------------

a_signal_is_forwarded_and_nothing_is_left() {
    local signal
    for signal in 15 2 1; do
        start_a_waiting_runner || return 1
        kill "-$signal" "$runner"
        wait_for_runner
        equal $((128 + signal)) $? || return 1
        # The runner returns after the server, so there is nothing to wait for.
        { gone "$command" && gone "$server" && no_server && no_folder; } || return 1
    done
}

a_command_may_survive_the_signal_it_gets() {
    local status
    # shellcheck disable=SC2016
    "$with_mariadb" bash -c 'trap "exit 9" TERM; : >"$0"; while :; do sleep 0.05; done' "$TMPDIR/ready" &
    runner=$!
    wait_until 90 test -e "$TMPDIR/ready" || return 1
    kill -TERM "$runner"
    wait_for_runner
    status=$?
    rm -f -- "$TMPDIR/ready"
    equal 9 "$status"
}

a_signal_during_the_start_leaves_nothing() {
    "$with_mariadb" sleep 600 &
    runner=$!
    wait_until 90 eval '! no_folder' || return 1
    kill -TERM "$runner"
    wait_for_runner
    equal $((128 + 15)) $? && no_server && no_folder
}

a_killed_runner_leaves_nothing() {
    start_a_waiting_runner || return 1
    kill -KILL "$runner"
    wait_for_runner
    wait_until 60 gone "$server" && nothing_is_left
    local status=$?
    kill -KILL "$command"
    return "$status"
}

a_killed_runner_leaves_no_restarted_server() {
    start_a_waiting_runner || return 1
    "$folder/restart" wait && kill -KILL "$runner"
    wait_for_runner
    nothing_is_left
    local status=$?
    kill -KILL "$command"
    return "$status"
}

a_stopped_server_is_stopped_for_good() {
    start_a_waiting_runner --clean-stop || return 1
    kill -STOP "$server"
    kill -TERM "$runner"
    wait_for_runner
    gone "$server" && no_server && no_folder
}

the_folder_is_kept_on_demand() {
    local kept status
    # shellcheck disable=SC2016
    kept=$("$with_mariadb" --keep bash -c 'echo "$MYPOOL_SERVER_DIR"')
    [[ -s $kept/log && -d $kept/data ]] && no_server && ! "$kept/restart"
    status=$?
    rm -rf -- "$kept"
    return "$status"
}

# ---- The count. -------------------------------------------------------------------------------------

check() { # TEST
    local said
    if said=$("$1" 2>&1); then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$1"
        printf '        %s\n' "${said//$'\n'/$'\n'        }"
    fi
}

check the_exit_status_is_passed_on
check death_by_a_signal_becomes_128_and_its_number
check standard_input_and_arguments_reach_the_command
check wrong_usage_is_refused_with_status_2
check a_server_that_cannot_start_is_status_3_with_its_log
check the_urls_name_a_server_that_answers
check the_ordinary_user_has_rights_on_its_own_databases_only
check there_is_no_anonymous_user_and_no_test_database
check a_server_option_reaches_the_server
check two_runs_have_nothing_in_common
check two_runs_started_together_both_come_up
check tls_is_verified_with_the_authority
check without_tls_the_server_offers_none
check the_extra_certificates_are_refused_each_for_its_reason
check a_killed_server_comes_back_with_its_port_and_data
check a_restart_takes_further_options_for_one_start
check a_restarted_server_holds_nothing_of_its_caller
check a_restart_that_fails_says_so
check a_signal_is_forwarded_and_nothing_is_left
check a_command_may_survive_the_signal_it_gets
check a_signal_during_the_start_leaves_nothing
check a_killed_runner_leaves_nothing
check a_killed_runner_leaves_no_restarted_server
check a_stopped_server_is_stopped_for_good
check the_folder_is_kept_on_demand

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
