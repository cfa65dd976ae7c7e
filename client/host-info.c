/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "client/error.h"
#include "client/host-info.h"
#include "common/textfile.h"
#include "common/utf8.h"

/* A page holds what sysfs says of a thing, and memory's figures are not much longer. */
#define TEXT_SIZE 8192U
#define OS_NAME_SIZE 256U
#define MACHINE_ID_LENGTH 32U
/* More nodes no kernel has. */
#define NODES_MAX 1024U
/* More processors neither: of a list with larger numbers nothing is believed. */
#define NUMBER_MAX 65535U

/* The texts are as long as uname(2) has them at the most. */
typedef struct HostInfo {
        doorward_host_info info;
        char hostname[sizeof(((struct utsname *)0)->nodename)];
        char kernel[sizeof(((struct utsname *)0)->release)];
        char architecture[sizeof(((struct utsname *)0)->machine)];
        char machine_id[MACHINE_ID_LENGTH + 1];
        char os_name[OS_NAME_SIZE];
        doorward_host_node nodes[];
} HostInfo;

static HostInfo *host_new(size_t n_nodes) {
        return calloc(1, sizeof(HostInfo) + n_nodes * sizeof(doorward_host_node));
}

/* Copies it where it is kept, fit to be shown and cut if it is too long, and shows it. */
static void put_text(const char **ret, char *buf, size_t size, const char *text) {
        (void)snprintf(buf, size, "%s", text);
        utf8_clean(buf, size - 1);
        *ret = buf;
}
#define PUT_TEXT(host, member, text) \
        put_text(&(host)->info.member, (host)->member, sizeof((host)->member), text)

/* False: it cannot be read, or is too long to be what was looked for. */
static bool file_read(const char *root, const char *path, char text[TEXT_SIZE]) {
        char full[512];

        if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full))
                return false;

        return textfile_read(full, text, TEXT_SIZE) == 0;
}

/* Lists, as sysfs has them: "0-3,8". */

/* Takes the next range; false at the end, or where there is none. */
static bool list_next(const char **text, unsigned *ret_first, unsigned *ret_last) {
        unsigned first, last;
        int n = 0;

        if (sscanf(*text, "%5u%n", &first, &n) != 1)
                return false;
        *text += n;
        last = first;
        if (sscanf(*text, "-%5u%n", &last, &n) == 1)
                *text += n;
        if (**text == ',')
                *text += 1;
        if (last < first || last > NUMBER_MAX)
                return false;

        *ret_first = first;
        *ret_last = last;
        return true;
}

static unsigned list_count(const char *text) {
        unsigned first, last, n = 0;

        while (n <= NUMBER_MAX && list_next(&text, &first, &last))
                n += last - first + 1;

        return n;
}

/* Memory. */

/* Bytes, of the line with that name: "MemTotal:  16384 kB", which a node has with its own name
 * before it. 0 if there is none. */
static unsigned long long memory_find(const char *text, const char *name) {
        const char *line = strstr(text, name);
        unsigned long long value;
        int n = 0;

        if (!line || sscanf(line + strlen(name), ": %15llu kB%n", &value, &n) != 1 || n == 0)
                return 0;

        return value * 1024;
}

static void read_memory(const char *root, doorward_host_info *info) {
        char text[TEXT_SIZE];

        if (!file_read(root, "/proc/meminfo", text))
                return;

        info->memory_total = memory_find(text, "MemTotal");
        info->memory_free = memory_find(text, "MemFree");
        info->memory_available = memory_find(text, "MemAvailable");
}

/* Nodes. */

static void read_node(const char *root, unsigned id, doorward_host_node *node) {
        char path[64], text[TEXT_SIZE];

        node->id = id;
        (void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", id);
        if (file_read(root, path, text))
                node->cpus = list_count(text);
        (void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", id);
        if (file_read(root, path, text)) {
                node->memory_total = memory_find(text, "MemTotal");
                node->memory_free = memory_find(text, "MemFree");
        }
}

static void read_nodes(const char *root, const char *list, size_t max, HostInfo *host) {
        unsigned first, last;
        size_t n = 0;

        while (list_next(&list, &first, &last))
                for (unsigned id = first; id <= last && n < max; id++)
                        read_node(root, id, &host->nodes[n++]);

        host->info.n_nodes = (unsigned)n;
        host->info.nodes = n > 0 ? host->nodes : NULL;
}

/* A kernel without NUMA has one node, and does not speak of it. */
static void assume_node(HostInfo *host) {
        host->nodes[0] = (doorward_host_node){
                .cpus = host->info.cpus,
                .memory_total = host->info.memory_total,
                .memory_free = host->info.memory_free,
        };
        host->info.n_nodes = 1;
        host->info.nodes = host->nodes;
}

/* Names. */

/* "uninitialized", until it has one. */
static bool is_machine_id(const char *text) {
        return strspn(text, "0123456789abcdef") == MACHINE_ID_LENGTH;
}

static void read_machine_id(const char *root, HostInfo *host) {
        char text[TEXT_SIZE];

        if (file_read(root, "/etc/machine-id", text) && is_machine_id(text))
                PUT_TEXT(host, machine_id, text);
}

/* The value of PRETTY_NAME=, of which os-release(5) says that the shell must understand it: in
 * quotes of one kind, in the other, or bare, and with a backslash before what is special. */
static bool os_release_find(const char *text, char ret[OS_NAME_SIZE]) {
        static const char key[] = "PRETTY_NAME=";
        const char *c =
                strncmp(text, key, strlen(key)) == 0 ? text : strstr(text, "\nPRETTY_NAME=");
        char quote = 0;
        size_t n = 0;

        if (!c)
                return false;
        c = strchr(c, '=') + 1;
        if (*c == '"' || *c == '\'')
                quote = *c++;

        while (*c && *c != '\n' && *c != quote && n < OS_NAME_SIZE - 1) {
                if (*c == '\\' && quote != '\'' && c[1] && c[1] != '\n')
                        c++;
                ret[n++] = *c++;
        }

        ret[n] = 0;
        return n > 0;
}

static void read_os_name(const char *root, HostInfo *host) {
        char text[TEXT_SIZE], name[OS_NAME_SIZE];

        if (!file_read(root, "/etc/os-release", text) &&
            !file_read(root, "/usr/lib/os-release", text))
                return;
        if (os_release_find(text, name))
                PUT_TEXT(host, os_name, name);
}

static void read_names(HostInfo *host) {
        struct utsname names;

        if (uname(&names) < 0)
                return;

        PUT_TEXT(host, hostname, names.nodename);
        PUT_TEXT(host, kernel, names.release);
        PUT_TEXT(host, architecture, names.machine);
}

doorward_host_info *host_info_new(const char *root) {
        char nodes[TEXT_SIZE], cpus[TEXT_SIZE];
        unsigned n_nodes = 0;
        HostInfo *host;

        if (file_read(root, "/sys/devices/system/node/online", nodes))
                n_nodes = list_count(nodes);
        if (n_nodes > NODES_MAX)
                n_nodes = NODES_MAX;

        host = host_new(n_nodes > 0 ? n_nodes : 1);
        if (!host)
                return NULL;

        read_names(host);
        read_machine_id(root, host);
        read_os_name(root, host);
        read_memory(root, &host->info);
        if (file_read(root, "/sys/devices/system/cpu/online", cpus))
                host->info.cpus = list_count(cpus);
        if (n_nodes > 0)
                read_nodes(root, nodes, n_nodes, host);
        else
                assume_node(host);

        return &host->info;
}

DOORWARD_EXPORT void doorward_host_info_free(doorward_host_info *info) {
        free(info);
}

/* As an object. */

static int set_string(json_t *object, const char *name, const char *text) {
        return text ? json_object_set_new(object, name, json_string(text)) : 0;
}

static int set_number(json_t *object, const char *name, unsigned long long number) {
        return number > 0 ? json_object_set_new(object, name, json_integer((json_int_t)number)) : 0;
}

static json_t *node_to_json(const doorward_host_node *node) {
        json_t *object = json_pack("{s:I}", "id", (json_int_t)node->id);

        if (set_number(object, "cpus", node->cpus) == 0 &&
            set_number(object, "memoryTotal", node->memory_total) == 0 &&
            set_number(object, "memoryFree", node->memory_free) == 0)
                return object;

        json_decref(object);
        return NULL;
}

static int set_nodes(json_t *object, const doorward_host_info *info) {
        json_t *array = json_array();

        for (unsigned i = 0; i < info->n_nodes; i++)
                if (json_array_append_new(array, node_to_json(&info->nodes[i])) < 0) {
                        json_decref(array);
                        return -1;
                }

        return json_object_set_new(object, "nodes", array);
}

json_t *host_info_to_json(const doorward_host_info *info) {
        json_t *object = json_object();

        if (set_string(object, "hostname", info->hostname) == 0 &&
            set_string(object, "machineId", info->machine_id) == 0 &&
            set_string(object, "osName", info->os_name) == 0 &&
            set_string(object, "kernel", info->kernel) == 0 &&
            set_string(object, "architecture", info->architecture) == 0 &&
            set_number(object, "cpus", info->cpus) == 0 &&
            set_number(object, "memoryTotal", info->memory_total) == 0 &&
            set_number(object, "memoryFree", info->memory_free) == 0 &&
            set_number(object, "memoryAvailable", info->memory_available) == 0 &&
            set_nodes(object, info) == 0)
                return object;

        json_decref(object);
        return NULL;
}

/* Of an object. What is not of its type is not known, and so is what no machine has. */

static const char *get_string(const json_t *object, const char *name) {
        return json_string_value(json_object_get(object, name));
}

static unsigned long long get_number(const json_t *object, const char *name,
                                     unsigned long long max) {
        json_int_t number = json_integer_value(json_object_get(object, name));

        return number > 0 && (unsigned long long)number <= max ? (unsigned long long)number : 0;
}

static void get_names(const json_t *object, HostInfo *host) {
        const char *text;

        if ((text = get_string(object, "hostname")))
                PUT_TEXT(host, hostname, text);
        if ((text = get_string(object, "osName")))
                PUT_TEXT(host, os_name, text);
        if ((text = get_string(object, "kernel")))
                PUT_TEXT(host, kernel, text);
        if ((text = get_string(object, "architecture")))
                PUT_TEXT(host, architecture, text);
        if ((text = get_string(object, "machineId")) && is_machine_id(text))
                PUT_TEXT(host, machine_id, text);
}

static void get_node(const json_t *object, doorward_host_node *node) {
        node->id = (unsigned)get_number(object, "id", NUMBER_MAX);
        node->cpus = (unsigned)get_number(object, "cpus", NUMBER_MAX);
        node->memory_total = get_number(object, "memoryTotal", LLONG_MAX);
        node->memory_free = get_number(object, "memoryFree", LLONG_MAX);
}

int host_info_from_json(const json_t *object, doorward_host_info **ret) {
        const json_t *nodes = json_object_get(object, "nodes");
        size_t n = json_array_size(nodes);
        HostInfo *host;

        if (!json_is_object(object) || n > NODES_MAX)
                return -EBADMSG;
        host = host_new(n > 0 ? n : 1);
        if (!host)
                return -ENOMEM;

        get_names(object, host);
        host->info.cpus = (unsigned)get_number(object, "cpus", NUMBER_MAX);
        host->info.memory_total = get_number(object, "memoryTotal", LLONG_MAX);
        host->info.memory_free = get_number(object, "memoryFree", LLONG_MAX);
        host->info.memory_available = get_number(object, "memoryAvailable", LLONG_MAX);
        for (size_t i = 0; i < n; i++)
                get_node(json_array_get(nodes, i), &host->nodes[i]);
        host->info.n_nodes = (unsigned)n;
        host->info.nodes = host->nodes;
        if (n == 0)
                assume_node(host);

        *ret = &host->info;
        return 0;
}
