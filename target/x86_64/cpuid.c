/* SPDX-License-Identifier: MIT */
/*
 * CPUID leaves from features, identity and -smp (SDM vol. 2 "CPUID"; APM vol. 3, appendix E), and those of
 * the hypervisor (0x40000000).
 */
#include "rhea/osdep.h"

#include "cpu.h"
#include "hw/machine.h"

enum { EAX, EBX, ECX, EDX };

/* --- Topology --- */

/* Counts and widths of the parts of an APIC id. */
typedef struct Topology {
    unsigned threads, cores; /* per core; per die */
    unsigned dies;           /* per package */
    unsigned thread_bits, core_bits, die_bits;
} Topology;

static unsigned bits_for(unsigned count)
{
    unsigned bits = 0;

    while (bits < 16 && 1u << bits < count) {
        bits++;
    }
    return bits;
}

static Topology topology_of(const Machine *m)
{
    Topology t = {
        .threads = MAX(m->smp.threads, 1),
        .cores = MAX(m->smp.cores, 1) * MAX(m->smp.clusters, 1),
        .dies = MAX(m->smp.dies, 1),
    };

    t.thread_bits = bits_for(t.threads);
    t.core_bits = bits_for(t.cores);
    t.die_bits = bits_for(t.dies);
    return t;
}

static unsigned package_shift(const Topology *t)
{
    return t->thread_bits + t->core_bits + t->die_bits;
}

static unsigned package_threads(const Topology *t)
{
    return t->threads * t->cores * t->dies;
}

uint32_t x86_topology_apic_id(Machine *m, unsigned index)
{
    Topology t = topology_of(m);
    unsigned thread = index % t.threads, core = index / t.threads % t.cores;
    unsigned die = index / (t.threads * t.cores) % t.dies;
    unsigned package = index / package_threads(&t);

    return thread | core << t.thread_bits | die << (t.thread_bits + t.core_bits) |
           package << package_shift(&t);
}

/* Leaves 0xb and 0x1f: thread, core and, in the latter, die. */
static void leaf_topology(const X86Cpu *cpu, bool dies, uint32_t sub, uint32_t *r)
{
    Topology t = topology_of(cpu->cpu.dev.machine);
    enum { LEVEL_SMT = 1, LEVEL_CORE = 2, LEVEL_DIE = 5 };
    bool three = dies && t.dies > 1;

    r[ECX] = sub & 0xff;
    r[EDX] = cpu->apic_id;
    if (sub == 0) {
        r[EAX] = t.thread_bits;
        r[EBX] = t.threads;
        r[ECX] |= LEVEL_SMT << 8;
    } else if (sub == 1) {
        r[EAX] = three ? t.thread_bits + t.core_bits : package_shift(&t);
        r[EBX] = three ? t.threads * t.cores : package_threads(&t);
        r[ECX] |= LEVEL_CORE << 8;
    } else if (sub == 2 && three) {
        r[EAX] = package_shift(&t);
        r[EBX] = package_threads(&t);
        r[ECX] |= LEVEL_DIE << 8;
    }
}

/* --- Caches --- */

typedef struct Cache {
    uint8_t type; /* 1 data, 2 code, 3 both */
    uint8_t level;
    uint8_t ways;
    uint32_t sets;
} Cache;

enum { LINE = 64 };

static const Cache caches[] = {
    {.type = 1, .level = 1, .ways = 8, .sets = 64},
    {.type = 2, .level = 1, .ways = 8, .sets = 64},
    {.type = 3, .level = 2, .ways = 16, .sets = 512},
    {.type = 3, .level = 3, .ways = 16, .sets = 16384},
};

static uint32_t cache_bytes(const Cache *c)
{
    return c->sets * c->ways * LINE;
}

/* Leaf 4, and AMD's 0x8000001d, which has no count of cores. */
static void leaf_cache(const X86Cpu *cpu, uint32_t sub, bool amd, uint32_t *r)
{
    Topology t = topology_of(cpu->cpu.dev.machine);
    const Cache *c = &caches[sub];
    unsigned shift;

    if (sub >= ARRAY_SIZE(caches) || (c->level == 3 && !cpu->l3_cache)) {
        return;
    }
    shift = c->level < 3 ? t.thread_bits : t.thread_bits + t.core_bits;
    r[EAX] = c->type | c->level << 5 | 1 << 8 | ((1u << shift) - 1) << 14;
    r[EAX] |= amd ? 0 : (MIN(1u << (t.core_bits + t.die_bits), 64) - 1) << 26;
    r[EBX] = (LINE - 1) | (c->ways - 1) << 22;
    r[ECX] = c->sets - 1;
    r[EDX] = c->level == 3 ? 2 : 0; /* inclusive */
}

/* 0x80000005 and 0x80000006. */
static void leaf_amd_cache(const X86Cpu *cpu, uint32_t leaf, uint32_t *r)
{
    const uint32_t l1 = cache_bytes(&caches[0]) / 1024 << 24 | 8 << 16 | 1 << 8 | LINE;

    if (leaf == 0x80000005) {
        r[EAX] = r[EBX] = 0xff40ff40; /* 64 entries each, fully associative */
        r[ECX] = r[EDX] = l1;
        return;
    }
    r[EAX] = r[EBX] = 0x42004200; /* 512 entries, 4 ways */
    r[ECX] = cache_bytes(&caches[2]) / 1024 << 16 | 8 << 12 | 1 << 8 | LINE;
    if (cpu->l3_cache) {
        r[EDX] = cache_bytes(&caches[3]) / (512 * 1024) << 18 | 8 << 12 | 1 << 8 | LINE;
    }
}

/* --- Basic leaves --- */

static bool is_amd(const X86Model *m)
{
    return !strcmp(m->vendor, "AuthenticAMD") || !strcmp(m->vendor, "HygonGenuine");
}

static void put_text(uint32_t *r, const char *text)
{
    memcpy(r, text, 16);
}

static void leaf_vendor(const X86Model *m, uint32_t max, uint32_t *r)
{
    r[EAX] = max;
    memcpy(&r[EBX], m->vendor, 4);
    memcpy(&r[EDX], m->vendor + 4, 4);
    memcpy(&r[ECX], m->vendor + 8, 4);
}

static void leaf_features(const X86Cpu *cpu, uint32_t *r)
{
    const X86Model *m = &cpu->model;
    Topology t = topology_of(cpu->cpu.dev.machine);
    unsigned threads = package_threads(&t);

    r[EAX] = m->signature;
    r[EBX] = cpu->apic_id << 24 | (x86_has(m, X86_F_CLFLUSH) ? LINE / 8 << 8 : 0);
    r[ECX] = m->feat[X86_FEAT_1_ECX];
    r[EDX] = m->feat[X86_FEAT_1_EDX];
    if (threads > 1) {
        r[EBX] |= MIN(threads, 255) << 16;
        r[EDX] |= 1 << 28; /* HTT */
    }
    if (cpu->env->cr4 & X86_CR4_OSXSAVE) {
        r[ECX] |= 1 << 27;
    }
}

static void leaf_structured(const X86Cpu *cpu, uint32_t sub, uint32_t *r)
{
    const uint32_t *f = cpu->model.feat;

    if (sub == 0) {
        r[EAX] = f[X86_FEAT_7_1_EAX] ? 1 : 0;
        r[EBX] = f[X86_FEAT_7_0_EBX];
        r[ECX] = f[X86_FEAT_7_0_ECX] | (cpu->env->cr4 & X86_CR4_PKE ? 1 << 4 : 0);
        r[EDX] = f[X86_FEAT_7_0_EDX];
    } else if (sub == 1) {
        r[EAX] = f[X86_FEAT_7_1_EAX];
    }
}

/* Bytes of an XSAVE area in standard format with the components of @xcr0. */
static uint32_t xsave_bytes(uint64_t xcr0)
{
    if (xcr0 & 1 << 9) {
        return X86_XSAVE_PKRU + 8;
    }
    return xcr0 & 1 << 2 ? X86_XSAVE_AVX + 256 : X86_XSAVE_AVX;
}

static uint32_t xsave_compact_bytes(uint64_t xcr0)
{
    return X86_XSAVE_AVX + (xcr0 & 1 << 2 ? 256 : 0) + (xcr0 & 1 << 9 ? 8 : 0);
}

static void leaf_xsave(const X86Cpu *cpu, uint32_t sub, uint32_t *r)
{
    const X86Model *m = &cpu->model;
    uint64_t mask = x86_xcr0_mask(m);

    if (!x86_has(m, X86_F_XSAVE)) {
        return;
    }
    if (sub == 0) {
        r[EAX] = mask;
        r[EBX] = xsave_bytes(cpu->env->xcr0);
        r[ECX] = xsave_bytes(mask);
    } else if (sub == 1) {
        r[EAX] = m->feat[X86_FEAT_D_1_EAX];
        r[EBX] = xsave_compact_bytes(cpu->env->xcr0);
    } else if (sub == 2 && mask & 1 << 2) {
        r[EAX] = 256;
        r[EBX] = X86_XSAVE_AVX;
    } else if (sub == 9 && mask & 1 << 9) {
        r[EAX] = 8;
        r[EBX] = X86_XSAVE_PKRU;
    }
}

static void basic_leaf(const X86Cpu *cpu, uint32_t leaf, uint32_t sub, uint32_t *r)
{
    const X86Model *m = &cpu->model;

    switch (leaf) {
    case 0: leaf_vendor(m, m->max_leaf, r); break;
    case 1: leaf_features(cpu, r); break;
    case 2:
        if (!is_amd(m)) {
            r[EAX] = m->max_leaf >= 4 ? 0xff01 : 1; /* see leaf 4, or the descriptors */
            r[EDX] = m->max_leaf >= 4 ? 0 : 0x2c307d;
        }
        break;
    case 4:
        if (!is_amd(m)) {
            leaf_cache(cpu, sub, false, r);
        }
        break;
    case 5:
        if (x86_has(m, X86_F_MONITOR)) {
            r[EAX] = r[EBX] = LINE;
            r[ECX] = 3; /* extensions; interrupts end MWAIT */
        }
        break;
    case 6: r[EAX] = m->feat[X86_FEAT_6_EAX]; break;
    case 7: leaf_structured(cpu, sub, r); break;
    case 0xb: leaf_topology(cpu, false, sub, r); break;
    case 0xd: leaf_xsave(cpu, sub, r); break;
    case 0x1f: leaf_topology(cpu, true, sub, r); break;
    default: break;
    }
}

/* --- Extended leaves --- */

/* Bits of leaf 1 EDX that AMD repeats. */
enum { AMD_REPEATED = 0x0183f3ff };

static void leaf_extended_features(const X86Cpu *cpu, uint32_t *r)
{
    const X86Model *m = &cpu->model;
    Topology t = topology_of(cpu->cpu.dev.machine);

    r[ECX] = m->feat[X86_FEAT_8000_0001_ECX];
    r[EDX] = m->feat[X86_FEAT_8000_0001_EDX];
    if (is_amd(m)) {
        r[EAX] = m->signature;
        r[EDX] |= m->feat[X86_FEAT_1_EDX] & AMD_REPEATED;
        r[ECX] |= package_threads(&t) > 1 ? 1 << 1 : 0; /* CmpLegacy */
    }
}

static void leaf_amd_topology(const X86Cpu *cpu, uint32_t *r)
{
    Topology t = topology_of(cpu->cpu.dev.machine);

    r[EAX] = cpu->apic_id;
    r[EBX] = (cpu->apic_id >> t.thread_bits & ((1u << t.core_bits) - 1)) | (t.threads - 1) << 8;
    r[ECX] = (cpu->apic_id >> (t.thread_bits + t.core_bits)) | (t.dies - 1) << 8;
}

static void leaf_addresses(const X86Cpu *cpu, uint32_t *r)
{
    const X86Model *m = &cpu->model;
    Topology t = topology_of(cpu->cpu.dev.machine);

    r[EAX] = m->phys_bits;
    if (x86_has(m, X86_F_LM)) {
        r[EAX] |= (x86_has(m, X86_F_LA57) ? 57 : 48) << 8;
    } else {
        r[EAX] |= 32 << 8;
    }
    r[EBX] = m->feat[X86_FEAT_8000_0008_EBX];
    if (package_threads(&t) > 1) {
        r[ECX] = package_shift(&t) << 12 | (MIN(package_threads(&t), 256) - 1);
    }
}

static void extended_leaf(const X86Cpu *cpu, uint32_t leaf, uint32_t sub, uint32_t *r)
{
    const X86Model *m = &cpu->model;
    char brand[48] = {0};

    switch (leaf) {
    case 0x80000000: leaf_vendor(m, m->max_ext_leaf, r); break;
    case 0x80000001: leaf_extended_features(cpu, r); break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(brand, m->brand, MIN(strlen(m->brand), sizeof(brand)));
        put_text(r, brand + 16 * (leaf - 0x80000002));
        break;
    case 0x80000005:
    case 0x80000006:
        if (is_amd(m)) {
            leaf_amd_cache(cpu, leaf, r);
        } else if (leaf == 0x80000006) {
            r[ECX] = cache_bytes(&caches[2]) / 1024 << 16 | 8 << 12 | LINE;
        }
        break;
    case 0x80000007: r[EDX] = m->feat[X86_FEAT_8000_0007_EDX]; break;
    case 0x80000008: leaf_addresses(cpu, r); break;
    case 0x8000001d:
        if (x86_has(m, X86_F_TOPOEXT)) {
            leaf_cache(cpu, sub, true, r);
        }
        break;
    case 0x8000001e:
        if (x86_has(m, X86_F_TOPOEXT)) {
            leaf_amd_topology(cpu, r);
        }
        break;
    default: break;
    }
}

/* --- All of them --- */

static void hypervisor_leaf(uint32_t leaf, uint32_t *r)
{
    if (leaf == 0x40000000) {
        r[EAX] = 0x40000001;
        memcpy(&r[EBX], "TCGTCGTCGTCG", 12);
    }
}

void x86_cpuid(X86Cpu *cpu, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    const X86Model *m = &cpu->model;

    memset(r, 0, 4 * sizeof(r[0]));
    if (leaf >= 0x80000000) {
        if (leaf <= m->max_ext_leaf) {
            extended_leaf(cpu, leaf, sub, r);
            return;
        }
    } else if (leaf >= 0x40000000 && x86_has(m, X86_F_HYPERVISOR)) {
        hypervisor_leaf(leaf, r);
        return;
    } else if (leaf <= m->max_leaf) {
        basic_leaf(cpu, leaf, sub, r);
        return;
    }
    /* Beyond the end: what Intel's highest basic leaf says, or nothing. */
    if (!is_amd(m)) {
        basic_leaf(cpu, m->max_leaf, sub, r);
    }
}

void x86_cpu_cpuid(CpuState *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    x86_cpuid(x86_cpu(cpu), leaf, subleaf, regs);
}
