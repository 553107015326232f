/* SPDX-License-Identifier: MIT */
/* QMP commands about disks and their images. */
#include "rhea/osdep.h"

#include "block/block.h"
#include "block/image.h"
#include "rhea/json.h"
#include "monitor-int.h"

/* --- Information --- */

QMP_TYPE(block_cache_type, .name = "BlockCache",
         .text = "{writeback: bool, direct: bool, no-flush: bool}");
QMP_TYPE(block_image_type, .name = "BlockImage",
         .text = "{filename: str, format: str, virtual-size: int}");
QMP_TYPE(block_inserted_type, .name = "BlockInserted",
         .text = "{file: str, *node-name: str, ro: bool, drv: str, *backing_file: str, "
                 "backing_file_depth: int, "
                 "encrypted: bool, active: bool, detect_zeroes: <off>, bps: int, bps_rd: int, "
                 "bps_wr: int, iops: int, iops_rd: int, iops_wr: int, write_threshold: int, "
                 "cache: BlockCache, image: BlockImage, *dirty-bitmaps: [BlockDirtyInfo]}");

static JsonObject *image_info(const BlockInfo *info)
{
    JsonObject *image = json_object_new();

    json_object_set_string_member(image, "filename", info->filename);
    json_object_set_string_member(image, "format", info->driver);
    json_object_set_int_member(image, "virtual-size", (gint64)info->size);
    return image;
}

static JsonObject *inserted_info(const BlockInfo *info)
{
    static const char *const limits[] = {"bps",     "bps_rd",  "bps_wr",         "iops",
                                         "iops_rd", "iops_wr", "write_threshold"};
    JsonObject *obj = json_object_new(), *cache = json_object_new();

    json_object_set_string_member(obj, "file", info->filename);
    if (info->node) {
        json_object_set_string_member(obj, "node-name", info->node);
    }
    if (info->backing) {
        json_object_set_string_member(obj, "backing_file", info->backing);
    }
    json_object_set_int_member(obj, "backing_file_depth", info->depth);
    json_object_set_boolean_member(obj, "ro", info->read_only);
    json_object_set_string_member(obj, "drv", info->driver);
    json_object_set_boolean_member(obj, "encrypted", info->image && image_encrypted(info->image));
    json_object_set_boolean_member(obj, "active", true);
    json_object_set_string_member(obj, "detect_zeroes", "off");
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        json_object_set_int_member(obj, limits[i], i < 6 ? (gint64)info->limits[i] : 0);
    }
    json_object_set_boolean_member(cache, "writeback", !info->writethrough);
    json_object_set_boolean_member(cache, "direct", info->direct);
    json_object_set_boolean_member(cache, "no-flush", info->no_flush);
    json_object_set_object_member(obj, "cache", cache);
    json_object_set_object_member(obj, "image", image_info(info));
    monitor_add_bitmaps(obj, info->image);
    return obj;
}

const char *monitor_io_status(int failed)
{
    return !failed ? "ok" : failed == -ENOSPC ? "nospace" : "failed";
}

static void add_drive(void *opaque, const BlockInfo *info)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "device", info->drive);
    json_object_set_string_member(item, "type", "unknown");
    json_object_set_boolean_member(item, "removable", false);
    json_object_set_boolean_member(item, "locked", false);
    if (info->owner) {
        json_object_set_string_member(item, "qdev", info->owner);
    }
    json_object_set_string_member(item, "io-status", monitor_io_status(info->failed));
    if (info->driver) {
        json_object_set_object_member(item, "inserted", inserted_info(info));
    }
    json_array_add_object_element(opaque, item);
}

static bool query_block(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    blk_foreach_drive(add_drive, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_block_command, .name = "query-block", .run = query_block,
            .ret = "[{device: str, type: str, removable: bool, locked: bool, *qdev: str, "
                   "io-status: <ok|failed|nospace>, *inserted: BlockInserted}]");
QMP_EVENT(block_io_error_event, "BLOCK_IO_ERROR",
          "{device: str, *node-name: str, operation: <read|write>, action: <ignore|report|stop>, "
          "nospace: bool, reason: str}");

static void add_node(void *opaque, const BlockInfo *info)
{
    json_array_add_object_element(opaque, inserted_info(info));
}

static bool query_nodes(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    blk_foreach_node(add_node, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_nodes_command, .name = "query-named-block-nodes", .run = query_nodes,
            .args = "{*flat: bool}", .ret = "[BlockInserted]");

static void add_stats(void *opaque, const BlockInfo *info)
{
    JsonObject *item = json_object_new(), *stats = json_object_new();

    json_object_set_string_member(item, "device", info->drive);
    if (info->node) {
        json_object_set_string_member(item, "node-name", info->node);
    }
    json_object_set_int_member(stats, "rd_operations", (gint64)info->reads);
    json_object_set_int_member(stats, "wr_operations", (gint64)info->writes);
    json_object_set_int_member(stats, "flush_operations", (gint64)info->flushes);
    json_object_set_int_member(stats, "rd_bytes", (gint64)info->read_bytes);
    json_object_set_int_member(stats, "wr_bytes", (gint64)info->written_bytes);
    json_object_set_object_member(item, "stats", stats);
    json_array_add_object_element(opaque, item);
}

static bool query_blockstats(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    blk_foreach_drive(add_stats, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_blockstats_command, .name = "query-blockstats", .run = query_blockstats,
            .ret = "[{device: str, *node-name: str, stats: {rd_operations: int, "
                   "wr_operations: int, flush_operations: int, rd_bytes: int, wr_bytes: int}}]");

/* --- Nodes that come and go --- */

static bool blockdev_add(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object(node, args);
    text = json_text(node, false);
    return blk_new_blockdev(text, errp);
}

static void add_driver_name(const char *name, void *opaque)
{
    qmp_type_add_value(opaque, name);
}

static QmpType *build_driver_type(void)
{
    QmpType *t = qmp_type_new_enum();

    image_foreach_format(add_driver_name, t);
    return t;
}

QMP_TYPE(blockdev_driver_type, .name = "BlockdevDriver", .build = build_driver_type);
/* @file is a node's name or the options of one. What drivers have of their own they check themselves. */
QMP_COMMAND(
    blockdev_add_command, .name = "blockdev-add", .run = blockdev_add,
    .args = "{driver: BlockdevDriver, node-name: str, *filename: str, *file: any, "
            "*server: {type: <inet|unix>, *host: str, *port: str, *path: str}, *export: str, "
            "*open-timeout: int, *reconnect-delay: int, *tls-certificates: str, *tls-creds: str, "
            "*tls-psk-file: str, *tls-username: str, *url: str, *readahead: int, *timeout: "
            "int, *sslverify: bool, "
            "*cookie: str, "
            "*backing: any, *data-file: any, "
            "*read-only: bool, *auto-read-only: bool, *force-share: bool, "
            "*discard: <ignore|unmap>, *detect-zeroes: <off|on|unmap>, "
            "*aio: <threads|native|io_uring>, *locking: <auto|on|off>, "
            "*offset: int, *size: int, "
            "*cache: {*direct: bool, *no-flush: bool}, ...}");

static bool blockdev_reopen(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_object_get_array_member(args, "options");
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < json_array_get_length(list); i++) {
        g_ptr_array_add(texts, json_text(json_array_get_element(list, i), false));
    }
    g_ptr_array_add(texts, NULL);
    return blk_reopen((const char *const *)texts->pdata, errp);
}

QMP_COMMAND(blockdev_reopen_command, .name = "blockdev-reopen", .run = blockdev_reopen,
            .args = "{options: [{driver: BlockdevDriver, *node-name: str, ...}]}");

static bool blockdev_del(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return blk_del_blockdev(qmp_arg_str(args, "node-name"), errp);
}

QMP_COMMAND(blockdev_del_command, .name = "blockdev-del", .run = blockdev_del,
            .args = "{node-name: str}");

struct BlockNode *monitor_snapshot_sync(JsonObject *args, Error **errp)
{
    const char *mode = qmp_arg_str(args, "mode");
    BlockSnapshotSpec spec = {
        .device = qmp_arg_str(args, "device"),
        .node = qmp_arg_str(args, "node-name"),
        .file = qmp_arg_str(args, "snapshot-file"),
        .format = qmp_arg_str(args, "format"),
        .new_node = qmp_arg_str(args, "snapshot-node-name"),
        .existing = mode && !strcmp(mode, "existing"),
    };

    if (!spec.device && !spec.node) {
        error_fail(errp, "one of 'device' and 'node-name' is needed");
        return NULL;
    }
    return blk_snapshot_external(&spec, errp);
}

static bool snapshot_sync(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return monitor_snapshot_sync(args, errp);
}

QMP_COMMAND(snapshot_sync_command, .name = "blockdev-snapshot-sync", .run = snapshot_sync,
            .args = "{*device: str, *node-name: str, snapshot-file: str, *snapshot-node-name: str, "
                    "*format: str, *mode: <existing|absolute-paths>}");

static bool snapshot_with(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return blk_snapshot_with(qmp_arg_str(args, "node"), qmp_arg_str(args, "overlay"), errp);
}

QMP_COMMAND(snapshot_with_command, .name = "blockdev-snapshot", .run = snapshot_with,
            .args = "{node: str, overlay: str}");

/* --- Images that change --- */

static bool block_resize(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *device = qmp_arg_str(args, "device"), *node = qmp_arg_str(args, "node-name");
    int64_t size = qmp_arg_int(args, "size", 0);

    if (!device == !node) {
        return error_fail(errp, "one of 'device' and 'node-name' is needed");
    }
    if (size < 0) {
        return error_fail(errp, "Parameter 'size' expects a >0 size");
    }
    return blk_resize(device ? device : node, (uint64_t)size, errp);
}

QMP_COMMAND(block_resize_command, .name = "block_resize", .run = block_resize,
            .args = "{*device: str, *node-name: str, size: int}");

static bool change_backing_file(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return blk_change_backing_file(qmp_arg_str(args, "device"),
                                   qmp_arg_str(args, "image-node-name"),
                                   qmp_arg_str(args, "backing-file"), errp);
}

QMP_COMMAND(change_backing_command, .name = "change-backing-file", .run = change_backing_file,
            .args = "{device: str, image-node-name: str, backing-file: str}");

/* --- Limits --- */

static const char *const limit_args[] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};

static bool set_io_throttle(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *device = qmp_arg_str(args, "device"), *id = qmp_arg_str(args, "id");
    int64_t request_size = qmp_arg_int(args, "iops_size", 0);
    uint64_t limits[6], max[6];

    if (request_size < 0) {
        return error_fail(errp, "Parameter 'iops_size' expects a non-negative value");
    }
    if (!device == !id) {
        return error_fail(errp, "one of 'device' and 'id' is needed");
    }
    for (int i = 0; i < 6; i++) {
        g_autofree char *key = g_strconcat(limit_args[i], "_max", NULL);
        int64_t limit = qmp_arg_int(args, limit_args[i], 0), burst = qmp_arg_int(args, key, 0);

        if (limit < 0 || burst < 0) {
            return error_fail(errp, "bps/iops/max values must be within [0, %" PRId64 "]",
                              INT64_MAX);
        }
        limits[i] = (uint64_t)limit;
        max[i] = (uint64_t)burst;
    }
    return blk_set_limits(device ? device : id, limits, max, (uint64_t)request_size,
                          qmp_arg_str(args, "group"), errp);
}

QMP_COMMAND(set_io_throttle_command, .name = "block_set_io_throttle", .run = set_io_throttle,
            .args = "{*device: str, *id: str, bps: int, bps_rd: int, bps_wr: int, iops: int, "
                    "iops_rd: int, iops_wr: int, *bps_max: int, *bps_rd_max: int, "
                    "*bps_wr_max: int, *iops_max: int, *iops_rd_max: int, *iops_wr_max: int, "
                    "*iops_size: int, *group: str}");
