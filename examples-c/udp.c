#if defined(__linux__) && !defined(SOE_PLAIN_UDP)
#define UDP_BATCHED
#ifndef _GNU_SOURCE /* recvmmsg, sendmmsg (C++ compilers define it themselves) */
#define _GNU_SOURCE
#endif
#else
#define _POSIX_C_SOURCE 200809L
#endif

#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t udp_now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ------------------------------------------------------------- addresses */

/* The library ignores what a family does not use. It stays zero all the same, so that a host may compare addresses as a whole. */
static void from_sockaddr(const struct sockaddr_storage *from, soe_addr *out) {
  memset(out, 0, sizeof *out);
  if (from->ss_family == AF_INET) {
    struct sockaddr_in v4;
    memcpy(&v4, from, sizeof v4);
    memcpy(out->ip, &v4.sin_addr, 4);
    out->port = ntohs(v4.sin_port);
    out->family = SOE_FAMILY_V4;
  } else if (from->ss_family == AF_INET6) {
    struct sockaddr_in6 v6;
    memcpy(&v6, from, sizeof v6);
    memcpy(out->ip, &v6.sin6_addr, 16);
    out->port = ntohs(v6.sin6_port);
    out->scope_id = v6.sin6_scope_id;
    out->family = SOE_FAMILY_V6;
  }
}

/* The length to pass along, or 0 for an address that is not IP. */
static socklen_t to_sockaddr(const soe_addr *addr, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (addr->family == SOE_FAMILY_V4) {
    struct sockaddr_in v4;
    memset(&v4, 0, sizeof v4);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(addr->port);
    memcpy(&v4.sin_addr, addr->ip, 4);
    memcpy(out, &v4, sizeof v4);
    return sizeof v4;
  }
  if (addr->family == SOE_FAMILY_V6) {
    struct sockaddr_in6 v6;
    memset(&v6, 0, sizeof v6);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(addr->port);
    v6.sin6_scope_id = addr->scope_id;
    memcpy(&v6.sin6_addr, addr->ip, 16);
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
  }
  return 0;
}

int udp_parse(const char *ip, uint16_t port, soe_addr *out) {
  memset(out, 0, sizeof *out);
  out->port = port;
  if (inet_pton(AF_INET, ip, out->ip) == 1) {
    out->family = SOE_FAMILY_V4;
  } else if (inet_pton(AF_INET6, ip, out->ip) == 1) {
    out->family = SOE_FAMILY_V6;
  } else {
    return -1;
  }
  return 0;
}

const char *udp_format(const soe_addr *addr, char *text, size_t size) {
  char ip[INET6_ADDRSTRLEN] = "?";
  int v6 = addr->family == SOE_FAMILY_V6;
  if (v6 || addr->family == SOE_FAMILY_V4) {
    (void)inet_ntop(v6 ? AF_INET6 : AF_INET, addr->ip, ip, sizeof ip);
  }
  (void)snprintf(text, size, v6 ? "[%s]:%u" : "%s:%u", ip, (unsigned)addr->port);
  return text;
}

/* ------------------------------------------------------------- the socket */

int udp_open(const soe_addr *bind_to, soe_addr *bound) {
  struct sockaddr_storage at;
  socklen_t len = to_sockaddr(bind_to, &at);
  int room = 1 << 20; /* a message of 100,000 bytes arrives as some 200 datagrams at once */
  int flags, saved, fd;
  if (len == 0) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  fd = socket(at.ss_family, SOCK_DGRAM, 0);
  if (fd < 0) return -1;
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* as much as the system allows */
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  if ((flags = fcntl(fd, F_GETFL)) < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) goto failed;
  if (bind(fd, (const struct sockaddr *)&at, len) < 0) goto failed;
  len = sizeof at;
  if (getsockname(fd, (struct sockaddr *)&at, &len) < 0) goto failed;
  from_sockaddr(&at, bound);
  return fd;
failed:
  saved = errno;
  (void)close(fd);
  errno = saved;
  return -1;
}

void udp_wait(int fd, int32_t timeout_ms) {
  struct pollfd p;
  p.fd = fd;
  p.events = POLLIN;
  p.revents = 0;
  (void)poll(&p, 1, timeout_ms); /* interrupted or not: the caller looks around either way */
}

/* "Nothing to read", "no room to send". Anything else concerns one datagram: an ICMP answer to an earlier one, say. */
static int must_wait(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

static void took(udp_inbox *inbox, size_t slot, size_t count, size_t len, const struct sockaddr_storage *from) {
  soe_datagram *d = &inbox->datagrams[count];
  memset(d, 0, sizeof *d);
  d->data = inbox->bytes[slot];
  d->len = (uint32_t)len;
  from_sockaddr(from, &d->addr);
}

#ifdef UDP_BATCHED

size_t udp_receive(int fd, udp_inbox *inbox) {
  struct mmsghdr messages[UDP_BATCH];
  struct iovec parts[UDP_BATCH];
  struct sockaddr_storage from[UDP_BATCH];
  size_t i, count = 0;
  int n, tries;
  memset(messages, 0, sizeof messages);
  for (i = 0; i < UDP_BATCH; i++) {
    parts[i].iov_base = inbox->bytes[i];
    parts[i].iov_len = UDP_MAX_DATAGRAM;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &from[i];
    messages[i].msg_hdr.msg_namelen = sizeof from[i];
  }
  for (tries = 0; tries < UDP_BATCH; tries++) {
    n = recvmmsg(fd, messages, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (n >= 0 || must_wait(errno)) break;
  }
  for (i = 0; n > 0 && i < (size_t)n; i++) {
    if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) continue;
    took(inbox, i, count++, messages[i].msg_len, &from[i]);
  }
  return count;
}

size_t udp_send(int fd, const soe_datagram *datagrams, size_t count) {
  struct mmsghdr messages[UDP_BATCH];
  struct iovec parts[UDP_BATCH];
  struct sockaddr_storage to[UDP_BATCH];
  size_t i, n, at = 0, sent = 0;
  int done;
  while (at < count) {
    n = count - at;
    if (n > UDP_BATCH) n = UDP_BATCH;
    memset(messages, 0, n * sizeof messages[0]);
    for (i = 0; i < n; i++) {
      parts[i].iov_base = (void *)(uintptr_t)datagrams[at + i].data; /* sendmmsg only reads it */
      parts[i].iov_len = datagrams[at + i].len;
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_name = &to[i];
      messages[i].msg_hdr.msg_namelen = to_sockaddr(&datagrams[at + i].addr, &to[i]);
    }
    done = sendmmsg(fd, messages, (unsigned)n, MSG_DONTWAIT);
    if (done > 0) {
      at += (size_t)done;
      sent += (size_t)done;
    } else if (done == 0 || must_wait(errno)) {
      break;
    } else if (errno != EINTR) {
      at++; /* the first of them can't be sent: go on with the others */
    }
  }
  return sent;
}

#else

size_t udp_receive(int fd, udp_inbox *inbox) {
  struct sockaddr_storage from;
  socklen_t len;
  ssize_t n;
  size_t count = 0;
  int tries;
  for (tries = 0; tries < UDP_BATCH; tries++) {
    len = sizeof from;
    n = recvfrom(fd, inbox->bytes[count], UDP_MAX_DATAGRAM, 0, (struct sockaddr *)&from, &len);
    if (n < 0 && must_wait(errno)) break;
    if (n < 0 || n == UDP_MAX_DATAGRAM) continue; /* interrupted, an ICMP answer, or cut off */
    took(inbox, count, count, (size_t)n, &from);
    count++;
  }
  return count;
}

size_t udp_send(int fd, const soe_datagram *datagrams, size_t count) {
  struct sockaddr_storage to;
  socklen_t len;
  ssize_t n;
  size_t i, sent = 0;
  for (i = 0; i < count; i++) {
    len = to_sockaddr(&datagrams[i].addr, &to);
    do {
      n = sendto(fd, datagrams[i].data, datagrams[i].len, 0, (const struct sockaddr *)&to, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
      sent++;
    } else if (must_wait(errno)) {
      break;
    }
  }
  return sent;
}

#endif
