/* SPDX-License-Identifier: MIT */
/* Memory backends: "-object memory-backend-{ram,file,memfd}", for -machine memory-backend=. */
#ifndef MEMORY_BACKEND_H
#define MEMORY_BACKEND_H

#include "memory/memory.h"

#define TYPE_MEMORY_BACKEND "memory-backend"

/* The backend's memory, which stays the backend's; NULL before the object is complete. */
RamBlock *memory_backend_block(Object *backend);

/* The memory of the backend with that id among the user's objects; NULL: there is none. */
RamBlock *memory_backend_find(const char *id);

#endif
