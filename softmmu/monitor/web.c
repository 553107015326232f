/* SPDX-License-Identifier: MIT */
/* Monitor commands about the web page. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/web.h"

static void hmp_info_web(Machine *m, const char *args, GString *out)
{
    if (web_address()) {
        g_string_append_printf(out, "Page: %s\n  Open: %u\n", web_address(), web_viewers());
    } else {
        g_string_append(out, "Page: none\n");
    }
}

HMP_COMMAND(hmp_info_web_command, .name = "info web",
            .help = "the page for browsers: its address with the token, and how many are open",
            .run = hmp_info_web);
