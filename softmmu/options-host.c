/* SPDX-License-Identifier: MIT */
/* Options about the emulator's surroundings: character devices, monitors, display, process, logs. */
#include "rhea/osdep.h"

#include "chardev/chardev.h"
#include "hw/display/vga.h"
#include "rhea/log.h"
#include "rhea/opts.h"
#include "softmmu/gdbstub.h"
#include "ui/display.h"
#include "ui/keymap.h"
#include "ui/vnc.h"
#include "ui/web.h"
#include "cmdline.h"

static bool is_help(const char *text)
{
    return !strcmp(text, "help") || !strcmp(text, "?");
}

/* --- Character devices, serial ports, monitors --- */

static bool run_chardev(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        chr_print_help(stdout);
        cmdline_exit_ok();
    }
    return chr_new_opts(arg, errp) != NULL;
}

static bool run_serial(Setup *s, const char *arg, Error **errp)
{
    unsigned n = s->serial_count++;
    g_autofree char *id = g_strdup_printf("serial%u", n);

    s->has_serial = true;
    if (n >= MACHINE_SERIAL_PORTS) {
        return error_fail(errp, "-serial: there are at most %d serial ports", MACHINE_SERIAL_PORTS);
    }
    return chr_new_short(arg, id, false, &s->m->serial[n], errp);
}

static void setup_add_monitor(Setup *s, char *chardev, bool control, bool pretty)
{
    MonitorSetup ms = {chardev, control, pretty};

    g_array_append_val(s->monitors, ms);
}

static bool add_monitor_short(Setup *s, const char *arg, bool control, bool pretty, Error **errp)
{
    g_autofree char *id = g_strdup_printf("compat_monitor%u", s->monitors->len);
    char *chardev;

    /* "mon:" would only say what we know. */
    if (g_str_has_prefix(arg, "mon:")) {
        arg += strlen("mon:");
    }
    if (!chr_new_short(arg, id, false, &chardev, errp)) {
        return false;
    }
    if (chardev) {
        setup_add_monitor(s, chardev, control, pretty);
    }
    return true;
}

static bool run_monitor(Setup *s, const char *arg, Error **errp)
{
    s->has_monitor = true;
    return add_monitor_short(s, arg, false, false, errp);
}

static bool run_qmp(Setup *s, const char *arg, Error **errp)
{
    return add_monitor_short(s, arg, true, false, errp);
}

static bool run_qmp_pretty(Setup *s, const char *arg, Error **errp)
{
    return add_monitor_short(s, arg, true, true, errp);
}

static bool run_mon(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"chardev", "mode", "pretty", NULL};
    static const char *const modes[] = {"readline", "control", NULL};
    g_autoptr(Opts) o = opts_parse("-mon", arg, "chardev", errp);
    const char *chardev;
    bool pretty = false;
    int mode = 0;

    if (!o) {
        return false;
    }
    chardev = opts_take(o, "chardev");
    if (!opts_take_enum(o, "mode", modes, &mode, errp) ||
        !opts_take_bool(o, "pretty", &pretty, errp) || !opts_done(o, accepted, errp)) {
        return false;
    }
    if (!chardev) {
        return error_fail(errp, "-mon: chardev=ID is missing");
    }
    s->has_monitor |= mode == 0;
    setup_add_monitor(s, g_strdup(chardev), mode == 1, pretty);
    return true;
}

static bool run_echr(Setup *s, const char *arg, Error **errp)
{
    uint64_t c;

    if (!parse_u64("-echr", arg, 255, &c, errp)) {
        return false;
    }
    chr_set_escape((int)c);
    return true;
}

static bool default_serial(Setup *s, const char *kind, Error **errp)
{
    return s->has_serial || chr_new_short(kind, "serial0", false, &s->m->serial[0], errp);
}

static bool default_monitor(Setup *s, const char *kind, Error **errp)
{
    return s->has_monitor || add_monitor_short(s, kind, false, false, errp);
}

/*
 * Without a display of our own the console is the terminal: serial port and monitor share it unless
 * -display none or -nodefaults asks for silence.
 */
bool setup_default_backends(Setup *s, Error **errp)
{
    bool terminal = !display_chosen() || s->nographic;
    bool serial = !s->has_serial && !s->nodefaults && terminal;
    bool monitor = !s->has_monitor && !s->nodefaults && terminal;

    if (web_address() && !s->nographic) {
        return s->nodefaults || (default_serial(s, "web", errp) && default_monitor(s, "web", errp));
    }
    if (display_shows_consoles() && !s->nographic) { /* the monitor is the second console */
        return s->nodefaults || (default_monitor(s, "vc", errp) && default_serial(s, "vc", errp));
    }
    if (serial) {
        if (!chr_new_short(monitor ? "mon:stdio" : "stdio", "serial0", false, &s->m->serial[0],
                           errp)) {
            return false;
        }
        if (monitor) {
            setup_add_monitor(s, g_strdup(s->m->serial[0]), false, false);
        }
        return true;
    }
    if (monitor && s->nographic) {
        return add_monitor_short(s, "stdio", false, false, errp);
    }
    return true;
}

static const Option char_options[] = {
    {"chardev", "BACKEND,id=ID[,mux=on][,logfile=PATH][,logappend=on][,...]", PHASE_CHARDEV,
     "a character backend; 'help' lists them:\n"
     "null  stdio[,signal=on|off]  file,path=PATH[,append=on][,input-path=PATH]  pty\n"
     "pipe,path=PATH  ringbuf[,size=N]  web (a terminal on the page of -display web)\n"
     "vc[,cols=N][,rows=N][,width=DOTS][,height=DOTS] (a text console of the display)\n"
     "socket,path=PATH|host=HOST,port=PORT|fd=N[,server=on[,wait=off]][,telnet=on]\n"
     "    [,reconnect=SECONDS][,nodelay=on][,abstract=on]",
     run_chardev},
    {"serial", "DEV", PHASE_BACKEND,
     "the next serial port: none null stdio pty web file:PATH pipe:PATH unix:PATH[,server=on,...]\n"
     "tcp:HOST:PORT[,...] telnet:HOST:PORT[,...] chardev:ID mon:DEV (shared with the monitor)\n"
     "vc[:COLUMNSCxROWSC|:WIDTHxHEIGHT] (a text console of the display)",
     run_serial},
    {"monitor", "DEV", PHASE_BACKEND, "a monitor there (spelled as for -serial)", run_monitor},
    {"qmp", "DEV", PHASE_BACKEND, "a QMP monitor there", run_qmp},
    {"qmp-pretty", "DEV", PHASE_BACKEND, "the same with indented answers", run_qmp_pretty},
    {"mon", "[chardev=]ID[,mode=readline|control][,pretty=on]", PHASE_BACKEND,
     "a monitor on the chardev ID", run_mon},
    {"echr", "CODE", PHASE_EARLY, "the console's escape character [1 = Ctrl-A]; 0: none", run_echr},
    {.names = NULL},
};

OPTION_GROUP(char_group, .title = "Consoles and monitors", .order = 50, .options = char_options);

/* --- Display --- */

static bool run_nographic(Setup *s, const char *arg, Error **errp)
{
    s->nographic = true;
    return true;
}

static bool run_display(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        display_print_help();
        cmdline_exit_ok();
    }
    return display_choose(s->m, arg, errp);
}

static bool run_full_screen(Setup *s, const char *arg, Error **errp)
{
    display_want_full_screen();
    return true;
}

static bool run_vnc(Setup *s, const char *arg, Error **errp)
{
    return vnc_start(arg, errp);
}

static bool run_layout(Setup *s, const char *arg, Error **errp)
{
    return keymap_set(arg, errp);
}

static bool only_none(const char *what, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"none", NULL};

    return !strcmp(arg, "none") || error_unknown_name(errp, what, arg, accepted);
}

static bool run_vga(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        vga_cards_print_help(stdout);
        cmdline_exit_ok();
    }
    if (!vga_card_check(arg, errp)) {
        return false;
    }
    g_free(s->m->vga);
    s->m->vga = g_strdup(arg);
    return true;
}

static bool run_parallel(Setup *s, const char *arg, Error **errp)
{
    return only_none("-parallel: device", arg, errp);
}

static bool run_nodefaults(Setup *s, const char *arg, Error **errp)
{
    s->nodefaults = true;
    return true;
}

static bool run_no_user_config(Setup *s, const char *arg, Error **errp)
{
    return true; /* there are no configuration files to leave out */
}

static const Option display_options[] = {
    {"nographic", NULL, PHASE_EARLY,
     "no display; serial port and monitor share the terminal (Ctrl-A h for help)", run_nographic},
    {"display", "TYPE[,OPTION...]", PHASE_BACKEND,
     "who shows the consoles; 'help' lists the types:\n"
     "none     nobody, and there are no default serial port and monitor either\n"
     "curses   the terminal, for text modes; Alt-1 to Alt-9 choose a console\n"
     "sdl      a window; Ctrl-Alt-1 to Ctrl-Alt-9 choose a console\n"
     "         [,full-screen=on|off][,grab-mod=lctrl-lalt|lshift-lctrl-lalt|rctrl]\n"
     "         [,show-cursor=on|off][,window-close=on|off][,gl=off]\n"
     "vnc=SPEC as -vnc SPEC, beside another display\n"
     "web[=WHERE]  a page for browsers at [HOST]:PORT or unix:PATH [a free port of this host],\n"
     "         with screen, keyboard, mouse, serial port, monitor and power buttons; its address\n"
     "         is told",
     run_display},
    {"full-screen", NULL, PHASE_EARLY, "the window fills the screen", run_full_screen},
    {"vnc", "[HOST]:N|unix:PATH[,OPTION=...]", PHASE_BACKEND,
     "VNC viewers see the first console at TCP port 5900+N; may be repeated:\n"
     "to               the last N to try when others are taken\n"
     "reverse          on: call the viewer that waits at HOST:PORT or PATH\n"
     "password         viewers need the one that the monitor's set_password sets [off]\n"
     "password-secret  ID of the secret that it is from the start\n"
     "tls-creds        ID of TLS credentials: everything is encrypted\n"
     "share            who asks to be alone: allow-exclusive (the others go), force-shared (is "
     "refused),\n"
     "                 ignore (is not alone) [allow-exclusive]\n"
     "lossy            on: JPEG for viewers that name a quality [off]\n"
     "websocket        for viewers in browsers, too: on (port 5700+N), PORT, HOST:PORT or "
     "unix:PATH\n"
     "display, head    whose console is shown: ID of a device, number of its head\n"
     "id               name for monitors [default, vnc1, ...]",
     run_vnc},
    {"k", "LAYOUT", PHASE_EARLY,
     "the keyboard of VNC viewers and of the terminal: en-us, de, fr-ch, ... [en-us]", run_layout},
    {"vga", "std|cirrus|virtio|none", PHASE_MACHINE,
     "the graphics card of a PC [std]; -vga help lists them", run_vga},
    {"parallel", "none", PHASE_EARLY, "no parallel port", run_parallel},
    {"nodefaults", NULL, PHASE_EARLY, "no default serial port, monitor and network card",
     run_nodefaults},
    {"no-user-config", NULL, PHASE_EARLY, "read no configuration files (there are none)",
     run_no_user_config},
    {.names = NULL},
};

OPTION_GROUP(display_group, .title = "Display and defaults", .order = 40,
             .options = display_options);

/* --- Logs --- */

static bool run_log(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        log_print_help(stdout);
        cmdline_exit_ok();
    }
    return log_set_mask(arg, errp);
}

static bool run_log_file(Setup *s, const char *arg, Error **errp)
{
    return log_set_file(arg, errp);
}

static bool run_trace(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"enable", "file", NULL};
    g_autoptr(Opts) o = NULL;
    const char *pattern, *file;

    if (is_help(arg)) {
        trace_print_help(stdout);
        cmdline_exit_ok();
    }
    o = opts_parse("-trace", arg, "enable", errp);
    if (!o) {
        return false;
    }
    pattern = opts_take(o, "enable");
    file = opts_take(o, "file");
    return opts_done(o, accepted, errp) && (!pattern || trace_enable(pattern, errp)) &&
           (!file || log_set_file(file, errp));
}

static bool run_gdb(Setup *s, const char *arg, Error **errp)
{
    return gdbstub_start(s->m, arg, errp);
}

static bool run_gdb_default(Setup *s, const char *arg, Error **errp)
{
    return gdbstub_start(s->m, "tcp::1234", errp);
}

static const Option log_options[] = {
    {"gdb", "DEV", PHASE_LATE, "wait for gdb there: tcp::PORT, unix:PATH,server=on,wait=off, none",
     run_gdb},
    {"s", NULL, PHASE_LATE, "the same as -gdb tcp::1234", run_gdb_default},
    {"d", "ITEM[,ITEM...]", PHASE_EARLY, "log these; 'help' lists them", run_log},
    {"D", "FILE", PHASE_EARLY, "log to FILE instead of stderr (%d: the process id)", run_log_file},
    {"trace", "[enable=]PATTERN[,file=FILE]", PHASE_EARLY,
     "log the trace events that match; 'help' lists them", run_trace},
    {.names = NULL},
};

OPTION_GROUP(log_group, .title = "Debugging", .order = 80, .options = log_options);
