/* soe_mux_next_deadline and soe_mux_timeout_ms keep their word over random schedules and lossy links, a host that sleeps by them alone
 * gets everything across, and a clock that goes backwards is clamped. */
#include "pair.h"

/* What is known to wait: a side that sent since its last drain. */
typedef struct watch {
  int sent[2];
  unsigned said, ticks, early, stuck;
} watch;

static int32_t expected_timeout(uint64_t deadline, uint64_t now) {
  uint64_t ms;
  if (deadline == UINT64_MAX) return -1;
  if (deadline <= now) return 0;
  ms = (deadline - now - 1) / 1000 + 1;
  return ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

/* Drains everything; from then on nothing waits, and both functions say the same. */
static void drained_agrees(pair *p, int side) {
  watch *w = (watch *)p->context;
  uint64_t deadline;
  int32_t timeout;
  do {
    pair_events(p, side);
  } while (pair_outgoing(p, side));
  w->sent[side] = 0;
  deadline = soe_mux_next_deadline(p->mux[side]);
  timeout = soe_mux_timeout_ms(p->mux[side], p->now);
  CHECK_EQUAL(expected_timeout(deadline, p->now), timeout);
  /* At other times than now. */
  CHECK_EQUAL(expected_timeout(deadline, p->now + 1), soe_mux_timeout_ms(p->mux[side], p->now + 1));
  CHECK_EQUAL(expected_timeout(deadline, p->now + 999), soe_mux_timeout_ms(p->mux[side], p->now + 999));
  if (deadline != UINT64_MAX) {
    if (deadline > p->now) CHECK_EQUAL(1, soe_mux_timeout_ms(p->mux[side], deadline - 1));
    CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], deadline));
    CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], deadline + 12345));
    CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], UINT64_MAX));
  }
  /* Asking changes nothing. */
  CHECK_EQUAL(deadline, soe_mux_next_deadline(p->mux[side]));
}

/* tick at or after the deadline: it moves past now, or there is something to send. */
static void tick_and_check(pair *p, int side) {
  watch *w = (watch *)p->context;
  uint64_t before = soe_mux_next_deadline(p->mux[side]);
  uint64_t after;
  CHECK_OK(soe_mux_tick(p->mux[side], p->now));
  w->ticks++;
  if (w->sent[side]) CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], p->now));
  if (p->now < before) return;
  after = soe_mux_next_deadline(p->mux[side]);
  if (after > p->now) return;
  CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], p->now));
  if (pair_outgoing(p, side) == 0) {
    char text[160];
    snprintf(text, sizeof text, "after tick(%llu) the deadline is %llu, was %llu, and there is nothing to send", (unsigned long long)p->now,
             (unsigned long long)after, (unsigned long long)before);
    check_failed(__FILE__, __LINE__, text);
  }
  w->sent[side] = 0;
}

static void anything(pair *p) {
  watch *w = (watch *)p->context;
  int side = (int)chance_below(&p->random, 2);
  uint8_t message[700];
  soe_event ev[4];
  size_t n = 0, i;
  flight landed;
  int32_t timeout;
  switch (chance_below(&p->random, 10)) {
    case 0:
    case 1:
      for (i = chance_below(&p->random, 4); i && pair_land(p, &landed); i--) {
        CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
        free(landed.data);
      }
      break;
    case 2:
    case 3: tick_and_check(p, side); break;
    case 4: { /* something was sent since the last drain: due */
      size_t len = 1 + chance_below(&p->random, sizeof message - 1);
      soe_status status;
      fill(message, len, w->said);
      status = pair_send(p, side, (uint32_t)chance_below(&p->random, 7), message, len);
      if (status == SOE_ERR_WOULD_BLOCK || status == SOE_ERR_STATE) break; /* STATE: timed out, and the event waits */
      CHECK_OK(status);
      w->said++;
      w->sent[side] = 1;
      CHECK_EQUAL(0, soe_mux_timeout_ms(p->mux[side], p->now));
      break;
    }
    case 5: /* events wait: due */
      timeout = soe_mux_timeout_ms(p->mux[side], p->now);
      CHECK_OK(soe_mux_drain_events(p->mux[side], ev, 4, &n));
      if (n) CHECK_EQUAL(0, timeout);
      for (i = 0; i < n; i++) pair_heard(p, side, &ev[i]);
      break;
    case 6:
    case 7: drained_agrees(p, side); break;
    case 8: p->now += chance_below(&p->random, 3000); break;
    default: { /* to the next deadline, or a bit past it */
      uint64_t next = pair_next(p);
      if (next != UINT64_MAX && next > p->now && next - p->now < 40000000) p->now = next + (chance_below(&p->random, 3) ? 0 : chance_below(&p->random, 5000));
      break;
    }
  }
}

static void schedule(uint64_t seed) {
  static const uint32_t losses[4] = {0, 500, 3000, 9900};
  soe_config config;
  pair p;
  watch w;
  int i, side;
  CONTEXT("seed %llu", (unsigned long long)seed);
  memset(&w, 0, sizeof w);
  pair_config(&config, CLIENT);
  config.redundancy = (uint32_t)(seed % 3);
  config.ack_delay_us = seed % 2 ? 2000 : 0;
  config.net_status_ms = seed % 4 == 3 ? 700 : 0;
  config.unacknowledged_timeout_ms = seed % 8 == 7 ? 20000 : 0;
  pair_begin(&p, &config, NULL);
  p.random = seed * 0x9E3779B97F4A7C15u | 1;
  p.context = &w;
  p.delay_us = chance_below(&p.random, 50000);
  p.jitter_us = chance_below(&p.random, 20000);
  pair_connect(&p, NULL);
  p.loss = losses[seed % 4];
  p.duplicates = 200;
  for (i = 0; i < 3000 && !p.disconnected[CLIENT] && !p.disconnected[SERVER]; i++) anything(&p);
  /* Then by deadlines alone until the session is long over or idle. */
  for (i = 0; i < 300; i++) {
    uint64_t next = pair_next(&p);
    if (next > p.now && next != UINT64_MAX) p.now = next;
    while (p.flying && p.flights[0].at <= p.now) {
      flight landed;
      CHECK(pair_land(&p, &landed));
      CHECK_OK(soe_mux_feed(p.mux[landed.to], p.now, &landed.from, landed.data, landed.len));
      free(landed.data);
    }
    for (side = 0; side < 2; side++) {
      tick_and_check(&p, side);
      drained_agrees(&p, side);
    }
  }
  CHECK(w.ticks > 600);
  pair_end(&p);
}

/* ------------------------------------------------------------- idle, and nearly so */

static void idle(void) {
  soe_config config;
  soe_mux *mux;
  pair p;
  uint64_t end;
  unsigned wakeups = 0;
  CONTEXT("idle");
  pair_config(&config, CLIENT);
  CHECK_OK(soe_mux_create(&config, 5000, &mux));
  CHECK(soe_mux_next_deadline(mux) == UINT64_MAX);
  CHECK_EQUAL(-1, soe_mux_timeout_ms(mux, 5000));
  CHECK_OK(soe_mux_tick(mux, 90000000));
  CHECK(soe_mux_next_deadline(mux) == UINT64_MAX);
  CHECK_EQUAL(-1, soe_mux_timeout_ms(mux, 90000000));
  soe_mux_free(mux);

  /* An open session that says nothing wakes its hosts a few times per heartbeat. */
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 1000000);
  for (end = p.now + 600000000; p.now < end; wakeups++) {
    uint64_t next = pair_next(&p);
    CHECK(next > p.now && next != UINT64_MAX);
    p.now = next;
    pair_turn(&p);
  }
  CHECK(p.disconnected[CLIENT] == 0 && p.disconnected[SERVER] == 0);
  if (wakeups > 1200) CHECK_EQUAL(1200, wakeups); /* two a second would be a poll, not a deadline */

  /* Over: the client's multiplexer is idle again. */
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[CLIENT], p.now));
  pair_run(&p, 1000000);
  CHECK(p.disconnected[CLIENT] && p.disconnected[SERVER]);
  CHECK(soe_mux_next_deadline(p.mux[CLIENT]) == UINT64_MAX);
  CHECK_EQUAL(-1, soe_mux_timeout_ms(p.mux[CLIENT], p.now));
  pair_end(&p);
}

/* The timeouts that a config sets come when they should: not before, and not later than a tick of the wheel allows. */
static void punctual(void) {
  soe_connect_options options;
  pair p;
  uint64_t begun;
  CONTEXT("a connect that nobody answers");
  pair_begin(&p, NULL, NULL);
  p.cut[CLIENT] = 1;
  CHECK_OK(soe_connect_options_init(&options, sizeof options));
  options.timeout_ms = 2500;
  begun = p.now;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], &options, &p.id[CLIENT]));
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[CLIENT], p.now));
  while (!p.disconnected[CLIENT]) {
    uint64_t next;
    pair_turn(&p);
    next = pair_next(&p);
    if (p.disconnected[CLIENT]) break;
    CHECK(next > p.now && next <= begun + 2500000 + 1000);
    p.now = next;
  }
  CHECK(p.now >= begun + 2500000 && p.now <= begun + 2501000);
  pair_end(&p);
}

/* ------------------------------------------------------------- a clock that goes backwards */

typedef struct tape {
  uint8_t bytes[400000];
  size_t len;
  uint64_t last_time[2];
} tape;

static void record(pair *p, int side, const soe_datagram *d) {
  tape *t = (tape *)p->context;
  CHECK(t->len + d->len + 1 <= sizeof t->bytes);
  t->bytes[t->len++] = (uint8_t)side;
  memcpy(t->bytes + t->len, d->data, d->len);
  t->len += d->len;
}
static void times_rise(pair *p, int side, const soe_event *ev) {
  tape *t = (tape *)p->context;
  CHECK(ev->time_us >= t->last_time[side]);
  t->last_time[side] = ev->time_us;
}

/* Every call's time is what the clock says, or up to 3 s before it. */
static uint64_t shaky(pair *p, uint64_t *random, int backwards) {
  uint64_t back = chance_below(random, 4) ? 0 : chance_below(random, 3000000);
  return backwards ? p->now - back : p->now;
}
static void play(tape *t, int backwards) {
  pair p;
  uint64_t random = 77, step;
  uint8_t message[400];
  soe_event ev[PAIR_BATCH];
  soe_datagram out[PAIR_BATCH];
  size_t n, i;
  int side;
  memset(t, 0, sizeof *t);
  pair_begin(&p, NULL, NULL);
  p.now = 10000000;
  /* The clock's highest reading is set before any that is earlier. */
  CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
  CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now));
  p.context = t;
  p.on_datagram = record;
  p.on_event = times_rise;
  p.loss = 500;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], shaky(&p, &random, backwards), &p.addr[SERVER], NULL, &p.id[CLIENT]));
  for (step = 0; step < 1500; step++) {
    flight landed;
    p.now += 4000;
    for (side = 0; side < 2; side++) CHECK_OK(soe_mux_tick(p.mux[side], p.now)); /* so that both know the latest time */
    while (pair_land(&p, &landed)) {
      CHECK_OK(soe_mux_feed(p.mux[landed.to], shaky(&p, &random, backwards), &landed.from, landed.data, landed.len));
      free(landed.data);
    }
    for (side = 0; side < 2; side++) {
      uint64_t late = shaky(&p, &random, backwards);
      CHECK_OK(soe_mux_tick(p.mux[side], late));
      CHECK_EQUAL(soe_mux_timeout_ms(p.mux[side], p.now), soe_mux_timeout_ms(p.mux[side], late));
      do {
        CHECK_OK(soe_mux_drain_events(p.mux[side], ev, PAIR_BATCH, &n));
        for (i = 0; i < n; i++) pair_heard(&p, side, &ev[i]);
      } while (n);
      if (p.connected[side] && step % 5 == 0) {
        fill(message, sizeof message, (uint32_t)step);
        (void)pair_send(&p, side, (uint32_t)(step / 5 % 7), message, 1 + step % sizeof message);
      }
      do {
        CHECK_OK(soe_mux_drain_outgoing(p.mux[side], shaky(&p, &random, backwards), out, PAIR_BATCH, &n));
        for (i = 0; i < n; i++) pair_post(&p, side, &out[i]);
      } while (n);
    }
  }
  CHECK(p.messages[CLIENT] > 150 && p.messages[SERVER] > 150);
  CHECK(p.disconnected[CLIENT] == 0 && p.disconnected[SERVER] == 0);
  pair_end(&p);
}
static void clamped(void) {
  static tape straight, backwards;
  CONTEXT("a clock that goes backwards");
  play(&straight, 0);
  play(&backwards, 1);
  CHECK_EQUAL(straight.len, backwards.len);
  CHECK(memcmp(straight.bytes, backwards.bytes, straight.len) == 0);
}

int main(int argc, char **argv) {
  uint64_t seed = 1, last = rounds(120, 8);
  seeds(argc, argv, &seed, &last);
  idle();
  punctual();
  clamped();
  for (; seed <= last; seed++) schedule(seed);
  printf("deadlines: ok\n");
  return 0;
}
