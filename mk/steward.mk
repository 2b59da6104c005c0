# SPDX-License-Identifier: MIT
# The steward (a flat image), and the archive of personalities.

SMALL_CFLAGS := -std=c17 -O2 -g -ffreestanding -fno-stack-protector -fpie -mno-red-zone -mgeneral-regs-only \
    -fno-asynchronous-unwind-tables -fcf-protection=none $(WARNINGS) -I. -I$(BUILD)/gen
SMALL_LD := ld -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none
STEWARD_SOURCES := $(wildcard steward/*.c steward/*.S) sdk/text.c
STEWARD_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,$(STEWARD_SOURCES))
FUZZ_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,$(wildcard sdk/fuzz/*.c sdk/fuzz/*.S) sdk/text.c sdk/abi.c)

$(BUILD)/small/%.c.o: %.c $(GENERATED)
	@mkdir -p $(@D)
	$(KERNEL_CC) $(SMALL_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/small/%.S.o: %.S
	@mkdir -p $(@D)
	$(KERNEL_CC) -g -I. -I$(BUILD)/gen -c -o $@ $<

$(BUILD)/steward.elf: $(STEWARD_OBJECTS) sdk/flat.ld
	$(SMALL_LD) -T sdk/flat.ld -o $@ $(STEWARD_OBJECTS)
$(BUILD)/steward.bin: $(BUILD)/steward.elf
	objcopy -O binary $< $@
$(BUILD)/fuzz.elf: $(FUZZ_OBJECTS) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(FUZZ_OBJECTS)

PERSONALITIES := $(addprefix personality:,posix=$(BUILD)/libos.stripped fuzz=$(BUILD)/fuzz.elf ktest=$(BUILD)/ktest.elf \
    reclaim=$(BUILD)/reclaim.elf hello=$(BUILD)/hello.elf rt=$(BUILD)/rt.elf)
# Each personality has the names of its functions beside it, for backtraces.
PERSONALITY_NAMES := posix fuzz ktest reclaim hello rt
PERSONALITIES += $(foreach one,$(PERSONALITY_NAMES),symbols:$(one)=$(BUILD)/$(one).symbols)
$(BUILD)/posix.symbols: $(BUILD)/libos.elf tools/symbols.py
	python3 tools/symbols.py $< $@
$(BUILD)/%.symbols: $(BUILD)/%.elf tools/symbols.py
	python3 tools/symbols.py $< $@
$(BUILD)/personalities.bin: $(patsubst %,$(BUILD)/%.symbols,$(PERSONALITY_NAMES))
$(BUILD)/libos.stripped: $(BUILD)/libos.elf
	strip -o $@ $<
$(BUILD)/personalities.bin: $(BUILD)/libos.stripped $(BUILD)/fuzz.elf $(BUILD)/ktest.elf $(BUILD)/reclaim.elf $(BUILD)/hello.elf $(BUILD)/rt.elf tools/pack.py
	python3 tools/pack.py $@ $(PERSONALITIES)

-include $(patsubst %.o,%.d,$(STEWARD_OBJECTS) $(FUZZ_OBJECTS))
