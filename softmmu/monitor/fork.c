/* SPDX-License-Identifier: MIT */
/* Commands that fork the machine, in HMP and QMP. */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "softmmu/fork.h"
#include "monitor-int.h"

typedef struct ForkRequest {
    ForkSpec spec;
    ForkResult result;
} ForkRequest;

static bool fork_stopped(Machine *m, const void *what, Error **errp)
{
    ForkRequest *r = (ForkRequest *)what;

    return machine_fork(m, &r->spec, &r->result, errp);
}

/* Takes the flags that stand before the options; what follows, NULL: the number is wrong. */
static char **take_flags(char **words, ForkSpec *spec, Error **errp)
{
    for (; *words; words++) {
        if (!strcmp(*words, "-k")) {
            spec->keep = true;
        } else if (!strcmp(*words, "-n") && words[1]) {
            uint64_t n = 0;

            words++;
            if (!g_ascii_string_to_unsigned(*words, 10, 1, FORKS_MAX, &n, NULL)) {
                error_fail(errp, "fork: -n '%s' is not a number from 1 to %d", *words, FORKS_MAX);
                return NULL;
            }
            spec->count = n;
        } else if (!strcmp(*words, "-o") && words[1]) {
            spec->overlay = *++words;
        } else {
            break;
        }
    }
    return words;
}

static bool run_line(Machine *m, const char *args, ForkRequest *r, Error **errp)
{
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) gerr = NULL;
    char **options;

    if (*args && !g_shell_parse_argv(args, NULL, &words, &gerr)) {
        return error_fail(errp, "fork: %s", gerr->message);
    }
    words = words ? words : g_new0(char *, 1);
    options = take_flags(words, &r->spec, errp);
    r->spec.options = (const char *const *)options;
    return options && monitor_with_vm_stopped(m, RUN_SAVE, fork_stopped, r, errp);
}

static void print_result(const ForkResult *r, GString *out)
{
    for (guint i = 0; i < r->machines->len; i++) {
        const Forked *f = &g_array_index(r->machines, Forked, i);

        g_string_append_printf(out, "fork %u: pid %d\n", f->n, f->pid);
    }
    for (guint i = 0; i < r->disks->len; i++) {
        const ForkedDisk *d = &g_array_index(r->disks, ForkedDisk, i);

        g_string_append_printf(out, "disk '%s' is written to %s from now on\n", d->disk,
                               d->file ? d->file : "a file without a name");
    }
}

static void hmp_fork(Machine *m, const char *args, GString *out)
{
    ForkRequest r = {.spec.count = 1};
    Error *err = NULL;
    bool ok;

    fork_result_init(&r.result);
    ok = run_line(m, args, &r, &err);
    print_result(&r.result, out);
    hmp_print_result(ok, &err, out);
    fork_result_fini(&r.result);
}

HMP_COMMAND(hmp_fork_command, .name = "fork", .args = "[-n count] [-k] [-o overlay] [option...]",
            .help =
                "start machines that go on from here as this one does; the options are theirs, "
                "{n} is the number of each; -k: they live on when this one ends; -o: the file of "
                "the overlays of disks, {disk} is the name of each",
            .run = hmp_fork);

/* --- QMP --- */

static JsonNode *forked_node(const GArray *forked)
{
    JsonArray *all = json_array_new();

    for (guint i = 0; i < forked->len; i++) {
        const Forked *f = &g_array_index(forked, Forked, i);
        JsonObject *one = json_object_new();

        json_object_set_int_member(one, "n", f->n);
        json_object_set_int_member(one, "pid", f->pid);
        json_array_add_object_element(all, one);
    }
    return qmp_array(all);
}

static bool qmp_fork(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *given = args && json_object_has_member(args, "options")
                           ? json_object_get_array_member(args, "options")
                           : NULL;
    int64_t count = args ? qmp_arg_int(args, "count", 1) : 1;
    g_autoptr(GPtrArray) options = g_ptr_array_new();
    ForkRequest r = {0};
    bool ok;

    if (count < 1 || count > FORKS_MAX) {
        return error_fail(errp, "Parameter 'count' expects a number from 1 to %d", FORKS_MAX);
    }
    for (guint i = 0; given && i < json_array_get_length(given); i++) {
        g_ptr_array_add(options, (char *)json_array_get_string_element(given, i));
    }
    g_ptr_array_add(options, NULL);
    r.spec = (ForkSpec){.count = count,
                        .keep = args && qmp_arg_bool(args, "keep", false),
                        .overlay = args ? qmp_arg_str(args, "overlay") : NULL,
                        .options = (const char *const *)options->pdata};
    fork_result_init(&r.result);
    ok = monitor_with_vm_stopped(m, RUN_SAVE, fork_stopped, &r, errp);
    if (ok) {
        *ret = forked_node(r.result.machines);
    }
    fork_result_fini(&r.result);
    return ok;
}

QMP_COMMAND(qmp_fork_command, .name = "x-fork", .run = qmp_fork,
            .args = "{*count: int, *keep: bool, *overlay: str, *options: [str]}",
            .ret = "[{n: int, pid: int}]");
