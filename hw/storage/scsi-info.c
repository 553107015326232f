/* SPDX-License-Identifier: MIT */
/*
 * What SCSI units tell about themselves: INQUIRY, mode pages, and the descriptions of discs and drives.
 * Specs: SPC-4 6.4 and 7.8, SBC-3 6.6, MMC-6 chapters 5 to 7.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "hw/storage/scsi.h"
#include "rhea/endian.h"

enum { TYPE_DISK = 0x00, TYPE_CDROM = 0x05 };

/* Discs of more blocks than fit a CD of 80 minutes are taken for DVDs. */
enum { CD_MAX_BLOCKS = 360000 };
enum { PROFILE_CDROM = 0x08, PROFILE_DVDROM = 0x10 };

static bool is_dvd(const ScsiUnit *u)
{
    return scsi_blocks(u) > CD_MAX_BLOCKS;
}

/* Space-padded text. */
static void put_text(uint8_t *to, size_t len, const char *text)
{
    size_t n = MIN(len, strlen(text));

    memset(to, ' ', len);
    memcpy(to, text, n);
}

/* --- INQUIRY --- */

static void inquiry_standard(ScsiCommand *c, uint32_t allocation)
{
    ScsiUnit *u = c->unit;
    uint8_t *d = scsi_data_in(c, 36, allocation);

    d[0] = u->cd ? TYPE_CDROM : TYPE_DISK;
    d[1] = u->cd ? 0x80 : 0; /* removable */
    d[2] = 5;                /* SPC-3 */
    d[3] = 2;                /* response format */
    d[4] = 36 - 5;
    d[7] = 0x02; /* CMDQUE */
    put_text(d + 8, 8, u->vendor);
    put_text(d + 16, 16, u->product);
    put_text(d + 32, 4, u->version);
}

/* A vital product data page of @len bytes behind its header. */
static uint8_t *vpd_page(ScsiCommand *c, uint8_t page, uint32_t len, uint32_t allocation)
{
    uint8_t *d = scsi_data_in(c, 4 + len, allocation);

    d[0] = c->unit->cd ? TYPE_CDROM : TYPE_DISK;
    d[1] = page;
    st16_be(d + 2, len);
    return d + 4;
}

/* Device identification: the world-wide name, or the serial number after the vendor (SPC-4 7.8.6). */
static void vpd_identification(ScsiCommand *c, uint32_t allocation)
{
    ScsiUnit *u = c->unit;
    const char *serial = u->serial ? u->serial : "";
    size_t n = MIN(strlen(serial), 64);
    uint8_t *d = vpd_page(c, 0x83, 12 + n + (u->wwn ? 12 : 0), allocation);

    d[0] = 2; /* ASCII */
    d[1] = 1; /* T10 vendor identification */
    d[3] = 8 + n;
    put_text(d + 4, 8, u->vendor);
    memcpy(d + 12, serial, n);
    if (u->wwn) {
        d += 12 + n;
        d[0] = 1; /* binary */
        d[1] = 3; /* NAA */
        d[3] = 8;
        st64_be(d + 4, u->wwn);
    }
}

static void vpd_limits(ScsiCommand *c, uint32_t allocation)
{
    uint8_t *d = vpd_page(c, 0xb0, 60, allocation);

    st32_be(d + 16, UINT32_MAX); /* blocks in an UNMAP ... */
    st32_be(d + 20, 255);        /* ... and its descriptors */
    st64_be(d + 32, UINT32_MAX); /* WRITE SAME */
}

static void inquiry_vpd(ScsiCommand *c, uint32_t allocation)
{
    static const uint8_t disk_pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
    ScsiUnit *u = c->unit;
    unsigned npages = u->cd ? 3 : sizeof(disk_pages);
    const char *serial = u->serial ? u->serial : "";
    size_t n = MIN(strlen(serial), 64);
    uint8_t *d;

    switch (c->cdb[2]) {
    case 0x00: memcpy(vpd_page(c, 0x00, npages, allocation), disk_pages, npages); return;
    case 0x80: memcpy(vpd_page(c, 0x80, n, allocation), serial, n); return;
    case 0x83: vpd_identification(c, allocation); return;
    }
    if (u->cd) {
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    switch (c->cdb[2]) {
    case 0xb0: vpd_limits(c, allocation); break;
    case 0xb1: st16_be(vpd_page(c, 0xb1, 60, allocation), u->rotation_rate); break;
    case 0xb2:
        d = vpd_page(c, 0xb2, 4, allocation);
        d[1] = 0xe0; /* UNMAP and WRITE SAME unmap */
        d[2] = 0x02; /* thin provisioned */
        break;
    default: scsi_fail(c, SENSE_BAD_FIELD);
    }
}

void scsi_inquiry(ScsiCommand *c)
{
    uint32_t allocation = ld16_be(c->cdb + 3);

    if (c->cdb[1] & 1) {
        inquiry_vpd(c, allocation);
    } else if (c->cdb[2]) {
        scsi_fail(c, SENSE_BAD_FIELD);
    } else {
        inquiry_standard(c, allocation);
    }
}

/* --- MODE SENSE --- */

typedef struct ModePage {
    uint8_t page, len; /* without the two header bytes */
    bool cd, disk;
    void (*fill)(const ScsiUnit *u, uint8_t *d); /* current values, behind the header */
} ModePage;

static void fill_caching(const ScsiUnit *u, uint8_t *d)
{
    d[0] = u->write_cache ? 1 << 2 : 0; /* WCE */
}

/* Old drivers ask for a geometry: 16 heads of 63 sectors. */
static void fill_geometry(const ScsiUnit *u, uint8_t *d)
{
    uint32_t cylinders = MIN(scsi_blocks(u) / (16 * 63), 0xffffff);

    d[0] = cylinders >> 16;
    st16_be(d + 1, cylinders);
    d[3] = 16;
    st16_be(d + 18, 5400);
}

/* MM capabilities (MMC-2 5.5.10): what drivers look at to learn that no disc can be written. */
static void fill_capabilities(const ScsiUnit *u, uint8_t *d)
{
    d[0] = 0x3b;                          /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
    d[2] = 0x7f;                          /* audio play, composite, mode 2, multi-session */
    d[3] = 0xff;                          /* CD-DA commands */
    d[4] = 0x29 | (u->locked ? 0x02 : 0); /* tray, ejects, locks */
    st16_be(d + 6, 50 * 176);             /* speed */
    st16_be(d + 8, 2);                    /* volume levels */
    st16_be(d + 10, 2048);                /* buffer in KiB */
    st16_be(d + 12, 16 * 176);
}

static void fill_nothing(const ScsiUnit *u, uint8_t *d)
{
}

static const ModePage mode_pages[] = {
    {0x01, 10, true, true, fill_nothing}, /* error recovery */
    {0x04, 22, false, true, fill_geometry},     {0x08, 18, false, true, fill_caching},
    {0x0e, 14, true, false, fill_nothing}, /* audio control */
    {0x2a, 20, true, false, fill_capabilities},
};

/* Appends the pages that @page asks for to @d, with @control 1 for "changeable" ones; bytes appended. */
static uint32_t add_pages(const ScsiUnit *u, uint8_t page, uint8_t control, uint8_t *d)
{
    uint32_t at = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(mode_pages); i++) {
        const ModePage *p = &mode_pages[i];

        if ((page != 0x3f && page != p->page) || !(u->cd ? p->cd : p->disk)) {
            continue;
        }
        d[at] = p->page;
        d[at + 1] = p->len;
        if (control != 1) {
            p->fill(u, d + at + 2);
        } else if (p->fill == fill_caching) {
            d[at + 2] = 1 << 2; /* WCE can be changed */
        }
        at += 2 + p->len;
    }
    return at;
}

void scsi_mode_sense(ScsiCommand *c)
{
    enum { PAGES_MAX = 128, SAVED = 3 };
    ScsiUnit *u = c->unit;
    bool ten = c->cdb[0] >> 5 == 2, descriptor = !u->cd && !(c->cdb[1] & 0x08);
    uint8_t page = c->cdb[2] & 0x3f, control = c->cdb[2] >> 6, pages[PAGES_MAX] = {0};
    uint32_t header = ten ? 8 : 4, at = header + (descriptor ? 8 : 0), len;
    uint8_t *d;

    len = add_pages(u, page, control, pages);
    if (control == SAVED || (!len && page)) {
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    d = scsi_data_in(c, at + len, ten ? ld16_be(c->cdb + 7) : c->cdb[4]);
    memcpy(d + at, pages, len);
    if (descriptor) {
        st32_be(d + header, MIN(scsi_blocks(u), UINT32_MAX));
        st32_be(d + header + 4, u->block_size & 0xffffff);
    }
    if (ten) {
        st16_be(d, at + len - 2);
        d[2] = u->cd && scsi_medium(u) ? 0x01 : 0; /* medium: 120 mm data disc */
        st16_be(d + 6, at - header);
    } else {
        d[0] = at + len - 1;
        d[1] = u->cd && scsi_medium(u) ? 0x01 : 0;
        d[3] = at - header;
    }
    if (!u->cd && blk_read_only(u->blk)) {
        d[ten ? 3 : 2] |= 0x80; /* WP */
    }
}

/* --- Discs --- */

/* An address as minute, second and frame (with the lead-in of two seconds), or as a block number. */
static void put_address(uint8_t *d, uint32_t lba, bool msf)
{
    if (msf) {
        uint32_t frames = lba + 150;

        d[0] = 0;
        d[1] = MIN(frames / 75 / 60, 255);
        d[2] = frames / 75 % 60;
        d[3] = frames % 75;
    } else {
        st32_be(d, lba);
    }
}

static void put_track(uint8_t *d, uint8_t track, uint32_t lba, bool msf)
{
    d[1] = 0x14; /* data track, recorded uninterrupted */
    d[2] = track;
    put_address(d + 4, lba, msf);
}

/* Format 2 (MMC-6 6.25.3.4): first and last track, lead-out and the track, by point. */
static void read_full_toc(ScsiCommand *c, uint32_t blocks, bool msf, uint32_t allocation)
{
    static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 0x01};
    uint8_t *d = scsi_data_in(c, 4 + 11 * 4, allocation);

    st16_be(d, 2 + 11 * 4);
    d[2] = d[3] = 1;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *e = d + 4 + 11 * i;

        e[0] = 1; /* session */
        e[1] = 0x14;
        e[3] = points[i];
        if (points[i] == 0xa2) {
            put_address(e + 7, blocks, msf);
        } else if (points[i] == 0x01) {
            put_address(e + 7, 0, msf);
        } else {
            e[8] = 1;
        }
    }
}

void scsi_read_toc(ScsiCommand *c)
{
    bool msf = c->cdb[1] & 2;
    uint32_t blocks = MIN(scsi_blocks(c->unit), UINT32_MAX), allocation = ld16_be(c->cdb + 7);
    /* Drivers older than MMC put the format into the control byte. */
    uint8_t format = c->cdb[2] & 0xf ? c->cdb[2] & 0xf : c->cdb[9] >> 6, start = c->cdb[6];
    uint8_t *d;

    switch (format) {
    case 0:
        if (start > 1 && start != 0xaa) {
            scsi_fail(c, SENSE_BAD_FIELD);
            return;
        }
        d = scsi_data_in(c, start == 0xaa ? 12 : 20, allocation);
        st16_be(d, start == 0xaa ? 10 : 18);
        d[2] = d[3] = 1;
        if (start != 0xaa) {
            put_track(d + 4, 1, 0, msf);
        }
        put_track(d + (start == 0xaa ? 4 : 12), 0xaa, blocks, msf);
        break;
    case 1: /* sessions: one, which starts with track 1 */
        d = scsi_data_in(c, 12, allocation);
        st16_be(d, 10);
        d[2] = d[3] = 1;
        put_track(d + 4, 1, 0, msf);
        break;
    case 2: read_full_toc(c, blocks, msf, allocation); break;
    default: scsi_fail(c, SENSE_BAD_FIELD);
    }
}

/* One feature descriptor at @d (MMC-6 5.2); the byte behind it. */
static uint8_t *put_feature(uint8_t *d, uint16_t code, uint8_t flags, const uint8_t *data,
                            uint8_t len)
{
    st16_be(d, code);
    d[2] = flags;
    d[3] = len;
    memcpy(d + 4, data, len);
    return d + 4 + len;
}

void scsi_get_configuration(ScsiCommand *c)
{
    enum { CURRENT = 1, PERSISTENT = 2, MAX_LEN = 128 };
    const ScsiUnit *u = c->unit;
    uint16_t profile = !scsi_medium(u) ? 0 : is_dvd(u) ? PROFILE_DVDROM : PROFILE_CDROM;
    bool cd = profile == PROFILE_CDROM, dvd = profile == PROFILE_DVDROM;
    const uint8_t profiles[] = {0, PROFILE_DVDROM, dvd, 0, 0, PROFILE_CDROM, cd, 0};
    const uint8_t core[] = {0, 0, 0, 1, 0, 0, 0, 0}; /* SCSI family */
    const uint8_t removable[] = {0x29, 0, 0, 0};     /* tray, ejects, locks */
    const uint8_t random_read[] = {0, 0, 2048 >> 8, 0, 0, 1, 0, 0};
    const uint8_t cd_read[] = {0, 0, 0, 0};
    uint8_t buf[MAX_LEN] = {0}, *end = buf + 8;
    uint32_t len;

    end = put_feature(end, 0x0000, CURRENT | PERSISTENT, profiles, sizeof(profiles));
    end = put_feature(end, 0x0001, CURRENT | PERSISTENT | 1 << 2, core, sizeof(core));
    end = put_feature(end, 0x0003, CURRENT | PERSISTENT | 1 << 2, removable, sizeof(removable));
    end = put_feature(end, 0x0010, profile ? CURRENT : 0, random_read, sizeof(random_read));
    end = put_feature(end, 0x001e, cd ? CURRENT : 0, cd_read, sizeof(cd_read));
    end = put_feature(end, 0x001f, dvd ? CURRENT : 0, cd_read, 0);
    len = end - buf;
    st32_be(buf, len - 4);
    st16_be(buf + 6, profile);
    memcpy(scsi_data_in(c, len, ld16_be(c->cdb + 7)), buf, len);
}

void scsi_read_disc_information(ScsiCommand *c)
{
    uint8_t *d;

    if (c->cdb[1] & 7) { /* only the standard block */
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    d = scsi_data_in(c, 34, ld16_be(c->cdb + 7));
    st16_be(d, 32);
    d[2] = 0x0e; /* complete disc, complete last session */
    d[3] = d[4] = d[5] = d[6] = 1;
    d[7] = 0x20; /* unrestricted use */
}

void scsi_mechanism_status(ScsiCommand *c)
{
    uint8_t *d = scsi_data_in(c, 8, ld16_be(c->cdb + 8));

    d[1] = c->unit->tray_open ? 0x10 : 0;
    d[5] = 1; /* no changer: one slot */
}

/* Media events, polled (MMC-6 6.8). */
void scsi_event_status(ScsiCommand *c)
{
    enum { POLLED = 1, CLASS_MEDIA = 4, EVENT_NEW_MEDIA = 2 };
    ScsiUnit *u = c->unit;
    bool media = c->cdb[4] & 1 << CLASS_MEDIA;
    uint8_t *d;

    if (!(c->cdb[1] & POLLED)) {
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    d = scsi_data_in(c, media ? 8 : 4, ld16_be(c->cdb + 7));
    d[2] = media ? CLASS_MEDIA : 0x80; /* no event of the classes asked for */
    d[3] = 1 << CLASS_MEDIA;
    if (media) {
        st16_be(d, 6);
        d[4] = u->unit_attention == SENSE_MEDIUM_CHANGED ? EVENT_NEW_MEDIA : 0;
        d[5] = (u->tray_open ? 1 : 0) | (scsi_medium(u) ? 2 : 0);
    } else {
        st16_be(d, 2);
    }
}

/* Physical format information of a DVD-ROM (MMC-6 6.22.3.2.1). */
void scsi_read_dvd_structure(ScsiCommand *c)
{
    enum { FIRST_SECTOR = 0x30000 };
    uint64_t blocks = scsi_blocks(c->unit);
    uint8_t *d;

    if (!is_dvd(c->unit) || c->cdb[7] != 0 || c->cdb[6] != 0) {
        scsi_fail(c, SENSE_BAD_FIELD);
        return;
    }
    d = scsi_data_in(c, 4 + 2048, ld16_be(c->cdb + 8));
    st16_be(d, 2048 + 2);
    d[4] = 0x01; /* DVD-ROM, version 1 */
    d[5] = 0x0f; /* 120 mm, no maximum rate */
    d[6] = 0x01; /* one layer, read-only */
    st32_be(d + 8, FIRST_SECTOR);
    st32_be(d + 12, MIN(FIRST_SECTOR + blocks - 1, 0xffffff));
}
