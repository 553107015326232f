/* SPDX-License-Identifier: MIT */
/* HMP: what is on the PCI buses. */
#include "rhea/osdep.h"

#include "hw/pci/pci.h"
#include "monitor/monitor.h"

/* Root buses below @obj; they show what is behind bridges. */
static void print_root_buses(Object *obj, GString *out)
{
    if (qom_is(obj, TYPE_PCI_BUS) && !((PciBus *)obj)->bridge) {
        pci_print_info((PciBus *)obj, out);
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        print_root_buses(g_ptr_array_index(obj->children, i), out);
    }
}

static void info_pci(Machine *m, const char *args, GString *out)
{
    print_root_buses(&m->obj, out);
}

HMP_COMMAND(info_pci_command, .name = "info pci", .help = "functions on the PCI buses",
            .run = info_pci);
