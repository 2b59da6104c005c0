# SPDX-License-Identifier: MIT
# The SDK's larger examples: rt, the real-time LibOS.

RT_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,$(wildcard sdk/examples/rt/*.c sdk/examples/rt/*.S) sdk/text.c sdk/abi.c)
$(BUILD)/rt.elf: $(RT_OBJECTS) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(RT_OBJECTS)
-include $(patsubst %.o,%.d,$(RT_OBJECTS))
