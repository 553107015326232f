/* SPDX-License-Identifier: MIT */
/*
 * Pictures of consoles as files: portable pixmaps (netpbm's ppm(5), "P6") and PNG through libpng.
 * Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <png.h>
#include <unistd.h>

#include "rhea/fdset.h"
#include "ui/console.h"

enum { BYTES = 3 };

/* Line @y as red, green and blue bytes. */
static void line_rgb(pixman_image_t *surface, unsigned y, uint8_t *out)
{
    const uint8_t *base = (const uint8_t *)pixman_image_get_data(surface);
    const uint32_t *line = (const uint32_t *)(base + (size_t)y * pixman_image_get_stride(surface));
    int width = pixman_image_get_width(surface);

    for (int x = 0; x < width; x++) {
        *out++ = line[x] >> 16;
        *out++ = line[x] >> 8;
        *out++ = line[x];
    }
}

static bool write_ppm(pixman_image_t *surface, FILE *f)
{
    int width = pixman_image_get_width(surface), height = pixman_image_get_height(surface);
    g_autofree uint8_t *line = g_malloc((size_t)width * BYTES);
    bool ok = fprintf(f, "P6\n%d %d\n255\n", width, height) > 0;

    for (int y = 0; ok && y < height; y++) {
        line_rgb(surface, y, line);
        ok = fwrite(line, BYTES, width, f) == (size_t)width;
    }
    return ok;
}

/* libpng's simplified interface: it cannot jump out of this function. */
static bool write_png(pixman_image_t *surface, FILE *f)
{
    int width = pixman_image_get_width(surface), height = pixman_image_get_height(surface);
    g_autofree uint8_t *all = g_malloc((size_t)width * height * BYTES);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = width,
                       .height = height,
                       .format = PNG_FORMAT_RGB,
                       .flags = PNG_IMAGE_FLAG_FAST};

    for (int y = 0; y < height; y++) {
        line_rgb(surface, y, all + (size_t)y * width * BYTES);
    }
    return png_image_write_to_stdio(&image, f, 0, all, 0, NULL) != 0;
}

bool console_dump(Console *con, const char *path, PictureFormat format, Error **errp)
{
    pixman_image_t *surface;
    int fd;
    FILE *f;
    bool ok;

    console_refresh(con);
    surface = console_surface(con);
    if (!surface) {
        return error_fail(errp, "the console shows nothing yet");
    }
    fd = file_open_fd(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!f) {
        return error_fail_errno(errp, errno, "cannot open '%s'", path);
    }
    ok = format == PICTURE_PNG ? write_png(surface, f) : write_ppm(surface, f);
    ok = !fclose(f) && ok;
    return ok || error_fail(errp, "cannot write '%s'", path);
}
