/* SPDX-License-Identifier: MIT */
/*
 * Encrypted qcow2 images: guest data is encrypted with the key in a LUKS header inside the image; the sectors'
 * numbers are those of the host clusters.  Tables, bitmaps and the header are not encrypted.
 * Not here: the older encryption "aes", which does not protect; compressed clusters in encrypted images.
 */
#include "rhea/osdep.h"

#include "luks.h"
#include "qcow2.h"
#include "rhea/endian.h"

/* --- Opening --- */

bool qcow2_read_crypt(Qcow2 *q, const uint8_t *ext, uint32_t len, Error **errp)
{
    uint64_t size = block_size(q->n->file);

    if (len != QCOW2_CRYPT_EXT_LEN) {
        return error_fail(errp, "'%s': the extension for encryption cannot be", q->n->filename);
    }
    q->crypt_offset = ld64_be(ext);
    q->crypt_bytes = ld64_be(ext + 8);
    return (q->crypt_offset && qcow2_aligned(q, q->crypt_offset) && q->crypt_offset < size &&
            q->crypt_bytes <= size - q->crypt_offset) ||
           error_fail(errp, "'%s': the place of the LUKS header cannot be", q->n->filename);
}

void qcow2_encode_crypt(const Qcow2 *q, uint8_t ext[static QCOW2_CRYPT_EXT_LEN])
{
    st64_be(ext, q->crypt_offset);
    st64_be(ext + 8, q->crypt_bytes);
}

bool qcow2_open_crypt(Qcow2 *q, Opts *o, unsigned flags, Error **errp)
{
    const char *format = opts_take(o, "encrypt.format");
    const char *secret = opts_take(o, "encrypt.key-secret");

    if (!q->encrypted) {
        return !(format || secret) || error_fail(errp, "'%s' is not encrypted", q->n->filename);
    }
    if (format && strcmp(format, "luks")) {
        return error_fail(errp, "'%s': encrypt.format=%s: it is luks", q->n->filename, format);
    }
    if (!q->crypt_offset) {
        return error_fail(errp, "'%s' does not say where its LUKS header is", q->n->filename);
    }
    q->luks = g_new0(Luks, 1);
    if (!luks_read(q->luks, q->n->file, q->crypt_offset, q->crypt_bytes, errp)) {
        return false;
    }
    if (!secret && flags & BLOCK_REPAIR) {
        return true;
    }
    q->crypt = luks_unlock(q->luks, q->n->file, q->crypt_offset, secret, errp);
    return q->crypt;
}

void qcow2_close_crypt(Qcow2 *q)
{
    crypt_free(q->crypt);
    g_free(q->luks);
}

void qcow2_describe_crypt(const Qcow2 *q, JsonObject *obj)
{
    JsonObject *inner = json_object_new();

    json_object_set_string_member(inner, "format", "luks");
    luks_describe(q->luks, 0, inner);
    json_object_set_object_member(obj, "encrypt", inner);
}

bool qcow2_amend_crypt(Qcow2 *q, Opts *o, bool force, Error **errp)
{
    g_autoptr(Opts) sub = opts_take_sub(o, "encrypt");
    BlockNode *n = q->n;

    if (opts_empty(sub)) {
        return true;
    }
    if (!q->encrypted) {
        return error_fail(errp, "'%s' is not encrypted", n->filename);
    }
    return luks_amend(q->luks, n->file, q->crypt_offset, q->crypt_bytes,
                      opts_peek(n->own, "encrypt.key-secret"), sub, force, errp) &&
           opts_done(sub, NULL, errp);
}

/* --- Guest data --- */

int qcow2_data_preadv(Qcow2 *q, uint64_t host, const struct iovec *iov, int niov)
{
    if (!q->encrypted) {
        return block_preadv(q->data, host, iov, niov);
    }
    return q->crypt ? crypt_preadv(q->crypt, q->data, 0, host, iov, niov) : -EACCES;
}

int qcow2_data_pwritev(Qcow2 *q, uint64_t host, const struct iovec *iov, int niov)
{
    if (!q->encrypted) {
        return block_pwritev(q->data, host, iov, niov);
    }
    return q->crypt ? crypt_pwritev(q->crypt, q->data, 0, host, iov, niov) : -EACCES;
}

/* --- New images --- */

bool qcow2_take_crypt(Opts *o, LuksSpec **out, Error **errp)
{
    static const char *const formats[] = {"luks", NULL};
    g_autoptr(Opts) sub = opts_take_sub(o, "encrypt");
    int format = -1;
    bool on = false;

    if (!opts_take_enum(sub, "format", formats, &format, errp) ||
        !opts_take_bool(o, "encryption", &on, errp)) {
        return false;
    }
    if (on) {
        return error_fail(errp, "encryption=on is a kind that does not protect: "
                                "use encrypt.format=luks");
    }
    if (format < 0) {
        return opts_empty(sub) || error_fail(errp, "encrypt.*: encrypt.format=luks is missing");
    }
    *out = g_new0(LuksSpec, 1);
    return luks_take_spec(sub, *out, errp) && opts_done(sub, NULL, errp);
}

bool qcow2_create_crypt(Qcow2 *q, const LuksSpec *spec, Error **errp)
{
    int ret;

    qcow2_exclusive_begin(q);
    ret = qcow2_alloc_exclusive(q, luks_room(spec), &q->crypt_offset);
    ret = ret ? ret : qcow2_commit_exclusive(q);
    qcow2_exclusive_end(q);
    if (ret) {
        return error_fail_errno(errp, -ret, "'%s': no room for the LUKS header", q->n->filename);
    }
    if (!luks_write_new(spec, q->n->file, q->crypt_offset, errp)) {
        return false;
    }
    q->crypt_bytes = luks_room(spec);
    q->encrypted = true;
    qcow2_exclusive_begin(q);
    ret = qcow2_rewrite_header(q);
    ret = ret ? ret : block_flush(q->n->file);
    qcow2_exclusive_end(q);
    return !ret || error_fail_errno(errp, -ret, "'%s': cannot write the header", q->n->filename);
}
