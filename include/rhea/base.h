/* SPDX-License-Identifier: MIT */
/* What a header may use from osdep.h, so that every header compiles alone. */
#ifndef RHEA_BASE_H
#define RHEA_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* GLib's evaluate an argument twice, and a clock may have passed the deadline between the two. */
#undef MIN
#undef MAX
#undef CLAMP
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(1 ? (a) : (b)) min_a_ = (a), min_b_ = (b);                                      \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(1 ? (a) : (b)) max_a_ = (a), max_b_ = (b);                                      \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })
#define CLAMP(x, low, high) MIN(MAX(x, low), high)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define NORETURN               __attribute__((noreturn))

#define KiB (1ULL << 10)
#define MiB (1ULL << 20)
#define GiB (1ULL << 30)

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

/* Guest addresses are 64 bits wide for every target: no per-target types. */
typedef uint64_t GuestVA;
typedef uint64_t GuestPA;

#endif
