/* A session from its first request to its last event, and all the ways in which it can end. */
#include "pair.h"

enum { LIMIT_US = 60000000 };

/* ------------------------------------------------------------- opening */

static uint64_t seen_user_data[2];
static char seen_name[2][256];
static uint32_t seen_name_len[2];

static void note_event(pair *p, int side, const soe_event *ev) {
  (void)p;
  if (ev->kind == SOE_EVENT_CONNECTED || ev->kind == SOE_EVENT_CONNECT_REQUEST) {
    CHECK(ev->len < 256 && ev->data);
    memset(seen_name[side], 0, 256);
    memcpy(seen_name[side], ev->data, ev->len);
    seen_name_len[side] = ev->len;
  }
  seen_user_data[side] = ev->user_data;
  CHECK(ev->session > 0 && ev->session < (uint64_t)1 << 53);
  CHECK(ev->time_us <= p->now && ev->time_us + 1000000 > p->now);
  CHECK(ev->reserved == 0 && ev->arg == 0);
  if (ev->kind != SOE_EVENT_MESSAGE && ev->kind != SOE_EVENT_DISCONNECTED) CHECK(ev->channel == 0);
  if (ev->kind != SOE_EVENT_DISCONNECTED) CHECK(ev->code == 0);
}

static void opens(void) {
  soe_config config[2];
  soe_connect_options options;
  soe_session_info info;
  soe_session_id found = 0, second = 0;
  soe_addr stranger = v4(77, 7);
  soe_stats stats;
  pair p;
  int side;
  CONTEXT("opening");
  for (side = 0; side < 2; side++) {
    pair_config(&config[side], side);
    config[side].crc_seed_mode = SOE_CRC_SEED_FIXED;
    config[side].crc_seed = 0x01020304;
    config[side].crc_length = 3;
    config[side].udp_length = side == CLIENT ? 400 : 600;
  }
  pair_begin(&p, &config[CLIENT], &config[SERVER]);
  p.on_event = note_event;
  CHECK_OK(soe_connect_options_init(&options, sizeof options));
  options.session_id_on_wire = 9;
  options.user_data = 5;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], &options, &p.id[CLIENT]));
  CHECK(p.id[CLIENT] > 0 && p.id[CLIENT] < (uint64_t)1 << 53);

  /* Before it is connected. */
  CHECK_STATUS(SOE_ERR_STATE, pair_send(&p, CLIENT, 0, "early", 5));
  CHECK_STATUS(SOE_ERR_STATE, soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &second));
  CHECK_EQUAL(0, second);
  info = pair_info(&p, CLIENT);
  CHECK_EQUAL(SOE_SESSION_CONNECTING, info.state);
  CHECK(info.is_client == 1 && info.user_data == 5 && info.session_id_on_wire == 9);
  CHECK_OK(soe_mux_find(p.mux[CLIENT], &p.addr[SERVER], &found));
  CHECK_EQUAL(p.id[CLIENT], found);

  CHECK(pair_run_until(&p, pair_is_open, LIMIT_US));
  pair_run(&p, 100000);
  CHECK(p.connected[CLIENT] == 1 && p.connected[SERVER] == 1);
  CHECK_EQUAL(5, seen_user_data[CLIENT]);
  CHECK_EQUAL(0, seen_user_data[SERVER]);
  for (side = 0; side < 2; side++) {
    CHECK(seen_name_len[side] == 6 && strcmp(seen_name[side], "Test_1") == 0);
    info = pair_info(&p, side);
    CHECK_EQUAL(SOE_SESSION_CONNECTED, info.state);
    CHECK_EQUAL(side == CLIENT, info.is_client);
    CHECK(same_addr(&info.addr, &p.addr[1 - side]));
    CHECK_EQUAL(9, info.session_id_on_wire);
    CHECK_EQUAL(0x01020304, info.crc_seed);
    CHECK_EQUAL(3, info.crc_length);
    CHECK_EQUAL(3, info.protocol_version);
    CHECK_EQUAL(400, info.udp_length);
    CHECK(info.pass0 == SOE_PASS_NONE && info.pass1 == SOE_PASS_NONE);
    CHECK(info.application_protocol_len == 6 && strcmp(info.application_protocol, "Test_1") == 0);
    CHECK_EQUAL(0, info.queued_bytes);
    CHECK(info.rtt_us == 10000 || (info.rtt_us > 8000 && info.rtt_us < 20000)); /* 5 ms each way */
    CHECK(info.loss_sent_ppm == SOE_UNKNOWN && info.loss_received_ppm == SOE_UNKNOWN);
    CHECK_OK(soe_mux_find(p.mux[side], &p.addr[1 - side], &found));
    CHECK_EQUAL(p.id[side], found);
    CHECK_OK(soe_mux_find(p.mux[side], &stranger, &found));
    CHECK_EQUAL(0, found);
    stats = pair_stats(&p, side);
    CHECK_EQUAL(1, stats.sessions_connected);
    CHECK_EQUAL(0, stats.sessions_disconnected);
  }
  CHECK_STATUS(SOE_ERR_STATE, soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &second));
  CHECK_STATUS(SOE_ERR_STATE, soe_mux_connect(p.mux[SERVER], p.now, &p.addr[CLIENT], NULL, &second));
  CHECK_STATUS(SOE_ERR_STATE, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], NULL));

  /* User data: from the next event on. */
  CHECK_OK(soe_session_set_user_data(p.mux[SERVER], p.id[SERVER], UINT64_MAX));
  CHECK(pair_info(&p, SERVER).user_data == UINT64_MAX);
  CHECK_OK(pair_send(&p, CLIENT, 1, "data", 4));
  CHECK(pair_info(&p, CLIENT).queued_bytes >= 4 && pair_info(&p, CLIENT).queued_bytes <= 16); /* framing may count */
  pair_run(&p, 100000);
  CHECK(seen_user_data[SERVER] == UINT64_MAX);
  CHECK_EQUAL(0, pair_info(&p, CLIENT).queued_bytes);
  pair_end(&p);
}

/* The event keeps the user data that the session had when it was queued. */
static void user_data_is_that_of_its_time(void) {
  pair p;
  soe_event ev[4];
  size_t n = 0;
  flight landed;
  CONTEXT("user data");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  CHECK_OK(soe_session_set_user_data(p.mux[SERVER], p.id[SERVER], 1));
  CHECK_OK(pair_send(&p, CLIENT, 0, "one", 3));
  pair_outgoing(&p, CLIENT);
  p.now += 10000;
  while (pair_land(&p, &landed)) {
    pair_feed(&p, landed.to, landed.data, landed.len);
    free(landed.data);
  }
  CHECK_OK(soe_session_set_user_data(p.mux[SERVER], p.id[SERVER], 2));
  CHECK_OK(soe_mux_drain_events(p.mux[SERVER], ev, 4, &n));
  CHECK(n == 1 && ev[0].user_data == 1 && ev[0].time_us == p.now);
  pair_end(&p);
}

static unsigned requests_seen;
static void count_requests(pair *p, int side, const soe_datagram *d) {
  (void)p;
  if (side == CLIENT && d->len > 2 && d->data[0] == 0 && d->data[1] == 1) requests_seen++;
}

static void connect_times_out(void) {
  soe_config config;
  soe_connect_options options;
  pair p;
  CONTEXT("nobody answers");
  pair_config(&config, CLIENT);
  config.connect_timeout_ms = 4500;
  pair_begin(&p, &config, NULL);
  p.cut[CLIENT] = 1;
  p.on_datagram = count_requests;
  requests_seen = 0;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  pair_run(&p, 4400000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]);
  CHECK_EQUAL(5, requests_seen); /* at once, and each second */
  pair_run(&p, 200000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK_EQUAL(SOE_ENDED_BY_LIBRARY, p.ended_by[CLIENT]);
  CHECK_EQUAL(SOE_REASON_CONNECT_FAIL, p.reason[CLIENT]);
  CHECK_EQUAL(0, p.connected[CLIENT]);
  CHECK_STATUS(SOE_ERR_STALE_SESSION, pair_send(&p, CLIENT, 0, "late", 4));

  /* The options' timeout goes before the config's; the address is free again. */
  CHECK_OK(soe_connect_options_init(&options, sizeof options));
  options.timeout_ms = 300;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], &options, &p.id[CLIENT]));
  pair_run(&p, 290000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  pair_run(&p, 20000);
  CHECK_EQUAL(2, p.disconnected[CLIENT]);

  /* Given up by the host: no Disconnect can be sent, since nothing was agreed. */
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_FLUSH));
  pair_run(&p, 10000);
  CHECK_EQUAL(3, p.disconnected[CLIENT]);
  CHECK_EQUAL(SOE_ENDED_BY_HOST, p.ended_by[CLIENT]);
  CHECK_EQUAL(6, p.reason[CLIENT]);
  pair_end(&p);
}

/* A lost request and a lost response are made up for. */
static void handshake_under_loss(void) {
  pair p;
  CONTEXT("the first request and the first response are lost");
  pair_begin(&p, NULL, NULL);
  p.cut[CLIENT] = 1;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  pair_run(&p, 500000);
  p.cut[CLIENT] = 0;
  p.cut[SERVER] = 1;
  pair_run(&p, 1000000);
  CHECK(!p.connected[CLIENT]);
  p.cut[SERVER] = 0;
  CHECK(pair_run_until(&p, pair_is_open, 2000000));
  pair_run(&p, 5000000);
  CHECK(p.connected[CLIENT] == 1 && p.connected[SERVER] == 1);
  CHECK_EQUAL(1, pair_stats(&p, SERVER).sessions_connected);
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  pair_run(&p, 100000);
  CHECK_EQUAL(1, p.messages[SERVER]);
  pair_end(&p);
}

static int client_is_over(pair *p) { return p->disconnected[CLIENT] != 0; }

static void wrong_name(void) {
  soe_config config;
  soe_connect_options options;
  pair p;
  CONTEXT("another application protocol");
  pair_config(&config, SERVER);
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_connect_options_init(&options, sizeof options));
  options.application_protocol = "Test_2";
  options.application_protocol_len = 6;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], &options, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, client_is_over, LIMIT_US));
  CHECK_EQUAL(SOE_ENDED_BY_PEER, p.ended_by[CLIENT]);
  CHECK_EQUAL(SOE_REASON_PROTOCOL_MISMATCH, p.reason[CLIENT]);
  CHECK_EQUAL(0, p.connected[SERVER]);
  CHECK_EQUAL(1, pair_stats(&p, SERVER).requests_refused);
  pair_end(&p);

  CONTEXT("a server that takes any");
  config.application_protocol = NULL;
  config.application_protocol_len = 0;
  pair_begin(&p, NULL, &config);
  p.on_event = note_event;
  pair_connect(&p, &options);
  CHECK(strcmp(seen_name[SERVER], "Test_2") == 0 && strcmp(seen_name[CLIENT], "Test_2") == 0);
  CHECK(strcmp(pair_info(&p, SERVER).application_protocol, "Test_2") == 0);
  CHECK(strcmp(pair_info(&p, CLIENT).application_protocol, "Test_2") == 0);
  pair_end(&p);
}

static void server_is_full(void) {
  soe_config config;
  soe_session_id id = 0;
  soe_addr third = v4(3, 3);
  pair p;
  CONTEXT("max_sessions");
  pair_config(&config, SERVER);
  config.max_sessions = 1;
  pair_begin(&p, &config, &config);
  pair_connect(&p, NULL);
  CHECK_STATUS(SOE_ERR_LIMIT, soe_mux_connect(p.mux[CLIENT], p.now, &third, NULL, &id));
  CHECK_EQUAL(0, id);
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_NOW));
  CHECK(pair_run_until(&p, pair_is_over, LIMIT_US));
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &third, NULL, &id));
  pair_end(&p);
}

/* ------------------------------------------------------------- asking the host */

static int is_requested(pair *p) { return p->requests[SERVER] != 0; }

static void manual_accept(void) {
  static const uint8_t key[2] = {1, 2};
  soe_config config;
  soe_accept_options options;
  soe_session_info info;
  pair p;
  CONTEXT("manual accept");
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_MANUAL_ACCEPT;
  pair_begin(&p, NULL, &config);
  p.on_event = note_event;
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, is_requested, LIMIT_US));
  pair_run(&p, 3500000); /* it waits, whatever the client repeats */
  CHECK_EQUAL(1, p.requests[SERVER]);
  CHECK(p.connected[CLIENT] == 0 && p.connected[SERVER] == 0);
  CHECK(seen_name_len[SERVER] == 6 && strcmp(seen_name[SERVER], "Test_1") == 0);
  info = pair_info(&p, SERVER);
  CHECK_EQUAL(SOE_SESSION_REQUESTED, info.state);
  CHECK(same_addr(&info.addr, &p.addr[CLIENT]));
  CHECK_STATUS(SOE_ERR_STATE, pair_send(&p, SERVER, 0, "early", 5));

  CHECK_OK(soe_accept_options_init(&options, sizeof options));
  options.user_data = 4711;
  options.pass0 = SOE_PASS_COMPRESS;
  options.pass1 = SOE_PASS_NONE;
  options.crc_length = 4;
  options.cipher_key = key;
  options.cipher_key_len = sizeof key;
  CHECK_OK(soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  CHECK_STATUS(SOE_ERR_STATE, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], &options));
  CHECK_EQUAL(SOE_SESSION_ACCEPTED, pair_info(&p, SERVER).state);
  {
    soe_session_id requested = p.id[SERVER];
    soe_cipher cipher;
    CHECK(pair_run_until(&p, pair_is_open, LIMIT_US));
    CHECK_EQUAL(requested, p.id[SERVER]);
    memset(&cipher, 0, sizeof cipher);
    cipher.struct_size = sizeof cipher;
    cipher.direction = SOE_CIPHER_BOTH;
    cipher.key = key;
    cipher.key_len = sizeof key;
    CHECK_OK(soe_session_set_cipher(p.mux[CLIENT], p.id[CLIENT], &cipher));
  }
  CHECK_EQUAL(4711, seen_user_data[SERVER]);
  info = pair_info(&p, CLIENT);
  CHECK(info.crc_length == 4 && info.pass0 == SOE_PASS_COMPRESS && info.pass1 == SOE_PASS_NONE);
  info = pair_info(&p, SERVER);
  CHECK(info.crc_length == 4 && info.pass0 == SOE_PASS_COMPRESS && info.user_data == 4711);
  CHECK_OK(pair_send(&p, CLIENT, 0, "enciphered", 10));
  CHECK_OK(pair_send(&p, SERVER, 0, "enciphered", 10));
  pair_run(&p, 100000);
  CHECK(p.messages[CLIENT] == 1 && p.messages[SERVER] == 1);
  pair_end(&p);
}

static void refused(uint32_t flags) {
  soe_config config;
  pair p;
  CONTEXT("refused, flags %u", flags);
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_MANUAL_ACCEPT;
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, is_requested, LIMIT_US));
  CHECK_OK(soe_session_disconnect(p.mux[SERVER], p.id[SERVER], SOE_REASON_CONNECTION_REFUSED, flags));
  CHECK_STATUS(SOE_ERR_STATE, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], NULL)); /* too late */
  CHECK_STATUS(SOE_ERR_STATE, soe_session_disconnect(p.mux[SERVER], p.id[SERVER], 6, flags));
  pair_run(&p, 500000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK_EQUAL(SOE_ENDED_BY_PEER, p.ended_by[CLIENT]);
  CHECK_EQUAL(SOE_REASON_CONNECTION_REFUSED, p.reason[CLIENT]);
  CHECK_EQUAL(1, p.disconnected[SERVER]); /* the last event for its id */
  CHECK_EQUAL(SOE_ENDED_BY_HOST, p.ended_by[SERVER]);
  CHECK_EQUAL(SOE_REASON_CONNECTION_REFUSED, p.reason[SERVER]);
  CHECK_EQUAL(0, p.connected[SERVER]);
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], NULL));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_disconnect(p.mux[SERVER], p.id[SERVER], 10, flags));
  CHECK_EQUAL(1, pair_stats(&p, SERVER).requests_refused);
  pair_end(&p);
}

/* A request that the host never answers is forgotten; the host hears of that too. */
static void never_answered(void) {
  soe_config config;
  pair p;
  CONTEXT("a request that the host never answers");
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_MANUAL_ACCEPT;
  config.connect_timeout_ms = 3000;
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, is_requested, LIMIT_US));
  p.cut[CLIENT] = 1;
  pair_run(&p, 4000000);
  CHECK_EQUAL(1, p.disconnected[SERVER]);
  CHECK_EQUAL(SOE_ENDED_BY_LIBRARY, p.ended_by[SERVER]);
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], NULL));
  pair_end(&p);
}

static void connected_at_request(void) {
  soe_config config;
  pair p;
  CONTEXT("connected at request");
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_CONNECTED_AT_REQUEST;
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  pair_outgoing(&p, CLIENT);
  p.now += p.delay_us;
  pair_turn(&p);
  CHECK_EQUAL(1, p.connected[SERVER]);
  CHECK_EQUAL(0, p.connected[CLIENT]);
  CHECK_OK(pair_send(&p, SERVER, 0, "the server speaks first", 23));
  pair_run(&p, 2000000);
  CHECK_EQUAL(1, p.messages[CLIENT]);
  CHECK_EQUAL(1, p.connected[SERVER]);
  pair_end(&p);

  /* Without it, the first datagram of the client connects the server. */
  CONTEXT("connected with the first datagram");
  pair_begin(&p, NULL, NULL);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  pair_outgoing(&p, CLIENT);
  p.now += p.delay_us;
  pair_turn(&p);
  CHECK_EQUAL(0, p.connected[SERVER]);
  pair_run(&p, 100000);
  CHECK(p.connected[SERVER] == 1 && p.connected[CLIENT] == 1);
  pair_end(&p);
}

/* ------------------------------------------------------------- ending */

static void stale_everywhere(soe_mux *mux, soe_session_id id, uint64_t now) {
  soe_session_info info;
  soe_stats stats;
  soe_cipher cipher;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = SOE_CIPHER_BOTH;
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_send(mux, id, 0, (const uint8_t *)"x", 1));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_disconnect(mux, id, 6, SOE_DISCONNECT_NOW));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_accept(mux, now, id, NULL));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_set_user_data(mux, id, 1));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_set_cipher(mux, id, &cipher));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_get_info(mux, id, &info));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, soe_session_get_stats(mux, id, &stats));
  CHECK(all_bytes((const uint8_t *)&info + 4, sizeof info - 4, 0));
  CHECK(all_bytes((const uint8_t *)&stats + 4, sizeof stats - 4, 0));
}

static void stale_ids(void) {
  static const uint64_t never[] = {0, 1, 2, 77, (uint64_t)1 << 24, (uint64_t)1 << 52, ((uint64_t)1 << 53) - 1, (uint64_t)1 << 53, (uint64_t)1 << 63, UINT64_MAX, 0xFFFFFFFF};
  soe_session_id ids[40];
  unsigned i, k;
  pair p;
  CONTEXT("stale ids");
  pair_begin(&p, NULL, NULL);
  for (i = 0; i < sizeof never / sizeof *never; i++) {
    CONTEXT("id %llu", (unsigned long long)never[i]);
    stale_everywhere(p.mux[CLIENT], never[i], p.now);
  }
  for (i = 0; i < 20; i++) {
    CONTEXT("session %u", i);
    p.connected[0] = p.connected[1] = p.disconnected[0] = p.disconnected[1] = 0;
    pair_connect(&p, NULL);
    ids[2 * i] = p.id[CLIENT];
    ids[2 * i + 1] = p.id[SERVER];
    for (k = 0; k < i; k++) {
      CHECK(ids[2 * k] != ids[2 * i] && ids[2 * k + 1] != ids[2 * i + 1]);
      stale_everywhere(p.mux[CLIENT], ids[2 * k], p.now);
      stale_everywhere(p.mux[SERVER], ids[2 * k + 1], p.now);
    }
    CHECK_OK(soe_session_disconnect(p.mux[i % 2], p.id[i % 2], 6, SOE_DISCONNECT_NOW));
    CHECK(pair_run_until(&p, pair_is_over, LIMIT_US));
  }
  CHECK_EQUAL(20, pair_stats(&p, SERVER).sessions_connected);
  CHECK_EQUAL(20, pair_stats(&p, SERVER).sessions_disconnected);
  CHECK_EQUAL(20, pair_stats(&p, CLIENT).sessions_disconnected);
  pair_end(&p);
}

static void disconnect_now(int from, uint32_t reason) {
  soe_session_id found = 9;
  pair p;
  CONTEXT("disconnect now, by side %d, reason %u", from, reason);
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  CHECK_OK(soe_session_disconnect(p.mux[from], p.id[from], reason, SOE_DISCONNECT_NOW));
  CHECK_EQUAL(0, soe_mux_timeout_ms(p.mux[from], p.now));
  CHECK_STATUS(SOE_ERR_STATE, pair_send(&p, from, 0, "too late", 8)); /* its last event was not drained yet */
  CHECK_STATUS(SOE_ERR_STATE, pair_send(&p, from, SOE_CHANNEL_UNRELIABLE, "too late", 8));
  CHECK_STATUS(SOE_ERR_STATE, soe_session_disconnect(p.mux[from], p.id[from], 6, SOE_DISCONNECT_NOW));
  CHECK_EQUAL(SOE_SESSION_ENDED, pair_info(&p, from).state);
  CHECK_OK(soe_mux_find(p.mux[from], &p.addr[1 - from], &found)); /* its address is free at once, its id names it until the event is read */
  CHECK_EQUAL(0, found);
  found = 9;
  pair_run(&p, 100000);
  CHECK(p.disconnected[0] == 1 && p.disconnected[1] == 1);
  CHECK_EQUAL(SOE_ENDED_BY_HOST, p.ended_by[from]);
  CHECK_EQUAL(SOE_ENDED_BY_PEER, p.ended_by[1 - from]);
  CHECK(p.reason[0] == (int32_t)reason && p.reason[1] == (int32_t)reason);
  CHECK_STATUS(SOE_ERR_STALE_SESSION, pair_send(&p, from, 0, "too late", 8));
  CHECK_STATUS(SOE_ERR_STALE_SESSION, pair_send(&p, 1 - from, 0, "too late", 8));
  CHECK_OK(soe_mux_find(p.mux[from], &p.addr[1 - from], &found));
  CHECK_EQUAL(0, found);
  pair_end(&p);
}

/* What the peer sent before it left is handed out before DISCONNECTED; after it nothing is. */
static unsigned messages_before;
static void order_at_the_end(pair *p, int side, const soe_event *ev) {
  if (side != SERVER) return;
  if (ev->kind == SOE_EVENT_MESSAGE) {
    CHECK(p->connected[SERVER] == 1 && p->disconnected[SERVER] == 0);
    messages_before++;
  }
}

static void disconnect_flush(uint32_t loss) {
  static uint8_t message[50000];
  pair p;
  unsigned i;
  CONTEXT("disconnect with flush, loss %u", loss);
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  p.on_event = order_at_the_end;
  messages_before = 0;
  p.loss = loss;
  fill(message, sizeof message, 1);
  for (i = 0; i < 20; i++) CHECK_OK(pair_send(&p, CLIENT, i % 4, message, i == 7 ? sizeof message : 100));
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_FLUSH));
  CHECK_STATUS(SOE_ERR_STATE, pair_send(&p, CLIENT, 0, "too late", 8));
  CHECK_EQUAL(SOE_SESSION_CLOSING, pair_info(&p, CLIENT).state);
  p.loss = loss;
  pair_run(&p, 4900000);
  CHECK_EQUAL(20, messages_before);
  p.loss = 0;
  pair_run(&p, 60000000);
  CHECK(p.disconnected[CLIENT] == 1 && p.disconnected[SERVER] == 1);
  CHECK(p.ended_by[CLIENT] == SOE_ENDED_BY_HOST && p.reason[CLIENT] == 6);
  if (!loss) CHECK(p.ended_by[SERVER] == SOE_ENDED_BY_PEER && p.reason[SERVER] == 6); /* else the Disconnect itself may be lost */
  pair_end(&p);
}

static void flush_has_a_limit(void) {
  soe_config config;
  pair p;
  CONTEXT("flush, and nobody acknowledges");
  pair_config(&config, CLIENT);
  config.flush_timeout_ms = 1500;
  pair_begin(&p, &config, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  p.cut[SERVER] = 1;
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_FLUSH));
  pair_run(&p, 1400000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]);
  pair_run(&p, 200000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK(p.ended_by[CLIENT] == SOE_ENDED_BY_HOST && p.reason[CLIENT] == 6);
  CHECK_EQUAL(1, p.disconnected[SERVER]);
  CHECK_EQUAL(1, p.messages[SERVER]);
  CHECK_EQUAL(6, p.reason[SERVER]);
  pair_end(&p);

  CONTEXT("flush, then at once after all");
  pair_begin(&p, &config, NULL);
  pair_connect(&p, NULL);
  p.cut[SERVER] = 1;
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 6, SOE_DISCONNECT_FLUSH));
  pair_run(&p, 100000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]);
  CHECK_OK(soe_session_disconnect(p.mux[CLIENT], p.id[CLIENT], 14, SOE_DISCONNECT_NOW));
  pair_run(&p, 100000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK_EQUAL(14, p.reason[SERVER]);
  pair_end(&p);
}

static void disconnect_silent(void) {
  pair p;
  CONTEXT("silent");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  CHECK_OK(soe_session_disconnect(p.mux[SERVER], p.id[SERVER], 6, SOE_DISCONNECT_SILENT));
  pair_events(&p, SERVER);
  CHECK_EQUAL(0, pair_outgoing(&p, SERVER));
  CHECK(p.disconnected[SERVER] == 1 && p.ended_by[SERVER] == SOE_ENDED_BY_HOST && p.reason[SERVER] == 6);
  pair_run(&p, 20000000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]); /* which knows nothing yet: a server is not asked before 25 s of silence */
  pair_run(&p, 40000000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK_EQUAL(SOE_ENDED_BY_LIBRARY, p.ended_by[CLIENT]);
  CHECK(p.reason[CLIENT] == SOE_REASON_TIMEOUT || p.reason[CLIENT] == SOE_REASON_UNREACHABLE_CONNECTION);
  pair_end(&p);
}

static void inactivity(void) {
  pair p;
  uint64_t cut_at;
  CONTEXT("inactivity");
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 300000000); /* five minutes of heartbeats */
  CHECK(p.disconnected[CLIENT] == 0 && p.disconnected[SERVER] == 0);
  p.cut[CLIENT] = p.cut[SERVER] = 1;
  cut_at = p.now;
  while (!pair_is_over(&p)) {
    pair_run(&p, 100000);
    CHECK(p.now < cut_at + 61000000);
  }
  CHECK(p.now > cut_at + 4000000);
  CHECK(p.ended_by[CLIENT] == SOE_ENDED_BY_LIBRARY && p.ended_by[SERVER] == SOE_ENDED_BY_LIBRARY);
  CHECK(p.reason[CLIENT] == SOE_REASON_TIMEOUT && p.reason[SERVER] == SOE_REASON_TIMEOUT);
  pair_end(&p);
}

static void unacknowledged(void) {
  soe_config config;
  pair p;
  CONTEXT("unacknowledged for too long");
  pair_config(&config, CLIENT);
  config.unacknowledged_timeout_ms = 4000;
  pair_begin(&p, &config, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  p.cut[SERVER] = 1;
  CHECK_OK(pair_send(&p, CLIENT, 0, "hello", 5));
  pair_run(&p, 3900000);
  CHECK_EQUAL(0, p.disconnected[CLIENT]);
  pair_run(&p, 300000);
  CHECK_EQUAL(1, p.disconnected[CLIENT]);
  CHECK(p.ended_by[CLIENT] == SOE_ENDED_BY_LIBRARY && p.reason[CLIENT] == SOE_REASON_UNACKNOWLEDGED_TIMEOUT);
  CHECK(p.ended_by[SERVER] == SOE_ENDED_BY_PEER && p.reason[SERVER] == SOE_REASON_UNACKNOWLEDGED_TIMEOUT);
  pair_end(&p);
}

int main(void) {
  opens();
  user_data_is_that_of_its_time();
  connect_times_out();
  handshake_under_loss();
  wrong_name();
  server_is_full();
  manual_accept();
  refused(SOE_DISCONNECT_NOW);
  refused(SOE_DISCONNECT_FLUSH);
  never_answered();
  connected_at_request();
  stale_ids();
  disconnect_now(CLIENT, 6);
  disconnect_now(SERVER, 0);
  disconnect_now(CLIENT, 65535);
  disconnect_flush(0);
  disconnect_flush(500);
  flush_has_a_limit();
  disconnect_silent();
  inactivity();
  unacknowledged();
  printf("session_life: ok\n");
  return 0;
}
