/* A second thread inside a multiplexer is the host's mistake, and answered SOE_ERR_BUSY. That the first one is inside for certain is
 * seen to by a datagram in a mapped file that is still empty: reading it stops the library in the middle of a batch (SIGBUS) until the second
 * thread is done and the file has grown. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pair.h"

static int inside[2], go_on[2]; /* pipes */
static int file;
static uint8_t *page;
static size_t page_size;

static void wait_for(int fd) {
  char c;
  while (read(fd, &c, 1) != 1) {
  }
}
static void tell(int fd) {
  while (write(fd, "x", 1) != 1) {
  }
}
/* On the thread that feeds, within the library. */
static void on_fault(int number, siginfo_t *info, void *context) {
  const uint8_t *at = (const uint8_t *)info->si_addr;
  (void)context;
  if (at < page || at >= page + page_size) {
    signal(number, SIG_DFL);
    return;
  }
  tell(inside[1]);
  wait_for(go_on[0]);
  if (ftruncate(file, (off_t)page_size) != 0) _exit(3);
}

typedef struct feeder {
  pair *p;
  soe_datagram *in;
  size_t count, used;
  soe_status status;
} feeder;

static void *feed(void *argument) {
  feeder *f = (feeder *)argument;
  f->status = soe_mux_feed_batch(f->p->mux[SERVER], f->p->now, f->in, f->count, &f->used);
  tell(inside[1]); /* also where nothing stopped it */
  return NULL;
}

/* Records that a server drops: of strangers, and of the client with a CRC that does not match. The first one stands on the page. */
static soe_datagram *records(pair *p, size_t count) {
  soe_datagram *in = (soe_datagram *)calloc(count, sizeof *in);
  size_t i;
  CHECK(in);
  for (i = 0; i < count; i++) {
    in[i].data = page;
    in[i].len = 100;
    in[i].addr = i % 2 ? p->addr[CLIENT] : v4(7, (uint16_t)(1 + i % 60000));
  }
  return in;
}

#define IS_BUSY(call) CHECK_STATUS(SOE_ERR_BUSY, call)

/* Every function, while another thread is certainly inside. Nothing is written, nothing is changed. */
static void everything_is_busy(pair *p) {
  soe_mux *mux = p->mux[SERVER];
  soe_session_id id = p->id[SERVER], found = 77;
  soe_datagram out[4];
  soe_event ev[4];
  soe_cipher cipher;
  soe_session_info info;
  soe_stats stats;
  soe_addr other = v4(5, 50);
  uint8_t buffer[2000];
  size_t n = 77;
  unsigned i;
  memset(&cipher, 0, sizeof cipher);
  cipher.struct_size = sizeof cipher;
  cipher.direction = 3;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  memset(out, 0x55, sizeof out);
  memset(ev, 0x55, sizeof ev);
  for (i = 0; i < 1000; i++) {
    IS_BUSY(soe_mux_feed(mux, p->now, &p->addr[CLIENT], (const uint8_t *)"12345", 5));
    IS_BUSY(soe_mux_tick(mux, p->now));
    IS_BUSY(soe_mux_drain_outgoing(mux, p->now, out, 4, &n));
    IS_BUSY(soe_mux_drain_outgoing_into(mux, p->now, buffer, sizeof buffer, out, 4, &n));
    IS_BUSY(soe_mux_drain_events(mux, ev, 4, &n));
    IS_BUSY(soe_mux_connect(mux, p->now, &other, NULL, &found));
    IS_BUSY(soe_session_send(mux, id, SOE_CHANNEL_RELIABLE_0, (const uint8_t *)"x", 1));
    IS_BUSY(soe_session_disconnect(mux, id, 6, SOE_DISCONNECT_NOW));
    IS_BUSY(soe_session_set_user_data(mux, id, 5));
    IS_BUSY(soe_session_set_cipher(mux, id, &cipher));
    IS_BUSY(soe_session_accept(mux, p->now, id, NULL));
    IS_BUSY(soe_session_get_info(mux, id, &info));
    IS_BUSY(soe_session_get_stats(mux, id, &stats));
    IS_BUSY(soe_mux_get_stats(mux, &stats));
    IS_BUSY(soe_mux_find(mux, &p->addr[CLIENT], &found));
    (void)soe_mux_next_deadline(mux); /* have no status to answer with, but come back */
    (void)soe_mux_timeout_ms(mux, p->now);
  }
  CHECK(n == 77 && found == 77);
  CHECK(all_bytes(out, sizeof out, 0x55) && all_bytes(ev, sizeof ev, 0x55));
  CHECK(all_bytes((const uint8_t *)&info + 4, sizeof info - 4, 0));
  CHECK(all_bytes((const uint8_t *)&stats + 4, sizeof stats - 4, 0));
  /* Another multiplexer shares nothing with this one. */
  CHECK_OK(soe_mux_tick(p->mux[CLIENT], p->now));
}

/* The batch goes on while this thread calls and calls: only OK and BUSY come back. */
static void hammer(pair *p, unsigned *busy, unsigned *ok) {
  soe_stats stats;
  unsigned i;
  for (i = 0; i < 100000000; i++) {
    soe_status status;
    if (i == 10) tell(go_on[1]);
    memset(&stats, 0, sizeof stats);
    stats.struct_size = sizeof stats;
    switch (i % 3) {
      case 0: status = soe_mux_get_stats(p->mux[SERVER], &stats); break;
      case 1: status = soe_mux_tick(p->mux[SERVER], p->now); break;
      default: status = soe_session_set_user_data(p->mux[SERVER], p->id[SERVER], i); break;
    }
    CHECK(status == SOE_OK || status == SOE_ERR_BUSY);
    if (status == SOE_OK) {
      if (++*ok == 1000) return; /* it has ended */
    } else {
      ++*busy;
    }
  }
}

int main(void) {
  struct sigaction action;
  FILE *empty;
  pthread_t thread;
  feeder f;
  pair p;
  soe_stats before, after;
  unsigned busy = 0, ok = 0, messages;
  size_t count = rounds(300000, 10000);

  page_size = (size_t)sysconf(_SC_PAGESIZE);
  CHECK((empty = tmpfile()) != NULL);
  file = fileno(empty);
  page = (uint8_t *)mmap(NULL, page_size, PROT_READ, MAP_SHARED, file, 0);
  CHECK(page != MAP_FAILED);
  CHECK(pipe(inside) == 0 && pipe(go_on) == 0);
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGBUS, &action, NULL) == 0);

  pair_begin(&p, NULL, NULL);
  pair_connect(&p, NULL);
  pair_run(&p, 100000);
  before = pair_stats(&p, SERVER);

  memset(&f, 0, sizeof f);
  f.p = &p;
  f.count = count;
  f.in = records(&p, count);
  CHECK(pthread_create(&thread, NULL, feed, &f) == 0);
  wait_for(inside[0]);
  everything_is_busy(&p);
  hammer(&p, &busy, &ok);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(f.status);
  CHECK_EQUAL(count, f.used);
  CHECK(busy >= 10);
  free(f.in);

  /* All that was fed took effect, and the session is well. */
  after = pair_stats(&p, SERVER);
  CHECK_EQUAL(count / 2, after.dropped_crc - before.dropped_crc);
  messages = p.messages[SERVER];
  CHECK_OK(pair_send(&p, CLIENT, SOE_CHANNEL_RELIABLE_0, "hello", 5));
  pair_run(&p, 1000000);
  CHECK_EQUAL(messages + 1, p.messages[SERVER]);
  CHECK_EQUAL(0, p.disconnected[SERVER]);
  pair_end(&p);
  munmap(page, page_size);
  fclose(empty);
  printf("busy: ok\n");
  return 0;
}
