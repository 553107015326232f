/* SPDX-License-Identifier: MIT */
/* Commands about the memory balloon, in HMP and QMP. */
#include "rhea/osdep.h"

#include "hw/virtio/virtio-balloon.h"
#include "monitor/monitor.h"
#include "rhea/opts.h"

static Device *find_balloon(Machine *m)
{
    return (Device *)qom_first(&m->obj, TYPE_VIRTIO_BALLOON);
}

static void balloon(Machine *m, const char *args, GString *out)
{
    Device *dev = find_balloon(m);
    g_autoptr(Error) err = NULL;
    uint64_t bytes;

    if (!dev) {
        g_string_append(out, "No balloon device has been activated\n");
    } else if (!parse_size("balloon", args, MiB, &bytes, &err)) {
        g_string_append_printf(out, "%s\n", error_text(err));
    } else {
        virtio_balloon_set_target(dev, bytes);
    }
}

HMP_COMMAND(balloon_command, .name = "balloon", .args = "target",
            .help = "ask the guest to keep that many MiB only", .run = balloon);

static void info_balloon(Machine *m, const char *args, GString *out)
{
    Device *dev = find_balloon(m);

    if (dev) {
        g_string_append_printf(out, "balloon: actual=%" PRIu64 "\n",
                               (uint64_t)(virtio_balloon_actual(dev) / MiB));
    } else {
        g_string_append(out, "No balloon device has been activated\n");
    }
}

HMP_COMMAND(info_balloon_command, .name = "info balloon", .help = "how much memory the guest has",
            .run = info_balloon);

/* --- QMP --- */

QMP_EVENT(balloon_change_event, "BALLOON_CHANGE", "{actual: int}");

static Device *need_balloon(Machine *m, Error **errp)
{
    Device *dev = find_balloon(m);

    if (!dev) {
        error_fail(errp, "No balloon device has been activated");
    }
    return dev;
}

static bool qmp_balloon(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    int64_t bytes = qmp_arg_int(args, "value", 0);
    Device *dev = need_balloon(m, errp);

    if (!dev) {
        return false;
    }
    if (bytes <= 0) {
        return error_fail(errp, "Parameter 'target' expects a size");
    }
    virtio_balloon_set_target(dev, (uint64_t)bytes);
    return true;
}

QMP_COMMAND(qmp_balloon_command, .name = "balloon", .run = qmp_balloon, .args = "{value: int}");

static bool query_balloon(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Device *dev = need_balloon(m, errp);
    JsonObject *obj;

    if (!dev) {
        return false;
    }
    obj = json_object_new();
    json_object_set_int_member(obj, "actual", (gint64)virtio_balloon_actual(dev));
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_balloon_command, .name = "query-balloon", .run = query_balloon,
            .ret = "{actual: int}");
