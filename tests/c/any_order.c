/* feed, tick, send and drain in any order, any number of times, in small bites: every message arrives once and in order, whatever
 * the link does and the config says, and hosts reply while they read events. A failure prints the seed: any_order SEED repeats it. */
#include "pair.h"

enum { CHANNELS = 4, MOST = 3000 };

/* Each message begins with its number on its channel. */
typedef struct traffic {
  uint32_t sent[2][CHANNELS], seen[2][CHANNELS]; /* by the side that sends */
  uint32_t budget, raw_sent[2], raw_seen[2];
  uint32_t blocked[2];
} traffic;

static uint32_t size_of(int side, uint32_t channel, uint32_t number) {
  uint32_t mixed = (number * 2654435761u) ^ (channel * 40503u) ^ (uint32_t)side;
  if (mixed % 10 == 0) return 500 + mixed % (MOST - 500);
  return 4 + mixed % 60;
}
static void put32(uint8_t *at, uint32_t v) {
  at[0] = (uint8_t)(v >> 24);
  at[1] = (uint8_t)(v >> 16);
  at[2] = (uint8_t)(v >> 8);
  at[3] = (uint8_t)v;
}
static uint32_t get32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static void say(pair *p, int side, uint32_t channel) {
  traffic *t = (traffic *)p->context;
  uint8_t message[MOST];
  uint32_t number = t->sent[side][channel], len = size_of(side, channel, number);
  soe_status status;
  fill(message, len, number + channel);
  put32(message, number);
  status = pair_send(p, side, channel, message, len);
  if (status == SOE_ERR_WOULD_BLOCK) {
    t->blocked[side]++;
    return;
  }
  CHECK_OK(status);
  t->sent[side][channel]++;
}
static void say_raw(pair *p, int side) {
  traffic *t = (traffic *)p->context;
  uint8_t message[8];
  put32(message, t->raw_sent[side]);
  put32(message + 4, ~t->raw_sent[side]);
  if (pair_send(p, side, SOE_CHANNEL_UNRELIABLE, message, 8) == SOE_OK) t->raw_sent[side]++;
}
static void hear(pair *p, int side, const soe_event *ev) {
  traffic *t = (traffic *)p->context;
  int other = 1 - side;
  if (ev->kind == SOE_EVENT_MESSAGE) {
    CHECK(ev->session == p->id[side]);
    CHECK(ev->len >= 4);
    if (ev->channel < CHANNELS) {
      uint32_t number = t->seen[other][ev->channel];
      CHECK_EQUAL(number, get32(ev->data));
      CHECK_EQUAL(size_of(other, ev->channel, number), ev->len);
      /* The number stands over the first four bytes; the rest is the pattern's. */
      {
        uint8_t expected[MOST];
        fill(expected, ev->len, number + ev->channel);
        CHECK(memcmp(expected + 4, ev->data + 4, ev->len - 4) == 0);
      }
      t->seen[other][ev->channel]++;
      /* Replying while reading events. What was lent must survive it: the checks above come again. */
      if (t->budget) {
        uint8_t first = ev->data[0], last = ev->data[ev->len - 1];
        t->budget--;
        say(p, side, ev->channel);
        if (number % 7 == 0) say_raw(p, side);
        CHECK(ev->data[0] == first && ev->data[ev->len - 1] == last && get32(ev->data) == number);
      }
    } else {
      CHECK(ev->channel == SOE_CHANNEL_UNRELIABLE);
      CHECK(ev->len == 8 && get32(ev->data) == ~get32(ev->data + 4));
      CHECK(get32(ev->data) < t->raw_sent[other]);
      t->raw_seen[other]++;
    }
  }
}

static int all_there(pair *p) {
  traffic *t = (traffic *)p->context;
  int side, channel;
  for (side = 0; side < 2; side++) {
    for (channel = 0; channel < CHANNELS; channel++) {
      if (t->seen[side][channel] != t->sent[side][channel]) return 0;
    }
  }
  return t->budget == 0;
}

/* One thing that a host may do, in no particular order. */
static void anything(pair *p) {
  int side = (int)chance_below(&p->random, 2);
  flight landed;
  soe_event ev[8];
  soe_datagram out[8];
  static uint8_t buffer[20000];
  size_t n = 0, i, cap;
  switch (chance_below(&p->random, 9)) {
    case 0:
    case 1: /* some of what has arrived */
      for (i = chance_below(&p->random, 6); i && pair_land(p, &landed); i--) {
        CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
        free(landed.data);
      }
      break;
    case 2: { /* some of it in a batch, as far as it is for one side */
      soe_datagram in[6];
      flight kept[6];
      size_t used = 99;
      memset(in, 0, sizeof in);
      while (n < 6 && p->flying && p->flights[0].at <= p->now && p->flights[0].to == side && pair_land(p, &kept[n])) {
        in[n].data = kept[n].data;
        in[n].len = kept[n].len;
        in[n].addr = kept[n].from;
        n++;
      }
      CHECK_OK(soe_mux_feed_batch(p->mux[side], p->now, in, n, &used));
      CHECK_EQUAL(n, used);
      for (i = 0; i < n; i++) free(kept[i].data);
      break;
    }
    case 3: CHECK_OK(soe_mux_tick(p->mux[side], p->now)); break;
    case 4:
      if (((traffic *)p->context)->budget) {
        for (i = chance_below(&p->random, 5); i; i--) say(p, side, (uint32_t)chance_below(&p->random, CHANNELS));
      }
      break;
    case 5:
      cap = (size_t)chance_below(&p->random, 9);
      CHECK_OK(soe_mux_drain_events(p->mux[side], ev, cap, &n));
      CHECK(n <= cap);
      for (i = 0; i < n; i++) pair_heard(p, side, &ev[i]);
      break;
    case 6:
      cap = (size_t)chance_below(&p->random, 9);
      CHECK_OK(soe_mux_drain_outgoing(p->mux[side], p->now, out, cap, &n));
      CHECK(n <= cap);
      for (i = 0; i < n; i++) pair_post(p, side, &out[i]);
      break;
    case 7: {
      size_t least = 0, room, total = 0;
      CHECK_STATUS(SOE_ERR_BUFFER_TOO_SMALL, soe_mux_drain_outgoing_into(p->mux[side], p->now, buffer, 1, out, 8, &least));
      CHECK(least < sizeof buffer);
      room = least + (size_t)chance_below(&p->random, sizeof buffer - least);
      CHECK_OK(soe_mux_drain_outgoing_into(p->mux[side], p->now, buffer, room, out, 8, &n));
      CHECK(n <= 8);
      for (i = 0; i < n; i++) {
        CHECK(out[i].data >= buffer && out[i].data + out[i].len <= buffer + room);
        total += out[i].len;
        pair_post(p, side, &out[i]);
      }
      CHECK(total <= room);
      break;
    }
    default: p->now += chance_below(&p->random, 4000); break;
  }
}

/* A host's choices, one set for each seed; the first seeds have the defaults. */
static void choose(soe_config *config, int side, uint64_t seed) {
  static const uint8_t key[7] = {7, 6, 5, 4, 3, 2, 1};
  static const uint32_t udp_lengths[8] = {512, 512, 64, 100, 496, 1400, 8192, 40};
  uint64_t random = seed * 0x2545F4914F6CDD1Du | 1;
  pair_config(config, side);
  if (seed <= 4) return;
  (void)chance(&random);
  config->crc_length = (uint32_t)chance_below(&random, 5);
  config->pass0 = chance_below(&random, 3) ? SOE_PASS_NONE : SOE_PASS_COMPRESS;
  if (chance_below(&random, 3) == 0) {
    config->cipher_key = key;
    config->cipher_key_len = sizeof key;
  }
  if (chance_below(&random, 3) == 0) config->send_window = config->receive_window = 32 + (uint32_t)chance_below(&random, 40);
  /* From here on the two sides differ. */
  random += (uint64_t)side * 77;
  (void)chance(&random);
  config->udp_length = udp_lengths[chance_below(&random, 8)];
  if (chance_below(&random, 4) == 0) config->flags |= SOE_CONFIG_TRAINS;
  config->ack_delay_us = chance_below(&random, 3) ? 0 : 5000;
  config->redundancy = (uint32_t)chance_below(&random, 4);
  config->multi_raw = (uint32_t)chance_below(&random, 2);
  config->congestion = chance_below(&random, 4) ? SOE_CONGESTION_ADAPTIVE : SOE_CONGESTION_FIXED;
  if (chance_below(&random, 3) == 0) config->net_status_ms = 50;
}

static void schedule(uint64_t seed, int lossy) {
  soe_config config[2];
  pair p;
  traffic t;
  int i, side;
  CONTEXT("seed %llu, %s link", (unsigned long long)seed, lossy ? "lossy" : "faithful");
  memset(&t, 0, sizeof t);
  t.budget = rounds(600, 150);
  for (side = 0; side < 2; side++) choose(&config[side], side, seed);
  pair_begin(&p, &config[CLIENT], &config[SERVER]);
  p.random = seed * 0x9E3779B97F4A7C15u | 1;
  p.context = &t;
  p.delay_us = chance_below(&p.random, 30000);
  if (lossy) {
    p.jitter_us = 15000;
    p.loss = 800;
    p.duplicates = 500;
  }
  pair_connect(&p, NULL);
  p.on_event = hear;
  for (i = 0; i < 20000 && (t.budget || i < 4000); i++) anything(&p);
  t.budget = 0;
  CHECK(pair_run_until(&p, all_there, 3600000000u)); /* a window of one packet of 40 bytes takes its time */
  pair_run(&p, 1000000);
  CHECK(all_there(&p)); /* nothing twice */
  for (side = 0; side < 2; side++) {
    CHECK(t.sent[side][0] && t.sent[side][3]);
    CHECK_EQUAL(0, p.disconnected[side]);
    if (!lossy) CHECK_EQUAL(t.raw_sent[side], t.raw_seen[side]);
  }
  pair_end(&p);
}

int main(int argc, char **argv) {
  uint64_t seed = 1, last = rounds(60, 4);
  seeds(argc, argv, &seed, &last);
  for (; seed <= last; seed++) {
    schedule(seed, 0);
    schedule(seed, 1);
  }
  printf("any_order: ok\n");
  return 0;
}
