# SPDX-License-Identifier: MIT
# The steward's host tests and fuzzers, and the LibOS that its guest test crashes.

STEWARD_HOST := $(BUILD)/host/steward
STEWARD_HOST_FLAGS := -std=gnu17 -O1 -g $(WARNINGS) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-builtin \
    -Dmemcpy=sdk_memcpy -Dmemset=sdk_memset -Dmemmove=sdk_memmove -Dmemcmp=sdk_memcmp \
    -Dstrlen=sdk_strlen -Dstrcmp=sdk_strcmp -Dstrncmp=sdk_strncmp -I. -I$(BUILD)/gen
HOST_TESTS += $(STEWARD_HOST)/test_words $(STEWARD_HOST)/test_control $(STEWARD_HOST)/fuzz_manifest $(STEWARD_HOST)/fuzz_control

$(STEWARD_HOST)/test_words: steward/test/test_words.c steward/words.c sdk/text.c steward/words.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(STEWARD_HOST_FLAGS) -o $@ $(filter %.c,$^)
$(STEWARD_HOST)/fuzz_manifest: steward/test/fuzz_manifest.c steward/manifest.c sdk/text.c steward/manifest.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(STEWARD_HOST_FLAGS) -o $@ $(filter %.c,$^)
# control.c over a stand-in for kernel calls, which stands first among the includes.
$(STEWARD_HOST)/test_control $(STEWARD_HOST)/fuzz_control: $(STEWARD_HOST)/%: steward/test/%.c steward/test/standin.c steward/control.c \
    steward/words.c sdk/text.c $(wildcard steward/*.h steward/test/*.h sdk/*.h) $(GENERATED)
	@mkdir -p $(@D)
	$(CC) -Isteward/test/standin -DREPLIES_VA=0x200000000000ull '-DBOOT=(&standin_boot)' $(STEWARD_HOST_FLAGS) -o $@ $(filter %.c,$^)

$(BUILD)/hostile.elf: $(FEUER_START) $(FEUER_ABI) $(BUILD)/small/tests/steward/hostile.c.o $(FEUER_LIB) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(FEUER_START) $(FEUER_ABI) $(BUILD)/small/tests/steward/hostile.c.o $(FEUER_LIB)
all: $(BUILD)/hostile.elf
$(BUILD)/crash.elf: $(FEUER_START) $(FEUER_ABI) $(BUILD)/small/tests/steward/crash.c.o $(FEUER_LIB) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(FEUER_START) $(FEUER_ABI) $(BUILD)/small/tests/steward/crash.c.o $(FEUER_LIB)
all: $(BUILD)/crash.elf
