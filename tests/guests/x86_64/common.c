/* SPDX-License-Identifier: MIT */
/* Output on COM1, checks, and the end through isa-debug-exit. */
#include "guest.h"

enum { COM1 = 0x3f8, EXIT_PORT = 0xf4 };

static u32 passed, failed;

void *memset(void *p, int c, word n)
{
    for (u8 *b = p; n--; b++) {
        *b = c;
    }
    return p;
}

void *memcpy(void *to, const void *from, word n)
{
    u8 *d = to;
    const u8 *s = from;

    while (n--) {
        *d++ = *s++;
    }
    return to;
}

void print(const char *text)
{
    for (; *text; text++) {
        while (!(inb(COM1 + 5) & 0x20)) {
        }
        outb(COM1, *text);
    }
}

void print_hex(u64 v)
{
    char text[19] = "0x";
    int n = 2;

    for (int shift = 60; shift >= 0; shift -= 4) {
        u8 digit = v >> shift & 15;

        if (digit || n > 2 || shift == 0) {
            text[n++] = digit < 10 ? '0' + digit : 'a' + digit - 10;
        }
    }
    text[n] = 0;
    print(text);
}

static void print_number(u32 v)
{
    char text[12];
    int n = sizeof(text) - 1;

    text[n] = 0;
    do {
        text[--n] = '0' + v % 10;
        v /= 10;
    } while (v);
    print(text + n);
}

void check(const char *name, int ok)
{
    print(ok ? "ok " : "FAIL ");
    print(name);
    print("\n");
    passed += ok ? 1 : 0;
    failed += ok ? 0 : 1;
}

void check_is(const char *name, u64 found, u64 wanted)
{
    check(name, found == wanted);
    if (found != wanted) {
        print("# found ");
        print_hex(found);
        print(", wanted ");
        print_hex(wanted);
        print("\n");
    }
}

void finish(const char *guest)
{
    print("rhea ");
    print(guest);
    print(" guest: ");
    print_number(passed);
    print(" ok, ");
    print_number(failed);
    print(" failed\n");
    while (!(inb(COM1 + 5) & 0x40)) { /* all of it is out */
    }
    for (;;) {
        outb(EXIT_PORT, failed ? 1 : 0);
    }
}
