#!/usr/bin/env bash
# The examples run against the private server and say what they should.
#
#   tests/tools/with-mariadb tests/live/test_examples.sh build/release
set -u
build=$1
passed=0
failed=0

check() {
    local what=$1
    shift
    if "$@" >"$out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $what"
        cat "$out"
    fi
}

out=$(mktemp)
trap 'rm -f "$out"' EXIT
check "quickstart runs" "$build/examples/quickstart" "$MYPOOL_URL"
check "transactions keeps the total" "$build/examples/transactions" "$MYPOOL_URL"
check "stream reads all rows" "$build/examples/stream" "$MYPOOL_URL"
check "fault-story ends well" "$build/examples/fault-story"
prints_rows() { # EXAMPLE
    "$build/examples/$1" "$MYPOOL_URL" | sort | diff - <(printf 'first: 1 Ada\nsecond: 2 GRACE\n')
}
for loop in epoll libuv libevent; do
    check "loops/$loop prints its rows and stops" prints_rows "loops/$loop"
done
for example in quickstart transactions stream loops/epoll loops/libuv loops/libevent; do
    check "$example refuses a bad URL with status 1" \
        bash -c "'$build/examples/$example' 'mysql://nobody@127.0.0.1:1/x?acquireTimeout=300'; [ \$? -eq 1 ]"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
