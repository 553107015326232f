/* SPDX-License-Identifier: MIT */
/* query-command-line-options: the option tables, for programs that choose options by what there is. */
#include "rhea/osdep.h"

#include "monitor/monitor.h"
#include "cmdline.h"

static void add_parameter(JsonArray *list, const char *name, gsize len)
{
    g_autofree char *copy = g_strndup(name, len);
    JsonObject *item = json_object_new();

    for (guint i = 0; i < json_array_get_length(list); i++) {
        if (!strcmp(json_object_get_string_member(json_array_get_object_element(list, i), "name"),
                    copy)) {
            json_object_unref(item);
            return;
        }
    }
    json_object_set_string_member(item, "name", copy);
    json_object_set_string_member(item, "type", "string");
    json_array_add_object_element(list, item);
}

/* Help texts name parameters as "name=": those are the list, so that it cannot be out of date. */
static void add_parameters_in(JsonArray *list, const char *text)
{
    for (const char *eq = text ? strchr(text, '=') : NULL; eq; eq = strchr(eq + 1, '=')) {
        const char *start = eq;

        while (start > text && (g_ascii_islower(start[-1]) || g_ascii_isdigit(start[-1]) ||
                                start[-1] == '-' || start[-1] == '.' || start[-1] == '_')) {
            start--;
        }
        if (start < eq && g_ascii_islower(*start)) {
            add_parameter(list, start, (gsize)(eq - start));
        }
    }
}

static bool add_machine_parameter(const PropDesc *p, void *opaque)
{
    add_parameter(opaque, p->name, strlen(p->name));
    return true;
}

typedef struct OptionQuery {
    Machine *m;
    JsonArray *list;
    const char *wanted; /* NULL: all */
} OptionQuery;

static void add_option(const Option *o, void *opaque)
{
    OptionQuery *query = opaque;
    g_auto(GStrv) names = g_strsplit(o->names, "|", 2);
    JsonObject *item;
    JsonArray *parameters;

    if (!o->arg || (query->wanted && strcmp(names[0], query->wanted))) {
        return;
    }
    item = json_object_new();
    parameters = json_array_new();
    add_parameters_in(parameters, o->arg);
    add_parameters_in(parameters, o->help);
    if (!strcmp(names[0], "machine")) {
        qom_type_foreach_prop(query->m->obj.type, add_machine_parameter, parameters);
    }
    json_object_set_string_member(item, "option", names[0]);
    json_object_set_array_member(item, "parameters", parameters);
    json_array_add_object_element(query->list, item);
}

static bool query_command_line_options(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    OptionQuery query = {m, json_array_new(), qmp_arg_str(args, "option")};

    cmdline_foreach_option(add_option, &query);
    *ret = qmp_array(query.list);
    if (query.wanted && !json_array_get_length(query.list)) {
        return error_fail(errp, "Parameter 'option' does not accept value '%s'", query.wanted);
    }
    return true;
}

QMP_COMMAND(
    query_command_line_options_command, .name = "query-command-line-options",
    .run = query_command_line_options, .args = "{*option: str}",
    .ret = "[{option: str, parameters: [{name: str, type: <string|boolean|number|size>}]}]");
