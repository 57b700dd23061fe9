/* A UDP socket and a clock for libsoe: everything that the library leaves to its host. Written to be copied.
 *
 * On Linux whole batches go through recvmmsg and sendmmsg; elsewhere (or with -DSOE_PLAIN_UDP) through recvfrom and sendto. */
#ifndef UDP_H
#define UDP_H

#include <stddef.h>
#include <stdint.h>

#include "soe.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  UDP_BATCH = 64,         /* datagrams per system call */
  UDP_MAX_DATAGRAM = 2048 /* at least the udp_length of the config; what is longer was not sent by a peer of ours */
};

/* What arrived: datagrams[] points into bytes[], as soe_mux_feed_batch takes it. Large: keep one, outside the stack. */
typedef struct udp_inbox {
  soe_datagram datagrams[UDP_BATCH];
  uint8_t bytes[UDP_BATCH][UDP_MAX_DATAGRAM];
} udp_inbox;

/* Microseconds of the monotonic clock. */
uint64_t udp_now_us(void);

/* Reads "127.0.0.1" or "::1" and a port. 0, or -1 where the text is no address. */
int udp_parse(const char *ip, uint16_t port, soe_addr *out);

/* Writes "127.0.0.1:20042" or "[::1]:20042"; always ends it with a zero. Returns text. */
const char *udp_format(const soe_addr *addr, char *text, size_t size);

/* Opens a non-blocking socket on `bind_to` (port 0: any free one) and tells where it landed. The descriptor, or -1 with errno. */
int udp_open(const soe_addr *bind_to, soe_addr *bound);

/* Waits until something arrives, at most timeout_ms (-1: for ever). A signal ends the wait too. */
void udp_wait(int fd, int32_t timeout_ms);

/* Takes what has arrived, at most UDP_BATCH datagrams, without waiting. Returns how many. */
size_t udp_receive(int fd, udp_inbox *inbox);

/* Sends what soe_mux_drain_outgoing lent. Returns how many left: a datagram that could not be sent is lost, as on the
 * wire, and the protocol repairs it. A failure to send never ends a loop that serves others. */
size_t udp_send(int fd, const soe_datagram *datagrams, size_t count);

#ifdef __cplusplus
}
#endif
#endif
