/* SPDX-License-Identifier: MIT */
/*
 * Changes of LUKS key slots: another password, or one less.  A new slot's key material is stable before the slot
 * says that it is active; one that goes says so before its material is overwritten.
 */
#include "rhea/osdep.h"

#include "luks.h"
#include "luks-format.h"
#include "rhea/bits.h"

typedef struct SlotChange {
    Luks *l;
    BlockNode *file;
    uint64_t offset, room;
    const char *opened; /* the secret with which the image is open, NULL: none */
    bool force;
    /* options */
    int state;
    const char *old_secret, *new_secret;
    uint64_t slot; /* UINT64_MAX: not given */
    uint64_t iter_ms;
} SlotChange;

static bool take_change(SlotChange *c, Opts *o, Error **errp)
{
    static const char *const states[] = {"", "active", "inactive", NULL};

    c->old_secret = opts_take(o, "old-secret");
    c->new_secret = opts_take(o, "new-secret");
    if (!opts_take_enum(o, "state", states, &c->state, errp) ||
        !opts_take_u64(o, "keyslot", LUKS_SLOTS - 1, &c->slot, errp) ||
        !opts_take_u64(o, "iter-time", 60000, &c->iter_ms, errp)) {
        return false;
    }
    if (!c->state) {
        return error_fail(errp, "state= is missing (accepted: active, inactive)");
    }
    if (c->state == 1 && !c->new_secret) {
        return error_fail(errp, "'new-secret' is required to activate a keyslot");
    }
    return c->state == 1 || !c->new_secret ||
           error_fail(errp, "'new-secret' must not be given when erasing keyslots");
}

static int write_slot(const SlotChange *c, unsigned slot)
{
    uint8_t raw[LUKS_SLOT_LEN];
    uint64_t at = c->offset + LUKS_AT_SLOTS + slot * LUKS_SLOT_LEN;
    int ret;

    /* What says that it is active comes last: the rest may lie in another sector. */
    luks_put_slot(raw, &c->l->slots[slot]);
    ret = block_pwrite(c->file, at + 4, raw + 4, sizeof(raw) - 4);
    ret = ret ? ret : block_flush(c->file);
    ret = ret ? ret : block_pwrite(c->file, at, raw, 4);
    return ret ? ret : block_flush(c->file);
}

static uint64_t material_at(const SlotChange *c, const LuksSlot *s)
{
    return c->offset + s->offset * (uint64_t)CRYPT_SECTOR;
}

static size_t material_len(const SlotChange *c, const LuksSlot *s)
{
    return align_up((uint64_t)c->l->key_len * s->stripes, CRYPT_SECTOR);
}

/* --- One more --- */

static bool choose_slot(const SlotChange *c, unsigned *slot, Error **errp)
{
    if (c->slot != UINT64_MAX) {
        *slot = (unsigned)c->slot;
        return !c->l->slots[*slot].active || c->force ||
               error_fail(errp, "Refusing to overwrite active keyslot %u - please erase it first",
                          *slot);
    }
    for (*slot = 0; *slot < LUKS_SLOTS; ++*slot) {
        if (!c->l->slots[*slot].active) {
            return true;
        }
    }
    return error_fail(errp, "Can't add a keyslot - all keyslots are in use");
}

static bool fill_slot(const SlotChange *c, unsigned slot, const uint8_t *key, Error **errp)
{
    LuksSlot *s = &c->l->slots[slot], new = *s;
    g_autofree uint8_t *material = NULL;
    int ret;

    new.active = true;
    new.stripes = LUKS_STRIPES;
    if (!luks_count_rounds(c->l->hash, c->l->key_len, c->iter_ms, &new.iterations, errp) ||
        !crypt_random(new.salt, LUKS_SALT, errp)) {
        return false;
    }
    if (!luks_slot_fits(c->l, &new, c->room)) {
        return error_fail(errp, "'%s': there is no room for key slot %u", c->file->filename, slot);
    }
    material = g_malloc0(material_len(c, &new));
    if (!luks_put_material(c->l, &new, c->new_secret, key, material, errp)) {
        return false;
    }
    *s = new;
    ret = block_pwrite(c->file, material_at(c, s), material, material_len(c, s));
    ret = ret ? ret : block_flush(c->file);
    ret = ret ? ret : write_slot(c, slot);
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot write key slot %u", c->file->filename, slot);
}

static bool add_slot(const SlotChange *c, Error **errp)
{
    const char *secret = c->old_secret ? c->old_secret : c->opened;
    uint8_t key[CRYPT_MAX_KEY];
    unsigned slot;
    int found;
    bool ok;

    if (!secret) {
        return error_fail(errp, "old-secret= is missing, which opens '%s'", c->file->filename);
    }
    if (!choose_slot(c, &slot, errp)) {
        return false;
    }
    found = luks_find_key(c->l, c->file, c->offset, secret, UINT32_MAX, key, errp);
    ok = found >= 0
             ? fill_slot(c, slot, key, errp)
             : found == LUKS_KEY_ERROR || error_fail(errp, "Failed to retrieve the master key");
    explicit_bzero(key, sizeof(key));
    return found >= 0 && ok;
}

/* --- Some less --- */

static bool erase_slot(const SlotChange *c, unsigned slot, Error **errp)
{
    LuksSlot *s = &c->l->slots[slot];
    size_t len = material_len(c, s);
    g_autofree uint8_t *noise = NULL;
    int ret;

    if (!luks_slot_fits(c->l, s, c->room)) {
        return error_fail(errp, "'%s': key slot %u cannot be", c->file->filename, slot);
    }
    noise = g_malloc(len);
    if (!crypt_random(noise, len, errp)) {
        return false;
    }
    s->active = false;
    ret = write_slot(c, slot);
    ret = ret ? ret : block_pwrite(c->file, material_at(c, s), noise, len);
    ret = ret ? ret : block_flush(c->file);
    return !ret ||
           error_fail_errno(errp, -ret, "'%s': cannot erase key slot %u", c->file->filename, slot);
}

static uint32_t active_slots(const Luks *l)
{
    uint32_t active = 0;

    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        active |= (uint32_t)l->slots[i].active << i;
    }
    return active;
}

/* Those of @slots that the old secret opens. */
static bool slots_of_secret(const SlotChange *c, uint32_t slots, uint32_t *found, Error **errp)
{
    uint8_t key[CRYPT_MAX_KEY];
    int slot;

    *found = 0;
    do {
        slot = luks_find_key(c->l, c->file, c->offset, c->old_secret, slots & ~*found, key, errp);
        *found |= slot >= 0 ? 1U << slot : 0;
    } while (slot >= 0);
    explicit_bzero(key, sizeof(key));
    return slot == LUKS_KEY_NONE;
}

/* Which go: the one that is named, those that the old secret opens, or both. */
static bool choose_erased(const SlotChange *c, uint32_t *slots, Error **errp)
{
    uint32_t asked = c->slot == UINT64_MAX ? UINT32_MAX : 1U << c->slot;

    *slots = active_slots(c->l) & asked;
    if (c->slot == UINT64_MAX && !c->old_secret) {
        return error_fail(errp,
                          "To erase keyslot(s), either the keyslot index or old password must "
                          "be given");
    }
    if (!*slots) {
        return error_fail(errp, "'%s': key slot %" PRIu64 " is not active", c->file->filename,
                          c->slot);
    }
    if (!c->old_secret) {
        return true;
    }
    return slots_of_secret(c, *slots, slots, errp) &&
           (*slots ||
            error_fail(errp, "No keyslots match given (old) password for erase operation"));
}

static bool erase_slots(const SlotChange *c, Error **errp)
{
    uint32_t slots;

    if (!choose_erased(c, &slots, errp)) {
        return false;
    }
    if (slots == active_slots(c->l) && !c->force) {
        return error_fail(errp,
                          "No key slot would be left: all data in '%s' would be lost (--force "
                          "does it)",
                          c->file->filename);
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        if (slots >> i & 1 && !erase_slot(c, i, errp)) {
            return false;
        }
    }
    return true;
}

bool luks_amend(Luks *l, BlockNode *file, uint64_t offset, uint64_t room, const char *secret,
                Opts *o, bool force, Error **errp)
{
    SlotChange c = {
        .l = l,
        .file = file,
        .offset = offset,
        .room = room,
        .opened = secret,
        .force = force,
        .slot = UINT64_MAX,
        .iter_ms = 2000,
    };

    return take_change(&c, o, errp) && (c.state == 1 ? add_slot(&c, errp) : erase_slots(&c, errp));
}
