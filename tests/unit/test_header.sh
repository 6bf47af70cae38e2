#!/usr/bin/env bash
# The public header under every compiler and standard that is here: a program that uses all of
# it compiles without a word under many warnings, and no wrong type gets into a value.
#
#   tests/unit/test_header.sh
#
# Needs gcc and g++; clang and clang++ are taken as well if they are installed. With -m32 only
# the syntax is checked, where the headers of the C library allow that. The last line is
# `N passed, M failed`; the status is 0 if none failed.
set -u
cd "$(dirname "$0")/../.." || exit 2
passed=0 failed=0

folder=$(mktemp -d) || exit 2
trap 'rm -rf -- "$folder"' EXIT

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion
    -Wcast-align -Wcast-qual -Wundef -Wformat=2 -Wredundant-decls -Wfloat-equal -Wswitch-enum -Werror)
c_warnings=(-Wc++-compat -Wstrict-prototypes -Wmissing-prototypes)
cxx_warnings=(-Wold-style-cast -Weffc++ -Wzero-as-null-pointer-constant -Wextra-semi
    -Wnon-virtual-dtor -Woverloaded-virtual)
gxx_warnings=(-Wuseless-cast -Wstrict-null-sentinel -Wlogical-op -Wnoexcept)
# All but what forbids anything newer than C++98, our names, and holes in structs.
clangxx_warnings=(-Weverything -Wno-c++98-compat -Wno-c++98-compat-pedantic -Wno-reserved-identifier
    -Wno-padded -Wno-unknown-warning-option -Wno-unsafe-buffer-usage)

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$folder/output" 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$name"
        head -n 40 "$folder/output" | sed 's/^/        /'
    fi
}

# ---- what compiles -------------------------------------------------------------------

write_right() {
    cat >"$folder/both.h" <<'END'
typedef struct pool_result *use_fn(struct pool *, struct pool_result *, struct pool_error *);
use_fn use;
struct pool_result *use(struct pool *pool, struct pool_result *rows, struct pool_error *err)
{
    bool b = true;
    char c = 'c';
    signed char sc = 1;
    unsigned char uc = 1;
    short s = 1;
    unsigned short us = 1;
    int i = 1;
    unsigned u = 1;
    long l = 1;
    unsigned long ul = 1;
    long long ll = 1;
    unsigned long long ull = 1;
    volatile int vi = 1;
    float f = 1;
    double d = 1;
    enum { RED, BLUE } color = BLUE;
    const char *text = "x";
    char buffer[4] = "x";
    struct pool_value v = pool_int(1);
    const struct pool_value list[] = {pool_int(1), pool_text("x")};
    struct pool_time time;
    struct pool_bytes bytes;
    struct pool_options options;
    struct pool_stats stats;
    struct pool_request request;
    struct pool_args args = POOL_ARGS(v, POOL_NAMED("x", 1), pool_list(list, 2));
    struct pool_args none = POOL_ARGS();
    request.args = POOL_ARGS(b, c, sc, uc, s, us, i, u, l, ul, ll, ull, vi, f, d, color, RED, text,
                             buffer, "x", 1, 1.5, 1 + i, i ? text : buffer, true);
    request.args = POOL_NO_ARGS;
    pool_stats(pool, &stats);
    options.port = POOL_UNLIMITED;
    options.query_timeout_ms = POOL_NEVER;
    (void)pool_create(&options, err);
    pool_result_free(pool_query(pool, "SELECT 1", args, err));
    pool_result_free(pool_query(pool, "SELECT 1", none, err));
    if (POOL_SCAN(rows, &b, &sc, &uc, &s, &us, &i, &u, &l, &ul, &ll, &ull, &f, &d, &text, &bytes, &time))
        pool_result_free(pool_query_with(pool, &request, err));
    return pool_query(pool, "SELECT 1", POOL_ARGS(POOL_NAMED("x", i), POOL_NAMED("y", "x")), err);
}
END
    cat >"$folder/right.c" <<'END'
#include <mypool.h>
#include "both.h"
use_fn only_c;
struct pool_result *only_c(struct pool *pool, struct pool_result *rows, struct pool_error *err)
{
    struct pool_args args = {NULL, 0};
    struct pool_request request = {.sql = "x", .args = POOL_ARGS(NULL, (NULL), (void *)0, u8"x" "y")};
    (void)rows;
    request.args = (struct pool_args){POOL_ARGS(1).values, 1};
    pool_result_free(pool_query(pool, "SELECT ?", POOL_ARGS(POOL_NAMED("x", NULL)), err));
    pool_result_free(pool_query(pool, "SELECT 1", args, err));
    return pool_query_with(pool, &request, err);
}
END
    # u8"" is text of char up to C17.
    sed 's/, u8"x" "y")/)/' "$folder/right.c" >"$folder/right-c2x.c"
    cat >"$folder/right.cc" <<'END'
#include <mypool.h>
#include <string>
#include "both.h"
#if __cplusplus >= 201703L
#include <optional>
#include <string_view>
#endif
use_fn only_cxx;
static struct pool_args made(const std::string &text);
static struct pool_args made(const std::string &text)
{
    return POOL_ARGS(text, text + "x");
}
struct pool_result *only_cxx(struct pool *pool, struct pool_result *, struct pool_error *err)
{
    std::string text = "x";
    struct pool_args args = {nullptr, 0};
    struct pool_value values[] = {pool_int(1), pool_text(text.c_str())};
    struct pool_request request = {"SELECT ?", 0, POOL_ARGS(nullptr, text), 0, 0, nullptr, false, false, false, false, {}};
    struct { unsigned bits : 3; } packed = {1};
    auto held = POOL_ARGS(packed.bits, std::string("x"), POOL_NAMED("y", text), POOL_NAMED("z", text + "y"));
    args = made(text);
    request.args = args;
    request.args = held;
    request.args = {values, 2};
    request.args = POOL_ARGS(text + "y", std::string());
#if __cplusplus >= 201703L
    request.args = POOL_ARGS(std::string_view("x"), std::optional<std::string>(), std::optional<int>(1));
#endif
#if __cplusplus >= 202002L
    request = pool_request{.sql = "SELECT ?",
                           .sql_len = 0,
                           .args = POOL_ARGS("x"),
                           .timeout_ms = 0,
                           .acquire_timeout_ms = 0,
                           .label = nullptr,
                           .text = false,
                           .idempotent = false,
                           .alone = false,
                           .pause_stops_deadline = false,
                           .reserved = {}};
#endif
    pool_result_free(pool_query(pool, "SELECT ?", {values, 2}, err));
    pool_result_free(pool_query(pool, "SELECT ?", held, err));
    pool_result_free(pool_query_with(pool, &request, err));
    pool_stream(pool, "SELECT 1", POOL_ARGS(), [](struct pool_result *, void *) { return true; }, nullptr, err);
    pool_transaction(pool, [](struct pool_conn, void *, struct pool_error *) { return true; }, nullptr, err);
    return pool_query(pool, "SELECT ?", made(text), err);
}
END
}

# ---- what does not -------------------------------------------------------------------

# One line for each; a compiler complains of a type of C++ once, so each has its own.
wrong_both=('unsigned_char' 'untyped' 'constant_untyped' 'boolean' 'function' 'volatile_text'
    'constant_bytes' 'L"x"' 'u"x"' 'U"x"' 'pool' 'double_pointer' 'long_double' 'wider' 'structure'
    'POOL_NAMED("x", integer)')
wrong_c=('integer' '(void *)integer' '(void *)1' '(const void *)0' 'POOL_NAMED("x", untyped)'
    'i ? untyped : NULL')
wrong_cxx=('scoped::A' "L'x'" "u'x'" '[] {}' '&other::number' 'another()' 'pointer' 'named_temporary'
    'std::wstring()' 'POOL_NAMED("x", scoped_too::A)' 'nullopt' 'std::optional<short *>()' 'like_text')

write_wrong() { # OUT INCLUDE-AND-VARIABLES EXPRESSION...
    local out=$1 before=$2 expression
    shift 2
    cat >"$out" <<'END'
#include <mypool.h>
#include <wchar.h>
__extension__ typedef __int128 widest;
struct other { int number; };
void wrong(struct pool *pool, struct pool_error *err, int i, unsigned char *unsigned_char, int *integer,
           void *untyped, const void *constant_untyped, bool *boolean, volatile char *volatile_text,
           const unsigned char *constant_bytes, char **double_pointer, long double long_double,
           widest wider, struct other structure, void (*function)(void));
END
    sed -n '/^void wrong/,/;$/p' "$out" | sed 's/;$/ {/' >"$folder/definition"
    {
        printf '%s\n' "$before"
        cat "$folder/definition"
        for expression in "$@"; do
            printf 'pool_query(pool, "x", POOL_ARGS(%s), err);\n' "$expression"
        done
        printf '}\n'
    } >>"$out"
}

write_all_wrong() {
    local cxx='#include <memory>
#include <string>
#if __cplusplus >= 201703L
#include <optional>
static const std::nullopt_t &nullopt = std::nullopt;
#else
struct nothing {} nullopt;
namespace std { template <class T> struct optional {}; }
#endif
struct another { int number; };
enum class scoped { A };
enum class scoped_too { A };
static struct { operator const char *() const { return "x"; } } like_text;
static std::unique_ptr<int> pointer;
static auto named_temporary = POOL_NAMED("x", std::string());'
    write_wrong "$folder/wrong.c" '' "${wrong_both[@]}" "${wrong_c[@]}"
    write_wrong "$folder/wrong.cc" "$cxx" "${wrong_both[@]}" "${wrong_cxx[@]}"
    write_wrong "$folder/wrong-u8.cc" "$cxx" "${wrong_both[@]}" "${wrong_cxx[@]}" 'u8"x"' "u8'x'"
}

refuses_each() { # SOURCE COMMAND...
    local source=$1 line missing=0
    shift
    if "$@" -fsyntax-only "$folder/$source" >"$folder/said" 2>&1; then
        echo "all of $source compiles"
        return 1
    fi
    while IFS=: read -r line _; do
        grep -q "$source:$line:" "$folder/said" && continue
        sed -n "${line}s/^/this compiles: /p" "$folder/$source"
        missing=1
    done < <(grep -n '^pool_query' "$folder/$source")
    return "$missing"
}

# What has been added must be taken by view, or a C++ program passes something else than the
# library reads.
takes_args_by_view() {
    ! grep -nE '(^|[^[:alnum:]_])struct pool_args [a-z_]+[,)]' include/mypool.h
}

# ---- all of them ---------------------------------------------------------------------

have() {
    command -v "$1" >/dev/null
}

# Flags with which a program for 32 bits can be looked at without the libraries for it.
find_headers32() {
    local arch
    arch=$(gcc -print-multiarch)
    mkdir -p "$folder/fake/gnu"
    : >"$folder/fake/gnu/stubs-32.h"
    headers32=(-m32 -isystem "/usr/include/$arch" -isystem "$folder/fake")
    for arch in /usr/include/"$arch"/c++/*; do
        [[ -d $arch ]] && headers32+=(-isystem "$arch")
    done
}

can_compile32() { # COMPILER LANGUAGE HEADER
    printf '#include <%s>\n' "$3" | "$1" -x "$2" "${headers32[@]}" -fsyntax-only - 2>/dev/null
}

check_c() { # COMPILER
    local compiler=$1 all_errors=-fmax-errors=0 standard right
    [[ $compiler == clang* ]] && all_errors=-ferror-limit=0
    for standard in c11 c17 c2x; do
        right="right.c"
        [[ $standard == c2x ]] && right="right-c2x.c"
        check "$compiler $standard: silent" "$compiler" -std=$standard -O2 -Iinclude "${warnings[@]}" \
            "${c_warnings[@]}" -c -o "$folder/unit.o" "$folder/$right"
        check "$compiler $standard: wrong types are refused" \
            refuses_each wrong.c "$compiler" -std=$standard -Iinclude "$all_errors"
        can_compile32 "$compiler" c stdint.h &&
            check "$compiler $standard -m32: silent" "$compiler" -std=$standard "${headers32[@]}" -Iinclude \
                "${warnings[@]}" "${c_warnings[@]}" -fsyntax-only "$folder/$right"
    done
}

check_cxx() { # COMPILER WARNINGS...
    local compiler=$1 all_errors=-fmax-errors=0 standard wrong
    shift
    [[ $compiler == clang* ]] && all_errors=-ferror-limit=0
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        check "$compiler $standard: silent" "$compiler" -std=$standard -O2 -Iinclude "${warnings[@]}" \
            "${cxx_warnings[@]}" "$@" -c -o "$folder/unit.o" "$folder/right.cc"
        wrong="wrong.cc"
        [[ $standard == c++20 || $standard == c++2b ]] && wrong="wrong-u8.cc"
        check "$compiler $standard: wrong types are refused" \
            refuses_each "$wrong" "$compiler" -std=$standard -Iinclude "$all_errors"
    done
    can_compile32 "$compiler" c++ string &&
        check "$compiler -m32: silent" "$compiler" -std=c++17 "${headers32[@]}" -Iinclude "${warnings[@]}" \
            "${cxx_warnings[@]}" "$@" -fsyntax-only "$folder/right.cc"
    check "$compiler without exceptions and RTTI" "$compiler" -std=c++17 -O2 -Iinclude -fno-exceptions -fno-rtti \
        "${warnings[@]}" "${cxx_warnings[@]}" "$@" -c -o "$folder/unit.o" "$folder/right.cc"
}

write_right
write_all_wrong
find_headers32
check 'values are taken by view' takes_args_by_view
check_c gcc
have clang && check_c clang
check_cxx g++ "${gxx_warnings[@]}"
have clang++ && check_cxx clang++ "${clangxx_warnings[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
