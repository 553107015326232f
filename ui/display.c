/* SPDX-License-Identifier: MIT */
/* The displays that there are, and the one that was chosen.  Threading: main loop. */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "ui/display.h"
#include "ui/vnc.h"
#include "ui/web.h"
#include "config.h"
#include "displays.h"

static const DisplayType *chosen;
static bool started, full_screen;

static bool choose_none(struct Machine *m, const char *options, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-display none", options ? options : "", NULL, errp);

    return o && opts_done(o, NULL, errp);
}

static bool choose_vnc(struct Machine *m, const char *options, Error **errp)
{
    return options ? vnc_start(options, errp)
                   : error_fail(errp, "-display vnc: say where, as in vnc=HOST:N");
}

static const DisplayType display_none = {
    .name = "none",
    .choose = choose_none,
};

static const DisplayType display_vnc = {
    .name = "vnc",
    .server = true,
    .choose = choose_vnc,
};

static bool choose_web(struct Machine *m, const char *options, Error **errp)
{
    return web_start(m, options ? options : "", errp);
}

static const DisplayType display_web = {
    .name = "web",
    .server = true,
    .choose = choose_web,
};

static const DisplayType *const types[] = {
    &display_none,   &display_vnc, &display_web,
#if CONFIG_CURSES
    &display_curses,
#endif
#if CONFIG_SDL
    &display_sdl,
#endif
};

static const DisplayType *find(const char *name, Error **errp)
{
    const char *names[ARRAY_SIZE(types) + 1];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (!strcmp(types[i]->name, name)) {
            return types[i];
        }
        names[i] = types[i]->name;
    }
    names[ARRAY_SIZE(types)] = NULL;
    error_unknown_name(errp, "-display: type", name, names);
    return NULL;
}

bool display_choose(struct Machine *m, const char *spec, Error **errp)
{
    size_t len = strcspn(spec, ",=");
    g_autofree char *name = g_strndup(spec, len);
    const DisplayType *t = find(name, errp);

    if (!t || !t->choose(m, spec[len] ? spec + len + 1 : NULL, errp)) {
        return false;
    }
    if (!t->server) {
        chosen = t;
    }
    return true;
}

void display_print_help(void)
{
    printf("Available display backend types:\n");
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        printf("%s\n", types[i]->name);
    }
}

const char *display_chosen(void)
{
    return chosen ? chosen->name : NULL;
}

void display_want_full_screen(void)
{
    full_screen = true;
}

bool display_full_screen(void)
{
    return full_screen;
}

bool display_shows_consoles(void)
{
    return chosen && chosen->shows_consoles;
}

bool display_start(const DisplayHost *host, Error **errp)
{
    started = chosen && chosen->start && chosen->start(host, errp);
    return started || !chosen || !chosen->start;
}

void display_stop(void)
{
    if (started) {
        started = false;
        chosen->stop();
    }
}
