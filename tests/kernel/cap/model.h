/* SPDX-License-Identifier: MIT */
/* The random test against the reference model (model.c). */
#ifndef KERNEL_CAP_TEST_MODEL_H
#define KERNEL_CAP_TEST_MODEL_H

#include "base/types.h"

/* Run that many random operations; failures are counted by CHECK. */
void model_run(u64 operations);

#endif
