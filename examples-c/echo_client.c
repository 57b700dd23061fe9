/* Talks to echo_server and checks that every byte comes back.
 *
 *   echo_client PORT [plain|rc4|stay]
 *
 * plain says so first; rc4 talks in plain text, turns RC4 on in the middle of the session and talks again; stay is plain, and then waits
 * for the server to end the session. Exit code 0 only if all of it came back unchanged, within 20 seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soe.h"
#include "udp.h"

enum { RELIABLE_CHANNELS = 4, LONG_MESSAGE = 100000 };

typedef struct client {
  int fd;
  soe_mux *mux;
  soe_session_id session;
  uint64_t give_up_at;
  uint32_t missing;  /* answers that the step under way still waits for */
  uint32_t next[8];  /* per channel: the number of the message that is to come back next */
  size_t len;        /* of each message of this step */
  const char *login; /* the mode, while its "ok" is awaited */
  int leaving, failed;
} client;

static udp_inbox inbox;
static uint8_t message[LONG_MESSAGE];

static void must(soe_status status, const char *what) {
  if (status == SOE_OK) return;
  fprintf(stderr, "%s: %s\n", what, soe_status_string(status));
  exit(1);
}

/* Where the session's end stands among the events already, the answer is SOE_ERR_STATE: SOE_EVENT_DISCONNECTED says why. */
static int ended(soe_status status) {
  return status == SOE_ERR_STATE || status == SOE_ERR_STALE_SESSION;
}

static void fail(client *c, const char *why) {
  printf("FAILED: %s\n", why);
  c->failed = 1;
}

/* Byte `i` of message `number` on `channel`: the first one tells 256 numbers apart. */
static uint8_t pattern(uint32_t channel, uint32_t number, size_t i) {
  return (uint8_t)(channel * 29 + number * 31 + i * 7 + (i >> 8));
}

static int matches(const soe_event *ev, uint32_t number, size_t len) {
  size_t i;
  if (ev->len != len) return 0;
  for (i = 0; i < len; i++) {
    if (ev->data[i] != pattern(ev->channel, number, i)) return 0;
  }
  return 1;
}

/* The server answered in plain text and changed over: so do we, before the next message is handed out or sent. */
static void turn_on(client *c, int rc4) {
  static const uint8_t key[8] = {'n', 'o', 's', 'e', 'c', 'r', 'e', 't'};
  soe_cipher cipher;
  soe_status status;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = SOE_CIPHER_BOTH;
  cipher.key = rc4 ? key : NULL;
  cipher.key_len = rc4 ? sizeof key : 0;
  status = soe_session_set_cipher(c->mux, c->session, &cipher);
  if (!ended(status)) must(status, "soe_session_set_cipher");
}

static void on_message(client *c, const soe_event *ev) {
  uint32_t channel = ev->channel & 7, back;
  if (c->login && channel == SOE_CHANNEL_RELIABLE_0) {
    if (ev->len != 2 || memcmp(ev->data, "ok", 2) != 0) {
      fail(c, "the login was not answered with ok");
      return;
    }
    turn_on(c, strcmp(c->login, "rc4") == 0);
    c->login = NULL;
    c->missing--;
  } else if (c->missing && matches(ev, c->next[channel], c->len)) {
    c->next[channel]++;
    c->missing--;
  } else {
    for (back = 1; channel == SOE_CHANNEL_UNRELIABLE && back <= c->next[channel]; back++) {
      if (matches(ev, c->next[channel] - back, ev->len)) return; /* asked for again, and both answers came */
    }
    fail(c, "a message came back changed, or out of order");
  }
}

static void on_event(client *c, const soe_event *ev) {
  switch (ev->kind) {
    case SOE_EVENT_CONNECTED:
      c->missing--;
      break;
    case SOE_EVENT_MESSAGE:
      on_message(c, ev);
      break;
    case SOE_EVENT_DISCONNECTED:
      printf("disconnected by %s, reason %d\n",
             ev->channel == SOE_ENDED_BY_HOST ? "us" : ev->channel == SOE_ENDED_BY_PEER ? "the server" : "the library", ev->code);
      if (c->leaving) c->missing--;
      else if (!c->failed) fail(c, "the session ended too early");
      break;
    default:
      break; /* kinds that later versions add are skipped */
  }
}

/* One turn of the loop that every host has. */
static void step(client *c, int32_t longest_ms) {
  soe_datagram out[UDP_BATCH];
  soe_event events[UDP_BATCH];
  size_t i, n, used = 0;
  int32_t timeout = soe_mux_timeout_ms(c->mux, udp_now_us());
  udp_wait(c->fd, timeout < 0 || timeout > longest_ms ? longest_ms : timeout);
  n = udp_receive(c->fd, &inbox);
  must(soe_mux_feed_batch(c->mux, udp_now_us(), inbox.datagrams, n, &used), "soe_mux_feed_batch");
  must(soe_mux_tick(c->mux, udp_now_us()), "soe_mux_tick");
  do {
    must(soe_mux_drain_events(c->mux, events, UDP_BATCH, &n), "soe_mux_drain_events");
    for (i = 0; i < n; i++) on_event(c, &events[i]);
  } while (n);
  do {
    must(soe_mux_drain_outgoing(c->mux, udp_now_us(), out, UDP_BATCH, &n), "soe_mux_drain_outgoing");
    (void)udp_send(c->fd, out, n);
  } while (n);
}

/* Runs the loop until nothing is missing any more; what is missing in the end has failed with `why`. */
static int answered(client *c, uint64_t until, const char *why) {
  while (c->missing && !c->failed && udp_now_us() < until) step(c, 50);
  if (c->missing && !c->failed && why) fail(c, why);
  return !c->missing && !c->failed;
}

/* Drains outgoing while it waits for room in the send queue. */
static void send_message(client *c, uint32_t channel, const uint8_t *data, size_t len) {
  soe_status status;
  while ((status = soe_session_send(c->mux, c->session, channel, data, len)) == SOE_ERR_WOULD_BLOCK) {
    if (c->failed || udp_now_us() > c->give_up_at) return;
    step(c, 50);
  }
  if (status != SOE_OK && !ended(status) && !c->failed) fail(c, soe_status_string(status));
}

static void send_pattern(client *c, uint32_t channel, uint32_t number) {
  size_t i;
  for (i = 0; i < c->len; i++) message[i] = pattern(channel, number, i);
  send_message(c, channel, message, c->len);
}

/* `count` messages on each of the first `channels` reliable channels, all at once, and back in order. */
static void talk_reliably(client *c, const char *mode, uint32_t channels, uint32_t count, size_t len) {
  uint64_t begin = udp_now_us();
  uint32_t first[RELIABLE_CHANNELS], i, channel;
  if (c->failed) return;
  c->len = len;
  c->missing = channels * count;
  for (channel = 0; channel < channels; channel++) first[channel] = c->next[channel];
  for (i = 0; i < count; i++) { /* answers may come while a full send queue makes us wait */
    for (channel = 0; channel < channels; channel++) send_pattern(c, channel, first[channel] + i);
  }
  if (!answered(c, c->give_up_at, "reliable messages did not come back")) return;
  printf("%s: %u of %lu bytes on %u channel%s there and back in %.3f ms\n", mode, channels * count, (unsigned long)len, channels,
         channels > 1 ? "s" : "", (double)(udp_now_us() - begin) / 1000.0);
}

/* One at a time: the round trip as a game feels it. Unreliable ones may be lost, so each is asked for up to ten times. */
static void talk_in_turns(client *c, const char *mode, uint32_t channel, uint32_t count, size_t len) {
  int lossy = channel == SOE_CHANNEL_UNRELIABLE;
  uint64_t begin, took, least = UINT64_MAX, most = 0, sum = 0;
  uint32_t i, tries, repeated = 0;
  if (c->failed) return;
  c->len = len;
  for (i = 0; i < count && !c->failed; i++) {
    begin = udp_now_us();
    c->missing = 1;
    for (tries = 0; tries < (lossy ? 10u : 1u) && c->missing && !c->failed; tries++) {
      send_pattern(c, channel, c->next[channel]);
      if (lossy) (void)answered(c, udp_now_us() + 300000u, NULL);
    }
    if (!answered(c, c->give_up_at, "a message did not come back")) return;
    repeated += tries - 1;
    took = udp_now_us() - begin;
    sum += took;
    if (took < least) least = took;
    if (took > most) most = took;
  }
  printf("%s: %u round trips of %lu bytes on channel %u%s: %.3f ms least, %.3f mean, %.3f most, %u asked again\n", mode, count,
         (unsigned long)len, channel, lossy ? " (unreliable)" : "", (double)least / 1000.0, (double)sum / count / 1000.0,
         (double)most / 1000.0, repeated);
}

static void talk(client *c, const char *mode) {
  talk_in_turns(c, mode, SOE_CHANNEL_RELIABLE_0, 10, 32);
  talk_reliably(c, mode, RELIABLE_CHANNELS, 8, 64);
  talk_reliably(c, mode, 1, 1, LONG_MESSAGE);
  talk_in_turns(c, mode, SOE_CHANNEL_UNRELIABLE, 10, 48);
}

static void log_in(client *c, const char *mode) {
  if (c->failed) return;
  c->login = mode;
  c->missing = 1;
  send_message(c, SOE_CHANNEL_RELIABLE_0, (const uint8_t *)mode, strlen(mode));
  if (answered(c, c->give_up_at, "the login was not answered")) printf("%s from here on\n", strcmp(mode, "rc4") ? "plain text" : "RC4");
}

static void open_session(client *c, uint16_t port) {
  soe_addr here, server;
  soe_config config;
  uint64_t begin;
  if (udp_parse("127.0.0.1", 0, &here) != 0 || udp_parse("127.0.0.1", port, &server) != 0 || (c->fd = udp_open(&here, &here)) < 0) {
    perror("echo_client: socket");
    exit(1);
  }
  must(soe_config_init(&config, sizeof config, SOE_PRESET_DEFAULT), "soe_config_init");
  config.flags = SOE_CONFIG_CIPHER_BY_HOST;
  config.application_protocol = "Echo_1";
  config.application_protocol_len = 6;
  must(soe_mux_create(&config, udp_now_us(), &c->mux), "soe_mux_create");
  begin = udp_now_us();
  c->missing = 1;
  must(soe_mux_connect(c->mux, begin, &server, NULL, &c->session), "soe_mux_connect");
  if (answered(c, c->give_up_at, "no connection")) printf("connected in %.3f ms\n", (double)(udp_now_us() - begin) / 1000.0);
}

int main(int argc, char **argv) {
  static client c;
  const char *mode = argc > 2 ? argv[2] : "plain";
  int rc4 = !strcmp(mode, "rc4"), stay = !strcmp(mode, "stay");
  if (argc < 2 || (!rc4 && !stay && strcmp(mode, "plain") != 0)) {
    fprintf(stderr, "usage: echo_client PORT [plain|rc4|stay]\n");
    return 2;
  }
  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  c.give_up_at = udp_now_us() + 20000000u;
  open_session(&c, (uint16_t)strtoul(argv[1], NULL, 10));
  if (rc4) talk(&c, "plain text"); /* until a login message says otherwise */
  log_in(&c, rc4 ? "rc4" : "plain");
  talk(&c, rc4 ? "RC4" : "plain text");
  if (c.failed) { /* says goodbye all the same, unless the session is gone already */
    (void)soe_session_disconnect(c.mux, c.session, SOE_REASON_APPLICATION, SOE_DISCONNECT_NOW);
    step(&c, 0);
  } else {
    c.leaving = 1;
    c.missing = 1;
    if (!stay) {
      soe_status status = soe_session_disconnect(c.mux, c.session, SOE_REASON_APPLICATION, SOE_DISCONNECT_FLUSH);
      if (!ended(status)) must(status, "soe_session_disconnect");
    }
    (void)answered(&c, c.give_up_at, "the session did not end");
  }
  soe_mux_free(c.mux);
  (void)close(c.fd);
  (void)puts(c.failed ? "not everything came back" : "every byte came back");
  return c.failed ? 1 : 0;
}
