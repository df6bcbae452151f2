// An example slicer in C: bands of equal width between the smallest and the largest loss.
//
//     cc -shared -fPIC -I <repository>/core/include -o libloss_bands.so loss_bands.c
//
// Put the library where plugins are looked for, and write `plugin = "loss_bands"` in a configuration.

#include "ascan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define N_SLICES 3

typedef struct Model {
  float low, high;
} Model;

// Everything that one reply points to, freed by its `release`.
typedef struct Owned {
  AscanNamedTensor named;
  size_t shape[2];
  float values[];
} Owned;

static int32_t fail(AscanReply *reply, AscanErrorCode code, const char *message, const char *hint) {
  *reply = (AscanReply){0};
  reply->message = (AscanStr){(const uint8_t *)message, strlen(message)};
  reply->hint = (AscanStr){(const uint8_t *)hint, strlen(hint)};
  return (int32_t)code;
}

static int32_t say(AscanReply *reply, const char *json) {
  *reply = (AscanReply){0};
  reply->json = (AscanStr){(const uint8_t *)json, strlen(json)};
  return 0;
}

// No parameters: anything but an empty object is an unknown key.
static int32_t resolve(AscanStr params, AscanReply *reply) {
  const int empty = params.len <= 2;
  return say(reply, empty ? "{\"params\":{},\"problems\":[],\"help\":[]}"
                          : "{\"params\":{},\"problems\":[{\"key\":\"params\",\"message\":\"unknown key\","
                            "\"hint\":\"loss_bands has no parameters\"}],\"help\":[]}");
}

static int32_t create(AscanStr params, void **state, AscanReply *reply) {
  (void)params;
  *state = malloc(1);
  return *state ? say(reply, "") : fail(reply, ASCAN_ERROR_CODE_PLUGIN, "out of memory", "");
}

static int32_t fit(void *slicer, const AscanSliceTable *table, const AscanHost *host, void **model, AscanReply *reply) {
  (void)slicer;
  const size_t n = table->embeddings.shape[0];
  if (!host->progress(host->state, (AscanStr)TEXT("fit"), 0, n)) {
    return fail(reply, ASCAN_ERROR_CODE_CANCELLED, "stopped on request", "");
  }
  Model *made = malloc(sizeof(Model));
  if (!made) return fail(reply, ASCAN_ERROR_CODE_PLUGIN, "out of memory", "");
  *made = (Model){INFINITY, -INFINITY};
  for (size_t i = 0; i < n; i++) {
    made->low = fminf(made->low, table->losses[i]);
    made->high = fmaxf(made->high, table->losses[i]);
  }
  *model = made;
  return say(reply, "{\"n_slices\":3}");
}

static int32_t membership(void *state, const AscanSliceTable *table, const AscanHost *host, AscanReply *reply) {
  (void)host;
  const Model *model = state;
  const size_t n = table->embeddings.shape[0];
  Owned *owned = calloc(1, sizeof(Owned) + n * N_SLICES * sizeof(float));
  if (!owned) return fail(reply, ASCAN_ERROR_CODE_PLUGIN, "out of memory", "");
  const float width = model->high - model->low;
  for (size_t i = 0; i < n; i++) {
    const float loss = table->losses[i];
    if (isnan(loss)) continue; // no label, no loss: in no slice
    const float share = width > 0 ? (loss - model->low) / width : 0;
    const int band = share < 0 ? 0 : (int)(share * N_SLICES);
    owned->values[i * N_SLICES + (band < N_SLICES ? band : N_SLICES - 1)] = 1;
  }
  owned->shape[0] = n;
  owned->shape[1] = N_SLICES;
  owned->named.name = (AscanStr)TEXT("membership");
  owned->named.tensor = (AscanTensor){owned->values, owned->shape, 2, NULL};
  *reply = (AscanReply){0};
  reply->tensors = &owned->named;
  reply->n_tensors = 1;
  reply->owner = owned;
  reply->release = free;
  return 0;
}

static const AscanSlicerTable TABLE = {sizeof(AscanSlicerTable), fit, membership, free};

static const AscanPlugin PLUGINS[] = {{
    .size = sizeof(AscanPlugin),
    .kind = ASCAN_KIND_SLICER,
    .name = TEXT("loss_bands"),
    .summary = TEXT("bands of the loss (example in C)"),
    .resolve = resolve,
    .create = create,
    .destroy = free,
    .table = &TABLE,
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

const AscanLibrary *ascan_library_loss_bands(void) { return &LIBRARY; }
