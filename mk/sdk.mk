# SPDX-License-Identifier: MIT
# The SDK: host tests of rings and loans, with sanitizers; what native programs and small LibOSes link with.

SDK_HOST := $(BUILD)/host/sdk
SDK_HOST_FLAGS := -std=gnu17 -O1 -g $(WARNINGS) -I. -I$(BUILD)/gen -pthread
SDK_SANITIZED := -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_TESTS += $(SDK_HOST)/test_ring $(SDK_HOST)/test_ring_threads $(SDK_HOST)/fuzz_ring

$(SDK_HOST)/test_ring $(SDK_HOST)/fuzz_ring: $(SDK_HOST)/%: sdk/test/%.c sdk/ring.h sdk/loan.h libos/core/test/check.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(SDK_HOST_FLAGS) $(SDK_SANITIZED) -o $@ $<
# The thread sanitizer does not know fences; what is ordered by them alone are relaxed accesses of one word.
$(SDK_HOST)/test_ring_threads: sdk/test/test_ring.c sdk/ring.h sdk/loan.h libos/core/test/check.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(SDK_HOST_FLAGS) -fsanitize=thread -Wno-tsan -o $@ $<
