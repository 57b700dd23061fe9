/* The header's rule of threads: different muxes share nothing, and one may move from thread to thread. tests/sanitizers watches it with
 * ThreadSanitizer. */
#include <pthread.h>

#include "pair.h"

enum { THREADS = 4 };

typedef struct exchange {
  uint32_t next[2]; /* of what each side hears */
  uint32_t sent;    /* by each */
} exchange;

static uint32_t length_of(uint32_t number) { return 1 + number * 37 % 2000; }

static void hear(pair *p, int side, const soe_event *ev) {
  exchange *x = (exchange *)p->context;
  uint32_t number;
  if (ev->kind != SOE_EVENT_MESSAGE) return;
  number = x->next[side]++;
  CHECK_EQUAL(length_of(number), ev->len);
  CHECK(filled(ev->data, ev->len, number));
}

static int complete(pair *p) {
  exchange *x = (exchange *)p->context;
  return x->next[CLIENT] == x->sent && x->next[SERVER] == x->sent;
}

/* So many messages each way over a line that loses and reorders. */
static void talk(pair *p, uint32_t messages) {
  exchange *x = (exchange *)p->context;
  uint8_t message[2001];
  while (messages--) {
    uint32_t number = x->sent++;
    fill(message, length_of(number), number);
    CHECK_OK(pair_send(p, CLIENT, SOE_CHANNEL_RELIABLE_0, message, length_of(number)));
    CHECK_OK(pair_send(p, SERVER, SOE_CHANNEL_RELIABLE_0, message, length_of(number)));
    pair_run(p, 2000);
  }
  CHECK(pair_run_until(p, complete, 120000000));
}

static void begin(pair *p, exchange *x) {
  soe_config config;
  memset(x, 0, sizeof *x);
  pair_config(&config, CLIENT);
  config.pass0 = SOE_PASS_COMPRESS;
  pair_begin(p, &config, &config);
  p->on_event = hear;
  p->context = x;
  p->loss = 300;
  p->jitter_us = 3000;
  pair_connect(p, NULL);
}

/* ------------------------------------------------------------- one each */

static void *with_its_own(void *unused) {
  exchange x;
  pair p;
  begin(&p, &x);
  talk(&p, rounds(200, 20));
  pair_end(&p);
  return unused;
}

/* ------------------------------------------------------------- one for all */

typedef struct shared {
  pthread_mutex_t lock;
  pair p;
  exchange x;
  unsigned turns, messages;
} shared;

static void *in_turn(void *argument) {
  shared *s = (shared *)argument;
  unsigned i;
  for (i = 0; i < s->turns; i++) {
    CHECK(pthread_mutex_lock(&s->lock) == 0);
    talk(&s->p, s->messages);
    CHECK(pthread_mutex_unlock(&s->lock) == 0);
  }
  return NULL;
}

static void run(void *(*work)(void *), void *argument) {
  pthread_t threads[THREADS];
  int i;
  for (i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, argument) == 0);
  for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void) {
  static shared s;
  run(with_its_own, NULL);

  s.turns = rounds(10, 2);
  s.messages = rounds(10, 3);
  CHECK(pthread_mutex_init(&s.lock, NULL) == 0);
  begin(&s.p, &s.x);
  run(in_turn, &s);
  CHECK_EQUAL(THREADS * s.turns * s.messages, s.x.next[SERVER]);
  pair_end(&s.p);
  printf("threads: ok\n");
  return 0;
}
