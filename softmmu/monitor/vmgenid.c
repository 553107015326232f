/* SPDX-License-Identifier: MIT */
/* Commands about the generation ID, in HMP and QMP. */
#include "rhea/osdep.h"

#include "hw/acpi/vmgenid.h"
#include "monitor/monitor.h"

#define NO_DEVICE "VM Generation ID device not found"

/* False: there is no such device. */
static bool read_guid(Machine *m, char text[UUID_TEXT])
{
    Device *dev = (Device *)qom_first(&m->obj, TYPE_VMGENID);

    if (dev) {
        uuid_from_guid(vmgenid_guid(dev), text);
    }
    return dev != NULL;
}

static void info_vmgenid(Machine *m, const char *args, GString *out)
{
    char text[UUID_TEXT];

    g_string_append_printf(out, "%s\n", read_guid(m, text) ? text : NO_DEVICE);
}

HMP_COMMAND(info_vmgenid_command, .name = "info vm-generation-id",
            .help = "the identifier that changes with each load", .run = info_vmgenid);

static bool query_vmgenid(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    char text[UUID_TEXT];
    JsonObject *obj;

    if (!read_guid(m, text)) {
        return error_fail(errp, NO_DEVICE);
    }
    obj = json_object_new();
    json_object_set_string_member(obj, "guid", text);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(query_vmgenid_command, .name = "query-vm-generation-id", .run = query_vmgenid,
            .ret = "{guid: str}");
