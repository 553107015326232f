/* SPDX-License-Identifier: MIT */
/* -smbios: fields of the tables, and whole structures from files; see hw/firmware/smbios.h. */
#include "rhea/osdep.h"

#include "rhea/opts.h"
#include "smbios-int.h"

enum { FILE_MAX = 64 * 1024, TYPES = 256, MAX_KEYS = 16 };

/* How a field's value is checked. */
typedef enum FieldKind {
    FIELD_TEXT,
    FIELD_TEXTS, /* may be repeated */
    FIELD_FILE,  /* a path: its content is a value of the field listed before it */
    FIELD_BOOL,
    FIELD_U16,
    FIELD_U64,
    FIELD_RELEASE, /* major.minor */
    FIELD_UUID
} FieldKind;

typedef struct Field {
    uint8_t type;
    FieldKind kind;
    const char *key;
} Field;

static const Field fields[] = {
    {SMBIOS_BIOS, FIELD_TEXT, "vendor"},
    {SMBIOS_BIOS, FIELD_TEXT, "version"},
    {SMBIOS_BIOS, FIELD_TEXT, "date"},
    {SMBIOS_BIOS, FIELD_RELEASE, "release"},
    {SMBIOS_BIOS, FIELD_BOOL, "uefi"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "manufacturer"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "product"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "version"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "serial"},
    {SMBIOS_SYSTEM, FIELD_UUID, "uuid"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "sku"},
    {SMBIOS_SYSTEM, FIELD_TEXT, "family"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "manufacturer"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "product"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "version"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "serial"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "asset"},
    {SMBIOS_BASEBOARD, FIELD_TEXT, "location"},
    {SMBIOS_CHASSIS, FIELD_TEXT, "manufacturer"},
    {SMBIOS_CHASSIS, FIELD_TEXT, "version"},
    {SMBIOS_CHASSIS, FIELD_TEXT, "serial"},
    {SMBIOS_CHASSIS, FIELD_TEXT, "asset"},
    {SMBIOS_CHASSIS, FIELD_TEXT, "sku"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "sock_pfx"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "manufacturer"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "version"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "serial"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "asset"},
    {SMBIOS_PROCESSOR, FIELD_TEXT, "part"},
    {SMBIOS_PROCESSOR, FIELD_U16, "max-speed"},
    {SMBIOS_PROCESSOR, FIELD_U16, "current-speed"},
    {SMBIOS_PROCESSOR, FIELD_U16, "processor-family"},
    {SMBIOS_PROCESSOR, FIELD_U64, "processor-id"},
    {SMBIOS_OEM_STRINGS, FIELD_TEXTS, "value"},
    {SMBIOS_OEM_STRINGS, FIELD_FILE, "path"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "loc_pfx"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "bank"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "manufacturer"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "serial"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "asset"},
    {SMBIOS_MEMORY_DEVICE, FIELD_TEXT, "part"},
    {SMBIOS_MEMORY_DEVICE, FIELD_U16, "speed"},
};

typedef struct Value {
    const Field *field;
    char *text;
} Value;

struct SmbiosOptions {
    GArray *values; /* Value, in the order given */
    GByteArray *structures;
    bool has_type[TYPES], replaced[TYPES];
};

/* --- Reading them --- */

bool smbios_has_type(const SmbiosOptions *o, uint8_t type)
{
    return o && o->has_type[type];
}

bool smbios_is_replaced(const SmbiosOptions *o, uint8_t type)
{
    return o && o->replaced[type];
}

const char *smbios_next_text(const SmbiosOptions *o, uint8_t type, const char *key, guint *iter)
{
    while (o && *iter < o->values->len) {
        const Value *v = &g_array_index(o->values, Value, (*iter)++);

        if (v->field->type == type && !strcmp(v->field->key, key)) {
            return v->text;
        }
    }
    return NULL;
}

const char *smbios_text(const SmbiosOptions *o, uint8_t type, const char *key,
                        const char *otherwise)
{
    const char *text;
    guint iter = 0;

    while ((text = smbios_next_text(o, type, key, &iter))) {
        otherwise = text;
    }
    return otherwise;
}

uint64_t smbios_number(const SmbiosOptions *o, uint8_t type, const char *key, uint64_t otherwise)
{
    const char *text = smbios_text(o, type, key, NULL);

    return text ? g_ascii_strtoull(text, NULL, 0) : otherwise;
}

bool smbios_flag(const SmbiosOptions *o, uint8_t type, const char *key)
{
    const char *text = smbios_text(o, type, key, NULL);
    bool flag = false;

    /* add_value() has refused what is none. */
    return text && parse_bool(key, text, &flag, NULL) && flag;
}

const GByteArray *smbios_file_structures(const SmbiosOptions *o)
{
    return o ? o->structures : NULL;
}

/* --- file= --- */

size_t smbios_structure_size(const uint8_t *p, size_t len)
{
    size_t at;

    if (len < SMBIOS_HEADER_SIZE || p[1] < SMBIOS_HEADER_SIZE) {
        return 0;
    }
    for (at = p[1]; at + 2 <= len; at++) {
        if (!p[at] && !p[at + 1]) {
            return at + 2;
        }
    }
    return 0;
}

static bool add_structures(SmbiosOptions *o, const char *path, const uint8_t *p, size_t len,
                           Error **errp)
{
    size_t at = 0, size;

    for (; at < len; at += size) {
        size = smbios_structure_size(p + at, len - at);
        if (!size) {
            return error_fail(
                errp,
                "-smbios: file=%s: no whole structure at byte %zu (its formatted part, "
                "then texts, then two zero bytes)",
                path, at);
        }
        if (o->has_type[p[at]]) {
            return error_fail(errp, "-smbios: file=%s: type=%u has fields given already", path,
                              p[at]);
        }
        o->replaced[p[at]] = true;
    }
    g_byte_array_append(o->structures, p, len);
    return true;
}

static bool add_file(SmbiosOptions *o, const char *path, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autofree char *data = NULL;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        return error_fail(errp, "-smbios: file=: %s", gerr->message);
    }
    if (!len || len + o->structures->len > FILE_MAX) {
        return error_fail(errp, "-smbios: file=%s: %s", path,
                          len ? "more than 64 KiB of structures" : "the file is empty");
    }
    return add_structures(o, path, (const uint8_t *)data, len, errp);
}

/* --- type=N,KEY=VALUE --- */

/* The keys of @type, NULL-terminated; their number. */
static size_t keys_of(uint8_t type, const char *keys[MAX_KEYS])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i].type == type) {
            keys[n++] = fields[i].key;
        }
    }
    keys[n] = NULL;
    return n;
}

static bool check_release(const char *what, const char *text, Error **errp)
{
    g_auto(GStrv) part = g_strsplit(text, ".", -1);
    uint64_t v;

    if (g_strv_length(part) != 2) {
        return error_fail(errp, "%s: '%s' is not MAJOR.MINOR", what, text);
    }
    return parse_u64(what, part[0], UINT8_MAX, &v, errp) &&
           parse_u64(what, part[1], UINT8_MAX, &v, errp);
}

/* A text of a file, up to its first zero byte; NULL and errp on failure. */
static char *read_text(const char *path, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    char *data;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        error_fail(errp, "-smbios: path=: %s", gerr->message);
        return NULL;
    }
    if (len > FILE_MAX || strlen(data) != len) {
        error_fail(errp, "-smbios: path=%s: %s", path,
                   len > FILE_MAX ? "more than 64 KiB" : "a text has no zero bytes");
        g_free(data);
        return NULL;
    }
    return data;
}

static bool check_value(const Field *f, const char *text, Error **errp)
{
    g_autofree char *what = g_strdup_printf("-smbios type=%u: %s", f->type, f->key);
    uint64_t number;
    bool flag;

    switch (f->kind) {
    case FIELD_BOOL: return parse_bool(what, text, &flag, errp);
    case FIELD_U16: return parse_u64(what, text, UINT16_MAX, &number, errp);
    case FIELD_U64: return parse_u64(what, text, UINT64_MAX, &number, errp);
    case FIELD_RELEASE: return check_release(what, text, errp);
    case FIELD_UUID:
        return g_uuid_string_is_valid(text) ||
               error_fail(errp, "%s: '%s' is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
                          what, text);
    default: return true;
    }
}

static bool add_value(SmbiosOptions *o, const Field *f, const char *text, Error **errp)
{
    Value v = {.field = f};

    if (!check_value(f, text, errp)) {
        return false;
    }
    if (f->kind == FIELD_FILE) {
        v.field = f - 1;
        v.text = read_text(text, errp);
    } else {
        v.text = g_strdup(text);
    }
    if (v.text) {
        g_array_append_val(o->values, v);
    }
    return v.text != NULL;
}

static bool add_fields(SmbiosOptions *o, uint8_t type, Opts *opts, Error **errp)
{
    const char *keys[MAX_KEYS];

    if (!keys_of(type, keys)) {
        return error_fail(
            errp,
            "-smbios: type=%u has no fields to be given (accepted: 0, 1, 2, 3, 4, 11, "
            "17; others in a file, file=PATH)",
            type);
    }
    if (o->replaced[type]) {
        return error_fail(errp, "-smbios: type=%u is in a file already", type);
    }
    o->has_type[type] = true;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *text;
        unsigned iter = 0;

        while (fields[i].type == type && (text = opts_take_next(opts, fields[i].key, &iter))) {
            if (!add_value(o, &fields[i], text, errp)) {
                return false;
            }
        }
    }
    return opts_done(opts, keys, errp);
}

bool smbios_add_option(SmbiosOptions **out, const char *optarg, Error **errp)
{
    g_autoptr(Opts) opts = opts_parse("-smbios", optarg, NULL, errp);
    const char *path;
    uint64_t type = 0;

    if (!opts) {
        return false;
    }
    if (!*out) {
        *out = g_new0(SmbiosOptions, 1);
        (*out)->values = g_array_new(FALSE, FALSE, sizeof(Value));
        (*out)->structures = g_byte_array_new();
    }
    path = opts_take(opts, "file");
    if (path) {
        static const char *const keys[] = {"file", NULL};

        return add_file(*out, path, errp) && opts_done(opts, keys, errp);
    }
    if (!opts_peek(opts, "type")) {
        return error_fail(errp, "-smbios: '%s' has neither type=N nor file=PATH", optarg);
    }
    return opts_take_u64(opts, "type", TYPES - 1, &type, errp) &&
           add_fields(*out, type, opts, errp);
}
