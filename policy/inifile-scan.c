/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "policy/inifile-scan.h"
#include "policy/inifile.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

typedef struct Slice {
        const char *text;
        size_t size;
} Slice;

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static Slice trim(Slice slice) {
        while (slice.size > 0 && is_blank(slice.text[0])) {
                slice.text++;
                slice.size--;
        }
        while (slice.size > 0 && is_blank(slice.text[slice.size - 1]))
                slice.size--;
        return slice;
}

/* How many bytes of the slice can stand in a section's or key's name. */
static size_t span_name(Slice slice) {
        size_t n = 0;

        while (n < slice.size && slice.text[n] && strchr(NAME_CHARACTERS, slice.text[n]))
                n++;
        return n;
}

/* The length of the UTF-8 sequence that the text begins with and its code point; 0 if it is none,
 * or a longer spelling of a shorter one. */
static size_t decode(const unsigned char *text, size_t size, uint32_t *ret) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned char c = text[0];
        size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
        uint32_t point;

        if (n == 1) {
                *ret = c;
                return 1;
        }
        if (n > size || c < 0xc0 || c > 0xf7)
                return 0;

        point = c & (0xffU >> (n + 1));
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                point = point << 6 | (text[i] & 0x3fU);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return 0;

        *ret = point;
        return n;
}

bool inifile_is_plain_text(const char *text, size_t size) {
        while (size > 0) {
                uint32_t point;
                size_t n = decode((const unsigned char *)text, size, &point);

                if (n == 0 || point < 0x20 || (point >= 0x7f && point <= 0x9f))
                        return false;
                text += n;
                size -= n;
        }

        return true;
}

/* A tab may stand around what a line says, not within it. */
static bool is_plain_line(Slice line) {
        Slice inner = trim(line);

        return inifile_is_plain_text(inner.text, inner.size);
}

/* A comment that shares its line with a value: one reader would drop it, another would not. */
static bool has_comment(Slice value) {
        for (size_t i = 0; i < value.size; i++)
                if ((value.text[i] == '#' || value.text[i] == ';') &&
                    (i == 0 || is_blank(value.text[i - 1])))
                        return true;
        return false;
}

static const char *scan_section(ScanEntry *current, Slice line) {
        Slice inner = {.text = line.text + 1, .size = line.size - 1};
        size_t n = span_name(inner);

        inner = trim(inner);
        if (n == 0 || n + 1 != inner.size || inner.text[n] != ']')
                return "is no [Section]: a name of letters and digits, and nothing behind it";
        if (n > INIFILE_NAME_MAX)
                return "has a section's name that is too long";

        current->section = inner.text;
        current->section_size = n;
        return NULL;
}

static const char *scan_assignment(ScanEntry *current, Slice line) {
        size_t n = span_name(line), equals = n;
        Slice value;

        while (equals < line.size && is_blank(line.text[equals]))
                equals++;
        if (n == 0 || equals == line.size || line.text[equals] != '=')
                return "is neither [Section] nor Key=value";
        if (n > INIFILE_NAME_MAX)
                return "has a key that is too long";
        if (!current->section)
                return "stands before the first [Section]";

        value = trim((Slice){.text = line.text + equals + 1, .size = line.size - equals - 1});
        if (has_comment(value))
                return "has a comment behind the value: a comment needs a line of its own";
        if (value.size > 0 && value.text[value.size - 1] == '\\')
                return "ends with a backslash: a setting cannot go on in the next line; lists may "
                       "be spread over several lines that repeat the key";

        current->key = line.text;
        current->key_size = n;
        current->value = value.text;
        current->value_size = value.size;
        return NULL;
}

/* Sorts one line out. current carries the section from line to line, and has a key after a line
 * that is an assignment. What is wrong with it, or NULL. */
static const char *scan_line(ScanEntry *current, Slice line) {
        Slice inner = trim(line);

        current->key = NULL;
        if (line.size > INIFILE_LINE_MAX)
                return "is longer than 197 bytes: lists may be spread over several lines that "
                       "repeat the key";
        if (line.size > 0 && line.text[line.size - 1] == '\r')
                return "ends with a control character, the carriage return of Windows: "
                       "sed -i 's/\\r$//' takes it away";
        if (!is_plain_line(line))
                return "holds a control character, or is not UTF-8";
        if (inner.size == 0 || inner.text[0] == '#' || inner.text[0] == ';')
                return NULL;
        if (inner.text != line.text)
                return "begins with white space: a setting cannot go on in the next line";

        return line.text[0] == '[' ? scan_section(current, line) : scan_assignment(current, line);
}

static int scan_push(Scan *scan, const ScanEntry *entry) {
        ScanEntry *grown;

        /* Grown by doubling, whenever the number is a power of two. */
        if ((scan->n_entries & (scan->n_entries - 1)) == 0) {
                size_t n = scan->n_entries == 0 ? 1 : 2 * scan->n_entries;

                grown = reallocarray(scan->entries, n, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                scan->entries = grown;
        }

        scan->entries[scan->n_entries++] = *entry;
        return 0;
}

int scan_init(Scan *scan, const char *text, size_t size) {
        ScanEntry current = {};
        const char *end = text + size;
        int r = 0;

        *scan = (Scan){};

        while (text < end && r == 0) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                Slice line = {.text = text, .size = (size_t)((newline ? newline : end) - text)};

                current.number++;
                scan->reason = scan_line(&current, line);
                if (scan->reason) {
                        scan->number = current.number;
                        r = SCAN_E_REFUSED;
                } else if (current.key) {
                        r = scan_push(scan, &current);
                }
                text = newline ? newline + 1 : end;
        }

        if (r != 0) {
                free(scan->entries);
                scan->entries = NULL;
                scan->n_entries = 0;
        }
        return r;
}

void scan_deinit(Scan *scan) {
        free(scan->entries);
        *scan = (Scan){};
}
