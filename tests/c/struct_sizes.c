/* Growable structs: a shorter one, of an older host, lacks members, which take their defaults; a longer one, of a newer host, is accepted
 * while what this library does not know is zero; what the library fills, it fills as far as struct_size goes. */
#include "pair.h"

enum { MORE = 64, BIGGEST = 4096 };

/* A struct with room behind it, and something behind that. */
typedef union box {
  uint64_t align;
  uint8_t bytes[BIGGEST + MORE];
} box;

static void sized(box *b, size_t size) {
  uint32_t value = (uint32_t)size;
  memcpy(b->bytes, &value, 4);
}

/* Something that takes a growable struct, and answers. */
typedef soe_status (*taker)(pair *p, const void *st);

static soe_status take_config(pair *p, const void *st) {
  soe_mux *mux = NULL;
  soe_status status = soe_mux_create((const soe_config *)st, p->now, &mux);
  CHECK((status == SOE_OK) == (mux != NULL));
  soe_mux_free(mux);
  return status;
}
static soe_status take_connect(pair *p, const void *st) {
  soe_addr to = v4(99, 99);
  soe_session_id id = 0;
  soe_status status = soe_mux_connect(p->mux[CLIENT], p->now, &to, (const soe_connect_options *)st, &id);
  CHECK((status == SOE_OK) == (id != 0));
  if (id) {
    CHECK_OK(soe_session_disconnect(p->mux[CLIENT], id, 0, SOE_DISCONNECT_SILENT));
    pair_events(p, CLIENT);
    pair_outgoing(p, CLIENT);
  }
  return status;
}
static int is_requested(pair *p) { return p->requests[SERVER] != 0; }
static soe_status take_accept(pair *unused, const void *st) {
  soe_config config;
  soe_status status;
  pair p;
  (void)unused;
  pair_config(&config, SERVER);
  config.flags |= SOE_CONFIG_MANUAL_ACCEPT;
  pair_begin(&p, NULL, &config);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], NULL, &p.id[CLIENT]));
  CHECK(pair_run_until(&p, is_requested, 10000000));
  status = soe_session_accept(p.mux[SERVER], p.now, p.id[SERVER], (const soe_accept_options *)st);
  if (status == SOE_OK) {
    CHECK(pair_run_until(&p, pair_is_open, 10000000));
  } else {
    CHECK_EQUAL(SOE_SESSION_REQUESTED, pair_info(&p, SERVER).state);
  }
  pair_end(&p);
  return status;
}
static soe_status take_cipher(pair *p, const void *st) { return soe_session_set_cipher(p->mux[CLIENT], p->id[CLIENT], (const soe_cipher *)st); }

/* `filled` is a struct that is accepted. All sizes, with tails of zeros and of something. */
static void in_struct(pair *p, const char *name, taker take, const void *filled_struct, size_t size, size_t first_optional) {
  static const uint32_t refused[] = {0, 1, 2, 3, 4, 5, 6, 7, BIGGEST + 1, 1u << 16, 1u << 31, UINT32_MAX};
  box b;
  size_t i, at;
  for (i = 0; i < sizeof refused / sizeof *refused; i++) {
    CONTEXT("%s of size %u", name, refused[i]);
    memset(&b, 0, sizeof b);
    memcpy(b.bytes, filled_struct, size);
    sized(&b, refused[i]);
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, take(p, &b));
  }
  /* Shorter: what lies beyond may be anything, and is not looked at. */
  for (i = first_optional; i <= size; i += 4) {
    CONTEXT("%s of size %lu, garbage behind it", name, (unsigned long)i);
    memset(&b, 0xFF, sizeof b);
    memcpy(b.bytes, filled_struct, i);
    sized(&b, i);
    CHECK_OK(take(p, &b));
  }
  /* Longer, with zeros to its end and garbage behind it. */
  for (i = size; i <= BIGGEST; i += i < size + 16 ? 1 : 401) {
    CONTEXT("%s of size %lu, zeros", name, (unsigned long)i);
    memset(&b, 0xFF, sizeof b);
    memset(b.bytes, 0, i);
    memcpy(b.bytes, filled_struct, size);
    sized(&b, i);
    CHECK_OK(take(p, &b));
  }
  /* Longer, with one bit set somewhere behind what is known. */
  for (at = size; at < BIGGEST; at = at < size + 16 ? at + 1 : at + 509) {
    CONTEXT("%s of size %d, one bit set at %lu", name, BIGGEST, (unsigned long)at);
    memset(&b, 0, sizeof b);
    memcpy(b.bytes, filled_struct, size);
    sized(&b, BIGGEST);
    b.bytes[at] = 1;
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, take(p, &b));
    if (at + 1 < size + 16) {
      sized(&b, at + 1); /* its last byte */
      CHECK_STATUS(SOE_ERR_STRUCT_SIZE, take(p, &b));
      sized(&b, at); /* the first that is not its own any more */
      CHECK_OK(take(p, &b));
    }
  }
}

/* Something that fills a growable struct. */
typedef soe_status (*filler)(pair *p, void *st);
static soe_status fill_info(pair *p, void *st) { return soe_session_get_info(p->mux[CLIENT], p->id[CLIENT], (soe_session_info *)st); }
static soe_status fill_session_stats(pair *p, void *st) { return soe_session_get_stats(p->mux[CLIENT], p->id[CLIENT], (soe_stats *)st); }
static soe_status fill_mux_stats(pair *p, void *st) { return soe_mux_get_stats(p->mux[CLIENT], (soe_stats *)st); }

static void out_struct(pair *p, const char *name, filler fill_it, size_t size) {
  static const uint32_t refused[] = {0, 1, 7, BIGGEST + 1, UINT32_MAX};
  box whole, b;
  size_t i;
  for (i = 0; i < sizeof refused / sizeof *refused; i++) {
    CONTEXT("%s of size %u", name, refused[i]);
    memset(&b, 0x5A, sizeof b);
    sized(&b, refused[i]);
    CHECK_STATUS(SOE_ERR_STRUCT_SIZE, fill_it(p, &b));
    CHECK(all_bytes(b.bytes + 4, sizeof b - 4, 0x5A));
  }
  memset(&whole, 0x5A, sizeof whole);
  sized(&whole, size);
  CHECK_OK(fill_it(p, &whole));
  for (i = 8; i <= BIGGEST; i += i < size + 64 ? 4 : 404) {
    uint32_t kept;
    size_t known = i < size ? i : size;
    CONTEXT("%s of size %lu", name, (unsigned long)i);
    memset(&b, 0x5A, sizeof b);
    sized(&b, i);
    CHECK_OK(fill_it(p, &b));
    memcpy(&kept, b.bytes, 4);
    CHECK_EQUAL(i, kept);
    CHECK(memcmp(b.bytes + 4, whole.bytes + 4, known - 4) == 0);
    CHECK(all_bytes(b.bytes + known, i - known, 0));
    CHECK(all_bytes(b.bytes + i, sizeof b - i, 0x5A));
  }
}

/* The functions that fill in defaults. */
typedef soe_status (*initializer)(void *st, size_t size);
static soe_status init_config(void *st, size_t size) { return soe_config_init((soe_config *)st, size, SOE_PRESET_DEFAULT); }
static soe_status init_connect(void *st, size_t size) { return soe_connect_options_init((soe_connect_options *)st, size); }
static soe_status init_accept(void *st, size_t size) { return soe_accept_options_init((soe_accept_options *)st, size); }

static void init_struct(pair *p, const char *name, initializer init, taker take, size_t size) {
  box whole, b;
  size_t i;
  memset(&whole, 0x5A, sizeof whole);
  CHECK_OK(init(&whole, size));
  for (i = 8; i <= BIGGEST; i += i < size + 64 ? 4 : 404) {
    uint32_t set;
    size_t known = i < size ? i : size;
    CONTEXT("%s initialised with size %lu", name, (unsigned long)i);
    memset(&b, 0x5A, sizeof b);
    CHECK_OK(init(&b, i));
    memcpy(&set, b.bytes, 4);
    CHECK_EQUAL(i, set);
    CHECK(memcmp(b.bytes + 4, whole.bytes + 4, known - 4) == 0);
    CHECK(all_bytes(b.bytes + known, i - known, 0));
    CHECK(all_bytes(b.bytes + i, sizeof b - i, 0x5A));
    CHECK_OK(take(p, &b)); /* and what it made is accepted */
  }
}

/* Members that are not there take their defaults: seen in what the multiplexer does. */
static void defaults_of_a_short_config(void) {
  box b;
  soe_config config;
  soe_session_info info;
  soe_mux *old;
  pair p;
  CONTEXT("a config of 12 members");
  pair_config(&config, SERVER);
  config.crc_length = 4;
  config.crc_seed_mode = SOE_CRC_SEED_FIXED;
  config.crc_seed = 99;
  config.pass0 = SOE_PASS_COMPRESS;
  memset(&b, 0xFF, sizeof b);
  memcpy(b.bytes, &config, sizeof config);
  pair_begin(&p, NULL, NULL);
  /* An older host's config ends before crc_length: it has a CRC of 2, a random seed, and no passes. */
  sized(&b, offsetof(soe_config, crc_length));
  old = p.mux[SERVER];
  CHECK_OK(soe_mux_create((const soe_config *)(const void *)&b, p.now, &p.mux[SERVER]));
  soe_mux_free(old);
  pair_connect(&p, NULL);
  info = pair_info(&p, SERVER);
  CHECK_EQUAL(2, info.crc_length);
  CHECK(info.crc_seed != 99);
  CHECK_EQUAL(SOE_PASS_NONE, info.pass0);
  CHECK_EQUAL(512, info.udp_length);
  pair_end(&p);

  CONTEXT("the whole config");
  pair_begin(&p, NULL, &config);
  pair_connect(&p, NULL);
  info = pair_info(&p, SERVER);
  CHECK(info.crc_length == 4 && info.crc_seed == 99 && info.pass0 == SOE_PASS_COMPRESS);
  pair_end(&p);
}
static void defaults_of_short_options(void) {
  box b;
  soe_connect_options options;
  pair p;
  CONTEXT("connect options without a name");
  CHECK_OK(soe_connect_options_init(&options, sizeof options));
  options.session_id_on_wire = 1234;
  options.user_data = 77;
  memset(&b, 0xFF, sizeof b);
  memcpy(b.bytes, &options, sizeof options);
  pair_begin(&p, NULL, NULL);
  sized(&b, 8);
  CHECK_OK(soe_mux_connect(p.mux[CLIENT], p.now, &p.addr[SERVER], (const soe_connect_options *)(const void *)&b, &p.id[CLIENT]));
  CHECK_EQUAL(1234, pair_info(&p, CLIENT).session_id_on_wire);
  CHECK_EQUAL(0, pair_info(&p, CLIENT).user_data);
  pair_end(&p);
}

int main(void) {
  static const uint8_t key[4] = {1, 2, 3, 4};
  soe_config config;
  soe_connect_options connect;
  soe_accept_options accept;
  soe_cipher cipher;
  pair p;
  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);

  pair_config(&config, CLIENT);
  in_struct(&p, "soe_config", take_config, &config, sizeof config, 8);
  CHECK_OK(soe_connect_options_init(&connect, sizeof connect));
  in_struct(&p, "soe_connect_options", take_connect, &connect, sizeof connect, 8);
  CHECK_OK(soe_accept_options_init(&accept, sizeof accept));
  accept.user_data = 3;
  in_struct(&p, "soe_accept_options", take_accept, &accept, sizeof accept, 8);
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = SOE_CIPHER_BOTH;
  in_struct(&p, "soe_cipher", take_cipher, &cipher, sizeof cipher, 8);
  cipher.key = key;
  cipher.key_len = sizeof key;
  in_struct(&p, "soe_cipher with a key", take_cipher, &cipher, sizeof cipher, offsetof(soe_cipher, drop));

  CHECK_OK(soe_session_set_user_data(p.mux[CLIENT], p.id[CLIENT], UINT64_MAX));
  out_struct(&p, "soe_session_info", fill_info, sizeof(soe_session_info));
  out_struct(&p, "soe_stats of a session", fill_session_stats, sizeof(soe_stats));
  out_struct(&p, "soe_stats", fill_mux_stats, sizeof(soe_stats));

  init_struct(&p, "soe_config", init_config, take_config, sizeof config);
  init_struct(&p, "soe_connect_options", init_connect, take_connect, sizeof connect);
  init_struct(&p, "soe_accept_options", init_accept, take_accept, sizeof accept);
  pair_end(&p);

  defaults_of_a_short_config();
  defaults_of_short_options();
  printf("struct_sizes: ok\n");
  return 0;
}
