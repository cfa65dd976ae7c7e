#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a C source that holds a text file: embed.py INPUT OUTPUT SYMBOL HEADER"""

import sys

source, output, symbol, header = sys.argv[1:]
lines = open(source, encoding="ascii").read().splitlines()
escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
with open(output, "w", encoding="ascii") as f:
    f.write(f'#include "{header}"\n\nconst char {symbol}[] =\n')
    f.write("\n".join(f'        "{line}\\n"' for line in escaped))
    f.write(";\n")
