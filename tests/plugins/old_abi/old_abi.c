// A plugin of every kind, built against the first header of ABI 1.0, which lies beside this file.

#include "../reply.h"

static int32_t create(AscanStr params, void **state, AscanReply *reply) {
  (void)params, (void)reply;
  *state = malloc(1);
  return 0;
}

// --- a slicer: one slice a label, of two

static int32_t fit(void *slicer, const AscanSliceTable *table, const AscanHost *host, void **model, AscanReply *reply) {
  (void)slicer, (void)table, (void)host;
  *model = malloc(1);
  return say(reply, "{\"n_slices\": 2}");
}

static int32_t membership(void *model, const AscanSliceTable *table, const AscanHost *host, AscanReply *reply) {
  (void)model, (void)host;
  begin(reply);
  const size_t n = table->embeddings.shape[0];
  float *shares = add(reply, "membership", SHAPE(n, 2));
  for (size_t i = 0; i < n; i++) shares[2 * i + (table->labels[i] == 1)] = 1;
  return 0;
}

static const AscanSlicerTable SLICER = {sizeof(AscanSlicerTable), fit, membership, free};

// --- a projector: the first dimension

static int32_t fit_projection(void *projector, AscanTensor embeddings, const AscanHost *host, void **projection,
                              AscanReply *reply) {
  (void)projector, (void)embeddings, (void)host;
  *projection = malloc(1);
  return say(reply, "{\"n_dims\": 1}");
}

static int32_t project(void *projection, AscanTensor embeddings, const AscanHost *host, AscanReply *reply) {
  (void)projection, (void)host;
  begin(reply);
  float *values = add(reply, "embeddings", SHAPE(embeddings.shape[0], 1));
  for (size_t i = 0; i < embeddings.shape[0]; i++) values[i] = embeddings.data[i * embeddings.shape[1]];
  return 0;
}

static const AscanProjectorTable PROJECTOR = {sizeof(AscanProjectorTable), fit_projection, project, free};

// --- a backend: one pixel is one logit, minus it the other

static int32_t capabilities(void *runtime, AscanReply *reply) {
  (void)runtime;
  return say(reply, "{\"gradients\": true, \"training\": true}");
}

static int32_t available(void *runtime, AscanReply *reply) {
  (void)runtime, (void)reply;
  return 0;
}

static int32_t open_model(void *runtime, AscanStr request, void **backend, AscanReply *reply) {
  (void)runtime, (void)request, (void)reply;
  *backend = malloc(1);
  return 0;
}

static int32_t info(void *backend, AscanReply *reply) {
  (void)backend;
  return say(reply, "{\"engine\": \"old\", \"input\": \"image\", \"input_shape\": [1, 1, 1], \"logits\": \"logits\","
                    "\"n_classes\": 2, \"layers\": [{\"name\": \"pixel\", \"operator\": \"Identity\", \"shape\": [1, 1, 1]}],"
                    "\"default_layer\": \"pixel\", \"preferred_batch\": 1, \"head_layer\": null,"
                    "\"capabilities\": {\"gradients\": true, \"training\": true}}");
}

static void add_logits(AscanReply *reply, AscanTensor images) {
  float *logits = add(reply, "logits", SHAPE(images.shape[0], 2));
  for (size_t i = 0; i < images.shape[0]; i++) {
    logits[2 * i] = images.data[i];
    logits[2 * i + 1] = -images.data[i];
  }
}

static int32_t forward(void *backend, AscanTensor images, const AscanStr *layers, size_t n_layers, AscanReply *reply) {
  (void)backend, (void)layers;
  begin(reply);
  add_logits(reply, images);
  if (n_layers) *add(reply, "pixel", SHAPE(images.shape[0], 1, 1, 1)) = images.data[0];
  return 0;
}

static int32_t gradients(void *backend, AscanTensor images, const size_t *target_classes, const AscanStr *names,
                         size_t n_names, AscanReply *reply) {
  (void)backend, (void)names, (void)n_names;
  begin(reply);
  add_logits(reply, images);
  float *gradient = add(reply, "gradient:image", SHAPE(images.shape[0], 1, 1, 1));
  float *value = add(reply, "value:image", SHAPE(images.shape[0], 1, 1, 1));
  for (size_t i = 0; i < images.shape[0]; i++) {
    gradient[i] = target_classes[i] ? -1 : 1;
    value[i] = images.data[i];
  }
  return 0;
}

static int32_t train(void *trainer, const AscanTrainingStep *step, AscanReply *reply) {
  (void)trainer;
  begin(reply);
  add_logits(reply, step->images);
  float *losses = add(reply, "losses", SHAPE(step->images.shape[0]));
  for (size_t i = 0; i < step->images.shape[0]; i++) losses[i] = step->learning_rate;
  return 0;
}

static int32_t weights(void *trainer, AscanReply *reply) {
  (void)trainer;
  begin(reply);
  *add(reply, "w", SHAPE(1)) = 4;
  return 0;
}

static int32_t weight_gradients(void *trainer, const AscanTrainingStep *step, AscanReply *reply) {
  (void)step;
  return weights(trainer, reply);
}

static int32_t make_trainer(void *backend, AscanStr options, void **trainer, AscanReply *reply) {
  return open_model(backend, options, trainer, reply);
}

static const AscanTrainerTable TRAINER = {sizeof(AscanTrainerTable), train, weight_gradients, weights, free};
static const AscanBackendTable BACKEND = {
    sizeof(AscanBackendTable), info, forward, gradients, make_trainer, &TRAINER, free};
static const AscanRuntimeTable RUNTIME = {sizeof(AscanRuntimeTable), capabilities, available, open_model, &BACKEND};

// --- an attributor: the gradient of the input's first channel, asked of whatever backend there is

static int32_t requirements(void *attributor, AscanStr info_json, AscanStr head_layer, AscanTensor head,
                            AscanReply *reply) {
  (void)attributor, (void)info_json, (void)head_layer, (void)head;
  return say(reply, "{\"layers\": [], \"gradients\": true, \"map_size\": [8, 6], \"method\": \"old\"}");
}

static int32_t attribute(void *attributor, const AscanBackend *backend, const AscanAttributionBatch *batch,
                         const AscanHost *host, AscanReply *reply) {
  (void)attributor, (void)host;
  AscanReply asked = {0};
  const AscanStr input = TEXT("image");
  const int32_t status =
      backend->table->gradients(backend->state, batch->images, batch->target_classes, &input, 1, &asked);
  if (status) {
    *reply = asked;
    return status;
  }
  begin(reply);
  const size_t *shape = batch->images.shape;
  const size_t n_pixels = shape[2] * shape[3];
  float *maps = add(reply, "maps", SHAPE(shape[0], shape[2], shape[3]));
  for (size_t k = 0; k < asked.n_tensors; k++) {
    if (asked.tensors[k].name.len != sizeof("gradient:image") - 1) continue;
    for (size_t i = 0; i < shape[0]; i++) {
      memcpy(maps + i * n_pixels, asked.tensors[k].tensor.data + i * shape[1] * n_pixels, n_pixels * sizeof(float));
    }
  }
  if (asked.release) asked.release(asked.owner);
  return 0;
}

static const AscanAttributorTable ATTRIBUTOR = {sizeof(AscanAttributorTable), requirements, attribute};

// --- a regularizer: the images as they are; the weight is the step, which is the last field of a batch

static int32_t prepare(void *regularizer, const AscanTrainingBatch *batch, const AscanHost *host, AscanReply *reply) {
  (void)regularizer, (void)host;
  const size_t *shape = batch->images.shape;
  if (shape[0] != 1) return fail(reply, ASCAN_ERROR_CODE_UNSUPPORTED, "takes one image at a time");
  begin(reply);
  const size_t n = shape[1] * shape[2] * shape[3];
  memcpy(add(reply, "images", SHAPE(1, shape[1], shape[2], shape[3])), batch->images.data, n * sizeof(float));
  *add(reply, "weights", SHAPE(1)) = (float)batch->step;
  return say(reply, "{\"labels\": [%zu], \"sources\": [0], \"penalty_strength\": null}", batch->labels[0]);
}

static int32_t observe(void *regularizer, const float *losses, size_t n_losses, AscanReply *reply) {
  (void)regularizer, (void)losses, (void)n_losses, (void)reply;
  return 0;
}

static const AscanRegularizerTable REGULARIZER = {sizeof(AscanRegularizerTable), prepare, observe};

#define PLUGIN(of_kind, of_name, of_table)                                                              \
  {.size = sizeof(AscanPlugin), .kind = of_kind, .name = TEXT(of_name), .summary = TEXT("of ABI 1.0"), \
   .resolve = no_params, .create = create, .destroy = free, .table = of_table}

static const AscanPlugin PLUGINS[] = {
    PLUGIN(ASCAN_KIND_BACKEND, "old_backend", &RUNTIME),
    PLUGIN(ASCAN_KIND_ATTRIBUTOR, "old_attributor", &ATTRIBUTOR),
    PLUGIN(ASCAN_KIND_SLICER, "old_slicer", &SLICER),
    PLUGIN(ASCAN_KIND_PROJECTOR, "old_projector", &PROJECTOR),
    PLUGIN(ASCAN_KIND_REGULARIZER, "old_regularizer", &REGULARIZER),
};

static const AscanLibrary LIBRARY = {
    .magic = ASCAN_MAGIC,
    .abi_major = ASCAN_ABI_MAJOR,
    .abi_minor = ASCAN_ABI_MINOR,
    .size = sizeof(AscanLibrary),
    .version = TEXT("0.1.0"),
    .compiler = TEXT("cc"),
    .plugins = PLUGINS,
    .n_plugins = sizeof PLUGINS / sizeof PLUGINS[0],
};

const AscanLibrary *ascan_library_old_abi(void) { return &LIBRARY; }
