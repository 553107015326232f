/* SPDX-License-Identifier: MIT */
/*
 * The handshake with a VNC client: version, security, and the first messages.
 * Spec: RFC 6143 sections 7.1 to 7.3 (versions 3.3, 3.7 and 3.8).  Threading: the machine lock, main loop.
 */
#include "rhea/osdep.h"

#include "block/cipher.h"
#include "vnc-client.h"

enum { VERSION_BYTES = 12 };
enum { SECURITY_NONE = 1, SECURITY_VNC = 2, SECURITY_VENCRYPT = 19 };

static void put_text(VncClient *c, const char *text)
{
    vnc_put_u32(c->out, (uint32_t)strlen(text));
    g_byte_array_append(c->out, (const uint8_t *)text, strlen(text));
}

/* ClientInit. */
static size_t take_init(VncClient *c, const uint8_t *p)
{
    static const uint8_t padding[3];
    pixman_image_t *surface;

    if (!p[0] && c->server->share != VNC_SHARE_IGNORED) {
        if (c->server->share == VNC_SHARE_FORCED) {
            vnc_client_kill(c);
            return 1;
        }
        vnc_drop_others(c->server, c);
    }
    vnc_refresh(c->server);
    surface = vnc_surface(c->server);
    c->width = (unsigned)pixman_image_get_width(surface);
    c->height = (unsigned)pixman_image_get_height(surface);
    vnc_put_u16(c->out, c->width);
    vnc_put_u16(c->out, c->height);
    vnc_put_u8(c->out, 32); /* bits of a pixel */
    vnc_put_u8(c->out, 24); /* that count */
    vnc_put_u8(c->out, c->settings.format.big_endian);
    vnc_put_u8(c->out, true); /* true colour */
    for (unsigned i = 0; i < 3; i++) {
        vnc_put_u16(c->out, c->settings.format.max[i]);
    }
    g_byte_array_append(c->out, c->settings.format.shift, sizeof(c->settings.format.shift));
    g_byte_array_append(c->out, padding, sizeof(padding));
    put_text(c, "Rhea");
    vnc_client_is_ready(c);
    vnc_client_expect(c, vnc_take_message, 1);
    return 1;
}

void vnc_auth_refuse(VncClient *c, const char *why)
{
    vnc_put_u32(c->out, 1);
    if (c->minor >= 8) {
        put_text(c, why);
    }
    vnc_client_flush(c);
    vnc_client_kill(c);
}

/* DES in VNC takes the bits of each byte of the key in the other order. */
static bool encrypt_challenge(const VncClient *c, uint8_t out[VNC_CHALLENGE_BYTES])
{
    const char *password = c->server->password;
    uint8_t key[VNC_PASSWORD_BYTES] = {0};
    CryptCipher *des;
    bool ok;

    for (unsigned i = 0; i < VNC_PASSWORD_BYTES && password[i]; i++) {
        for (unsigned b = 0; b < 8; b++) {
            key[i] |= ((uint8_t)password[i] >> b & 1) << (7 - b);
        }
    }
    memcpy(out, c->challenge, VNC_CHALLENGE_BYTES);
    des = crypt_cipher_new("des", CRYPT_ECB, key, sizeof(key), NULL);
    ok = des && crypt_cipher_run(des, true, NULL, out, VNC_CHALLENGE_BYTES);
    crypt_cipher_free(des);
    return ok;
}

static bool expired(const VncServer *s)
{
    return s->expires && g_get_real_time() / G_USEC_PER_SEC >= s->expires;
}

static size_t take_response(VncClient *c, const uint8_t *p)
{
    uint8_t wanted[VNC_CHALLENGE_BYTES], differ = 0;
    bool ok = c->server->password && !expired(c->server) && encrypt_challenge(c, wanted);

    for (unsigned i = 0; ok && i < VNC_CHALLENGE_BYTES; i++) {
        differ |= wanted[i] ^ p[i];
    }
    if (!ok || differ) {
        vnc_auth_refuse(c, "Authentication failed");
        return VNC_CHALLENGE_BYTES;
    }
    vnc_put_u32(c->out, 0);
    vnc_client_expect(c, take_init, 1);
    return VNC_CHALLENGE_BYTES;
}

void vnc_auth_password(VncClient *c)
{
    if (!crypt_random(c->challenge, sizeof(c->challenge), NULL)) {
        vnc_client_kill(c);
        return;
    }
    g_byte_array_append(c->out, c->challenge, sizeof(c->challenge));
    vnc_client_expect(c, take_response, VNC_CHALLENGE_BYTES);
}

void vnc_auth_none(VncClient *c)
{
    if (c->minor >= 8) {
        vnc_put_u32(c->out, 0);
    }
    vnc_client_expect(c, take_init, 1);
}

static unsigned security(const VncClient *c)
{
    return c->server->tls             ? SECURITY_VENCRYPT
           : c->server->want_password ? SECURITY_VNC
                                      : SECURITY_NONE;
}

static size_t take_security(VncClient *c, const uint8_t *p)
{
    if (p[0] != security(c)) {
        vnc_auth_refuse(c, "This security type was not offered");
    } else if (p[0] == SECURITY_VENCRYPT) {
        vnc_vencrypt_start(c);
    } else if (p[0] == SECURITY_VNC) {
        vnc_auth_password(c);
    } else {
        vnc_auth_none(c);
    }
    return 1;
}

static size_t take_version(VncClient *c, const uint8_t *p)
{
    if (memcmp(p, "RFB 003.00", 10) || p[11] != '\n' || !g_ascii_isdigit(p[10])) {
        vnc_client_kill(c);
        return VERSION_BYTES;
    }
    c->minor = p[10] >= '8' ? 8 : p[10] == '7' ? 7 : 3;
    if (c->minor == 3 && c->server->tls) {
        vnc_client_kill(c); /* the version has no words for it */
        return VERSION_BYTES;
    }
    if (c->minor == 3) {
        vnc_put_u32(c->out, security(c));
        if (c->server->want_password) {
            vnc_auth_password(c);
        } else {
            vnc_client_expect(c, take_init, 1);
        }
        return VERSION_BYTES;
    }
    vnc_put_u8(c->out, 1);
    vnc_put_u8(c->out, security(c));
    vnc_client_expect(c, take_security, 1);
    return VERSION_BYTES;
}

bool vnc_auth_check(Error **errp)
{
    static const uint8_t key[VNC_PASSWORD_BYTES] = "anything";
    CryptCipher *des = crypt_cipher_new("des", CRYPT_ECB, key, sizeof(key), errp);

    if (!des) {
        error_prepend(errp, "-vnc: password=on: ");
    }
    crypt_cipher_free(des);
    return des != NULL;
}

void vnc_auth_start(VncClient *c)
{
    g_byte_array_append(c->out, (const uint8_t *)"RFB 003.008\n", VERSION_BYTES);
    vnc_client_expect(c, take_version, VERSION_BYTES);
    vnc_client_flush(c);
}
