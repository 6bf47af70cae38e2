#!/usr/bin/env bash
#
# Tests the HTTP example from outside, with curl.
#
# Run it under tests/tools/with-mariadb, which exports MYPOOL_URL:
#
#     tests/tools/with-mariadb examples/ulfius/test.sh [SERVER]
#
# It starts SERVER (default build/release/ulfius-server) on a free port, asks each route, kills and
# restarts the database if it may, and stops the server with SIGTERM. Every wait has a deadline. The
# last line is `N passed, M failed`; the status is 0 if none failed.

set -u

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
server=${1:-$here/../../build/release/ulfius-server}
passed=0 failed=0 pid='' url=''
folder=$(mktemp -d)

clean_up() {
    [[ -z $pid ]] || kill -s KILL "$pid" 2>/dev/null
    rm -rf -- "$folder"
}
trap clean_up EXIT

pass() {
    passed=$((passed + 1))
    printf 'ok      %s\n' "$1"
}

fail() { # NAME EXPECTED FOUND
    failed=$((failed + 1))
    printf 'FAILED  %s: expected %s, found %s\n' "$1" "$2" "$3"
}

same() { # NAME EXPECTED FOUND
    if [[ $2 == "$3" ]]; then pass "$1"; else fail "$@"; fi
}

matches() { # NAME PATTERN FOUND
    # shellcheck disable=SC2053  # the pattern is one
    if [[ $3 == $2 ]]; then pass "$1"; else fail "$@"; fi
}

# Leaves the answer in `status` and `body`.
ask() { # PATH [CURL-OPTION...]
    local path=$1
    shift
    status=$(curl --silent --max-time 30 --output "$folder/body" --write-out '%{http_code}' "$@" "$url$path")
    body=$(<"$folder/body")
}

post() { # TEXT
    ask /users --header 'Content-Type: application/json' --data-binary "$1"
}

wait_for() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.02
    done
}

is_up() {
    grep -q '^listening' "$folder/out"
}

is_up_or_gone() {
    is_up || ! kill -0 "$pid" 2>/dev/null
}

is_gone() {
    ! kill -0 "$pid" 2>/dev/null
}

status_is() { # PATH STATUS
    ask "$1"
    [[ $status == "$2" ]]
}

# A port that looks free may be taken before the server binds it; then another is tried.
start_server() { # SEED-OPTION...
    local port
    for _ in {1..20}; do
        port=$((10000 + RANDOM % 20000))
        : >"$folder/out" # the last server's word is no answer
        "$server" "$@" "$port" >"$folder/out" 2>"$folder/err" &
        pid=$!
        url=http://127.0.0.1:$port
        wait_for 60 is_up_or_gone && is_up && return 0
        wait "$pid"
        grep -q 'cannot listen' "$folder/err" || break
    done
    pid=''
    return 1
}

routes() {
    ask /healthz
    same 'healthz is 200' 200 "$status"
    ask /readyz
    same 'readyz is 200 with a database' 200 "$status"
    ask /users
    same 'the list is 200' 200 "$status"
    matches 'the list is an array with the seeded users' '\[{*Ada*Sejong*}\]' "$body"
    ask '/users?after=4'
    matches 'the list continues after an id' '\[{"id":5,*}\]' "${body//: /:}"
    ask '/users?after=x'
    same 'a wrong ?after is 400' 400 "$status"
    ask /users/3
    same 'one user is 200' 200 "$status"
    matches 'one user has id, name and city' '{"id":3,"name":"Sejong","city":"Seoul"}' "$(tr -d ' ' <<<"$body")"
    ask /users/999999
    same 'a user who does not exist is 404' 404 "$status"
    ask /users/abc
    same 'an id that is no number is 400' 400 "$status"
    ask /users/99999999999999999999
    same 'an id that is too large is 400' 400 "$status"
    ask '/users/1%20OR%201=1'
    same 'an id with SQL in it is 400' 400 "$status"
    ask /nowhere
    same 'an unknown route is 404' 404 "$status"
    ask /users/1 --request DELETE
    same 'an unknown method is 404' 404 "$status"
}

creation() {
    local id name="O'Brien \\\\ 김"
    post "{\"name\": \"$name\", \"city\": \"Zürich\"}"
    same 'a new user is 201' 201 "$status"
    id=$(tr -dc 0-9 <<<"$body")
    ask "/users/$id"
    same 'the new user can be read' 200 "$status"
    matches 'and has the name as it was sent' "*O'Brien*김*Zürich*" "$body"
    post '{"name": "Ada"}'
    same 'a missing member is 400' 400 "$status"
    post '{"name": "Ada", "city": 5}'
    same 'a member of another type is 400' 400 "$status"
    post '{"name": "", "city": "London"}'
    same 'an empty name is 400' 400 "$status"
    post "{\"name\": \"$(printf 'x%.0s' {1..101})\", \"city\": \"London\"}"
    same 'a name of 101 characters is 400' 400 "$status"
    post "{\"name\": \"$(printf '김%.0s' {1..100})\", \"city\": \"Seoul\"}"
    same 'a name of 100 characters is 201' 201 "$status"
    post '{"name": '
    same 'broken JSON is 400' 400 "$status"
    post '[]'
    same 'JSON that is no object is 400' 400 "$status"
    post ''
    same 'no body is 400' 400 "$status"
    post "{\"name\": \"Ada\", \"city\": \"London\", \"more\": \"$(printf 'x%.0s' {1..9000})\"}"
    same 'a body that is too large is 413' 413 "$status"
    ask /users --data 'name=Ada&city=London'
    same 'a form is 400' 400 "$status"
}

# Only with a server that may be killed; the environment tells.
outage() {
    local database
    [[ -n ${MYPOOL_SERVER_RESTART-} ]] || return 0
    database=$(<"$MYPOOL_SERVER_DIR/pid")
    kill -s KILL "$database"
    if wait_for 60 status_is /readyz 503; then pass 'readyz is 503 without a database'; else
        fail 'readyz is 503 without a database' 503 "$status"
    fi
    ask /users/1
    same 'a query is 503 without a database' 503 "$status"
    same 'the client learns nothing about the database' '{"error":"databaseunavailable"}' \
        "$(tr -d ' \n' <<<"$body")"
    ask /healthz
    same 'healthz is still 200' 200 "$status"
    "$MYPOOL_SERVER_RESTART" wait
    if wait_for 60 status_is /readyz 200; then pass 'readyz is 200 again'; else
        fail 'readyz is 200 again' 200 "$status"
    fi
    ask /users/1
    same 'a query is 200 again' 200 "$status"
}

stop_with() { # SIGNAL
    kill -s "$1" "$pid"
    if wait_for 60 is_gone; then
        wait "$pid"
        same "$1 ends it with status 0" 0 "$?"
        pid=''
    else
        fail "$1 ends it with status 0" 'an end' 'a running server'
    fi
}

arguments() {
    local wrong
    for wrong in 0 65536 -1 80x ''; do
        "$server" "$wrong" >"$folder/out" 2>"$folder/err"
        same "port '$wrong' is refused" 2 "$?"
    done
    MYPOOL_URL='' timeout 60 "$server" --seed="$here/seed.sql" 8080 >"$folder/out" 2>"$folder/err"
    same 'an empty URL is refused' 1 "$?"
}

main() {
    : "${MYPOOL_URL:?must be set, see tests/tools/with-mariadb}"
    arguments
    if start_server --seed="$here/seed.sql"; then
        routes
        creation
        outage
        stop_with TERM
        start_server && stop_with INT
    else
        fail 'the server starts' 'a listening server' "$(<"$folder/err")"
    fi
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0))
}

main
