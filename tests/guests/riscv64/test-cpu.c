/* SPDX-License-Identifier: MIT */
/* Arithmetic, atomics, floating point, counters and self-modifying code, at their corner cases. */
#include "guest.h"

/* Whether the device tree's ISA string has the multi-letter extension. */
static bool isa_has(const char *extension)
{
    for (const char *p = machine.isa; *p; p++) {
        const char *a = p + 1, *b = extension;

        if (*p != '_') {
            continue;
        }
        while (*b && *a == *b) {
            a++;
            b++;
        }
        if (*b == '\0' && (*a == '_' || *a == '\0')) {
            return true;
        }
    }
    return false;
}

/* Keeps the compiler from computing what the machine is to compute. */
static inline uint64_t opaque(uint64_t v)
{
    __asm__ volatile("" : "+r"(v));
    return v;
}

static bool division(void)
{
    int64_t min = (int64_t)opaque(1ul << 63), q, r;
    uint64_t uq, ur;
    int64_t wq;

    __asm__("div %0, %1, zero" : "=r"(q) : "r"(min));
    __asm__("rem %0, %1, zero" : "=r"(r) : "r"(min));
    if (q != -1 || r != min) {
        return false;
    }
    __asm__("div %0, %1, %2" : "=r"(q) : "r"(min), "r"(-1l));
    __asm__("rem %0, %1, %2" : "=r"(r) : "r"(min), "r"(-1l));
    if (q != min || r != 0) {
        return false;
    }
    __asm__("divu %0, %1, zero" : "=r"(uq) : "r"(7ul));
    __asm__("remu %0, %1, zero" : "=r"(ur) : "r"(7ul));
    __asm__("divw %0, %1, %2" : "=r"(wq) : "r"(0x80000000ul), "r"(-1l));
    return uq == UINT64_MAX && ur == 7 && wq == INT32_MIN;
}

static bool multiply_high(void)
{
    uint64_t a = opaque(0xfedcba9876543210), b = opaque(0x8000000000000001), u, s, su;

    __asm__("mulhu %0, %1, %2" : "=r"(u) : "r"(a), "r"(b));
    __asm__("mulh %0, %1, %2" : "=r"(s) : "r"(a), "r"(b));
    __asm__("mulhsu %0, %1, %2" : "=r"(su) : "r"(a), "r"(b));
    return u == 0x7f6e5d4c3b2a1908 && s == u - a - b && su == u - b;
}

static bool atomics(void)
{
    static uint64_t cell;
    uint32_t *low = (uint32_t *)&cell;
    uint64_t old, failed, again;
    int64_t old_word;

    cell = 0x80000000ffffffff;
    __asm__ volatile("amoadd.w.aqrl %0, %2, (%1)" : "=r"(old_word) : "r"(low), "r"(2) : "memory");
    if (old_word != -1 || cell != 0x8000000000000001) {
        return false;
    }
    __asm__ volatile("amomax.d %0, %2, (%1)" : "=r"(old) : "r"(&cell), "r"(5l) : "memory");
    if (old != 0x8000000000000001 || cell != 5) {
        return false;
    }
    __asm__ volatile("lr.d %0, (%3)\n sc.d %1, %4, (%3)\n sc.d %2, zero, (%3)"
                     : "=&r"(old), "=&r"(failed), "=&r"(again)
                     : "r"(&cell), "r"(9ul)
                     : "memory");
    return old == 5 && failed == 0 && again != 0 && cell == 9;
}

/* Runs with FS enabled; results and flags from the IEEE 754 and the F and D chapters. */
static bool floating_point(void)
{
    uint64_t third, flags, to_int, boxed, up, sign;

    csr_set(mstatus, 1 << 13);
    __asm__ volatile(".option push\n .option arch, +d\n"
                     "csrw fcsr, zero\n"
                     "li t0, 1\n fcvt.d.l ft0, t0\n li t0, 3\n fcvt.d.l ft1, t0\n"
                     "fdiv.d ft2, ft0, ft1\n fmv.x.d %0, ft2\n"
                     "csrr %1, fflags\n"
                     "fdiv.d ft2, ft0, ft1, rup\n fmv.x.d %2, ft2\n"
                     ".option pop"
                     : "=&r"(third), "=&r"(flags), "=&r"(up)::"t0");
    if (third != 0x3fd5555555555555 || flags != 1 || up != 0x3fd5555555555556) {
        return false;
    }
    __asm__ volatile(".option push\n .option arch, +d\n"
                     "csrw fcsr, zero\n"
                     "fmv.d.x ft0, zero\n fdiv.d ft0, ft0, ft0\n" /* 0/0: invalid, NaN */
                     "fcvt.w.d %0, ft0, rtz\n csrr %1, fflags\n"
                     "fmv.s.x ft1, zero\n fmv.x.d %2, ft1\n" /* a float is NaN-boxed */
                     "fneg.s ft2, ft1\n fmin.s ft2, ft1, ft2\n fmv.x.w %3, ft2\n"
                     ".option pop"
                     : "=&r"(to_int), "=&r"(flags), "=&r"(boxed), "=&r"(sign));
    return to_int == INT32_MAX && flags == 0x10 && boxed == 0xffffffff00000000 &&
           sign == 0xffffffff80000000;
}

static bool bit_manipulation(void)
{
    uint64_t a = opaque(0x00f0000000000001), clz, pop, rev, sh;

    __asm__(".option push\n .option arch, +zba, +zbb\n"
            "clz %0, %4\n cpop %1, %4\n rev8 %2, %4\n sh3add %3, %4, %4\n .option pop"
            : "=&r"(clz), "=&r"(pop), "=&r"(rev), "=&r"(sh)
            : "r"(a));
    return clz == 8 && pop == 5 && rev == 0x010000000000f000 && sh == a * 9;
}

static bool code_changes(void)
{
    /* li a0, 1; ret, and then li a0, 2 over the first. */
    static uint32_t code[2] __attribute__((aligned(8)));
    uint64_t (*call)(void) = (uint64_t(*)(void))code;
    uint64_t first, second;

    code[0] = 0x00100513;
    code[1] = 0x00008067;
    __asm__ volatile("fence.i" ::: "memory");
    first = call();
    code[0] = 0x00200513;
    __asm__ volatile("fence.i" ::: "memory");
    second = call();
    return first == 1 && second == 2;
}

static bool counters(void)
{
    uint64_t c0 = csr_read(mcycle), i0 = csr_read(minstret), t0 = csr_read(time);

    wait_ticks(100);
    return csr_read(mcycle) > c0 && csr_read(minstret) > i0 && csr_read(time) > t0;
}

void test_cpu(void)
{
    const uint64_t needed =
        1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20;
    uint64_t misa = csr_read(misa);

    check("cpu.misa", misa >> 62 == 2 && (misa & needed) == needed);
    check("cpu.hart-id", csr_read(mhartid) == machine.hart);
    check("cpu.division", division());
    check("cpu.multiply-high", multiply_high());
    check("cpu.atomics", atomics());
    check("cpu.floating-point", floating_point());
    check("cpu.fence-i", code_changes());
    check("cpu.counters", counters());
    if (isa_has("zba") && isa_has("zbb")) {
        check("cpu.bit-manipulation", bit_manipulation());
    } else {
        note_skip("cpu.bit-manipulation", "no Zba and Zbb in the ISA string");
    }
}
