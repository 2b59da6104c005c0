# SPDX-License-Identifier: MIT
# FeuerBird.  `make` builds $(BUILD)/feuerbird, the file that boots; each room's rules are in mk/.

BUILD ?= build

all: $(BUILD)/feuerbird
.PHONY: all
.DELETE_ON_ERROR:

include $(sort $(wildcard mk/*.mk))
