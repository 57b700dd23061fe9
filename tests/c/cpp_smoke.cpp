// The header as C++11 sees it: a session is opened and echoes.
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"

static soe_mux *make(std::uint64_t seed) {
  soe_config config;
  soe_mux *mux = nullptr;
  CHECK_OK(soe_config_init(&config, sizeof config, SOE_PRESET_DEFAULT));
  config.application_protocol = "Smoke";
  config.application_protocol_len = 5;
  config.rng_seed = seed;
  CHECK_OK(soe_mux_create(&config, 0, &mux));
  CHECK(mux != nullptr);
  return mux;
}

static bool carry(soe_mux *from, soe_mux *to, const soe_addr &place, std::uint64_t now) {
  std::vector<soe_datagram> out(16);
  std::size_t count = 0;
  CHECK_OK(soe_mux_drain_outgoing(from, now, out.data(), out.size(), &count));
  for (std::size_t i = 0; i < count; i++) CHECK_OK(soe_mux_feed(to, now, &place, out[i].data, out[i].len));
  return count != 0;
}

int main() {
  soe_mux *client = make(1), *server = make(2);
  const soe_addr client_at = v4(1, 1000), server_at = v4(2, 2000);
  soe_session_id session = 0;
  std::string echoed;
  bool over = false;
  std::uint64_t now = 0;
  CHECK_OK(soe_mux_connect(client, now, &server_at, nullptr, &session));
  for (int turn = 0; turn < 100 && !over; turn++, now += 1000) {
    CHECK_OK(soe_mux_tick(client, now));
    CHECK_OK(soe_mux_tick(server, now));
    for (soe_mux *mux : {client, server}) {
      soe_event events[8];
      std::size_t count = 0;
      CHECK_OK(soe_mux_drain_events(mux, events, 8, &count));
      for (std::size_t i = 0; i < count; i++) {
        const soe_event &ev = events[i];
        if (ev.kind == SOE_EVENT_CONNECTED && mux == client) {
          CHECK_OK(soe_session_send(client, session, SOE_CHANNEL_RELIABLE_0, reinterpret_cast<const std::uint8_t *>("hello"), 5));
        } else if (ev.kind == SOE_EVENT_MESSAGE && mux == server) {
          CHECK_OK(soe_session_send(server, ev.session, ev.channel, ev.data, ev.len));
        } else if (ev.kind == SOE_EVENT_MESSAGE) {
          echoed.assign(reinterpret_cast<const char *>(ev.data), ev.len);
          CHECK_OK(soe_session_disconnect(client, session, 6, SOE_DISCONNECT_FLUSH));
        } else if (ev.kind == SOE_EVENT_DISCONNECTED && mux == server) {
          CHECK_EQUAL(6, ev.code);
          over = true;
        }
      }
    }
    while (carry(client, server, client_at, now) | carry(server, client, server_at, now)) {
    }
  }
  CHECK(over);
  CHECK(echoed == "hello");
  soe_mux_free(client);
  soe_mux_free(server);
  soe_mux_free(nullptr);
  std::printf("cpp_smoke: ok\n");
  return 0;
}
