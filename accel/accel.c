/* SPDX-License-Identifier: MIT */
/* Accelerators: their types, the choice among them, and qtest, which runs no vCPU. */
#include "rhea/osdep.h"

#include "accel/vcpu.h"
#include "rhea/report.h"

#define ACCEL_SUFFIX "-accel"

static Accel *current_accel;

Accel *machine_accel(Machine *m)
{
    return current_accel && current_accel->machine == m ? current_accel : NULL;
}

/* --- Choice --- */

static void accel_collect(const ObjectType *t, void *opaque)
{
    if (!t->abstract) {
        g_ptr_array_add(opaque, (gpointer)t);
    }
}

static gint accel_compare(gconstpointer a, gconstpointer b)
{
    const AccelOps *x = qom_type_ops(*(const ObjectType *const *)a);
    const AccelOps *y = qom_type_ops(*(const ObjectType *const *)b);

    return strcmp(x->name, y->name);
}

/* Types by name. */
static GPtrArray *accel_types(void)
{
    GPtrArray *types = g_ptr_array_new();

    qom_type_foreach(TYPE_ACCEL, accel_collect, types);
    g_ptr_array_sort(types, accel_compare);
    return types;
}

void accel_print_help(FILE *out)
{
    GPtrArray *types = accel_types();

    fprintf(out, "Accelerators supported in this binary:\n");
    for (guint i = 0; i < types->len; i++) {
        const AccelOps *ops = qom_type_ops(g_ptr_array_index(types, i));

        fprintf(out, "%-8s %s\n", ops->name, ops->help);
    }
    g_ptr_array_unref(types);
}

static const char *const known_elsewhere[] = {"kvm", "hvf", "whpx", "xen", "nvmm", "mshv", "nitro"};

static bool accel_check_name(const char *name, Error **errp)
{
    GPtrArray *types = accel_types();
    bool known = false;

    for (guint i = 0; i < types->len; i++) {
        const AccelOps *ops = qom_type_ops(g_ptr_array_index(types, i));

        known |= !strcmp(ops->name, name);
        types->pdata[i] = (gpointer)ops->name;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(known_elsewhere); i++) {
        known |= !strcmp(known_elsewhere[i], name); /* may stand in a list, before another */
    }
    g_ptr_array_add(types, NULL);
    if (!known) {
        error_unknown_name(errp, "-accel", name, (const char *const *)types->pdata);
    }
    g_ptr_array_unref(types);
    return known;
}

static Accel *accel_new(Machine *m, const char *name, Error **errp)
{
    g_autofree char *type = g_strconcat(name, ACCEL_SUFFIX, NULL);
    Accel *a;

    if (!qom_type_find(type)) {
        error_fail(errp, "-accel %s: not available in this binary", name);
        return NULL;
    }
    a = (Accel *)qom_new(type);
    a->ops = qom_type_ops(a->obj.type);
    a->machine = m;
    if (a->ops->init && !a->ops->init(a, m, errp)) {
        if (a->ops->fini) {
            a->ops->fini(a);
        }
        qom_put(&a->obj);
        return NULL;
    }
    return a;
}

/* The first of @names that can be used. */
static Accel *accel_try(Machine *m, char **names, Error **errp)
{
    Error *first = NULL;

    for (unsigned i = 0; names[i]; i++) {
        Error *err = NULL;
        Accel *a = accel_new(m, names[i], &err);

        if (a) {
            if (first) {
                report("%s: using %s", error_text(first), names[i]);
                error_free(first);
            }
            return a;
        }
        if (first) {
            error_free(err);
        } else {
            first = err;
        }
    }
    error_propagate(errp, first);
    return NULL;
}

Accel *accel_select(Machine *m, const char *list, Error **errp)
{
    g_auto(GStrv) names = g_strsplit(list ? list : CONFIG_JIT ? "tcg" : "tci", ":", -1);
    Accel *a;

    for (unsigned i = 0; names[i]; i++) {
        if (!accel_check_name(names[i], errp)) {
            return NULL;
        }
    }
    if (!names[0]) {
        error_fail(errp, "-accel: no accelerator is named");
        return NULL;
    }
    a = accel_try(m, names, errp);
    if (a) {
        qom_add_child(&m->obj, "accel", &a->obj);
        qom_put(&a->obj); /* the tree holds it */
        current_accel = a;
    }
    return a;
}

void accel_free(Accel *a)
{
    for (guint i = 0; i < a->machine->cpus->len; i++) {
        accel_cpu_stop(a, g_ptr_array_index(a->machine->cpus, i));
    }
    if (a->ops->fini) {
        a->ops->fini(a);
    }
    current_accel = NULL;
    qom_unparent(&a->obj);
}

void accel_save(Accel *a)
{
    if (a->ops->save) {
        a->ops->save(a);
    }
}

/* --- Monitor --- */

/* --- Types --- */

QOM_TYPE(accel_type, .name = TYPE_ACCEL, .parent = "object", .size = sizeof(Accel),
         .desc = "accelerator", .abstract = true);

static AccelCpu *qtest_cpu_new(Accel *a, CpuState *cpu, Error **errp)
{
    return NULL;
}

static const AccelOps qtest_ops = {
    .name = "qtest",
    .help = "runs no CPU: a test drives the devices",
    .thread_name = "qtest",
    .cpu_new = qtest_cpu_new,
};

QOM_TYPE(qtest_type, .name = "qtest-accel", .parent = TYPE_ACCEL, .desc = "no CPUs",
         .ops = &qtest_ops);
