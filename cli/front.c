/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/front.h"
#include "cli/report.h"

static const FrontType *const front_types[] = {
        &front_type_socket,
        &front_type_pty,
};

/* What the broker of another socket has under this name its reply will tell. */
static Kind find_kind(const FrontSpec *spec) {
        const Target *target =
                spec->definition ? &spec->definition->targets[spec->argument->access] : NULL;

        return target && target->provided ? target->kind : KIND_STREAM;
}

static const FrontType *find_type(Kind kind) {
        for (size_t i = 0; i < ELEMENTSOF(front_types); i++)
                if (front_types[i]->is_for(kind))
                        return front_types[i];

        return NULL;
}

int front_open(const FrontSpec *spec, Front **ret) {
        const char *endpoint = spec->argument->uri.endpoint;
        Kind kind = find_kind(spec);
        const FrontType *type = find_type(kind);
        Front *front;
        int r, status;

        if (!type)
                return report_problem(spec->options, DOORWARD_ERR_UNSUPPORTED, REPORT_HINT_EXEC,
                                      "%s is of kind %s, and nothing private can stand in its "
                                      "place.",
                                      endpoint, kind_to_string(kind));
        if (uri_is_remote(&spec->argument->uri))
                return report_problem(spec->options, DOORWARD_ERR_UNSUPPORTED,
                                      "Run the command on that machine, or forward a socket from "
                                      "there with 'ssh -L'.",
                                      "%s is on another machine, and nothing private can stand in "
                                      "its place.",
                                      endpoint);

        r = type->open(spec, &front, &status);
        if (r < 0)
                return status;

        front->type = type;
        front->spec = *spec;
        *ret = front;
        return -1;
}

int front_show(Front *front) {
        return front->type->show(front);
}

int front_process(Front *front) {
        return front->type->process(front);
}

int64_t front_get_deadline(const Front *front) {
        return front->type->get_deadline(front);
}

bool front_is_settled(const Front *front) {
        return front->type->is_settled(front);
}

Front *front_free(Front *front) {
        char *path;

        if (!front)
                return NULL;

        path = front->path;
        front->type->free(front);
        free(path);
        return NULL;
}
