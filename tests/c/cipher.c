/* RC4 of application messages: from the first message, or turned on in mid-session; per direction, with dropped keystream, in every
 * scope; and never is a host handed a message undeciphered that was sent enciphered. */
#include "pair.h"

/* ------------------------------------------------------------- RC4 once more, so that the wire can be looked at */

typedef struct rc4 {
  uint8_t s[256], i, j;
} rc4;

static void rc4_start(rc4 *r, const uint8_t *key, size_t len, unsigned drop) {
  unsigned i;
  uint8_t j = 0, t;
  for (i = 0; i < 256; i++) r->s[i] = (uint8_t)i;
  for (i = 0; i < 256; i++) {
    j = (uint8_t)(j + r->s[i] + key[i % len]);
    t = r->s[i];
    r->s[i] = r->s[j];
    r->s[j] = t;
  }
  r->i = r->j = 0;
  while (drop--) {
    r->i++;
    r->j = (uint8_t)(r->j + r->s[r->i]);
    t = r->s[r->i];
    r->s[r->i] = r->s[r->j];
    r->s[r->j] = t;
  }
}
static void rc4_apply(rc4 *r, uint8_t *data, size_t len) {
  uint8_t t;
  while (len--) {
    r->i++;
    r->j = (uint8_t)(r->j + r->s[r->i]);
    t = r->s[r->i];
    r->s[r->i] = r->s[r->j];
    r->s[r->j] = t;
    *data++ ^= r->s[(uint8_t)(r->s[r->i] + r->s[r->j])];
  }
}

/* ------------------------------------------------------------- what is expected, what is seen */

enum { LARGE = 30000 };

/* All that either side sent, as it went over the wire, and what the other one heard. */
typedef struct ear {
  uint8_t wire[2][400000];
  size_t wired[2];
  uint8_t heard[64][320]; /* the first bytes of each message of the server */
  uint32_t lens[64], channels[64], count;
} ear;
static ear e;

static void overhear(pair *p, int side, const soe_datagram *d) {
  (void)p;
  CHECK(e.wired[side] + d->len <= sizeof e.wire[side]);
  memcpy(e.wire[side] + e.wired[side], d->data, d->len);
  e.wired[side] += d->len;
}
static int on_wire(int side, const uint8_t *bytes, size_t len) { return holds_bytes(e.wire[side], e.wired[side], bytes, len); }

static void hear(pair *p, int side, const soe_event *ev) {
  (void)p;
  if (side != SERVER || ev->kind != SOE_EVENT_MESSAGE) return;
  CHECK(e.count < 64);
  e.lens[e.count] = ev->len;
  e.channels[e.count] = ev->channel;
  memcpy(e.heard[e.count++], ev->data, ev->len < 320 ? ev->len : 320);
}
static void begin(pair *p, const soe_config *client, const soe_config *server) {
  memset(&e, 0, sizeof e);
  pair_begin(p, client, server);
  p->on_datagram = overhear;
  p->on_event = hear;
}

static soe_cipher cipher_of(uint32_t direction, const void *key, uint32_t key_len, uint32_t drop, uint32_t scope) {
  soe_cipher cipher;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = direction;
  cipher.key = (const uint8_t *)key;
  cipher.key_len = key_len;
  cipher.drop = drop;
  cipher.scope = scope;
  return cipher;
}
static void set(pair *p, int side, soe_cipher cipher) { CHECK_OK(soe_session_set_cipher(p->mux[side], p->id[side], &cipher)); }

static const uint8_t KEY[5] = {1, 2, 3, 4, 5}, OTHER[3] = {9, 8, 7};

/* ------------------------------------------------------------- from the first message */

static uint32_t heard_large[2];
static void large_heard(pair *p, int side, const soe_event *ev) {
  if (ev->kind == SOE_EVENT_MESSAGE && ev->len == LARGE) {
    CHECK(filled(ev->data, LARGE, 3));
    heard_large[side]++;
  }
  if (ev->kind == SOE_EVENT_MESSAGE && ev->len < LARGE) hear(p, side, ev);
}

static void from_the_first(uint32_t pass0) {
  static uint8_t large[LARGE];
  soe_config config[2];
  pair p;
  uint8_t plain[40], expected[40];
  rc4 stream;
  uint32_t i;
  int side;
  CONTEXT("cipher_key, pass0 %u", pass0);
  for (side = 0; side < 2; side++) {
    pair_config(&config[side], side);
    config[side].cipher_key = KEY;
    config[side].cipher_key_len = sizeof KEY;
    config[side].pass0 = pass0;
  }
  begin(&p, &config[CLIENT], &config[SERVER]);
  pair_connect(&p, NULL);
  p.on_event = large_heard;
  heard_large[0] = heard_large[1] = 0;
  memset(plain, 'p', sizeof plain);
  for (i = 0; i < 20; i++) {
    plain[0] = (uint8_t)i; /* 0 among them */
    CHECK_OK(pair_send(&p, CLIENT, i % 4, plain, sizeof plain));
    CHECK_OK(pair_send(&p, SERVER, i % 4, plain, sizeof plain));
    if (i % 3 == 0) pair_run(&p, 20000);
  }
  fill(large, LARGE, 3);
  for (side = 0; side < 2; side++) {
    CHECK_OK(pair_send(&p, side, 0, large, LARGE));
    CHECK_OK(pair_send(&p, side, 2, large, LARGE));
  }
  CHECK_OK(pair_send(&p, CLIENT, 0, plain, sizeof plain)); /* the stream goes on behind the fragments */
  pair_run(&p, 5000000);
  CHECK_EQUAL(2, heard_large[CLIENT]);
  CHECK_EQUAL(2, heard_large[SERVER]);
  CHECK_EQUAL(21, e.count);
  for (i = 0; i < e.count; i++) CHECK(e.lens[i] == sizeof plain && memcmp(e.heard[i] + 1, plain + 1, sizeof plain - 1) == 0);
  for (side = 0; side < 2; side++) {
    CHECK(!on_wire(side, plain + 1, 16));
    CHECK(!on_wire(side, large + 1000, 16));
  }
  if (pass0 == SOE_PASS_NONE) {
    rc4_start(&stream, KEY, sizeof KEY, 0);
    memset(expected, 'p', sizeof expected);
    expected[0] = 0;
    rc4_apply(&stream, expected, sizeof expected);
    CHECK(on_wire(CLIENT, expected, sizeof expected));
    CHECK(on_wire(SERVER, expected, sizeof expected));
  }
  pair_end(&p);
}

/* A ciphertext may begin with any byte, 0 and 0 0x19 among them, and be one byte long: message by message, all 256 first bytes. */
static void every_first_byte(void) {
  static const uint8_t seconds[3] = {0x00, 0x19, 0xff};
  soe_config config[2];
  pair p;
  unsigned byte, len;
  uint8_t message[8];
  int side;
  CONTEXT("every first byte");
  for (side = 0; side < 2; side++) {
    pair_config(&config[side], side);
    config[side].cipher_key = KEY;
    config[side].cipher_key_len = sizeof KEY;
  }
  begin(&p, &config[CLIENT], &config[SERVER]);
  pair_connect(&p, NULL);
  for (byte = 0; byte < 256; byte++) {
    unsigned sent = 0;
    e.count = 0;
    e.wired[0] = e.wired[1] = 0;
    for (len = 1; len <= 8; len++) {
      unsigned i;
      for (i = 0; i < len; i++) message[i] = i == 0 ? (uint8_t)byte : seconds[(byte + i) % 3];
      CHECK_OK(pair_send(&p, CLIENT, byte % 4, message, len));
      sent++;
      if (byte % 2) pair_run(&p, 20000); /* one in each packet, or eight in a bundle */
    }
    pair_run(&p, 50000);
    CONTEXT("every first byte: %u", byte);
    CHECK_EQUAL(sent, e.count);
    for (len = 1; len <= 8; len++) {
      unsigned i;
      CHECK_EQUAL(len, e.lens[len - 1]);
      for (i = 0; i < len; i++) CHECK_EQUAL(i == 0 ? (uint8_t)byte : seconds[(byte + i) % 3], e.heard[len - 1][i]);
    }
  }
  pair_end(&p);
}

/* ------------------------------------------------------------- directions, drop, scopes */

static void directions(void) {
  static const char up[] = "upwards it is enciphered", down[] = "downwards it is plain text", again[] = "and now upwards in plain text";
  pair p;
  CONTEXT("one direction");
  begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  set(&p, CLIENT, cipher_of(2, KEY, sizeof KEY, 0, 0));
  set(&p, SERVER, cipher_of(1, KEY, sizeof KEY, 0, 0));
  CHECK_OK(pair_send(&p, CLIENT, 0, up, sizeof up));
  CHECK_OK(pair_send(&p, SERVER, 0, down, sizeof down));
  pair_run(&p, 1000000);
  CHECK_EQUAL(1, e.count);
  CHECK(memcmp(e.heard[0], up, sizeof up) == 0);
  CHECK(!on_wire(CLIENT, (const uint8_t *)up, sizeof up));
  CHECK(on_wire(SERVER, (const uint8_t *)down, sizeof down));

  /* Another key from the next message on, then none. */
  set(&p, CLIENT, cipher_of(2, OTHER, sizeof OTHER, 0, 0));
  set(&p, SERVER, cipher_of(1, OTHER, sizeof OTHER, 0, 0));
  CHECK_OK(pair_send(&p, CLIENT, 1, up, sizeof up));
  pair_run(&p, 1000000);
  CHECK_EQUAL(2, e.count);
  CHECK(memcmp(e.heard[1], up, sizeof up) == 0);
  CHECK(!on_wire(CLIENT, (const uint8_t *)up, sizeof up));
  set(&p, CLIENT, cipher_of(2, NULL, 0, 0, 0));
  set(&p, SERVER, cipher_of(3, NULL, 0, 0, 0));
  CHECK_OK(pair_send(&p, CLIENT, 0, again, sizeof again));
  pair_run(&p, 1000000);
  CHECK_EQUAL(3, e.count);
  CHECK(memcmp(e.heard[2], again, sizeof again) == 0);
  CHECK(on_wire(CLIENT, (const uint8_t *)again, sizeof again));
  pair_end(&p);
}

/* The key is copied: what happens to the host's bytes afterwards is the host's affair. */
static void key_is_copied(void) {
  uint8_t key[16];
  pair p;
  CONTEXT("the key is copied");
  memset(key, 7, sizeof key);
  begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  set(&p, CLIENT, cipher_of(3, key, sizeof key, 0, 0));
  memset(key, 8, sizeof key);
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  memset(key, 7, sizeof key);
  set(&p, SERVER, cipher_of(3, key, sizeof key, 0, 0));
  memset(key, 9, sizeof key);
  pair_run(&p, 100000);
  CHECK(e.count == 1 && memcmp(e.heard[0], "hello", 5) == 0);
  pair_end(&p);
}

/* Twenty bytes of zeros on each channel in turn show the keystream itself: which stream a channel uses, and how far it has come. */
static void scopes(uint32_t scope, uint32_t drop) {
  /* Which keystream each channel follows: reliable 0..3, ordered, ordered 2. */
  static const int stream_of[3][7] = {{0, 1, 2, 3, -1, 5, 6}, {0, 0, 0, 0, -1, 5, 6}, {0, 0, 0, 0, -1, 0, 0}};
  uint8_t zeros[20], expected[20];
  rc4 streams[7];
  pair p;
  uint32_t channel, round, n = 0;
  memset(zeros, 0, sizeof zeros);
  for (channel = 0; channel < 7; channel++) rc4_start(&streams[channel], KEY, sizeof KEY, drop);
  CONTEXT("scope %u, drop %u", scope, drop);
  begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  set(&p, CLIENT, cipher_of(3, KEY, sizeof KEY, drop, scope));
  set(&p, SERVER, cipher_of(3, KEY, sizeof KEY, drop, scope));
  for (round = 0; round < 3; round++) {
    for (channel = 0; channel < 7; channel++) {
      int stream = stream_of[scope][channel];
      CONTEXT("scope %u, drop %u, channel %u, round %u", scope, drop, channel, round);
      e.wired[CLIENT] = 0;
      CHECK_OK(pair_send(&p, CLIENT, channel, zeros, sizeof zeros));
      pair_run(&p, 200000);
      CHECK_EQUAL(n + 1, e.count);
      CHECK_EQUAL(channel, e.channels[n]);
      CHECK_EQUAL(sizeof zeros, e.lens[n]);
      CHECK(all_bytes(e.heard[n], sizeof zeros, 0));
      n++;
      memset(expected, 0, sizeof expected);
      if (stream >= 0 && (channel < 4 || scope == 2)) {
        rc4_apply(&streams[stream], expected, sizeof expected);
        CHECK(on_wire(CLIENT, expected, sizeof expected));
      }
    }
  }
  pair_end(&p);
}

/* ------------------------------------------------------------- turned on by the host */

typedef enum login_kind { ENCIPHERED, PLAIN } login_kind;

/* The client logs in, and sends on at once: all in one frame, in one datagram. */
static void log_in(pair *p, login_kind kind, uint32_t second_channel) {
  soe_datagram out[8];
  size_t n = 0, i;
  uint8_t first[21], second[31];
  memset(first, 'a', sizeof first);
  memset(second, 'b', sizeof second);
  pair_outgoing(p, CLIENT);
  CHECK_OK(pair_send(p, CLIENT, 0, "login", 5));
  set(p, CLIENT, kind == ENCIPHERED ? cipher_of(3, KEY, sizeof KEY, 0, 0) : cipher_of(3, NULL, 0, 0, 0));
  CHECK_OK(pair_send(p, CLIENT, 0, first, sizeof first));
  CHECK_OK(pair_send(p, CLIENT, second_channel, second, sizeof second));
  CHECK_OK(pair_send(p, CLIENT, 0, "last", 4));
  CHECK_OK(soe_mux_drain_outgoing(p->mux[CLIENT], p->now, out, 8, &n));
  CHECK_EQUAL(1, n); /* one datagram */
  for (i = 0; i < n; i++) pair_post(p, CLIENT, &out[i]);
}
/* The server takes in what has arrived, and hands out nothing yet. */
static void arrive(pair *p) {
  flight landed;
  p->now += 20000;
  while (pair_land(p, &landed)) {
    CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
    free(landed.data);
  }
}
static size_t drain(pair *p, size_t cap) {
  soe_event ev[64];
  size_t n = 99, i, messages = 0;
  CHECK_OK(soe_mux_drain_events(p->mux[SERVER], ev, cap, &n));
  CHECK(n <= cap);
  for (i = 0; i < n; i++) {
    messages += ev[i].kind == SOE_EVENT_MESSAGE;
    pair_heard(p, SERVER, &ev[i]);
  }
  return messages;
}
static int heard_is(uint32_t i, const char *text, char of, uint32_t len) {
  if (text) return e.lens[i] == strlen(text) && memcmp(e.heard[i], text, e.lens[i]) == 0;
  return e.lens[i] == len && all_bytes(e.heard[i], len, (uint8_t)of);
}
static void by_host_config(soe_config *config) {
  pair_config(config, SERVER);
  config->flags |= SOE_CONFIG_CIPHER_BY_HOST;
}

static void by_host(login_kind kind, int connected_with_it, int after_disconnect) {
  soe_config config;
  pair p;
  unsigned tries;
  CONTEXT("by host, %s%s%s", kind == ENCIPHERED ? "enciphered" : "plain text", connected_with_it ? ", CONNECTED not read before" : "",
          after_disconnect ? ", the client has left" : "");
  by_host_config(&config);
  begin(&p, NULL, &config);
  if (connected_with_it) {
    /* The server's host sleeps through the whole handshake. */
    CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
    for (tries = 0; tries < 5 && !p.connected[CLIENT]; tries++) {
      pair_outgoing(&p, CLIENT);
      arrive(&p);
      pair_outgoing(&p, SERVER);
      arrive(&p);
      pair_events(&p, CLIENT);
    }
    CHECK(p.connected[CLIENT]);
  } else {
    pair_connect(&p, NULL);
    pair_run(&p, 100000);
  }
  log_in(&p, kind, 0);
  if (after_disconnect) {
    CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
    pair_outgoing(&p, CLIENT);
  }
  arrive(&p);
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[SERVER], p.now));
  CHECK_EQUAL(1, drain(&p, 64));
  CHECK(p.connected[SERVER] == 1 && heard_is(0, "login", 0, 0));
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[SERVER], p.now)); /* the next one waits */
  CHECK_EQUAL(0, p.disconnected[SERVER]);
  set(&p, SERVER, kind == ENCIPHERED ? cipher_of(1, KEY, sizeof KEY, 0, 0) : cipher_of(1, NULL, 0, 0, 0));
  CHECK_EQUAL(3, drain(&p, 64)); /* the gate is open: all of them */
  CHECK(heard_is(1, NULL, 'a', 21) && heard_is(2, NULL, 'b', 31) && heard_is(3, "last", 0, 0));
  if (after_disconnect) {
    (void)drain(&p, 64);
    CHECK_EQUAL(1, p.disconnected[SERVER]);
  } else {
    /* It goes on. */
    CHECK_OK(pair_send(&p, CLIENT, 0, "on and on", 9));
    CHECK_OK(pair_send(&p, CLIENT, 0, "and on", 6));
    pair_run(&p, 100000);
    CHECK_EQUAL(6, e.count);
    CHECK(heard_is(4, "on and on", 0, 0) && heard_is(5, "and on", 0, 0));
  }
  pair_end(&p);
}

/* A host that decides later is handed one message per drain call, on whatever channels they came. */
static void one_per_drain(void) {
  soe_config config;
  pair p;
  uint32_t i;
  uint8_t one = 0;
  CONTEXT("one message per drain");
  by_host_config(&config);
  begin(&p, NULL, &config);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  for (i = 0; i < 30; i++) {
    one = (uint8_t)(i + 1);
    CHECK_OK(pair_send(&p, CLIENT, i % 5 == 4 ? SOE_CHANNEL_ORDERED : i % 5, &one, 1));
    if (i % 7 == 0) {
      pair_outgoing(&p, CLIENT);
      arrive(&p);
    }
  }
  pair_outgoing(&p, CLIENT);
  arrive(&p);
  for (i = 0; i < 30; i++) {
    CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[SERVER], p.now));
    CHECK_EQUAL(1, drain(&p, i % 3 ? 64 : 1));
  }
  CHECK_EQUAL(0, drain(&p, 64));
  {
    uint8_t seen[31];
    memset(seen, 0, sizeof seen);
    for (i = 0; i < 30; i++) {
      CHECK(e.lens[i] == 1 && e.heard[i][0] >= 1 && e.heard[i][0] <= 30);
      CHECK_EQUAL(0, seen[e.heard[i][0]]++);
    }
  }
  /* In order on each channel. */
  {
    uint8_t last[8];
    memset(last, 0, sizeof last);
    for (i = 0; i < 30; i++) {
      CHECK(last[e.channels[i]] < e.heard[i][0]);
      last[e.channels[i]] = e.heard[i][0];
    }
  }
  /* Setting only what is sent leaves the gate as it was. */
  set(&p, SERVER, cipher_of(2, KEY, sizeof KEY, 0, 0));
  CHECK_OK(pair_send(&p, CLIENT, 0, "x", 1));
  CHECK_OK(pair_send(&p, CLIENT, 0, "y", 1));
  pair_outgoing(&p, CLIENT);
  arrive(&p);
  CHECK_EQUAL(1, drain(&p, 64));
  CHECK_EQUAL(1, drain(&p, 64));
  pair_end(&p);
}

/* A large message between: the login is followed by fragments, then by more. And another session does not wait for this one. */
static void large_and_others(void) {
  static uint8_t large[LARGE];
  soe_config config;
  soe_mux *second;
  soe_addr second_at = v4(3, 33);
  soe_session_id id = 0, first_on_server;
  soe_datagram out[64];
  soe_event ev[64];
  pair p;
  size_t n, i;
  unsigned k, messages;
  CONTEXT("large messages, and another session");
  by_host_config(&config);
  begin(&p, NULL, &config);
  p.on_event = large_heard;
  heard_large[SERVER] = 0;
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  first_on_server = p.id[SERVER];
  pair_config(&config, CLIENT);
  config.rng_seed = 999;
  CHECK_OK(soe_mux_create(&config, p.now, &second));
  CHECK_OK(soe_mux_connect(second, p.now, &p.addr[SERVER], NULL, &id));
  for (k = 0; k < 10; k++) {
    p.now += 1000;
    CHECK_OK(soe_mux_drain_outgoing(second, p.now, out, 64, &n));
    for (i = 0; i < n; i++) CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &second_at, out[i].data, out[i].len));
    pair_events(&p, SERVER);
    CHECK_OK(soe_mux_drain_outgoing(p.mux[SERVER], p.now, out, 64, &n));
    for (i = 0; i < n; i++) {
      if (same_addr(&out[i].addr, &second_at)) CHECK_OK(soe_mux_feed(second, p.now, &p.addr[SERVER], out[i].data, out[i].len));
    }
    CHECK_OK(soe_mux_drain_events(second, ev, 64, &n));
  }
  CHECK_EQUAL(2, p.connected[SERVER]);
  /* Both gated sessions send; a drain call hands out one of each. */
  p.id[SERVER] = first_on_server;
  fill(large, LARGE, 3);
  CHECK_OK(pair_send(&p, CLIENT, 0, "login", 5));
  set(&p, CLIENT, cipher_of(2, KEY, sizeof KEY, 0, 0));
  CHECK_OK(pair_send(&p, CLIENT, 0, large, LARGE));
  CHECK_OK(pair_send(&p, CLIENT, 0, "after", 5));
  for (k = 0; k < 200; k++) { /* all of it arrives before the host reads any */
    pair_outgoing(&p, CLIENT);
    arrive(&p);
    CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now));
    pair_outgoing(&p, SERVER);
    arrive(&p);
    CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
    pair_events(&p, CLIENT);
  }
  CHECK_EQUAL(0, pair_info(&p, CLIENT).queued_bytes);
  for (k = 0; k < 3; k++) CHECK_OK(soe_session_send(second, id, 0, (const uint8_t *)"theirs", 6));
  CHECK_OK(soe_mux_drain_outgoing(second, p.now, out, 64, &n));
  for (i = 0; i < n; i++) CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &second_at, out[i].data, out[i].len));
  CHECK_OK(soe_mux_drain_events(p.mux[SERVER], ev, 64, &n));
  for (i = 0, messages = 0; i < n; i++) {
    CHECK(ev[i].kind == SOE_EVENT_MESSAGE);
    messages++;
    CHECK(memcmp(ev[i].data, ev[i].session == first_on_server ? "login" : "theirs", ev[i].len) == 0);
  }
  CHECK_EQUAL(2, messages);
  CHECK(ev[0].session != ev[1].session);
  set(&p, SERVER, cipher_of(1, KEY, sizeof KEY, 0, 0));
  e.count = 0;
  pair_events(&p, SERVER);
  CHECK_EQUAL(1, heard_large[SERVER]);
  CHECK_EQUAL(3, e.count);
  {
    uint32_t after = 0, theirs = 0;
    for (k = 0; k < e.count; k++) {
      after += heard_is(k, "after", 0, 0);
      theirs += heard_is(k, "theirs", 0, 0);
    }
    CHECK(after == 1 && theirs == 2);
  }
  soe_mux_free(second);
  pair_end(&p);
}

/* Without the flag a host that drains one event at a time can do the same: receive takes effect with the next message handed out. */
static void between_two_of_a_bundle(void) {
  pair p;
  CONTEXT("one at a time, without the flag");
  begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  log_in(&p, ENCIPHERED, 0);
  arrive(&p);
  CHECK_EQUAL(1, drain(&p, 1));
  CHECK(heard_is(0, "login", 0, 0));
  set(&p, SERVER, cipher_of(3, KEY, sizeof KEY, 0, 0));
  CHECK_EQUAL(3, drain(&p, 64));
  CHECK(heard_is(1, NULL, 'a', 21) && heard_is(2, NULL, 'b', 31) && heard_is(3, "last", 0, 0));
  pair_end(&p);
}

/* A config with a key needs no gate; a connecting side may set its cipher as soon as it has the id. */
static void key_and_flag(void) {
  soe_config config[2];
  pair p;
  int side;
  CONTEXT("cipher_key and SOE_CONFIG_CIPHER_BY_HOST");
  for (side = 0; side < 2; side++) {
    pair_config(&config[side], side);
    config[side].cipher_key = KEY;
    config[side].cipher_key_len = sizeof KEY;
    config[side].flags |= SOE_CONFIG_CIPHER_BY_HOST;
  }
  begin(&p, &config[CLIENT], &config[SERVER]);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  CHECK_OK(pair_send(&p, CLIENT, 0, "one", 3));
  CHECK_OK(pair_send(&p, CLIENT, 0, "two", 3));
  pair_outgoing(&p, CLIENT);
  arrive(&p);
  CHECK_EQUAL(2, drain(&p, 64));
  CHECK(heard_is(0, "one", 0, 0) && heard_is(1, "two", 0, 0));
  pair_end(&p);
}

int main(void) {
  uint32_t scope;
  from_the_first(SOE_PASS_NONE);
  from_the_first(SOE_PASS_COMPRESS);
  every_first_byte();
  directions();
  key_is_copied();
  for (scope = 0; scope < 3; scope++) {
    scopes(scope, 0);
    scopes(scope, 1024);
  }
  by_host(ENCIPHERED, 0, 0);
  by_host(ENCIPHERED, 1, 0);
  by_host(PLAIN, 0, 0);
  by_host(PLAIN, 1, 0);
  by_host(ENCIPHERED, 0, 1);
  by_host(ENCIPHERED, 1, 1);
  one_per_drain();
  large_and_others();
  between_two_of_a_bundle();
  key_and_flag();
  printf("cipher: ok\n");
  return 0;
}
