# SPDX-License-Identifier: MIT
# The LibOS that tests the kernel from above; `make test` runs it by tests/kernel/run.sh.

KTEST_OBJECTS := $(patsubst %,$(BUILD)/small/%.o,$(wildcard tests/kernel/ktest/*.c tests/kernel/ktest/*.S) $(addprefix tests/kernel/,model/model.c model/model_space.c model/model_ipc.c model/driver.c model/compare.c model/guest.c) $(wildcard tests/kernel/enemies/*.c) sdk/text.c sdk/abi.c)
KTEST_DEFINES := $$(awk '/define FB_CALL_/{print "-D" substr($$2, 4) "=" $$3}' $(GENERATED))

$(BUILD)/gen/ktest/errors.inc: tests/kernel/ktest/errors.py abi/feuerbird.toml
	@mkdir -p $(@D)
	python3 $^ $@
$(BUILD)/gen/ktest/matrix.inc: tests/kernel/enemies/matrix.py abi/feuerbird.toml
	@mkdir -p $(@D)
	python3 $^ $@
$(BUILD)/small/tests/kernel/enemies/matrix.c.o: $(BUILD)/gen/ktest/errors.inc $(BUILD)/gen/ktest/matrix.inc
$(BUILD)/small/tests/kernel/ktest/main.c.o: $(BUILD)/gen/ktest/errors.inc
$(BUILD)/small/tests/kernel/ktest/start.S.o: tests/kernel/ktest/start.S $(GENERATED)
	@mkdir -p $(@D)
	$(KERNEL_CC) -g $(KTEST_DEFINES) -I. -I$(BUILD)/gen -c -o $@ $<
$(BUILD)/ktest.elf: $(KTEST_OBJECTS) sdk/window.ld
	$(SMALL_LD) -T sdk/window.ld -o $@ $(KTEST_OBJECTS)

kernel-test: $(BUILD)/feuerbird
	@tests/kernel/run.sh $(BUILD)
.PHONY: kernel-test
-include $(patsubst %.o,%.d,$(KTEST_OBJECTS))
