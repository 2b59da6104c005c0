# SPDX-License-Identifier: MIT
# The LibOS that is asked for its memory: tests/reclaim.

RECLAIM_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,$(wildcard tests/reclaim/*.c tests/reclaim/*.S) sdk/text.c sdk/abi.c)

$(BUILD)/reclaim.elf: $(RECLAIM_OBJECTS) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(RECLAIM_OBJECTS)
-include $(patsubst %.o,%.d,$(RECLAIM_OBJECTS))
