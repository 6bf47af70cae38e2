#!/usr/bin/env bash
# Installs the library into a folder of its own and uses it from there as a stranger would:
# with pkg-config, from C11 and from C++11 and newer, shared and static, and in plugins.
#
#   tests/unit/test_install.sh build/VARIANT
#
# The programs run without a server; if MYPOOL_URL is set, they also run a query there.
# Sanitizer builds are not for installation: for anything but release it says so and passes.
# The last line is `N passed, M failed`; the status is 0 if none failed.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:?usage: tests/unit/test_install.sh build/VARIANT}
variant=$(basename "$build")
cc=${CC:-gcc} cxx=${CXX:-g++}
passed=0 failed=0

if [[ $variant != release ]]; then
    echo "only the release build is installed, not $variant"
    echo '0 passed, 0 failed'
    exit 0
fi

folder=$(mktemp -d) || exit 2
trap 'rm -rf -- "$folder"' EXIT
prefix=$folder/prefix
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$folder/output" 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$name"
        sed 's/^/        /' "$folder/output"
    fi
}

# Valid C11 and valid C++11. One pool that never reaches a server, and one that does.
write_program() {
    cat >"$folder/program.c" <<'END'
#include <mypool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_values(size_t count, struct pool_args args)
{
    return args.count == count && args.values;
}

static bool counts_values(void)
{
    int n = 1;
    return has_values(0, POOL_ARGS()) && has_values(1, POOL_ARGS((n))) && has_values(1, POOL_ARGS(-n)) &&
           has_values(2, POOL_ARGS(n, "x"));
}

#ifdef __cplusplus
#define NOTHING nullptr
#else
#define NOTHING NULL
#endif

static bool query_one(struct pool *pool, struct pool_error *err)
{
    int64_t n = 0;
    char *text = NOTHING;
    struct pool_outcome outcome;
    bool ok = POOL_QUERY_ONE(pool, "SELECT ? + 1, 'skipped', ?", POOL_ARGS(41, "it's"), err, &n,
                             NOTHING, &text) &&
              n == 42 && strcmp(text, "it's") == 0 &&
              pool_exec(pool, "DO ?", POOL_ARGS(1), &outcome, err) && outcome.affected_rows == 0;
    free(text);
    return ok;
}

static bool query(struct pool *pool, struct pool_error *err)
{
    int64_t n = 0;
    const char *text = NULL;
    struct pool_result *rows = pool_query(pool, "SELECT ? + 1, ?", POOL_ARGS(41, "it's"), err);
    bool ok = pool_next(rows) && POOL_SCAN(rows, &n, &text) && n == 42 && strcmp(text, "it's") == 0 &&
              POOL_SCAN(rows, NOTHING, &text) && pool_get_int_by(rows, "? + 1") == 42 &&
              !pool_result_error(rows);
    pool_result_free(rows);
    return ok;
}

int main(void)
{
    struct pool_error err;
    const char *url = getenv("MYPOOL_URL");
    struct pool *pool = pool_create_url("mysql://nobody:x@127.0.0.1:1/none?failFast=1", &err);
    char *text = pool_escape("it's", 4);
    bool ok = counts_values() && pool && text && strcmp(text, "'it''s'") == 0 && !query(pool, &err) &&
              err.code == POOL_ERR_CONNECT && pool_end(pool, 100, &err);
    free(text);
    if (ok && url && *url)
        ok = (pool = pool_create_url(url, &err)) && query(pool, &err) && query_one(pool, &err) &&
             pool_end(pool, 1000, &err);
    if (!ok)
        fprintf(stderr, "%s: %s\n", pool_code_name(err.code), err.message);
    printf("mypool %s\n", POOL_VERSION);
    return ok ? 0 : 1;
}
END
    cp "$folder/program.c" "$folder/program.cc"
}

# A plugin with thread-local data of its own, and a program that loads a number of them and
# has each of them use a pool, on two threads.
write_plugin() {
    cat >"$folder/plugin.c" <<'END'
#include <mypool.h>
#include <string.h>

_Thread_local char scratch[4096];
int use(void);

int use(void)
{
    struct pool_error err;
    struct pool_conn conn;
    struct pool *pool = pool_create_url("mysql://nobody:x@127.0.0.1:1/none?failFast=1", &err);
    memset(scratch, 1, sizeof scratch);
    bool borrowed = pool && pool_get_connection(pool, &conn, &err);
    return pool && !borrowed && err.code == POOL_ERR_CONNECT && pool_end(pool, 100, &err);
}
END
    cat >"$folder/host.c" <<'END'
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

static void *call(void *use)
{
    return (void *)(intptr_t)((int (*)(void))(intptr_t)use)();
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        pthread_t thread;
        void *plugin = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL), *good = NULL;
        void *use = plugin ? dlsym(plugin, "use") : NULL;
        if (!use || pthread_create(&thread, NULL, call, use) != 0) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        pthread_join(thread, &good);
        if (!good || !call(use)) {
            fprintf(stderr, "%s does not work\n", argv[i]);
            return 1;
        }
    }
    return 0;
}
END
}

install_it() {
    make --no-print-directory install VARIANT="$variant" PREFIX="$prefix" DESTDIR=
}

has_files() {
    local file
    for file in include/mypool.h lib/libmypool.a lib/libmypool.so lib/libmypool.so.0 lib/pkgconfig/mypool.pc; do
        [[ -e $prefix/$file ]] || { echo "$file is missing"; return 1; }
    done
    [[ $(readlink "$prefix/lib/libmypool.so") == libmypool.so.0 ]] || { echo 'wrong link libmypool.so'; return 1; }
}

has_one_header() {
    [[ $(ls "$prefix/include") == mypool.h ]]
}

pc_is_relocated() {
    [[ $(pkg-config --variable=prefix mypool) == "$prefix" ]] &&
        [[ $(pkg-config --modversion mypool) == "$(sed -n 's/^#define POOL_VERSION "\(.*\)"/\1/p' include/mypool.h)" ]]
}

# The words of pkg-config are flags.
# shellcheck disable=SC2046
compile_shared() { # COMPILER STANDARD SOURCE OUT
    (cd "$folder" && "$1" "-std=$2" -Wall -Wextra -pedantic -Werror "$3" -o "$4" \
        $(pkg-config --cflags --libs mypool) -Wl,-rpath,"$prefix/lib")
}

# shellcheck disable=SC2046
compile_static() { # COMPILER STANDARD SOURCE OUT
    (cd "$folder" && "$1" "-std=$2" -Wall -Wextra -pedantic -Werror "$3" -o "$4" $(pkg-config --cflags mypool) \
        "$prefix/lib/libmypool.a" $(pkg-config --libs --static mypool | sed 's/-lmypool//'))
}

# shellcheck disable=SC2046
compile_plugins() {
    local i
    (cd "$folder" && "$cc" -std=c11 -O2 host.c -o host -pthread -ldl &&
        "$cc" -std=c11 -O2 -shared -fPIC plugin.c -o plugin0.so $(pkg-config --cflags mypool) \
            "$prefix/lib/libmypool.a" $(pkg-config --libs --static mypool | sed 's/-lmypool//') &&
        "$cc" -std=c11 -O2 -shared -fPIC plugin.c -o plugin-shared.so $(pkg-config --cflags --libs mypool) \
            -Wl,-rpath,"$prefix/lib" &&
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cp plugin0.so "plugin$i.so" || exit; done)
}

# Thread-local data of what is loaded later has no place in the room that the C library sets
# aside when a program starts.
wants_no_room() { # FILE
    ! readelf -dW "$1" | grep STATIC_TLS
}

# C libraries before 2.40 overwrite vector registers when a thread first touches what is loaded
# later, although compilers rely on them. So they are not used where that happens.
keeps_no_vectors() { # ARCHIVE
    objdump -dr --no-show-raw-insn "$1" | awk '
        /^[0-9a-f]+ <.*>:$/ { name = $2 }
        /[xyz]mm[0-9]/ { vectors[name] = 1 }
        /TLSDESC_CALL/ { touches[name] = 1 }
        END { for (name in touches) if (vectors[name]) { print name; bad = 1 } exit bad }'
}

needs_the_library() {
    ldd "$folder/c-shared" | grep -qF "$prefix/lib/libmypool.so.0"
}

stays_in_its_folder() { # DESTDIR is put before everything
    make --no-print-directory install VARIANT="$variant" PREFIX=/opt/mypool DESTDIR="$folder/stage" &&
        [[ -e $folder/stage/opt/mypool/lib/libmypool.so.0 ]] &&
        grep -qx 'prefix=/opt/mypool' "$folder/stage/opt/mypool/lib/pkgconfig/mypool.pc"
}

write_program
write_plugin
check 'make install' install_it
check 'the files are there' has_files
check 'one public header' has_one_header
check 'pkg-config knows prefix and version' pc_is_relocated
check 'C11, shared library' compile_shared "$cc" c11 program.c c-shared
check 'C++11, shared library' compile_shared "$cxx" c++11 program.cc cc11-shared
check 'C++17, shared library' compile_shared "$cxx" c++17 program.cc cc-shared
check 'C11, static library' compile_static "$cc" c11 program.c c-static
check 'C++11, static library' compile_static "$cxx" c++11 program.cc cc11-static
check 'the program uses the installed library' needs_the_library
for program in c-shared cc11-shared cc-shared c-static cc11-static; do
    check "$program runs" timeout 30 "$folder/$program"
done
check 'plugins with the pool inside' compile_plugins
check 'a plugin with the pool inside can be loaded' timeout 30 "$folder/host" "$folder/plugin0.so"
check 'a dozen more in one process' timeout 30 "$folder/host" "$folder"/plugin[0-9]*.so
check 'a plugin that needs the shared library' timeout 30 "$folder/host" "$folder/plugin-shared.so"
if [[ $(uname -m) == x86_64 && $cc == *gcc* ]]; then # others may have another way
    check 'the shared library wants no room for thread-local data' wants_no_room "$prefix/lib/libmypool.so.0"
    check 'no vector register is in use at thread-local data' keeps_no_vectors "$prefix/lib/libmypool.a"
fi
check 'DESTDIR is respected' stays_in_its_folder
echo "$passed passed, $failed failed"
((failed == 0))
