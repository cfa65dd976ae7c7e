#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands: one function each
 *
 * Each gets the arguments that are left once the options are read, as many as its table entry
 * allows, and returns the exit status. What went wrong it has said itself.
 */

#include "cli/options.h"

int command_list(const Options *options, char **arguments, size_t n);
int command_explain(const Options *options, char **arguments, size_t n);
int command_exec(const Options *options, char **arguments, size_t n);
int command_stdio(const Options *options, char **arguments, size_t n);
int command_fdpass(const Options *options, char **arguments, size_t n);
int command_listen(const Options *options, char **arguments, size_t n);
int command_run(const Options *options, char **arguments, size_t n);
int command_leases(const Options *options, char **arguments, size_t n);
int command_relay(const Options *options, char **arguments, size_t n);
int command_revoke(const Options *options, char **arguments, size_t n);
int command_monitor(const Options *options, char **arguments, size_t n);
int command_forget(const Options *options, char **arguments, size_t n);
int command_policy(const Options *options, char **arguments, size_t n);
int command_cat_config(const Options *options, char **arguments, size_t n);
int command_verify(const Options *options, char **arguments, size_t n);
int command_info(const Options *options, char **arguments, size_t n);
int command_capabilities(const Options *options, char **arguments, size_t n);
