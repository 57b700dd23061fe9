/* A host that does not drain loses nothing reliable; what is lossy is dropped and counted. */
#include "pair.h"

enum { QUEUE = 8 };

typedef struct order {
  uint32_t next[4];      /* by reliable channel */
  unsigned lossy;
} order;

static uint32_t length_of(uint32_t number) { return 4 + number * 37 % 200 + (number % 100 == 3 ? 4000 : 0); }

static void hear(pair *p, int side, const soe_event *ev) {
  order *o = (order *)p->context;
  if (side != SERVER || ev->kind != SOE_EVENT_MESSAGE) return;
  if (ev->channel < 4) {
    uint32_t number = o->next[ev->channel]++;
    CHECK_EQUAL(length_of(number), ev->len);
    CHECK(filled(ev->data, ev->len, number * 4 + ev->channel));
  } else {
    CHECK(ev->len == 12 && filled(ev->data, 12, 5));
    o->lossy++;
  }
}

/* The client's host is quick; the server's feeds, ticks and sends, but leaves its events where they are. */
static void stalled(pair *p, uint64_t duration) {
  uint64_t end = p->now + duration;
  while (p->now < end) {
    flight landed;
    while (pair_land(p, &landed)) {
      CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
      free(landed.data);
    }
    CHECK_OK(soe_mux_tick(p->mux[CLIENT], p->now));
    CHECK_OK(soe_mux_tick(p->mux[SERVER], p->now));
    pair_events(p, CLIENT);
    pair_outgoing(p, CLIENT);
    pair_outgoing(p, SERVER);
    p->now += 5000;
  }
}

static uint32_t total, channels;
static int complete(pair *p) {
  order *o = (order *)p->context;
  uint32_t c;
  for (c = 0; c < channels; c++) {
    if (o->next[c] != total) return 0;
  }
  return 1;
}

static void events_limit(uint32_t by_events, uint64_t by_bytes, uint32_t on_channels, uint32_t loss) {
  soe_config config;
  soe_stats before, after;
  order o;
  pair p;
  uint8_t message[5000];
  uint32_t sent = 0, c, lossy = 0;
  size_t waiting;
  unsigned i;
  CONTEXT("max_queued_events %u, max_queued_bytes %llu, %u channels, loss %u", by_events, (unsigned long long)by_bytes, on_channels, loss);
  total = rounds(300, 100);
  channels = on_channels;
  memset(&o, 0, sizeof o);
  pair_config(&config, SERVER);
  if (by_events) config.max_queued_events = by_events;
  if (by_bytes) config.max_queued_bytes = by_bytes;
  pair_begin(&p, NULL, &config);
  p.context = &o;
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  p.on_event = hear;
  before = pair_stats(&p, SERVER);
  p.loss = loss;
  if (loss) p.jitter_us = 20000;

  for (sent = 0; sent < total; sent++) {
    for (c = 0; c < channels; c++) {
      uint32_t len = length_of(sent);
      fill(message, len, sent * 4 + c);
      CHECK_OK(pair_send(&p, CLIENT, c, message, len));
    }
  }
  stalled(&p, 5000000);
  CHECK(pair_info(&p, CLIENT).queued_bytes > 0); /* not acknowledged */

  /* While nothing more fits: lossy messages, each in a datagram of its own. */
  fill(message, 12, 5);
  for (i = 0; i < 50; i++) {
    CHECK_OK(pair_send(&p, CLIENT, i % 2 ? SOE_CHANNEL_UNRELIABLE : SOE_CHANNEL_ORDERED, message, 12));
    lossy++;
    stalled(&p, 10000);
  }
  after = pair_stats(&p, SERVER);
  if (!loss) CHECK_EQUAL(lossy, after.dropped_lossy - before.dropped_lossy);
  CHECK_EQUAL(after.dropped_lossy, pair_session_stats(&p, SERVER).dropped_lossy);
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[SERVER], p.now)); /* events wait */

  /* It stays so for a minute, and nobody gives up. */
  stalled(&p, 60000000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]);

  /* What waits is bounded: the limit, and at most one datagram's messages past it. (With loss, a gap that closes brings all that had come
   * ahead of it.) */
  waiting = pair_events(&p, SERVER);
  CHECK(waiting > 0);
  if (by_events && !loss) CHECK(waiting <= by_events + 256);
  CHECK_EQUAL(0, p.disconnected[SERVER]);

  CHECK(pair_run_until(&p, complete, 600000000));
  pair_run(&p, 1000000);
  CHECK(complete(&p));
  CHECK_EQUAL(0, o.lossy);
  p.loss = p.jitter_us = 0;
  pair_run(&p, 60000000);
  CHECK_EQUAL(0, pair_info(&p, CLIENT).queued_bytes);

  /* With room again, lossy ones arrive. */
  CHECK_OK(pair_send(&p, CLIENT, SOE_CHANNEL_UNRELIABLE, message, 12));
  pair_run(&p, 1000000);
  CHECK_OK(pair_send(&p, CLIENT, SOE_CHANNEL_ORDERED, message, 12));
  pair_run(&p, 1000000);
  CHECK_EQUAL(2, o.lossy);
  after = pair_stats(&p, SERVER);
  CHECK_EQUAL(total * channels + 2, after.messages_received - before.messages_received);
  pair_end(&p);
}

/* A few at a time; the disconnect comes last. */
static unsigned drained_in_bites(pair *p, size_t cap) {
  soe_event ev[QUEUE];
  unsigned calls = 0;
  size_t n, i;
  do {
    CHECK_OK(soe_mux_drain_events(p->mux[SERVER], ev, cap, &n));
    CHECK(n <= cap);
    for (i = 0; i < n; i++) {
      CHECK_EQUAL(0, p->disconnected[SERVER]);
      pair_heard(p, SERVER, &ev[i]);
    }
    calls++;
  } while (n);
  return calls;
}
static void disconnected_meanwhile(void) {
  order o;
  pair p;
  uint8_t message[5000];
  uint32_t i;
  CONTEXT("the peer leaves before the host reads");
  memset(&o, 0, sizeof o);
  total = 40;
  channels = 1;
  pair_begin(&p, NULL, NULL);
  p.context = &o;
  pair_connect(&p, NULL);
  p.on_event = hear;
  for (i = 0; i < total; i++) {
    uint32_t len = length_of(i);
    fill(message, len, i * 4);
    CHECK_OK(pair_send(&p, CLIENT, 0, message, len));
  }
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_FLUSH));
  stalled(&p, 20000000);
  CHECK(p.disconnected[CLIENT]);
  CHECK(drained_in_bites(&p, 3) > total / 3);
  CHECK(complete(&p));
  CHECK_EQUAL(1, p.disconnected[SERVER]);
  CHECK_EQUAL(SOE_ENDED_BY_PEER, p.ended_by[SERVER]);
  CHECK_EQUAL(6, p.reason[SERVER]);
  pair_end(&p);
}

/* A host that does not send: the queue fills, WOULD_BLOCK says so, WRITABLE follows, and all that was taken arrives. */
static void does_not_drain_outgoing(void) {
  order o;
  pair p;
  uint8_t message[5000];
  uint32_t sent = 0;
  soe_status status;
  CONTEXT("a host that does not drain what is to be sent");
  memset(&o, 0, sizeof o);
  channels = 1;
  pair_begin(&p, NULL, NULL);
  p.context = &o;
  pair_connect(&p, NULL);
  p.on_event = hear;
  for (;;) {
    uint32_t len = length_of(sent);
    CHECK(sent < 100000);
    fill(message, len, sent * 4);
    status = pair_send(&p, CLIENT, 0, message, len);
    if (status == SOE_ERR_WOULD_BLOCK) break;
    CHECK_OK(status);
    sent++;
    if (sent % 100 == 0) {
      p.now += 1000;
      CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
    }
  }
  CHECK_STATUS(SOE_ERR_WOULD_BLOCK, pair_send(&p, CLIENT, 0, message, 10));
  CHECK(sent > 500);
  CHECK_EQUAL(0, p.writable[CLIENT]);
  p.now += 3000000;
  total = sent;
  CHECK(pair_run_until(&p, complete, 600000000));
  pair_run(&p, 1000000);
  CHECK_EQUAL(1, p.writable[CLIENT]);
  CHECK_OK(pair_send(&p, CLIENT, 0, "room", 4));
  pair_end(&p);
}

int main(void) {
  events_limit(QUEUE, 0, 1, 0);
  events_limit(QUEUE, 0, 4, 0);
  events_limit(1, 0, 1, 0);
  events_limit(0, 3000, 2, 0);
  events_limit(QUEUE, 0, 1, 1000);
  events_limit(QUEUE, 0, 4, 2000);
  events_limit(0, 3000, 2, 1000);
  disconnected_meanwhile();
  does_not_drain_outgoing();
  printf("slow_host: ok\n");
  return 0;
}
