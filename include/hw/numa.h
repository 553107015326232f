/* SPDX-License-Identifier: MIT */
/*
 * NUMA: how a guest's memory and CPUs are divided into nodes, and how far these are from each other
 * (-numa).  What it means is the board's business; the host treats all of it alike.
 */
#ifndef HW_NUMA_H
#define HW_NUMA_H

#include "memory/memory.h"

struct Machine;

enum { NUMA_MAX_NODES = 128, NUMA_MAX_CPUS = 1024, NUMA_LOCAL = 10, NUMA_REMOTE = 20 };

typedef struct NumaNode {
    bool present;
    uint64_t start, size; /* in the machine's RAM */
    char *memdev;         /* the object that is its memory; NULL: a part of the machine's */
} NumaNode;

typedef struct Numa {
    NumaNode node[NUMA_MAX_NODES];
    unsigned count;
    GArray *places;                  /* of CPUs, until numa_complete() */
    int16_t cpu_node[NUMA_MAX_CPUS]; /* -1: not said */
    bool has_memory, has_distances;
    uint8_t distance[NUMA_MAX_NODES][NUMA_MAX_NODES]; /* from, to; 0: not said */
} Numa;

/* One -numa option. */
bool numa_add_option(struct Machine *m, const char *optarg, Error **errp) MUST_CHECK;
/* Fills in what was not said and checks the whole, once -m and -smp are known. */
bool numa_complete(struct Machine *m, Error **errp) MUST_CHECK;

/* The nodes have memory objects of their own. */
bool numa_has_memdevs(const Numa *n);

#endif
