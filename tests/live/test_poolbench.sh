#!/usr/bin/env bash
# poolbench: every mode, the comparison, the JSON keys, and clear refusals.
#
#   tests/tools/with-mariadb tests/live/test_poolbench.sh build/release
set -u
bench=$1/poolbench
passed=0
failed=0

check() { # NAME COMMAND...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1"
    fi
}

keys='mode callers connections seconds operations errors per_second latency_us cpu_us_per_operation p50 p90 p99 p999 max'
has_keys() {
    for key in $keys; do
        grep -q "\"$key\"" <<<"$1" || { echo "no key $key in $1"; return 1; }
    done
}

for mode in pool raw connect cycle async batch rawbatch onebyone; do
    json=$("$bench" --mode "$mode" --callers 4 --connections 2 --rows 100 --seconds 0.3 --json)
    check "$mode prints all keys" has_keys "$json"
    check "$mode has no errors" grep -q '"errors": 0' <<<"$json"
done
json=$("$bench" --compare raw,pool,connect --callers 8 --connections 4 --seconds 0.3 --rounds 1 --json)
check "compare prints an object per mode" [ "$(grep -o '"mode"' <<<"$json" | wc -l)" = 3 ]
json=$("$bench" --compare raw,pool,async --callers 64 --connections 8 --seconds 0.3 --rounds 1 --json)
check "compare knows async" [ "$(grep -o '"mode": "async", "callers": 64' <<<"$json" | wc -l)" = 1 ]
json=$("$bench" --mode async --in-flight 300 --connections 4 --seconds 0.3 --json)
check "async has as many in flight as it should" grep -q '"callers": 300, .*"errors": 0' <<<"$json"
json=$("$bench" --mode async --in-flight 50 --connections 2 --seconds 0.3 --json --query 'SELECT 1 / no' 2>/dev/null)
check "async refuses a wrong query" [ $? = 2 ]
for bad in "--callers 0" "--callers x" "--mode nothing" "--seconds -1" "--rows 0" "--unknown" "--compare raw,nothing" \
    "--mode async --in-flight 0" "--mode pool --in-flight 8"; do
    read -ra words <<<"$bad"
    message=$("$bench" "${words[@]}" 2>&1)
    status=$?
    check "$bad is refused with status 2" [ "$status" = 2 ]
    check "$bad is explained" [ -n "$message" ]
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
