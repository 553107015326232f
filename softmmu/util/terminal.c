/* SPDX-License-Identifier: MIT */
/* The process's terminal; see rhea/terminal.h. */
#include "rhea/osdep.h"

#include <unistd.h>

#include "rhea/terminal.h"

enum { FAREWELL_MAX = 128 };

static const char *taken_by; /* NULL: free */
static struct termios found, wanted;
static bool is_terminal;     /* found is true */
static volatile int changed; /* wanted is set, or the screen is not as it was */
static char farewell[FAREWELL_MAX];
static volatile size_t farewell_len;

bool terminal_take(const char *user, Error **errp)
{
    if (taken_by) {
        return error_fail(errp, "the terminal is taken by %s", taken_by);
    }
    taken_by = user;
    is_terminal = !tcgetattr(STDIN_FILENO, &found);
    return true;
}

bool terminal_state(struct termios *state)
{
    *state = found;
    return is_terminal;
}

void terminal_set(const struct termios *state)
{
    wanted = *state;
    changed = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &wanted);
}

void terminal_set_farewell(const char *text)
{
    farewell_len = 0;
    if (text && strlen(text) < sizeof(farewell)) {
        strcpy(farewell, text);
        farewell_len = strlen(text);
    }
}

void terminal_restore(void)
{
    if (changed) {
        if (farewell_len) {
            (void)!write(STDOUT_FILENO, farewell, farewell_len);
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &found);
        changed = 0;
    }
}

void terminal_resume(void)
{
    if (taken_by && is_terminal) {
        terminal_set(&wanted);
    }
}

void terminal_release(void)
{
    terminal_restore();
    terminal_set_farewell(NULL);
    taken_by = NULL;
}
