/* SPDX-License-Identifier: MIT */
/* What single requests report, as scripts read it. */
#include "rhea/osdep.h"

#include "io.h"

const char *io_size(double bytes, char buf[static 64])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    char *dot;

    while (bytes >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
        bytes /= 1024;
        unit++;
    }
    g_ascii_formatd(buf, 48, "%.3f", bytes);
    dot = strchr(buf, '.');
    if (dot && !strcmp(dot, ".000")) {
        *dot = '\0';
    }
    g_strlcat(buf, " ", 64);
    g_strlcat(buf, units[unit], 64);
    return buf;
}

void io_print_transfer(const char *verb, uint64_t offset, uint64_t len, int64_t us)
{
    double seconds = (double)MAX(us, 1) / 1e6;
    char size[64], rate[64];

    printf("%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n", verb, len, len, offset);
    printf("%s, 1 ops; %05.2f sec (%s/sec and %.4f ops/sec)\n", io_size((double)len, size), seconds,
           io_size((double)len / seconds, rate), 1 / seconds);
}

void io_dump(uint64_t offset, const uint8_t *buf, size_t len)
{
    for (size_t at = 0; at < len; at += 16) {
        size_t n = MIN(len - at, 16);

        printf("%08" PRIx64 ":  ", offset + at);
        for (size_t i = 0; i < n; i++) {
            printf("%02x ", buf[at + i]);
        }
        printf(" ");
        for (size_t i = 0; i < n; i++) {
            printf("%c", g_ascii_isprint(buf[at + i]) ? buf[at + i] : '.');
        }
        printf("\n");
    }
}
