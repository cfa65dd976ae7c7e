/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "helpers/redactor.h"
#include "common/hex.h"

typedef struct Output {
        char *data;
        size_t used;
} Output;

static void emit(Output *output, char c) {
        output->data[output->used++] = c;
}

static void emit_text(Output *output, const char *text) {
        while (*text)
                emit(output, *text++);
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

void redactor_init(Redactor *redactor, bool many) {
        *redactor = (Redactor){
                .many = many,
                .state = many ? REDACTOR_TOP : REDACTOR_VALUE,
                .rule = DOCKER_SHOW,
        };
}

static bool redactor_in_object(const Redactor *redactor) {
        return redactor->depth > 0 && redactor->levels[redactor->depth - 1].object;
}

static DockerRule redactor_outer_rule(const Redactor *redactor) {
        return redactor->depth > 0 ? redactor->levels[redactor->depth - 1].rule : DOCKER_SHOW;
}

static bool redactor_hides(const Redactor *redactor) {
        return redactor->rule == DOCKER_HIDE || redactor->rule == DOCKER_ATTRIBUTES;
}

static void redactor_end_value(Redactor *redactor) {
        redactor->swallow = false;
        redactor->rule = redactor_outer_rule(redactor);
        redactor->state = redactor->depth > 0 ? REDACTOR_AFTER_VALUE
                          : redactor->many    ? REDACTOR_TOP
                                              : REDACTOR_END;
}

static int redactor_push(Redactor *redactor, Output *output, char c) {
        if (redactor->depth == REDACTOR_DEPTH_MAX)
                return -EBADMSG;

        redactor->levels[redactor->depth].object = c == '{';
        redactor->levels[redactor->depth++].rule = redactor->rule;
        redactor->state = c == '{' ? REDACTOR_FIRST_NAME : REDACTOR_FIRST_VALUE;
        emit(output, c);
        return 0;
}

static int redactor_pop(Redactor *redactor, Output *output, char c) {
        if (redactor->depth == 0 || c != (redactor_in_object(redactor) ? '}' : ']'))
                return -EBADMSG;

        redactor->depth--;
        redactor_end_value(redactor);
        emit(output, c);
        return 0;
}

static void redactor_begin_string(Redactor *redactor, Output *output, bool in_name) {
        redactor->state = REDACTOR_STRING;
        redactor->in_name = in_name;
        redactor->begun = redactor->swallow = redactor->odd = false;
        redactor->n_text = 0;
        emit(output, '"');
}

static int redactor_begin_name(Redactor *redactor, Output *output, char c) {
        if (c != '"')
                return -EBADMSG;
        redactor_begin_string(redactor, output, true);
        return 0;
}

static int redactor_begin_word(Redactor *redactor, Output *output, const char *word) {
        redactor->state = REDACTOR_WORD;
        redactor->word = word + 1;
        redactor->swallow = *word != 'n' && redactor_hides(redactor);
        if (redactor->swallow)
                emit_text(output, "false");
        else
                emit(output, *word);
        return 0;
}

static int redactor_begin_number(Redactor *redactor, Output *output, char c) {
        redactor->state = c == '-' ? REDACTOR_MINUS : c == '0' ? REDACTOR_ZERO : REDACTOR_DIGITS;
        redactor->swallow = redactor_hides(redactor);
        emit(output, redactor->swallow ? '0' : c);
        return 0;
}

static int redactor_begin_value(Redactor *redactor, Output *output, char c) {
        switch (c) {
        case '{':
        case '[':
                return redactor_push(redactor, output, c);
        case '"':
                redactor_begin_string(redactor, output, false);
                return 0;
        case 't':
                return redactor_begin_word(redactor, output, "true");
        case 'f':
                return redactor_begin_word(redactor, output, "false");
        case 'n':
                return redactor_begin_word(redactor, output, "null");
        default:
                return c == '-' || is_digit(c) ? redactor_begin_number(redactor, output, c)
                                               : -EBADMSG;
        }
}

static int redactor_take_word(Redactor *redactor, Output *output, char c) {
        if (c != *redactor->word++)
                return -EBADMSG;
        if (!redactor->swallow)
                emit(output, c);
        if (!*redactor->word)
                redactor_end_value(redactor);
        return 0;
}

/* The state after one more byte of a number, or 0 if it does not go on with this one. */
static RedactorState number_next(RedactorState state, char c) {
        switch (state) {
        case REDACTOR_MINUS:
                return c == '0' ? REDACTOR_ZERO : is_digit(c) ? REDACTOR_DIGITS : 0;
        case REDACTOR_ZERO:
        case REDACTOR_DIGITS:
                if (state == REDACTOR_DIGITS && is_digit(c))
                        return state;
                return c == '.' ? REDACTOR_POINT : (c | 0x20) == 'e' ? REDACTOR_E : 0;
        case REDACTOR_POINT:
                return is_digit(c) ? REDACTOR_FRACTION : 0;
        case REDACTOR_FRACTION:
                return is_digit(c) ? state : (c | 0x20) == 'e' ? REDACTOR_E : 0;
        case REDACTOR_E:
                if (c == '+' || c == '-')
                        return REDACTOR_E_SIGN;
                return is_digit(c) ? REDACTOR_EXPONENT : 0;
        case REDACTOR_E_SIGN:
        case REDACTOR_EXPONENT:
                return is_digit(c) ? REDACTOR_EXPONENT : 0;
        default:
                return 0;
        }
}

static bool number_may_end(RedactorState state) {
        return state == REDACTOR_ZERO || state == REDACTOR_DIGITS || state == REDACTOR_FRACTION ||
               state == REDACTOR_EXPONENT;
}

/* 0 if it was the number's, 1 if the number was over before it, -EBADMSG. */
static int redactor_take_number(Redactor *redactor, Output *output, char c) {
        RedactorState next = number_next(redactor->state, c);

        if (next) {
                redactor->state = next;
                if (!redactor->swallow)
                        emit(output, c);
                return 0;
        }
        if (!number_may_end(redactor->state))
                return -EBADMSG;
        redactor_end_value(redactor);
        return 1;
}

/* One character of the string, as it is meant. */
static void redactor_note(Redactor *redactor, unsigned code) {
        if (code == 0 || code >= 0x80 || redactor->n_text == DOCKER_NAME_MAX)
                redactor->odd = true;
        else
                redactor->text[redactor->n_text++] = (char)code;
}

/* Whether c may stand here, be it part of an escape. What it means is noted. */
static int redactor_read(Redactor *redactor, char c) {
        static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        unsigned char byte = (unsigned char)c;
        const char *found;

        if (redactor->escape == 0 && c != '\\') {
                redactor_note(redactor, byte);
                return byte < ' ' ? -EBADMSG : 0;
        }
        if (redactor->escape == 0)
                redactor->escape = '\\';
        else if (redactor->escape == '\\' && c == 'u') {
                redactor->escape = 4;
                redactor->code = 0;
        } else if (redactor->escape == '\\') {
                found = c ? strchr(escapes, c) : NULL;
                if (!found)
                        return -EBADMSG;
                redactor_note(redactor, (unsigned char)meanings[found - escapes]);
                redactor->escape = 0;
        } else {
                int value = hex_value(c);

                if (value < 0)
                        return -EBADMSG;
                redactor->code = redactor->code << 4 | (unsigned)value;
                if (--redactor->escape == 0)
                        redactor_note(redactor, redactor->code);
        }
        return 0;
}

/* An action is its first word, unless what follows is known to be none of a command. An escape may
 * be a colon, too. */
static bool redactor_cuts_action(Redactor *redactor, char c) {
        if (c == ':') {
                redactor->text[redactor->odd ? 0 : redactor->n_text - 1] = 0;
                if (!docker_secret_is_public_action(redactor->text))
                        return true;
                redactor->rule = DOCKER_SHOW;
        }
        return c == '\\';
}

static void redactor_emit_string(Redactor *redactor, Output *output, char c) {
        bool first = !redactor->begun;

        redactor->begun = true;
        if (redactor->in_name)
                emit(output, c);
        else if (redactor->swallow)
                return;
        else if (redactor_hides(redactor)) {
                emit_text(output, first ? REDACTOR_TEXT : "");
                redactor->swallow = true;
        } else if (redactor->rule == DOCKER_ACTION && redactor_cuts_action(redactor, c)) {
                emit_text(output, c == ':' ? ": " REDACTOR_TEXT : REDACTOR_TEXT);
                redactor->swallow = true;
        } else
                emit(output, c);
}

static void redactor_end_string(Redactor *redactor, Output *output) {
        emit(output, '"');
        if (!redactor->in_name) {
                redactor_end_value(redactor);
                return;
        }

        redactor->text[redactor->n_text] = 0;
        redactor->rule =
                redactor->odd ? DOCKER_HIDE
                              : docker_secret_judge(redactor_outer_rule(redactor), redactor->text);
        redactor->state = REDACTOR_COLON;
}

static int redactor_take_string(Redactor *redactor, Output *output, char c) {
        if (c == '"' && redactor->escape == 0) {
                redactor_end_string(redactor, output);
                return 0;
        }
        if (redactor_read(redactor, c) < 0)
                return -EBADMSG;
        redactor_emit_string(redactor, output, c);
        return 0;
}

/* What is between values, which is the same whatever is hidden. */
static int redactor_take_structure(Redactor *redactor, Output *output, char c) {
        if (is_space(c)) {
                emit(output, c);
                return 0;
        }

        switch (redactor->state) {
        case REDACTOR_FIRST_VALUE:
                return c == ']' ? redactor_pop(redactor, output, c)
                                : redactor_begin_value(redactor, output, c);
        case REDACTOR_TOP:
        case REDACTOR_VALUE:
                return redactor_begin_value(redactor, output, c);
        case REDACTOR_AFTER_VALUE:
                if (c != ',')
                        return redactor_pop(redactor, output, c);
                redactor->state = redactor_in_object(redactor) ? REDACTOR_NAME : REDACTOR_VALUE;
                break;
        case REDACTOR_FIRST_NAME:
                return c == '}' ? redactor_pop(redactor, output, c)
                                : redactor_begin_name(redactor, output, c);
        case REDACTOR_NAME:
                return redactor_begin_name(redactor, output, c);
        case REDACTOR_COLON:
                if (c != ':')
                        return -EBADMSG;
                redactor->state = REDACTOR_VALUE;
                break;
        default:
                return -EBADMSG;
        }

        emit(output, c);
        return 0;
}

static int redactor_take(Redactor *redactor, Output *output, char c) {
        int r;

        if (redactor->state == REDACTOR_STRING)
                return redactor_take_string(redactor, output, c);
        if (redactor->state == REDACTOR_WORD)
                return redactor_take_word(redactor, output, c);
        if (redactor->state >= REDACTOR_NUMBER) {
                r = redactor_take_number(redactor, output, c);
                if (r <= 0)
                        return r;
        }
        return redactor_take_structure(redactor, output, c);
}

/* The most of every answer: the inside of a text of which it is known by now whether it is shown.
 * How many bytes of it there are. */
static size_t redactor_take_inside(const Redactor *redactor, Output *output, const char *data,
                                   size_t size, size_t room) {
        bool known = redactor->swallow || redactor->rule == DOCKER_SHOW;
        size_t n = 0;

        if (redactor->state != REDACTOR_STRING || redactor->escape != 0 || redactor->in_name ||
            !redactor->begun || !known)
                return 0;
        if (!redactor->swallow && size > room)
                size = room;
        while (n < size && data[n] != '"' && data[n] != '\\' && (unsigned char)data[n] >= ' ')
                n++;
        if (!redactor->swallow) {
                memcpy(output->data + output->used, data, n);
                output->used += n;
        }
        return n;
}

int redactor_run(Redactor *redactor, const char *data, size_t size, char *buf, size_t room,
                 size_t *ret_taken, size_t *ret_written) {
        Output output = {.data = buf};
        size_t i = 0;
        int r = 0;

        while (r == 0 && i < size && room - output.used >= REDACTOR_STEP) {
                i += redactor_take_inside(redactor, &output, data + i, size - i,
                                          room - output.used - REDACTOR_STEP);
                if (i < size)
                        r = redactor_take(redactor, &output, data[i++]);
        }

        *ret_taken = i;
        *ret_written = output.used;
        return r;
}

int redactor_finish(const Redactor *redactor) {
        bool over = redactor->state == REDACTOR_TOP || redactor->state == REDACTOR_END ||
                    (redactor->depth == 0 && number_may_end(redactor->state));

        return over ? 0 : -EBADMSG;
}
