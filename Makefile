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
PYTHON ?= /usr/bin/python3

VERSION := $(shell sed -n 's/^\#define WEIR_VERSION "\(.*\)"/\1/p' matcher/weir.h)
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

PACKAGES := libpcre2-8 libevent libevent_pthreads yaml-0.1 sqlite3 libzstd zlib libcurl libcrypto
LIBS = $(shell pkg-config --libs libevent libevent_pthreads yaml-0.1 sqlite3 libzstd zlib libcurl libcrypto libpcre2-8 2>/dev/null) -lpthread -lm
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
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))
FUZZERS := $(wildcard fuzz/fuzz_*.c)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all demo check check-unit check-e2e layers headers fuzz fuzz-replay bench install uninstall deps format format-check lint \
        asan tsan cover clean help

all: $(BUILD)/weir $(BUILD)/libweir.a $(BUILD)/libweir.so $(BUILD)/weir.pc ## the program and the library

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/matcher.a: $(call obj,$(MATCHER))
$(BUILD)/targets.a: $(call obj,$(TARGETS))
$(BUILD)/rules.a:   $(call obj,$(RULES))
$(BUILD)/router.a:  $(call obj,$(ROUTER))
$(BUILD)/tests.a:   $(call obj,$(TEST_SUPPORT))
$(BUILD)/%.a:
	@mkdir -p $(@D) && rm -f $@
	ar rcs $@ $(filter %.o,$^)

$(BUILD)/weir: $(BUILD)/obj/router/main.o $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The static library is one object whose hidden names are local: only weir_… can be linked against.
$(BUILD)/libweir.a: $(call obj,$(MATCHER))
	ld -r -o $(BUILD)/libweir.o $^
	objcopy --localize-hidden $(BUILD)/libweir.o
	rm -f $@ && ar rcs $@ $(BUILD)/libweir.o

$(BUILD)/libweir.so: $(call obj,$(MATCHER))
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--no-undefined -o $@ $^ $(shell pkg-config --libs libpcre2-8 2>/dev/null) -lm
	ln -sf libweir.so $(BUILD)/$(SONAME)

$(BUILD)/weir.pc: Makefile matcher/weir.h
	@mkdir -p $(@D)
	@printf 'prefix=%s\nlibdir=%s\nincludedir=%s\n\nName: weir\nDescription: EventBridge event patterns, compiled\nVersion: %s\nLibs: -L$${libdir} -lweir\nLibs.private: -lpcre2-8 -lm\nCflags: -I$${includedir}\n' \
	  '$(PREFIX)' '$(LIBDIR)' '$(INCLUDEDIR)' '$(VERSION)' >$@

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
$(BUILD)/tests/bench/%_bench: $(BUILD)/obj/tests/bench/%_bench.o $(BUILD)/tests.a $(BUILD)/router.a $(BUILD)/rules.a $(BUILD)/targets.a $(BUILD)/matcher.a
	$(LINK_TEST)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
