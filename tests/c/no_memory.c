/* Allocations of large buffers that fail are answered: a send with a status, a peer's fragments by waiting for them to come again. */
#include <sys/resource.h>

#include "pair.h"

enum { MIB = 1 << 20 };

static size_t heard, expected;
static int intact;

static void hear(pair *p, int side, const soe_event *ev) {
  (void)p;
  if (side != SERVER || ev->kind != SOE_EVENT_MESSAGE) return;
  heard++;
  intact = ev->len == expected && filled(ev->data, ev->len, 7);
}

static int arrived(pair *p) {
  (void)p;
  return heard > 0;
}

static uint64_t address_space(void) {
  unsigned long long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f) return 0;
  if (fscanf(f, "%llu", &pages) != 1) pages = 0;
  fclose(f);
  return pages * 4096;
}

/* So much more than now, and no more. 0: as much as there is. */
static void allow(uint64_t bytes) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = bytes ? address_space() + bytes : limit.rlim_max;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

int main(void) {
  soe_config config;
  soe_stats stats;
  pair p;
  uint8_t *message;
  size_t huge = 400 * (size_t)MIB;

  if (!address_space() || getenv("SOE_TESTS_SMALL")) { /* no such limit here; or valgrind, which takes memory of its own */
    printf("no_memory: ok\n");
    return 0;
  }
  pair_config(&config, CLIENT);
  config.udp_length = 16384;
  config.max_message = 512 * MIB;
  config.send_queue_bytes = 512 * MIB;
  config.max_memory = (uint64_t)4096 * MIB;
  pair_begin(&p, &config, &config);
  p.on_event = hear;
  pair_connect(&p, NULL);

  /* A send. */
  message = (uint8_t *)calloc(huge, 1);
  CHECK(message != NULL);
  allow(100 * MIB);
  CHECK_STATUS(SOE_ERR_NO_MEMORY, soe_session_send(p.mux[CLIENT], p.id[CLIENT], SOE_CHANNEL_RELIABLE_0, message, huge));
  CHECK_STATUS(SOE_ERR_NO_MEMORY, soe_session_send(p.mux[CLIENT], p.id[CLIENT], SOE_CHANNEL_UNRELIABLE, message, huge));
  allow(0);
  free(message);
  expected = 10;
  message = (uint8_t *)malloc(64 * (size_t)MIB);
  CHECK(message != NULL);
  fill(message, 64 * (size_t)MIB, 7);
  CHECK_OK(soe_session_send(p.mux[CLIENT], p.id[CLIENT], SOE_CHANNEL_RELIABLE_0, message, expected));
  CHECK(pair_run_until(&p, arrived, 5000000) && intact);

  /* What a peer sends: the transfer waits while there is no memory, and ends when there is. */
  heard = 0;
  expected = 64 * (size_t)MIB;
  CHECK_OK(soe_session_send(p.mux[CLIENT], p.id[CLIENT], SOE_CHANNEL_RELIABLE_0, message, expected));
  allow(60 * MIB);
  do {
    pair_run(&p, 100000);
    stats = pair_stats(&p, SERVER);
  } while (heard == 0 && stats.dropped_window <= 100);
  CONTEXT("%u messages, %u packets waiting", (unsigned)heard, (unsigned)stats.dropped_window);
  CHECK(heard == 0 && stats.dropped_window > 100);
  allow(0);
  CHECK(pair_run_until(&p, arrived, 300000000) && intact);

  free(message);
  pair_end(&p);
  printf("no_memory: ok\n");
  return 0;
}
