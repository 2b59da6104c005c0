# SPDX-License-Identifier: MIT
# Tests: on the host, proofs, in the guest.  The last file to be read, since the others add to HOST_TESTS.

GUEST_PROGRAMS := $(patsubst tests/guest/c/%.c,$(BUILD)/guest/%,$(wildcard tests/guest/c/*.c))
$(BUILD)/guest/%: tests/guest/c/%.c $(wildcard tests/guest/c/*.h)
	@mkdir -p $(@D)
	musl-gcc $(GUEST_CFLAGS) -o $@ $<

GUEST_PROGRAMS += $(BUILD)/guest/fuzz_calls
$(BUILD)/guest/fuzz_calls: $(wildcard tests/guest/c/fuzz/*.[ch]) tests/guest/c/check.h
	@mkdir -p $(@D)
	musl-gcc $(GUEST_CFLAGS) -o $@ $(filter %.c,$^)

GUEST_SCRIPTS := $(patsubst tests/guest/%,$(BUILD)/guest/%,$(wildcard tests/guest/*.sh))
$(GUEST_SCRIPTS): $(BUILD)/guest/%: tests/guest/%
	@mkdir -p $(@D)
	cp $< $@

guest-programs: $(GUEST_PROGRAMS) $(GUEST_SCRIPTS) $(AGENT) $(BUILD)/rootfs.cpio $(BUILD)/debian.cpio
host-tests: $(HOST_TESTS)

# A part that does not build must not hide the results of the others: the runner reports what is missing.
# All cores build, unless make was told how many: the tests' programs are a minute of one core's work.
TEST_JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
TEST_ARGS ?=
RUN_TESTS = tools/runtests --host-tests "$(HOST_TESTS)"
test:
	@tools/deps.sh test
	-@$(MAKE) --no-print-directory $(TEST_JOBS) -k all host-tests guest-programs benches
	@tools/kernel-lines || true # the table; the runner's job of this name judges
	@$(RUN_TESTS) $(TEST_ARGS)

test-quick:
	@$(MAKE) --no-print-directory test TEST_ARGS="--quick $(TEST_ARGS)"

# With what takes many minutes: all of Debian's programs in tests/programs, Python's own test suite.
test-all:
	@$(MAKE) --no-print-directory test TEST_ARGS="--all $(TEST_ARGS)"

host-test: host-tests
	@$(RUN_TESTS) --group host $(TEST_ARGS)

guest-test: all guest-programs
	@tools/runtests --group guest $(TEST_ARGS)

# The tests themselves and the tools, proved on Debian's kernel.
test-on-linux: guest-programs
	@tools/runtests --group tools --group guest --kernel linux $(TEST_ARGS)

# The comparison scripts' output on both kernels, for 1, 2 and 4 CPUs.
linux-compare: all guest-programs
	@tools/linux-compare

.PHONY: guest-programs host-tests test test-quick test-all host-test guest-test test-on-linux linux-compare
