/* SPDX-License-Identifier: MIT */
/*
 * The 82540EM's EEPROM (on a Microwire line that drivers toggle by hand) and its PHY: see e1000-int.h.
 * Specs: the SDM's chapter 5, National Semiconductor NM93C46 data sheet, IEEE 802.3 clause 22.
 * Not modelled: writing to the EEPROM.
 */
#include "rhea/osdep.h"

#include "e1000-int.h"

enum {
    EECD_SK = 1,
    EECD_CS = 2,
    EECD_DI = 4,
    EECD_DO = 8,
    EECD_REQ = 64,
    EECD_GNT = 128,
    EECD_PRES = 256
};
enum { EERD_START = 1, EERD_DONE = 16 };
enum { EEPROM_SUM = 0xbaba, EEPROM_SUM_WORD = 63 };

/* A Microwire command: start bit, two bits of opcode, six of address. */
enum { COMMAND_BITS = 9, OPCODE_READ = 2 };

/* Registers of the PHY that mean something (M88E1000). */
enum {
    PHY_CONTROL,
    PHY_STATUS,
    PHY_ID1,
    PHY_ID2,
    PHY_ADVERTISE,
    PHY_PARTNER,
    PHY_1000_CONTROL = 9,
    PHY_1000_STATUS,
    PHY_SPECIFIC = 16,
    PHY_SPECIFIC_STATUS = 17
};
enum { PHY_AUTONEG_RESTART = 1 << 9, PHY_RESET = 1 << 15 };
enum { PHY_STATUS_LINK = 1 << 2, PHY_SPECIFIC_LINK = 1 << 10 };
#define MDIC_READ  (2u << 26)
#define MDIC_WRITE (1u << 26)
#define MDIC_OP    (3u << 26)
#define MDIC_READY (1u << 28)
#define MDIC_INT   (1u << 29)
#define MDIC_ERROR (1u << 30)

/* --- EEPROM --- */

void e1000_eeprom_init(E1000 *s, const uint8_t mac[6])
{
    uint16_t sum = 0;

    memset(s->eeprom, 0, sizeof(s->eeprom));
    for (unsigned i = 0; i < 3; i++) {
        s->eeprom[i] = mac[2 * i] | mac[2 * i + 1] << 8;
    }
    s->eeprom[0x0a] = 0x4408; /* initialization control 1: PCI ids are valid */
    s->eeprom[0x0b] = 0x001e; /* subsystem and its vendor */
    s->eeprom[0x0c] = 0x8086;
    s->eeprom[0x0d] = 0x100e;
    s->eeprom[0x0e] = 0x8086;
    s->eeprom[0x0f] = 0x3040; /* initialization control 2 */
    for (unsigned i = 0; i < EEPROM_SUM_WORD; i++) {
        sum += s->eeprom[i];
    }
    s->eeprom[EEPROM_SUM_WORD] = EEPROM_SUM - sum;
}

/* A rising clock edge with the chip selected: a bit goes in, and one comes out behind the command. */
static void eeprom_clock(E1000 *s, bool in)
{
    if (s->eecd_count >= COMMAND_BITS) {
        s->eecd_out <<= 1;
        return;
    }
    if (!s->eecd_count && !in) {
        return; /* waits for the start bit */
    }
    s->eecd_in = s->eecd_in << 1 | in;
    if (++s->eecd_count == COMMAND_BITS) {
        bool read = (s->eecd_in >> 6 & 3) == OPCODE_READ;

        s->eecd_out = read ? s->eeprom[s->eecd_in & (EEPROM_WORDS - 1)] : 0;
    }
}

/* The data line shows a dummy 0 until the command is in, then the word from its top bit on. */
void e1000_write_eecd(E1000 *s, uint32_t value)
{
    uint32_t *reg = e1000_reg(s, R_EECD);
    bool rising = (value & EECD_SK) && !(*reg & EECD_SK), first = s->eecd_count < COMMAND_BITS;

    if (!(value & EECD_CS)) {
        s->eecd_count = 0;
        s->eecd_in = s->eecd_out = 0;
    } else if (rising) {
        uint16_t shown = s->eecd_out;

        eeprom_clock(s, value & EECD_DI);
        *reg = (*reg & ~EECD_DO) | (!first && shown & 0x8000 ? EECD_DO : 0);
    }
    *reg = (*reg & EECD_DO) | EECD_PRES | (value & (EECD_SK | EECD_CS | EECD_DI | EECD_REQ)) |
           (value & EECD_REQ ? EECD_GNT : 0);
}

void e1000_write_eerd(E1000 *s, uint32_t value)
{
    unsigned word = value >> 8 & 0xff;

    *e1000_reg(s, R_EERD) = value & 0xff00;
    if (value & EERD_START) {
        *e1000_reg(s, R_EERD) |=
            EERD_DONE | (uint32_t)(word < EEPROM_WORDS ? s->eeprom[word] : 0xffff) << 16;
    }
}

/* --- PHY --- */

void e1000_phy_reset(E1000 *s)
{
    static const uint16_t
        values
            [32] =
                {
                    [PHY_CONTROL] = 0x1140, /* autonegotiation, full duplex, 1000 */
                    [PHY_STATUS] = 0x7969,  /* what it can do, negotiation complete */
                    [PHY_ID1] = 0x0141,     /* Marvell 88E1011 */
                    [PHY_ID2] = 0x0c20,
                    [PHY_ADVERTISE] = 0x0de1,
                    [PHY_PARTNER] = 0x45e1,
                    [PHY_1000_CONTROL] = 0x0300,
                    [PHY_1000_STATUS] = 0x3c00, /* partner and receivers are fine, 1000 full */
                    [PHY_SPECIFIC] = 0x0360,
                    [PHY_SPECIFIC_STATUS] = 0xa800, /* 1000, full duplex, resolved */
                };

    memcpy(s->phy, values, sizeof(values));
}

static uint16_t phy_read(E1000 *s, unsigned reg)
{
    bool up = *e1000_reg(s, R_STATUS) & STATUS_LU;

    switch (reg) {
    case PHY_STATUS: return s->phy[reg] | (up ? PHY_STATUS_LINK : 0);
    case PHY_SPECIFIC_STATUS: return s->phy[reg] | (up ? PHY_SPECIFIC_LINK : 0);
    default: return s->phy[reg];
    }
}

static void phy_write(E1000 *s, unsigned reg, uint16_t value)
{
    switch (reg) {
    case PHY_CONTROL:
        if (value & PHY_RESET) {
            e1000_phy_reset(s);
        } else {
            s->phy[reg] = value & ~PHY_AUTONEG_RESTART;
        }
        break;
    case PHY_ADVERTISE:
    case PHY_1000_CONTROL:
    case PHY_SPECIFIC: s->phy[reg] = value; break;
    }
}

void e1000_write_mdic(E1000 *s, uint32_t value)
{
    unsigned reg = value >> 16 & 31, address = value >> 21 & 31;
    uint32_t result = value & ~(MDIC_READY | MDIC_ERROR);

    if (address != 1 || ((value & MDIC_OP) != MDIC_READ && (value & MDIC_OP) != MDIC_WRITE)) {
        result |= MDIC_ERROR;
    } else if ((value & MDIC_OP) == MDIC_READ) {
        result = (result & ~0xffffu) | phy_read(s, reg);
    } else {
        phy_write(s, reg, value);
    }
    *e1000_reg(s, R_MDIC) = result | MDIC_READY;
    if (value & MDIC_INT) {
        e1000_interrupt(s, I_MDAC);
    }
}
