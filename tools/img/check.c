/* SPDX-License-Identifier: MIT */
/* rhea-img check. */
#include "rhea/osdep.h"

#include <getopt.h>

#include "img.h"
#include "rhea/json.h"

typedef struct Fix {
    const char *what;
} Fix;

static bool own_check(void *opaque, int letter, const char *arg)
{
    if (letter == 'r') {
        ((Fix *)opaque)->what = arg;
    }
    return true;
}

static bool take_fix(const Fix *fix, unsigned *out)
{
    static const char *const names[] = {"leaks", "all", NULL};
    Error *err = NULL;

    *out = 0;
    if (fix->what && !g_strv_contains(names, fix->what)) {
        error_unknown_name(&err, "-r", fix->what, names);
        img_fail(err);
        return false;
    }
    if (fix->what) {
        *out = strcmp(fix->what, "all") ? IMAGE_FIX_LEAKS : IMAGE_FIX_LEAKS | IMAGE_FIX_ERRORS;
    }
    return true;
}

static void print_finding(void *opaque, const char *text)
{
    printf("%s\n", text);
}

/* --- Results --- */

static void add_count(JsonObject *obj, const char *name, uint64_t value)
{
    if (value) {
        json_object_set_int_member(obj, name, (gint64)value);
    }
}

static void print_json(const ImgArgs *args, BlockNode *n, const ImageCheck *r)
{
    JsonObject *obj = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    add_count(obj, "image-end-offset", r->end_offset);
    add_count(obj, "total-clusters", r->total_clusters);
    json_object_set_int_member(obj, "check-errors", (gint64)r->check_errors);
    add_count(obj, "corruptions", r->corruptions - r->corruptions_fixed);
    add_count(obj, "leaks", r->leaks - r->leaks_fixed);
    add_count(obj, "corruptions-fixed", r->corruptions_fixed);
    add_count(obj, "leaks-fixed", r->leaks_fixed);
    add_count(obj, "allocated-clusters", r->allocated_clusters);
    add_count(obj, "fragmented-clusters", r->fragmented_clusters);
    add_count(obj, "compressed-clusters", r->compressed_clusters);
    json_object_set_string_member(obj, "filename", args->files[0]);
    json_object_set_string_member(obj, "format", block_driver_name(n));
    json_node_take_object(node, obj);
    text = json_text(node, true);
    printf("%s\n", text);
    json_node_unref(node);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_human(const ImageCheck *r)
{
    uint64_t corruptions = r->corruptions - r->corruptions_fixed, leaks = r->leaks - r->leaks_fixed;

    if (r->corruptions_fixed || r->leaks_fixed) {
        printf("The following inconsistencies were found and repaired:\n\n"
               "    %" PRIu64 " leaked clusters\n    %" PRIu64 " corruptions\n\n",
               r->leaks_fixed, r->corruptions_fixed);
    }
    if (!corruptions && !leaks && !r->check_errors) {
        printf("No errors were found on the image.\n");
    }
    if (corruptions) {
        printf("\n%" PRIu64 " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may corrupt it.\n",
               corruptions);
    }
    if (leaks) {
        printf("\n%" PRIu64 " leaked clusters were found on the image.\n"
               "This means waste of disk space, but no harm to data.\n",
               leaks);
    }
    if (r->check_errors) {
        printf("\n%" PRIu64 " internal errors have occurred during the check.\n", r->check_errors);
    }
    if (r->total_clusters) {
        printf("%" PRIu64 "/%" PRIu64 " = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed "
               "clusters\n",
               r->allocated_clusters, r->total_clusters,
               percent(r->allocated_clusters, r->total_clusters),
               percent(r->fragmented_clusters, r->allocated_clusters),
               percent(r->compressed_clusters, r->allocated_clusters));
    }
    if (r->end_offset) {
        printf("Image end offset: %" PRIu64 "\n", r->end_offset);
    }
}

static int status_of(const ImageCheck *r)
{
    return r->check_errors                         ? 1
           : r->corruptions > r->corruptions_fixed ? IMG_CHECK_CORRUPT
           : r->leaks > r->leaks_fixed             ? IMG_CHECK_LEAKS
                                                   : 0;
}

static int check(const ImgArgs *args, unsigned fix)
{
    ImageCheck r = {.report = args->output == IMG_HUMAN && !args->quiet ? print_finding : NULL};
    Error *err = NULL;
    BlockNode *n;
    int status;

    n = img_open(args, args->files[0],
                 BLOCK_NO_BACKING | BLOCK_REPAIR | (fix ? 0 : BLOCK_READ_ONLY), &err);
    if (!n) {
        return img_fail(err);
    }
    if (!image_can_check(n)) {
        error_fail(&err, "%s images have no checks", block_driver_name(n));
        img_fail(err);
        status = IMG_CHECK_UNSUPPORTED;
    } else if (!image_check(n, &r, fix, &err)) {
        status = img_fail(err);
    } else {
        status = status_of(&r);
        if (args->output == IMG_JSON) {
            print_json(args, n, &r);
        } else if (!args->quiet) {
            print_human(&r);
        }
    }
    block_node_unref(n);
    return status;
}

static int run_check(int argc, char **argv)
{
    ImgArgs args = {0};
    Fix fix = {0};
    unsigned mask;

    if (!img_parse(&img_check, argc, argv, "f:r:T:qUh", NULL, &args, own_check, &fix) ||
        !take_fix(&fix, &mask)) {
        return 1;
    }
    return args.n_files == 1 ? check(&args, mask) : img_usage(&img_check);
}

const ImgCommand img_check = {
    "check",
    "[-q] [-f FORMAT] [--output=human|json] [-r leaks|all] [-U] [--image-opts] FILE",
    run_check,
};
