/* SPDX-License-Identifier: MIT */
/* rhea-img info and snapshot. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"
#include "rhea/json.h"

/* --- Snapshots in a list --- */

static void print_snapshot(void *opaque, const ImageSnapshot *sn)
{
    g_autofree char *line = image_snapshot_line(sn);

    printf("%s\n", line);
}

static void count_snapshot(void *opaque, const ImageSnapshot *sn)
{
    ++*(unsigned *)opaque;
}

static void print_snapshots(BlockNode *n)
{
    unsigned count = 0;

    image_snapshot_foreach(n, count_snapshot, &count);
    if (count) {
        g_autofree char *head = image_snapshot_line(NULL);

        printf("Snapshot list:\n%s\n", head);
        image_snapshot_foreach(n, print_snapshot, NULL);
    }
}

static void add_snapshot(void *opaque, const ImageSnapshot *sn)
{
    JsonObject *obj = json_object_new();

    json_object_set_string_member(obj, "id", sn->id);
    json_object_set_string_member(obj, "name", sn->name);
    json_object_set_int_member(obj, "vm-state-size", (gint64)sn->vm_state_size);
    json_object_set_int_member(obj, "date-sec", sn->date_sec);
    json_object_set_int_member(obj, "date-nsec", sn->date_nsec);
    json_object_set_int_member(obj, "vm-clock-sec", (gint64)(sn->vm_clock_nsec / NS_PER_S));
    json_object_set_int_member(obj, "vm-clock-nsec", (gint64)(sn->vm_clock_nsec % NS_PER_S));
    if (sn->icount != UINT64_MAX) {
        json_object_set_int_member(obj, "icount", (gint64)sn->icount);
    }
    json_array_add_object_element(opaque, obj);
}

/* --- One image --- */

static char *full_backing(const BlockNode *n)
{
    const char *file = image_backing_file(n);

    return file ? image_backing_path(block_filename(n), file) : NULL;
}

static JsonObject *info_object(BlockNode *n)
{
    JsonObject *obj = json_object_new(), *specific = image_specific(n);
    JsonArray *snapshots = json_array_new();
    g_autofree char *full = full_backing(n);

    json_object_set_int_member(obj, "virtual-size", (gint64)block_size(n));
    json_object_set_string_member(obj, "filename", block_filename(n));
    if (image_cluster_size(n)) {
        json_object_set_int_member(obj, "cluster-size", (gint64)image_cluster_size(n));
    }
    json_object_set_string_member(obj, "format", block_driver_name(n));
    if (image_disk_size(n) != UINT64_MAX) {
        json_object_set_int_member(obj, "actual-size", (gint64)image_disk_size(n));
    }
    if (specific) {
        JsonObject *wrapped = json_object_new();

        json_object_set_string_member(wrapped, "type", block_driver_name(n));
        json_object_set_object_member(wrapped, "data", specific);
        json_object_set_object_member(obj, "format-specific", wrapped);
    }
    if (full) {
        json_object_set_string_member(obj, "full-backing-filename", full);
        json_object_set_string_member(obj, "backing-filename", image_backing_file(n));
        if (image_backing_format(n)) {
            json_object_set_string_member(obj, "backing-filename-format", image_backing_format(n));
        }
    }
    image_snapshot_foreach(n, add_snapshot, snapshots);
    if (json_array_get_length(snapshots)) {
        json_object_set_array_member(obj, "snapshots", snapshots);
    } else {
        json_array_unref(snapshots);
    }
    if (image_encrypted(n)) {
        json_object_set_boolean_member(obj, "encrypted", true);
    }
    json_object_set_boolean_member(obj, "dirty-flag", image_dirty(n));
    return obj;
}

/* What is in lists, deeper; each with its number. */
static void print_members(JsonObject *obj, int depth);

static void print_list(JsonArray *list, int depth)
{
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_OBJECT(node)) {
            printf("%*s[%u]:\n", depth, "", i);
            print_members(json_node_get_object(node), depth + 4);
        } else {
            printf("%*s[%u]: %s\n", depth, "", i, json_node_get_string(node));
        }
    }
}

static void print_members(JsonObject *obj, int depth)
{
    JsonObjectIter it;
    const char *name;
    JsonNode *node;

    json_object_iter_init_ordered(&it, obj);
    while (json_object_iter_next_ordered(&it, &name, &node)) {
        g_autofree char *text = json_node_get_value_type(node) == G_TYPE_STRING
                                    ? json_node_dup_string(node)
                                    : json_to_string(node, FALSE);
        g_autofree char *label = g_strdelimit(g_strdup(name), "-", ' ');

        if (JSON_NODE_HOLDS_ARRAY(node)) {
            printf("%*s%s:\n", depth, "", label);
            print_list(json_node_get_array(node), depth + 4);
        } else {
            printf("%*s%s: %s\n", depth, "", label, text);
        }
    }
}

static void print_backing(BlockNode *n)
{
    g_autofree char *full = full_backing(n);

    if (!full) {
        return;
    }
    printf("backing file: %s", image_backing_file(n));
    if (strcmp(full, image_backing_file(n))) {
        printf(" (actual path: %s)", full);
    }
    printf("\n");
    if (image_backing_format(n)) {
        printf("backing file format: %s\n", image_backing_format(n));
    }
}

static void print_info(BlockNode *n)
{
    JsonObject *specific = image_specific(n);
    uint64_t taken = image_disk_size(n);
    char size[32], disk[32];

    printf("image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n",
           block_filename(n), block_driver_name(n), image_size_text(block_size(n), size),
           block_size(n), taken == UINT64_MAX ? "unavailable" : image_size_text(taken, disk));
    if (image_encrypted(n)) {
        printf("encrypted: yes\n");
    }
    if (image_cluster_size(n)) {
        printf("cluster_size: %" PRIu64 "\n", image_cluster_size(n));
    }
    if (image_dirty(n)) {
        printf("cleanly shut down: no\n");
    }
    print_backing(n);
    print_snapshots(n);
    if (specific) {
        printf("Format specific information:\n");
        print_members(specific, 4);
        json_object_unref(specific);
    }
}

/* --- info --- */

enum { OPT_CHAIN = 512 };

static const struct option info_longs[] = {{"backing-chain", no_argument, NULL, OPT_CHAIN},
                                           {NULL, 0, NULL, 0}};

static bool own_info(void *opaque, int letter, const char *arg)
{
    return *(bool *)opaque = letter == OPT_CHAIN;
}

static void print_json(JsonNode *node)
{
    g_autofree char *text = json_text(node, true);

    printf("%s\n", text);
    json_node_unref(node);
}

static void output_json(BlockNode *n, bool chain)
{
    JsonNode *node = json_node_new(chain ? JSON_NODE_ARRAY : JSON_NODE_OBJECT);

    if (chain) {
        JsonArray *list = json_array_new();

        for (; n; n = block_backing(n)) {
            json_array_add_object_element(list, info_object(n));
        }
        json_node_take_array(node, list);
    } else {
        json_node_take_object(node, info_object(n));
    }
    print_json(node);
}

static int run_info(int argc, char **argv)
{
    ImgArgs args = {0};
    bool chain = false;
    Error *err = NULL;
    BlockNode *n;

    if (!img_parse(&img_info, argc, argv, "f:Uh", info_longs, &args, own_info, &chain)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_info);
    }
    n = img_open(&args, args.files[0],
                 BLOCK_READ_ONLY | BLOCK_REPAIR | (chain ? 0 : BLOCK_NO_BACKING), &err);
    if (!n) {
        return img_fail(err);
    }
    if (args.output == IMG_JSON) {
        output_json(n, chain);
    } else {
        for (BlockNode *at = n; at; at = chain ? block_backing(at) : NULL) {
            printf("%s", at == n ? "" : "\n");
            print_info(at);
        }
    }
    block_node_unref(n);
    return 0;
}

const ImgCommand img_info = {
    "info",
    "[-f FORMAT] [--output=human|json] [--backing-chain] [-U] [--image-opts] FILE",
    run_info,
};

/* --- snapshot --- */

typedef struct Action {
    int letter;
    const char *name;
} Action;

static bool own_snapshot(void *opaque, int letter, const char *arg)
{
    Action *action = opaque;

    if (action->letter) {
        fprintf(stderr, "only one of -l, -a, -c and -d is possible\n");
        return false;
    }
    *action = (Action){letter, arg};
    return true;
}

static bool snapshot_act(BlockNode *n, const Action *action, Error **errp)
{
    switch (action->letter) {
    case 'a': return image_snapshot_apply(n, action->name, errp);
    case 'c': return image_snapshot_create(n, &(ImageSnapshot){.name = action->name}, errp);
    case 'd': return image_snapshot_delete(n, action->name, errp);
    default: print_snapshots(n); return true;
    }
}

static int run_snapshot(int argc, char **argv)
{
    ImgArgs args = {0};
    Action action = {0};
    Error *err = NULL;
    BlockNode *n;
    bool list, ok;

    if (!img_parse(&img_snapshot, argc, argv, "la:c:d:f:qUh", NULL, &args, own_snapshot, &action)) {
        return 1;
    }
    if (args.n_files != 1) {
        return img_usage(&img_snapshot);
    }
    list = !action.letter || action.letter == 'l';
    n = img_open(&args, args.files[0], BLOCK_NO_BACKING | (list ? BLOCK_READ_ONLY : 0), &err);
    ok = n && snapshot_act(n, &action, &err);
    block_node_unref(n);
    return ok ? 0 : img_fail(err);
}

const ImgCommand img_snapshot = {
    "snapshot",
    "[-q] [-f FORMAT] [-U] [--image-opts] [-l | -a NAME | -c NAME | -d NAME] FILE",
    run_snapshot,
};
