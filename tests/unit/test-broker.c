/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A whole broker in this process, with an authority, an opener and a journal that the test plays.
 * The client is this process too, so the kernel vouches for the truth: who runs the test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "broker/broker.h"
#include "broker/keep.h"
#include "broker/lease.h"
#include "broker/session.h"
#include "common/socket.h"
#include "common/varlink.h"
#include "policy/instant.h"
#include "policy/timespan.h"
#include "tests/support/fake-authority.h"
#include "tests/support/fds.h"

#define BROKER "org.doorward.Broker."

typedef struct Fixture {
        char folder[32];
        char settings[512]; /* the text of doorward.conf */
        sd_event *event;
        FakeAuthority fake;
        Broker *broker;
        int opener_listen_fd, opener_fd, journal_fd, pam_listen_fd, filter_listen_fd;
        int backend[2]; /* what the opener gives is backend[0] */
        int n_fds;
        int stored[64]; /* what systemd keeps, */
        char *stored_names[64];
        unsigned n_stored;
} Fixture;

typedef struct Client {
        int fd;
        VarlinkInput input;
        VarlinkIncoming message;
        VarlinkReply reply;
} Client;

/* The world around the broker. */

static const char *at(const Fixture *f, const char *name) {
        static char path[8][160];
        static unsigned i;

        i = (i + 1) % 8;
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", f->folder, name);
        return path[i];
}

static void write_file(const Fixture *f, const char *name, const char *text) {
        FILE *file = fopen(at(f, name), "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static int listen_at(const char *path, int type) {
        struct sockaddr_un address;
        int n = socket_address(path, &address), fd;

        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0 && n > 0);
        (void)unlink(path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)n), 0);
        if (type != SOCK_DGRAM)
                assert_int_equal(listen(fd, 64), 0);
        return fd;
}

static void make_folders(const Fixture *f) {
        static const char *const folders[] = {"etc", "etc/doorward", "etc/doorward/endpoints.d",
                                              "openers"};

        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                assert_int_equal(mkdir(at(f, folders[i]), 0755), 0);
}

static const char docker[] = "[Endpoint]\nDescription=Docker Engine\n"
                             "[Full]\nConnectStream=/run/docker.sock\n";
static const char view[] = "[Endpoint]\nDescription=A view\n"
                           "[ReadOnly]\nConnectStream=/run/docker.sock\nFilter=docker logs\n"
                           "[Full]\nConnectStream=/run/docker.sock\n";
static const char log_file[] = "[Endpoint]\nDescription=A log\n"
                               "[ReadOnly]\nOpenFile=/var/log/x\n";
static const char given[] = "[Endpoint]\nDescription=For good\n"
                            "[ReadOnly]\nOpenFile=/var/log/x\nLease=none\n";
static const char short_lived[] = "[Endpoint]\nDescription=For a moment\n"
                                  "[Full]\nConnectStream=/run/x.sock\nMaxSec=1\n";
static const char template[] = "[Endpoint]\nDescription=A line\nInstance=ttyS*\n"
                               "[Full]\nOpenFile=/dev/%i\n"
                               "[Connect]\nDevice=char:ttyS\n";

/* systemd's fd store. */
static int notify(const char *message, int fd, void *userdata) {
        Fixture *f = userdata;
        const char *name = strstr(message, "FDNAME=") + strlen("FDNAME=");

        if (strstr(message, "FDSTORE=1")) {
                assert_non_null(strstr(message, "FDPOLL=0"));
                assert_in_range(f->n_stored, 0, ELEMENTSOF(f->stored) - 1);
                f->stored_names[f->n_stored] = strdup(name);
                f->stored[f->n_stored++] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                return 1;
        }

        assert_non_null(strstr(message, "FDSTOREREMOVE=1"));
        for (unsigned i = f->n_stored; i > 0; i--)
                if (streq(f->stored_names[i - 1], name)) {
                        close_fd(f->stored[i - 1]);
                        free(f->stored_names[i - 1]);
                        f->n_stored--;
                        f->stored[i - 1] = f->stored[f->n_stored];
                        f->stored_names[i - 1] = f->stored_names[f->n_stored];
                }
        return 1;
}

static void start_broker(Fixture *f) {
        char openers[64], journal[64], pam[64], filter[64], passwd[64];
        BrokerPlaces places = {
                .notify = notify,
                .notify_userdata = f,
                .root = f->folder,
                .openers = openers,
                .journal = journal,
                .pam = pam,
                .pam_helper = getuid(),
                .filter = filter,
                .passwd = passwd,
                .filter_user = "doorward-filter",
                .owner = getuid(),
        };
        int fd;

        (void)snprintf(openers, sizeof(openers), "%s/openers", f->folder);
        (void)snprintf(journal, sizeof(journal), "%s/journal", f->folder);
        (void)snprintf(pam, sizeof(pam), "%s/pam", f->folder);
        (void)snprintf(filter, sizeof(filter), "%s/filter", f->folder);
        (void)snprintf(passwd, sizeof(passwd), "%s/etc/passwd", f->folder);
        if (f->settings[0])
                write_file(f, "etc/doorward/doorward.conf", f->settings);

        assert_int_equal(broker_new(f->event, &f->fake.authority, &places, &f->broker), 0);
        fd = listen_at(at(f, "broker"), SOCK_STREAM);
        assert_int_equal(broker_listen_consume_fd(f->broker, fd), 0);
}

/* Says as whom filters run. */
static void write_passwd(const Fixture *f, uid_t uid) {
        char text[96];

        (void)snprintf(text, sizeof(text), "doorward-filter:x:%u:%u::/:/bin/false\n", (unsigned)uid,
                       (unsigned)uid);
        write_file(f, "etc/passwd", text);
}

static int setup_world(Fixture *f) {
        (void)snprintf(f->folder, sizeof(f->folder), "/tmp/test-broker-XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;

        make_folders(f);
        write_file(f, "etc/doorward/endpoints.d/docker.conf", docker);
        write_file(f, "etc/doorward/endpoints.d/log.conf", log_file);
        write_file(f, "etc/doorward/endpoints.d/given.conf", given);
        write_file(f, "etc/doorward/endpoints.d/short.conf", short_lived);
        write_file(f, "etc/doorward/endpoints.d/serial@.conf", template);
        write_file(f, "etc/doorward/endpoints.d/wrong.conf", "[Full]\nConnectStream=nowhere\n");

        f->opener_listen_fd = listen_at(at(f, "openers/docker"), SOCK_SEQPACKET);
        f->journal_fd = listen_at(at(f, "journal"), SOCK_DGRAM);
        f->pam_listen_fd = listen_at(at(f, "pam"), SOCK_SEQPACKET);
        f->filter_listen_fd = listen_at(at(f, "filter"), SOCK_SEQPACKET);
        write_passwd(f, getuid());
        f->opener_fd = -EBADF;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->backend) < 0)
                return -1;
        if (sd_event_new(&f->event) < 0)
                return -1;
        fake_authority_init(&f->fake, f->event);
        f->fake.automatic = true;
        return 0;
}

static int setup_with(void **state, const char *settings) {
        Fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        f->n_fds = fds_count();
        (void)snprintf(f->settings, sizeof(f->settings), "%s", settings);
        if (setup_world(f) < 0)
                return -1;
        start_broker(f);
        *state = f;
        return 0;
}

static int setup(void **state) {
        return setup_with(state, "[Broker]\nRequestRate=10000\nRequestBurst=10000\n");
}

static int setup_limited(void **state) {
        return setup_with(state, "[Broker]\nRequestRate=1\nRequestBurst=3\nConnectionsPerUser=4\n"
                                 "LeasesPerUser=2\nRequestTimeoutSec=1\nAuditTimeoutSec=1\n");
}

static int setup_few_connections(void **state) {
        return setup_with(state, "[Broker]\nConnectionsMax=3\nConnectionsPerUser=4\n");
}

static int setup_few_leases(void **state) {
        return setup_with(state, "[Broker]\nLeasesMax=2\n");
}

static int setup_few_undelivered(void **state) {
        return setup_with(state, "[Broker]\nUndeliveredPerUser=2\n");
}

static int setup_few_descriptors(void **state) {
        return setup_with(state, "[Broker]\nDescriptorsPerUser=4\n");
}

static int setup_few_filters(void **state) {
        return setup_with(state, "[Broker]\nFiltersPerUser=2\nFiltersMax=3\n");
}

static int setup_one_kept(void **state) {
        return setup_with(state, "[Broker]\nKeptLeasesMax=1\n");
}

static int setup_debug(void **state) {
        return setup_with(state, "[Broker]\nLogLevel=debug\n");
}

static int setup_proof(void **state) {
        return setup_with(state, "[Broker]\nIdentityProof=always\n");
}

static void remove_tree(const char *folder) {
        char command[64];

        (void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
        assert_int_equal(system(command), 0);
}

/* The journal: the next entry, or "". */
static const char *read_journal(Fixture *f) {
        static char entry[JOURNAL_ENTRY_SIZE + 1];
        ssize_t n = recv(f->journal_fd, entry, sizeof(entry) - 1, 0);

        entry[n > 0 ? n : 0] = 0;
        return entry;
}

static void drain_journal(Fixture *f) {
        while (read_journal(f)[0])
                ;
}

static void run(Fixture *f) {
        while (sd_event_run(f->event, 0) > 0)
                ;
}

static int teardown(void **state) {
        Fixture *f = *state;
        int n;

        /* What a test left in the journal's queue would be waited for. */
        for (unsigned i = 0; i < 10 && f->broker; i++) {
                drain_journal(f);
                run(f);
        }
        broker_free(f->broker);
        /* What the broker ends it also takes out. */
        if (f->n_stored > 0)
                return -1;
        fake_authority_deinit(&f->fake);
        sd_event_unref(f->event);
        close_fd(f->opener_listen_fd);
        close_fd(f->opener_fd);
        close_fd(f->journal_fd);
        close_fd(f->pam_listen_fd);
        close_fd(f->filter_listen_fd);
        close_fd(f->backend[0]);
        close_fd(f->backend[1]);
        remove_tree(f->folder);
        n = fds_count() - f->n_fds;
        free(f);
        return n == 0 ? 0 : -1;
}

static void run_for(Fixture *f, unsigned ms) {
        struct timespec now;
        uint64_t end;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        end = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + ms;
        do {
                (void)sd_event_run(f->event, 10000);
                (void)clock_gettime(CLOCK_MONOTONIC, &now);
        } while ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 < end);
}

/* The opener: answers one request that waits, if there is one. */
static bool play_opener(Fixture *f, OpenerStatus status, int fd) {
        OpenerReply reply = {.status = status, .error = EACCES, .detail = "as the test says"};
        uint8_t buf[OPENER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        OpenerRequest request;
        ssize_t n;

        run(f);
        if (f->opener_fd < 0)
                f->opener_fd =
                        accept4(f->opener_listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (f->opener_fd < 0)
                return false;
        n = socket_receive(f->opener_fd, buf, sizeof(buf), 1, &ancillary);
        if (n <= 0)
                return false;

        close_fd(ancillary.fds[0]);
        assert_int_equal(opener_request_decode(buf, (size_t)n, &request), 0);
        reply.id = request.id;
        n = (ssize_t)opener_reply_encode(&reply, buf);
        assert_int_equal(socket_send(f->opener_fd, buf, (size_t)n, fd), n);
        run(f);
        return true;
}

/* Has the broker look whether what was sent has been taken. */
static void check_deliveries(Fixture *f) {
        User *user;

        assert_int_equal(broker_ref_user(f->broker, getuid(), &user), 0);
        (void)broker_count_undelivered(f->broker, user);
        user_unref(user);
}

static void assert_lines(const char *entry, const char *const *lines) {
        for (; *lines; lines++)
                if (!strstr(entry, *lines))
                        fail_msg("no \"%s\" in the entry:\n%s", *lines, entry);
}

static void assert_entry(Fixture *f, const char *const *lines) {
        assert_lines(read_journal(f), lines);
}
#define ASSERT_ENTRY(f, ...) assert_entry(f, (const char *const[]){__VA_ARGS__, NULL})

/* A client. */

static void client_connect(Fixture *f, Client *client) {
        struct sockaddr_un address;
        int n = socket_address(at(f, "broker"), &address);

        *client = (Client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        varlink_input_init(&client->input, VARLINK_REPLY_MAX);
        assert_int_equal(connect(client->fd, (struct sockaddr *)&address, (socklen_t)n), 0);
}

static void client_close(Client *client) {
        varlink_incoming_deinit(&client->message);
        varlink_input_deinit(&client->input);
        client->fd = close_fd(client->fd);
}

static void client_send(Client *client, const char *text) {
        size_t n = strlen(text) + 1;

        assert_int_equal(socket_send(client->fd, text, n, -EBADF), n);
}

/* The next reply: 1, 0 if there is none yet, -1 at the end. */
static int client_receive(Fixture *f, Client *client) {
        SocketAncillary ancillary;
        size_t size;
        ssize_t n;
        char *buf;
        int r;

        run(f);
        varlink_incoming_deinit(&client->message);
        for (;;) {
                r = varlink_input_next(&client->input, &client->message);
                assert_true(r >= 0);
                if (r > 0)
                        break;

                assert_int_equal(varlink_input_space(&client->input, &buf, &size), 0);
                n = socket_receive(client->fd, buf, size, 1, &ancillary);
                if (n == -EAGAIN)
                        return 0;
                if (n <= 0)
                        return -1;
                r = varlink_input_commit_consume_fds(&client->input, (size_t)n, ancillary.fds,
                                                     ancillary.n_fds);
                assert_int_equal(r, 0);
        }

        assert_int_equal(varlink_reply_parse(client->message.object, &client->reply), 0);
        return 1;
}

static const char *client_get(const Client *client, const char *member) {
        const json_t *value = json_object_get(client->reply.parameters, member);

        return json_is_string(value) ? json_string_value(value) : "";
}

static void assert_error(Fixture *f, Client *client, const char *name) {
        assert_int_equal(client_receive(f, client), 1);
        assert_non_null(client->reply.error);
        assert_string_equal(client->reply.error, name);
}

/* A call that is answered with this error, and leaves the connection good for another. */
static void call_for_error(Fixture *f, Client *client, const char *text, const char *name) {
        client_send(client, text);
        assert_error(f, client, name);
}

#define OPEN_CALL(endpoint, access, more)                                         \
        "{\"method\":\"" BROKER "Open\",\"parameters\":{\"endpoint\":\"" endpoint \
        "\",\"access\":\"" access "\"" more
#define OPEN_LEASED(endpoint, access) OPEN_CALL(endpoint, access, "},\"more\":true}")

/* Opens docker whole; the descriptor is in the message. */
static void open_docker(Fixture *f, Client *client) {
        client_connect(f, client);
        client_send(client, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, client), 1);
        assert_null(client->reply.error);
        assert_true(client->reply.continues);
        assert_string_equal(client_get(client, "state"), "granted");
        assert_int_equal(client->message.n_fds, 1);
}

/* Tests. */

/* A child that inherited the connection says something, while a call is under way or a lease lives.
 */
static void say_as_a_child(Client *c) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                client_send(c, "{\"method\":\"org.varlink.service.GetInfo\"}");
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_service(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, "{\"method\":\"org.varlink.service.GetInfo\"}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "product"), "doorwardd");

        client_send(&c, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                        "\"parameters\":{\"interface\":\"org.doorward.Broker\"}}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "description"), interface_text);

        call_for_error(f, &c,
                       "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                       "\"parameters\":{\"interface\":\"org.example\"}}",
                       "org.varlink.service.InterfaceNotFound");
        client_close(&c);
}

static void test_every_method_is_answered(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        call_for_error(f, &c, "{\"method\":\"" BROKER "Monitor\"}",
                       "org.varlink.service.ExpectedMore");
        call_for_error(f, &c, "{\"method\":\"" BROKER "Revoke\"}",
                       "org.varlink.service.InvalidParameter");
        client_send(&c, "{\"method\":\"" BROKER "ListLeases\"}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_null(json_object_get(c.reply.parameters, "lease"));
        client_send(&c, "{\"method\":\"" BROKER "GetBrokerInfo\"}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_null(c.reply.error);
        assert_string_equal(client_get(&c, "polkit"), "fake 1");
        client_close(&c);
}

static void test_granted(void **state) {
        struct stat given_stat, backend_stat;
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        assert_string_equal(client_get(&c, "mode"), "revocable");
        assert_string_equal(client_get(&c, "access"), "full");
        /* What is not read-only is so by nothing, and nobody was asked for a password. */
        assert_null(json_object_get(c.reply.parameters, "means"));
        assert_null(json_object_get(c.reply.parameters, "pam"));
        assert_int_equal(strlen(client_get(&c, "lease")), 32);
        assert_int_equal(fstat(c.message.fds[0], &given_stat), 0);
        assert_int_equal(fstat(f->backend[0], &backend_stat), 0);
        assert_int_equal(given_stat.st_ino, backend_stat.st_ino);
        assert_int_equal(fcntl(c.message.fds[0], F_GETFD), FD_CLOEXEC);

        drain_journal(f);
        client_close(&c);
        run(f);
        assert_int_equal(f->broker->n_leases, 0);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_ENDED, "DOORWARD_REASON=client",
                     "DOORWARD_ENDPOINT=docker");
}

/* The journal's entries that are of what is done, with a line for each, until there are no more. */
static unsigned read_trace(Fixture *f, const char *request, char *buf, size_t size) {
        unsigned n = 0;

        for (const char *entry = read_journal(f); entry[0]; entry = read_journal(f)) {
                const char *message = strstr(entry, "MESSAGE=");
                size_t used = strlen(buf);

                assert_null(strstr(entry, "sesame"));
                if (!strstr(entry, "PRIORITY=7\n"))
                        continue;
                assert_non_null(message);
                assert_non_null(strstr(entry, request));
                (void)snprintf(buf + used, size - used, "%.*s|", (int)strcspn(message + 8, "\n"),
                               message + 8);
                n++;
        }

        return n;
}

static void set_level(Fixture *f, int number) {
        assert_int_equal(raise(number), 0);
        run(f);
}

/* It is told by a signal what is to be logged, and stops as it is told: each step of a request,
 * under its number. */
static void test_log_level(void **state) {
        static const char *const steps[] = {"calls org.doorward.Broker.Open|",
                                            "Step: policy|",
                                            "polkit answers: authorized|",
                                            "Step: opener|",
                                            "The opener answers: ok|",
                                            "Step: record|",
                                            "Answered, with a descriptor; more may follow|",
                                            "The lease ends: client|"};
        char text[4096] = "", request[64], *at_step = text;
        Fixture *f = *state;
        unsigned n;
        Client c;

        set_level(f, SIGNAL_DEBUG);
        drain_journal(f);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        /* A journal takes ten at a time, and what it does not take is lost. */
        n = read_trace(f, "DOORWARD_REQUEST=", text, sizeof(text));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        (void)snprintf(request, sizeof(request), "DOORWARD_REQUEST=%s\n",
                       client_get(&c, "requestId"));
        n += read_trace(f, request, text, sizeof(text));
        client_close(&c);
        run(f);
        n += read_trace(f, request, text, sizeof(text));
        assert_true(n >= ELEMENTSOF(steps));
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                at_step = strstr(at_step, steps[i]);
                if (!at_step)
                        fail_msg("no \"%s\" in its place in: %s", steps[i], text);
        }

        set_level(f, SIGNAL_CONFIGURED);
        ASSERT_ENTRY(f, "PRIORITY=5\n", "The log level is info from now on");
        open_docker(f, &c);
        client_close(&c);
        run(f);
        text[0] = 0;
        assert_int_equal(read_trace(f, "", text, sizeof(text)), 0);
}

/* What somebody sends beside the names of things is not in it; what cannot be shown is escaped. */
static void test_log_secrets(void **state) {
        Fixture *f = *state;
        char text[4096] = "";
        Client c;

        set_level(f, SIGNAL_CONFIGURED);
        drain_journal(f);
        client_connect(f, &c);
        call_for_error(f, &c,
                       "{\"method\":\"" BROKER "Open\",\"parameters\":{\"endpoint\":\"docker\","
                       "\"access\":\"full\",\"sesame\":\"sesame\",\"proof\":\"sesame\"}}",
                       "org.varlink.service.InvalidParameter");
        call_for_error(f, &c, "{\"method\":\"org.x\\nPRIORITY=0\\u001b[31m.Y\"}",
                       "org.varlink.service.MethodNotFound");
        client_close(&c);
        run(f);
        assert_true(read_trace(f, "DOORWARD_REQUEST=", text, sizeof(text)) >= 2);
        assert_non_null(strstr(text, "calls org.x PRIORITY=0?[31m.Y|"));
}

static void test_the_record_comes_before_the_reply(void **state) {
        Fixture *f = *state;
        char uid[64], pid[64];
        Client c;

        drain_journal(f);
        open_docker(f, &c);
        (void)snprintf(uid, sizeof(uid), "DOORWARD_SUBJECT_UID=%u\n", (unsigned)getuid());
        (void)snprintf(pid, sizeof(pid), "DOORWARD_SUBJECT_PID=%d\n", (int)getpid());
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_GRANTED, "DOORWARD_ENDPOINT=docker\n",
                     "DOORWARD_ACCESS=full\n", "DOORWARD_DECISION=authorized\n",
                     "DOORWARD_HOW=implicit\n",
                     "DOORWARD_ACTION=org.doorward.endpoint.docker.full\n",
                     "DOORWARD_LEASE=", "DOORWARD_REQUEST=", "DOORWARD_MODE=revocable\n", uid, pid);
        assert_string_equal(read_journal(f), "");
        client_close(&c);
}

static void test_policy_is_asked_with_details(void **state) {
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("serial@ttyS1", "full"));
        run(f);
        assert_int_equal(f->fake.n_checks, 1);
        assert_int_equal(f->fake.checks[0]->uid, getuid());
        assert_int_equal(f->fake.checks[0]->pid, getpid());
        assert_false(f->fake.checks[0]->interactive);
        assert_string_equal(f->fake.checks[0]->action, "org.doorward.endpoint.serial.full");
        assert_non_null(strstr(f->fake.checks[0]->details,
                               "endpoint=serial instance=ttyS1 access=full kind=device "
                               "connect-as=service polkit.message="));

        /* Hanging up takes the question back, and is recorded. */
        drain_journal(f);
        client_close(&c);
        run(f);
        assert_int_equal(f->fake.n_cancelled, 1);
        ASSERT_ENTRY(f, "DOORWARD_ERROR=Abandoned", "DOORWARD_ENDPOINT=serial@ttyS1");
}

static void test_refusals(void **state) {
        static const struct {
                const char *call, *error;
        } refusals[] = {
                {OPEN_LEASED("nothing", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("docker@x", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("serial", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("serial@kvm", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("serial@..", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("../docker", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("", "full"), BROKER "EndpointNotFound"},
                {OPEN_LEASED("docker", "read_only"), BROKER "AccessUnsupported"},
                {OPEN_LEASED("wrong", "full"), BROKER "EndpointUnavailable"},
                {OPEN_CALL("docker", "full", ",\"detached\":true}}"), BROKER "AccessUnsupported"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"x\"}}"), BROKER "LeaseNotFound"},
                {OPEN_CALL("docker", "full", ",\"user\":\"bob\"},\"more\":true}"),
                 BROKER "InteractiveAuthenticationRequired"},
                {OPEN_CALL("docker", "full", ",\"user\":\"b b\"},\"more\":true}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", "}}"), "org.varlink.service.ExpectedMore"},
                {OPEN_CALL("docker", "full", ",\"timeout\":0},\"more\":true}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", ",\"x\":0},\"more\":true}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "read-only", "},\"more\":true}"),
                 "org.varlink.service.InvalidParameter"},
                {"{\"method\":\"" BROKER "Open\",\"parameters\":{\"endpoint\":1}}",
                 "org.varlink.service.InvalidParameter"},
                {"{\"method\":\"" BROKER "Opem\"}", "org.varlink.service.MethodNotFound"},
        };
        Fixture *f = *state;
        Client c;

        /* One connection for all: a refusal is no reason to hang up. */
        client_connect(f, &c);
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                client_send(&c, refusals[i].call);
                assert_int_equal(client_receive(f, &c), 1);
                assert_non_null(c.reply.error);
                assert_string_equal(c.reply.error, refusals[i].error);
                if (strncmp(c.reply.error, BROKER, strlen(BROKER)) == 0)
                        assert_int_equal(strlen(client_get(&c, "requestId")), 16);
        }
        assert_int_equal(f->fake.n_asked, 0);
        client_close(&c);
}

/* A problem that is longer than what a refusal tells of it, and ends in mid-character. */
static void test_a_long_problem(void **state) {
        char text[256], value[192];
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        for (unsigned shift = 0; shift < 2; shift++) {
                value[0] = 'x';
                for (unsigned i = 0; i < 85; i++)
                        memcpy(value + shift + (size_t)2 * i, "\xc3\xa9", 3);
                (void)snprintf(text, sizeof(text), "[Full]\nConnectStream=%s\n", value);
                write_file(f, "etc/doorward/endpoints.d/long.conf", text);
                broker_reload(f->broker);
                call_for_error(f, &c, OPEN_LEASED("long", "full"), BROKER "EndpointUnavailable");
                assert_non_null(strstr(client_get(&c, "reason"), "ConnectStream="));
                assert_int_equal(strlen(client_get(&c, "requestId")), 16);
        }
        client_close(&c);
}

static void answer_with(Fixture *f, Decision decision) {
        f->fake.answer = (AuthorityAnswer){.decision = decision};
}

static void test_what_polkit_says(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        answer_with(f, DECISION_DENIED);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        assert_string_equal(client_get(&c, "action"), "org.doorward.endpoint.docker.full");
        assert_non_null(strstr(client_get(&c, "hint"), "doorward explain docker"));

        answer_with(f, DECISION_CHALLENGE);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"),
                       BROKER "InteractiveAuthenticationRequired");

        f->fake.answer.failure = AUTHORITY_UNAVAILABLE;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PolicyUnavailable");
        f->fake.answer.failure = AUTHORITY_TIMED_OUT;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PolicyUnavailable");

        /* A failure is none the less one for claiming to be a yes. */
        f->fake.answer.decision = DECISION_AUTHORIZED;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PolicyUnavailable");
        assert_false(play_opener(f, OPENER_OK, f->backend[0]));
        client_close(&c);
}

static void test_prompts(void **state) {
        AuthorityAnswer challenge = {.decision = DECISION_CHALLENGE};
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED, .temporary = true};
        Fixture *f = *state;
        Client c, second;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_CALL("docker", "full",
                                  ",\"allowInteractiveAuthentication\":true},\"more\":true}"));
        run(f);

        /* First without a prompt; with one only when that would help. */
        assert_false(f->fake.checks[0]->interactive);
        fake_authority_answer(&f->fake, 0, &challenge);
        run(f);
        assert_true(f->fake.checks[0]->interactive);

        /* One prompt a user. */
        client_connect(f, &second);
        client_send(&second, OPEN_CALL("docker", "full",
                                       ",\"allowInteractiveAuthentication\":true},\"more\":true}"));
        run(f);
        fake_authority_answer(&f->fake, 1, &challenge);
        assert_error(f, &second, BROKER "LimitExceeded");

        drain_journal(f);
        fake_authority_answer(&f->fake, 0, &yes);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        ASSERT_ENTRY(f, "DOORWARD_HOW=challenged");
        client_close(&c);
        client_close(&second);
}

static void test_a_wrong_password(void **state) {
        AuthorityAnswer challenge = {.decision = DECISION_CHALLENGE};
        AuthorityAnswer no = {.decision = DECISION_DENIED};
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_CALL("docker", "full",
                                  ",\"allowInteractiveAuthentication\":true},\"more\":true}"));
        run(f);
        fake_authority_answer(&f->fake, 0, &challenge);
        run(f);
        drain_journal(f);
        fake_authority_answer(&f->fake, 0, &no);
        assert_error(f, &c, BROKER "AuthenticationFailed");
        ASSERT_ENTRY(f, "DOORWARD_ERROR=AuthenticationFailed", "DOORWARD_DECISION=challenge");
        assert_string_equal(client_get(&c, "action"), "org.doorward.endpoint.docker.full");

        /* A no before anybody was asked is policy's. */
        client_send(&c, OPEN_CALL("docker", "full",
                                  ",\"allowInteractiveAuthentication\":true},\"more\":true}"));
        run(f);
        fake_authority_answer(&f->fake, 0, &no);
        assert_error(f, &c, BROKER "PermissionDenied");
        client_close(&c);
}

static void test_a_kept_authorisation_does_not_open_a_shared_action(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_AUTHORIZED, .temporary = true};
        call_for_error(f, &c, OPEN_LEASED("serial@ttyS0", "full"), BROKER "PermissionDenied");
        assert_non_null(strstr(client_get(&c, "hint"), "_KEEP"));

        f->fake.own_actions = false;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        assert_string_equal(client_get(&c, "action"), "org.doorward.full");
        assert_non_null(strstr(client_get(&c, "hint"), "doorward policy --install docker"));
        client_close(&c);
}

static void test_an_action_that_is_not_ours(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        f->fake.owned = false;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PolicyUnavailable");
        assert_int_equal(f->fake.n_asked, 0);

        /* And actions that are not known yet are loaded, or cannot be. */
        f->fake.owned = true;
        f->fake.actions_known = false;
        f->fake.load_error = -EHOSTUNREACH;
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PolicyUnavailable");
        f->fake.load_error = 0;
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_null(c.reply.error);
        client_close(&c);
}

static void test_what_the_opener_says(void **state) {
        static const struct {
                OpenerStatus status;
                const char *error;
        } answers[] = {
                {OPENER_REFUSED_CLIENT, BROKER "PermissionDenied"},
                {OPENER_NO_ACCESS, BROKER "AccessUnsupported"},
                {OPENER_INSTANCE, BROKER "EndpointNotFound"},
                {OPENER_STALE, BROKER "EndpointUnavailable"},
                {OPENER_GROUP_MISSING, BROKER "EndpointUnavailable"},
                {OPENER_PATH, BROKER "EndpointUnavailable"},
                {OPENER_PEER_USER, BROKER "EndpointUnavailable"},
                {OPENER_TYPE, BROKER "EndpointUnavailable"},
                {OPENER_OPEN, BROKER "EndpointUnavailable"},
                {OPENER_TIMEOUT, BROKER "EndpointUnavailable"},
                {OPENER_LIMIT, BROKER "EndpointUnavailable"},
        };
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                client_send(&c, OPEN_LEASED("docker", "full"));
                assert_true(play_opener(f, answers[i].status, -EBADF));
                if (answers[i].status == OPENER_STALE)
                        assert_true(play_opener(f, answers[i].status, -EBADF));
                assert_error(f, &c, answers[i].error);
                assert_true(strlen(client_get(&c, "hint")) > 0);
                assert_int_equal(f->broker->n_leases, 0);
        }

        /* What was stale, and started anew, is asked once more, and no more than that. */
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_non_null(strstr(client_get(&c, "hint"), "systemctl daemon-reload"));

        /* It dies; it is not there. */
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        f->opener_fd = close_fd(f->opener_fd);
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_int_equal(json_integer_value(json_object_get(c.reply.parameters, "errno")),
                         ECONNRESET);
        call_for_error(f, &c, OPEN_LEASED("log", "read_only"), BROKER "EndpointUnavailable");
        assert_int_equal(json_integer_value(json_object_get(c.reply.parameters, "errno")), ENOENT);
        assert_non_null(strstr(client_get(&c, "hint"), "systemctl daemon-reload"));
        client_close(&c);
}

static void test_a_hint_names_the_instance(void **state) {
        Fixture *f = *state;
        Client c;

        assert_int_equal(rename(at(f, "openers/docker"), at(f, "openers/serial")), 0);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("serial@ttyS0", "full"));
        assert_true(play_opener(f, OPENER_OPEN, -EBADF));
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_non_null(strstr(client_get(&c, "hint"), "serial@ttyS0"));
        client_close(&c);
}

static void test_a_stale_opener_is_replaced(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(f->fake.n_asked, 1);
        client_close(&c);
}

static void test_a_hanging_up_client_gets_nothing(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        drain_journal(f);
        assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
        run(f);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(f->broker->n_leases, 0);
        ASSERT_ENTRY(f, "DOORWARD_ERROR=Abandoned");
        assert_string_equal(read_journal(f), "");
        client_close(&c);
}

static void test_a_lease_is_cut(void **state) {
        char byte;
        int fd;
        Fixture *f = *state;
        Client c;

        /* The client keeps its copy, and loses the connection all the same. */
        open_docker(f, &c);
        fd = fcntl(c.message.fds[0], F_DUPFD_CLOEXEC, 3);
        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        client_close(&c);
        run(f);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        assert_int_equal(recv(f->backend[1], &byte, 1, 0), 0);
        close_fd(fd);
}

static void test_the_backend_hangs_up(void **state) {
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        drain_journal(f);
        f->backend[1] = close_fd(f->backend[1]);
        assert_int_equal(client_receive(f, &c), 1);
        assert_false(c.reply.continues);
        assert_string_equal(client_get(&c, "state"), "ended");
        assert_string_equal(client_get(&c, "reason"), "backend");
        ASSERT_ENTRY(f, "DOORWARD_REASON=backend");
        assert_int_equal(client_receive(f, &c), -1);
        client_close(&c);
}

/* An opener for another name, beside the one that the fixture has. */
static void move_opener(Fixture *f, const char *name) {
        char path[64];

        (void)snprintf(path, sizeof(path), "openers/%s", name);
        f->opener_fd = close_fd(f->opener_fd);
        close_fd(f->opener_listen_fd);
        f->opener_listen_fd = listen_at(at(f, path), SOCK_SEQPACKET);
}

static void test_a_lease_expires(void **state) {
        Fixture *f = *state;
        Client c;

        move_opener(f, "short");
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("short", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_true(json_is_integer(json_object_get(c.reply.parameters, "expires")));
        run_for(f, 1200);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "expired");
        client_close(&c);
}

/* One more under the lease of the client; the descriptor is in the message. */
static void open_another_docker(Fixture *f, Client *client, const char *lease) {
        char call[256];

        (void)snprintf(call, sizeof(call), OPEN_CALL("docker", "full", ",\"lease\":\"%s\"}}"),
                       lease);
        client_send(client, call);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, client), 1);
        assert_null(client->reply.error);
        assert_false(client->reply.continues);
        assert_string_equal(client_get(client, "state"), "granted");
        assert_string_equal(client_get(client, "lease"), lease);
        assert_int_equal(client->message.n_fds, 1);
}

/* As for who opens: the next process of it knows the definition as it is. */
static void test_another_by_a_stale_opener(void **state) {
        Fixture *f = *state;
        Client c, more;
        char call[256];

        open_docker(f, &c);
        (void)snprintf(call, sizeof(call), OPEN_CALL("docker", "full", ",\"lease\":\"%s\"}}"),
                       client_get(&c, "lease"));
        client_connect(f, &more);
        client_send(&more, call);
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &more), 1);
        assert_string_equal(client_get(&more, "state"), "granted");

        client_send(&more, call);
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_true(play_opener(f, OPENER_STALE, -EBADF));
        assert_error(f, &more, BROKER "EndpointUnavailable");
        client_close(&more);
        client_close(&c);
}

/* Policy is not asked, nothing is recorded but their number at the end, and all end together. */
static void test_another(void **state) {
        Fixture *f = *state;
        char lease[64];
        Client c, more;
        char byte;
        int fd;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        drain_journal(f);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_DENIED};

        client_connect(f, &more);
        open_another_docker(f, &more, lease);
        open_another_docker(f, &more, lease);
        assert_string_equal(read_journal(f), "");
        assert_int_equal(f->broker->leases->n_fds, 3);

        fd = fcntl(more.message.fds[0], F_DUPFD_CLOEXEC, 3);
        client_close(&c);
        run(f);
        ASSERT_ENTRY(f, "DOORWARD_REASON=client", "DOORWARD_OPENED=3");
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        close_fd(fd);

        /* The connection for more is not the lease's, and finds it gone. */
        call_for_error(f, &more, OPEN_CALL("docker", "full", ",\"lease\":\"x\"}}"),
                       BROKER "LeaseNotFound");
        client_close(&more);
}

/* It is the process's, of this endpoint and access, and asked for in the right way. */
static void test_another_is_refused(void **state) {
        static const struct {
                const char *call, *error;
        } cases[] = {
                {OPEN_CALL("log", "read_only", ",\"lease\":\"%s\"}}"), BROKER "LeaseNotFound"},
                {OPEN_CALL("docker", "read_only", ",\"lease\":\"%s\"}}"), BROKER "LeaseNotFound"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"0%s\"}}"), BROKER "LeaseNotFound"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"%s\",\"user\":\"x\"}}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"%s\",\"hold\":true}}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"%s\",\"detached\":true}}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"%s\",\"timeout\":0}}"),
                 "org.varlink.service.InvalidParameter"},
                {OPEN_CALL("docker", "full", ",\"lease\":\"%s\"},\"more\":true}"),
                 "org.varlink.service.InvalidParameter"},
        };
        Fixture *f = *state;
        char lease[64], call[256];
        Client c, more;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        client_connect(f, &more);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                (void)snprintf(call, sizeof(call), cases[i].call, lease);
#pragma GCC diagnostic pop
                call_for_error(f, &more, call, cases[i].error);
        }
        assert_int_equal(f->broker->leases->n_fds, 1);
        client_close(&more);
        client_close(&c);
        run(f);
}

/* A child of ours is another process, and so is whoever it asks for. */
static void test_another_of_another_process(void **state) {
        Fixture *f = *state;
        char lease[64], call[256], named[96];
        Client c;
        int status;
        pid_t pid;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        (void)snprintf(named, sizeof(named), "DOORWARD_LEASE=%s", lease);
        (void)snprintf(call, sizeof(call), OPEN_CALL("docker", "full", ",\"lease\":\"%s\"}}"),
                       lease);
        drain_journal(f);
        pid = fork();
        if (pid == 0) {
                Client thief;
                char buf[1024] = "";

                client_connect(f, &thief);
                (void)fcntl(thief.fd, F_SETFL, 0);
                client_send(&thief, call);
                (void)recv(thief.fd, buf, sizeof(buf) - 1, 0);
                _exit(strstr(buf, "LeaseNotFound") ? 0 : 1);
        }
        run_for(f, 200);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        ASSERT_ENTRY(f, "DOORWARD_ERROR=LeaseNotFound", "DOORWARD_CAUSE=a lease of another process",
                     named, "DOORWARD_ENDPOINT=docker", "DOORWARD_ACCESS=full");
        assert_int_equal(f->broker->leases->n_fds, 1);
        client_close(&c);
        run(f);
}

/* The lease can end while the opener is asked: nothing is handed over then. */
static void test_another_too_late(void **state) {
        Fixture *f = *state;
        char lease[64], call[256];
        Client c, more;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        (void)snprintf(call, sizeof(call), OPEN_CALL("docker", "full", ",\"lease\":\"%s\"}}"),
                       lease);
        client_connect(f, &more);
        client_send(&more, call);
        run(f);
        client_close(&c);
        run(f);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_error(f, &more, BROKER "LeaseNotFound");
        assert_int_equal(more.message.n_fds, 0);
        assert_int_equal(f->broker->users.used[USER_DESCRIPTORS], 2);
        client_close(&more);
        run(f);
        assert_int_equal(f->broker->users.used[USER_DESCRIPTORS], 0);
}

/* A service that hangs up takes only what it hangs up on; the last one ends the lease. */
static void test_another_backend(void **state) {
        Fixture *f = *state;
        int pair[2], first = f->backend[1];
        char lease[64];
        Client c, more;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        client_connect(f, &more);
        {
                int backend = f->backend[0];

                f->backend[0] = pair[0];
                open_another_docker(f, &more, lease);
                f->backend[0] = backend;
        }
        close_fd(pair[0]);
        close_fd(pair[1]);
        run(f);
        assert_int_equal(f->broker->leases->n_fds, 1);
        assert_int_equal(f->broker->leases->opened, 2);

        f->backend[1] = close_fd(first);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "backend");
        client_close(&more);
        client_close(&c);
        run(f);
}

/* hold: the yes, and nothing opened; it is not over when there is nothing open any more. */
static void test_hold(void **state) {
        Fixture *f = *state;
        char lease[64];
        Client c, more;

        client_connect(f, &c);
        client_send(&c, OPEN_CALL("docker", "full", ",\"hold\":true},\"more\":true}"));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_null(json_object_get(c.reply.parameters, "connection"));
        assert_int_equal(c.message.n_fds, 0);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        assert_int_equal(f->broker->leases->n_fds, 0);

        client_connect(f, &more);
        open_another_docker(f, &more, lease);
        assert_int_equal(f->broker->leases->n_fds, 1);
        f->backend[1] = close_fd(f->backend[1]);
        run(f);
        assert_int_equal(f->broker->n_leases, 1);
        assert_int_equal(f->broker->leases->n_fds, 0);

        client_close(&more);
        client_close(&c);
        run(f);
        assert_int_equal(f->broker->n_leases, 0);

        /* Of what is given for good there is nothing to hold. */
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_CALL("given", "read_only", ",\"hold\":true},\"more\":true}"),
                       BROKER "AccessUnsupported");
        client_close(&c);
        run(f);
}

/* All connections of a process share what pins it. */
static void test_one_process(void **state) {
        Fixture *f = *state;
        Client c[3];

        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                client_connect(f, &c[i]);
                client_send(&c[i], "{\"method\":\"org.varlink.service.GetInfo\"}");
                assert_int_equal(client_receive(f, &c[i]), 1);
        }
        assert_int_equal(f->broker->n_sessions, 3);
        assert_int_equal(f->broker->users.used[USER_DESCRIPTORS], 4);
        assert_ptr_equal(f->broker->sessions->process, f->broker->sessions->next->process);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        run(f);
        assert_int_equal(f->broker->users.used[USER_DESCRIPTORS], 0);
}

/* What nobody reads is kept in view for as long as it is on the way, and there are only so many. */
static void test_undelivered(void **state) {
        Fixture *f = *state;
        Client c[4];

        f->broker->undelivered_usec = 1000000;
        for (size_t i = 0; i < 3; i++) {
                client_connect(f, &c[i]);
                client_send(&c[i], OPEN_LEASED("docker", "full"));
                if (i < 2)
                        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
                /* Who was sent one a moment ago may not have had the time. */
                if (i == 1)
                        run_for(f, 1100);
        }
        assert_error(f, &c[2], BROKER "LimitExceeded");
        assert_string_equal(client_get(&c[2], "limit"), "UndeliveredPerUser");

        /* Half an end does not do: what was sent is still there. */
        assert_int_equal(shutdown(c[0].fd, SHUT_WR), 0);
        run(f);
        assert_int_equal(f->broker->users.used[USER_UNDELIVERED], 2);
        client_send(&c[2], OPEN_LEASED("docker", "full"));
        assert_error(f, &c[2], BROKER "LimitExceeded");

        /* Nor does a connection that was closed free more than its own. */
        client_close(&c[0]);
        run_for(f, 1200);
        assert_int_equal(f->broker->users.used[USER_UNDELIVERED], 1);
        assert_int_equal(f->broker->n_sessions, 2);

        /* Who reads has room again; what is read is the grant, and that it is over: both have the
         * same service, of which the other one was cut off. */
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(client_receive(f, &c[1]), 1);
        client_close(&c[2]);
        for (size_t i = 2; i < 4; i++)
                open_docker(f, &c[i]);
        for (size_t i = 1; i < 4; i++)
                client_close(&c[i]);
        check_deliveries(f);
        run(f);
        assert_int_equal(f->broker->users.used[USER_UNDELIVERED], 0);
        assert_int_equal(f->broker->n_sessions, 0);
}

/* No user fills the broker's table of descriptors, and all together do not either. */
static void test_descriptors(void **state) {
        Fixture *f = *state;
        Client c, more;

        open_docker(f, &c); /* the process, the connection and the duplicate */
        client_connect(f, &more);
        client_send(&more, OPEN_LEASED("docker", "full"));
        assert_error(f, &more, BROKER "LimitExceeded");
        assert_string_equal(client_get(&more, "limit"), "DescriptorsPerUser");

        f->broker->settings->descriptors_per_user = 100;
        /* Were it so at its start, it would have been said. */
        f->broker->descriptors_max = 4;
        client_send(&more, OPEN_LEASED("docker", "full"));
        assert_error(f, &more, BROKER "LimitExceeded");
        assert_string_equal(client_get(&more, "limit"), "LimitNOFILE");
        client_close(&more);
        client_close(&c);
        run(f);
}

#define LIST_CALL(more) "{\"method\":\"" BROKER "ListLeases\"" more "}"

/* What is one's own is told, one a reply, and no more than what there is. */
static void test_lease_list(void **state) {
        static const char *const strings[][2] = {
                {"endpoint", "docker"},
                {"access", "full"},
                {"mode", "revocable"},
                {"connectAs", "service"},
        };
        Fixture *f = *state;
        Client c[3], list;
        const json_t *lease;
        int n = 0;

        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                open_docker(f, &c[i]);
        client_connect(f, &list);
        client_send(&list, LIST_CALL(",\"more\":true"));
        do {
                assert_int_equal(client_receive(f, &list), 1);
                assert_null(list.reply.error);
                lease = json_object_get(list.reply.parameters, "lease");
                n += lease != NULL;
                for (size_t i = 0; lease && i < ELEMENTSOF(strings); i++)
                        assert_string_equal(
                                json_string_value(json_object_get(lease, strings[i][0])),
                                strings[i][1]);
                if (lease) {
                        assert_int_equal(json_integer_value(json_object_get(lease, "pid")),
                                         getpid());
                        assert_int_equal(json_integer_value(json_object_get(lease, "descriptors")),
                                         1);
                        assert_string_not_equal(
                                json_string_value(json_object_get(lease, "command")), "");
                }
        } while (list.reply.continues);
        assert_int_equal(n, 3);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        client_close(&list);
        run(f);
}

/* Others' are for who may; where polkit says no, nothing is told. */
static void test_lease_list_of_all(void **state) {
        static const char all[] = LIST_CALL(",\"parameters\":{\"all\":true},\"more\":true");
        Fixture *f = *state;
        Client c, list;

        if (getuid() == 0)
                skip(); /* polkit is not asked about root */

        open_docker(f, &c);
        client_connect(f, &list);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_DENIED};
        call_for_error(f, &list, all, BROKER "PermissionDenied");
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_CHALLENGE};
        call_for_error(f, &list, all, BROKER "InteractiveAuthenticationRequired");
        f->fake.answer = (AuthorityAnswer){.failure = AUTHORITY_TIMED_OUT};
        call_for_error(f, &list, all, BROKER "PolicyUnavailable");
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_AUTHORIZED};
        client_send(&list, all);
        assert_int_equal(client_receive(f, &list), 1);
        assert_non_null(json_object_get(list.reply.parameters, "lease"));
        client_close(&list);
        client_close(&c);
        run(f);
}

/* A client that does not read makes the broker hold no more than a little. */
static void test_lease_list_is_not_read(void **state) {
        static const int small = 1;
        Fixture *f = *state;
        Client c[12], list;

        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                open_docker(f, &c[i]);
                drain_journal(f);
        }
        client_connect(f, &list);
        run(f);
        assert_int_equal(
                setsockopt(f->broker->sessions->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
                0);
        client_send(&list, LIST_CALL(",\"more\":true"));
        run(f);
        assert_true(f->broker->sessions->output.size < 12 * 1024);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                assert_int_equal(client_receive(f, &list), 1);
        client_close(&list);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                client_close(&c[i]);
        run(f);
}

static int64_t client_number(const Client *client, const char *member) {
        return json_integer_value(json_object_get(client->reply.parameters, member));
}

/* Revokes, and says how many ended. */
static int64_t revoke_for(Fixture *f, const char *format, ...) {
        char parameters[256], call[512];
        va_list args;
        int64_t n;
        Client c;

        va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)vsnprintf(parameters, sizeof(parameters), format, args);
#pragma GCC diagnostic pop
        va_end(args);
        (void)snprintf(call, sizeof(call), "{\"method\":\"" BROKER "Revoke\",\"parameters\":{%s}}",
                       parameters);
        client_connect(f, &c);
        client_send(&c, call);
        assert_int_equal(client_receive(f, &c), 1);
        n = c.reply.error ? -1 : client_number(&c, "ended");
        client_close(&c);
        run(f);
        return n;
}

static void test_revoke(void **state) {
        Fixture *f = *state;
        char byte;
        Client c;
        int fd;

        open_docker(f, &c);
        fd = fcntl(c.message.fds[0], F_DUPFD_CLOEXEC, 3);
        drain_journal(f);
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\"", client_get(&c, "lease")), 1);
        ASSERT_ENTRY(f, "DOORWARD_REASON=revoked", "DOORWARD_ENDED_BY_UID=");
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        close_fd(fd);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "ended");
        assert_string_equal(client_get(&c, "reason"), "revoked");
        client_close(&c);

        assert_int_equal(revoke_for(f, "\"lease\":\"%032d\"", 0), -1);
        assert_int_equal(revoke_for(f, "\"uid\":%u", getuid()), 0);
}

/* By user and endpoint: both have to fit. */
static void test_revoke_by_user(void **state) {
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"log\"", getuid()), 0);
        assert_int_equal(f->broker->n_leases, 1);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"docker\"", getuid()), 1);
        assert_int_equal(f->broker->n_leases, 0);
        client_close(&c);
        run(f);
}

static void test_revoke_of_others_is_refused(void **state) {
        Fixture *f = *state;
        Client c;

        if (getuid() == 0)
                skip();

        open_docker(f, &c);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_DENIED};
        assert_int_equal(revoke_for(f, "\"endpoint\":\"docker\""), -1);
        assert_int_equal(revoke_for(f, "\"uid\":%u", getuid() + 1), -1);
        f->broker->leases->uid = f->broker->leases->identity = getuid() + 1;
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\"", client_get(&c, "lease")), -1);
        assert_int_equal(f->broker->n_leases, 1);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_AUTHORIZED};
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\"", client_get(&c, "lease")), 1);
        client_close(&c);
        run(f);
}

/* Who is kept out gets nothing, and in again when it is over. */
static void test_block(void **state) {
        Fixture *f = *state;
        unsigned uid = getuid();
        Client c;

        open_docker(f, &c);
        drain_journal(f);
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\",\"block\":60", client_get(&c, "lease")),
                         1);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_BLOCKED);
        client_close(&c);
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        assert_non_null(strstr(client_get(&c, "hint"), "taken back"));

        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":0", uid), 0);
        client_close(&c);
        open_docker(f, &c);
        client_close(&c);

        /* Also where there is nothing to end, and for a moment only. */
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":1", uid), 0);
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        run_for(f, 1100);
        client_close(&c);
        open_docker(f, &c);
        client_close(&c);
        run(f);
}

/* Who is kept out by somebody else, or of more than is named, is not said to be let in. */
static void test_still_out(void **state) {
        Fixture *f = *state;
        unsigned uid = getuid();
        uint64_t now = broker_now_boottime(f->broker);

        assert_int_equal(
                block_table_add(&f->broker->blocks, uid, "", now, now + 90000000, false, uid + 1),
                0);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"docker\",\"block\":0", uid), -1);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":0", uid), -1);
        assert_int_equal(f->broker->blocks.n, 1);
        block_table_remove(&f->broker->blocks, uid, "", false);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":0", uid), 0);
        run(f);
}

/* An endpoint that there is not is an error; one that was, and of which somebody is kept out, not.
 */
static void test_revoke_of_unknown(void **state) {
        Fixture *f = *state;
        unsigned uid = getuid();
        uint64_t now = broker_now_boottime(f->broker);

        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"dokcer\"", uid), -1);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"dokcer\",\"block\":60", uid), -1);
        assert_int_equal(f->broker->blocks.n, 0);
        assert_int_equal(
                block_table_add(&f->broker->blocks, uid, "gone", now, now + 90000000, true, uid),
                0);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"gone\",\"block\":0", uid), 0);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"endpoint\":\"gone\",\"block\":0", uid), -1);
        run(f);
}

/* Nor does it help to have asked before. */
static void test_block_of_what_is_under_way(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":60", getuid()), 0);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_error(f, &c, BROKER "PermissionDenied");
        assert_int_equal(f->broker->n_leases, 0);
        client_close(&c);
        run(f);
}

/* Who has a lease in another's name keeps out themselves, and nobody else. */
static void test_block_of_other(void **state) {
        Fixture *f = *state;
        uint64_t now;
        Client c;

        open_docker(f, &c);
        f->broker->leases->identity = getuid() + 1;
        now = broker_now_boottime(f->broker);
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\",\"block\":60", client_get(&c, "lease")),
                         1);
        assert_non_null(block_table_find(&f->broker->blocks, getuid(), "docker", now));
        assert_null(block_table_find(&f->broker->blocks, getuid() + 1, "docker", now));
        client_close(&c);
        run(f);
}

/* What everybody may do is limited, and so is what it leaves in the journal. */
static void test_revoke_is_limited(void **state) {
        Fixture *f = *state;
        unsigned refused = 0, entries = 0;

        drain_journal(f);
        for (unsigned i = 0; i < 40; i++) {
                refused += revoke_for(f, "\"uid\":%u,\"block\":60", getuid()) < 0;
                while (read_journal(f)[0])
                        entries++;
        }
        assert_true(refused > 30);
        assert_true(entries <= 4);
}

/* An open under a lease that fails is a request like any. */
static void test_another_is_limited(void **state) {
        Fixture *f = *state;
        char lease[64], call[256];
        unsigned entries = 0, limited = 0;
        Client c, more;

        open_docker(f, &c);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        (void)snprintf(call, sizeof(call), OPEN_CALL("docker", "full", ",\"lease\":\"%s\"}}"),
                       lease);
        drain_journal(f);
        client_connect(f, &more);
        for (unsigned i = 0; i < 40; i++) {
                client_send(&more, call);
                assert_true(play_opener(f, OPENER_OPEN, -EBADF));
                assert_int_equal(client_receive(f, &more), 1);
                limited += streq(more.reply.error, BROKER "LimitExceeded");
                while (read_journal(f)[0])
                        entries++;
        }
        assert_true(limited > 30);
        assert_true(entries <= 6);
        client_close(&more);
        client_close(&c);
        run(f);
}

static void assert_event(Fixture *f, Client *watcher, const char *event, const char *outcome) {
        const json_t *told;

        assert_int_equal(client_receive(f, watcher), 1);
        assert_true(watcher->reply.continues);
        told = json_object_get(watcher->reply.parameters, "event");
        assert_string_equal(json_string_value(json_object_get(told, "event")), event);
        assert_string_equal(json_string_value(json_object_get(told, "outcome")), outcome);
        assert_string_equal(json_string_value(json_object_get(told, "endpoint")), "docker");
        assert_int_equal(json_integer_value(json_object_get(told, "pid")), getpid());
        if (streq(event, "refused"))
                assert_null(json_object_get(told, "connectAs"));
        else
                assert_string_equal(json_string_value(json_object_get(told, "connectAs")),
                                    "service");
}

#define MONITOR_CALL "{\"method\":\"" BROKER "Monitor\",\"more\":true}"

static void test_monitor(void **state) {
        Fixture *f = *state;
        Client watcher, c;

        client_connect(f, &watcher);
        client_send(&watcher, MONITOR_CALL);
        assert_int_equal(client_receive(f, &watcher), 0);

        open_docker(f, &c);
        assert_event(f, &watcher, "granted", "implicit");
        client_close(&c);
        assert_event(f, &watcher, "ended", "client");
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "read_only"), BROKER "AccessUnsupported");
        assert_event(f, &watcher, "refused", "AccessUnsupported");
        client_close(&c);
        client_close(&watcher);
        run(f);
        assert_null(f->broker->monitors);
}

/* Who watches and does not read is hung up on, and holds up nobody. */
static void test_monitor_is_not_read(void **state) {
        static const int small = 1;
        Fixture *f = *state;
        Client watcher, c;

        client_connect(f, &watcher);
        run(f);
        assert_int_equal(
                setsockopt(f->broker->sessions->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
                0);
        client_send(&watcher, MONITOR_CALL);
        client_connect(f, &c);
        for (int i = 0; i < 2000 && (i == 0 || f->broker->monitors); i++) {
                call_for_error(f, &c, OPEN_LEASED("docker", "read_only"),
                               BROKER "AccessUnsupported");
                drain_journal(f);
        }
        assert_null(f->broker->monitors);
        client_close(&c);
        client_close(&watcher);
        run(f);
}

static void policy_changes(Fixture *f, AuthorityAnswer answer) {
        f->fake.answer = answer;
        f->fake.changed(f->fake.changed_userdata);
        f->fake.changed(f->fake.changed_userdata);
        run_for(f, 400);
        drain_journal(f);
}

/* What rests on no password ends on anything but a yes, and is asked about once for all alike. */
static void test_recheck(void **state) {
        Fixture *f = *state;
        size_t n_asked;
        Client c[3];

        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                open_docker(f, &c[i]);
        n_asked = f->fake.n_asked;
        policy_changes(f, (AuthorityAnswer){.decision = DECISION_AUTHORIZED});
        assert_int_equal(f->fake.n_asked, n_asked + 1);
        assert_int_equal(f->broker->n_leases, 3);

        /* That nobody answers, or that it cannot be read, is no answer. */
        policy_changes(f, (AuthorityAnswer){.failure = AUTHORITY_UNAVAILABLE,
                                            .decision = DECISION_DENIED});
        assert_int_equal(f->broker->n_leases, 3);

        policy_changes(f, (AuthorityAnswer){.decision = DECISION_CHALLENGE});
        assert_int_equal(f->broker->n_leases, 0);
        for (size_t i = 0; i < ELEMENTSOF(c); i++) {
                assert_int_equal(client_receive(f, &c[i]), 1);
                assert_string_equal(client_get(&c[i], "reason"), "policy");
                client_close(&c[i]);
        }
        run(f);
}

/* What rests on a password ends only on a plain no: to want another is not to forbid. */
static void test_recheck_after_a_password(void **state) {
        Fixture *f = *state;
        Client c;

        f->fake.answer.temporary = true;
        open_docker(f, &c);
        for (int i = 0; i < 3; i++)
                policy_changes(f, (AuthorityAnswer){.decision = DECISION_CHALLENGE});
        assert_int_equal(f->broker->n_leases, 1);
        policy_changes(f, (AuthorityAnswer){.decision = DECISION_DENIED});
        assert_int_equal(f->broker->n_leases, 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "policy");
        client_close(&c);
        run(f);
}

/* A change between polkit's answer and the hand-over is not lost. */
static void test_recheck_of_what_was_on_the_way(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        f->fake.answer = (AuthorityAnswer){.decision = DECISION_DENIED};
        f->fake.changed(f->fake.changed_userdata);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        run_for(f, 400);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "policy");
        client_close(&c);
        run(f);
}

/* Nor when the hand-over takes longer than the judging of all that is open. */
static void test_recheck_of_what_took_long(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        policy_changes(f, (AuthorityAnswer){.decision = DECISION_DENIED});
        assert_false(recheck_is_pending(f->broker->recheck));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        run_for(f, 100);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "policy");
        client_close(&c);
        run(f);
}

/* Whoever asks without end comes first, for a while. */
static void test_recheck_is_not_put_off_for_ever(void **state) {
        Fixture *f = *state;
        Client c, busy[8];

        open_docker(f, &c);
        f->fake.automatic = false;
        for (size_t i = 0; i < ELEMENTSOF(busy); i++) {
                client_connect(f, &busy[i]);
                client_send(&busy[i], OPEN_LEASED("docker", "full"));
        }
        run(f);
        f->fake.changed(f->fake.changed_userdata);
        run_for(f, 400);
        /* Of the eight that one user may ask at a time it is half, and the rest waits. */
        assert_int_equal(f->fake.n_checks, 4);
        run_for(f, 700);
        assert_int_equal(f->fake.n_checks, 5);
        for (size_t i = 0; i < ELEMENTSOF(busy); i++)
                client_close(&busy[i]);
        client_close(&c);
        run(f);
}

/* Whoever ends while polkit is asked takes the question along; the broker can end meanwhile too. */
static void test_recheck_is_given_up(void **state) {
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        f->fake.automatic = false;
        policy_changes(f, (AuthorityAnswer){.decision = DECISION_DENIED});
        assert_int_equal(f->fake.n_checks, 1);
        client_close(&c);
        run(f);
        assert_int_equal(f->broker->n_leases, 0);
        /* What is left is cancelled by the end of the broker. */
}

/* Another broker takes the place of this one, with what systemd has kept. */
static void restart(Fixture *f) {
        int fds[64];
        char *names[64];
        unsigned n;

        run_for(f, 200); /* what was gathered is stored */
        f->broker->is_restarting = f->broker->leaves_leases = true;
        broker_free(f->broker);
        f->opener_fd = close_fd(f->opener_fd);

        n = f->n_stored;
        for (unsigned i = 0; i < n; i++) {
                fds[i] = fcntl(f->stored[i], F_DUPFD_CLOEXEC, 3);
                names[i] = strdup(f->stored_names[i]);
        }
        start_broker(f);
        for (unsigned i = 0; i < 3; i++) {
                drain_journal(f);
                run(f);
        }
        keep_restore(f->broker, fds, names, n);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(fds[i], -EBADF);
                free(names[i]);
        }
}

static bool is_cut(const Client *client) {
        char byte;

        return recv(client->message.fds[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void define_view(Fixture *f) {
        write_file(f, "etc/doorward/endpoints.d/view.conf", view);
        broker_reload(f->broker);
        drain_journal(f);
        move_opener(f, "view");
}

/* A filter: the broker's connection to it, and what it was passed. */
typedef struct View {
        int link, service;
        int pair[2]; /* the filter's end, and the client's */
} View;

static void view_close(View *v) {
        v->link = close_fd(v->link);
        v->service = close_fd(v->service);
        v->pair[0] = close_fd(v->pair[0]);
}

static void view_take(Fixture *f, View *ret) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        SocketAncillary ancillary;
        FilterRequest request;
        ssize_t n;

        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        ret->link = accept4(f->filter_listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert_true(ret->link >= 0);
        n = socket_receive(ret->link, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(ancillary.n_fds, 1);
        assert_int_equal(filter_request_decode(buf, (size_t)n, &request), 0);
        assert_string_equal(request.filter, "docker");
        assert_string_equal(request.profile, "logs");
        assert_string_equal(request.endpoint, "view");
        ret->service = ancillary.fds[0];
        ret->pair[0] = ret->pair[1] = -EBADF;
}

static void view_answer(Fixture *f, View *v, const FilterReply *reply) {
        uint8_t buf[FILTER_MESSAGE_SIZE];
        ssize_t n = (ssize_t)filter_reply_encode(reply, buf);

        if (reply->ok)
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v->pair), 0);
        assert_int_equal(socket_send(v->link, buf, (size_t)n, v->pair[1]), n);
        v->pair[1] = close_fd(v->pair[1]);
        run(f);
}

static bool view_is_hung_up_on(const View *v) {
        char byte;

        return recv(v->link, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Opens it for reading only; under a lease unless that is NULL. */
static void open_view(Fixture *f, Client *client, const char *lease, View *ret) {
        char call[256] = OPEN_LEASED("view", "read_only");

        if (lease)
                (void)snprintf(call, sizeof(call),
                               OPEN_CALL("view", "read_only", ",\"lease\":\"%s\"}}"), lease);
        client_connect(f, client);
        client_send(client, call);
        view_take(f, ret);
        view_answer(f, ret, &(FilterReply){.ok = true});
        assert_int_equal(client_receive(f, client), 1);
        assert_null(client->reply.error);
        assert_string_equal(client_get(client, "state"), "granted");
        assert_string_equal(client_get(client, "mode"), "revocable");
        assert_int_equal(client->message.n_fds, 1);
}

/* The client has the filter's end; of the service's connection the broker has no copy, nor of the
 * client's: whoever closes one is seen to. */
static void test_filtered(void **state) {
        Fixture *f = *state;
        Client c;
        View v;
        char byte;

        define_view(f);
        open_view(f, &c, NULL, &v);
        assert_string_equal(client_get(&c, "means"), "filter");
        assert_true(json_is_true(json_object_get(c.reply.parameters, "kept")));
        assert_int_equal(send(c.message.fds[0], "x", 1, 0), 1);
        assert_int_equal(recv(v.pair[0], &byte, 1, 0), 1);
        assert_int_equal(shutdown(c.message.fds[0], SHUT_RDWR), 0);
        assert_int_equal(recv(v.pair[0], &byte, 1, 0), 0);

        /* The service's connection was only passed on. */
        close_fd(v.service);
        f->backend[0] = close_fd(f->backend[0]);
        assert_int_equal(recv(f->backend[1], &byte, 1, 0), 0);
        v.service = -EBADF;

        drain_journal(f);
        client_close(&c);
        run(f);
        assert_true(view_is_hung_up_on(&v));
        ASSERT_ENTRY(f, "DOORWARD_REASON=client", "DOORWARD_ENDPOINT=view");
        view_close(&v);
}

/* At full there is nothing in between. */
static void test_unfiltered(void **state) {
        struct stat given_stat, backend_stat;
        Fixture *f = *state;
        Client c;

        define_view(f);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("view", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(fstat(c.message.fds[0], &given_stat), 0);
        assert_int_equal(fstat(f->backend[0], &backend_stat), 0);
        assert_int_equal(given_stat.st_ino, backend_stat.st_ino);
        client_close(&c);
}

/* A filter that ends is a service that hangs up. */
static void test_the_filter_ends(void **state) {
        Fixture *f = *state;
        Client c;
        View v;

        define_view(f);
        open_view(f, &c, NULL, &v);
        view_close(&v);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "ended");
        assert_string_equal(client_get(&c, "reason"), "backend");
        client_close(&c);
}

/* Nor is anybody let past it by opening once more; all end together, and another broker has them
 * as the first had. */
static void test_filtered_lease(void **state) {
        Fixture *f = *state;
        Client c, more;
        View v, another;
        char lease[64];

        define_view(f);
        open_view(f, &c, NULL, &v);
        (void)snprintf(lease, sizeof(lease), "%s", client_get(&c, "lease"));
        open_view(f, &more, lease, &another);
        client_close(&more);
        assert_int_equal(f->broker->leases->n_fds, 2);
        assert_int_equal(f->broker->users.used[USER_FILTERS], 2);

        restart(f);
        assert_int_equal(f->broker->n_leases, 1);
        assert_int_equal(f->broker->users.used[USER_FILTERS], 2);
        assert_false(view_is_hung_up_on(&v));
        assert_false(view_is_hung_up_on(&another));

        /* One of them ends by itself. */
        view_close(&another);
        run(f);
        assert_int_equal(f->broker->leases->n_fds, 1);
        assert_int_equal(f->broker->users.used[USER_FILTERS], 1);

        lease_revoke(f->broker->leases, 0);
        assert_true(view_is_hung_up_on(&v));
        assert_int_equal(f->broker->users.used[USER_FILTERS], 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "revoked");
        view_close(&v);
        client_close(&c);
}

/* Without a filter nothing is given, whatever is wrong with it. */
static void test_no_filter(void **state) {
        Fixture *f = *state;
        Client c;
        View v;
        char byte;

        define_view(f);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("view", "read_only"));
        view_take(f, &v);
        view_answer(f, &v, &(FilterReply){.error = EMFILE, .text = "no pair"});
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_int_equal(json_integer_value(json_object_get(c.reply.parameters, "errno")), EMFILE);
        assert_non_null(strstr(client_get(&c, "reason"), "no pair"));
        assert_non_null(strstr(client_get(&c, "hint"), "doorward-filter"));
        assert_true(view_is_hung_up_on(&v));
        view_close(&v);

        /* It ends. */
        client_send(&c, OPEN_LEASED("view", "read_only"));
        view_take(f, &v);
        view_close(&v);
        assert_error(f, &c, BROKER "EndpointUnavailable");

        /* Somebody else answers. */
        write_passwd(f, getuid() + 1);
        client_send(&c, OPEN_LEASED("view", "read_only"));
        view_take(f, &v);
        view_answer(f, &v, &(FilterReply){.ok = true});
        assert_error(f, &c, BROKER "EndpointUnavailable");
        view_close(&v);
        write_passwd(f, getuid());

        /* The client goes while it is waited for. */
        client_send(&c, OPEN_LEASED("view", "read_only"));
        view_take(f, &v);
        client_close(&c);
        run(f);
        assert_true(view_is_hung_up_on(&v));
        view_close(&v);

        /* Nobody listens. */
        f->filter_listen_fd = close_fd(f->filter_listen_fd);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("view", "read_only"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_non_null(strstr(client_get(&c, "reason"), "no filter listens"));
        client_close(&c);

        /* And of none of these anything is left. */
        f->backend[0] = close_fd(f->backend[0]);
        assert_int_equal(recv(f->backend[1], &byte, 1, 0), 0);
        assert_int_equal(f->broker->n_leases, 0);
        assert_int_equal(f->broker->users.used[USER_FILTERS], 0);
}

static void test_filter_limits(void **state) {
        Fixture *f = *state;
        Client c[3];
        View v[2];

        define_view(f);
        open_view(f, &c[0], NULL, &v[0]);
        open_view(f, &c[1], NULL, &v[1]);
        client_connect(f, &c[2]);
        call_for_error(f, &c[2], OPEN_LEASED("view", "read_only"), BROKER "LimitExceeded");
        assert_string_equal(client_get(&c[2], "limit"), "FiltersPerUser");

        /* A place that was given back is there for the next. */
        client_close(&c[0]);
        run(f);
        view_close(&v[0]);
        client_close(&c[2]);
        open_view(f, &c[2], NULL, &v[0]);
        for (unsigned i = 0; i < 2; i++) {
                client_close(&c[i + 1]);
                view_close(&v[i]);
        }
}

/* What is kept goes on: nobody is in its way, and it can be ended as before. */
static void test_restart(void **state) {
        Fixture *f = *state;
        char id[64];
        Client c, list;

        open_docker(f, &c);
        assert_true(json_is_true(json_object_get(c.reply.parameters, "kept")));
        (void)snprintf(id, sizeof(id), "%s", client_get(&c, "lease"));
        for (unsigned i = 0; i < 2; i++) {
                restart(f);
                assert_false(is_cut(&c));
                assert_int_equal(f->broker->n_leases, 1);
                assert_string_equal(f->broker->leases->id, id);
        }

        client_connect(f, &list);
        client_send(&list, LIST_CALL(""));
        assert_int_equal(client_receive(f, &list), 1);
        assert_true(json_is_true(
                json_object_get(json_object_get(list.reply.parameters, "lease"), "kept")));
        open_another_docker(f, &list, id);
        client_close(&list);

        drain_journal(f);
        assert_int_equal(revoke_for(f, "\"lease\":\"%s\"", id), 1);
        ASSERT_ENTRY(f, "DOORWARD_REASON=revoked", "DOORWARD_OPENED=2");
        assert_true(is_cut(&c));
        assert_int_equal(recv(c.fd, id, 1, MSG_PEEK), 1); /* that it has ended was said */
        client_close(&c);
        run_for(f, 200);
        assert_int_equal(f->n_stored, 0);
}

/* Who hangs up meanwhile has ended it, and what was changed meanwhile counts. */
static void test_restart_of_what_has_ended(void **state) {
        Fixture *f = *state;
        Client c, d;

        open_docker(f, &c);
        run_for(f, 200);
        client_close(&c);
        restart(f);
        run(f);
        assert_int_equal(f->broker->n_leases, 0);

        /* That one has been cut. */
        close_fd(f->backend[0]);
        close_fd(f->backend[1]);
        assert_int_equal(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->backend), 0);
        open_docker(f, &d);
        run_for(f, 200);
        write_file(f, "etc/doorward/endpoints.d/docker.conf", short_lived);
        restart(f);
        ASSERT_ENTRY(f, "DOORWARD_REASON=definition");
        assert_true(is_cut(&d));
        client_close(&d);
        run_for(f, 200);
}

static void test_restart_after_its_time(void **state) {
        Fixture *f = *state;
        Client c;

        move_opener(f, "short");
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("short", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        run_for(f, 200);
        restart(f);
        assert_false(is_cut(&c));
        run_for(f, 1000);
        ASSERT_ENTRY(f, "DOORWARD_REASON=expired");
        assert_true(is_cut(&c));
        client_close(&c);
        run_for(f, 200);
}

/* What there is no room for ends with the broker, and is told so in its grant. */
static void test_restart_of_what_is_not_kept(void **state) {
        Fixture *f = *state;
        Client c, d;

        open_docker(f, &c);
        open_docker(f, &d);
        assert_false(json_is_true(json_object_get(d.reply.parameters, "kept")));
        f->broker->settings->kept_leases_max = 1;
        restart(f);
        assert_int_equal(f->broker->n_leases, 1);
        assert_int_equal(recv(d.fd, &(char){0}, 1, MSG_PEEK), 1);
        assert_int_equal(client_receive(f, &d), 1);
        assert_string_equal(client_get(&d, "reason"), "restart");
        client_close(&c);
        client_close(&d);
        run_for(f, 200);
}

/* Who was kept out is. */
static void test_restart_keeps_blocks(void **state) {
        Fixture *f = *state;
        Client c;

        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":60", getuid()), 0);
        restart(f);
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        client_close(&c);
        assert_int_equal(revoke_for(f, "\"uid\":%u,\"block\":0", getuid()), 0);
        run_for(f, 200);
}

static void test_tracked_holds_nothing(void **state) {
        Fixture *f = *state;
        char byte;
        Client c;
        int n;

        move_opener(f, "log");
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("log", "read_only"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "mode"), "tracked");
        assert_int_equal(f->broker->n_leases, 1);
        assert_null(f->broker->leases->fds);
        assert_int_equal(f->broker->leases->n_fds, 1);

        /* Its end is on the record, and cuts nothing. */
        n = fcntl(c.message.fds[0], F_DUPFD_CLOEXEC, 3);
        drain_journal(f);
        client_close(&c);
        run(f);
        ASSERT_ENTRY(f, "DOORWARD_REASON=client", "DOORWARD_MODE=tracked");
        assert_int_equal(recv(n, &byte, 1, 0), -1);
        assert_int_equal(errno, EAGAIN);
        close_fd(n);
}

static void test_detached(void **state) {
        Fixture *f = *state;
        Client c;

        move_opener(f, "given");
        client_connect(f, &c);
        client_send(&c, OPEN_CALL("given", "read_only", ",\"detached\":true}}"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_false(c.reply.continues);
        assert_string_equal(client_get(&c, "mode"), "none");
        assert_string_equal(client_get(&c, "means"), "open_flags");
        assert_int_equal(c.message.n_fds, 1);
        assert_int_equal(f->broker->n_leases, 0);

        /* The connection serves on. */
        call_for_error(f, &c, OPEN_LEASED("nothing", "full"), BROKER "EndpointNotFound");
        client_close(&c);
}

static void test_reload(void **state) {
        Fixture *f = *state;
        Client c, changed;

        open_docker(f, &c);

        /* What did not change stays, what is new is there, what is wrong keeps its old entry. */
        write_file(f, "etc/doorward/endpoints.d/new.conf", docker);
        write_file(f, "etc/doorward/endpoints.d/short.conf", "[Full]\nConnectStream=\n");
        broker_reload(f->broker);
        assert_int_equal(f->broker->n_leases, 1);
        client_connect(f, &changed);
        call_for_error(f, &changed, OPEN_LEASED("new", "full"), BROKER "EndpointUnavailable");
        assert_int_equal(json_integer_value(json_object_get(changed.reply.parameters, "errno")),
                         ENOENT);

        write_file(f, "etc/doorward/endpoints.d/docker.conf",
                   "[Endpoint]\nDescription=Other\n[Full]\nConnectStream=/run/other.sock\n");
        broker_reload(f->broker);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "definition");
        assert_int_equal(f->broker->n_leases, 0);

        assert_int_equal(unlink(at(f, "etc/doorward/endpoints.d/docker.conf")), 0);
        broker_reload(f->broker);
        call_for_error(f, &changed, OPEN_LEASED("docker", "full"), BROKER "EndpointNotFound");
        client_close(&c);
        client_close(&changed);
}

static void test_reload_in_mid_request(void **state) {
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED};
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        write_file(f, "etc/doorward/endpoints.d/docker.conf",
                   "[Endpoint]\nDescription=Other\n[Full]\nConnectStream=/run/other.sock\n");
        broker_reload(f->broker);
        fake_authority_answer(&f->fake, 0, &yes);
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_false(play_opener(f, OPENER_OK, f->backend[0]));
        client_close(&c);
}

static void test_stop(void **state) {
        Fixture *f = *state;
        char byte;
        Client c;
        int fd;

        open_docker(f, &c);
        fd = fcntl(c.message.fds[0], F_DUPFD_CLOEXEC, 3);
        drain_journal(f);
        f->broker = broker_free(f->broker);
        ASSERT_ENTRY(f, "DOORWARD_REASON=shutdown");
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "shutdown");
        close_fd(fd);
        client_close(&c);
}

static void test_limits(void **state) {
        Client clients[5], over;
        Fixture *f = *state;

        for (size_t i = 0; i < 4; i++)
                client_connect(f, &clients[i]);
        run(f);
        client_connect(f, &over);
        assert_error(f, &over, BROKER "LimitExceeded");
        assert_string_equal(client_get(&over, "limit"), "ConnectionsPerUser");
        assert_int_equal(client_receive(f, &over), -1);
        client_close(&over);

        /* Three at once, then one a second. A live lease is no connection any more. */
        client_close(&clients[3]);
        run(f);
        open_docker(f, &clients[3]);
        client_connect(f, &clients[4]);
        call_for_error(f, &clients[4], OPEN_LEASED("docker", "read_only"),
                       BROKER "AccessUnsupported");
        call_for_error(f, &clients[4], OPEN_LEASED("docker", "read_only"),
                       BROKER "AccessUnsupported");
        drain_journal(f);
        call_for_error(f, &clients[4], OPEN_LEASED("docker", "read_only"), BROKER "LimitExceeded");
        assert_string_equal(client_get(&clients[4], "limit"), "RequestRate");
        assert_true(json_is_integer(json_object_get(clients[4].reply.parameters, "retryAfter")));
        ASSERT_ENTRY(f, "DOORWARD_ERROR=LimitExceeded");
        call_for_error(f, &clients[4], OPEN_LEASED("docker", "read_only"), BROKER "LimitExceeded");
        assert_string_equal(read_journal(f), "");

        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                client_close(&clients[i]);
}

static json_int_t info_get(const Client *client, const char *object, const char *name) {
        const json_t *value =
                json_object_get(json_object_get(client->reply.parameters, object), name);

        return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void ask_for_info(Fixture *f, Client *client) {
        client_send(client, "{\"method\":\"" BROKER "GetBrokerInfo\"}");
        assert_int_equal(client_receive(f, client), 1);
        assert_null(client->reply.error);
}

/* Whoever asks is told what their user has, and of the limits what is in effect. */
static void test_use(void **state) {
        Client asks, holds, waits;
        Fixture *f = *state;
        json_int_t before;

        client_connect(f, &asks);
        ask_for_info(f, &asks);
        assert_int_equal(info_get(&asks, "limits", "LeasesPerUser"), 2);
        assert_int_equal(info_get(&asks, "limits", "RequestBurst"), 3);
        assert_int_equal(info_get(&asks, "limits", "DescriptorsPerUser"),
                         f->broker->descriptors_max / 8);
        assert_int_equal(info_get(&asks, "use", "LeasesPerUser"), 0);
        assert_int_equal(info_get(&asks, "use", "ConnectionsPerUser"), 1);
        assert_int_equal(info_get(&asks, "use", "RequestBurst"), 0);
        assert_int_equal(info_get(&asks, "use", "UndeliveredPerUser"), 0);
        assert_int_equal(info_get(&asks, "use", "KeptLeasesMax"), 0);
        before = info_get(&asks, "use", "DescriptorsPerUser");
        assert_true(before > 0);
        /* What all have together is nobody's business. */
        assert_int_equal(info_get(&asks, "limits", "LeasesMax"), f->broker->settings->leases_max);
        assert_int_equal(info_get(&asks, "use", "LeasesMax"), -1);
        assert_int_equal(info_get(&asks, "use", "ConnectionsMax"), -1);
        assert_int_equal(info_get(&asks, "use", "LimitNOFILE"), -1);

        open_docker(f, &holds);
        client_connect(f, &waits);
        ask_for_info(f, &asks);
        assert_int_equal(info_get(&asks, "use", "LeasesPerUser"), 1);
        assert_int_equal(info_get(&asks, "use", "ConnectionsPerUser"), 2);
        assert_int_equal(info_get(&asks, "use", "RequestBurst"), 1);
        assert_true(info_get(&asks, "use", "DescriptorsPerUser") > before);

        client_close(&holds);
        client_close(&waits);
        run(f);
        ask_for_info(f, &asks);
        assert_int_equal(info_get(&asks, "use", "LeasesPerUser"), 0);
        assert_int_equal(info_get(&asks, "use", "DescriptorsPerUser"), before);
        client_close(&asks);
}

/* Another user's leases are not told. */
static void test_use_of_others(void **state) {
        Client asks, holds;
        Fixture *f = *state;
        User *other;

        open_docker(f, &holds);
        assert_int_equal(
                user_table_ref_user(&f->broker->users, getuid() + 1, broker_now(f->broker), &other),
                0);
        client_connect(f, &asks);
        run(f);
        f->broker->sessions->user = (user_unref(f->broker->sessions->user), other);
        ask_for_info(f, &asks);
        assert_int_equal(info_get(&asks, "use", "LeasesPerUser"), 0);
        assert_int_equal(info_get(&asks, "use", "DescriptorsPerUser"), 0);
        client_close(&asks);
        client_close(&holds);
}

static bool info_has(const Client *client, const char *list, const char *word) {
        const json_t *value;
        size_t i;

        json_array_foreach(json_object_get(client->reply.parameters, list), i, value) {
                if (streq(json_string_value(value), word))
                        return true;
        }

        return false;
}

/* A conversation needs a helper that listens. */
static void test_mechanisms(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        ask_for_info(f, &c);
        assert_true(info_has(&c, "mechanisms", "agent"));
        assert_true(info_has(&c, "mechanisms", "conversation"));
        assert_true(info_has(&c, "polkitFeatures", "temporary-authorization"));

        assert_int_equal(unlink(at(f, "pam")), 0);
        ask_for_info(f, &c);
        assert_true(info_has(&c, "mechanisms", "agent"));
        assert_false(info_has(&c, "mechanisms", "conversation"));
        client_close(&c);
}

/* Of all users together, before it is one user's turn. */
static void test_connections_in_all(void **state) {
        Client clients[4], over;
        Fixture *f = *state;

        for (size_t i = 0; i < 3; i++)
                client_connect(f, &clients[i]);
        run(f);
        client_connect(f, &over);
        assert_error(f, &over, BROKER "LimitExceeded");
        assert_string_equal(client_get(&over, "limit"), "ConnectionsMax");
        assert_int_equal(client_receive(f, &over), -1);
        client_close(&over);
        assert_int_equal(f->broker->n_sessions, 3);

        /* Who was there is served on, and a live lease is no connection any more. */
        client_close(&clients[2]);
        run(f);
        open_docker(f, &clients[2]);
        client_connect(f, &clients[3]);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                if (i != 2) {
                        client_send(&clients[i], "{\"method\":\"org.varlink.service.GetInfo\"}");
                        assert_int_equal(client_receive(f, &clients[i]), 1);
                        assert_null(clients[i].reply.error);
                }

        client_connect(f, &over);
        assert_error(f, &over, BROKER "LimitExceeded");
        assert_string_equal(client_get(&over, "limit"), "ConnectionsMax");
        client_close(&over);

        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                client_close(&clients[i]);
}

static unsigned count_entries(Fixture *f, const char *what) {
        const char *entry;
        unsigned n = 0;

        while ((entry = read_journal(f))[0])
                n += strstr(entry, what) != NULL;
        return n;
}

/* Nobody fills the journal, by whatever is refused and recorded. */
static void test_records_are_limited(void **state) {
        static const char *const calls[] = {
                OPEN_LEASED("nothing", "full"),
                OPEN_LEASED("docker", "read_only"),
                OPEN_CALL("docker", "full", ",\"user\":\"bob\"},\"more\":true}"),
        };
        Fixture *f = *state;
        Client c;

        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                drain_journal(f);
                client_connect(f, &c);
                for (unsigned n = 0; n < 20; n++) {
                        client_send(&c, calls[i]);
                        assert_int_equal(client_receive(f, &c), 1);
                }
                assert_in_range(count_entries(f, "MESSAGE_ID=" RECORD_ID_REFUSED), 0, 5);
                client_close(&c);
                run(f);
        }
}

static void test_records_of_senders_are_limited(void **state) {
        Fixture *f = *state;
        uint64_t begin, seconds;
        unsigned n;
        Client c;

        drain_journal(f);
        begin = broker_now(f->broker);
        for (unsigned i = 0; i < 20; i++) {
                client_connect(f, &c);
                run(f);
                say_as_a_child(&c);
                assert_int_equal(client_receive(f, &c), -1);
                client_close(&c);
        }
        n = count_entries(f, "MESSAGE_ID=" RECORD_ID_SENDER_MISMATCH);
        /* Three calls at once and one a second after that, an entry a second of those that are too
         * many; and this takes what it takes. */
        seconds = (broker_now(f->broker) - begin) / USEC_PER_SEC;
        assert_in_range(n, 1, 5 + 2 * seconds);
}

static void test_lease_limit(void **state) {
        Client clients[3];
        Fixture *f = *state;

        open_docker(f, &clients[0]);
        open_docker(f, &clients[1]);
        client_connect(f, &clients[2]);
        call_for_error(f, &clients[2], OPEN_LEASED("docker", "full"), BROKER "LimitExceeded");
        assert_string_equal(client_get(&clients[2], "limit"), "LeasesPerUser");
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                client_close(&clients[i]);
}

/* As many leases as there may be in all, also of those who were asked for at the same time. */
static void test_leases_in_all(void **state) {
        unsigned granted = 0;
        Client clients[3];
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                client_connect(f, &clients[i]);
                client_send(&clients[i], OPEN_LEASED("docker", "full"));
        }
        run(f);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(f->broker->n_leases, 2);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                assert_int_equal(client_receive(f, &clients[i]), 1);
                if (clients[i].reply.error)
                        assert_string_equal(client_get(&clients[i], "limit"), "LeasesMax");
                else
                        granted++;
        }
        assert_int_equal(granted, 2);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                client_close(&clients[i]);
}

/* The descriptor that is kept back for a time without others is got back, when it was lost. */
static void test_the_reserve_is_got_back(void **state) {
        Fixture *f = *state;
        Client c;

        f->broker->reserve_fd = close_fd(f->broker->reserve_fd);
        client_connect(f, &c);
        run(f);
        assert_true(f->broker->reserve_fd >= 0);
        client_close(&c);
}

/* There is no descriptor left: who connects is let in and out, and does not wait for ever. */
static void test_no_descriptors_left(void **state) {
        struct rlimit before, now;
        Fixture *f = *state;
        Client c;
        int fd;

        client_connect(f, &c);
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        close_fd(fd);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        now = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        run(f);
        assert_int_equal(client_receive(f, &c), -1);
        assert_int_equal(f->broker->n_sessions, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_true(f->broker->reserve_fd >= 0);
        client_close(&c);
}

static void test_who_sends_nothing_is_dropped(void **state) {
        Client idle, partial;
        Fixture *f = *state;

        client_connect(f, &idle);
        client_connect(f, &partial);
        assert_true(send(partial.fd, "{\"meth", 7, 0) == 7);
        run_for(f, 1200);
        assert_int_equal(client_receive(f, &idle), -1);
        assert_int_equal(client_receive(f, &partial), -1);
        assert_int_equal(f->broker->n_sessions, 0);
        client_close(&idle);
        client_close(&partial);
}

/* The journal's queue is full, and nobody reads it. One sender alone does not get that far where
 * net.unix.max_dgram_qlen is large, as systemd makes it: its own buffer is full before. */
static void fill_journal(const Fixture *f) {
        struct sockaddr_un address;
        int n = socket_address(at(f, "journal"), &address), sent;

        do {
                _cleanup_close_ int fd =
                        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

                assert_true(fd >= 0);
                sent = 0;
                while (sendto(fd, "x", 1, 0, (struct sockaddr *)&address, (socklen_t)n) == 1)
                        sent++;
                assert_int_equal(errno, EAGAIN);
        } while (sent > 0);
}

static void test_no_grant_without_a_record(void **state) {
        Fixture *f = *state;
        Client c;

        fill_journal(f);
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 0);
        run_for(f, 1200);
        assert_error(f, &c, BROKER "EndpointUnavailable");
        assert_int_equal(c.message.n_fds, 0);
        assert_int_equal(f->broker->n_leases, 0);

        /* When it is read in time, the grant comes. */
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 0);
        drain_journal(f);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        client_close(&c);
}

/* A grant that waits for its record: the lease is made, and nobody has it yet. */
static void open_unrecorded(Fixture *f, Client *client, const char *call) {
        fill_journal(f);
        client_connect(f, client);
        client_send(client, call);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, client), 0);
        assert_int_equal(f->broker->n_leases, 1);
}

static void test_the_backend_hangs_up_before_the_record(void **state) {
        Fixture *f = *state;
        Client c;

        open_unrecorded(f, &c, OPEN_LEASED("docker", "full"));
        f->backend[1] = close_fd(f->backend[1]);
        assert_int_equal(client_receive(f, &c), 0);

        /* It was granted, and ended: in this order, on the record and for the client. */
        drain_journal(f);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "backend");
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_GRANTED);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_ENDED);
        client_close(&c);
}

static void test_a_lease_expires_before_the_record(void **state) {
        Fixture *f = *state;
        Client c;

        move_opener(f, "short");
        open_unrecorded(f, &c, OPEN_LEASED("short", "full"));
        run_for(f, 1300);
        drain_journal(f);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "expired");
        client_close(&c);
}

static void test_reload_before_the_record(void **state) {
        Fixture *f = *state;
        const char *entry;
        Client c;

        open_unrecorded(f, &c, OPEN_LEASED("docker", "full"));
        assert_int_equal(unlink(at(f, "etc/doorward/endpoints.d/docker.conf")), 0);
        broker_reload(f->broker);
        drain_journal(f);

        /* The journal says by now that it was granted, and so it is; and that it has ended. */
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "ended");
        assert_string_equal(client_get(&c, "reason"), "definition");
        ASSERT_ENTRY(f, "MESSAGE=Granted");
        do /* What the reading had to say stands between. */
                entry = read_journal(f);
        while (strstr(entry, "PRIORITY=4\n"));
        assert_non_null(strstr(entry, "DOORWARD_REASON=definition\n"));
        assert_int_equal(f->broker->n_leases, 0);
        client_close(&c);
}

static void test_stop_before_the_record(void **state) {
        Fixture *f = *state;
        Client c;

        open_unrecorded(f, &c, OPEN_LEASED("docker", "full"));
        f->broker = broker_free(f->broker);
        assert_int_equal(client_receive(f, &c), -1);
        client_close(&c);
}

static void test_nonsense_closes(void **state) {
        static const char *const texts[] = {
                "nonsense",
                "[]",
                "{\"method\":1}",
                "{\"parameters\":{}}",
                "{\"method\":\"x\",\"method\":\"x\"}",
                "{\"method\":\"x\",\"other\":1}",
                "{\"method\":\"x\",\"parameters\":[]}",
                "{\"method\":\"org.varlink.service.GetInfo\",\"oneway\":true}",
                "{\"method\":\"org.varlink.service.GetInfo\",\"upgrade\":true}",
                "{\"method\":\"x\",\"parameters\":{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}}",
        };
        char big[5000];
        Fixture *f = *state;
        Client c;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                client_connect(f, &c);
                client_send(&c, texts[i]);
                assert_int_equal(client_receive(f, &c), -1);
                client_close(&c);
        }

        memset(big, ' ', sizeof(big));
        client_connect(f, &c);
        assert_true(send(c.fd, big, sizeof(big), 0) > 0);
        assert_int_equal(client_receive(f, &c), -1);
        client_close(&c);
        assert_int_equal(f->broker->n_sessions, 0);
}

static void test_descriptors_are_not_taken(void **state) {
        static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        Fixture *f = *state;
        ssize_t n;
        Client c;

        /* Where the kernel has SO_PASSRIGHTS it does not even let them be sent. */
        client_connect(f, &c);
        n = socket_send(c.fd, call, sizeof(call), STDIN_FILENO);
        if (n >= 0)
                assert_int_equal(client_receive(f, &c), -1);
        else
                assert_int_equal(n, -EPERM);
        client_close(&c);
}

static void test_pipelined_calls(void **state) {
        static const char calls[] = "{\"method\":\"org.varlink.service.GetInfo\"}\0"
                                    "{\"method\":\"" BROKER "GetBrokerInfo\"}\0"
                                    "{\"method\":\"org.varlink.service.GetInfo\"}";
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        assert_int_equal(socket_send(c.fd, calls, sizeof(calls), -EBADF), sizeof(calls));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "product"), "doorwardd");
        assert_int_equal(client_receive(f, &c), 1);
        assert_int_equal(json_integer_value(json_object_get(c.reply.parameters, "protocol")), 1);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "product"), "doorwardd");
        client_close(&c);
}

static void test_another_process_on_the_connection(void **state) {
        Fixture *f = *state;
        int status;
        pid_t pid;
        Client c;

        drain_journal(f);
        client_connect(f, &c);
        run(f);
        pid = fork();
        if (pid == 0) {
                client_send(&c, OPEN_LEASED("docker", "full"));
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(client_receive(f, &c), -1);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_SENDER_MISMATCH);
        assert_int_equal(f->fake.n_asked, 0);
        client_close(&c);
}

static void test_a_child_speaks_in_mid_call(void **state) {
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        drain_journal(f);
        say_as_a_child(&c);
        assert_int_equal(client_receive(f, &c), -1);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_SENDER_MISMATCH);
        ASSERT_ENTRY(f, "DOORWARD_ERROR=Abandoned");
        client_close(&c);
}

static void test_a_child_speaks_during_a_lease(void **state) {
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        drain_journal(f);
        say_as_a_child(&c);
        run(f);
        assert_int_equal(f->broker->n_leases, 0);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_SENDER_MISMATCH);
        ASSERT_ENTRY(f, "MESSAGE_ID=" RECORD_ID_ENDED);
        client_close(&c);
}

static void test_nothing_may_be_said_during_a_lease(void **state) {
        Fixture *f = *state;
        Client c;

        open_docker(f, &c);
        client_send(&c, "{\"method\":\"org.varlink.service.GetInfo\"}");
        assert_int_equal(client_receive(f, &c), -1);
        assert_int_equal(f->broker->n_leases, 0);
        client_close(&c);
}

static void test_what_is_said_in_mid_call_waits(void **state) {
        AuthorityAnswer no = {.decision = DECISION_DENIED};
        char big[3000];
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        client_send(&c, "{\"method\":\"org.varlink.service.GetInfo\"}");
        memset(big, ' ', sizeof(big));
        for (unsigned i = 0; i < 10; i++)
                assert_true(send(c.fd, big, sizeof(big), 0) > 0);
        run(f);
        fake_authority_answer(&f->fake, 0, &no);
        assert_error(f, &c, BROKER "PermissionDenied");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "product"), "doorwardd");

        /* The white space after it is more than a call may measure. */
        assert_int_equal(client_receive(f, &c), -1);
        client_close(&c);
}

/* A client that asks and asks, and does not read what it is told. */
static void test_who_does_not_read_is_not_read(void **state) {
        static const char call[] = "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                                   "\"parameters\":{\"interface\":\"" INTERFACE_NAME "\"}}";
        Fixture *f = *state;
        unsigned sent = 0, told = 0;
        Client c;

        client_connect(f, &c);
        while (sent < 5000 && send(c.fd, call, sizeof(call), 0) == (ssize_t)sizeof(call)) {
                sent++;
                run(f);
                assert_true(f->broker->sessions->output.size <= VARLINK_REPLY_MAX);
                assert_true(f->broker->sessions->input.end <= 2 * VARLINK_REQUEST_MAX);
        }
        assert_int_equal(errno, EAGAIN);

        /* As soon as it reads it is answered: everything, in the end. */
        while (client_receive(f, &c) > 0) {
                assert_string_equal(client_get(&c, "description"), interface_text);
                told++;
        }
        assert_int_equal(told, sent);
        client_close(&c);
}

static size_t count_answers(const Client *client) {
        char buf[65536];
        ssize_t n = recv(client->fd, buf, sizeof(buf), MSG_PEEK);
        size_t answers = 0;

        for (ssize_t i = 0; i < n; i++)
                answers += buf[i] == 0;
        return answers;
}

/* Who asks a lot in one go does not have it all answered before anybody else. */
static void test_calls_take_turns(void **state) {
        static const char call[] = "{\"method\":\"x\"}";
        char calls[200 * sizeof(call)];
        Fixture *f = *state;
        Client many, one;

        for (unsigned i = 0; i < 200; i++)
                memcpy(calls + i * sizeof(call), call, sizeof(call));
        client_connect(f, &many);
        client_connect(f, &one);
        run(f);
        assert_int_equal(socket_send(many.fd, calls, sizeof(calls), -EBADF), sizeof(calls));
        client_send(&one, call);
        for (unsigned turns = 0; count_answers(&one) == 0; turns++) {
                assert_true(turns < 10);
                (void)sd_event_run(f->event, 0);
                assert_true(count_answers(&many) <= turns + 1);
        }
        run(f);
        assert_int_equal(count_answers(&many), 200);
        client_close(&many);
        client_close(&one);
}

static void test_who_does_not_read_is_dropped(void **state) {
        static const char call[] = "{\"method\":\"" BROKER "GetBrokerInfo\"}";
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        for (unsigned i = 0; i < 5000; i++) {
                if (send(c.fd, call, sizeof(call), 0) < 0)
                        break;
                run(f);
        }
        assert_int_equal(f->broker->n_sessions, 1);
        run_for(f, 1300);
        assert_int_equal(f->broker->n_sessions, 0);
        client_close(&c);
}

/* A session whose lease is over is charged to nobody: it does not wait for a client that does not
 * read, in the place of others. */
static void test_who_does_not_read_the_end_is_dropped(void **state) {
        static const char info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        static const int small = 1;
        Fixture *f = *state;
        Client c;

        for (unsigned unread = 0; unread < 8; unread++) {
                client_connect(f, &c);
                run(f);
                assert_int_equal(setsockopt(f->broker->sessions->fd, SOL_SOCKET, SO_SNDBUF, &small,
                                            sizeof(small)),
                                 0);
                for (unsigned i = 0; i < unread; i++)
                        client_send(&c, info);
                drain_journal(f);
                client_send(&c, OPEN_LEASED("docker", "full"));
                if (play_opener(f, OPENER_OK, f->backend[0])) {
                        assert_int_equal(f->broker->n_leases, 1);
                        f->backend[1] = close_fd(f->backend[1]);
                        run(f);
                        assert_int_equal(f->broker->n_sessions,
                                         f->broker->users.used[USER_UNDELIVERED]);
                        close_fd(f->backend[0]);
                        assert_int_equal(socketpair(AF_UNIX,
                                                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                                                    f->backend),
                                         0);
                }
                client_close(&c);
                check_deliveries(f);
                run(f);
                assert_int_equal(f->broker->n_sessions, 0);
        }
}

/* What is said in mid-call is held, up to one call's length, and not more. */
static void test_who_writes_in_mid_call_is_not_read(void **state) {
        Fixture *f = *state;
        char big[4096];
        Client c;

        f->fake.automatic = false;
        memset(big, ' ', sizeof(big));
        client_connect(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        for (unsigned i = 0; i < 1000 && send(c.fd, big, sizeof(big), 0) > 0; i++) {
                run(f);
                assert_true(f->broker->sessions->input.end <= 2 * VARLINK_REQUEST_MAX);
        }
        assert_int_equal(f->fake.n_checks, 1);
        client_close(&c);
        run(f);
        assert_int_equal(f->broker->n_sessions, 0);
}

static void test_proof(void **state) {
        char call[512], nonce[64];
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "IdentityProofRequired");
        (void)snprintf(nonce, sizeof(nonce), "%s", client_get(&c, "nonce"));
        assert_int_equal(strlen(nonce), 32);

        /* A wrong one costs the right one. */
        call_for_error(f, &c, OPEN_CALL("docker", "full", ",\"proof\":\"x\"},\"more\":true}"),
                       BROKER "IdentityProofRequired");
        (void)snprintf(call, sizeof(call),
                       OPEN_CALL("docker", "full", ",\"proof\":\"%s\"},\"more\":true}"), nonce);
        call_for_error(f, &c, call, BROKER "IdentityProofRequired");
        assert_int_equal(f->fake.n_asked, 0);

        (void)snprintf(call, sizeof(call),
                       OPEN_CALL("docker", "full", ",\"proof\":\"%s\"},\"more\":true}"),
                       client_get(&c, "nonce"));
        client_send(&c, call);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_null(c.reply.error);
        client_close(&c);
}

static void test_proof_of_another_process(void **state) {
        char call[512];
        Fixture *f = *state;
        int status;
        pid_t pid;
        Client c;

        client_connect(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "IdentityProofRequired");
        (void)snprintf(call, sizeof(call),
                       OPEN_CALL("docker", "full", ",\"proof\":\"%s\"},\"more\":true}"),
                       client_get(&c, "nonce"));
        pid = fork();
        if (pid == 0) {
                client_send(&c, call);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(client_receive(f, &c), -1);
        client_close(&c);
}

/* A child that connects, asks, and leaves the connection to somebody else: us. */
static void test_the_peer_ends(void **state) {
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED};
        int pair[2], go[2], status;
        SocketAncillary ancillary;
        Fixture *f = *state;
        char byte = 0;
        pid_t pid;
        Client c;

        f->fake.automatic = false;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                close_fd(go[1]);
                client_connect(f, &c);
                client_send(&c, OPEN_LEASED("docker", "full"));
                (void)socket_send(pair[1], "x", 1, c.fd);
                (void)!read(go[0], &byte, 1);
                _exit(0);
        }

        assert_int_equal(socket_receive(pair[0], &byte, 1, 1, &ancillary), 1);
        c = (Client){.fd = ancillary.fds[0]};
        varlink_input_init(&c.input, VARLINK_REPLY_MAX);
        (void)fcntl(c.fd, F_SETFL, O_NONBLOCK);
        run(f);
        assert_int_equal(f->fake.n_checks, 1);
        assert_int_equal(f->fake.checks[0]->pid, pid);

        /* It ends before policy has answered; the connection is still open, here. */
        close_fd(go[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (f->fake.n_checks > 0)
                fake_authority_answer(&f->fake, 0, &yes);
        assert_false(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_not_equal(client_receive(f, &c), 0);
        assert_int_equal(c.message.n_fds, 0);
        assert_int_equal(f->broker->n_leases, 0);

        close_fd(go[0]);
        close_fd(pair[0]);
        close_fd(pair[1]);
        client_close(&c);
}

static void test_list(void **state) {
        Fixture *f = *state;
        unsigned n = 0;
        Client c;

        client_connect(f, &c);
        answer_with(f, DECISION_CHALLENGE);
        client_send(&c, "{\"method\":\"" BROKER "ListEndpoints\",\"parameters\":"
                        "{\"decisions\":true},\"more\":true}");
        do {
                const json_t *endpoint;

                assert_int_equal(client_receive(f, &c), 1);
                assert_null(c.reply.error);
                endpoint = json_object_get(c.reply.parameters, "endpoint");
                assert_non_null(endpoint);
                if (streq(json_string_value(json_object_get(endpoint, "name")), "docker")) {
                        const json_t *full = json_object_get(endpoint, "full");
                        const json_t *read_only = json_object_get(endpoint, "readOnly");

                        assert_string_equal(json_string_value(json_object_get(full, "decision")),
                                            "challenge");
                        assert_string_equal(
                                json_string_value(json_object_get(read_only, "decision")),
                                "unsupported");
                }
                if (streq(json_string_value(json_object_get(endpoint, "name")), "wrong"))
                        assert_true(json_is_string(json_object_get(endpoint, "problem")));
                n++;
        } while (c.reply.continues);
        assert_int_equal(n, 6);

        /* Hanging up in the middle. */
        client_send(&c, "{\"method\":\"" BROKER "ListEndpoints\",\"parameters\":"
                        "{\"decisions\":true},\"more\":true}");
        (void)sd_event_run(f->event, 0);
        client_close(&c);
        run(f);
        assert_int_equal(f->broker->n_sessions, 0);
}

/* The definitions are read anew while a list asks about one: its answer is not told of another. */
static void test_reload_in_mid_list(void **state) {
        AuthorityAnswer yes = {.decision = DECISION_AUTHORIZED};
        AuthorityAnswer no = {.decision = DECISION_DENIED};
        const json_t *endpoint;
        Fixture *f = *state;
        Client c;

        f->fake.automatic = false;
        client_connect(f, &c);
        client_send(&c, "{\"method\":\"" BROKER "ListEndpoints\",\"parameters\":"
                        "{\"decisions\":true},\"more\":true}");
        run(f);
        assert_string_equal(f->fake.checks[0]->action, "org.doorward.endpoint.docker.full");
        write_file(f, "etc/doorward/endpoints.d/another.conf", docker);
        broker_reload(f->broker);
        fake_authority_answer(&f->fake, 0, &yes);
        run(f);
        assert_string_equal(f->fake.checks[0]->action, "org.doorward.endpoint.another.full");
        fake_authority_answer(&f->fake, 0, &no);
        assert_int_equal(client_receive(f, &c), 1);
        endpoint = json_object_get(c.reply.parameters, "endpoint");
        assert_string_equal(json_string_value(json_object_get(endpoint, "name")), "another");
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(endpoint, "full"), "decision")),
                "denied");
        client_close(&c);
}

static void test_explain(void **state) {
        Fixture *f = *state;
        Client c;

        client_connect(f, &c);
        answer_with(f, DECISION_DENIED);
        client_send(&c, "{\"method\":\"" BROKER "Explain\",\"parameters\":"
                        "{\"endpoint\":\"docker\",\"access\":\"full\"}}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_null(c.reply.error);
        assert_string_equal(client_get(&c, "action"), "org.doorward.endpoint.docker.full");
        assert_string_equal(client_get(&c, "decision"), "denied");
        assert_string_equal(client_get(&c, "defaultActive"), "yes");
        assert_non_null(strstr(client_get(&c, "hint"), "/etc/polkit-1/rules.d"));
        assert_int_equal(json_integer_value(json_object_get(c.reply.parameters, "uid")), getuid());
        client_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(name, prepare) cmocka_unit_test_setup_teardown(name, prepare, teardown)

/* PAM: the helper, as the test plays it. */

/* The next request that it is asked; its connection, and (closed again) the client's. -EBADF: none.
 */
static int pam_accept(Fixture *f, PamRequest *ret) {
        uint8_t buf[PAM_REQUEST_SIZE];
        SocketAncillary ancillary;
        ssize_t n;
        int fd;

        run(f);
        fd = accept4(f->pam_listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return -EBADF;

        n = socket_receive(fd, buf, sizeof(buf), 1, &ancillary);
        assert_true(n > 0);
        assert_int_equal(ancillary.n_fds, 1);
        close_fd(ancillary.fds[0]);
        assert_int_equal(pam_request_decode(buf, (size_t)n, ret), 0);
        return fd;
}

static void pam_send(Fixture *f, int fd, const PamReply *reply, int passed) {
        uint8_t buf[PAM_REPLY_SIZE];
        size_t n = pam_reply_encode(reply, buf);

        assert_int_equal(socket_send(fd, buf, n, passed), n);
        run(f);
}

static void pam_send_begun(Fixture *f, int fd) {
        pam_send(f, fd, &(PamReply){.type = PAM_REPLY_BEGUN}, f->backend[1]);
}

static void pam_send_verdict(Fixture *f, int fd, VerdictCode code, uid_t uid) {
        PamReply reply = {.type = PAM_REPLY_VERDICT, .code = code, .uid = PAM_PROTOCOL_NO_UID};

        if (code == VERDICT_PROVEN) {
                reply.uid = uid;
                strcpy(reply.name, "bob");
        } else
                strcpy(reply.detail, "as the test says");
        pam_send(f, fd, &reply, -EBADF);
}

/* Whether the broker has hung up on it. */
static bool pam_is_left(Fixture *f, int fd) {
        char c;

        run(f);
        return recv(fd, &c, 1, 0) == 0;
}

static void assert_conversation(Fixture *f, Client *c) {
        assert_int_equal(client_receive(f, c), 1);
        assert_null(c->reply.error);
        assert_true(c->reply.continues);
        assert_int_equal(c->message.n_fds, 1);
}

#define OPEN_AS_BOB                                                             \
        OPEN_CALL("docker", "full",                                             \
                  ",\"user\":\"bob\",\"allowInteractiveAuthentication\":true}," \
                  "\"more\":true}")
#define OPEN_PROMPTING                                         \
        OPEN_CALL("docker", "full",                            \
                  ",\"allowInteractiveAuthentication\":true}," \
                  "\"more\":true}")

/* The client asks to be bob, and the helper is asked. */
static int ask_to_be_bob(Fixture *f, Client *c) {
        PamRequest request;
        int fd;

        drain_journal(f);
        client_connect(f, c);
        client_send(c, OPEN_AS_BOB);
        fd = pam_accept(f, &request);
        assert_true(fd >= 0);
        assert_int_equal(request.use, PAM_USE_IDENTITY);
        assert_string_equal(request.user, "bob");
        return fd;
}

static void test_identity(void **state) {
        Fixture *f = *state;
        Client c;
        int fd;

        f->fake.automatic = false;
        fd = ask_to_be_bob(f, &c);
        pam_send_begun(f, fd);
        assert_conversation(f, &c);
        assert_string_equal(client_get(&c, "state"), "conversation");
        assert_int_equal(f->fake.n_asked, 0);

        /* polkit is asked about the client's process, as bob's. */
        pam_send_verdict(f, fd, VERDICT_PROVEN, 4711);
        assert_int_equal(f->fake.n_checks, 1);
        assert_int_equal(f->fake.checks[0]->uid, 4711);
        assert_int_equal(f->fake.checks[0]->pid, getpid());
        assert_non_null(strstr(f->fake.checks[0]->details, "user=bob "));
        assert_true(pam_is_left(f, fd));
        close_fd(fd);

        fake_authority_answer(&f->fake, 0, &(AuthorityAnswer){.decision = DECISION_AUTHORIZED});
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_true(json_is_true(json_object_get(c.reply.parameters, "pam")));
        ASSERT_ENTRY(f, "MESSAGE=Granted", "DOORWARD_IDENTITY_UID=4711\n",
                     "DOORWARD_PROOF=identity\n", "DOORWARD_HOW=implicit\n");
        client_close(&c);
        run(f);
        ASSERT_ENTRY(f, "MESSAGE=Ended", "DOORWARD_IDENTITY_UID=4711\n");
}

/* What the helper says of a user who is never served is not believed, whoever the helper is. */
static void test_identity_that_is_never_served(void **state) {
        static const uid_t uids[] = {0, 65534, (uid_t)INT32_MAX + 1};
        Fixture *f = *state;
        Client c;

        for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
                int fd = ask_to_be_bob(f, &c);

                pam_send_begun(f, fd);
                assert_conversation(f, &c);
                pam_send_verdict(f, fd, VERDICT_PROVEN, uids[i]);
                assert_error(f, &c, BROKER "AuthenticationUnavailable");
                assert_int_equal(f->fake.n_asked, 0);
                client_close(&c);
                close_fd(fd);
        }
}

static void test_verdicts(void **state) {
        static const struct {
                VerdictCode code;
                const char *error;
        } cases[] = {
                {VERDICT_FAILED, BROKER "AuthenticationFailed"},
                {VERDICT_CANCELLED, BROKER "AuthenticationCancelled"},
                {VERDICT_CLIENT, BROKER "PermissionDenied"},
                {VERDICT_USER, BROKER "PermissionDenied"},
                {VERDICT_ACCOUNT, BROKER "PermissionDenied"},
                {VERDICT_PASSWORD_EXPIRED, BROKER "PermissionDenied"},
                {VERDICT_CHANGED, BROKER "AuthenticationUnavailable"},
                {VERDICT_UNAVAILABLE, BROKER "AuthenticationUnavailable"},
        };
        Fixture *f = *state;
        Client c;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fd = ask_to_be_bob(f, &c);

                /* Also without a conversation: some are refused before anything is asked. */
                if (i % 2 == 0) {
                        pam_send_begun(f, fd);
                        assert_conversation(f, &c);
                }
                pam_send_verdict(f, fd, cases[i].code, 0);
                assert_error(f, &c, cases[i].error);
                ASSERT_ENTRY(f, "MESSAGE=Refused", "as the test says",
                             "DOORWARD_IDENTITY_ASKED=bob\n");
                client_close(&c);
                close_fd(fd);
        }
        assert_int_equal(f->fake.n_asked, 0);
}

/* A helper that breaks, or whoever sits in its place. */
static void test_hostile_helper(void **state) {
        Fixture *f = *state;
        Client c;

        for (unsigned i = 0; i < 8; i++) {
                int fd = ask_to_be_bob(f, &c);

                switch (i) {
                case 0: /* hangs up */
                        (void)shutdown(fd, SHUT_RDWR);
                        break;
                case 1: /* says nothing that is anything */
                        assert_int_equal(socket_send(fd, "hello", 5, -EBADF), 5);
                        break;
                case 2: /* begins twice */
                        pam_send_begun(f, fd);
                        assert_conversation(f, &c);
                        pam_send_begun(f, fd);
                        break;
                case 3: /* begins without a conversation */
                        pam_send(f, fd, &(PamReply){.type = PAM_REPLY_BEGUN}, -EBADF);
                        break;
                case 4: { /* a verdict with a descriptor */
                        PamReply reply = {.type = PAM_REPLY_VERDICT,
                                          .code = VERDICT_PROVEN,
                                          .uid = 4711,
                                          .name = "bob"};

                        pam_send(f, fd, &reply, f->backend[1]);
                        break;
                }
                case 5: /* somebody is proven, and nobody was asked */
                        pam_send_verdict(f, fd, VERDICT_PROVEN, 4711);
                        break;
                case 6: { /* another than who was to be proven */
                        PamReply reply = {.type = PAM_REPLY_VERDICT,
                                          .code = VERDICT_PROVEN,
                                          .uid = 4712,
                                          .name = "carol"};

                        pam_send_begun(f, fd);
                        assert_conversation(f, &c);
                        pam_send(f, fd, &reply, -EBADF);
                        break;
                }
                case 7: /* another user than root */
                        f->broker->conversations.helper = getuid() + 1;
                        pam_send_verdict(f, fd, VERDICT_PROVEN, 4711);
                        break;
                }
                assert_error(f, &c, BROKER "AuthenticationUnavailable");
                assert_int_equal(f->fake.n_asked, 0);
                client_close(&c);
                close_fd(fd);
        }
}

static void test_the_client_leaves_a_conversation(void **state) {
        Fixture *f = *state;
        Client c;
        int fd;

        fd = ask_to_be_bob(f, &c);
        pam_send_begun(f, fd);
        assert_conversation(f, &c);
        client_close(&c);
        assert_true(pam_is_left(f, fd));
        ASSERT_ENTRY(f, "DOORWARD_ERROR=Abandoned\n");

        /* Its place is taken until the helper has ended: whoever left cannot begin anew before. */
        assert_int_equal(f->broker->conversations.n, 1);
        client_connect(f, &c);
        call_for_error(f, &c, OPEN_AS_BOB, BROKER "LimitExceeded");
        assert_string_equal(client_get(&c, "limit"), "prompts");
        pam_send_verdict(f, fd, VERDICT_PROVEN, 4711);
        close_fd(fd);
        run(f);
        assert_int_equal(f->broker->conversations.n, 0);
        assert_int_equal(f->fake.n_asked, 0);
        client_send(&c, OPEN_AS_BOB);
        fd = pam_accept(f, &(PamRequest){});
        assert_true(fd >= 0);
        close_fd(fd);
        client_close(&c);
}

/* One prompt a user, whoever shows it. */
static void test_one_prompt(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c, other;
        int fd;

        fd = ask_to_be_bob(f, &c);
        client_connect(f, &other);
        call_for_error(f, &other, OPEN_AS_BOB, BROKER "LimitExceeded");
        assert_string_equal(client_get(&other, "limit"), "prompts");
        assert_int_equal(pam_accept(f, &request), -EBADF);

        pam_send_verdict(f, fd, VERDICT_FAILED, 0);
        assert_error(f, &c, BROKER "AuthenticationFailed");
        close_fd(fd);
        client_send(&other, OPEN_AS_BOB);
        fd = pam_accept(f, &request);
        assert_true(fd >= 0);
        close_fd(fd);
        client_close(&c);
        client_close(&other);
}

static void test_penalty(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c;
        int fd;

        /* Who hangs up before PAM has said that it was wrong, or has the helper end, counts as
         * well. */
        for (unsigned i = 0; i < 10; i++) {
                fd = ask_to_be_bob(f, &c);
                pam_send_begun(f, fd);
                assert_conversation(f, &c);
                if (i % 3 == 0) {
                        pam_send_verdict(f, fd, VERDICT_FAILED, 0);
                        assert_error(f, &c, BROKER "AuthenticationFailed");
                } else if (i % 3 == 1) {
                        (void)shutdown(fd, SHUT_RDWR);
                        assert_error(f, &c, BROKER "AuthenticationUnavailable");
                }
                client_close(&c);
                run(f);
                close_fd(fd);
        }

        client_connect(f, &c);
        call_for_error(f, &c, OPEN_AS_BOB, BROKER "LimitExceeded");
        assert_string_equal(client_get(&c, "limit"), "AuthenticationFailuresMax");
        assert_in_range(json_integer_value(json_object_get(c.reply.parameters, "retryAfter")),
                        50000, 60001);
        assert_int_equal(pam_accept(f, &request), -EBADF);

        /* What needs no password is given. */
        client_close(&c);
        drain_journal(f);
        open_docker(f, &c);
        client_close(&c);
}

/* As a user who is not root, whom nobody asks for a password. */
static void client_connect_as_user(Fixture *f, Client *client) {
        uid_t uid = geteuid();

        if (uid == 0)
                assert_int_equal(seteuid(4242), 0);
        client_connect(f, client);
        assert_int_equal(seteuid(uid), 0);
}

static uid_t user_uid(void) {
        return geteuid() == 0 ? 4242 : geteuid();
}

static void define_docker(Fixture *f, const char *more) {
        char text[256];

        (void)snprintf(text, sizeof(text), "%s%s", docker, more);
        write_file(f, "etc/doorward/endpoints.d/docker.conf", text);
        broker_reload(f->broker);
        drain_journal(f);
        assert_int_equal(chmod(f->folder, 0755), 0);
        assert_int_equal(chmod(at(f, "broker"), 0777), 0);
}

static void test_step_up(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c;
        int fd;

        define_docker(f, "Authenticate=self\n");

        /* Whoever may not be asked is refused, and not before polkit was. */
        client_connect_as_user(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"),
                       BROKER "InteractiveAuthenticationRequired");
        assert_string_equal(json_string_value(json_array_get(
                                    json_object_get(c.reply.parameters, "mechanisms"), 0)),
                            "conversation");
        assert_int_equal(f->fake.n_asked, 1);
        drain_journal(f);

        client_send(&c, OPEN_PROMPTING);
        fd = pam_accept(f, &request);
        assert_true(fd >= 0);
        assert_int_equal(request.use, PAM_USE_STEP_UP);
        assert_string_equal(request.user, "");
        pam_send_begun(f, fd);
        assert_conversation(f, &c);
        assert_false(play_opener(f, OPENER_OK, f->backend[0]));
        pam_send_verdict(f, fd, VERDICT_PROVEN, user_uid());
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_true(json_is_true(json_object_get(c.reply.parameters, "pam")));
        ASSERT_ENTRY(f, "MESSAGE=Granted", "DOORWARD_PROOF=step-up\n");
        client_close(&c);
        close_fd(fd);

        /* Somebody else's password is not the caller's. */
        client_connect_as_user(f, &c);
        client_send(&c, OPEN_PROMPTING);
        fd = pam_accept(f, &request);
        assert_true(fd >= 0);
        pam_send_begun(f, fd);
        assert_conversation(f, &c);
        pam_send_verdict(f, fd, VERDICT_PROVEN, user_uid() + 1);
        assert_error(f, &c, BROKER "AuthenticationUnavailable");
        client_close(&c);
        close_fd(fd);
}

static void test_root_is_not_stepped_up(void **state) {
        Fixture *f = *state;
        Client c;

        if (geteuid() != 0)
                skip();
        define_docker(f, "Authenticate=self\n");
        open_docker(f, &c);
        client_close(&c);
}

/* Observation: who has the group is granted it, whatever polkit says. */

/* A process of that group, and of no other. */
#define CREW 4343

static void client_connect_as_crew(Fixture *f, Client *client) {
        gid_t gid = getegid();

        if (geteuid() == 0)
                assert_int_equal(setegid(CREW), 0);
        client_connect_as_user(f, client);
        assert_int_equal(setegid(gid), 0);
}

/* docker, observed for so many seconds from now. */
static void observe_docker(Fixture *f, int64_t seconds, const char *more) {
        char text[256], until[INSTANT_TEXT_SIZE];
        uint64_t at_usec = instant_now() + (uint64_t)(seconds * (int64_t)USEC_PER_SEC);

        (void)snprintf(text, sizeof(text), "root:x:0:\ncrew:x:%u:\n",
                       geteuid() == 0 ? CREW : (unsigned)getegid());
        write_file(f, "etc/group", text);
        (void)snprintf(text, sizeof(text),
                       "[Endpoint]\nMode=observe\nObserveGroup=crew\nObserveUntil=%s\n"
                       "[Full]\nConnectStream=/run/docker.sock\n%s",
                       instant_to_string(at_usec, until), more);
        write_file(f, "etc/doorward/endpoints.d/docker.conf", text);
        broker_reload(f->broker);
        assert_int_equal(chmod(f->folder, 0755), 0);
        assert_int_equal(chmod(at(f, "broker"), 0777), 0);
}

/* What is said of it; beside what is wrong with other definitions. */
static const char *read_observation(Fixture *f) {
        for (const char *entry = read_journal(f); entry[0]; entry = read_journal(f))
                if (strstr(entry, "MESSAGE_ID=" RECORD_ID_OBSERVED))
                        return entry;
        return "";
}

#define ASSERT_SAID(f, ...) \
        assert_lines(read_observation(f), (const char *const[]){__VA_ARGS__, NULL})

static void assert_observed(Fixture *f, Client *c, const char *policy) {
        client_connect_as_crew(f, c);
        client_send(c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, c), 1);
        assert_null(c->reply.error);
        assert_string_equal(client_get(c, "state"), "granted");
        assert_string_equal(client_get(c, "how"), "observed");
        assert_null(json_object_get(c->reply.parameters, "pam"));
        ASSERT_ENTRY(f, "MESSAGE=Granted", "DOORWARD_DECISION=authorized\n",
                     "DOORWARD_HOW=observed\n", policy, "polkit's answer: ");
}

static void test_observed(void **state) {
        static const struct {
                AuthorityAnswer answer;
                const char *policy;
        } answers[] = {
                {{.decision = DECISION_AUTHORIZED}, "DOORWARD_POLICY=authorized\n"},
                {{.decision = DECISION_AUTHORIZED, .temporary = true},
                 "DOORWARD_POLICY=challenge\n"},
                {{.decision = DECISION_CHALLENGE}, "DOORWARD_POLICY=challenge\n"},
                {{.decision = DECISION_DENIED}, "DOORWARD_POLICY=denied\n"},
                {{.decision = DECISION_DENIED, .failure = AUTHORITY_UNAVAILABLE},
                 "DOORWARD_POLICY=unavailable\n"},
                {{.decision = DECISION_DENIED, .failure = AUTHORITY_TIMED_OUT},
                 "DOORWARD_POLICY=unavailable\n"},
        };
        Fixture *f = *state;
        Client c;

        observe_docker(f, 3600, "");
        drain_journal(f);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                f->fake.answer = answers[i].answer;
                assert_observed(f, &c, answers[i].policy);
                client_close(&c);
                run(f);
                drain_journal(f);
        }
        assert_int_equal(f->fake.n_asked, ELEMENTSOF(answers));

        /* What cannot even be asked about. */
        f->fake.owned = false;
        assert_observed(f, &c, "DOORWARD_POLICY=unavailable\n");
        client_close(&c);
        f->fake.actions_known = false;
        f->fake.load_error = -ENOTCONN;
        run(f);
        drain_journal(f);
        assert_observed(f, &c, "DOORWARD_POLICY=unavailable\n");
        client_close(&c);
}

/* Nobody waits long for an answer on which nothing depends. */
static void test_observed_without_an_answer(void **state) {
        Fixture *f = *state;
        Client c;

        observe_docker(f, 3600, "");
        drain_journal(f);
        f->fake.automatic = false;
        client_connect_as_crew(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        run(f);
        assert_int_equal(f->fake.n_checks, 1);
        run_for(f, 2200);
        assert_int_equal(f->fake.n_cancelled, 1);
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "how"), "observed");
        ASSERT_ENTRY(f, "MESSAGE=Granted", "DOORWARD_POLICY=unavailable\n");
        client_close(&c);
        run(f);
}

/* Whoever has not the group, root, who becomes somebody else, and what is not observed. */
static void test_observed_are_no_others(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c;

        observe_docker(f, 3600, "");
        answer_with(f, DECISION_DENIED);
        if (geteuid() == 0) {
                client_connect_as_user(f, &c);
                call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
                client_close(&c);

                assert_int_equal(setegid(CREW), 0);
                client_connect(f, &c);
                assert_int_equal(setegid(0), 0);
                call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
                client_close(&c);
        }

        client_connect_as_crew(f, &c);
        call_for_error(f, &c, OPEN_LEASED("short", "full"), BROKER "PermissionDenied");
        call_for_error(f, &c, OPEN_LEASED("docker", "read_only"), BROKER "AccessUnsupported");
        client_send(&c, OPEN_AS_BOB);
        client_close(&c);
        run(f);
        if (geteuid() == 0)
                (void)close_fd(pam_accept(f, &request));
}

/* In the past, too far away, without its group: as if nothing were said of it, and it is said why.
 */
static void test_observed_is_off(void **state) {
        Fixture *f = *state;
        Client c;

        answer_with(f, DECISION_CHALLENGE);
        drain_journal(f);
        observe_docker(f, -10, "");
        ASSERT_SAID(f, "DOORWARD_ENDPOINT=docker\n", "MESSAGE=docker is no longer observed");
        client_connect_as_crew(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"),
                       BROKER "InteractiveAuthenticationRequired");

        drain_journal(f);
        observe_docker(f, 91 * 24 * 3600, "");
        ASSERT_SAID(f, "more than 90 days away");
        call_for_error(f, &c, OPEN_LEASED("docker", "full"),
                       BROKER "InteractiveAuthenticationRequired");

        observe_docker(f, 3600, "");
        write_file(f, "etc/group", "root:x:0:\n");
        drain_journal(f);
        broker_reload(f->broker);
        ASSERT_SAID(f, "the group crew of ObserveGroup=");
        call_for_error(f, &c, OPEN_LEASED("docker", "full"),
                       BROKER "InteractiveAuthenticationRequired");
        client_close(&c);
}

/* A grant ends with the time for which it is observed, and it does not begin anew. */
static void test_observed_until(void **state) {
        Fixture *f = *state;
        int64_t expires;
        Client c;

        observe_docker(f, 3, "MaxSec=1h\n");
        drain_journal(f);
        answer_with(f, DECISION_DENIED);
        assert_observed(f, &c, "DOORWARD_POLICY=denied\n");
        expires = json_integer_value(json_object_get(c.reply.parameters, "expires"));
        assert_in_range(expires, instant_now(), instant_now() + 3 * USEC_PER_SEC);
        drain_journal(f);

        /* polkit's no is nothing new. */
        policy_changes(f, (AuthorityAnswer){.decision = DECISION_DENIED});
        assert_int_equal(f->broker->n_leases, 1);

        run_for(f, 3200);
        assert_int_equal(f->broker->n_leases, 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "expired");
        client_close(&c);

        client_connect_as_crew(f, &c);
        call_for_error(f, &c, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
        client_close(&c);
}

/* The lease's own timer counts how much time passes, and does not notice a clock that is set
 * forward: here it stands still. */
static void test_observed_by_the_clock(void **state) {
        Fixture *f = *state;
        Client c;

        observe_docker(f, 3, "");
        drain_journal(f);
        answer_with(f, DECISION_DENIED);
        assert_observed(f, &c, "DOORWARD_POLICY=denied\n");
        assert_int_equal(sd_event_source_set_enabled(f->broker->leases->expiry, SD_EVENT_OFF), 0);

        run_for(f, 4500);
        assert_int_equal(f->broker->n_leases, 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "expired");
        client_close(&c);
}

/* The group's number is what /etc/group says at that moment; and what it gave ends with it. */
static void test_observed_group_changes(void **state) {
        Fixture *f = *state;
        Client c;

        observe_docker(f, 3600, "");
        drain_journal(f);
        answer_with(f, DECISION_DENIED);
        assert_observed(f, &c, "DOORWARD_POLICY=denied\n");
        write_file(f, "etc/group", "root:x:0:\nothers:x:4343:\ncrew:x:4344:\n");
        {
                Client other;

                client_connect_as_crew(f, &other);
                call_for_error(f, &other, OPEN_LEASED("docker", "full"), BROKER "PermissionDenied");
                client_close(&other);
        }
        assert_int_equal(f->broker->n_leases, 1);

        write_file(f, "etc/group", "root:x:0:\n");
        broker_reload(f->broker);
        assert_int_equal(f->broker->n_leases, 0);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "policy");
        client_close(&c);
}

/* What rests on the group when it is handed over, and not only when it was asked for. */
static void test_observed_no_more_before_the_record(void **state) {
        Fixture *f = *state;
        Client c;

        observe_docker(f, 3600, "");
        answer_with(f, DECISION_DENIED);
        client_connect_as_crew(f, &c);
        fill_journal(f);
        client_send(&c, OPEN_LEASED("docker", "full"));
        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
        assert_int_equal(client_receive(f, &c), 0);
        assert_int_equal(f->broker->n_leases, 1);

        write_file(f, "etc/group", "root:x:0:\n");
        drain_journal(f);
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "state"), "granted");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "reason"), "policy");
        client_close(&c);
}

/* Whether there is still such a group or not: it is over, that is said, and it is quiet. */
static void test_observed_is_over_without_a_group(void **state) {
        Fixture *f = *state;
        uint64_t before, after;

        observe_docker(f, 2, "");
        write_file(f, "etc/group", "root:x:0:\n");
        broker_reload(f->broker);
        drain_journal(f);
        run_for(f, 3200);
        ASSERT_SAID(f, "MESSAGE=docker is no longer observed");

        assert_int_equal(sd_event_get_iteration(f->event, &before), 0);
        run_for(f, 500);
        assert_int_equal(sd_event_get_iteration(f->event, &after), 0);
        assert_in_range(after - before, 0, 200);

        write_file(f, "etc/group", "root:x:0:\ncrew:x:4343:\n");
        broker_reload(f->broker);
        assert_int_equal(observer_get_state(f->broker->observer,
                                            catalogue_find(f->broker->catalogue,
                                                           &(Name){.endpoint = "docker"})),
                         OBSERVATION_OVER);
}

/* PAM is asked nothing: the group does not ask it either. */
static void test_observed_meets_no_pam(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c;

        observe_docker(f, 3600, "Authenticate=self\nPAMAccount=yes\n");
        drain_journal(f);
        assert_observed(f, &c, "DOORWARD_POLICY=authorized\n");
        assert_int_equal(pam_accept(f, &request), -EBADF);
        client_close(&c);
}

/* It is said when it begins, and with the numbers at the end at the latest. */
static void test_observed_is_said(void **state) {
        Fixture *f = *state;
        Client c;

        drain_journal(f);
        observe_docker(f, 3600, "");
        ASSERT_SAID(f, "PRIORITY=4\n", "MESSAGE=docker is observed until ",
                    "whoever has the group crew", "DOORWARD_OBSERVE_GROUP=crew\n",
                    "DOORWARD_OBSERVE_UNTIL=20");
        assert_false(observer_has_news(f->broker->observer));

        for (int i = 0; i < 3; i++) {
                answer_with(f, i == 0 ? DECISION_AUTHORIZED : DECISION_DENIED);
                assert_observed(f, &c, "DOORWARD_POLICY=");
                client_close(&c);
                run(f);
                drain_journal(f);
        }
        assert_true(observer_has_news(f->broker->observer));
        observer_flush(f->broker->observer);
        ASSERT_SAID(f,
                    "3 were granted so, of which polkit "
                    "would have granted 1.",
                    "DOORWARD_OBSERVE_GRANTED=3\n", "DOORWARD_OBSERVE_REFUSED=2\n");
        assert_false(observer_has_news(f->broker->observer));
}

/* Whoever looks is told. */
static void test_observed_is_shown(void **state) {
        Fixture *f = *state;
        const json_t *observation;
        Client c;

        observe_docker(f, 3600, "");
        answer_with(f, DECISION_DENIED);
        client_connect_as_crew(f, &c);
        client_send(&c, "{\"method\":\"" BROKER "Explain\",\"parameters\":"
                        "{\"endpoint\":\"docker\",\"access\":\"full\"}}");
        assert_int_equal(client_receive(f, &c), 1);
        assert_string_equal(client_get(&c, "decision"), "denied");
        observation = json_object_get(c.reply.parameters, "observation");
        assert_string_equal(json_string_value(json_object_get(observation, "group")), "crew");
        assert_true(json_is_true(json_object_get(observation, "active")));
        assert_true(json_is_true(json_object_get(observation, "admitted")));

        client_send(&c, "{\"method\":\"" BROKER "ListEndpoints\"}");
        assert_int_equal(client_receive(f, &c), 1);
        observation =
                json_object_get(json_object_get(c.reply.parameters, "endpoint"), "observation");
        assert_true(json_is_true(json_object_get(observation, "admitted")));

        client_send(&c, "{\"method\":\"" BROKER "GetBrokerInfo\"}");
        assert_int_equal(client_receive(f, &c), 1);
        {
                _cleanup_free_ char *text =
                        json_dumps(json_object_get(c.reply.parameters, "warnings"), JSON_COMPACT);

                assert_non_null(text);
                assert_non_null(strstr(text, "docker is observed until "));
        }
        client_close(&c);

        if (geteuid() == 0) {
                client_connect_as_user(f, &c);
                client_send(&c, "{\"method\":\"" BROKER "ListEndpoints\"}");
                assert_int_equal(client_receive(f, &c), 1);
                observation = json_object_get(json_object_get(c.reply.parameters, "endpoint"),
                                              "observation");
                assert_true(json_is_true(json_object_get(observation, "active")));
                assert_false(json_is_true(json_object_get(observation, "admitted")));
                client_close(&c);
        }
}

static void test_account(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c;
        int fd;

        define_docker(f, "PAMAccount=yes\n");
        for (unsigned i = 0; i < 2; i++) {
                client_connect_as_user(f, &c);
                client_send(&c, OPEN_LEASED("docker", "full"));
                fd = pam_accept(f, &request);
                assert_true(fd >= 0);
                assert_int_equal(request.use, PAM_USE_ACCOUNT);
                if (i == 0) {
                        pam_send_verdict(f, fd, VERDICT_PROVEN, user_uid());
                        assert_true(play_opener(f, OPENER_OK, f->backend[0]));
                        assert_int_equal(client_receive(f, &c), 1);
                        assert_string_equal(client_get(&c, "state"), "granted");
                } else {
                        pam_send_verdict(f, fd, VERDICT_ACCOUNT, 0);
                        assert_error(f, &c, BROKER "PermissionDenied");
                }
                client_close(&c);
                close_fd(fd);
        }

        /* There is nothing to talk about. */
        client_connect_as_user(f, &c);
        client_send(&c, OPEN_LEASED("docker", "full"));
        fd = pam_accept(f, &request);
        pam_send_begun(f, fd);
        assert_error(f, &c, BROKER "AuthenticationUnavailable");
        client_close(&c);
        close_fd(fd);
}

#define RESPOND                 \
        "{\"method\":\"" BROKER \
        "AgentRespond\",\"parameters\":{\"cookie\":\"c-1\",\"user\":1002},\"more\":true}"

static void test_agent_respond(void **state) {
        Fixture *f = *state;
        PamRequest request;
        Client c, agent, other;
        int fd;

        /* Not as long as polkit has nobody asked, and so no way to try passwords. */
        f->fake.automatic = false;
        client_connect(f, &agent);
        call_for_error(f, &agent, RESPOND, BROKER "PermissionDenied");
        client_connect(f, &c);
        client_send(&c, OPEN_PROMPTING);
        run(f);
        call_for_error(f, &agent, RESPOND, BROKER "PermissionDenied");
        fake_authority_answer(&f->fake, 0, &(AuthorityAnswer){.decision = DECISION_CHALLENGE});
        run(f);
        assert_true(f->fake.checks[0]->interactive);

        client_send(&agent, RESPOND);
        fd = pam_accept(f, &request);
        assert_true(fd >= 0);
        assert_int_equal(request.use, PAM_USE_AGENT);
        assert_int_equal(request.uid, 1002);
        assert_string_equal(request.cookie, "c-1");
        pam_send_begun(f, fd);
        assert_conversation(f, &agent);

        /* One at a time. */
        client_connect(f, &other);
        call_for_error(f, &other, RESPOND, BROKER "LimitExceeded");
        client_close(&other);

        pam_send_verdict(f, fd, VERDICT_FAILED, 0);
        assert_error(f, &agent, BROKER "AuthenticationFailed");
        close_fd(fd);

        client_send(&agent, RESPOND);
        fd = pam_accept(f, &request);
        pam_send_begun(f, fd);
        assert_conversation(f, &agent);
        pam_send_verdict(f, fd, VERDICT_PROVEN, 1002);
        assert_int_equal(client_receive(f, &agent), 1);
        assert_null(agent.reply.error);
        assert_false(agent.reply.continues);
        close_fd(fd);

        /* An agent that hangs up ends what it began. */
        client_send(&agent, RESPOND);
        fd = pam_accept(f, &request);
        client_close(&agent);
        assert_true(pam_is_left(f, fd));
        close_fd(fd);
        client_close(&c);
}

static void test_agent_parameters(void **state) {
        static const char *const calls[] = {
                "{\"cookie\":\"a\\n\",\"user\":1},\"more\":true}",
                "{\"cookie\":\"\",\"user\":1},\"more\":true}",
                "{\"cookie\":\"x\",\"user\":-1},\"more\":true}",
                "{\"cookie\":\"x\",\"user\":2147483648},\"more\":true}",
        };
        Fixture *f = *state;
        char call[160];
        Client c;

        client_connect(f, &c);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                (void)snprintf(call, sizeof(call),
                               "{\"method\":\"" BROKER "AgentRespond\",\"parameters\":%s",
                               calls[i]);
                call_for_error(f, &c, call, "org.varlink.service.InvalidParameter");
        }
        call_for_error(f, &c,
                       "{\"method\":\"" BROKER "AgentRespond\",\"parameters\":{\"cookie\":\"x\","
                       "\"user\":1}}",
                       "org.varlink.service.ExpectedMore");
        client_close(&c);
}

static void test_forget(void **state) {
        Fixture *f = *state;
        Name name = {.endpoint = "docker"};
        StepupKey key = {.uid = getuid(),
                         .session = "1",
                         .name = &name,
                         .access = ACCESS_FULL,
                         .definition = ""};
        Client c;

        stepup_table_add(&f->broker->stepups, &key, broker_now_boottime(f->broker), 60000000);
        client_connect(f, &c);
        for (int i = 1; i >= 0; i--) {
                client_send(&c, "{\"method\":\"" BROKER "Forget\"}");
                assert_int_equal(client_receive(f, &c), 1);
                assert_int_equal(
                        json_integer_value(json_object_get(c.reply.parameters, "forgotten")), i);
        }
        client_close(&c);
}

/* What a subordinate uid takes is its owner's. */
static void test_subordinate_uids(void **state) {
        Fixture *f = *state;
        char line[64];
        Client c;

        client_connect(f, &c);
        run(f);
        assert_int_equal(f->broker->sessions->user->uid, geteuid());
        client_close(&c);
        run(f);

        (void)snprintf(line, sizeof(line), "5555:%u:1\n", (unsigned)geteuid());
        write_file(f, "etc/subuid", line);
        broker_reload(f->broker);
        client_connect(f, &c);
        run(f);
        assert_int_equal(f->broker->sessions->user->uid, 5555);
        assert_int_equal(f->broker->sessions->peer.uid, geteuid());
        client_close(&c);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_service),
                TEST(test_every_method_is_answered),
                TEST(test_granted),
                TEST(test_log_level),
                cmocka_unit_test_setup_teardown(test_log_secrets, setup_debug, teardown),
                TEST(test_the_record_comes_before_the_reply),
                TEST(test_policy_is_asked_with_details),
                TEST(test_refusals),
                TEST(test_a_long_problem),
                TEST(test_what_polkit_says),
                TEST(test_prompts),
                TEST(test_a_wrong_password),
                TEST(test_a_kept_authorisation_does_not_open_a_shared_action),
                TEST(test_an_action_that_is_not_ours),
                TEST(test_what_the_opener_says),
                TEST(test_a_hint_names_the_instance),
                TEST(test_a_stale_opener_is_replaced),
                TEST(test_a_hanging_up_client_gets_nothing),
                TEST(test_a_lease_is_cut),
                TEST(test_the_backend_hangs_up),
                TEST(test_a_lease_expires),
                TEST(test_lease_list),
                TEST(test_lease_list_of_all),
                TEST(test_lease_list_is_not_read),
                TEST(test_revoke),
                TEST(test_revoke_by_user),
                TEST(test_revoke_of_others_is_refused),
                TEST(test_block),
                TEST(test_still_out),
                TEST(test_revoke_of_unknown),
                TEST(test_block_of_what_is_under_way),
                TEST(test_block_of_other),
                cmocka_unit_test_setup_teardown(test_revoke_is_limited, setup_limited, teardown),
                cmocka_unit_test_setup_teardown(test_another_is_limited, setup_limited, teardown),
                TEST(test_monitor),
                TEST(test_monitor_is_not_read),
                TEST(test_recheck),
                TEST(test_recheck_after_a_password),
                TEST(test_recheck_of_what_was_on_the_way),
                TEST(test_recheck_of_what_took_long),
                TEST(test_recheck_is_not_put_off_for_ever),
                TEST(test_recheck_is_given_up),
                TEST(test_restart),
                TEST(test_restart_of_what_has_ended),
                TEST(test_restart_after_its_time),
                cmocka_unit_test_setup_teardown(test_restart_of_what_is_not_kept, setup_one_kept,
                                                teardown),
                TEST(test_restart_keeps_blocks),
                TEST(test_another),
                TEST(test_another_by_a_stale_opener),
                TEST(test_another_is_refused),
                TEST(test_another_of_another_process),
                TEST(test_another_too_late),
                TEST(test_another_backend),
                TEST(test_hold),
                TEST(test_one_process),
                cmocka_unit_test_setup_teardown(test_undelivered, setup_few_undelivered, teardown),
                cmocka_unit_test_setup_teardown(test_descriptors, setup_few_descriptors, teardown),
                TEST(test_tracked_holds_nothing),
                TEST(test_detached),
                TEST(test_filtered),
                TEST(test_unfiltered),
                TEST(test_the_filter_ends),
                TEST(test_filtered_lease),
                TEST(test_no_filter),
                TEST_WITH(test_filter_limits, setup_few_filters),
                TEST(test_reload),
                TEST(test_reload_in_mid_request),
                TEST(test_stop),
                TEST_WITH(test_limits, setup_limited),
                TEST_WITH(test_use, setup_limited),
                TEST(test_use_of_others),
                TEST(test_mechanisms),
                TEST_WITH(test_connections_in_all, setup_few_connections),
                TEST_WITH(test_records_are_limited, setup_limited),
                TEST_WITH(test_records_of_senders_are_limited, setup_limited),
                TEST_WITH(test_lease_limit, setup_limited),
                TEST_WITH(test_leases_in_all, setup_few_leases),
                TEST(test_the_reserve_is_got_back),
                TEST(test_no_descriptors_left),
                TEST_WITH(test_who_sends_nothing_is_dropped, setup_limited),
                TEST_WITH(test_no_grant_without_a_record, setup_limited),
                TEST(test_the_backend_hangs_up_before_the_record),
                TEST(test_a_lease_expires_before_the_record),
                TEST(test_reload_before_the_record),
                TEST(test_stop_before_the_record),
                TEST(test_nonsense_closes),
                TEST(test_identity),
                TEST(test_identity_that_is_never_served),
                TEST(test_verdicts),
                TEST(test_hostile_helper),
                TEST(test_the_client_leaves_a_conversation),
                TEST(test_one_prompt),
                TEST(test_penalty),
                TEST(test_step_up),
                TEST(test_root_is_not_stepped_up),
                TEST(test_observed),
                TEST(test_observed_without_an_answer),
                TEST(test_observed_are_no_others),
                TEST(test_observed_is_off),
                TEST(test_observed_until),
                TEST(test_observed_by_the_clock),
                TEST(test_observed_group_changes),
                TEST(test_observed_no_more_before_the_record),
                TEST(test_observed_is_over_without_a_group),
                TEST(test_observed_meets_no_pam),
                TEST(test_observed_is_said),
                TEST(test_observed_is_shown),
                TEST(test_account),
                TEST(test_agent_respond),
                TEST(test_agent_parameters),
                TEST(test_forget),
                TEST(test_subordinate_uids),
                TEST(test_descriptors_are_not_taken),
                TEST(test_pipelined_calls),
                TEST(test_another_process_on_the_connection),
                TEST(test_a_child_speaks_in_mid_call),
                TEST(test_a_child_speaks_during_a_lease),
                TEST(test_nothing_may_be_said_during_a_lease),
                TEST(test_what_is_said_in_mid_call_waits),
                TEST(test_who_does_not_read_is_not_read),
                TEST(test_calls_take_turns),
                TEST_WITH(test_who_does_not_read_is_dropped, setup_limited),
                TEST(test_who_does_not_read_the_end_is_dropped),
                TEST(test_who_writes_in_mid_call_is_not_read),
                TEST_WITH(test_proof, setup_proof),
                TEST_WITH(test_proof_of_another_process, setup_proof),
                TEST(test_the_peer_ends),
                TEST(test_list),
                TEST(test_reload_in_mid_list),
                TEST(test_explain),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
