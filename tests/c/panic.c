/* Built against the library with the feature fault-injection, in which the datagram "soe fault injection" panics: the fault is caught at
 * the boundary and answered SOE_ERR_PANIC, then everything SOE_ERR_POISONED until free. */
#include "pair.h"

static const char FAULT[] = "soe fault injection";

#define IS_POISONED(call) CHECK_STATUS(SOE_ERR_POISONED, call)

static void everything_is_poisoned(soe_mux *mux, soe_session_id id, uint64_t now) {
  soe_addr addr = v4(1, 2000), other = v4(5, 50);
  soe_session_id found = 77;
  soe_datagram in, out[4];
  soe_event ev[4];
  soe_cipher cipher;
  soe_session_info info;
  soe_stats stats;
  uint8_t buffer[2000];
  size_t n = 77;
  memset(&in, 0, sizeof in);
  in.data = (const uint8_t *)FAULT;
  in.len = 5;
  in.addr = addr;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = 3;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  IS_POISONED(soe_mux_feed(mux, now, &addr, (const uint8_t *)"12345", 5));
  IS_POISONED(soe_mux_feed(mux, now, &addr, (const uint8_t *)FAULT, sizeof FAULT - 1));
  IS_POISONED(soe_mux_feed_batch(mux, now, &in, 1, &n));
  IS_POISONED(soe_mux_tick(mux, now));
  IS_POISONED(soe_mux_drain_outgoing(mux, now, out, 4, &n));
  IS_POISONED(soe_mux_drain_outgoing_into(mux, now, buffer, sizeof buffer, out, 4, &n));
  IS_POISONED(soe_mux_drain_events(mux, ev, 4, &n));
  IS_POISONED(soe_mux_connect(mux, now, &other, NULL, &found));
  IS_POISONED(soe_session_send(mux, id, SOE_CHANNEL_RELIABLE_0, (const uint8_t *)"x", 1));
  IS_POISONED(soe_session_disconnect(mux, id, 6, SOE_DISCONNECT_NOW));
  IS_POISONED(soe_session_set_user_data(mux, id, 5));
  IS_POISONED(soe_session_set_cipher(mux, id, &cipher));
  IS_POISONED(soe_session_accept(mux, now, id, NULL));
  IS_POISONED(soe_session_get_info(mux, id, &info));
  IS_POISONED(soe_session_get_stats(mux, id, &stats));
  IS_POISONED(soe_mux_get_stats(mux, &stats));
  IS_POISONED(soe_mux_find(mux, &addr, &found));
  CHECK_EQUAL(0, soe_mux_next_deadline(mux));
  CHECK_EQUAL(0, soe_mux_timeout_ms(mux, now));
  CHECK_EQUAL(77, found);
  CHECK(all_bytes((const uint8_t *)&info + 4, sizeof info - 4, 0));
  CHECK(all_bytes((const uint8_t *)&stats + 4, sizeof stats - 4, 0));
}

static void panics(int in_batch, int from_peer) {
  pair p;
  soe_addr from = v4(200, 9);
  soe_datagram in[3];
  size_t used = 77;
  int i;
  CONTEXT("%s, from %s", in_batch ? "soe_mux_feed_batch" : "soe_mux_feed", from_peer ? "the peer" : "a stranger");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  pair_run(&p, 100000);
  CHECK_OK(pair_send(&p, SERVER, 0, "some that waits", 15));
  if (from_peer) from = p.addr[CLIENT];
  if (in_batch) {
    memset(in, 0, sizeof in);
    for (i = 0; i < 3; i++) {
      in[i].data = i == 1 ? (const uint8_t *)FAULT : (const uint8_t *)"harmless";
      in[i].len = i == 1 ? sizeof FAULT - 1 : 8;
      in[i].addr = from;
    }
    CHECK_STATUS(SOE_ERR_PANIC, soe_mux_feed_batch(p.mux[SERVER], p.now, in, 3, &used));
  } else {
    CHECK_STATUS(SOE_ERR_PANIC, soe_mux_feed(p.mux[SERVER], p.now, &from, (const uint8_t *)FAULT, sizeof FAULT - 1));
  }
  for (i = 0; i < 2; i++) everything_is_poisoned(p.mux[SERVER], p.id[SERVER], p.now);
  /* The other multiplexer is as well as before. */
  CHECK_OK(soe_mux_tick(p.mux[CLIENT], p.now));
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  CHECK(pair_outgoing(&p, CLIENT) > 0);
  pair_end(&p);
}

/* Exactly those bytes: anything else is a datagram like others. */
static void only_those_bytes(void) {
  pair p;
  uint8_t almost[sizeof FAULT];
  CONTEXT("other bytes");
  memcpy(almost, FAULT, sizeof FAULT);
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_feed(&p, SERVER, almost, sizeof FAULT - 2);
  pair_feed(&p, SERVER, almost, sizeof FAULT);
  almost[3] ^= 1;
  pair_feed(&p, SERVER, almost, sizeof FAULT - 1);
  CHECK_OK(soe_mux_tick(p.mux[SERVER], p.now));
  pair_end(&p);
}

int main(void) {
  only_those_bytes();
  panics(0, 0);
  panics(0, 1);
  panics(1, 0);
  panics(1, 1);
  printf("panic: ok\n");
  return 0;
}
