/* SPDX-License-Identifier: MIT */
/* Monitor commands about the display that -display has chosen. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/display.h"
#include "ui/web.h"

static bool query_display_options(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    const char *type = display_chosen() ? display_chosen() : "none";

    if (!strcmp(type, "none") && web_address()) { /* a server, beside the one that is chosen */
        type = "web";
    }
    json_object_set_string_member(obj, "type", type);
    if (display_full_screen()) {
        json_object_set_boolean_member(obj, "full-screen", true);
    }
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_display_options_command, .name = "query-display-options",
            .run = query_display_options,
            .ret = "{type: <none|web|curses|sdl>, *full-screen: bool}");
