/* Two multiplexers on virtual time, joined by a link in memory that delays, loses, duplicates and reorders as it is told.
 * Side 0 connects, side 1 answers. */
#ifndef PAIR_H
#define PAIR_H

#include "check.h"

enum { CLIENT = 0, SERVER = 1, PAIR_BATCH = 64 };

/* A datagram under way. */
typedef struct flight {
  uint64_t at, order;
  int to;
  soe_addr from;
  uint32_t len;
  uint8_t *data;
} flight;

typedef struct pair pair;
struct pair {
  soe_mux *mux[2];
  soe_addr addr[2]; /* where each side is */
  soe_session_id id[2];
  uint64_t now, random;

  /* The link. */
  uint64_t delay_us, jitter_us;
  uint32_t loss, duplicates; /* of 10,000 */
  int cut[2];                /* nothing that this side sends arrives */
  flight *flights;           /* a heap by time, then by order */
  size_t flying, room;
  uint64_t sent;

  /* What the events said, by side. */
  unsigned requests[2], connected[2], messages[2], writable[2], rebound[2], disconnected[2];
  uint32_t ended_by[2];
  int32_t reason[2];

  /* What a test adds; each may be NULL. */
  void (*on_event)(pair *p, int side, const soe_event *event);
  void (*on_datagram)(pair *p, int side, const soe_datagram *datagram);
  void *context;
};

/* ------------------------------------------------------------- the link */

static inline int pair_sooner(const flight *a, const flight *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}
static inline void pair_swap(flight *a, flight *b) {
  flight c = *a;
  *a = *b;
  *b = c;
}
static inline void pair_launch(pair *p, int to, uint64_t at, const uint8_t *data, uint32_t len) {
  size_t i;
  flight *f;
  if (p->flying == p->room) {
    p->room = p->room ? 2 * p->room : 64;
    p->flights = (flight *)realloc(p->flights, p->room * sizeof *p->flights);
    CHECK(p->flights);
  }
  f = &p->flights[p->flying];
  f->at = at;
  f->order = p->sent++;
  f->to = to;
  f->from = p->addr[1 - to];
  f->len = len;
  f->data = (uint8_t *)malloc(len ? len : 1); /* its very size, so that valgrind sees who reads past it */
  CHECK(f->data);
  memcpy(f->data, data, len);
  for (i = p->flying++; i > 0 && pair_sooner(&p->flights[i], &p->flights[(i - 1) / 2]); i = (i - 1) / 2) {
    pair_swap(&p->flights[i], &p->flights[(i - 1) / 2]);
  }
}
/* Takes the next one that has arrived by now; its data is the caller's. */
static inline int pair_land(pair *p, flight *landed) {
  size_t i = 0, child;
  if (!p->flying || p->flights[0].at > p->now) return 0;
  *landed = p->flights[0];
  p->flights[0] = p->flights[--p->flying];
  while ((child = 2 * i + 1) < p->flying) {
    if (child + 1 < p->flying && pair_sooner(&p->flights[child + 1], &p->flights[child])) child++;
    if (!pair_sooner(&p->flights[child], &p->flights[i])) break;
    pair_swap(&p->flights[i], &p->flights[child]);
    i = child;
  }
  return 1;
}
static inline void pair_travel(pair *p, int side, const uint8_t *data, uint32_t len) {
  int copies = 1;
  if (p->cut[side] || chance_below(&p->random, 10000) < p->loss) return;
  if (chance_below(&p->random, 10000) < p->duplicates) copies = 2;
  while (copies--) {
    uint64_t jitter = p->jitter_us ? chance_below(&p->random, p->jitter_us) : 0;
    pair_launch(p, 1 - side, p->now + p->delay_us + jitter, data, len);
  }
}
/* What a side hands out to send: a train goes as its datagrams; what is for nobody here is lost. */
static inline void pair_post(pair *p, int side, const soe_datagram *d) {
  uint32_t step = d->segment_size ? d->segment_size : d->len, at;
  CHECK(d->data && d->len);
  if (p->on_datagram) p->on_datagram(p, side, d);
  if (!same_addr(&d->addr, &p->addr[1 - side])) return;
  for (at = 0; at < d->len; at += step) pair_travel(p, side, d->data + at, d->len - at < step ? d->len - at : step);
}

/* ------------------------------------------------------------- the host's loop */

static inline void pair_heard(pair *p, int side, const soe_event *ev) {
  switch (ev->kind) {
    case SOE_EVENT_CONNECT_REQUEST:
      p->requests[side]++;
      p->id[side] = ev->session;
      break;
    case SOE_EVENT_CONNECTED:
      p->connected[side]++;
      p->id[side] = ev->session;
      break;
    case SOE_EVENT_MESSAGE: p->messages[side]++; break;
    case SOE_EVENT_WRITABLE: p->writable[side]++; break;
    case SOE_EVENT_REBOUND: p->rebound[side]++; break;
    case SOE_EVENT_DISCONNECTED:
      p->disconnected[side]++;
      p->ended_by[side] = ev->channel;
      p->reason[side] = ev->code;
      break;
    default: break;
  }
  if (p->on_event) p->on_event(p, side, ev);
}
static inline size_t pair_events(pair *p, int side) {
  soe_event ev[PAIR_BATCH];
  size_t n, i, total = 0;
  do {
    n = 0;
    CHECK_OK(soe_mux_drain_events(p->mux[side], ev, PAIR_BATCH, &n));
    CHECK(n <= PAIR_BATCH);
    for (i = 0; i < n; i++) pair_heard(p, side, &ev[i]);
    total += n;
  } while (n);
  return total;
}
static inline size_t pair_outgoing(pair *p, int side) {
  soe_datagram out[PAIR_BATCH];
  size_t n, i, total = 0;
  do {
    n = 0;
    CHECK_OK(soe_mux_drain_outgoing(p->mux[side], p->now, out, PAIR_BATCH, &n));
    CHECK(n <= PAIR_BATCH);
    for (i = 0; i < n; i++) pair_post(p, side, &out[i]);
    total += n;
  } while (n);
  return total;
}
static inline void pair_feed(pair *p, int side, const uint8_t *data, size_t len) {
  CHECK_OK(soe_mux_feed(p->mux[side], p->now, &p->addr[1 - side], data, len));
}
/* One turn of both hosts' loops at this instant. */
static inline void pair_turn(pair *p) {
  flight landed;
  int side;
  while (pair_land(p, &landed)) {
    CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
    free(landed.data);
  }
  for (side = 0; side < 2; side++) {
    CHECK_OK(soe_mux_tick(p->mux[side], p->now));
    pair_events(p, side);
    pair_outgoing(p, side);
  }
}
/* When something is next to do: an arrival or a deadline. */
static inline uint64_t pair_next(const pair *p) {
  uint64_t next = p->flying ? p->flights[0].at : UINT64_MAX;
  int side;
  for (side = 0; side < 2; side++) {
    uint64_t deadline = soe_mux_next_deadline(p->mux[side]);
    if (deadline < next) next = deadline;
  }
  return next;
}
/* Both hosts sleep until a datagram or their deadline, for at most so long, or until `done`. True where it was done. */
static inline int pair_run_until(pair *p, int (*done)(pair *p), uint64_t limit_us) {
  uint64_t end = p->now + limit_us, next;
  unsigned standing = 0;
  for (;;) {
    pair_turn(p);
    if (done && done(p)) return 1;
    next = pair_next(p);
    if (next <= p->now) {
      CHECK(++standing < 10000 && "a deadline does not move past now, or the sides never stop talking");
    } else {
      standing = 0;
      if (next > end) break;
      p->now = next;
    }
  }
  p->now = end;
  return 0;
}
static inline void pair_run(pair *p, uint64_t duration_us) {
  (void)pair_run_until(p, NULL, duration_us);
}

/* ------------------------------------------------------------- beginning and end */

static inline void pair_config(soe_config *config, int side) {
  CHECK_OK(soe_config_init(config, sizeof *config, SOE_PRESET_DEFAULT));
  config->application_protocol = "Test_1";
  config->application_protocol_len = 6;
  config->rng_seed = 100 + (uint64_t)side;
}
/* NULL for pair_config's. */
static inline void pair_begin(pair *p, const soe_config *client, const soe_config *server) {
  soe_config config;
  int side;
  memset(p, 0, sizeof *p);
  p->now = 1000000;
  p->random = 0x9E3779B97F4A7C15u;
  p->delay_us = 5000;
  for (side = 0; side < 2; side++) {
    const soe_config *given = side == CLIENT ? client : server;
    pair_config(&config, side);
    p->addr[side] = v4((uint8_t)(1 + side), (uint16_t)(2000 + side));
    CHECK_OK(soe_mux_create(given ? given : &config, p->now, &p->mux[side]));
    CHECK(p->mux[side]);
  }
}
static inline void pair_end(pair *p) {
  size_t i;
  soe_mux_free(p->mux[CLIENT]);
  soe_mux_free(p->mux[SERVER]);
  for (i = 0; i < p->flying; i++) free(p->flights[i].data);
  free(p->flights);
  memset(p, 0, sizeof *p);
}
static inline int pair_is_open(pair *p) { return p->connected[CLIENT] && p->connected[SERVER]; }
static inline int pair_is_over(pair *p) { return p->disconnected[CLIENT] && p->disconnected[SERVER]; }

static inline void pair_connect(pair *p, const soe_connect_options *options) {
  CHECK_OK(soe_mux_connect(p->mux[CLIENT], p->now, &p->addr[SERVER], options, &p->id[CLIENT]));
  CHECK(pair_run_until(p, pair_is_open, 60000000));
}
static inline soe_status pair_send(pair *p, int side, uint32_t channel, const void *data, size_t len) {
  return soe_session_send(p->mux[side], p->id[side], channel, (const uint8_t *)data, len);
}
static inline soe_session_info pair_info(pair *p, int side) {
  soe_session_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  CHECK_OK(soe_session_get_info(p->mux[side], p->id[side], &info));
  return info;
}
static inline soe_stats pair_stats(pair *p, int side) {
  soe_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_OK(soe_mux_get_stats(p->mux[side], &stats));
  return stats;
}
static inline soe_stats pair_session_stats(pair *p, int side) {
  soe_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_OK(soe_session_get_stats(p->mux[side], p->id[side], &stats));
  return stats;
}

#endif
