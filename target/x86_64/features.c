/* SPDX-License-Identifier: MIT */
/*
 * CPU models and features: what -cpu says, what is modelled of it, and the X86Model that comes out.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "models.h"

typedef struct X86FeatureInfo {
    X86Feature feature;
    const char *name;
    bool modelled;
} X86FeatureInfo;

static const X86FeatureInfo features[] = {
#define X86_FEATURE(ident, name_, word, bit, modelled_) {X86_F_##ident, name_, modelled_},
#include "features.def"
#undef X86_FEATURE
};

#define AMD   "AuthenticAMD"
#define INTEL "GenuineIntel"
#define HYGON "HygonGenuine"

const X86ModelDef x86_model_defs[] = {
#define X86_MODEL(ident, name_, base_, vendor_, family_, model_, stepping_, level_, xlevel_,       \
                  brand_, desc_, features_)                                                        \
    {.name = name_,                                                                                \
     .base = base_,                                                                                \
     .vendor = vendor_,                                                                            \
     .family = family_,                                                                            \
     .model = model_,                                                                              \
     .stepping = stepping_,                                                                        \
     .level = level_,                                                                              \
     .xlevel = xlevel_,                                                                            \
     .brand = brand_,                                                                              \
     .features = features_},
#include "models.def"
#undef X86_MODEL
};

/* --- Properties --- */

#define AUTO 0xffffffff

const PropDesc x86_cpu_props[] = {
#define X86_FEATURE(ident, name_, word, bit, modelled_)                                            \
    PROP_ONOFFAUTO(name_, X86Cpu, feat_prop[X86_F_##ident], ON_OFF_AUTO_AUTO,                      \
                   (modelled_) ? "CPUID feature" : "CPUID feature, not modelled"),
#include "features.def"
#undef X86_FEATURE
    PROP_STR("vendor", X86Cpu, vendor, NULL, "12 characters that CPUID gives as the vendor"),
    PROP_STR("model-id", X86Cpu, model_id, NULL, "brand string, at most 48 characters"),
    PROP_U32("family", X86Cpu, family, AUTO, "family number"),
    PROP_U32("model", X86Cpu, model_number, AUTO, "model number"),
    PROP_U32("stepping", X86Cpu, stepping, AUTO, "stepping"),
    PROP_U32("level", X86Cpu, level, AUTO, "highest basic CPUID leaf"),
    PROP_U32("xlevel", X86Cpu, xlevel, AUTO, "highest extended CPUID leaf"),
    PROP_U32("phys-bits", X86Cpu, phys_bits, 0, "width of physical addresses (0: the model's)"),
    PROP_BOOL("host-phys-bits", X86Cpu, host_phys_bits, false,
              "the host's width; without effect, as nothing here runs on the host's MMU"),
    PROP_U8("host-phys-bits-limit", X86Cpu, host_phys_bits_limit, 0,
            "the most that host-phys-bits gives"),
    PROP_BOOL("check", X86Cpu, check, true, "warn of features that are not modelled"),
    PROP_BOOL("enforce", X86Cpu, enforce, false, "fail when a feature is not modelled"),
    PROP_BOOL("migratable", X86Cpu, migratable, true, "max leaves out what cannot be migrated"),
    PROP_BOOL("pmu", X86Cpu, pmu, false, "performance counters; not modelled"),
    PROP_BOOL("l3-cache", X86Cpu, l3_cache, true, "CPUID shows a level-3 cache"),
    PROP_U32("apic-id", X86Cpu, apic_id, 0, "local APIC id", .read_only = true),
    PROP_STR("unavailable-features", X86Cpu, unavailable, NULL,
             "what was asked for and is not modelled", .read_only = true),
    PROP_END,
};

/* --- Names --- */

static const X86FeatureInfo *feature_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (!strcmp(features[i].name, name)) {
            return &features[i];
        }
    }
    return NULL;
}

char *x86_feature_property(const char *name)
{
    static const char *const aliases[][2] = {
        {"sse4-1", "sse4.1"},      {"sse4-2", "sse4.2"}, {"sse3", "pni"}, {"ffxsr", "fxsr-opt"},
        {"pclmuldq", "pclmulqdq"}, {"i64", "lm"},        {"xd", "nx"},    {"pclmul", "pclmulqdq"},
    };
    char *s = g_strdelimit(g_strdup(name), "_", '-');

    for (unsigned i = 0; i < ARRAY_SIZE(aliases); i++) {
        if (!strcmp(s, aliases[i][0])) {
            g_free(s);
            return g_strdup(aliases[i][1]);
        }
    }
    return s;
}

static const X86ModelDef *model_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(x86_model_defs); i++) {
        if (!strcmp(x86_model_defs[i].name, name)) {
            return &x86_model_defs[i];
        }
    }
    return NULL;
}

/* --- Resolution --- */

static void set_feature(uint32_t *words, X86Feature f, bool on)
{
    words[f / 32] = (words[f / 32] & ~(1u << f % 32)) | (uint32_t)on << f % 32;
}

/* What the model is said to have. */
static void model_features(const X86ModelDef *def, uint32_t *words)
{
    g_auto(GStrv) items = g_strsplit(def->features, " ", -1);

    if (def->base) {
        model_features(model_find(def->base), words);
    }
    for (char **item = items; *item; item++) {
        bool off = **item == '-';
        const X86FeatureInfo *f = feature_find(*item + off);

        if (**item) {
            g_assert(f); /* models.def names features of features.def */
            set_feature(words, f->feature, !off);
        }
    }
}

/* "max": all that is modelled, but for what costs its guests something or forbids migration. */
static void max_features(const X86Cpu *cpu, uint32_t *words)
{
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        set_feature(words, features[i].feature, features[i].modelled);
    }
    set_feature(words, X86_F_LA57, false);    /* a level more for every walk */
    set_feature(words, X86_F_MONITOR, false); /* MWAIT wakes up too often */
    set_feature(words, X86_F_TOPOEXT, false);
    set_feature(words, X86_F_CMP_LEGACY, false); /* these follow -smp */
    set_feature(words, X86_F_HT, false);
    set_feature(words, X86_F_INVTSC, !cpu->migratable);
}

typedef struct FeatureWordName {
    const char *leaf, *reg;
} FeatureWordName;

static const FeatureWordName word_names[X86_NFEAT] = {
    [X86_FEAT_1_ECX] = {"01H", "ECX"},
    [X86_FEAT_1_EDX] = {"01H", "EDX"},
    [X86_FEAT_7_0_EBX] = {"07H", "EBX"},
    [X86_FEAT_7_0_ECX] = {"07H", "ECX"},
    [X86_FEAT_7_0_EDX] = {"07H", "EDX"},
    [X86_FEAT_7_1_EAX] = {"07H_01H", "EAX"},
    [X86_FEAT_8000_0001_ECX] = {"80000001H", "ECX"},
    [X86_FEAT_8000_0001_EDX] = {"80000001H", "EDX"},
    [X86_FEAT_8000_0007_EDX] = {"80000007H", "EDX"},
    [X86_FEAT_8000_0008_EBX] = {"80000008H", "EBX"},
    [X86_FEAT_D_1_EAX] = {"0DH_01H", "EAX"},
    [X86_FEAT_6_EAX] = {"06H", "EAX"},
    [X86_FEAT_KVM] = {"40000001H", "EAX"},
};

/* Takes away what is not modelled; says so once for the machine, by the first CPU. */
static bool drop_unmodelled(X86Cpu *cpu, Error **errp)
{
    uint32_t *words = cpu->model.feat;
    g_autoptr(GString) dropped = g_string_new(NULL);

    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const X86FeatureInfo *f = &features[i];
        const FeatureWordName *w = &word_names[f->feature / 32];

        if (f->modelled || !x86_has(&cpu->model, f->feature)) {
            continue;
        }
        if (cpu->enforce) {
            return error_fail(errp, "-cpu: feature '%s' is not modelled (enforce)", f->name);
        }
        if (cpu->check && cpu->cpu.index == 0) {
            warn_user("-cpu: feature '%s' (CPUID %s, %s bit %u) is not modelled and left out",
                      f->name, w->leaf, w->reg, f->feature % 32);
        }
        g_string_append_printf(dropped, "%s%s", dropped->len ? "," : "", f->name);
        set_feature(words, f->feature, false);
    }
    g_free(cpu->unavailable);
    cpu->unavailable = g_strdup(dropped->str);
    return true;
}

/* What makes no sense without something else goes with it. */
static void drop_dependents(uint32_t *words, const X86Model *m)
{
    static const struct {
        X86Feature needs;
        X86Feature feature;
    } deps[] = {
        {X86_F_SSE, X86_F_SSE2},          {X86_F_SSE2, X86_F_SSE3},
        {X86_F_SSE3, X86_F_SSSE3},        {X86_F_SSSE3, X86_F_SSE4_1},
        {X86_F_SSE4_1, X86_F_SSE4_2},     {X86_F_XSAVE, X86_F_XSAVEOPT},
        {X86_F_XSAVE, X86_F_XSAVEC},      {X86_F_XSAVE, X86_F_XGETBV1},
        {X86_F_XSAVE, X86_F_AVX},         {X86_F_AVX, X86_F_AVX2},
        {X86_F_AVX, X86_F_FMA},           {X86_F_AVX, X86_F_F16C},
        {X86_F_XSAVE, X86_F_PKU},         {X86_F_PAE, X86_F_LM},
        {X86_F_LM, X86_F_PCID},           {X86_F_LM, X86_F_LA57},
        {X86_F_LM, X86_F_FSGSBASE},       {X86_F_APIC, X86_F_X2APIC},
        {X86_F_APIC, X86_F_TSC_DEADLINE}, {X86_F_LM, X86_F_PDPE1GB},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(deps); i++) {
        if (!x86_has(m, deps[i].needs)) {
            set_feature(words, deps[i].feature, false);
        }
    }
}

static uint32_t make_signature(uint32_t family, uint32_t model, uint32_t stepping)
{
    uint32_t base = MIN(family, 15), ext = family - base;

    return (stepping & 15) | (model & 15) << 4 | base << 8 | (model >> 4 & 15) << 16 | ext << 20;
}

static uint32_t or_default(uint32_t prop, uint32_t def)
{
    return prop == AUTO ? def : prop;
}

static bool resolve_identity(X86Cpu *cpu, const X86ModelDef *def, Error **errp)
{
    X86Model *m = &cpu->model;
    uint32_t family = or_default(cpu->family, def->family);
    uint32_t number = or_default(cpu->model_number, def->model);
    uint32_t stepping = or_default(cpu->stepping, def->stepping);
    const char *vendor = cpu->vendor ? cpu->vendor : def->vendor;
    const char *brand = cpu->model_id ? cpu->model_id : def->brand;

    if (strlen(vendor) != 12) {
        return error_fail(errp, "-cpu: vendor='%s' must have 12 characters", vendor);
    }
    if (strlen(brand) > 48) {
        return error_fail(errp, "-cpu: model-id='%s' is longer than 48 characters", brand);
    }
    if (family > 270 || number > 255 || stepping > 15) {
        return error_fail(errp,
                          "-cpu: family=%u,model=%u,stepping=%u cannot be shown by CPUID "
                          "(at most 270, 255, 15)",
                          family, number, stepping);
    }
    m->signature = make_signature(family, number, stepping);
    memcpy(m->vendor, vendor, sizeof(m->vendor));
    g_strlcpy(m->brand, brand, sizeof(m->brand));
    return true;
}

static bool resolve_phys_bits(X86Cpu *cpu, Error **errp)
{
    X86Model *m = &cpu->model;

    bool wide = x86_has(m, X86_F_PAE) || x86_has(m, X86_F_PSE36);

    m->phys_bits = x86_has(m, X86_F_LM) ? 40 : wide ? 36 : 32;
    if (cpu->phys_bits) {
        if (cpu->phys_bits < 32 || cpu->phys_bits > 52) {
            return error_fail(errp, "-cpu: phys-bits=%u must be 32 to 52", cpu->phys_bits);
        }
        m->phys_bits = cpu->phys_bits;
    }
    return true;
}

/* Leaves go as far as what they have to show. */
static void resolve_levels(X86Cpu *cpu, const X86ModelDef *def)
{
    X86Model *m = &cpu->model;
    const uint32_t *f = m->feat;
    uint32_t level = def->level, xlevel = def->xlevel;

    if (f[X86_FEAT_6_EAX]) {
        level = MAX(level, 6);
    }
    if (f[X86_FEAT_7_0_EBX] || f[X86_FEAT_7_0_ECX] || f[X86_FEAT_7_0_EDX]) {
        level = MAX(level, 7);
    }
    if (x86_has(m, X86_F_XSAVE)) {
        level = MAX(level, 0xd);
    }
    if (f[X86_FEAT_8000_0001_ECX] || f[X86_FEAT_8000_0001_EDX]) {
        xlevel = MAX(xlevel, 0x80000001);
    }
    if (f[X86_FEAT_8000_0007_EDX] || f[X86_FEAT_8000_0008_EBX] || x86_has(m, X86_F_LM)) {
        xlevel = MAX(xlevel, 0x80000008);
    }
    if (x86_has(m, X86_F_TOPOEXT)) {
        xlevel = MAX(xlevel, 0x8000001e);
    }
    if (cpu->cpu.dev.machine->smp.dies > 1) {
        level = MAX(level, 0x1f);
    }
    m->max_leaf = or_default(cpu->level, level);
    m->max_ext_leaf = or_default(cpu->xlevel, xlevel);
}

/* Properties that were left to the model say what has come out. */
static void show_resolved(X86Cpu *cpu, const X86ModelDef *def)
{
    const X86Model *m = &cpu->model;

    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        X86Feature f = features[i].feature;

        cpu->feat_prop[f] = x86_has(m, f) ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
    cpu->vendor = cpu->vendor ? cpu->vendor : g_strdup(m->vendor);
    cpu->model_id = cpu->model_id ? cpu->model_id : g_strdup(m->brand);
    cpu->family = or_default(cpu->family, def->family);
    cpu->model_number = or_default(cpu->model_number, def->model);
    cpu->stepping = or_default(cpu->stepping, def->stepping);
    cpu->level = m->max_leaf;
    cpu->xlevel = m->max_ext_leaf;
    cpu->phys_bits = m->phys_bits;
}

bool x86_features_resolve(X86Cpu *cpu, const X86ModelDef *def, Error **errp)
{
    uint32_t *words = cpu->model.feat;

    memset(&cpu->model, 0, sizeof(cpu->model));
    if (def->features) {
        model_features(def, words);
    } else {
        max_features(cpu, words);
    }
    set_feature(words, X86_F_HYPERVISOR, true);
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        int prop = cpu->feat_prop[features[i].feature];

        if (prop != ON_OFF_AUTO_AUTO) {
            set_feature(words, features[i].feature, prop == ON_OFF_AUTO_ON);
        }
    }
    if (!drop_unmodelled(cpu, errp) || !resolve_identity(cpu, def, errp)) {
        return false;
    }
    drop_dependents(words, &cpu->model);
    resolve_levels(cpu, def);
    if (!resolve_phys_bits(cpu, errp)) {
        return false;
    }
    show_resolved(cpu, def);
    return true;
}

/* --- Help --- */

void x86_features_print(FILE *out)
{
    g_autoptr(GString) line = g_string_new(" ");

    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (line->len + strlen(features[i].name) > 76) {
            fprintf(out, "%s\n", line->str);
            g_string_assign(line, " ");
        }
        g_string_append_printf(line, " %s", features[i].name);
    }
    fprintf(out, "%s\n", line->str);
}
