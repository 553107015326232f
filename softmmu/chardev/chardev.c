/* SPDX-License-Identifier: MIT */
/*
 * Character backends: the registry under /chardevs, the front ends' side, and the common options.
 * Spellings are QEMU's: "-chardev BACKEND,id=..." and the short forms of -serial and -monitor.
 */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "rhea/fdset.h"
#include "char-int.h"

#define CHARDEV_PREFIX "chardev-"

Object *chr_folder(void)
{
    return qom_container(qom_root(), "/chardevs");
}

Chardev *chr_find(const char *id)
{
    Object *folder = chr_folder();

    for (guint i = 0; folder->children && i < folder->children->len; i++) {
        Chardev *c = g_ptr_array_index(folder->children, i);

        if (!strcmp(c->id, id)) {
            return c;
        }
    }
    return NULL;
}

void chr_foreach_info(ChrInfo fn, void *opaque)
{
    Object *folder = chr_folder();

    for (guint i = 0; folder->children && i < folder->children->len; i++) {
        Chardev *c = g_ptr_array_index(folder->children, i);
        g_autofree char *where = c->ops->describe ? c->ops->describe(c) : NULL;

        fn(opaque, c->id, where ? where : c->obj.type->name + strlen(CHARDEV_PREFIX), c->open);
    }
}

/* --- Front ends --- */

bool chr_attach(CharFront *fe, const char *id, Error **errp)
{
    Chardev *c = chr_find(id);

    if (!c) {
        return error_fail(errp, "chardev '%s' does not exist", id);
    }
    fe->chr = c;
    if (c->ops->attach) {
        c->ops->attach(c, fe);
        return true;
    }
    if (c->front) {
        fe->chr = NULL;
        return error_fail(errp, "chardev '%s' is in use already (mux=on lets it serve several)",
                          id);
    }
    c->front = fe;
    return true;
}

void chr_detach(CharFront *fe)
{
    Chardev *c = fe->chr;

    if (!c) {
        return;
    }
    if (c->ops->detach) {
        c->ops->detach(c, fe);
    } else {
        c->front = NULL;
    }
    fe->chr = NULL;
    fe->handlers = NULL;
    fe->open = false;
}

void chr_set_handlers(CharFront *fe, const CharHandlers *h, void *opaque)
{
    fe->handlers = h;
    fe->opaque = opaque;
    if (h && fe->chr) {
        if (fe->chr->open && !fe->open) {
            fe->open = true;
            if (h->event) {
                h->event(opaque, CHAR_OPENED);
            }
        }
        chr_accept_input(fe);
    }
}

/* A copy for logfile=; losing the log must not lose the guest's output. */
static void chr_log(Chardev *c, const uint8_t *buf, size_t len)
{
    while (c->log_fd >= 0 && len) {
        ssize_t n = write(c->log_fd, buf, len);

        if (n <= 0) {
            return;
        }
        buf += n;
        len -= (size_t)n;
    }
}

static size_t chr_write_to(Chardev *c, const void *buf, size_t len, bool all)
{
    size_t n;

    if (!c) {
        return len;
    }
    n = c->ops->write(c, buf, len, all);
    chr_log(c, buf, n);
    return n;
}

size_t chr_write(CharFront *fe, const void *buf, size_t len)
{
    return chr_write_to(fe->chr, buf, len, false);
}

void chr_write_all(CharFront *fe, const void *buf, size_t len)
{
    chr_write_to(fe->chr, buf, len, true);
}

void chr_accept_input(CharFront *fe)
{
    if (fe->chr && fe->chr->ops->accept_input) {
        fe->chr->ops->accept_input(fe->chr);
    }
}

bool chr_connected(const CharFront *fe)
{
    return fe->chr && fe->chr->open;
}

void chr_send_break(CharFront *fe)
{
    if (fe->chr && fe->chr->ops->send_break) {
        fe->chr->ops->send_break(fe->chr);
    }
}

int chr_take_fd(CharFront *fe)
{
    return fe->chr && fe->chr->ops->take_fd ? fe->chr->ops->take_fd(fe->chr) : -1;
}

/* --- Backends' side --- */

size_t chr_can_receive(Chardev *c)
{
    CharFront *fe = c->front;

    return fe && fe->handlers && fe->handlers->can_receive ? fe->handlers->can_receive(fe->opaque)
                                                           : 0;
}

void chr_deliver(Chardev *c, const uint8_t *buf, size_t len)
{
    CharFront *fe = c->front;

    if (len && fe && fe->handlers && fe->handlers->receive) {
        fe->handlers->receive(fe->opaque, buf, len);
    }
}

void chr_event(Chardev *c, CharEvent ev)
{
    CharFront *fe = c->front;

    if (fe) {
        if (ev == CHAR_OPENED || ev == CHAR_CLOSED) {
            fe->open = ev == CHAR_OPENED && fe->handlers;
        }
        if (fe->handlers && fe->handlers->event) {
            fe->handlers->event(fe->opaque, ev);
        }
    }
}

void chr_set_open(Chardev *c, bool open)
{
    if (c->open != open) {
        c->open = open;
        chr_event(c, open ? CHAR_OPENED : CHAR_CLOSED);
    }
}

/* --- Creation --- */

static void chr_add_backend_name(const ObjectType *t, void *opaque)
{
    if (!t->abstract) {
        g_ptr_array_add(opaque, (char *)t->name + strlen(CHARDEV_PREFIX));
    }
}

GPtrArray *chr_backend_names(void)
{
    GPtrArray *names = g_ptr_array_new();

    qom_type_foreach(TYPE_CHARDEV, chr_add_backend_name, names);
    g_ptr_array_add(names, NULL);
    return names;
}

void chr_print_help(FILE *out)
{
    g_autoptr(GPtrArray) names = chr_backend_names();

    fprintf(out, "Available chardev backend types:\n");
    for (guint i = 0; g_ptr_array_index(names, i); i++) {
        fprintf(out, "  %s\n", (char *)g_ptr_array_index(names, i));
    }
}

static bool chr_open_log(Chardev *c, Opts *o, Error **errp)
{
    const char *path = opts_take(o, "logfile");
    bool append = false;

    if (!opts_take_bool(o, "logappend", &append, errp)) {
        return false;
    }
    if (path) {
        c->log_fd = file_open_fd(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
        if (c->log_fd < 0) {
            return error_fail_errno(errp, errno, "%s: logfile: cannot open '%s'", opts_what(o),
                                    path);
        }
    }
    return true;
}

/* Before anything is opened: a misspelled option must not leave a socket behind. */
static bool chr_check_opts(Chardev *c, Opts *o, Error **errp)
{
    static const char *const common[] = {"id", "mux", "logfile", "logappend"};
    g_autoptr(GPtrArray) accepted = g_ptr_array_new();

    for (const char *const *name = c->ops->opts; name && *name; name++) {
        g_ptr_array_add(accepted, (char *)*name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        g_ptr_array_add(accepted, (char *)common[i]);
    }
    g_ptr_array_add(accepted, NULL);
    return opts_check_names(o, (const char *const *)accepted->pdata, errp);
}

Chardev *chr_create(const char *id, const char *backend, Opts *o, Error **errp)
{
    g_autofree char *type = g_strconcat(CHARDEV_PREFIX, backend, NULL);
    Chardev *c;

    if (!qom_type_find(type)) {
        g_autoptr(GPtrArray) names = chr_backend_names();
        g_autofree char *what = g_strdup_printf("%s: backend", opts_what(o));

        error_unknown_name(errp, what, backend, (const char *const *)names->pdata);
        return NULL;
    }
    if (chr_find(id)) {
        error_fail(errp, "%s: id '%s' is taken by another chardev", opts_what(o), id);
        return NULL;
    }
    c = (Chardev *)qom_new(type);
    c->ops = qom_type_ops(c->obj.type);
    c->id = g_strdup(id);
    c->log_fd = -1;
    if (!chr_check_opts(c, o, errp) || !chr_open_log(c, o, errp) || !c->ops->open(c, o, errp)) {
        qom_put(&c->obj);
        return NULL;
    }
    qom_add_child(chr_folder(), id, &c->obj);
    qom_put(&c->obj); /* the tree holds it */
    return c;
}

static void chr_type_fini(Object *obj)
{
    Chardev *c = (Chardev *)obj;

    if (c->ops && c->ops->close) {
        c->ops->close(c);
    }
    if (c->log_fd >= 0) {
        close(c->log_fd);
    }
    g_free(c->id);
}

QOM_TYPE(chardev_type, .name = TYPE_CHARDEV, .parent = "object", .desc = "character backend",
         .size = sizeof(Chardev), .abstract = true, .fini = chr_type_fini);

/* With mux=on the named chardev is the multiplexer, and the backend proper is "<id>-base". */
static Chardev *chr_create_maybe_mux(const char *id, const char *backend, Opts *o, bool mux,
                                     Error **errp)
{
    g_autofree char *base = NULL;
    g_autofree char *mux_opts = NULL;
    g_autoptr(Opts) mo = NULL;

    if (!opts_take_bool(o, "mux", &mux, errp)) {
        return NULL;
    }
    if (!mux) {
        return chr_create(id, backend, o, errp);
    }
    base = g_strconcat(id, "-base", NULL);
    if (!chr_create(base, backend, o, errp)) {
        return NULL;
    }
    mux_opts = g_strdup_printf("mux,chardev=%s", base);
    mo = opts_parse(opts_what(o), mux_opts, "backend", errp);
    g_assert(mo);
    opts_take(mo, "backend");
    return chr_create(id, "mux", mo, errp);
}

Chardev *chr_new_opts(const char *optarg, Error **errp)
{
    g_autoptr(Opts) o = opts_parse("-chardev", optarg, "backend", errp);
    const char *id, *backend;

    if (!o) {
        return NULL;
    }
    id = opts_take(o, "id");
    backend = opts_take(o, "backend");
    if (!backend) {
        error_fail(errp, "-chardev: '%s' names no backend", optarg);
        return NULL;
    }
    if (!id) {
        error_fail(errp, "-chardev: '%s' has no id=", optarg);
        return NULL;
    }
    return chr_create_maybe_mux(id, backend, o, false, errp);
}

/* --- Short forms --- */

/* "HOST:PORT" -> "host=HOST,port=PORT"; either may be empty, and HOST may be [v6]. */
static char *chr_short_address(const char *address)
{
    size_t len = strcspn(address, ",");
    g_autofree char *hostport = g_strndup(address, len);
    char *colon = strrchr(hostport, ':');
    const char *host = hostport;

    if (!colon) {
        return g_strdup_printf("port=%s%s", hostport, address + len);
    }
    *colon = '\0';
    if (*host == '[' && g_str_has_suffix(host, "]")) {
        hostport[strlen(hostport) - 1] = '\0';
        host++;
    }
    return g_strdup_printf("host=%s,port=%s%s", host, colon + 1, address + len);
}

/* "vc", "vc:WxH" in dots, "vc:80Cx24C" in characters; NULL: none of these. */
static char *chr_expand_vc(const char *spec)
{
    unsigned w, h;
    int end = 0;

    if (!strcmp(spec, "vc")) {
        return g_strdup(spec);
    }
    if (sscanf(spec, "vc:%uCx%uC%n", &w, &h, &end) == 2 && end && !spec[end]) {
        return g_strdup_printf("vc,cols=%u,rows=%u", w, h);
    }
    end = 0;
    if (sscanf(spec, "vc:%ux%u%n", &w, &h, &end) == 2 && end && !spec[end]) {
        return g_strdup_printf("vc,width=%u,height=%u", w, h);
    }
    return NULL;
}

/* The option text of a short form ("backend,key=value..."), or NULL when it is none. */
static char *chr_expand_short(const char *spec, bool mux)
{
    static const struct {
        const char *prefix, *expansion;
    } prefixes[] = {
        {"file:", "file,path="},
        {"pipe:", "pipe,path="},
        {"unix:", "socket,path="},
    };
    static const char *const plain[] = {"null", "pty", "ringbuf", "web", NULL};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (g_str_has_prefix(spec, prefixes[i].prefix)) {
            return g_strconcat(prefixes[i].expansion, spec + strlen(prefixes[i].prefix), NULL);
        }
    }
    if (g_str_has_prefix(spec, "tcp:") || g_str_has_prefix(spec, "telnet:")) {
        g_autofree char *address = chr_short_address(strchr(spec, ':') + 1);

        return g_strconcat("socket,", address, *spec == 't' && spec[1] == 'e' ? ",telnet=on" : "",
                           NULL);
    }
    if (!strcmp(spec, "stdio")) {
        return g_strdup(mux ? "stdio,signal=off" : "stdio");
    }
    return g_strv_contains(plain, spec) ? g_strdup(spec) : chr_expand_vc(spec);
}

bool chr_new_short(const char *spec, const char *default_id, bool mux, char **id, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(Opts) o = NULL;

    *id = NULL;
    if (!strcmp(spec, "none")) {
        return true;
    }
    if (g_str_has_prefix(spec, "chardev:")) {
        if (!chr_find(spec + strlen("chardev:"))) {
            return error_fail(errp, "chardev '%s' does not exist", spec + strlen("chardev:"));
        }
        *id = g_strdup(spec + strlen("chardev:"));
        return true;
    }
    if (g_str_has_prefix(spec, "mon:")) {
        spec += strlen("mon:");
        mux = true;
    }
    text = chr_expand_short(spec, mux);
    if (!text) {
        return error_fail(errp,
                          "'%s' is no character device (accepted: none, null, stdio, pty, web, "
                          "file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, "
                          "vc, vc:80Cx24C, chardev:ID, mon:...)",
                          spec);
    }
    o = opts_parse("character device", text, "backend", errp);
    if (!o) {
        return false;
    }
    if (!chr_create_maybe_mux(default_id, opts_take(o, "backend"), o, mux, errp)) {
        return false;
    }
    *id = g_strdup(default_id);
    return true;
}

/* --- Breaks --- */

bool chr_break_guest(const char *id, Error **errp)
{
    Chardev *c = chr_find(id);

    if (!c) {
        return error_fail(errp, "chardev '%s' does not exist", id);
    }
    chr_event(c, CHAR_BREAK);
    return true;
}

/* --- Removal --- */

bool chr_remove(const char *id, Error **errp)
{
    Chardev *c = chr_find(id);

    if (!c) {
        return error_fail(errp, "chardev '%s' does not exist", id);
    }
    if (c->front || (c->ops->detach && c->open)) {
        return error_fail(errp, "chardev '%s' is in use", id);
    }
    qom_unparent(&c->obj);
    return true;
}

/* Multiplexers are children too and let go of their base first, as they were made after it. */
void chr_cleanup_all(void)
{
    Object *folder = chr_folder();

    while (folder->children && folder->children->len) {
        Chardev *c = g_ptr_array_index(folder->children, folder->children->len - 1);

        if (c->front) {
            c->front->chr = NULL;
            c->front = NULL;
        }
        qom_unparent(&c->obj);
    }
}
