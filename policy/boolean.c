/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <strings.h>

#include "policy/boolean.h"

int boolean_parse(const char *text) {
        static const char *const words[2][4] = {
                {"no", "false", "off", "0"},
                {"yes", "true", "on", "1"},
        };

        for (int i = 0; i < 2; i++)
                for (size_t j = 0; j < ELEMENTSOF(words[i]); j++)
                        if (strcasecmp(text, words[i][j]) == 0)
                                return i;
        return -EINVAL;
}
