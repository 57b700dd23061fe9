/* A mux is freed at any point of its sessions' lives, with everything that can be under way under way: no block of memory is left, says
 * valgrind (tests/c/run --valgrind). */
#include "pair.h"

enum { STEPS = 60, LONG = 40000 };

/* The steps of a life: each a few calls, with things left undone for the next. */
static void step(pair *p, unsigned number, uint8_t *message) {
  soe_accept_options accept;
  soe_cipher cipher;
  soe_event ev[3];
  soe_datagram out[3];
  uint8_t junk[40];
  size_t n = 0;
  int side = (int)(number % 2);
  switch (number) {
    case 0: CHECK_OK(soe_mux_connect(p->mux[CLIENT], p->now, &p->addr[SERVER], NULL, &p->id[CLIENT])); break;
    case 1: pair_outgoing(p, CLIENT); break; /* the request is under way */
    case 2: pair_run(p, 10000); break;       /* the host has heard of it */
    case 3: /* others ask, and are left waiting */
      for (n = 0; n < 8; n++) {
        soe_addr other = v4((uint8_t)(100 + n), 7);
        static const uint8_t request[] = {0, 1, 0, 0, 0, 3, 9, 9, 9, 9, 0, 0, 2, 0, 'T', 'e', 's', 't', '_', '1', 0};
        CHECK_OK(soe_mux_feed(p->mux[SERVER], p->now, &other, request, sizeof request));
      }
      break;
    case 4:
      memset(&accept, 0, sizeof accept);
      CHECK_OK(soe_accept_options_init(&accept, sizeof accept));
      accept.cipher_key = (const uint8_t *)"key";
      accept.cipher_key_len = 3;
      CHECK_OK(soe_session_accept(p->mux[SERVER], p->now, p->id[SERVER], &accept));
      memset(&cipher, 0, sizeof cipher);
      cipher.struct_size = sizeof cipher;
      cipher.direction = SOE_CIPHER_BOTH;
      cipher.key = (const uint8_t *)"key";
      cipher.key_len = 3;
      CHECK(pair_run_until(p, pair_is_open, 5000000));
      CHECK_OK(soe_session_set_cipher(p->mux[CLIENT], p->id[CLIENT], &cipher));
      break;
    case 5: p->loss = 2000; break;
    case 30: p->cut[CLIENT] = p->cut[SERVER] = 1; break; /* nothing is acknowledged any more, until the queues are full */
    case 40: p->cut[CLIENT] = p->cut[SERVER] = 0; break;
    case 50: (void)soe_session_disconnect(p->mux[CLIENT], p->id[CLIENT], SOE_REASON_APPLICATION, SOE_DISCONNECT_FLUSH); break;
    case 55: (void)soe_session_disconnect(p->mux[SERVER], p->id[SERVER], SOE_REASON_APPLICATION, SOE_DISCONNECT_NOW); break;
    default:
      /* Messages of all kinds; the queue may be full, or the session over. */
      (void)pair_send(p, side, number % 4, message, 1 + number * 997 % LONG);
      (void)pair_send(p, 1 - side, SOE_CHANNEL_UNRELIABLE, message, 1 + number * 97 % 400);
      (void)pair_send(p, side, SOE_CHANNEL_ORDERED, message, 1 + number * 97 % 400);
      if (number % 3 == 0) {
        pair_run(p, 15000);
      } else {
        /* A host that lends and looks away. */
        flight landed;
        while (pair_land(p, &landed)) {
          CHECK_OK(soe_mux_feed(p->mux[landed.to], p->now, &landed.from, landed.data, landed.len));
          free(landed.data);
        }
        CHECK_OK(soe_mux_tick(p->mux[side], p->now));
        CHECK_OK(soe_mux_drain_outgoing(p->mux[side], p->now, out, 3, &n));
        for (; n > 0; n--) pair_post(p, side, &out[n - 1]);
        CHECK_OK(soe_mux_drain_events(p->mux[side], ev, 3, &n));
        fill(junk, sizeof junk, number);
        pair_feed(p, side, junk, sizeof junk);
        p->now += 4000;
      }
  }
}

static void live(unsigned steps, uint8_t *message) {
  soe_config config;
  pair p;
  unsigned i;
  pair_config(&config, SERVER);
  config.flags = SOE_CONFIG_MANUAL_ACCEPT;
  config.pass0 = SOE_PASS_COMPRESS;
  config.send_queue_bytes = 60000;
  pair_begin(&p, NULL, &config);
  for (i = 0; i < steps; i++) step(&p, i, message);
  pair_end(&p);
}

int main(void) {
  static uint8_t message[LONG];
  unsigned steps, stride = rounds(1, 7);
  fill(message, sizeof message, 1);
  for (steps = 0; steps <= STEPS; steps += stride) live(steps, message);
  printf("freed_anywhere: ok\n");
  return 0;
}
