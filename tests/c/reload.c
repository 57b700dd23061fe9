/* reload PATH: the library is loaded, used, unloaded and loaded again, while threads that used it live on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

#include "soe.h"

/* Nothing here is linked with the library: what check.h asks it for has to come from elsewhere. */
#define soe_status_string(status) "status"
#include "check.h"
#undef soe_status_string

enum { THREADS = 4 };

typedef struct library {
  void *handle;
  soe_status (*config_init)(soe_config *, size_t, uint32_t);
  soe_status (*mux_create)(const soe_config *, uint64_t, soe_mux **);
  void (*mux_free)(soe_mux *);
  soe_status (*mux_feed)(soe_mux *, uint64_t, const soe_addr *, const uint8_t *, size_t);
  soe_status (*mux_tick)(soe_mux *, uint64_t);
  soe_status (*drain_outgoing)(soe_mux *, uint64_t, soe_datagram *, size_t, size_t *);
  soe_status (*drain_events)(soe_mux *, soe_event *, size_t, size_t *);
  soe_status (*connect)(soe_mux *, uint64_t, const soe_addr *, const soe_connect_options *, soe_session_id *);
  soe_status (*send)(soe_mux *, soe_session_id, uint32_t, const uint8_t *, size_t);
  const char *(*version_string)(void);
} library;

static library lib;
static pthread_barrier_t loaded, used;
static unsigned rounds_left;

static void symbol(void *function, size_t size, const char *name) {
  void *at = dlsym(lib.handle, name);
  CONTEXT("symbol %s", name);
  CHECK(at && size == sizeof at);
  memcpy(function, &at, sizeof at);
}
static void load(const char *path) {
  CHECK(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL); /* not there */
  lib.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!lib.handle) check_failed(__FILE__, __LINE__, dlerror());
  symbol(&lib.config_init, sizeof lib.config_init, "soe_config_init");
  symbol(&lib.mux_create, sizeof lib.mux_create, "soe_mux_create");
  symbol(&lib.mux_free, sizeof lib.mux_free, "soe_mux_free");
  symbol(&lib.mux_feed, sizeof lib.mux_feed, "soe_mux_feed");
  symbol(&lib.mux_tick, sizeof lib.mux_tick, "soe_mux_tick");
  symbol(&lib.drain_outgoing, sizeof lib.drain_outgoing, "soe_mux_drain_outgoing");
  symbol(&lib.drain_events, sizeof lib.drain_events, "soe_mux_drain_events");
  symbol(&lib.connect, sizeof lib.connect, "soe_mux_connect");
  symbol(&lib.send, sizeof lib.send, "soe_session_send");
  symbol(&lib.version_string, sizeof lib.version_string, "soe_version_string");
}

/* A session with two messages, one of them large; seeds from the operating system, compression and RC4, so that all of it is touched. */
static void use(void) {
  static const uint8_t key[3] = {1, 2, 3};
  soe_mux *mux[2] = {NULL, NULL};
  soe_addr addr[2];
  soe_session_id id = 0;
  uint8_t message[5000];
  unsigned heard = 0, turn, i;
  int side;
  CHECK(lib.version_string()[0]);
  fill(message, sizeof message, 1);
  for (side = 0; side < 2; side++) {
    soe_config config;
    CHECK_OK(lib.config_init(&config, sizeof config, SOE_PRESET_DEFAULT));
    config.pass0 = SOE_PASS_COMPRESS;
    config.cipher_key = key;
    config.cipher_key_len = sizeof key;
    addr[side] = v4((uint8_t)(1 + side), 99);
    CHECK_OK(lib.mux_create(&config, 0, &mux[side]));
  }
  CHECK_OK(lib.connect(mux[0], 0, &addr[1], NULL, &id));
  for (turn = 0; turn < 1000 && heard < 2; turn++) {
    for (side = 0; side < 2; side++) {
      soe_datagram out[32];
      soe_event ev[32];
      size_t n = 0;
      CHECK_OK(lib.mux_tick(mux[side], turn * 1000));
      CHECK_OK(lib.drain_events(mux[side], ev, 32, &n));
      for (i = 0; i < n; i++) {
        if (ev[i].kind == SOE_EVENT_CONNECTED && side == 0) {
          CHECK_OK(lib.send(mux[0], id, 0, message, 10));
          CHECK_OK(lib.send(mux[0], id, 0, message, sizeof message));
        } else if (ev[i].kind == SOE_EVENT_MESSAGE) {
          CHECK(filled(ev[i].data, ev[i].len, 1));
          heard++;
        }
      }
      CHECK_OK(lib.drain_outgoing(mux[side], turn * 1000, out, 32, &n));
      for (i = 0; i < n; i++) CHECK_OK(lib.mux_feed(mux[1 - side], turn * 1000, &addr[side], out[i].data, out[i].len));
    }
  }
  CHECK_EQUAL(2, heard);
  lib.mux_free(mux[0]);
  lib.mux_free(mux[1]);
}

static void *live(void *unused) {
  (void)unused;
  for (;;) {
    pthread_barrier_wait(&loaded);
    if (!rounds_left) return NULL;
    use();
    pthread_barrier_wait(&used);
  }
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  unsigned i, round, all = rounds(20, 3);
  if (argc != 2) {
    fprintf(stderr, "usage: reload LIBSOE.SO\n");
    return 2;
  }
  CHECK(pthread_barrier_init(&loaded, NULL, THREADS + 1) == 0 && pthread_barrier_init(&used, NULL, THREADS + 1) == 0);
  rounds_left = all;
  for (i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, live, NULL) == 0);
  for (round = 1; round <= all; round++) {
    load(argv[1]);
    CONTEXT("round %u", round);
    pthread_barrier_wait(&loaded);
    use();
    pthread_barrier_wait(&used); /* all have used it, and live */
    CHECK(dlclose(lib.handle) == 0);
    if (dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL) check_failed(__FILE__, __LINE__, "the library is still loaded though nobody holds it");
  }
  rounds_left = 0;
  pthread_barrier_wait(&loaded);
  for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0); /* what it left to be done at a thread's end would crash here */
  printf("reload: ok\n");
  return 0;
}
