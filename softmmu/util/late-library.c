/* SPDX-License-Identifier: MIT */
/* Loading libraries on demand. */
#include "rhea/osdep.h"

#include <dlfcn.h>

#include "rhea/late-library.h"

bool late_library_load(const char *soname, const char *const *names, void *table, Error **errp)
{
    void *lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL); /* stays for good */
    void **functions = table;

    if (!lib) {
        return error_fail(errp, "%s", dlerror());
    }
    for (size_t i = 0; names[i]; i++) {
        functions[i] = dlsym(lib, names[i]);
        if (!functions[i]) {
            return error_fail(errp, "%s has no %s", soname, names[i]);
        }
    }
    return true;
}
