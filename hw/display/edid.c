/* SPDX-License-Identifier: MIT */
/*
 * EDID blocks.  Spec: VESA Enhanced EDID Standard, release A revision 2 (EDID 1.4), section 3; timings with
 * reduced blanking as VESA CVT 1.2 has them.  Threading: none of its own.
 */
#include "rhea/osdep.h"

#include "edid.h"

#include "rhea/endian.h"

enum {
    AT_MAKER = 8,
    AT_PRODUCT = 10,
    AT_YEAR = 17,
    AT_VERSION = 18,
    AT_INPUT = 20,
    AT_SIZE_CM = 21,
    AT_GAMMA = 23,
    AT_FEATURES = 24,
    AT_CHROMA = 25,
    AT_ESTABLISHED = 35,
    AT_STANDARD = 38,
    AT_DETAILS = 54,
    AT_CHECKSUM = 127
};
enum {
    DETAIL_SIZE = 18,
    STANDARD_TIMINGS = 8,
    DETAIL_NAME = 0xfc,
    DETAIL_RANGE = 0xfd,
    DETAIL_EMPTY = 0x10
};
enum {
    DOTS_PER_DM = 394 /* 100 dots to an inch */,
    FRAMES_PER_S = 60,
    H_BLANK = 160,
    V_BLANK_US = 460
};

static unsigned size_mm(unsigned pixels)
{
    return pixels * 100 / DOTS_PER_DM;
}

/* Section 3.10.2; CVT's reduced blanking: 160 dots, and 460 us or more between two frames. */
static void put_timing(uint8_t *d, unsigned width, unsigned height)
{
    unsigned v_blank =
        (uint64_t)height * V_BLANK_US * FRAMES_PER_S / (1000000 - V_BLANK_US * FRAMES_PER_S) + 1;
    unsigned v_sync, h_front = 48, h_sync = 32, v_front = 3;
    uint64_t clock_hz;

    v_blank = MAX(v_blank, 14);
    v_sync = 5;
    clock_hz = (uint64_t)(width + H_BLANK) * (height + v_blank) * FRAMES_PER_S;
    st16_le(d, MIN(clock_hz / 10000, UINT16_MAX));
    d[2] = width;
    d[3] = H_BLANK & 0xff;
    d[4] = (width >> 8) << 4 | H_BLANK >> 8;
    d[5] = height;
    d[6] = v_blank;
    d[7] = (height >> 8) << 4 | v_blank >> 8;
    d[8] = h_front;
    d[9] = h_sync;
    d[10] = v_front << 4 | v_sync;
    d[12] = size_mm(width);
    d[13] = size_mm(height);
    d[14] = (size_mm(width) >> 8 & 15) << 4 | (size_mm(height) >> 8 & 15);
    d[17] = 0x1a; /* digital, separate syncs, horizontal positive */
}

static void put_descriptor(uint8_t *d, uint8_t tag, const void *text, size_t len)
{
    d[3] = tag;
    memset(d + 5, ' ', DETAIL_SIZE - 5);
    memcpy(d + 5, text, len);
}

/* Section 3.9: width / 8 - 31, aspect ratio and frames a second - 60. */
static void put_standard(uint8_t *p)
{
    static const struct {
        uint16_t width;
        uint8_t aspect;
    } modes[STANDARD_TIMINGS] = {{1920, 3}, {1600, 3}, {1280, 3}, {1280, 0},
                                 {1920, 0}, {1680, 0}, {1440, 0}, {1280, 2}};

    for (unsigned i = 0; i < STANDARD_TIMINGS; i++) {
        p[2 * i] = modes[i].width / 8 - 31;
        p[2 * i + 1] = modes[i].aspect << 6;
    }
}

void edid_make(uint8_t out[EDID_SIZE], unsigned width, unsigned height)
{
    static const uint8_t header[] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    static const uint8_t srgb[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    static const uint8_t range[] = {50, 125, 30, 160, 0xff, 0x01, '\n'};
    uint8_t sum = 0;

    width = MIN(width, EDID_MAX_SIDE);
    height = MIN(height, EDID_MAX_SIDE);
    memset(out, 0, EDID_SIZE);
    memcpy(out, header, sizeof(header));
    st16_be(out + AT_MAKER, ('R' - '@') << 10 | ('H' - '@') << 5 | ('A' - '@'));
    st16_le(out + AT_PRODUCT, 1);
    out[AT_YEAR] = 2026 - 1990;
    out[AT_VERSION] = 1;
    out[AT_VERSION + 1] = 4;
    out[AT_INPUT] = 0xa5; /* digital, eight bits a colour, DisplayPort */
    out[AT_SIZE_CM] = size_mm(width) / 10;
    out[AT_SIZE_CM + 1] = size_mm(height) / 10;
    out[AT_GAMMA] = 120;     /* 2.2 */
    out[AT_FEATURES] = 0x06; /* sRGB; the first timing is the display's own */
    memcpy(out + AT_CHROMA, srgb, sizeof(srgb));
    out[AT_ESTABLISHED] = 0x21;     /* 640x480, 800x600 at 60 Hz */
    out[AT_ESTABLISHED + 1] = 0x08; /* 1024x768 at 60 Hz */
    put_standard(out + AT_STANDARD);
    put_timing(out + AT_DETAILS, width, height);
    put_descriptor(out + AT_DETAILS + DETAIL_SIZE, DETAIL_RANGE, range, sizeof(range));
    put_descriptor(out + AT_DETAILS + 2 * DETAIL_SIZE, DETAIL_NAME, "Rhea\n", 5);
    put_descriptor(out + AT_DETAILS + 3 * DETAIL_SIZE, DETAIL_EMPTY, "", 0);
    memset(out + AT_DETAILS + 3 * DETAIL_SIZE + 5, 0, DETAIL_SIZE - 5);
    for (unsigned i = 0; i < AT_CHECKSUM; i++) {
        sum += out[i];
    }
    out[AT_CHECKSUM] = -sum;
}
