# SPDX-License-Identifier: Apache-2.0
# Weir: make help lists what can be made.

CC ?= cc
ifeq ($(origin CC),default)
CC = gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/weir
# Where each shell looks for completions.
COMPLETIONS := bash:share/bash-completion/completions/weir zsh:share/zsh/site-functions/_weir fish:share/fish/vendor_completions.d/weir.fish
PYTHON ?= /usr/bin/python3
Q := $(if $(V),,@)
# Parallel unless the caller said how much.
JOBS = $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))
SUBMAKE = $(MAKE) --no-print-directory $(JOBS)

VERSION := $(shell sed -n 's/^\#define WEIR_VERSION *"\(.*\)"/\1/p' matcher/weir.h)
SONAME := libweir.so.0

# One tree a variant: SANITIZER=address,undefined or thread, or COVER=1, change BUILD with the flags.
CFLAGS ?= -O2 -g
WARN := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
        -Wno-format-nonliteral -Wno-unused-parameter -Wimplicit-fallthrough -Wundef
WERROR ?= -Werror
HARDEN := -fstack-protector-strong -fno-strict-aliasing -fno-omit-frame-pointer
ifdef SANITIZER
CFLAGS := -O1 -g -fsanitize=$(SANITIZER) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZER)
else
HARDEN += -D_FORTIFY_SOURCE=2
endif
ifdef COVER
CFLAGS := -O0 -g --coverage
LDFLAGS += --coverage
HARDEN :=
endif

PACKAGES := libpcre2-8 libevent libevent_pthreads libevent_openssl yaml-0.1 sqlite3 libzstd zlib libcurl openssl
LIBS = $(shell pkg-config --libs libevent libevent_pthreads libevent_openssl yaml-0.1 sqlite3 libzstd zlib libcurl openssl libpcre2-8 2>/dev/null) -lpthread -lm
ALL_CFLAGS = $(CFLAGS) $(WARN) $(WERROR) $(HARDEN) -D_GNU_SOURCE -I. -fPIC -fvisibility=hidden -MMD -MP

MATCHER := $(wildcard matcher/*.c)
TARGETS := $(wildcard targets/*.c)
RULES   := $(wildcard rules/*.c)
ROUTER  := $(filter-out router/main.c,$(wildcard router/*.c router/sources/*.c router/api/*.c router/cli/*.c))
HEADERS := $(wildcard matcher/*.h targets/*.h rules/*.h router/*.h router/*/*.h tests/*.h tests/*/*.h fuzz/*.h)
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

UNIT_TESTS := $(wildcard tests/matcher/*_test.c tests/targets/*_test.c tests/rules/*_test.c tests/router/*_test.c)
UNIT_BINS := $(patsubst %.c,$(BUILD)/%,$(UNIT_TESTS))
# Whatever else stands in tests/ (the judge, helpers) is linked into every test program.
TEST_SUPPORT := $(filter-out $(UNIT_TESTS),$(wildcard tests/*.c tests/matcher/*.c tests/targets/*.c tests/rules/*.c tests/router/*.c))
# What several benchmarks share, or one has in files of its own.
BENCH_SUPPORT := $(filter-out %_bench.c,$(wildcard tests/bench/*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))
FUZZERS := $(wildcard fuzz/fuzz_*.c)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all demo manuals check check-unit check-e2e layers headers fuzz fuzz-replay torture bench sdk install uninstall deps format format-check lint \
        asan tsan cover clean help

all: $(BUILD)/weir $(BUILD)/libweir.a $(BUILD)/libweir.so rules/examples/weir.schema.json ## the program and the library

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  cc   $<")
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/matcher.a: $(call obj,$(MATCHER))
$(BUILD)/targets.a: $(call obj,$(TARGETS))
$(BUILD)/rules.a:   $(call obj,$(RULES))
$(BUILD)/router.a:  $(call obj,$(ROUTER))
$(BUILD)/tests.a:   $(call obj,$(TEST_SUPPORT))
$(BUILD)/bench.a:   $(call obj,$(BENCH_SUPPORT))
$(BUILD)/%.a:
	@mkdir -p $(@D) && rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

$(BUILD)/weir: $(BUILD)/obj/router/main.o $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(if $(V),,@echo "  link $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The modelines of the examples name it.
rules/examples/weir.schema.json: $(BUILD)/weir
	$(Q)$(BUILD)/weir schema >$@.$$$$ && mv $@.$$$$ $@

# The static library is one object whose hidden names are local: only weir_… can be linked against.
$(BUILD)/libweir.a: $(call obj,$(MATCHER))
	$(if $(V),,@echo "  link $@")
	$(Q)ld -r -o $(BUILD)/libweir.o $^
	$(Q)objcopy --localize-hidden $(BUILD)/libweir.o
	$(Q)rm -f $@ && ar rcs $@ $(BUILD)/libweir.o

$(BUILD)/libweir.so: $(call obj,$(MATCHER))
	$(if $(V),,@echo "  link $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--no-undefined -o $@ $^ $(shell pkg-config --libs libpcre2-8 2>/dev/null) -lm
	$(Q)ln -sf libweir.so $(BUILD)/$(SONAME)

define PKG_CONFIG_FILE
prefix=$(PREFIX)
libdir=$(LIBDIR)
includedir=$(INCLUDEDIR)

Name: weir
Description: EventBridge event patterns, compiled
Version: $(VERSION)
Libs: -L$${libdir} -lweir
Libs.private: -lpcre2-8 -lm
Cflags: -I$${includedir}
endef
export PKG_CONFIG_FILE

# ---- tests: a layer's tests are linked with that layer and those below it, nothing else ----
LINK_TEST = @mkdir -p $(@D); echo "  link $@"; $(CC) $(CFLAGS) $(LDFLAGS) $(TEST_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS) -lcmocka
$(BUILD)/tests/matcher/%_oom_test $(BUILD)/tests/targets/%_oom_test $(BUILD)/tests/rules/%_oom_test $(BUILD)/tests/router/%_oom_test: \
	TEST_LDFLAGS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup,--wrap=posix_memalign
$(BUILD)/tests/matcher/%_test: $(BUILD)/obj/tests/matcher/%_test.o $(BUILD)/tests.a $(BUILD)/matcher.a
	$(LINK_TEST)
$(BUILD)/tests/targets/%_test: $(BUILD)/obj/tests/targets/%_test.o $(BUILD)/tests.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(LINK_TEST)
$(BUILD)/tests/rules/%_test: $(BUILD)/obj/tests/rules/%_test.o $(BUILD)/tests.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(LINK_TEST)
$(BUILD)/tests/router/%_test: $(BUILD)/obj/tests/router/%_test.o $(BUILD)/tests.a $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(LINK_TEST)
$(BUILD)/tests/bench/%_bench: $(BUILD)/obj/tests/bench/%_bench.o $(BUILD)/bench.a $(BUILD)/tests.a $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(LINK_TEST)
# The clients of other brokers, where they are installed.
$(BUILD)/tests/bench/brokers_bench: LIBS += $(foreach p,libnats librabbitmq,$(shell pkg-config --libs $p 2>/dev/null))

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

check: deps ## build and run every test; ends in "N passed, N failed"
	+@$(SUBMAKE) all
	+@$(SUBMAKE) check-built

# Preloaded into routers by tests: disks that fail, clocks that leap.
$(BUILD)/tests/faults.so: tests/e2e/faults.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -g -std=gnu11 -Wall -Wextra $(WERROR) -D_GNU_SOURCE -fPIC -shared -o $@ $< -ldl

check-built: layers headers $(UNIT_BINS) fuzz-replay $(BUILD)/tests/faults.so all
	@BUILD=$(BUILD) PYTHON=$(PYTHON) tests/run.sh

check-unit: $(UNIT_BINS) ## the C tests only
	@BUILD=$(BUILD) PYTHON=$(PYTHON) tests/run.sh unit

layers: ## an include against matcher <- targets <- rules <- router fails
	@tests/layers.sh

headers: $(patsubst %.h,$(BUILD)/headers/%.ok,$(HEADERS)) ## every header compiles alone
$(BUILD)/headers/%.ok: %.h
	@mkdir -p $(@D) && echo '#include "$<"' >$(@:.ok=.c) && $(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fsyntax-only $(@:.ok=.c) && touch $@

# ---- fuzzing: libFuzzer programs by clang, and the same targets as plain programs that replay files ----
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_SUPPORT := $(MATCHER) $(wildcard tests/matcher/judge*.c)
FUZZ_LAYERS := $(filter-out router/cli/%,$(MATCHER) $(TARGETS) $(RULES)) $(wildcard tests/matcher/judge*.c)
# What a fuzz target needs of the router.
FUZZ_ROUTER := $(addprefix router/,api/aws_form.c api/aws_xml.c api/sqs_wire.c sources/percent.c) $(wildcard router/auth_sigv4*.c)
FUZZ_BINS := $(patsubst fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZERS))
REPLAY_BINS := $(patsubst fuzz/%.c,$(BUILD)/fuzz/%_replay,$(FUZZERS))

$(BUILD)/fuzz/%: fuzz/%.c $(FUZZ_LAYERS) $(FUZZ_ROUTER) $(HEADERS)
	@mkdir -p $(@D); echo "  fuzz $@"
	@$(FUZZ_CC) -O1 -g -std=gnu11 -D_GNU_SOURCE -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -I. -Wno-everything \
	  -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) $(LIBS)

$(BUILD)/fuzz/%_replay: $(BUILD)/obj/fuzz/%.o $(BUILD)/obj/fuzz/standalone_main.o $(BUILD)/tests.a $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	@mkdir -p $(@D); echo "  link $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIBS) -lcmocka

fuzz: ## run each fuzz target for FUZZ_SECONDS (60)
	@tests/deps.sh fuzz
	+@$(SUBMAKE) $(FUZZ_BINS)
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz.sh $(notdir $(FUZZ_BINS))

fuzz-replay: $(REPLAY_BINS)

TORTURE_ROUNDS ?= 100
torture: deps ## break routers for a long time: kills, full and failing disks, bad neighbours, reloads (TORTURE_ROUNDS)
	+@$(SUBMAKE) all $(BUILD)/tests/faults.so
	@WEIR=$$(realpath $(BUILD)/weir) $(PYTHON) tests/torture/torture.py --rounds $(TORTURE_ROUNDS) $(TORTURE)

bench: deps ## measure, beside other brokers too; prints ratios against baselines of the same run
	@tests/deps.sh bench || echo "some brokers cannot be installed; they are left out"
	+@$(SUBMAKE) all $(BENCHES)
	@for b in $(BENCHES); do echo "== $$(basename $$b)"; $$b || exit 1; done

asan: ## the tests under address and undefined behaviour sanitizers
	+@ASAN_OPTIONS=detect_leaks=1 WEIR_DIFF_PAIRS=20000 WEIR_TEST_SLOW=4 $(SUBMAKE) BUILD=$(BUILD)/asan SANITIZER=address,undefined check-built

tsan: ## the tests under the thread sanitizer
	+@WEIR_DIFF_PAIRS=10000 WEIR_TEST_SLOW=6 $(SUBMAKE) BUILD=$(BUILD)/tsan SANITIZER=thread check-built

sdk: ## the AWS SDK for JavaScript, from npm, against a router
	@tests/deps.sh sdk
	+@$(SUBMAKE) all
	@BUILD=$(BUILD) tests/sdk.sh

cover: ## line coverage of the tests, per folder
	+@$(SUBMAKE) BUILD=$(BUILD)/cover COVER=1 check-built
	@tests/cover.sh $(BUILD)/cover

manuals: $(BUILD)/weir ## fill the tables of the manual pages from the program's own
	@BUILD=$(BUILD) tests/manuals.sh fill

demo: deps ## the main job on sample events: what went where
	+@$(SUBMAKE) all
	@BUILD=$(BUILD) tests/demo.sh

deps: ## install what is missing (Debian 12, apt-get)
	@tests/deps.sh

install: all ## honours DESTDIR and PREFIX
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(DATADIR)/examples
	install -m 755 $(BUILD)/weir $(DESTDIR)$(BINDIR)/weir
	install -m 644 $(BUILD)/libweir.a $(DESTDIR)$(LIBDIR)/libweir.a
	install -m 755 $(BUILD)/libweir.so $(DESTDIR)$(LIBDIR)/libweir.so.$(VERSION)
	ln -sf libweir.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libweir.so
	@echo '  pc   $(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc'; printf '%s\n' "$$PKG_CONFIG_FILE" >$(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc
	install -m 644 matcher/weir.h $(DESTDIR)$(INCLUDEDIR)/weir.h
	cp -R rules/examples/. $(DESTDIR)$(DATADIR)/examples/
	install -m 644 rules/examples/weir.schema.json $(DESTDIR)$(DATADIR)/weir.schema.json
	for completion in $(COMPLETIONS); do file=$(DESTDIR)$(PREFIX)/$${completion#*:}; install -d "$${file%/*}" && \
	  echo "  completion $$file" && $(BUILD)/weir completion $${completion%%:*} >"$$file" || exit 1; done
	for page in $(wildcard router/*.[1-8] rules/*.[1-8] matcher/*.[1-8]); do section=$${page##*.}; \
	  install -d $(DESTDIR)$(MANDIR)/man$$section && install -m 644 $$page $(DESTDIR)$(MANDIR)/man$$section/ || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/weir $(DESTDIR)$(LIBDIR)/libweir.* $(DESTDIR)$(LIBDIR)/pkgconfig/weir.pc $(DESTDIR)$(INCLUDEDIR)/weir.h
	rm -rf $(DESTDIR)$(DATADIR)
	rm -f $(foreach completion,$(COMPLETIONS),$(DESTDIR)$(PREFIX)/$(lastword $(subst :, ,$(completion))))
	rm -f $(foreach page,$(wildcard router/*.[1-8] rules/*.[1-8] matcher/*.[1-8]),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))

SOURCES_C := $(shell find matcher targets rules router tests fuzz -name '*.c' -o -name '*.h' 2>/dev/null)
format: ## clang-format everything
	clang-format -i $(SOURCES_C)
format-check:
	clang-format --dry-run --Werror $(SOURCES_C)

lint: ## clang-tidy, cppcheck, shellcheck, mandoc
	@tests/deps.sh lint
	@$(MAKE) --no-print-directory format-check
	clang-tidy --quiet $(MATCHER) $(TARGETS) $(RULES) $(ROUTER) -- -std=gnu11 -D_GNU_SOURCE -I. 2>/dev/null
	cppcheck --quiet --std=c11 --library=bsd --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem --suppressions-list=tests/cppcheck.txt -D__x86_64__ -D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 -I. $(MATCHER) $(TARGETS) $(RULES) $(ROUTER)
	shellcheck tests/*.sh .ci/run
	for page in $(wildcard router/*.[1-8] rules/*.[1-8] matcher/*.[1-8]); do mandoc -T lint -W warning $$page || exit 1; done

clean:
	rm -rf $(BUILD) rules/examples/weir.schema.json
