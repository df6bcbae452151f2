// A plugin of every kind that lies on demand: `params = { lie = "…" }` names the call, and what is wrong with its reply.
// Without a lie it keeps the contract.

#include "../reply.h"

#include <math.h>

// A state is the name of its lie.
static int32_t create(AscanStr params, void **state, AscanReply *reply) {
  char *lie = calloc(1, params.len + 1);
  if (!lie) abort();
  const char *from = memchr(params.ptr, ':', params.len);
  if (from) memcpy(lie, from + 2, (const char *)params.ptr + params.len - from - 4);
  if (!strcmp(lie, "create nothing")) {
    free(lie);
    return 0;
  }
  *state = lie;
  return say(reply, "");
}

static void *copy(const char *lie) {
  char *state = malloc(strlen(lie) + 1);
  if (!state) abort();
  return strcpy(state, lie);
}

#define LIES(what) (!strcmp(state, what))
#define ELSE(what, lie, truth) (LIES(what) ? (lie) : (truth))

static int32_t resolve(AscanStr params, AscanReply *reply) {
  return params.len > 2 ? say(reply, "{\"params\": 3}") : no_params(params, reply);
}

// What may be wrong with any tensor: the last one added.
static void spoil(const char *state, const char *call, AscanReply *reply) {
  static const uint8_t latin[] = {0xe9};
  static const ptrdiff_t far[] = {PTRDIFF_MAX, PTRDIFF_MAX, 1, 1};
  const size_t n = strlen(call);
  if (strncmp(state, call, n) || state[n] != ' ') return;
  AscanNamedTensor *last = &((Sent *)reply->owner)->tensors[reply->n_tensors - 1];
  state += n + 1;
  if (LIES("no name")) last->name.ptr = NULL;
  if (LIES("latin name")) last->name = (AscanStr){latin, 1};
  if (LIES("missing")) last->name = text("another");
  if (LIES("many")) reply->n_tensors = SIZE_MAX;
  if (LIES("no shape")) last->tensor.shape = NULL;
  if (LIES("no values")) free((void *)last->tensor.data), last->tensor.data = NULL;
  if (LIES("axes")) last->tensor.n_dims = 1000;
  if (LIES("huge")) ((size_t *)last->tensor.shape)[0] = SIZE_MAX / 2;
  if (LIES("turned")) ((size_t *)last->tensor.shape)[0] += 1;
  if (LIES("strides")) last->tensor.strides = far;
  if (LIES("nan")) ((float *)last->tensor.data)[0] = NAN;
  if (LIES("above")) ((float *)last->tensor.data)[0] = 1.5f;
  if (LIES("below")) ((float *)last->tensor.data)[0] = -0.5f;
}

// --- slicer

static int32_t fit(void *state, const AscanSliceTable *table, const AscanHost *host, void **model, AscanReply *reply) {
  (void)table, (void)host;
  if (LIES("fit silent")) return 3;
  if (LIES("fit unknown status")) return -7;
  if (LIES("fit another error")) {
    say(reply, "{\"unknown_name\": {\"kind\": 3}}");
    reply->message = text("no such thing");
    return ASCAN_ERROR_CODE_UNKNOWN_NAME;
  }
  if (LIES("fit layer")) {
    say(reply, "{\"unknown_name\": {\"kind\": \"layer\", \"name\": \"conv9\", \"available\": [\"conv1\"]}}");
    return ASCAN_ERROR_CODE_UNKNOWN_NAME;
  }
  if (!LIES("fit nothing")) *model = copy(state);
  if (LIES("fit says nothing")) return 0;
  return say(reply, "{\"n_slices\": %s}", ELSE("fit huge", "1000000000000", ELSE("fit below", "-1", "2")));
}

static int32_t membership(void *state, const AscanSliceTable *table, const AscanHost *host, AscanReply *reply) {
  (void)host;
  begin(reply);
  add(reply, "membership", SHAPE(table->embeddings.shape[0], 2));
  spoil(state, "membership", reply);
  return 0;
}

static const AscanSlicerTable SLICER = {sizeof(AscanSlicerTable), fit, membership, free};

// --- projector

static int32_t fit_projection(void *state, AscanTensor embeddings, const AscanHost *host, void **projection,
                              AscanReply *reply) {
  (void)embeddings, (void)host;
  if (!LIES("fit nothing")) *projection = copy(state);
  return say(reply, "{\"n_dims\": %s}", ELSE("fit huge", "1000000000000", ELSE("fit none", "0", "1")));
}

static int32_t project(void *state, AscanTensor embeddings, const AscanHost *host, AscanReply *reply) {
  (void)host;
  begin(reply);
  add(reply, "embeddings", SHAPE(embeddings.shape[0], 1));
  spoil(state, "project", reply);
  return 0;
}

static const AscanProjectorTable PROJECTOR = {sizeof(AscanProjectorTable), fit_projection, project, free};

// --- attributor

static int32_t requirements(void *state, AscanStr info, AscanStr head_layer, AscanTensor head, AscanReply *reply) {
  (void)info, (void)head_layer, (void)head;
  return say(reply, "{\"layers\": [%s], \"gradients\": true, \"gradients_of\": [%s], \"map_size\": [%s, 6], \"method\": \"\"}",
             ELSE("requirements layer", "\"conv9\"", ""), ELSE("requirements gradient", "\"conv9\"", ""),
             ELSE("requirements no size", "0", ELSE("requirements huge", "1000000000", "8")));
}

static int32_t attribute(void *state, const AscanBackend *backend, const AscanAttributionBatch *batch,
                         const AscanHost *host, AscanReply *reply) {
  (void)backend, (void)host;
  const size_t n = batch->images.shape[0];
  begin(reply);
  if (LIES("attribute rank")) {
    add(reply, "maps", SHAPE(n, 48));
  } else {
    add(reply, "maps", SHAPE(n, 8, 6));
  }
  spoil(state, "attribute", reply);
  add(reply, "convergence_delta", SHAPE(n));
  spoil(state, "delta", reply);
  return 0;
}

static const AscanAttributorTable ATTRIBUTOR = {sizeof(AscanAttributorTable), requirements, attribute};

// --- regularizer

static int32_t select_images(void *state, const AscanTrainingSet *set, const AscanHost *host, AscanReply *reply) {
  (void)host;
  return say(reply, "{\"rows\": [0, %zu], \"labels\": [0%s]}", ELSE("select row", set->n, 1),
             ELSE("select counts", "", ", 1"));
}

static int32_t prepare(void *state, const AscanTrainingBatch *batch, const AscanHost *host, AscanReply *reply) {
  (void)host;
  const size_t *shape = batch->images.shape;
  begin(reply);
  add(reply, "images", SHAPE(2, shape[1], shape[2], shape[3]));
  spoil(state, "prepare images", reply);
  float *weights = add(reply, "weights", SHAPE(2));
  if (LIES("prepare weights infinite")) weights[1] = INFINITY;
  spoil(state, "prepare weights", reply);
  if (!LIES("prepare no mask")) {
    add(reply, "penalty_mask", SHAPE(2, shape[2], shape[3]));
    spoil(state, "prepare mask", reply);
  }
  return say(reply, "{\"labels\": [0, 1%s], \"sources\": [0, %zu%s], \"penalty_strength\": %s}",
             ELSE("prepare labels", ", 1", ""), ELSE("prepare source", shape[0], 1), ELSE("prepare sources", ", 0", ""),
             ELSE("prepare strength", "-1", "0.5"));
}

static int32_t observe(void *state, const float *losses, size_t n_losses, AscanReply *reply) {
  (void)state, (void)losses, (void)n_losses, (void)reply;
  return 0;
}

static int32_t state_of(void *state, AscanReply *reply) {
  begin(reply);
  if (LIES("state rank")) {
    add(reply, "state", SHAPE(2, 2));
  } else {
    add(reply, "state", SHAPE(2));
  }
  spoil(state, "state", reply);
  return 0;
}

static int32_t restore(void *state, const float *values, size_t n_values, AscanReply *reply) {
  (void)state, (void)values, (void)n_values, (void)reply;
  return 0;
}

static int32_t suppress(void *state, AscanTensor features, const AscanTrainingSet *set, const AscanHost *host,
                        AscanReply *reply) {
  (void)set, (void)host;
  const size_t d = features.shape[1];
  begin(reply);
  float *direction = add(reply, "direction", SHAPE(d));
  for (size_t k = 0; k < d; k++) direction[k] = k ? 0.0f : ELSE("suppress long", 2.0f, 1.0f);
  spoil(state, "suppress direction", reply);
  add(reply, "through", SHAPE(d));
  spoil(state, "suppress through", reply);
  return say(reply, "{\"kept\": %s}", ELSE("suppress kept", "1.5", "0.5"));
}

static const AscanRegularizerTable REGULARIZER = {
    sizeof(AscanRegularizerTable), select_images, prepare, observe, state_of, restore, suppress};

// --- backend: images [1, 1, 1], the layer `pixel` [1, 1, 1], two classes

static int32_t capabilities(void *state, AscanReply *reply) {
  return say(reply, ELSE("capabilities", "perhaps", "{\"gradients\": true, \"training\": true}"));
}

static int32_t available(void *state, AscanReply *reply) {
  (void)state, (void)reply;
  return 0;
}

static int32_t open_model(void *state, AscanStr request, void **backend, AscanReply *reply) {
  (void)request, (void)reply;
  if (!LIES("open nothing")) *backend = copy(state);
  return 0;
}

static int32_t info(void *state, AscanReply *reply) {
  begin(reply);
  add(reply, "head", SHAPE(2, 1));
  spoil(state, "info head", reply);
  return say(reply,
             "{\"engine\": \"lying\", \"input\": \"image\", \"input_shape\": [%s, 1, 1], \"logits\": \"logits\","
             "\"n_classes\": %s, \"layers\": [{\"name\": \"pixel\", \"operator\": \"\", \"shape\": [%s, 1, 1]}],"
             "\"default_layer\": \"%s\", \"preferred_batch\": 1, \"head_layer\": \"%s\","
             "\"biases\": {\"pixel\": [%s]}, \"capabilities\": {\"gradients\": true, \"training\": true}}",
             ELSE("info input", "0", "1"), ELSE("info classes", "0", "2"),
             ELSE("info layer", "18446744073709551615", "1"), ELSE("info default", "pixel9", "pixel"),
             ELSE("info head layer", "pixel9", "pixel"), ELSE("info biases", "0, 0", "0"));
}

static int32_t forward(void *state, AscanTensor images, const AscanStr *layers, size_t n_layers, AscanReply *reply) {
  (void)layers, (void)n_layers;
  begin(reply);
  add(reply, "logits", SHAPE(images.shape[0], 2));
  spoil(state, "forward logits", reply);
  add(reply, "pixel", SHAPE(images.shape[0], 1, 1, 1));
  spoil(state, "forward", reply);
  return 0;
}

static int32_t gradients(void *state, AscanTensor images, const size_t *target_classes, const AscanStr *names,
                         size_t n_names, AscanReply *reply) {
  (void)target_classes, (void)names, (void)n_names;
  const size_t n = images.shape[0];
  begin(reply);
  add(reply, "logits", SHAPE(n, 2));
  add(reply, "gradient:image", SHAPE(n, 1, 1, 1));
  add(reply, "value:image", SHAPE(n, 1, 1, 1));
  add(reply, "value:pixel", SHAPE(n, 1, 1, 1));
  add(reply, "gradient:pixel", SHAPE(n, 1, 1, 1));
  spoil(state, "gradients", reply);
  return 0;
}

static int32_t pullback(void *state, AscanTensor images, AscanStr layer, AscanCotangent cotangent, void *asked,
                        AscanReply *reply) {
  (void)layer;
  const size_t shape[] = {images.shape[0] + (LIES("pullback shape") ? 1 : 0), 1, 1, 1};
  float *room = calloc(shape[0], sizeof(float)), *values = calloc(shape[0], sizeof(float));
  const AscanTensor map = {ELSE("pullback no values", NULL, values), ELSE("pullback no shape", NULL, shape), 4, NULL};
  int32_t status = 0;
  if (!LIES("pullback never")) status = cotangent(asked, map, ELSE("pullback no room", NULL, room));
  if (LIES("pullback twice")) status = cotangent(asked, map, room);
  free(room), free(values);
  // The lie in this one: what the caller said is passed over.
  if (status && !LIES("pullback no room")) return fail(reply, ASCAN_ERROR_CODE_CANCELLED, "");
  begin(reply);
  add(reply, "gradient", SHAPE(images.shape[0], 1, 1, 1));
  spoil(state, "pullback gradient", reply);
  return 0;
}

static int32_t forward_from(void *state, AscanTensor images, AscanStr layer, AscanTensor maps, const size_t *image_of,
                            AscanReply *reply) {
  (void)images, (void)layer, (void)image_of;
  begin(reply);
  add(reply, "logits", SHAPE(maps.shape[0], 2));
  spoil(state, "forward_from", reply);
  return 0;
}

static int32_t relevance(void *state, AscanTensor images, const size_t *target_classes, AscanStr rule,
                         AscanTensor baselines, AscanReply *reply) {
  (void)target_classes, (void)rule, (void)baselines;
  begin(reply);
  add(reply, "relevance", SHAPE(images.shape[0], 1, 1, 1));
  spoil(state, "relevance", reply);
  return 0;
}

static int32_t make_trainer(void *state, AscanStr options, void **trainer, AscanReply *reply) {
  (void)options, (void)reply;
  if (!LIES("trainer nothing")) *trainer = copy(state);
  return 0;
}

static int32_t train(void *state, const AscanTrainingStep *step, AscanReply *reply) {
  begin(reply);
  add(reply, "losses", SHAPE(step->images.shape[0]));
  spoil(state, "step losses", reply);
  add(reply, "logits", SHAPE(step->images.shape[0], 2));
  spoil(state, "step", reply);
  return 0;
}

static int32_t weights(void *state, AscanReply *reply) {
  begin(reply);
  add(reply, "w", SHAPE(2));
  add(reply, ELSE("weights twins", "w", "b"), SHAPE(2));
  spoil(state, "weights", reply);
  return 0;
}

static int32_t weight_gradients(void *state, const AscanTrainingStep *step, AscanReply *reply) {
  (void)step;
  return weights(state, reply);
}

static int32_t restore_trainer(void *state, const AscanNamedTensor *tensors, size_t n_tensors, AscanReply *reply) {
  (void)state, (void)tensors, (void)n_tensors, (void)reply;
  return 0;
}

static const AscanTrainerTable TRAINER = {
    sizeof(AscanTrainerTable), train, weight_gradients, weights, weights, restore_trainer, free};
static const AscanBackendTable BACKEND = {sizeof(AscanBackendTable), info, forward, gradients, make_trainer, &TRAINER, free,
                                          pullback, forward_from, relevance};
static const AscanRuntimeTable RUNTIME = {sizeof(AscanRuntimeTable), capabilities, available, open_model, &BACKEND};

#define PLUGIN(of_kind, of_table)                                                                            \
  {.size = sizeof(AscanPlugin), .kind = of_kind, .name = TEXT("liar"), .summary = TEXT("lies (for tests)"), \
   .resolve = resolve, .create = create, .destroy = free, .table = of_table}

static const AscanPlugin PLUGINS[] = {
    PLUGIN(ASCAN_KIND_BACKEND, &RUNTIME),       PLUGIN(ASCAN_KIND_ATTRIBUTOR, &ATTRIBUTOR),
    PLUGIN(ASCAN_KIND_SLICER, &SLICER),         PLUGIN(ASCAN_KIND_PROJECTOR, &PROJECTOR),
    PLUGIN(ASCAN_KIND_REGULARIZER, &REGULARIZER),
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

const AscanLibrary *ascan_library_lying(void) { return &LIBRARY; }
