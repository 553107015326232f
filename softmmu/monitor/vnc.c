/* SPDX-License-Identifier: MIT */
/* Monitor commands about the VNC server. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/vnc.h"

static bool qmp_query_vnc(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    VncInfo info;

    vnc_info(&info);
    json_object_set_boolean_member(obj, "enabled", info.enabled);
    if (info.enabled) {
        json_object_set_string_member(obj, "host", info.host);
        json_object_set_string_member(obj, "service", info.service);
        json_object_set_string_member(obj, "family", info.family);
        json_object_set_string_member(obj, "auth", info.auth);
    }
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(qmp_query_vnc_command, .name = "query-vnc", .run = qmp_query_vnc,
            .ret = "{enabled: bool, *host: str, *service: str, *family: <ipv4|ipv6|unix>, *auth: "
                   "<none|vnc>}");

static void hmp_info_vnc(Machine *m, const char *args, GString *out)
{
    VncInfo info;

    vnc_info(&info);
    if (info.enabled) {
        g_string_append_printf(out, "Server: %s%s%s (%s)\n  Auth: %s\n  Clients: %u\n", info.host,
                               *info.service ? ":" : "", info.service, info.family, info.auth,
                               info.clients);
    } else {
        g_string_append(out, "VNC: none\n");
    }
}

HMP_COMMAND(hmp_info_vnc_command, .name = "info vnc", .help = "the VNC server and its viewers",
            .run = hmp_info_vnc);

static bool qmp_change_password(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return vnc_set_password(qmp_arg_str(args, "password"), errp);
}

QMP_COMMAND(qmp_change_vnc_password_command, .name = "change-vnc-password",
            .run = qmp_change_password, .args = "{password: str}");
QMP_COMMAND(qmp_set_password_command, .name = "set_password", .run = qmp_change_password,
            .args = "{protocol: <vnc>, password: str}");

static void hmp_set_password(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    if (!g_str_has_prefix(args, "vnc ")) {
        g_string_append(out, "Error: set_password: vnc PASSWORD\n");
    } else if (!vnc_set_password(args + strlen("vnc "), &err)) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
        error_free(err);
    }
}

HMP_COMMAND(hmp_set_password_command, .name = "set_password", .args = "vnc password",
            .help = "the password of VNC viewers from now on; none: nobody gets in",
            .run = hmp_set_password);
