# SPDX-License-Identifier: MIT
# Host tests of the line discipline and of the steward's manifest.

HOST_TTY_FLAGS := -std=c17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(WARNINGS)
LDISC_TESTS := $(BUILD)/host/libos-tty/test_ldisc $(BUILD)/host/libos-tty/fuzz_ldisc
LDISC_SOURCES := $(wildcard libos/tty/ldisc*.c)
HOST_TESTS += $(LDISC_TESTS) $(BUILD)/host/steward/test_manifest

$(LDISC_TESTS): $(BUILD)/host/libos-tty/%: libos/tty/test/%.c $(LDISC_SOURCES) $(wildcard libos/tty/*.h libos/core/*.h) $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(HOST_TTY_FLAGS) -include string.h -Ilibos -I. -I$(BUILD)/gen -o $@ $< $(LDISC_SOURCES)

$(BUILD)/host/steward/test_manifest: steward/test/test_manifest.c steward/manifest.c sdk/text.c steward/manifest.h $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(HOST_TTY_FLAGS) -fno-builtin -Dmemcpy=sdk_memcpy -Dmemset=sdk_memset -Dmemmove=sdk_memmove -Dmemcmp=sdk_memcmp \
	    -Dstrlen=sdk_strlen -Dstrcmp=sdk_strcmp -Dstrncmp=sdk_strncmp -I. -I$(BUILD)/gen -o $@ \
	    steward/test/test_manifest.c steward/manifest.c sdk/text.c
