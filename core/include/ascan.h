// The plugin boundary of Attribution Scanner. Generated from core/src/abi; do not edit.

#ifndef ASCAN_H
#define ASCAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

// First field of every library descriptor: `"ASCANPLG"`.
#define ASCAN_MAGIC 4707179983298120775

// Libraries of another major version are refused.
#define ASCAN_ABI_MAJOR 1

// Libraries of a newer minor version are refused; older ones are welcome.
#define ASCAN_ABI_MINOR 4

// The kinds of plugin.
enum AscanKind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A [`crate::Runtime`], which opens [`crate::ModelBackend`]s.
  ASCAN_KIND_BACKEND = 1,
  // An [`crate::Attributor`].
  ASCAN_KIND_ATTRIBUTOR = 2,
  // A [`crate::Slicer`].
  ASCAN_KIND_SLICER = 3,
  // A [`crate::Projector`].
  ASCAN_KIND_PROJECTOR = 4,
  // A [`crate::Regularizer`].
  ASCAN_KIND_REGULARIZER = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum AscanKind AscanKind;
#else
typedef uint32_t AscanKind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The kinds of [`Error`], as numbers that never change.
enum AscanErrorCode
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // A parameter is wrong.
  ASCAN_ERROR_CODE_PARAM = 1,
  // A name is unknown.
  ASCAN_ERROR_CODE_UNKNOWN_NAME = 2,
  // A capability is missing.
  ASCAN_ERROR_CODE_UNSUPPORTED = 3,
  // An ONNX operator is missing.
  ASCAN_ERROR_CODE_UNSUPPORTED_OPERATOR = 4,
  // A tensor has another shape.
  ASCAN_ERROR_CODE_SHAPE = 5,
  // NaN or infinity.
  ASCAN_ERROR_CODE_NOT_FINITE = 6,
  // A file is unreadable or unwritable.
  ASCAN_ERROR_CODE_FILE = 7,
  // Stopped on request.
  ASCAN_ERROR_CODE_CANCELLED = 8,
  // The plugin failed.
  ASCAN_ERROR_CODE_PLUGIN = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum AscanErrorCode AscanErrorCode;
#else
typedef uint32_t AscanErrorCode;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a program must know of a regularizer beside its functions.
typedef struct Habits Habits;

// Borrowed UTF-8 text, not terminated.
typedef struct AscanStr {
  // First byte; may be NULL if `len` is 0.
  const uint8_t *ptr;
  // Length in bytes.
  size_t len;
} AscanStr;

// A borrowed array of `f32`.
typedef struct AscanTensor {
  // First value; may be NULL if there is none.
  const float *data;
  // Length of each axis.
  const size_t *shape;
  // Number of axes.
  size_t n_dims;
  // Steps between entries of each axis in values, or NULL for row-major.
  const ptrdiff_t *strides;
} AscanTensor;

// A tensor with a name.
typedef struct AscanNamedTensor {
  // Its name in the reply.
  struct AscanStr name;
  // The values.
  struct AscanTensor tensor;
} AscanNamedTensor;

// What a call made, or what went wrong. The caller zeroes it, the callee fills it, and the caller
// hands it back with `release(owner)` unless `release` is still NULL.
typedef struct AscanReply {
  // Small facts as a JSON object; may be empty. On an error the fields of the error under its name, such as
  // `{"unknown_name": {"kind": "layer", "name": "conv9", "available": ["conv1"]}}`; `core/src/error.rs` lists them.
  struct AscanStr json;
  // The arrays that the call made.
  const struct AscanNamedTensor *tensors;
  // Number of arrays.
  size_t n_tensors;
  // What went wrong, a sentence; empty if nothing did.
  struct AscanStr message;
  // The parameter that is wrong, if it is one.
  struct AscanStr key;
  // What to do; may be empty.
  struct AscanStr hint;
  // For `release` alone.
  void *owner;
  // Frees everything that the reply points to.
  void (*release)(void *owner);
} AscanReply;

// The descriptor of a plugin.
typedef struct AscanPlugin {
  // `sizeof(AscanPlugin)` on the library's side.
  size_t size;
  // 1 backend, 2 attributor, 3 slicer, 4 projector, 5 regularizer.
  uint32_t kind;
  // Name in configurations.
  struct AscanStr name;
  // One line for the user.
  struct AscanStr summary;
  // Parameters as a JSON object → reply JSON
  // `{"params": {…all, with defaults}, "problems": [{"key", "message", "hint"}], "help": [["key", "text"]], "detail": ""}`.
  int32_t (*resolve)(struct AscanStr params, struct AscanReply *reply);
  // Makes a state from parameters.
  int32_t (*create)(struct AscanStr params, void **state, struct AscanReply *reply);
  // Frees a state.
  void (*destroy)(void *state);
  // The function table of the kind.
  const void *table;
  // Of a backend: forward passes of ResNet-18 beside PyTorch's on the same CPU, in percent, as its author measured;
  // 0 if nobody has (minor version 2).
  uint32_t speed;
  // Of a projector that suits a map for people to look at: its parameters for one beside `n_dims`, a JSON object;
  // empty for all others (minor version 2).
  struct AscanStr map_params;
  // Of a regularizer: 1 if it decides itself how often each image comes, plus 2 if it is not meant to change where a model
  // looks, plus 4 if it needs the `disagreement` of a training set, plus 8 if it has a direction to suppress (minor version 3).
  uint32_t habits;
} AscanPlugin;

// The descriptor of a library, returned by its entry point; lives as long as the process.
typedef struct AscanLibrary {
  // [`ASCAN_MAGIC`]: everything else is read only if this is right.
  uint64_t magic;
  // [`ASCAN_ABI_MAJOR`] the library was built against.
  uint32_t abi_major;
  // [`ASCAN_ABI_MINOR`] the library was built against.
  uint32_t abi_minor;
  // `sizeof(AscanLibrary)` on the library's side.
  size_t size;
  // Version of the library, for the user.
  struct AscanStr version;
  // Compiler, for the user.
  struct AscanStr compiler;
  // The plugins in it.
  const struct AscanPlugin *plugins;
  // Number of plugins.
  size_t n_plugins;
} AscanLibrary;

// What a trainer steps on; see [`TrainingStep`].
typedef struct AscanTrainingStep {
  // `sizeof(AscanTrainingStep)` on the host's side.
  size_t size;
  // `[n, c, h, w]`
  struct AscanTensor images;
  // `[n]`
  const size_t *labels;
  // `[n]`
  const float *weights;
  // Step size.
  float learning_rate;
  // `[n, h, w]`; its shape is NULL where there is no penalty on input gradients.
  struct AscanTensor penalty_mask;
  // Factor of the penalty.
  float penalty_strength;
} AscanTrainingStep;

// Functions of a trainer.
typedef struct AscanTrainerTable {
  // `sizeof(AscanTrainerTable)` on the library's side.
  size_t size;
  // Reply tensors `losses` `[n]` and `logits` `[n, n_classes]`.
  int32_t (*step)(void *trainer, const struct AscanTrainingStep *step, struct AscanReply *reply);
  // A reply tensor for each trainable weight, under its name.
  int32_t (*weight_gradients)(void *trainer,
                              const struct AscanTrainingStep *step,
                              struct AscanReply *reply);
  // A reply tensor for each weight that training changes, under its name.
  int32_t (*weights)(void *trainer, struct AscanReply *reply);
  // Reply tensors: everything that another trainer needs to go on from here.
  int32_t (*state)(void *trainer, struct AscanReply *reply);
  // Goes on from the tensors that `state` gave.
  int32_t (*restore)(void *trainer,
                     const struct AscanNamedTensor *tensors,
                     size_t n_tensors,
                     struct AscanReply *reply);
  // Frees the trainer.
  void (*destroy)(void *trainer);
} AscanTrainerTable;

// Given a feature map, writes the gradient of a function of it, of the same shape, to `cotangent`. Returns 0, or
// another number to end the call that asked for it.
typedef int32_t (*AscanCotangent)(void *state, struct AscanTensor feature_map, float *cotangent);

// Functions of an opened model.
//
// Entries from `pullback` on are of minor version 1, `pass` is of 4: a table that ends before them, or has NULL there, does without.
typedef struct AscanBackendTable {
  // `sizeof(AscanBackendTable)` on the library's side.
  size_t size;
  // Reply JSON: the model's info; reply tensor `head` `[n_classes, c]` and JSON key `head_layer` where the head is linear.
  int32_t (*info)(void *backend, struct AscanReply *reply);
  // Images `[n, c, h, w]` and names of layers or attentions → tensor `logits` `[n, n_classes]`, then a tensor for each.
  int32_t (*forward)(void *backend,
                     struct AscanTensor images,
                     const struct AscanStr *layers,
                     size_t n_layers,
                     struct AscanReply *reply);
  // One class an image, and names of tensors → `logits`, then `gradient:<name>` and `value:<name>` for each.
  int32_t (*gradients)(void *backend,
                       struct AscanTensor images,
                       const size_t *target_classes,
                       const struct AscanStr *with_respect_to,
                       size_t n_names,
                       struct AscanReply *reply);
  // Makes a trainer from options in JSON.
  int32_t (*trainer)(void *backend,
                     struct AscanStr options,
                     void **trainer,
                     struct AscanReply *reply);
  // Functions of its trainers; NULL if there are none.
  const struct AscanTrainerTable *trainers;
  // Frees the model.
  void (*destroy)(void *backend);
  // Calls `cotangent(state, …)` once with the feature map of a layer → tensor `gradient`, shaped like the images.
  int32_t (*pullback)(void *backend,
                      struct AscanTensor images,
                      struct AscanStr layer,
                      AscanCotangent cotangent,
                      void *state,
                      struct AscanReply *reply);
  // Feature maps `[m, c, h, w]` of a layer, and the image `[m]` of each → tensor `logits` `[m, n_classes]`.
  int32_t (*forward_from)(void *backend,
                          struct AscanTensor images,
                          struct AscanStr layer,
                          struct AscanTensor feature_maps,
                          const size_t *image_of,
                          struct AscanReply *reply);
  // One class an image, and a rule `{"rule": "deep_lift"}`, `{"rule": "lrp_epsilon", "epsilon"}` or
  // `{"rule": "lrp_gamma_composite", "gamma", "epsilon"}` → tensor `relevance`, shaped like the images.
  // `baselines`, shaped like the images, comes with `deep_lift`.
  int32_t (*relevance)(void *backend,
                       struct AscanTensor images,
                       const size_t *target_classes,
                       struct AscanStr rule,
                       struct AscanTensor baselines,
                       struct AscanReply *reply);
  // `forward` and `gradients` in one pass: names of layers, one class an image (`SIZE_MAX`: the one that this pass predicts,
  // the first of equal logits), names of tensors, perhaps none → `logits`, a tensor for each layer, `gradient:<name>` for
  // each tensor. NULL: the two are called one after the other.
  int32_t (*pass)(void *backend,
                  struct AscanTensor images,
                  const struct AscanStr *layers,
                  size_t n_layers,
                  const size_t *target_classes,
                  const struct AscanStr *gradients_of,
                  size_t n_gradients,
                  struct AscanReply *reply);
} AscanBackendTable;

// Functions of an engine.
typedef struct AscanRuntimeTable {
  // `sizeof(AscanRuntimeTable)` on the library's side.
  size_t size;
  // Reply JSON: `{"gradients": bool, "training": bool, "relevance": bool}`.
  int32_t (*capabilities)(void *runtime, struct AscanReply *reply);
  // 0 if the engine can run here.
  int32_t (*available)(void *runtime, struct AscanReply *reply);
  // Opens a model. Request: `{"path", "device", "n_threads", "image_size": [h, w] or null, "output": {"name", "kind"}}`;
  // `output` names a graph output and what it means, each null where the graph is to tell.
  int32_t (*open)(void *runtime, struct AscanStr request, void **backend, struct AscanReply *reply);
  // Functions of the models it opens.
  const struct AscanBackendTable *backend;
} AscanRuntimeTable;

// An opened model, lent to an attributor.
typedef struct AscanBackend {
  // First argument of the functions.
  void *state;
  // Its functions.
  const struct AscanBackendTable *table;
  // The same for the same model in the same process, so that what `info` says can be kept; 0 if it cannot.
  uint64_t id;
} AscanBackend;

// A batch to explain; see [`AttributionBatch`].
typedef struct AscanAttributionBatch {
  // `sizeof(AscanAttributionBatch)` on the host's side.
  size_t size;
  // `[n, c, h, w]`
  struct AscanTensor images;
  // `[n]`
  const size_t *target_classes;
  // `[n, n_classes]`
  struct AscanTensor logits;
  // The feature maps that `requirements` asked for.
  const struct AscanNamedTensor *feature_maps;
  // Number of feature maps.
  size_t n_feature_maps;
  // Gradients of the target logits that are there already, by the name of the tensor (minor version 1).
  const struct AscanNamedTensor *gradients;
  // Number of gradients.
  size_t n_gradients;
} AscanAttributionBatch;

// What the host lends to a call.
typedef struct AscanHost {
  // `sizeof(AscanHost)` on the host's side.
  size_t size;
  // First argument of the functions.
  const void *state;
  // Seed of everything random.
  uint64_t seed;
  // Threads the call may use.
  size_t n_threads;
  // Shows a message: 0 debug, 1 info, 2 warning.
  void (*log)(const void *state, uint32_t level, struct AscanStr message);
  // Reports progress; returns 0 to ask the plugin to stop.
  int32_t (*progress)(const void *state, struct AscanStr stage, uint64_t done, uint64_t total);
} AscanHost;

// Functions of an attributor.
typedef struct AscanAttributorTable {
  // `sizeof(AscanAttributorTable)` on the library's side.
  size_t size;
  // `info` is the backend's info JSON, `head` the weight of its linear head (its shape is NULL where there is none).
  // Reply JSON: `{"layers": [..], "gradients": bool, "gradients_of": [..], "relevance": bool, "map_size": [h, w],
  // "method": ""}`; `gradients_of` and `relevance` may be left out.
  int32_t (*requirements)(void *attributor,
                          struct AscanStr info,
                          struct AscanStr head_layer,
                          struct AscanTensor head,
                          struct AscanReply *reply);
  // Reply tensors `maps` `[n, h, w]` and, where the method promises a sum, `convergence_delta` `[n]`.
  int32_t (*attribute)(void *attributor,
                       const struct AscanBackend *backend,
                       const struct AscanAttributionBatch *batch,
                       const struct AscanHost *host,
                       struct AscanReply *reply);
} AscanAttributorTable;

// What a slicer sees; see [`SliceTable`].
typedef struct AscanSliceTable {
  // `sizeof(AscanSliceTable)` on the host's side.
  size_t size;
  // `[n, d]`
  struct AscanTensor embeddings;
  // `[n]`, −1 where unknown.
  const int32_t *labels;
  // `[n]`
  const int32_t *predicted_classes;
  // `[n, n_classes]`
  struct AscanTensor probs;
  // `[n]`, NaN where the label is unknown.
  const float *losses;
  // `[n, h, w]`; its shape is NULL where there are none.
  struct AscanTensor maps;
} AscanSliceTable;

// Functions of a slicer.
typedef struct AscanSlicerTable {
  // `sizeof(AscanSlicerTable)` on the library's side.
  size_t size;
  // Fits, and makes a model. Reply JSON: `{"n_slices": k}`.
  int32_t (*fit)(void *slicer,
                 const struct AscanSliceTable *table,
                 const struct AscanHost *host,
                 void **model,
                 struct AscanReply *reply);
  // Reply tensor `membership` `[n, n_slices]`.
  int32_t (*membership)(void *model,
                        const struct AscanSliceTable *table,
                        const struct AscanHost *host,
                        struct AscanReply *reply);
  // Frees a model.
  void (*destroy_model)(void *model);
} AscanSlicerTable;

// Functions of a projector.
typedef struct AscanProjectorTable {
  // `sizeof(AscanProjectorTable)` on the library's side.
  size_t size;
  // Fits to embeddings `[n, d]`, and makes a projection. Reply JSON: `{"n_dims": k}`.
  int32_t (*fit)(void *projector,
                 struct AscanTensor embeddings,
                 const struct AscanHost *host,
                 void **projection,
                 struct AscanReply *reply);
  // Reply tensor `embeddings` `[n, n_dims]`.
  int32_t (*project)(void *projection,
                     struct AscanTensor embeddings,
                     const struct AscanHost *host,
                     struct AscanReply *reply);
  // Frees a projection.
  void (*destroy_projection)(void *projection);
} AscanProjectorTable;

// The whole training split; see [`TrainingSet`].
typedef struct AscanTrainingSet {
  // `sizeof(AscanTrainingSet)` on the host's side.
  size_t size;
  // Number of images.
  size_t n;
  // `[n]`
  const size_t *labels;
  // `[n]`, or NULL.
  const float *spuriousness;
  // `[n]`, or NULL.
  const int32_t *groups;
  // `[n]`, or NULL.
  const int32_t *predicted_classes;
  // `[n]`, or NULL.
  const int32_t *corrected_labels;
  // Epochs done so far.
  uint64_t epoch;
  // `[n]` in [0, 1], or NULL (minor version 3).
  const float *label_probs;
  // `[n]` ≥ 0, or NULL (minor version 3).
  const float *disagreement;
} AscanTrainingSet;

// A batch from the data set; see [`TrainingBatch`].
typedef struct AscanTrainingBatch {
  // `sizeof(AscanTrainingBatch)` on the host's side.
  size_t size;
  // `[n, c, h, w]` in [0, 1].
  struct AscanTensor images;
  // `[n]`
  const size_t *labels;
  // `[n, h, w]`; its shape is NULL where there are none.
  struct AscanTensor masks;
  // `[n]`, or NULL.
  const float *spuriousness;
  // `[n]`, or NULL.
  const int32_t *groups;
  // `[n]`, or NULL.
  const int32_t *predicted_classes;
  // Steps taken so far.
  uint64_t step;
} AscanTrainingBatch;

// Functions of a regularizer.
typedef struct AscanRegularizerTable {
  // `sizeof(AscanRegularizerTable)` on the library's side.
  size_t size;
  // Reply JSON `{"rows": [m], "labels": [m]}`: the images of an epoch.
  int32_t (*select)(void *regularizer,
                    const struct AscanTrainingSet *set,
                    const struct AscanHost *host,
                    struct AscanReply *reply);
  // Reply JSON `{"labels": [m], "sources": [m], "penalty_strength": number or null}`;
  // reply tensors `images` `[m, c, h, w]`, `weights` `[m]`, and `penalty_mask` `[m, h, w]` with a penalty.
  int32_t (*prepare)(void *regularizer,
                     const struct AscanTrainingBatch *batch,
                     const struct AscanHost *host,
                     struct AscanReply *reply);
  // The loss of each image of the last batch.
  int32_t (*observe)(void *regularizer,
                     const float *losses,
                     size_t n_losses,
                     struct AscanReply *reply);
  // Reply tensor `state` `[k]`: what was learnt in the steps so far.
  int32_t (*state)(void *regularizer, struct AscanReply *reply);
  // Goes on from what `state` gave.
  int32_t (*restore)(void *regularizer,
                     const float *values,
                     size_t n_values,
                     struct AscanReply *reply);
  // Reply JSON `{"kept": number or null}`; reply tensors `direction` `[d]` and `through` `[d]` where it is a number.
  int32_t (*suppress)(void *regularizer,
                      struct AscanTensor features,
                      const struct AscanTrainingSet *set,
                      const struct AscanHost *host,
                      struct AscanReply *reply);
} AscanRegularizerTable;



// Every kind, in the order of the data flow.
#define AscanKind_ALL { AscanKind_Backend, AscanKind_Attributor, AscanKind_Projector, AscanKind_Slicer, AscanKind_Regularizer, }

#endif  /* ASCAN_H */
