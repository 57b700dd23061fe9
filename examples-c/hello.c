/* Says hello to echo_server and prints what comes back: hello PORT */
#include <stdio.h>
#include <stdlib.h>

#include "soe.h"
#include "udp.h"

static void must(soe_status status) {
  if (status == SOE_OK) return;
  fprintf(stderr, "libsoe: %s\n", soe_status_string(status));
  exit(1);
}

/* In answer to an event. The session's end may stand further down among the events: SOE_ERR_STATE then, and its reason is yet to come. */
static void unless_ended(soe_status status) {
  if (status != SOE_ERR_STATE && status != SOE_ERR_STALE_SESSION) must(status);
}

int main(int argc, char **argv) {
  static udp_inbox inbox;
  soe_datagram out[UDP_BATCH];
  soe_event ev[UDP_BATCH];
  soe_config config;
  soe_addr here, server;
  soe_mux *mux;
  soe_session_id session;
  size_t i, n, used;
  int fd, reason = -1;

  if (argc < 2 || udp_parse("127.0.0.1", (uint16_t)atoi(argv[1]), &server) || udp_parse("127.0.0.1", 0, &here)) return 2;
  if ((fd = udp_open(&here, &here)) < 0) return 1;
  must(soe_config_init(&config, sizeof config, SOE_PRESET_DEFAULT));
  config.application_protocol = "Echo_1";
  config.application_protocol_len = 6;
  must(soe_mux_create(&config, udp_now_us(), &mux));
  must(soe_mux_connect(mux, udp_now_us(), &server, NULL, &session));
  while (reason < 0) {
    udp_wait(fd, soe_mux_timeout_ms(mux, udp_now_us()));
    n = udp_receive(fd, &inbox);
    must(soe_mux_feed_batch(mux, udp_now_us(), inbox.datagrams, n, &used));
    must(soe_mux_tick(mux, udp_now_us()));
    do {
      must(soe_mux_drain_events(mux, ev, UDP_BATCH, &n));
      for (i = 0; i < n; i++) {
        if (ev[i].kind == SOE_EVENT_CONNECTED) {
          unless_ended(soe_session_send(mux, session, SOE_CHANNEL_RELIABLE_0, (const uint8_t *)"hello", 5));
        } else if (ev[i].kind == SOE_EVENT_MESSAGE) {
          printf("%.*s\n", (int)ev[i].len, (const char *)ev[i].data);
          unless_ended(soe_session_disconnect(mux, session, SOE_REASON_APPLICATION, SOE_DISCONNECT_FLUSH));
        } else if (ev[i].kind == SOE_EVENT_DISCONNECTED) {
          reason = ev[i].code;
        }
      }
    } while (n);
    do {
      must(soe_mux_drain_outgoing(mux, udp_now_us(), out, UDP_BATCH, &n));
      udp_send(fd, out, n);
    } while (n);
  }
  soe_mux_free(mux);
  if (reason != SOE_REASON_APPLICATION) fprintf(stderr, "disconnected, reason %d\n", reason);
  return reason == SOE_REASON_APPLICATION ? 0 : 1;
}
