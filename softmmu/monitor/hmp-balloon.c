/* SPDX-License-Identifier: MIT */
/* HMP: the memory balloon. */
#include "rhea/osdep.h"

#include "hw/virtio/virtio-balloon.h"
#include "monitor/monitor.h"
#include "rhea/opts.h"

/* The first balloon below @obj, or NULL. */
static Device *find_balloon(Object *obj)
{
    Device *found = qom_is(obj, TYPE_VIRTIO_BALLOON) ? (Device *)obj : NULL;

    for (guint i = 0; !found && obj->children && i < obj->children->len; i++) {
        found = find_balloon(g_ptr_array_index(obj->children, i));
    }
    return found;
}

static void balloon(Machine *m, const char *args, GString *out)
{
    Device *dev = find_balloon(&m->obj);
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
    Device *dev = find_balloon(&m->obj);

    if (dev) {
        g_string_append_printf(out, "balloon: actual=%" PRIu64 "\n",
                               (uint64_t)(virtio_balloon_actual(dev) / MiB));
    } else {
        g_string_append(out, "No balloon device has been activated\n");
    }
}

HMP_COMMAND(info_balloon_command, .name = "info balloon", .help = "how much memory the guest has",
            .run = info_balloon);
