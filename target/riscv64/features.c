/* SPDX-License-Identifier: MIT */
/*
 * Extensions: their properties on -cpu, how they depend on each other, and what the device tree says
 * of them.
 */
#include "rhea/osdep.h"

#include "cpu.h"

typedef struct RvExtInfo {
    const char *name;
    RvExt needs;
} RvExtInfo;

static const RvExtInfo ext_info[RV_EXT_COUNT] = {
#define RV_EXT(ident, text, rv64, rva22, need, help)                                               \
    [RV_EXT_##ident] = {.name = (text), .needs = RV_EXT_##need},
#include "features.def"
#undef RV_EXT
};

const bool rv_default_rv64[RV_EXT_COUNT] = {
#define RV_EXT(ident, text, rv64, rva22, need, help) [RV_EXT_##ident] = (rv64),
#include "features.def"
#undef RV_EXT
};

const bool rv_default_rva22s64[RV_EXT_COUNT] = {
#define RV_EXT(ident, text, rv64, rva22, need, help) [RV_EXT_##ident] = (rva22),
#include "features.def"
#undef RV_EXT
};

static const char *const satp_names[] = {"sv39", "sv48", "sv57"};

const PropDesc rv_cpu_props[] = {
#define RV_EXT(ident, text, rv64, rva22, need, help)                                               \
    PROP_ONOFFAUTO(text, RvCpu, ext_prop[RV_EXT_##ident], ON_OFF_AUTO_AUTO, help),
#include "features.def"
#undef RV_EXT
    PROP_ONOFFAUTO("sv39", RvCpu, satp_prop[0], ON_OFF_AUTO_AUTO, "39-bit virtual addresses"),
    PROP_ONOFFAUTO("sv48", RvCpu, satp_prop[1], ON_OFF_AUTO_AUTO, "48-bit virtual addresses"),
    PROP_ONOFFAUTO("sv57", RvCpu, satp_prop[2], ON_OFF_AUTO_AUTO, "57-bit virtual addresses"),
    PROP_U64("hartid", RvCpu, hartid, 0, "hart number that mhartid reads", .read_only = true),
    PROP_U64("resetvec", RvCpu, resetvec, 0x1000, "address of the first instruction"),
    PROP_END,
};

/* --- Resolution --- */

/* @ext was left to the model: it is on by default, and nothing it needs is off. */
static bool auto_on(const RvCpu *cpu, const bool *defaults, RvExt ext)
{
    for (;; ext = ext_info[ext].needs) {
        if (cpu->ext_prop[ext] == ON_OFF_AUTO_OFF || !defaults[ext]) {
            return false;
        }
        if (ext_info[ext].needs == RV_EXT_I) {
            return true;
        }
    }
}

static bool resolve_exts(RvCpu *cpu, const bool *defaults, Error **errp)
{
    bool *on = cpu->model.ext;

    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        on[e] = cpu->ext_prop[e] == ON_OFF_AUTO_AUTO ? auto_on(cpu, defaults, e)
                                                     : cpu->ext_prop[e] == ON_OFF_AUTO_ON;
    }
    on[RV_EXT_I] = cpu->ext_prop[RV_EXT_I] != ON_OFF_AUTO_OFF;
    /* What was asked for brings what it needs, unless that was turned down. */
    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        for (RvExt x = e; on[e] && x != RV_EXT_I; x = ext_info[x].needs) {
            RvExt need = ext_info[x].needs;

            if (cpu->ext_prop[need] == ON_OFF_AUTO_OFF) {
                return error_fail(errp, "-cpu: extension '%s' needs '%s', which is off",
                                  ext_info[e].name, ext_info[need].name);
            }
            on[need] = true;
        }
    }
    if (!on[RV_EXT_I] || !on[RV_EXT_ZICSR]) {
        return error_fail(errp, "-cpu: '%s' cannot be off: every model has it",
                          on[RV_EXT_I] ? "zicsr" : "i");
    }
    if (on[RV_EXT_C] && on[RV_EXT_D] && cpu->ext_prop[RV_EXT_ZCD] == ON_OFF_AUTO_OFF) {
        return error_fail(errp, "-cpu: 'zcd' cannot be off while 'c' and 'd' are on");
    }
    on[RV_EXT_ZCD] = on[RV_EXT_D] && (on[RV_EXT_C] || cpu->ext_prop[RV_EXT_ZCD] == ON_OFF_AUTO_ON);
    return true;
}

/* The largest mode that is on; a larger one brings the smaller ones (12.1.11). */
static bool resolve_satp(RvCpu *cpu, Error **errp)
{
    int largest = 2;

    while (largest >= 0 && cpu->satp_prop[largest] == ON_OFF_AUTO_OFF) {
        largest--;
    }
    for (int i = 2; i >= 0; i--) {
        if (cpu->satp_prop[i] == ON_OFF_AUTO_ON) {
            largest = i;
            break;
        }
    }
    for (int i = 0; i < largest; i++) {
        if (cpu->satp_prop[i] == ON_OFF_AUTO_OFF) {
            return error_fail(errp, "-cpu: '%s' needs '%s', which is off", satp_names[largest],
                              satp_names[i]);
        }
    }
    cpu->model.satp_mode = largest < 0 ? RV_SATP_BARE : RV_SATP_SV39 + largest;
    return true;
}

/* Properties that were left to the model say what has come out. */
static void show_resolved(RvCpu *cpu)
{
    const RvModel *m = &cpu->model;

    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        cpu->ext_prop[e] = m->ext[e] ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
    for (int i = 0; i < 3; i++) {
        bool on = m->satp_mode != RV_SATP_BARE && m->satp_mode >= RV_SATP_SV39 + i;

        cpu->satp_prop[i] = on ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
}

bool rv_features_resolve(RvCpu *cpu, const bool *defaults, Error **errp)
{
    if (!resolve_exts(cpu, defaults, errp) || !resolve_satp(cpu, errp)) {
        return false;
    }
    show_resolved(cpu);
    return true;
}

/* --- Device tree --- */

char *riscv_cpu_isa_string(CpuState *cpu)
{
    const RvModel *m = cpu->model;
    GString *s = g_string_new("rv64");

    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        if (rv_has(m, e)) {
            g_string_append_printf(s, "%s%s", ext_info[e].name[1] ? "_" : "", ext_info[e].name);
        }
    }
    return g_string_free(s, false);
}

GPtrArray *riscv_cpu_isa_extensions(CpuState *cpu)
{
    GPtrArray *names = g_ptr_array_new();

    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        if (rv_has(cpu->model, e)) {
            g_ptr_array_add(names, (gpointer)ext_info[e].name);
        }
    }
    return names;
}

const char *riscv_cpu_mmu_type(CpuState *cpu)
{
    switch (((const RvModel *)cpu->model)->satp_mode) {
    case RV_SATP_SV39: return "riscv,sv39";
    case RV_SATP_SV48: return "riscv,sv48";
    case RV_SATP_SV57: return "riscv,sv57";
    default: return NULL;
    }
}

bool riscv_cpu_has(CpuState *cpu, const char *ext)
{
    for (unsigned e = 0; e < RV_EXT_COUNT; e++) {
        if (!strcmp(ext_info[e].name, ext)) {
            return rv_has(cpu->model, e);
        }
    }
    return false;
}
