# SPDX-License-Identifier: MIT
# The POSIX LibOS: for the machine $(BUILD)/libos.elf, for the host $(BUILD)/host/libos.a with sanitizers, and its unit tests.
# Each room says in ROOM_x_NEEDS which rooms' headers it may include; check-includes compares that with what it does.

L := $(BUILD)/libos
LIBOS_ROOMS := core sched time vm vfs fs pipe socket ipc ready proc signal futex tty posix procfs boot
ROOM_core_NEEDS :=
ROOM_sched_NEEDS := core
ROOM_time_NEEDS := core
ROOM_vm_NEEDS := core time vfs proc signal
ROOM_vfs_NEEDS := core fs pipe
ROOM_fs_NEEDS := core vfs vm
ROOM_pipe_NEEDS := core vfs
ROOM_socket_NEEDS := core vfs
ROOM_ipc_NEEDS := core vfs fs
ROOM_ready_NEEDS := core time vfs
ROOM_proc_NEEDS := core vm vfs ipc signal
ROOM_signal_NEEDS := core time proc vfs
ROOM_futex_NEEDS := core vfs vm proc
ROOM_tty_NEEDS := core vfs fs proc signal
ROOM_posix_NEEDS := core sched time vm vfs fs pipe socket ipc ready proc signal futex tty
ROOM_procfs_NEEDS := core sched time vm vfs fs pipe socket ipc proc signal tty posix
ROOM_boot_NEEDS := core sched time vm vfs fs pipe proc signal tty posix procfs

LIBOS_ALL := $(sort $(shell find libos \( -name '*.c' -o -name '*.S' \) -not -path '*/test/*' -not -path '*/vdso/*'))
LIBOS_SOURCES := $(filter-out $(shell find libos -path '*/host/*'),$(LIBOS_ALL))
LIBOS_OBJECTS := $(patsubst libos/%,$(L)/%.o,$(LIBOS_SOURCES)) $(L)/time/vdso_blob.o
LIBOS_HOST_SOURCES := $(filter %.c,$(filter-out $(shell find libos/core/arch libos/boot -type f),$(LIBOS_ALL)))
LIBOS_HOST_OBJECTS := $(patsubst libos/%,$(BUILD)/host/libos/%.o,$(LIBOS_HOST_SOURCES))
LIBOS_CC ?= gcc
LIBOS_WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla
LIBOS_INCLUDES := -Ilibos -I$(BUILD)/gen -I.
LIBOS_CFLAGS := -std=c17 -O2 -g -ffreestanding -fno-stack-protector -fpie -mcmodel=small -mno-red-zone \
    -mgeneral-regs-only -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing \
    -include libos/core/hidden.h $(LIBOS_WARNINGS)
LIBOS_CFLAGS := $(subst -std=c17,-std=gnu17,$(LIBOS_CFLAGS)) # asm, typeof and statement expressions (core/wait.h)
LIBOS_HOST_CFLAGS := -std=gnu17 -O1 -g -DLIBOS_HOST -D_GNU_SOURCE -fno-strict-aliasing -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=all $(LIBOS_WARNINGS)
LIBOS_GENERATED := $(BUILD)/gen/abi/calls.h

# The rooms' small functions are inlined across files when the LibOS is linked; `make LIBOS_LTO=` links in
# a moment and gives code that is some 5% slower.  What the compiler itself calls cannot take part.
LIBOS_LTO := -flto
$(L)/core/bits.c.o $(L)/core/string.c.o: LIBOS_LTO :=

$(L)/%.c.o: libos/%.c $(LIBOS_GENERATED)
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_CFLAGS) $(LIBOS_LTO) $(LIBOS_INCLUDES) -MMD -MP -c -o $@ $<

$(L)/%.S.o: libos/%.S $(LIBOS_GENERATED)
	@mkdir -p $(@D)
	$(LIBOS_CC) -g $(LIBOS_INCLUDES) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(BUILD)/libos.elf: $(LIBOS_OBJECTS) libos/libos.ld
	$(LIBOS_CC) $(LIBOS_CFLAGS) -Wno-error -fconserve-stack -flto=2 -flinker-output=pie -nostdlib -static \
	    -Wl,-z,max-page-size=4096,-z,noexecstack,--build-id=none,--no-dynamic-linker,--no-relax \
	    -T libos/libos.ld -o $@.new $(LIBOS_OBJECTS)
	mv $@.new $@

all: check-includes
libos: $(BUILD)/libos.elf check-includes

# ---- the vDSO: a shared object of its own, embedded as bytes ----
VDSO_CFLAGS := -std=gnu17 -O2 -fPIC -ffreestanding -fno-stack-protector -mno-red-zone -fcf-protection=none \
    -fno-asynchronous-unwind-tables -fvisibility=hidden $(LIBOS_WARNINGS)
$(L)/time/vdso.so: $(wildcard libos/time/vdso/*.c libos/time/vdso/*.S libos/time/vdso/*.ld libos/time/*.h)
	@mkdir -p $(@D)
	$(LIBOS_CC) $(VDSO_CFLAGS) -nostdlib -shared -Wl,--hash-style=both -Wl,-T,libos/time/vdso/vdso.ld \
	    -Wl,-z,noexecstack -Wl,-soname,linux-vdso.so.1 -Wl,--build-id=none -Ilibos -o $@ \
	    $(wildcard libos/time/vdso/*.c)
	@! readelf -rW $@ | grep -q R_X86_64 || { echo "the vDSO has relocations" >&2; exit 1; }
	strip -s $@

$(L)/time/vdso_blob.o: $(L)/time/vdso.so
	printf '.section .rodata\n.balign 4096\n.globl vdso_blob\nvdso_blob: .incbin "%s"\n.globl vdso_blob_end\nvdso_blob_end:\n.section .note.GNU-stack,"",@progbits\n' $< \
	    | $(LIBOS_CC) -c -x assembler -o $@ -

# ---- the host ----
$(BUILD)/host/libos/%.c.o: libos/%.c $(LIBOS_GENERATED)
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -MMD -MP -c -o $@ $<

$(BUILD)/host/libos.a: $(LIBOS_HOST_OBJECTS) $(L)/time/vdso_blob.o
	rm -f $@
	ar rcs $@ $^

host-libos: $(BUILD)/host/libos.a

LIBOS_CORE_TESTS := $(patsubst libos/%.c,$(BUILD)/host/%,$(wildcard libos/core/test/test_*.c libos/sched/test/test_*.c))
HOST_TESTS += $(LIBOS_CORE_TESTS)
$(LIBOS_CORE_TESTS): $(BUILD)/host/%: libos/%.c $(BUILD)/host/libos.a libos/core/host/host.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< $(filter %/wide.S,$^) $(BUILD)/host/libos.a
$(BUILD)/host/core/test/test_wide: libos/core/test/wide.S libos/core/arch/x86_64/memory.S

# ---- dependencies between rooms ----
check-includes:
	@python3 tools/check_includes.py libos $(foreach r,$(LIBOS_ROOMS),$(r)=$(subst $(eval ) ,$(comma),$(strip $(ROOM_$(r)_NEEDS))))
comma := ,

.PHONY: libos host-libos check-includes
-include $(LIBOS_OBJECTS:.o=.d) $(LIBOS_HOST_OBJECTS:.o=.d)
