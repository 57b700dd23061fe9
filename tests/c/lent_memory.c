/* What a drain call lends stays as it is until the next call of the same function, whatever else is called. */
#include "pair.h"

enum { MOST = 256 };

/* What was lent, and a copy of it. */
typedef struct loan {
  const uint8_t *data;
  uint8_t *copy;
  uint32_t len;
} loan;
typedef struct loans {
  loan items[MOST];
  size_t count;
} loans;

static void keep(loans *l, const uint8_t *data, uint32_t len) {
  loan *item = &l->items[l->count++];
  CHECK(l->count <= MOST);
  item->data = data;
  item->len = len;
  item->copy = (uint8_t *)malloc(len ? len : 1);
  CHECK(item->copy);
  if (len) memcpy(item->copy, data, len);
}
static void intact(const loans *l, const char *after) {
  size_t i;
  for (i = 0; i < l->count; i++) {
    if (l->items[i].len && memcmp(l->items[i].data, l->items[i].copy, l->items[i].len) != 0) {
      CONTEXT("%s, item %lu of %lu, %lu bytes", after, (unsigned long)i, (unsigned long)l->count, (unsigned long)l->items[i].len);
      check_failed(__FILE__, __LINE__, "what was lent has changed");
    }
  }
}
static void give_back(loans *l) {
  size_t i;
  for (i = 0; i < l->count; i++) free(l->items[i].copy);
  l->count = 0;
}

static void borrow_outgoing(pair *p, int side, loans *l, int deliver) {
  soe_datagram out[MOST];
  size_t n = 0, i;
  give_back(l);
  CHECK_OK(soe_mux_drain_outgoing(p->mux[side], p->now, out, MOST, &n));
  for (i = 0; i < n; i++) {
    keep(l, out[i].data, out[i].len);
    if (deliver) pair_post(p, side, &out[i]);
  }
}
static size_t borrow_events(pair *p, int side, loans *l, size_t cap) {
  soe_event ev[MOST];
  size_t n = 0, i;
  give_back(l);
  CHECK_OK(soe_mux_drain_events(p->mux[side], ev, cap, &n));
  for (i = 0; i < n; i++) {
    CHECK(ev[i].data || ev[i].len == 0);
    keep(l, ev[i].data, ev[i].len);
    pair_heard(p, side, &ev[i]);
  }
  return n;
}
static void deliver(pair *p) {
  flight landed;
  while (pair_land(p, &landed)) {
    CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
    free(landed.data);
  }
}
static void send_some(pair *p, int side, uint32_t tag) {
  static uint8_t message[9000];
  uint32_t channel;
  for (channel = 0; channel < 7; channel++) {
    size_t len = channel < 4 && tag % 3 == channel ? 2000 : 1 + (tag * 13 + channel * 29) % 300;
    soe_status status;
    fill(message, len, tag + channel);
    status = pair_send(p, side, channel, message, len);
    CHECK(status == SOE_OK || status == SOE_ERR_WOULD_BLOCK);
  }
}

static void options_for(soe_config *config, int side, uint32_t variant) {
  static const uint8_t key[] = "a key";
  pair_config(config, side);
  if (variant & 1) {
    config->cipher_key = key;
    config->cipher_key_len = 5;
  }
  if (variant & 2) config->pass0 = SOE_PASS_COMPRESS;
  if (variant & 4) config->redundancy = 2;
  if (variant & 8) config->flags |= SOE_CONFIG_TRAINS;
}

/* The datagrams of the client, across everything but the next soe_mux_drain_outgoing. */
static void outgoing(uint32_t variant) {
  soe_config config[2];
  loans lent, other;
  soe_session_id second = 0;
  soe_addr elsewhere = v4(9, 900);
  pair p;
  static uint8_t buffer[100000];
  soe_datagram out[MOST];
  size_t n = 0;
  uint32_t i, round;
  lent.count = other.count = 0;
  options_for(&config[CLIENT], CLIENT, variant);
  options_for(&config[SERVER], SERVER, variant);
  pair_begin(&p, &config[CLIENT], &config[SERVER]);
  pair_connect(&p, NULL);
  pair_run(&p, 1000000);
  for (round = 0; round < rounds(20, 4); round++) {
    send_some(&p, CLIENT, round);
    send_some(&p, CLIENT, round + 1);
    borrow_outgoing(&p, CLIENT, &lent, 1);
    CHECK(lent.count > 0);
    intact(&lent, "nothing");
    for (i = 0; i < 10; i++) send_some(&p, CLIENT, 1000 + i);
    intact(&lent, "send");
    p.now += 10000;
    deliver(&p); /* to the server */
    pair_events(&p, SERVER);
    send_some(&p, SERVER, round);
    pair_outgoing(&p, SERVER);
    p.now += 10000;
    deliver(&p); /* acknowledgements of everything, and messages */
    intact(&lent, "acknowledgements of everything");
    for (i = 0; i < 10; i++) send_some(&p, CLIENT, 2000 + i); /* into what became free */
    intact(&lent, "acknowledgements, then send");
    borrow_events(&p, CLIENT, &other, MOST);
    intact(&lent, "drain_events");
    CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
    intact(&lent, "tick");
    n = 0;
    CHECK_OK(soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, sizeof buffer, out, 8, &n));
    CHECK(n > 0);
    intact(&lent, "drain_outgoing_into");
    for (i = 0; i < 40; i++) send_some(&p, CLIENT, 3000 + i); /* so that what was given back is used again */
    CHECK_OK(soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, sizeof buffer, out, 8, &n));
    intact(&lent, "drain_outgoing_into, and more to send");
    p.now += 3000000;
    CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now)); /* retransmissions are due */
    intact(&lent, "tick at the time of retransmissions");
    n = 0;
    CHECK_OK(soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, sizeof buffer, out, MOST, &n));
    intact(&lent, "drain_outgoing_into with retransmissions");
    for (i = 0; i < 40; i++) send_some(&p, CLIENT, 4000 + i);
    intact(&lent, "send after all that");
    intact(&other, "drain_outgoing_into, for events");
    pair_run(&p, 20000000);
    CHECK(p.disconnected[CLIENT] == 0);
  }

  /* Retransmissions are lent too, and the acknowledgement comes while they are. */
  send_some(&p, CLIENT, 7);
  pair_outgoing(&p, CLIENT);
  p.now += 2000;
  borrow_outgoing(&p, CLIENT, &lent, 0);
  p.now += 4000000;
  CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
  borrow_outgoing(&p, CLIENT, &lent, 1);
  CHECK(lent.count > 0);
  p.now += 10000;
  deliver(&p);
  pair_outgoing(&p, SERVER);
  p.now += 10000;
  deliver(&p);
  send_some(&p, CLIENT, 8);
  intact(&lent, "acknowledged retransmissions");

  /* Another session, then the end of the first one, and of all. */
  borrow_outgoing(&p, CLIENT, &lent, 0);
  CHECK(lent.count > 0);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &elsewhere, NULL, &second));
  intact(&lent, "connect");
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
  intact(&lent, "disconnect");
  borrow_events(&p, CLIENT, &other, MOST);
  intact(&lent, "disconnect, and its event drained");
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], second, 0, SOE_DISCONNECT_SILENT));
  borrow_events(&p, CLIENT, &other, MOST);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &elsewhere, NULL, &second));
  CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now + 1));
  n = 0;
  CHECK_OK(soe_mux_drain_outgoing_into(p.mux[CLIENT], p.now, buffer, sizeof buffer, out, MOST, &n));
  CHECK(n > 0);
  intact(&lent, "another connect");
  give_back(&lent);
  give_back(&other);
  pair_end(&p);
}

/* The events of the server, across everything but the next soe_mux_drain_events. */
static void events(uint32_t variant) {
  static uint8_t big[200000], message[300];
  static uint8_t buffer[100000];
  soe_config config[2];
  loans lent, other;
  pair p;
  uint32_t i, round;
  soe_datagram out[MOST];
  size_t n;
  lent.count = other.count = 0;
  options_for(&config[CLIENT], CLIENT, variant);
  options_for(&config[SERVER], SERVER, variant);
  pair_begin(&p, &config[CLIENT], &config[SERVER]);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  /* The first loan is that of CONNECTED with its name. */
  for (i = 0; i < 10 && !p.connected[SERVER]; i++) {
    p.now += 5000;
    deliver(&p);
    pair_events(&p, CLIENT);
    pair_outgoing(&p, CLIENT);
    borrow_events(&p, SERVER, &lent, MOST);
    pair_outgoing(&p, SERVER);
  }
  CHECK_EQUAL(1, lent.count);
  CHECK(lent.items[0].len == 6 && memcmp(lent.items[0].data, "Test_1", 6) == 0);
  pair_events(&p, CLIENT);
  for (round = 0; round < rounds(12, 4); round++) {
    size_t cap = round % 3 == 0 ? MOST : 1 + round % 7;
    if (round % 2) {
      fill(big, sizeof big, round);
      CHECK_OK(pair_send(&p, CLIENT, round % 4, big, sizeof big));
    }
    for (i = 0; i < 30; i++) {
      size_t len = 1 + (i * 37 + round) % sizeof message;
      fill(message, len, i);
      CHECK_OK(pair_send(&p, CLIENT, round % 2 ? i % 7 : 0, message, len));
    }
    for (i = 0; i < 400; i++) {
      size_t before;
      p.now += 5000;
      deliver(&p);
      intact(&lent, "feed");
      CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
      CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now));
      intact(&lent, "tick");
      pair_events(&p, CLIENT);
      pair_outgoing(&p, CLIENT);
      if (i % 5 == 0) {
        send_some(&p, SERVER, i);
        intact(&lent, "send");
      }
      if (i % 2) {
        borrow_outgoing(&p, SERVER, &other, 1);
      } else {
        CHECK_OK(soe_mux_drain_outgoing_into(p.mux[SERVER], p.now, buffer, sizeof buffer, out, MOST, &n));
        while (n) pair_post(&p, SERVER, &out[--n]);
      }
      intact(&lent, "drain_outgoing");
      before = other.count;
      if (i % 3 == 0) {
        borrow_events(&p, SERVER, &lent, cap);
        CHECK_EQUAL(before, other.count);
        intact(&lent, "nothing");
        intact(&other, "drain_events");
      }
    }
  }
  CHECK(p.messages[SERVER] > 100);
  pair_run(&p, 60000000);
  while (borrow_events(&p, SERVER, &lent, MOST)) {
  }

  /* The session ends while its messages are lent: by the peer, by the host. */
  fill(big, sizeof big, 99);
  CHECK_OK(pair_send(&p, CLIENT, 0, big, sizeof big));
  CHECK_OK(pair_send(&p, CLIENT, 0, message, sizeof message));
  for (i = 0; i < 400; i++) {
    p.now += 5000;
    deliver(&p);
    CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
    CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now));
    pair_events(&p, CLIENT);
    pair_outgoing(&p, CLIENT);
    pair_outgoing(&p, SERVER);
  }
  borrow_events(&p, SERVER, &lent, MOST);
  CHECK_EQUAL(2, lent.count);
  CHECK(lent.items[0].len == sizeof big && filled(lent.items[0].data, sizeof big, 99));
  if (variant & 1) {
    CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
    pair_outgoing(&p, CLIENT);
    p.now += 10000;
    deliver(&p);
    intact(&lent, "the peer's disconnect");
  } else {
    CHECK_OK(soe_session_disconnect(p.mux[SERVER], p.id[SERVER], 6, SOE_DISCONNECT_NOW));
    intact(&lent, "a disconnect");
    pair_outgoing(&p, SERVER);
    intact(&lent, "a disconnect, drained");
  }
  CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now + 60000000));
  intact(&lent, "tick a minute later");
  give_back(&lent);
  give_back(&other);
  pair_end(&p);
}

/* The new address of REBOUND is lent like any data: see session_life. What two drains of one function lend is not kept apart: only the
 * newest of each counts. Two multiplexers share nothing: a loan of one survives everything on the other, its end included. */
static void other_mux(void) {
  loans lent;
  soe_config config;
  soe_mux *mux, *bystander;
  soe_session_id id;
  soe_addr to = v4(3, 30);
  soe_datagram out[4];
  size_t n = 0;
  lent.count = 0;
  CONTEXT("two multiplexers");
  pair_config(&config, CLIENT);
  CHECK_OK(soe_mux_create(&config, 0, &mux));
  CHECK_OK(soe_mux_create(&config, 0, &bystander));
  CHECK_OK(soe_mux_connect(mux, 0, &to, NULL, &id));
  CHECK_OK(soe_mux_connect(bystander, 0, &to, NULL, &id));
  CHECK_OK(soe_mux_drain_outgoing(mux, 0, out, 4, &n));
  CHECK_EQUAL(1, n);
  keep(&lent, out[0].data, out[0].len);
  CHECK_OK(soe_mux_drain_outgoing(bystander, 0, out, 4, &n));
  CHECK_EQUAL(1, n);
  soe_mux_free(bystander);
  intact(&lent, "the end of another multiplexer");
  give_back(&lent);
  soe_mux_free(mux);
}

int main(void) {
  uint32_t variant;
  for (variant = 0; variant < 16; variant += rounds(1, 5)) {
    CONTEXT("variant %u", variant);
    outgoing(variant);
    CONTEXT("variant %u", variant);
    events(variant);
  }
  other_mux();
  printf("lent_memory: ok\n");
  return 0;
}
