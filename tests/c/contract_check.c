/* The fixed part of the ABI: compiles only where include/soe.h keeps it.
 * cc -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only -Iinclude tests/c/contract_check.c
 * c++ -std=c++11 -x c++ -fsyntax-only -Iinclude tests/c/contract_check.c */
#include <stddef.h>
#include <stdint.h>
#include "soe.h"

#define HOLDS(name, condition) typedef char holds_##name[(condition) ? 1 : -1]

HOLDS(addr_size, sizeof(soe_addr) == 24);
HOLDS(addr_scope, offsetof(soe_addr, scope_id) == 16);
HOLDS(addr_port, offsetof(soe_addr, port) == 20);
HOLDS(addr_family, offsetof(soe_addr, family) == 22);
#if UINTPTR_MAX == 0xffffffffffffffffu
HOLDS(datagram_size, sizeof(soe_datagram) == 48);
HOLDS(datagram_len, offsetof(soe_datagram, len) == 8);
HOLDS(datagram_segment, offsetof(soe_datagram, segment_size) == 12);
HOLDS(datagram_session, offsetof(soe_datagram, session) == 16);
HOLDS(datagram_addr, offsetof(soe_datagram, addr) == 24);
HOLDS(event_size, sizeof(soe_event) == 64);
HOLDS(event_channel, offsetof(soe_event, channel) == 4);
HOLDS(event_session, offsetof(soe_event, session) == 8);
HOLDS(event_user_data, offsetof(soe_event, user_data) == 16);
HOLDS(event_data, offsetof(soe_event, data) == 24);
HOLDS(event_len, offsetof(soe_event, len) == 32);
HOLDS(event_code, offsetof(soe_event, code) == 36);
HOLDS(event_time, offsetof(soe_event, time_us) == 40);
HOLDS(event_arg, offsetof(soe_event, arg) == 48);
#endif
HOLDS(config_first, offsetof(soe_config, struct_size) == 0);
HOLDS(connect_first, offsetof(soe_connect_options, struct_size) == 0);

HOLDS(families, SOE_FAMILY_OPAQUE == 0 && SOE_FAMILY_V4 == 4 && SOE_FAMILY_V6 == 6);
HOLDS(channels, SOE_CHANNEL_RELIABLE_0 == 0 && SOE_CHANNEL_RELIABLE_3 == 3 && SOE_CHANNEL_UNRELIABLE == 4 &&
                    SOE_CHANNEL_ORDERED == 5 && SOE_CHANNEL_ORDERED_2 == 6);
HOLDS(events, SOE_EVENT_NONE == 0 && SOE_EVENT_CONNECT_REQUEST == 1 && SOE_EVENT_CONNECTED == 2 && SOE_EVENT_MESSAGE == 3 &&
                  SOE_EVENT_WRITABLE == 4 && SOE_EVENT_DISCONNECTED == 5 && SOE_EVENT_REBOUND == 6);
HOLDS(caller_errors, SOE_OK == 0 && SOE_ERR_NULL == -1 && SOE_ERR_MISALIGNED == -2 && SOE_ERR_INVALID_ARGUMENT == -3 &&
                         SOE_ERR_STRUCT_SIZE == -4 && SOE_ERR_BUFFER_TOO_SMALL == -5 && SOE_ERR_STALE_SESSION == -6 &&
                         SOE_ERR_STATE == -7 && SOE_ERR_TOO_LARGE == -8 && SOE_ERR_VERSION == -9 &&
                         SOE_ERR_UNSUPPORTED == -10 && SOE_ERR_MALFORMED == -11);
HOLDS(other_errors, SOE_ERR_WOULD_BLOCK == -32 && SOE_ERR_LIMIT == -33 && SOE_ERR_BUSY == -34 && SOE_ERR_TIMEOUT == -35 &&
                        SOE_ERR_NO_MEMORY == -64 && SOE_ERR_IO == -65 && SOE_ERR_CLOSED == -66 && SOE_ERR_PANIC == -128 &&
                        SOE_ERR_POISONED == -129);
HOLDS(presets, SOE_PRESET_DEFAULT == 0 && SOE_PRESET_PLANETSIDE2 == 1 && SOE_PRESET_H1Z1 == 2 && SOE_PRESET_LANDMARK == 3 &&
                   SOE_PRESET_FREE_REALMS == 4 && SOE_PRESET_STAR_WARS_GALAXIES == 5 && SOE_PRESET_EVERQUEST == 6 &&
                   SOE_PRESET_EVERQUEST2 == 7 && SOE_PRESET_PLANETSIDE == 8);

HOLDS(passes, SOE_PASS_NONE == 0 && SOE_PASS_COMPRESS == 1 && SOE_PASS_COMPRESS_2 == 2 && SOE_PASS_XOR_BUFFER == 3 && SOE_PASS_XOR == 4);
HOLDS(compression_flags, SOE_COMPRESSION_FLAG_LEADING == 0 && SOE_COMPRESSION_FLAG_LEADING_EVERQUEST == 1 && SOE_COMPRESSION_FLAG_TRAILING == 2);
HOLDS(flags, SOE_CONFIG_CIPHER_BY_HOST == 1 && SOE_CONFIG_MANUAL_ACCEPT == 2 && SOE_CONFIG_TRAINS == 4 && SOE_CONFIG_CONNECTED_AT_REQUEST == 8 &&
                 SOE_DISCONNECT_NOW == 0 && SOE_DISCONNECT_FLUSH == 1 && SOE_DISCONNECT_SILENT == 2 && SOE_ENDED_BY_HOST == 0 &&
                 SOE_ENDED_BY_PEER == 1 && SOE_ENDED_BY_LIBRARY == 2);
HOLDS(growable, offsetof(soe_accept_options, struct_size) == 0 && offsetof(soe_session_info, struct_size) == 0 && offsetof(soe_stats, struct_size) == 0);
HOLDS(cipher_first, offsetof(soe_cipher, struct_size) == 0);

/* Exact prototypes. */
soe_status (*check_config_init)(soe_config *, size_t, uint32_t) = soe_config_init;
soe_status (*check_mux_create)(const soe_config *, uint64_t, soe_mux **) = soe_mux_create;
void (*check_mux_free)(soe_mux *) = soe_mux_free;
soe_status (*check_mux_feed)(soe_mux *, uint64_t, const soe_addr *, const uint8_t *, size_t) = soe_mux_feed;
soe_status (*check_mux_feed_batch)(soe_mux *, uint64_t, const soe_datagram *, size_t, size_t *) = soe_mux_feed_batch;
soe_status (*check_mux_tick)(soe_mux *, uint64_t) = soe_mux_tick;
uint64_t (*check_mux_next_deadline)(const soe_mux *) = soe_mux_next_deadline;
int32_t (*check_mux_timeout_ms)(const soe_mux *, uint64_t) = soe_mux_timeout_ms;
soe_status (*check_mux_drain_outgoing)(soe_mux *, uint64_t, soe_datagram *, size_t, size_t *) = soe_mux_drain_outgoing;
soe_status (*check_mux_drain_into)(soe_mux *, uint64_t, uint8_t *, size_t, soe_datagram *, size_t, size_t *) = soe_mux_drain_outgoing_into;
soe_status (*check_mux_drain_events)(soe_mux *, soe_event *, size_t, size_t *) = soe_mux_drain_events;
soe_status (*check_mux_connect)(soe_mux *, uint64_t, const soe_addr *, const soe_connect_options *, soe_session_id *) = soe_mux_connect;
soe_status (*check_session_send)(soe_mux *, soe_session_id, uint32_t, const uint8_t *, size_t) = soe_session_send;
soe_status (*check_session_disconnect)(soe_mux *, soe_session_id, uint32_t, uint32_t) = soe_session_disconnect;
soe_status (*check_set_cipher)(soe_mux *, soe_session_id, const soe_cipher *) = soe_session_set_cipher;
soe_status (*check_accept)(soe_mux *, uint64_t, soe_session_id, const soe_accept_options *) = soe_session_accept;
soe_status (*check_user_data)(soe_mux *, soe_session_id, uint64_t) = soe_session_set_user_data;
soe_status (*check_info)(const soe_mux *, soe_session_id, soe_session_info *) = soe_session_get_info;
soe_status (*check_session_stats)(const soe_mux *, soe_session_id, soe_stats *) = soe_session_get_stats;
soe_status (*check_stats)(const soe_mux *, soe_stats *) = soe_mux_get_stats;
soe_status (*check_find)(const soe_mux *, const soe_addr *, soe_session_id *) = soe_mux_find;
const char *(*check_status_string)(soe_status) = soe_status_string;
const char *(*check_version_string)(void) = soe_version_string;
uint32_t (*check_abi_version)(void) = soe_abi_version;

void check_fields(soe_config *config, soe_connect_options *options, soe_cipher *cipher);
void check_fields(soe_config *config, soe_connect_options *options, soe_cipher *cipher) {
  static const uint8_t key[5] = {1, 2, 3, 4, 5};
  config->flags = SOE_CONFIG_CIPHER_BY_HOST;
  config->protocol_version = 3;
  config->confirm_has_version = 1;
  config->pass0 = SOE_PASS_COMPRESS;
  config->pass1 = SOE_PASS_NONE;
  config->compression_flag = SOE_COMPRESSION_FLAG_LEADING;
  config->cipher_key = key;
  config->cipher_key_len = 5;
  cipher->direction = 3;
  cipher->key = key;
  cipher->key_len = 5;
  cipher->drop = 0;
  cipher->scope = 0;
  config->application_protocol = "Name";
  config->application_protocol_len = 4;
  config->udp_length = 512;
  config->crc_length = 2;
  config->max_sessions = 1;
  config->rng_seed = 1;
  config->crc_seed_mode = 1;
  config->crc_seed = 7;
  config->redundancy = 1;
  config->redundancy_delay_us = 10000;
  config->flush_timeout_ms = 1000;
  options->session_id_on_wire = 9;
  options->application_protocol = "Name";
  options->application_protocol_len = 4;
  options->user_data = 5;
  options->timeout_ms = 1000;
}
