# SPDX-License-Identifier: MIT
# What runs and measures: the guest agent, the default root, `make run`, benchmarks.

export FEUER_BUILD := $(abspath $(BUILD))
GUEST_CFLAGS = -static -std=c17 -O2 -g $(WARNINGS)
AGENT := $(BUILD)/user/agent

agent: $(AGENT)
USER_COMMON := user/common/mounts.c user/common/mounts.h
$(AGENT): user/agent/agent.c user/agent/linux.c user/agent/agent.h $(USER_COMMON)
	@mkdir -p $(@D)
	musl-gcc $(GUEST_CFLAGS) -s -o $@ $(filter %.c,$^)

INIT := $(BUILD)/user/init
$(INIT): user/init/init.c $(USER_COMMON)
	@mkdir -p $(@D)
	musl-gcc $(GUEST_CFLAGS) -s -o $@ $(filter %.c,$^)

rootfs: $(BUILD)/rootfs.cpio
$(BUILD)/rootfs.cpio: $(INIT) tools/feuerlib/rootfs.py tools/feuerlib/cpio.py $(wildcard tools/rootfs/* tools/rootfs/*/*)
	tools/feuer rootfs -o $@ >/dev/null

# The small Debian; its tar is kept in the cache, and made anew with `tools/feuer image --refresh`.
image: $(BUILD)/debian.cpio
$(BUILD)/debian.cpio: $(INIT) tools/feuerlib/image.py tools/feuerlib/tree.py tools/feuerlib/cpio.py
	tools/feuer image -o $@ >/dev/null

# Installs what is missing, builds, and boots on this terminal.  RUN_ARGS: options of `tools/feuer run`.
run:
	@tools/deps.sh
	@$(MAKE) --no-print-directory all agent image
	@tools/feuer run $(if $(findstring --i,$(RUN_ARGS)),,--image debian) $(RUN_ARGS)

deps:
	@tools/deps.sh

# The bench programs: one for each folder of bench/, all of them with micro's harness, and micro-glibc
# with the rows of micro as well.
BENCH_HARNESS := $(addprefix bench/micro/,harness.c harness.h directory.c directory.h)
# The other folders: bench/native and bench/size are built by mk/native.mk, bench/programs is scripts.
BENCHES := $(patsubst bench/%/,$(BUILD)/bench/%,$(filter-out bench/native/ bench/programs/ bench/size/,$(wildcard bench/*/)))
BENCH_CC = musl-gcc
$(BUILD)/bench/micro-glibc: BENCH_CC = $(CC)
$(BUILD)/bench/rings: GUEST_CFLAGS += -I. -I$(BUILD)/gen
$(BUILD)/bench/rings: sdk/ring.h sdk/loan.h $(GENERATED)
$(BUILD)/bench/micro-glibc: $(filter-out bench/micro/micro.c,$(wildcard bench/micro/*.[ch]))
define bench_rule
$(BUILD)/bench/$(1): $$(sort $$(wildcard bench/$(1)/*.[ch]) $$(BENCH_HARNESS))
	@mkdir -p $$(@D)
	$$(BENCH_CC) $$(GUEST_CFLAGS) -Ibench/micro -pthread -o $$@ $$(filter %.c,$$^)
endef
$(foreach b,$(notdir $(BENCHES)),$(eval $(call bench_rule,$(b))))
benches: $(BENCHES)

# What each basic operation costs, on FeuerBird and on Debian's kernel: counted, in wall time, against what it grows with.
# BENCH_ARGS: options of `tools/feuer bench`.
bench: all agent image benches
	@tools/feuer bench $(BENCH_ARGS)
bench-wall: all agent image benches
	@tools/feuer bench --wall $(BENCH_ARGS)
bench-growth: all agent image benches
	@tools/feuer bench --growth $(BENCH_ARGS)

kernel-lines:
	@tools/kernel-lines

.PHONY: agent rootfs image run deps benches bench bench-wall bench-growth kernel-lines
