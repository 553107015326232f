/* SPDX-License-Identifier: MIT */
/* QMP commands about what the machine consists of: CPUs and memory; and what machines there are. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "memory/backend.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

/* --- CPUs and machines --- */

static bool query_cpus_fast(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);
        g_autofree char *path = qom_path(&cpu->dev.obj);
        JsonObject *item = json_object_new();

        json_object_set_int_member(item, "cpu-index", cpu->index);
        json_object_set_string_member(item, "qom-path", path);
        json_object_set_int_member(item, "thread-id", cpu_thread_id(cpu));
        json_object_set_string_member(item, "target", machine_ops(m)->arch);
        json_array_add_object_element(list, item);
    }
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_cpus_fast_command, .name = "query-cpus-fast", .run = query_cpus_fast,
            .ret = "[{cpu-index: int, qom-path: str, thread-id: int, target: str}]");

static bool query_hotpluggable_cpus(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return error_fail(errp, "machine does not support hot-plugging CPUs");
}

QMP_COMMAND(query_hotpluggable_cpus_command, .name = "query-hotpluggable-cpus",
            .run = query_hotpluggable_cpus,
            .ret = "[{type: str, vcpus-count: int, *qom-path: str, "
                   "props: {*socket-id: int, *die-id: int, *core-id: int, *thread-id: int}}]");

static void add_machine(const ObjectType *t, void *opaque)
{
    const MachineOps *ops = qom_type_ops(t);
    g_autofree char *name = NULL;
    JsonObject *item;

    if (t->abstract) {
        return;
    }
    name = machine_type_name(t);
    item = json_object_new();
    json_object_set_string_member(item, "name", name);
    json_object_set_int_member(item, "cpu-max", ops->max_cpus);
    json_object_set_boolean_member(item, "hotpluggable-cpus", false);
    json_object_set_boolean_member(item, "numa-mem-supported", false);
    json_object_set_boolean_member(item, "deprecated", false);
    if (ops->is_default) {
        json_object_set_boolean_member(item, "is-default", true);
    }
    if (ops->aliases && ops->aliases[0]) {
        json_object_set_string_member(item, "alias", ops->aliases[0]);
    }
    if (ops->default_cpu) {
        const char *type = qmp_cpu_type_name(ops->default_cpu);

        if (type) {
            json_object_set_string_member(item, "default-cpu-type", type);
        }
    }
    if (ops->default_ram_id) {
        json_object_set_string_member(item, "default-ram-id", ops->default_ram_id);
    }
    json_object_set_boolean_member(item, "acpi", false);
    json_array_add_object_element(opaque, item);
}

static bool query_current_machine(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_boolean_member(obj, "wakeup-suspend-support", machine_ops(m)->wakeup != NULL);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_current_machine_command, .name = "query-current-machine",
            .run = query_current_machine, .ret = "{wakeup-suspend-support: bool}");

static bool query_machines(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *list = json_array_new();

    qom_type_foreach(TYPE_MACHINE, add_machine, list);
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_machines_command, .name = "query-machines", .run = query_machines,
            .ret = "[{name: str, *alias: str, *is-default: bool, cpu-max: int, hotpluggable-cpus: "
                   "bool, numa-mem-supported: bool, deprecated: bool, *default-cpu-type: str, "
                   "*default-ram-id: str, acpi: bool}]");

/* --- Memory --- */

static bool query_memory_size(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonObject *obj = json_object_new();

    json_object_set_int_member(obj, "base-memory", (gint64)m->ram_size);
    json_object_set_int_member(obj, "plugged-memory", 0);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_memory_size_command, .name = "query-memory-size-summary",
            .run = query_memory_size, .ret = "{base-memory: int, *plugged-memory: int}");

/* There is no memory that plugs in. */
static bool query_memory_devices(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    *ret = qmp_array(json_array_new());
    return true;
}

QMP_COMMAND(query_memory_devices_command, .name = "query-memory-devices",
            .run = query_memory_devices, .ret = "[{type: <dimm|nvdimm>, data: any}]");

static JsonObject *memdev_info(Object *obj)
{
    RamBlock *rb = memory_backend_block(obj);
    JsonObject *item = json_object_new();
    g_autofree char *share = qom_prop_get(obj, "share", NULL);
    g_autofree char *prealloc = qom_prop_get(obj, "prealloc", NULL);

    json_object_set_string_member(item, "id", obj->name);
    json_object_set_int_member(item, "size", (gint64)rb->size);
    json_object_set_boolean_member(item, "share", !g_strcmp0(share, "on"));
    json_object_set_boolean_member(item, "prealloc", !g_strcmp0(prealloc, "on"));
    return item;
}

static bool query_memdev(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    Object *folder = qom_container(qom_root(), "/objects");
    JsonArray *list = json_array_new();

    for (guint i = 0; i < folder->children->len; i++) {
        Object *obj = g_ptr_array_index(folder->children, i);

        if (qom_is(obj, TYPE_MEMORY_BACKEND)) {
            json_array_add_object_element(list, memdev_info(obj));
        }
    }
    *ret = qmp_array(list);
    return true;
}

QMP_COMMAND(query_memdev_command, .name = "query-memdev", .run = query_memdev,
            .ret = "[{*id: str, size: int, share: bool, prealloc: bool}]");

/* --- TPM: there is none --- */

static bool query_tpm(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    *ret = qmp_array(json_array_new());
    return true;
}

QMP_COMMAND(query_tpm_command, .name = "query-tpm", .run = query_tpm,
            .ret = "[{id: str, model: str, options: any}]");
QMP_COMMAND(query_tpm_models_command, .name = "query-tpm-models", .run = query_tpm, .ret = "[str]");
QMP_COMMAND(query_tpm_types_command, .name = "query-tpm-types", .run = query_tpm, .ret = "[str]");
