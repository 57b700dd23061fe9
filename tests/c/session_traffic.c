/* What travels in an open session, and how it is counted: another address, batches and trains, small buffers, channels, statistics. */
#include "pair.h"

/* ------------------------------------------------------------- another address */

static soe_addr rebound_to;
static void note_rebound(pair *p, int side, const soe_event *ev) {
  if (ev->kind != SOE_EVENT_REBOUND) return;
  CHECK(side == SERVER && ev->session == p->id[SERVER]);
  CHECK_EQUAL(sizeof rebound_to, ev->len);
  memcpy(&rebound_to, ev->data, sizeof rebound_to);
  /* Lent like any data. */
  CHECK_OK(soe_mux_tick(p->mux[SERVER], p->now));
  CHECK_OK(pair_send(p, SERVER, 0, "i see you moved", 15));
  CHECK(memcmp(&rebound_to, ev->data, sizeof rebound_to) == 0);
}
static int has_rebound(pair *p) { return p->rebound[SERVER] != 0; }

static void another_port(void) {
  soe_session_id found = 0;
  soe_addr old;
  soe_session_info info;
  pair p;
  CONTEXT("another port");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  p.on_event = note_rebound;
  old = p.addr[CLIENT];
  p.addr[CLIENT].port = 4444; /* a NAT has forgotten the old one */
  CHECK_OK(pair_send(&p, CLIENT, 0, "from elsewhere", 14));
  CHECK(pair_run_until(&p, has_rebound, 10000000));
  CHECK(same_addr(&rebound_to, &p.addr[CLIENT]));
  info = pair_info(&p, SERVER);
  CHECK(same_addr(&info.addr, &p.addr[CLIENT]));
  CHECK_OK(soe_mux_find(p.mux[SERVER], &p.addr[CLIENT], &found));
  CHECK_EQUAL(p.id[SERVER], found);
  CHECK_OK(soe_mux_find(p.mux[SERVER], &old, &found));
  CHECK_EQUAL(0, found);
  pair_run(&p, 10000000);
  CHECK_EQUAL(1, p.messages[SERVER]);
  CHECK_EQUAL(1, p.messages[CLIENT]);
  CHECK_EQUAL(1, p.rebound[SERVER]);
  CHECK(p.disconnected[CLIENT] == 0 && p.disconnected[SERVER] == 0);
  pair_end(&p);
}

/* Another host that knows the session's secrets gets nothing; neither does one of the same host that does not know them. */
static void hijack(void) {
  uint8_t remap[10] = {0, 0x1E};
  soe_session_info info;
  soe_addr thief, neighbour;
  soe_session_id found = 0;
  pair p;
  unsigned i;
  CONTEXT("hijack");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  info = pair_info(&p, SERVER);
  for (i = 0; i < 4; i++) {
    remap[2 + i] = (uint8_t)(info.session_id_on_wire >> (24 - 8 * i));
    remap[6 + i] = (uint8_t)(info.crc_seed >> (24 - 8 * i));
  }
  thief = p.addr[CLIENT];
  thief.ip[3] ^= 1;
  CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &thief, remap, sizeof remap));
  neighbour = p.addr[CLIENT];
  neighbour.port++;
  remap[9] ^= 1;
  CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &neighbour, remap, sizeof remap));
  remap[9] ^= 1;
  CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &neighbour, remap, sizeof remap - 1));
  pair_run(&p, 100000);
  CHECK_EQUAL(0, p.rebound[SERVER]);
  CHECK_OK(soe_mux_find(p.mux[SERVER], &p.addr[CLIENT], &found));
  CHECK_EQUAL(p.id[SERVER], found);
  /* With the secrets, from the same host, it moves. */
  CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &neighbour, remap, sizeof remap));
  pair_events(&p, SERVER);
  CHECK_EQUAL(1, p.rebound[SERVER]);
  pair_end(&p);
}

/* ------------------------------------------------------------- batches, trains, buffers */

static void batches(void) {
  static uint8_t message[6000];
  static uint8_t trains[64][65536];
  soe_datagram out[256], in[64];
  soe_config config;
  pair p;
  size_t n = 0, used = 0, i, count = 0;
  unsigned trained = 0;
  CONTEXT("batches with trains");
  pair_config(&config, CLIENT);
  config.congestion = SOE_CONGESTION_FIXED;
  pair_begin(&p, &config, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  fill(message, sizeof message, 3);
  for (i = 0; i < 5; i++) CHECK_OK(pair_send(&p, CLIENT, 0, message, sizeof message));
  CHECK_OK(soe_mux_drain_outgoing(p.mux[CLIENT], p.now, out, 256, &n));
  CHECK(n > 40);
  /* As UDP_GRO would: datagrams of one size in a row become a train, whose last one may be shorter. */
  memset(in, 0, sizeof in);
  for (i = 0; i < n;) {
    soe_datagram *d = &in[count];
    uint32_t size = out[i].len, most = (uint32_t)(1 + count % 9);
    CHECK(count < 64 && out[i].segment_size == 0);
    d->data = trains[count];
    d->addr = p.addr[CLIENT];
    d->session = 12345; /* ignored */
    do {
      memcpy(trains[count] + d->len, out[i].data, out[i].len);
      d->len += out[i].len;
      most--;
    } while (++i < n && most && out[i - 1].len == size && out[i].len <= size);
    d->segment_size = size;
    trained += d->len > size;
    count++;
  }
  CHECK(trained > 3);
  p.now += 5000;
  CHECK_OK(soe_mux_feed_batch(p.mux[SERVER], p.now, in, count, &used));
  CHECK_EQUAL(count, used);
  pair_events(&p, SERVER);
  CHECK_EQUAL(5, p.messages[SERVER]);
  CHECK_EQUAL(0, pair_stats(&p, SERVER).dropped_crc);
  pair_run(&p, 1000000);
  CHECK_EQUAL(0, pair_info(&p, CLIENT).queued_bytes);
  pair_end(&p);
}

/* The record that is the caller's mistake stops the batch: those before it took effect, those behind it did not. */
static void batch_stops(int mistake) {
  soe_datagram out[8], in[5];
  soe_stats before, after;
  soe_status expected;
  pair p;
  size_t n = 0, used = 99, i;
  CONTEXT("a batch with mistake %d", mistake);
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  memset(in, 0, sizeof in);
  for (i = 0; i < 5; i++) {
    in[i].data = (const uint8_t *)"not of this session";
    in[i].len = 19;
    in[i].addr = p.addr[CLIENT];
  }
  CHECK_OK(pair_send(&p, CLIENT, 0, "first", 5));
  CHECK_OK(soe_mux_drain_outgoing(p.mux[CLIENT], p.now, out, 8, &n));
  CHECK_EQUAL(1, n);
  in[1].data = out[0].data;
  in[1].len = out[0].len;
  if (mistake == 0) {
    in[3].data = NULL;
    expected = SOE_ERR_NULL;
  } else {
    in[3].addr.family = 5;
    expected = SOE_ERR_INVALID_ARGUMENT;
  }
  before = pair_stats(&p, SERVER);
  CHECK_STATUS(expected, soe_mux_feed_batch(p.mux[SERVER], p.now, in, 5, &used));
  CHECK_EQUAL(3, used);
  after = pair_stats(&p, SERVER);
  CHECK_EQUAL(2, after.dropped_crc - before.dropped_crc); /* 0 and 2; not 4 */
  pair_events(&p, SERVER);
  CHECK_EQUAL(1, p.messages[SERVER]);
  /* The host goes on behind it. */
  CHECK_OK(soe_mux_feed_batch(p.mux[SERVER], p.now, in + 4, 1, &used));
  CHECK_EQUAL(1, used);
  CHECK_EQUAL(3, pair_stats(&p, SERVER).dropped_crc - before.dropped_crc);
  pair_end(&p);
}

/* With SOE_CONFIG_TRAINS what is handed out may be a train; without it never is. */
static unsigned trains_out;
static void look_for_trains(pair *p, int side, const soe_datagram *d) {
  (void)p;
  if (d->segment_size == 0) return;
  CHECK(side == CLIENT && d->len >= d->segment_size && d->segment_size <= 512);
  trains_out += d->len > d->segment_size;
}
static void trains_out_only_if_wanted(void) {
  static uint8_t message[100000];
  soe_config config;
  pair p;
  CONTEXT("trains out");
  pair_config(&config, CLIENT);
  config.flags |= SOE_CONFIG_TRAINS;
  pair_begin(&p, &config, NULL);
  p.on_datagram = look_for_trains;
  pair_connect(&p, NULL);
  fill(message, sizeof message, 1);
  CHECK_OK(pair_send(&p, CLIENT, 0, message, sizeof message));
  CHECK_OK(pair_send(&p, SERVER, 0, message, sizeof message));
  pair_run(&p, 10000000);
  CHECK(p.messages[CLIENT] == 1 && p.messages[SERVER] == 1);
  pair_end(&p);
}

static void buffer_too_small(void) {
  uint8_t buffer[2000];
  static uint8_t message[1500];
  soe_datagram out[8];
  pair p;
  size_t n = 99, needed, i, total;
  CONTEXT("buffer too small");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  fill(message, sizeof message, 1);
  CHECK_OK(pair_send(&p, CLIENT, 0, message, sizeof message));
  memset(buffer, 0x77, sizeof buffer);
  memset(out, 0x77, sizeof out);
  CHECK_STATUS(SOE_ERR_BUFFER_TOO_SMALL, soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, 100, out, 8, &n));
  needed = n;
  CHECK(needed >= 512 && needed <= sizeof buffer);
  CHECK(all_bytes(buffer, sizeof buffer, 0x77) && all_bytes(out, sizeof out, 0x77));
  CHECK_STATUS(SOE_ERR_BUFFER_TOO_SMALL, soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, needed - 1, out, 8, &n));
  CHECK_EQUAL(needed, n);
  CHECK_STATUS(SOE_ERR_BUFFER_TOO_SMALL, soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, NULL, 0, out, 8, &n));
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[CLIENT], p.now)); /* still there */
  /* Exactly enough: a datagram at a time, and nothing is lost. */
  for (total = 0;;) {
    CHECK_OK(soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, needed, out, 8, &n));
    if (!n) break;
    for (i = 0; i < n; i++) {
      CHECK(out[i].data >= buffer && out[i].data + out[i].len <= buffer + needed && out[i].len <= 512);
      CHECK(out[i].session == p.id[CLIENT] && same_addr(&out[i].addr, &p.addr[SERVER]));
      pair_post(&p, CLIENT, &out[i]);
      total++;
    }
  }
  CHECK(total >= 3);
  CHECK(all_bytes(buffer + needed, sizeof buffer - needed, 0x77));
  pair_run(&p, 100000);
  CHECK_EQUAL(1, p.messages[SERVER]);
  pair_end(&p);
}

/* ------------------------------------------------------------- channels */

static uint64_t arrived_at[7];
static void note_arrival(pair *p, int side, const soe_event *ev) {
  if (side == SERVER && ev->kind == SOE_EVENT_MESSAGE) arrived_at[ev->channel] = p->now;
}

/* The reliable channels don't wait for each other: what is small arrives while another channel is busy with something large. */
static void channels_do_not_wait(uint32_t busy, uint32_t congestion) {
  static uint8_t large[200000];
  soe_config config;
  uint32_t channel;
  pair p;
  CONTEXT("channel %u is busy, congestion %u", busy, congestion);
  pair_config(&config, CLIENT);
  config.congestion = congestion;
  config.send_window = 32;
  pair_begin(&p, &config, NULL);
  p.on_event = note_arrival;
  pair_connect(&p, NULL);
  pair_run(&p, 1000000);
  fill(large, sizeof large, 1);
  CHECK_OK(pair_send(&p, CLIENT, busy, large, sizeof large));
  pair_run(&p, 15000);
  for (channel = 0; channel < 7; channel++) {
    if (channel != busy) CHECK_OK(pair_send(&p, CLIENT, channel, "small", 5));
  }
  pair_run(&p, 20000000);
  CHECK_EQUAL(7, p.messages[SERVER]);
  for (channel = 0; channel < 7; channel++) {
    CONTEXT("channel %u is busy, congestion %u: it is done %llu us before channel %u", busy, congestion,
            (unsigned long long)(arrived_at[channel] - arrived_at[busy]), channel);
    if (channel != busy) CHECK(arrived_at[channel] < arrived_at[busy]);
  }
  pair_end(&p);
}

/* ------------------------------------------------------------- counters */

static void counters_rise(const soe_stats *before, const soe_stats *after) {
  const uint8_t *a = (const uint8_t *)before, *b = (const uint8_t *)after;
  size_t at;
  for (at = 8; at + 8 <= sizeof *before; at += 8) {
    uint64_t x, y;
    memcpy(&x, a + at, 8);
    memcpy(&y, b + at, 8);
    CONTEXT("counter at offset %lu", (unsigned long)at);
    CHECK(y >= x);
  }
}
static uint64_t datagrams[2], bytes[2];
static void count_datagrams(pair *p, int side, const soe_datagram *d) {
  (void)p;
  datagrams[side] += d->segment_size ? (d->len + d->segment_size - 1) / d->segment_size : 1;
  bytes[side] += d->len;
}

static void statistics(void) {
  soe_stats mux[2], session[2], now;
  uint8_t message[700];
  unsigned i;
  int side;
  pair p;
  CONTEXT("statistics");
  pair_begin(&p, NULL, NULL);
  p.on_datagram = count_datagrams;
  datagrams[0] = datagrams[1] = bytes[0] = bytes[1] = 0;
  pair_connect(&p, NULL);
  for (side = 0; side < 2; side++) {
    mux[side] = pair_stats(&p, side);
    session[side] = pair_session_stats(&p, side);
  }
  fill(message, sizeof message, 1);
  for (i = 0; i < 200; i++) {
    if (i == 50) {
      p.loss = 2000;
      p.duplicates = 2000;
      p.jitter_us = 9000;
    }
    if (i == 150) p.loss = p.duplicates = p.jitter_us = 0;
    CHECK_OK(pair_send(&p, CLIENT, i % 4, message, 1 + i * 3));
    CHECK_OK(pair_send(&p, SERVER, i % 4, message, 1 + i * 3));
    pair_run(&p, 20000);
    for (side = 0; side < 2; side++) {
      now = pair_stats(&p, side);
      counters_rise(&mux[side], &now);
      mux[side] = now;
      now = pair_session_stats(&p, side);
      counters_rise(&session[side], &now);
      session[side] = now;
    }
  }
  pair_run(&p, 60000000);
  CONTEXT("statistics");
  for (side = 0; side < 2; side++) {
    mux[side] = pair_stats(&p, side);
    session[side] = pair_session_stats(&p, side);
    CHECK_EQUAL(200, session[side].messages_sent);
    CHECK_EQUAL(200, session[side].messages_received);
    CHECK_EQUAL(200, mux[side].messages_sent);
    CHECK_EQUAL(200, mux[side].messages_received);
    CHECK(session[side].retransmissions > 0 && session[side].duplicates > 0);
    CHECK_EQUAL(mux[side].retransmissions, session[side].retransmissions);
    CHECK_EQUAL(0, session[side].dropped_crc + session[side].dropped_malformed + session[side].dropped_lossy);
    CHECK_EQUAL(datagrams[side], mux[side].datagrams_sent);
    CHECK_EQUAL(bytes[side], mux[side].bytes_sent);
    CHECK_EQUAL(0, session[side].sessions_connected + session[side].sessions_disconnected);
  }
  CHECK_EQUAL(0, pair_info(&p, CLIENT).queued_bytes);

  /* Damage is counted, and does no harm. */
  {
    uint8_t damaged[512];
    soe_datagram out[4];
    size_t n = 0;
    CHECK_OK(pair_send(&p, CLIENT, 0, message, 300));
    CHECK_OK(soe_mux_drain_outgoing(p.mux[CLIENT], p.now, out, 4, &n));
    CHECK_EQUAL(1, n);
    memcpy(damaged, out[0].data, out[0].len);
    damaged[100] ^= 1;
    pair_feed(&p, SERVER, damaged, out[0].len);
    pair_feed(&p, SERVER, damaged, 1);
    pair_feed(&p, SERVER, damaged, 0);
    pair_feed(&p, SERVER, out[0].data, out[0].len);
    CHECK(pair_session_stats(&p, SERVER).dropped_crc - session[SERVER].dropped_crc >= 2);
    pair_events(&p, SERVER);
    CHECK_EQUAL(201, p.messages[SERVER]);
    CHECK_EQUAL(0, p.disconnected[SERVER]);
  }
  /* A session's share goes with it; the multiplexer's stays. */
  mux[SERVER] = pair_stats(&p, SERVER);
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
  pair_run(&p, 1000000);
  now = pair_stats(&p, SERVER);
  counters_rise(&mux[SERVER], &now);
  CHECK_EQUAL(1, now.sessions_disconnected);
  pair_end(&p);
}

/* Loss each way, where NetStatus is asked. */
static void net_status(void) {
  soe_config config;
  soe_session_info info;
  unsigned i;
  pair p;
  CONTEXT("net status");
  pair_config(&config, CLIENT);
  config.net_status_ms = 1000;
  pair_begin(&p, &config, NULL);
  pair_connect(&p, NULL);
  for (i = 0; i < 300; i++) {
    CHECK_OK(pair_send(&p, CLIENT, SOE_CHANNEL_UNRELIABLE, "x", 1));
    CHECK_OK(pair_send(&p, SERVER, SOE_CHANNEL_UNRELIABLE, "x", 1));
    p.loss = 1500;
    pair_run(&p, 50000);
  }
  info = pair_info(&p, CLIENT);
  CONTEXT("net status: lost %d and %d in a million", (int)info.loss_sent_ppm, (int)info.loss_received_ppm);
  CHECK(info.loss_sent_ppm > 50000 && info.loss_sent_ppm < 300000);
  CHECK(info.loss_received_ppm > 50000 && info.loss_received_ppm < 300000);
  pair_end(&p);
}

int main(void) {
  another_port();
  hijack();
  batches();
  batch_stops(0);
  batch_stops(1);
  trains_out_only_if_wanted();
  buffer_too_small();
  statistics();
  net_status();
  channels_do_not_wait(3, SOE_CONGESTION_ADAPTIVE);
  channels_do_not_wait(0, SOE_CONGESTION_ADAPTIVE);
  channels_do_not_wait(0, SOE_CONGESTION_FIXED);
  printf("session_traffic: ok\n");
  return 0;
}
