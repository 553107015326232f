/* SPDX-License-Identifier: MIT */
/* What the user is told on standard error. Any thread. */
#ifndef RHEA_REPORT_H
#define RHEA_REPORT_H

#include "rhea/base.h"

/* "PROGRAM: text\n", with what report_set_prefix() asked for in front. */
void report(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* -msg: whether the time and the guest's name stand in front of every line. */
void report_set_prefix(bool timestamp, bool guest_name);
/* -name: it may come before or after -msg. */
void report_set_guest_name(const char *name);

#endif
