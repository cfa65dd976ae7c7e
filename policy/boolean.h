#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Boolean: yes or no, in the spellings that systemd's files take */

#include "common/macros.h"

/* 1 for yes, true, on and 1; 0 for no, false, off and 0; in any case. -EINVAL. */
int boolean_parse(const char *text) _must_check_;
