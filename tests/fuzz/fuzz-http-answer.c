/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as an answer
 *
 * Its body is the same however the bytes come; nothing is read beyond its end.
 */

#include <string.h>
#include <sys/types.h>

#include "helpers/http-answer.h"
#include "tests/fuzz/fuzz.h"

/* The body, at most as long as the answer; its length, or -1 if it is malformed. */
static ssize_t read_body(HttpBody body, const char *data, size_t size, size_t n, char *buf,
                         size_t *ret_taken) {
        size_t used = 0, i = 0;

        while (i < size && !http_body_is_done(&body)) {
                size_t left = size - i < n ? size - i : n, n_piece;
                const char *piece;
                ssize_t taken = http_body_take(&body, data + i, left, &piece, &n_piece);

                if (taken < 0)
                        return -1;
                PROMISE(taken > 0 && (size_t)taken <= left);
                PROMISE(n_piece == 0 || (piece >= data + i && piece + n_piece <= data + i + taken));
                memcpy(buf + used, piece ? piece : "", n_piece);
                used += n_piece;
                i += (size_t)taken;
        }
        *ret_taken = i;
        return (ssize_t)used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *body = (const char *)data;
        char head[HTTP_HEAD_MAX], *whole, *cut;
        size_t n_whole = 0, n_cut = 0;
        ssize_t n, first, second;
        HttpAnswer answer;

        n = http_head_find_end(body, size);
        if (n <= 0)
                return 0;
        memcpy(head, data, (size_t)n);
        if (http_answer_parse(head, (size_t)n, false, &answer) < 0)
                return 0;
        PROMISE(answer.status >= 200 && answer.status < 1000);

        body += n;
        size -= (size_t)n;
        whole = malloc(size + 1);
        cut = malloc(size + 1);
        if (whole && cut) {
                first = read_body(answer.body, body, size, SIZE_MAX, whole, &n_whole);
                second = read_body(answer.body, body, size, 1, cut, &n_cut);
                PROMISE(first == second && n_whole == n_cut);
                PROMISE(first <= 0 || memcmp(whole, cut, (size_t)first) == 0);
        }
        free(whole);
        free(cut);
        return 0;
}
