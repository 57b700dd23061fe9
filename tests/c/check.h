/* What every test uses: CHECK ends the program with file, line and what was seen. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soe.h"

/* What a failure prints beside its line: the seed that repeats it, the case of a table. */
static char check_context[200];

#define CONTEXT(...) ((void)snprintf(check_context, sizeof check_context, __VA_ARGS__))

static inline void check_failed(const char *file, int line, const char *what) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: %s%s%s\n", file, line, what, check_context[0] ? ", with " : "", check_context);
  exit(1);
}

static inline void check_equal(const char *file, int line, const char *what, uint64_t expected, uint64_t seen) {
  char text[300];
  if (expected == seen) return;
  snprintf(text, sizeof text, "%s: expected %llu, saw %llu", what, (unsigned long long)expected, (unsigned long long)seen);
  check_failed(file, line, text);
}

static inline void check_status(const char *file, int line, const char *what, soe_status expected, soe_status seen) {
  char text[300];
  if (expected == seen) return;
  snprintf(text, sizeof text, "%s: expected %d (%s), saw %d (%s)", what, (int)expected, soe_status_string(expected), (int)seen, soe_status_string(seen));
  check_failed(file, line, text);
}

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition);   \
  } while (0)
#define CHECK_EQUAL(expected, seen) check_equal(__FILE__, __LINE__, #seen, (uint64_t)(expected), (uint64_t)(seen))
#define CHECK_STATUS(expected, call) check_status(__FILE__, __LINE__, #call, expected, call)
#define CHECK_OK(call) CHECK_STATUS(SOE_OK, call)

/* tests/c/run --valgrind sets SOE_TESTS_SMALL: the same paths, fewer rounds. */
static inline unsigned rounds(unsigned full, unsigned small) {
  return getenv("SOE_TESTS_SMALL") ? small : full;
}

/* The seeds of a test: PROGRAM, PROGRAM SEED, or PROGRAM FIRST LAST. */
static inline void seeds(int argc, char **argv, uint64_t *first, uint64_t *last) {
  if (argc < 2) return;
  *first = *last = strtoull(argv[1], NULL, 10);
  if (argc > 2) *last = strtoull(argv[2], NULL, 10);
}

/* Marsaglia's xorshift64*: the same seed gives the same test. */
static inline uint64_t chance(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545F4914F6CDD1Du;
}
static inline uint64_t chance_below(uint64_t *state, uint64_t limit) {
  return (chance(state) >> 11) % limit;
}

/* Bytes that tell where they belong: message `tag`, position by position. */
static inline void fill(uint8_t *data, size_t len, uint32_t tag) {
  size_t i;
  for (i = 0; i < len; i++) data[i] = (uint8_t)(tag * 31 + i * 7 + (i >> 8) * 13);
}
static inline int filled(const uint8_t *data, size_t len, uint32_t tag) {
  size_t i;
  for (i = 0; i < len; i++) {
    if (data[i] != (uint8_t)(tag * 31 + i * 7 + (i >> 8) * 13)) return 0;
  }
  return 1;
}
static inline int all_bytes(const void *memory, size_t len, uint8_t value) {
  const uint8_t *bytes = (const uint8_t *)memory;
  size_t i;
  for (i = 0; i < len; i++) {
    if (bytes[i] != value) return 0;
  }
  return 1;
}
static inline int holds_bytes(const uint8_t *data, size_t len, const uint8_t *needle, size_t needle_len) {
  size_t i;
  for (i = 0; i + needle_len <= len; i++) {
    if (memcmp(data + i, needle, needle_len) == 0) return 1;
  }
  return 0;
}

static inline soe_addr v4(uint8_t last, uint16_t port) {
  soe_addr addr;
  memset(&addr, 0, sizeof addr);
  addr.family = SOE_FAMILY_V4;
  addr.ip[0] = 10;
  addr.ip[3] = last;
  addr.port = port;
  return addr;
}
static inline int same_addr(const soe_addr *a, const soe_addr *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

#endif
