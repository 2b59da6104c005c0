# SPDX-License-Identifier: MIT
# Host tests and fuzzers of libos/vm, fs/tmpfs and fs/cpio.  Those of parsers and trees need no machine (vm/test/fake.c);
# the others stand on the host's stand-in for core.

VM_FAKE := libos/vm/test/fake.c
VM_T := $(BUILD)/host/vm
VM_FLAGS := $(filter-out -DLIBOS_HOST,-std=gnu17 -O1 -g -DLIBOS_HOST -fno-omit-frame-pointer -fno-strict-aliasing) -DLIBOS_HOST \
    -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
    -Wmissing-prototypes -Wswitch-enum -Wvla -Ilibos -I$(BUILD)/gen -I.
VM_HEADERS := $(wildcard libos/core/*.h libos/vm/*.h libos/vm/test/*.h libos/fs/*/*.h libos/vfs/*.h libos/core/test/*.h)

$(VM_T)/test_area: libos/vm/test/test_area.c libos/vm/area.c $(VM_FAKE)
$(VM_T)/test_elf: libos/vm/test/test_elf.c libos/vm/elf.c $(VM_FAKE)
$(VM_T)/test_inflate: libos/fs/cpio/test/test_inflate.c libos/fs/cpio/inflate.c libos/fs/cpio/huffman.c libos/fs/cpio/crc32.c $(VM_FAKE) | $(VM_T)/vectors
$(VM_T)/test_area $(VM_T)/test_elf $(VM_T)/test_inflate: $(VM_HEADERS)
	@mkdir -p $(@D)
	gcc $(VM_FLAGS) -DVECTORS='"$(abspath $(VM_T))/vectors"' -o $@ $(filter %.c,$^)

$(VM_T)/vectors: libos/fs/cpio/test/vectors.py
	@mkdir -p $(@D)
	python3 $< $@ $(VM_T)/seeds

# With the rooms themselves.
VM_ROOM_TESTS := test_mm test_mm_calls test_tmpfs test_cpio
$(VM_T)/test_mm: libos/vm/test/test_mm.c
$(VM_T)/test_mm_calls: libos/vm/test/test_mm_calls.c
$(VM_T)/test_tmpfs: libos/fs/tmpfs/test/test_tmpfs.c
$(VM_T)/test_cpio: libos/fs/cpio/test/test_cpio.c | $(VM_T)/vectors
$(addprefix $(VM_T)/,$(VM_ROOM_TESTS)): $(BUILD)/host/libos.a $(VM_HEADERS)
	@mkdir -p $(@D)
	gcc $(VM_FLAGS) -D_GNU_SOURCE -o $@ $(filter %.c,$^) $(BUILD)/host/libos.a

# Fuzzers: a short run that repeats in `make test`, a long one by hand (the program itself, with libFuzzer's options).
VM_FUZZERS := fuzz_elf fuzz_inflate fuzz_cpio
VM_FUZZ_RUNS ?= 20000
$(VM_T)/bin/fuzz_elf: libos/vm/test/fuzz_elf.c libos/vm/elf.c $(VM_FAKE)
$(VM_T)/bin/fuzz_inflate: libos/fs/cpio/test/fuzz_inflate.c libos/fs/cpio/inflate.c libos/fs/cpio/huffman.c libos/fs/cpio/crc32.c $(VM_FAKE)
$(VM_T)/bin/fuzz_cpio: libos/fs/cpio/test/fuzz_cpio.c libos/fs/cpio/parse.c libos/fs/cpio/cpio.c libos/fs/cpio/inflate.c libos/fs/cpio/huffman.c libos/fs/cpio/crc32.c \
    $(VM_FAKE)
$(addprefix $(VM_T)/bin/,$(VM_FUZZERS)): $(VM_HEADERS)
	@mkdir -p $(@D)
	clang -std=gnu17 -O1 -g -DLIBOS_HOST -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Ilibos \
	    -I$(BUILD)/gen -I. -o $@ $(filter %.c,$^)
$(addprefix $(VM_T)/,$(VM_FUZZERS)): $(VM_T)/%: $(VM_T)/bin/% | $(VM_T)/vectors
	printf '#!/bin/sh\nd=$$(mktemp -d) || exit 1\ncp -r %s/. $$d 2>/dev/null\ntimeout 120 %s -runs=%s -seed=1 -max_len=4096 -verbosity=0 $$d >$$d.log 2>&1\nrc=$$?\n[ $$rc -eq 0 ] && echo "ok 1 %s" || { cat $$d.log; echo "not ok 1 %s"; }\necho 1..1\nrm -rf $$d $$d.log\nexit $$rc\n' \
	    $(abspath $(VM_T))/seeds/$* $(abspath $<) $(VM_FUZZ_RUNS) $* $* >$@
	chmod +x $@

HOST_TESTS += $(addprefix $(VM_T)/,test_area test_elf test_inflate $(VM_ROOM_TESTS) $(VM_FUZZERS))
