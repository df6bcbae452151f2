// What the plugins of this folder in C share: filling a reply, and freeing it.

#include "ascan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define MAX_SENT 6

// Everything that one reply points to.
typedef struct Sent {
  AscanNamedTensor tensors[MAX_SENT + 1];
  size_t shapes[MAX_SENT + 1][4];
  char names[MAX_SENT + 1][32];
  char json[512];
} Sent;

static inline void release(void *owner) {
  Sent *sent = owner;
  for (size_t i = 0; i <= MAX_SENT; i++) free((void *)sent->tensors[i].tensor.data);
  free(sent);
}

static inline AscanStr text(const char *of) { return (AscanStr){(const uint8_t *)of, strlen(of)}; }

// A reply without anything in it yet.
static inline Sent *begin(AscanReply *reply) {
  Sent *sent = calloc(1, sizeof(Sent));
  if (!sent) abort();
  *reply = (AscanReply){.owner = sent, .release = release, .tensors = sent->tensors};
  return sent;
}

static inline int32_t say(AscanReply *reply, const char *format, ...) {
  Sent *sent = reply->owner ? reply->owner : begin(reply);
  va_list values;
  va_start(values, format);
  vsnprintf(sent->json, sizeof sent->json, format, values);
  va_end(values);
  reply->json = text(sent->json);
  return 0;
}

static inline int32_t fail(AscanReply *reply, AscanErrorCode code, const char *message) {
  *reply = (AscanReply){.message = text(message)};
  return (int32_t)code;
}

// Adds a tensor of zeros to a reply that was begun; gives its values.
static inline float *add(AscanReply *reply, const char *name, size_t n_dims, const size_t *shape) {
  Sent *sent = reply->owner;
  // A number that is a lie stays as it is.
  const size_t at = reply->n_tensors < MAX_SENT ? reply->n_tensors++ : MAX_SENT;
  size_t n = 1;
  for (size_t i = 0; i < n_dims; i++) n *= sent->shapes[at][i] = shape[i];
  free((void *)sent->tensors[at].tensor.data);
  float *values = calloc(n + 1, sizeof(float));
  if (!values) abort();
  snprintf(sent->names[at], sizeof sent->names[at], "%s", name);
  sent->tensors[at] = (AscanNamedTensor){text(sent->names[at]), {values, sent->shapes[at], n_dims, NULL}};
  return values;
}

#define SHAPE(...) sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), (const size_t[]){__VA_ARGS__}

static inline int32_t no_params(AscanStr params, AscanReply *reply) {
  (void)params;
  return say(reply, "{\"params\":{},\"problems\":[],\"help\":[]}");
}
