/* SPDX-License-Identifier: MIT */
/* Integer rows: calls, hashing, sorting, pointers, a bytecode loop, memory copies, allocation. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* --- recursive calls --- */

static __attribute__((noinline)) uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* Through a volatile pointer: the compiler cannot unfold the recursion. */
static uint64_t run_fib(void)
{
    uint64_t (*volatile f)(unsigned) = fib;

    return f(36);
}

/* --- SHA-256 (FIPS 180-4), the plain form --- */

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void sha_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], s[8];

    for (unsigned i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t e = ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25);
        uint32_t t1 = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha_k[i] + w[i];
        uint32_t a = ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22);
        uint32_t t2 = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++) {
        h[i] += s[i];
    }
}

static uint64_t run_sha256(void)
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t block[64];

    for (unsigned i = 0; i < 100000; i++) {
        memset(block, (int)i, sizeof(block));
        sha_block(h, block);
    }
    return (uint64_t)h[0] << 32 | h[1];
}

/* --- CRC-32, one table lookup for each byte --- */

static uint64_t run_crc32(void)
{
    enum { SIZE = 1 << 20, ROUNDS = 80 };
    static uint32_t table[256];
    static uint8_t data[SIZE];
    uint64_t seed = 88172645463325252ull;
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++) {
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        }
        table[i] = c;
    }
    for (unsigned i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)next_random(&seed);
    }
    for (unsigned r = 0; r < ROUNDS; r++) {
        for (unsigned i = 0; i < SIZE; i++) {
            crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
        }
    }
    return ~crc;
}

/* --- libc's qsort with a comparison function --- */

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static uint64_t run_qsort(void)
{
    enum { COUNT = 200000, ROUNDS = 3 };
    static uint32_t values[COUNT];
    uint64_t seed = 12345, sum = 0;

    for (unsigned r = 0; r < ROUNDS; r++) {
        for (unsigned i = 0; i < COUNT; i++) {
            values[i] = (uint32_t)next_random(&seed);
        }
        qsort(values, COUNT, sizeof(values[0]), compare);
        sum += values[COUNT / 2];
    }
    return sum;
}

/* --- pointer chase through 4 MiB in a random cycle --- */

static uint64_t run_chase(void)
{
    enum { COUNT = (4 << 20) / sizeof(void *), STEPS = 8000000 };
    static void *cells[COUNT];
    static uint32_t order[COUNT];
    uint64_t seed = 4242;
    void **p;

    for (uint32_t i = 0; i < COUNT; i++) {
        order[i] = i;
    }
    for (uint32_t i = COUNT - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(next_random(&seed) % (i + 1)), t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        cells[order[i]] = &cells[order[(i + 1) % COUNT]];
    }
    p = cells;
    for (unsigned i = 0; i < STEPS; i++) {
        p = *p;
    }
    return (uint64_t)(p - cells);
}

/* --- a bytecode interpreter with a switch --- */

enum {
    OP_PUSH,
    OP_ADD,
    OP_MUL,
    OP_XOR,
    OP_DUP,
    OP_SWAP,
    OP_DEC,
    OP_JNZ,
    OP_LOAD,
    OP_STORE,
    OP_HALT
};

static __attribute__((noinline)) uint64_t interpret(const uint8_t *code)
{
    uint64_t stack[16] = {0}, vars[8] = {0}, t;
    unsigned sp = 0, pc = 0;

    for (;;) {
        switch (code[pc++]) {
        case OP_PUSH: stack[sp++] = code[pc++]; break;
        case OP_ADD:
            sp--;
            stack[sp - 1] += stack[sp];
            break;
        case OP_MUL:
            sp--;
            stack[sp - 1] *= stack[sp];
            break;
        case OP_XOR:
            sp--;
            stack[sp - 1] ^= stack[sp];
            break;
        case OP_DUP:
            stack[sp] = stack[sp - 1];
            sp++;
            break;
        case OP_SWAP:
            t = stack[sp - 1];
            stack[sp - 1] = stack[sp - 2];
            stack[sp - 2] = t;
            break;
        case OP_DEC: vars[code[pc++]]--; break;
        case OP_JNZ:
            t = vars[code[pc]];
            pc = t ? code[pc + 1] : pc + 2;
            break;
        case OP_LOAD: stack[sp++] = vars[code[pc++]]; break;
        case OP_STORE: vars[code[pc++]] = stack[--sp]; break;
        case OP_HALT: return vars[1];
        }
    }
}

static uint64_t run_bytecode(void)
{
    /* v0 = 200 * 100 * 100; do { v1 = (v1 * 31 + v0) ^ 5; } while (--v0) */
    static const uint8_t code[] = {
        OP_PUSH, 200,     OP_PUSH, 100,     OP_MUL, OP_PUSH,  100,     OP_MUL,   OP_STORE,
        0,       OP_LOAD, 1,       OP_PUSH, 31,     OP_MUL,   OP_LOAD, 0,        OP_SWAP,
        OP_ADD,  OP_DUP,  OP_PUSH, 5,       OP_XOR, OP_STORE, 1,       OP_STORE, 2,
        OP_DEC,  0,       OP_JNZ,  0,       10,     OP_HALT,
    };

    return interpret(code);
}

/* --- libc's memcpy, memset and strlen --- */

static uint64_t run_memory(void)
{
    enum { SIZE = 64 << 10, ROUNDS = 8000 };
    static char a[SIZE + 1], b[SIZE + 1];
    uint64_t sum = 0;

    for (unsigned r = 0; r < ROUNDS; r++) {
        memset(a, 1 + (int)(r % 100), SIZE);
        memcpy(b, a, SIZE);
        b[SIZE - r % 64] = '\0';
        sum += strlen(b);
        __asm__ volatile("" ::"r"(a), "r"(b) : "memory");
    }
    return sum;
}

/* --- a chained hash table on malloc --- */

typedef struct Entry {
    struct Entry *next;
    uint64_t key, value;
} Entry;

static uint64_t run_hash(void)
{
    enum { BUCKETS = 1 << 14, KEYS = 1 << 16, OPS = 1500000 };
    static Entry *buckets[BUCKETS];
    uint64_t seed = 987654321, sum = 0;

    for (unsigned i = 0; i < OPS; i++) {
        uint64_t key = next_random(&seed) % KEYS;
        Entry **at = &buckets[key * 0x9e3779b97f4a7c15ull >> 50];

        while (*at && (*at)->key != key) {
            at = &(*at)->next;
        }
        if (!*at) {
            *at = malloc(sizeof(**at));
            **at = (Entry){.key = key, .value = i};
        } else if (i & 1) {
            Entry *dead = *at;

            *at = dead->next;
            sum += dead->value;
            free(dead);
        } else {
            (*at)->value++;
        }
    }
    return sum;
}

const Row rows_integer[] = {
    {"fib", run_fib},       {"sha256", run_sha256}, {"crc32", run_crc32},
    {"qsort", run_qsort},   {"chase", run_chase},   {"bytecode", run_bytecode},
    {"memory", run_memory}, {"hash", run_hash},     {0},
};
