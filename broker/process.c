/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>

#include "broker/process.h"

void process_table_init(ProcessTable *table, sd_event *event, ProcessFunc func) {
        *table = (ProcessTable){.event = event, .func = func};
}

static Process **process_bucket(ProcessTable *table, pid_t pid) {
        return &table->buckets[(unsigned)pid % PROCESS_BUCKETS];
}

/* One that has ended and is not forgotten yet can have had the number before. */
static Process *table_find(ProcessTable *table, const Peer *peer) {
        Process *process = *process_bucket(table, peer->pid);

        while (process &&
               (process->pid != peer->pid || !peer_is_alive(&(Peer){.pidfd = process->pidfd})))
                process = process->next;
        return process;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Process *process = userdata;

        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        process->table->func(process);
        return 0;
}

static int process_new(ProcessTable *table, Peer *peer, Process **ret) {
        Process *process = calloc(1, sizeof(*process));
        Process **bucket = process_bucket(table, peer->pid);
        int r;

        if (!process)
                return -ENOMEM;

        r = sd_event_add_io(table->event, &process->end, peer->pidfd, EPOLLIN, on_end, process);
        if (r < 0) {
                free(process);
                return r;
        }

        process->table = table;
        process->pid = peer->pid;
        process->pidfd = peer->pidfd;
        process->next = *bucket;
        *bucket = process;
        *ret = process;
        return 0;
}

int process_table_ref(ProcessTable *table, Peer *peer, Process **ret, bool *ret_new) {
        Process *process = table_find(table, peer);
        int r;

        *ret_new = !process;
        if (!process) {
                r = process_new(table, peer, &process);
                if (r < 0)
                        return r;
        } else if (!peer_is_alive(peer))
                return PEER_E_GONE;
        else
                close_fd(peer->pidfd);

        peer->pidfd = process->pidfd;
        process->n_ref++;
        *ret = process;
        return 0;
}

Process *process_unref(Process *process) {
        Process **p;

        if (!process)
                return NULL;

        assert(process->n_ref > 0);
        if (--process->n_ref > 0)
                return NULL;

        assert(!process->sessions);
        p = process_bucket(process->table, process->pid);
        while (*p != process)
                p = &(*p)->next;
        *p = process->next;

        sd_event_source_disable_unref(process->end);
        close_fd(process->pidfd);
        user_charge_deinit(&process->charge);
        free(process);
        return NULL;
}

int process_get_start_time(Process *process, const Peer *peer, uint64_t *ret) {
        int r = 0;

        if (process->start_time == 0)
                r = peer_get_start_time(peer, &process->start_time);
        *ret = process->start_time;
        return r;
}
