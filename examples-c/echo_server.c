/* Echoes every message on the channel it came on, for any number of clients on one socket.
 *
 *   echo_server [PORT] [--once N] [--limit SECONDS]
 *
 * PORT 0, the default, takes any free one; the port is printed. --once N ends the program after N sessions ended, --limit after
 * that many seconds (with failure where the N sessions did not come). SIGINT and SIGTERM end it politely.
 *
 * A session begins in plain text. The message "rc4" or "plain" says what follows it, and is answered "ok" before anything changes: game
 * servers turn RC4 on behind a login message in the same way. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soe.h"
#include "udp.h"

enum { MAX_CLIENTS = 64, MAX_BACKLOG = 8 << 20 };

/* An echo that the send queue had no room for. */
typedef struct waiting {
  struct waiting *next;
  uint32_t channel;
  size_t len;
  uint8_t data[1];
} waiting;

typedef struct client {
  soe_session_id session; /* 0 = free */
  int logged_in;
  waiting *first, *last;
  size_t backlog;
} client;

typedef struct server {
  int fd;
  soe_mux *mux;
  client clients[MAX_CLIENTS];
  unsigned open, ended;
} server;

static udp_inbox inbox;
static volatile sig_atomic_t stop_asked;

static void on_signal(int number) {
  (void)number;
  stop_asked = 1;
}

static void must(soe_status status, const char *what) {
  if (status == SOE_OK) return;
  fprintf(stderr, "%s: %s\n", what, soe_status_string(status));
  exit(1);
}

/* For what is done in answer to an event. The end of the session may stand further down among the events: that is no mistake, and answered
 * SOE_ERR_STATE. False in this case. */
static int unless_ended(soe_status status, const char *what) {
  if (status == SOE_ERR_STATE || status == SOE_ERR_STALE_SESSION) return 0;
  must(status, what);
  return 1;
}

/* Events carry the session's user data as it was when they were queued; looking up by id is right for those queued before it was set. */
static client *find(server *s, soe_session_id session) {
  size_t i;
  for (i = 0; i < MAX_CLIENTS; i++) {
    if (s->clients[i].session == session) return &s->clients[i];
  }
  return NULL;
}

static void drop_backlog(client *c) {
  while (c->first) {
    waiting *w = c->first;
    c->first = w->next;
    free(w);
  }
  c->last = NULL;
  c->backlog = 0;
}

/* Sends, or keeps for SOE_EVENT_WRITABLE what the queue has no room for. One who only ever writes and never reads is shown the door. */
static void echo(server *s, client *c, uint32_t channel, const uint8_t *data, size_t len) {
  soe_status status = SOE_ERR_WOULD_BLOCK;
  waiting *w;
  if (len == 0) return; /* the wire knows empty messages, sending one is refused */
  if (!c->first) status = soe_session_send(s->mux, c->session, channel, data, len);
  if (status != SOE_ERR_WOULD_BLOCK) {
    (void)unless_ended(status, "soe_session_send");
    return;
  }
  w = c->backlog + len <= MAX_BACKLOG ? (waiting *)malloc(sizeof *w + len) : NULL;
  if (!w) {
    printf("session %llx reads too slowly\n", (unsigned long long)c->session);
    (void)unless_ended(soe_session_disconnect(s->mux, c->session, SOE_REASON_RELIABLE_OVERFLOW, SOE_DISCONNECT_NOW), "soe_session_disconnect");
    drop_backlog(c);
    return;
  }
  w->next = NULL;
  w->channel = channel;
  w->len = len;
  memcpy(w->data, data, len);
  if (c->last) c->last->next = w; else c->first = w;
  c->last = w;
  c->backlog += len;
}

static void on_writable(server *s, client *c) {
  while (c->first) {
    waiting *w = c->first;
    soe_status status = soe_session_send(s->mux, c->session, w->channel, w->data, w->len);
    if (status == SOE_ERR_WOULD_BLOCK || !unless_ended(status, "soe_session_send")) return;
    c->first = w->next;
    if (!c->first) c->last = NULL;
    c->backlog -= w->len;
    free(w);
  }
}

static int is(const soe_event *ev, const char *text) {
  return ev->len == strlen(text) && memcmp(ev->data, text, ev->len) == 0;
}

/* The answer first, in plain text; then the cipher: sending changes with the next send, receiving with the next message handed out.
 * SOE_CONFIG_CIPHER_BY_HOST sees to it that this next message was not handed out yet. A key of NULL says that it stays plain text. */
static void log_in(server *s, client *c, int rc4) {
  static const uint8_t key[8] = {'n', 'o', 's', 'e', 'c', 'r', 'e', 't'}; /* a game server has it from its login server */
  soe_cipher cipher;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = SOE_CIPHER_BOTH;
  cipher.key = rc4 ? key : NULL;
  cipher.key_len = rc4 ? sizeof key : 0;
  echo(s, c, SOE_CHANNEL_RELIABLE_0, (const uint8_t *)"ok", 2);
  if (!unless_ended(soe_session_set_cipher(s->mux, c->session, &cipher), "soe_session_set_cipher")) return;
  c->logged_in = 1;
  printf("session %llx goes on %s\n", (unsigned long long)c->session, rc4 ? "under RC4" : "in plain text");
}

static void on_connected(server *s, const soe_event *ev) {
  client *c = find(s, 0); /* config.max_sessions leaves always one */
  soe_session_info info;
  char from[64];
  if (!c) return;
  memset(c, 0, sizeof *c); /* not logged in, nothing waiting */
  c->session = ev->session;
  s->open++;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  from[0] = 0;
  if (soe_session_get_info(s->mux, ev->session, &info) == SOE_OK) udp_format(&info.addr, from, sizeof from);
  printf("session %llx connected from %s, speaks \"%.*s\"\n", (unsigned long long)ev->session, from, (int)ev->len,
         ev->len ? (const char *)ev->data : "");
}

static void on_event(server *s, const soe_event *ev) {
  static const char *const enders[] = {"by us", "by the peer", "by the library", "by another"};
  client *c = ev->kind == SOE_EVENT_CONNECTED ? NULL : find(s, ev->session);
  if (ev->kind == SOE_EVENT_CONNECTED) on_connected(s, ev);
  if (!c) return;
  switch (ev->kind) {
    case SOE_EVENT_MESSAGE:
      printf("session %llx: %u bytes on channel %u\n", (unsigned long long)ev->session, ev->len, ev->channel);
      if (!c->logged_in && (is(ev, "rc4") || is(ev, "plain"))) {
        log_in(s, c, is(ev, "rc4"));
      } else {
        echo(s, c, ev->channel, ev->data, ev->len);
      }
      break;
    case SOE_EVENT_WRITABLE:
      on_writable(s, c);
      break;
    case SOE_EVENT_DISCONNECTED:
      printf("session %llx disconnected %s, reason %d\n", (unsigned long long)ev->session, enders[ev->channel & 3], ev->code);
      drop_backlog(c);
      c->session = 0;
      s->open--;
      s->ended++;
      break;
    default:
      break; /* kinds that later versions add are skipped */
  }
}

/* One turn of the loop that every host has. */
static void step(server *s, int32_t longest_ms) {
  soe_datagram out[UDP_BATCH];
  soe_event events[UDP_BATCH];
  size_t i, n, used = 0;
  int32_t timeout = soe_mux_timeout_ms(s->mux, udp_now_us());
  udp_wait(s->fd, timeout < 0 || timeout > longest_ms ? longest_ms : timeout);
  n = udp_receive(s->fd, &inbox);
  must(soe_mux_feed_batch(s->mux, udp_now_us(), inbox.datagrams, n, &used), "soe_mux_feed_batch");
  must(soe_mux_tick(s->mux, udp_now_us()), "soe_mux_tick");
  do {
    must(soe_mux_drain_events(s->mux, events, UDP_BATCH, &n), "soe_mux_drain_events");
    for (i = 0; i < n; i++) on_event(s, &events[i]);
  } while (n);
  do {
    must(soe_mux_drain_outgoing(s->mux, udp_now_us(), out, UDP_BATCH, &n), "soe_mux_drain_outgoing");
    (void)udp_send(s->fd, out, n);
  } while (n);
}

static soe_mux *make_mux(void) {
  soe_config config;
  soe_mux *mux = NULL;
  must(soe_config_init(&config, sizeof config, SOE_PRESET_DEFAULT), "soe_config_init");
  config.flags = SOE_CONFIG_CIPHER_BY_HOST;
  config.application_protocol = "Echo_1";
  config.application_protocol_len = 6;
  config.max_sessions = MAX_CLIENTS;
  config.flush_timeout_ms = 1000;
  must(soe_mux_create(&config, udp_now_us(), &mux), "soe_mux_create");
  return mux;
}

static void say_goodbye(server *s) {
  uint64_t end = udp_now_us() + 2000000u;
  size_t i;
  for (i = 0; i < MAX_CLIENTS; i++) {
    if (s->clients[i].session == 0) continue;
    (void)unless_ended(soe_session_disconnect(s->mux, s->clients[i].session, SOE_REASON_APPLICATION, SOE_DISCONNECT_FLUSH),
                       "soe_session_disconnect");
  }
  while (s->open && udp_now_us() < end) step(s, 50);
  for (i = 0; i < MAX_CLIENTS; i++) drop_backlog(&s->clients[i]);
}

int main(int argc, char **argv) {
  static server s;
  unsigned long port = 0, once = 0, limit = 0;
  struct sigaction action;
  soe_addr at, bound;
  char text[64];
  uint64_t end;
  int i;
  for (i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--once") && i + 1 < argc) once = strtoul(argv[++i], NULL, 10);
    else if (!strcmp(argv[i], "--limit") && i + 1 < argc) limit = strtoul(argv[++i], NULL, 10);
    else port = strtoul(argv[i], NULL, 10);
  }
  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
  if (udp_parse("127.0.0.1", (uint16_t)port, &at) != 0 || (s.fd = udp_open(&at, &bound)) < 0) {
    perror("echo_server: socket");
    return 1;
  }
  s.mux = make_mux();
  printf("listening on %s, libsoe %s\n", udp_format(&bound, text, sizeof text), soe_version_string());
  end = limit ? udp_now_us() + limit * 1000000u : UINT64_MAX;
  while (!stop_asked && !(once && s.ended >= once) && udp_now_us() < end) step(&s, 250);
  say_goodbye(&s);
  printf("%u sessions served\n", s.ended);
  soe_mux_free(s.mux);
  (void)close(s.fd);
  return stop_asked || s.ended >= once ? 0 : 1;
}
