#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fuzz: what every fuzzer is made of. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert(3) also in a release build. */
#define PROMISE(condition)                                                 \
        do {                                                               \
                if (!(condition)) {                                        \
                        fputs("broken promise: " #condition "\n", stderr); \
                        abort();                                           \
                }                                                          \
        } while (false)
