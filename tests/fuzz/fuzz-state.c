/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Any bytes as what a broker has left to the next one
 *
 * What is taken must be within its bounds, and survive being written. The first byte says how: as
 * the content of a slot, where a hash would keep every other input out; or as all of a memfd, at
 * the beginning of either slot.
 */

#include <fcntl.h>
#include <sys/mman.h>

#include "broker/state.h"
#include "tests/fuzz/fuzz.h"

static void check_content(const StateContent *content) {
        unsigned n_fds = 0;

        PROMISE(content->n_entries <= STATE_LEASES_MAX && content->n_blocks <= STATE_BLOCKS_MAX);
        for (unsigned i = 0; i < content->n_entries; i++) {
                const StateEntry *entry = content->entries[i];

                PROMISE(state_lease_is_valid(&entry->lease));
                PROMISE(entry->n_fds > 0);
                n_fds += entry->n_fds;
                for (unsigned j = 0; j < entry->n_fds; j++)
                        PROMISE(entry->fds[j].fd < 0 && !entry->fds[j].sent);
        }
        PROMISE(n_fds <= STATE_FDS_MAX);
        for (unsigned i = 0; i < content->n_blocks; i++)
                PROMISE(state_block_is_valid(&content->blocks[i]));
}

static void check_decode(const uint8_t *data, size_t size) {
        StateContent content, again;
        uint8_t *buf;
        ssize_t max;
        State state;
        int r;

        r = state_content_decode(data, size, &content);
        PROMISE(r == 0 || r == -EBADMSG);
        if (r < 0)
                return;

        check_content(&content);
        max = state_content_size(&content);
        PROMISE(max > 0 && (size_t)max <= STATE_CONTENT_MAX);
        buf = malloc((size_t)max);
        PROMISE(buf);
        /* There is one way to write it. */
        PROMISE(state_content_encode(&content, buf, (size_t)max) == (ssize_t)size);
        PROMISE(memcmp(buf, data, size) == 0);
        free(buf);

        PROMISE(state_init(&state) == 0);
        PROMISE(state_write(&state, &content) == 0);
        PROMISE(state_init_consume_fd(&state, state.fd, &again) == 0);
        PROMISE(again.n_entries == content.n_entries && again.n_blocks == content.n_blocks);
        state_deinit(&state);
        state_content_deinit(&again);
        state_content_deinit(&content);
}

static void check_read(const uint8_t *data, size_t size, off_t offset) {
        StateContent content;
        State state, again;
        int r;

        PROMISE(state_init(&state) == 0);
        if (size > STATE_SLOT_SIZE)
                size = STATE_SLOT_SIZE;
        PROMISE(pwrite(state.fd, data, size, offset) == (ssize_t)size);
        r = state_init_consume_fd(&again, state.fd, &content);
        PROMISE(r == 0 || r == -EBADMSG);
        if (r < 0)
                return;

        check_content(&content);
        state_content_deinit(&content);
        state_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;

        switch (data[0] % 4) {
        case 0:
                check_read(data + 1, size - 1, 0);
                break;
        case 1:
                check_read(data + 1, size - 1, STATE_SLOT_SIZE);
                break;
        default:
                check_decode(data + 1, size - 1);
        }
        return 0;
}
