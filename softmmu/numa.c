/* SPDX-License-Identifier: MIT */
/* -numa; see hw/numa.h. */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/numa.h"
#include "memory/backend.h"
#include "rhea/bits.h"
#include "rhea/opts.h"

enum { DISTANCE_NEVER = 255 };

static bool numa_get_node(const Numa *n, uint64_t id, const char *key, Error **errp)
{
    return (id < NUMA_MAX_NODES && n->node[id].present) ||
           error_fail(errp, "-numa: %s=%" PRIu64 ": there is no such node before it", key, id);
}

/* --- node --- */

static bool numa_take_cpu(Numa *n, uint64_t cpu, uint64_t node, Error **errp)
{
    if (n->cpu_node[cpu] >= 0 && n->cpu_node[cpu] != (int)node) {
        return error_fail(errp, "-numa: CPU %" PRIu64 " is in node %d already", cpu,
                          n->cpu_node[cpu]);
    }
    n->cpu_node[cpu] = node;
    return true;
}

/* "3" or "0-3" */
static bool numa_take_cpus(Numa *n, const char *text, uint64_t node, Error **errp)
{
    const char *dash = strchr(text, '-');
    g_autofree char *first = g_strndup(text, dash ? (gsize)(dash - text) : strlen(text));
    uint64_t a, b;

    if (!parse_u64("-numa: cpus", first, NUMA_MAX_CPUS - 1, &a, errp) ||
        !parse_u64("-numa: cpus", dash ? dash + 1 : first, NUMA_MAX_CPUS - 1, &b, errp)) {
        return false;
    }
    if (b < a) {
        return error_fail(errp, "-numa: cpus=%s: the last is before the first", text);
    }
    for (uint64_t cpu = a; cpu <= b; cpu++) {
        if (!numa_take_cpu(n, cpu, node, errp)) {
            return false;
        }
    }
    return true;
}

static bool numa_take_memory(Numa *n, NumaNode *node, Opts *o, Error **errp)
{
    const char *mem = opts_take(o, "mem"), *memdev = opts_take(o, "memdev");

    if (mem && memdev) {
        return error_fail(errp, "-numa: mem= and memdev= exclude each other");
    }
    if (mem && !parse_size("-numa: mem", mem, MiB, &node->size, errp)) {
        return false;
    }
    node->memdev = g_strdup(memdev);
    n->has_memory |= mem || memdev;
    return true;
}

static bool numa_add_node(Numa *n, Opts *o, Error **errp)
{
    static const char *const keys[] = {"nodeid", "cpus", "mem", "memdev", NULL};
    uint64_t id = n->count;
    const char *cpus;
    unsigned iter = 0;

    if (!opts_take_u64(o, "nodeid", NUMA_MAX_NODES - 1, &id, errp)) {
        return false;
    }
    if (n->count == NUMA_MAX_NODES || n->node[id].present) {
        return error_fail(errp, "-numa: node %" PRIu64 " %s", id,
                          n->count == NUMA_MAX_NODES ? "is one too many" : "is there already");
    }
    n->node[id].present = true;
    n->count++;
    while ((cpus = opts_take_next(o, "cpus", &iter))) {
        if (!numa_take_cpus(n, cpus, id, errp)) {
            return false;
        }
    }
    return numa_take_memory(n, &n->node[id], o, errp) && opts_done(o, keys, errp);
}

/* --- dist --- */

static bool numa_add_distance(Numa *n, Opts *o, Error **errp)
{
    static const char *const keys[] = {"src", "dst", "val", NULL};
    uint64_t v[3];

    for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
        if (!opts_peek(o, keys[i])) {
            return error_fail(errp, "-numa dist: %s= is missing", keys[i]);
        }
        if (!opts_take_u64(o, keys[i], DISTANCE_NEVER, &v[i], errp)) {
            return false;
        }
    }
    if (!numa_get_node(n, v[0], "src", errp) || !numa_get_node(n, v[1], "dst", errp)) {
        return false;
    }
    if (v[2] < NUMA_LOCAL || (v[0] == v[1]) != (v[2] == NUMA_LOCAL)) {
        return error_fail(errp,
                          "-numa dist: val=%" PRIu64 ": within a node it is 10, to another one 11 "
                          "to 254, or 255 for out of reach",
                          v[2]);
    }
    n->distance[v[0]][v[1]] = v[2];
    n->has_distances = true;
    return opts_done(o, keys, errp);
}

/* --- cpu: by its place in the topology, which -smp may come to tell later --- */

typedef struct NumaPlace {
    int64_t socket, die, core, thread; /* -1: any */
    unsigned node;
} NumaPlace;

static bool numa_add_place(Numa *n, Opts *o, Error **errp)
{
    static const char *const keys[] = {"node-id", "socket-id", "die-id",
                                       "core-id", "thread-id", NULL};
    uint64_t v[5];
    NumaPlace p;

    for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
        v[i] = UINT64_MAX;
        if (opts_peek(o, keys[i]) && !opts_take_u64(o, keys[i], INT32_MAX, &v[i], errp)) {
            return false;
        }
    }
    if (v[0] == UINT64_MAX) {
        return error_fail(errp, "-numa cpu: node-id= is missing");
    }
    if (!numa_get_node(n, v[0], "node-id", errp) || !opts_done(o, keys, errp)) {
        return false;
    }
    p = (NumaPlace){(int64_t)v[1], (int64_t)v[2], (int64_t)v[3], (int64_t)v[4], (unsigned)v[0]};
    g_array_append_val(n->places, p);
    return true;
}

static bool numa_matches(int64_t wanted, unsigned is)
{
    return wanted < 0 || wanted == is;
}

/* CPUs are numbered threads first, then cores, dies, sockets. */
static bool numa_place_cpu(Machine *m, const NumaPlace *p, Error **errp)
{
    const SmpConfig *smp = &m->smp;
    unsigned cores = smp->clusters * smp->cores;
    bool found = false;

    for (unsigned cpu = 0; cpu < MIN(smp->max_cpus, NUMA_MAX_CPUS); cpu++) {
        unsigned core = cpu / smp->threads, die = core / cores, socket = die / smp->dies;

        if (numa_matches(p->thread, cpu % smp->threads) && numa_matches(p->core, core % cores) &&
            numa_matches(p->die, die % smp->dies) && numa_matches(p->socket, socket)) {
            found = true;
            if (!numa_take_cpu(m->numa, cpu, p->node, errp)) {
                return false;
            }
        }
    }
    return found || error_fail(errp, "-numa cpu: no CPU of -smp is at that place");
}

static bool numa_known_kind(const char *kind, Error **errp)
{
    static const char *const kinds[] = {"node", "dist", "cpu", NULL};

    return g_strv_contains(kinds, kind) || error_unknown_name(errp, "-numa: kind", kind, kinds);
}

bool numa_add_option(Machine *m, const char *optarg, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-numa", optarg, "type", errp);
    const char *kind = o ? opts_take(o, "type") : NULL;

    if (!o) {
        return false;
    }
    kind = kind ? kind : "node";
    if (!numa_known_kind(kind, errp)) {
        return false;
    }
    if (!m->numa) {
        m->numa = g_new0(Numa, 1);
        memset(m->numa->cpu_node, -1, sizeof(m->numa->cpu_node));
        m->numa->places = g_array_new(FALSE, FALSE, sizeof(NumaPlace));
    }
    if (!strcmp(kind, "node")) {
        return numa_add_node(m->numa, o, errp);
    }
    return !strcmp(kind, "dist") ? numa_add_distance(m->numa, o, errp)
                                 : numa_add_place(m->numa, o, errp);
}

/* --- The whole --- */

bool numa_has_memdevs(const Numa *n)
{
    for (unsigned i = 0; n && i < n->count; i++) {
        if (n->node[i].memdev) {
            return true;
        }
    }
    return false;
}

static bool numa_size_memdev(Numa *n, unsigned id, Error **errp)
{
    NumaNode *node = &n->node[id];
    RamBlock *rb = memory_backend_find(node->memdev);

    for (unsigned i = 0; i < id; i++) {
        if (!g_strcmp0(n->node[i].memdev, node->memdev)) {
            return error_fail(errp, "-numa: memdev=%s is the memory of node %u already",
                              node->memdev, i);
        }
    }
    if (!rb) {
        return error_fail(errp,
                          "-numa: memdev=%s: there is no memory backend of that id "
                          "(-object memory-backend-ram,id=...)",
                          node->memdev);
    }
    node->size = rb->size;
    return true;
}

/* Equal parts of whole MiB; the last node has what is left. */
static void numa_divide_memory(Numa *n, uint64_t ram_size)
{
    uint64_t part = align_down(ram_size / n->count, MiB);

    for (unsigned i = 0; i < n->count; i++) {
        n->node[i].size = i + 1 < n->count ? part : ram_size - i * part;
    }
}

static bool numa_complete_memory(Machine *m, Error **errp)
{
    Numa *n = m->numa;
    bool memdevs = numa_has_memdevs(n);
    uint64_t total = 0;

    if (memdevs && m->memory_backend) {
        return error_fail(errp, "-numa: memdev= and -machine memory-backend= exclude each other");
    }
    if (!n->has_memory) {
        numa_divide_memory(n, m->ram_size);
    }
    for (unsigned i = 0; i < n->count; i++) {
        if (n->node[i].memdev && !numa_size_memdev(n, i, errp)) {
            return false;
        }
        if (memdevs && n->node[i].size && !n->node[i].memdev) {
            return error_fail(errp, "-numa: node %u has mem= while others have memdev=", i);
        }
        if (n->node[i].size % 4096 || n->node[i].size > m->ram_size) {
            return error_fail(errp, "-numa: node %u: its memory is not whole pages of -m", i);
        }
        n->node[i].start = total;
        total += n->node[i].size;
    }
    return total == m->ram_size ||
           error_fail(errp, "-numa: the nodes have %" PRIu64 " MiB, and -m says %" PRIu64 " MiB",
                      (uint64_t)(total / MiB), (uint64_t)(m->ram_size / MiB));
}

/* CPUs of which nothing was said: by socket when nothing was said of any, else in node 0. */
static bool numa_complete_cpus(Machine *m, Error **errp)
{
    Numa *n = m->numa;
    const SmpConfig *smp = &m->smp;
    unsigned per_socket = smp->dies * smp->clusters * smp->cores * smp->threads;
    bool said = false;

    for (guint i = 0; i < n->places->len; i++) {
        if (!numa_place_cpu(m, &g_array_index(n->places, NumaPlace, i), errp)) {
            return false;
        }
    }
    for (unsigned cpu = 0; cpu < NUMA_MAX_CPUS; cpu++) {
        said |= n->cpu_node[cpu] >= 0;
        if (cpu >= smp->max_cpus && n->cpu_node[cpu] >= 0) {
            return error_fail(errp, "-numa: there is no CPU %u (-smp)", cpu);
        }
    }
    for (unsigned cpu = 0; cpu < MIN(smp->max_cpus, NUMA_MAX_CPUS); cpu++) {
        if (n->cpu_node[cpu] < 0) {
            n->cpu_node[cpu] = said ? 0 : cpu / per_socket % n->count;
        }
    }
    return true;
}

/* A distance said one way holds the other way too. */
static bool numa_complete_distances(Numa *n, Error **errp)
{
    for (unsigned a = 0; a < n->count; a++) {
        n->distance[a][a] = NUMA_LOCAL;
        for (unsigned b = 0; b < n->count; b++) {
            if (!n->distance[a][b]) {
                n->distance[a][b] = n->has_distances ? n->distance[b][a] : NUMA_REMOTE;
            }
            if (!n->distance[a][b]) {
                return error_fail(errp, "-numa dist: none is given between nodes %u and %u", a, b);
            }
        }
    }
    return true;
}

bool numa_complete(Machine *m, Error **errp)
{
    Numa *n = m->numa;

    for (unsigned i = 0; n && i < n->count; i++) {
        if (!n->node[i].present) {
            return error_fail(errp, "-numa: there are %u nodes, and none of them is node %u",
                              n->count, i);
        }
    }
    if (n && !n->count) {
        return error_fail(errp, "-numa: there is no node");
    }
    return !n || (numa_complete_memory(m, errp) && numa_complete_cpus(m, errp) &&
                  numa_complete_distances(n, errp));
}
