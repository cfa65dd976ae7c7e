/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>

#include "client/log.h"
#include "common/journal.h"
#include "common/utf8.h"

/* What is longer is cut. */
#define TEXT_MAX 2048U
#define LINE_SIZE (TEXT_MAX + 256U)

enum {
        FILE_E_KIND = 1,
        FILE_E_OWNER,
};

int log_threshold = LOG_LEVEL_DEBUG;

/* Written once, under the once, and read by whoever has been through that. */
static LogSettings settings;
static pthread_once_t settings_once = PTHREAD_ONCE_INIT;
static LogLevel forced;
static bool output_complained[LOG_OUTPUTS_MAX]; /* atomic */

/* Writing. */

/* Whoever reads our standard error may be gone, a file may be as large as it can be, and who has
 * started us not know these signals. One that was there before is somebody else's. */
static ssize_t write_without_signal(int fd, const char *data, size_t n) {
        static const int signals[] = {SIGPIPE, SIGXFSZ};
        static const struct timespec at_once = {};
        sigset_t ours, theirs, before;
        ssize_t k;

        (void)sigemptyset(&ours);
        (void)sigemptyset(&theirs);
        (void)sigpending(&theirs);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (sigismember(&theirs, signals[i]) == 0)
                        (void)sigaddset(&ours, signals[i]);
        if (pthread_sigmask(SIG_BLOCK, &ours, &before) != 0)
                return -EAGAIN;

        k = write(fd, data, n);
        if (k < 0) {
                k = -errno;
                while (sigtimedwait(&ours, NULL, &at_once) < 0 && errno == EINTR)
                        ;
        }

        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return k;
}

static void complain(const char *text) {
        char line[LINE_SIZE];
        int n;

        n = snprintf(line, sizeof(line), "libdoorward: %.*s\n", (int)TEXT_MAX, text);
        utf8_clean(line, sizeof(line));
        line[n - 1] = '\n';
        (void)write_without_signal(STDERR_FILENO, line, (size_t)n);
}

/* -errno, FILE_E_*. Opened for each line. A link or a pipe that somebody has put there, where many
 * may write, is not followed and not waited for; and a file of theirs is not for our lines. */
static int file_open(const char *path, int *ret) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = open(path,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                  0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return FILE_E_KIND;
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return FILE_E_OWNER;

        *ret = TAKE_FD(fd);
        return 0;
}

static int file_write(const char *path, const char *line, size_t n) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = file_open(path, &fd);
        if (r == 0)
                r = (int)write_without_signal(fd, line, n);
        return r;
}

static int journald_write(LogLevel level, LogCategory category, const char *text) {
        static const uint64_t priorities[] = {
                [LOG_LEVEL_DEBUG] = LOG_DEBUG,
                [LOG_LEVEL_INFO] = LOG_INFO,
                [LOG_LEVEL_WARNING] = LOG_WARNING,
                [LOG_LEVEL_ERROR] = LOG_ERR,
        };
        _cleanup_close_ int fd = -EBADF;
        JournalEntry entry;
        int r;

        journal_entry_init(&entry);
        journal_entry_put(&entry, "MESSAGE", text);
        journal_entry_put_number(&entry, "PRIORITY", priorities[level]);
        journal_entry_put(&entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
        journal_entry_put(&entry, "DOORWARD_CATEGORY", log_category_to_string(category));
        journal_entry_put_number(&entry, "TID", (uint64_t)gettid());
        if (entry.failed)
                return -EMSGSIZE;

        r = journal_open(JOURNAL_SOCKET, &fd);
        if (r == 0)
                r = journal_send(fd, entry.data, entry.size);
        /* A journal that does not keep up loses lines, and nobody waits. */
        return r == -EAGAIN ? 0 : r;
}

/* The time, who, what. In UTC: to know the local time is to read files. */
static size_t line_format(char line[LINE_SIZE], LogLevel level, LogCategory category,
                          const char *text) {
        struct timespec now = {};
        struct tm tm = {};
        int n;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)gmtime_r(&now.tv_sec, &tm);
        n = snprintf(line, LINE_SIZE,
                     "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ doorward[%d/%d] %s %s: %s\n",
                     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     now.tv_nsec / 1000, getpid(), gettid(), log_level_to_string(level),
                     log_category_to_string(category), text);
        return n > 0 ? (size_t)n : 0;
}

static void output_fail(unsigned i, const char *problem) {
        static const char *const names[] = {
                [LOG_TARGET_STDERR] = "standard error",
                [LOG_TARGET_FILE] = "the file ",
                [LOG_TARGET_JOURNALD] = "journald",
        };
        const LogOutput *output = &settings.outputs[i];
        char text[LOG_PATH_SIZE + 128];

        if (__atomic_exchange_n(&output_complained[i], true, __ATOMIC_RELAXED))
                return;

        (void)snprintf(text, sizeof(text), "DOORWARD_LOG_OUTPUTS: %s%s cannot be written to: %s.",
                       names[output->target], output->path, problem);
        complain(text);
}

static void output_write(unsigned i, LogLevel level, LogCategory category, const char *text) {
        const LogOutput *output = &settings.outputs[i];
        char line[LINE_SIZE];
        int r = 0;

        switch (output->target) {
        case LOG_TARGET_STDERR:
                (void)write_without_signal(STDERR_FILENO, line,
                                           line_format(line, level, category, text));
                break;
        case LOG_TARGET_FILE:
                r = file_write(output->path, line, line_format(line, level, category, text));
                if (r == FILE_E_KIND || r == FILE_E_OWNER)
                        output_fail(i, r == FILE_E_KIND ? "it is no regular file"
                                                        : "it belongs to another user");
                break;
        case LOG_TARGET_JOURNALD:
                r = journald_write(level, category, text);
                break;
        }

        if (r == -ELOOP)
                output_fail(i, "it is a link");
        else if (r < 0)
                output_fail(i, strerrordesc_np(-r));
}

/* What is to be written. */

static void settings_load(void) {
        const char *filters = secure_getenv("DOORWARD_LOG_FILTERS");

        if (forced)
                log_settings_read(&settings, log_level_to_string(forced), filters, NULL, complain);
        else
                log_settings_read(&settings, secure_getenv("DOORWARD_DEBUG"), filters,
                                  secure_getenv("DOORWARD_LOG_OUTPUTS"), complain);
        __atomic_store_n(&log_threshold, (int)settings.threshold, __ATOMIC_RELAXED);
}

static void log_text(LogLevel level, LogCategory category, const char *format, va_list args)
        _printf_(3, 0);
static void log_text(LogLevel level, LogCategory category, const char *format, va_list args) {
        char text[TEXT_MAX + 1];

        (void)pthread_once(&settings_once, settings_load);
        if (level < settings.levels[category])
                return;

        (void)vsnprintf(text, sizeof(text), format, args);
        utf8_clean(text, TEXT_MAX);
        for (unsigned i = 0; i < settings.n_outputs; i++)
                if (level >= settings.outputs[i].level)
                        output_write(i, level, category, text);
}

/* A thread that is cancelled here would leave its caller's locks behind. */
void log_write(LogLevel level, LogCategory category, const char *format, ...) {
        int saved = errno, cancel;
        va_list args;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
        va_start(args, format);
        log_text(level, category, format, args);
        va_end(args);
        (void)pthread_setcancelstate(cancel, NULL);
        errno = saved;
}

void log_force(LogLevel level) {
        forced = level;
}
