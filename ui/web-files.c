/* SPDX-License-Identifier: MIT */
/* The files of the web page, which are in the program itself; they come from ui/web/. */
#include "rhea/osdep.h"

#include "web-int.h"

/* The contents of ui/web/FILE between web_NAME_begin and web_NAME_end. */
#define EMBED(name, file)                                                                          \
    __asm__(".section .rodata\n"                                                                   \
            "web_" #name "_begin:\n"                                                               \
            ".incbin \"ui/web/" file "\"\n"                                                        \
            "web_" #name "_end:\n"                                                                 \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const uint8_t web_##name##_begin[] __attribute__((visibility("hidden")));               \
    extern const uint8_t web_##name##_end[] __attribute__((visibility("hidden")))

EMBED(page_html, "page.html");
EMBED(page_css, "page.css");
EMBED(page_js, "page.js");
EMBED(keys_js, "keys.js");
EMBED(screen_js, "screen.js");
EMBED(terminal_js, "terminal.js");

static const WebFile files[] = {
    {"/", "text/html; charset=utf-8", web_page_html_begin, web_page_html_end},
    {"/page.css", "text/css", web_page_css_begin, web_page_css_end},
    {"/page.js", "text/javascript", web_page_js_begin, web_page_js_end},
    {"/keys.js", "text/javascript", web_keys_js_begin, web_keys_js_end},
    {"/screen.js", "text/javascript", web_screen_js_begin, web_screen_js_end},
    {"/terminal.js", "text/javascript", web_terminal_js_begin, web_terminal_js_end},
};

const WebFile *web_file(const char *path)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        if (!strcmp(files[i].path, path)) {
            return &files[i];
        }
    }
    return NULL;
}
