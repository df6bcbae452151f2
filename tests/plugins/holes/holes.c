// A plugin whose table has a hole. Compiled with `-DKIND=…` (its kind), `-DTABLE=…` (the table with the hole), and
// `-DSIZE=…` (the bytes that this table says it has) or `-DHOLE=…` (the entry that is NULL, from 1 on).

#include "../reply.h"

#define N_ENTRIES 12
#define TRAINER 1
#define BACKEND 2
#define OF_KIND 3
#ifndef SIZE
#define SIZE (N_ENTRIES * sizeof(void *))
#endif
#ifndef HOLE
#define HOLE 0
#endif

static void never(void) { abort(); }

// An entry: NULL where the hole is.
#define ENTRY(table, i, value) ((table) == TABLE && (i) == HOLE ? NULL : (const void *)(value))
#define SIZE_OF(table) (const void *)((table) == TABLE ? (size_t)SIZE : N_ENTRIES * sizeof(void *))
#define FUNCTION(table, i) ENTRY(table, i, never)

static const void *trainer[] = {SIZE_OF(TRAINER), FUNCTION(TRAINER, 1), FUNCTION(TRAINER, 2), FUNCTION(TRAINER, 3),
                                FUNCTION(TRAINER, 4), FUNCTION(TRAINER, 5), FUNCTION(TRAINER, 6), NULL, NULL, NULL, NULL, NULL};
static const void *backend[] = {SIZE_OF(BACKEND), FUNCTION(BACKEND, 1), FUNCTION(BACKEND, 2), FUNCTION(BACKEND, 3),
                                FUNCTION(BACKEND, 4), ENTRY(BACKEND, 5, trainer), FUNCTION(BACKEND, 6), NULL, NULL, NULL, NULL, NULL};
static const void *of_kind[] = {SIZE_OF(OF_KIND), FUNCTION(OF_KIND, 1), FUNCTION(OF_KIND, 2), FUNCTION(OF_KIND, 3),
                                ENTRY(OF_KIND, 4, KIND == ASCAN_KIND_BACKEND ? (const void *)backend : (const void *)never),
                                FUNCTION(OF_KIND, 5), NULL, NULL, NULL, NULL, NULL, NULL};

static int32_t create(AscanStr params, void **state, AscanReply *reply) {
  (void)params, (void)state;
  return fail(reply, ASCAN_ERROR_CODE_PLUGIN, "made with a hole in its table");
}

static const AscanPlugin PLUGINS[] = {{
    .size = sizeof(AscanPlugin),
    .kind = KIND,
    .name = TEXT("holes"),
    .summary = TEXT("has a hole (for tests)"),
    .resolve = no_params,
    .create = create,
    .destroy = free,
    .table = of_kind,
}};

static const AscanLibrary LIBRARY = {
    .magic = ASCAN_MAGIC,
    .abi_major = ASCAN_ABI_MAJOR,
    .abi_minor = ASCAN_ABI_MINOR,
    .size = sizeof(AscanLibrary),
    .version = TEXT("0.1.0"),
    .compiler = TEXT("cc"),
    .plugins = PLUGINS,
    .n_plugins = 1,
};

const AscanLibrary *ascan_library_holes(void) { return &LIBRARY; }
