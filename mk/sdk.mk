# SPDX-License-Identifier: MIT
# The SDK: host tests of rings and loans, with sanitizers; what native programs and small LibOSes link with.

SDK_HOST := $(BUILD)/host/sdk
SDK_HOST_FLAGS := -std=gnu17 -O1 -g $(WARNINGS) -I. -I$(BUILD)/gen -pthread
SDK_SANITIZED := -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_TESTS += $(SDK_HOST)/test_ring $(SDK_HOST)/test_ring_threads $(SDK_HOST)/fuzz_ring $(SDK_HOST)/test_heap

$(SDK_HOST)/test_ring $(SDK_HOST)/fuzz_ring: $(SDK_HOST)/%: sdk/test/%.c sdk/ring.h sdk/loan.h libos/core/test/check.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(SDK_HOST_FLAGS) $(SDK_SANITIZED) -o $@ $<
$(SDK_HOST)/test_heap: sdk/test/test_heap.c sdk/heap.c sdk/heap.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(CC) $(SDK_HOST_FLAGS) $(SDK_SANITIZED) -o $@ $(filter %.c,$^)
# The thread sanitizer does not know fences; what is ordered by them alone are relaxed accesses of one word.
$(SDK_HOST)/test_ring_threads: sdk/test/test_ring.c sdk/ring.h sdk/loan.h libos/core/test/check.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(SDK_HOST_FLAGS) -fsanitize=thread -Wno-tsan -o $@ $<

# ---- what LibOSes are linked with, and `make install` ----
FEUER_LIB := $(BUILD)/sdk/libfeuer.a
FEUER_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,sdk/text.c sdk/libos.c sdk/heap.c sdk/log.c)
FEUER_START := $(BUILD)/small/sdk/start.S.o
FEUER_ABI := $(BUILD)/small/sdk/abi.c.o
$(FEUER_LIB): $(FEUER_OBJECTS)
	@mkdir -p $(@D)
	rm -f $@
	ar rcs $@ $^
# The smallest LibOS, as the personality `hello`.
HELLO_OBJECT := $(BUILD)/small/sdk/examples/hello.c.o
$(BUILD)/hello.elf: $(FEUER_START) $(FEUER_ABI) $(HELLO_OBJECT) $(FEUER_LIB) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -s -o $@ $(FEUER_START) $(FEUER_ABI) $(HELLO_OBJECT) $(FEUER_LIB)
-include $(patsubst %.o,%.d,$(FEUER_OBJECTS) $(FEUER_ABI) $(HELLO_OBJECT))

SDK_VERSION := $(shell sed -n 's/^version = //p' abi/feuerbird.toml)
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL_TO = $(DESTDIR)$(PREFIX)
SDK_HEADERS := $(wildcard sdk/*.h)
install: $(FEUER_LIB) $(FEUER_START) $(FEUER_ABI) $(GENERATED)
	install -d $(addprefix $(INSTALL_TO)/,bin include/feuerbird/abi include/feuerbird/sdk lib/feuerbird lib/pkgconfig)
	install -m 644 abi/layout.h $(BUILD)/gen/abi/calls.h $(INSTALL_TO)/include/feuerbird/abi
	install -m 644 $(SDK_HEADERS) $(BUILD)/gen/sdk/stubs.h $(INSTALL_TO)/include/feuerbird/sdk
	install -m 644 sdk/window.ld $(FEUER_LIB) $(INSTALL_TO)/lib/feuerbird
	install -m 644 $(FEUER_START) $(INSTALL_TO)/lib/feuerbird/start.o
	install -m 644 $(FEUER_ABI) $(INSTALL_TO)/lib/feuerbird/abi.o
	install -m 755 sdk/feuer-cc $(INSTALL_TO)/bin/feuer-cc
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(SDK_VERSION)|' sdk/feuerbird-libos.pc.in \
	    >$(INSTALL_TO)/lib/pkgconfig/feuerbird-libos.pc
.PHONY: install
