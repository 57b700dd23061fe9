/* Every preset through the header alone: what its handshake says, messages of 1 byte to 200 kB each way under loss, no datagram longer than
 * agreed, and an end with its reason where the title says one. */
#include "pair.h"

/* What the first two datagrams of a title look like, and how it ends. */
typedef struct title {
  uint32_t preset;
  const char *name;        /* that its servers want, or NULL */
  uint32_t version;        /* in the SessionRequest */
  uint32_t request, reply; /* bytes of SessionRequest, without a name, and SessionResponse */
  uint32_t udp_length, crc_length, pass0, pass1;
  int32_t reason; /* heard of a disconnect with 6 */
} title;

static const title titles[] = {
    {SOE_PRESET_DEFAULT, "Test_1", 3, 15, 21, 512, 2, SOE_PASS_NONE, SOE_PASS_NONE, 6},
    {SOE_PRESET_PLANETSIDE2, "LoginUdp_10", 3, 15, 21, 512, 2, SOE_PASS_COMPRESS, SOE_PASS_NONE, 6},
    {SOE_PRESET_H1Z1, "LoginUdp_9", 3, 15, 21, 512, 2, SOE_PASS_NONE, SOE_PASS_NONE, 6},
    {SOE_PRESET_LANDMARK, "LoginUdp_10", 3, 15, 21, 512, 2, SOE_PASS_COMPRESS, SOE_PASS_NONE, 6},
    {SOE_PRESET_FREE_REALMS, "CGAPI_527", 3, 15, 21, 512, 2, SOE_PASS_COMPRESS, SOE_PASS_NONE, 6},
    {SOE_PRESET_STAR_WARS_GALAXIES, NULL, 2, 14, 17, 496, 2, SOE_PASS_COMPRESS, SOE_PASS_XOR, 6},
    {SOE_PRESET_EVERQUEST, NULL, 3, 14, 17, 512, 2, SOE_PASS_NONE, SOE_PASS_NONE, 0},
    {SOE_PRESET_EVERQUEST2, NULL, 3, 14, 21, 512, 2, SOE_PASS_COMPRESS, SOE_PASS_NONE, 6},
    {SOE_PRESET_PLANETSIDE, NULL, 2, 14, 21, 467, 0, SOE_PASS_NONE, SOE_PASS_NONE, 6},
};
enum { TITLES = sizeof titles / sizeof titles[0] };

static const uint32_t lengths[] = {1, 2, 253, 254, 255, 256, 480, 489, 500, 505, 506, 507, 600, 5000, 200000, 3};
enum { MESSAGES = sizeof lengths / sizeof lengths[0] };

static struct {
  const title *title;
  unsigned seen[2];      /* datagrams of the handshake */
  uint32_t next[2];      /* message that this side hears next */
  uint8_t *message;      /* the longest */
} e;

static uint32_t u32_at(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Message number i: some text, some noise; some begin as packets do. */
static void write_message(uint32_t i) {
  static const uint8_t heads[4][2] = {{0, 0x19}, {0, 0}, {'m', 's'}, {0, 9}};
  uint64_t random = i + 1;
  uint32_t at;
  for (at = 0; at < lengths[i]; at++) e.message[at] = i % 2 ? (uint8_t)"all the same "[at % 13] : (uint8_t)chance_below(&random, 256);
  for (at = 0; at < 2 && at < lengths[i]; at++) e.message[at] = heads[i % 4][at];
}

static void on_event(pair *p, int side, const soe_event *ev) {
  (void)p;
  if (ev->kind != SOE_EVENT_MESSAGE) return;
  CHECK(e.next[side] < MESSAGES && ev->channel == SOE_CHANNEL_RELIABLE_0);
  write_message(e.next[side]);
  CHECK_EQUAL(lengths[e.next[side]], ev->len);
  CHECK(memcmp(ev->data, e.message, ev->len) == 0);
  e.next[side]++;
}

static void on_datagram(pair *p, int side, const soe_datagram *d) {
  const title *t = e.title;
  (void)p;
  CHECK(d->len <= t->udp_length);
  if (d->len < 2 || d->data[0] != 0) return;
  if (d->data[1] == 1) {
    CHECK_EQUAL(CLIENT, side);
    CHECK_EQUAL(t->request + (t->name ? strlen(t->name) : 0), d->len);
    CHECK_EQUAL(t->version, u32_at(d->data + 2));
    CHECK_EQUAL(t->udp_length, u32_at(d->data + 10));
  } else if (d->data[1] == 2) {
    CHECK_EQUAL(SERVER, side);
    CHECK_EQUAL(t->reply, d->len);
    CHECK(d->data[10] == t->crc_length && d->data[11] == t->pass0 && d->data[12] == t->pass1);
    CHECK_EQUAL(t->udp_length, u32_at(d->data + 13));
  } else {
    return;
  }
  e.seen[side]++;
}

static void cipher(pair *p, int side, uint32_t direction, const uint8_t key[8]) {
  soe_cipher c;
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c;
  c.direction = direction;
  c.key = key;
  c.key_len = 8;
  c.drop = 20;
  c.scope = SOE_CIPHER_RELIABLE;
  CHECK_OK(soe_session_set_cipher(p->mux[side], p->id[side], &c));
}

static int all_heard(pair *p) {
  (void)p;
  return e.next[CLIENT] == MESSAGES && e.next[SERVER] == MESSAGES;
}

static void play(const title *t) {
  static const uint8_t key[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
  uint8_t complement[8];
  soe_config config;
  pair p;
  uint32_t i;
  int side;
  CONTEXT("preset %u", t->preset);
  CHECK_OK(soe_config_init(&config, sizeof config, t->preset));
  CHECK(config.udp_length == t->udp_length && config.crc_length == t->crc_length && config.pass0 == t->pass0 && config.pass1 == t->pass1);
  config.application_protocol = t->name;
  config.application_protocol_len = t->name ? (uint32_t)strlen(t->name) : 0;
  config.rng_seed = 5;
  memset(e.seen, 0, sizeof e.seen);
  memset(e.next, 0, sizeof e.next);
  e.title = t;
  pair_begin(&p, &config, &config);
  p.on_event = on_event;
  p.on_datagram = on_datagram;
  p.loss = 500;
  p.jitter_us = 3000;
  pair_connect(&p, NULL);
  CHECK(e.seen[CLIENT] > 0 && e.seen[SERVER] > 0);
  if (t->preset == SOE_PRESET_EVERQUEST2) {
    for (i = 0; i < 8; i++) complement[i] = (uint8_t)~key[i];
    cipher(&p, SERVER, SOE_CIPHER_SEND, key);
    cipher(&p, SERVER, SOE_CIPHER_RECEIVE, complement);
    cipher(&p, CLIENT, SOE_CIPHER_SEND, complement);
    cipher(&p, CLIENT, SOE_CIPHER_RECEIVE, key);
  }
  for (i = 0; i < MESSAGES; i++) {
    write_message(i);
    for (side = 0; side < 2; side++) CHECK_OK(pair_send(&p, side, SOE_CHANNEL_RELIABLE_0, e.message, lengths[i]));
  }
  CHECK(pair_run_until(&p, all_heard, 60000000));
  for (side = 0; side < 2; side++) CHECK_EQUAL(0, pair_stats(&p, side).dropped_malformed);
  p.loss = 0;
  pair_run(&p, 100000);
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], SOE_REASON_APPLICATION, SOE_DISCONNECT_FLUSH));
  CHECK(pair_run_until(&p, pair_is_over, 10000000));
  CHECK(p.ended_by[SERVER] == SOE_ENDED_BY_PEER && p.reason[SERVER] == t->reason);
  pair_end(&p);
}

int main(void) {
  uint32_t i;
  e.message = (uint8_t *)malloc(200000);
  CHECK(e.message);
  for (i = 0; i < TITLES; i++) {
    CHECK_EQUAL(i, titles[i].preset);
    play(&titles[i]);
  }
  free(e.message);
  puts("presets: ok");
  return 0;
}
