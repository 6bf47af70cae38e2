#!/usr/bin/env bash
#
# Proof that the tests would notice: puts known faults into a copy of a source, one at a
# time, and expects the tests to fail. A fault is a sed script; it has to change
# something, or it says nothing.
#
#   tests/tools/mutants.sh [PATTERN]      all mutants, or those whose name matches
#   tests/tools/mutants.sh --apply        only whether each script still changes its source
#
# Each mutant of the core meets test_core_explore (every interleaving), then, if it
# survives, test_core_slots, test_core_queue and test_core_followers. A mutant of the threads around the core meets the one test that is
# named with it, beside a private server; to fail or to hang, within a limit, is the same.
# The unchanged sources have to pass all of these, or nothing is proved.

set -u

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." || exit 2
apply_only=false
[[ ${1:-} == --apply ]] && apply_only=true && shift
pattern=${1:-.}
dir=$(mktemp -d "${TMPDIR:-/tmp}/mutants.XXXXXX") || exit 2
trap 'rm -rf -- "$dir"' EXIT
passed=0
failed=0
flags=(-std=c11 -D_GNU_SOURCE -DPOOL__CHECKED -O2 -g -pthread -I"$dir" -Ipool -Iinclude -Itests/support)

compile() { # OUTPUT FILES...
    local output=$1
    shift
    "${CC:-gcc}" "${flags[@]}" "$@" -lcmocka -o "$output" 2>"$dir/log"
}

core_sources=(core slots benches waiter handover queue followers)

sources() { # of the core, the mutated one among them
    local name
    for name in "${core_sources[@]}"; do
        printf '%s\n' "$dir/core/$name.c"
    done
}

build_explore() {
    local -a files
    mapfile -t files < <(sources)
    compile "$dir/explore" -DPOOL__EXPLORE "${files[@]}" "$dir/explore_core.o" "$dir/explore_world.o" \
        "$dir/core_check.o" "$dir/test_core_explore.o"
}

plain_suites=(test_core_slots test_core_queue test_core_followers)

build_plain() {
    local name
    local -a files
    mapfile -t files < <(sources)
    for name in "${plain_suites[@]}"; do
        compile "$dir/$name" "${files[@]}" pool/base/sync.c "$dir/cores.o" "$dir/$name.o" || return 1
    done
}

# Tests include headers whose inline functions a mutant may change too.
build_object() { # NAME [FLAG]
    local name=$1
    shift
    "${CC:-gcc}" "${flags[@]}" "$@" -c tests/*/"$name.c" -o "$dir/$name.o" 2>"$dir/log"
}

build_tests() {
    local name
    for name in explore_core explore_world core_check test_core_explore; do
        build_object "$name" -DPOOL__EXPLORE || return 1
    done
    for name in cores "${plain_suites[@]}"; do
        build_object "$name" || return 1
    done
}

detected_by() { # the test that fails, if any
    local name
    MYPOOL_EXPLORE_STOP=1 timeout -k 5 "$limit" "$dir/explore" >"$dir/explore.log" 2>&1 || { echo interleavings; return 0; }
    build_plain || { echo "does not build"; return 1; }
    for name in "${plain_suites[@]}"; do
        timeout -k 5 "$limit" "$dir/$name" >"$dir/$name.log" 2>&1 || { echo behaviour; return 0; }
    done
    return 1
}

report() { # GOOD TEXT
    if $1; then
        passed=$((passed + 1))
        echo "ok      $2"
    else
        failed=$((failed + 1))
        echo "FAILED  $2"
    fi
}

source_of() { # FILE
    case $1 in
        */*) echo "pool/$1" ;;
        *) echo pool/*/"$1" ;;
    esac
}

copy_core() {
    local name
    mkdir -p "$dir/core"
    for name in "${core_sources[@]}"; do
        cp "pool/core/$name".[ch] "$dir/core/"
    done
}

# With --apply that is all there is to do: true.
only_applied() { # FILE NAME SED-SCRIPT
    $apply_only || return 1
    local source
    source=$(source_of "$1")
    [[ -f $source ]] || report false "there is no $1: $2"
    sed -E -z -e "$3" "$source" | cmp -s - "$source" && report false "the sed script changed nothing: $2"
    return 0
}

mutant() { # FILE NAME SED-SCRIPT
    local file=$1 name=$2 script=$3 test
    [[ $name =~ $pattern ]] || return 0
    only_applied "$file" "$name" "$script" && return 0
    copy_core
    sed -E -z -i -e "$script" "$dir/core/$file"
    if cmp -s "pool/core/$file" "$dir/core/$file"; then
        report false "$name: the sed script changed nothing"
    elif ! { build_tests && build_explore; }; then
        report false "$name: does not compile: $(grep -m1 error "$dir/log")"
    elif test=$(detected_by); then
        report true "caught by $test: $name"
    else
        report false "survived: $name"
    fi
}

# ---- the threads around the core, beside a server

library=build/release/libmypool.a
support=build/release/libsupport.a
read -ra db_flags <<<"$(pkg-config --cflags libmariadb)"
read -ra db_libs <<<"$(pkg-config --libs libmariadb) -lcrypto"
side_by_side=4 # they mostly wait

link_server_test() { # OUTPUT PROGRAM [OBJECT]
    local output=$1 program=$2 wrap=()
    shift 2
    [[ $program == test_races ]] && wrap=("-Wl,--wrap=pool__slots_evict,--wrap=pool__watch_closing,--wrap=pool__connect,--wrap=pool__conn_close,--wrap=pool__policy_returned")
    "${CC:-gcc}" -pthread ${wrap[@]+"${wrap[@]}"} "$dir/$program.o" "$@" "$support" "$library" -lcmocka "${db_libs[@]}" -lm -o "$output"
}

# 0: passed, 1: failed or hung, 2: could not be run.
run_server_test() { # PROGRAM-FILE TEST
    timeout -k 15 60 tests/tools/with-mariadb "$1" "$2" >"$1.log" 2>&1
    local status=$?
    grep -q "RUN .* $2\$" "$1.log" || return 2
    ((status == 0)) && return 0
    ((status == 1 || status == 124 || status >= 128)) && return 1
    return 2
}

# The test passes with the sources as they are.
unchanged=' '
prove() { # PROGRAM TEST
    [[ $unchanged == *" $2 "* ]] && return 0
    [[ -f $dir/$1.o ]] ||
        "${CC:-gcc}" "${flags[@]}" "${db_flags[@]}" -c tests/*/"$1.c" -o "$dir/$1.o" || return 1
    [[ -f $dir/$1 ]] || link_server_test "$dir/$1" "$1" || return 1
    run_server_test "$dir/$1" "$2" || return 1
    unchanged+="$2 "
}

judge() { # FOLDER FILE PROGRAM TEST NAME
    local folder=$1 file=$2 program=$3 test=$4 name=$5
    if ! "${CC:-gcc}" "${flags[@]}" "${db_flags[@]}" -w -c "$folder/$file" -o "$folder/mutant.o" ||
        ! link_server_test "$folder/test" "$program" "$folder/mutant.o"; then
        echo "false does not compile: $name" >"$folder/verdict"
        return
    fi
    run_server_test "$folder/test" "$test"
    case $? in
        0) echo "false survived: $name" ;;
        1) echo "true caught by $test: $name" ;;
        *) echo "false $test could not be run: $name" ;;
    esac >"$folder/verdict"
}

folders=()
server_mutant() { # FILE PROGRAM TEST NAME SED-SCRIPT
    local file=$1 program=$2 test=$3 name=$4 script=$5 folder=$dir/${#folders[@]}
    [[ $name =~ $pattern ]] || return 0
    only_applied "$file" "$name" "$script" && return 0
    folders+=("$folder")
    mkdir "$folder" && cp "$(source_of "$file")" "$folder/${file##*/}"
    sed -E -z -i -e "$script" "$folder/${file##*/}"
    if cmp -s "$(source_of "$file")" "$folder/${file##*/}"; then
        echo "false the sed script changed nothing: $name" >"$folder/verdict"
    elif ! prove "$program" "$test"; then
        echo "false $test fails with the unchanged sources, too: $name" >"$folder/verdict"
    else
        while (($(jobs -rp | wc -l) >= side_by_side)); do
            wait -n
        done
        judge "$folder" "${file##*/}" "$program" "$test" "$name" 2>/dev/null &
    fi
}

report_server_mutants() {
    local folder good text
    wait
    for folder in ${folders[@]+"${folders[@]}"}; do
        read -r good text <"$folder/verdict"
        report "$good" "$text"
    done
}

prove_the_core() {
    copy_core
    if ! { build_tests && build_explore && build_plain; }; then
        cat "$dir/log"
        exit 2
    fi
    limit=900 # of each program, in seconds
    SECONDS=0
    if test=$(detected_by); then
        report false "the unchanged core fails the tests of $test"
        grep -h -B1 -A2 'ERROR' "$dir"/*.log | head -12
    else
        report true "the unchanged core passes"
    fi
    limit=$((60 + 3 * SECONDS)) # a fault may make it hang
}
$apply_only || prove_the_core

# Fault 1: a wake-up is lost between "nothing idle" and "I am queued".
mutant queue.c "a waiter does not look again once it is queued" \
    's/if \(oldest && pool__slots_take_any\(/if (0 \&\& oldest \&\& pool__slots_take_any(/'
mutant queue.c "a waiter looks again before it is counted" \
    's/    pool__explore_point\(\);\n    atomic_fetch_add\(&core->waiting, 1\);\n\}/}/; s/        unjoin_locked\(core, waiter\);\n        waiter->slot/        pool__list_remove(\&waiter->link);\n        waiter->slot/; s/    waiter->behind = ahead >= coming;\n/    pool__explore_point();\n    atomic_fetch_add(\&core->waiting, 1);\n    waiter->behind = ahead >= coming;\n/'
mutant handover.c "a return asks for waiters before it publishes the slot" \
    's/(    for \(;;\) \{\n        \/\* The evict flag)/    bool waited_for = atomic_load(\&core->waiting);\n\1/; s/            pool__explore_point\(\);\n            if \(atomic_load\(&core->waiting\)\)\n/            if (waited_for)\n/'
mutant handover.h "a quick release does not repair the map" \
    's/if \(!\(bits >> \(index % 64\) & 1\) \|\| atomic_load/(void)bits;\n    if (atomic_load/'
mutant slots.c "who clears a wrong bit does not look again" \
    's/if \(pool__slot_state_of\(pool__slots_word\(&core->slots\[index\]\)\) != POOL__SLOT_IDLE\)\n        return false;\n    pool__slots_set_bit/if (true)\n        return false;\n    pool__slots_set_bit/'
mutant slots.c "who clears a wrong bit looks before, not after" \
    's/(    pool__explore_point\(\);\n    atomic_fetch_and\(map_of\(core, index\), ~bit_of\(index\)\);\n)(    if \(pool__slot_state_of\(pool__slots_word\(&core->slots\[index\]\)\) != POOL__SLOT_IDLE\))\n        return false;\n/    bool idle = pool__slot_state_of(pool__slots_word(\&core->slots[index])) == POOL__SLOT_IDLE;\n\1    if (!idle)\n        return false;\n/'
mutant slots.c "a return does not set the bit" \
    's/    if \(moved && pool__slot_state_of\(next\) == POOL__SLOT_IDLE\)\n[^\n]*\n//'
mutant slots.c "a slot leaves its count before scanners can find it" \
    's/(    if \(moved && pool__slot_state_of\(next\) == POOL__SLOT_IDLE\)\n[^\n]*\n)(.*)(\n    return moved;)/\2\n\1\3/'
mutant queue.c "a nudge is forgotten when the nudged one times out" \
    's/    if \(nudged\)\n        pool__handover_serve\(core\); \/\* the slot that it was nudged for/    if (false)\n        pool__handover_serve(core); \/* the slot that it was nudged for/'
mutant queue.c "a nudged waiter looks before returners nudge again" \
    's/        pool__explore_point\(\);\n        atomic_store\(&core->nudged, 0\);\n(        if \(pool__handover_oldest_locked.*\n        \}\n)(    \}\n    pool__unlock\(&core->lock\);\n.*enum pool__queue_result pool__queue_wait)/\1        pool__explore_point();\n        atomic_store(\&core->nudged, 0);\n\2/'
mutant handover.c "the nudge is not taken back when nobody waits" \
    's/    \} else \{\n        atomic_store\(&core->nudged, 0\);\n    \}/    }/'

mutant queue.c "a nudged waiter that finds a slot leaves the others to themselves" \
    's/    if \(granted\)\n        pool__handover_serve\(core\);/    (void)granted;/'
mutant handover.c "a nudge is forgotten when the nudged one is handed another slot" \
    's/    if \(nudged\)\n        pool__handover_serve\(core\);\n    return given;/    (void)nudged;\n    return given;/'
mutant queue.c "a nudge is forgotten when the nudged one is failed" \
    's/(pool__handover_wake_all\(core, &wakes\);\n    \}\n)    if \(nudged\)[^;]*pool__handover_serve\(core\);/\1    (void)nudged;/'

# Fault 3: a slot goes to somebody who has given up.
mutant queue.c "a waiter who times out stays in the queue" \
    's/(    if \(own\) \{\n)        pool__handover_end_locked\(core, waiter, as\);/\1        atomic_fetch_sub(\&core->waiting, 1);\n        pool__waiter_end_locked(waiter, as);/'
mutant queue.c "a timeout does not ask whether a grant came first" \
    's/(        core->timeouts \+= as == POOL__QUEUE_TIMED_OUT;\n    \})/\1 else {\n        pool__waiter_end_locked(waiter, as);\n    }/'
mutant handover.c "a hand-over to an expired waiter" \
    's/pool__now_ns\(\) >= waiter->deadline_ns\)/false)/'
mutant handover.c "an expired waiter is settled and left asleep" \
    's/(waiter->deadline_ns\) \{\n)        pool__handover_add_wake\(wakes, waiter\);\n/\1/'
mutant handover.c "a granted waiter stays counted" \
    's/(    pool__list_remove\(&waiter->link\);\n    pool__explore_point\(\);\n)    atomic_fetch_sub\(&core->waiting, 1\);\n/\1/'
mutant handover.c "a grant leaves the waiter asleep" \
    's/    pool__handover_add_wake\(wakes, waiter\);\n(    return pool__handover_end_locked\(core, waiter, POOL__QUEUE_GRANTED\))/    (void)wakes;\n\1/'
mutant handover.c "the youngest waiter is served first" \
    's/struct pool__link \*link = pool__list_first\(&core->queue\);/struct pool__link *link = pool__list_empty(\&core->queue) ? NULL : core->queue.prev;/'

# Fault 5: the end, an eviction or an old ticket races with borrow and return.
mutant queue.c "the shutting forgets those who wait" \
    's/    pool__queue_fail_waiters\(core, POOL__QUEUE_SHUT, POOL__FOREVER\);\n//'
mutant queue.c "a shut core takes waiters" \
    's/bool refused = atomic_load\(&core->shut\) && [^;]*;/bool refused = false;/'
mutant queue.c "waiters are failed before the core is shut" \
    's/    pool__lock\(&core->lock\);\n    atomic_store\(&core->shut, true\);\n    pool__unlock\(&core->lock\);\n(    pool__queue_fail_waiters\(core, POOL__QUEUE_SHUT, POOL__FOREVER\);\n)/\1    pool__explore_point();\n    atomic_store(\&core->shut, true);\n/'
mutant handover.c "a return ignores the eviction" \
    's/if \(word & POOL__SLOT_EVICT\) \{/if (false) {/'
mutant handover.c "a return looks for the eviction only at first" \
    's/(    word = pool__slots_word\(slot\);\n)(    for \(;;\) \{\n.*)if \(word & POOL__SLOT_EVICT\) \{/\1    bool evict = word \& POOL__SLOT_EVICT;\n\2if (evict) {/'
mutant handover.c "an evicted slot is handed over" \
    's/ && !\(word & POOL__SLOT_EVICT\) && hand_over/ \&\& hand_over/'
mutant slots.c "the end of a call drops the eviction" \
    's/\(word & ~\(POOL__SLOT_CLAIMED \| POOL__SLOT_UNCLEAN\)\) \| flag/(word \& ~POOL__SLOT_FLAGS) | flag/'
mutant slots.c "a chore drops the eviction" \
    's/pool__slots_with_state\(word & \(~POOL__SLOT_FLAGS \| POOL__SLOT_EVICT\), POOL__SLOT_CHORE\)/pool__slots_with_state(word \& ~POOL__SLOT_FLAGS, POOL__SLOT_CHORE)/'
mutant core.h "a borrow does not begin a new generation" \
    's/\+ POOL__SLOT_GENERATION \+ POOL__SLOT_BUSY/+ POOL__SLOT_BUSY/'
mutant slots.c "a ticket's generation is not compared" \
    's/bool current = pool__slot_generation_of\(word\) == generation;/(void)generation;\n    bool current = true;/'
mutant handover.h "a quick release does not compare the generation" \
    's/uint64_t word = \(\(uint64_t\)generation << 32\) \+ POOL__SLOT_BUSY;/(void)generation;\n    uint64_t word = atomic_load(\&slot->word);\n    if (pool__slot_state_of(word) != POOL__SLOT_BUSY || word \& POOL__SLOT_FLAGS)\n        return false;/'
mutant slots.c "a running call does not prevent another" \
    's/return word & POOL__SLOT_CLAIMED \? POOL__CLAIM_IN_USE : POOL__CLAIM_MADE;/return POOL__CLAIM_MADE;/'
mutant slots.c "a slot is reserved without asking whether it is still empty" \
    's/pool__slots_move\(core, &core->slots\[i\], &word, next\)\)/(pool__slots_move(core, \&core->slots[i], \&word, next) || true))/'

# Riders: boarding, riding, leaving, arriving.
mutant followers.c "who does not ride is taken along" \
    's/if \(!waiter->may_follow \|\| pool__waiter_state/if (pool__waiter_state/'
mutant followers.c "who is nudged is taken along" \
    's/if \(!waiter->may_follow \|\| pool__waiter_state\(waiter\) != POOL__WAITER_WAITING \|\|/if (!waiter->may_follow ||/'
mutant followers.c "whose deadline has passed is taken along" \
    's/if \(now >= waiter->deadline_ns\)\n            continue;/if (false)\n            continue;/'
mutant followers.c "the youngest board first" \
    's/struct pool__link \*next = core->queue.next;/struct pool__link *next = core->queue.prev;/; s/        next = next->next;\n(        if \(!waiter->may_follow)/        next = next->prev;\n\1/'
mutant waiter.c "a rider never sets off" \
    's/    atomic_store\(&waiter->word, word_of\(POOL__WAITER_SENT, POOL__QUEUE_PENDING\)\);\n//'
mutant waiter.c "one who is held may leave" \
    's/return move\(waiter, &sent, POOL__WAITER_TAKEN, POOL__QUEUE_PENDING\);/return atomic_load(\&waiter->word) == sent;/'
mutant waiter.c "one who has left arrives" \
    's/        if \(pool__waiter_result_of\(from\) == POOL__QUEUE_ABANDONED\)\n            return false;/        if (false)\n            return false;/'
mutant followers.c "one who arrives is not woken" \
    's/(    if \(wake\)\n        wake\(waiter\);\n)    else\n        pool__benches_add\(core, place, wakes\);\n/\1/'
mutant benches.c "threads on two benches are woken on the last one only" \
    's/    if \(pool__benches_of\(place\) != wakes->bench\)\n        pool__benches_wake\(core, wakes\);\n//'
mutant queue.c "who parks looks at its state before its bench" \
    's/(        uint32_t turn = atomic_load\(bench\);[^\n]*\n        pool__explore_point\(\);\n)(        uint32_t word = atomic_load\(&waiter->word\);\n)/\2        pool__explore_point();\n\1/'
mutant waiter.c "one who waits does not look in time to leave" \
    's/waiter->may_follow \? pool__waiter_later\(now, waiter->follow_ns\) : POOL__FOREVER/POOL__FOREVER/'
mutant queue.c "a rider leaves early" \
    's/state == POOL__WAITER_SENT && now >= waiter->abandon_ns && pool__waiter_abandon/state == POOL__WAITER_SENT \&\& pool__waiter_abandon/'

$apply_only || make -s "$library" "$support" || exit 2
rm -rf "$dir/core"

# Fault 2: what did not come to pass, or came to an end, is no news for those who wait.
server_mutant open.c test_restart a_waiter_outlives_failed_connects_and_is_served \
    "a failed connect does not wake the keeper" \
    's/(pool__slots_to_empty\(&pool->core, slot\);\n    \}\n)    pool__watch_poke\(pool\);\n(\}\n\nstatic void do_open)/\1\2/'
server_mutant open.c test_restart a_waiter_outlives_failed_connects_and_is_served \
    "a failed connect keeps its place" \
    's/ else \{\n        pool__slots_to_empty\(&pool->core, slot\);\n    \}\n(    pool__watch_poke\(pool\);\n\}\n\nstatic void do_open)/\1/'
server_mutant open.c test_restart a_dead_server_is_reported_as_lost_and_then_as_no_connection \
    "a failed connect is not reported" \
    's/    pool__health_report\(pool, err, [^\n]*\n//'
server_mutant keeper.c test_restart a_dead_server_is_reported_as_lost_and_then_as_no_connection \
    "waiters are not told that nothing can be opened" \
    's/    fail_fast\(pool, now, &wake_ns\);\n//'
server_mutant health.c test_restart a_waiter_outlives_failed_connects_and_is_served \
    "nobody wakes the keeper when the pause after a failed connect is over" \
    's/    if \(!allowed\)\n        sooner\([^\n]*\n//'
server_mutant borrow.c test_restart a_server_that_died_while_all_were_idle_costs_no_call \
    "a waiter does not wake the keeper" \
    's/if \(atomic_load\(&pool->core.absent\)\)/if (false)/'
server_mutant slots.c test_restart a_server_that_died_while_all_were_idle_costs_no_call \
    "a connection that is closed is not counted as missing" \
    's/while \(!pool__slots_move\(core, slot, &word, next\)\);/while (!pool__slot_move(slot, \&word, next));/'

# Fault 5, outside the core: an eviction whose answer nobody looks at loses the slot.
server_mutant keeper.c test_races a_connection_that_comes_back_while_it_is_retired_is_closed \
    "the keeper does not close a borrowed connection that came back while it was retired" \
    's/        evict\(pool, slot, POOL_CLOSE_LIFETIME\);/        pool__slots_evict(\&pool->core, slot);/'

# Fault 4: a step without a deadline.
server_mutant wait.c test_freeze a_ping_ends_at_its_deadline_although_the_server_is_frozen \
    "the hook waits for ever" \
    's/poll_until\(fds, 2, deadline_ns\)/poll_until(fds, 2, POOL__FOREVER)/'
server_mutant wait.c test_proxy a_trickling_reply_does_not_outlast_the_deadline \
    "whatever comes in lifts the deadline" \
    's/case POOL__WAKE_READY: break;/case POOL__WAKE_READY: wait->deadline_ns = POOL__FOREVER; break;/'
server_mutant wait.c test_freeze the_end_is_timely_although_the_server_is_frozen \
    "the hook does not look at the cut" \
    's/poll_until\(fds, 2, deadline/poll_until(fds, 1, deadline/'
server_mutant borrow.c test_freeze a_borrow_ends_at_its_deadline_although_the_server_is_frozen \
    "a borrow waits for ever" \
    's/waiter->deadline_ns = pool__earlier\([^;]*;/(void)own, waiter->deadline_ns = POOL__FOREVER;/'
server_mutant open.c test_freeze a_connect_ends_at_its_deadline_although_the_server_is_frozen \
    "a connect has no deadline" \
    's/(struct pool_error \*err\)\n\{\n    uint64_t deadline_ns = )pool__step_deadline_ns\(pool\)/\1POOL__FOREVER/'
server_mutant chores.c test_freeze a_reset_ends_at_its_deadline_although_the_server_is_frozen \
    "a reset has no deadline" \
    's/(pool__session_reset\([^;]*)pool__step_deadline_ns\(pool\)/\1POOL__FOREVER/'
server_mutant chores.c test_freeze a_ping_ends_at_its_deadline_although_the_server_is_frozen \
    "a ping has no deadline" \
    's/(pool__command_ping\([^;]*)pool__step_deadline_ns\(pool\)/\1POOL__FOREVER/'
server_mutant control.c test_freeze a_kill_is_given_up_although_the_server_is_frozen \
    "a kill has no deadline" \
    's/pool__deadline_in\(KILL_DEADLINE_MS\)/POOL__FOREVER/'

# Fault 6: maintenance holds a lock, a thread or the capacity while it talks.
server_mutant workers.c test_freeze a_connect_that_hangs_holds_up_nobody \
    "chores are done under the lock of their queue" \
    's/        chore->run\(pool, chore\);\n/        pthread_mutex_lock(\&pool->workers.lock);\n        chore->run(pool, chore);\n        pthread_mutex_unlock(\&pool->workers.lock);\n/'
server_mutant open.c test_freeze a_connect_that_hangs_holds_up_nobody \
    "a connect is made under the lock of the health" \
    's/    if \(!open_conn\(pool, &conn, &err\)\) \{/    pool__lock(\&pool->health.lock);\n    bool opened = open_conn(pool, \&conn, \&err);\n    pool__unlock(\&pool->health.lock);\n    if (!opened) {/'
server_mutant open.c test_freeze a_connect_that_hangs_does_not_hold_up_the_keeper \
    "a connect is made by the keeper" \
    's/pool__chores_order\(pool, slot, run_open, false\);/(void)run_open, do_open(pool, slot);/'
server_mutant chores.c test_freeze a_ping_that_hangs_does_not_hold_up_the_keeper \
    "a ping is sent by the keeper" \
    's/pool__chores_order\(pool, slot, run_ping, false\);/(void)run_ping, do_ping(pool, slot);/'
server_mutant chores.c test_freeze a_reset_that_hangs_holds_up_nobody \
    "a reset is made by the borrower" \
    's/pool__chores_order\(pool, slot, run_reset, true\);/(void)run_reset, do_reset(pool, slot);/'
server_mutant chores.c test_freeze a_statement_ends_at_its_deadline_although_the_server_is_frozen \
    "a connection is closed, and its statement killed, by the borrower" \
    's/pool__chores_order\(pool, slot, run_close, false\);/(void)run_close, do_close(pool, slot, reason);/'

server_mutant health.c test_keeper a_server_that_lets_in_is_tried_again_soon \
    "the pauses after set-ups that were lost grow" \
    's/interrupted \? 1 :/interrupted \&\& false ? 1 :/'

# Riders: who goes along, and what each is told.
server_mutant leader.c test_pipeline those_who_go_together_stay_within_eight_kilobytes \
    "riders have no limit together" \
    's/ \|\| statement->size > limits->room \|\|/ ||/'
server_mutant job.c test_pipeline a_big_value_does_not_go_along \
    "a rider has no limit of its own" \
    's/ && job->statement.size <= POOL__PIPELINE_BYTES \/ 4//'
server_mutant leader.c test_pipeline at_most_pipeline_depth_statements_go_together \
    "the depth is not looked at" \
    's/wanted < most \? wanted : most,/most ? wanted : 0,/'
server_mutant leader.c test_pipeline the_share_of_a_connection_goes_along_and_no_more \
    "one connection takes the share of all" \
    's/(return open \? atomic_load\(&pool->core.waiting\)) \/ open : 0/\1 : 0/'
server_mutant leader.c test_pipeline more_go_along_while_the_next_connection_is_far_away \
    "the way to the server is not looked at" \
    's/wanted \+= sooner_here\(borrowed->conn, own, open\);/(void)sooner_here(borrowed->conn, own, open);/'
server_mutant job.c test_pipeline who_asks_to_be_alone_does_not_go_along \
    "who asks to be alone rides" \
    's/!job->request->alone && //'
server_mutant joinable.c test_pipeline a_slow_statement_does_not_go_along \
    "slow statements ride" \
    's/ && stmt->mean_ns < QUICK_NS//'
server_mutant stmt.c test_pipeline one_long_run_does_not_make_a_statement_slow \
    "one long run makes a statement slow" \
    's/stmt->last_ns < ns \? stmt->last_ns : ns/stmt->last_ns ? ns : ns/'
server_mutant pipeline.c test_pipeline one_long_ride_does_not_make_its_statement_slow \
    "one long ride counts for each statement in it" \
    's/if \(is_first_of_its_kind\(pipeline, i\)\)/if (is_first_of_its_kind(pipeline, i) || true)/'
server_mutant pipeline.c test_pipeline replies_smaller_than_usual_make_leaders_impatient \
    "leaders wait for replies that are too small time and again" \
    's/conn->hasty_pipelines = HASTY_PIPELINES;/conn->hasty_pipelines = 0;/'
server_mutant pipeline.c test_pipeline a_server_that_takes_its_time_does_not_make_leaders_impatient \
    "leaders take a slow server for small replies" \
    's/pipeline->in_vain = pipeline->asked_until_ns && pool__now_ns\(\) >= pipeline->asked_until_ns &&\n *pool__low_water_there\(conn\) > 0;/pipeline->in_vain = pipeline->in_vain || (pipeline->asked_until_ns \&\& pool__now_ns() >= pipeline->asked_until_ns);/'
server_mutant leader.c test_pipeline_faults who_has_hardly_any_time_left_takes_nobody_along \
    "a leader may have no time left" \
    's/if \(has_time_for_others\(deadline_ns\)\)/if (true)/'
server_mutant leader.c test_pipeline_faults a_rider_leaves_at_its_own_deadline_and_the_others_arrive \
    "riders never set off" \
    's/pool__waiter_sent\(&first->queued->waiter\);/(void)first;/'
server_mutant leader.c test_pipeline_faults a_rider_that_has_left_is_not_run_again \
    "one who has left is held all the same" \
    's/if \(pool__waiter_hold\(&first->queued->waiter\)\)/if (pool__waiter_hold(\&first->queued->waiter) || true)/'
server_mutant pipeline.c test_pipeline_faults a_rider_that_is_run_again_keeps_its_own_deadline \
    "who is run again has the leader's deadline" \
    's/pool__earlier\(own_ns, leader_ns\)/own_ns ? leader_ns : 0/'
server_mutant queued.c test_pipeline_faults the_time_of_a_ride_counts_when_its_statement_is_sent_again \
    "an attempt as a rider costs the statement no time" \
    's/    if \(!job->limit_ns && waiter->follow_ns/    if (false \&\& waiter->follow_ns/'
server_mutant pipeline.c test_pipeline_results an_error_that_ends_the_connection_is_its_own_statements_alone \
    "an error of one ends the ride" \
    's/pipeline->lost = !is_in_step\(pipeline, entry->exec.err\);/pipeline->lost = is_in_step(pipeline, entry->exec.err) ? pipeline->conn->broken : true;/'
server_mutant pipeline.c test_pipeline_results replies_smaller_than_usual_are_taken_as_they_are \
    "a leader sleeps until all that is usual is there" \
    's/    return pipeline->asked_until_ns;/    return POOL__FOREVER;/'
server_mutant reply.c test_pipeline_results a_column_that_was_added_is_there_for_all \
    "the columns that were known first are kept" \
    's/if \(count && mysql->fields\)\n/if (count \&\& mysql->fields \&\& !stmt->columns)\n/'
server_mutant pipeline.c test_pipeline_faults an_end_that_cuts_tells_riders_that_the_pool_is_closed \
    "riders that are cut are told that the connection was lost" \
    's/if \(pipeline->wait.cut\)/if (false)/'
server_mutant pipeline.c test_pipeline_proxy no_statement_of_a_ride_runs_twice_if_its_replies_are_cut \
    "what was lost in company is said not to have run" \
    's/(POOL_ERR_LOST, "%s", text\);\n)(    fail\(pipeline, entry\);)/\1    entry->exec.err->not_executed = true;\n\2/'
server_mutant queued.c test_pipeline_results hooks_come_in_pairs_and_the_books_balance \
    "the release of a rider is not told" \
    's/if \(pool->options\.v\.hooks\.on_release\)/if (false)/'

# ---- texts, and the sessions that they go to

server_mutant quotes.c test_quotes a_routine_with_a_mode_of_its_own_misleads_nobody \
    "the status flag of the session is believed" \
    's/conn->quotes = quotes_of\(sql_mode, charset\);/conn->quotes = conn->mysql->server_status \& SERVER_STATUS_NO_BACKSLASH_ESCAPES ? POOL__QUOTES_BARE : quotes_of(sql_mode, charset);/'
server_mutant outcome.c test_quotes a_change_of_the_mode_is_noticed \
    "what was known of a session stays known" \
    's/    conn->quotes_known = false;\n//'
server_mutant connection.c test_quotes what_the_program_does_by_itself_is_noticed \
    "the program is trusted with the connection" \
    's/    borrowed.conn->native_given = true;\n//'
server_mutant quotes.c test_quotes in_other_charsets_a_backslash_stays_out_of_sight \
    "every charset is taken for UTF-8" \
    's/ \|\| !is_utf8\(charset\)/ || (is_utf8(charset), false)/'
server_mutant quotes.c test_quotes several_statements_may_change_the_mode_between_them \
    "a session is known for several statements" \
    's/    if \(info->semicolon && conn->options->v.multi_statements\)\n        return false;\n//'
server_mutant prepared.c test_quotes the_server_counts_the_placeholders_before_anything_is_bound \
    "an uncertain count goes together with the execution" \
    's/!stmt->info.uncertain &&/(void *)stmt \&\&/'
server_mutant expand.c test_quotes lists_outside_of_in_take_exactly_their_values \
    "lists are padded everywhere" \
    's/ \|\| place->list == POOL__NOWHERE//'
server_mutant give.c test_quotes random_lists_hold_what_logic_says \
    "the comma behind an empty list goes, whatever is before it" \
    's/keeps_one_before \? place->comma_before : place->comma_after/keeps_one_before \&\& place->comma_after == POOL__NOWHERE ? place->comma_before : place->comma_after/'

# ---- what a pool promises of rows, sessions and transactions

server_mutant giveback.c test_async_dispatch the_end_serves_what_was_accepted_behind_a_call_that_fails_at_once \
    "the end forgets calls that have not come to the queue" \
    's/ \|\| atomic_load\(&pool->loop\.work\) \|\|\n/ ||\n/'
server_mutant giveback.c test_drain the_end_waits_for_all_runs_of_a_transaction \
    "the end closes what a transaction between two runs will want" \
    's/ \|\|\n *atomic_load\(&pool->transactions\);/;/'
server_mutant end.c test_drain between_two_runs_nothing_is_drained \
    "a transaction between two runs is forgotten" \
    's/ \|\| atomic_load\(&pool->transactions\);\n    return !calls/;\n    return !calls/'
server_mutant transaction.c test_transaction_with it_may_be_run_very_often \
    "the pause between two runs grows beyond all measure" \
    's/retry < MOST_DOUBLINGS \? retry : MOST_DOUBLINGS/retry/'
server_mutant transaction.c test_transaction_with when_its_time_is_up_nothing_more_is_sent \
    "a transaction whose time is up is committed" \
    's/return has_time\(limits\)\n *\?/return true ?/'
server_mutant cancel.c test_transaction_with a_function_that_cancels_its_own_call_runs_nothing_more \
    "a function that cancels its own call runs on" \
    's/    if \(pool__loop_is_here\([^\n]*\n        note_cancelled\(op\);[^\n]*\n//'
server_mutant cancel.c test_cancel however_early_a_cancel_comes_the_statement_is_stopped \
    "a KILL that comes too early is not repeated" \
    's/        look_again\(op\);/        (void)look_again;/'
server_mutant transaction.c test_transaction_with what_was_cancelled_before_its_commit_is_not_committed \
    "a cancel of which the loop has not heard is forgotten" \
    's/op->cancelled \|\| atomic_load\(&op->cancel_asked\);/op->cancelled;/'
server_mutant giveback.c test_drain the_last_return_wakes_the_loop \
    "a draining pool lets its loop sleep" \
    's/        pool__loop_poke\(&pool->loop\);[^\n]*\n/        ;\n/'
server_mutant transaction.c test_transaction_with a_call_that_is_left_running_is_told_of \
    "a call that is left running is not told of" \
    's/bool left_running = [^;]*;/bool left_running = false;/'
server_mutant connection.c test_transaction_with its_isolation_is_its_own_and_costs_no_reset \
    "a transaction with an isolation level has its session reset" \
    's/        borrowed\.conn->dirty = false;\n/        ;\n/'
server_mutant wait.c test_stream_async its_time_stands_still_with_it_if_the_request_says_so \
    "the time of a paused stream runs on" \
    's/        wait->deadline_ns \+= pool__now_ns\(\) - began_ns;/        (void)began_ns;/'
server_mutant stream.c test_stream_async a_pause_that_nobody_can_end_fails_the_stream \
    "a stream pauses without a handle" \
    's/flow == POOL_FLOW_PAUSE && !op->ticket/false/'
server_mutant doubt.c test_ended_transactions nothing_runs_behind_a_begin_that_failed \
    "a begin is believed before it has succeeded" \
    's/        return true; \/\* what was is forgotten[^\n]*/        return pool__trx_forget(trx), true;/'
server_mutant trx.c test_ended_transactions nothing_runs_behind_results_and_an_error \
    "a failure is not looked at for the end of its transaction" \
    's/    if \(was && !conn->in_transaction\)\n        pool__trx_note_hidden_end\(conn\);//'
server_mutant doubt.c test_lost_transactions a_commit_after_a_deadlock_fails \
    "there is always something to commit" \
    's/    if \(end == POOL__TRX_COMMITTED \|\|/    if (end == POOL__TRX_LOST || end == POOL__TRX_COMMITTED ||/'
server_mutant transaction.c test_ended_transactions nothing_runs_behind_ddl \
    "nothing guards a transaction" \
    's/\.guarded = true/.guarded = false/'
server_mutant keep.c test_autocommit without_it_calls_of_one_statement_commit \
    "what own calls do is not committed" \
    's/    if \(!open \|\|/    if (true || !open ||/'
server_mutant keep.c test_autocommit a_stopped_stream_that_wrote_fails \
    "a stopped stream that wrote is a success" \
    's/\(conn->broken && read_only\)/conn->broken/'
server_mutant session.c test_logins a_changed_user_does_not_reach_the_next_borrower \
    "nobody asks who the user is" \
    's/!same_text\(conn->identity, pool_get_text\(facts, IDENTITY\)\)/false/'
server_mutant session.c test_logins a_time_limit_of_the_account_outlasts_a_reset \
    "the time limit of the account is forgotten" \
    's/ &&\n              restore_time_limit\(conn, deadline_ns, err\)//'
server_mutant session.c test_logins what_a_login_has_set_is_not_reset \
    "a reset is taken for a login" \
    's/    return !conn->login_is_more \|\|/    return true ||/'
server_mutant session.c test_autocommit what_the_init_did_without_it_stays \
    "what the init did is left open" \
    's/    return !open \|\| pool__say/    return true || pool__say/'
server_mutant stale.c test_rereading the_sql_mode_counts \
    "cached statements outlive a change of the SQL mode" \
    's/    if \(conn->rereads\)/    if (false)/'
server_mutant health.c test_health a_crowd_has_its_connections_opened_bit_by_bit \
    "connections are opened as fast as they are wanted" \
    's/unsigned allowed = count < most \? count : most;/unsigned allowed = count; (void)most;/'
server_mutant replica.c test_health a_write_that_new_connections_refuse_too_costs_one_of_them_now_and_then \
    "each refused write costs a connection" \
    's/        return KEEP;/        return REPLACE;/'
server_mutant replica.c test_health what_is_being_opened_is_not_replaced \
    "what is being opened is replaced as well" \
    's/if \(atomic_load\(&pool->records\[slot\]\.opened_ns\) < than_ns\)/if (than_ns)/'
server_mutant trim.c test_trim an_idle_connection_gives_back_what_a_large_row_needed \
    "memory is never given back" \
    's/    if \(!pool__trim_is_bulky\(conn\) \|\| !is_at_rest\(conn\)\)\n        return;/    return;/'
server_mutant hooked.c test_early what_blocks_is_refused_in_the_hooks_of_callers \
    "a hook may wait for its own pool" \
    's/    return hooked != NULL;/    return false;/'
server_mutant arity.c test_early a_wrong_number_of_values_is_told_before_a_connection_is_waited_for \
    "the number of values is looked at when there is a connection" \
    's/    if \(!read_and_check\(statement, err\)\)\n        return false;//'
server_mutant job.c test_counting attempts_are_not_calls \
    "each attempt counts as a call" \
    's/        return;\n    \}\n    err->not_executed = err->not_executed && !job->may_have_run;/    }\n    err->not_executed = err->not_executed \&\& !job->may_have_run;/'

report_server_mutants
echo "$passed passed, $failed failed"
((failed == 0))
