/* SPDX-License-Identifier: MIT */
#include "tests/kernel/enemies/enemies.h"
void
test_leavers(void)
{
}
