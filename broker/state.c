/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sha256.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "broker/state.h"
#include "common/bytes.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define STATE_SLOTS 2U
#define STATE_MAGIC 0x74617473U
/* Changes with the form of anything in it: what another version has written is not read. */
#define STATE_VERSION 1U

/* A slot: magic, version, number, size of the content; the hash of these and of the content; the
 * content. */
#define STATE_HASHED_SIZE (4 + 4 + 8 + 4)
#define STATE_HEADER_SIZE (STATE_HASHED_SIZE + SHA256_DIGEST_LENGTH)

_Static_assert(STATE_HEADER_SIZE + STATE_CONTENT_MAX <= STATE_SLOT_SIZE, "a slot holds both");

static void slot_hash(const uint8_t *slot, size_t size, uint8_t ret[SHA256_DIGEST_LENGTH]) {
        SHA2_CTX context;

        SHA256Init(&context);
        SHA256Update(&context, slot, STATE_HASHED_SIZE);
        SHA256Update(&context, slot + STATE_HEADER_SIZE, size - STATE_HEADER_SIZE);
        SHA256Final(ret, &context);
}

static off_t slot_offset(unsigned slot) {
        return (off_t)slot * STATE_SLOT_SIZE;
}

/* All of it, or -EBADMSG. */
static int read_at(int fd, void *buf, size_t size, off_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, (uint8_t *)buf + done, size - done, offset + (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                done += (size_t)n;
        }

        return 0;
}

static int write_at(int fd, const void *buf, size_t size, off_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n =
                        pwrite(fd, (const uint8_t *)buf + done, size - done, offset + (off_t)done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t)n;
        }

        return 0;
}

/* What a slot's header says; nothing of it is proven. */
typedef struct Header {
        uint64_t generation;
        size_t size; /* of the slot, header and content */
} Header;

static int header_read(const State *state, unsigned slot, Header *ret) {
        uint8_t buf[STATE_HEADER_SIZE];
        BytesReader reader = {.data = buf, .size = STATE_HASHED_SIZE};
        uint32_t magic, version;
        int r;

        r = read_at(state->fd, buf, sizeof(buf), slot_offset(slot));
        if (r < 0)
                return r;

        magic = bytes_get_u32(&reader);
        version = bytes_get_u32(&reader);
        ret->generation = bytes_get_u64(&reader);
        ret->size = bytes_get_u32(&reader);
        if (bytes_get_end(&reader) < 0 || magic != STATE_MAGIC || version != STATE_VERSION ||
            ret->size > STATE_CONTENT_MAX)
                return -EBADMSG;

        ret->size += STATE_HEADER_SIZE;
        return 0;
}

static int slot_read(const State *state, unsigned slot, const Header *header, StateContent *ret) {
        _cleanup_free_ uint8_t *buf = malloc(header->size);
        uint8_t hash[SHA256_DIGEST_LENGTH];
        int r;

        if (!buf)
                return -ENOMEM;

        r = read_at(state->fd, buf, header->size, slot_offset(slot));
        if (r < 0)
                return r;

        slot_hash(buf, header->size, hash);
        if (memcmp(hash, buf + STATE_HASHED_SIZE, sizeof(hash)) != 0)
                return -EBADMSG;

        return state_content_decode(buf + STATE_HEADER_SIZE, header->size - STATE_HEADER_SIZE, ret);
}

/* The newest slot that is valid. */
static int state_read(State *state, StateContent *ret) {
        Header headers[STATE_SLOTS];
        bool there[STATE_SLOTS];
        unsigned newest;
        int r;

        for (unsigned i = 0; i < STATE_SLOTS; i++) {
                r = header_read(state, i, &headers[i]);
                if (r < 0 && r != -EBADMSG)
                        return r;
                there[i] = r >= 0;
        }

        newest = there[1] && (!there[0] || headers[1].generation > headers[0].generation);
        for (unsigned i = 0; i < STATE_SLOTS; i++) {
                unsigned slot = (newest + i) % STATE_SLOTS;

                if (!there[slot])
                        continue;
                r = slot_read(state, slot, &headers[slot], ret);
                if (r == -EBADMSG)
                        continue;
                if (r < 0)
                        return r;

                state->slot = (slot + 1) % STATE_SLOTS;
                state->generation = headers[slot].generation;
                return 0;
        }

        return -EBADMSG;
}

/* A file that cannot shrink below us. */
static int state_check(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        if (seals < 0)
                return errno == EINVAL ? -EBADMSG : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!(seals & F_SEAL_SHRINK) || !(seals & F_SEAL_GROW) || !S_ISREG(st.st_mode) ||
            st.st_size != slot_offset(STATE_SLOTS))
                return -EBADMSG;
        return 0;
}

int state_init(State *state) {
        _cleanup_close_ int fd = -EBADF;

        /* The first flag is of Linux 6.3. */
        fd = memfd_create("doorward-state", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("doorward-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, slot_offset(STATE_SLOTS)) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;

        *state = (State){.fd = TAKE_FD(fd)};
        return 0;
}

int state_init_consume_fd(State *state, int fd, StateContent *ret) {
        _cleanup_(state_deinit) State taken = {.fd = fd};
        int r;

        r = state_check(taken.fd);
        if (r >= 0)
                r = state_read(&taken, ret);
        if (r < 0)
                return r;

        *state = taken;
        taken.fd = -EBADF;
        return 0;
}

void state_deinit(State *state) {
        state->fd = close_fd(state->fd);
}

int state_write(State *state, const StateContent *content) {
        _cleanup_free_ uint8_t *buf = NULL;
        BytesWriter header;
        ssize_t max, n;
        size_t size;
        int r;

        max = state_content_size(content);
        if (max < 0)
                return (int)max;
        buf = malloc(STATE_HEADER_SIZE + (size_t)max);
        if (!buf)
                return -ENOMEM;
        n = state_content_encode(content, buf + STATE_HEADER_SIZE, (size_t)max);
        if (n < 0)
                return (int)n;

        header = (BytesWriter){.data = buf, .size = STATE_HASHED_SIZE};
        bytes_put_u32(&header, STATE_MAGIC);
        bytes_put_u32(&header, STATE_VERSION);
        bytes_put_u64(&header, state->generation + 1);
        bytes_put_u32(&header, (uint32_t)n);
        size = STATE_HEADER_SIZE + (size_t)n;
        slot_hash(buf, size, buf + STATE_HASHED_SIZE);

        r = write_at(state->fd, buf, size, slot_offset(state->slot));
        if (r < 0)
                return r;

        state->generation++;
        state->slot = (state->slot + 1) % STATE_SLOTS;
        return 0;
}
