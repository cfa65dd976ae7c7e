/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "broker/state-content.h"
#include "common/bytes.h"
#include "common/peer.h"

/* The least and the most that one takes. */
#define STATE_LEASE_MIN (7 + 5 * 4 + 4 * 8 + 9 * 2)
#define STATE_LEASE_MAX                                                                      \
        (STATE_LEASE_MIN + RECORD_LEASE_SIZE + RECORD_REQUEST_SIZE + NAME_TEXT_SIZE +        \
         DEFINITION_HASH_SIZE + ACTION_TEXT_SIZE + PAM_PROTOCOL_USER_MAX + STATE_UNIT_SIZE + \
         STATE_SESSION_SIZE)
#define STATE_BLOCK_MIN (4 + 2 + 8 + 1)
#define STATE_BLOCK_MAX (STATE_BLOCK_MIN + NAME_TEXT_SIZE)

_Static_assert(2 * 4 + STATE_LEASES_MAX * STATE_LEASE_MAX + STATE_FDS_MAX * 4 +
                               STATE_BLOCKS_MAX * STATE_BLOCK_MAX <=
                       STATE_CONTENT_MAX,
               "there is room for the most that there may be");

static bool is_hexadecimal(const char *text, size_t n) {
        return strspn(text, "0123456789abcdef") == n && !text[n];
}

/* Printable ASCII. */
static bool is_plain(const char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

/* A user's name may have more letters than that. */
static bool is_user_name(const char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        return false;
        return true;
}

static bool uid_is_valid(uid_t uid) {
        return uid <= PEER_UID_MAX && uid != PEER_UID_OVERFLOW;
}

bool state_lease_is_valid(const StateLease *lease) {
        return is_hexadecimal(lease->id, RECORD_LEASE_SIZE - 1) &&
               is_hexadecimal(lease->request, RECORD_REQUEST_SIZE - 1) &&
               name_is_valid_endpoint(lease->name.endpoint) &&
               (!lease->name.instance[0] || name_is_valid_instance(lease->name.instance)) &&
               lease->access > 0 && lease->access < _ACCESS_MAX && lease->mode > 0 &&
               lease->mode < _LEASE_MODE_MAX && lease->kind > 0 && lease->kind < _KIND_MAX &&
               lease->how > 0 && lease->how < _HOW_MAX &&
               is_hexadecimal(lease->definition, DEFINITION_HASH_SIZE - 1) &&
               is_plain(lease->action) && is_user_name(lease->user_name) && is_plain(lease->unit) &&
               is_plain(lease->login_session) && uid_is_valid(lease->uid) &&
               uid_is_valid(lease->identity) && lease->pid > 1 &&
               lease->logout < _STATE_LOGOUT_MAX && lease->mode == LEASE_MODE_REVOCABLE &&
               (lease->logout != STATE_LOGOUT_SESSION || lease->login_session[0]);
}

bool state_block_is_valid(const StateBlock *block) {
        Name name;

        return uid_is_valid(block->uid) &&
               (!block->endpoint[0] || name_parse(block->endpoint, &name) == 0);
}

/* Every one has a control connection, and what all of them have is bounded. */
static int content_check(const StateContent *content, unsigned *ret_n_fds) {
        unsigned n_fds = 0;

        if (content->n_entries > STATE_LEASES_MAX || content->n_blocks > STATE_BLOCKS_MAX)
                return -EINVAL;

        for (unsigned i = 0; i < content->n_entries; i++) {
                const StateEntry *entry = content->entries[i];

                if (entry->n_fds < 1 || entry->n_fds > STATE_FDS_MAX - n_fds ||
                    !state_lease_is_valid(&entry->lease))
                        return -EINVAL;
                n_fds += entry->n_fds;
                for (unsigned j = 0; j < entry->n_fds; j++)
                        if (entry->fds[j].number < 1 || entry->fds[j].number > STATE_NUMBER_MAX)
                                return -EINVAL;
        }

        for (unsigned i = 0; i < content->n_blocks; i++)
                if (!state_block_is_valid(&content->blocks[i]))
                        return -EINVAL;

        *ret_n_fds = n_fds;
        return 0;
}

static void put_entry(BytesWriter *writer, const StateEntry *entry) {
        const StateLease *lease = &entry->lease;

        bytes_put_str(writer, lease->id);
        bytes_put_str(writer, lease->request);
        bytes_put_str(writer, lease->name.endpoint);
        bytes_put_str(writer, lease->name.instance);
        bytes_put_u8(writer, (uint8_t)lease->access);
        bytes_put_u8(writer, (uint8_t)lease->mode);
        bytes_put_u8(writer, (uint8_t)lease->kind);
        bytes_put_u8(writer, (uint8_t)lease->how);
        bytes_put_u8(writer, lease->by_password);
        bytes_put_str(writer, lease->definition);
        bytes_put_str(writer, lease->action);
        bytes_put_str(writer, lease->user_name);
        bytes_put_str(writer, lease->unit);
        bytes_put_str(writer, lease->login_session);
        bytes_put_u32(writer, lease->uid);
        bytes_put_u32(writer, lease->identity);
        bytes_put_u32(writer, (uint32_t)lease->pid);
        bytes_put_u64(writer, lease->start_time);
        bytes_put_u64(writer, lease->since);
        bytes_put_u64(writer, lease->expires);
        bytes_put_u64(writer, lease->ends_at);
        bytes_put_u8(writer, (uint8_t)lease->logout);
        bytes_put_u8(writer, lease->hold);
        bytes_put_u32(writer, lease->opened);

        bytes_put_u32(writer, entry->n_fds);
        for (unsigned i = 0; i < entry->n_fds; i++)
                bytes_put_u32(writer, entry->fds[i].number);
}

static void put_content(BytesWriter *writer, const StateContent *content) {
        bytes_put_u32(writer, content->n_entries);
        for (unsigned i = 0; i < content->n_entries; i++)
                put_entry(writer, content->entries[i]);

        bytes_put_u32(writer, content->n_blocks);
        for (unsigned i = 0; i < content->n_blocks; i++) {
                bytes_put_u32(writer, content->blocks[i].uid);
                bytes_put_str(writer, content->blocks[i].endpoint);
                bytes_put_u64(writer, content->blocks[i].until);
                bytes_put_u8(writer, content->blocks[i].own);
        }
}

ssize_t state_content_size(const StateContent *content) {
        unsigned n_fds;
        int r;

        r = content_check(content, &n_fds);
        if (r < 0)
                return r;

        return (ssize_t)(2 * 4 + (size_t)content->n_entries * STATE_LEASE_MAX + (size_t)n_fds * 4 +
                         (size_t)content->n_blocks * STATE_BLOCK_MAX);
}

ssize_t state_content_encode(const StateContent *content, uint8_t *buf, size_t size) {
        BytesWriter writer = {.data = buf, .size = size};
        unsigned n_fds;
        int r;

        r = content_check(content, &n_fds);
        if (r < 0)
                return r;

        put_content(&writer, content);
        return bytes_put_end(&writer);
}

/* How many of something follow. What cannot be there is not allocated either. */
static unsigned get_count(BytesReader *reader, unsigned max, size_t size_min) {
        uint32_t n = bytes_get_u32(reader);

        if (n > max || n > reader->size / size_min) {
                reader->failed = true;
                return 0;
        }

        return n;
}

static bool get_bool(BytesReader *reader) {
        uint8_t value = bytes_get_u8(reader);

        if (value > 1)
                reader->failed = true;
        return value == 1;
}

static int get_fds(BytesReader *reader, StateEntry *entry) {
        unsigned n = get_count(reader, STATE_FDS_MAX, 4);

        if (n == 0)
                return 0;

        entry->fds = calloc(n, sizeof(*entry->fds));
        if (!entry->fds)
                return -ENOMEM;

        entry->n_fds = n;
        for (unsigned i = 0; i < n; i++)
                entry->fds[i] = (StateFd){.number = bytes_get_u32(reader), .fd = -EBADF};
        return 0;
}

static int get_entry(BytesReader *reader, StateEntry **ret) {
        _cleanup_(state_entry_freep) StateEntry *entry = calloc(1, sizeof(*entry));
        StateLease *lease;
        int r;

        if (!entry)
                return -ENOMEM;

        lease = &entry->lease;
        bytes_get_str(reader, lease->id, sizeof(lease->id));
        bytes_get_str(reader, lease->request, sizeof(lease->request));
        bytes_get_str(reader, lease->name.endpoint, sizeof(lease->name.endpoint));
        bytes_get_str(reader, lease->name.instance, sizeof(lease->name.instance));
        lease->access = (Access)bytes_get_u8(reader);
        lease->mode = (LeaseMode)bytes_get_u8(reader);
        lease->kind = (Kind)bytes_get_u8(reader);
        lease->how = (How)bytes_get_u8(reader);
        lease->by_password = get_bool(reader);
        bytes_get_str(reader, lease->definition, sizeof(lease->definition));
        bytes_get_str(reader, lease->action, sizeof(lease->action));
        bytes_get_str(reader, lease->user_name, sizeof(lease->user_name));
        bytes_get_str(reader, lease->unit, sizeof(lease->unit));
        bytes_get_str(reader, lease->login_session, sizeof(lease->login_session));
        lease->uid = bytes_get_u32(reader);
        lease->identity = bytes_get_u32(reader);
        lease->pid = (pid_t)bytes_get_u32(reader);
        lease->start_time = bytes_get_u64(reader);
        lease->since = bytes_get_u64(reader);
        lease->expires = bytes_get_u64(reader);
        lease->ends_at = bytes_get_u64(reader);
        lease->logout = (StateLogout)bytes_get_u8(reader);
        lease->hold = get_bool(reader);
        lease->opened = bytes_get_u32(reader);

        r = get_fds(reader, entry);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(entry);
        return 0;
}

static int get_entries(BytesReader *reader, StateContent *content) {
        unsigned n = get_count(reader, STATE_LEASES_MAX, STATE_LEASE_MIN);
        int r;

        if (n == 0)
                return 0;

        content->entries = calloc(n, sizeof(*content->entries));
        if (!content->entries)
                return -ENOMEM;

        while (content->n_entries < n && !reader->failed) {
                r = get_entry(reader, &content->entries[content->n_entries]);
                if (r < 0)
                        return r;
                content->n_entries++;
        }

        return 0;
}

static int get_blocks(BytesReader *reader, StateContent *content) {
        unsigned n = get_count(reader, STATE_BLOCKS_MAX, STATE_BLOCK_MIN);

        if (n == 0)
                return 0;

        content->blocks = calloc(n, sizeof(*content->blocks));
        if (!content->blocks)
                return -ENOMEM;

        content->n_blocks = n;
        for (unsigned i = 0; i < n; i++) {
                StateBlock *block = &content->blocks[i];

                block->uid = bytes_get_u32(reader);
                bytes_get_str(reader, block->endpoint, sizeof(block->endpoint));
                block->until = bytes_get_u64(reader);
                block->own = get_bool(reader);
        }

        return 0;
}

int state_content_decode(const uint8_t *buf, size_t size, StateContent *ret) {
        _cleanup_(state_content_deinit) StateContent content = {};
        BytesReader reader = {.data = buf, .size = size};
        unsigned n_fds;
        int r;

        r = get_entries(&reader, &content);
        if (r >= 0)
                r = get_blocks(&reader, &content);
        if (r < 0)
                return r;
        if (bytes_get_end(&reader) < 0 || content_check(&content, &n_fds) < 0)
                return -EBADMSG;

        *ret = content;
        content = (StateContent){};
        return 0;
}

StateEntry *state_entry_free(StateEntry *entry) {
        if (!entry)
                return NULL;

        free(entry->fds);
        free(entry);
        return NULL;
}

void state_content_deinit(StateContent *content) {
        for (unsigned i = 0; i < content->n_entries; i++)
                state_entry_free(content->entries[i]);
        free(content->entries);
        free(content->blocks);
        *content = (StateContent){};
}
