/* SPDX-License-Identifier: MIT */
/* The note of sdk/abi.h, for images that are linked with the SDK. */
#include <sdk/abi.h>

ABI_NOTE;
