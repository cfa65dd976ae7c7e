/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>

#include "cli/placement.h"

int placement_plan(const Argument *arguments, size_t n, int *numbers, size_t *ret_n_listen,
                   int *ret_conflict) {
        size_t n_listen = 0;

        for (size_t i = 0; i < n; i++)
                numbers[i] = arguments[i].fd >= 0 ? arguments[i].fd
                                                  : PLACEMENT_LISTEN_START + (int)n_listen++;

        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < i; j++)
                        if (numbers[i] == numbers[j]) {
                                *ret_conflict = numbers[i];
                                return PLACEMENT_E_CONFLICT;
                        }

        *ret_n_listen = n_listen;
        return 0;
}

int placement_names(const Argument *arguments, size_t n, char **ret) {
        char *names, *p, buf[NAME_TEXT_SIZE];

        names = p = calloc(n + 1, NAME_TEXT_SIZE);
        if (!names)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                if (arguments[i].fd >= 0)
                        continue;
                if (p > names)
                        *p++ = ':';
                p = stpcpy(p, name_to_string(&arguments[i].name, buf));
        }

        *ret = names;
        return 0;
}

/* Which argument the text between two braces means: its index, -ENOENT if none, -ENOTUNIQ if one
 * cannot tell. */
static int brace_find(const char *text, size_t length, const Argument *arguments, size_t n) {
        int found = -ENOENT;

        for (size_t i = 0; i < n; i++) {
                if (length > 0 && (strlen(arguments[i].key) != length ||
                                   strncmp(arguments[i].key, text, length) != 0))
                        continue;
                if (found >= 0)
                        return -ENOTUNIQ;
                found = (int)i;
        }

        return found;
}

static int words_write(FILE *f, const char *word, const Argument *arguments,
                       const char *const *values, size_t n) {
        while (*word) {
                size_t plain = strcspn(word, "{"), inside;
                int i;

                (void)fwrite(word, 1, plain, f);
                word += plain;
                if (*word == 0)
                        break;

                inside = strcspn(word + 1, "{}");
                i = word[1 + inside] == '}' ? brace_find(word + 1, inside, arguments, n) : -ENOENT;
                if (i == -ENOTUNIQ)
                        return PLACEMENT_E_AMBIGUOUS;
                if (i >= 0) {
                        (void)fputs(values[i], f);
                        word += inside + 2;
                } else
                        (void)fputc(*word++, f);
        }

        return 0;
}

int placement_substitute(const char *word, const Argument *arguments, const char *const *values,
                         size_t n, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f;
        int r;

        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;

        r = words_write(f, word, arguments, values, n);
        if (ferror(f))
                r = -ENOMEM;
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r != 0) {
                free(text);
                return r;
        }

        *ret = text;
        return 0;
}

int placement_substitute_all(char *const *words, const Argument *arguments,
                             const char *const *values, size_t n, char ***ret,
                             const char **ret_word) {
        _cleanup_(strv_freep) char **made = NULL;
        size_t n_words = 0;
        int r;

        while (words[n_words])
                n_words++;
        made = calloc(n_words + 1, sizeof(char *));
        if (!made)
                return -ENOMEM;

        for (size_t i = 0; i < n_words; i++) {
                r = placement_substitute(words[i], arguments, values, n, &made[i]);
                if (r != 0) {
                        *ret_word = words[i];
                        return r;
                }
        }

        *ret = TAKE_PTR(made);
        return 0;
}

static bool number_is_taken(int fd, const int *numbers, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (numbers[i] == fd)
                        return true;

        return false;
}

/* A duplicate of fd under a number that nobody wants, or -errno. fd stays as it is: it could stand
 * at a number that another is to get, and is then replaced there. */
static int fd_move_aside(int fd, const int *numbers, size_t n) {
        int start = PLACEMENT_LISTEN_START, moved;

        do {
                while (number_is_taken(start, numbers, n))
                        start++;
                moved = fcntl(fd, F_DUPFD_CLOEXEC, start);
                if (moved < 0)
                        return -errno;
                if (!number_is_taken(moved, numbers, n))
                        return moved;
                /* Free, but somebody's: nothing may be put there yet. */
                close_fd(moved);
                start = moved + 1;
        } while (true);
}

int placement_apply(const int *sources, const int *numbers, size_t n, int *spare) {
        _cleanup_free_ int *aside = calloc(n + 1, sizeof(int));
        int moved;

        if (!aside)
                return -ENOMEM;

        /* First all out of the way, so that no number is taken from one that is still needed. */
        for (size_t i = 0; i < n; i++) {
                aside[i] = fd_move_aside(sources[i], numbers, n);
                if (aside[i] < 0)
                        return aside[i];
        }
        if (number_is_taken(*spare, numbers, n)) {
                moved = fd_move_aside(*spare, numbers, n);
                if (moved < 0)
                        return moved;
                *spare = moved;
        }

        for (size_t i = 0; i < n; i++)
                if (dup2(aside[i], numbers[i]) < 0)
                        return -errno;

        return 0;
}
