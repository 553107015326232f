/* SPDX-License-Identifier: MIT */
/* The terminal: what is on its screen after sequences of ECMA-48, DEC and xterm, and what keys send. */
#include "rhea/osdep.h"

#include <xkbcommon/xkbcommon-keysyms.h>

#include "../../../ui/font.h"
#include "../../../ui/vt.h"

enum { COLUMNS = 10, ROWS = 4 };

static GString *replies;

static void reply(void *opaque, const char *text)
{
    g_string_append(replies, text);
}

static void put(Vt *vt, const char *text)
{
    vt_write(vt, (const uint8_t *)text, strlen(text));
}

/* The rows without blanks at their ends, joined by '|'. */
static char *shown(const Vt *vt)
{
    GString *out = g_string_new(NULL);

    for (unsigned y = 0; y < vt_rows(vt); y++) {
        g_autoptr(GString) row = g_string_new(NULL);
        const ConsoleCell *cells = vt_line(vt, y);

        for (unsigned x = 0; x < vt_columns(vt); x++) {
            g_string_append_unichar(row, cells[x].c ? cells[x].c : ' ');
        }
        g_strchomp(row->str);
        g_string_append_printf(out, "%s%s", y ? "|" : "", row->str);
    }
    return g_string_free(out, false);
}

static const struct {
    const char *what, *text, *screen;
    unsigned x, y;
} screens[] = {
    {"text", "one\r\ntwo", "one|two||", 3, 1},
    {"wrap", "0123456789ab", "0123456789|ab||", 2, 1},
    {"no-wrap", "\033[?7l0123456789ab", "012345678b|||", 9, 0},
    {"last-column", "0123456789\rx", "x123456789|||", 1, 0},
    {"scroll", "a\r\nb\r\nc\r\nd\r\ne", "b|c|d|e", 1, 3},
    {"place", "\033[3;4Hx\033[2Ay\033[3Dz\033[Bw", "  z y|   w|   x|", 4, 1},
    {"column-row", "\033[5Ga\033[3db\033[1;1H", "    a||     b|", 0, 0},
    {"bounds", "\033[99;99Ha\033[99A\033[99Db\033[99Bc\033[99C", "b||| c       a", 9, 3},
    {"tabs", "\tx\033[Z\033[Zy\033H\033[3g\r\tz", "y       xz|||", 9, 0},
    {"erase-line", "abcdef\033[3D\033[K\r\nabcdef\033[3D\033[1K", "abc|    ef||", 3, 1},
    {"erase-screen", "a\r\nbcd\r\ne\033[2;2H\033[J", "a|b||", 1, 1},
    {"erase-above", "a\r\nbcd\r\ne\033[2;2H\033[1J", "|  d|e|", 1, 1},
    {"erase-all", "a\r\nb\033[2J", "|||", 1, 1},
    {"erase-chars", "abcdef\033[4D\033[2X", "ab  ef|||", 2, 0},
    {"insert-delete", "abcdef\r\033[2@\033[4C\033[P", "  abdef|||", 4, 0},
    {"insert-mode", "abc\r\033[4hX\033[4lY", "XYbc|||", 2, 0},
    {"lines", "a\r\nb\r\nc\r\nd\033[2;3H\033[L\033[4;1H\033[A\033[M", "a||c|", 0, 2},
    {"region", "a\r\nb\r\nc\r\nd\033[2;3r\033[3;1H\nX", "a|c|X|d", 1, 2},
    {"region-reverse", "a\r\nb\r\nc\r\nd\033[2;3r\033[2;1H\033MX", "a|X|b|d", 1, 1},
    {"origin", "\033[2;3r\033[?6hA\033[9;1HB", "|A|B|", 1, 2},
    {"save", "ab\0337\033[4;4Hc\0338d", "abd|||   c", 3, 0},
    {"drawing", "\033(0lqk\033(Bl\016q\033)0\016x\017x", "┌─┐lq│x|||", 7, 0},
    {"utf8", "\xc3\xa4\xe2\x94\x80\xf0\x9f\x98\x80.\xff\xc3(", "ä─\U0001f600.��(|||", 7, 0},
    {"overlong", "\xe0\x80\xaf\xed\xa0\x80", "��|||", 2, 0},
    {"second-screen", "one\033[?1049h\033[Htwo\033[?1049l!", "one!|||", 4, 0},
    {"strings", "a\033]0;title\ab\033Pq\033\\c\033]1;\033\\d", "abcd|||", 4, 0},
    {"unknown", "a\033[?2004h\033[>1c\033[!pb\033[38;5;mc", "abc|||", 3, 0},
    {"reset", "abc\033[2;3r\033c\033[9;1Hd", "|||d", 1, 3},
    {"newline-mode", "a\033[20h\nb", "a|b||", 1, 1},
    {"cancel", "a\033[3\030b", "ab|||", 2, 0},
};

static void test_screen(gconstpointer n)
{
    unsigned i = GPOINTER_TO_UINT(n), x, y;
    Vt *whole = vt_new(COLUMNS, ROWS, reply, NULL), *bytes = vt_new(COLUMNS, ROWS, reply, NULL);
    g_autofree char *screen = NULL, *again = NULL;

    put(whole, screens[i].text);
    for (const char *p = screens[i].text; *p; p++) {
        vt_write(bytes, (const uint8_t *)p, 1);
    }
    screen = shown(whole);
    again = shown(bytes);
    g_assert_cmpstr(screen, ==, screens[i].screen);
    g_assert_cmpstr(again, ==, screen);
    g_assert_true(vt_cursor(whole, &x, &y));
    g_assert_cmpuint(x, ==, screens[i].x);
    g_assert_cmpuint(y, ==, screens[i].y);
    vt_free(whole);
    vt_free(bytes);
}

static void assert_cell(const char *text, unsigned ink, unsigned paper, bool blink)
{
    Vt *vt = vt_new(COLUMNS, ROWS, reply, NULL);

    put(vt, text);
    g_assert_cmpuint(vt_line(vt, 0)->ink, ==, ink);
    g_assert_cmpuint(vt_line(vt, 0)->paper, ==, paper);
    g_assert_true(vt_line(vt, 0)->blink == blink);
    vt_free(vt);
}

static void test_colours(void)
{
    assert_cell("x", 7, 0, false);
    assert_cell("\033[31;44mx", 4, 1, false);
    assert_cell("\033[1;36mx", 11, 0, false);
    assert_cell("\033[93;105mx", 14, 13, false);
    assert_cell("\033[5;33;7mx", 0, 6, true);
    assert_cell("\033[38;5;9;48;5;232mx", 12, 0, false);
    assert_cell("\033[38;2;255;0;0mx", 12, 0, false);
    assert_cell("\033[38;5;46mx", 10, 0, false);
    assert_cell("\033[31;1;7;5mx\r\033[mx", 7, 0, false);
    assert_cell("\033[41m\033[2J", 7, 4, false);
}

static void test_scroll_back(void)
{
    Vt *vt = vt_new(COLUMNS, ROWS, reply, NULL);
    unsigned x, y;

    for (unsigned i = 0; i < 2 * VT_SCROLLBACK; i++) {
        g_autofree char *line = g_strdup_printf("%u\r\n", i);

        put(vt, line);
    }
    vt_scroll_back(vt, 2);
    g_assert_cmpuint(vt_line(vt, 0)[3].c, ==, '5'); /* 1995 */
    g_assert_false(vt_cursor(vt, &x, &y));
    vt_scroll_back(vt, 1 << 20);
    g_assert_cmpuint(vt_line(vt, 0)[0].c, ==, '9'); /* 997 */
    g_assert_cmpuint(vt_line(vt, 0)[2].c, ==, '7');
    vt_scroll_back(vt, -(1 << 20));
    g_assert_true(vt_cursor(vt, &x, &y));
    vt_scroll_back(vt, 5);
    put(vt, "new");
    g_assert_cmpuint(vt_line(vt, ROWS - 1)[0].c, ==, 'n');
    vt_free(vt);
}

static void test_replies(void)
{
    Vt *vt = vt_new(COLUMNS, ROWS, reply, NULL);

    replies = g_string_new(NULL);
    put(vt, "\033[3;4H\033[6n\033[5n\033[c\033[18t\033[999;999H\033[6n");
    g_assert_cmpstr(replies->str, ==, "\033[3;4R\033[0n\033[?6c\033[8;4;10t\033[4;10R");
    g_string_free(replies, true);
    vt_free(vt);
}

static void assert_key(uint32_t keysym, unsigned modifiers, bool application, const char *bytes)
{
    char text[VT_KEY_BYTES];
    size_t len = vt_key_bytes(keysym, modifiers, application, text);

    g_assert_cmpmem(text, len, bytes, strlen(bytes));
}

static void test_keys(void)
{
    char text[VT_KEY_BYTES];

    assert_key('a', 0, false, "a");
    assert_key(XKB_KEY_adiaeresis, 0, false, "ä");
    assert_key('a', CONSOLE_ALT, false, "\033a");
    assert_key('c', CONSOLE_CTRL, false, "\003");
    assert_key(XKB_KEY_Return, 0, false, "\r");
    assert_key(XKB_KEY_BackSpace, 0, false, "\177");
    assert_key(XKB_KEY_Up, 0, false, "\033[A");
    assert_key(XKB_KEY_Up, 0, true, "\033OA");
    assert_key(XKB_KEY_Left, CONSOLE_CTRL, true, "\033[1;5D");
    assert_key(XKB_KEY_F1, 0, false, "\033OP");
    assert_key(XKB_KEY_F5, CONSOLE_SHIFT, false, "\033[15;2~");
    assert_key(XKB_KEY_Tab, CONSOLE_SHIFT, false, "\033[Z");
    assert_key(XKB_KEY_Shift_L, 0, false, "");
    g_assert_cmpuint(vt_key_bytes(' ', CONSOLE_CTRL, false, text), ==, 1);
    g_assert_cmpuint(text[0], ==, 0);
}

/* Random bytes of sequences must stay within the grid: for the address sanitizer, and asserts of their own. */
static void test_noise(void)
{
    static const char alphabet[] =
        "\033\033\033[[[??;;0123456789HABCDJKLM@PXrSTmhlsuctn78DEMc(0)B\016\017\r\n\t\bxyz";
    Vt *vt = vt_new(7, 3, reply, NULL);
    unsigned x, y;

    replies = g_string_new(NULL);
    for (unsigned i = 0; i < 300000; i++) {
        uint8_t c = (uint8_t)alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];

        vt_write(vt, &c, 1);
        (void)vt_cursor(vt, &x, &y);
        g_assert_cmpuint(x, <, 7);
        g_assert_cmpuint(y, <, 3);
        if (i % 100 == 0) {
            vt_scroll_back(vt, g_test_rand_int_range(-50, 50));
        }
    }
    g_string_free(replies, true);
    vt_free(vt);
}

/* A glyph of the font has dots; an unknown character has the replacement's. */
static void test_font(void)
{
    g_assert_cmphex(font_glyph(0x2588)[5], ==, 0xff);
    g_assert_cmphex(font_glyph('_')[0], ==, 0);
    g_assert_true(font_glyph(0x1f600) == font_glyph(0xfffd));
    g_assert_true(font_glyph('A') != font_glyph('B'));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(screens); i++) {
        g_autofree char *path = g_strdup_printf("/ui/vt/screen/%s", screens[i].what);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_screen);
    }
    g_test_add_func("/ui/vt/colours", test_colours);
    g_test_add_func("/ui/vt/scroll-back", test_scroll_back);
    g_test_add_func("/ui/vt/replies", test_replies);
    g_test_add_func("/ui/vt/keys", test_keys);
    g_test_add_func("/ui/vt/noise", test_noise);
    g_test_add_func("/ui/vt/font", test_font);
    return g_test_run();
}
