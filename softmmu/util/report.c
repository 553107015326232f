/* SPDX-License-Identifier: MIT */
/* Lines on standard error; see rhea/report.h. */
#include "rhea/osdep.h"

#include "rhea/report.h"

/* Set once, before there are other threads. */
static bool with_timestamp, with_name;
static char *name;

void report_set_prefix(bool timestamp, bool guest_name)
{
    with_timestamp = timestamp;
    with_name = guest_name;
}

void report_set_guest_name(const char *guest_name)
{
    g_free(name);
    name = g_strdup(guest_name);
}

void report(const char *fmt, ...)
{
    g_autoptr(GString) line = g_string_new(NULL);
    va_list ap;

    if (with_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

        g_string_append_printf(line, "%s.%06dZ ", seconds, g_date_time_get_microsecond(now));
    }
    if (with_name && name) {
        g_string_append_printf(line, "%s ", name);
    }
    g_string_append_printf(line, "%s: ", g_get_prgname());
    va_start(ap, fmt);
    g_string_append_vprintf(line, fmt, ap);
    va_end(ap);
    g_string_append_c(line, '\n');
    fputs(line->str, stderr); /* one write: lines of several threads do not mix */
}
