/* SPDX-License-Identifier: MIT */
/* The abstract CPU device: what every CPU model has (target/cpu-ops.h). */
#include "rhea/osdep.h"

#include "target/cpu-ops.h"

#include "accel/accel.h"

static void cpu_init(Object *obj)
{
    CpuState *cpu = qom_cast(obj, TYPE_CPU);

    cpu->exception = -1;
    cpu->breakpoints = g_array_new(false, false, sizeof(GuestVA));
    cpu->watchpoints = g_array_new(false, false, sizeof(CpuWatch));
}

static void cpu_fini(Object *obj)
{
    CpuState *cpu = qom_cast(obj, TYPE_CPU);

    g_array_free(cpu->breakpoints, true);
    g_array_free(cpu->watchpoints, true);
}

QOM_TYPE(cpu_type, .name = TYPE_CPU, .parent = TYPE_DEVICE, .size = sizeof(CpuState),
         .desc = "Virtual CPU", .abstract = true, .init = cpu_init, .fini = cpu_fini);
