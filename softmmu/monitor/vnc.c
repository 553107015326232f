/* SPDX-License-Identifier: MIT */
/* Monitor commands about VNC servers. */
#include "rhea/osdep.h"

#include "monitor-int.h"
#include "ui/vnc.h"

/* --- What there is --- */

QMP_TYPE(vnc_client_type, .name = "VncClientInfo",
         .text = "{host: str, service: str, family: NetworkAddressFamily, websocket: bool}");
QMP_TYPE(vnc_server_type, .name = "VncServerInfo",
         .text = "{host: str, service: str, family: NetworkAddressFamily, websocket: bool, "
                 "*auth: str}");
QMP_TYPE(vnc_family_type, .name = "NetworkAddressFamily", .text = "<ipv4|ipv6|unix>");
QMP_TYPE(vnc_auth_type, .name = "VncPrimaryAuth", .text = "<none|vnc|vencrypt>");
QMP_TYPE(vnc_vencrypt_type, .name = "VncVencryptSubAuth",
         .text = "<tls-none|x509-none|tls-vnc|x509-vnc>");

QMP_EVENT(vnc_connected_event, "VNC_CONNECTED", "{server: VncServerInfo, client: VncClientInfo}");
QMP_EVENT(vnc_initialized_event, "VNC_INITIALIZED",
          "{server: VncServerInfo, client: VncClientInfo}");
QMP_EVENT(vnc_disconnected_event, "VNC_DISCONNECTED",
          "{server: VncServerInfo, client: VncClientInfo}");

static bool qmp_query_vnc(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    *ret = qmp_object(vnc_query());
    return true;
}

QMP_COMMAND(qmp_query_vnc_command, .name = "query-vnc", .run = qmp_query_vnc,
            .ret = "{enabled: bool, *host: str, *service: str, *family: NetworkAddressFamily, "
                   "*auth: str, *clients: [VncClientInfo]}");

static bool qmp_query_servers(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    *ret = qmp_array(vnc_query_servers());
    return true;
}

QMP_COMMAND(qmp_query_vnc_servers_command, .name = "query-vnc-servers", .run = qmp_query_servers,
            .ret = "[{id: str, server: [{host: str, service: str, family: NetworkAddressFamily, "
                   "websocket: bool, auth: VncPrimaryAuth, *vencrypt: VncVencryptSubAuth}], "
                   "clients: [VncClientInfo], auth: VncPrimaryAuth, *vencrypt: VncVencryptSubAuth, "
                   "*display: str}]");

static void hmp_info_vnc(Machine *m, const char *args, GString *out)
{
    vnc_info(out);
}

HMP_COMMAND(hmp_info_vnc_command, .name = "info vnc", .help = "VNC servers and their viewers",
            .run = hmp_info_vnc);

/* --- Passwords --- */

static bool qmp_change_password(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return vnc_set_password(qmp_arg_str(args, "display"), qmp_arg_str(args, "password"),
                            qmp_arg_str(args, "connected"), errp);
}

QMP_COMMAND(qmp_change_vnc_password_command, .name = "change-vnc-password",
            .run = qmp_change_password, .args = "{password: str}");
QMP_COMMAND(qmp_set_password_command, .name = "set_password", .run = qmp_change_password,
            .args = "{protocol: <vnc>, password: str, *connected: <keep|fail|disconnect>, "
                    "*display: str}");

static bool qmp_expire_password(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return vnc_expire_password(qmp_arg_str(args, "display"), qmp_arg_str(args, "time"), errp);
}

QMP_COMMAND(qmp_expire_password_command, .name = "expire_password", .run = qmp_expire_password,
            .args = "{protocol: <vnc>, time: str, *display: str}");

/* The words behind "[-d ID] vnc", which @id is taken out of; NULL: it says something else. */
static char **words_for_vnc(const char *args, char **id)
{
    unsigned flags = 0;
    g_auto(GStrv) words = hmp_words(args, "d", &flags);
    unsigned at = flags ? 1 : 0, n = g_strv_length(words);

    *id = flags && n ? g_strdup(words[0]) : NULL;
    return n > at && !strcmp(words[at], "vnc") ? g_strdupv(words + at + 1) : NULL;
}

static void hmp_set_password(Machine *m, const char *args, GString *out)
{
    g_autofree char *id = NULL;
    g_auto(GStrv) words = words_for_vnc(args, &id);
    const char *password = words && words[0] ? words[0] : "";
    Error *err = NULL;

    if (!words) {
        g_string_append(out, "Error: set_password: [-d ID] vnc PASSWORD [keep|fail|disconnect]\n");
        return;
    }
    hmp_print_result(vnc_set_password(id, password, *password ? words[1] : NULL, &err), &err, out);
}

HMP_COMMAND(hmp_set_password_command, .name = "set_password",
            .args = "[-d id] vnc password [keep|fail|disconnect]",
            .help = "the password of VNC viewers from now on; none: nobody gets in",
            .run = hmp_set_password);

static void hmp_expire_password(Machine *m, const char *args, GString *out)
{
    g_autofree char *id = NULL;
    g_auto(GStrv) words = words_for_vnc(args, &id);
    Error *err = NULL;

    if (!words || !words[0]) {
        g_string_append(out, "Error: expire_password: [-d ID] vnc now|never|+SECONDS|TIME\n");
        return;
    }
    hmp_print_result(vnc_expire_password(id, words[0], &err), &err, out);
}

HMP_COMMAND(hmp_expire_password_command, .name = "expire_password",
            .args = "[-d id] vnc now|never|+seconds|time",
            .help = "when the password of VNC viewers lets in nobody any more",
            .run = hmp_expire_password);

static void hmp_change(Machine *m, const char *args, GString *out)
{
    static const char prefix[] = "vnc password";
    const char *password = args + strlen(prefix);
    Error *err = NULL;

    if (!g_str_has_prefix(args, prefix) || (*password && *password != ' ')) {
        g_string_append(out, "Error: change: vnc password [PASSWORD]\n");
        return;
    }
    hmp_print_result(vnc_set_password(NULL, *password ? password + 1 : "", NULL, &err), &err, out);
}

HMP_COMMAND(hmp_change_command, .name = "change", .args = "vnc password [password]",
            .help = "as set_password", .run = hmp_change);
