/* SPDX-License-Identifier: MIT */
/* Console output on the 16550 by polling, and a small print. */
#include "guest.h"

#include <stdarg.h>

enum { UART_THR = 0, UART_LSR = 5, LSR_THRE = 1 << 5 };

void put_char(char c)
{
    if (c == '\n') {
        put_char('\r');
    }
    while (!(in8(machine.uart.base + UART_LSR) & LSR_THRE)) {
    }
    out8(machine.uart.base + UART_THR, (uint8_t)c);
}

void put_str(const char *s)
{
    while (*s) {
        put_char(*s++);
    }
}

static void put_number(uint64_t value, unsigned base, unsigned width, char fill)
{
    char text[24];
    unsigned n = 0;

    do {
        text[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (width > n) {
        put_char(fill);
        width--;
    }
    while (n) {
        put_char(text[--n]);
    }
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        unsigned width = 0;
        char fill = ' ';
        bool is_long = false;

        if (*format != '%') {
            put_char(*format);
            continue;
        }
        format++;
        if (*format == '0') {
            fill = '0';
        }
        while (*format >= '0' && *format <= '9') {
            width = width * 10 + (unsigned)(*format++ - '0');
        }
        if (*format == 'l') {
            is_long = true;
            format++;
        }
        switch (*format) {
        case 's': put_str(va_arg(args, const char *)); break;
        case 'c': put_char((char)va_arg(args, int)); break;
        case 'u':
            put_number(is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned), 10, width, fill);
            break;
        case 'x':
            put_number(is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned), 16, width, fill);
            break;
        default: put_char(*format);
        }
    }
    va_end(args);
}

int str_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

const char *boot_word(const char *name)
{
    const char *p = machine.bootargs;

    while (*p) {
        const char *word = p, *n = name;

        while (*n && *p == *n) {
            p++;
            n++;
        }
        if (*n == '\0' && *p == '=') {
            return p + 1;
        }
        if (*n == '\0' && (*p == ' ' || *p == '\0')) {
            return word;
        }
        while (*p && *p != ' ') {
            p++;
        }
        while (*p == ' ') {
            p++;
        }
    }
    return NULL;
}
