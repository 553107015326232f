/* SPDX-License-Identifier: MIT */
/* Options that shape the machine: type, CPUs, memory, boot images, devices. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "chardev/chardev.h"
#include "hw/firmware/boot-image.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/firmware/smbios.h"
#include "hw/numa.h"
#include "rhea/bits.h"
#include "rhea/opts.h"
#include "softmmu/device-add.h"
#include "softmmu/runstate.h"
#include "cmdline.h"

static bool is_help(const char *text)
{
    return !strcmp(text, "help") || !strcmp(text, "?");
}

static bool opts_want_help(Opts *o)
{
    return opts_peek(o, "help") || opts_peek(o, "?");
}

/* --- Machine and accelerator --- */

static void setup_add_accel(Setup *s, const char *name)
{
    g_string_append_printf(s->accels, "%s%s", s->accels->len ? ":" : "", name);
}

static bool collect_machine_prop(const char *key, const char *value, void *opaque, Error **errp)
{
    Setup *s = opaque;

    if (!strcmp(key, "accel")) {
        g_string_truncate(s->accels, 0);
        setup_add_accel(s, value);
        return true;
    }
    g_ptr_array_add(s->machine_props, g_strdup(key));
    g_ptr_array_add(s->machine_props, g_strdup(value));
    return true;
}

static bool run_machine(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;
    const char *type;

    if (is_help(arg)) {
        machine_print_help(stdout);
        cmdline_exit_ok();
    }
    o = opts_parse("-machine", arg, "type", errp);
    if (!o) {
        return false;
    }
    type = opts_take(o, "type");
    if (type) {
        s->machine_type = g_intern_string(type);
    }
    if (opts_want_help(o)) {
        const ObjectType *t =
            s->machine_type ? machine_type_find(s->machine_type, errp) : machine_type_default();

        if (!t || !qom_print_props_help(t->name, stdout, errp)) {
            return false;
        }
        cmdline_exit_ok();
    }
    return opts_foreach_rest(o, collect_machine_prop, s, errp);
}

static bool collect_accel_prop(const char *key, const char *value, void *opaque, Error **errp)
{
    g_autofree char *type = g_strconcat(opaque, "-accel", NULL);

    if (!qom_type_find(type)) {
        return true; /* the name itself is refused when the accelerator is chosen */
    }
    if (!qom_type_prop(qom_type_find(type), key)) {
        return error_fail(errp, "-accel: '%s' has no property '%s'", (char *)opaque, key);
    }
    qom_global_add(type, key, value);
    return true;
}

static bool run_accel(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;
    g_autofree char *name = NULL;

    if (is_help(arg)) {
        accel_print_help(stdout);
        cmdline_exit_ok();
    }
    o = opts_parse("-accel", arg, "accel", errp);
    if (!o) {
        return false;
    }
    name = g_strdup(opts_take(o, "accel"));
    if (!name) {
        return error_fail(errp, "-accel: '%s' names no accelerator", arg);
    }
    setup_add_accel(s, name);
    return opts_foreach_rest(o, collect_accel_prop, name, errp);
}

static bool run_icount(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"shift", "align", "sleep", NULL};
    g_autoptr(Opts) o = opts_parse("-icount", arg, "shift", errp);
    bool align = false, sleep = true;
    const char *shift;
    uint64_t n = 0;

    if (!o) {
        return false;
    }
    shift = opts_peek(o, "shift");
    if (shift && !strcmp(shift, "auto")) {
        opts_take(o, "shift");
    } else if (!opts_take_u64(o, "shift", 10, &n, errp)) {
        error_prepend(errp, "'auto' or a number of bits: ");
        return false;
    }
    if (!opts_take_bool(o, "align", &align, errp) || !opts_take_bool(o, "sleep", &sleep, errp)) {
        return false;
    }
    if (align && !sleep) {
        return error_fail(errp, "-icount: align=on and sleep=off exclude each other");
    }
    qom_global_add("translator-accel", "icount", shift ? shift : "auto");
    qom_global_add("translator-accel", "icount-align", align ? "on" : "off");
    qom_global_add("translator-accel", "icount-sleep", sleep ? "on" : "off");
    return opts_done(o, accepted, errp);
}

static bool run_enable_kvm(Setup *s, const char *arg, Error **errp)
{
    setup_add_accel(s, "kvm");
    return true;
}

/* --- CPUs and memory --- */

static bool run_cpu(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        const MachineOps *ops = machine_arch_ops(s->m);

        if (!ops) {
            return error_fail(errp, "-cpu help: this machine has no CPUs");
        }
        ops->cpu_help(stdout);
        cmdline_exit_ok();
    }
    g_free(s->m->cpu_model);
    s->m->cpu_model = g_strdup(arg);
    return true;
}

static bool take_smp_count(Opts *o, const char *key, unsigned *out, Error **errp)
{
    uint64_t v = *out;

    if (!opts_peek(o, key)) {
        return true;
    }
    if (!opts_take_u64(o, key, 65536, &v, errp)) {
        return false;
    }
    if (!v) {
        return error_fail(errp, "-smp: %s=0: at least 1 is needed", key);
    }
    *out = (unsigned)v;
    return true;
}

static bool run_smp(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"cpus",     "maxcpus", "sockets", "dies",
                                           "clusters", "cores",   "threads", NULL};
    SmpConfig smp = {0};
    unsigned *const fields[] = {&smp.cpus,     &smp.max_cpus, &smp.sockets, &smp.dies,
                                &smp.clusters, &smp.cores,    &smp.threads};
    g_autoptr(Opts) o = opts_parse("-smp", arg, "cpus", errp);

    if (!o) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!take_smp_count(o, accepted[i], fields[i], errp)) {
            return false;
        }
    }
    if (!smp.cpus) {
        uint64_t product = (uint64_t)MAX(smp.sockets, 1) * MAX(smp.dies, 1) * MAX(smp.clusters, 1) *
                           MAX(smp.cores, 1) * MAX(smp.threads, 1);

        smp.cpus = smp.max_cpus ? smp.max_cpus : (unsigned)MIN(product, 65536);
    }
    if (smp.max_cpus && smp.max_cpus < smp.cpus) {
        return error_fail(errp, "-smp: maxcpus=%u is less than cpus=%u", smp.max_cpus, smp.cpus);
    }
    s->m->smp = smp;
    return opts_done(o, accepted, errp);
}

static bool run_numa(Setup *s, const char *arg, Error **errp)
{
    if (!machine_ops(s->m)->has_numa) {
        return error_fail(errp, "-numa: this machine has no NUMA nodes (a PC may have)");
    }
    return numa_add_option(s->m, arg, errp);
}

static bool run_memory(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"size", NULL};
    g_autoptr(Opts) o = opts_parse("-m", arg, "size", errp);
    const char *size;
    uint64_t bytes = 0;

    if (!o) {
        return false;
    }
    size = opts_take(o, "size");
    if (size && !parse_size("-m", size, MiB, &bytes, errp)) {
        return false;
    }
    if (size && !bytes) {
        return error_fail(errp, "-m: '%s': the machine needs some memory", size);
    }
    if (bytes) {
        s->m->ram_size = align_up(bytes, 4096);
        if (s->m->ram_size < bytes) {
            return error_fail(errp, "-m: '%s' is too large", size);
        }
    }
    return opts_done(o, accepted, errp);
}

static bool set_text(char **field, const char *arg)
{
    g_free(*field);
    *field = g_strdup(arg);
    return true;
}

static bool run_mem_path(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->mem_path, arg);
}

static bool run_mem_prealloc(Setup *s, const char *arg, Error **errp)
{
    s->m->mem_prealloc = true;
    return true;
}

/* --- Boot images --- */

static bool run_kernel(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->kernel, arg);
}

static bool run_initrd(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->initrd, arg);
}

static bool run_append(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->append, arg);
}

static bool run_dtb(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->dtb, arg);
}

static bool run_bios(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->m->firmware, arg);
}

static bool check_boot_letters(const char *key, const char *letters, Error **errp)
{
    for (const char *c = letters; c && *c; c++) {
        if (!strchr("acdn", *c) || strchr(c + 1, *c)) {
            return error_fail(errp,
                              "-boot: %s=%s: '%c' is not a device or is named twice (accepted: a "
                              "floppy, c disk, d CD-ROM, n network)",
                              key, letters, *c);
        }
    }
    return true;
}

static bool take_boot_number(Opts *o, const char *key, int64_t max, int64_t *out, bool *given,
                             Error **errp)
{
    uint64_t v;

    *given = opts_peek(o, key) != NULL;
    if (!*given) {
        return true;
    }
    if (!strcmp(opts_peek(o, key), "-1")) {
        opts_take(o, key);
        *out = -1;
        return true;
    }
    if (!opts_take_u64(o, key, (uint64_t)max, &v, errp)) {
        return false;
    }
    *out = (int64_t)v;
    return true;
}

static bool run_boot(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"order",       "once",           "menu", "strict",
                                           "splash-time", "reboot-timeout", NULL};
    g_autoptr(Opts) o = opts_parse("-boot", arg, "order", errp);
    BootConfig *boot = &s->m->boot;
    const char *order, *once;
    bool given;

    if (!o) {
        return false;
    }
    order = opts_take(o, "order");
    once = opts_take(o, "once");
    if (!check_boot_letters("order", order, errp) || !check_boot_letters("once", once, errp) ||
        !opts_take_bool(o, "menu", &boot->menu, errp) ||
        !opts_take_bool(o, "strict", &boot->strict, errp) ||
        !take_boot_number(o, "splash-time", 0xffff, &boot->splash_time_ms, &given, errp) ||
        !take_boot_number(o, "reboot-timeout", 0xffff, &boot->reboot_timeout_ms,
                          &boot->reboot_timeout_set, errp) ||
        !opts_done(o, accepted, errp)) {
        return false;
    }
    return (!order || set_text(&boot->order, order)) && (!once || set_text(&boot->once, once));
}

static bool run_fw_cfg(Setup *s, const char *arg, Error **errp)
{
    return fw_cfg_add_option(arg, errp);
}

static bool run_smbios(Setup *s, const char *arg, Error **errp)
{
    if (!machine_ops(s->m)->has_smbios) {
        return error_fail(errp, "-smbios: this machine has no SMBIOS tables (a PC has)");
    }
    return smbios_add_option(&s->m->smbios, arg, errp);
}

static bool run_firmware_dir(Setup *s, const char *arg, Error **errp)
{
    if (is_help(arg)) {
        boot_print_firmware_dirs(stdout);
        cmdline_exit_ok();
    }
    boot_add_firmware_dir(arg);
    return true;
}

/* --- Devices and objects --- */

static bool run_device_help(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;
    const char *driver;

    if (is_help(arg)) {
        device_print_help(stdout);
        cmdline_exit_ok();
    }
    o = opts_parse("-device", arg, "driver", errp);
    if (!o) {
        return false;
    }
    driver = opts_peek(o, "driver");
    if (driver && opts_want_help(o)) {
        if (!device_print_props_help(device_resolve_alias(s->m, driver), stdout, errp)) {
            return false;
        }
        cmdline_exit_ok();
    }
    return true;
}

static bool run_device(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;

    if (!run_device_help(s, arg, errp)) {
        return false;
    }
    o = opts_parse("-device", arg, "driver", errp);
    return o && device_add_opts(s->m, o, false, errp);
}

static bool run_usb(Setup *s, const char *arg, Error **errp)
{
    return collect_machine_prop("usb", "on", s, errp);
}

static bool run_usbdevice(Setup *s, const char *arg, Error **errp)
{
    static const char *const names[] = {"keyboard", "mouse", "tablet", NULL};
    static const char *const drivers[] = {"usb-kbd", "usb-mouse", "usb-tablet"};
    g_autoptr(Opts) o = opts_new("-usbdevice");
    int i = 0;

    while (names[i] && strcmp(names[i], arg)) {
        i++;
    }
    if (!names[i]) {
        return error_unknown_name(errp, "-usbdevice: device", arg, names);
    }
    if (!bus_exists(s->m, "usb-bus", NULL) && !device_add_usb(s->m, errp)) {
        return false;
    }
    opts_add(o, "driver", drivers[i]);
    return device_add_opts(s->m, o, false, errp);
}

/* The debug console that firmware and small kernels write to. */
static bool run_debugcon(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = opts_new("-debugcon");
    g_autofree char *chardev = NULL;

    if (!chr_new_short(arg, "debugcon", false, &chardev, errp)) {
        return false;
    }
    if (!chardev) { /* "none" */
        return true;
    }
    opts_add(o, "driver", "isa-debugcon");
    opts_add(o, "chardev", chardev);
    return device_add_opts(s->m, o, false, errp);
}

static void print_object_type(const ObjectType *t, void *opaque)
{
    if (!t->abstract && t->user_creatable) {
        fprintf(opaque, "  %s\n", t->name);
    }
}

static bool run_object(Setup *s, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;

    if (is_help(arg)) {
        printf("List of user creatable objects:\n");
        qom_type_foreach(NULL, print_object_type, stdout);
        cmdline_exit_ok();
    }
    o = opts_parse("-object", arg, "qom-type", errp);
    if (!o) {
        return false;
    }
    if (opts_want_help(o) && opts_peek(o, "qom-type")) {
        if (!qom_print_props_help(opts_peek(o, "qom-type"), stdout, errp)) {
            return false;
        }
        cmdline_exit_ok();
    }
    return object_add_opts(o, errp);
}

/* "driver.prop=value", or driver=,property=,value= */
static bool run_global(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"driver", "property", "value", NULL};
    const char *eq = strchr(arg, '=');
    /* The last one: names of drivers have dots, those of properties have not. */
    const char *dot = eq ? g_strrstr_len(arg, eq - arg, ".") : NULL;
    g_autoptr(Opts) o = NULL;

    if (dot) {
        g_autofree char *driver = g_strndup(arg, (gsize)(dot - arg));
        g_autofree char *prop = g_strndup(dot + 1, (gsize)(eq - dot - 1));

        qom_global_add(driver, prop, eq + 1);
        return true;
    }
    o = opts_parse("-global", arg, NULL, errp);
    if (!o) {
        return false;
    }
    if (!opts_peek(o, "driver") || !opts_peek(o, "property") || !opts_peek(o, "value")) {
        return error_fail(errp, "-global: '%s' is not DRIVER.PROPERTY=VALUE", arg);
    }
    qom_global_add(opts_take(o, "driver"), opts_take(o, "property"), opts_take(o, "value"));
    return opts_done(o, accepted, errp);
}

/* --- Behaviour --- */

static bool run_action(Setup *s, const char *arg, Error **errp)
{
    return runstate_set_action(s->m, arg, errp);
}

static bool run_no_hpet(Setup *s, const char *arg, Error **errp)
{
    return collect_machine_prop("hpet", "off", s, errp);
}

static bool run_no_acpi(Setup *s, const char *arg, Error **errp)
{
    return collect_machine_prop("acpi", "off", s, errp);
}

static bool run_no_reboot(Setup *s, const char *arg, Error **errp)
{
    return runstate_set_action(s->m, "reboot=shutdown", errp);
}

static bool run_no_shutdown(Setup *s, const char *arg, Error **errp)
{
    return runstate_set_action(s->m, "shutdown=pause", errp);
}

static bool run_paused(Setup *s, const char *arg, Error **errp)
{
    s->start_paused = true;
    return true;
}

/* "2026-11-22T21:00:00" or "2026-11-22", as UTC. */
static bool parse_date(const char *text, int64_t *out_ns, Error **errp)
{
    g_autofree char *full =
        strchr(text, 'T') ? g_strdup(text) : g_strconcat(text, "T00:00:00", NULL);
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(full, utc);

    if (!date) {
        return error_fail(errp,
                          "-rtc: base=%s is not a time (accepted: utc, localtime, "
                          "YYYY-MM-DDTHH:MM:SS)",
                          text);
    }
    *out_ns = g_date_time_to_unix(date) * NS_PER_S;
    return true;
}

/* The boards' clocks count on the virtual clock, and no tick is ever lost. */
static bool run_rtc(Setup *s, const char *arg, Error **errp)
{
    static const char *const accepted[] = {"base", "clock", "driftfix", NULL};
    static const char *const clocks[] = {"vm", NULL};
    static const char *const driftfixes[] = {"none", "slew", NULL};
    g_autoptr(Opts) o = opts_parse("-rtc", arg, NULL, errp);
    const char *base;
    int64_t ns = 0;
    int choice;

    if (!o) {
        return false;
    }
    base = opts_take(o, "base");
    if (!opts_take_enum(o, "clock", clocks, &choice, errp) ||
        !opts_take_enum(o, "driftfix", driftfixes, &choice, errp) ||
        !opts_done(o, accepted, errp)) {
        return false;
    }
    if (!base || !strcmp(base, "utc")) {
        s->m->rtc_offset_ns = 0;
    } else if (!strcmp(base, "localtime")) {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();

        s->m->rtc_offset_ns = g_date_time_get_utc_offset(now) * NS_PER_US;
    } else {
        if (!parse_date(base, &ns, errp)) {
            return false;
        }
        s->m->rtc_offset_ns = ns - clock_now_ns(s->m->clock[CLOCK_HOST]);
    }
    return true;
}

static bool run_loadvm(Setup *s, const char *arg, Error **errp)
{
    return set_text(&s->loadvm, arg);
}

static const Option machine_options[] = {
    {"machine|M", "[type=]TYPE[,PROP=VALUE...]", PHASE_EARLY,
     "the machine; 'help' lists them, TYPE,help its properties;\naccel=A:B chooses the "
     "accelerator",
     run_machine},
    {"accel", "NAME[,PROP=VALUE...]", PHASE_EARLY,
     "how CPUs run: 'help' lists them; given several times, or as A:B, they are\ntried in order",
     run_accel},
    {"enable-kvm", NULL, PHASE_EARLY, "the same as -accel kvm", run_enable_kvm},
    {"icount", "[shift=]N|auto[,align=on|off][,sleep=on|off]", PHASE_EARLY,
     "guest time is the number of executed instructions times 2^N ns, so that runs\ncan be "
     "repeated; "
     "auto keeps it near the host's time. sleep=off: idle time is\nskipped, align=on: never faster "
     "than the host's time",
     run_icount},
    {"cpu", "MODEL[,EXTENSION=on|off...]", PHASE_MACHINE, "the CPU model; 'help' lists them",
     run_cpu},
    {"smp", "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,clusters=N][,cores=N][,threads=N]",
     PHASE_MACHINE, "number of CPUs and how they are grouped [1]", run_smp},
    {"m", "[size=]MEGS", PHASE_MACHINE, "guest memory; k, M, G, T as suffix", run_memory},
    {"numa",
     "node[,nodeid=N][,cpus=FIRST[-LAST]][,memdev=ID|mem=SIZE]\n"
     "        dist,src=N,dst=N,val=DISTANCE\n"
     "        cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N]",
     PHASE_MACHINE,
     "a NUMA node with its CPUs and memory; how far one is from another; the node of\nCPUs at a "
     "place of -smp",
     run_numa},
    {"mem-path", "PATH", PHASE_MACHINE, "keep guest memory in a file, or in a directory's file",
     run_mem_path},
    {"mem-prealloc", NULL, PHASE_MACHINE, "take all guest memory from the host at the start",
     run_mem_prealloc},
    {"debugcon", "DEV", PHASE_DEVICE,
     "a debug console of a PC, port 0xe9 (-global isa-debugcon.iobase=), there: as for -serial",
     run_debugcon},
    {"device", "DRIVER[,PROP=VALUE...]", PHASE_DEVICE,
     "add a device; 'help' lists them, DRIVER,help its properties", run_device},
    {"usb", NULL, PHASE_EARLY, "add a USB controller, an xHCI on every board (-machine usb=on)",
     run_usb},
    {"usbdevice", "keyboard|mouse|tablet", PHASE_DEVICE,
     "add a USB device, and a controller when there is none", run_usbdevice},
    {"object", "TYPE,id=ID[,PROP=VALUE...]", PHASE_OBJECT,
     "create an object (backends); 'help' lists the types, TYPE,help the properties", run_object},
    {"global", "DRIVER.PROP=VALUE", PHASE_EARLY, "a default for every device of the type",
     run_global},
    {.names = NULL},
};

OPTION_GROUP(machine_group, .title = "Machine", .order = 10, .options = machine_options);

static const Option boot_options[] = {
    {"kernel", "FILE", PHASE_MACHINE,
     "boot this kernel: Image, bzImage, gzip, flat, ELF (on a PC with a PVH note) or\nmultiboot",
     run_kernel},
    {"initrd", "FILE", PHASE_MACHINE,
     "initial RAM disk for it; modules of a multiboot kernel: FILE ARGS,FILE ARGS", run_initrd},
    {"append", "TEXT", PHASE_MACHINE, "its command line", run_append},
    {"dtb", "FILE", PHASE_MACHINE, "device tree instead of the generated one", run_dtb},
    {"boot",
     "[order=]LETTERS[,once=LETTERS][,menu=on|off][,splash-time=MS][,reboot-timeout=MS]\n"
     "      [,strict=on|off]",
     PHASE_MACHINE,
     "what firmware tries, in this order: a floppy, c disk, d CD-ROM, n network; once=\n"
     "holds until the first reset; menu=on offers a choice for MS milliseconds",
     run_boot},
    {"no-hpet", NULL, PHASE_EARLY, "as -machine hpet=off", run_no_hpet},
    {"no-acpi", NULL, PHASE_EARLY, "as -machine acpi=off", run_no_acpi},
    {"bios", "FILE", PHASE_MACHINE, "firmware: 'default', 'none' or a file", run_bios},
    {"fw_cfg", "[name=]NAME,file=FILE|string=TEXT", PHASE_MACHINE,
     "a named item for firmware and kernels", run_fw_cfg},
    {"smbios", "type=N[,FIELD=VALUE...]|file=FILE", PHASE_MACHINE,
     "what the SMBIOS tables say: fields of structures of type 0 to 4, 11 or 17, or a\nfile that "
     "holds whole structures",
     run_smbios},
    {"L", "DIR", PHASE_EARLY, "search firmware here first; 'help' lists the directories",
     run_firmware_dir},
    {.names = NULL},
};

OPTION_GROUP(boot_group, .title = "Boot", .order = 20, .options = boot_options);

static const Option run_options[] = {
    {"S", NULL, PHASE_EARLY, "do not start the CPUs (use 'cont' in the monitor)", run_paused},
    {"no-reboot", NULL, PHASE_MACHINE, "a guest's reset ends the emulator", run_no_reboot},
    {"no-shutdown", NULL, PHASE_MACHINE, "stop instead of exiting when the guest powers off",
     run_no_shutdown},
    {"action",
     "[reboot=reset|shutdown][,shutdown=poweroff|pause]\n"
     "        [,panic=pause|shutdown|exit-failure|none]",
     PHASE_MACHINE, "what follows when the guest does that", run_action},
    {"rtc", "[base=utc|localtime|DATE][,clock=vm][,driftfix=none|slew]", PHASE_MACHINE,
     "with what time the board's clock starts [utc]; it counts guest time", run_rtc},
    {"loadvm", "TAG", PHASE_EARLY,
     "start from the snapshot TAG in the disks (savevm), or else from the file (savevm-file)",
     run_loadvm},
    {.names = NULL},
};

OPTION_GROUP(run_group, .title = "Running", .order = 60, .options = run_options);
