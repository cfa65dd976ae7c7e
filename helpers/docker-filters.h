#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Filters: what a list may be narrowed down by
 *
 * Whoever may ask for those containers whose label has a certain value can find out the value, try
 * by try, without ever seeing it; the same goes for commands. So there is a list of what may be
 * asked for, and of labels only which there are.
 */

#include "common/macros.h"

/* Of a parameter "filters": {"NAME":["VALUE",...],...}, or {"NAME":{"VALUE":true,...},...}, written
 * as clients write it, without white space and escapes. What is not of this form is not harmless.
 */
bool docker_filters_are_harmless(const char *text);
