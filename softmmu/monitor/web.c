/* SPDX-License-Identifier: MIT */
/* Monitor commands about the display that was chosen, and about the web page. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/display.h"
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

static bool qmp_query_display_options(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    const char *type = display_chosen() ? display_chosen() : "none";

    if (!strcmp(type, "none") && web_address()) { /* a server, beside the one that is chosen */
        type = "web";
    }
    json_object_set_string_member(obj, "type", type);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(qmp_query_display_options_command, .name = "query-display-options",
            .run = qmp_query_display_options, .ret = "{type: <none|web|curses|sdl>}");
