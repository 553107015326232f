/* SPDX-License-Identifier: MIT */
/* What the monitor tells of -object iothread. */
#include "rhea/osdep.h"

#include "block/iothread.h"
#include "rhea/json.h"
#include "monitor-int.h"

typedef void (*IoThreadFn)(const IoThreadInfo *info, void *opaque);

static void foreach_iothread(IoThreadFn fn, void *opaque)
{
    Object *folder = qom_container(qom_root(), "/objects");

    for (guint i = 0; i < folder->children->len; i++) {
        Object *obj = g_ptr_array_index(folder->children, i);

        if (qom_is(obj, TYPE_IOTHREAD)) {
            IoThreadInfo info = iothread_info(obj);

            fn(&info, opaque);
        }
    }
}

static void add_iothread(const IoThreadInfo *info, void *opaque)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "id", info->id);
    json_object_set_int_member(item, "thread-id", info->thread_id);
    json_object_set_int_member(item, "poll-max-ns", (gint64)info->poll_max_ns);
    json_object_set_int_member(item, "poll-grow", (gint64)info->poll_grow);
    json_object_set_int_member(item, "poll-shrink", (gint64)info->poll_shrink);
    json_object_set_int_member(item, "aio-max-batch", (gint64)info->max_batch);
    json_array_add_object_element(opaque, item);
}

static bool query_iothreads(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    foreach_iothread(add_iothread, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_iothreads_command, .name = "query-iothreads", .run = query_iothreads,
            .ret = "[{id: str, thread-id: int, poll-max-ns: int, poll-grow: int, poll-shrink: int, "
                   "aio-max-batch: int}]");

static void print_iothread(const IoThreadInfo *info, void *opaque)
{
    g_string_append_printf(opaque,
                           "%s:\n  thread_id=%" PRId64 "\n  poll-max-ns=%" PRIu64
                           "\n  poll-grow=%" PRIu64 "\n  poll-shrink=%" PRIu64
                           "\n  aio-max-batch=%" PRIu64 "\n",
                           info->id, info->thread_id, info->poll_max_ns, info->poll_grow,
                           info->poll_shrink, info->max_batch);
}

static void hmp_info_iothreads(Machine *m, const char *args, GString *out)
{
    foreach_iothread(print_iothread, out);
}

HMP_COMMAND(hmp_info_iothreads_command, .name = "info iothreads", .args = "",
            .help = "threads that complete requests of disks (-object iothread)",
            .run = hmp_info_iothreads);
