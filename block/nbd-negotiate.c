/* SPDX-License-Identifier: MIT */
/*
 * The handshake of the NBD server: fixed newstyle, its options, and the answers.
 * The thread of the connection.
 */
#include "rhea/osdep.h"

#include "block/tls.h"
#include "nbd-int.h"
#include "rhea/endian.h"

enum {
    OPTION_MAX = 64 * 1024,     /* larger ones are refused ... */
    OPTION_SKIP_MAX = 32 << 20, /* ... and these are no options */
    OPTIONS_MAX = 1024, /* a client that goes on after so many is not going to come to the point */
    PREFERRED_BLOCK = 4096,
};

/* What has been read of an option's data. */
typedef struct Cursor {
    const uint8_t *at;
    size_t left;
} Cursor;

typedef enum Next { NEXT_OPTION, NEXT_REQUESTS, NEXT_CLOSE } Next;

typedef struct Option {
    NbdConn *c;
    uint32_t number;
    Cursor data;
} Option;

/* --- Data --- */

/* @len bytes, or NULL when there are fewer. */
static const uint8_t *take(Cursor *data, size_t len)
{
    const uint8_t *at = data->at;

    if (len > data->left) {
        return NULL;
    }
    data->at += len;
    data->left -= len;
    return at;
}

static bool take_u32(Cursor *data, uint32_t *out)
{
    const uint8_t *at = take(data, 4);

    *out = at ? ld32_be(at) : 0;
    return at;
}

/* A text behind its length. */
static bool take_text(Cursor *data, Cursor *out)
{
    uint32_t len;

    if (!take_u32(data, &len)) {
        return false;
    }
    out->left = len;
    out->at = take(data, len);
    return out->at;
}

/* --- Answers --- */

static bool reply_parts(Option *o, uint32_t type, const void *head, size_t head_len,
                        const void *text, size_t len)
{
    uint8_t header[20];
    struct iovec iov[] = {{header, sizeof(header)}, {(void *)head, head_len}, {(void *)text, len}};

    st64_be(header, NBD_OPTION_REPLY);
    st32_be(header + 8, o->number);
    st32_be(header + 12, type);
    st32_be(header + 16, (uint32_t)(head_len + len));
    return nbd_send(o->c, iov, ARRAY_SIZE(iov));
}

static Next reply(Option *o, uint32_t type, const char *text)
{
    return reply_parts(o, type, NULL, 0, text, text ? strlen(text) : 0) ? NEXT_OPTION : NEXT_CLOSE;
}

static Next reply_invalid(Option *o)
{
    return reply(o, NBD_REP_ERR_INVALID, "the option's data are not of its form");
}

static Next reply_unknown(Option *o, const Cursor *name)
{
    g_autofree char *shown = g_utf8_make_valid((const char *)name->at, (gssize)MIN(name->left, 80));
    g_autofree char *text = g_strdup_printf("there is no export '%s'", shown);

    nbd_verbose(o->c, "asked for an export that is not there: '%s'", shown);
    return reply(o, NBD_REP_ERR_UNKNOWN, text);
}

/* --- Choosing an export --- */

static void choose(NbdConn *c, NbdExport *e)
{
    nbd_export_choose(c, e);
    if (c->contexts && strcmp(c->contexts_of, e->name)) {
        c->contexts = 0;
    }
    nbd_verbose(c, "uses export '%s'", e->name);
}

/* The old way: no answer but the export's data, or the end. */
static Next option_export_name(Option *o)
{
    uint8_t answer[8 + 2 + 124] = {0};
    struct iovec iov = {answer, o->c->no_zeroes ? 10 : sizeof(answer)};
    NbdExport *e = nbd_export_get(o->c->server, o->data.at, o->data.left);

    if (!e) {
        return NEXT_CLOSE;
    }
    choose(o->c, e);
    st64_be(answer, e->size);
    st16_be(answer + 8, nbd_export_flags(o->c, e));
    return nbd_send(o->c, &iov, 1) ? NEXT_REQUESTS : NEXT_CLOSE;
}

static bool send_info_text(Option *o, uint16_t kind, const char *text)
{
    uint8_t head[2];

    st16_be(head, kind);
    return reply_parts(o, NBD_REP_INFO, head, sizeof(head), text, strlen(text));
}

static bool send_infos(Option *o, const NbdExport *e, bool name, bool description)
{
    uint8_t basic[12], sizes[14];

    st16_be(basic, NBD_INFO_EXPORT);
    st64_be(basic + 2, e->size);
    st16_be(basic + 10, nbd_export_flags(o->c, e));
    st16_be(sizes, NBD_INFO_BLOCK_SIZE);
    st32_be(sizes + 2, 1);
    st32_be(sizes + 6, PREFERRED_BLOCK);
    st32_be(sizes + 10, NBD_MAX_TRANSFER);
    return reply_parts(o, NBD_REP_INFO, basic, sizeof(basic), NULL, 0) &&
           (!name || send_info_text(o, NBD_INFO_NAME, e->name)) &&
           (!description || !e->description ||
            send_info_text(o, NBD_INFO_DESCRIPTION, e->description)) &&
           reply_parts(o, NBD_REP_INFO, sizes, sizeof(sizes), NULL, 0) &&
           reply(o, NBD_REP_ACK, NULL) == NEXT_OPTION;
}

/* Gives up the use of @e before it sends: a client that does not read must not keep the export. */
static Next inform(Option *o, NbdExport *e, bool name, bool description)
{
    NbdExport copy = *e;
    g_autofree char *name_copy = copy.name = g_strdup(e->name);
    g_autofree char *description_copy = copy.description = g_strdup(e->description);

    nbd_export_put(o->c->server, e);
    return send_infos(o, &copy, name, description) ? NEXT_OPTION : NEXT_CLOSE;
}

/* NBD_OPT_INFO and NBD_OPT_GO: the name, and what else the client wants to know. */
static Next option_go(Option *o)
{
    bool want_name = false, want_description = false;
    const uint8_t *count;
    Cursor name;
    NbdExport *e;

    if (!take_text(&o->data, &name) || !(count = take(&o->data, 2)) ||
        o->data.left != ld16_be(count) * 2U) {
        return reply_invalid(o);
    }
    for (const uint8_t *kind; (kind = take(&o->data, 2));) {
        want_name |= ld16_be(kind) == NBD_INFO_NAME;
        want_description |= ld16_be(kind) == NBD_INFO_DESCRIPTION;
    }
    e = nbd_export_get(o->c->server, name.at, name.left);
    if (!e) {
        return reply_unknown(o, &name);
    }
    if (o->number == NBD_OPT_GO) {
        choose(o->c, e);
        return send_infos(o, e, want_name, want_description) ? NEXT_REQUESTS : NEXT_CLOSE;
    }
    return inform(o, e, want_name, want_description);
}

/* --- The others --- */

/* Collected first: a client that does not read the list must not hold the server's lock. */
static bool collect_name(const NbdExport *e, void *opaque)
{
    g_ptr_array_add(opaque, g_strdup(e->name));
    g_ptr_array_add(opaque, g_strdup(e->description ? e->description : ""));
    return true;
}

static Next option_list(Option *o)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (o->data.left) {
        return reply_invalid(o);
    }
    nbd_export_foreach(o->c->server, collect_name, names);
    for (guint i = 0; i < names->len; i += 2) {
        const char *name = names->pdata[i];
        g_autofree char *text = g_strconcat(name, names->pdata[i + 1], NULL);
        uint8_t head[4];

        st32_be(head, (uint32_t)strlen(name));
        if (!reply_parts(o, NBD_REP_SERVER, head, sizeof(head), text, strlen(text))) {
            return NEXT_CLOSE;
        }
    }
    return reply(o, NBD_REP_ACK, NULL);
}

/* Whether a query asks for the context; LIST may also name the beginning of several. */
static bool asks_for(const Option *o, const Cursor *query, const char *context)
{
    size_t len = query->left;

    return len <= strlen(context) && !memcmp(query->at, context, len) &&
           (!context[len] ||
            (o->number == NBD_OPT_LIST_META_CONTEXT && len && context[len - 1] == ':'));
}

/* Takes the queries, which *mask gets the contexts of; false: they are not of their form.  @e NULL: only that. */
static bool take_queries(const Option *o, Cursor queries, const NbdExport *e, uint64_t *mask)
{
    uint32_t count;
    Cursor query;

    if (!take_u32(&queries, &count)) {
        return false;
    }
    *mask = !count && o->number == NBD_OPT_LIST_META_CONTEXT ? UINT64_MAX : 0;
    /* Each takes four bytes at least: there are no more than OPTION_MAX. */
    for (uint32_t i = 0; i < count; i++) {
        if (!take_text(&queries, &query)) {
            return false;
        }
        for (unsigned n = 0; e && e->contexts[n]; n++) {
            *mask |= asks_for(o, &query, e->contexts[n]) ? 1ULL << n : 0;
        }
    }
    return !queries.left;
}

/* @names are those of all contexts. */
static Next answer_contexts(Option *o, char *const *names, uint64_t mask)
{
    for (unsigned n = 0; names[n]; n++) {
        uint8_t id[4];

        st32_be(id, o->number == NBD_OPT_SET_META_CONTEXT ? n + 1 : 0);
        if (mask >> n & 1 &&
            !reply_parts(o, NBD_REP_META_CONTEXT, id, sizeof(id), names[n], strlen(names[n]))) {
            return NEXT_CLOSE;
        }
    }
    return reply(o, NBD_REP_ACK, NULL);
}

static Next option_contexts(Option *o)
{
    g_auto(GStrv) names = NULL;
    NbdConn *c = o->c;
    uint64_t mask;
    Cursor name;
    NbdExport *e;

    if (o->number == NBD_OPT_SET_META_CONTEXT) {
        c->contexts = 0; /* what was chosen before does not outlive an error */
    }
    if (!c->structured || !take_text(&o->data, &name) || !take_queries(o, o->data, NULL, &mask)) {
        return reply_invalid(o);
    }
    e = nbd_export_get(c->server, name.at, name.left);
    if (!e) {
        return reply_unknown(o, &name);
    }
    if (take_queries(o, o->data, e, &mask) && o->number == NBD_OPT_SET_META_CONTEXT) {
        c->contexts = mask;
        g_free(c->contexts_of);
        c->contexts_of = g_strdup(e->name);
    }
    names = g_strdupv(e->contexts); /* a client that does not read must not keep the export */
    nbd_export_put(c->server, e);
    return answer_contexts(o, names, mask);
}

static Next option_structured(Option *o)
{
    if (o->data.left) {
        return reply_invalid(o);
    }
    o->c->structured = true;
    return reply(o, NBD_REP_ACK, NULL);
}

static Next begin_tls(NbdConn *c)
{
    int64_t left = c->deadline ? (c->deadline - g_get_monotonic_time()) / 1000 : 0;
    Error *err = NULL;
    int fd;

    fd = c->deadline && left <= 0
             ? -1
             : tls_serve(nbd_server_tls(c->server), c->fd, (unsigned)left, &err);
    if (fd < 0) {
        nbd_verbose(c, "%s", err ? error_text(err) : "TLS handshake: too late");
        error_free(err);
        return NEXT_CLOSE;
    }
    nbd_change_socket(c, fd);
    c->encrypted = true;
    return NEXT_OPTION;
}

/* What was agreed on before is forgotten: anybody may have said it. */
static Next option_starttls(Option *o)
{
    NbdConn *c = o->c;

    if (o->data.left || c->encrypted) {
        return reply_invalid(o);
    }
    if (!nbd_server_tls(c->server)) {
        return reply(o, NBD_REP_ERR_POLICY, "this server does not speak TLS");
    }
    c->structured = false;
    c->contexts = 0;
    return reply(o, NBD_REP_ACK, NULL) == NEXT_OPTION ? begin_tls(c) : NEXT_CLOSE;
}

/* Whether it may be answered in the clear. */
static bool may_run(const Option *o)
{
    return !nbd_server_tls(o->c->server) || o->c->encrypted || o->number == NBD_OPT_STARTTLS ||
           o->number == NBD_OPT_ABORT;
}

static Next run_option(Option *o)
{
    if (!may_run(o)) {
        return o->number == NBD_OPT_EXPORT_NAME
                   ? NEXT_CLOSE
                   : reply(o, NBD_REP_ERR_TLS_REQD, "this server speaks TLS only");
    }
    switch (o->number) {
    case NBD_OPT_EXPORT_NAME: return option_export_name(o);
    case NBD_OPT_ABORT: reply(o, NBD_REP_ACK, NULL); return NEXT_CLOSE;
    case NBD_OPT_LIST: return option_list(o);
    case NBD_OPT_STARTTLS: return option_starttls(o);
    case NBD_OPT_INFO:
    case NBD_OPT_GO: return option_go(o);
    case NBD_OPT_STRUCTURED_REPLY: return option_structured(o);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT: return option_contexts(o);
    default: return reply(o, NBD_REP_ERR_UNSUP, "the option is not known");
    }
}

/* --- One option after the other --- */

static Next next_option(NbdConn *c)
{
    uint8_t header[16];
    g_autofree uint8_t *data = NULL;
    Option o = {.c = c};
    uint32_t len;

    if (!nbd_recv(c, header, sizeof(header)) || ld64_be(header) != NBD_OPTION_MAGIC) {
        return NEXT_CLOSE;
    }
    o.number = ld32_be(header + 8);
    len = ld32_be(header + 12);
    if (len > OPTION_MAX) {
        return len <= OPTION_SKIP_MAX && o.number != NBD_OPT_EXPORT_NAME && nbd_recv_skip(c, len)
                   ? reply(&o, NBD_REP_ERR_TOO_BIG, "the option is too long")
                   : NEXT_CLOSE;
    }
    data = g_malloc(len + 1);
    if (!nbd_recv(c, data, len)) {
        return NEXT_CLOSE;
    }
    o.data = (Cursor){data, len};
    return run_option(&o);
}

bool nbd_negotiate(NbdConn *c)
{
    uint8_t greeting[18], answer[4];
    struct iovec iov = {greeting, sizeof(greeting)};
    Next next = NEXT_OPTION;
    uint32_t flags;

    st64_be(greeting, NBD_MAGIC);
    st64_be(greeting + 8, NBD_OPTION_MAGIC);
    st16_be(greeting + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    if (!nbd_send(c, &iov, 1) || !nbd_recv(c, answer, sizeof(answer))) {
        return false;
    }
    flags = ld32_be(answer);
    if (flags & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
        return false;
    }
    c->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
    for (unsigned i = 0; i < OPTIONS_MAX && next == NEXT_OPTION; i++) {
        next = next_option(c);
    }
    c->deadline = 0;
    return next == NEXT_REQUESTS;
}
