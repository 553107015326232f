/* SPDX-License-Identifier: MIT */
/* A row is one workload: it does a fixed amount of work and returns a checksum of the result. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

typedef struct Row {
    const char *name;
    uint64_t (*run)(void);
} Row;

/* Each table ends with a NULL name. */
extern const Row rows_integer[];
extern const Row rows_float[];
extern const Row rows_system[];
extern const Row rows_disk[];

/* The next number of a fixed sequence (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
