/* SPDX-License-Identifier: MIT */
/* QMP commands about networks. */
#include "rhea/osdep.h"

#include "net/net.h"
#include "rhea/opts.h"
#include "monitor-int.h"

/* --- Backends that come and go --- */

typedef struct KindList {
    QmpType *options, *types;
} KindList;

static void add_kind(void *opaque, const char *name, const char *args)
{
    KindList *list = opaque;

    qmp_type_add_value(list->types, name);
    qmp_type_add_variant(list->options, "type", name, qmp_type_get(args));
}

static QmpType *build_netdev_options(void)
{
    KindList list = {qmp_type_new_object(), qmp_type_new_enum()};

    qmp_type_add_member(list.options, "type", false, list.types);
    qmp_type_add_member(list.options, "id", false, qmp_type_get("str"));
    net_foreach_kind(add_kind, &list);
    return list.options;
}

QMP_TYPE(netdev_options_type, .name = "NetdevOptions", .build = build_netdev_options);

static bool netdev_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(Opts) o = qmp_args_to_opts("netdev_add", args, errp);

    return o && net_new_netdev_opts(o, errp);
}

QMP_COMMAND(netdev_add_command, .name = "netdev_add", .run = netdev_add, .args = "NetdevOptions");

static bool netdev_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return net_remove(qmp_arg_str(args, "id"), errp);
}

QMP_COMMAND(netdev_del_command, .name = "netdev_del", .run = netdev_del, .args = "{id: str}");

static bool set_link(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return net_set_link(qmp_arg_str(args, "name"), qmp_arg_bool(args, "up", true), errp);
}

QMP_COMMAND(set_link_command, .name = "set_link", .run = set_link, .args = "{name: str, up: bool}");

static void hmp_set_link(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 2);
    g_autoptr(Error) err = NULL;
    bool up = true;

    if (!words[0] || !words[1] || !parse_bool("set_link", words[1], &up, &err) ||
        !net_set_link(words[0], up, &err)) {
        g_string_append_printf(out, "Error: %s\n", err ? error_text(err) : "set_link: NAME on|off");
    }
}

HMP_COMMAND(hmp_set_link_command, .name = "set_link", .args = "name on|off",
            .help = "plug in or pull the cable of a network card", .run = hmp_set_link);

/* --- Announcements --- */

/* Rounds go on after the answer, each a little later than the one before. */
typedef struct Announcement {
    int64_t delay_ms, max_ms, step_ms, rounds;
} Announcement;

static gboolean announce_round(gpointer opaque)
{
    Announcement *a = opaque;

    net_announce_self();
    if (--a->rounds > 0) {
        g_timeout_add((guint)a->delay_ms, announce_round, a);
        a->delay_ms = MIN(a->delay_ms + a->step_ms, a->max_ms);
    } else {
        g_free(a);
    }
    return G_SOURCE_REMOVE;
}

static bool announce_self(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    static const struct {
        const char *name;
        int64_t least, most;
    } limits[] = {
        {"initial", 1, 100000}, {"max", 1, 100000}, {"rounds", 1, 1000}, {"step", 0, 10000}};
    Announcement *a;

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        int64_t v = qmp_arg_int(args, limits[i].name, 0);

        if (v < limits[i].least || v > limits[i].most) {
            return error_fail(errp, "Parameter '%s' expects a value from %d to %d", limits[i].name,
                              (int)limits[i].least, (int)limits[i].most);
        }
    }
    a = g_new0(Announcement, 1);
    a->delay_ms = qmp_arg_int(args, "initial", 0);
    a->max_ms = qmp_arg_int(args, "max", 0);
    a->rounds = qmp_arg_int(args, "rounds", 0);
    a->step_ms = qmp_arg_int(args, "step", 0);
    announce_round(a);
    return true;
}

QMP_COMMAND(announce_self_command, .name = "announce-self", .run = announce_self,
            .args = "{initial: int, max: int, rounds: int, step: int}");

static void hmp_announce_self(Machine *m, const char *args, GString *out)
{
    net_announce_self();
}

HMP_COMMAND(hmp_announce_self_command, .name = "announce_self",
            .help = "let every network card tell the network where it is",
            .run = hmp_announce_self);

static void hmp_netdev_add(Machine *m, const char *args, GString *out)
{
    g_autoptr(Error) err = NULL;

    if (!net_new_netdev(args, &err)) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
    }
}

HMP_COMMAND(hmp_netdev_add_command, .name = "netdev_add", .args = "type,id=id[,prop=value...]",
            .help = "add a network backend", .run = hmp_netdev_add);

static void hmp_netdev_del(Machine *m, const char *args, GString *out)
{
    g_autoptr(Error) err = NULL;

    if (!net_remove(args, &err)) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
    }
}

HMP_COMMAND(hmp_netdev_del_command, .name = "netdev_del", .args = "id",
            .help = "remove a network backend", .run = hmp_netdev_del);
