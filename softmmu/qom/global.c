/* SPDX-License-Identifier: MIT */
/* -global DRIVER.PROP=VALUE: values that later instances of a type start with. */
#include "rhea/osdep.h"

#include "qom/object.h"

#include "qom-int.h"

typedef struct GlobalProp {
    char *driver, *prop, *value;
    bool used;
    char *failure; /* why the last use failed */
} GlobalProp;

/* Filled from the command line before the machine exists; one list for the process's machines. */
static GPtrArray *globals;

void qom_global_add(const char *driver, const char *prop, const char *value)
{
    GlobalProp *g = g_new0(GlobalProp, 1);

    g->driver = g_strdup(driver);
    g->prop = g_strdup(prop);
    g->value = g_strdup(value);
    if (!globals) {
        globals = g_ptr_array_new();
    }
    g_ptr_array_add(globals, g);
}

void qom_globals_apply(Object *obj)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        GlobalProp *g = globals->pdata[i];
        g_autoptr(Error) err = NULL;

        if (!qom_type_is(obj->type, g->driver)) {
            continue;
        }
        g->used = true;
        if (!qom_prop_set(obj, g->prop, g->value, &err)) {
            g_free(g->failure);
            g->failure = g_strdup(error_text(err));
        }
    }
}

bool qom_global_check(Error **errp)
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        GlobalProp *g = globals->pdata[i];

        if (g->failure) {
            return error_fail(errp, "-global %s.%s=%s: %s", g->driver, g->prop, g->value,
                              g->failure);
        }
    }
    return true;
}

const char *qom_global_unused(void)
{
    static char *text;

    for (unsigned i = 0; globals && i < globals->len; i++) {
        GlobalProp *g = globals->pdata[i];

        if (!g->used) {
            g_free(text);
            text = g_strdup_printf("%s.%s=%s", g->driver, g->prop, g->value);
            return text;
        }
    }
    return NULL;
}
