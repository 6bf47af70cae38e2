# mypool: `make help` lists what there is to make.
#
# VARIANT=release|debug|asan|tsan keeps its objects in build/VARIANT, so that variants
# live side by side. CFLAGS and LDFLAGS are the user's; ours are apart from them.

VERSION := 0.1.0
VARIANT ?= release
PREFIX ?= /usr/local
DESTDIR ?=
B := build/$(VARIANT)

# Every package that anything here uses. `make deps` installs what is missing of the first
# list; lint and coverage do so with theirs.
PACKAGES := gcc g++ make pkg-config libc6-dev libmariadb-dev libssl-dev libcmocka-dev \
  libulfius-dev libjansson-dev libuv1-dev libevent-dev mariadb-server-core \
  mariadb-client-core openssl curl strace binutils procps locales
LINT_PACKAGES := clang clang-tidy clang-format cppcheck shellcheck
COVERAGE_PACKAGES := gcovr
# The other pools; a java compiler and npm are taken as they are, or from JAVA_ and NODE_.
BENCH_PACKAGES := libhikaricp-java libmariadb-java libslf4j-java golang-go \
  golang-github-go-sql-driver-mysql-dev libzdb-dev
JAVA_PACKAGES := default-jdk-headless
NODE_PACKAGES := nodejs npm

CC ?= gcc
CXX ?= g++
CFLAGS ?=
CXXFLAGS ?= $(CFLAGS)
LDFLAGS ?=
PKG_CONFIG ?= pkg-config

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wpointer-arith -Wvla -Wformat=2
ifneq ($(CI),)
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fcf-protection
OUR_CFLAGS := -std=c11 -D_GNU_SOURCE -g -fPIC -fvisibility=default -pthread $(WARN) $(HARDEN) \
  -Iinclude -Ipool -Itests/support -MMD -MP
OUR_LDFLAGS := -pthread -Wl,-z,relro,-z,now

# Thread-local data by descriptors: a linker turns them into the fastest way there is for a
# program, and for a plugin, which is loaded later, into one that needs no room in the C
# library's small reserve. It is the only way on aarch64; not every compiler for x86 knows it.
# The first touch costs vector registers in some C libraries: test_install.sh looks at that.
TLS_CFLAGS := $(shell $(CC) -mtls-dialect=gnu2 -Werror -fPIC -x c -S -o /dev/null - \
  </dev/null >/dev/null 2>&1 && echo -mtls-dialect=gnu2)

ifeq ($(VARIANT),release)
OUR_CFLAGS += -O2 -D_FORTIFY_SOURCE=2 $(TLS_CFLAGS)
else ifeq ($(VARIANT),debug)
OUR_CFLAGS += -O0 -DPOOL__CHECKED
else ifeq ($(VARIANT),asan)
OUR_CFLAGS += -O1 -DPOOL__CHECKED -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
OUR_LDFLAGS += -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
OUR_CFLAGS += -O1 -DPOOL__CHECKED -fsanitize=thread -fno-omit-frame-pointer
OUR_LDFLAGS += -fsanitize=thread
else ifeq ($(VARIANT),coverage)
OUR_CFLAGS += -O0 --coverage
OUR_LDFLAGS += --coverage
else
$(error VARIANT=$(VARIANT): use release, debug, asan, tsan or coverage)
endif

# The programs in C++ are tests of the header; test_header.sh compiles it by the older standards.
OUR_CXXFLAGS = $(filter-out -std=c11 -Wstrict-prototypes $(TLS_CFLAGS),$(OUR_CFLAGS)) -std=c++17

# Looked up when a recipe needs them, so that `make help` works on a bare machine.
DB_CFLAGS = $(shell $(PKG_CONFIG) --cflags libmariadb 2>/dev/null)
DB_LIBS = $(shell $(PKG_CONFIG) --libs libmariadb 2>/dev/null) -lcrypto -lm
WEB_LIBS = $(shell $(PKG_CONFIG) --libs libulfius jansson 2>/dev/null)
CMOCKA_LIBS = -lcmocka

ifeq ($(V),1)
Q :=
else
Q := @
endif

LIB_SRC := $(wildcard pool/*/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
BENCH_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard examples/poolbench/*.c))
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,\
  $(wildcard examples/*.c examples/loops/*.c))
WEB_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard examples/ulfius/*.c))
SUITES := $(wildcard tests/*/test_*.c tests/*/test_*.cc)
SUITE_OBJ := $(patsubst %,$(B)/%.o,$(filter-out %/test_core_explore,$(basename $(SUITES))))
SUPPORT_OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out %/explore_core.c %/explore_world.c,$(wildcard tests/support/*.c)))
TESTS := $(patsubst %,$(B)/tests/%,$(notdir $(basename $(SUITES))))

all: deps-build $(B)/libmypool.a $(B)/libmypool.so.0 $(B)/mypool.pc $(B)/poolbench $(EXAMPLES) \
  $(B)/ulfius-server ## the library, poolbench and the examples

# --- packages -----------------------------------------------------------------

.PHONY: deps deps-build
deps deps-build: build/.deps-$(words $(PACKAGES)) ## install missing packages (Debian, as root or with sudo)
build/.deps-$(words $(PACKAGES)):
	@mkdir -p build
	@tools="$(PACKAGES)"; sh tests/tools/install-packages $$tools
	@touch $@

# --- library --------------------------------------------------------------------

$(B)/%.o: %.c | build/.deps-$(words $(PACKAGES))
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(OUR_CFLAGS) $(DB_CFLAGS) $(CFLAGS) -c $< -o $@

$(B)/%.o: %.cc | build/.deps-$(words $(PACKAGES))
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	$(Q)$(CXX) $(OUR_CXXFLAGS) $(CXXFLAGS) -c $< -o $@

$(B)/libmypool.a: $(LIB_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

# A dlclose must not take the code away from the threads of a pool: hence nodelete.
$(B)/libmypool.so.0: $(LIB_OBJ) pool/libmypool.map
	@echo "  LD    $@"
	$(Q)$(CC) -shared -Wl,-soname,libmypool.so.0 -Wl,--version-script=pool/libmypool.map \
	  -Wl,-z,nodelete \
	  $(OUR_LDFLAGS) $(LDFLAGS) $(LIB_OBJ) -o $@ $(DB_LIBS)
	$(Q)ln -sf libmypool.so.0 $(B)/libmypool.so

$(B)/mypool.pc: pool/mypool.pc.in Makefile
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

# --- programs -------------------------------------------------------------------

$(B)/poolbench: $(BENCH_OBJ) $(B)/libmypool.a
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -pie $^ -o $@ $(DB_LIBS)

$(B)/examples/loops/libuv: LOOP_LIBS = $(shell $(PKG_CONFIG) --libs libuv)
$(B)/examples/loops/libevent: LOOP_LIBS = $(shell $(PKG_CONFIG) --libs libevent)
$(B)/examples/%: $(B)/examples/%.o $(B)/libmypool.a
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -pie $^ -o $@ $(LOOP_LIBS) $(DB_LIBS)

$(B)/ulfius-server: $(WEB_OBJ) $(B)/libmypool.a
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) -pie $^ -o $@ $(WEB_LIBS) $(DB_LIBS)

.PHONY: serve
serve: all ## the HTTP example on http://127.0.0.1:8080 with a seeded private database
	tests/tools/with-mariadb $(B)/ulfius-server --seed 8080

# --- tests ----------------------------------------------------------------------

# These fail allocations, or step in between two threads, on purpose: what they do it with
# is wrapped in them.
WRAP := -Wl,--wrap=malloc
$(B)/tests/test_url $(B)/tests/test_result $(B)/tests/test_scan: TEST_LDFLAGS := $(WRAP)
$(B)/tests/test_options: TEST_LDFLAGS := -Wl,--wrap=mmap
$(B)/tests/test_nomem: TEST_LDFLAGS := $(WRAP),--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=aligned_alloc
$(B)/tests/test_races: TEST_LDFLAGS := -Wl,--wrap=pool__slots_evict,--wrap=pool__watch_closing,--wrap=pool__connect,--wrap=pool__conn_close,--wrap=pool__policy_returned
$(B)/tests/test_addresses: TEST_LDFLAGS := -Wl,--wrap=getaddrinfo_a,--wrap=gai_error
$(B)/tests/test_resolve: TEST_LDFLAGS := -Wl,--wrap=calloc,--wrap=getaddrinfo_a,--wrap=gai_error,--wrap=gai_suspend,--wrap=gai_cancel

# This one loads the shared library by name.
$(B)/tests/test_process: | $(B)/libmypool.so.0

# What suites share; each takes out what it needs.
$(B)/libsupport.a: $(SUPPORT_OBJ)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

# A suite's object is in the folder of its source, its program beside all others.
LINK = $(CC)
$(B)/tests/test_cpp: LINK = $(CXX)
$(foreach object,$(SUITE_OBJ),$(eval $(B)/tests/$(basename $(notdir $(object))): $(object)))
$(filter-out %/test_core_explore,$(TESTS)): $(B)/libsupport.a $(B)/libmypool.a
	@echo "  LD    $@"
	$(Q)$(LINK) $(OUR_LDFLAGS) $(LDFLAGS) $(TEST_LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) -o $@ \
	  $(CMOCKA_LIBS) $(DB_LIBS)

# The explorer runs the core on a scheduler of its own instead of on threads.
EXPLORE_OBJ := $(patsubst %,$(B)/explore/pool/core/%.o,core slots benches waiter handover queue followers) \
  $(patsubst %,$(B)/explore/tests/support/%.o,core_check explore_core explore_world) \
  $(B)/explore/tests/unit/test_core_explore.o
$(B)/explore/%.o: %.c | build/.deps-$(words $(PACKAGES))
	@mkdir -p $(@D)
	@echo "  CC    $< (explore)"
	$(Q)$(CC) $(OUR_CFLAGS) -DPOOL__EXPLORE -DPOOL__CHECKED $(DB_CFLAGS) $(CFLAGS) -c $< -o $@
$(B)/tests/test_core_explore: $(EXPLORE_OBJ)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $^ -o $@ $(CMOCKA_LIBS)

.PHONY: check
check: all $(TESTS) ## all tests; with VARIANT=asan or tsan under that sanitizer
	@VARIANT=$(VARIANT) CC="$(CC)" CXX="$(CXX)" tests/tools/run-all $(B)

.PHONY: stress
stress: $(B)/tests/test_core_stress ## a hundred million operations on the core (3 minutes)
	MYPOOL_STRESS_OPS=100000000 $<

.PHONY: mutants
mutants: all ## put known faults back, one by one, and see that the tests catch each (10 minutes)
	tests/tools/mutants.sh

.PHONY: demo
demo: all ## set everything up, compare connect, raw and pool, and kill the server under load
	@tests/tools/with-mariadb tests/tools/demo $(B)

$(B)/bench_%: $(B)/tests/bench/bench_%.o $(B)/libsupport.a $(B)/libmypool.a
	@echo "  LD    $@"
	$(Q)$(CC) $(OUR_LDFLAGS) $(LDFLAGS) $^ -o $@ $(DB_LIBS)

.PHONY: bench
bench: all $(B)/bench_memory $(B)/bench_kill $(B)/bench_delay ## the figures of docs/performance.md, other pools beside ours
	@PACKAGES="$(BENCH_PACKAGES)" JAVA_PACKAGES="$(JAVA_PACKAGES)" NODE_PACKAGES="$(NODE_PACKAGES)" \
	  tests/peers/build build/peers
	@tests/tools/with-mariadb tests/tools/bench $(B) build/peers

.PHONY: coverage
coverage: ## all tests, then line and branch coverage of pool/
	@sh tests/tools/install-packages $(COVERAGE_PACKAGES)
	@[ ! -d build/coverage ] || find build/coverage -name '*.gcda' -delete
	$(MAKE) check VARIANT=coverage
	gcovr --root . --filter 'pool/' --object-directory build/coverage --print-summary

.PHONY: lint
lint: deps-build ## clang build without warnings, clang-tidy, cppcheck, shellcheck
	@sh tests/tools/install-packages $(LINT_PACKAGES)
	@CLANG_CFLAGS="-std=c11 -D_GNU_SOURCE -Iinclude -Ipool -Itests/support $(DB_CFLAGS)" tests/tools/lint

.PHONY: docs-check
docs-check: $(B)/libmypool.so.0 ## every exported symbol and option documented, every C block compiles
	@CC="$(CC)" CXX="$(CXX)" tests/tools/docs-check $(B)

# --- installation -----------------------------------------------------------------

.PHONY: install
install: $(B)/libmypool.a $(B)/libmypool.so.0 ## install under DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin
	install -m 644 include/mypool.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(B)/libmypool.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libmypool.so.0 $(DESTDIR)$(PREFIX)/lib/
	ln -sf libmypool.so.0 $(DESTDIR)$(PREFIX)/lib/libmypool.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' pool/mypool.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/mypool.pc
	if [ -x $(B)/poolbench ]; then install -m 755 $(B)/poolbench $(DESTDIR)$(PREFIX)/bin/; fi

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this text
	@sed -n 's/^\([a-z][a-z-]*\)[a-z -]*:.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo "  VARIANT=release|debug|asan|tsan   V=1 shows commands   CFLAGS, LDFLAGS are yours"

.DEFAULT_GOAL := all
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(WEB_OBJ:.o=.d) $(SUITE_OBJ:.o=.d) $(SUPPORT_OBJ:.o=.d) $(EXAMPLES:%=%.d) $(EXPLORE_OBJ:.o=.d) \
  $(wildcard $(B)/tests/bench/*.d)
