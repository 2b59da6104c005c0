# SPDX-License-Identifier: MIT
# The kernel: every C and assembly file under kernel/, with the blobs of the first domain, in one ELF file.

K := $(BUILD)/kernel
KERNEL_SOURCES := $(sort $(shell find kernel \( -name '*.c' -o -name '*.S' \)))
KERNEL_OBJECTS := $(patsubst kernel/%,$(K)/%.o,$(filter-out kernel/boot/blobs.S,$(KERNEL_SOURCES)))
KERNEL_LINES_OF := $(sort $(shell find kernel abi \( -name '*.[chS]' \)))
KERNEL_CC ?= gcc
KERNEL_INCLUDES := -Ikernel -I$(BUILD)/gen -I.
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla
KERNEL_CFLAGS := -std=c17 -O2 -g -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mcmodel=kernel \
    -mno-red-zone -mgeneral-regs-only -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fcf-protection=none \
    -fno-strict-aliasing $(WARNINGS)
KERNEL_LD := ld -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none -T kernel/kernel.ld
GENERATED := $(BUILD)/gen/abi/calls.h

$(GENERATED): abi/gen.py abi/feuerbird.toml
	@mkdir -p $(BUILD)/gen
	python3 abi/gen.py $(BUILD)/gen
	@touch $(GENERATED)

$(K)/%.c.o: kernel/%.c $(GENERATED)
	@mkdir -p $(@D)
	$(KERNEL_CC) $(KERNEL_CFLAGS) $(KERNEL_INCLUDES) -MMD -MP -c -o $@ $<

$(K)/%.S.o: kernel/%.S $(GENERATED)
	@mkdir -p $(@D)
	$(KERNEL_CC) -g $(KERNEL_INCLUDES) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

# It never returns, and who comes there has put its preserved registers away (kernel/ipc/message.h): the link checks that
# nobody comes there otherwise.
$(K)/ipc/ipc.c.o: KERNEL_CFLAGS += -fomit-frame-pointer $(addprefix -fcall-used-,rbx r12 r13 r14 r15)

# The manifest area: a mark, the default manifest, NULs; tools write another manifest over it in the finished file.
$(BUILD)/manifest.area: steward/default.manifest
	@mkdir -p $(@D)
	{ printf 'FBMANIFEST-AREA\0'; cat $<; } >$@.new
	@test $$(stat -c %s $@.new) -lt 16384 || { echo "$<: longer than the manifest area" >&2; exit 1; }
	truncate -s 16384 $@.new
	mv $@.new $@

$(K)/boot/blobs.S.o: kernel/boot/blobs.S $(BUILD)/steward.bin $(BUILD)/personalities.bin $(BUILD)/manifest.area
	@mkdir -p $(@D)
	$(KERNEL_CC) -Wa,-I$(BUILD) -c -o $@ $<

# Two links: the table of names comes after all text, so that nothing that it names moves.
$(K)/lines: $(KERNEL_LINES_OF) $(GENERATED)
	@mkdir -p $(@D)
	@cat $^ | wc -l >$@

$(BUILD)/feuerbird: $(KERNEL_OBJECTS) $(K)/boot/blobs.S.o $(K)/lines kernel/kernel.ld tools/ksyms.py tools/check_entered.py
	python3 tools/check_entered.py kernel/hal/x86_64/entry.S $(K)/ipc/ipc.c.o $(KERNEL_OBJECTS)
	python3 tools/ksyms.py $$(cat $(K)/lines) >$(K)/ksyms0.S
	$(KERNEL_CC) -c -o $(K)/ksyms0.o $(K)/ksyms0.S
	$(KERNEL_LD) -o $(K)/first.elf $(KERNEL_OBJECTS) $(K)/boot/blobs.S.o $(K)/ksyms0.o
	nm $(K)/first.elf >$(K)/first.nm
	python3 tools/ksyms.py $$(cat $(K)/lines) $(K)/first.nm >$(K)/ksyms.S
	$(KERNEL_CC) -c -o $(K)/ksyms.o $(K)/ksyms.S
	$(KERNEL_LD) -o $(K)/last.elf $(KERNEL_OBJECTS) $(K)/boot/blobs.S.o $(K)/ksyms.o
	nm $(K)/last.elf >$(K)/last.nm
	python3 tools/ksyms.py --check $(K)/first.nm $(K)/last.nm
	mv $(K)/last.elf $@

kernel: $(BUILD)/feuerbird
.PHONY: kernel

-include $(patsubst %.o,%.d,$(KERNEL_OBJECTS))
