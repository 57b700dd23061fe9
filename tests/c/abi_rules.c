/* What the header promises of every function: pointers are checked for NULL and alignment, lengths of 0 never read, values outside their
 * range refused, ids that name nothing answered; and a call that fails writes nothing and changes nothing. */
#include "pair.h"

enum { SENTINEL = 0x5A };

/* A struct of the right size at an address that is right for nothing but bytes. */
static uint64_t room_for_crooked[1000];
#define CROOKED(type) ((type *)(void *)((uint8_t *)room_for_crooked + 1))
#define NOWHERE(type) ((type *)(uintptr_t)64) /* not NULL, aligned, and not to be looked at */

/* Nothing changes: the counters, the deadline, and what the session says. */
typedef struct picture {
  soe_stats stats;
  uint64_t deadline;
  int32_t timeout;
  soe_session_info info;
} picture;

static void look(pair *p, int side, picture *now) {
  memset(now, 0, sizeof *now);
  now->stats = pair_stats(p, side);
  now->deadline = soe_mux_next_deadline(p->mux[side]);
  now->timeout = soe_mux_timeout_ms(p->mux[side], p->now);
  now->info = pair_info(p, side);
}
static picture before;
static void unchanged(pair *p, int line) {
  picture after;
  look(p, CLIENT, &after);
  if (memcmp(&before, &after, sizeof before) != 0) check_failed(__FILE__, line, "the call failed, and changed something");
}

#define FAILS(expected, call)       \
  do {                              \
    CHECK_STATUS(expected, call);   \
    unchanged(&p, __LINE__);        \
  } while (0)

static void init_functions(void) {
  soe_config config;
  soe_connect_options connect;
  soe_accept_options accept;
  uint32_t preset;
  static const size_t sizes[] = {0, 1, 4, 7, 4097, 1 << 20, SIZE_MAX};
  size_t i;
  CHECK_STATUS(SOE_ERR_NULL, soe_config_init(NULL, sizeof config, 0));
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_config_init(CROOKED(soe_config), sizeof config, 0));
  memset(&config, SENTINEL, sizeof config);
  memset(&connect, SENTINEL, sizeof connect);
  memset(&accept, SENTINEL, sizeof accept);
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    CONTEXT("size %lu", (unsigned long)sizes[i]);
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, soe_config_init(&config, sizes[i], 0));
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, soe_connect_options_init(&connect, sizes[i]));
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, soe_accept_options_init(&accept, sizes[i]));
  }
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_config_init(&config, sizeof config, 9));
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_config_init(&config, sizeof config, UINT32_MAX));
  CHECK(all_bytes(&config, sizeof config, SENTINEL));
  for (preset = SOE_PRESET_DEFAULT; preset <= SOE_PRESET_PLANETSIDE; preset++) {
    soe_mux *mux = NULL;
    CONTEXT("preset %u", preset);
    memset(&config, SENTINEL, sizeof config);
    CHECK_OK(soe_config_init(&config, sizeof config, preset));
    CHECK_EQUAL(sizeof config, config.struct_size);
    CHECK_OK(soe_mux_create(&config, 0, &mux));
    soe_mux_free(mux);
  }
  CHECK_STATUS(SOE_ERR_NULL, soe_connect_options_init(NULL, sizeof connect));
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_connect_options_init(CROOKED(soe_connect_options), sizeof connect));
  CHECK_STATUS(SOE_ERR_NULL, soe_accept_options_init(NULL, sizeof accept));
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_accept_options_init(CROOKED(soe_accept_options), sizeof accept));
  CHECK(all_bytes(&connect, sizeof connect, SENTINEL) && all_bytes(&accept, sizeof accept, SENTINEL));
  CONTEXT("defaults");
  CHECK_OK(soe_config_init(&config, sizeof config, SOE_PRESET_DEFAULT));
  CHECK(config.flags == 0 && config.application_protocol == NULL && config.cipher_key == NULL && config.rng_seed == 0);
  CHECK(config.protocol_version == 3 && config.udp_length == 512 && config.crc_length == 2 && config.pass0 == 0 && config.pass1 == 0);
  CHECK(config.redundancy == 0 && config.redundancy_delay_us == 10000);
}

/* Every value of the config that is outside its range. */
typedef struct range {
  const char *name;
  size_t offset;
  uint32_t value;
  soe_status expected;
} range;
#define OUTSIDE(field, value, status) {#field, offsetof(soe_config, field), value, status}

static void configs(void) {
  static const range outside[] = {
      OUTSIDE(udp_length, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(udp_length, 15, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(udp_length, 16385, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(udp_length, UINT32_MAX, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(crc_length, 5, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(crc_length, 256, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(crc_length, UINT32_MAX, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(crc_seed_mode, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(confirm_has_version, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(pass0, 5, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(pass0, 256, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(pass1, 5, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(pass1, UINT32_MAX, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(compression_flag, 3, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_inflated, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_inflated, 1048577, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_sessions, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_sessions, 1000001, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_half_open, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_half_open, 1000001, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(connect_retry_ms, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(connect_timeout_ms, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(redundancy, 4, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(reply_unknown_sender, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(allow_port_remap, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(multi_raw, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(protocol_version, 1, SOE_ERR_UNSUPPORTED),
      OUTSIDE(protocol_version, 4, SOE_ERR_UNSUPPORTED),
      OUTSIDE(request_has_name, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(disconnect_has_reason, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(accept_zero_crc, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(passes_cover_raw, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(compression_level, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(compression_level, 10, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(cipher_drop, 65537, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(cipher_scope, 3, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(heartbeat_by, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(heartbeat_by, 4, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(answer_heartbeats, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(probe, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(net_status_by, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(net_status_by, 4, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(ack_every_packet, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(ack_early, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(thorough_peers, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(allow_address_remap, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(multi_varint, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(bundles, 4, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(escape_reliable, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(confirm_smaller_length, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(answer_net_status, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(congestion, 2, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(send_window, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(send_window, 16385, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(receive_window, 31, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(receive_window, 16385, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_message, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_message, (1u << 30) + 1, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(max_queued_events, 0, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(application_protocol_len, 256, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(application_protocol_len, UINT32_MAX, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(cipher_key_len, 257, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(cipher_key_len, UINT32_MAX, SOE_ERR_INVALID_ARGUMENT),
      OUTSIDE(flags, 1u << 31, SOE_ERR_UNSUPPORTED),
  };
  /* Within their range, at its ends. */
  static const range inside[] = {
      OUTSIDE(udp_length, 16, SOE_OK),
      OUTSIDE(udp_length, 64, SOE_OK),
      OUTSIDE(udp_length, 16384, SOE_OK),
      OUTSIDE(crc_length, 0, SOE_OK),
      OUTSIDE(crc_length, 4, SOE_OK),
      OUTSIDE(max_sessions, 1, SOE_OK),
      OUTSIDE(max_sessions, 1000000, SOE_OK),
      OUTSIDE(max_half_open, 1, SOE_OK),
      OUTSIDE(max_half_open, 1000000, SOE_OK),
      OUTSIDE(heartbeat_ms, 0, SOE_OK),
      OUTSIDE(heartbeat_ms, UINT32_MAX, SOE_OK),
      OUTSIDE(inactivity_timeout_ms, 0, SOE_OK),
      OUTSIDE(inactivity_timeout_ms, UINT32_MAX, SOE_OK),
      OUTSIDE(connect_timeout_ms, UINT32_MAX, SOE_OK),
      OUTSIDE(connect_retry_ms, 1, SOE_OK),
      OUTSIDE(flush_timeout_ms, 0, SOE_OK),
      OUTSIDE(redundancy, 3, SOE_OK),
      OUTSIDE(send_window, 16384, SOE_OK),
      OUTSIDE(receive_window, 16384, SOE_OK),
      OUTSIDE(send_queue_bytes, 0, SOE_OK),
      OUTSIDE(send_queue_bytes, UINT32_MAX, SOE_OK),
      OUTSIDE(max_message, 1, SOE_OK),
      OUTSIDE(max_message, 1u << 30, SOE_OK),
      OUTSIDE(max_queued_events, 1, SOE_OK),
      OUTSIDE(max_queued_events, UINT32_MAX, SOE_OK),
      OUTSIDE(protocol_version, 0, SOE_OK),
      OUTSIDE(protocol_version, 3, SOE_OK),
      OUTSIDE(pass0, SOE_PASS_COMPRESS, SOE_OK),
      OUTSIDE(flags, 15, SOE_OK),
  };
  /* Numbers that the header knows: they work, or are not supported yet. */
  static const range known[] = {
      OUTSIDE(pass0, SOE_PASS_COMPRESS_2, SOE_OK),         OUTSIDE(pass0, SOE_PASS_XOR_BUFFER, SOE_OK), OUTSIDE(pass0, SOE_PASS_XOR, SOE_OK),
      OUTSIDE(pass1, SOE_PASS_COMPRESS, SOE_OK),           OUTSIDE(pass1, SOE_PASS_XOR, SOE_OK),        OUTSIDE(protocol_version, 2, SOE_OK),
      OUTSIDE(compression_flag, 1, SOE_OK),                OUTSIDE(compression_flag, 2, SOE_OK),
  };
  static uint8_t bytes[300];
  soe_config config;
  soe_mux *mux = (soe_mux *)&bytes, *const untouched = mux;
  size_t i;
  memset(bytes, 'n', sizeof bytes);
  pair_config(&config, CLIENT);
  CONTEXT("soe_mux_create");
  CHECK_STATUS(SOE_ERR_NULL, soe_mux_create(NULL, 0, &mux));
  CHECK_STATUS(SOE_ERR_NULL, soe_mux_create(&config, 0, NULL));
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_mux_create(CROOKED(soe_config), 0, &mux));
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_mux_create(&config, 0, CROOKED(soe_mux *)));
  for (i = 0; i < sizeof outside / sizeof *outside; i++) {
    pair_config(&config, CLIENT);
    config.application_protocol = (const char *)bytes;
    config.cipher_key = bytes;
    config.cipher_key_len = 1;
    CONTEXT("%s = %u", outside[i].name, outside[i].value);
    memcpy((uint8_t *)&config + outside[i].offset, &outside[i].value, 4);
    CHECK_STATUS(outside[i].expected, soe_mux_create(&config, 0, &mux));
    CHECK(mux == untouched);
  }
  for (i = 0; i < sizeof inside / sizeof *inside; i++) {
    pair_config(&config, CLIENT);
    CONTEXT("%s = %u", inside[i].name, inside[i].value);
    memcpy((uint8_t *)&config + inside[i].offset, &inside[i].value, 4);
    CHECK_OK(soe_mux_create(&config, UINT64_MAX / 2, &mux));
    CHECK(mux && mux != untouched);
    CHECK_OK(soe_mux_tick(mux, UINT64_MAX / 2 + 1));
    soe_mux_free(mux);
    mux = untouched;
  }
  for (i = 0; i < sizeof known / sizeof *known; i++) {
    soe_status status;
    pair_config(&config, CLIENT);
    CONTEXT("%s = %u", known[i].name, known[i].value);
    memcpy((uint8_t *)&config + known[i].offset, &known[i].value, 4);
    status = soe_mux_create(&config, 0, &mux);
    if (status == SOE_OK) {
      soe_mux_free(mux);
    } else {
      CHECK_STATUS(SOE_ERR_UNSUPPORTED, status);
      CHECK(mux == untouched);
    }
    mux = untouched;
  }
  CONTEXT("max_queued_bytes = 0");
  pair_config(&config, CLIENT);
  config.max_queued_bytes = 0;
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_mux_create(&config, 0, &mux));

  CONTEXT("names and keys");
  pair_config(&config, CLIENT);
  config.application_protocol = NULL;
  config.application_protocol_len = 3;
  CHECK_STATUS(SOE_ERR_NULL, soe_mux_create(&config, 0, &mux));
  config.application_protocol = "a\0b";
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_mux_create(&config, 0, &mux));
  config.application_protocol = "name";
  config.application_protocol_len = 4;
  config.cipher_key = NULL;
  config.cipher_key_len = 3;
  CHECK_STATUS(SOE_ERR_NULL, soe_mux_create(&config, 0, &mux));
  CHECK(mux == untouched);
  config.cipher_key_len = 0;
  config.application_protocol = NOWHERE(const char); /* a length of 0: not looked at */
  config.application_protocol_len = 0;
  CHECK_OK(soe_mux_create(&config, 0, &mux));
  soe_mux_free(mux);
  config.application_protocol = (const char *)bytes;
  config.application_protocol_len = 255;
  config.cipher_key = bytes;
  config.cipher_key_len = 256;
  CHECK_OK(soe_mux_create(&config, 0, &mux));
  soe_mux_free(mux);
  CONTEXT("free");
  soe_mux_free(NULL);
}

/* A mistake in the middle of a batch: what stands before it took effect, and nothing behind it. */
static void batches(pair *open) {
  pair p = *open;
  soe_mux *mux = p.mux[CLIENT];
  soe_datagram run[5];
  soe_stats stats, then;
  uint8_t bytes[60];
  size_t used = 4711, i;
  CONTEXT("a mistake in a batch");
  memset(bytes, 0xEE, sizeof bytes);
  memset(run, 0, sizeof run);
  for (i = 0; i < 5; i++) {
    run[i].data = bytes;
    run[i].len = 10;
    run[i].addr = p.addr[SERVER];
    run[i].addr.port = (uint16_t)(run[i].addr.port + (i == 4)); /* the last is a stranger's */
  }
  run[1].len = 60; /* a train of six */
  run[1].segment_size = 10;
  memset(&then, 0, sizeof then);
  memset(&stats, 0, sizeof stats);
  then.struct_size = stats.struct_size = sizeof stats;
  CHECK_OK(soe_mux_get_stats(mux, &then));
  run[3].data = NULL;
  CHECK_STATUS(SOE_ERR_NULL, soe_mux_feed_batch(mux, p.now, run, 5, &used));
  CHECK_EQUAL(3, used);
  CHECK_OK(soe_mux_get_stats(mux, &stats));
  CHECK_EQUAL(then.dropped_crc + 1 + 6 + 1, stats.dropped_crc);
  CHECK_EQUAL(then.dropped_stranger, stats.dropped_stranger);
  run[3].data = bytes;
  run[3].addr.family = 1;
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_mux_feed_batch(mux, p.now, run + 1, 4, &used));
  CHECK_EQUAL(2, used);
  run[3].addr.family = p.addr[SERVER].family;
  CHECK_OK(soe_mux_feed_batch(mux, p.now, run + 3, 2, &used));
  CHECK_EQUAL(2, used);
  CHECK_OK(soe_mux_get_stats(mux, &stats));
  CHECK_EQUAL(then.dropped_crc + 8 + 7 + 1, stats.dropped_crc);
  CHECK_EQUAL(then.dropped_stranger + 1, stats.dropped_stranger);
}

static void datagrams(pair *open) {
  pair p = *open;
  soe_mux *mux = p.mux[CLIENT];
  soe_addr addr = p.addr[SERVER], odd = addr;
  soe_datagram record, out[2];
  soe_event ev[2];
  uint8_t bytes[600];
  size_t n = 4711, used = 4711;
  uint8_t family;
  memset(bytes, 0xEE, sizeof bytes);
  memset(out, SENTINEL, sizeof out);
  memset(ev, SENTINEL, sizeof ev);
  memset(&record, 0, sizeof record);
  record.data = bytes;
  record.len = 10;
  record.addr = addr;
  look(&p, CLIENT, &before);

  CONTEXT("soe_mux_feed");
  FAILS(SOE_ERR_NULL, soe_mux_feed(NULL, p.now, &addr, bytes, 10));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_feed(CROOKED(soe_mux), p.now, &addr, bytes, 10));
  FAILS(SOE_ERR_NULL, soe_mux_feed(mux, p.now, NULL, bytes, 10));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_feed(mux, p.now, CROOKED(soe_addr), bytes, 10));
  FAILS(SOE_ERR_NULL, soe_mux_feed(mux, p.now, &addr, NULL, 10));
  for (family = 1; family; family++) {
    if (family == SOE_FAMILY_V4 || family == SOE_FAMILY_V6) continue;
    odd.family = family;
    FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_feed(mux, p.now, &odd, bytes, 10));
  }
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_feed(mux, p.now, &addr, bytes, SIZE_MAX));

  CONTEXT("soe_mux_feed_batch");
  FAILS(SOE_ERR_NULL, soe_mux_feed_batch(NULL, p.now, &record, 1, &used));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_feed_batch(CROOKED(soe_mux), p.now, &record, 1, &used));
  FAILS(SOE_ERR_NULL, soe_mux_feed_batch(mux, p.now, NULL, 1, &used));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_feed_batch(mux, p.now, CROOKED(soe_datagram), 1, &used));
  FAILS(SOE_ERR_NULL, soe_mux_feed_batch(mux, p.now, &record, 1, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_feed_batch(mux, p.now, &record, 1, CROOKED(size_t)));
  CHECK_EQUAL(4711, used);
  record.data = NULL;
  FAILS(SOE_ERR_NULL, soe_mux_feed_batch(mux, p.now, &record, 1, &used));
  CHECK_EQUAL(0, used);
  record.data = bytes;
  record.addr.family = 1;
  used = 4711;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_feed_batch(mux, p.now, &record, 1, &used));
  CHECK_EQUAL(0, used);

  CONTEXT("soe_mux_tick and deadlines");
  FAILS(SOE_ERR_NULL, soe_mux_tick(NULL, p.now));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_tick(CROOKED(soe_mux), p.now));
  CHECK(soe_mux_next_deadline(NULL) == 0 && soe_mux_next_deadline(CROOKED(soe_mux)) == 0);
  CHECK(soe_mux_timeout_ms(NULL, p.now) == 0 && soe_mux_timeout_ms(CROOKED(soe_mux), p.now) == 0);

  CONTEXT("soe_mux_drain_outgoing");
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing(NULL, p.now, out, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing(CROOKED(soe_mux), p.now, out, 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing(mux, p.now, NULL, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing(mux, p.now, CROOKED(soe_datagram), 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing(mux, p.now, out, 2, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing(mux, p.now, out, 2, CROOKED(size_t)));

  CONTEXT("soe_mux_drain_outgoing_into");
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing_into(NULL, p.now, bytes, sizeof bytes, out, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing_into(CROOKED(soe_mux), p.now, bytes, sizeof bytes, out, 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing_into(mux, p.now, NULL, sizeof bytes, out, 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing_into(mux, p.now, bytes, sizeof bytes, NULL, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing_into(mux, p.now, bytes, sizeof bytes, CROOKED(soe_datagram), 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_outgoing_into(mux, p.now, bytes, sizeof bytes, out, 2, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_outgoing_into(mux, p.now, bytes, sizeof bytes, out, 2, CROOKED(size_t)));

  CONTEXT("soe_mux_drain_events");
  FAILS(SOE_ERR_NULL, soe_mux_drain_events(NULL, ev, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_events(CROOKED(soe_mux), ev, 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_events(mux, NULL, 2, &n));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_events(mux, CROOKED(soe_event), 2, &n));
  FAILS(SOE_ERR_NULL, soe_mux_drain_events(mux, ev, 2, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_drain_events(mux, ev, 2, CROOKED(size_t)));
  CHECK_EQUAL(4711, n);
  CHECK(all_bytes(out, sizeof out, SENTINEL) && all_bytes(ev, sizeof ev, SENTINEL) && all_bytes(bytes, sizeof bytes, 0xEE));

  CONTEXT("lengths of 0");
  CHECK_OK(soe_mux_feed(mux, p.now, &addr, NULL, 0));
  CHECK_OK(soe_mux_feed(mux, p.now, &addr, NOWHERE(const uint8_t), 0));
  CHECK_OK(soe_mux_feed_batch(mux, p.now, NULL, 0, &used));
  CHECK_EQUAL(0, used);
  used = 4711;
  CHECK_OK(soe_mux_feed_batch(mux, p.now, NOWHERE(const soe_datagram), 0, &used));
  CHECK_EQUAL(0, used);
  record.addr = addr;
  record.data = NULL;
  record.len = 0;
  CHECK_OK(soe_mux_feed_batch(mux, p.now, &record, 1, &used));
  CHECK_EQUAL(1, used);
  CHECK_OK(pair_send(&p, CLIENT, 0, "waits", 5));
  n = 4711;
  CHECK_OK(soe_mux_drain_outgoing(mux, p.now, NULL, 0, &n));
  CHECK_EQUAL(0, n);
  n = 4711;
  CHECK_OK(soe_mux_drain_outgoing(mux, p.now, NOWHERE(soe_datagram), 0, &n));
  CHECK_EQUAL(0, n);
  n = 4711;
  CHECK_OK(soe_mux_drain_outgoing_into(mux, p.now, bytes, sizeof bytes, NULL, 0, &n));
  CHECK_EQUAL(0, n);
  CHECK_EQUAL(0, soe_mux_timeout_ms(mux, p.now)); /* it waits still */
  CHECK_OK(soe_mux_drain_outgoing(mux, p.now, out, 2, &n));
  CHECK_EQUAL(1, n);
  CHECK(out[0].data && out[0].len <= 512 && out[0].segment_size == 0 && out[0].session == p.id[CLIENT] && same_addr(&out[0].addr, &addr));
  CHECK(all_bytes(&out[1], sizeof out[1], SENTINEL));
  CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &p.addr[CLIENT], out[0].data, out[0].len));
  n = 4711;
  CHECK_OK(soe_mux_drain_events(p.mux[SERVER], NULL, 0, &n));
  CHECK_EQUAL(0, n);
  CHECK_OK(soe_mux_drain_events(p.mux[SERVER], NOWHERE(soe_event), 0, &n));
  CHECK_EQUAL(0, n);
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[SERVER], p.now));
  CHECK_OK(soe_mux_drain_events(p.mux[SERVER], ev, 2, &n));
  CHECK(n == 1 && ev[0].kind == SOE_EVENT_MESSAGE && ev[0].len == 5 && all_bytes(&ev[1], sizeof ev[1], SENTINEL));
}

/* Bad network input is never an error: every length, every first two bytes, from the peer and from strangers. */
static void any_input(pair *open) {
  static uint8_t datagram[70000];
  pair p = *open;
  soe_addr from[5];
  uint64_t random = 5;
  unsigned i, k;
  size_t len;
  CONTEXT("any input");
  from[0] = p.addr[CLIENT];
  from[1] = v4(99, 9);
  from[2] = v4(98, 0); /* a port that nobody can be answered at */
  memset(&from[3], 0xAB, sizeof from[3]);
  from[3].family = SOE_FAMILY_V6;
  memset(&from[4], 0, sizeof from[4]); /* opaque */
  for (i = 0; i < 5; i++) {
    for (k = 0; k < 65536; k += rounds(1, 17)) {
      datagram[0] = k < 20000 ? 0 : (uint8_t)(k >> 8);
      datagram[1] = (uint8_t)k;
      len = 2 + k % 40;
      if (k % 64 == 0) {
        unsigned j;
        for (j = 2; j < 64; j++) datagram[j] = (uint8_t)chance(&random);
      }
      CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &from[i], datagram, len));
    }
    for (len = 0; len <= sizeof datagram; len = len * 5 / 4 + 1) CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &from[i], datagram, len));
    CHECK_OK(soe_mux_feed(p.mux[SERVER], p.now, &from[i], datagram, sizeof datagram));
  }
  for (;;) { /* answers go to where answers can go */
    soe_datagram out[64];
    size_t n = 0;
    CHECK_OK(soe_mux_drain_outgoing(p.mux[SERVER], p.now, out, 64, &n));
    if (!n) break;
    for (i = 0; i < n; i++) CHECK(out[i].addr.port != 0 || out[i].addr.family == SOE_FAMILY_OPAQUE);
  }
  CHECK_OK(pair_send(&p, SERVER, 0, "well", 4));
}

static void sessions(pair *open) {
  pair p = *open;
  soe_mux *mux = p.mux[CLIENT];
  soe_session_id id = p.id[CLIENT], found = 4711;
  soe_addr to = v4(50, 5), odd = to;
  soe_connect_options connect;
  soe_accept_options accept;
  soe_cipher cipher;
  soe_session_info info;
  soe_stats stats;
  uint8_t bytes[1100];
  soe_config config;
  pair other;
  memset(bytes, 'n', sizeof bytes);

  look(&p, CLIENT, &before);
  CONTEXT("soe_mux_connect");
  CHECK_OK(soe_connect_options_init(&connect, sizeof connect));
  FAILS(SOE_ERR_NULL, soe_mux_connect(NULL, p.now, &to, NULL, &found));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_connect(CROOKED(soe_mux), p.now, &to, NULL, &found));
  FAILS(SOE_ERR_NULL, soe_mux_connect(mux, p.now, NULL, NULL, &found));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_connect(mux, p.now, CROOKED(soe_addr), NULL, &found));
  FAILS(SOE_ERR_NULL, soe_mux_connect(mux, p.now, &to, NULL, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_connect(mux, p.now, &to, NULL, CROOKED(soe_session_id)));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_connect(mux, p.now, &to, CROOKED(soe_connect_options), &found));
  odd.family = 3;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_connect(mux, p.now, &odd, NULL, &found));
  odd = to;
  odd.port = 0;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_connect(mux, p.now, &odd, NULL, &found));
  connect.application_protocol_len = 1;
  FAILS(SOE_ERR_NULL, soe_mux_connect(mux, p.now, &to, &connect, &found));
  connect.application_protocol = (const char *)bytes;
  connect.application_protocol_len = 256;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_connect(mux, p.now, &to, &connect, &found));
  connect.application_protocol = "a\0b";
  connect.application_protocol_len = 3;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_connect(mux, p.now, &to, &connect, &found));
  FAILS(SOE_ERR_STATE, soe_mux_connect(mux, p.now, &p.addr[SERVER], NULL, &found));
  CHECK_EQUAL(4711, found);

  CONTEXT("soe_session_send");
  FAILS(SOE_ERR_NULL, soe_session_send(NULL, id, 0, bytes, 1));
  FAILS(SOE_ERR_MISALIGNED, soe_session_send(CROOKED(soe_mux), id, 0, bytes, 1));
  FAILS(SOE_ERR_NULL, soe_session_send(mux, id, 0, NULL, 1));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, 0, NULL, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, 0, NOWHERE(const uint8_t), 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, SOE_CHANNEL_UNRELIABLE, bytes, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, SOE_CHANNEL_ORDERED, bytes, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, 7, bytes, 1));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, 256, bytes, 1));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_send(mux, id, UINT32_MAX, bytes, 1));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_send(mux, 0, 0, bytes, 1));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_send(mux, id + ((uint64_t)1 << 24), 0, bytes, 1));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_send(mux, id | (uint64_t)1 << 53, 0, bytes, 1));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_send(mux, UINT64_MAX, 0, bytes, 1));
  FAILS(SOE_ERR_TOO_LARGE, soe_session_send(mux, id, 0, bytes, SIZE_MAX)); /* not one byte of it is read */
  FAILS(SOE_ERR_TOO_LARGE, soe_session_send(mux, id, 0, bytes, ((size_t)1 << 30) + 1));

  CONTEXT("soe_session_disconnect");
  FAILS(SOE_ERR_NULL, soe_session_disconnect(NULL, id, 6, 0));
  FAILS(SOE_ERR_MISALIGNED, soe_session_disconnect(CROOKED(soe_mux), id, 6, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_disconnect(mux, id, 65536, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_disconnect(mux, id, UINT32_MAX, 0));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_disconnect(mux, id, 6, 3));
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_disconnect(mux, id, 6, UINT32_MAX));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_disconnect(mux, 0, 6, 0));

  CONTEXT("soe_session_accept");
  CHECK_OK(soe_accept_options_init(&accept, sizeof accept));
  FAILS(SOE_ERR_NULL, soe_session_accept(NULL, p.now, id, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_session_accept(CROOKED(soe_mux), p.now, id, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_session_accept(mux, p.now, id, CROOKED(soe_accept_options)));
  FAILS(SOE_ERR_STATE, soe_session_accept(mux, p.now, id, &accept));
  FAILS(SOE_ERR_STATE, soe_session_accept(mux, p.now, id, NULL));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_accept(mux, p.now, 0, NULL));

  CONTEXT("soe_session_set_cipher");
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = SOE_CIPHER_BOTH;
  cipher.key = bytes;
  cipher.key_len = 5;
  FAILS(SOE_ERR_NULL, soe_session_set_cipher(NULL, id, &cipher));
  FAILS(SOE_ERR_MISALIGNED, soe_session_set_cipher(CROOKED(soe_mux), id, &cipher));
  FAILS(SOE_ERR_NULL, soe_session_set_cipher(mux, id, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_session_set_cipher(mux, id, CROOKED(soe_cipher)));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_set_cipher(mux, 0, &cipher));
  cipher.direction = 0;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.direction = 4;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.direction = SOE_CIPHER_BOTH;
  cipher.scope = 3;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.scope = 0;
  cipher.drop = 65537;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.drop = UINT32_MAX; /* not skipped first and refused afterwards */
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.drop = 0;
  cipher.key_len = 257;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.key_len = UINT32_MAX;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_session_set_cipher(mux, id, &cipher));
  cipher.key = NULL;
  cipher.key_len = 5;
  FAILS(SOE_ERR_NULL, soe_session_set_cipher(mux, id, &cipher));
  {
    soe_datagram out[2];
    size_t n = 0;
    CHECK_OK(pair_send(&p, CLIENT, 0, "still in plain text", 19)); /* none of these turned it on */
    CHECK_OK(soe_mux_drain_outgoing(mux, p.now, out, 2, &n));
    CHECK(n == 1 && holds_bytes(out[0].data, out[0].len, (const uint8_t *)"still in plain text", 19));
  }
  look(&p, CLIENT, &before);

  CONTEXT("soe_session_set_user_data");
  FAILS(SOE_ERR_NULL, soe_session_set_user_data(NULL, id, 1));
  FAILS(SOE_ERR_MISALIGNED, soe_session_set_user_data(CROOKED(soe_mux), id, 1));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_set_user_data(mux, 0, 1));

  CONTEXT("soe_session_get_info");
  memset(&info, SENTINEL, sizeof info);
  info.struct_size = sizeof info;
  FAILS(SOE_ERR_NULL, soe_session_get_info(NULL, id, &info));
  FAILS(SOE_ERR_MISALIGNED, soe_session_get_info(CROOKED(soe_mux), id, &info));
  FAILS(SOE_ERR_NULL, soe_session_get_info(mux, id, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_session_get_info(mux, id, CROOKED(soe_session_info)));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_get_info(mux, 0, &info));
  info.struct_size = 7;
  FAILS(SOE_ERR_STRUCT_SIZE, soe_session_get_info(mux, id, &info));
  CHECK(all_bytes((uint8_t *)&info + 4, sizeof info - 4, SENTINEL));

  CONTEXT("statistics");
  memset(&stats, SENTINEL, sizeof stats);
  stats.struct_size = sizeof stats;
  FAILS(SOE_ERR_NULL, soe_session_get_stats(NULL, id, &stats));
  FAILS(SOE_ERR_MISALIGNED, soe_session_get_stats(CROOKED(soe_mux), id, &stats));
  FAILS(SOE_ERR_NULL, soe_session_get_stats(mux, id, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_session_get_stats(mux, id, CROOKED(soe_stats)));
  FAILS(SOE_ERR_STALE_SESSION, soe_session_get_stats(mux, 0, &stats));
  FAILS(SOE_ERR_NULL, soe_mux_get_stats(NULL, &stats));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_get_stats(CROOKED(soe_mux), &stats));
  FAILS(SOE_ERR_NULL, soe_mux_get_stats(mux, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_get_stats(mux, CROOKED(soe_stats)));
  stats.struct_size = 0;
  FAILS(SOE_ERR_STRUCT_SIZE, soe_mux_get_stats(mux, &stats));
  FAILS(SOE_ERR_STRUCT_SIZE, soe_session_get_stats(mux, id, &stats));
  CHECK(all_bytes((uint8_t *)&stats + 4, sizeof stats - 4, SENTINEL));

  CONTEXT("soe_mux_find");
  FAILS(SOE_ERR_NULL, soe_mux_find(NULL, &to, &found));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_find(CROOKED(soe_mux), &to, &found));
  FAILS(SOE_ERR_NULL, soe_mux_find(mux, NULL, &found));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_find(mux, CROOKED(soe_addr), &found));
  FAILS(SOE_ERR_NULL, soe_mux_find(mux, &to, NULL));
  FAILS(SOE_ERR_MISALIGNED, soe_mux_find(mux, &to, CROOKED(soe_session_id)));
  odd = to;
  odd.family = 9;
  FAILS(SOE_ERR_INVALID_ARGUMENT, soe_mux_find(mux, &odd, &found));
  CHECK_EQUAL(4711, found);

  CONTEXT("max_message");
  pair_config(&config, CLIENT);
  config.max_message = 1000;
  pair_begin(&other, &config, &config);
  pair_connect(&other, NULL);
  CHECK_STATUS(SOE_ERR_TOO_LARGE, pair_send(&other, CLIENT, 0, bytes, 1001));
  CHECK_STATUS(SOE_ERR_TOO_LARGE, pair_send(&other, CLIENT, SOE_CHANNEL_UNRELIABLE, bytes, 1001));
  CHECK_OK(pair_send(&other, CLIENT, 0, bytes, 1000));
  CHECK_OK(pair_send(&other, CLIENT, SOE_CHANNEL_ORDERED_2, bytes, 1000));
  pair_run(&other, 1000000);
  CHECK_EQUAL(2, other.messages[SERVER]);
  pair_end(&other);
}

/* Accepting with values outside their range leaves the request as it waits. */
static int is_requested(pair *p) { return p->requests[SERVER] != 0; }
static void accepting(void) {
  static const int32_t bad_pass[] = {5, 256, -2, INT32_MAX, INT32_MIN}, bad_crc[] = {5, 255, 256, -2, INT32_MAX, INT32_MIN};
  static uint8_t key[300];
  soe_accept_options options;
  soe_config config;
  soe_status status;
  size_t i;
  pair p;
  CONTEXT("accepting");
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_MANUAL_ACCEPT;
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, is_requested, 10000000));
  CHECK_OK(soe_accept_options_init(&options, sizeof options));
  CHECK(options.pass0 == SOE_ACCEPT_DEFAULT && options.pass1 == SOE_ACCEPT_DEFAULT && options.crc_length == SOE_ACCEPT_DEFAULT);
  for (i = 0; i < sizeof bad_pass / sizeof *bad_pass; i++) {
    CONTEXT("accepting with pass %d", (int)bad_pass[i]);
    options.pass0 = bad_pass[i];
    options.pass1 = SOE_PASS_NONE;
    CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
    options.pass0 = SOE_PASS_NONE;
    options.pass1 = bad_pass[i];
    CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  }
  CHECK_OK(soe_accept_options_init(&options, sizeof options));
  for (i = 0; i < sizeof bad_crc / sizeof *bad_crc; i++) {
    CONTEXT("accepting with CRC length %d", (int)bad_crc[i]);
    options.crc_length = bad_crc[i];
    CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  }
  CONTEXT("accepting with keys and flags");
  CHECK_OK(soe_accept_options_init(&options, sizeof options));
  options.cipher_key_len = 3;
  CHECK_STATUS(SOE_ERR_NULL, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  options.cipher_key = key;
  options.cipher_key_len = 257;
  CHECK_STATUS(SOE_ERR_INVALID_ARGUMENT, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  CHECK_OK(soe_accept_options_init(&options, sizeof options));
  options.flags = 1;
  status = soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options);
  CHECK(status == SOE_ERR_UNSUPPORTED || status == SOE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(SOE_ERR_MISALIGNED, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], CROOKED(soe_accept_options)));
  CHECK_EQUAL(SOE_SESSION_REQUESTED, pair_info(&p, SERVER).state);
  CHECK_EQUAL(0, pair_outgoing(&p, SERVER));
  CHECK_OK(soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], NULL));
  CHECK(pair_run_until(&p, pair_is_open, 10000000));
  pair_end(&p);
}

/* Addresses of every family name sessions; members that the family does not use do not. */
static void addresses(void) {
  soe_addr with[4], without, got;
  soe_session_id id = 0, found = 0, second = 0;
  soe_datagram out[4];
  size_t n = 0, i;
  pair p;
  CONTEXT("addresses");
  pair_begin(&p, NULL, NULL);
  memset(with, 0, sizeof with);
  with[0] = v4(7, 70);
  memset(&with[1], 0x31, sizeof with[1]);
  with[1].family = SOE_FAMILY_V6;
  with[1].reserved = 0;
  with[2] = with[1];
  with[2].scope_id++; /* a link-local address on another link */
  memset(&with[3], 0x31, 16);
  with[3].family = SOE_FAMILY_OPAQUE;
  for (i = 0; i < 4; i++) {
    CONTEXT("address %lu", (unsigned long)i);
    CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &with[i], NULL, &id));
    CHECK_OK(soe_mux_find(p.mux[CLIENT], &with[i], &found));
    CHECK_EQUAL(id, found);
    CHECK_OK(soe_mux_drain_outgoing(p.mux[CLIENT], p.now, out, 4, &n));
    CHECK(n == 1 && same_addr(&out[0].addr, &with[i]));
    without = with[i];
    without.reserved = 9;
    if (with[i].family == SOE_FAMILY_V4) {
      memset(without.ip + 4, 9, 12);
      without.scope_id = 9;
    }
    CHECK_OK(soe_mux_find(p.mux[CLIENT], &without, &found));
    CHECK_EQUAL(id, found);
    CHECK_STATUS(SOE_ERR_STATE, soe_mux_connect(p.mux[CLIENT], p.now, &without, NULL, &second));
    without = with[i];
    without.port++;
    CHECK_OK(soe_mux_find(p.mux[CLIENT], &without, &found));
    CHECK_EQUAL(0, found);
  }
  /* What the library hands out has zeros there. */
  CONTEXT("addresses out");
  without = v4(8, 80);
  memset(without.ip + 4, 9, 12);
  without.scope_id = 9;
  without.reserved = 9;
  got = v4(8, 80);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &without, NULL, &id));
  CHECK_OK(soe_mux_drain_outgoing(p.mux[CLIENT], p.now, out, 4, &n));
  CHECK(n == 1 && same_addr(&out[0].addr, &got));
  pair_end(&p);
}

static void strings(void) {
  int32_t status;
  unsigned part[3];
  char rest;
  CONTEXT("strings");
  for (status = -300; status < 20; status++) {
    const char *text = soe_status_string(status);
    CHECK(text && text[0] && strlen(text) < 200);
  }
  CHECK(soe_status_string(INT32_MIN) && soe_status_string(INT32_MAX));
  CHECK(strcmp(soe_status_string(SOE_OK), soe_status_string(SOE_ERR_NULL)) != 0);
  CHECK(sscanf(soe_version_string(), "%u.%u.%u%c", &part[0], &part[1], &part[2], &rest) >= 3);
  CHECK_EQUAL(SOE_ABI_VERSION, soe_abi_version());
}

int main(void) {
  pair p;
  memset(room_for_crooked, 0, sizeof room_for_crooked);
  init_functions();
  configs();
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  sessions(&p);
  pair_run(&p, 10000000); /* what it drained and did not deliver is sent again */
  datagrams(&p);
  batches(&p);
  pair_run(&p, 100000);
  any_input(&p);
  pair_end(&p);
  accepting();
  addresses();
  strings();
  printf("abi_rules: ok\n");
  return 0;
}
