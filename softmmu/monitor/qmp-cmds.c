/* SPDX-License-Identifier: MIT */
/* QMP commands about the VM, its devices and objects.  Names and answers are QEMU's. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "rhea/json.h"
#include "rhea/opts.h"
#include "softmmu/device-add.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

/* --- Arguments and answers --- */

JsonNode *qmp_object(JsonObject *obj)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, obj);
    return node;
}

JsonNode *qmp_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);

    json_node_take_array(node, array);
    return node;
}

JsonNode *qmp_string(const char *text)
{
    return json_node_init_string(json_node_alloc(), text);
}

const char *qmp_arg_str(JsonObject *args, const char *name)
{
    return args ? json_object_get_string_member_with_default(args, name, NULL) : NULL;
}

int64_t qmp_arg_int(JsonObject *args, const char *name, int64_t missing)
{
    return args ? json_object_get_int_member_with_default(args, name, missing) : missing;
}

bool qmp_arg_bool(JsonObject *args, const char *name, bool missing)
{
    return args ? json_object_get_boolean_member_with_default(args, name, missing) : missing;
}

Opts *qmp_args_to_opts(const char *what, JsonObject *args, Error **errp)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object(node, args);
    text = json_text(node, false);
    return opts_parse(what, text, NULL, errp);
}

/* --- Start --- */

static bool qmp_capabilities(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (args && json_object_has_member(args, "enable") &&
        json_array_get_length(json_object_get_array_member(args, "enable"))) {
        return error_fail(errp, "Capability is not available (accepted: an empty list)");
    }
    return true;
}

QMP_COMMAND(qmp_capabilities_command, .name = "qmp_capabilities", .run = qmp_capabilities,
            .before_capabilities = true, .args = "{*enable: [<oob>]}");

static bool query_version(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new(), *qemu = json_object_new();
    int v[3] = {0};

    sscanf(RHEA_QEMU_VERSION, "%d.%d.%d", &v[0], &v[1], &v[2]);
    json_object_set_int_member(qemu, "major", v[0]);
    json_object_set_int_member(qemu, "minor", v[1]);
    json_object_set_int_member(qemu, "micro", v[2]);
    json_object_set_object_member(obj, "qemu", qemu);
    json_object_set_string_member(obj, "package", "rhea " RHEA_VERSION);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_version_command, .name = "query-version", .run = query_version,
            .ret = "{qemu: {major: int, minor: int, micro: int}, package: str}");

static int string_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool query_commands(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    JsonArray *list = json_array_new();

    for (const QmpCommand *const *c = __start_rhea_qmp; c < __stop_rhea_qmp; c++) {
        g_ptr_array_add(names, (char *)(*c)->name);
    }
    g_ptr_array_sort(names, string_compare);
    for (guint i = 0; i < names->len; i++) {
        JsonObject *item = json_object_new();

        json_object_set_string_member(item, "name", g_ptr_array_index(names, i));
        json_array_add_object_element(list, item);
    }
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_commands_command, .name = "query-commands", .run = query_commands,
            .ret = "[{name: str}]");

static bool query_name(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    if (m->name) {
        json_object_set_string_member(obj, "name", m->name);
    }
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_name_command, .name = "query-name", .run = query_name, .ret = "{*name: str}");

static bool query_uuid(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_string_member(obj, "UUID",
                                  m->uuid ? m->uuid : "00000000-0000-0000-0000-000000000000");
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_uuid_command, .name = "query-uuid", .run = query_uuid, .ret = "{UUID: str}");

static bool query_target(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const MachineOps *ops = machine_arch_ops(m);
    JsonObject *obj;

    if (!ops) {
        return error_fail(errp, "this machine has no architecture");
    }
    obj = json_object_new();
    json_object_set_string_member(obj, "arch", ops->arch);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_target_command, .name = "query-target", .run = query_target,
            .ret = "{arch: str}");

static bool query_kvm(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    Accel *a = machine_accel(m);

    json_object_set_boolean_member(obj, "enabled", a && !strcmp(a->ops->name, "kvm"));
    json_object_set_boolean_member(obj, "present", qom_type_find("kvm-accel") != NULL);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_kvm_command, .name = "query-kvm", .run = query_kvm,
            .ret = "{enabled: bool, present: bool}");

static void add_accel(const ObjectType *t, void *opaque)
{
    if (!t->abstract && g_str_has_suffix(t->name, "-accel")) {
        g_autofree char *name = g_strndup(t->name, strlen(t->name) - strlen("-accel"));

        json_array_add_string_element(opaque, name);
    }
}

static bool query_accelerators(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();
    JsonArray *present = json_array_new();
    Accel *a = machine_accel(m);

    qom_type_foreach(TYPE_ACCEL, add_accel, present);
    json_object_set_array_member(obj, "present", present);
    json_object_set_string_member(obj, "enabled", a->ops->name);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_accelerators_command, .name = "query-accelerators", .run = query_accelerators,
            .ret = "{enabled: str, present: [str]}");

/* --- Running --- */

QMP_TYPE(run_state_type, .name = "RunState",
         .text =
             "<debug|internal-error|io-error|paused|prelaunch|restore-vm|running|save-vm|shutdown|"
             "suspended|guest-panicked>");
QMP_TYPE(shutdown_cause_type, .name = "ShutdownCause",
         .text = "<none|host-qmp-quit|host-qmp-system-reset|host-signal|host-ui|guest-shutdown|"
                 "guest-reset|guest-panic>");

QMP_EVENT(stop_event, "STOP", NULL);
QMP_EVENT(resume_event, "RESUME", NULL);
QMP_EVENT(powerdown_event, "POWERDOWN", NULL);
QMP_EVENT(suspend_event, "SUSPEND", NULL);
QMP_EVENT(suspend_disk_event, "SUSPEND_DISK", NULL);
QMP_EVENT(wakeup_event, "WAKEUP", NULL);
QMP_EVENT(reset_event, "RESET", "{guest: bool, reason: ShutdownCause}");
QMP_EVENT(shutdown_event, "SHUTDOWN", "{guest: bool, reason: ShutdownCause}");
QMP_EVENT(guest_panicked_event, "GUEST_PANICKED", "{action: <pause|poweroff|run>}");
QMP_EVENT(guest_crashloaded_event, "GUEST_CRASHLOADED", "{action: <pause|poweroff|run>}");

static bool query_status(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_boolean_member(obj, "running", runstate_is_running(m));
    json_object_set_string_member(obj, "status", runstate_name(runstate_get(m)));
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_status_command, .name = "query-status", .run = query_status,
            .ret = "{running: bool, status: RunState}");

static bool qmp_stop(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (vm_is_started(m)) {
        vm_stop(m, RUN_PAUSED);
    }
    return true;
}

QMP_COMMAND(qmp_stop_command, .name = "stop", .run = qmp_stop);

static bool qmp_cont(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (runstate_needs_reset(m)) {
        return error_fail(errp, "Resetting the Virtual Machine is required");
    }
    vm_start(m);
    return true;
}

QMP_COMMAND(qmp_cont_command, .name = "cont", .run = qmp_cont);

static bool qmp_quit(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_shutdown(m, SHUTDOWN_HOST_QMP_QUIT, 0);
    return true;
}

QMP_COMMAND(qmp_quit_command, .name = "quit", .run = qmp_quit);

static bool qmp_system_reset(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_reset(m, SHUTDOWN_HOST_QMP_SYSTEM_RESET);
    return true;
}

QMP_COMMAND(qmp_system_reset_command, .name = "system_reset", .run = qmp_system_reset);

static bool qmp_system_powerdown(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    machine_request_powerdown(m);
    return true;
}

QMP_COMMAND(qmp_system_powerdown_command, .name = "system_powerdown", .run = qmp_system_powerdown);

static bool qmp_system_wakeup(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (!machine_ops(m)->wakeup) {
        return error_fail(errp, "wake-up from suspend is not supported by this machine");
    }
    if (!runstate_is_suspended(m)) {
        return error_fail(errp, "Unable to wake up: guest is not in suspended state");
    }
    machine_request_wakeup(m);
    return true;
}

QMP_COMMAND(qmp_system_wakeup_command, .name = "system_wakeup", .run = qmp_system_wakeup);

static bool qmp_inject_nmi(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    if (!machine_ops(m)->nmi) {
        return error_fail(errp, "this machine has no NMI");
    }
    machine_ops(m)->nmi(m);
    return true;
}

QMP_COMMAND(qmp_inject_nmi_command, .name = "inject-nmi", .run = qmp_inject_nmi);

static bool qmp_set_action(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    static const char *const names[] = {"reboot", "shutdown", "panic"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = qmp_arg_str(args, names[i]);
        g_autofree char *text = value ? g_strdup_printf("%s=%s", names[i], value) : NULL;

        if (text && !runstate_set_action(m, text, errp)) {
            return false;
        }
    }
    return true;
}

QMP_COMMAND(qmp_set_action_command, .name = "set-action", .run = qmp_set_action,
            .args = "{*reboot: <reset|shutdown>, *shutdown: <poweroff|pause>, *panic: "
                    "<pause|shutdown|exit-failure|none>}");

static bool qmp_human_monitor_command(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    g_autofree char *output = monitor_run_hmp(m, qmp_arg_str(args, "command-line"));

    *ret = qmp_string(output);
    return true;
}

QMP_COMMAND(qmp_human_monitor_command_command, .name = "human-monitor-command",
            .run = qmp_human_monitor_command, .args = "{command-line: str, *cpu-index: int}",
            .ret = "str");
